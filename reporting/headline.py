"""The headline: the published figures of every province's latest month, read as any BI tool reads them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from reporting import ledger, small_cells
from reporting.figures import (
    ArrearsBand,
    Comparisons,
    Coverage,
    Difference,
    FeedCompleteness,
    Figure,
    Headline,
    Sender,
    Territory,
)
from reporting.labels import HEADLINE_INDICATORS
from reporting.numbers import is_few
from reporting.terminal import as_text
from warehouse import roles
from warehouse.connection import Connection, connect
from warehouse.publication import Publication
from warehouse.settings import Settings

__all__ = ["Headline", "as_text", "headline"]

_Row = Mapping[str, Any]
_HEADS = ["people_managed", "hi", "si_participants", "si_compulsory"]
_IN_FULL_AT_MOST = 3
_DIFFERENCES_AT_MOST = 60

_IS_THERE: LiteralString = "select to_regclass('bi.publication') is not null as is_there"

_PUBLICATION: LiteralString = """
select publication_id, published_at, completeness, freshness, changes from bi.publication where is_shown
"""

# a province's latest month with heads, else its latest month; one that was merged gives way to its heir's figures
_PROVINCES: LiteralString = """
with figure as (
    select a.month, a.province_key, p.province_code, p.vintage, p.current_province_code, p.valid_from, p.valid_to,
        p.name_vi, p.name_en, a.indicator, a.unit, a.actual, a.plan, a.attainment_pct, a.target_met, a.growth_yoy_pct,
        a.growth_vs_december_pct, a.value_same_period_last_year, a.value_last_december,
        a.is_reported, a.is_computed, a.qualifier, a.as_of_date
    from bi.rpt_plan_attainment as a
    join bi.dim_province as p on p.province_key = a.province_key
    where a.geo_level = 'province' and a.actual is not null and a.indicator = any(%(indicators)s)
),
latest as (
    select province_key, current_province_code, valid_from, valid_to,
        coalesce(max(month) filter (where indicator = any(%(heads)s)), max(month)) as month
    from figure
    group by province_key, current_province_code, valid_from, valid_to
)
select f.month, f.province_key, f.province_code, f.vintage, f.name_vi, f.name_en,
    null::integer as provinces_included, null::integer as provinces_expected, f.indicator, f.unit, f.actual, f.plan,
    f.attainment_pct, f.target_met, f.growth_yoy_pct, f.growth_vs_december_pct, f.value_same_period_last_year,
    f.value_last_december, f.is_reported, f.is_computed, f.qualifier, f.as_of_date
from figure as f
join latest as l on l.province_key = f.province_key and l.month = f.month
where not exists (
    select from latest as heir
    where heir.current_province_code = l.current_province_code and heir.valid_from >= l.valid_to
)
"""

# the country only in a month for which at least half of its provinces are in
_COUNTRY: LiteralString = """
select a.month, a.province_key, null as province_code, null as vintage, 'Toàn quốc' as name_vi,
    'National' as name_en, a.provinces_included, a.provinces_expected, a.indicator, a.unit, a.actual, a.plan,
    a.attainment_pct, a.target_met, a.growth_yoy_pct, a.growth_vs_december_pct, a.value_same_period_last_year,
    a.value_last_december, a.is_reported, a.is_computed, a.qualifier, a.as_of_date
from bi.rpt_plan_attainment as a
where a.geo_level = 'national' and a.actual is not null and a.indicator = any(%(indicators)s)
    and a.month = (
        select max(h.month) from bi.rpt_plan_attainment as h
        where h.geo_level = 'national' and h.indicator = 'hi' and h.actual is not null
            and 2 * h.provinces_included >= h.provinces_expected
    )
"""

_ARREARS: LiteralString = """
select r.province_key, r.ageing_band, b.name_vi, b.name_en, r.units, r.employees_affected, r.principal_vnd,
    r.debt_vnd, r.hard_to_collect_vnd, r.ratio_to_plan_pct, r.ratio_excluding_hard_to_collect_pct
