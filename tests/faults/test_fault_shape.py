"""Shape: headings, rows and workbooks that are not as they should be."""

from __future__ import annotations

import logging
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hostile import PERSON, Formula, Trial, person, rewritten, with_lines, workbook
from openpyxl.worksheet.worksheet import Worksheet
from proofs import proves
from psycopg import Connection

from ingestion import load

HEADING = b"si_number,full_name,birth_date,sex,insurance_type,si_unit_code,wage_base_vnd"


def line(number: int, name: str = "Nguyễn Thị A") -> bytes:
    """A good line under `HEADING`."""
    return f"{110_000_000 + number:010d},{name},1985-03-02,F,SI_C,TA0001A,5000000".encode()


# --------------------------------------------------------------------------------------------------------- headings


def headed(*headings: str, order: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)) -> bytes:
    """Two persons under these headings, the columns in this order."""
    lines = [list(headings), *([str(cell) for cell in person(number)] for number in range(2))]
    return "".join(",".join(cells[at] for at in order) + "\n" for cells in lines).encode()


@proves("shape.heading-variants")
@pytest.mark.parametrize(
    "headings",
    [
        PERSON,
        [heading.upper() for heading in PERSON],
        [unicodedata.normalize("NFD", heading) for heading in PERSON],
        [f"  {heading.replace(' ', '   ')} " for heading in PERSON],
        ["Ma so BHXH", "Ho va ten", "Ngay sinh", "Gioi tinh", "Loai bao hiem", "Ma don vi", "Tien luong dong"],
        ["SI_NUMBER", "Full_Name", "birth date", "Sex", "Insurance_Type", "si unit code", "WAGE_BASE_VND"],
    ],
    ids=["Vietnamese", "capitals", "decomposed", "spaces", "no accents", "English"],
)
def test_a_heading_is_found_in_vietnamese_in_any_case_and_composition_and_noted(
    trial: Trial, headings: list[str]
) -> None:
    outcome = trial.take_file("data.csv", headed(*headings), rows=2, totals={"wage_base_vnd": 10_000_000})
    assert outcome.state == "accepted"
    assert trial.raw("si_number", "full_name", "wage_base_vnd") == [
        ("0110000000", "Nguyễn Thị A", 5_000_000),
        ("0110000001", "Nguyễn Thị A", 5_000_000),
    ]
    assert "N-ALIAS" in outcome.noted


@proves("shape.heading-variants")
def test_columns_in_another_order_are_matched_by_name_and_noted(trial: Trial) -> None:
    names = HEADING.decode().split(",")
    outcome = trial.take_file("data.csv", headed(*names, order=(6, 5, 4, 3, 2, 1, 0)), rows=2)
    assert outcome.state == "accepted"
    assert trial.raw("si_number", "si_unit_code") == [("0110000000", "TA0001A"), ("0110000001", "TA0001A")]
    assert "N-ORDER" in outcome.noted


@proves("shape.heading-broken")
@pytest.mark.parametrize("name", ["data.csv", "data.xlsx"])
def test_a_required_heading_that_cannot_be_found_refuses_the_file_and_names_the_nearest(
    trial: Trial, name: str
) -> None:
    headings = ["Mã số BHXHH", *PERSON[1:]]
    content = headed(*headings) if name == "data.csv" else workbook([headings, person(0), person(1)])
    outcome = trial.take_file(name, content, rows=2)
    assert (outcome.state, outcome.errors) == ("rejected", ["E-HEADING-MISSING"])
    assert "si_number is missing. Nearest heading in the file: Mã số BHXHH" in outcome.said("E-HEADING-MISSING")


@proves("shape.heading-broken")
@pytest.mark.parametrize("twin", ["si_number", "Mã số BHXH", "SI_NUMBER", "Số sổ BHXH"])
def test_a_heading_that_stands_twice_refuses_the_file_also_under_another_name(trial: Trial, twin: str) -> None:
    outcome = trial.take_file("data.csv", b"\n".join([HEADING + f",{twin}".encode(), line(0) + b",0110000009"]), rows=1)
    assert (outcome.state, outcome.errors) == ("rejected", ["E-HEADING-TWICE"])
    assert "si_number" in outcome.said("E-HEADING-TWICE")


SQL = 'x"); drop table raw.participants; --'


