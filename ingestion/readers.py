"""From a file to blocks of text rows: headings matched to the contract, every row with the number a spreadsheet shows.

Cells stay text; an empty cell is null. A row whose cells cannot be told apart is a `ShapeReject`; a file whose rows
cannot be told apart, or whose headings do not fit, is a `FileError`. CSV is streamed in flat memory, through gzip, zip
and age too: blocks without quotes go straight to pyarrow, the others are looked through line by line first, because one
bad quote would make pyarrow refuse the whole file. Rows are records, not lines: a legal quoted newline does not shift
the numbers. Workbooks and parquet are parsed by a child under limits.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv

from ingestion.blocks import (
    FileError,
    Note,
    Reader,
    ShapeReject,
    TextBlock,
    blank_rows_note,
    text_frame,
    without_empty_rows,
)
from ingestion.containers import IN_MEMORY_BYTES, Content, in_memory, open_content, too_large
from ingestion.contracts import Contract
from ingestion.headings import Headings, fold, match_headings
from ingestion.manifest import ManifestFile
from ingestion.parquet import open_parquet
from ingestion.plain_csv import plain_frame
from ingestion.workbooks import open_workbook

__all__ = ["FileError", "Note", "Reader", "ShapeReject", "TextBlock", "fold", "open_rows"]

_BYTES_A_ROW = 96
_LONGEST_ROW = 1 << 20
_LONGEST_UNBROKEN = 64 << 20
_BOM = codecs.BOM_UTF8
_EXPECTED = {"csv": "CSV", "xlsx": "xlsx workbook", "parquet": "parquet"}
_KIND = {"csv": "text", "xlsx": "zip or xlsx", "parquet": "parquet"}


def open_rows(
    path: Path, file: ManifestFile, contract: Contract, *, identity: str | None = None, block_rows: int = 24_576
) -> Reader:
    """Open one file of a submission. Raises FileError when it is not what the manifest says or its headings do not fit.

    `path` is where the bytes lie, under whatever name; `file.path` says what they are wrapped in (`.gz`, `.zip`, `.age`
    around either). `identity`: the text of the warehouse's age identity file. `block_rows` is what a block of a CSV
    comes to roughly; each block's exact height follows from its bytes. Who stops reading early calls `close`.
    """
    content = open_content(path, name=file.path or "", contract=contract, identity=identity)
    try:
        if content.kind != _KIND[file.format]:
            if content.kind == "zip or xlsx" and {"gz", "zip"} & {*content.layers}:
                raise FileError("E-ARCHIVE", {"found": "an archive inside an archive"})
            raise FileError("E-FORMAT", {"expected": _EXPECTED[file.format], "found": content.kind})
        if file.format == "csv":
            return _open_csv(content, file, contract, block_bytes=max(block_rows, 16) * _BYTES_A_ROW)
        seekable = _seekable(path, content, contract, is_workbook=file.format == "xlsx")
    except BaseException:
        content.close()
        raise
    if file.format == "xlsx":
        return open_workbook(seekable, contract, block_rows=block_rows)
    return open_parquet(seekable, contract, block_rows=block_rows)


def _seekable(path: Path, content: Content, contract: Contract, *, is_workbook: bool) -> BinaryIO:
    """The content as a file that can be read out of order: the one on disk if nothing is around it, else in memory."""
    if content.layers:
        return in_memory(content.rest, contract, start=content.start)
    if is_workbook and path.stat().st_size > IN_MEMORY_BYTES:
        raise too_large(contract, IN_MEMORY_BYTES)
    return cast("BinaryIO", content.rest)


def _open_csv(content: Content, file: ManifestFile, contract: Contract, *, block_bytes: int) -> Reader:
    chunks = _record_chunks(_utf8_chunks(content, file.encoding, block_bytes))
    notes: list[Note] = []
    try:
        first = next(chunks, b"")
        heading, rest, heading_row = _split_heading(first, file)
    except UnicodeError:
        raise FileError("E-ENCODING", {"encoding": file.encoding}, where="row 1") from None
    headings = match_headings(heading, contract, notes)
    layout = _CsvLayout(contract, headings, file, _RecordScanner(file.delimiter))

    def blocks() -> Iterator[TextBlock]:
        row_no = heading_row
        blank = 0
        pending: bytes | None = rest
        while pending is not None:
            if pending:
                before = row_no
                block, row_no = _csv_block(pending, row_no, layout)
                blank += row_no - before - block.rows
                yield block
            try:
                pending = next(chunks, None)
            except UnicodeError:
                raise FileError("E-ENCODING", {"encoding": file.encoding}, where=f"after row {row_no}") from None
        notes.extend(blank_rows_note(blank))

    return Reader(tuple(heading), notes, blocks(), content.close)


def _utf8_chunks(content: Content, encoding: str, size: int) -> Iterator[bytes]:
    """The content as UTF-8 without a byte order mark. Raises UnicodeError where it is not `encoding`.

    Ends normally only behind the last byte, which is when a container is known to be whole.
    """
    chunk = content.start + content.rest.read(size - len(content.start))
    if encoding == "utf-8":
        chunk = chunk.removeprefix(_BOM)
        while chunk:
            yield chunk
            chunk = content.rest.read(size)
        return
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    while chunk:
        yield decoder.decode(chunk).encode("utf-8")
        chunk = content.rest.read(size)
    yield decoder.decode(b"", final=True).encode("utf-8")


def _record_chunks(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Cut at line ends; a chunk whose last quote may be open is cut before the line that opens it, if that is near."""
    carry = b""
    old_mac: bool | None = None
    for raw in chunks:
        if old_mac is None:
            # a last one may be half of a line end that goes on in the next chunk
            old_mac = b"\r" in raw[:-1] and b"\n" not in raw
        data = carry + (raw.replace(b"\r", b"\n") if old_mac else raw)
        cut = data.rfind(b"\n") + 1
        if cut == 0:
            if len(data) > _LONGEST_UNBROKEN:
                raise FileError("E-FORMAT", {"expected": "CSV", "found": "no line ends"})
            carry = data
            continue
        if data.count(b'"', 0, cut) % 2:
            cut = _before_open_record(data, cut)
        if cut:
            yield data[:cut]
        carry = data[cut:]
    if carry:
        yield carry