from bi.rpt_arrears_ageing as r
join unnest(%(keys)s::text[], %(months)s::date[]) as wanted (province_key, month) using (province_key, month)
join bi.dim_arrears_band as b using (ageing_band)
order by r.province_key, b.sort_order
"""

_COVERAGE: LiteralString = """
select c.province_key, c.si_of_labour_force_pct, c.si_compulsory_of_labour_force_pct,
    c.si_voluntary_of_labour_force_pct, c.hi_of_population_pct, c.labour_force_date, c.population_date
from bi.rpt_coverage as c
join unnest(%(keys)s::text[], %(months)s::date[]) as wanted (province_key, month) using (province_key, month)
"""

_COMPARED: LiteralString = """
select count(*) filter (where within_tolerance) as agree, count(*) filter (where not within_tolerance) as differ,
    count(*) filter (where within_tolerance is null) as nothing_to_compare
from bi.rpt_reported_vs_computed
"""

_DIFFERENCES: LiteralString = """
select coalesce(p.name_vi, 'Toàn quốc') as name_vi, coalesce(p.name_en, 'National') as name_en, r.month, r.indicator,
    r.comparison, r.unit, r.reported, r.computed
from bi.rpt_reported_vs_computed as r
left join bi.dim_province as p on p.province_key = r.province_key
where not r.within_tolerance
order by r.month desc, r.province_key, r.indicator, r.comparison, r.unit
limit %(at_most)s
"""

_FEEDS: LiteralString = """
with latest as (
    select feed, max(period) as period
    from bi.rpt_completeness
    where state in ('accepted', 'accepted_with_rejects')
    group by feed
)
select c.feed, c.period, count(*) filter (where c.state in ('accepted', 'accepted_with_rejects')) as is_in,
    count(*) filter (where c.is_late and c.state in ('accepted', 'accepted_with_rejects')) as late,
    count(*) filter (where c.state not in ('accepted', 'accepted_with_rejects')) as missing,
    coalesce(sum(c.rows), 0)::bigint as rows, coalesce(sum(c.rows_rejected), 0)::bigint as rows_rejected
from bi.rpt_completeness as c
join latest using (feed, period)
group by c.feed, c.period
order by missing desc, c.feed
"""

_SENDERS: LiteralString = """
with latest as (
    select max(period) as period
    from bi.rpt_completeness
    where feed = 'participants' and state in ('accepted', 'accepted_with_rejects')
)
select c.period, p.province_code, p.vintage, p.name_vi, p.name_en,
    count(*) filter (where c.state in ('accepted', 'accepted_with_rejects')) as feeds_in,
    count(*) as feeds_expected, coalesce(bool_or(c.is_late), false) as is_late
from bi.rpt_completeness as c
join latest using (period)
join bi.dim_province as p on p.province_key = c.province_key
where c.is_expected
group by c.period, c.sender, p.province_code, p.vintage, p.name_vi, p.name_en
order by c.sender
"""


def headline(settings: Settings) -> Headline:
    """The headline of what is published now; empty but for the submissions before anything is published.

    The figures come from one snapshot, as vss_reader; what became of submissions from the ledger.
    """
    states, waiting = ledger.submissions(settings)
    with connect(settings, roles.READER) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        return read(connection, submissions=states, open_submissions=waiting)


def read(connection: Connection, **from_the_ledger: Any) -> Headline:
    """The headline of what this session sees, in the transaction it is in."""
    if not _rows(connection, _IS_THERE)[0]["is_there"]:
        return Headline(None, **from_the_ledger)
    published = _rows(connection, _PUBLICATION)
    if not published:
        return Headline(None, **from_the_ledger)
    main, others = in_full(small_cells.protect(_territories(connection)))
    senders = _rows(connection, _SENDERS)
    return Headline(
        publication=Publication(**published[0]),
        main=main,
        others=others,
        comparisons=Comparisons(
            **_rows(connection, _COMPARED)[0],
            differences=tuple(
                Difference(**row) for row in _rows(connection, _DIFFERENCES, at_most=_DIFFERENCES_AT_MOST)
            ),
        ),
        feeds=tuple(FeedCompleteness(**row) for row in _rows(connection, _FEEDS)),
        period=senders[0]["period"] if senders else None,
        senders=tuple(Sender(**_without(row, "period")) for row in senders),
        **from_the_ledger,
    )


def in_full(territories: list[Territory]) -> tuple[tuple[Territory, ...], tuple[Territory, ...]]:
    """Which territories are shown in full: the country, and at most three provinces, each with at least a tenth of
    the largest one's people and no count under five persons. Those with detail come first, then by people."""
    country = [each for each in territories if each.is_national]
    provinces = sorted(
        (each for each in territories if not each.is_national),
        key=lambda each: (not each.is_computed, -each.people, each.province_key),
    )
    largest = max((each.people for each in provinces), default=0)
    large = [each for each in provinces if each.people * 10 >= largest and not each.has_few]
    large = sorted(large, key=lambda each: -each.people)[:_IN_FULL_AT_MOST]
    return (
        (*country, *(each for each in provinces if each in large)),
        tuple(sorted((each for each in provinces if each not in large), key=lambda each: -each.people)),
    )


