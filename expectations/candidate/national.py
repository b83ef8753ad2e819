"""National rows (R27, R28): the sum of all provinces, else headquarters' figure, else the sum of those there are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from expectations.candidate.control import Compared, Control, Row, row
from expectations.candidate.identities import HEADS
from expectations.candidate.scope import Scope, later_in_year
from warehouse.connection import Connection

CONTROLS = (
    Control("national", "national", "a national figure is the sum of all, headquarters' own, or a partial sum (R27)"),
    Control("included", "national", "provinces included, expected and missing are those of the map and ledger (R27)"),
    Control("duplicates", "national", "who stands twice in a national sum is counted from the facts (R28)"),
)
# which feed's arrival makes a figure of a province known, whatever else was reported
_DETAIL: Mapping[str, tuple[str, ...]] = {
    "participants": tuple(HEADS),
    "employers": ("units_managed",),
    "arrears": ("arrears", "arrears_hard_to_collect", "arrears_interest_bearing"),
}
_MAP = sql.SQL("""
    map as (
        select m.month, p.territory_key, p.province_code
        from unnest(%(months)s::date[]) m (month)
        join bi.dim_province p on p.valid_from <= m.month and p.valid_to > m.month
    ),
    expected as (
        select month, count(*) as provinces, array_agg(province_code order by province_code) as codes
        from map group by month
    )
