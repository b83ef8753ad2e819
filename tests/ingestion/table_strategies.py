"""Tables of any feed, good and bad, for claims that must hold for all of them."""

from __future__ import annotations

import datetime as dt
import functools
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cell_oracle import FEEDS, VIETNAMESE
from hypothesis import strategies as st

from ingestion.contracts import Column, Contract, load_contracts, load_indicators

Row = Mapping[str, str]
UNITS = ("dong", "dong", "dong", "thousand", "million", "billion")
PERIODS = ("2021-10", "2025-08")
RECEIVED_ON = dt.date(2021, 11, 4)

FULL_ROWS: Mapping[str, Row] = {
    "participants": {
        "personal_id": "001085012345", "full_name": "Nguyễn Thị Hoà", "birth_date": "02/03/1985", "sex": "Nữ",
        "insurance_type": "SI_C", "hi_group": "DN", "si_unit_code": "TA0001A", "commune_code": "08827",
        "wage_base_vnd": "5200000", "from_month": "2021-01", "office_code": "02601", "collector_code": "DL01",
    },
    "employers": {
        "tax_code": "0100047516", "name": "Công ty An Phú", "unit_type": "private", "industry_code": "0111",
        "commune_code": "08827", "status": "active", "status_date": "2020-02-29", "pay_method": "1", "wage_region": "2",
        "employees": "35", "office_code": "02601", "address": "Số 1, đường Lê Lợi",
    },
    "contributions": {
        "payer_kind": "employer", "fund": "RETIREMENT", "liability_month": "2021-10", "headcount": "12",
        "wage_fund_vnd": "62000000", "due_vnd": "17000000", "adjustment_vnd": "-1000000", "interest_due_vnd": "3000000",
        "paid_vnd": "-2000000", "interest_paid_vnd": "0",
    },
    "arrears": {
        "fund": "HI", "principal_vnd": "1000000000", "overdue_vnd": "500000000", "interest_vnd": "7000000",
        "months_owed": "3.5", "oldest_month": "2021-07", "employees_affected": "3", "hard_to_collect": "absconded",
        "urged_on": "12/10/2021",
    },
    "inspections": {
        "kind": "examination", "unscheduled": "Y", "decision_date": "2021-09-01", "conclusion_date": "30/09/2021",
        "entity_kind": "employer", "entity_code": "TA0001A", "arrears_before_vnd": "9000000", "persons_found": "4",
        "recovered_at_visit_vnd": "1000000", "recovered_after_vnd": "2000000", "fine_vnd": "3000000",
    },
    "plan_targets": {
        "plan_document": "QĐ 123/QĐ-BHXH", "issued_date": "2021-01-05", "year": "2021",
        "assignee_kind": "province", "assignee_code": "26", "indicator": "si_compulsory", "target_kind": "level",
        "target_value": "226400.5",
        "from_month": "2021-01", "to_month": "2021-12", "baseline_date": "2020-12-31", "issuer": "vss",
    },
    "indicators": {
        "indicator": "si_compulsory", "as_of_date": "2021-10-31", "value": "226400", "unit": "persons",
        "qualifier": "exact", "measure": "stock", "comparison": "none", "note": "Ước tính",
    },
    "benefits": {
        "benefit_type": "pension", "persons": "12", "cases": "14", "amount_vnd": "88000000", "qualifier": "approx",
    },
    "policy_relief": {
        "policy": "R68_OAD", "beneficiary": "unit", "status": "approved", "scenario": "actual",
        "cut_off_date": "2021-10-31", "persons": "90", "units": "7", "amount_vnd": "88000000", "from_month": "2021-07",
        "to_month": "2021-12", "qualifier": "at_least",
    },
    "outreach": {
        "kind": "livestream", "held_on": "2021-10-08", "level": "province", "partner": "Bưu điện tỉnh",
        "attendees": "100", "sign_ups": "12",
    },
    "tax_employers": {
        "tax_year": "2021", "tax_code": "0100047516-001", "name": "Công ty An Phú", "province_code": "26",
        "status": "operating", "status_date": "2021-12-31", "employees_paid": "40", "employees_with_contract": "38",
        "income_paid_vnd": "900000000", "cit_finalised": "Y", "cit_filing_date": "2022-03-31",
        "wage_cost_vnd": "800000000", "industry_code": "4690", "address": "Phường Khai Quang",
    },
    "weekly_report": {"area": "it", "difficulty": "Mạng chậm", "proposal": "Nâng cấp"},
}  # fmt: skip
_NUMBERED = {
    "participants": ("si_number", "{:010d}"),
    "employers": ("si_unit_code", "TA{:04d}A"),
    "contributions": ("payer_code", "TA{:04d}A"),
    "arrears": ("si_unit_code", "TA{:04d}A"),
    "inspections": ("case_no", "HS-{}"),
    "plan_targets": ("revision", "{}"),
    "outreach": ("event_no", "HN{}"),
    "tax_employers": ("supplement_no", "{}"),
    "weekly_report": ("item_no", "{}"),
}

