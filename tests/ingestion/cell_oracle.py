"""What a cell, a row and a total must come to: the rules of interfaces.md and feeds.csv, written a second time.

Plain Python on one cell at a time, and nothing of `ingestion.verdicts`: where both say the same, both are right or both
were misread the same way. Of the contracts it takes what a list can hold (kinds, bounds, values), not what they mean.
"""

from __future__ import annotations

import calendar
import csv
import datetime as dt
import functools
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from pathlib import Path

from ingestion.contracts import Column, Contract, load_contracts, load_indicators
from warehouse import geography

FACTOR = {"dong": 1, "thousand": 10**3, "million": 10**6, "billion": 10**9}
LIMIT = 10**15
_PLAIN = re.compile(r"[ -~]*")
_LETTERS = "aăâeêioôơuưy"
_TONES = "\u0300\u0301\u0309\u0303\u0323"
VIETNAMESE = (
    "".join(
        unicodedata.normalize("NFC", case(letter) + tone)
        for letter in _LETTERS
        for tone in ("", *_TONES)
        for case in (str.lower, str.upper)
    )
    + "đĐ"
)
WELL_KNOWN = set(VIETNAMESE) | {chr(code) for code in range(32, 127)} | set("\n\u00a0\u200b\ufeff\u00ad\u00d0")


@dataclass(frozen=True)
class Expected:
    """What must come out of a cell. `readable`: it has a value (None for a blank); `certain`: it must be taken."""

    value: object
    readable: bool = True
    certain: bool = True


@dataclass(frozen=True)
class ExpectedRow:
    """What must come out of a row: its values, columns that must be named as faulty, columns that may be."""

    values: Mapping[str, object]
    must: frozenset[str]
    may: frozenset[str]


def visible(text: str) -> str:
    """What a reader of the cell sees: composed, no characters without width, any kind of blank as a space."""
    kept = []
    for char in text:
        category = unicodedata.category(char)
        if category != "Cf":
            kept.append(" " if category in {"Zs", "Cc"} and char != "\n" else char)
    eth = str.maketrans({"\u00d0": "Đ", "\u0189": "Đ", "\u00f0": "đ"})
    return unicodedata.normalize("NFC", "".join(kept).translate(eth)).strip()


def row(contract: Contract, sent: Mapping[str, str], *, unit: str, period: str, received_on: dt.date) -> ExpectedRow:
    """What must come out of one row, `sent` as text."""
    cells = {column.name: cell(column, sent[column.name], unit=unit, period=period) for column in contract.columns}
    shown = {name: visible(text) for name, text in sent.items()}
    must = {name for name, expected in cells.items() if not expected.readable}
    may = {name for name, expected in cells.items() if not expected.certain}
    # whether what depends on a faulty cell is named as well does not matter: a negative principal is below anything
    for feed, cause, effect in (
        ("arrears", "principal_vnd", "overdue_vnd"),
        ("plan_targets", "issued_date", "assignee_code"),
    ):
        if contract.feed == feed and (cause in must or cause in may):
            may.add(effect)
    broken = _across(contract, cells, shown, received_on)
    if not all(expected.certain for expected in cells.values()):
        may |= broken
    else:
        must |= broken
    values = {column.name: _with_default(column, cells[column.name].value) for column in contract.columns}
    return ExpectedRow(values, frozenset(must), frozenset(may - must))


def cell(column: Column, text: str, *, unit: str, period: str) -> Expected:
    """What must come out of one cell."""
    shown = visible(text)
    certain = set(unicodedata.normalize("NFC", text)) <= WELL_KNOWN
    if column.kind in {"money", "integer"} and len(shown.partition(".")[0]) > 16:
        certain = False  # 000000000000000000007 is 7 or set aside, as suits
    if shown == "":
        return Expected(None, readable=not column.required, certain=certain)
    reads = {
        "money": lambda: _money(column, shown, unit),
        "integer": lambda: _integer(column, shown),
        "decimal": lambda: _decimal(column, shown),
        "date": lambda: _date(shown),
        "date_or_year": lambda: shown if re.fullmatch("(18|19|20|21)[0-9]{2}", shown) else _iso(_date(shown)),
        "month": lambda: _month(shown),
        "enum": lambda: _enum(column, shown),
        "code": lambda: _code(column, shown, period),
        "text": lambda: None if "\n" in shown and not column.multiline else shown,
    }
    value = reads[column.kind]()
    return Expected(value, readable=value is not None, certain=certain)


