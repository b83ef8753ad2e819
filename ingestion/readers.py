"""From a file to blocks of text rows: headings matched to the contract, every row with the number a spreadsheet shows.

Cells stay text; an empty cell is null. A row whose cells cannot be told apart is a `ShapeReject`; a file whose rows
cannot be told apart, or whose headings do not fit, is a `FileError`. CSV is streamed in flat memory: blocks without
quotes go straight to pyarrow, the others are looked through line by line first, because one bad quote would make
pyarrow refuse the whole file. Rows are records, not lines: a legal quoted newline does not shift the numbers.
"""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import difflib
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import python_calamine

from ingestion.contracts import Column, Contract
from ingestion.manifest import ManifestFile

_BYTES_A_ROW = 96
_LONGEST_ROW = 1 << 20
_LONGEST_UNBROKEN = 64 << 20
_HEADING_SEARCH_ROWS = 40
_WORKBOOK_BYTES = 512 << 20
_BOM = codecs.BOM_UTF8
_EXCEL_EPOCH = dt.date(1899, 12, 30)
_SERIAL_DAYS = (7_306, 109_574)  # 1920-01-01 to 2199-12-31; a smaller number in a birth date is a year
_MAGIC = (
    (b"PK\x03\x04", "zip or xlsx"),
    (b"\xd0\xcf\x11\xe0", "encrypted or old Excel workbook"),
    (b"\x1f\x8b", "gzip"),
    (b"%PDF", "PDF"),
    (b"PAR1", "parquet"),
    (b"\x7fELF", "program"),
    (b"MZ\x90", "program"),
)
_FORBIDDEN_PARTS = (
    ("vbaproject.bin", "macros"),
    ("externallinks/", "external links"),
    ("embeddings/", "embedded objects"),
    ("activex/", "embedded objects"),
)
_SUBTOTAL = re.compile(
    r"^(tong|cong)( (cong|so|tang|giam|tien|chung|phat sinh|luy ke|nhom|muc|trang|don vi)( .{0,20})?)?[:.]?$"
)


class FileError(Exception):
    """The whole file is refused. Carries a code, its arguments and where; never a cell's value."""

    def __init__(self, code: str, args: dict[str, object] | None = None, where: str = "") -> None:
        """`code` of the catalogue, its arguments, and the place in the file in words (`row 17`)."""
        super().__init__(code)
        self.code = code
        self.arguments = args or {}
        self.where = where

    def __str__(self) -> str:
        """Code and place."""
        return f"{self.code} {self.where}".strip()


@dataclass(frozen=True)
class Note:
    """Something that was noticed and did not matter: a code of the catalogue and its arguments."""

    code: str
    arguments: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class ShapeReject:
    """A row that is set aside before its cells could be looked at."""

    row_no: int
    code: str
    arguments: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class TextBlock:
    """Some rows of a file: all contract columns as text in contract order, and each row's number (Int32)."""

    frame: pl.DataFrame
    row_no: pl.Series
    ragged: list[ShapeReject]

    @property
    def rows(self) -> int:
        """Data rows of the file in this block, the unreadable ones included."""
        return self.frame.height + len(self.ragged)


@dataclass
class Reader:
    """The blocks of one file. `notes` is complete once the blocks have been read."""

    headings: tuple[str, ...]
    notes: list[Note]
    _blocks: Iterator[TextBlock]

    def __iter__(self) -> Iterator[TextBlock]:
        """Blocks in file order. Raises FileError, E-EMPTY at the end if there was no row."""
        rows = 0
        for block in self._blocks:
            rows += block.rows
            if block.rows:
                yield block
        if rows == 0:
            raise FileError("E-EMPTY")


