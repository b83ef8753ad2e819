"""A table written as a file in many ways, and what comes out of it again."""

from __future__ import annotations

import datetime as dt
import functools
import gzip
import io
import itertools
import re
import unicodedata
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pyarrow as pa
import pyarrow.parquet
from cell_oracle import cell as expected_cell
from cell_oracle import row as expected_row
from cell_oracle import totals, visible
from hypothesis import strategies as st
from openpyxl.cell import WriteOnlyCell
from table_strategies import RECEIVED_ON, Row, Table

from ingestion.contracts import Column, load_contracts
from ingestion.manifest import ManifestFile
from ingestion.readers import TextBlock, open_rows
from ingestion.verdicts import Verdicts, compile_verdicts

_NOT_IN_XML = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")


@dataclass(frozen=True)
class Layout:
    """How a table is laid out: its columns in order with their headings, and what is particular to a CSV."""

    headings: tuple[tuple[str, str], ...]
    extra_at: int | None = None
    encoding: str = "utf-8"
    codec: str = "utf-8"
    delimiter: str = ","
    line_end: str = "\n"
    quote_all: bool = False
    last_line_end: bool = True


@st.composite
def layouts(draw: st.DrawFn, feed: str) -> Layout:
    """Columns in any order under any of their headings, in every declared encoding and delimiter."""
    headings = list(draw(_headings(feed)))
    if draw(st.booleans()):
        draw(st.randoms(use_true_random=False)).shuffle(headings)
    encoding, codec = draw(
        st.sampled_from([("utf-8", "utf-8"), ("utf-8", "utf-8-sig"), ("utf-16", "utf-16"), ("cp1258", "cp1258")])
    )
    return Layout(
        tuple(headings),
        extra_at=draw(st.none() | st.integers(0, len(headings))),
        encoding=encoding,
        codec=codec,
        delimiter=draw(st.sampled_from(",;\t|")),
        line_end=draw(st.sampled_from(["\n", "\r\n"])),
        quote_all=draw(st.booleans()),
        last_line_end=draw(st.booleans()),
    )


def plain_layout(feed: str) -> Layout:
    """The feed's own names in the order of its contract."""
    return Layout(tuple((name, name) for name in load_contracts()[feed].column_names))


@functools.cache
def _headings(feed: str) -> st.SearchStrategy[Sequence[tuple[str, str]]]:
    columns = load_contracts()[feed].columns
    return st.tuples(*(st.tuples(st.just(column.name), _heading(column)) for column in columns))


def _heading(column: Column) -> st.SearchStrategy[str]:
    changes = [
        str, str.upper, str.title, lambda text: unicodedata.normalize("NFD", text), _bare, lambda text: f" {text} ",
    ]  # fmt: skip
    return st.sampled_from([column.name, *(change(heading) for heading in column.headings for change in changes)])


def _bare(text: str) -> str:
    kept = "".join(char for char in unicodedata.normalize("NFD", text) if not unicodedata.combining(char))
    return kept.replace("đ", "d").replace("Đ", "D")


# ------------------------------------------------------------------------------------------------------------- writing


def writable(table: Table, codec: str = "utf-8") -> Table:
    """The table with what no file of this kind can hold left out of its cells."""
    rows = tuple(
        {name: _encodable(text.replace("\x00", ""), codec) for name, text in row.items()} for row in table.rows
    )
    return replace(table, rows=rows)


def writable_in_workbook(table: Table) -> Table:
    """The table without characters that a workbook cannot hold."""
    rows = tuple({name: _NOT_IN_XML.sub("", text) for name, text in row.items()} for row in table.rows)
    return replace(table, rows=rows)


def _encodable(text: str, codec: str) -> str:
    if codec != "cp1258":
        return text
    return "".join(char for char in _for_windows(text) if char.encode("cp1258", "ignore"))


def _for_windows(text: str) -> str:
    """Vietnamese as Windows writes it: letters composed, tones behind them."""
    kept = []
    for char in unicodedata.normalize("NFC", text):
        decomposed = unicodedata.normalize("NFD", char)
        if char.encode("cp1258", "ignore") or len(decomposed) == 1:
            kept.append(char)
            continue
        tones = [mark for mark in decomposed[1:] if mark.encode("cp1258", "ignore")]
        letter = decomposed[0] + "".join(mark for mark in decomposed[1:] if mark not in tones)
        kept.append(unicodedata.normalize("NFC", letter) + "".join(tones))
    return "".join(kept)


