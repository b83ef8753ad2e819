"""One month of the whole country as submissions: of each province its monthly feeds, of headquarters the plan.

Weekly reports and the tax office's lists are left out: they are the same few rows whatever the scale.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from synth import events, population, reference_feeds
from synth import provinces as maps
from synth.generate import province_submissions, senders_of
from synth.provinces import Cell
from synth.submission import Submission, at, write

ROWS = maps.NATIONAL_ROWS
"""Rows of `participants` in a month of the whole country."""
SEED = 1


def month_after(first: dt.date, number: int) -> dt.date:
    """The first day of the month `number` months after that of `first`; before it where the number is negative."""
    return population.month_at(population.month_number(first) + number)


def write_provinces(root: Path, month: dt.date, *, scale: float, provinces: Sequence[str] | None = None) -> list[Path]:
    """The month of every province, or of those named, under `root`; `scale` 1 is full size. Returns the folders."""
    return [write(root, each) for each in _provinces(month, scale, provinces)]


def write_headquarters(root: Path, month: dt.date, *, scale: float, plan: bool = True) -> Path:
    """Headquarters' month: the denominators, and with `plan` the year's targets of the country and each province."""
    country = [maps.cell(code, scale=scale) for code in maps.succession()]
    assignees: dict[str, Sequence[Cell]] = {"VN": country}
    for sender in senders_of(month, None):
        assignees[sender.code] = [maps.cell(code, scale=scale) for code in sender.cells]
    as_of = events.month_end(month)
    feeds: dict[str, pl.DataFrame | None] = {"indicators": reference_feeds.national_indicators(country, month)}
    if plan:
        feeds["plan_targets"] = reference_feeds.yearly_plan(assignees, dt.date(month.year, 1, 5), revision=0)
    return write(
        root,
        Submission(
            sender="hq", submission_id=f"hq-{month:%Y-%m}-v1", period=f"{month:%Y-%m}", as_of=as_of,
            created_at=at(as_of + dt.timedelta(days=3), 8), feeds=feeds,
        ),
    )  # fmt: skip


def write_correction(root: Path, month: dt.date, *, scale: float, province: str, version: int) -> Path:
    """A province's month once more, every feed anew: some wages are other ones in each version."""
    (sent,) = _provinces(month, scale, [province])
    participants = sent.feeds["participants"]
    assert participants is not None
    raised = participants.with_columns(
        pl.when(pl.int_range(pl.len()) % 10 == version % 10, pl.col("wage_base_vnd") > 0)
        .then(pl.col("wage_base_vnd") + 1000 * version)
        .otherwise(pl.col("wage_base_vnd"))
        .alias("wage_base_vnd")
    )
    changed = {
        "submission_id": sent.submission_id.removesuffix("v1") + f"v{version}", "version": version, "action": "correct",
        "created_at": sent.created_at + dt.timedelta(days=version), "feeds": {**sent.feeds, "participants": raised},
    }  # fmt: skip
    return write(root, Submission(**(vars(sent) | changed)))


def _provinces(month: dt.date, scale: float, wanted: Sequence[str] | None) -> Iterator[Submission]:
    for sender in senders_of(month, wanted):
        own = [population.take(maps.cell(code, scale=scale), month, SEED) for code in sender.cells]
        # the first is the month, those after it are reports of weeks
        yield next(iter(province_submissions(sender, own, seed=SEED)))
