"""A fortnight at the turn of a month, by hand: what arrives on each day, and what every night must leave.

The month is 2025-09: 34 provinces, due by the end of 5 October. Nobody computed what stands here: each figure can be
followed with a pencil, and no line of the warehouse is used to write it.

* 25 provinces are punctual, with one person each: ten send on 30 September, fifteen on 1 October.
* 12 Lai Châu is rejected (its manifest counts three rows, the file has two) and sends again in the last second.
* 14 Sơn La is held (two in unemployment insurance, one in compulsory insurance) until a person releases it.
* 15 Lào Cai is late by a second. 20 Lạng Sơn is the last of all.
* 24 Bắc Ninh forgets its file; the folder waits five days for it, and is late.
* 25 Phú Thọ corrects its month after the due date: on time all the same (R24).
* 37 Ninh Bình's second version comes a day before its first.
* 38 Thanh Hóa lists three persons, and a fourth of no sex there is: the row is set aside.
* 46 Huế takes its month back, brings it back three days later, and sends a version twice.
* 91 An Giang uses a number again for other content.
* 01 and 04 send weekly reports: a second before Friday 15:00, and at 15:00.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builders import LOCAL, Inbox, Row
from scheduler import persons

PERIOD = "2025-09"
PUNCTUAL = (
    "01", "04", "08", "11", "19", "22", "31", "33", "40", "42",
    "44", "48", "51", "52", "56", "66", "68", "75", "79", "80", "82", "86", "91", "92", "96",
)  # fmt: skip
WEEKLY: list[Row] = [{"item_no": "1", "area": "it", "difficulty": "mạng chậm"}]


@dataclass(frozen=True)
class Arrival:
    """A submission: when it came, what it holds, and what becomes of it in the night that takes it.

    `is_late` is as the receipt says it: None where the ledger does not get so far, or the feed has no due date.
    `without` is a file that is missing when the folder comes.
    """

    at: str
    name: str
    sender: str
    feeds: Mapping[str, Sequence[Row]]
    state: str = "accepted"
    is_late: bool | None = False
    period: str = PERIOD
    version: int = 1
    action: str = "submit"
    declared: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    without: str | None = None


@dataclass(frozen=True)
class Late:
    """A file that is added to a folder that waits for it, and what becomes of the submission."""

    at: str
    name: str
    sender: str
    file: str
    feeds: Mapping[str, Sequence[Row]]
    state: str = "accepted"
    is_late: bool = True


@dataclass(frozen=True)
class Release:
    """A person lets a held submission pass."""

    name: str
    reason: str = "the counts were asked for by telephone"


@dataclass(frozen=True)
class Day:
    """What comes before 01:00 of `night`, and what the night leaves.

    `missing` are the provinces without participants, None where they are more than are worth naming. `compulsory` are
    the persons in compulsory insurance that are shown. A night that finds nothing new publishes nothing. `reminded` are
    those who are asked for the first time, at 08:00, for a month that is overdue: not who is held, and nobody twice.
    """

    night: dt.date
    comes: tuple[Arrival | Late | Release, ...]
    publishes: bool
    included: int
    compulsory: int
    missing: tuple[str, ...] | None = None
    kind: str = "provisional"
    reminded: tuple[str, ...] = ()

    def completeness(self) -> str:
        """What the publication says of itself; the start of it where the missing are not named."""
        if self.included == 34:
            return f"{PERIOD} complete, 34 of 34"
        said = f"{PERIOD} {self.kind}, {self.included} of 34, missing "
        return said if self.missing is None else said + ", ".join(self.missing)


def unemployment(code: str, count: int) -> list[Row]:
    """Persons in unemployment insurance."""
    return [{**row, "insurance_type": "UI"} for row in persons(code, count)[:count]]


def _month(code: str, at: str, rows: Sequence[Row], **more: Any) -> Arrival:
    version = more.get("version", 1)
    name = more.pop("name", f"p{code}-{PERIOD}-v{version}")
    return Arrival(at, name, f"province-{code}", {"participants": rows}, **more)


def _punctual(codes: Sequence[str], at: str) -> tuple[Arrival, ...]:
    return tuple(_month(code, at, persons(code, 1)) for code in codes)


def _weekly(code: str, week: str, at: str, *, is_late: bool) -> Arrival:
    return Arrival(
        at, f"p{code}-{week}-v1", f"province-{code}", {"weekly_report": WEEKLY}, is_late=is_late, period=week
    )


FORTNIGHT = (
    Day(dt.date(2025, 10, 1), _punctual(PUNCTUAL[:10], "2025-09-30T18:00:00"), True, 10, 10),
    Day(
        dt.date(2025, 10, 2),
        (
            *_punctual(PUNCTUAL[10:], "2025-10-01T08:00:00"),
            _month("24", "2025-10-01T09:00:00", persons("24", 2), state="waiting", without="participants.csv"),
        ),
        True, 25, 25, ("12", "14", "15", "20", "24", "25", "37", "38", "46"),
    ),
    Day(
        dt.date(2025, 10, 3),
        (
            _month("37", "2025-10-02T08:00:00", persons("37", 3), version=2, action="correct"),
            _month(
                "12", "2025-10-02T08:30:00", persons("12", 1), state="rejected",
                declared={"participants": {"rows": 3}},
            ),
            _month("46", "2025-10-02T09:00:00", persons("46", 2)),
        ),
        True, 27, 30, ("12", "14", "15", "20", "24", "25", "38"),
    ),
    Day(
        dt.date(2025, 10, 4),
        (
            # accepted, and below what stands
            _month("37", "2025-10-03T08:00:00", persons("37", 1)),
            _month("25", "2025-10-03T08:30:00", persons("25", 2)),
            _month(
                "38", "2025-10-03T09:00:00", [*persons("38", 3), {**persons("38", 4)[7], "sex": "X"}],
                state="accepted_with_rejects",
            ),
            _weekly("01", "2025-W40", "2025-10-03T14:59:59", is_late=False),
            _weekly("04", "2025-W40", "2025-10-03T15:00:00", is_late=True),
        ),
        True, 29, 35, ("12", "14", "15", "20", "24"),
    ),
    Day(
        dt.date(2025, 10, 5),
        (
            _month(
                "14", "2025-10-04T10:00:00",
                [*persons("14", 1), *unemployment("14", 2)], state="held",
            ),
        ),
        False, 29, 35, ("12", "14", "15", "20", "24"),
    ),
    Day(
        dt.date(2025, 10, 6),
        (
            _month(
                "91", "2025-10-05T12:00:00", persons("91", 7), state="rejected", is_late=False,
            ),
            _month("12", "2025-10-05T23:59:59", persons("12", 2), name="p12-2025-09-again"),
            _month("15", "2025-10-06T00:00:00", persons("15", 1), is_late=True),
        ),
        True, 31, 38, ("14", "20", "24"), "incomplete", reminded=("20", "24"),
    ),
    Day(
        dt.date(2025, 10, 7),
        (
            Late("2025-10-06T09:00:00", "p24-2025-09-v1", "province-24", "participants.csv",
                 {"participants": persons("24", 2)}),
        ),
        True, 32, 40, ("14", "20"), "incomplete",
    ),
    Day(
        dt.date(2025, 10, 8),
        (_month("25", "2025-10-07T08:00:00", persons("25", 4), version=2, action="correct"),),
        True, 32, 42, ("14", "20"), "incomplete",
    ),
    Day(
        dt.date(2025, 10, 9),
        (
            Release("p14-2025-09-v1"),
            Arrival("2025-10-08T08:00:00", "p46-2025-09-v2", "province-46", {}, is_late=None, version=2, action="void"),
        ),
        True, 32, 41, ("20", "46"), "incomplete", reminded=("46",),
    ),
    Day(dt.date(2025, 10, 10), (), False, 32, 41, ("20", "46"), "incomplete"),
    Day(
        dt.date(2025, 10, 11),
        (
            _month("46", "2025-10-10T08:00:00", persons("46", 5), version=3, action="correct"),
            _weekly("04", "2025-W41", "2025-10-10T14:00:00", is_late=False),
        ),
        True, 33, 46, ("20",), "incomplete",
    ),
    Day(
        dt.date(2025, 10, 12),
        (
            _month("46", "2025-10-11T08:00:00", persons("46", 9), version=3, action="correct", state="rejected",
                   name="p46-2025-09-v3-again"),
        ),
        False, 33, 46, ("20",), "incomplete",
    ),
    Day(
        dt.date(2025, 10, 13),
        (_month("20", "2025-10-12T08:00:00", persons("20", 6), is_late=True),),
        True, 34, 52,
    ),
    Day(
        dt.date(2025, 10, 14),
        (_weekly("01", "2025-W41", "2025-10-13T08:00:00", is_late=True),),
        True, 34, 52,
    ),
)  # fmt: skip

REFUSED = {
    "p12-2025-09-v1": ["E-ROWS"], "p91-2025-09-v1": ["E-ID-REUSED", "E-VERSION"],
    "p46-2025-09-v3-again": ["E-VERSION"], "p14-2025-09-v1": ["E-HELD-SUBSET"],
}  # fmt: skip
"""What senders are told of what was not taken as it came."""

LATE = ("15", "20", "24")
"""The provinces whose month is late in the end."""

WEEKS = {
    ("01", "2025-W40"): False, ("04", "2025-W40"): True, ("04", "2025-W41"): False, ("01", "2025-W41"): True,
}  # fmt: skip
"""Whether the weekly reports that came are late."""


def put(inbox: Inbox, arrival: Arrival) -> None:
    """Let a submission arrive."""
    at = dt.datetime.fromisoformat(arrival.at).replace(tzinfo=LOCAL)
    folder = inbox.send(
        arrival.feeds, sender=arrival.sender, period=arrival.period, version=arrival.version,
        submission_id=arrival.name, action=arrival.action, declared=arrival.declared, received_at=at,
        as_of_date=dt.date(2025, 9, 30) if arrival.period == PERIOD else at.date(), created_at=at,
    )  # fmt: skip
    for path in folder.glob("*.csv"):
        _touch(path, arrival.at)
    if arrival.without is not None:
        (folder / arrival.without).unlink()


def add(inbox: Inbox, late: Late, written: Path) -> None:
    """Put the file that was missing beside its manifest; `written` is a folder to make it in."""
    made = Inbox(inbox.settings, written).send(late.feeds, sender=late.sender, submission_id=late.name)
    target = inbox.root / late.sender / late.name / late.file
    (made / late.file).rename(target)
    _touch(target, late.at)


def _touch(path: Path, at: str) -> None:
    instant = dt.datetime.fromisoformat(at).replace(tzinfo=LOCAL).timestamp()
    os.utime(path, (instant, instant))
