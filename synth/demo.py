"""The inbox of `make demo`: two provinces as published, ten small ones, headquarters and the tax list.

Of the ten, province-27 is faulty (amounts with thousands separators: rejected), province-44 is incomplete (a listed
file is missing: waiting), province-01 has a few bad rows within tolerance, province-80 comes after the due date.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from synth import contributions, defects, events, hue, participants, population, provinces, reference_feeds, vinh_phuc
from synth.generate import province_feeds, weekly_submission
from synth.population import Snapshot
from synth.submission import Submission, at, write
from synth.tax_demo import with_examples

OTHERS = ("01", "10", "15", "24", "27", "44", "48", "79", "80", "92")
BAD_ROWS, FAULTY, INCOMPLETE, LATE, CORRECTED = "01", "27", "44", "80", "10"
_MONTH = vinh_phuc.OCTOBER
_SCALE = 0.002
_MISSING_FILE = "arrears.csv"
_GROUPED_SHARE = 0.3


def write_demo(out: Path, *, seed: int = 2021) -> list[Path]:
    """Write all demo submissions under `out` and return their folders."""
    october = vinh_phuc.october_2021(seed=seed)
    others = {code: _snapshots(code, seed) for code in OTHERS}
    folders = [write(out, each) for each in _headquarters()]
    folders += [write(out, each) for each in vinh_phuc.submissions(october, seed=seed)]
    folders += [_write_small(out, code, snapshots) for code, snapshots in others.items()]
    folders += [write(out, each) for each in _weeks(seed)]
    folders.append(write(out, hue.submission()))
    lasts = [october, *(snapshots[-1] for snapshots in others.values())]
    folders += [write(out, _tax_list(lasts, year, seed)) for year in (2020, 2021)]
    return folders


def write_correction(out: Path, *, seed: int = 2021) -> Path:
    """Write what province-10 sends after the demo: its participants of 2021-10 again, with 30 more voluntary ones."""
    small = provinces.cell(CORRECTED, scale=_SCALE)
    more = dataclasses.replace(small, sizes=dataclasses.replace(small.sizes, si_v=small.sizes.si_v + 30))
    received = at(dt.date(2021, 11, 10), 9)
    correction = Submission(
        sender=f"province-{CORRECTED}",
        submission_id=f"p{CORRECTED}-2021-10-v2",
        period="2021-10",
        as_of=events.month_end(_MONTH),
        version=2,
        action="correct",
        created_at=received - dt.timedelta(hours=1),
        feeds={"participants": participants.participants(population.take(more, _MONTH, seed))},
        received_at=received,
    )
    return write(out, correction)


def _snapshots(code: str, seed: int) -> list[Snapshot]:
    small = provinces.cell(code, scale=_SCALE)
    return [population.take(small, dt.date(2021, month, 1), seed) for month in range(1, 11)]


def _write_small(out: Path, code: str, snapshots: list[Snapshot]) -> Path:
    feeds = province_feeds([snapshots[-1]])
    feeds["contributions"] = contributions.year_to_date([contributions.contributions(part) for part in snapshots])
    if code == BAD_ROWS:
        feeds = _with_bad_rows(feeds)
    if code == FAULTY:
        feeds = _with_grouped_amounts(feeds)
    received = at(dt.date(2021, 11, 8 if code == LATE else 3), 9, int(code) % 60)
    folder = write(
        out,
        Submission(
            sender=f"province-{code}",
            submission_id=f"p{code}-2021-10-v1",
            period="2021-10",
            as_of=events.month_end(_MONTH),
            created_at=received - dt.timedelta(hours=1),
            feeds=feeds,
            basis={"contributions": "ytd"},
            received_at=received,
        ),
    )
    if code == INCOMPLETE:
        (folder / _MISSING_FILE).unlink()
    return folder


def _with_bad_rows(feeds: dict[str, pl.DataFrame | None]) -> dict[str, pl.DataFrame | None]:
    """A lost leading zero, a day that does not exist, a wrong check digit."""
    people, units = _present(feeds, "participants"), _present(feeds, "employers")
    health = people["insurance_type"].to_numpy() == "HI"
    lost, impossible = np.flatnonzero(health)[[1000, 2000]].tolist()
    people = defects.spoil_cells(people, "si_number", defects.one_digit_short, [lost])
    people = defects.spoil_cells(people, "birth_date", defects.constant("31/02/2021"), [impossible])
    units = defects.spoil_cells(units, "tax_code", defects.constant("0100047517"), [5])
    return feeds | {"participants": people, "employers": units}


def _with_grouped_amounts(feeds: dict[str, pl.DataFrame | None]) -> dict[str, pl.DataFrame | None]:
    people = _present(feeds, "participants")
    paying = np.flatnonzero(people["wage_base_vnd"].is_not_null().to_numpy())
    every = round(1 / _GROUPED_SHARE * 10)
    places = [int(place) for number, place in enumerate(paying) if number * 10 % every < 10]
    return feeds | {"participants": defects.spoil_cells(people, "wage_base_vnd", defects.grouped, places)}


def _present(feeds: dict[str, pl.DataFrame | None], feed: str) -> pl.DataFrame:
    frame = feeds[feed]
    if frame is None:
        raise ValueError(f"{feed} is nil")
    return frame


def _weeks(seed: int) -> Iterator[Submission]:
    """One report a second before the deadline, one on it: that one is late (R24)."""
    friday = dt.date(2021, 10, 29)
    yield weekly_submission("01", friday, seed=seed, received_at=at(friday, 15) - dt.timedelta(seconds=1))
    yield weekly_submission("79", friday, seed=seed, received_at=at(friday, 15))


def _headquarters() -> Iterator[Submission]:
    for as_of, received, plan in (
        (events.month_end(_MONTH), at(dt.date(2021, 11, 1), 8), vinh_phuc.plan()),
        (dt.date(2022, 6, 30), at(dt.date(2022, 7, 1), 8), hue.plan()),
    ):
        period = f"{as_of:%Y-%m}"
        yield Submission(
            sender="hq",
            submission_id=f"hq-{period}-v1",
            period=period,
            as_of=as_of,
            created_at=received - dt.timedelta(hours=1),
            feeds={"plan_targets": plan},
            received_at=received,
        )


def _tax_list(snapshots: list[Snapshot], tax_year: int, seed: int) -> Submission:
    """The list of 2020 comes in October 2021, that of 2021 in June 2022, with an example of all the match can find."""
    month = _MONTH if tax_year == 2020 else dt.date(2022, 6, 1)
    received = at((events.month_end(month) + dt.timedelta(days=2)), 8)
    listed = reference_feeds.tax_employers(snapshots, tax_year, seed=seed)
    if tax_year == 2021:
        listed = pl.concat([listed, reference_feeds.under_another_code(snapshots[0], tax_year, listed, seed=seed)])
        listed = with_examples(listed, snapshots[0], tax_year)
    return Submission(
        sender="tax",
        submission_id=f"tax-{month:%Y-%m}-v1",
        period=f"{month:%Y-%m}",
        as_of=events.month_end(month),
        created_at=received - dt.timedelta(hours=1),
        feeds={"tax_employers": listed},
        received_at=received,
    )
