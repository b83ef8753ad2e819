"""Who owes what (R24, R25): reminders before a feed is due, when it is overdue, then weekly; a list for operations.

A slice is one feed of one sender and period. Each is asked for once in each step; what was sent, or is held for a
person's decision, is not asked for.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ingestion.deadlines import LOCAL, due_at
from ingestion.manifest import period_month
from night.alerts import Alert, of_run, tell
from night.channels import OPERATIONS
from night.phrases import alert
from night.readiness import ensure_ready
from warehouse import geography, roles
from warehouse.connection import Connection, connect
from warehouse.settings import Settings, settings

MONTHLY = ("participants", "employers", "contributions", "arrears", "inspections", "benefits")
"""What every province of a month's map owes (R25); the other feeds come when there is something to report."""
WEEKLY = ("weekly_report",)

State = Literal["missing", "unfinished"]
_WEEK = dt.timedelta(days=7)


@dataclass(frozen=True)
class Slice:
    """One feed that a sender owes for a period; `month` is the period's, which decides the map."""

    sender: str
    feed: str
    period: str
    month: dt.date
    due: dt.datetime


@dataclass(frozen=True)
class Outstanding:
    """A slice that is not there: nothing of it, or a submission that still waits for its files."""

    slice: Slice
    state: State


def chase(configured: Settings, *, run_id: str, now: dt.datetime, feeds: Sequence[str] = (*MONTHLY, *WEEKLY)) -> int:
    """Send the reminders of a business instant, with what the run itself left to be told; returns how many were new."""

    def found() -> Iterator[Alert]:
        yield from of_run(configured, run_id)
        yield from reminders(configured, now=now, feeds=feeds)

    return tell(configured, run_id, found(), now=now)


def chase_all(*, run_id: str, date: str | None, **_: str | None) -> int:
    """The daily check: everything that is owed, at 08:00 of the business date, or now."""
    return chase(_ready(), run_id=run_id, now=_instant(date, dt.time(8)))


def chase_weekly(*, run_id: str, date: str | None, **_: str | None) -> int:
    """The check of the weekly reports: at 15:00 of the business date, when on a Friday they are late (R25), or now."""
    return chase(_ready(), run_id=run_id, now=_instant(date, dt.time(15)), feeds=WEEKLY)


def reminders(configured: Settings, *, now: dt.datetime, feeds: Sequence[str] = (*MONTHLY, *WEEKLY)) -> list[Alert]:
    """What each sender is reminded of at an instant, and for operations a list of each period that is overdue.

    The same slice and step gives the same key, so that it is told once.
    """
    with connect(configured, roles.LOADER) as connection:
        owed = list(_owed(connection, configured, now=now, feeds=feeds))
        absent = outstanding(connection, owed)
        late = _late(connection, owed)
    found = [_reminder(each, now) for each in absent]
    return found + list(_lists(owed, absent, late, now))


def outstanding(connection: Connection, owed: Iterable[Slice]) -> list[Outstanding]:
    """Those of the slices that are not there, in order."""
    wanted = list(owed)
    since = min((each.month for each in wanted), default=dt.date.max)
    there = {
        (str(sender), str(feed), str(period))
        for sender, feed, period in connection.execute(
            """
            select a.sender, a.feed, a.period from ops.accepted_load a
            join ops.submission s on s.sub_no = a.sub_no where s.month >= %(since)s
            union
            select s.sender, f.value ->> 'feed', s.period from ops.submission s
            cross join lateral jsonb_array_elements(s.manifest -> 'files') f (value)
            where s.state in ('verified', 'loaded', 'held') and s.month >= %(since)s
            """,
            {"since": since},
        )
    }
    unfinished = {
        (str(sender), str(feed), str(period))
        for sender, feed, period in connection.execute(
            """
            select s.sender, f.value ->> 'feed', s.period from ops.submission s
            cross join lateral jsonb_array_elements(s.manifest -> 'files') f (value)
            where s.state = 'waiting' and s.month >= %s
            """,
            [since],
        )
    }
    keys = [((each.sender, each.feed, each.period), each) for each in wanted]
    return [
        Outstanding(each, "unfinished" if key in unfinished else "missing") for key, each in keys if key not in there
    ]


def step(due: dt.datetime, now: dt.datetime) -> str:
    """Which reminder it is: before the due date, when it has passed, or so many weeks after it."""
    if now < due:
        return "before"
    weeks = (now - due) // _WEEK
    return "overdue" if weeks == 0 else f"week {weeks}"


def answers(sender: str, month: dt.date, day: dt.date) -> str:
    """Who answers on a day for what a sender owes for a month: after the merger the successor of its province."""
    province = geography.in_force(sender.removeprefix("province-"), month)
    if province is None or day < geography.MERGER:
        return sender
    return f"province-{province.current_province_code}"


def _ready() -> Settings:
    configured = settings()
    ensure_ready(configured)
    return configured


def _instant(date: str | None, time: dt.time) -> dt.datetime:
    if date is None:
        return dt.datetime.now(tz=LOCAL)
    return dt.datetime.combine(dt.date.fromisoformat(date), time, tzinfo=LOCAL)


