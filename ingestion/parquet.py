"""From a parquet file to blocks of text rows: every cell as the text a CSV would hold.

The bytes are parsed by a child under limits (`ingestion.confined`); what comes back is Arrow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import BinaryIO

import polars as pl
import pyarrow as pa

from ingestion.blocks import FileError, Note, Reader, TextBlock, blank_rows_note, text_frame, without_empty_rows
from ingestion.confined import LIMITS, Child, Limits
from ingestion.contracts import Column, Contract
from ingestion.headings import match_headings
from ingestion.workbooks import number_text


def open_parquet(file: BinaryIO, contract: Contract, *, block_rows: int, limits: Limits = LIMITS) -> Reader:
    """Read the parquet file in `file`, which belongs to the reader from now on. Raises FileError."""
    child = Child("parquet", file, feed=contract.feed, limits=limits)
    try:
        return _opened(child, contract, block_rows=block_rows)
    except BaseException:
        child.close()
        raise


def _opened(child: Child, contract: Contract, *, block_rows: int) -> Reader:
    schema = json.loads(b"".join(child.ask({"do": "open"})))
    names: list[str] = schema["names"]
    notes: list[Note] = []
    headings = match_headings(names, contract, notes)
    for name, at in headings.position.items():
        if schema["nested"][at]:
            raise FileError("E-FORMAT", {"expected": "parquet with flat columns", "found": f"a nested column {name}"})
    wanted = [names[at] for at in headings.position.values()]

    def blocks() -> Iterator[TextBlock]:
        row_no = 1
        blank = 0
        for part in child.ask({"do": "rows", "columns": wanted, "block_rows": block_rows}):
            for batch in _batches(part):
                columns = {
                    name: _as_text(batch.column(names[at]), contract.column(name))
                    for name, at in headings.position.items()
                }
                numbers = pl.int_range(row_no + 1, row_no + 1 + batch.num_rows, dtype=pl.Int32, eager=True)
                row_no += batch.num_rows
                frame, numbers = without_empty_rows(
                    text_frame(columns, contract, batch.num_rows), numbers.alias("row_no")
                )
                blank += batch.num_rows - frame.height
                yield TextBlock(frame, numbers, [])
        notes.extend(blank_rows_note(blank))

    return Reader(tuple(names), notes, blocks(), child.close)


def _batches(part: bytes) -> list[pa.RecordBatch]:
    try:
        with pa.ipc.open_stream(part) as stream:
            batches = list(stream)
        for batch in batches:
            # the child may have been led astray: its offsets are not to be trusted
            batch.validate(full=True)
    except (pa.ArrowException, OSError):
        raise FileError("E-FORMAT", {"expected": "parquet", "found": "damaged file"}) from None
    return batches


def _as_text(array: pa.Array, column: Column) -> pl.Series:
    kind = array.type
    if pa.types.is_duration(kind) or pa.types.is_time(kind) or pa.types.is_interval(kind):
        found = f"a column {column.name} of a type that is no text, number or date"
        raise FileError("E-FORMAT", {"expected": "parquet", "found": found})
    try:
        return _arrow_text(array, column)
    except pa.ArrowException:
        found = f"a column {column.name} that is no text"
        raise FileError("E-FORMAT", {"expected": "parquet", "found": found}) from None


def _arrow_text(array: pa.Array, column: Column) -> pl.Series:
    kind = array.type
    if pa.types.is_floating(kind):
        cells = [None if value is None else number_text(value) for value in array.to_pylist()]
        return pl.Series(column.name, cells, dtype=pl.String)
    if pa.types.is_timestamp(kind):
        array = array.cast(pa.date32(), safe=False)
    series = pl.Series(column.name, array.cast(pa.string()))
    if column.kind == "month" and pa.types.is_temporal(kind):
        series = series.str.strip_suffix("-01")
    return series.replace("", None)
