"""The numbers the hold rules compare with, by date: our own from `thresholds.csv`, wages from dbt's seed of the law."""

from __future__ import annotations

import csv
import datetime as dt
import functools
from pathlib import Path

from warehouse.errors import UsageError
from warehouse.settings import PROJECT

_OURS = Path(__file__).resolve().parent / "thresholds.csv"
LEGAL_PARAMETERS = PROJECT / "dbt_project" / "seeds" / "legal_parameter.csv"
_MINIMUM_WAGE = "regional_minimum_wage"


def threshold(code: str, month: dt.date) -> float:
    """The threshold in force in a month. Raises UsageError if the seed has none."""
    for row in _rows(_OURS):
        if row["code"] == code and _in_force(row, month):
            return float(row["value"])
    raise UsageError(f"expectations/thresholds.csv has no {code} for {month:%Y-%m}: add the row that was in force.")


def lowest_minimum_wage(month: dt.date, source: Path = LEGAL_PARAMETERS) -> int | None:
    """The lowest regional minimum wage of a month in đồng; None before the first one on record.

    Raises UsageError when dbt's seed is missing or has no regional minimum wage at all.
    """
    wages = [row for row in _rows(source) if row["parameter"] == _MINIMUM_WAGE]
    if not wages:
        raise UsageError(f"{source.name} has no {_MINIMUM_WAGE}: restore the seed before submissions are judged.")
    return min((int(row["value"]) for row in wages if _in_force(row, month)), default=None)


@functools.lru_cache(maxsize=8)
def _rows(source: Path) -> list[dict[str, str]]:
    try:
        with source.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))
    except FileNotFoundError:
        raise UsageError(f"The seed {source} is missing: restore it before submissions are judged.") from None


def _in_force(row: dict[str, str], month: dt.date) -> bool:
    since, until = row["valid_from"], row["valid_to"]
    return since <= month.isoformat() and (until in ("", "infinity") or month.isoformat() < until)
