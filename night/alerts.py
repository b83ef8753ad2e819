"""Tell the right person, once, what is wrong: what a run left to be told, one message a recipient and run.

What was told stands in the ledger under its key. A channel that fails is tried again by the next call; nothing here
ever stops a run. Messages hold codes, places and what to do next, never a cell's value or a person.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
import logging
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from psycopg.rows import class_row, dict_row

from ingestion.deadlines import LOCAL
from ingestion.sender_keys import is_authentic
from night import channels
from night.channels import OPERATIONS, DeliveryError, Letter, NoAddressError, Patience
from night.phrases import Alert, alert
from warehouse import roles
from warehouse.connection import Connection, connect
from warehouse.settings import Settings

__all__ = ["PATIENCE", "Alert", "of_run", "tell", "tell_run"]

PATIENCE = 9.0
"""Seconds that all channels of a call have together."""

_LOG = logging.getLogger(__name__)
_RECIPIENT = re.compile(r"province-[0-9]{2}|tax|hq|operations")
_TRIED_FOR = dt.timedelta(days=7)
"""A message that has not gone out for so long is old news; its file is there."""
_LOOKED_BACK = dt.timedelta(days=7)
"""What a run before this one decided and did not tell, because it died, is told by this one."""


def tell(
    settings: Settings,
    run_id: str,
    alerts: Iterable[Alert],
    *,
    now: dt.datetime | None = None,
    patience: float = PATIENCE,
) -> int:
    """Tell what was not told before, one message a recipient; returns how many alerts were new. Never raises.

    What earlier calls could not send is tried again. `now` dates the messages; `patience` is in seconds.
    """
    instant = now or dt.datetime.now(tz=LOCAL)
    try:
        given = list(alerts)
    except Exception as error:  # noqa: BLE001 - the run that calls goes on
        _LOG.warning("what there is to tell could not be read: %s", type(error).__name__)
        given = []
    try:
        new = _noted(settings, run_id, given, instant)
    except Exception as error:  # noqa: BLE001 - the run that calls goes on
        _LOG.warning("alerts are told without the ledger: %s", type(error).__name__)
        return _told_without_ledger(settings, run_id, given, instant, patience)
    try:
        _deliver(settings, patience)
    except Exception as error:  # noqa: BLE001 - the run that calls goes on
        _LOG.warning("alerts are not delivered yet: %s", type(error).__name__)
    return new


def tell_run(settings: Settings, run_id: str, *, now: dt.datetime | None = None, patience: float = PATIENCE) -> int:
    """Tell what a run left to be told; returns how many alerts were new. Never raises."""

    def found() -> Iterable[Alert]:
        yield from of_run(settings, run_id)

    return tell(settings, run_id, found(), now=now, patience=patience)


# ------------------------------------------------------------------------------------------------ what there is to tell


def of_run(settings: Settings, run_id: str) -> list[Alert]:
    """What a run leaves to be told: submissions rejected or held, stages that failed or broke, a run cut short."""
    with connect(settings, roles.LOADER) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        stages = cursor.execute(
            "select stage, subject, outcome, message, started_at from ops.run_stage"
            " where run_id = %s and stage <> 'build node' order by started_at, run_stage_id",
            [run_id],
        ).fetchall()
        decided = cursor.execute(
            """
            select s.sub_no, s.submission_id, s.sender, s.period, s.state, s.decided_at,
                array(select distinct e.value ->> 'code' from jsonb_array_elements(s.errors) e order by 1) as codes
            from ops.submission s
            where s.state in ('rejected', 'held')
              and s.decided_at >= coalesce(
                  (select min(r.started_at) from ops.run_stage r where r.run_id = %s), now()) - %s
            order by s.sender, s.submission_id, s.sub_no
            """,
            [run_id, _LOOKED_BACK],
        ).fetchall()
        shown = connection.execute("select publication_id from ops.current_publication").fetchone()
    assert shown is not None
    found = [each for row in decided for each in _of_submission(row)]
    last = {(row["stage"], row["subject"]): row for row in stages}
    found += [_of_stage(row, int(str(shown[0]))) for row in last.values() if row["outcome"] in ("failed", "error")]
    return found + _cut_short(run_id, {row["stage"]: row["outcome"] for row in stages})


def _of_submission(row: dict[str, Any]) -> list[Alert]:
    sender, codes = row["sender"], list(row["codes"])
    # a verdict that is given anew, after a replay, is told anew
    key = f"{row['submission_id']} of {sender} {row['decided_at'].astimezone(dt.UTC):%Y%m%dT%H%M%S}"
    args = {
        "submission": row["submission_id"],
        "sender": sender,
        "period": row["period"] or "?",
        "codes": f" ({', '.join(codes)})" if codes else "",
    }
    is_sender = sender != OPERATIONS and _RECIPIENT.fullmatch(sender) is not None
    if row["state"] == "held":
        return [alert("held", key, sender, **args), alert("decide", key, OPERATIONS, **args)]
    if is_sender and is_authentic(codes):
        return [alert("rejected", key, sender, **args)]
    # whoever put it there: the sender must not be told by a stranger's folder what to do
    return [alert("unproven", key, OPERATIONS, **args)]


def _of_stage(row: dict[str, Any], publication: int) -> Alert:
    """A stage whose gate failed, or that broke; the same again is told once a week, and anew after a publication."""
    stage, subject, message = row["stage"], row["subject"] or "", row["message"] or ""
    week = row["started_at"].astimezone(LOCAL).isocalendar()
    digest = hashlib.sha256(message.encode()).hexdigest()[:12]
    # what one submission breaks on has nothing to do with what is published
    state = "" if stage == "load and gate" else f" after publication {publication}"
    return alert(
        row["outcome"],
        f"{stage} {subject} {digest}{state} {week.year}-W{week.week:02d}",
        OPERATIONS,
        stage=stage,
        subject=f" ({subject})" if subject else "",
        message=message,
    )


def _cut_short(run_id: str, last: Mapping[str, str]) -> list[Alert]:
    """A night of which a step was never written down: its process was ended from outside."""
    if "discover" not in last:
        return []
    for before, step in itertools.pairwise(("discover", "build", "audit", "publish")):
        if last[before] in ("failed", "error"):
            return []
        if step not in last:
            return [alert("cut-short", run_id, OPERATIONS, run=run_id, stage=step)]
    return []


# ---------------------------------------------------------------------------------------------------------- the ledger


def _noted(settings: Settings, run_id: str, given: Sequence[Alert], now: dt.datetime) -> int:
    """Write what is new, a message a recipient, and the channels it has to go through."""
    names = ["file", *channels.remote_names(settings)]
    with connect(settings, roles.LOADER) as connection:
        connection.execute("set local lock_timeout = '5s'")
        connection.execute("select pg_advisory_xact_lock(hashtext('ops.alert'))")
        new = _new(connection, given, _told_on_disk(settings, now))
        if "mail" in names:
            new += _new(connection, _without_address(settings, new), set())
        for recipient, alerts in _by_recipient(new).items():
            row = connection.execute(
                "insert into ops.alert_message (recipient, run_id, made_at) values (%s, %s, %s) returning message_no",
                [recipient, run_id, now],
            ).fetchone()
            assert row is not None
            connection.cursor().executemany(
                "insert into ops.alert (key, message_no, place, subject_vi, subject_en, body_vi, body_en)"
                " values (%s, %s, %s, %s, %s, %s, %s)",
                [
                    (one.key, row[0], place, one.subject_vi, one.subject_en, one.body_vi, one.body_en)
                    for place, one in enumerate(alerts)
                ],
            )
            connection.cursor().executemany(
                "insert into ops.alert_delivery (message_no, channel) values (%s, %s)",
                [(row[0], name) for name in names],
            )
    return sum(each.key in {one.key for one in given} for each in new)


def _new(connection: Connection, given: Sequence[Alert], told: set[str]) -> list[Alert]:
    first = {each.key: each for each in reversed(given) if each.key not in told}
    known = connection.execute("select key from ops.alert where key = any(%s)", [list(first)]).fetchall()
    old = {str(row[0]) for row in known}
    return [each for each in dict.fromkeys(given) if first.get(each.key) is each and each.key not in old]


def _by_recipient(alerts: Sequence[Alert]) -> dict[str, list[Alert]]:
    """Messages by recipient; what is addressed to nobody we know goes to operations."""
    found: dict[str, list[Alert]] = {}
    for each in alerts:
        recipient = each.recipient if _RECIPIENT.fullmatch(each.recipient) else OPERATIONS
        found.setdefault(recipient, []).append(each)
    return found


def _without_address(settings: Settings, new: Sequence[Alert]) -> list[Alert]:
    """Operations are told, once a sender, who cannot be reached by mail."""
    try:
        known = channels.contacts(settings)
    except DeliveryError:
        # the delivery notes it, and tries again
        return []
    return [
        alert("no-address", sender, OPERATIONS, sender=sender)
        for sender in _by_recipient(new)
        if sender != OPERATIONS and sender not in known
    ]


# --------------------------------------------------------------------------------------------------------- on their way


def _deliver(settings: Settings, seconds: float) -> None:
    """Send what waits, each channel in a thread of its own; whatever is not through in time waits for the next call."""
    patience = Patience(seconds)
    threads = [
        threading.Thread(target=_drain, args=(settings, name, patience), name=f"alerts by {name}", daemon=True)
        for name in ("file", *channels.remote_names(settings))
    ]
    _run(threads, patience)


def _run(threads: Sequence[threading.Thread], patience: Patience) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        patience.wait(thread)
    patience.end()
    for thread in threads:
        # what was shut fails at once, and notes that it did
        thread.join(0.5)


def _drain(settings: Settings, name: str, patience: Patience) -> None:
    """Send the messages that wait for a channel, oldest first, until it fails as a whole."""
    channel = channels.opened(settings, name, patience)
    try:
        with connect(settings, roles.LOADER, autocommit=True) as connection:
            last = 0
            while (tried := _sent_one(connection, channel, last)) is not None:
                last = tried
    except DeliveryError:
        pass
    except Exception as error:  # noqa: BLE001 - another channel may do better
        _LOG.warning("alerts by %s wait: %s", name, type(error).__name__)
    finally:
        channel.close()


def _sent_one(connection: Connection, channel: channels.Channel, last: int) -> int | None:
    """Try the next message that waits; returns its number, or None when there is none.

    Its row is held meanwhile, so that nobody else sends it too. Raises DeliveryError when the channel is dead.
    """
    dead: DeliveryError | None = None
    with connection.transaction():
        row = connection.execute(
            """
            select d.message_no from ops.alert_delivery d
            join ops.alert_message m on m.message_no = d.message_no
            where d.channel = %s and d.state = 'waiting' and d.message_no > %s
              and (d.attempts = 0 or d.first_tried_at > now() - %s)
            order by d.message_no limit 1 for update of d skip locked
            """,
            [channel.name, last, _TRIED_FOR],
        ).fetchone()
        if row is None:
            return None
        number = int(str(row[0]))
        state, problem = "waiting", None
        try:
            problem = channel.send(_letter(connection, number))
            state = "sent"
        except NoAddressError:
            state = "no address"
        except DeliveryError as error:
            problem, dead = error.problem, error if error.ends else None
        except Exception as error:  # noqa: BLE001 - one message that cannot be sent stops no other
            problem = type(error).__name__
        connection.execute(
            "update ops.alert_delivery set state = %s, problem = %s, attempts = attempts + 1, tried_at = now(),"
            " first_tried_at = coalesce(first_tried_at, now()) where message_no = %s and channel = %s",
            [state, problem, number, channel.name],
        )
    if problem is not None:
        _LOG.warning("alerts by %s: %s", channel.name, problem)
    if dead is not None:
        raise dead
    return number


def _letter(connection: Connection, number: int) -> Letter:
    row = connection.execute(
        """
        select m.recipient, m.run_id, m.made_at, (
            select count(*) from ops.alert_message e
            where e.run_id = m.run_id and e.recipient = m.recipient and e.message_no <= m.message_no
        )
        from ops.alert_message m where m.message_no = %s
        """,
        [number],
    ).fetchone()
    assert row is not None
    recipient, run_id, made_at, part = row
    with connection.cursor(row_factory=class_row(Alert)) as cursor:
        alerts = cursor.execute(
            "select key, %s as recipient, subject_vi, subject_en, body_vi, body_en from ops.alert"
            " where message_no = %s order by place",
            [recipient, number],
        ).fetchall()
    return _written(
        str(recipient), str(run_id), cast("dt.datetime", made_at), alerts, part=int(str(part)), is_in_ledger=True
    )


def _written(
    recipient: str, run_id: str, made_at: dt.datetime, alerts: Sequence[Alert], *, part: int, is_in_ledger: bool
) -> Letter:
    if len(alerts) == 1:
        subject = f"VSS {recipient}: {alerts[0].subject_vi} / {alerts[0].subject_en}"
    else:
        subject = f"VSS {recipient}: {len(alerts)} việc cần xử lý / {len(alerts)} matters to attend to"
    texts = (
        *_listed([(each.subject_vi, each.body_vi) for each in alerts]), "---", "",
        *_listed([(each.subject_en, each.body_en) for each in alerts]), "---",
        f"{run_id} · {made_at.astimezone(LOCAL):%Y-%m-%d %H:%M}", "",
    )  # fmt: skip
    return Letter(
        letter_id=hashlib.sha256("\n".join([run_id, *(each.key for each in alerts)]).encode()).hexdigest()[:32],
        recipient=recipient,
        run_id=run_id,
        made_at=made_at,
        part=part,
        subject=" ".join(subject.split())[:250],
        text="\n".join(texts),
        alerts=tuple(
            {
                "key": each.key, "subject_vi": each.subject_vi, "subject_en": each.subject_en,
                "body_vi": each.body_vi, "body_en": each.body_en,
            }
            for each in alerts
        ),
        is_in_ledger=is_in_ledger,
    )  # fmt: skip


def _listed(alerts: Sequence[tuple[str, str]]) -> Iterable[str]:
    """Subjects as a list, what to do after those to which it applies."""
    for body, group in itertools.groupby(alerts, key=lambda told: told[1]):
        yield from (f"- {subject}" for subject, _ in group)
        yield from (f"  {line}" for line in body.splitlines())
        yield ""


# -------------------------------------------------------------------------------------------------- without a database


def _told_without_ledger(
    settings: Settings, run_id: str, given: Sequence[Alert], now: dt.datetime, seconds: float
) -> int:
    """Without the database the files say what was told; each other channel is tried once."""
    try:
        told = _told_on_disk(settings, now, is_all=True)
        new = [each for each in {each.key: each for each in given}.values() if each.key not in told]
        letters = [
            _written(recipient, run_id, now, alerts, part=1, is_in_ledger=False)
            for recipient, alerts in _by_recipient(new).items()
        ]
        patience = Patience(seconds)
        _run(
            [
                threading.Thread(target=_send_once, args=(settings, name, patience, letters), daemon=True)
                for name in ("file", *channels.remote_names(settings))
            ],
            patience,
        )
    except Exception as error:  # noqa: BLE001 - the run that calls goes on
        _LOG.warning("alerts are not told: %s", type(error).__name__)
        return 0
    return len(new)


def _send_once(settings: Settings, name: str, patience: Patience, letters: Sequence[Letter]) -> None:
    channel = channels.opened(settings, name, patience)
    try:
        for letter in letters:
            try:
                channel.send(letter)
            except NoAddressError:
                continue
            except DeliveryError as error:
                _LOG.warning("alerts by %s: %s", name, error.problem)
                if error.ends:
                    return
    except Exception as error:  # noqa: BLE001 - another channel may do better
        _LOG.warning("alerts by %s: %s", name, type(error).__name__)
    finally:
        channel.close()


def _told_on_disk(settings: Settings, now: dt.datetime, *, is_all: bool = False) -> set[str]:
    """Keys of messages that the ledger does not know, of all days that a run looks back; `is_all`: of all messages."""
    today = now.astimezone(LOCAL).date()
    told: set[str] = set()
    for back in range(_LOOKED_BACK.days + 1):
        for path in channels.folder_of(settings, today - dt.timedelta(days=back)).glob("*.json"):
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                if is_all or not content["is_in_ledger"]:
                    told |= {str(each["key"]) for each in content["alerts"]}
            except (OSError, ValueError, KeyError, TypeError):
                continue
    return told
