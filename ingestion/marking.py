"""The child process that marks a workbook: it opens what a sender made, so it runs alone and under limits.

`python -m ingestion.marking FOLDER` reads `job.json` and `source` in FOLDER and writes `workbook.xlsx` there. It gets
no connection, no secret and no environment; whatever goes wrong ends in an exit code, and nothing is printed, because
an error's text could hold a cell. Three kinds of workbook:

- `annotated`: the sender's own workbook, faulty cells coloured, with the reason as a comment
- `rows`: a new workbook that holds the heading and the rejected rows only, each at its number, and the reason
- `places`: the same without a single cell of the sender's; needs no source
"""

from __future__ import annotations

import json
import re
import resource
import sys
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import openpyxl
import python_calamine
from openpyxl.cell import Cell, MergedCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from ingestion.annotated import Place
from ingestion.blocks import FileError
from ingestion.containers import in_memory, layers_of, open_content
from ingestion.contracts import Contract, load_contracts
from ingestion.workbooks import HEADING_SEARCH_ROWS, find_headings

MEMORY = 2 << 30
CPU_SECONDS = 150
WRITTEN = 512 << 20
CELLS = 1_000_000
UNPACKED = 512 << 20

_REASON = "Lý do / Reason"
_FAULTY = PatternFill("solid", fgColor="FFFFC7CE")
_HEADING = Font(bold=True)
_FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_TEXT, _OTHER_TYPES = "s", frozenset("nbde")
# a dropdown of the template: a list in quotes, a number, or a plain range of this workbook
_HARMLESS_RULE = re.compile(
    r"^(\"[^\"]*\"|-?\d+(\.\d+)?|(('[^'|\[\]]+'|\w+)!)?\$?[A-Z]{1,3}\$?\d+(:\$?[A-Z]{1,3}\$?\d+)?)$"
)


class TooLargeError(Exception):
    """More than openpyxl should be given."""


def main(folder: Path) -> int:
    """Do the job in `folder`; 0 when `workbook.xlsx` was written, 3 when the workbook is too large."""
    _limit()
    warnings.simplefilter("ignore")
    job = json.loads((folder / "job.json").read_bytes())
    contract = load_contracts()[job["feed"]]
    places = [Place(*place) for place in job["places"]]
    try:
        if job["kind"] == "annotated":
            book = annotated(unpacked(folder / "source", job["file"], contract), contract, places)
        elif job["kind"] == "rows":
            book = rows_only(unpacked(folder / "source", job["file"], contract), contract, places)
        else:
            book = places_only(contract, places)
    except TooLargeError:
        return 3
    book.save(folder / "workbook.xlsx")
    return 0


def annotated(source: BinaryIO, contract: Contract, places: Sequence[Place]) -> openpyxl.Workbook:
    """The sender's workbook, marked. Its formulas become the values they had: nothing in it is live any more.

    Raises TooLargeError, FileError, and whatever openpyxl raises over a workbook it cannot read.
    """
    if _checked_cell_count(source) > CELLS:
        raise TooLargeError
    book = openpyxl.load_workbook(source, data_only=True, keep_links=False, keep_vba=False)
    sheet, position = _data_sheet(book, contract)
    _make_lifeless(book)
    _mark(sheet, position, places)
    for other in book.worksheets:
        other.sheet_view.tabSelected = other is sheet
    book.active = book.index(sheet)
    return book


def rows_only(source: BinaryIO, contract: Contract, places: Sequence[Place]) -> openpyxl.Workbook:
    """A new workbook: heading, rejected rows at their numbers, reasons. Raises as `annotated` does."""
    _checked_cell_count(source)
    heading_at, heading, position, rows = _rejected_rows(source, contract, {place.row for place in places})
    return _new_book({heading_at: heading, **rows}, heading_at, len(heading), position, places)


def places_only(contract: Contract, places: Sequence[Place]) -> openpyxl.Workbook:
    """A new workbook that says where and why, and holds nothing the sender wrote."""
    position = {name: at for at, name in enumerate(contract.column_names, start=1)}
    return _new_book({1: list(position)}, 1, len(position), position, places)