def reads_as_number(column: Column, text: str, unit: str) -> Decimal | None:
    """What a cell adds to the control total of its column, in đồng or heads; None if it reads as no number."""
    shown = visible(text)
    if len(shown) > 30:
        return None
    if column.kind == "decimal":
        return Decimal(shown) if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", shown) else None
    if column.kind == "integer" or unit == "dong":
        return Decimal(shown) if re.fullmatch(r"-?[0-9]+", shown) else None
    return _whole_dong(shown, unit)


def totals(contract: Contract, rows: Sequence[Mapping[str, str]], unit: str) -> dict[str, Decimal]:
    """The control totals of a file."""
    found: dict[str, Decimal] = {}
    with localcontext() as context:
        context.prec = 200
        for column in contract.columns:
            if column.kind in {"money", "integer", "decimal"}:
                cells = [reads_as_number(column, sent[column.name], unit) for sent in rows]
                found[column.name] = sum((value for value in cells if value is not None), Decimal(0))
    return found


# ------------------------------------------------------------------------------------------------------------- by kind


def _whole_dong(shown: str, unit: str) -> Decimal | None:
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", shown):
        return None
    with localcontext() as context:
        context.prec = 20_000
        amount = Decimal(shown) * FACTOR[unit]
        return amount if amount == amount.to_integral_value() else None


def _money(column: Column, shown: str, unit: str) -> int | None:
    if unit == "dong" and "." in shown:
        return None
    amount = _whole_dong(shown, unit)
    if amount is None or abs(amount) >= LIMIT or (column.minimum == 0 and amount < 0):
        return None
    return int(amount)


def _integer(column: Column, shown: str) -> int | None:
    if not re.fullmatch(r"-?[0-9]{1,4000}", shown):
        return None
    count = int(shown)
    low = 1 - LIMIT if column.minimum is None else column.minimum
    high = LIMIT - 1 if column.maximum is None else column.maximum
    return count if low <= count <= high else None


def _decimal(column: Column, shown: str) -> Decimal | None:
    """The digits as sent, so a Decimal with its zeros."""
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", shown):
        return None
    value = Decimal(shown)
    fraction = shown.partition(".")[2].rstrip("0")
    too_fine = column.scale is not None and len(fraction) > column.scale
    too_low = column.minimum == 0 and value < 0
    too_high = column.maximum is not None and value > column.maximum
    return None if too_fine or too_low or too_high or abs(value) >= 10**16 else value


def _date(shown: str) -> dt.date | None:
    if match := re.fullmatch("([0-9]{4})-([0-9]{2})-([0-9]{2})", shown):
        year, month, day = (int(part) for part in match.groups())
    elif match := re.fullmatch("([0-9]{2})/([0-9]{2})/([0-9]{4})", shown):
        day, month, year = (int(part) for part in match.groups())
    else:
        return None
    real = 1800 <= year < 2200 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]
    return dt.date(year, month, day) if real else None


def _iso(day: dt.date | None) -> str | None:
    return None if day is None else day.isoformat()


def _month(shown: str) -> dt.date | None:
    match = re.fullmatch("((?:18|19|20|21)[0-9]{2})-([0-9]{2})", shown)
    return dt.date(int(match[1]), int(match[2]), 1) if match and 1 <= int(match[2]) <= 12 else None


def _enum(column: Column, shown: str) -> str | None:
    if shown in column.values:
        return shown
    aliases = {form: value for alias, value in column.value_aliases.items() for form in _cases(alias)}
    return aliases.get(shown)


def _cases(alias: str) -> tuple[str, str, str]:
    return alias, alias.lower(), alias.upper()


