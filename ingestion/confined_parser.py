"""The child that parses an untrusted workbook or parquet file under limits; `ingestion.confined` is the other end.

It knows no contract, opens no file but the descriptor it was given, and imports only what it needs. It answers requests
(one JSON object a line on standard input) with frames on standard output: one byte of kind, four of length, the
content. Kinds: `J` JSON, `A` an Arrow stream, `E` a refusal as JSON, `.` the end of an answer. Whatever is raised
becomes a refusal in words of this file's, so that no cell's value leaves it in an exception's text.

Cells are JSON values; what JSON does not have is an object with one name: `d` a date in ISO form, `t` another time as
text, `f` a formula's stored value, `x` a cell that has no value to go by (`formula` without a stored one, `error`).
"""

from __future__ import annotations

import datetime as dt
import io
import itertools
import json
import os
import posixpath
import re
import resource
import struct
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from xml.parsers import expat

_FRAME_ROWS = 2_048
_HEAD_ROWS = 60
_PIECE = 1 << 20
_OVERLAP = 64
_COLUMNS = 16_384
_PARTS = 10_000
_UNPACKED = 1 << 30
_ACTIVE_PARTS = (
    ("vbaproject", "macros"),
    ("vbadata", "macros"),
    ("macrosheets/", "macros"),
    ("dialogsheets/", "macros"),
    ("externallinks/", "external links"),
    ("xl/connections", "external links"),
    ("querytables/", "external links"),
    ("embeddings/", "embedded objects"),
    ("activex/", "embedded objects"),
    ("oleobject", "embedded objects"),
)
_ACTIVE_CONTENT = (
    (re.compile(rb"macroenabled|vbaproject", re.IGNORECASE), "macros"),
    (re.compile(rb"externallink|ddelink", re.IGNORECASE), "external links"),
    (re.compile(rb"oleobject|activex", re.IGNORECASE), "embedded objects"),
)
_NOTABLE = (b"<f", b":f", b"hidden", b"oleObject", b"<!")
_ERROR = re.compile(rb"t\s*=\s*[\"'](?:e[\"']|&)")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_REFERENCE = re.compile(r"^([A-Z]{1,3})([0-9]{1,7})$")
_OFFICE_RELATIONS = "officeDocument/2006/relationships"


class _Refusal(Exception):  # noqa: N818 (a refusal is an answer, not an error of the program)
    def __init__(self, code: str, **arguments: object) -> None:
        super().__init__(code)
        self.answer = {"code": code, "args": arguments}


def _refused(found: str, expected: str = "xlsx workbook") -> _Refusal:
    return _Refusal("E-FORMAT", expected=expected, found=found)


# ---------------------------------------------------------------------------------------------------------- answers


def _send(kind: bytes, content: bytes = b"") -> None:
    sys.stdout.buffer.write(struct.pack(">cI", kind, len(content)))
    sys.stdout.buffer.write(content)


