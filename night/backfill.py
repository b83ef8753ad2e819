"""Months that are gone over again: rejected submissions are loaded again, what waits is loaded, slices are made anew.

Everything is published once, at the end. A backfill yields to a night: while another build is open, or waits for its
publication, it waits or leaves. What it did is on record, so that the same backfill again does nothing again: a
submission is not loaded again while nothing its verdict rests on has changed, and a range that these rules made anew on
demand, and that is shown, is not made anew once more.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from pydantic import ValidationError

from ingestion import inbox as inboxes
from ingestion import ledger, manifest
from ingestion.contracts import load_contracts
from ingestion.inbox import Folder
from ingestion.replay import GoneError, Refused, brought_back, is_kept, refused
from ingestion.sender_keys import is_sender
from night import arrivals, dbt_runs, journal, publishing, tasks
from night.passing import LoadsLostError, passes_by_itself
from night.readiness import ensure_ready
from night.slice_plan import SlicePlan, Touch, plan_slices
from warehouse import builds, roles
from warehouse.builds import Range, Rebuild
from warehouse.connection import Connection, connect
from warehouse.errors import BuildOpenError, StorageError, UnreachableError, UsageError
from warehouse.settings import PROJECT, Settings, settings

REASON = "a rule or a reference changed"
"""What stands on record where nobody says why."""

_RULES = (
    "ingestion/**/*.py", "ingestion/contracts/*.yaml", "expectations/**/*.py", "expectations/**/*.csv",
    "warehouse/geography.py", "warehouse/reference/*.csv", "dbt_project/seeds/**/legal_parameter.csv",
    "dbt_project/seeds/**/reporting_deadline.csv",
)  # fmt: skip
_REPLAY = "replay "
_BY = "Airflow"
STAGE = "backfill"
"""What the steps of a run under Airflow are called in ops.run_stage."""


@dataclass(frozen=True)
class Left:
    """A submission of the range that is not loaded, and why; the sentence says what would."""

    sender: str
    submission_id: str
    why: str


@dataclass(frozen=True)
class Waiting:
    """A folder of the inbox that is not final, with its manifest."""

    path: Path
    manifest: manifest.Manifest


class Batch(TypedDict):
    """What is to be loaded of a month, as text: rejected submissions by their numbers, folders by their paths."""

    month: str
    items: list[str]


@dataclass(frozen=True)
class Plan:
    """What a backfill would do. `slices` is None where nobody asked for them.

    `idle` names the submissions that would be superseded at once: a higher version of all they bring is accepted.
    `made_in` is the publication that shows the range made anew already; the range is then left as it is.
    """

    range: Range
    replays: tuple[Refused, ...]
    folders: tuple[Waiting, ...]
    left: tuple[Left, ...]
    idle: tuple[str, ...]
    made_in: int | None
    slices: SlicePlan | None

    @property
    def batches(self) -> list[Batch]:
        """What is to be loaded, month by month."""
        months: dict[str, list[str]] = {}
        for each in self.replays:
            months.setdefault(f"{each.month:%Y-%m}", []).append(f"{_REPLAY}{each.sub_no}")
        for folder in self.folders:
            month = manifest.period_month(folder.manifest.period)
            months.setdefault(f"{month:%Y-%m}", []).append(str(folder.path))
        return [Batch(month=month, items=items) for month, items in sorted(months.items())]


def asked_range(first: str, last: str, senders: Sequence[str] = (), feeds: Sequence[str] = ()) -> Range:
    """The range that was asked for, in words. Raises UsageError naming what is no month, sender or feed."""
    for month in (first, last):
        if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", month):
            raise UsageError(f"{ascii(month)[1:-1]} is no month: write YYYY-MM.")
    if last < first:
        raise UsageError(f"{last} is before {first}: --from is the first month, --to the last one.")
    for sender in senders:
        if not is_sender(sender):
            raise UsageError(f"There is no sender {ascii(sender)[1:-1]}: write province- and two digits, tax, or hq.")
    for feed in feeds:
        if feed not in load_contracts():
            raise UsageError(f"There is no feed {ascii(feed)[1:-1]}: it must be one of {', '.join(load_contracts())}.")
    return Range(manifest.period_month(first), manifest.period_month(last), tuple(senders), tuple(feeds))


@functools.cache
def rules(settings: Settings) -> str:
    """A digest of what a submission is judged by: contracts, codes, gates, thresholds, the map, who must sign."""
    digest = hashlib.sha256(f"signatures {settings.require_signatures}".encode())
    for path in sorted({path for pattern in _RULES for path in PROJECT.glob(pattern)}):
        digest.update(str(path.relative_to(PROJECT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def replay(settings: Settings, run_id: str, wanted: Refused, *, reason: str, by: str) -> str:
    """Load a rejected submission again as it was received, and gate it; returns the state.

    The bytes are there before the verdict is put aside. One that was broken off before is taken up. Raises GoneError.
    """
    with brought_back(settings, wanted) as folder:
        with connect(settings, roles.LOADER) as connection:
            ledger.reopen(connection, wanted.sub_no, reason=reason, by=by, rules=rules(settings))
        return arrivals.take(settings, run_id, folder)


def plan(
    settings: Settings, wanted: Range, *, inbox: Path | None, again: bool = False, with_slices: bool = False
) -> Plan:
    """What a backfill of a range would touch; touches nothing.

    Of submissions that are not loaded yet it is taken that they will be accepted. `again`: also what is settled, and a
    range that was made anew. `with_slices`: also which slices, which nobody can say while a build is open: raises
    BuildOpenError then.
    """
    with connect(settings, roles.LOADER) as connection:
        found = [each for each in _refused(connection, settings, wanted) if _is_of(wanted, each.feeds, each.action)]
        left = [(each, _why_left(settings, each, again=again)) for each in found]
        replays = tuple(each for each, why in left if why is None)
        folders, waiting = _waiting(settings, wanted, inbox, {_identity(each) for each in found})
        arriving = [
            (each.submission_id, _touches(connection, each.sender, each.month, each.version, each.action, each.feeds))
            for each in replays
        ] + [(each.path.name, _touches_of(connection, each.manifest)) for each in folders]
        made_in = None if again else builds.rebuilt_in(connection, wanted, dbt_runs.project_hash())
    return Plan(
        wanted, replays, folders,
        (*(Left(each.sender, each.submission_id, why) for each, why in left if why is not None), *waiting),
        tuple(name for name, touched in arriving if not touched),
        made_in,
        plan_slices(settings, wanted if made_in is None else None, [one for _, ones in arriving for one in ones])
        if with_slices
        else None,
    )  # fmt: skip


def take_batch(
    settings: Settings,
    run_id: str,
    items: Iterable[str],
    *,
    reason: str,
    by: str,
    again: bool = False,
    lost: list[str] | None = None,
) -> Iterator[tuple[str, str]]:
    """Load the items of a batch; each with the state it ended in, `error` for what failed unexpectedly, `gone` for what
    nobody has the bytes of. What was decided since is not loaded again; what is settled only if asked for `again`.

    What failed of something that passes by itself is added to `lost`: it may be taken again. Raises UnreachableError,
    UsageError and StorageError, as a night's loading does.
    """
    for item in items:
        if not item.startswith(_REPLAY):
            yield from _load(settings, run_id, item, lost)
            continue
        with connect(settings, roles.LOADER) as connection:
            found = refused(connection, rules(settings), sub_no=int(item.removeprefix(_REPLAY)))
        for each in found:
            # by this batch's earlier attempt
            if each.is_settled and not again:
                continue
            yield (
                f"{each.sender}/{each.submission_id}",
                _replayed(settings, run_id, each, reason=reason, by=by, lost=lost),
            )


def publish(
    settings: Settings,
    run_id: str,
    wanted: Range,
    *,
    reason: str,
    by: str,
    again: bool = False,
    patience: float = 0,
    pause: float = 10,
    now: dt.datetime | None = None,
) -> int | None:
    """Make a range anew with all that was accepted, audit, and publish once; None when nothing is left to do.

    While a night is at it, for at most `patience` seconds, it waits and looks every `pause`; a candidate that a night
    took back in between is made again. `now` is the business instant of the publication. Raises BuildOpenError when
    patience ends, GateFailedError and StorageError.
    """
    give_up = time.monotonic() + patience
    with _only_backfill(settings):
        while True:
            try:
                return _published(settings, run_id, wanted, reason=reason, by=by, again=again, now=now)
            except BuildOpenError:
                if time.monotonic() + pause > give_up:
                    raise
                time.sleep(pause)


# --------------------------------------------------------------------------------------------------------- submissions


def _refused(connection: Connection, settings: Settings, wanted: Range) -> list[Refused]:
    return refused(connection, rules(settings), senders=wanted.senders, months=(wanted.first, wanted.last))


def _is_of(wanted: Range, feeds: Sequence[str], action: str | None) -> bool:
    """Whether a submission is about a feed that is wanted; a void is about all."""
    return not wanted.feeds or action == "void" or not set(wanted.feeds).isdisjoint(feeds)


def _why_left(settings: Settings, each: Refused, *, again: bool) -> str | None:
    """Why a rejected submission is not loaded again; None when it is."""
    if each.is_refused_by_person:
        return f"a person refused it: `vss replay {each.submission_id}` loads it again all the same"
    if not is_kept(settings, each):
        return "its files are neither in the archive nor in the inbox: its sender must send them again"
    if each.is_settled and not again:
        return "it was loaded again by these very rules, and nothing its verdict rests on has changed since"
    return None


def _waiting(
    settings: Settings, wanted: Range, inbox: Path | None, refused_too: set[inboxes.Identity]
) -> tuple[tuple[Waiting, ...], list[Left]]:
    """The folders of the inbox in the range that are not final, and those of them that wait for a file."""
    place = inbox or settings.inbox
    assert place is not None
    if not place.is_dir() and inbox is None:
        return (), []
    folders, left = [], []
    for path in arrivals.discover(settings, place):
        folder = inboxes.read_folder(path)
        if folder.identity in refused_too or (wanted.senders and folder.sender not in wanted.senders):
            continue
        sent = _manifest(folder)
        if sent is None or not wanted.first <= manifest.period_month(sent.period) <= wanted.last:
            continue
        if not _is_of(wanted, [file.feed for file in sent.files], sent.action):
            continue
        missing = inboxes.examine(folder).waiting_for
        if missing:
            left.append(Left(folder.sender, folder.submission_id, f"it waits for {', '.join(missing)}"))
        else:
            folders.append(Waiting(path, sent))
    folders.sort(key=lambda each: (each.manifest.period, each.manifest.sender, each.manifest.version))
    return tuple(folders), left


def _manifest(folder: Folder) -> manifest.Manifest | None:
    """A manifest that can be read; one that cannot is in no range and left to the night."""
    if folder.content is None or len(folder.content) > manifest.MANIFEST_LIMIT:
        return None
    try:
        return manifest.parse(folder.content)
    except ValidationError:
        return None


def _identity(each: Refused) -> inboxes.Identity:
    return (each.sender, each.submission_id, each.manifest_sha256)


def _touches_of(connection: Connection, sent: manifest.Manifest) -> list[Touch]:
    month, feeds = manifest.period_month(sent.period), [file.feed for file in sent.files]
    return _touches(connection, sent.sender, month, sent.version, sent.action, feeds)


def _touches(
    connection: Connection,
    sender: str,
    month: dt.date | None,
    version: int | None,
    action: str | None,
    feeds: Sequence[str],
) -> list[Touch]:
    """What a submission touches once it is accepted: nothing of which a higher version stands, or that was voided."""
    if month is None or version is None:
        return []
    standing = connection.execute(
        "select a.feed, max(a.version) from ops.accepted_load a join ops.submission s on s.sub_no = a.sub_no"
        " where s.sender = %s and s.month = %s group by 1",
        [sender, month],
    ).fetchall()
    voided = connection.execute(
        "select max(version) from ops.submission where sender = %s and month = %s and action = 'void'"
        " and state = 'accepted'",
        [sender, month],
    ).fetchone()
    above = 0 if voided is None or voided[0] is None else int(str(voided[0]))
    versions = {str(feed): int(str(number)) for feed, number in standing}
    about = [feed for feed, number in versions.items() if number < version] if action == "void" else feeds
    return [Touch(sender, feed, month) for feed in about if max(above, versions.get(feed, 0)) < version]


def _load(settings: Settings, run_id: str, item: str, lost: list[str] | None) -> Iterator[tuple[str, str]]:
    again: list[Path] = []
    for path, state in arrivals.load_all(settings, run_id, [Path(item)], lost=again):
        name = f"{path.parent.name}/{path.name}"
        if again and lost is not None:
            lost.append(name)
        yield name, state


def _replayed(settings: Settings, run_id: str, each: Refused, *, reason: str, by: str, lost: list[str] | None) -> str:
    try:
        return replay(settings, run_id, each, reason=reason, by=by)
    except GoneError:
        return "gone"
    except (UnreachableError, UsageError, StorageError):
        raise
    except Exception as error:
        # the others go on; its kind stands in the journal, its text might name a person
        if "VSS_DEBUG" in os.environ:
            raise
        if lost is not None and passes_by_itself(error):
            lost.append(f"{each.sender}/{each.submission_id}")
        return "error"


# --------------------------------------------------------------------------------------------------------- publication


@contextlib.contextmanager
def _only_backfill(settings: Settings) -> Iterator[None]:
    """One backfill builds at a time: each may take back what another left behind. Raises BuildOpenError."""
    with connect(settings, roles.TRANSFORMER, autocommit=True) as connection:
        row = connection.execute("select pg_try_advisory_lock(hashtext('vss backfill'))").fetchone()
        if row is None or not row[0]:
            raise BuildOpenError("Another backfill is at work: try again when it has ended.")
        yield


def _published(
    settings: Settings, run_id: str, wanted: Range, *, reason: str, by: str, again: bool, now: dt.datetime | None
) -> int | None:
    with builds.lease(settings) as connection:
        builds.refuse_beside_another(connection)
        made_in = None if again else builds.rebuilt_in(connection, wanted, dbt_runs.project_hash())
        if journal.is_a_night_at_work(connection):
            raise BuildOpenError("A night is at work: try again when it has reported.")
    rebuild = None if made_in is not None else Rebuild(wanted, run_id, reason, by)
    built = publishing.build(settings, run_id, rebuild=rebuild, yields=True)
    if built is None:
        return None
    publishing.audit(settings, run_id)
    publishing.publish(settings, run_id, now=now)
    with connect(settings, roles.TRANSFORMER) as connection:
        row = connection.execute("select publication_id from ops.publication where build_id = %s", [built]).fetchone()
    if row is None:
        raise BuildOpenError("A night took the backfill's candidate back: try again when it has ended.")
    return int(str(row[0]))


# ---------------------------------------------------------------------------------------------- as Airflow calls them


def planned(params: Mapping[str, Any]) -> tuple[list[Batch], list[str]]:
    """What is to be loaded, by month, and the plan in words; with the slices where nothing but a plan is asked for."""
    configured, inbox = _ready(), params["inbox"]
    with journal.stage(configured, params["run_id"], STAGE, "plan"):
        found = plan(
            configured,
            _asked(params),
            inbox=None if inbox is None else Path(inbox),
            with_slices=bool(params["dry_run"]),
        )
        return found.batches, list(in_words(found))


def loaded(batch: Batch, params: Mapping[str, Any]) -> dict[str, int]:
    """Load a month; how many ended in which state. One submission's failure never stops the rest.

    Raises LoadsLostError when some may be taken again, RuntimeError when none of those that failed may.
    """
    configured, run_id, why = _ready(), params["run_id"], params["reason"]
    states: dict[str, int] = {}
    errors: list[str] = []
    lost: list[str] = []
    with journal.stage(configured, run_id, STAGE, f"load {batch['month']}"):
        for name, state in take_batch(configured, run_id, batch["items"], reason=why, by=_BY, lost=lost):
            states[state] = states.get(state, 0) + 1
            if state == "error":
                errors.append(name)
        if lost:
            raise LoadsLostError("not loaded yet: " + ", ".join(lost)) from None
        if errors:
            raise RuntimeError("could not load " + ", ".join(errors)) from None
    return states


def published(params: Mapping[str, Any]) -> bool:
    """Make the range anew and publish; False when nothing is left to do, or when nights left no room for it."""
    configured, run_id = _ready(), params["run_id"]
    with (
        contextlib.suppress(BuildOpenError),
        journal.stage(configured, run_id, STAGE, "rebuild", steps_back=True),
    ):
        number = publish(
            configured,
            run_id,
            _asked(params),
            reason=params["reason"],
            by=_BY,
            patience=60.0 * params["wait_minutes"],
            now=tasks.instant(params["date"]),
        )
        return number is not None
    return False


def _asked(params: Mapping[str, Any]) -> Range:
    return asked_range(params["from"], params["to"], params["senders"], params["feeds"])


def _ready() -> Settings:
    configured = settings()
    ensure_ready(configured)
    return configured


# ----------------------------------------------------------------------------------------------------------- in words


def in_words(found: Plan) -> Iterator[str]:
    """A plan line by line, nothing left out."""
    months = f"{found.range.first:%Y-%m} to {found.range.last:%Y-%m}"
    of = "".join(f", {', '.join(names)}" for names in (found.range.senders, found.range.feeds) if names)
    yield f"Backfill of {months}{of}"
    yield f"Rejected submissions that are loaded again: {len(found.replays)}"
    for each in found.replays:
        codes = ", ".join(dict.fromkeys(each.codes))
        yield f"  {each.sender:<13}{each.submission_id:<28}{codes}{_idle(found, each.submission_id)}".rstrip()
    yield f"Submissions in the inbox that are loaded: {len(found.folders)}"
    for folder in found.folders:
        yield f"  {folder.manifest.sender:<13}{folder.path.name:<28}{_idle(found, folder.path.name)}".rstrip()
    if found.left:
        yield f"Left alone: {len(found.left)}"
        yield from (f"  {each.sender:<13}{each.submission_id:<28}{each.why}" for each in found.left)
    if found.made_in is not None:
        yield (
            f"The range was made anew by these rules in publication {found.made_in} and is left as it is; --again makes"
            " it anew once more."
        )
    yield from _slices_in_words(found)


def _idle(found: Plan, name: str) -> str:
    return "  superseded at once: a higher version is accepted" if name in found.idle else ""


def _slices_in_words(found: Plan) -> Iterator[str]:
    if found.slices is None:
        return
    if found.slices.is_full:
        yield "The rules changed since the shown publication, or nothing is shown: the build makes everything anew."
    by_month: dict[tuple[str, str], list[int]] = {}
    for each in found.slices.slices:
        month = "all" if each.month is None else f"{each.month:%Y-%m}"
        by_month.setdefault((each.relation, month), []).append(each.rows)
    rows = sum(map(sum, by_month.values()))
    yield f"Slices that are made anew: {len(found.slices.slices)}, {rows} rows as they are shown"
    for (relation, month), counts in sorted(by_month.items()):
        inside = month == "all" or f"{found.range.first:%Y-%m}" <= month <= f"{found.range.last:%Y-%m}"
        follows = "" if inside else "  follows"
        yield f"  {relation:<32}{month:<9}{len(counts):>4} slices {sum(counts):>10} rows{follows}"
    if found.slices.looked_at:
        yield "Computed whole, and written where the content differs:"
        yield f"  {', '.join(found.slices.looked_at)}"
    if found.batches:
        yield (
            "It is taken that what is loaded will be accepted. Units that it describes otherwise than before touch"
            " further months, which only loading shows."
        )
