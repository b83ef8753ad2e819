"""Files become rows with the numbers a spreadsheet shows."""

from __future__ import annotations

import datetime as dt
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet
import pytest
from feed_builders import csv_file, manifest_file, read, rows_of

from ingestion.contracts import load_contracts
from ingestion.duplicates import KeySpill
from ingestion.readers import FileError, Note, ShapeReject, fold
from ingestion.reading import Tally, Terms, read_file

HEADING = "item_no,area,difficulty,proposal\n"


def _weekly(folder: Path, content: str | bytes, **changes: Any) -> list[tuple[Any, ...]]:
    return rows_of(read(csv_file(folder, content), "weekly_report", **changes), ["item_no", "difficulty"])


def test_the_first_row_behind_the_heading_is_row_two(tmp_path: Path) -> None:
    assert _weekly(tmp_path, HEADING + "1,it,a,\n2,it,b,\n") == [(2, "1", "a"), (3, "2", "b")]


def test_a_file_without_a_last_line_end_is_whole(tmp_path: Path) -> None:
    assert _weekly(tmp_path, HEADING + "1,it,a,\n2,it,b,") == [(2, "1", "a"), (3, "2", "b")]


def test_a_legal_quoted_newline_does_not_shift_the_numbers(tmp_path: Path) -> None:
    content = HEADING + '1,it,"a\nb, ""c""",\n2,it,d,\n'
    assert _weekly(tmp_path, content) == [(2, "1", 'a\nb, "c"'), (3, "2", "d")]


def test_a_quoted_newline_across_two_blocks_is_one_row(tmp_path: Path) -> None:
    rows = "".join(f'{number},it,"x{number}\ny, z",\n' for number in range(1, 400))
    found = _weekly(tmp_path, HEADING + rows, block_rows=16)
    assert found == [(number + 1, str(number), f"x{number}\ny, z") for number in range(1, 400)]


@pytest.mark.parametrize("block_rows", [16, 65_536])
def test_unreadable_rows_are_set_aside_and_the_rest_keeps_its_numbers(tmp_path: Path, block_rows: int) -> None:
    content = HEADING + '1,it,a,\n2,it\n3,it,c,,,\n4,it,"open,\n5,it,e,\n6,it,x\x00y,\n\n7,it,"f"g,\n8,it,h,\n'
    reader = read(csv_file(tmp_path, content), "weekly_report", block_rows=block_rows)
    blocks = list(reader)
    good = [(no, item) for part in blocks for no, item in zip(part.row_no, part.frame["item_no"], strict=True)]
    aside = [(reject.row_no, reject.code) for part in blocks for reject in part.ragged]
    assert good == [(2, "1"), (6, "5"), (10, "8")]
    assert sorted(aside) == [(3, "E-RAGGED"), (4, "E-RAGGED"), (5, "E-QUOTE"), (7, "E-CONTROL"), (9, "E-QUOTE")]


def test_a_fully_quoted_file_keeps_its_numbers_and_its_bad_rows(tmp_path: Path) -> None:
    content = '"item_no","area","difficulty","proposal"\r\n"1","it","a ""b"", c",""\r\n"2","it"\r\n"3","it","c",""\r\n'
    blocks = list(read(csv_file(tmp_path, content), "weekly_report"))
    assert [part.row_no.to_list() for part in blocks] == [[2, 4]]
    assert blocks[0].frame["difficulty"].to_list() == ['a "b", c', "c"]
    assert [(reject.row_no, reject.code) for reject in blocks[0].ragged] == [(3, "E-RAGGED")]


def test_a_quote_that_is_never_closed_costs_one_row_only(tmp_path: Path) -> None:
    content = HEADING + '1,it,"open,\n' + "".join(f"{number},it,x,\n" for number in range(2, 5_000))
    found = list(read(csv_file(tmp_path, content), "weekly_report", block_rows=64))
    assert sum(part.frame.height for part in found) == 4_998
    assert [reject.row_no for part in found for reject in part.ragged] == [2]
    assert found[-1].row_no[-1] == 5_000


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("block_rows", [4_096, 65_536])
def test_a_cell_of_ten_megabytes_costs_its_row_only(tmp_path: Path, block_rows: int, quote: str) -> None:
    content = HEADING + f"1,it,a,\n2,it,{quote}" + "x" * 10_000_000 + f"{quote},\n3,it,c,\n"
    found = list(read(csv_file(tmp_path, content), "weekly_report", block_rows=block_rows))
    assert [item for part in found for item in part.frame["item_no"]] == ["1", "3"]
    assert [reject for part in found for reject in part.ragged] == [ShapeReject(3, "E-LONG", {"limit": 1 << 20})]