def _send_json(answer: object, kind: bytes = b"J") -> None:
    _send(
        kind,
        json.dumps(answer, default=_as_object, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"),
    )


def _as_object(cell: object) -> dict[str, str]:
    if isinstance(cell, dt.datetime):
        cell = cell.date()
    return {"d": cell.isoformat()} if isinstance(cell, dt.date) else {"t": str(cell)}


# --------------------------------------------------------------------------------------------------------- workbooks


@dataclass
class _Details:
    """What calamine does not tell of a sheet's cells: by row and column, both from 0."""

    stored: set[tuple[int, int]] = field(default_factory=set)
    unusable: dict[tuple[int, int], str] = field(default_factory=dict)
    hidden: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class _Sheet:
    name: str
    part: str
    visible: bool


class _Workbook:
    """A workbook's sheets in its own order."""

    def __init__(self, file: BinaryIO, *, max_cells: int) -> None:
        import python_calamine  # noqa: PLC0415 (a parquet file's child does not need it)

        self._max_cells = max_cells
        content = file.read()
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
            self._refuse_active_content()
            self.sheets, self.is_1904 = self._read_sheets()
            self._calamine = python_calamine
            self._book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        except python_calamine.PasswordError:
            raise _refused("encrypted workbook") from None
        except python_calamine.CalamineError:
            raise _refused("damaged workbook") from None
        self._worksheets = {
            sheet.name for sheet in self._book.sheets_metadata if sheet.typ == python_calamine.SheetTypeEnum.WorkSheet
        }
        self._details: dict[int, _Details] = {}

    def open(self) -> dict[str, object]:
        """What the parent has to know of all sheets."""
        return {
            "is_1904": self.is_1904,
            "sheets": [{"visible": sheet.visible, "cells": sheet.name in self._worksheets} for sheet in self.sheets],
        }

    def rows(self, at: int, *, first: int, most: int | None) -> Iterator[tuple[int, list[list[Any]], list[int]]]:
        """Rows from `first` on in portions: number of the first (from 0), cells, and which of them are hidden."""
        if at not in self._details:
            self._details[at] = self._look_through(self.sheets[at].part)
        details = self._details[at]
        try:
            sheet = self._book.get_sheet_by_name(self.sheets[at].name)
        except self._calamine.CalamineError:
            raise _refused("damaged workbook") from None
        if sheet.start is None and not details.unusable:
            return
        left = sheet.start[1] if sheet.start is not None else 0
        if sheet.end is not None and (sheet.end[0] + 1) * (sheet.end[1] + 1 - left) > self._max_cells:
            raise _Refusal("E-TOO-LARGE", limit=f"{self._max_cells} cells")
        rows: Iterator[list[Any]] = iter(sheet.iter_rows()) if sheet.start is not None else iter(())
        marked = self._marked(rows, details, [""] * left)
        stop = None if most is None else first + most
        chosen = itertools.islice(marked, first, stop)
        number = first
        while portion := list(itertools.islice(chosen, _FRAME_ROWS)):
            hidden = [row for row in range(number, number + len(portion)) if row in details.hidden]
            yield number, portion, hidden
            number += len(portion)

    def _marked(self, rows: Iterator[list[Any]], details: _Details, left: list[str]) -> Iterator[list[Any]]:
        """Rows beginning in column A, with what is known of single cells; a row beyond the last value may hold some."""
        by_row: dict[int, list[int]] = {}
        for row, column in itertools.chain(details.stored, details.unusable):
            by_row.setdefault(row, []).append(column)
        last = max((row for row, _ in details.unusable), default=-1)
        for number in itertools.count():
            cells = next(rows, None)
            if cells is None:
                if number > last:
                    return
                cells = []
            else:
                cells = left + cells
            for column in by_row.get(number, ()):
                cells += [""] * (column + 1 - len(cells))
                why = details.unusable.get((number, column))
                value = cells[column]
                if why is not None:
                    cells[column] = {"x": why}
                elif value != "":
                    cells[column] = {"f": value}
            yield cells

    def _refuse_active_content(self) -> None:
        parts = self._archive.infolist()
        names = [part.filename.lower() for part in parts]
        if "[content_types].xml" not in names or not any(name.endswith("workbook.xml") for name in names):
            binary = any(name.endswith("workbook.bin") for name in names)
            raise _refused("binary workbook (xlsb)" if binary else "zip archive")
        if len(parts) > _PARTS or sum(part.file_size for part in parts) > _UNPACKED:
            raise _Refusal("E-TOO-LARGE", limit="1 GiB unpacked")
        if len(set(names)) < len(names):
            raise _refused("damaged workbook")
        for mark, kind in _ACTIVE_PARTS:
            if any(mark in name for name in names):
                raise _refused(kind, "xlsx workbook without active content")
        types = self._archive.read(next(part for part in parts if part.filename.lower() == "[content_types].xml"))
        for pattern, kind in _ACTIVE_CONTENT:
            if pattern.search(types):
                raise _refused(kind, "xlsx workbook without active content")

    def _read_sheets(self) -> tuple[list[_Sheet], bool]:
        main = next(name for name in self._archive.namelist() if name.lower().endswith("workbook.xml"))
        folder, _, base = main.rpartition("/")
        targets: dict[str, str] = {}
        listed: list[tuple[str, str, bool]] = []
        is_1904 = False

        def relation(name: str, attributes: dict[str, str]) -> None:
            if name == "Relationship":
                target = attributes.get("Target", "")
                path = posixpath.normpath(target if target.startswith("/") else f"{folder}/{target}").lstrip("/")
                targets[attributes.get("Id", "")] = path

        def element(name: str, attributes: dict[str, str]) -> None:
            nonlocal is_1904
            if name == "workbookPr":
                is_1904 = attributes.get("date1904", "0") in {"1", "true"}
            elif name == "sheet":
                identifier = next((value for key, value in attributes.items() if key.endswith(":id")), "")
                visible = attributes.get("state", "visible") == "visible"
                listed.append((attributes.get("name", ""), identifier, visible))

        _parse(self._part(f"{folder}/_rels/{base}.rels".lstrip("/")), relation)
        _parse(self._part(main), element)
        return [_Sheet(name, targets.get(identifier, ""), visible) for name, identifier, visible in listed], is_1904

    def _part(self, name: str) -> Iterator[bytes]:
        """A part's bytes in pieces."""
        by_name = {part.filename.lower(): part for part in self._archive.infolist()}
        part = by_name.get(name.lower())
        if part is None:
            raise _refused("damaged workbook")
        with self._archive.open(part) as stream:
            while piece := stream.read(_PIECE):
                yield piece

    def _look_through(self, part: str) -> _Details:
        """Count the cells of a sheet before anything holds them all; look closer only where there is something."""
        cells = 0
        notable = False
        before = b""
        for piece in self._part(part):
            if not before and piece.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00<", b"<\x00")):
                raise _refused("XML that is not UTF-8")
            window = before + piece
            # plain searches, as one pattern for all of them takes ten times as long; a few cells counted twice at a
            # seam do not matter
            cells += window.count(b"<c ") + window.count(b"<c>") + window.count(b":c ")
            notable = notable or any(mark in window for mark in _NOTABLE) or _ERROR.search(window) is not None
            if cells > self._max_cells:
                raise _Refusal("E-TOO-LARGE", limit=f"{self._max_cells} cells")
            before = window[-_OVERLAP:]
        return _details(self._part(part)) if notable else _Details()


def _details(pieces: Iterator[bytes]) -> _Details:
    """Formulas, error cells and hidden rows of a sheet; a place that is not written follows the one before."""
    details = _Details()
    row = column = -1
    kind = ""
    inside = ""
    formula = False
    texts: list[str] = []
    value = ""

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal row, column, kind, inside, formula, value
        if name == "row":
            given = attributes.get("r", "")
            row = int(given) - 1 if given.isdigit() else row + 1
            column = -1
            if attributes.get("hidden", "0") in {"1", "true"}:
                details.hidden.add(row)
        elif name == "c":
            place = _REFERENCE.match(attributes.get("r", ""))
            column = _column_number(place[1]) if place else column + 1
            row = int(place[2]) - 1 if place else row
            kind, formula, value = attributes.get("t", "n"), False, ""
        elif name in {"f", "v"}:
            inside = name
            texts.clear()
            formula = formula or name == "f"
        elif name in {"oleObject", "oleObjects"}:
            raise _refused("embedded objects", "xlsx workbook without active content")

    def text(data: str) -> None:
        if inside:
            texts.append(data)

    def end(name: str) -> None:
        nonlocal inside, value
        if name == "f" and "|" in _QUOTED.sub("", "".join(texts)):
            # no formula but a call of another program (DDE) has a bar outside quotes
            raise _refused("a call of another program (DDE)", "xlsx workbook without active content")
        if name == "v":
            value = "".join(texts)
        if name in {"f", "v"}:
            inside = ""
        elif name == "c":
            if kind == "e":
                details.unusable[row, column] = "error"
            elif formula and value == "" and kind != "str":
                details.unusable[row, column] = "formula"
            elif formula:
                details.stored.add((row, column))

    _parse(pieces, start, text=text, end=end)
    if any(not (0 <= at < _COLUMNS) or not (0 <= number < 1 << 20) for number, at in details.unusable):
        raise _refused("damaged workbook")
    return details


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _parse(pieces: Iterator[bytes], start: Any, *, text: Any = None, end: Any = None) -> None:
    """Read XML in pieces; names come without their prefix. A document type is refused: it could define entities."""
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def doctype(*_: object) -> None:
        raise _refused("XML with a document type")

    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler = lambda name, attributes: start(name.rpartition(":")[2], attributes)
    if text is not None:
        parser.CharacterDataHandler = text
    if end is not None:
        parser.EndElementHandler = lambda name: end(name.rpartition(":")[2])
    for piece in pieces:
        parser.Parse(piece, False)
    parser.Parse(b"", True)


def _answer_workbook(file: BinaryIO, request: dict[str, Any], state: dict[str, Any]) -> None:
    if request["do"] == "open":
        state["book"] = _Workbook(file, max_cells=request["max_cells"])
        _send_json(state["book"].open())
        return
    most = _HEAD_ROWS if request["do"] == "head" else None
    for first, rows, hidden in state["book"].rows(request["sheet"], first=request.get("first", 0), most=most):
        _send_json({"first": first, "rows": rows, "hidden": hidden})


# ----------------------------------------------------------------------------------------------------------- parquet


def _answer_parquet(file: BinaryIO, request: dict[str, Any], state: dict[str, Any]) -> None:
    import pyarrow as pa  # noqa: PLC0415 (a workbook's child does not need it)
    import pyarrow.parquet  # noqa: PLC0415

    try:
        if request["do"] == "open":
            pa.set_cpu_count(1)
            state["table"] = pa.parquet.ParquetFile(file)
            schema = state["table"].schema_arrow
            nested = [pa.types.is_nested(kind) for kind in schema.types]
            _send_json({"names": schema.names, "nested": nested})
            return
        for batch in state["table"].iter_batches(
            batch_size=request["block_rows"], columns=request["columns"], use_threads=False
        ):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, batch.schema) as writer:
                writer.write_batch(batch)
            _send(b"A", sink.getvalue())
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        raise _refused("damaged file", "parquet") from None


# -------------------------------------------------------------------------------------------------------------- main


def main(kind: str, descriptor: int, memory: int, cpu_seconds: int) -> int:
    """Answer requests about one file until standard input ends. Returns the exit code."""
    file = os.fdopen(descriptor, "rb")
    if kind == "xlsx":
        import python_calamine  # noqa: F401, PLC0415
    else:
        import pyarrow.parquet  # noqa: F401, PLC0415
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    answer = _answer_workbook if kind == "xlsx" else _answer_parquet
    state: dict[str, Any] = {}
    for line in sys.stdin.buffer:
        try:
            answer(file, json.loads(line), state)
        except _Refusal as refusal:
            _send_json(refusal.answer, b"E")
        except MemoryError:
            _send_json({"code": "E-TOO-LARGE", "args": {"limit": f"{memory >> 20} MiB of memory"}}, b"E")
        except (expat.ExpatError, zipfile.BadZipFile, OSError, ValueError, KeyError, EOFError, NotImplementedError):
            _send_json(_refused("damaged file", "xlsx workbook" if kind == "xlsx" else "parquet").answer, b"E")
        _send(b".")
        sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *(int(argument) for argument in sys.argv[2:5])))
