"""`vss synth`: submissions of every sender and feed for a range of months, in inbox layout.

The same arguments give the same bytes. Provinces keep their people and units from month to month, also when they merge
into a successor in July 2025. Without defects every submission is acceptable and none is held (semantics R31).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from synth import arrears, contributions, events, participants, population, reference_feeds
from synth import defects as bad_rows
from synth import provinces as maps
from synth.chance import salt
from synth.population import Snapshot
from synth.provinces import MERGER, Cell, Sender
from synth.submission import Submission, at, short_name, write
from warehouse.errors import UsageError


def generate(
    out: Path,
    *,
    first_month: dt.date,
    last_month: dt.date,
    seed: int = 1,
    provinces: Sequence[str] | None = None,
    scale: float = 0.01,
    defects: float = 0.0,
) -> list[Path]:
    """Write the submissions of every sender from `first_month` to `last_month` (first days) and return their folders.

    `provinces` are codes of either map, None for all; a code that is not in force in a month stands for its successor.
    `scale` 1 is full size; `defects` is the share of rows made bad in every file. Raises UsageError.
    """
    months = _months(first_month, last_month)
    if not 0 <= defects <= 1:
        raise UsageError("--defects must lie between 0 and 1")
    folders = []
    for month in months:
        snapshots: list[Snapshot] = []
        for sender in senders_of(month, provinces):
            own = [population.take(cell, month, seed) for cell in _cells(sender, scale)]
            folders += [_send(out, each, defects, seed) for each in province_submissions(sender, own, seed=seed)]
            snapshots += own
        is_first_of_year = month in {first_month, month.replace(month=1)}
        for each in _central_submissions(
            month, provinces, snapshots, is_first_of_year=is_first_of_year, scale=scale, seed=seed
        ):
            folders.append(_send(out, each, defects, seed))
    return folders


def senders_of(month: dt.date, wanted: Sequence[str] | None) -> list[Sender]:
    """Provinces that report in a month."""
    return maps.senders(month, wanted)


def province_feeds(snapshots: Sequence[Snapshot]) -> dict[str, pl.DataFrame | None]:
    """All monthly feeds of a province made of one or several cells; contributions with basis `month`."""
    return {
        "participants": pl.concat([participants.participants(part) for part in snapshots]),
        "employers": pl.concat([participants.employers(part) for part in snapshots]),
        "contributions": pl.concat([contributions.contributions(part) for part in snapshots]),
        "arrears": pl.concat([arrears.arrears(part) for part in snapshots]),
        "inspections": pl.concat([events.inspections(part) for part in snapshots]),
        "indicators": reference_feeds.province_indicators(snapshots),
        "benefits": events.add_up_benefits([events.benefits(part) for part in snapshots]),
        "policy_relief": events.add_up_relief([events.policy_relief(part) for part in snapshots]),
        "outreach": pl.concat([events.outreach(part) for part in snapshots]),
    }


def province_submissions(sender: Sender, snapshots: Sequence[Snapshot], *, seed: int) -> Iterator[Submission]:
    """The month of a province, and its report of each week."""
    month, name = snapshots[0].month, f"province-{sender.code}"
    as_of = events.month_end(month)
    yield Submission(
        sender=name,
        submission_id=f"{short_name(name)}-{month:%Y-%m}-v1",
        period=f"{month:%Y-%m}",
        as_of=as_of,
        created_at=at(as_of + dt.timedelta(days=3), 8),
        feeds=province_feeds(snapshots),
    )
    for friday in events.fridays(month):
        yield weekly_submission(sender.code, friday, seed=seed)


def weekly_submission(code: str, friday: dt.date, *, seed: int, received_at: dt.datetime | None = None) -> Submission:
    """The report a province makes on a Friday."""
    week = f"{friday.isocalendar().year}-W{friday.isocalendar().week:02d}"
    name = f"province-{code}"
    return Submission(
        sender=name,
        submission_id=f"{short_name(name)}-{week}-v1",
        period=week,
        as_of=friday,
        created_at=at(friday, 10),
        feeds={"weekly_report": events.weekly_report(code, friday, seed=seed)},
        received_at=received_at,
    )


def _central_submissions(
    month: dt.date,
    wanted: Sequence[str] | None,
    snapshots: Sequence[Snapshot],
    *,
    is_first_of_year: bool,
    scale: float,
    seed: int,
) -> Iterator[Submission]:
    as_of = events.month_end(month)
    country = [maps.cell(code, scale=scale) for code in maps.succession()]
    feeds: dict[str, pl.DataFrame | None] = {"indicators": reference_feeds.national_indicators(country, month)}
    if is_first_of_year or month == MERGER:
        assignees: dict[str, Sequence[Cell]] = {} if wanted is not None else {"VN": country}
        assignees |= {sender.code: _cells(sender, scale) for sender in senders_of(month, wanted)}
        issued = max(dt.date(month.year, 1, 5), MERGER) if month >= MERGER else dt.date(month.year, 1, 5)
        feeds["plan_targets"] = reference_feeds.yearly_plan(assignees, issued, revision=int(issued == MERGER))
    created_at = at(as_of + dt.timedelta(days=3), 8)
    period = f"{month:%Y-%m}"
    yield Submission("hq", f"hq-{period}-v1", period, as_of, created_at, feeds)
    if is_first_of_year:
        listed = reference_feeds.tax_employers(snapshots, month.year - 1, seed=seed)
        yield Submission("tax", f"tax-{period}-v1", period, as_of, created_at, {"tax_employers": listed})


def _cells(sender: Sender, scale: float) -> list[Cell]:
    return [maps.cell(code, scale=scale) for code in sender.cells]


def _send(out: Path, submission: Submission, share: float, seed: int) -> Path:
    if share:
        spoiled = {
            feed: None
            if frame is None
            else bad_rows.spoil(feed, frame, share, key=salt(seed, submission.submission_id, feed))
            for feed, frame in submission.feeds.items()
        }
        submission = Submission(**(vars(submission) | {"feeds": spoiled}))
    return write(out, submission)


def _months(first: dt.date, last: dt.date) -> list[dt.date]:
    if first.day != 1 or last.day != 1:
        raise UsageError("--from and --to are months, given by their first day")
    if last < first:
        raise UsageError("--to lies before --from")
    if first < population.FIRST_MONTH:
        raise UsageError(f"months begin with {population.FIRST_MONTH:%Y-%m}")
    numbers = range(population.month_number(first), population.month_number(last) + 1)
    return [population.month_at(number) for number in numbers]
