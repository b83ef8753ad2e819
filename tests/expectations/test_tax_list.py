"""Gate 1 on the tax list: what warns is stored and shown, and lets the list in."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import gate_rows as rows
import pytest
from gate_builders import Warehouse

from expectations.data_docs import render
from expectations.submission import Verdict


def listed(codes: Iterable[int], *, tax_year: int = 2020, supplement_no: int = 0, **cells: Any) -> list[rows.Row]:
    """One row a code; the gate does not look at check digits, the loader has."""
    return [
        {
            "tax_year": tax_year, "tax_code": f"{number:010d}", "supplement_no": supplement_no,
            "name": "Công ty An Phú", "province_code": "26", "status": "operating", "employees_paid": 5,
            "cit_finalised": "N", **cells,
        }
        for number in codes
    ]  # fmt: skip


def units(codes: Iterable[int]) -> list[rows.Row]:
    return [
        {
            "si_unit_code": f"TA{number:05d}", "tax_code": f"{number:010d}", "name": "Công ty An Phú",
            "unit_type": "private", "status": "active", "employees": 5,
        }
        for number in codes
    ]  # fmt: skip


def warnings(warehouse: Warehouse) -> dict[str, tuple[bool, int, Any]]:
    """Of the last gate: by what was judged, whether it is well, of how many loads, and its figures."""
    found = warehouse.query(
        "select distinct on (column_name) column_name, success, evaluated, details -> 'figures' from ops.gate_result"
        " where severity = 'warn' order by column_name, gate_result_id desc"
    )
    return {name: (success, evaluated, figures) for name, success, evaluated, figures in found}


def gate(warehouse: Warehouse, sent: list[rows.Row], **submission: Any) -> Verdict:
    return warehouse.gate({"tax_employers": sent}, **{"sender": "tax", **submission})


def test_a_first_list_without_anything_to_compare_with_passes(warehouse: Warehouse) -> None:
    assert gate(warehouse, listed(range(200))) == Verdict("passed")
    assert warnings(warehouse) == {
        "tax_list_change": (True, 0, None),
        "tax_list_matched": (True, 0, None),
        "tax_list_valid": (True, 1, None),
    }


def test_other_feeds_are_not_judged_as_a_tax_list(warehouse: Warehouse) -> None:
    warehouse.gate({"arrears": rows.arrears()})
    assert warnings(warehouse) == {}


@pytest.mark.parametrize(("codes", "is_well"), [(240, True), (241, False), (160, True), (159, False)])
def test_a_list_far_from_that_of_the_year_before_warns_and_enters(
    warehouse: Warehouse, codes: int, is_well: bool
) -> None:
    warehouse.accept({"tax_employers": listed(range(200), tax_year=2019)}, sender="tax", period="2020-10")
    assert gate(warehouse, listed(range(1000, 1000 + codes))) == Verdict("passed")
    success, evaluated, figures = warnings(warehouse)["tax_list_change"]
    assert (success, evaluated) == (is_well, 1)
    if not is_well:
        assert figures == [
            {
                "feed": "tax_employers", "tax_year": 2020, "codes": codes, "compared_year": 2019, "codes_before": 200,
            }
        ]  # fmt: skip


def test_supplements_in_a_later_file_add_to_their_year_and_are_no_short_list(warehouse: Warehouse) -> None:
    warehouse.accept({"tax_employers": listed(range(200))}, sender="tax", period="2021-10")
    gate(warehouse, listed(range(3), supplement_no=1), period="2021-12", totals={})
    assert warnings(warehouse)["tax_list_change"] == (True, 1, None)
    gate(warehouse, listed(range(200, 241)), period="2022-01", totals={})
    assert warnings(warehouse)["tax_list_change"][0] is False


def test_a_correction_that_loses_codes_warns_and_one_that_was_overtaken_does_not(warehouse: Warehouse) -> None:
    both = [*listed(range(200)), *listed(range(200), tax_year=2019)]
    warehouse.accept({"tax_employers": both}, sender="tax", period="2021-10", version=2)
    gate(warehouse, listed(range(200)), version=3, totals={})
    _, _, figures = warnings(warehouse)["tax_list_change"]
    assert [(one["tax_year"], one["codes"], one["codes_before"]) for one in figures] == [(2019, 0, 200)]
    gate(warehouse, listed(range(100)), version=1, totals={})
    assert warnings(warehouse)["tax_list_change"] == (True, 0, None)


def test_short_lists_are_not_compared(warehouse: Warehouse) -> None:
    warehouse.accept({"tax_employers": listed(range(99))}, sender="tax", period="2021-09")
    warehouse.accept({"employers": units(range(1000, 1099))}, period="2021-10")
    gate(warehouse, listed(range(10)), period="2021-09", version=2, totals={})
    found = warnings(warehouse)
    assert found["tax_list_change"] == found["tax_list_matched"] == (True, 0, None)


@pytest.mark.parametrize(("carried", "is_well"), [(60, True), (59, False)])
def test_codes_that_hardly_any_unit_carries_warn(warehouse: Warehouse, carried: int, is_well: bool) -> None:
    warehouse.accept({"employers": units(range(500, 700))}, period="2021-09")
    warehouse.accept({"employers": units(range(carried))}, period="2021-10")
    elsewhere = listed(range(2000, 2300), province_code="27")
    unknown = listed(range(3000, 3300), province_code="00") + listed(range(4000, 4300), province_code=None)
    payless = listed(range(5000, 5300), employees_paid=0)
    assert gate(warehouse, [*listed(range(200)), *elsewhere, *unknown, *payless]) == Verdict("passed")
    success, evaluated, figures = warnings(warehouse)["tax_list_matched"]
    assert (success, evaluated) == (is_well, 1)
    if not is_well:
        assert figures == [{"feed": "tax_employers", "codes": 200, "carried": 59}]


def test_a_list_of_the_new_map_is_compared_with_units_of_the_old_one(warehouse: Warehouse) -> None:
    warehouse.accept({"employers": units(range(10))}, period="2025-06")
    gate(warehouse, listed(range(200), province_code="25"), period="2025-10")
    assert warnings(warehouse)["tax_list_matched"][2] == [{"feed": "tax_employers", "codes": 200, "carried": 10}]


@pytest.mark.parametrize(("set_aside", "is_well"), [(0, True), (1, True), (2, False)])
def test_more_than_one_row_in_a_thousand_set_aside_warns(warehouse: Warehouse, set_aside: int, is_well: bool) -> None:
    sent = listed(range(1000 - set_aside))
    assert gate(warehouse, sent, row_count=1000, accepted=len(sent)) == Verdict("passed")
    success, evaluated, figures = warnings(warehouse)["tax_list_valid"]
    assert (success, evaluated) == (is_well, 1)
    assert figures == (None if is_well else [{"feed": "tax_employers", "rows": 1000, "set_aside": set_aside}])


def test_the_page_of_results_says_that_a_list_was_let_in_with_a_warning(warehouse: Warehouse, tmp_path: Path) -> None:
    gate(warehouse, listed(range(100)), row_count=200)
    index = render(warehouse.settings, tmp_path / "docs")
    (run,) = (path.read_text(encoding="utf-8") for path in index.parent.glob("runs/*.html"))
    assert ">warned<" in index.read_text(encoding="utf-8")
    assert ">failed<" not in run
    assert "rows 200; set aside 100" in run
    assert "0000000001" not in run