@proves("shape.heading-broken", "shape.extra-column")
@pytest.mark.parametrize("required", [True, False])
def test_no_statement_ever_contains_a_heading_with_sql_in_it(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, required: bool
) -> None:
    trace = tmp_path / "trace"
    original = load.connect

    def traced(*arguments: object, **named: object) -> Connection:
        connection = original(*arguments, **named)  # type: ignore[arg-type]
        connection.pgconn.trace(stream.fileno())
        return connection

    cell = '"' + SQL.replace('"', '""') + '"'
    heading = HEADING.replace(b"si_number", cell.encode()) if required else HEADING + b"," + cell.encode()
    content = with_lines(heading + b"\n", line(0) + (b"" if required else b",1"))
    with trace.open("wb") as stream:
        monkeypatch.setattr(load, "connect", traced)
        outcome = trial.take_file("data.csv", content, rows=1)
    assert outcome.errors == (["E-HEADING-MISSING"] if required else [])
    statements = [at for at in trace.read_text(errors="replace").splitlines() if "\tParse\t" in at or "\tQuery\t" in at]
    assert any("ops.submission" in statement for statement in statements)
    assert [statement for statement in statements if "drop table" in statement] == []
    assert trial.rows_in_raw()["participants"] == (0 if required else 1)


@proves("shape.extra-column")
@pytest.mark.parametrize("name", ["data.csv", "data.xlsx"])
def test_an_extra_column_is_ignored_with_a_note(trial: Trial, name: str) -> None:
    if name == "data.csv":
        content = with_lines(HEADING + b",Ghi ch\xc3\xba\n", line(0) + b",a", line(1) + b",b")
    else:
        content = workbook([[*PERSON, "Ghi chú"], [*person(0), "a"], [*person(1), "b"]])
    outcome = trial.take_file(name, content, rows=2)
    assert outcome.state == "accepted"
    assert outcome.noted["N-COLUMN-IGNORED"]["heading"] == "Ghi chú"
    assert trial.rows_in_raw()["participants"] == 2


# --------------------------------------------------------------------------------------------------------- workbooks


@proves("shape.workbook")
def test_title_rows_column_numbers_and_subtotals_are_no_data_and_rows_keep_the_numbers_of_the_sheet(
    trial: Trial,
) -> None:
    rows = [
        ["BẢO HIỂM XÃ HỘI TỈNH VĨNH PHÚC"],
        ["Danh sách tháng 10 năm 2021"],
        PERSON,
        [1, 2, 3, 4, 5, 6, 7],
        person(0),
        person(1),
        ["Cộng", None, None, None, None, None, 10_000_000],
        person(2),
        person(3, sex="?"),
        ["Tổng cộng", None, None, None, None, None, 20_000_000],
    ]
    outcome = trial.take_file("data.xlsx", workbook(rows), rows=4, totals={"wage_base_vnd": 20_000_000})
    assert outcome.rejects == [(9, "sex", "E-ENUM")]
    assert trial.raw("row_no") == [(5,), (6,), (8,)]
    assert {"N-TITLE-ROWS", "N-NUMBERING", "N-SUBTOTAL"} <= set(outcome.noted)


@proves("shape.workbook")
@pytest.mark.parametrize("name", ["Tổng", "Cộng", "Tổng Thị Cộng"])
def test_a_person_named_tong_or_cong_is_a_person(trial: Trial, name: str) -> None:
    outcome = trial.take_file("data.xlsx", workbook([PERSON, person(0, name), person(1)]), rows=2)
    assert outcome.state == "accepted"
    assert trial.raw("full_name") == [(name,), ("Nguyễn Thị A",)]


@proves("shape.workbook")
def test_a_person_named_tong_whose_number_is_missing_is_set_aside_and_not_taken_for_a_subtotal(trial: Trial) -> None:
    rows = [PERSON, person(0), person(1, "Tổng", si_number=None)]
    outcome = trial.take_file("data.xlsx", workbook(rows), rows=2)
    assert outcome.rejects == [(3, "si_number", "E-REQUIRED")]


@proves("shape.workbook")
def test_headings_under_merged_cells_are_found(trial: Trial) -> None:
    above = ["Mã số BHXH", "Họ và tên", "Nhân thân", None, "Bảo hiểm", None, None]
    below = [None, None, "Ngày sinh", "Giới tính", "Loại bảo hiểm", "Mã đơn vị", "Tiền lương đóng"]

    def merged(sheet: Worksheet) -> None:
        for cells in ("A1:A2", "B1:B2", "C1:D1", "E1:G1"):
            sheet.merge_cells(cells)

    outcome = trial.take_file("data.xlsx", workbook([above, below, person(0), person(1)], merged), rows=2)
    assert outcome.state == "accepted"
    assert trial.raw("row_no", "wage_base_vnd") == [(3, 5_000_000), (4, 5_000_000)]