def open_rows(
    path: Path, file: ManifestFile, contract: Contract, *, identity: str | None = None, block_rows: int = 65_536
) -> Reader:
    """Open one file of a submission. Raises FileError when it is not what the manifest says or its headings do not fit.

    `block_rows` is what a block of a CSV comes to roughly; each block's exact height follows from its bytes.
    """
    del identity
    if path.suffix in {".gz", ".zip"} or (file.path or "").endswith((".gz", ".zip")):
        raise FileError("E-FORMAT", {"expected": file.format, "found": path.suffix.lstrip(".")})
    with path.open("rb") as stream:
        start = stream.read(8)
    if not start:
        raise FileError("E-EMPTY")
    found = next((name for magic, name in _MAGIC if start.startswith(magic)), "text")
    if file.format == "csv":
        if found != "text":
            raise FileError("E-FORMAT", {"expected": "CSV", "found": found})
        return _open_csv(path, file, contract, block_bytes=max(block_rows, 16) * _BYTES_A_ROW)
    if file.format == "xlsx":
        if not start.startswith(b"PK\x03\x04"):
            raise FileError("E-FORMAT", {"expected": "xlsx workbook", "found": found})
        return _open_workbook(path, contract, block_rows=block_rows)
    if found != "parquet":
        raise FileError("E-FORMAT", {"expected": "parquet", "found": found})
    return _open_parquet(path, contract, block_rows=block_rows)


def fold(text: str) -> str:
    """A heading without case, accents, composition, underscores and repeated spaces: what headings are compared by."""
    bare = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    bare = re.sub(r"[\u200b-\u200f\u2060\ufeff\u00ad]", "", bare)
    return re.sub(r"[\s_]+", " ", bare.casefold().replace("đ", "d").replace("ð", "d")).strip(" *:")


# ---------------------------------------------------------------------------------------------------------- headings


@dataclass(frozen=True)
class _Headings:
    """Which cell of a row holds which column; `width` is how many cells a row must have."""

    position: dict[str, int]
    width: int


def _match_headings(cells: Sequence[str], contract: Contract, notes: list[Note]) -> _Headings:
    """Match by name or alias. Raises E-HEADING-MISSING and E-HEADING-TWICE; what is only unusual is noted."""
    by_heading = {fold(heading): column for column in contract.columns for heading in column.headings}
    position: dict[str, int] = {}
    for index, cell in enumerate(cells):
        column = by_heading.get(fold(cell))
        if column is None:
            continue
        if column.name in position:
            raise FileError("E-HEADING-TWICE", {"column": column.name})
        position[column.name] = index
    for column in contract.columns:
        if column.required and column.name not in position:
            unknown = [cell for cell in cells if fold(cell) not in by_heading]
            raise FileError("E-HEADING-MISSING", {"column": column.name, "nearest": _nearest_heading(column, unknown)})
    for index, cell in enumerate(cells):
        if index not in position.values() and cell.strip():
            notes.append(Note("N-COLUMN-IGNORED", {"heading": cell.strip()[:60], "position": index + 1}))
    for name, index in position.items():
        if cells[index] != name:
            notes.append(Note("N-ALIAS", {"column": name}))
    in_contract_order = [position[name] for name in contract.column_names if name in position]
    if in_contract_order != sorted(in_contract_order):
        notes.append(Note("N-ORDER"))
    return _Headings(position, len(cells))


def _nearest_heading(column: Column, headings: Iterable[str]) -> str | None:
    folded = {fold(heading): heading for heading in headings if heading.strip()}
    scored = [
        (difflib.SequenceMatcher(None, fold(wanted), candidate).ratio(), candidate)
        for wanted in column.headings
        for candidate in folded
    ]
    score, candidate = max(scored, default=(0.0, ""))
    return folded[candidate].strip()[:60] if score >= 0.5 else None


def _text_frame(columns: dict[str, pl.Series], contract: Contract, height: int) -> pl.DataFrame:
    empty = pl.repeat(None, height, dtype=pl.String, eager=True)
    return pl.DataFrame([columns.get(name, empty).alias(name) for name in contract.column_names])


