"""What every reader gives: blocks of text rows, notes, rows set aside; or the refusal of the whole file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import polars as pl

from ingestion.contracts import Contract

NO_CODE = "\u2422"
"""What stands for a code that a spreadsheet has made into a date, a truth or a fraction: no code may hold it."""


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
    """A row that is set aside before its cells could be judged; `column` where one cell is the reason."""

    row_no: int
    code: str
    arguments: dict[str, object] = field(default_factory=dict)
    column: str | None = None


@dataclass(frozen=True)
class Lines:
    """The lines of a CSV as they stand, one a row, each with `width` cells; `position` says which cell is which column.

    Cells hold neither a quote nor `delimiter`.
    """

    text: pl.Series
    position: Mapping[str, int]
    width: int
    delimiter: str


@dataclass(frozen=True)
class TextBlock:
    """Some rows of a file: all contract columns as text in contract order, and each row's number (Int32).

    `ragged` are the rows set aside by the reader. `legible` holds, in the same columns as `frame`, those of them whose
    other cells could be read (the unusable cell is null): control totals and profiles count rows as sent. `is_plain`
    says that no cell holds a quote, a comma or a line end, so that the block can be written as CSV without quotes.
    `lines` are the rows of `frame` as they were sent, where that is known.
    """

    frame: pl.DataFrame
    row_no: pl.Series
    ragged: list[ShapeReject]
    legible: pl.DataFrame | None = None
    is_plain: bool = False
    lines: Lines | None = None

    @property
    def rows(self) -> int:
        """Data rows of the file in this block, the unreadable ones included."""
        return self.frame.height + len(self.ragged)


def _nothing_to_close() -> None:
    pass


@dataclass
class Reader:
    """The blocks of one file, read once. `notes` is complete once the blocks have been read."""

    headings: tuple[str, ...]
    notes: list[Note]
    _blocks: Iterator[TextBlock]
    _close: Callable[[], None] = _nothing_to_close

    def __iter__(self) -> Iterator[TextBlock]:
        """Blocks in file order. Raises FileError, E-EMPTY at the end if there was no row."""
        rows = 0
        try:
            for block in self._blocks:
                rows += block.rows
                if block.rows:
                    yield block
        finally:
            self.close()
        if rows == 0:
            raise FileError("E-EMPTY")

    def close(self) -> None:
        """Let go of the file, and of the thread or child that reads it; for who stops early. Safe to repeat."""
        self._close()


def text_frame(columns: dict[str, pl.Series], contract: Contract, height: int) -> pl.DataFrame:
    """All contract columns in contract order; a column the file does not have is null."""
    empty = pl.repeat(None, height, dtype=pl.String, eager=True)
    return pl.DataFrame([columns.get(name, empty).alias(name) for name in contract.column_names])


def without_empty_rows(frame: pl.DataFrame, row_no: pl.Series) -> tuple[pl.DataFrame, pl.Series]:
    """Drop rows in which every contract column is empty; looked for only where every column has a gap."""
    if frame.height == 0 or min(series.null_count() for series in frame.get_columns()) == 0:
        return frame, row_no
    filled = frame.select(filled=pl.any_horizontal(pl.all().is_not_null()))["filled"]
    return (frame, row_no) if filled.all() else (frame.filter(filled), row_no.filter(filled))


def blank_rows_note(count: int) -> list[Note]:
    """The note on rows that were counted as lines and are no data, if there were any."""
    return [Note("N-BLANK-ROWS", {"count": count})] if count else []