def csv_bytes(table: Table, layout: Layout) -> bytes:
    """The table as a CSV; blank rows are written as rows of empty cells."""
    lines = [_with_extra([_encodable(heading, layout.codec) for _, heading in layout.headings], layout, "Ghi chú thêm")]
    lines += [_with_extra([row[name] for name, _ in layout.headings], layout, "x") for row in table.rows]
    text = layout.line_end.join(layout.delimiter.join(_quoted(cell, layout) for cell in line) for line in lines)
    return (text + (layout.line_end if layout.last_line_end else "")).encode(layout.codec)


def _with_extra(cells: list[str], layout: Layout, cell: str) -> list[str]:
    if layout.extra_at is None or not any(cells):
        return cells if layout.extra_at is None else [*cells, ""]
    return [*cells[: layout.extra_at], _encodable(cell, layout.codec), *cells[layout.extra_at :]]


def _quoted(cell: str, layout: Layout) -> str:
    needed = any(char in cell for char in ('"', "\r", "\n", layout.delimiter))
    return '"' + cell.replace('"', '""') + '"' if needed or layout.quote_all else cell


def native(column: Column, text: str, unit: str, period: str) -> Any:
    """A cell as a program would write it that knows the type: a number, a date; text where it is none."""
    value = expected_cell(column, text, unit=unit, period=period).value
    if column.kind == "money" and unit != "dong":
        return text
    if isinstance(value, Decimal):
        short = len(value.as_tuple().digits) <= 15 and abs(value) < 10**15
        return float(value) if short and Decimal(repr(float(value))) == value else text
    if isinstance(value, dt.date):
        return value if value.year >= 1920 else text
    if column.kind == "date_or_year" and isinstance(value, str):
        number = int(value) if len(value) == 4 else dt.date.fromisoformat(value)
        return number if isinstance(number, int) or number.year >= 1920 else text
    return value if isinstance(value, int) else text


def workbook_bytes(table: Table, layout: Layout, *, typed: bool, above: int = 0) -> bytes:
    """The table as a workbook, below `above` rows of a title; `typed`: numbers and dates as such."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Biểu")
    for number in range(above):
        sheet.append([f"BẢO HIỂM XÃ HỘI TỈNH {number}"])
    sheet.append([heading for _, heading in layout.headings])
    columns = [table.contract.column(name) for name, _ in layout.headings]
    for row in table.rows:
        cells = []
        for column in columns:
            text = row[column.name]
            value = native(column, text, table.unit, table.period) if typed else text
            cell = WriteOnlyCell(sheet, value=None if value == "" else value)
            if isinstance(value, str) and value:
                cell.data_type = "s"  # text that begins with = is text
            cells.append(cell)
        sheet.append(cells)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def parquet_bytes(table: Table, layout: Layout, *, typed: bool) -> bytes:
    """The table as a Parquet file; `typed`: a column whose cells all have a native form is of its type."""
    columns = {}
    for name, heading in layout.headings:
        cells: list[Any] = [row[name] or None for row in table.rows]
        if typed:
            column = table.contract.column(name)
            forms = [None if cell is None else native(column, cell, table.unit, table.period) for cell in cells]
            kinds = {type(form) for form in forms if form is not None}
            cells = forms if len(kinds) == 1 else cells
        columns[heading] = pa.array(cells) if any(cell is not None for cell in cells) else pa.array(cells, pa.string())
    stream = io.BytesIO()
    pa.parquet.write_table(pa.table(columns), stream)
    return stream.getvalue()


def gzipped(content: bytes) -> bytes:
    """The content as the one member of a gzip."""
    return gzip.compress(content, mtime=0)


def zipped(content: bytes, name: str) -> bytes:
    """The content as the one entry of a zip."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


# ------------------------------------------------------------------------------------------------------------- reading


@dataclass(frozen=True)
class Outcome:
    """All that came out of a file: typed rows, what is named in rows that were set aside, totals, notes."""

    taken: Mapping[int, Mapping[str, Any]]
    refused: Mapping[int, frozenset[tuple[str | None, str]]]
    totals: Mapping[str, Decimal]
    notes: Mapping[str, int]
    rows: int


_serial = itertools.count()


