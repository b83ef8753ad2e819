"""A contract in a clerk's words, Vietnamese and English: what the blank template and the submission guide both say."""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ingestion.contracts import Column, Contract, Kind, load_indicators
from ingestion.verdicts import MONEY_LIMIT
from warehouse.settings import PROJECT

TAX_CODE_FORM = "10 digits, 10 digits-3 digits, or 12 digits"


class Words(NamedTuple):
    """The same thing in both languages."""

    vi: str
    en: str


_NAMES = Path(__file__).parent / "contracts" / "reference" / "value_names.csv"
_SEEDS = PROJECT / "dbt_project" / "seeds"
_SEED_OF: Mapping[str, tuple[str, str]] = {
    "fund": ("fund", "fund"),
    "insurance_type": ("insurance_type", "insurance_type"),
    "unit_type": ("unit_type", "unit_type"),
    "benefit_type": ("benefit_type", "benefit_type"),
    "policy": ("relief_policy", "policy"),
    "inspections.kind": ("inspection_kind", "kind"),
}
"""Columns whose values the warehouse names already: seed and its key."""
_TYPES: Mapping[Kind, Words] = {
    "code": Words("mã, dạng văn bản, giữ số 0 ở đầu", "code: text, with its leading zeros"),
    "text": Words("văn bản Unicode", "text in Unicode"),
    "enum": Words("chọn trong danh sách", "one of a list"),
    "money": Words("số đồng nguyên, chỉ chữ số", "whole đồng, digits only"),
    "integer": Words("số nguyên", "whole number"),
    "decimal": Words("số, dấu chấm trước phần lẻ", "number, a point before the decimals"),
    "date": Words("ngày YYYY-MM-DD hoặc DD/MM/YYYY", "date YYYY-MM-DD or DD/MM/YYYY"),
    "month": Words("tháng YYYY-MM", "month YYYY-MM"),
    "date_or_year": Words("ngày YYYY-MM-DD hoặc DD/MM/YYYY, hoặc chỉ năm", "date YYYY-MM-DD or DD/MM/YYYY, or a year"),
}
_SHAPES_VI: Mapping[str, str] = {
    "2 digits": "2 chữ số",
    "5 digits": "5 chữ số",
    "4 or 5 digits": "4 hoặc 5 chữ số",
    "10 digits": "10 chữ số",
    "12 digits": "12 chữ số",
    "10 or 12 digits": "10 hoặc 12 chữ số",
    "2 capital letters": "2 chữ cái in hoa",
    TAX_CODE_FORM: "10 chữ số, 10 chữ số-3 chữ số, hoặc 12 chữ số; đúng số kiểm tra",
}


def heading(column: Column) -> str:
    """The heading a clerk sees: the first Vietnamese one, the column's name where there is none."""
    return column.headings_vi[0] if column.headings_vi else column.name


def type_of(column: Column) -> Words:
    """What a cell of the column must be, with its limits."""
    words = _TYPES[column.kind]
    vi, en = [words.vi], [words.en]
    shape = column.shape
    if shape is not None:
        vi.append(_SHAPES_VI.get(shape, shape))
        en.append(shape + ("; right check digit" if column.check == "tax_code" else ""))
    later = column.later_pattern
    if later is not None:
        vi.append(f"từ kỳ {later.period}: {_SHAPES_VI.get(later.shape, later.shape)}")
        en.append(f"from {later.period} on {later.shape}")
    if column.check == "indicator":
        vi.append("theo danh mục chỉ tiêu")
        en.append("from the list of indicators")
    if column.check == "province_code":
        vi.append("mã tỉnh đúng bản đồ hành chính của kỳ")
        en.append("province codes by the map of the period")
    lowest, highest = limits(column)
    if column.kind in {"money", "integer", "decimal"}:
        if column.minimum == 0:
            vi.append("không âm")
            en.append("not negative")
        elif column.minimum is None:
            vi.append("số âm có dấu trừ ở đầu")
            en.append("a leading minus if negative")
        else:
            vi.append(f"từ {lowest}")
            en.append(f"from {lowest}")
        if column.maximum is not None:
            vi.append(f"đến {highest}")
            en.append(f"up to {highest}")
        if column.scale is not None:
            vi.append(f"tối đa {column.scale} chữ số lẻ")
            en.append(f"at most {column.scale} after the point")
    return Words("; ".join(vi), "; ".join(en))


def limits(column: Column) -> tuple[int, int]:
    """Lowest and highest number a cell may hold, in the column's own unit (đồng for money)."""
    lowest = 1 - MONEY_LIMIT if column.minimum is None else column.minimum
    return lowest, MONEY_LIMIT - 1 if column.maximum is None else column.maximum


def need_of(column: Column, contract: Contract) -> Words:
    """Whether a cell of the column must be filled in."""
    if column.required:
        return Words("bắt buộc", "required")
    if column.required_if is not None:
        on, values = contract.column(column.required_if.column), ", ".join(column.required_if.values)
        return Words(f"bắt buộc khi «{heading(on)}» là {values}", f"required where {on.name} is {values}")
    if column.default is not None:
        return Words(f"để trống là {column.default}", f"blank means {column.default}")
    return Words("có thể để trống", "may be blank")


def allowed_values(column: Column) -> tuple[str, ...]:
    """The values a cell may take, if it is one of a list."""
    return tuple(load_indicators()) if column.check == "indicator" else column.values


def value_name(feed: str, column: str, value: str) -> Words | None:
    """What a value of a list means; None where nobody has named it."""
    for place in (f"{feed}.{column}", column):
        if place in _SEED_OF:
            return _named_by_seed(*_SEED_OF[place]).get(value)
        if (place, value) in _named_here():
            return _named_here()[place, value]
    return None


@functools.cache
def _named_by_seed(seed: str, key: str) -> Mapping[str, Words]:
    with (_SEEDS / f"{seed}.csv").open(encoding="utf-8", newline="") as stream:
        return {row[key]: Words(row["name_vi"], row["name_en"]) for row in csv.DictReader(stream)}


@functools.cache
def _named_here() -> Mapping[tuple[str, str], Words]:
    with _NAMES.open(encoding="utf-8", newline="") as stream:
        return {(row["column"], row["value"]): Words(row["name_vi"], row["name_en"]) for row in csv.DictReader(stream)}
