"""No text is a formula to whoever opens it in a spreadsheet, and nothing else is touched."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proofs import proves

from warehouse.spreadsheets import plain, plain_record


@pytest.mark.parametrize("mark", ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠", " =", "\n="])
def test_a_cell_that_begins_like_a_formula_gets_an_apostrophe(mark: str) -> None:
    assert str(plain(f"{mark}cmd|' /c calc'!A0")).startswith("'")


def test_a_cell_that_becomes_a_formula_behind_another_separator_gets_an_apostrophe_there() -> None:
    assert plain("a;=cmd") == "a;'=cmd"
    assert plain("Cột sex chỉ nhận: F, M; dòng 5") == "Cột sex chỉ nhận: F, M; dòng 5"
    assert plain(-5) == -5


def as_the_server_writes_it(cells: list[str | None]) -> str:
    """A record as COPY writes it: NULL without quotes, an empty text with, quotes only where they are needed."""
    return ",".join(
        "" if cell is None else f'"{cell.replace(chr(34), chr(34) * 2)}"' if needs_quotes(cell) else cell
        for cell in cells
    ) + "\n"  # fmt: skip


def needs_quotes(cell: str) -> bool:
    return cell == "" or any(mark in cell for mark in ',"\r\n')


CELLS = st.text(alphabet='=+-@ \t\r\n,";|aĐ＝5.', max_size=8)


@proves("cells.formula-text")
@given(st.lists(st.none() | CELLS, min_size=1, max_size=6))
def test_each_text_of_a_record_is_made_harmless_and_the_record_keeps_its_cells(cells: list[str | None]) -> None:
    written = plain_record(as_the_server_writes_it(cells), [])

    (read,) = csv.reader(io.StringIO(written, newline=""), strict=True) if cells != [None] else [[""]]
    assert read == ["" if cell is None else plain(cell) for cell in cells]


@given(st.lists(st.none() | CELLS, min_size=2, max_size=6))
def test_a_record_without_a_formula_stays_as_the_server_wrote_it(cells: list[str | None]) -> None:
    harmless = [cell for cell in cells if cell is None or plain(cell) == cell]

    assert plain_record(as_the_server_writes_it(harmless), []) == as_the_server_writes_it(harmless)


def test_a_number_keeps_its_minus_and_a_text_does_not() -> None:
    assert plain_record('-5,-5,,""\n', [True, False, False, False]) == '-5,"\'-5",,""\n'
    assert plain_record("-1e-7,NaN,-Infinity\n", [True, True, True]) == "-1e-7,NaN,-Infinity\n"