def _before_open_record(data: bytes, cut: int) -> int:
    """Where the record begins whose quote is still open at `cut`, so that a quoted newline is not cut.

    0 means that all of it must wait for more; `cut` if the record would be longer than any may be.
    """
    start, quotes = cut, data.count(b'"', 0, cut)
    while quotes % 2:
        line_start = data.rfind(b"\n", 0, data.rfind(b'"', 0, start)) + 1
        quotes -= data.count(b'"', line_start, start)
        start = line_start
        if cut - start >= _LONGEST_ROW:
            return cut
    return start


def _split_heading(first: bytes, file: ManifestFile) -> tuple[list[str], bytes, int]:
    """The heading's cells, the bytes behind it, and its row number (blank lines above count)."""
    row = 0
    position = 0
    while position < len(first):
        row += 1
        end = first.find(b"\n", position)
        end = len(first) if end < 0 else end + 1
        line = first[position:end]
        while line.count(b'"') % 2 and end < len(first) and len(line) < _LONGEST_ROW:
            following = first.find(b"\n", end)
            end = len(first) if following < 0 else following + 1
            line = first[position:end]
        position = end
        text = line.decode("utf-8")
        if "\x00" in text:
            raise FileError("E-ENCODING", {"encoding": file.encoding}, where=f"row {row}")
        try:
            cells = next(csv.reader(io.StringIO(text, newline=""), delimiter=file.delimiter), [])
        except csv.Error:
            raise FileError("E-FORMAT", {"expected": "CSV", "found": "no heading"}, where=f"row {row}") from None
        if any(cell.strip() for cell in cells):
            return cells, first[position:], row
    raise FileError("E-EMPTY")


@dataclass(frozen=True)
class _Scanned:
    clean: bytes
    row_no: list[int] | None
    rejects: list[ShapeReject]
    last_row: int
    quoted: bool


