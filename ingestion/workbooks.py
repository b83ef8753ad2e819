"""From a workbook to blocks of text rows: the first visible sheet whose headings fit, below its titles.

The bytes are parsed by a child under limits (`ingestion.confined`); what it sends back is judged here. Formulas count
by their stored value; a cell without a value to go by (a formula that was never calculated, an error such as #REF!)
sets its row aside. Hidden rows are data, hidden sheets are not. Of merged cells only the first holds the value, as in
Excel.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import polars as pl

from ingestion.blocks import NO_CODE, FileError, Note, Reader, ShapeReject, TextBlock, text_frame
from ingestion.confined import LIMITS, Child, Limits
from ingestion.contracts import Column, Contract
from ingestion.headings import Headings, fold, match_headings

HEADING_SEARCH_ROWS = 40
"""Below these rows no heading is looked for."""

_EXCEL_EPOCH = dt.date(1899, 12, 30)
_EXCEL_EPOCH_1904 = dt.date(1904, 1, 1)
_SERIAL_DAYS = (7_306, 109_574)  # 1920-01-01 to 2199-12-31; a smaller number in a birth date is a year
_SUBTOTAL = re.compile(
    r"^(tong|cong)( (cong|so|tang|giam|tien|chung|phat sinh|luy ke|nhom|muc|trang|don vi)( .{0,20})?)?[:.]?$"
)

_Cell = Any  # str, int, float, bool, date, or one of the two below


@dataclass(frozen=True)
class _Stored:
    """A formula's stored value."""

    value: _Cell


@dataclass(frozen=True)
class _Unusable:
    """A cell without a value to go by."""

    why: str

    def __str__(self) -> str:
        return ""


@dataclass(frozen=True)
class _Row:
    """A row of a sheet; `at` counts from 0. `marked`: it may hold formulas or unusable cells."""

    at: int
    cells: list[_Cell]
    is_hidden: bool
    marked: bool


def open_workbook(file: BinaryIO, contract: Contract, *, block_rows: int, limits: Limits = LIMITS) -> Reader:
    """Read the workbook in `file`, which belongs to the reader from now on. Raises FileError."""
    child = Child("xlsx", file, feed=contract.feed, limits=limits)
    try:
        return _first_fitting_sheet(child, contract, block_rows=block_rows)
    except BaseException:
        child.close()
        raise


def _first_fitting_sheet(child: Child, contract: Contract, *, block_rows: int) -> Reader:
    book = json.loads(b"".join(child.ask({"do": "open", "max_cells": contract.max_cells})))
    epoch = _EXCEL_EPOCH_1904 if book["is_1904"] else _EXCEL_EPOCH
    notes: list[Note] = []
    failure: FileError | None = None
    for index, sheet in enumerate(book["sheets"]):
        if not sheet["visible"]:
            notes.append(Note("N-SHEET-IGNORED", {"position": index + 1, "reason": "hidden"}))
            continue
        if not sheet["cells"]:
            continue
        head = [row.cells for row in _rows(child, {"do": "head", "sheet": index})]
        try:
            at, cells, found, headings = find_headings(head, contract)
        except FileError as error:
            failure = _more_telling(failure, error)
            continue
        notes += found
        for later, unread in enumerate(book["sheets"][index + 1 :], start=index + 2):
            if unread["cells"] or not unread["visible"]:
                reason = "behind the first that fits" if unread["visible"] else "hidden"
                notes.append(Note("N-SHEET-IGNORED", {"position": later, "reason": reason}))
        below = _rows(child, {"do": "rows", "sheet": index, "first": at + 1})
        layout = _Layout(contract, headings, epoch, at)
        return Reader(tuple(cells), notes, _blocks(below, layout, notes, block_rows=block_rows), child.close)
    raise failure or FileError("E-EMPTY")


def _rows(child: Child, request: dict[str, Any]) -> Iterator[_Row]:
    with contextlib.closing(child.ask(request)) as parts:
        for part in parts:
            marked = b'{"f":' in part or b'{"x":' in part
            portion = json.loads(part, object_hook=_cell)
            hidden = set(portion["hidden"])
            for at, cells in enumerate(portion["rows"], start=portion["first"]):
                yield _Row(at, cells, at in hidden, marked)