def unpacked(path: Path, name: str, contract: Contract) -> BinaryIO:
    """The workbook's bytes, out of the .gz or .zip it came in. Raises FileError."""
    if not layers_of(name):
        return path.open("rb")
    content = open_content(path, name=name, contract=contract, identity=None)
    return in_memory(content.rest, contract, start=content.start)


def _limit() -> None:
    for kind, value in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, WRITTEN),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _checked_cell_count(source: BinaryIO) -> int:
    """Cells of all sheets, counted in the bytes: the size a sheet states of itself proves nothing.

    Raises TooLargeError when the workbook unpacks to more than anybody should parse.
    """
    cells = unpacked_bytes = 0
    with zipfile.ZipFile(source) as archive:
        for part in archive.infolist():
            with archive.open(part) as stream:
                while block := stream.read(1 << 20):
                    unpacked_bytes += len(block)
                    if unpacked_bytes > UNPACKED:
                        raise TooLargeError
                    cells += block.count(b"<c ") + block.count(b"<c>") + block.count(b":c ")
    source.seek(0)
    return cells


# ------------------------------------------------------------------------------------------------------ finding cells


def _data_sheet(book: openpyxl.Workbook, contract: Contract) -> tuple[Worksheet, dict[str, int]]:
    """The sheet the reader took, and the column number of each of its contract columns."""
    failure: FileError | None = None
    for sheet in book.worksheets:
        if sheet.sheet_state != "visible":
            continue
        try:
            _, _, position = _columns(list(_first_rows(sheet)), contract)
        except FileError as error:
            failure = error
            continue
        return sheet, position
    raise failure or FileError("E-EMPTY")


def _first_rows(sheet: Worksheet) -> Iterator[list[object]]:
    # not iter_rows: it would make a cell for every gap of a sheet that is sixteen thousand columns wide
    at_top: dict[int, dict[int, object]] = {}
    for (row, column), cell in sheet._cells.items():
        if row <= HEADING_SEARCH_ROWS and cell.value is not None:
            at_top.setdefault(row, {})[column] = cell.value
    for row in range(1, max(at_top, default=0) + 1):
        cells = at_top.get(row, {})
        yield [cells.get(column, "") for column in range(1, max(cells, default=0) + 1)]


def _columns(rows: Sequence[Sequence[object]], contract: Contract) -> tuple[int, list[str], dict[str, int]]:
    """Row number of the heading, its cells, and the column number of each contract column, as the reader finds them."""
    at, cells, _, headings = find_headings(rows, contract)
    return at + 1, cells, {name: index + 1 for name, index in headings.position.items()}


def _rejected_rows(
    source: BinaryIO, contract: Contract, wanted: set[int]
) -> tuple[int, list[object], dict[str, int], dict[int, list[object]]]:
    book = python_calamine.CalamineWorkbook.from_filelike(source)
    failure: FileError | None = None
    for meta in book.sheets_metadata:
        if (
            meta.visible != python_calamine.SheetVisibleEnum.Visible
            or meta.typ != python_calamine.SheetTypeEnum.WorkSheet
        ):
            continue
        top: list[Sequence[object]] = []
        kept: dict[int, list[object]] = {}
        # calamine leaves out the empty rows above the first cell, a spreadsheet counts them
        sheet = book.get_sheet_by_name(meta.name)
        first = (sheet.start or (0, 0))[0]
        left = [""] * (sheet.start or (0, 0))[1]
        top += [[] for _ in range(first)]
        for row_no, row in enumerate(sheet.iter_rows(), start=first + 1):
            if row_no <= HEADING_SEARCH_ROWS:
                top.append([*left, *row])
            if row_no in wanted:
                kept[row_no] = [*left, *row]
        try:
            at, cells, position = _columns(top, contract)
        except FileError as error:
            failure = error
            continue
        return at, list(cells), position, kept
    raise failure or FileError("E-EMPTY")


# ------------------------------------------------------------------------------------------------------ marking cells


