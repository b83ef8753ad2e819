"""For any rows of any feed: a cell comes out as its value or is named as faulty, and the sums add up."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from cell_oracle import FEEDS, totals
from cell_oracle import row as expected_row
from claims import SHORT_AND_LONG, holds
from hypothesis import strategies as st
from table_strategies import NAME, RECEIVED_ON, WORDS, Row, Table, cell_of, edges, good_row, tables
from written_tables import block_of, compiled, same

from ingestion.codes import CATALOGUE
from ingestion.duplicates import KeySpill
from ingestion.verdicts import Judged


def judged(table: Table, *, explain: bool = True) -> Judged:
    """The verdict on a whole table as one block."""
    return compiled(table.feed, table.unit, table.period).judged(block_of(table, table.rows), explain=explain)


def accepted(verdict: Judged) -> dict[int, dict[str, Any]]:
    """Typed rows by number."""
    return dict(zip(verdict.row_no.to_list(), verdict.good.to_dicts(), strict=True))


def named(verdict: Judged) -> dict[int, set[str]]:
    """Faulty columns by row number."""
    found: dict[int, set[str]] = {row: set() for row in verdict.bad_rows.to_list()}
    for row, column in verdict.rejects.select("row_no", "column").iter_rows():
        found[row].add(column)
    return found


@SHORT_AND_LONG
def test_a_cell_comes_out_as_its_value_or_is_named_as_faulty(times: int) -> None:
    holds(_is_as_the_rules_say, examples=60, times=times, table=tables())


@pytest.mark.parametrize(("unit", "period"), [("dong", "2021-10"), ("million", "2025-08")])
@pytest.mark.parametrize("feed", FEEDS)
def test_every_odd_cell_in_every_column_is_its_value_or_named_as_faulty(feed: str, unit: str, period: str) -> None:
    _is_as_the_rules_say(edges(feed, unit, period))


def _is_as_the_rules_say(table: Table) -> None:
    verdict = judged(table)
    taken, refused = accepted(verdict), named(verdict)
    legacy = _legacy(verdict)
    for number, sent in enumerate(table.rows, start=2):
        wanted = expected_row(table.contract, sent, unit=table.unit, period=table.period, received_on=RECEIVED_ON)
        if number in taken:
            assert not wanted.must, (number, wanted.must)
            for name, value in taken[number].items():
                assert same(table, name, value, wanted.values[name]), (number, name)
        else:
            old = legacy.get(number, set())
            assert wanted.must <= refused[number] | old, (number, wanted.must, refused[number])
            assert refused[number] - old <= wanted.must | wanted.may, (number, refused[number])


def _legacy(verdict: Judged) -> dict[int, set[str]]:
    """Columns set aside for what only may be text in an old encoding, by row: no rule of cells tells that for sure."""
    found: dict[int, set[str]] = {}
    for row, column in verdict.rejects.filter(pl.col("code") == "E-LEGACY-TEXT").select("row_no", "column").iter_rows():
        found.setdefault(row, set()).add(column)
    return found


@SHORT_AND_LONG
def test_every_row_is_taken_or_set_aside_and_has_a_reason(times: int) -> None:
    def claim(table: Table) -> None:
        verdict = judged(table)
        assert sorted([*verdict.row_no, *verdict.bad_rows]) == list(range(2, 2 + len(table.rows)))
        assert verdict.row_no.is_sorted()
        assert all(named(verdict).values())
        assert set(verdict.rejects["code"]) <= set(CATALOGUE)

    holds(claim, examples=40, times=times, table=tables())


@SHORT_AND_LONG
def test_totals_are_the_sums_of_what_reads_as_a_number(times: int) -> None:
    def claim(table: Table) -> None:
        verdict = judged(table)
        assert verdict.totals == totals(table.contract, table.rows, table.unit)
        aside = [table.rows[number - 2] for number in verdict.bad_rows]
        assert verdict.set_aside == totals(table.contract, aside, table.unit)
        json.dumps([int(total) for total in verdict.totals.values()])  # what the ledger and the receipt do with them

    number_cells = st.sampled_from(
        ["".join(sign) + "9" * width for sign in ("", "-") for width in (1, 15, 18, 19, 20, 29, 30, 31)]
    )
    money = tables(feeds=["contributions", "arrears", "benefits", "indicators"])
    holds(claim, examples=40, times=times, table=_with_numbers(money, number_cells))


@st.composite
def _with_numbers(draw: st.DrawFn, some: st.SearchStrategy[Table], numbers: st.SearchStrategy[str]) -> Table:
    """The same tables with more numbers of many digits in them."""
    table = draw(some)
    rows = [dict(row) for row in table.rows]
    names = [column.name for column in table.contract.columns if column.kind in {"money", "integer", "decimal"}]
    for at in draw(st.lists(st.integers(0, len(rows) - 1), max_size=4)):
        rows[at][draw(st.sampled_from(names))] = draw(numbers)
    return Table(table.feed, tuple(rows), table.unit, table.period)


@SHORT_AND_LONG
def test_a_row_is_judged_alike_whatever_stands_around_it(times: int) -> None:
    def claim(table: Table) -> None:
        rules = compiled(table.feed, table.unit, table.period)
        together = rules.judged(block_of(table, table.rows))
        alone = [rules.judged(block_of(table, [row], first=at)) for at, row in enumerate(table.rows, start=2)]
        assert accepted(together) == {row: cells for one in alone for row, cells in accepted(one).items()}
        assert together.rejects.rows() == [entry for one in alone for entry in one.rejects.rows()]
        assert together.normalised == sum(one.normalised for one in alone)

    holds(claim, examples=25, times=times, table=tables(most_rows=4))


@SHORT_AND_LONG
def test_a_bad_cell_elsewhere_in_the_row_changes_no_other_cell(times: int) -> None:
    def claim(texts: list[str]) -> None:
        rows = [{**good_row("outreach", at), "partner": text} for at, text in enumerate(texts)]
        worn = [{**row, "level": " province "} for row in rows]
        plain, cleaned = (
            judged(Table("outreach", tuple(sent), "dong", "2021-10")).good["partner"].to_list() for sent in (rows, worn)
        )
        assert plain == cleaned

    holds(claim, examples=40, times=times, texts=st.lists(cell_of("outreach", "partner"), min_size=1))


@SHORT_AND_LONG
def test_composed_and_decomposed_text_are_one(times: int) -> None:
    def claim(table: Table) -> None:
        forms = [
            Table(
                table.feed,
                tuple({name: unicodedata.normalize(form, text) for name, text in row.items()} for row in table.rows),
                table.unit,
                table.period,
            )
            for form in ("NFC", "NFD")
        ]
        composed, decomposed = (judged(form) for form in forms)
        assert accepted(composed) == accepted(decomposed)
        assert composed.rejects.rows() == decomposed.rejects.rows()
        assert composed.totals == decomposed.totals

    holds(claim, examples=40, times=times, table=tables())


@SHORT_AND_LONG
def test_what_was_loaded_once_is_loaded_again_as_it_is(times: int) -> None:
    def claim(table: Table) -> None:
        loaded = judged(table).good
        if loaded.is_empty():
            return
        again = Table(table.feed, tuple(_as_sent(row) for row in loaded.to_dicts()), "dong", table.period)
        verdict = judged(again)
        assert verdict.good.equals(loaded)
        assert verdict.normalised == 0

    holds(claim, examples=40, times=times, table=tables())


def _as_sent(row: Row) -> dict[str, str]:
    """A typed row written by the rules of interfaces.md; months are told by their name."""
    months = {"from_month", "to_month", "liability_month", "oldest_month"}
    texts = {name: "" if value is None else str(value) for name, value in row.items()}
    return {name: text[:7] if name in months else text for name, text in texts.items()}


@SHORT_AND_LONG
def test_no_vietnamese_text_is_taken_for_an_old_encoding(times: int) -> None:
    def claim(name: str) -> None:
        table = Table("outreach", ({**good_row("outreach", 1), "partner": name},), "dong", "2021-10")
        assert judged(table).rejects.is_empty()

    holds(claim, examples=80, times=times, name=WORDS.map(" ".join))


@SHORT_AND_LONG
def test_rows_that_are_not_listed_are_counted_as_they_would_be_listed(times: int) -> None:
    def claim(table: Table) -> None:
        listed, counted = judged(table), judged(table, explain=False)
        assert counted.rejects.is_empty()
        assert counted.unlisted == Counter(listed.rejects.select("column", "code").rows())
        assert counted.bad_rows.to_list() == listed.bad_rows.to_list()
        assert (counted.totals, counted.set_aside) == (listed.totals, listed.set_aside)

    holds(claim, examples=30, times=times, table=tables())


@SHORT_AND_LONG
def test_nothing_a_sender_wrote_stands_in_a_reject(times: int) -> None:
    def claim(table: Table, secret: str) -> None:
        canary = f"canary{secret}"
        rows = tuple({name: text and canary for name, text in row.items()} for row in table.rows)
        verdict = judged(Table(table.feed, rows, table.unit, table.period))
        assert verdict.rejects.height >= len(rows) - 1
        assert "canary" not in "".join(filter(None, verdict.rejects["args"].to_list())).lower()

    holds(claim, examples=20, times=times, table=tables(most_rows=3), secret=NAME)


@SHORT_AND_LONG
def test_of_equal_keys_every_later_row_is_found_and_no_other(times: int, tmp_path: Path) -> None:
    def claim(table: Table, sizes: list[int]) -> None:
        verdict = judged(table)
        keys = verdict.good.select(table.contract.key).rows()
        first: dict[tuple[object, ...], int] = {}
        wanted = []
        for number, key in zip(verdict.row_no.to_list(), keys, strict=True):
            if key in first:
                wanted.append((first[key], number))
            first.setdefault(key, number)
        with KeySpill(table.contract.key, folder=tmp_path) as spill:
            at = 0
            for size in [*sizes, len(keys)]:
                spill.add(verdict.good[at : at + size], verdict.row_no[at : at + size])
                at += size
            assert spill.candidates() == wanted

    repeated = tables(most_rows=6).map(lambda table: Table(table.feed, table.rows * 3, table.unit, table.period))
    holds(claim, examples=40, times=times, table=repeated, sizes=st.lists(st.integers(0, 5), max_size=4))
