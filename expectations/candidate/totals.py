"""Control totals: published = loaded, to the dong and to the row, for every feed and column with a counterpart (R29).

What has none: rows of a list that a later list takes the place of (inspections, outreach, plan targets, tax lists), an
amount of a year-to-date file of which one part is not known, heads of earlier months, and columns no fact keeps.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from psycopg import sql

from expectations.candidate.control import Compared, Control, Row, row
from expectations.candidate.scope import Input, Scope
from ingestion.contracts import load_contracts
from warehouse.connection import Connection

CONTROLS = (
    Control("evaluated", "completeness", "a touched slice with accepted rows is not empty in bi"),
    Control("filled", "completeness", "a column with a total is not empty in a touched slice"),
    Control("total", "totals", "published = loaded, to the dong and to the row (R29)"),
    Control("nil", "totals", "a nil feed has no row (R26)"),
)


@dataclass(frozen=True)
class _Fact:
    """Where a feed's rows are published.

    `rows` is what counts them, `columns` says which column of the relation holds which of the feed.
    """

    feed: str
    relation: str
    columns: Mapping[str, str]
    is_month_kept: bool = False
    rows: str = "count(*)"


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


_FACTS = (
    _Fact("participants", "fct_participation", _same("wage_base_vnd"), is_month_kept=True),
    _Fact(
        "contributions",
        "fct_contribution",
        _same(
            "due_vnd", "adjustment_vnd", "interest_due_vnd", "paid_vnd", "interest_paid_vnd", "wage_fund_vnd",
            "headcount",
        ),
        is_month_kept=True,
        # what a year-to-date file no longer names stands with its amount taken back, and without a row of the file
        rows="count(row_no)",
    ),
    _Fact(
        "arrears",
        "fct_arrears",
        _same("principal_vnd", "overdue_vnd", "interest_vnd", "employees_affected"),
        is_month_kept=True,
    ),
    _Fact(
        "benefits", "fct_benefit", _same("persons", "cases", "amount_vnd"), is_month_kept=True, rows="count(row_no)"
    ),
    _Fact(
        "employers",
        "rpt_employers",
        _same("employees"),
        is_month_kept=True,
        rows="coalesce(sum(units), 0)",
    ),
    _Fact(
        "inspections",
        "fct_inspection",
        _same(
            "arrears_before_vnd", "persons_found", "recovered_at_visit_vnd", "recovered_after_vnd", "fine_vnd"
        ),
    ),
    _Fact("outreach", "fct_outreach", _same("attendees", "sign_ups")),
    _Fact("policy_relief", "fct_policy_relief", _same("persons", "units", "amount_vnd")),
    _Fact("weekly_report", "fct_weekly_report", {}),
    _Fact("plan_targets", "fct_plan_target", _same("target_value")),
    _Fact("indicators", "fct_reported_indicator", _same("value")),
)  # fmt: skip
# of a year-to-date file these are as sent, and stand on the file's own rows; the other columns are differenced
_AS_SENT = frozenset({"headcount", "persons"})


@dataclass(frozen=True)
class _Sums:
    rows: int
    count: int
    by_column: Mapping[str, tuple[Decimal, int]]


def compare(connection: Connection, scope: Scope) -> Compared:
    """Rows and sums of every touched load against what readers will see of it."""
    rows: list[Row] = []
    at_least = {"evaluated": 0, "total": 0, "filled": 0, "nil": 0}
    for fact in _FACTS:
        inputs = [one for one in scope.touched(fact.feed) if _has_counterpart(scope, one)]
        sums = _by_submission(connection, fact, inputs)
        for one in inputs:
            found = sums.get(one.submission_id, _Sums(0, 0, {}))
            if one.is_nil:
                rows.append(row("nil", fact.relation, one.place, "rows", 0, found.rows))
                at_least["nil"] += 1
                continue
            if one.accepted:
                rows.append(row("evaluated", fact.relation, one.place, "has rows", "yes", _yes(found.rows)))
                at_least["evaluated"] += 1
                at_least["total"] += found.rows > 0
            if found.rows:
                rows += _of_file(fact, one, found)
        rows += _to_date(connection, fact, [one for one in inputs if one.basis == "ytd" and not one.is_nil], sums)
    return Compared(tuple(rows), at_least)


def _yes(count: int) -> str:
    return "yes" if count > 0 else "no"


def _of_file(fact: _Fact, one: Input, found: _Sums) -> Iterable[Row]:
    yield row("total", fact.relation, one.place, "rows", one.accepted, found.rows)
    contract = load_contracts()[fact.feed]
    for name, target in fact.columns.items():
        loaded = one.loaded.get(name)
        if loaded is None:
            continue
        total, filled = found.by_column[target]
        if loaded or contract.column(name).required:
            yield row("filled", fact.relation, one.place, name, "yes", _yes(filled))
        if (filled or not loaded) and (one.basis != "ytd" or name in _AS_SENT):
            yield row("total", fact.relation, one.place, name, loaded, total)


def _has_counterpart(scope: Scope, one: Input) -> bool:
    """Whether all rows of the load are shown: a later list of inspections, events or targets takes rows over."""
    if one.feed not in ("inspections", "outreach", "plan_targets"):
        return True
    later = [other for other in scope.of(one.feed) if other.month > one.month]
    if one.feed == "inspections":
        return not any(other.current_province_code == one.current_province_code for other in later)
    if one.feed == "plan_targets":
        return not any(other.sender == one.sender and not other.is_nil for other in later)
    return not any(
        other.territory_key == one.territory_key and other.month.year == one.month.year and other.basis == "ytd"
        for other in later
        if not other.is_nil
    )


def _sum(fact: _Fact) -> sql.Composable:
    return sql.SQL("").join(
        sql.SQL(", coalesce(sum({0}), 0), count({0})").format(sql.Identifier("r", name))
        for name in fact.columns.values()
    )


def _sums(fact: _Fact, rows: int, count: int, values: Sequence[Any]) -> _Sums:
    pairs = zip(values[::2], values[1::2], strict=True)
    return _Sums(
        rows,
        count,
        {name: (Decimal(total), filled) for name, (total, filled) in zip(fact.columns.values(), pairs, strict=True)},
    )


def _by_submission(connection: Connection, fact: _Fact, inputs: Sequence[Input]) -> dict[str, _Sums]:
    if not inputs:
        return {}
    # the months of the submissions are those of the partitions; where a row has a month of its own they are not
    month = sql.SQL("r.month = any(%(months)s) and") if fact.is_month_kept else sql.SQL("")
    found: Any = connection.execute(
        sql.SQL(
            "select r.submission_id, {}, count(*){} from {} r where {} r.submission_id = any(%(ids)s) group by 1"
        ).format(sql.SQL(fact.rows), _sum(fact), sql.Identifier("bi", fact.relation), month),
        {"months": sorted({one.month for one in inputs}), "ids": [one.submission_id for one in inputs]},
    ).fetchall()
    return {values[0]: _sums(fact, int(values[1]), values[2], values[3:]) for values in found}


def _to_date(connection: Connection, fact: _Fact, inputs: Sequence[Input], own: Mapping[str, _Sums]) -> Iterable[Row]:
    """A year-to-date file's total is the sum of its year's months so far; only where every one of them is known."""
    if not inputs or fact.feed not in ("contributions", "benefits"):
        return
    parts: list[tuple[str, str, dt.date, dt.date]] = [
        (one.submission_id, territory, one.year_from, one.month) for one in inputs for territory in one.body
    ]
    found: Any = connection.execute(
        sql.SQL(
            """
            select part.submission_id, 0, count(*){} from {} r
            join unnest(%(ids)s::text[], %(territories)s::text[], %(since)s::date[], %(until)s::date[])
                part (submission_id, territory_key, since, until)
                on r.territory_key = part.territory_key and r.month >= part.since and r.month <= part.until
            where r.month >= %(first)s and r.month <= %(last)s
            group by 1
            """
        ).format(_sum(fact), sql.Identifier("bi", fact.relation)),
        {
            "ids": [part[0] for part in parts], "territories": [part[1] for part in parts],
            "since": [part[2] for part in parts], "until": [part[3] for part in parts],
            "first": min(part[2] for part in parts), "last": max(part[3] for part in parts),
        },
    ).fetchall()  # fmt: skip
    sums = {values[0]: _sums(fact, values[1], values[2], values[3:]) for values in found}
    for one in inputs:
        if not own.get(one.submission_id, _Sums(0, 0, {})).rows:
            continue
        for name, target in fact.columns.items():
            if name in _AS_SENT or name not in one.loaded:
                continue
            total, filled = sums[one.submission_id].by_column[target]
            if filled == sums[one.submission_id].count:
                yield row("total", fact.relation, one.place, f"{name} since January", one.loaded[name], total)
