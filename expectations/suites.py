"""The suite of a feed, generated from its contract: row floor and not-null floor first, then values, pairs, totals.

The loader has judged every row and set later rows of a key aside already; this gate finds out whether what was
committed is what it said. Keys are not counted again: GX joins a slice with itself for that.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from expectations.engine import Check, Expectation, gx
from ingestion.contracts import Column, Contract

_COLUMN = gx.expectations.row_conditions.Column
_ROWS = sql.SQL("count(*)")


def contract_suite(contract: Contract, accepted_rows: int, totals: Mapping[str, int]) -> list[Check]:
    """The checks of one load of a feed. `totals` are the ledger's loaded totals, by amount or count column."""
    expect = gx.expectations
    # one row at least, whatever the ledger says: an empty slice never passes
    rows = max(accepted_rows, 1)
    checks = [
        _check(
            expect.ExpectTableRowCountToBeBetween(
                min_value=rows, max_value=rows, meta=_meta("identity", "as many rows as the ledger accepted")
            ),
            None,
            _ROWS,
            1,
        )
    ]
    for column in contract.columns:
        checks += _filled(column)
    for column in contract.columns:
        checks += _valued(column)
    for lower, upper in contract.not_above.items():
        checks.append(
            _check(
                expect.ExpectColumnPairValuesAToBeGreaterThanB(
                    column_A=upper,
                    column_B=lower,
                    or_equal=True,
                    ignore_row_if="either_value_is_missing",
                    meta=_meta("identity", f"{lower} is a part of {upper}"),
                ),
                f"{lower}, {upper}",
                sql.SQL("count(*) filter (where {} is not null and {} is not null)").format(
                    sql.Identifier(lower), sql.Identifier(upper)
                ),
                0,
            )
        )
    if contract.at_least_one_of:
        checks.append(_one_filled(contract.at_least_one_of))
    for name in (*contract.amount_columns, *contract.count_columns):
        if name in totals:
            checks.append(_sum(name, totals[name]))
    return checks


def _filled(column: Column) -> list[Check]:
    expect = gx.expectations
    name = column.name
    if column.required:
        filled = expect.ExpectColumnValuesToNotBeNull(column=name, meta=_meta("form", "the contract requires it"))
        return [_check(filled, name, _ROWS, 1)]
    if column.required_if is None:
        return []
    values = list(column.required_if.values)
    condition = _COLUMN(column.required_if.column).is_in(values)
    where = sql.SQL("count(*) filter (where {} = any({}))").format(
        sql.Identifier(column.required_if.column), sql.Literal(values)
    )
    reason = f"the contract requires it where {column.required_if.column} is {' or '.join(values)}"
    filled = expect.ExpectColumnValuesToNotBeNull(column=name, row_condition=condition, meta=_meta("form", reason))
    return [_check(filled, name, where, 0)]


def _valued(column: Column) -> list[Check]:
    expect = gx.expectations
    name, floor = column.name, int(column.required)
    checks = []
    if column.values:
        allowed = expect.ExpectColumnValuesToBeInSet(
            column=name, value_set=list(column.values), meta=_meta("form", f"one of {', '.join(column.values)}")
        )
        checks.append(_check(allowed, name, _present(name), floor))
    if column.minimum is not None or column.maximum is not None:
        least = None if column.minimum is None else f"at least {column.minimum:,}"
        most = None if column.maximum is None else f"at most {column.maximum:,}"
        bounds = expect.ExpectColumnValuesToBeBetween(
            column=name, min_value=column.minimum, max_value=column.maximum,
            meta=_meta("form", " and ".join(filter(None, [least, most]))),
        )  # fmt: skip
        checks.append(_check(bounds, name, _present(name), floor))
    return checks


def _one_filled(columns: tuple[str, ...]) -> Check:
    """Where all the others are empty, the first must not be."""
    first, others = columns[0], columns[1:]
    condition = _COLUMN(others[0]).is_null()
    for other in others[1:]:
        condition = condition & _COLUMN(other).is_null()
    names = sql.SQL(", ").join(map(sql.Identifier, others))
    empty = sql.SQL("count(*) filter (where num_nonnulls({}) = 0)").format(names)
    reason = f"one of {', '.join(columns)} must be filled in"
    expectation = gx.expectations.ExpectColumnValuesToNotBeNull(
        column=first, row_condition=condition, meta=_meta("form", reason)
    )
    return _check(expectation, ", ".join(columns), empty, 0)


def _sum(column: str, loaded: int) -> Check:
    return Check(
        gx.expectations.ExpectColumnSumToBeBetween(
            column=column,
            min_value=loaded,
            max_value=loaded,
            meta=_meta("identity", "control total: what lies in raw is what the ledger loaded, exactly"),
        ),
        column,
        _present(column),
        int(loaded != 0),
        "reject",
        total=(sql.SQL("coalesce(sum({}), 0)").format(sql.Identifier(column)), loaded),
    )


def _meta(basis: str, reason: str) -> dict[str, str]:
    return {"severity": "reject", "basis": basis, "reason": reason}


def _present(column: str) -> sql.Composed:
    return sql.SQL("count({})").format(sql.Identifier(column))


def _check(expectation: Expectation, column: str | None, counted: sql.Composable, at_least: int) -> Check:
    return Check(expectation, column, counted, at_least, "reject")
