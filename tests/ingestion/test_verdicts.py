"""What is set aside, cell by cell (faults: Cells), and what is loaded in its place."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from feed_builders import GOOD_ROWS, arguments, block, faults, judge

from ingestion.contracts import load_contracts
from ingestion.verdicts import Unit, compile_verdicts


@pytest.mark.parametrize("feed", sorted(GOOD_ROWS))
def test_a_good_row_passes(feed: str) -> None:
    judged = judge(feed, {})
    assert faults(judged) == []
    assert tuple(judged.good.columns) == load_contracts()[feed].column_names
    assert judged.row_no.to_list() == [2]


@pytest.mark.parametrize(
    "number", ["110001234", "01100012345", "1.00109E+11", "0110001234.0", "011000123a", "٠١٢٣٤٥٦٧٨٩"]
)
def test_a_damaged_social_insurance_number_is_set_aside(number: str) -> None:
    judged = judge("participants", {"si_number": number})
    assert faults(judged) == [(2, "si_number", "E-CODE")]
    assert arguments(judged) == {"column": "si_number", "shape": "10 digits"}


def test_twelve_digits_are_a_social_insurance_number_from_august_2025() -> None:
    row = {"si_number": "001085012345"}
    assert faults(judge("participants", row, period="2025-07")) == [(2, "si_number", "E-CODE")]
    assert faults(judge("participants", row, period="2025-08")) == []
    assert faults(judge("participants", {"si_number": "01234567890"}, period="2025-08")) == [(2, "si_number", "E-CODE")]


def test_a_free_code_in_scientific_notation_is_set_aside() -> None:
    assert faults(judge("employers", {"si_unit_code": "1.00109E+11"})) == [(2, "si_unit_code", "E-CODE")]
    assert faults(judge("employers", {"si_unit_code": "E0001E"})) == []


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("0100047516", None),
        ("0100047516-001", None),
        ("001085012345", None),
        ("0100047517", "E-TAX-CODE"),
        ("0100047516-000", "E-TAX-CODE"),
        ("0100047517-001", "E-TAX-CODE"),
        ("100047516", "E-CODE"),
        ("01000475161", "E-CODE"),
        ("1.00047E+9", "E-CODE"),
    ],
)
def test_tax_codes_are_checked_in_each_of_their_forms(code: str, fault: str | None) -> None:
    assert faults(judge("employers", {"tax_code": code})) == ([(2, "tax_code", fault)] if fault else [])


@pytest.mark.parametrize(
    ("text", "loaded"),
    [
        ("2021-02-28", dt.date(2021, 2, 28)),
        ("28/02/2021", dt.date(2021, 2, 28)),
        ("29/02/2024", dt.date(2024, 2, 29)),
        ("31/02/2021", None),
        ("29/02/2023", None),
        ("13/13/2021", None),
        ("2021-2-28", None),
        ("1/2/2021", None),
        ("2021-02-28T00:00", None),
        ("0021-02-28", None),
        ("44470", None),
        ("2021", None),
        ("+2021-01-5", None),
    ],
)
def test_dates_are_real_and_in_one_of_two_forms(text: str, loaded: dt.date | None) -> None:
    judged = judge("employers", {"status_date": text})
    assert faults(judged) == ([] if loaded else [(2, "status_date", "E-DATE")])
    assert judged.good["status_date"].to_list() == ([loaded] if loaded else [])


@pytest.mark.parametrize(
    ("text", "loaded"),
    [
        ("1985", "1985"),
        ("1985-03-02", "1985-03-02"),
        ("02/03/1985", "1985-03-02"),
        ("2024-02-29", "2024-02-29"),
        ("1985-12-31", "1985-12-31"),
        ("2023-02-29", None),
        ("1985-04-31", None),
        ("03/1985", None),
        ("85", None),
        ("31052", None),
    ],
)
def test_a_birth_is_a_day_or_a_year(text: str, loaded: str | None) -> None:
    judged = judge("participants", {"birth_date": text})
    assert faults(judged) == ([] if loaded else [(2, "birth_date", "E-DATE")])
    assert judged.good["birth_date"].to_list() == ([loaded] if loaded else [])


def test_a_month_is_its_first_day() -> None:
    judged = judge("contributions", {}, {"liability_month": "2021-13"}, {"liability_month": "10/2021"})
    assert judged.good["liability_month"].to_list() == ["2021-10-01"]
    assert faults(judged) == [(3, "liability_month", "E-MONTH"), (4, "liability_month", "E-MONTH")]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("1.234.567", "E-NUMBER"),
        ("1.234.567,5", "E-NUMBER"),
        ("230,0005", "E-NUMBER"),
        ("52%%", "E-NUMBER"),
        ("117,59 tỷ", "E-NUMBER"),
        ("1 000", "E-NUMBER"),
        ("+5", "E-NUMBER"),
        ("-", "E-NUMBER"),
        ("1e6", "E-NUMBER"),
        ("0.5", "E-FRACTION"),
        ("5.0", "E-FRACTION"),
        ("-5", "E-NEGATIVE"),
        ("1000000000000000", "E-RANGE"),
        ("99999999999999999999", "E-RANGE"),
    ],
)
def test_amounts_are_digits_and_nothing_is_guessed(text: str, fault: str) -> None:
    assert faults(judge("participants", {"wage_base_vnd": text})) == [(2, "wage_base_vnd", fault)]


@pytest.mark.parametrize(
    ("text", "unit", "amount"),
    [
        ("007", "dong", 7),
        ("-999999999999999", "dong", -999_999_999_999_999),
        ("1.5", "thousand", 1_500),
        ("-0.25", "million", -250_000),
        ("117.59", "billion", 117_590_000_000),
        ("3.000", "thousand", 3_000),
        ("2.000000000000", "thousand", 2_000),
    ],
)
def test_amounts_come_to_whole_dong(text: str, unit: Unit, amount: int) -> None:
    judged = judge("contributions", {"due_vnd": text}, unit=unit)
    assert judged.good["due_vnd"].to_list() == [amount]
    assert judged.totals["due_vnd"] == amount


@pytest.mark.parametrize(
    ("text", "unit", "fault"),
    [
        ("1.2345", "thousand", "E-FRACTION"),
        ("1,5", "million", "E-NUMBER"),
        ("1000000", "billion", "E-RANGE"),
        ("99999999999999999999.5", "billion", "E-RANGE"),
    ],
)
def test_an_amount_in_a_unit_that_does_not_fit_is_set_aside(text: str, unit: Unit, fault: str) -> None:
    assert faults(judge("contributions", {"due_vnd": text}, unit=unit)) == [(2, "due_vnd", fault)]


def test_only_amounts_are_scaled_by_the_unit() -> None:
    judged = judge("contributions", {"headcount": "35"}, unit="million")
    assert judged.good["headcount"].to_list() == [35]


def test_totals_take_every_cell_that_reads_as_a_number_whatever_else_is_wrong() -> None:
    judged = judge(
        "participants",
        {"wage_base_vnd": "100"},
        {"wage_base_vnd": "20", "sex": "X"},
        {"wage_base_vnd": "-3"},
        {"wage_base_vnd": "1.000"},
        {"wage_base_vnd": " 4 "},
        {"wage_base_vnd": "99999999999999999999"},
    )
    assert judged.totals == {"wage_base_vnd": 99999999999999999999 + 121}
    assert judged.row_no.to_list() == [2, 6]
    assert judged.rejected_rows == 4


def test_decimals_keep_their_digits_as_sent() -> None:
    rows = [
        {"value": text, "as_of_date": f"2021-10-{day:02d}"}
        for day, text in enumerate(["75", "75.0", "-0.1250"], start=1)
    ]
    judged = judge("indicators", *rows, {"value": "1.23456"}, {"value": "12345678901234567"}, {"value": "1,5"})
    assert judged.good["value"].to_list() == ["75", "75.0", "-0.1250"]
    assert [code for _, _, code in faults(judged)] == ["E-FRACTION", "E-RANGE", "E-NUMBER"]
    assert judged.totals["value"] == Decimal("149.8750") + Decimal("1.23456") + 12345678901234567
    assert faults(judge("arrears", {"months_owed": "3.25"})) == [(2, "months_owed", "E-FRACTION")]


def test_blanks_take_their_defaults_and_required_ones_are_set_aside() -> None:
    judged = judge("arrears", {}, {"principal_vnd": "  "}, {"fund": None})
    assert judged.good.select("interest_vnd", "hard_to_collect").rows() == [(0, "none")]
    assert faults(judged) == [(3, "principal_vnd", "E-REQUIRED"), (4, "fund", "E-REQUIRED")]
    judged = judge("tax_employers", {}, {"employees_with_contract": " 7"})
    assert judged.good["employees_with_contract"].to_list() == [None, 7]
    assert judged.totals["employees_with_contract"] == 7


def test_what_a_row_needs_follows_from_its_insurance_type() -> None:
    bare = {"si_unit_code": None, "wage_base_vnd": None}
    judged = judge("participants", bare, {**bare, "insurance_type": "HI"}, {**bare, "insurance_type": "SI_V"})
    assert faults(judged) == [
        (2, "si_unit_code", "E-REQUIRED"),
        (2, "wage_base_vnd", "E-REQUIRED"),
        (3, "hi_group", "E-REQUIRED"),
        (4, "wage_base_vnd", "E-REQUIRED"),
    ]
    assert judged.rejected_rows == 3
    assert faults(judge("participants", {**bare, "insurance_type": "HI", "hi_group": "DN"})) == []


def test_enums_take_their_values_and_aliases_only() -> None:
    judged = judge(
        "participants", {"sex": "Nam"}, {"sex": "Nu\u031b\u0303"}, {"sex": "NỮ"}, {"sex": "nam"}, {"sex": "1"}
    )
    assert judged.good["sex"].to_list() == ["M", "F", "F", "M"]
    assert faults(judged) == [(6, "sex", "E-ENUM")]
    assert arguments(judged)["allowed"] == ["M", "F"]


def test_text_is_normalised_and_counted_but_never_rewritten() -> None:
    judged = judge(
        "participants",
        {"full_name": "Nguye\u0302\u0303n Thi\u0323\u00a0A\u200b "},
        {"full_name": "Ðỗ B"},
        {"full_name": '=cmd|"x"'},
        {"full_name": "-5"},
        {"si_number": " 0110001235\u00a0"},
    )
    assert judged.good["full_name"].to_list()[:4] == ["Nguyễn Thị A", "Đỗ B", '=cmd|"x"', "-5"]
    assert judged.good["si_number"].to_list()[4] == "0110001235"
    assert judged.normalised == 3


def test_text_in_the_old_encodings_is_set_aside_with_the_repair() -> None:
    judged = judge(
        "participants",
        {"full_name": "NguyÔn V¨n B¶o"},
        {"full_name": "Nguyeãn Vaên Baûo"},
        {"full_name": "José Müller"},
    )
    assert faults(judged) == [(2, "full_name", "E-LEGACY-TEXT"), (3, "full_name", "E-LEGACY-TEXT")]
    assert [arguments(judged, entry)["legacy"] for entry in (0, 1)] == ["TCVN3", "VNI"]


def test_overdue_is_at_most_the_principal() -> None:
    judged = judge("arrears", {"overdue_vnd": "1000"}, {"overdue_vnd": "1001"}, {"overdue_vnd": "-1"})
    assert faults(judged) == [(3, "overdue_vnd", "E-PAIR"), (4, "overdue_vnd", "E-NEGATIVE")]


def test_a_benefit_names_at_least_one_figure() -> None:
    judged = judge("benefits", {"persons": None}, {"persons": None, "amount_vnd": "5"})
    assert faults(judged) == [(2, "persons", "E-ONE-OF")]
    assert arguments(judged)["columns"] == ["persons", "cases", "amount_vnd"]


def test_an_unknown_indicator_is_set_aside_with_the_nearest() -> None:
    judged = judge("indicators", {"indicator": "si_compulsry"})
    assert faults(judged) == [(2, "indicator", "E-INDICATOR")]
    assert arguments(judged) == {"column": "indicator", "nearest": "si_compulsory"}


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"unit": "dong"}, "unit"),
        ({"measure": "ytd"}, "measure"),
        ({"unit": "percent"}, "unit"),
        ({"unit": "percent", "comparison": "plan"}, None),
        ({"unit": "persons", "comparison": "same_period"}, None),
        ({"unit": "percentage_point", "comparison": "same_period"}, "unit"),
        ({"indicator": "hi_coverage_pct", "unit": "percentage_point", "comparison": "same_period"}, None),
        ({"indicator": "conferences", "unit": "events", "measure": "month"}, None),
        ({"indicator": "collection", "unit": "dong", "measure": "month"}, "measure"),
    ],
)
def test_an_indicator_keeps_to_its_unit_and_measure(row: dict[str, str], fault: str | None) -> None:
    assert faults(judge("indicators", row)) == ([(2, fault, "E-INDICATOR-UNIT")] if fault else [])


def test_the_profile_counts_types_as_sent() -> None:
    judged = judge("participants", {}, {"sex": "X"}, {"insurance_type": "UI"}, {"insurance_type": "??"})
    assert judged.profile == {"SI_C": 2, "SI_V": 0, "UI": 1, "HI": 0}


def test_no_reject_holds_a_cells_value() -> None:
    judged = judge(
        "participants", {"full_name": "µn canary", "si_number": "canary", "sex": "canary", "birth_date": "canary"}
    )
    assert judged.rejects.height == 4
    assert "canary" not in "".join(judged.rejects["args"].to_list())


NASTY = (
    None, "", " ", "0", "-0", "5", "-5", "5.5", "+5", " 5 ", "5 ", "007", "1e5", "1.00109E+11", "٣", "26", "x" * 20,
    "999999999999999", "1000000000000000", "9" * 25, "2021-10", "2021-02-29", "2024-02-29", "29/02/2024", "31/04/2021",
    "1985", "0110001234", "110001234", "001085012345", "0100047516", "TA0001A", "M", "Nam", "Nữ", "Nu\u031b\u0303",
    "SI_C", "HI", "HI ", "none", "si_compulsory", "persons", "stock", "percent", "Ðỗ", "e\u0323\u0302", "B¶o hiÓm",
    "Baûo hieåm", "a\u200bb", "a\nb",
)  # fmt: skip


@pytest.mark.parametrize("feed", sorted(GOOD_ROWS))
@pytest.mark.parametrize("unit", ["dong", "million"])
def test_the_quick_pass_and_the_full_pass_agree(feed: str, unit: Unit) -> None:
    chance = np.random.default_rng(7)
    names = load_contracts()[feed].column_names
    places = chance.integers(0, len(names), size=(1_500, 2))
    cells = chance.integers(0, len(NASTY), size=(1_500, 2))
    rows = [
        {names[at]: NASTY[cell] for at, cell in zip(*pair, strict=True)} for pair in zip(places, cells, strict=True)
    ]
    part = block(feed, *rows)
    quick = compile_verdicts(load_contracts()[feed], unit=unit, period="2021-10", basis="month")
    full = replace(
        quick, _first_pass=(*quick._first_pass[:-1], (pl.lit(False) & pl.col(names[0]).is_null()).alias("_ok"))
    )
    expected, found = full.judged(part), quick.judged(part)
    assert found.good.equals(expected.good)
    assert found.row_no.equals(expected.row_no)
    assert found.rejects.equals(expected.rejects)
    assert found.totals == expected.totals
    assert found.profile == expected.profile
    assert 0 < found.good.height < part.frame.height
    assert found.good.height + found.rejected_rows == part.frame.height


@pytest.mark.parametrize(("months", "fault"), [("1200", None), ("1500000000000", "E-RANGE"), ("1200.5", "E-RANGE")])
def test_nobody_owes_for_more_than_a_century(months: str, fault: str | None) -> None:
    judged = judge("arrears", {**GOOD_ROWS["arrears"], "months_owed": months})

    assert judged.rejects["code"].to_list() == ([] if fault is None else [fault])


def test_an_indicator_may_not_close_after_the_day_of_receipt() -> None:
    contract = load_contracts()["indicators"]
    verdicts = compile_verdicts(contract, unit="dong", period="2021-10", received_on=dt.date(2021, 11, 4))

    judged = verdicts.judged(
        block("indicators", *[{**GOOD_ROWS["indicators"], "as_of_date": day} for day in ("2021-11-04", "2021-11-05")])
    )

    assert judged.good.height == 1
    assert judged.rejects.select("row_no", "column", "code").rows() == [(3, "as_of_date", "E-FUTURE")]
