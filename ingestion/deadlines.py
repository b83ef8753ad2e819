"""When a feed is due (R24, R25). Days and hours are the dated seed `reporting_deadline` of the dbt
project, so that the ledger and `rpt_completeness` cannot disagree."""

from __future__ import annotations

import csv
import datetime as dt
import functools
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from warehouse.settings import PROJECT

LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
_SEED = PROJECT / "dbt_project" / "seeds" / "reporting_deadline.csv"


@dataclass(frozen=True)
class Deadline:
    """One rule in force between two dates."""

    feed: str
    rule: str
    day: int | None
    time: dt.timedelta
    valid_from: dt.date
    valid_to: dt.date


def due_at(feed: str, sender: str, period: str) -> dt.datetime | None:
    """The first instant at which the feed is late; None when it has no deadline (indicators, plan targets, tax, hq).

    A monthly feed of a province is on time until the end of the seed's day of the next month; a weekly report until
    just before Friday 15:00:00 of its ISO week. Local time is Asia/Ho_Chi_Minh.
    """
    if not sender.startswith("province-"):
        return None
    week = re.fullmatch(r"(\d{4})-W(\d{2})", period)
    if week is not None:
        start = dt.date.fromisocalendar(int(week[1]), int(week[2]), 1)
    else:
        start = dt.date(int(period[:4]), int(period[5:7]), 1)
    rule = next((d for d in _deadlines() if d.feed == feed and d.valid_from <= start < d.valid_to), None)
    if rule is None:
        return None
    if rule.rule == "friday_of_week":
        if week is None:
            return None
        day = start + dt.timedelta(days=4)
    else:
        if week is not None or rule.day is None:
            return None
        day = (start + dt.timedelta(days=32)).replace(day=rule.day)
    midnight = dt.datetime.combine(day, dt.time(), tzinfo=LOCAL)
    return midnight + rule.time


def is_late(feed: str, sender: str, period: str, received_at: dt.datetime) -> bool | None:
    """Whether a feed received at that instant is late; None when it has no deadline."""
    due = due_at(feed, sender, period)
    return None if due is None else received_at >= due


@functools.cache
def _deadlines() -> tuple[Deadline, ...]:
    with _SEED.open(encoding="utf-8", newline="") as stream:
        return tuple(
            Deadline(
                feed=row["feed"],
                rule=row["rule"],
                day=int(row["day"]) if row["day"] else None,
                time=_since_midnight(row["time"]),
                valid_from=dt.date.fromisoformat(row["valid_from"]),
                valid_to=dt.date.fromisoformat(row["valid_to"]) if row["valid_to"] != "infinity" else dt.date.max,
            )
            for row in csv.DictReader(stream)
        )


def _since_midnight(text: str) -> dt.timedelta:
    """24:00:00 is the end of the day."""
    hours, minutes, seconds = map(int, text.split(":"))
    return dt.timedelta(hours=hours, minutes=minutes, seconds=seconds)