def _cell(item: dict[str, Any]) -> Any:
    """The child's way to write what JSON does not have."""
    if len(item) != 1:
        return item
    ((kind, value),) = item.items()
    if kind == "d":
        return dt.date.fromisoformat(value)
    if kind == "t":
        return str(value)
    return _Stored(value) if kind == "f" else _Unusable(str(value))


def _more_telling(before: FileError | None, now: FileError) -> FileError:
    return now if before is None or before.code == "E-EMPTY" else before


def find_headings(rows: Sequence[Sequence[_Cell]], contract: Contract) -> tuple[int, list[str], list[Note], Headings]:
    """The heading row (index, cells, notes, match): the first that fits alone or under merged cells of the row above.

    Raises the FileError of the row that came nearest, E-EMPTY for an empty sheet.
    """
    known = {fold(heading) for column in contract.columns for heading in column.headings}
    best: tuple[int, FileError] = (0, FileError("E-EMPTY"))
    for at, row in enumerate(rows[:HEADING_SEARCH_ROWS]):
        alone = [_plain_text(cell) for cell in row]
        while alone and not alone[-1].strip():
            alone.pop()
        above = [_plain_text(cell) for cell in rows[at - 1]] if at else []
        merged = [
            (alone[i] if i < len(alone) and alone[i].strip() else above[i] if i < len(above) else "")
            for i in range(max(len(alone), len(above)))
        ]
        for cells in (alone, merged) if above else (alone,):
            hits = sum(fold(cell) in known for cell in cells)
            notes: list[Note] = []
            try:
                headings = match_headings(cells, contract, notes)
            except FileError as error:
                if hits > best[0] or (best[1].code == "E-EMPTY" and any(cells)):
                    best = (hits, error)
                continue
            title_rows = sum(any(_plain_text(cell).strip() for cell in earlier) for earlier in rows[:at])
            title_rows -= cells is merged
            if title_rows > 0:
                notes.append(Note("N-TITLE-ROWS", {"count": title_rows}))
            return at, cells, notes, headings
    raise best[1]


@dataclass
class _Layout:
    """What stays the same from row to row of one sheet."""

    contract: Contract
    headings: Headings
    epoch: dt.date
    heading_at: int
    columns: list[Column] = field(init=False)
    places: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.columns = [column for column in self.contract.columns if column.name in self.headings.position]
        self.places = [self.headings.position[column.name] for column in self.columns]