def _mark(sheet: Worksheet, position: Mapping[str, int], places: Sequence[Place]) -> None:
    """Colour each faulty cell and say why in a comment; of a whole row the first cell carries the comment."""
    said: dict[tuple[int, int], list[str]] = {}
    for place in places:
        columns = [at for name, at in position.items() if name == place.column] or sorted(position.values())
        cells = [_shown(sheet, place.row, column) for column in columns]
        for cell in cells:
            cell.fill = _FAULTY
        said.setdefault((cells[0].row, cells[0].column), []).append(place.text)
        # the sender hid it; the one who mends it must see it
        if sheet.row_dimensions[place.row].hidden:
            sheet.row_dimensions[place.row].hidden = False
    for (row, column), texts in said.items():
        cell = _shown(sheet, row, column)
        before = cell.comment
        lines = [*dict.fromkeys(texts), *([before.text] if before is not None else [])]
        cell.comment = Comment(_legal("\n".join(lines)), "VSS", height=60 + 40 * len(lines), width=420)


def _shown(sheet: Worksheet, row: int, column: int) -> Cell:
    """The cell a spreadsheet shows at this place: of merged cells the first."""
    cell = sheet.cell(row, column)
    if isinstance(cell, MergedCell):
        area = next(area for area in sheet.merged_cells.ranges if cell.coordinate in area)
        cell = sheet.cell(area.min_row, area.min_col)
    assert isinstance(cell, Cell)
    return cell


def _make_lifeless(book: openpyxl.Workbook) -> None:
    """Leave cells, styles and widths of a workbook, and nothing that computes, fetches or calls."""
    for chart_sheet in list(book.chartsheets):
        book.remove(chart_sheet)
    book.defined_names.clear()
    for sheet in book.worksheets:
        sheet.defined_names.clear()
        for part in ("_charts", "_images", "_pivots"):
            setattr(sheet, part, [])
        sheet.scenarios.scenario = []
        sheet.data_validations.dataValidation = [
            rule
            for rule in sheet.data_validations.dataValidation
            if all(_HARMLESS_RULE.match(text) for text in (rule.formula1, rule.formula2) if text)
        ]
        # it could paint over our colour, and its rules are formulas
        sheet.conditional_formatting = type(sheet.conditional_formatting)()
        for table in sheet.tables.values():
            for column in table.tableColumns:
                column.calculatedColumnFormula = column.totalsRowFormula = None
        for cell in sheet._cells.values():
            if isinstance(cell, MergedCell):
                continue
            cell.hyperlink = None
            if isinstance(cell.value, str):
                _as_text(cell)
            elif cell.data_type not in _OTHER_TYPES:
                cell.value = None


def _as_text(cell: Cell) -> None:
    """Whatever type the sender gave the cell: what looks like a formula is text, also after a double click."""
    if cell.data_type != "e":
        cell.data_type = _TEXT
    if str(cell.value).startswith(_FORMULA_MARKS):
        cell.quotePrefix = True


def _new_book(
    rows: Mapping[int, Sequence[object]],
    heading_at: int,
    width: int,
    position: Mapping[str, int],
    places: Sequence[Place],
) -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Rejected rows"
    # rows keep their numbers without a million empty ones between them: what is not written is not shown
    sheet.sheet_format.zeroHeight = True
    for row, cells in sorted(rows.items()):
        for column, value in enumerate(cells, start=1):
            _put(sheet, row, column, value)
    reasons: dict[int, list[str]] = {}
    for place in places:
        reasons.setdefault(place.row, []).append(place.text)
    _put(sheet, heading_at, width + 1, _REASON)
    for row, texts in reasons.items():
        _put(sheet, row, width + 1, "\n".join(dict.fromkeys(texts)))
        sheet.cell(row, width + 1).alignment = Alignment(wrap_text=True, vertical="top")
    for column in range(1, width + 2):
        sheet.cell(heading_at, column).font = _HEADING
        sheet.column_dimensions[get_column_letter(column)].width = 20 if column <= width else 90
    _mark(sheet, position, places)
    sheet.freeze_panes = f"A{heading_at + 1}"
    return book


def _put(sheet: Worksheet, row: int, column: int, value: object) -> None:
    if value is None or value == "":
        return
    written: Any = _legal(value) if isinstance(value, str) else value
    target = sheet.cell(row, column, written)
    if isinstance(written, str):
        target.data_type = _TEXT
        _as_text(target)


def _legal(text: str) -> str:
    return ILLEGAL_CHARACTERS_RE.sub("", text)[:32_000]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