ODD_TEXT = (
    " ", "\u00a0", "\u200b", "\ufeff", "Tổng", "Cộng", "Nguye\u0302\u0303n", "Ðỗ B", "A\u00a0B", "a\u200bb", " A ",
    'Công ty "An Phú"', '"', '""', "a,b", "a;b", "a|b", "a\tb", "a\nb", "a\r\nb", '",\n"', "=cmd|'/c calc'!A1", "@x",
    "-5", "+84 912", "'", "NULL", "null", "NaN", "N/A", "None", "true", "\\N", "\\", "#REF!", "0", "-", "x" * 300,
    "B¶o hiÓm x· héi", "Baûo hieåm xaõ hoäi", "José Müller", "مرحبا", "日本", "Å", "\u212b", "\u2126", "ﬁ", "①", "𝒳",
    "a\u0300\u0323", "a\u0323\u0300", "\u1ea1\u0302", "\uac00", "\u1100\u1161", "\u037e", "\u061c", "x\u061c",
    "\u2028", "\u180e", "\U000e0041", "\u202ex", "\ufffd", "\ue000", "😀", "a\x01b", "a\x7fb", "a\x85b", "\x1f",
)  # fmt: skip
_NUMBERS = (
    "0", "-0", "00", "007", "1", "-1", "5.0", "5.", ".5", "0.5", "-0.5", "3.25", "3.50", "1200", "1200.1", "1201",
    "+5", "--5", "5-", "- 5", "1e5", "1E+3", "0x10", "1_000", "1 000", "1,5", "1.234.567", "1.234.567,5", "230,0005",
    "52%%", "117,59 tỷ", "999999999999999", "1000000000000000", "-999999999999999", "-1000000000000000",
    "999999.999999999", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551616",
    "9" * 25, "9" * 41, "0" * 20 + "7", "9" * 5_000, "1." + "0" * 20, "0." + "1" * 40, "-0." + "1" * 20, "٣", "５",
    "１２３", "²", "½", "inf", "-inf", "nan", "1000000", "0.000000001", "0.0000000001", "12345678901234567",
    "9999999999999999", "1234567890123456.1234", "1.00001", "1.00000", "1900", "1899", "2200", "2201",
)  # fmt: skip
_DATES = (
    "2021-02-28", "28/02/2021", "29/02/2024", "2024-02-29", "29/02/2023", "2023-02-29", "29/02/1900", "1900-02-29",
    "29/02/2000", "31/02/2021", "31/04/1985", "1985-04-31", "13/13/2021", "00/01/2021", "2021-00-01", "2021-01-00",
    "2021-2-28", "1/2/2021", "2021/02/28", "28-02-2021", "02/28/2021", "2021-02-28T00:00", "2021-02-28 00:00:00",
    "2021", "85", "1985", "1799", "1800", "2199", "2200", "1799-12-31", "1800-01-01", "2199-12-31", "2200-01-01",
    "0021-02-28", "9999-12-31", "44470", "31052", "20210228", "2021-10", "2021-13", "2021-00", "10/2021", "2021-1",
    "12/2021", "2021-W44", "+2021-01-05", "-2021-01-01", "٢٠٢١-٠٢-٢٨", "２０２１-10", "2021-10-05", "05/11/2021",
    "2021-11-05", "2021‐10‐05",
)  # fmt: skip
_CODES = (
    "0110001234", "110001234", "01100012345", "001085012345", "1.00109E+11", "1,5E3", "0110001234.0", "5,00",
    "011000123a", "٠١٢٣٤٥٦٧٨٩", "0100047516", "0100047517", "0100047516-001", "0100047516-000", "0100047516-01",
    "100047516", "0100047516 001", "26", "36", "15", "2", "261", "99", "00", "08827", "8827", "0111", "011", "DN",
    "dn", "D", "ĐN", "HI", "TA 001", "E5", "1E5", "1e+5", "12", "si_compulsory", "SI_COMPULSORY", "hi",
    "hi_coverage_pct", "collection", "VN",
)  # fmt: skip
_ENUM_LIKE = (
    "M", "F", "m", "Nam", "nam", "NAM", "nAm", "Nữ", "NỮ", "nữ", "Nu\u031b\u0303", "1", "3", "01", "SI_C", "si_c",
    "HI", "UI", "SI_V", "none", "None", "percent", "percentage_point", "persons", "dong", "stock", "month", "ytd",
    "plan", "same_period", "national", "Y", "N", "y",
)  # fmt: skip