@dataclass
class _Gathered:
    """The rows of one block so far."""

    cells: list[list[str | None]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    rejects: list[ShapeReject] = field(default_factory=list)
    legible: list[list[str | None]] = field(default_factory=list)

    def block(self, layout: _Layout) -> TextBlock:
        numbers = pl.Series("row_no", self.numbers, dtype=pl.Int32)
        legible = _frame(self.legible, layout) if self.legible else None
        return TextBlock(_frame(self.cells, layout), numbers, self.rejects, legible)


def _blocks(rows: Iterator[_Row], layout: _Layout, notes: list[Note], *, block_rows: int) -> Iterator[TextBlock]:
    gathered = _Gathered()
    formulas = hidden = 0
    first_formula = ""
    for row in rows:
        used: list[_Cell] = [row.cells[at] if at < len(row.cells) else None for at in layout.places]
        plain, stored, unusable = row.cells, [], []
        if row.marked:
            stored = [at for at, cell in zip(layout.places, used, strict=True) if isinstance(cell, _Stored)]
            unusable = [at for at, cell in zip(layout.places, used, strict=True) if isinstance(cell, _Unusable)]
            plain = [_value(cell) for cell in row.cells]
            used = [_value(cell) for cell in used]
        cells = [_sheet_text(cell, column, layout.epoch) for cell, column in zip(used, layout.columns, strict=True)]
        if not any(cells) and not unusable:
            continue
        if row.at == layout.heading_at + 1 and _numbers_the_columns(plain):
            notes.append(Note("N-NUMBERING", {"row": row.at + 1}))
            continue
        if _is_subtotal(plain, cells, layout.columns):
            notes.append(Note("N-SUBTOTAL", {"row": row.at + 1}))
            continue
        hidden += row.is_hidden
        formulas += len(stored)
        first_formula = first_formula or (_address(row.at, stored[0]) if stored else "")
        if unusable:
            column = layout.columns[layout.places.index(unusable[0])].name
            arguments: dict[str, object] = {"column": column, "cell": _address(row.at, unusable[0])}
            gathered.rejects.append(ShapeReject(row.at + 1, "E-FORMULA", arguments, column))
            gathered.legible.append(cells)
        else:
            gathered.cells.append(cells)
            gathered.numbers.append(row.at + 1)
        if len(gathered.cells) + len(gathered.rejects) >= block_rows:
            yield gathered.block(layout)
            gathered = _Gathered()
    if formulas:
        notes.append(Note("N-FORMULAS", {"count": formulas, "cell": first_formula}))
    if hidden:
        notes.append(Note("N-HIDDEN-ROWS", {"count": hidden}))
    yield gathered.block(layout)


def _value(cell: _Cell) -> _Cell:
    return cell.value if isinstance(cell, _Stored) else None if isinstance(cell, _Unusable) else cell


def _address(row: int, column: int) -> str:
    """A cell's place as a spreadsheet shows it: `C17`."""
    letters = ""
    column += 1
    while column:
        column, digit = divmod(column - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return f"{letters}{row + 1}"


def _frame(rows: list[list[str | None]], layout: _Layout) -> pl.DataFrame:
    by_column = zip(*rows, strict=True) if rows else [() for _ in layout.columns]
    series = {
        column.name: pl.Series(column.name, list(cells), dtype=pl.String)
        for column, cells in zip(layout.columns, by_column, strict=True)
    }
    return text_frame(series, layout.contract, len(rows))


def _is_subtotal(row: Sequence[_Cell], cells: Sequence[str | None], columns: Sequence[Column]) -> bool:
    """A row labelled Cộng or Tổng whose other cells are numbers or empty: a person named Tổng has an id and a type."""
    if not any(isinstance(cell, str) and _SUBTOTAL.match(fold(cell)) for cell in row):
        return False
    return not any(
        text and column.required and column.kind not in {"money", "integer", "decimal"}
        for text, column in zip(cells, columns, strict=True)
        if not (text and _SUBTOTAL.match(fold(text)))
    )


def _numbers_the_columns(row: Sequence[_Cell]) -> bool:
    labels = [_plain_text(cell).strip(" ()[]") for cell in row]
    labels = [label for label in labels if label]
    return len(labels) >= 3 and labels == [str(number) for number in range(1, len(labels) + 1)]


def _plain_text(cell: _Cell) -> str:
    cell = cell.value if isinstance(cell, _Stored) else cell
    if cell is None:
        return ""
    return number_text(cell) if isinstance(cell, (int, float)) and not isinstance(cell, bool) else str(cell)


def number_text(value: float) -> str:
    """A number as plain digits: integers without '.0', others with Excel's 15 significant digits, never E notation."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 2**53):
        return str(int(value))
    text = f"{value:.15g}"
    return text if "e" not in text else f"{value:.20f}".rstrip("0") if abs(value) < 1 else f"{value:.5E}"


def _sheet_text(cell: _Cell, column: Column, epoch: dt.date) -> str | None:
    """A cell as the text a CSV would hold: dates in ISO form, Excel's serial days as dates where a date is expected."""
    if cell is None or cell == "":
        return None
    if column.kind == "code" and (isinstance(cell, (bool, dt.date)) or (isinstance(cell, float) and cell % 1)):
        # a spreadsheet made a date, a truth or a fraction of what was a code: what it was nobody can tell
        return NO_CODE
    if isinstance(cell, dt.date):
        return cell.strftime("%Y-%m") if column.kind == "month" and cell.day == 1 else cell.isoformat()
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, (int, float)):
        whole = isinstance(cell, int) or cell.is_integer()
        serial = whole and _SERIAL_DAYS[0] <= cell <= _SERIAL_DAYS[1]
        if serial and column.kind in {"date", "date_or_year", "month"}:
            day = epoch + dt.timedelta(days=int(cell))
            return day.strftime("%Y-%m") if column.kind == "month" and day.day == 1 else day.isoformat()
        return number_text(cell)
    return str(cell)
