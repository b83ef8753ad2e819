"""Workbooks as people send them, and as nobody should: read in a child under limits."""

from __future__ import annotations

import datetime as dt
import io
import os
import re
import struct
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet
import pytest
from feed_builders import csv_file, manifest_file, read, rows_of
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.worksheet.worksheet import Worksheet

from ingestion import confined
from ingestion.blocks import Note, ShapeReject
from ingestion.confined import Child, Limits
from ingestion.contracts import load_contracts
from ingestion.duplicates import KeySpill
from ingestion.readers import FileError, Reader, open_rows
from ingestion.reading import Tally, Terms, read_file
from ingestion.workbooks import open_workbook

ARREARS = ["si_unit_code", "fund", "principal_vnd", "overdue_vnd", "employees_affected"]


def sheet_of(book: openpyxl.Workbook) -> Worksheet:
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    return sheet


def saved(book: openpyxl.Workbook, folder: Path) -> Path:
    path = folder / "file.xlsx"
    book.save(path)
    return path


def workbook(folder: Path, rows: Sequence[Sequence[Any]], heading: Sequence[str] = ARREARS) -> Path:
    book = openpyxl.Workbook()
    for row in [heading, *rows]:
        sheet_of(book).append(row)
    return saved(book, folder)


def edited(path: Path, part: str, change: Mapping[str, str]) -> Path:
    """The workbook with some text of one part replaced; each must be there."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    text = contents[part].decode()
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    contents[part] = text.encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


SHEET = "xl/worksheets/sheet1.xml"


def opened(path: Path, feed: str = "arrears") -> Reader:
    return read(path, feed, format="xlsx")


def aside(reader: Reader) -> tuple[list[tuple[Any, ...]], list[ShapeReject]]:
    """Good rows (number, unit, principal) and what was set aside."""
    good: list[tuple[Any, ...]] = []
    rejects: list[ShapeReject] = []
    for part in reader:
        cells = part.frame.select("si_unit_code", "principal_vnd").iter_rows()
        good += [(number, *row) for number, row in zip(part.row_no, cells, strict=True)]
        rejects += part.ragged
    return good, rejects


def refused(path: Path, feed: str = "arrears") -> tuple[str, object]:
    with pytest.raises(FileError) as error:
        list(opened(path, feed))
    return error.value.code, error.value.arguments.get("found")


# ---------------------------------------------------------------------------------------------------------- formulas


def test_a_formula_counts_by_its_stored_value_and_is_noted_once(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["TA0001A", "HI", "=500+500", 5, 1], ["TA0002A", "HI", "=1+1", 5, 1]])
    edited(path, SHEET, {"<f>500+500</f><v />": "<f>500+500</f><v>1000</v>", "<f>1+1</f><v />": "<f>1+1</f><v>2</v>"})
    reader = opened(path)
    assert aside(reader) == ([(2, "TA0001A", "1000"), (3, "TA0002A", "2")], [])
    assert Note("N-FORMULAS", {"count": 2, "cell": "C2"}) in reader.notes


def test_a_formula_without_a_stored_value_sets_its_row_aside_with_column_and_cell(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["TA0001A", "HI", 1, 5, 1], ["TA0002A", "HI", "=1+1", 7, 1], ["TA0003A", "HI", 3, 5, 1]])
    good, rejects = aside(opened(path))
    assert good == [(2, "TA0001A", "1"), (4, "TA0003A", "3")]
    where: dict[str, object] = {"column": "principal_vnd", "cell": "C3"}
    assert rejects == [ShapeReject(3, "E-FORMULA", where, "principal_vnd")]


def test_the_legible_cells_of_a_row_that_is_set_aside_are_there_for_the_totals(tmp_path: Path) -> None:
    (part,) = opened(workbook(tmp_path, [["TA0002A", "HI", "=1+1", 7, 1]]))
    assert part.rows == 1
    assert part.legible is not None
    assert part.legible.select("si_unit_code", "principal_vnd", "overdue_vnd").rows() == [("TA0002A", None, "7")]


def test_a_formula_whose_result_is_empty_text_is_an_empty_cell(tmp_path: Path) -> None:
    heading = [*ARREARS, "oldest_month"]
    path = workbook(tmp_path, [["TA0001A", "HI", 1, 5, 1, '=""'], [None, None, None, None, None, '=""']], heading)
    sheet = zipfile.ZipFile(path).read(SHEET).decode()
    (first, second) = re.findall(r'<c r="F[23]"><f>""</f><v />', sheet)
    edited(
        path,
        SHEET,
        {cell: cell.replace("><f>", ' t="str"><f>').replace("<v />", "<v></v>") for cell in (first, second)},
    )
    reader = opened(path)
    assert rows_of(reader, ["si_unit_code", "oldest_month"]) == [(2, "TA0001A", None)]


def test_formulas_outside_the_contracts_columns_and_in_subtotals_do_not_matter(tmp_path: Path) -> None:
    rows = [["TA0001A", "HI", 1, 5, 1, "=A1"], ["Cộng", None, "=SUM(C2:C2)", "=SUM(D2:D2)", None, None]]
    reader = opened(workbook(tmp_path, rows, [*ARREARS, "Ghi chú"]))
    assert aside(reader) == ([(2, "TA0001A", "1")], [])
    assert {note.code for note in reader.notes} == {"N-COLUMN-IGNORED", "N-SUBTOTAL"}


@pytest.mark.parametrize("column", ["si_unit_code", "fund", "principal_vnd"])
def test_an_error_cell_is_never_an_empty_one(tmp_path: Path, column: str) -> None:
    row: dict[str, Any] = dict(zip(ARREARS, ["TA0001A", "HI", 1, 5, 1], strict=True))
    row[column] = "#REF!"
    good, rejects = aside(opened(workbook(tmp_path, [list(row.values()), ["TA0002A", "HI", 2, 5, 1]])))
    assert good == [(3, "TA0002A", "2")]
    assert [(reject.row_no, reject.code, reject.column) for reject in rejects] == [(2, "E-FORMULA", column)]


def test_a_row_that_holds_nothing_but_an_error_in_a_cell_is_still_a_row(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["TA0001A", "HI", 1, 5, 1], [], [None, None, None, None, "#DIV/0!"]])
    good, rejects = aside(opened(path))
    assert [row[0] for row in good] == [2]
    assert [(reject.row_no, reject.column) for reject in rejects] == [(4, "employees_affected")]


# --------------------------------------------------------------------------------------- rows, merged cells and dates


def test_hidden_rows_are_data_and_are_counted_in_a_note(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [ARREARS, ["TA0001A", "HI", 1, 5, 1], ["TA0002A", "HI", 2, 5, 1], ["TA0003A", "HI", 3, 5, 1]]:
        sheet_of(book).append(row)
    for number in (3, 4, 9):
        sheet_of(book).row_dimensions[number].hidden = True
    reader = opened(saved(book, tmp_path))
    assert [row[0] for row in aside(reader)[0]] == [2, 3, 4]
    assert Note("N-HIDDEN-ROWS", {"count": 2}) in reader.notes


def test_of_merged_data_cells_only_the_first_holds_the_value(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [ARREARS, ["TA0001A", "HI", 1, 5, 1], [None, "UI", 2, 5, 1]]:
        sheet_of(book).append(row)
    sheet_of(book).merge_cells("A2:A3")
    assert aside(opened(saved(book, tmp_path)))[0] == [(2, "TA0001A", "1"), (3, None, "2")]


def test_a_table_that_begins_neither_at_the_top_nor_at_the_left_keeps_its_row_numbers(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet_of(book).cell(4, 3, "BẢNG NỢ")
    for at, heading in enumerate(ARREARS, start=3):
        sheet_of(book).cell(6, at, heading)
    for at, value in enumerate(["TA0001A", "HI", "=1+1", 5, 1], start=3):
        sheet_of(book).cell(9, at, value)
    reader = opened(saved(book, tmp_path))
    assert aside(reader) == (
        [],
        [ShapeReject(9, "E-FORMULA", {"column": "principal_vnd", "cell": "E9"}, "principal_vnd")],
    )
    assert Note("N-TITLE-ROWS", {"count": 1}) in reader.notes


def test_dates_of_the_1904_calendar_are_read_as_excel_shows_them(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.epoch = CALENDAR_MAC_1904
    days_since_1904 = (dt.date(2021, 10, 12) - dt.date(1904, 1, 1)).days
    sheet_of(book).append([*ARREARS, "oldest_month", "urged_on"])
    sheet_of(book).append(["TA0001A", "HI", 1, 5, 1, dt.date(2021, 7, 1), dt.datetime(2021, 10, 12, 9, 30)])  # noqa: DTZ001
    sheet_of(book).append(["TA0002A", "HI", 1, 5, 1, "2021-07", days_since_1904])
    found = rows_of(opened(saved(book, tmp_path)), ["oldest_month", "urged_on"])
    assert found == [(2, "2021-07", "2021-10-12"), (3, "2021-07", "2021-10-12")]


def test_blocks_of_a_workbook_hold_every_row_once(tmp_path: Path) -> None:
    path = workbook(tmp_path, [[f"TA{number:04}A", "HI", number, 5, 1] for number in range(1, 5_001)])
    reader = read(path, "arrears", format="xlsx", block_rows=300)
    blocks = list(reader)
    assert [number for part in blocks for number in part.row_no] == list(range(2, 5_002))
    assert max(part.rows for part in blocks) == 300


def test_a_row_set_aside_by_a_formula_is_a_reject_of_its_file(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["TA0001A", "HI", 1000, 500, 1], ["TA0002A", "HI", "=1+1", 7, 1]])
    contract = load_contracts()["arrears"]
    tally = Tally()
    with KeySpill(contract.key) as keys:
        good = list(
            read_file(path, manifest_file(path, "arrears", format="xlsx"), Terms(contract, "2021-10"), tally, keys)
        )
    assert sum(block.frame.height for block in good) == 1
    assert (tally.rows, tally.accepted) == (2, 1)
    assert [(reject.row_no, reject.code) for reject in tally.rejects] == [(3, "E-FORMULA")]


# ----------------------------------------------------------------------------------------------------- refused kinds


@pytest.mark.parametrize(
    ("part", "content", "found"),
    [
        ("xl/vbaProject.bin", b"x", "macros"),
        ("xl/macrosheets/sheet1.xml", b"<x/>", "macros"),
        ("xl/externalLinks/externalLink1.xml", b"<externalLink><ddeLink/></externalLink>", "external links"),
        ("xl/connections.xml", b"<connections/>", "external links"),
        ("xl/embeddings/oleObject1.bin", b"x", "embedded objects"),
        ("xl/activeX/activeX1.xml", b"<x/>", "embedded objects"),
    ],
)
def test_active_content_is_refused_with_its_kind(tmp_path: Path, part: str, content: bytes, found: str) -> None:
    path = workbook(tmp_path, [["TA0001A", "HI", 1, 5, 1]])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(part, content)
    assert refused(path) == ("E-FORMAT", found)


def test_a_macro_workbook_is_known_by_its_content_types(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["TA0001A", "HI", 1, 5, 1]])
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
    edited(path, "[Content_Types].xml", {kind: "application/vnd.ms-excel.sheet.macroEnabled.main+xml"})
    assert refused(path) == ("E-FORMAT", "macros")


def test_a_formula_that_calls_another_program_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["TA0001A", "HI", "=cmd|'/C calc'!A0", 5, 1]])
    assert refused(path) == ("E-FORMAT", "a call of another program (DDE)")


def test_a_bar_inside_quotes_calls_nothing(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["TA0001A", "HI", 1, 5, 1, "=\"a|b!\"&'x|y'!A1"]], [*ARREARS, "Ghi chú"])
    assert aside(opened(path))[0] == [(2, "TA0001A", "1")]


def test_xml_with_a_document_type_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["TA0001A", "HI", 1, 5, 1]])
    entity = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><worksheet '
    assert refused(edited(path, SHEET, {"<worksheet ": entity})) == ("E-FORMAT", "XML with a document type")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 600, "encrypted or old Excel workbook"),
        (b"PK\x03\x04" + b"x" * 600, "damaged file"),
        (b"a,b\n1,2\n", "text"),
    ],
)
def test_what_is_no_workbook_is_refused_with_its_kind(tmp_path: Path, content: bytes, found: str) -> None:
    assert refused(csv_file(tmp_path, content, "file.xlsx")) == ("E-FORMAT", found)


def test_a_zip_that_is_no_workbook_is_refused(tmp_path: Path) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a.csv", "x")
    assert refused(csv_file(tmp_path, target.getvalue(), "file.xlsx")) == ("E-FORMAT", "zip archive")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_workbook_that_is_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    path = workbook(tmp_path, [["TA0001A", "HI", number, 5, 1] for number in range(500)])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert refused(path)[0] == "E-FORMAT"


# ------------------------------------------------------------------------------------------------------------ limits


def test_a_sheet_with_more_cells_than_the_contract_allows_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path, [[f"TA{number:04}A", "HI", number, 5, 1] for number in range(1, 300)])
    contract = replace(load_contracts()["arrears"], max_cells=1_000)
    with pytest.raises(FileError) as error:
        list(open_workbook(path.open("rb"), contract, block_rows=100))
    assert error.value.code == "E-TOO-LARGE"
    assert error.value.arguments == {"limit": "1000 cells", "feed": "arrears"}


def test_a_lonely_cell_far_away_does_not_cost_the_memory_of_all_cells_between(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet_of(book).append(ARREARS)
    sheet_of(book).append(["TA0001A", "HI", 1, 5, 1])
    sheet_of(book).cell(1_048_576, 16_384, "x")
    with pytest.raises(FileError, match="E-TOO-LARGE"):
        list(opened(saved(book, tmp_path)))


def test_a_workbook_that_would_unpack_to_gigabytes_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["TA0001A", "HI", 1, 5, 1]])
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(SHEET.encode()))
    struct.pack_into("<I", content, entry + 24, 3 << 30)
    path.write_bytes(content)
    with pytest.raises(FileError, match="E-TOO-LARGE"):
        list(opened(path))


def test_a_parser_that_takes_too_much_memory_or_time_is_a_verdict_on_the_file(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["TA0001A", "HI", number, 5, 1] for number in range(20_000)])
    contract = load_contracts()["arrears"]
    for limits in (Limits(memory=24 << 20), Limits(silence_seconds=0)):
        with pytest.raises(FileError) as error:
            list(open_workbook(path.open("rb"), contract, block_rows=1_000, limits=limits))
        assert error.value.code == "E-TOO-LARGE"
        assert error.value.arguments["feed"] == "arrears"


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", "E-TOO-LARGE"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "E-FORMAT"),
        ("raise SystemExit(1)", "E-FORMAT"),
        ("import sys; sys.stdout.buffer.write(b'J' + bytes([255] * 4))", "E-FORMAT"),
    ],
)
def test_however_the_child_ends_it_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, code: str
) -> None:
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{program}"\n')
    script.chmod(0o755)
    monkeypatch.setattr(confined.sys, "executable", str(script))
    path = workbook(tmp_path, [["TA0001A", "HI", 1, 5, 1]])
    with pytest.raises(FileError) as error:
        opened(path)
    assert error.value.code == code


def test_the_child_inherits_no_secret_and_cannot_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSS_DATABASE_URL", "postgresql://canary")
    child = Child("xlsx", workbook(tmp_path, [["TA0001A", "HI", 1, 5, 1]]).open("rb"), feed="arrears")
    list(child.ask({"do": "open", "max_cells": 100}))
    process = Path(f"/proc/{child._process.pid}")
    assert b"canary" not in (process / "environ").read_bytes()
    limits = (process / "limits").read_text()
    assert re.search(r"Max file size\s+0\s+0", limits)
    assert re.search(r"Max core file size\s+0\s+0", limits)
    assert re.search(rf"Max address space\s+{2 << 30}\s", limits)
    assert re.search(r"Max cpu time\s+600\s", limits)
    child.close()


@pytest.mark.parametrize("how", ["read", "drop", "close", "stop in the middle", "refuse"])
def test_no_child_and_no_descriptor_is_left(tmp_path: Path, how: str) -> None:
    heading = ["other"] if how == "refuse" else ARREARS
    # what a first read opens once in a process is no leak
    list(opened(workbook(tmp_path, [["TA0001A", "HI", 1, 5, 1]])))
    path = workbook(tmp_path, [["TA0001A", "HI", number, 5, 1] for number in range(3_000)], heading)
    before, children = sorted(os.listdir("/proc/self/fd")), _children()  # noqa: PTH208
    if how == "refuse":
        assert refused(path)[0] == "E-HEADING-MISSING"
    else:
        reader = opened(path)
        if how == "read":
            list(reader)
        elif how == "close":
            reader.close()
        elif how == "stop in the middle":
            blocks = iter(reader)
            next(blocks)
            del blocks
        del reader
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert _children() <= children


def _children() -> set[str]:
    """Process ids of the children of this process, those that are dead and not waited for among them."""
    return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


# ----------------------------------------------------------------------------------------------------------- parquet


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.99])
def test_a_damaged_parquet_file_is_a_refusal(tmp_path: Path, place: float) -> None:
    path = tmp_path / "file.parquet"
    table = pa.table({name: [str(number) for number in range(3_000)] for name in ARREARS})
    pa.parquet.write_table(table, path, compression="snappy")
    content = bytearray(path.read_bytes())
    at = int(4 + place * (len(content) - 40))
    content[at : at + 24] = b"\xff" * 24
    path.write_bytes(content)
    with pytest.raises(FileError) as error:
        list(read(path, "arrears", format="parquet"))
    assert error.value.code in {"E-FORMAT", "E-TOO-LARGE"}


def test_blank_rows_of_a_parquet_file_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "file.parquet"
    pa.parquet.write_table(pa.table({name: ["1", None, "1"] for name in ARREARS}), path)
    reader = open_rows(path, manifest_file(path, "arrears", format="parquet"), load_contracts()["arrears"])
    assert [number for part in reader for number in part.row_no] == [2, 4]
    assert reader.notes == [Note("N-BLANK-ROWS", {"count": 1})]
