"""Data Docs: an offline page of the stored results."""

from __future__ import annotations

from pathlib import Path

import gate_rows as rows
from gate_builders import Warehouse

from expectations.data_docs import render


def test_the_page_shows_suites_runs_and_failures_without_network_or_values(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    canary = "Canary Trần Thị Chim"
    warehouse.gate({"participants": rows.participants(5, name=canary, ui=6)})
    warehouse.gate({"arrears": [{**row, "fund": canary} for row in rows.arrears()]}, period="2021-11")
    page = render(warehouse.settings, tmp_path / "docs").read_text(encoding="utf-8")
    for text in ("contract participants", "expect_column_values_to_not_be_null", "province-26-2021-10-v1-submit"):
        assert text in page
    assert ">held<" in page
    assert ">failed<" in page
    assert canary not in page
    for loaded in ("<script", "http://", "https://", "src=", "@import"):
        assert loaded not in page


def test_a_warehouse_without_results_has_a_page_that_says_so(warehouse: Warehouse, tmp_path: Path) -> None:
    assert "Nothing yet." in render(warehouse.settings, tmp_path).read_text(encoding="utf-8")
