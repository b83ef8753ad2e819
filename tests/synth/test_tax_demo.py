"""The demo's tax list has an example of what a list of whole firms lacks."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from stdnum.vn import mst

from ingestion.contracts import load_contracts
from synth import population, provinces, reference_feeds
from synth.tax_demo import BRANCHES, PARENTS, with_examples

YEAR = 2021


@pytest.fixture(scope="module")
def snapshot() -> population.Snapshot:
    return population.take(provinces.cell("26", scale=0.2), dt.date(YEAR, 10, 1), 2021)


@pytest.fixture(scope="module")
def plain(snapshot: population.Snapshot) -> pl.DataFrame:
    return reference_feeds.tax_employers([snapshot], YEAR, seed=2021)


@pytest.fixture(scope="module")
def listed(snapshot: population.Snapshot, plain: pl.DataFrame) -> pl.DataFrame:
    return with_examples(plain, snapshot, YEAR)


def test_rows_have_the_columns_and_the_key_of_the_contract(listed: pl.DataFrame) -> None:
    contract = load_contracts()["tax_employers"]

    assert set(listed.columns) == set(contract.column_names)
    assert not listed.select(pl.struct(contract.key).is_duplicated().any()).item()
    assert all(mst.is_valid(code) for code in listed["tax_code"] if len(code) != 12)


def test_some_branches_have_only_their_parents_unit_and_some_parents_only_their_branches(
    snapshot: population.Snapshot, plain: pl.DataFrame, listed: pl.DataFrame
) -> None:
    carried = set(snapshot.units.frame["tax_code"].drop_nulls())
    new = sorted(set(listed["tax_code"]) - set(plain["tax_code"]))

    branches = [code for code in new if len(code) == 14]
    parents = [code for code in new if len(code) == 10 and any(one.startswith(f"{code}-") for one in carried)]

    assert len(branches) == BRANCHES
    assert not carried & {*branches, *parents}
    assert {code[:10] for code in branches} <= carried & set(listed["tax_code"])
    assert len(parents) == PARENTS
    for parent in parents:
        assert listed.filter(pl.col("tax_code").str.starts_with(f"{parent}-")).is_empty()
        replaced = plain.filter(pl.col("tax_code").str.starts_with(f"{parent}-"))
        row = listed.filter(pl.col("tax_code") == parent)
        assert row["employees_paid"].item() == replaced["employees_paid"].sum()


def test_supplements_add_heads_take_heads_and_close(listed: pl.DataFrame) -> None:
    later = listed.filter(pl.col("supplement_no") == 1)
    both = later.join(listed.filter(pl.col("supplement_no") == 0), on="tax_code", suffix="_before")

    changed = [
        (after > before, after < before, status)
        for after, before, status in both.select(
            "employees_with_contract", "employees_with_contract_before", "status"
        ).iter_rows()
    ]

    assert sorted(changed) == [(False, False, "closed"), (False, True, "operating"), (True, False, "operating")]


def test_addresses_are_those_of_the_units_and_never_a_households(
    snapshot: population.Snapshot, listed: pl.DataFrame
) -> None:
    units = snapshot.units.frame.select("tax_code", at="address").drop_nulls("tax_code").unique("tax_code")
    known = listed.filter(pl.col("address").is_not_null()).join(units, on="tax_code", how="left")

    assert known.height > listed.height // 2
    assert known.filter(pl.col("at") != pl.col("address")).is_empty()
    assert set(known["tax_code"].str.len_chars()) == {10, 14}


def test_one_name_lacks_a_word_and_stands_at_the_address_of_a_unit_that_is_not_listed(
    snapshot: population.Snapshot, listed: pl.DataFrame
) -> None:
    row = listed.row(-1, named=True)
    digits = row["name"].split()[-1]
    (unit,) = snapshot.units.frame.filter(pl.col("name").str.ends_with(f" {digits}")).rows(named=True)

    assert unit["address"] == row["address"]
    assert unit["tax_code"] not in set(listed["tax_code"])
    assert row["tax_code"] not in set(snapshot.units.frame["tax_code"])
    assert len(unit["name"].split()) == len(row["name"].split()) + 1


def test_a_province_that_is_too_small_is_refused() -> None:
    tiny = population.take(provinces.cell("26", scale=0.001), dt.date(YEAR, 10, 1), 2021)

    with pytest.raises(ValueError, match="take a larger one"):
        with_examples(reference_feeds.tax_employers([tiny], YEAR, seed=2021), tiny, YEAR)