@proves("shape.workbook")
def test_rows_that_are_hidden_are_data_and_noted(trial: Trial) -> None:
    def hidden(sheet: Worksheet) -> None:
        sheet.row_dimensions[3].hidden = True

    outcome = trial.take_file("data.xlsx", workbook([PERSON, person(0), person(1), person(2)], hidden), rows=3)
    assert outcome.state == "accepted"
    assert trial.raw("row_no") == [(2,), (3,), (4,)]
    assert outcome.noted["N-HIDDEN-ROWS"]["count"] == 1


@proves("shape.workbook")
def test_a_sheet_that_is_hidden_is_not_read_and_noted(trial: Trial) -> None:
    def second(sheet: Worksheet) -> None:
        assert sheet.parent is not None
        other = sheet.parent.create_sheet("Hidden", 0)
        for row in (PERSON, person(7)):
            other.append(row)
        other.sheet_state = "hidden"

    outcome = trial.take_file("data.xlsx", workbook([PERSON, person(0)], second), rows=1)
    assert outcome.state == "accepted"
    assert trial.raw("si_number") == [("0110000000",)]
    assert "N-SHEET-IGNORED" in outcome.noted


@proves("shape.workbook")
def test_a_formula_is_read_by_the_value_that_was_stored_and_noted_with_its_cell(trial: Trial) -> None:
    rows = [PERSON, person(0), person(1, wage_base_vnd=Formula("=G2*2", "10000000"))]
    outcome = trial.take_file("data.xlsx", workbook(rows), rows=2, totals={"wage_base_vnd": 15_000_000})
    assert outcome.state == "accepted"
    assert trial.raw("wage_base_vnd") == [(5_000_000,), (10_000_000,)]
    assert outcome.noted["N-FORMULAS"]["count"] == 1
    assert any("G3" in note for note in outcome.told["feeds"][0]["notes"])


@proves("shape.workbook")
def test_a_formula_without_a_stored_value_sets_its_row_aside_and_is_never_taken_for_empty(trial: Trial) -> None:
    # the unit may be empty for this type: a lost formula must not pass for an empty cell
    rows = [PERSON, person(0), person(1, insurance_type="SI_V", si_unit_code=Formula('=CONCATENATE("TA","1")'))]
    outcome = trial.take_file("data.xlsx", workbook(rows), rows=2)
    assert outcome.state == "accepted_with_rejects"
    assert outcome.rejects == [(3, "si_unit_code", "E-FORMULA")]


@proves("shape.workbook")
@pytest.mark.parametrize("error", ["#REF!", "#N/A", "#DIV/0!", "#VALUE!"])
def test_an_error_value_of_excel_sets_its_row_aside_and_is_never_taken_for_empty(trial: Trial, error: str) -> None:
    def broken(sheet: Worksheet) -> None:
        sheet["G3"].value = error
        sheet["G3"].data_type = "e"

    outcome = trial.take_file("data.xlsx", workbook([PERSON, person(0), person(1)], broken), rows=2)
    assert outcome.state == "accepted_with_rejects"
    assert [(row, column) for row, column, _ in outcome.rejects] == [(3, "wage_base_vnd")]


@proves("shape.workbook")
def test_the_value_of_merged_data_cells_belongs_to_the_first_row_only(trial: Trial) -> None:
    rows = [PERSON, person(0), person(1, si_unit_code=None)]
    content = workbook(rows, lambda sheet: sheet.merge_cells("F2:F3"))
    outcome = trial.take_file("data.xlsx", content, rows=2)
    assert outcome.rejects == [(3, "si_unit_code", "E-REQUIRED")]


@proves("shape.workbook")
def test_days_of_the_1904_calendar_are_the_days_the_sheet_shows(trial: Trial) -> None:
    # 29,646 days after 1 January 1904
    rows = [PERSON, person(0, birth_date=29_646)]

    def dated(sheet: Worksheet) -> None:
        sheet["C2"].number_format = "yyyy-mm-dd"

    content = workbook(rows, dated)
    content = rewritten(
        content, "xl/workbook.xml", lambda text: text.replace("<workbookPr ", '<workbookPr date1904="1" ')
    )
    assert trial.take_file("data.xlsx", content, rows=1).state == "accepted"
    assert trial.raw("birth_date") == [("1985-03-02",)]


# -------------------------------------------------------------------------------------------------------- torn rows


def torn(*odd: bytes, good: int = 250) -> bytes:
    """A CSV with a few odd lines (rows 3, 5, 7 …) among good ones."""
    lines = [line(number) for number in range(good)]
    for at, each in enumerate(odd):
        lines.insert(1 + 2 * at, each)
    return with_lines(HEADING + b"\n", *lines)


