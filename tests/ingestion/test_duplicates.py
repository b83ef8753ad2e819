"""Of equal keys the first row is kept, each later one is found."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ingestion.duplicates import KeySpill


def test_each_later_row_of_a_key_is_paired_with_the_first(tmp_path: Path) -> None:
    first = pl.DataFrame({"id": ["a", "b", "a"], "kind": ["x", "x", "y"]})
    second = pl.DataFrame({"id": ["b", "a", "c", "b"], "kind": ["x", "x", "x", "x"]})
    with KeySpill(["id", "kind"], folder=tmp_path) as spill:
        spill.add(first, pl.Series([2, 3, 5], dtype=pl.Int32))
        spill.add(second, pl.Series([7, 8, 9, 10], dtype=pl.Int32))
        assert spill.candidates() == [(3, 7), (2, 8), (3, 10)]
    assert list(tmp_path.iterdir()) == []


def test_many_different_keys_give_no_candidates(tmp_path: Path) -> None:
    numbers = pl.int_range(0, 200_000, dtype=pl.Int32, eager=True)
    with KeySpill(["id"], folder=tmp_path) as spill:
        spill.add(pl.DataFrame({"id": numbers.cast(pl.String)}), numbers)
        spill.add(pl.DataFrame({"id": ["77"]}), pl.Series([200_000], dtype=pl.Int32))
        assert spill.candidates() == [(77, 200_000)]


def test_an_empty_file_gives_no_candidates() -> None:
    with KeySpill(["id"]) as spill:
        assert spill.candidates() == []