""")


@dataclass(frozen=True)
class _Report:
    """A report with national rows: what cuts it beside the month, and what is summed over provinces."""

    relation: str
    cut: str
    feed: str | None
    measures: tuple[str, ...]
    # headquarters may have a figure of its own while provinces are missing
    measures_when_whole: tuple[str, ...] = ()


_REPORTS = (
    _Report(
        "rpt_arrears_ageing",
        "ageing_band",
        "arrears",
        (
            "units", "employees_affected", "principal_vnd", "overdue_vnd", "interest_vnd", "debt_vnd",
            "interest_bearing_vnd", "hard_to_collect_vnd",
        ),
    ),
    _Report(
        "rpt_collection",
        "insurance_group",
        None,
        (
            "collected_month_vnd", "due_month_vnd", "due_ytd_vnd", "expected_due_ytd_vnd", "due_gap_ytd_vnd",
            "rate_cut_ytd_vnd", "interest_collected_vnd",
        ),
        ("collected_ytd_vnd",),
    ),
    _Report(
        "rpt_inspection_results",
        "kind",
        None,
        ("cases", "units_in_arrears", "arrears_before_vnd", "units_recovered", "recovered_vnd"),
        ("cases_ytd",),
    ),
)  # fmt: skip


def compare(connection: Connection, scope: Scope) -> Compared:
    """National figures of every touched month, and of the later months of the year for what adds up over a year."""
    months = _months(connection, scope)
    people = sorted({one.month for one in scope.cells("participants")})
    rows: list[Row] = []
    if months:
        rows += _attainment(connection, scope, months)
        for report in _REPORTS:
            if scope.touched(report.feed) if report.feed else True:
                rows += _report(connection, scope, report, months)
    if people:
        rows += _duplicates(connection, people)
    at_least = {"national": len(people), "included": len(people), "duplicates": len(people)}
    return Compared(tuple(rows), at_least)


def _months(connection: Connection, scope: Scope) -> list[dt.date]:
    feeds = ("participants", "employers", "arrears", "inspections", "contributions", "benefits", "outreach")
    cells = scope.cells(*feeds)
    months = {one.month for one in [*cells, *later_in_year(scope, cells)]}
    # a submission of indicators may bring figures of other months (R3)
    found: Any = connection.execute(
        "select distinct month from bi.fct_reported_indicator where submission_id = any(%s)",
        [[one.submission_id for one in scope.touched("indicators")]],
    ).fetchall()
    return sorted(months | {month for (month,) in found})


def _attainment(connection: Connection, scope: Scope, months: Sequence[dt.date]) -> Iterable[Row]:
    found: Any = connection.execute(
        sql.SQL("with {map}, ").format(map=_MAP)
        + sql.SQL("""
        summed as (
            select
                a.month, a.indicator, count(*) as provinces, sum(a.actual) as actual,
                array_agg(a.province_code order by a.province_code) as codes
            from bi.rpt_plan_attainment a
            -- a merged province may send its predecessors' months; they are not on that month's map
            join map on map.month = a.month and map.territory_key = a.territory_key
            join bi.dim_indicator i on i.indicator = a.indicator and not i.is_ratio
            where a.geo_level = 'province' and a.actual is not null
            group by 1, 2
        ),
        own as (
            select f.month, f.indicator, f.value
            from bi.fct_reported_indicator f
            join bi.dim_indicator i on i.indicator = f.indicator and i.measure = f.measure and not i.is_ratio
            where f.month = any(%(months)s) and f.geo_level = 'national' and f.is_latest_in_month
              and f.comparison = 'none' and f.value is not null
        ),
        shown as (
            select a.* from bi.rpt_plan_attainment a
            join bi.dim_indicator i on i.indicator = a.indicator and not i.is_ratio
            where a.geo_level = 'national' and a.month = any(%(months)s)
        )
        select
            month, indicator,
            case when s.provinces = e.provinces then s.actual else coalesce(own.value, s.actual) end,
            shown.actual, coalesce(s.provinces, 0), shown.provinces_included, e.provinces, shown.provinces_expected,
            array(select c from unnest(e.codes) c where c <> all(coalesce(s.codes, array[]::text[])) order by c),
            shown.provinces_missing
        from summed s
        full join own using (month, indicator)
        full join shown using (month, indicator)
        join expected e using (month)
        where s.month is not null or own.month is not null or shown.actual is not null
        order by 1, 2
        """),
        {"months": list(months)},
    ).fetchall()
    sent = {
        indicator: {(one.month, one.province_code) for one in scope.of(feed)}
        for feed, indicators in _DETAIL.items()
        for indicator in indicators
    }
    relation = "rpt_plan_attainment"
    for month, indicator, expected, actual, *counts, missing, shown_missing in found:
        place = f"national, {month:%Y-%m}"
        included, shown_included, provinces, shown_provinces = counts
        yield row("national", relation, place, indicator, expected, actual)
        yield row("included", relation, place, f"{indicator} provinces_included", included, shown_included)
        yield row("included", relation, place, f"{indicator} provinces_expected", provinces, shown_provinces)
        yield row("included", relation, place, f"{indicator} provinces_missing", missing, shown_missing)
        if indicator in sent:
            left_out = sorted(code for code in shown_missing or () if (month, code) in sent[indicator])
            yield row("included", relation, place, f"{indicator} sent and left out", [], left_out)


def _report(connection: Connection, scope: Scope, report: _Report, months: Sequence[dt.date]) -> Iterable[Row]:
    """A national row against the provinces it says it is made of; a part that is not known leaves the sum open."""
    measures = (*report.measures, *report.measures_when_whole)
    names = [sql.Identifier("p", name) for name in measures]
    found: Any = connection.execute(
        sql.SQL(
            """
            with {map}
            select
                n.month, n.{cut}, n.provinces_included, n.provinces_expected, e.provinces, n.provinces_missing, e.codes,
                array_agg(map.province_code order by map.province_code) filter (where p.month is not null),
                array[{shown}]::numeric[], array[{sums}]::numeric[], array[{counts}]
            from bi.{relation} n
            join expected e on e.month = n.month
            join map on map.month = n.month and map.province_code <> all(n.provinces_missing)
            left join bi.{relation} p
                on p.geo_level = 'province' and p.month = n.month and p.territory_key = map.territory_key
                and p.{cut} = n.{cut}
            where n.geo_level = 'national' and n.month = any(%(months)s) and n.provinces_missing is not null
            group by n.month, n.{cut}, n.provinces_included, n.provinces_expected, e.provinces, n.provinces_missing,
                e.codes, {shown}
            order by 1, 2
            """
        ).format(
            map=_MAP,
            cut=sql.Identifier(report.cut),
            relation=sql.Identifier(report.relation),
            shown=sql.SQL(", ").join(sql.Identifier("n", name) for name in measures),
            sums=sql.SQL(", ").join(sql.SQL("sum({})").format(name) for name in names),
            counts=sql.SQL(", ").join(sql.SQL("count({})").format(name) for name in names),
        ),
        {"months": list(months)},
    ).fetchall()
    sent = {(one.month, one.province_code) for one in scope.of(report.feed or "")}
    for month, cut, included, expected, provinces, missing, codes, there, shown, sums, counts in found:
        place = f"national, {month:%Y-%m}"
        standing = list(there or [])
        yield row("included", report.relation, place, f"{cut} provinces_expected", provinces, expected)
        yield row("included", report.relation, place, f"{cut} provinces_included", len(codes) - len(missing), included)
        yield row("included", report.relation, place, f"{cut} rows of those included", included, len(standing))
        if report.feed:
            left_out = sorted(code for code in missing if (month, code) in sent)
            yield row("included", report.relation, place, f"{cut} sent and left out", [], left_out)
        for name, value, total, count in zip(measures, shown, sums, counts, strict=True):
            # a sum of which a part is not known may be unknown itself
            is_open = value is None and count < len(standing)
            if not is_open and not (missing and name in report.measures_when_whole):
                yield row(
                    "national",
                    report.relation,
                    place,
                    f"{cut} {name}",
                    total if count else 0,
                    value if count else value or 0,
                )


def _duplicates(connection: Connection, months: Sequence[dt.date]) -> Iterable[Row]:
    """A head count less its distinct persons by insurance type: a person of one type in two provinces stands twice."""
    for month in months:
        # a month by itself: its partition alone is read and grouped
        found: Any = connection.execute(
            """
            select insurance_type, sum(rows - 1)::bigint
            from (
                select insurance_type, participant_key, count(*) as rows
                from bi.fct_participation where month = %(month)s group by 1, 2
            ) person
            group by 1
            """,
            {"month": month},
        ).fetchall()
        twice = {kind: int(rows) for kind, rows in found}
        shown: Any = connection.execute(
            "select indicator, duplicates_between_provinces from bi.rpt_plan_attainment"
            " where geo_level = 'national' and month = %s and indicator = any(%s) and is_computed",
            [month, list(HEADS)],
        ).fetchall()
        for indicator, duplicates in shown:
            expected = sum(twice.get(kind, 0) for kind in HEADS[indicator])
            yield row("duplicates", "rpt_plan_attainment", f"national, {month:%Y-%m}", indicator, expected, duplicates)