_BOUNDS: Mapping[str, Sequence[str]] = {
    "text": ODD_TEXT,
    "code": (*_CODES, *ODD_TEXT),
    "enum": (*_ENUM_LIKE, *ODD_TEXT),
    "money": (*_NUMBERS, *ODD_TEXT),
    "integer": (*_NUMBERS, *ODD_TEXT),
    "decimal": (*_NUMBERS, *ODD_TEXT),
    "date": (*_DATES, *ODD_TEXT),
    "month": (*_DATES, *ODD_TEXT),
    "date_or_year": (*_DATES, *ODD_TEXT),
}

ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
NAME = st.text(VIETNAMESE + " ", min_size=1, max_size=12)

_SPELT = """
Nguyễn Hoà Hòa Thuý Thúy Khuê Quỳnh Loan Yến Oanh Hiếu Đào Tài Mỹ Luân Uyên Thuở Khoẻ Khỏe Huệ Tuyết Bưởi Rượu Ngoèo
Khuỷu Yêu Oải Uý Ý Ỷ Ẵm Ễnh Ỡm Ờ Ậu Ấy Ẩu Áo Ào Ảo Ão Ạo Ai Ái Ải Ây Èo Éo Ẻo Ẽo Ẹo Êu Ếu Ìa Ía Iêu Oà Oè Oé Ói Ôi Ối Ổi
Ỗi Ội Ới Ởi Ua Úa Ùa Uê Uế Ươi Ưởi Ưa Ứa Ửa Ữa Ựa Uơ Xoèn Xoong Quốc Giữa Gìn Giêng Đặng Đỗ Đình Lê Bích
"""
SYLLABLES = tuple(_SPELT.split())
WORDS = st.lists(
    st.sampled_from([form(word) for word in SYLLABLES for form in (str, str.lower, str.upper)]), min_size=1
)


def _nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


_WORN = st.sampled_from(
    [str, str, str, str, _nfd, lambda text: f" {text}", lambda text: f"{text}\u00a0", lambda text: f"\u200b{text}"]
)


@dataclass(frozen=True)
class Table:
    """Rows of a feed as text, with the unit and period they are sent in."""

    feed: str
    rows: tuple[Row, ...]
    unit: str
    period: str

    @property
    def contract(self) -> Contract:
        """The feed's contract."""
        return load_contracts()[self.feed]