def test_empty_rows_count_as_lines_but_are_no_data_and_are_noted(tmp_path: Path) -> None:
    content = HEADING + "1,it,a,\n,,,\n\n2,it,b,\n\n"
    reader = read(csv_file(tmp_path, content), "weekly_report")
    assert rows_of(reader, ["item_no"]) == [(2, "1"), (5, "2")]
    assert reader.notes == [Note("N-BLANK-ROWS", {"count": 3})]


def test_a_file_of_blank_lines_only_is_read_fast_and_empty(tmp_path: Path) -> None:
    content = HEADING + "1,it,a,\n" + "\r\n" * 3_000_000 + "2,it,b,\n"
    reader = read(csv_file(tmp_path, content), "weekly_report", block_rows=4_096)
    assert rows_of(reader, ["item_no"]) == [(2, "1"), (3_000_003, "2")]
    assert reader.notes == [Note("N-BLANK-ROWS", {"count": 3_000_000})]


GOOD, RAGGED, OPEN, NUL, INSIDE, BLANK = "good", "E-RAGGED", "E-QUOTE", "E-CONTROL", "inside", "blank"
_RECORDS = {
    GOOD: "{n},it,đơn {n},",
    INSIDE: '{n},it,"đơn\n{n}, ""a""",',
    RAGGED: "{n},it",
    OPEN: '{n},it,"open"x,',
    NUL: "{n},it,a\0b,",
    BLANK: ",,,",
}


@pytest.mark.parametrize("block_rows", [16, 23, 61, 65_536])
@pytest.mark.parametrize(
    ("encoding", "codec", "delimiter"),
    [
        ("utf-8", "utf-8", ","),
        ("utf-8", "utf-8-sig", ";"),
        ("utf-16", "utf-16-le", "\t"),
        ("utf-16", "utf-16-be", "|"),
        ("cp1258", "cp1258", ";"),
    ],
)
def test_bad_rows_are_set_aside_with_their_numbers_wherever_a_block_ends(
    tmp_path: Path, encoding: str, codec: str, delimiter: str, block_rows: int
) -> None:
    kinds = [GOOD, INSIDE, GOOD, RAGGED, GOOD, GOOD, NUL, BLANK, OPEN, INSIDE, GOOD] * 60
    lines = [_RECORDS[kind].format(n=number) for number, kind in enumerate(kinds, start=2)]
    text = HEADING + "\n".join(lines) + "\n"
    mark = "\ufeff" if codec.startswith("utf-16") else ""
    # a comma inside the quotes stays one
    text = text.replace(', ""a""', "\1").replace(",", delimiter).replace("\1", ', ""a""')
    path = csv_file(tmp_path, (mark + text).encode(codec))
    reader = read(path, "weekly_report", encoding=encoding, delimiter=delimiter, block_rows=block_rows)
    parts = list(reader)
    good = [(number, cell) for part in parts for number, cell in zip(part.row_no, part.frame["item_no"], strict=True)]
    aside = sorted((reject.row_no, reject.code) for part in parts for reject in part.ragged)
    numbered = list(enumerate(kinds, start=2))
    assert good == [(number, str(number)) for number, kind in numbered if kind in {GOOD, INSIDE}]
    assert aside == [(number, kind) for number, kind in numbered if kind.startswith("E-")]
    assert Note("N-BLANK-ROWS", {"count": 60}) in reader.notes


