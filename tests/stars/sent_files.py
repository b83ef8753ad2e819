"""What senders sent, read straight from the inbox by polars: the ground an independent computation stands on.

Nothing of the product is used: a folder is its manifest and its CSV files (UTF-8, commas), as interfaces.md describes
them. The oracle computes from these frames what `bi` must say; it shares no code and no SQL with the warehouse.
"""

from __future__ import annotations

import csv
import datetime as dt
import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

REFERENCE = Path(__file__).parent.parent / "reference"
MERGER = dt.date(2025, 7, 1)
LOCAL = dt.timezone(dt.timedelta(hours=7))
_UNITS = {"dong": 1, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_TYPES: dict[str, pl.DataType | type[pl.DataType]] = {"integer": pl.Int64, "money": pl.Int64, "date": pl.Date}


@dataclass(frozen=True)
class Sent:
    """One feed of one submission.

    `month` is the first day of the period (of an ISO week: of the month its Monday lies in). `frame` has every column
    of feeds.csv: codes, enumerations and decimals as text (a decimal exactly as sent), counts and đồng as Int64, dates
    as Date, a month as the Date of its first day, blank as null, and `row_no` (the heading is row 1). `frame` has no
    rows for a nil feed.
    """

    submission_id: str
    sender: str
    period: str
    month: dt.date
    version: int
    action: str
    as_of_date: dt.date
    received_at: dt.datetime
    feed: str
    basis: str
    is_nil: bool
    frame: pl.DataFrame

    @property
    def province(self) -> str | None:
        """The sender's code on the map of its period; None for hq and tax."""
        return self.sender.removeprefix("province-") if self.sender.startswith("province-") else None


def read_inbox(folders: Iterable[Path]) -> list[Sent]:
    """Everything in the folders; a void stands as one `Sent` for each feed of its sender (with no rows)."""
    found = []
    for folder in folders:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        received = dt.datetime.fromtimestamp((folder / "manifest.json").stat().st_mtime, tz=LOCAL)
        if manifest["action"] == "void":
            files = [{"feed": feed, "nil": True} for feed in feeds_of(manifest["sender"])]
        else:
            files = manifest["files"]
        for file in files:
            is_nil = bool(file.get("nil"))
            found.append(
                Sent(
                    submission_id=manifest["submission_id"],
                    sender=manifest["sender"],
                    period=manifest["period"],
                    month=month_of(manifest["period"]),
                    version=manifest["version"],
                    action=manifest["action"],
                    as_of_date=dt.date.fromisoformat(manifest["as_of_date"]),
                    received_at=received,
                    feed=file["feed"],
                    basis="month" if is_nil else file.get("basis", "month"),
                    is_nil=is_nil,
                    frame=_empty(file["feed"]) if is_nil else _read(folder / file["path"], file),
                )
            )
    return found


def in_force(sent: Iterable[Sent]) -> dict[tuple[str, str, str], Sent]:
    """By sender, feed and period what counts: the highest version, whatever order they came in; not what was voided."""
    best: dict[tuple[str, str, str], Sent] = {}
    for one in sent:
        key = (one.sender, one.feed, one.period)
        if key not in best or one.version > best[key].version:
            best[key] = one
    return {key: one for key, one in best.items() if one.action != "void"}


def feed(slices: dict[tuple[str, str, str], Sent], name: str) -> list[Sent]:
    """The slices in force of one feed, by sender and month."""
    return sorted((one for one in slices.values() if one.feed == name), key=lambda one: (one.sender, one.month))


def month_of(period: str) -> dt.date:
    """The first day of the month of a period (`2021-10`, `2021-W44`)."""
    if "W" in period:
        year, week = period.split("-W")
        return dt.date.fromisocalendar(int(year), int(week), 1).replace(day=1)
    return dt.date.fromisoformat(f"{period}-01")


def month_end(month: dt.date) -> dt.date:
    """The last day of the month."""
    return (month.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)


def plus_months(month: dt.date, count: int) -> dt.date:
    """The first day `count` months on."""
    number = month.year * 12 + month.month - 1 + count
    return dt.date(number // 12, number % 12 + 1, 1)


def month_before(month: dt.date) -> dt.date:
    """The first day of the month before."""
    return plus_months(month, -1)


@functools.cache
def successors() -> dict[str, str]:
    """Each of the 63 codes until 2025-06 with its code from 2025-07."""
    with (REFERENCE / "province_succession.csv").open(encoding="utf-8", newline="") as stream:
        return {row["code_until_2025_06_30"]: row["code_from_2025_07_01"] for row in csv.DictReader(stream)}


def current_code(code: str, day: dt.date) -> str:
    """The code today of the province that had `code` on a day."""
    return code if day >= MERGER else successors()[code]


def codes_on(day: dt.date) -> list[str]:
    """The codes of the map of a day, in order."""
    return sorted(set(successors().values())) if day >= MERGER else sorted(successors())


def predecessors(code: str) -> list[str]:
    """The codes until 2025-06 of a province of the map since."""
    return sorted(old for old, new in successors().items() if new == code)


@functools.cache
def columns() -> dict[str, dict[str, str]]:
    """By feed, each column's type as feeds.csv names it."""
    found: dict[str, dict[str, str]] = {}
    with (REFERENCE / "feeds.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            found.setdefault(row["feed"], {})[row["column"]] = row["type"]
    return found


def feeds_of(sender: str) -> list[str]:
    """The feeds a sender may send."""
    kind = sender.partition("-")[0]
    with (REFERENCE / "feeds.csv").open(encoding="utf-8", newline="") as stream:
        return sorted({row["feed"] for row in csv.DictReader(stream) if kind in row["senders"].split("|")})


def _empty(name: str) -> pl.DataFrame:
    return _typed(
        pl.DataFrame({column: [] for column in columns()[name]}, schema=dict.fromkeys(columns()[name], pl.String)),
        name,
        1,
    )


def _read(path: Path, file: dict[str, object]) -> pl.DataFrame:
    raw = pl.read_csv(path, infer_schema=False)
    return _typed(raw, str(file["feed"]), _UNITS[str(file.get("unit", "dong"))])


def _typed(raw: pl.DataFrame, name: str, unit: int) -> pl.DataFrame:
    expressions = []
    for column, kind in columns()[name].items():
        text = pl.col(column) if column in raw.columns else pl.lit(None, dtype=pl.String)
        if kind == "month":
            typed = (text + "-01").str.to_date("%Y-%m-%d")
        elif kind == "date":
            typed = text.str.to_date("%Y-%m-%d")
        elif kind == "money":
            typed = (text.cast(pl.Int64) * unit) if unit == 1 else (text.cast(pl.Float64) * unit).round().cast(pl.Int64)
        elif kind in _TYPES:
            typed = text.cast(_TYPES[kind])
        else:
            typed = text
        expressions.append(typed.alias(column))
    return raw.select(expressions).with_row_index("row_no", offset=2).with_columns(pl.col("row_no").cast(pl.Int64))