def _owed(connection: Connection, configured: Settings, *, now: dt.datetime, feeds: Sequence[str]) -> Iterator[Slice]:
    """What is due by now, or in a few days: since anybody first sent such a feed, a few months back."""
    local = now.astimezone(LOCAL)
    soon = local + dt.timedelta(days=configured.remind_days_before)
    oldest = _months_before(local.date(), configured.remind_months)
    for wanted, periods in ((MONTHLY, _months), (WEEKLY, _weeks)):
        chosen = [feed for feed in wanted if feed in feeds]
        row = connection.execute(
            "select min(s.month), min(s.period) from ops.load l join ops.submission s on s.sub_no = l.sub_no"
            " where l.feed = any(%s) and s.state in ('accepted', 'accepted_with_rejects') and s.sender ~ '^province-'",
            [list(wanted)],
        ).fetchone()
        assert row is not None
        if not chosen or not isinstance(row[0], dt.date):
            continue
        for period in periods(max(row[0], oldest), soon.date()):
            if period < str(row[1]):
                continue
            month = period_month(period)
            for code in sorted(geography.codes_on(month)):
                for feed in chosen:
                    due = due_at(feed, f"province-{code}", period)
                    if due is not None and due <= soon:
                        yield Slice(f"province-{code}", feed, period, month, due)


def _months(first: dt.date, last: dt.date) -> Iterator[str]:
    month = first.replace(day=1)
    while month <= last:
        yield f"{month:%Y-%m}"
        month = (month + dt.timedelta(days=32)).replace(day=1)


def _weeks(first: dt.date, last: dt.date) -> Iterator[str]:
    """ISO weeks whose Friday lies in the months from `first` on, the last one the week of `last`."""
    friday = first + dt.timedelta(days=(4 - first.weekday()) % 7)
    while friday - dt.timedelta(days=4) <= last:
        year, week, _ = friday.isocalendar()
        yield f"{year}-W{week:02d}"
        friday += _WEEK


def _months_before(day: dt.date, months: int) -> dt.date:
    count = day.year * 12 + day.month - 1 - months
    return dt.date(count // 12, count % 12 + 1, 1)


def _late(connection: Connection, owed: Sequence[Slice]) -> set[tuple[str, str, str]]:
    """Slices of which no accepted version came in time (R24)."""
    since = min((each.month for each in owed), default=dt.date.max)
    rows = connection.execute(
        """
        select s.sender, l.feed, s.period from ops.submission s join ops.load l on l.sub_no = s.sub_no
        where s.state in ('accepted', 'accepted_with_rejects') and s.month >= %s
        group by s.sender, l.feed, s.period having bool_and(s.is_late)
        """,
        [since],
    ).fetchall()
    return {(str(sender), str(feed), str(period)) for sender, feed, period in rows}


def _reminder(each: Outstanding, now: dt.datetime) -> Alert:
    owed = each.slice
    kind = "unfinished" if each.state == "unfinished" else "due" if now < owed.due else "overdue"
    key = f"{owed.feed} {owed.period} of {owed.sender}: {step(owed.due, now)}"
    office = answers(owed.sender, owed.month, now.astimezone(LOCAL).date())
    told = alert(
        kind, key, office, feed=owed.feed, period=owed.period, sender=owed.sender, due=_told(owed.due)
    )  # fmt: skip
    # a slice is asked for once in a step, whether there is nothing of it or half of it
    return replace(told, key=f"reminder {key}")


def _lists(
    owed: Sequence[Slice], absent: Sequence[Outstanding], late: set[tuple[str, str, str]], now: dt.datetime
) -> Iterator[Alert]:
    """For operations: of each period that is overdue how many are missing, which, and who was late."""
    periods = dict.fromkeys((each.period, each.due) for each in owed if each.due <= now)
    for period, due in periods:
        missing = [each.slice for each in absent if (each.slice.period, each.slice.due) == (period, due)]
        if not missing:
            continue
        expected = [each for each in owed if (each.period, each.due) == (period, due)]
        delayed = [each for each in expected if (each.sender, each.feed, each.period) in late]
        count = len({each.sender for each in expected})
        yield alert(
            "missing",
            f"{period} due {due.astimezone(LOCAL):%Y-%m-%d}: {step(due, now)}",
            OPERATIONS,
            period=period,
            count=len({each.sender for each in missing}),
            of=count,
            due=_told(due),
            missing=_by_feed(missing, count),
            late=_by_feed(delayed, count) or "-",
        )


def _by_feed(slices: Sequence[Slice], of: int) -> str:
    """Which senders of which feeds, feeds of the same senders together; a count where it is everybody."""
    senders: dict[str, list[str]] = {}
    for each in slices:
        senders.setdefault(each.feed, []).append(each.sender.removeprefix("province-"))
    feeds: dict[str, list[str]] = {}
    for feed, codes in senders.items():
        feeds.setdefault(f"{of}/{of}" if len(codes) == of else ", ".join(codes), []).append(feed)
    return "; ".join(f"{', '.join(named)}: {codes}" for codes, named in feeds.items())


def _told(due: dt.datetime) -> str:
    """The last instant in time, as people say it: the end of a day is 24:00 of that day."""
    local = due.astimezone(LOCAL)
    if local.time() == dt.time():
        return f"{local - dt.timedelta(days=1):%Y-%m-%d} 24:00"
    return f"{local:%Y-%m-%d %H:%M}"