def test_accents_of_cp1258_become_the_composed_letters_of_unicode(tmp_path: Path) -> None:
    words = "Nguyễn Thị Hường ở Đắk Lắk, kỹ thuật"
    combining = unicodedata.normalize("NFD", words)
    # cp1258 has letters with hat, breve or horn, and the five tones as marks behind them
    for base, marked in (("â", "â"), ("ă", "ă"), ("ê", "ê"), ("ô", "ô"), ("ơ", "ơ"), ("ư", "ư")):
        combining = combining.replace(unicodedata.normalize("NFD", base), marked)
    # a dot below stands before the hat in NFD
    combining = combining.replace("e\u0323\u0302", "ê\u0323").replace("a\u0323\u0302", "â\u0323")
    content = f'item_no,area,difficulty\n1,it,"{combining}"\n'.encode("cp1258")
    path = csv_file(tmp_path, content)
    contract = load_contracts()["weekly_report"]
    tally = Tally()
    with KeySpill(contract.key) as keys:
        file = manifest_file(path, "weekly_report", encoding="cp1258")
        (good,) = read_file(path, file, Terms(contract, "2021-W44"), tally, keys)
    assert good.frame["difficulty"].to_list() == [words]
    assert tally.rejects == []


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_declared_delimiter_is_read(tmp_path: Path, delimiter: str) -> None:
    content = (HEADING + '1,it,"a,b;c",\n').replace('"a,b;c"', "\0").replace(",", delimiter).replace("\0", '"a,b;c"')
    assert _weekly(tmp_path, content, delimiter=delimiter) == [(2, "1", "a,b;c")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_read(tmp_path: Path, end: str) -> None:
    content = (HEADING + "1,it,a,\n2,it,b,\n").replace("\n", end)
    assert _weekly(tmp_path, content) == [(2, "1", "a"), (3, "2", "b")]


@pytest.mark.parametrize(("encoding", "codec"), [("utf-8", "utf-8-sig"), ("utf-16", "utf-16"), ("cp1258", "cp1258")])
def test_every_declared_encoding_is_read(tmp_path: Path, encoding: str, codec: str) -> None:
    text = HEADING + "1,it,Đơn,\n"
    assert _weekly(tmp_path, text.encode(codec), encoding=encoding) == [(2, "1", "Đơn")]


@pytest.mark.parametrize(
    ("encoding", "content"), [("utf-8", b"\xc0\xff"), ("cp1258", b"\x8a"), ("utf-16", b"\x00\xd8")]
)
def test_bytes_of_another_encoding_refuse_the_file(tmp_path: Path, encoding: str, content: bytes) -> None:
    codec = "utf-16-le" if encoding == "utf-16" else encoding
    start = (HEADING + "1,it,a,\n2,it,").encode(codec)
    with pytest.raises(FileError) as error:
        _weekly(tmp_path, start + content + ",\n".encode(codec), encoding=encoding)
    assert error.value.code == "E-ENCODING"


def test_headings_match_whatever_their_order_case_accents_and_composition(tmp_path: Path) -> None:
    path = csv_file(tmp_path, '"Khó khăn, vướng mắc",LĨNH VỰC,So thu  tu,Lạ\na,it,1,x\n')
    reader = read(path, "weekly_report")
    assert rows_of(reader, ["item_no", "area", "difficulty", "proposal"]) == [(2, "1", "it", "a", None)]
    assert {note.code for note in reader.notes} == {"N-ALIAS", "N-ORDER", "N-COLUMN-IGNORED"}
    assert fold("Lĩnh_Vực ") == fold("LI\u0303NH VU\u031b\u0323C")


def test_a_missing_required_heading_refuses_the_file_and_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(FileError) as error:
        _weekly(tmp_path, "item_no,area,dificulty\n1,it,a\n")
    assert error.value.code == "E-HEADING-MISSING"
    assert error.value.arguments == {"column": "difficulty", "nearest": "dificulty"}


def test_a_heading_that_stands_twice_refuses_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileError) as error:
        _weekly(tmp_path, "item_no,area,difficulty,Số thứ tự\n1,it,a,1\n")
    assert (error.value.code, error.value.arguments) == ("E-HEADING-TWICE", {"column": "item_no"})


@pytest.mark.parametrize("content", ["", HEADING, HEADING + "\n,,,\n"])
def test_a_file_without_rows_is_empty(tmp_path: Path, content: str) -> None:
    with pytest.raises(FileError, match="E-EMPTY"):
        _weekly(tmp_path, content)


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"%PDF-1.4", b"\x1f\x8b\x08", b"\xd0\xcf\x11\xe0"])
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path: Path, start: bytes) -> None:
    with pytest.raises(FileError, match="E-FORMAT"):
        _weekly(tmp_path, start + b"rest")


def _workbook(folder: Path, rows: list[list[Any]], *, hidden: list[list[Any]] | None = None) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    if hidden is not None:
        for row in hidden:
            sheet.append(row)
        sheet.sheet_state = "hidden"
        sheet = book.create_sheet("Data")
    for row in rows:
        sheet.append(row)
    path = folder / "file.xlsx"
    book.save(path)
    return path


ARREARS = [
    "Mã đơn vị",
    "Quỹ",
    "Nợ gốc",
    "Nợ quá hạn",
    "Số lao động bị ảnh hưởng",
    "Tháng nợ cũ nhất",
    "Ngày đôn đốc",
    "Số tháng nợ",
]