class _RecordScanner:
    """Tells records from lines in a block that pyarrow alone would refuse, and sets the unreadable ones aside."""

    def __init__(self, delimiter: str) -> None:
        mark = re.escape(delimiter.encode())
        cell = rb'(?:"(?:[^"]|"")*+"|(?!")[^%s\r\n]*+)' % mark
        self._record = re.compile(rb"%s(?:%s%s)*+\r?\n?" % (cell, mark, cell))
        self._quoted = re.compile(rb'"(?:[^"]|"")*+"')
        self._delimiter = delimiter.encode()
        self._edge = np.zeros(256, dtype=np.bool_)
        self._edge[[ord(delimiter), ord("\r"), ord("\n")]] = True
        self._ordinary = ~self._edge
        self._ordinary[ord('"')] = False

    def looks_well_quoted(self, data: bytes) -> bool:
        """Whether no quote stands inside a cell; pyarrow alone would read such a cell in its own way."""
        around = np.frombuffer(b"\n" + data + b"\n\n", dtype=np.uint8)
        at = np.flatnonzero(around == ord('"'))
        before, after = around[at - 1], around[at + 1]
        inside_a_cell = self._ordinary[before] & self._ordinary[after]
        behind_an_empty_one = self._edge[before] & (after == ord('"')) & self._ordinary[around[at + 2]]
        return len(at) % 2 == 0 and not (inside_a_cell | behind_an_empty_one).any()

    def scan(self, data: bytes, row_no: int, width: int) -> _Scanned:
        """Look at every line of `data`, whose first record has the number `row_no` + 1."""
        lines = data.splitlines(keepends=True) if b"\r" not in data else _split_lines(data)
        clean: list[bytes] = []
        numbers: list[int] = []
        rejects: list[ShapeReject] = []
        index = 0
        quoted = False
        while index < len(lines):
            row_no += 1
            line = lines[index]
            taken = 1
            code = self._fault(line)
            if code == "E-QUOTE" and line.count(b'"') % 2:
                joined, taken = self._join(lines, index, width)
                if taken > 1:
                    line, code = joined, self._fault(joined)
            index += taken
            if code is not None:
                arguments: dict[str, object] = {"limit": _LONGEST_ROW} if code == "E-LONG" else {}
                rejects.append(ShapeReject(row_no, code, arguments))
            elif line.strip(b"\r\n"):
                quoted = quoted or b'"' in line
                clean.append(line)
                numbers.append(row_no)
        return _Scanned(b"".join(clean), numbers, rejects, row_no, quoted)

    def _fault(self, record: bytes) -> str | None:
        if len(record) > _LONGEST_ROW:
            return "E-LONG"
        if b"\x00" in record:
            return "E-CONTROL"
        if b'"' not in record:
            return "E-CONTROL" if b"\r" in record.rstrip(b"\r\n") else None
        return None if self._record.fullmatch(record) else "E-QUOTE"

    def _join(self, lines: list[bytes], index: int, width: int) -> tuple[bytes, int]:
        """The record that begins in this line, if it closes as a legal one of the right width; else one line."""
        record = lines[index]
        size = len(record)
        parts = [record]
        for taken in range(2, len(lines) - index + 1):
            line = lines[index + taken - 1]
            parts.append(line)
            size += len(line)
            if size > _LONGEST_ROW:
                break
            if b'"' not in line:
                continue
            record = b"".join(parts)
            if self._record.fullmatch(record):
                cells = self._quoted.sub(b"", record).count(self._delimiter) + 1
                return (record, taken) if cells == width else (lines[index], 1)
            if line.count(b'"') % 2:
                break
        return lines[index], 1