def outcome(
    folder: Path, content: bytes, table: Table, *, name: str, layout: Layout | None = None, block_rows: int = 65_536
) -> Outcome:
    """Read a file whole. Raises FileError."""
    path = folder / f"{next(_serial)}-{name}"
    path.write_bytes(content)
    layout = layout or plain_layout(table.feed)
    kind = next(form for form in ("xlsx", "parquet", "csv") if form in name)
    file = ManifestFile(
        feed=table.feed, path=path.name, format=kind, encoding=layout.encoding, delimiter=layout.delimiter,  # type: ignore[arg-type]
        bytes=len(content), sha256="0" * 64, rows=len(table.rows), unit=table.unit,  # type: ignore[arg-type]
    )  # fmt: skip
    rules = compiled(table.feed, table.unit, table.period)
    taken: dict[int, Mapping[str, Any]] = {}
    refused: dict[int, set[tuple[str | None, str]]] = {}
    sums: dict[str, Decimal] = dict.fromkeys(rules.judged(block_of(table, [])).totals, Decimal(0))
    rows = 0
    try:
        reader = open_rows(path, file, table.contract, block_rows=block_rows)
        for block in reader:
            verdict = rules.judged(block)
            rows += block.rows
            taken |= zip(verdict.row_no.to_list(), verdict.good.to_dicts(), strict=True)
            refused |= {number: set() for number in verdict.bad_rows.to_list()}
            for number, column, code, _ in verdict.rejects.iter_rows():
                refused[number].add((column, code))
            refused |= {reject.row_no: {(None, reject.code)} for reject in block.ragged}
            sums = {column: sums[column] + value for column, value in verdict.totals.items()}
    finally:
        path.unlink()
    notes: dict[str, int] = {}
    for note in reader.notes:
        count = note.arguments.get("count", 1)
        notes[note.code] = notes.get(note.code, 0) + (count if isinstance(count, int) else 1)
    return Outcome(taken, {number: frozenset(found) for number, found in refused.items()}, sums, notes, rows)


@functools.cache
def compiled(feed: str, unit: str, period: str) -> Verdicts:
    """The rules of a feed."""
    return compile_verdicts(load_contracts()[feed], unit=unit, period=period, received_on=RECEIVED_ON)  # type: ignore[arg-type]


def block_of(table: Table, rows: Sequence[Row], *, first: int = 2) -> TextBlock:
    """The rows as a reader hands them over: an empty cell is null."""
    frame = pl.DataFrame(
        {
            name: pl.Series(name, [row[name] or None for row in rows], dtype=pl.String)
            for name in table.contract.column_names
        }
    )
    return TextBlock(frame, pl.Series("row_no", range(first, first + len(rows)), dtype=pl.Int32), [])


def same(table: Table, column: str, loaded: object, wanted: object) -> bool:
    """Whether what is loaded is what was sent: text as it is seen, decimals with their digits."""
    kind = table.contract.column(column).kind
    if wanted is None or loaded is None:
        return loaded is wanted
    if kind == "month":
        # raw's column is a date; the loader hands over its text
        return isinstance(wanted, dt.date) and loaded == wanted.isoformat()
    if kind == "decimal":
        return isinstance(wanted, Decimal) and Decimal(str(loaded)).as_tuple() == wanted.as_tuple()
    if isinstance(wanted, str):
        return visible(str(loaded)) == wanted
    return type(loaded) is type(wanted) and loaded == wanted


def blank(row: Row) -> bool:
    """Whether a row says nothing at all."""
    return not any(visible(text) for text in row.values())


def says_what_it_should(table: Table, found: Outcome, *, heading_row: int = 1, digits_kept: bool = True) -> None:
    """Every row at its number: its values, or its faulty columns. Blank rows may be passed over; the sums add up.

    `digits_kept`: numbers were sent as text; else 3.50 may come out as 3.5.
    """
    numbers = range(heading_row + 1, heading_row + 1 + len(table.rows))
    assert set(found.taken) | set(found.refused) <= set(numbers)
    assert not set(found.taken) & set(found.refused)
    assert found.rows == len(found.taken) + len(found.refused)
    there = []
    for number, sent in zip(numbers, table.rows, strict=True):
        wanted = expected_row(table.contract, sent, unit=table.unit, period=table.period, received_on=RECEIVED_ON)
        if number in found.taken:
            assert not wanted.must, (number, wanted.must)
            _same_values(table, found.taken[number], wanted.values, number, digits_kept=digits_kept)
        elif number in found.refused:
            columns = {column for column, code in found.refused[number] if code != "E-LEGACY-TEXT"}
            legacy = {column for column, code in found.refused[number] if code == "E-LEGACY-TEXT"}
            assert wanted.must <= columns | legacy, (number, wanted.must, columns)
            assert columns <= wanted.must | wanted.may, (number, wanted.must, columns)
        else:
            assert blank(sent), f"row {number} is gone"
            continue
        there.append(sent)
    assert found.totals == totals(table.contract, there, table.unit)


def _same_values(
    table: Table, loaded: Mapping[str, Any], wanted: Mapping[str, object], number: int, *, digits_kept: bool
) -> None:
    for name, value in loaded.items():
        if not digits_kept and isinstance(wanted[name], Decimal):
            assert Decimal(value) == wanted[name], (number, name)
        else:
            assert same(table, name, value, wanted[name]), (number, name)