def _without_empty_rows(frame: pl.DataFrame, row_no: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
    """Drop rows in which every contract column is empty; looked for only where the first column has a gap."""
    if frame.height == 0 or min(series.null_count() for series in frame.get_columns()) == 0:
        return frame, row_no
    filled = frame.select(filled=pl.any_horizontal(pl.all().is_not_null()))["filled"]
    return (frame, row_no) if filled.all() else (frame.filter(filled), row_no.filter(filled))


# --------------------------------------------------------------------------------------------------------------- CSV


def _open_csv(path: Path, file: ManifestFile, contract: Contract, *, block_bytes: int) -> Reader:
    chunks = _record_chunks(_utf8_chunks(path, file.encoding, block_bytes))
    notes: list[Note] = []
    try:
        first = next(chunks, b"")
        heading, rest, heading_row = _split_heading(first, file)
    except UnicodeDecodeError:
        raise FileError("E-ENCODING", {"encoding": file.encoding}, where="row 1") from None
    headings = _match_headings(heading, contract, notes)
    layout = _CsvLayout(contract, headings, file, _RecordScanner(file.delimiter))

    def blocks() -> Iterator[TextBlock]:
        row_no = heading_row
        pending: bytes | None = rest
        while pending is not None:
            if pending:
                block, row_no = _csv_block(pending, row_no, layout)
                yield block
            try:
                pending = next(chunks, None)
            except UnicodeDecodeError:
                raise FileError("E-ENCODING", {"encoding": file.encoding}, where=f"after row {row_no}") from None

    return Reader(tuple(heading), notes, blocks())


def _utf8_chunks(path: Path, encoding: str, size: int) -> Iterator[bytes]:
    """The file's bytes as UTF-8 without a byte order mark. Raises UnicodeDecodeError where it is not `encoding`."""
    with path.open("rb") as stream:
        if encoding == "utf-8":
            chunk = stream.read(size).removeprefix(_BOM)
            while chunk:
                yield chunk
                chunk = stream.read(size)
            return
        decoder = codecs.getincrementaldecoder(encoding)("strict")
        while chunk := stream.read(size):
            yield decoder.decode(chunk).encode("utf-8")
        yield decoder.decode(b"", final=True).encode("utf-8")


def _record_chunks(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Cut at line ends; a chunk whose last quote may be open is cut before the line that opens it, if that is near."""
    carry = b""
    old_mac: bool | None = None
    for raw in chunks:
        if old_mac is None:
            old_mac = b"\r" in raw and b"\n" not in raw
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
    """Where the line with the last quote begins, so that a quoted newline is not cut; `cut` if that is far away."""
    line_start = data.rfind(b"\n", 0, data.rfind(b'"', 0, cut)) + 1
    return line_start if line_start > 0 and cut - line_start < _LONGEST_ROW else cut


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
        self._cells = re.compile(cell + rb"(?:%s|\r?\n|$)" % mark)
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
                legal = len(self._cells.findall(record.rstrip(b"\r\n"))) == width
                return (record, taken) if legal else (lines[index], 1)
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
    headings: _Headings
    file: ManifestFile
    scanner: _RecordScanner


def _csv_block(data: bytes, row_no: int, layout: _CsvLayout) -> tuple[TextBlock, int]:
    """Parse one block of whole records; returns it with the number of its last row."""
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
    frame, numbers = _without_empty_rows(_text_frame(columns, layout.contract, table.num_rows), numbers.alias("row_no"))
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
    )
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


def _parse(scanned: _Scanned, layout: _CsvLayout) -> tuple[pa.Table, list[tuple[int, int]]]:
    names = [f"c{index}" for index in range(layout.headings.width)]
    wanted = {f"c{index}": pa.string() for index in layout.headings.position.values()}
    wrong_width: list[tuple[int, int]] = []

    def set_aside(row: Any) -> str:
        wrong_width.append((row.number, row.actual_columns))
        return "skip"

    if not scanned.clean:
        return pa.schema(list(wanted.items())).empty_table(), wrong_width
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


# -------------------------------------------------------------------------------------------------------------- xlsx

_Cell = Any  # what calamine gives: str, int, float, bool, date, datetime, time, timedelta


def _open_workbook(path: Path, contract: Contract, *, block_rows: int) -> Reader:
    _refuse_active_content(path)
    notes: list[Note] = []
    try:
        workbook = python_calamine.CalamineWorkbook.from_path(str(path))
        sheets = list(workbook.sheets_metadata)
    except python_calamine.PasswordError:
        raise FileError("E-FORMAT", {"expected": "xlsx workbook", "found": "encrypted workbook"}) from None
    except python_calamine.CalamineError:
        raise FileError("E-FORMAT", {"expected": "xlsx workbook", "found": "damaged workbook"}) from None
    failure: FileError | None = None
    for position, sheet in enumerate(sheets, start=1):
        if sheet.visible != python_calamine.SheetVisibleEnum.Visible:
            notes.append(Note("N-SHEET-IGNORED", {"position": position, "reason": "hidden"}))
            continue
        if sheet.typ != python_calamine.SheetTypeEnum.WorkSheet:
            continue
        rows = workbook.get_sheet_by_name(sheet.name).to_python(skip_empty_area=False)
        try:
            at, cells, found, headings = _find_headings(rows, contract)
        except FileError as error:
            failure = _more_telling(failure, error)
            continue
        notes += found
        blocks = _sheet_blocks(
            rows, heading_at=at, headings=headings, contract=contract, notes=notes, block_rows=block_rows
        )
        return Reader(tuple(cells), notes, blocks)
    raise failure or FileError("E-EMPTY")


def _refuse_active_content(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError):
        raise FileError("E-FORMAT", {"expected": "xlsx workbook", "found": "damaged archive"}) from None
    names = [part.filename.lower() for part in parts]
    if not any(name.endswith("workbook.xml") for name in names):
        raise FileError("E-FORMAT", {"expected": "xlsx workbook", "found": "zip archive"})
    for mark, kind in _FORBIDDEN_PARTS:
        if any(mark in name for name in names):
            raise FileError("E-FORMAT", {"expected": "xlsx workbook without active content", "found": kind})
    if sum(part.file_size for part in parts) > _WORKBOOK_BYTES:
        raise FileError("E-FORMAT", {"expected": "xlsx workbook", "found": "contents above 512 MB, send CSV"})


def _more_telling(before: FileError | None, now: FileError) -> FileError:
    return now if before is None or before.code == "E-EMPTY" else before


def _find_headings(rows: Sequence[Sequence[_Cell]], contract: Contract) -> tuple[int, list[str], list[Note], _Headings]:
    """The heading row (index, cells, notes, match): the first that fits alone or under merged cells of the row above.

    Raises the FileError of the row that came nearest, E-EMPTY for an empty sheet.
    """
    known = {fold(heading) for column in contract.columns for heading in column.headings}
    best: tuple[int, FileError] = (0, FileError("E-EMPTY"))
    for at, row in enumerate(rows[:_HEADING_SEARCH_ROWS]):
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
                headings = _match_headings(cells, contract, notes)
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


def _sheet_blocks(
    rows: Sequence[Sequence[_Cell]],
    *,
    heading_at: int,
    headings: _Headings,
    contract: Contract,
    notes: list[Note],
    block_rows: int,
) -> Iterator[TextBlock]:
    columns = [column for column in contract.columns if column.name in headings.position]
    places = [headings.position[column.name] for column in columns]
    gathered: list[list[str | None]] = []
    numbers: list[int] = []
    for index in range(heading_at + 1, len(rows)):
        row = rows[index]
        cells = [
            _sheet_text(row[at], column) if at < len(row) else None for at, column in zip(places, columns, strict=True)
        ]
        if not any(cells):
            continue
        if index == heading_at + 1 and _numbers_the_columns(row):
            notes.append(Note("N-NUMBERING", {"row": index + 1}))
            continue
        if _is_subtotal(row, cells, columns):
            notes.append(Note("N-SUBTOTAL", {"row": index + 1}))
            continue
        gathered.append(cells)
        numbers.append(index + 1)
        if len(gathered) >= block_rows:
            yield _listed_block(gathered, numbers, columns, contract)
            gathered, numbers = [], []
    if gathered:
        yield _listed_block(gathered, numbers, columns, contract)


def _listed_block(
    gathered: list[list[str | None]], numbers: list[int], columns: list[Column], contract: Contract
) -> TextBlock:
    by_column = zip(*gathered, strict=True)
    series = {
        column.name: pl.Series(column.name, list(cells), dtype=pl.String)
        for column, cells in zip(columns, by_column, strict=True)
    }
    return TextBlock(_text_frame(series, contract, len(numbers)), pl.Series("row_no", numbers, dtype=pl.Int32), [])


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
    return _number_text(cell) if isinstance(cell, (int, float)) and not isinstance(cell, bool) else str(cell)


def _number_text(value: float) -> str:
    """A number as plain digits: integers without '.0', others with Excel's 15 significant digits, never E notation."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 2**53):
        return str(int(value))
    text = f"{value:.15g}"
    return text if "e" not in text else f"{value:.20f}".rstrip("0") if abs(value) < 1 else f"{value:.5E}"


def _sheet_text(cell: _Cell, column: Column) -> str | None:
    """A cell as the text a CSV would hold: dates in ISO form, Excel's serial days as dates where a date is expected."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, dt.datetime):
        cell = cell.date()
    if isinstance(cell, dt.date):
        return cell.strftime("%Y-%m") if column.kind == "month" and cell.day == 1 else cell.isoformat()
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, (int, float)):
        whole = isinstance(cell, int) or cell.is_integer()
        serial = whole and _SERIAL_DAYS[0] <= cell <= _SERIAL_DAYS[1]
        if serial and column.kind in {"date", "date_or_year", "month"}:
            day = _EXCEL_EPOCH + dt.timedelta(days=int(cell))
            return day.strftime("%Y-%m") if column.kind == "month" and day.day == 1 else day.isoformat()
        return _number_text(cell)
    return str(cell)


# ----------------------------------------------------------------------------------------------------------- parquet


def _open_parquet(path: Path, contract: Contract, *, block_rows: int) -> Reader:
    try:
        table = pa.parquet.ParquetFile(path)
    except (pa.ArrowInvalid, OSError):
        raise FileError("E-FORMAT", {"expected": "parquet", "found": "damaged file"}) from None
    schema = table.schema_arrow
    notes: list[Note] = []
    headings = _match_headings(schema.names, contract, notes)
    for name, at in headings.position.items():
        if pa.types.is_nested(schema.field(at).type) and not pa.types.is_dictionary(schema.field(at).type):
            raise FileError("E-FORMAT", {"expected": "parquet with flat columns", "found": f"a nested column {name}"})
    wanted = [schema.names[at] for at in headings.position.values()]

    def blocks() -> Iterator[TextBlock]:
        row_no = 1
        try:
            for batch in table.iter_batches(batch_size=block_rows, columns=wanted):
                columns = {
                    name: _arrow_text(batch.column(schema.names[at]), contract.column(name))
                    for name, at in headings.position.items()
                }
                numbers = pl.int_range(row_no + 1, row_no + 1 + batch.num_rows, dtype=pl.Int32, eager=True)
                row_no += batch.num_rows
                frame, numbers = _without_empty_rows(
                    _text_frame(columns, contract, batch.num_rows), numbers.alias("row_no")
                )
                yield TextBlock(frame, numbers, [])
        except (pa.ArrowInvalid, OSError):
            found = {"expected": "parquet", "found": "damaged file"}
            raise FileError("E-FORMAT", dict(found), where=f"after row {row_no}") from None

    return Reader(tuple(schema.names), notes, blocks())


def _arrow_text(array: pa.Array, column: Column) -> pl.Series:
    kind = array.type
    if pa.types.is_floating(kind):
        cells = [None if value is None else _number_text(value) for value in array.to_pylist()]
        return pl.Series(column.name, cells, dtype=pl.String)
    if pa.types.is_timestamp(kind):
        array = array.cast(pa.date32(), safe=False)
    series = pl.Series(column.name, array.cast(pa.string()))
    if column.kind == "month" and pa.types.is_temporal(kind):
        series = series.str.strip_suffix("-01")
    return series.replace("", None)
