"""A rejected submission once more: which there are, and their bytes as they were received.

The archive is asked first, since the inbox may be gone. What was refused before its files were archived (a sender's
name, a size, a signature) exists in the inbox alone.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from psycopg.rows import dict_row

from ingestion.archive import fetch, holds
from ingestion.inbox import Folder, examine, read_folder
from ingestion.manifest import MANIFEST_LIMIT, MANIFEST_NAME, Manifest
from ingestion.sender_keys import is_authentic
from warehouse.connection import Connection
from warehouse.errors import UsageError
from warehouse.settings import Settings


class GoneError(UsageError):
    """Neither archive nor inbox has the bytes of a submission any more."""


@dataclass(frozen=True)
class Refused:
    """A submission that was rejected, or whose replay was broken off (`is_begun`).

    `is_refused_by_person`: somebody decided so when it was held. `is_settled`: it was loaded again by these rules, and
    nothing its verdict rests on has changed since: no key, and no other submission of its sender.
    """

    sub_no: int
    submission_id: str
    sender: str
    month: dt.date | None
    version: int | None
    action: str | None
    codes: tuple[str, ...]
    is_begun: bool
    is_refused_by_person: bool
    is_settled: bool
    manifest_sha256: str | None
    manifest: Manifest | None
    received_at: dt.datetime | None
    signed_by: str | None
    folder: Path

    @property
    def feeds(self) -> tuple[str, ...]:
        """The feeds its manifest names; none for a void, which is about all of them."""
        return () if self.manifest is None else tuple(file.feed for file in self.manifest.files)

    @property
    def may_be_archived(self) -> bool:
        """Whether it got so far that its files were archived; not each of them where one was at fault."""
        return self.manifest is not None and self.manifest_sha256 is not None and is_authentic(self.codes)


def refused(
    connection: Connection,
    rules: str,
    *,
    sub_no: int | None = None,
    submission_id: str | None = None,
    senders: Sequence[str] = (),
    months: tuple[dt.date, dt.date] | None = None,
) -> list[Refused]:
    """Rejected submissions by period, sender and version: of one number, one id, some senders, months (first to last).

    `rules` is the digest of what they would be judged by. Without a month in the ledger a submission is in no range.
    """
    rows = connection.cursor(row_factory=dict_row).execute(
        """
        select s.sub_no, s.submission_id, s.sender, s.month, s.version, s.action, s.manifest_sha256, s.manifest,
            s.received_at, s.signed_by, s.folder, s.state <> 'rejected' as is_begun,
            array(select e ->> 'code' from jsonb_array_elements(s.errors) e) as codes,
            exists (
                select from ops.decision d
                where d.sub_no = s.sub_no and d.decision = 'reject'
                  and (last.replayed_at is null or d.decided_at > last.replayed_at)
            ) as is_refused_by_person,
            s.state = 'rejected' and coalesce(last.rules = %(rules)s, false) and not exists (
                select from ops.submission o
                where o.sender = s.sender and o.sub_no <> s.sub_no and o.decided_at > last.replayed_at
                  and o.state in ('accepted', 'accepted_with_rejects')
            ) and not exists (
                select from ops.sender_key k
                where k.sender = s.sender and greatest(k.added_at, k.revoked_at) > last.replayed_at
            ) as is_settled
        from ops.submission s
        left join lateral (
            select r.replayed_at, r.rules from ops.replay r where r.sub_no = s.sub_no
            order by r.replay_no desc limit 1
        ) last on true
        where (s.state = 'rejected' or s.state in ('verified', 'loaded') and last.replayed_at is not null)
          and (%(sub_no)s::bigint is null or s.sub_no = %(sub_no)s)
          and (%(id)s::text is null or s.submission_id = %(id)s)
          and (%(senders)s::text[] = '{}' or s.sender = any(%(senders)s))
          and (%(first)s::date is null or s.month between %(first)s and %(last)s)
        order by s.month nulls first, s.sender, s.version, s.sub_no
        """,
        {
            "rules": rules, "sub_no": sub_no, "id": submission_id, "senders": list(senders),
            "first": months and months[0], "last": months and months[1],
        },
    )  # fmt: skip
    return [
        Refused(
            **{name: row[name] for name in (
                "sub_no", "submission_id", "sender", "month", "version", "action", "is_begun", "is_refused_by_person",
                "is_settled", "manifest_sha256", "received_at", "signed_by",
            )},
            codes=tuple(row["codes"]),
            manifest=None if row["manifest"] is None else Manifest.model_validate(row["manifest"]),
            folder=Path(row["folder"]),
        )
        for row in rows
    ]  # fmt: skip


def one_refused(connection: Connection, rules: str, submission_id: str, *, sender: str | None = None) -> Refused:
    """The submission that `vss replay` means: of several under one id the first that is its sender's own.

    Raises UsageError for an id that never arrived, and for a submission that is not rejected.
    """
    states = connection.execute(
        "select state, sender from ops.submission where submission_id = %s and (%s::text is null or sender = %s)"
        " order by state = 'rejected', sub_no",
        [submission_id, sender, sender],
    ).fetchall()
    if not states:
        raise UsageError(f"No submission {submission_id} has been seen: `vss status` lists those that have.")
    found = refused(connection, rules, submission_id=submission_id, senders=[] if sender is None else [sender])
    # what bears a used id, or another's name, was refused for good: the submission of that id is the other one
    own = [each for each in found if is_authentic(each.codes) and "E-ID-REUSED" not in each.codes]
    if not found or (len(states) > len(found) and not own):
        raise UsageError(f"Submission {submission_id} is {states[0][0]}: only a rejected one can be loaded again.")
    if len({each.sender for each in own or found}) > 1:
        senders = " or ".join(sorted({each.sender for each in own or found}))
        raise UsageError(f"Submission {submission_id} came from several senders: say whose with --sender {senders}.")
    return (own or found)[0]


def is_kept(settings: Settings, wanted: Refused) -> bool:
    """Whether its bytes are still there, in the archive or in the inbox; digests are not looked at."""
    return _is_archived(settings, wanted) or _in_inbox(wanted) is not None


@contextlib.contextmanager
def brought_back(settings: Settings, wanted: Refused) -> Iterator[Folder]:
    """The submission as a folder that can be loaded, received when it was; what the archive gave goes with the block.

    Raises GoneError when neither archive nor inbox has the bytes that the ledger names by their digests.
    """
    with tempfile.TemporaryDirectory(prefix="vss-replay-") as name:
        # the loader reads who sent it, and under which id, from where it lies
        place = Path(name) / wanted.sender / wanted.submission_id
        place.mkdir(parents=True)
        folder = _from_archive(settings, wanted, place) or _in_inbox(wanted)
        if folder is None:
            raise GoneError(
                f"The files of {wanted.submission_id} are neither in the archive nor in the inbox as they were"
                f" received: {wanted.sender} must send them again."
            )
        yield folder


def _is_archived(settings: Settings, wanted: Refused) -> bool:
    if not wanted.may_be_archived or wanted.manifest is None or wanted.manifest_sha256 is None:
        return False
    files = [(file.sha256, file.bytes) for file in wanted.manifest.files if file.sha256 is not None]
    return holds(settings, wanted.manifest_sha256) and all(holds(settings, sha256, size=size) for sha256, size in files)


def _from_archive(settings: Settings, wanted: Refused, place: Path) -> Folder | None:
    """The folder made anew of the archive's objects, each checked against its digest; None if one is not there."""
    if not wanted.may_be_archived or wanted.manifest is None or wanted.manifest_sha256 is None:
        return None
    if fetch(settings, wanted.manifest_sha256, place / MANIFEST_NAME, limit=MANIFEST_LIMIT) is None:
        return None
    for file in wanted.manifest.files:
        if file.path is None or file.sha256 is None or file.bytes is None:
            continue
        if fetch(settings, file.sha256, place / file.path, limit=file.bytes) != file.bytes:
            return None
    content = (place / MANIFEST_NAME).read_bytes()
    return Folder(wanted.sender, wanted.submission_id, place, content, wanted.received_at, signed_by=wanted.signed_by)


def _in_inbox(wanted: Refused) -> Folder | None:
    """The folder where it was seen, if its manifest is the same and its files lie beside it."""
    folder = read_folder(wanted.folder)
    if wanted.manifest_sha256 is None or folder.identity != (
        wanted.sender,
        wanted.submission_id,
        wanted.manifest_sha256,
    ):
        return None
    if examine(folder).waiting_for:
        return None
    return replace(folder, received_at=wanted.received_at)
