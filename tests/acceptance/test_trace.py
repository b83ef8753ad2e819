"""Five figures of the demo, each followed through the command line to the very cell of the file that was sent."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
from demo_warehouse import Demo

from ingestion.contracts import load_contracts
from ingestion.headings import fold


def followed(demo: Demo, relation: str, where: str, *options: str) -> dict[str, Any]:
    """The only source of the only figure that the condition chooses, with the figure's value."""
    answer = json.loads(
        demo.vss("trace", relation, "--where", where, "--publication", "1", "--json", "--limit", "3", *options).stdout
    )
    assert answer["adds_up"] is True
    (figure,) = answer["figures"]
    (source,) = figure["sources"]
    assert source["total"] == figure["value"]
    for submission in source["submissions"]:
        assert Path(submission["archive"].removeprefix("file://")).read_bytes() == sent(demo, submission).read_bytes()
        assert submission["verdicts"] and not any(suite["failed"] for suite in submission["verdicts"])
    return {"value": figure["value"], **source}


def sent(demo: Demo, submission: dict[str, Any]) -> Path:
    """The file of a submission as it lies in the inbox."""
    return demo.inbox.joinpath(submission["sender"], submission["submission_id"], submission["file"])


def table(demo: Demo, submission: dict[str, Any]) -> list[list[str]]:
    """All rows of a file as a spreadsheet shows them: the heading is row 1."""
    path = sent(demo, submission)
    if path.suffix == ".xlsx":
        sheet = openpyxl.load_workbook(path).worksheets[0]
        return [["" if cell is None else str(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
    manifest = json.loads((path.parent / "manifest.json").read_text(encoding="utf-8"))
    (file,) = [each for each in manifest["files"] if each["path"] == path.name]
    with path.open(encoding=file["encoding"], newline="") as stream:
        return list(csv.reader(stream, delimiter=file["delimiter"]))


def place(rows: list[list[str]], feed: str, column: str) -> int:
    """Where a file has a column, by its name or one of its headings."""
    (contracted,) = [each for each in load_contracts()[feed].columns if each.name == column]
    known = {fold(name) for name in contracted.headings}
    (found,) = [number for number, heading in enumerate(rows[0]) if fold(heading) in known]
    return found


def cell(rows: list[list[str]], feed: str, row: int, column: str) -> str:
    """What stands in a row of a file under a column."""
    return rows[row - 1][place(rows, feed, column)]


def test_participants_of_vinh_phuc_end_at_rows_of_their_file(demo: Demo) -> None:
    source = followed(
        demo, "rpt_plan_attainment", "month='2021-10-01' and province_code='26' and indicator='si_participants'"
    )
    (submission,) = source["submissions"]
    wanted = {found["row"] for found in source["cells"]}
    counted, met = 0, set()
    with sent(demo, submission).open(encoding="utf-8", newline="") as stream:
        reader = csv.reader(stream)
        kind = next(reader).index("insurance_type")
        for number, row in enumerate(reader, start=2):
            if row[kind] in ("SI_C", "SI_V"):
                counted += 1
                if number in wanted:
                    met.add(number)

    assert source["value"] == source["rows"] == counted > 0
    assert met == wanted
    assert {tuple(found["columns"]) for found in source["cells"]} == {("insurance_type", "hi_group")}


def test_what_a_fund_collected_ends_at_cells_that_sum_to_it(demo: Demo) -> None:
    source = followed(
        demo, "rpt_collection", "month='2021-10-01' and province_code='26' and insurance_group='ui'",
        "--column", "collected_month_vnd",
    )  # fmt: skip
    (submission,) = source["submissions"]
    rows = table(demo, submission)
    amount, fund = place(rows, "contributions", "paid_vnd"), place(rows, "contributions", "fund")
    paid = sum(int(row[amount]) for row in rows[1:] if row[fund] == "UI")

    assert source["value"] == submission["amount"] == paid
    for found in source["cells"]:
        assert found["columns"] == ["paid_vnd"]
        assert int(cell(rows, "contributions", found["row"], "paid_vnd")) == found["amount"]
        assert cell(rows, "contributions", found["row"], "fund") == "UI"


def test_an_arrears_total_of_a_band_ends_at_its_cells(demo: Demo) -> None:
    source = followed(
        demo, "rpt_arrears_ageing", "month='2021-10-01' and province_code='26' and ageing_band='6-<12'",
        "--limit", "0",
    )  # fmt: skip
    (submission,) = source["submissions"]
    rows = table(demo, submission)

    assert source["cells"]
    assert (
        sum(int(cell(rows, "arrears", found["row"], "principal_vnd")) for found in source["cells"]) == source["value"]
    )


def test_what_inspections_recovered_ends_at_both_columns_of_the_case(demo: Demo) -> None:
    source = followed(
        demo, "rpt_inspection_results", "month='2021-10-01' and province_code='26' and kind='total'",
        "--column", "recovered_vnd", "--limit", "0",
    )  # fmt: skip
    (submission,) = source["submissions"]
    rows = table(demo, submission)
    amounts = [
        sum(int(cell(rows, "inspections", found["row"], name) or 0) for name in found["columns"])
        for found in source["cells"]
    ]

    assert {tuple(found["columns"]) for found in source["cells"]} == {("recovered_at_visit_vnd", "recovered_after_vnd")}
    assert amounts == [found["amount"] for found in source["cells"]]
    assert sum(amounts) == source["value"] > 0


def test_a_reported_indicator_ends_at_its_cell_of_the_workbook(demo: Demo) -> None:
    (indicator,) = demo.rows(
        "select indicator from bi.fct_reported_indicator where submission_id = 'p26-2021-10-reported'"
        " and comparison = 'none' and is_latest_in_month and indicator in (select indicator from bi.rpt_plan_attainment"
        " where province_code = '26' and month = '2021-10-01' and is_reported and unit <> 'percent'"
        " and actual is not null) order by 1 limit 1"
    )
    name = indicator["indicator"]
    source = followed(demo, "rpt_plan_attainment", f"month='2021-10-01' and province_code='26' and indicator='{name}'")
    (submission,) = source["submissions"]
    (found,) = source["cells"]
    rows = table(demo, submission)

    assert submission["file"] == "indicators.xlsx"
    assert found["columns"] == ["value"]
    assert cell(rows, "indicators", found["row"], "indicator") == name
    assert Decimal(cell(rows, "indicators", found["row"], "value")) == Decimal(str(source["value"]))