def _territories(connection: Connection) -> list[Territory]:
    wanted = {"indicators": list(HEADLINE_INDICATORS), "heads": _HEADS}
    figures = [*_rows(connection, _COUNTRY, **wanted), *_rows(connection, _PROVINCES, **wanted)]
    months: dict[str, dt.date] = {row["province_key"]: row["month"] for row in figures}
    asked = {"keys": list(months), "months": list(months.values())}
    arrears = _by_province(_rows(connection, _ARREARS, **asked))
    coverage = _by_province(_rows(connection, _COVERAGE, **asked))
    return [
        _territory(rows, arrears.get(key, []), coverage.get(key, [])) for key, rows in _by_province(figures).items()
    ]


def _territory(figures: list[_Row], arrears: list[_Row], coverage: list[_Row]) -> Territory:
    first = figures[0]
    return Territory(
        province_key=first["province_key"],
        name_vi=first["name_vi"],
        name_en=first["name_en"],
        month=first["month"],
        figures=tuple(sorted((_figure(row) for row in figures), key=lambda f: HEADLINE_INDICATORS.index(f.indicator))),
        arrears=tuple(ArrearsBand(**_without(row, "province_key")) for row in arrears),
        coverage=Coverage(**_without(coverage[0], "province_key")) if coverage else None,
        provinces_included=min((row["provinces_included"] or 0 for row in figures), default=0) or None,
        provinces_expected=first["provinces_expected"],
        provinces_included_most=max((row["provinces_included"] or 0 for row in figures), default=0) or None,
        province_code=first["province_code"],
        vintage=first["vintage"],
    )


def _figure(row: _Row) -> Figure:
    """A figure; without growth on a base of fewer than five persons, which it would tell."""
    same_period, last_december = row["value_same_period_last_year"], row["value_last_december"]
    return Figure(
        indicator=row["indicator"],
        unit=row["unit"],
        actual=row["actual"],
        is_reported=row["is_reported"],
        is_computed=row["is_computed"],
        as_of_date=row["as_of_date"],
        qualifier=row["qualifier"] or "exact",
        plan=row["plan"],
        attainment_pct=row["attainment_pct"],
        target_met=row["target_met"],
        growth_yoy_pct=None if is_few(same_period, row["unit"]) else row["growth_yoy_pct"],
        growth_vs_december_pct=None if is_few(last_december, row["unit"]) else row["growth_vs_december_pct"],
        value_same_period_last_year=same_period,
        value_last_december=last_december,
    )


def _by_province(rows: list[_Row]) -> dict[str, list[_Row]]:
    grouped: dict[str, list[_Row]] = {}
    for row in rows:
        grouped.setdefault(row["province_key"], []).append(row)
    return grouped


def _without(row: _Row, name: str) -> dict[str, Any]:
    return {column: value for column, value in row.items() if column != name}


def _rows(connection: Connection, query: LiteralString, **values: Any) -> list[_Row]:
    return list(connection.cursor(row_factory=dict_row).execute(query, values or None).fetchall())