def _code(column: Column, shown: str, period: str) -> str | None:
    if column.check == "tax_code":
        return shown if is_tax_code(shown) else None
    if column.check == "indicator":
        return shown if shown in load_indicators() else None
    lengths = {
        "si_number": (10, 12) if period >= "2025-08" else (10,),
        "personal_id": (12,), "commune_code": (5,), "province_code": (2,),
    }  # fmt: skip
    if column.name == "hi_group":
        return shown if re.fullmatch("[A-Z]{2}", shown) else None
    if column.name == "industry_code" and column.pattern:
        return shown if _digits(shown, (4, 5)) else None
    if column.name in lengths and column.pattern:
        return shown if _digits(shown, lengths[column.name]) else None
    if "\n" in shown:
        return None
    lost_zeros = re.fullmatch(r"[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+|[0-9]+[.,]0+", shown)
    return None if lost_zeros else shown


@functools.cache
def _maps() -> tuple[frozenset[str], frozenset[str]]:
    """The codes until June 2025 and those since."""
    with (Path(geography.__file__).parent / "reference" / "province_succession.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return (
        frozenset(row["code_until_2025_06_30"] for row in rows),
        frozenset(row["code_from_2025_07_01"] for row in rows),
    )


def _on_the_map(shown: str, day: dt.date) -> bool:
    before, since = _maps()
    return shown in (before if day < dt.date(2025, 7, 1) else since)


def _digits(shown: str, lengths: tuple[int, ...]) -> bool:
    return re.fullmatch("[0-9]+", shown) is not None and len(shown) in lengths


def is_tax_code(shown: str) -> bool:
    """10 digits with a check digit, the same with a branch of three, or 12 of a household business."""
    if re.fullmatch("[0-9]{12}", shown):
        return True
    match = re.fullmatch("([0-9]{9})([0-9])(?:-([0-9]{3}))?", shown)
    if match is None or match[3] == "000":
        return False
    weighted = sum(
        int(digit) * weight for digit, weight in zip(match[1], (31, 29, 23, 19, 17, 13, 7, 5, 3), strict=True)
    )
    return int(match[2]) == 10 - weighted % 11


# --------------------------------------------------------------------------------------------------- over several cells


def _with_default(column: Column, value: object) -> object:
    return column.default if value is None and column.default is not None else value


def _across(
    contract: Contract, cells: Mapping[str, Expected], shown: Mapping[str, str], received_on: dt.date
) -> set[str]:
    """Columns that are named for what several cells say together."""
    broken = set()
    for column in contract.columns:
        rule = column.required_if
        if rule is not None and shown[rule.column] in rule.values and shown[column.name] == "":
            broken.add(column.name)
    if contract.feed == "arrears":
        overdue, principal = cells["overdue_vnd"].value, cells["principal_vnd"].value
        if isinstance(overdue, int) and isinstance(principal, int) and overdue > principal:
            broken.add("overdue_vnd")
    if contract.feed in {"benefits", "policy_relief"}:
        names = ["persons", "cases" if contract.feed == "benefits" else "units", "amount_vnd"]
        if all(shown[name] == "" for name in names):
            broken.add(names[0])
    if contract.feed == "plan_targets" and shown["assignee_kind"] == "province":
        day, assignee = cells["issued_date"].value, shown["assignee_code"]
        shaped = re.fullmatch("[0-9]{2}", assignee)
        if assignee and (not shaped or (isinstance(day, dt.date) and not _on_the_map(assignee, day))):
            broken.add("assignee_code")
    if contract.feed == "indicators":
        broken |= _indicator_faults(shown)
        day = cells["as_of_date"].value
        if isinstance(day, dt.date) and day > received_on:
            broken.add("as_of_date")
    return broken


def _indicator_faults(shown: Mapping[str, str]) -> set[str]:
    indicator = load_indicators().get(shown["indicator"])
    if indicator is None:
        return set()
    broken = set()
    units = {indicator.unit}
    if shown["comparison"] not in {"", "none"}:
        units |= {"percent"} | ({"percentage_point"} if indicator.unit == "percent" else set())
    if shown["unit"] != "" and shown["unit"] not in units:
        broken.add("unit")
    measures = {indicator.measure} | ({"month"} if indicator.month_allowed else set())
    if shown["measure"] != "" and shown["measure"] not in measures:
        broken.add("measure")
    return broken


FEEDS = tuple(sorted(load_contracts()))
