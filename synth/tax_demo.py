"""What the demo's tax list has besides whole firms: branches and parents, supplements, addresses, a name half alike.

So that every class and every rung of the match has an example (D.4, R18) but `confirmed`, which needs a person.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl

from synth.identifiers import organisation_tax_codes
from synth.population import Snapshot
from synth.tax_truth import TAX_SCHEMA

PARENTS, BRANCHES = 2, 2
"""Parents whose branches alone have units, and branches whose parent alone has one."""
_FIRST_BRANCH = 901
_HALF_ALIKE_SERIAL = 2_700_000
_SHORTENED = r"\s\p{L}+(\s\d+)$"


def with_examples(listed: pl.DataFrame, snapshot: Snapshot, tax_year: int) -> pl.DataFrame:
    """A yearly list with addresses of organisations, and for one province rows of each kind that it lacks.

    `listed` is as `reference_feeds.tax_employers` gives it, `snapshot` the province; the result has `TAX_SCHEMA`.
    Raises ValueError when the province has no unit that fits a kind.
    """
    units = snapshot.units.frame.filter(pl.col("status") == "active").sort("si_unit_code")
    rows = _with_addresses(listed, units)
    rows = _parents_for_branches(rows, units)
    firms = rows.filter(
        pl.col("tax_code").is_in(units["tax_code"].drop_nulls().implode()),
        pl.col("tax_code").str.len_chars() == 10,
        pl.col("status") == "operating",
        pl.col("employees_with_contract") >= 5,
    )
    more = [_branches(firms.head(BRANCHES)), *_supplements(firms.slice(BRANCHES), units, tax_year)]
    return pl.concat([rows, *more, _half_alike(rows, units, snapshot)])


def _with_addresses(listed: pl.DataFrame, units: pl.DataFrame) -> pl.DataFrame:
    """The address of the first unit with the code; a household's is its owner's and not sent."""
    known = units.filter(pl.col("tax_code").str.len_chars() != 12).unique("tax_code", keep="first")
    joined = listed.join(known.select("tax_code", "address"), on="tax_code", how="left", maintain_order="left")
    return joined.select(TAX_SCHEMA.names())


def _parents_for_branches(rows: pl.DataFrame, units: pl.DataFrame) -> pl.DataFrame:
    """Parents stand on the list instead of their branches, which have all the units."""
    parent = pl.col("tax_code").str.slice(0, 10)
    branches = rows.filter(pl.col("tax_code").is_in(units["tax_code"].drop_nulls().implode())).filter(
        pl.col("tax_code").str.len_chars() == 14,
        pl.col("status") == "operating",
        ~parent.is_in(pl.concat([units["tax_code"].drop_nulls(), rows["tax_code"]]).implode()),
    )
    chosen = branches.select(parent).unique().sort("tax_code").head(PARENTS)["tax_code"]
    if len(chosen) < PARENTS:
        raise ValueError("the province has no branches whose parent is no unit: take a larger one")
    own = rows.filter((pl.col("tax_code").str.len_chars() == 14) & parent.is_in(chosen.implode()))
    summed = ["employees_paid", "employees_with_contract", "income_paid_vnd", "wage_cost_vnd"]
    first = own.group_by(parent, maintain_order=True).agg(
        pl.col(name).sum() if name in summed else pl.col(name).first()
        for name in TAX_SCHEMA.names()
        if name != "tax_code"
    )
    is_replaced = pl.col("tax_code").is_in(own["tax_code"].implode())
    return pl.concat([rows.filter(~is_replaced), first.select(TAX_SCHEMA.names())])


def _branches(firms: pl.DataFrame) -> pl.DataFrame:
    """Branches that are insured in their parent's unit."""
    number = pl.int_range(pl.len()) + _FIRST_BRANCH
    return firms.with_columns(
        tax_code=pl.col("tax_code") + "-" + number.cast(pl.String),
        name=pl.col("name") + " - Chi nhánh",
        employees_paid=pl.lit(2, pl.Int64),
        employees_with_contract=pl.lit(2, pl.Int64),
        income_paid_vnd=pl.lit(2 * 84_000_000, pl.Int64),
        wage_cost_vnd=pl.lit(2 * 86_000_000, pl.Int64),
        cit_finalised=pl.lit("N"),
        cit_filing_date=pl.lit(None, pl.Date),
        address=pl.lit(None, pl.String),
    )


def _supplements(firms: pl.DataFrame, units: pl.DataFrame, tax_year: int) -> Sequence[pl.DataFrame]:
    """One that adds heads, one that takes back the surplus, one that closes the firm."""
    heads = units.select("tax_code", pl.col("employees").cast(pl.Int64).alias("insured")).unique("tax_code")
    known = firms.join(heads, on="tax_code", how="left", maintain_order="left")
    surplus = pl.col("employees_with_contract") - pl.col("insured")
    whole = known.filter(surplus == 0)
    low = known.filter(surplus >= 3)
    if whole.height < 2 or low.is_empty():
        raise ValueError("the province has too few firms of five heads or more: take a larger one")
    again = {"supplement_no": pl.lit(1, pl.Int64)}
    paid = pl.col("employees_paid") - pl.col("employees_with_contract")
    more = pl.col("employees_with_contract") * 2
    return [
        whole.head(1).with_columns(**again, employees_with_contract=more, employees_paid=more + paid).drop("insured"),
        low.head(1)
        .with_columns(**again, employees_with_contract=pl.col("insured"), employees_paid=pl.col("insured") + paid)
        .drop("insured"),
        whole.slice(1, 1)
        .with_columns(**again, status=pl.lit("closed"), status_date=pl.lit(dt.date(tax_year, 12, 15)))
        .drop("insured"),
    ]


def _half_alike(rows: pl.DataFrame, units: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    """A unit that is on no list, under a code no unit carries and without a word of its name: the address tells."""
    unlisted = units.filter(
        pl.col("unit_type") == "private",
        pl.col("address").is_not_null(),
        pl.col("employees") > 0,
        ~pl.col("tax_code").is_in(rows["tax_code"].implode()),
        ~pl.col("name").str.to_uppercase().is_in(rows["name"].implode()),
        pl.col("tax_code").str.len_chars() == 10,
        pl.col("name").str.contains(_SHORTENED),
    ).head(1)
    if unlisted.is_empty():
        raise ValueError("the province has no unit that is on no list: take a larger one")
    heads = unlisted["employees"].cast(pl.Int64)
    codes = organisation_tax_codes(snapshot.cell.position + 1, np.array([_HALF_ALIKE_SERIAL], dtype=np.int64))
    like = rows.filter(pl.col("province_code") == snapshot.cell.code).head(1)
    return like.with_columns(
        tax_code=codes,
        name=unlisted["name"].str.replace(_SHORTENED, "${1}"),
        address=unlisted["address"],
        industry_code=unlisted["industry_code"],
        status=pl.lit("operating"),
        status_date=pl.lit(None, pl.Date),
        employees_paid=heads,
        employees_with_contract=heads,
        income_paid_vnd=heads * 84_000_000,
        wage_cost_vnd=heads * 86_000_000,
    )
