"""Standard expectations judged together: one scan of the table and one metric for all that can be put as an aggregate.

Great Expectations takes about 10 ms of its own for an expectation, on ten rows as on a million. A suite generated from
a contract has twenty, a submission twelve suites. So the standard expectations of a suite stay what they are, and those
whose meaning is a count or a sum travel to the library as the members of one expectation, `ExpectTableToMeet`. Verdicts
are the same (tests/expectations/test_fused.py holds both ways together); only sums differ: they are compared as whole
numbers, where the library compares floats.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

import sqlalchemy as sa

from expectations.library import (
    BatchExpectation,
    Condition,
    Expectation,
    MetricDomainTypes,
    SqlAlchemyExecutionEngine,
    TableMetricProvider,
    deserialize_row_condition,
    metric_value,
)

__all__ = ["ExpectTableToMeet", "fuse", "is_fusable"]

_METRIC = "table.members_met"
Kwargs = Mapping[str, Any]
Expression = sa.ColumnElement[Any]


def is_fusable(expectation: Expectation) -> bool:
    """Whether the expectation is of a known type and asks nothing of it that is not known here (`mostly`, say)."""
    configuration = expectation.configuration
    kind = _KINDS.get(str(configuration.type))
    return kind is not None and set(configuration.kwargs) <= kind.keywords


def fuse(expectations: Sequence[Expectation]) -> ExpectTableToMeet:
    """One expectation that is met when all of them are; its observed value has an entry for each, in their order."""
    members = [
        {"type": configuration["type"], "kwargs": configuration["kwargs"]}
        for configuration in (one.configuration.to_json_dict() for one in expectations)
    ]
    return ExpectTableToMeet(members=json.dumps(members, ensure_ascii=False))


class ExpectTableToMeet(BatchExpectation):  # type: ignore[misc] # the library's classes are not typed
    """Expect a table to meet a list of standard expectations.

    Args:
        members: The expectations as a JSON list of {"type", "kwargs"}.

    The observed value is a list of [rows judged, rows that break it (null for an aggregate), whether it is met].
    """

    members: str
    domain_keys: ClassVar[tuple[str, ...]] = ("batch_id",)
    success_keys: ClassVar[tuple[str, ...]] = ("members",)
    metric_dependencies: ClassVar[tuple[str, ...]] = (_METRIC,)

    def _validate(self, metrics: dict[str, Any], **_: Any) -> dict[str, Any]:
        found = metrics[_METRIC]
        return {"success": all(is_met for _, _, is_met in found), "result": {"observed_value": found}}


class _MembersMet(TableMetricProvider):  # type: ignore[misc] # as above
    metric_name = _METRIC
    value_keys = ("members",)

    @metric_value(engine=SqlAlchemyExecutionEngine)  # type: ignore[untyped-decorator] # as above
    def _sqlalchemy(
        cls,  # noqa: N805 - the library makes a class method of it
        execution_engine: SqlAlchemyExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        **_: Any,
    ) -> list[list[Any]]:
        table, _, _ = execution_engine.get_compute_domain(metric_domain_kwargs, domain_type=MetricDomainTypes.TABLE)
        members = json.loads(metric_value_kwargs["members"])
        expressions: list[Expression] = []
        for member in members:
            expressions += _KINDS[member["type"]].measured(member["kwargs"], execution_engine)
        labelled = [expression.label(f"m{number}") for number, expression in enumerate(expressions)]
        row = execution_engine.execute_query(sa.select(*labelled).select_from(table)).one()
        return [
            _KINDS[member["type"]].verdict(member["kwargs"], row[2 * number], row[2 * number + 1])
            for number, member in enumerate(members)
        ]


class _RowRule:
    """A question about each row: how many are judged, and how many of them break it."""

    def __init__(
        self, keywords: set[str], rule: Callable[[Kwargs], tuple[Expression, Expression]], *, conditional: bool = False
    ) -> None:
        self.keywords = keywords | ({"row_condition"} if conditional else set())
        self._rule = rule

    def measured(self, kwargs: Kwargs, engine: SqlAlchemyExecutionEngine) -> list[Expression]:
        """Counts of what is judged and of what breaks the rule."""
        judged, broken = self._rule(kwargs)
        condition = deserialize_row_condition(kwargs.get("row_condition"))
        if isinstance(condition, Condition):
            judged = sa.and_(engine.condition_to_filter_clause(condition), judged)
        return [sa.func.count().filter(judged), sa.func.count().filter(sa.and_(judged, broken))]

    @staticmethod
    def verdict(_: Kwargs, judged: int, broken: int) -> list[Any]:
        """Met when no row breaks it."""
        return [judged, broken, broken == 0]


class _Aggregate:
    """A question about the whole table: one number that lies within bounds, compared exactly."""

    def __init__(self, keywords: set[str], judged: Callable[[Kwargs], Expression], value: Callable[[Kwargs], Any]):
        self.keywords = keywords
        self._judged, self._value = judged, value

    def measured(self, kwargs: Kwargs, _: SqlAlchemyExecutionEngine) -> list[Expression]:
        """The count of what is judged, and the number."""
        return [self._judged(kwargs), self._value(kwargs)]

    @staticmethod
    def verdict(kwargs: Kwargs, judged: int, value: Any) -> list[Any]:
        """Met when the number is there and within its bounds."""
        lowest, highest = kwargs.get("min_value", kwargs.get("value")), kwargs.get("max_value", kwargs.get("value"))
        is_met = value is not None and (lowest is None or value >= _exact(lowest))
        return [judged, None, is_met and (highest is None or value <= _exact(highest))]


def _exact(bound: Any) -> Decimal:
    return Decimal(str(bound))


def _filled(kwargs: Kwargs) -> tuple[Expression, Expression]:
    return sa.true(), sa.column(kwargs["column"]).is_(None)


def _allowed(kwargs: Kwargs) -> tuple[Expression, Expression]:
    column: sa.ColumnClause[Any] = sa.column(kwargs["column"])
    return column.is_not(None), column.not_in(kwargs["value_set"])


def _between(kwargs: Kwargs) -> tuple[Expression, Expression]:
    column: sa.ColumnClause[Any] = sa.column(kwargs["column"])
    outside: list[Expression] = []
    if kwargs.get("min_value") is not None:
        outside.append(column < kwargs["min_value"])
    if kwargs.get("max_value") is not None:
        outside.append(column > kwargs["max_value"])
    return column.is_not(None), sa.or_(sa.false(), *outside)


def _ordered(kwargs: Kwargs) -> tuple[Expression, Expression]:
    larger: sa.ColumnClause[Any] = sa.column(kwargs["column_A"])
    smaller: sa.ColumnClause[Any] = sa.column(kwargs["column_B"])
    is_wrong = larger < smaller if kwargs.get("or_equal") else larger <= smaller
    return sa.and_(larger.is_not(None), smaller.is_not(None)), is_wrong


def _rows(_: Kwargs) -> Expression:
    return sa.func.count()


_PAIR = {"column_A", "column_B", "or_equal", "ignore_row_if"}
_KINDS: Mapping[str, _RowRule | _Aggregate] = {
    "expect_column_values_to_not_be_null": _RowRule({"column"}, _filled, conditional=True),
    "expect_column_values_to_be_in_set": _RowRule({"column", "value_set"}, _allowed, conditional=True),
    "expect_column_values_to_be_between": _RowRule({"column", "min_value", "max_value"}, _between, conditional=True),
    "expect_column_pair_values_a_to_be_greater_than_b": _RowRule(_PAIR, _ordered),
    "expect_table_row_count_to_equal": _Aggregate({"value"}, _rows, _rows),
    "expect_table_row_count_to_be_between": _Aggregate({"min_value", "max_value"}, _rows, _rows),
    "expect_column_sum_to_be_between": _Aggregate(
        {"column", "min_value", "max_value"},
        lambda kwargs: sa.func.count(sa.column(kwargs["column"])),
        lambda kwargs: sa.func.sum(sa.column(kwargs["column"])),
    ),
}
