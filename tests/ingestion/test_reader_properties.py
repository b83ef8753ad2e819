"""For any table of any feed, however it is written: rows in are rows taken and rows set aside, each at its number."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from claims import SHORT_AND_LONG, holds
from hypothesis import strategies as st
from table_strategies import Table, good_row, tables
from written_tables import (
    Layout,
    Outcome,
    blank,
    csv_bytes,
    gzipped,
    layouts,
    outcome,
    parquet_bytes,
    plain_layout,
    says_what_it_should,
    workbook_bytes,
    writable,
    writable_in_workbook,
    zipped,
)

from ingestion.readers import FileError

Written = tuple[Table, Layout]


def _with_layout(some: st.SearchStrategy[Table]) -> st.SearchStrategy[Written]:
    return some.flatmap(lambda table: st.tuples(st.just(table), layouts(table.feed)))


def _read_or_empty(table: Table, read: Callable[[], Outcome]) -> Outcome | None:
    """What came out; None where there was nothing but blank rows and the file is refused for that."""
    try:
        return read()
    except FileError as error:
        assert error.code == "E-EMPTY"
        assert all(blank(row) for row in table.rows)
        return None


@SHORT_AND_LONG
def test_every_row_of_a_csv_comes_out_at_its_number_as_its_values_or_its_faults(times: int, tmp_path: Path) -> None:
    def claim(written: Written) -> None:
        table, layout = writable(written[0], written[1].codec), written[1]
        found = _read_or_empty(
            table, lambda: outcome(tmp_path, csv_bytes(table, layout), table, name="t.csv", layout=layout)
        )
        if found is not None:
            says_what_it_should(table, found)

    holds(claim, examples=70, times=times, written=_with_layout(tables()))


@SHORT_AND_LONG
def test_every_row_of_a_workbook_comes_out_at_its_number(times: int, tmp_path: Path) -> None:
    def claim(written: Written, typed: bool, above: int) -> None:
        table, layout = writable_in_workbook(written[0]), written[1]
        content = workbook_bytes(table, layout, typed=typed, above=above)
        found = _read_or_empty(table, lambda: outcome(tmp_path, content, table, name="t.xlsx"))
        if found is not None:
            says_what_it_should(table, found, heading_row=above + 1, digits_kept=not typed)

    some = _with_layout(tables(most_rows=25))
    holds(claim, examples=6, times=times, written=some, typed=st.booleans(), above=st.integers(0, 3))


@SHORT_AND_LONG
def test_every_row_of_a_parquet_file_comes_out_at_its_number(times: int, tmp_path: Path) -> None:
    def claim(written: Written, typed: bool) -> None:
        table, layout = written
        content = parquet_bytes(table, layout, typed=typed)
        found = _read_or_empty(table, lambda: outcome(tmp_path, content, table, name="t.parquet"))
        if found is not None:
            says_what_it_should(table, found, digits_kept=not typed)

    holds(claim, examples=6, times=times, written=_with_layout(tables(most_rows=25)), typed=st.booleans())


@SHORT_AND_LONG
@pytest.mark.parametrize("suffix", ["gz", "zip"])
def test_a_packed_csv_says_what_the_bare_one_says(times: int, suffix: str, tmp_path: Path) -> None:
    def claim(written: Written) -> None:
        table, layout = writable(written[0], written[1].codec), written[1]
        bare = csv_bytes(table, layout)
        packed = gzipped(bare) if suffix == "gz" else zipped(bare, "t.csv")
        plain = _read_or_empty(table, lambda: outcome(tmp_path, bare, table, name="t.csv", layout=layout))
        opened = _read_or_empty(table, lambda: outcome(tmp_path, packed, table, name=f"t.csv.{suffix}", layout=layout))
        assert plain == opened

    holds(claim, examples=15, times=times, written=_with_layout(tables()))


@SHORT_AND_LONG
def test_the_size_of_the_blocks_changes_nothing(times: int, tmp_path: Path) -> None:
    def claim(written: Written, copies: int) -> None:
        table, layout = writable(written[0], written[1].codec), written[1]
        table = replace(table, rows=table.rows * copies)
        content = csv_bytes(table, layout)
        small, large = (
            _read_or_empty(
                table,
                lambda size=size: outcome(tmp_path, content, table, name="t.csv", layout=layout, block_rows=size),  # type: ignore[misc]
            )
            for size in (16, 65_536)
        )
        assert small == large

    holds(claim, examples=15, times=times, written=_with_layout(tables()), copies=st.integers(2, 12))


@SHORT_AND_LONG
def test_a_quoted_cell_of_many_lines_may_stand_across_blocks(times: int, tmp_path: Path) -> None:
    def claim(cells: list[str], layout: Layout) -> None:
        rows = tuple({**good_row("weekly_report", at), "difficulty": cell} for at, cell in enumerate(cells))
        table = Table("weekly_report", rows, "dong", "2021-10")
        content = csv_bytes(table, layout)
        found = outcome(tmp_path, content, table, name="t.csv", layout=layout, block_rows=16)
        says_what_it_should(table, found)

    piece = st.sampled_from(["x" * 40, "dòng hai", "\n", "\n", '"', '""', ",", '"\n', '\n"', '",\n"', "y" * 700])
    cell = st.lists(piece, min_size=1, max_size=25).map(lambda pieces: "x" + "".join(pieces) + "x")
    layout = st.sampled_from(["utf-8", "utf-16"]).map(
        lambda codec: replace(plain_layout("weekly_report"), encoding=codec, codec=codec)
    )
    holds(claim, examples=40, times=times, cells=st.lists(cell, min_size=1, max_size=12), layout=layout)


@SHORT_AND_LONG
@pytest.mark.parametrize("kind", ["xlsx", "parquet"])
def test_the_size_of_the_blocks_of_a_workbook_or_parquet_file_changes_nothing(
    times: int, kind: str, tmp_path: Path
) -> None:
    def claim(table: Table, size: int) -> None:
        table = writable_in_workbook(table)
        write = workbook_bytes if kind == "xlsx" else parquet_bytes
        content = write(table, plain_layout(table.feed), typed=False)
        small, large = (
            _read_or_empty(
                table,
                lambda rows=rows: outcome(tmp_path, content, table, name=f"t.{kind}", block_rows=rows),  # type: ignore[misc]
            )
            for rows in (size, 65_536)
        )
        assert small == large

    holds(claim, examples=3, times=times, table=tables(most_rows=25), size=st.integers(1, 9))


@SHORT_AND_LONG
def test_order_case_accents_and_aliases_of_headings_change_nothing(times: int, tmp_path: Path) -> None:
    def claim(written: Written) -> None:
        table, layout = writable(written[0], "cp1258"), replace(written[1], encoding="utf-8", codec="utf-8")
        ways = [layout, plain_layout(table.feed)]
        one, other = (
            _read_or_empty(
                table,
                lambda way=way: outcome(tmp_path, csv_bytes(table, way), table, name="t.csv", layout=way),  # type: ignore[misc]
            )
            for way in ways
        )
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert (one.taken, one.refused, one.totals) == (other.taken, other.refused, other.totals)

    holds(claim, examples=25, times=times, written=_with_layout(tables()))


@SHORT_AND_LONG
def test_composed_and_decomposed_files_say_the_same(times: int, tmp_path: Path) -> None:
    def claim(table: Table) -> None:
        content = csv_bytes(writable(table), plain_layout(table.feed)).decode()
        one, other = (
            _read_or_empty(
                table,
                lambda form=form: outcome(  # type: ignore[misc]
                    tmp_path, unicodedata.normalize(form, content).encode(), table, name="t.csv"
                ),
            )
            for form in ("NFC", "NFD")
        )
        assert one == other

    holds(claim, examples=25, times=times, table=tables())


@SHORT_AND_LONG
def test_blank_rows_are_counted_and_every_other_row_is_there(times: int, tmp_path: Path) -> None:
    def claim(table: Table, blanks: list[int]) -> None:
        rows = list(writable(table).rows)
        for at in blanks:
            rows.insert(at, dict.fromkeys(rows[0], ""))
        table = replace(table, rows=tuple(rows))
        found = _read_or_empty(
            table, lambda: outcome(tmp_path, csv_bytes(table, plain_layout(table.feed)), table, name="t.csv")
        )
        if found is not None:
            says_what_it_should(table, found)
            assert found.notes.get("N-BLANK-ROWS", 0) == len(rows) - found.rows

    holds(claim, examples=30, times=times, table=tables(), blanks=st.lists(st.integers(0, 10), max_size=4))


_BROKEN = {
    "E-RAGGED": ("TA9999A{d}HI", "TA9999A{d}HI{d}1{d}1{d}{d}{d}{d}1{d}{d}{d}{d}{d}{d}", "{d}{d}x"),
    "E-QUOTE": ('TA9999A{d}H"I{d}"1', 'TA9999A{d}"HI{d}1', '"x"y{d}HI{d}1'),
    "E-CONTROL": ("TA9999A\x00{d}HI{d}1", "\x00"),
}


@SHORT_AND_LONG
def test_a_row_that_cannot_be_read_is_set_aside_alone(times: int, tmp_path: Path) -> None:
    def claim(count: int, broken: dict[int, tuple[str, int]], layout: Layout, size: int) -> None:
        table = Table("arrears", tuple(good_row("arrears", number) for number in range(count)), "dong", "2021-10")
        plain = plain_layout("arrears")
        layout = replace(
            plain, encoding=layout.encoding, codec=layout.codec, delimiter=layout.delimiter, line_end=layout.line_end
        )
        table = writable(table, layout.codec)
        lines = csv_bytes(table, replace(layout, codec="utf-8")).decode().split(layout.line_end)
        wanted = {}
        for at, (code, which) in sorted(broken.items()):
            if at < count:
                forms = _BROKEN[code]
                lines[at + 1] = forms[which % len(forms)].replace("{d}", layout.delimiter)
                wanted[at + 2] = frozenset({(None, code)})
        content = layout.line_end.join(lines).encode(layout.codec)
        found = outcome(tmp_path, content, table, name="t.csv", layout=layout, block_rows=size)
        assert found.refused == wanted
        assert sorted(found.taken) == [at for at in range(2, count + 2) if at not in wanted]
        assert {at: row["si_unit_code"] for at, row in found.taken.items()} == {
            at: f"TA{at - 2:04d}A" for at in found.taken
        }

    broken = st.dictionaries(
        st.integers(0, 79), st.tuples(st.sampled_from(sorted(_BROKEN)), st.integers(0, 2)), max_size=5
    )
    holds(
        claim, examples=30, times=times, count=st.integers(1, 80), broken=broken, layout=layouts("arrears"),
        size=st.sampled_from([16, 65_536]),
    )  # fmt: skip