def good_row(feed: str, number: int) -> dict[str, str]:
    """A row that is good in đồng, whatever the period; rows of other numbers have other keys."""
    filled = dict.fromkeys(load_contracts()[feed].column_names, "") | dict(FULL_ROWS[feed])
    if feed in _NUMBERED:
        name, shape = _NUMBERED[feed]
        filled[name] = shape.format(number)
    return filled


def good_cell(column: Column) -> st.SearchStrategy[str]:
    """Mostly what the column takes."""
    kinds: dict[str, st.SearchStrategy[str]] = {
        "money": st.integers(-(10**16), 10**16).map(str)
        | st.decimals(-(10**7), 10**7, places=3, allow_nan=False).map(lambda value: f"{value:f}"),
        "integer": st.integers(-5, 3_000).map(str) | st.integers(0, 10**16).map(str),
        "decimal": st.decimals(-10, 10**4, places=1, allow_nan=False).map(lambda value: f"{value:f}"),
        "date": _days(),
        "month": _days().map(lambda text: text[:7]),
        "date_or_year": _days() | st.integers(1790, 2210).map(str),
        "enum": st.sampled_from([*column.values, *column.value_aliases] or [""]),
        "code": st.from_regex(r"\A[0-9]{2,12}\Z").filter(str.isascii),
        "text": NAME,
    }
    if column.check == "indicator":
        return st.sampled_from(sorted(load_indicators()))
    return kinds[column.kind]


def _days() -> st.SearchStrategy[str]:
    days = st.dates(dt.date(1795, 1, 1), dt.date(2205, 12, 31))
    return st.tuples(days, st.booleans()).map(
        lambda drawn: drawn[0].isoformat() if drawn[1] else drawn[0].strftime("%d/%m/%Y")
    )


def any_cell(column: Column) -> st.SearchStrategy[str]:
    """What a sender might put there: good, at the edge of good, wrong, odd, empty."""
    plain = st.just("") | good_cell(column) | st.sampled_from(_BOUNDS[column.kind]) | ANY_TEXT
    return st.tuples(_WORN, plain).map(lambda drawn: drawn[0](drawn[1]))


@functools.cache
def cell_of(feed: str, name: str) -> st.SearchStrategy[str]:
    """Any cell of a column by its name; made once, which is most of its cost."""
    return any_cell(load_contracts()[feed].column(name))


def edges(feed: str, unit: str, period: str) -> Table:
    """Good rows with one cell changed each: every listed oddity in every column of the feed."""
    changes = [(column.name, text) for column in load_contracts()[feed].columns for text in _BOUNDS[column.kind]]
    rows = tuple({**good_row(feed, number), name: text} for number, (name, text) in enumerate(changes))
    return Table(feed, rows, unit, period)


@st.composite
def tables(
    draw: st.DrawFn, *, feeds: Sequence[str] = FEEDS, most_rows: int = 10, units: Sequence[str] = UNITS
) -> Table:
    """Good rows in which a few cells were changed, and now and then a row that is blank altogether."""
    feed = draw(st.sampled_from(feeds))
    columns = load_contracts()[feed].columns
    count = draw(st.integers(1, most_rows))
    rows = [good_row(feed, number) for number in range(count)]
    places = st.tuples(st.integers(0, count - 1), st.integers(0, len(columns) - 1))
    for row, at in draw(st.lists(places, max_size=2 * count)):
        rows[row][columns[at].name] = draw(cell_of(feed, columns[at].name))
    for row in draw(st.lists(st.integers(0, count - 1), max_size=1)):
        if draw(st.integers(0, 3)) == 0:
            rows[row] = dict.fromkeys(rows[row], "")
    return Table(feed, tuple(rows), draw(st.sampled_from(units)), draw(st.sampled_from(PERIODS)))