TORN = {
    "too few cells": (b"0110009999,Nguyen Thi B", "E-RAGGED"),
    "too many cells": (line(9999) + b",extra,extra", "E-RAGGED"),
    "unclosed quote": (b'0110009999,"Nguyen Thi B,1985-03-02,F,SI_C,TA0001A,5000000', "E-QUOTE"),
    "quote inside": (b'0110009999,"Nguyen" Thi B,1985-03-02,F,SI_C,TA0001A,5000000', "E-QUOTE"),
    "NUL": (b"0110009999,Nguyen\x00Thi B,1985-03-02,F,SI_C,TA0001A,5000000", "E-CONTROL"),
    "10 MB": (b"0110009999," + b"N" * 10_000_000 + b",1985-03-02,F,SI_C,TA0001A,5000000", "E-LONG"),
}


@proves("shape.ragged")
@pytest.mark.parametrize("kind", TORN)
def test_a_row_that_cannot_be_read_is_set_aside_with_its_number_and_the_rest_loads(trial: Trial, kind: str) -> None:
    odd, code = TORN[kind]
    outcome = trial.take_file("data.csv", torn(odd), rows=251)
    assert outcome.state == "accepted_with_rejects"
    assert outcome.rejects == [(3, None, code)]
    rows = [row for (row,) in trial.raw("row_no")]
    assert rows == [2, *range(4, 253)]


@proves("shape.ragged")
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_rows_torn_in_every_way_are_each_set_aside_in_one_file(trial: Trial, end: bytes) -> None:
    kinds = list(TORN.values())
    content = torn(*(odd for odd, _ in kinds), good=1_500).replace(b"\n", end)
    outcome = trial.take_file("data.csv", content, rows=1_506)
    assert outcome.rejects == [(3 + 2 * at, None, code) for at, (_, code) in enumerate(kinds)]
    assert trial.rows_in_raw()["participants"] == 1_500


@proves("shape.ragged")
def test_a_quoted_newline_in_a_name_sets_its_one_row_aside_and_does_not_shift_the_numbers(trial: Trial) -> None:
    content = with_lines(HEADING + b"\n", line(0), line(1, '"Nguyễn\nThị B"'), line(2))
    outcome = trial.take_file("data.csv", content, rows=3)
    assert outcome.rejects == [(3, "full_name", "E-CONTROL")]
    assert trial.raw("row_no") == [(2,), (4,)]


@proves("shape.ragged")
def test_a_newline_in_a_field_without_quotes_costs_the_two_lines_it_makes(trial: Trial) -> None:
    first, second = line(9999, "Nguyễn\nThị B").split(b"\n")
    content = with_lines(HEADING + b"\n", *(line(number) for number in range(400)), first, second)
    outcome = trial.take_file("data.csv", content, rows=402)
    assert outcome.rejects == [(402, None, "E-RAGGED"), (403, None, "E-RAGGED")]
    assert trial.rows_in_raw()["participants"] == 400


@proves("shape.ragged")
def test_more_torn_rows_than_the_contract_tolerates_refuse_the_submission_with_each_place(trial: Trial) -> None:
    content = with_lines(HEADING + b"\n", line(0), b"0110009998,short", b"0110009999,short", line(1))
    outcome = trial.take_file("data.csv", content, rows=4)
    assert (outcome.state, outcome.errors) == ("rejected", ["E-TOLERANCE"])
    assert outcome.rejects == [(3, None, "E-RAGGED"), (4, None, "E-RAGGED")]


@proves("shape.ragged")
def test_a_file_whose_rows_cannot_be_told_apart_is_refused_whole(trial: Trial) -> None:
    outcome = trial.take_file("data.csv", HEADING + b"," + b"0" * (70 << 20), rows=1)
    assert outcome.state == "rejected"
    assert outcome.errors == ["E-FORMAT"]


@proves("shape.ragged")
def test_blank_rows_are_no_data_and_counted(trial: Trial) -> None:
    content = with_lines(HEADING + b"\n", line(0), b",,,,,,", b"", line(1), b",,,,,,")
    outcome = trial.take_file("data.csv", content, rows=2)
    assert outcome.state == "accepted"
    assert trial.raw("row_no") == [(2,), (5,)]
    assert outcome.noted["N-BLANK-ROWS"]["count"] >= 2


@proves("shape.ragged")
def test_no_log_line_holds_a_cell_of_a_torn_row(trial: Trial, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        trial.take_file("data.csv", torn(b"0110009999,Canary Person"), rows=251)
    assert "Canary" not in caplog.text
    assert "0110009999" not in caplog.text
    assert not list(Path(tempfile.gettempdir()).iterdir())
