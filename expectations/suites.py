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
    checks = [
        _check(expect.ExpectTableRowCountToEqual(value=accepted_rows), None, _ROWS, 1),
        _check(expect.ExpectTableRowCountToBeBetween(min_value=1), None, _ROWS, 1),
    ]
    for column in contract.columns:
        checks += _filled(column)
    for column in contract.columns:
        checks += _valued(column)
    for lower, upper in contract.not_above.items():
        checks.append(
            _check(
                expect.ExpectColumnPairValuesAToBeGreaterThanB(
                    column_A=upper, column_B=lower, or_equal=True, ignore_row_if="either_value_is_missing"
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
        return [_check(expect.ExpectColumnValuesToNotBeNull(column=name), name, _ROWS, 1)]
    if column.required_if is None:
        return []
    values = list(column.required_if.values)
    condition = _COLUMN(column.required_if.column).is_in(values)
    where = sql.SQL("count(*) filter (where {} = any({}))").format(
        sql.Identifier(column.required_if.column), sql.Literal(values)
    )
    return [_check(expect.ExpectColumnValuesToNotBeNull(column=name, row_condition=condition), name, where, 0)]


def _valued(column: Column) -> list[Check]:
    expect = gx.expectations
    name, floor = column.name, int(column.required)
    checks = []
    if column.values:
        allowed = expect.ExpectColumnValuesToBeInSet(column=name, value_set=list(column.values))
        checks.append(_check(allowed, name, _present(name), floor))
    if column.minimum is not None or column.maximum is not None:
        bounds = expect.ExpectColumnValuesToBeBetween(column=name, min_value=column.minimum, max_value=column.maximum)
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
    expectation = gx.expectations.ExpectColumnValuesToNotBeNull(column=first, row_condition=condition)
    return _check(expectation, ", ".join(columns), empty, 0)


def _sum(column: str, loaded: int) -> Check:
    return Check(
        gx.expectations.ExpectColumnSumToBeBetween(column=column, min_value=loaded, max_value=loaded),
        column,
        _present(column),
        int(loaded != 0),
        "reject",
        total=(sql.SQL("coalesce(sum({}), 0)").format(sql.Identifier(column)), loaded),
    )


def _present(column: str) -> sql.Composed:
    return sql.SQL("count({})").format(sql.Identifier(column))


def _check(expectation: Expectation, column: str | None, counted: sql.Composable, at_least: int) -> Check:
    return Check(expectation, column, counted, at_least, "reject")
