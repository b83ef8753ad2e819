"""The rules by which a submission is held until a person decides: plausible in form, not in content.

Each expectation carries in its meta what it does (`hold` or `warn`), the kind of its reason (law, form or identity) and
the reason in words. The numbers stand in `thresholds.csv`. Nothing else holds a submission, and nothing holds for want
of history. A warning is stored and shown and decides nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from expectations.engine import SCHEMA, Check, Expectation, gx
from expectations.facts import Fact, Median
from expectations.plans import INDICATORS, WEEKLY, Planned
from expectations.thresholds import threshold
from warehouse.connection import Connection

_COLUMNS: dict[str, tuple[str, Callable[[Fact], object]]] = {
    "load_id": ("bigint", lambda fact: fact.load.load_id),
    "feed": ("text", lambda fact: fact.load.feed),
    "sent_ui": ("bigint", lambda fact: fact.sent("UI")),
    "sent_si_c": ("bigint", lambda fact: fact.sent("SI_C")),
    "sent_hi": ("bigint", lambda fact: fact.sent("HI")),
    "contradictions": ("bigint", lambda fact: len(fact.crossings) if _is_sent(fact, "indicators") else None),
    "si_wage_ratio": ("double precision", lambda fact: fact.wage_ratio(fact.si_wage)),
    "fund_wage_ratio": ("double precision", lambda fact: fact.wage_ratio(fact.fund_wage)),
    "total_ratio_lowest": ("double precision", lambda fact: min((fact.total_ratios or {}).values(), default=None)),
    "total_ratio_highest": ("double precision", lambda fact: max((fact.total_ratios or {}).values(), default=None)),
    "volume_change": ("double precision", lambda fact: fact.volume_change),
    "tax_list_change": (
        "double precision",
        lambda fact: None if fact.tax_list is None else fact.tax_list.volume_change,
    ),
    "tax_list_matched": (
        "double precision",
        lambda fact: None if fact.tax_list is None else fact.tax_list.matched_share,
    ),
    "tax_list_valid": ("double precision", lambda fact: None if fact.tax_list is None else fact.tax_list.valid_share),
    "ui_without_si_c": ("bigint", lambda fact: None if fact.alone is None else fact.alone.count),
    "plan_share_lowest": (
        "double precision",
        lambda fact: min((one.share for one in fact.planned if one.is_stock), default=None),
    ),
    "plan_share_highest": ("double precision", lambda fact: max((one.share for one in fact.planned), default=None)),
    "plan_points_off": (
        "double precision",
        lambda fact: max((one.points_off for one in fact.planned if one.points_off is not None), default=None),
    ),
    "days_outside_week": ("bigint", lambda fact: fact.days_outside_week),
    "forbidden_nil": ("bigint", lambda fact: int(fact.load.is_nil and not fact.is_nil_allowed)),
}

Arguments = dict[str, object]


@dataclass(frozen=True)
class Rule:
    """A hold rule or a warning: its check, its code, and what there is to tell about each feed that breaks it.

    The sender is told by the code: of a hold as an error, of a warning as a note on the feed. A warning without one is
    for the house; its figures stand with the stored result.
    """

    check: Check
    code: str | None
    explain: Callable[[Fact], Iterable[Arguments]]

    @property
    def holds(self) -> bool:
        """Whether a person decides when the rule is broken."""
        return self.check.severity == "hold"


def write_facts(connection: Connection, table: str, facts: Sequence[Fact]) -> None:
    """Make gate.<table>, one row a feed, anew from the facts."""
    name = sql.Identifier(SCHEMA, table)
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind)) for column, (kind, _) in _COLUMNS.items()
    )
    connection.execute(sql.SQL("drop table if exists {}").format(name))
    connection.execute(sql.SQL("create unlogged table {} ({})").format(name, columns))
    places = sql.SQL(", ").join(sql.Placeholder() * len(_COLUMNS))
    with connection.cursor() as cursor:
        cursor.executemany(
            sql.SQL("insert into {} values ({})").format(name, places),
            [[value(fact) for _, value in _COLUMNS.values()] for fact in facts],
        )


def business_rules(facts: Sequence[Fact], month: dt.date) -> list[Rule]:
    """The hold rules and warnings for the feeds of one submission of a month."""
    rules = _hold_rules(facts, month)
    if any(fact.alone for fact in facts):
        rules.append(_person_warning(facts))
    if any(fact.load.feed == INDICATORS for fact in facts):
        rules += _plan_warnings(month)
    if any(fact.load.feed == WEEKLY for fact in facts):
        rules.append(_week_warning())
    if any(fact.tax_list for fact in facts):
        rules += _tax_list_warnings(month)
    return rules


def _hold_rules(facts: Sequence[Fact], month: dt.date) -> list[Rule]:
    expect = gx.expectations
    participants = sum(_is_sent(fact, "participants") for fact in facts)
    indicators = sum(_is_sent(fact, "indicators") for fact in facts)
    wages = {"min_value": threshold("wage_lowest", month), "max_value": threshold("wage_highest", month)}
    lowest, highest = threshold("total_lowest", month), threshold("total_highest", month)
    return [
        _rule(
            "E-HELD-SUBSET",
            expect.ExpectColumnPairValuesAToBeGreaterThanB(
                column_A="sent_si_c", column_B="sent_ui", or_equal=True, ignore_row_if="either_value_is_missing",
                meta=_meta("law", "unemployment insurance presupposes compulsory social insurance (Law 38/2013)"),
            ),
            ("sent_si_c", "sent_ui"),
            at_least=participants,
            explain=lambda fact: _above("UI", fact.sent("UI"), "SI_C", fact.sent("SI_C")),
        ),
        _rule(
            "E-HELD-SUBSET",
            expect.ExpectColumnPairValuesAToBeGreaterThanB(
                column_A="sent_hi", column_B="sent_si_c", or_equal=True, ignore_row_if="either_value_is_missing",
                meta=_meta("law", "who is under compulsory social insurance is under health insurance; holds in sums"),
            ),
            ("sent_hi", "sent_si_c"),
            at_least=participants,
            explain=lambda fact: _above("SI_C", fact.sent("SI_C"), "HI", fact.sent("HI")),
        ),
        _rule(
            "E-HELD-SUBSET",
            expect.ExpectColumnValuesToBeBetween(
                column="contradictions", max_value=0,
                meta=_meta("identity", "reported head counts: ui <= si_compulsory <= hi, si = compulsory + voluntary"),
            ),
            ("contradictions",),
            at_least=indicators,
            explain=lambda fact: (
                {
                    "smaller": one.smaller, "smaller_count": f"{one.smaller_count:f}".removesuffix(".0000"),
                    "larger": one.larger, "larger_count": f"{one.larger_count:f}".removesuffix(".0000"),
                }
                for one in fact.crossings
            ),
        ),
        _rule(
            "E-HELD-WAGE",
            expect.ExpectColumnValuesToBeBetween(
                column="si_wage_ratio", **wages,
                meta=_meta("law", "the minimum wage is the floor of the compulsory base; far off is a wrong unit"),
            ),
            ("si_wage_ratio",),
            explain=lambda fact: _far_wage(fact, fact.si_wage, "wage_base_vnd", month),
        ),
        _rule(
            "E-HELD-WAGE",
            expect.ExpectColumnValuesToBeBetween(
                column="fund_wage_ratio", **wages,
                meta=_meta("law", "wage fund by head against the minimum wage; far off is a wrong unit"),
            ),
            ("fund_wage_ratio",),
            explain=lambda fact: _far_wage(fact, fact.fund_wage, "wage_fund_vnd", month),
        ),
        _rule(
            "E-HELD-TOTAL",
            expect.ExpectColumnValuesToBeBetween(
                column="total_ratio_lowest", min_value=lowest,
                meta=_meta("form", "a total far below the same sender's last one is a wrong unit or a lost file"),
            ),
            ("total_ratio_lowest",),
            explain=lambda fact: _far_totals(fact, lambda ratio: ratio < lowest),
        ),
        _rule(
            "E-HELD-TOTAL",
            expect.ExpectColumnValuesToBeBetween(
                column="total_ratio_highest", max_value=highest,
                meta=_meta("form", "a total far above the same sender's last one is a wrong unit"),
            ),
            ("total_ratio_highest",),
            explain=lambda fact: _far_totals(fact, lambda ratio: ratio > highest),
        ),
        _rule(
            "E-HELD-VOLUME",
            expect.ExpectColumnValuesToBeBetween(
                column="volume_change", max_value=threshold("volume_change", month),
                meta=_meta("form", "a large slice that moved by half in a month is a partial or a doubled file"),
            ),
            ("volume_change",),
            explain=lambda fact: _far_volume(fact, threshold("volume_change", month)),
        ),
        _rule(
            "E-HELD-NIL",
            expect.ExpectColumnValuesToBeBetween(
                column="forbidden_nil", max_value=0,
                meta=_meta("form", "a province always has participants, employers and contributions to report"),
            ),
            ("forbidden_nil",),
            at_least=len(facts),
            explain=lambda fact: [{"feed": fact.load.feed}] if fact.load.is_nil and not fact.is_nil_allowed else [],
        ),
    ]  # fmt: skip


def _person_warning(facts: Sequence[Fact]) -> Rule:
    return _rule(
        "N-UI-WITHOUT-SI",
        gx.expectations.ExpectColumnValuesToBeBetween(
            column="ui_without_si_c", max_value=0,
            meta=_meta("law", "by person, unemployment insurance goes with compulsory insurance (R4)", "warn"),
        ),
        ("ui_without_si_c",),
        at_least=sum(_is_sent(fact, "participants") for fact in facts),
        explain=lambda fact: (
            [
                {
                    "count": fact.alone.count, "rows": list(fact.alone.rows),
                    "left_out": fact.alone.count - len(fact.alone.rows),
                }
            ]
            if fact.alone and fact.alone.count
            else []
        ),
    )  # fmt: skip


def _plan_warnings(month: dt.date) -> list[Rule]:
    expect = gx.expectations
    lowest, highest, points = (threshold(code, month) for code in ("plan_lowest", "plan_highest", "plan_points"))
    return [
        _rule(
            None,
            expect.ExpectColumnValuesToBeBetween(
                column="plan_share_lowest", min_value=lowest,
                meta=_meta("form", "a stock far below the year's plan is a wrong unit or indicator", "warn"),
            ),
            ("plan_share_lowest",),
            explain=lambda fact: _plan_figures(fact, lambda one: one.is_stock and one.share < lowest),
        ),
        _rule(
            None,
            expect.ExpectColumnValuesToBeBetween(
                column="plan_share_highest", max_value=highest,
                meta=_meta("form", "a figure far above the plan of the year is a wrong unit", "warn"),
            ),
            ("plan_share_highest",),
            explain=lambda fact: _plan_figures(fact, lambda one: one.share > highest),
        ),
        _rule(
            None,
            expect.ExpectColumnValuesToBeBetween(
                column="plan_points_off", max_value=points,
                meta=_meta("identity", "reported attainment is the figure over the plan in force (R2)", "warn"),
            ),
            ("plan_points_off",),
            explain=lambda fact: _plan_figures(fact, lambda one: (one.points_off or 0) > points),
        ),
    ]  # fmt: skip


def _plan_figures(fact: Fact, is_odd: Callable[[Planned], bool]) -> list[Arguments]:
    return [
        {
            "indicator": one.indicator, "value": f"{one.value:f}", "plan": f"{one.plan:f}",
            **({} if one.reported_pct is None else {"reported_pct": f"{one.reported_pct:f}"}),
        }
        for one in fact.planned
        if is_odd(one)
    ]  # fmt: skip


def _week_warning() -> Rule:
    return _rule(
        None,
        gx.expectations.ExpectColumnValuesToBeBetween(
            column="days_outside_week", max_value=0,
            meta=_meta("form", "a weekly report closes in its own week", "warn"),
        ),
        ("days_outside_week",),
        explain=lambda fact: [{"days": fact.days_outside_week}] if fact.days_outside_week else [],
    )  # fmt: skip


def _tax_list_warnings(month: dt.date) -> list[Rule]:
    expect = gx.expectations
    most, carried, valid = (
        threshold(code, month) for code in ("tax_list_change", "tax_list_matched", "tax_list_valid")
    )
    return [
        _rule(
            None,
            expect.ExpectColumnValuesToBeBetween(
                column="tax_list_change", max_value=most,
                meta=_meta("form", "codes that come or go in numbers are a partial or a doubled list", "warn"),
            ),
            ("tax_list_change",),
            explain=lambda fact: (
                {
                    "tax_year": one.tax_year, "codes": one.codes,
                    "compared_year": one.compared_year, "codes_before": one.codes_before,
                }
                for one in (fact.tax_list.volumes if fact.tax_list else ())
                if one.change > most
            ),
        ),
        _rule(
            None,
            expect.ExpectColumnValuesToBeBetween(
                column="tax_list_matched", min_value=carried,
                meta=_meta("form", "codes that hardly any unit carries are cut, or another list's", "warn"),
            ),
            ("tax_list_matched",),
            explain=lambda fact: (
                [{"codes": fact.tax_list.compared, "carried": fact.tax_list.carried}] if fact.tax_list else []
            ),
        ),
        _rule(
            None,
            expect.ExpectColumnValuesToBeBetween(
                column="tax_list_valid", min_value=valid,
                meta=_meta("form", "rows set aside within the tolerance are codes that stay unmatched", "warn"),
            ),
            ("tax_list_valid",),
            at_least=1,
            explain=lambda fact: (
                [{"rows": fact.tax_list.rows, "set_aside": fact.tax_list.rows - fact.tax_list.accepted}]
                if fact.tax_list
                else []
            ),
        ),
    ]  # fmt: skip


def _rule(
    code: str | None,
    expectation: Expectation,
    columns: tuple[str, ...],
    *,
    explain: Callable[[Fact], Iterable[Arguments]],
    at_least: int = 0,
) -> Rule:
    counted = sql.SQL("count(*) filter (where num_nulls({}) = 0)").format(
        sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    severity = str(expectation.configuration.meta["severity"])
    return Rule(Check(expectation, ", ".join(columns), counted, at_least, severity), code, explain)


def _meta(kind: str, reason: str, severity: str = "hold") -> dict[str, Any]:
    return {"severity": severity, "basis": kind, "reason": reason}


def _is_sent(fact: Fact, feed: str) -> bool:
    return fact.load.feed == feed and not fact.load.is_nil


def _above(smaller: str, smaller_count: int | None, larger: str, larger_count: int | None) -> list[Arguments]:
    if smaller_count is None or larger_count is None or smaller_count <= larger_count:
        return []
    return [{"smaller": smaller, "smaller_count": smaller_count, "larger": larger, "larger_count": larger_count}]


def _far_wage(fact: Fact, median: Median, column: str, month: dt.date) -> list[Arguments]:
    ratio = fact.wage_ratio(median)
    lowest, highest = threshold("wage_lowest", month), threshold("wage_highest", month)
    if ratio is None or fact.minimum_wage is None or lowest <= ratio <= highest:
        return []
    arguments: Arguments = {
        "column": column,
        "expected": f"{fact.minimum_wage * lowest:.0f}..{fact.minimum_wage * highest:.0f}",
        "minimum_wage": fact.minimum_wage,
    }
    if median.wage is not None and median.rows >= threshold("median_shown_from", month):
        arguments["actual"] = round(median.wage)
    return [arguments]


def _far_totals(fact: Fact, is_far: Callable[[float], bool]) -> list[Arguments]:
    before = fact.totals_before or {}
    return [
        {"column": name, "actual": fact.load.loaded[name], "expected": before[name]}
        for name, ratio in (fact.total_ratios or {}).items()
        if is_far(ratio)
    ]


def _far_volume(fact: Fact, most: float) -> list[Arguments]:
    if fact.volume_change is None or fact.volume_change <= most:
        return []
    return [{"actual": fact.load.rows, "expected": fact.rows_before}]