def _split_lines(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    last = lines.pop()
    return [line + b"\n" for line in lines] + ([last] if last else [])


@dataclass(frozen=True)
class _CsvLayout:
    """What stays the same from block to block of one CSV."""

    contract: Contract
    headings: Headings
    file: ManifestFile
    scanner: _RecordScanner


def _csv_block(data: bytes, row_no: int, layout: _CsvLayout) -> tuple[TextBlock, int]:
    """Parse one block of whole records; returns it with the number of its last row."""
    headings = layout.headings
    plain = (
        None
        if _may_hold_long_line(data)
        else plain_frame(data, delimiter=layout.file.delimiter, width=headings.width, position=headings.position)
    )
    if plain is not None:
        wanted, lines = plain
        height = wanted.height
        numbers = pl.int_range(row_no + 1, row_no + 1 + height, dtype=pl.Int32, eager=True).alias("row_no")
        frame, numbers = without_empty_rows(text_frame(wanted.to_dict(), layout.contract, height), numbers)
        is_plain = layout.file.delimiter == ","
        lines = lines if frame.height == height else None
        return TextBlock(frame, numbers, [], is_plain=is_plain, lines=lines), row_no + height
    try:
        scanned, table, wrong_width = _records(data, row_no, layout)
    except pa.ArrowInvalid:
        where = _bad_row(data, row_no)
        raise FileError("E-ENCODING", {"encoding": layout.file.encoding}, where=where) from None
    total = table.num_rows + len(wrong_width)
    if scanned.row_no is None:
        numbers = pl.int_range(row_no + 1, row_no + 1 + total, dtype=pl.Int32, eager=True)
    else:
        numbers = pl.Series(scanned.row_no, dtype=pl.Int32)
    if len(numbers) != total:
        found = {"expected": "CSV", "found": "rows that cannot be told apart"}
        raise FileError("E-FORMAT", dict(found), where=f"after row {row_no}")
    ragged = list(scanned.rejects)
    if wrong_width:
        places = [number - 1 for number, _ in wrong_width]
        for row, (_, actual) in zip(numbers.gather(places).to_list(), wrong_width, strict=True):
            ragged.append(ShapeReject(row, "E-RAGGED", {"actual": actual, "expected": layout.headings.width}))
        keep = pl.Series([True]).new_from_index(0, total).scatter(places, False)
        numbers = numbers.filter(keep)
    columns = {name: pl.Series(name, table.column(f"c{at}")) for name, at in layout.headings.position.items()}
    frame, numbers = without_empty_rows(text_frame(columns, layout.contract, table.num_rows), numbers.alias("row_no"))
    return TextBlock(frame, numbers, sorted(ragged, key=lambda reject: reject.row_no)), scanned.last_row


def _records(data: bytes, row_no: int, layout: _CsvLayout) -> tuple[_Scanned, pa.Table, list[tuple[int, int]]]:
    """The block as a table, with (number in the block, cells) of each record of another width than the heading.

    A tidy block, in which every line is a record, needs no scan. Raises pa.ArrowInvalid on bytes that are not UTF-8.
    """
    tidy = (
        b"\x00" not in data
        and (b"\r" not in data or data.count(b"\r") == data.count(b"\r\n"))
        and b"\n\n" not in data
        and b"\n\r\n" not in data
        and not data.startswith((b"\n", b"\r\n"))
        and not _may_hold_long_line(data)
    )
    if not data.strip(b"\r\n"):
        # a file may be blank lines for gigabytes
        nothing = _Scanned(b"", [], [], row_no + data.count(b"\n") + (not data.endswith(b"\n")), quoted=False)
        return (nothing, *_parse(nothing, layout))
    quoted = b'"' in data
    if tidy and (not quoted or layout.scanner.looks_well_quoted(data)):
        lines = data.count(b"\n") + (not data.endswith(b"\n"))
        whole = _Scanned(data, None, [], row_no + lines, quoted)
        try:
            table, wrong_width = _parse(whole, layout)
        except pa.ArrowInvalid:
            if not quoted:
                raise
        else:
            if table.num_rows + len(wrong_width) == lines:
                return whole, table, wrong_width
    scanned = layout.scanner.scan(data, row_no, layout.headings.width)
    return (scanned, *_parse(scanned, layout))


def _may_hold_long_line(data: bytes) -> bool:
    """Whether a line may be above the limit: then it has no line end in one of the windows of half that size."""
    window = _LONGEST_ROW // 2
    starts = range(0, len(data) - window + 1, window)
    return any(data.find(b"\n", start, start + window) < 0 for start in starts)


def _parse(scanned: _Scanned, layout: _CsvLayout) -> tuple[pa.Table, list[tuple[int, int]]]:
    names = [f"c{index}" for index in range(layout.headings.width)]
    wanted = {f"c{index}": pa.string() for index in layout.headings.position.values()}
    wrong_width: list[tuple[int, int]] = []

    def set_aside(row: Any) -> str:
        wrong_width.append((row.number, row.actual_columns))
        return "skip"

    if not scanned.clean:
        return pa.schema(list(wanted.items())).empty_table(), wrong_width
    try:
        scanned.clean.decode("utf-8")
    except UnicodeDecodeError:
        # pyarrow would print the row it cannot hand to `set_aside`
        raise pa.ArrowInvalid("not UTF-8") from None
    table = pa.csv.read_csv(
        pa.BufferReader(scanned.clean),
        read_options=pa.csv.ReadOptions(column_names=names, block_size=len(scanned.clean) + 1, use_threads=False),
        parse_options=pa.csv.ParseOptions(
            delimiter=layout.file.delimiter,
            quote_char='"' if scanned.quoted else False,
            newlines_in_values=scanned.quoted,
            ignore_empty_lines=False,
            invalid_row_handler=set_aside,
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types=wanted, include_columns=list(wanted), strings_can_be_null=True, null_values=[""]
        ),
    )
    return table, wrong_width


def _bad_row(data: bytes, row_no: int) -> str:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start)
        return f"near row {row_no + 1 + line}"
    return f"after row {row_no}"