def test_a_workbook_is_read_below_its_title_without_subtotals_and_hidden_sheets(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["BẢO HIỂM XÃ HỘI TỈNH VĨNH PHÚC"],
        [],
        ARREARS,
        [1, 2, 3, 4, 5, 6, 7, 8],
        ["TA0001A", "HI", 1000, 500, 3, dt.date(2021, 7, 1), dt.date(2021, 10, 12), 3.5],
        ["TA0002A", "HI", 1000.0, 0, 3, "2021-08", 44481, 3],
        [None, None, None],
        ["Tổng cộng", None, 2000, 500],
    ]
    reader = read(_workbook(tmp_path, rows, hidden=[ARREARS, ["X", "HI", 1, 1, 1]]), "arrears", format="xlsx")
    columns = ["si_unit_code", "principal_vnd", "oldest_month", "urged_on", "months_owed"]
    assert rows_of(reader, columns) == [
        (5, "TA0001A", "1000", "2021-07", "2021-10-12", "3.5"),
        (6, "TA0002A", "1000", "2021-08", "2021-10-12", "3"),
    ]
    assert {"N-TITLE-ROWS", "N-NUMBERING", "N-SUBTOTAL", "N-SHEET-IGNORED"} <= {note.code for note in reader.notes}


def test_a_person_named_tong_is_a_person(tmp_path: Path) -> None:
    names = ["si_number", "full_name", "birth_date", "sex", "insurance_type"]
    path = _workbook(
        tmp_path, [names, ["0110001234", "Tổng", 1985, "F", "SI_V"], ["0110001235", "Tổng", None, "M", None]]
    )
    found = rows_of(read(path, format="xlsx"), ["full_name", "birth_date"])
    assert found == [(2, "Tổng", "1985"), (3, "Tổng", None)]


def test_codes_that_excel_made_numbers_come_without_their_zeros(tmp_path: Path) -> None:
    names = ["si_number", "full_name", "birth_date", "sex", "insurance_type"]
    path = _workbook(tmp_path, [names, [110001234, "A", dt.datetime.fromisoformat("1985-03-02"), "F", "SI_V"]])
    assert rows_of(read(path, format="xlsx"), ["si_number", "birth_date"]) == [(2, "110001234", "1985-03-02")]


def test_headings_under_merged_cells_are_found(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["Mã đơn vị", "Quỹ", "Số tiền", None, "Số lao động bị ảnh hưởng"],
        [None, None, "Nợ gốc", "Nợ quá hạn", None],
        ["TA0001A", "HI", 1000, 500, 3],
    ]
    found = rows_of(read(_workbook(tmp_path, rows), "arrears", format="xlsx"), ["si_unit_code", "principal_vnd"])
    assert found == [(3, "TA0001A", "1000")]


def test_a_workbook_with_a_missing_heading_names_the_nearest(tmp_path: Path) -> None:
    path = _workbook(tmp_path, [["Tiêu đề"], ["Mã đơn vị", "Quỹ", "Nợ gốcc", "Nợ quá hạn", "Số lao động bị ảnh hưởng"]])
    with pytest.raises(FileError) as error:
        read(path, "arrears", format="xlsx")
    assert error.value.code == "E-HEADING-MISSING"
    assert error.value.arguments == {"column": "principal_vnd", "nearest": "Nợ gốcc"}


def test_a_workbook_with_macros_is_refused(tmp_path: Path) -> None:
    path = _workbook(tmp_path, [ARREARS])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"macro")
    with pytest.raises(FileError) as error:
        read(path, "arrears", format="xlsx")
    assert (error.value.code, error.value.arguments["found"]) == ("E-FORMAT", "macros")


def test_parquet_cells_become_the_text_a_csv_would_hold(tmp_path: Path) -> None:
    table = pa.table(
        {
            "si_unit_code": ["TA0001A", "TA0002A"],
            "fund": pa.array(["HI", "HI"]).dictionary_encode(),
            "principal_vnd": [1000, 2000],
            "overdue_vnd": [500.0, 0.0],
            "employees_affected": [3, 4],
            "oldest_month": pa.array([dt.date(2021, 7, 1), None]),
            "urged_on": pa.array([dt.datetime.fromisoformat("2021-07-02"), None]),
        }
    )
    path = tmp_path / "file.parquet"
    pa.parquet.write_table(table, path)
    columns = ["fund", "principal_vnd", "overdue_vnd", "oldest_month", "urged_on"]
    assert rows_of(read(path, "arrears", format="parquet"), columns) == [
        (2, "HI", "1000", "500", "2021-07", "2021-07-02"),
        (3, "HI", "2000", "0", None, None),
    ]


def test_every_block_has_the_columns_of_the_contract_in_its_order(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "difficulty,area,item_no\na,it,1\n")
    frame = next(iter(read(path, "weekly_report"))).frame
    assert tuple(frame.columns) == load_contracts()["weekly_report"].column_names
