"""A warehouse of its own whose `bi` holds plain tables instead of the publisher's views."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from warehouse import roles, server
from warehouse.connection import connect
from warehouse.migrate import migrate
from warehouse.settings import Settings

_RELATIONS = """
create table bi.publication (
    publication_id integer, published_at timestamptz, status text, completeness text, freshness text, changes text,
    is_shown boolean
);
create table bi.dim_province (
    province_key text, province_code text, vintage text, name_vi text, name_en text, valid_from date, valid_to date,
    current_province_code text
);
create table bi.dim_arrears_band (ageing_band text, name_vi text, name_en text, sort_order integer);
create table bi.rpt_plan_attainment (
    month date, geo_level text, province_key text, province_code text, current_province_code text, indicator text,
    unit text, actual numeric, plan numeric, attainment_pct numeric, target_met boolean, growth_yoy_pct numeric,
    growth_vs_december_pct numeric,
    value_same_period_last_year numeric, value_last_december numeric, is_reported boolean,
    is_computed boolean, as_of_date date, qualifier text,
    provinces_included integer, provinces_expected integer
);
create table bi.rpt_arrears_ageing (
    month date, province_key text, ageing_band text, units bigint, employees_affected bigint, principal_vnd bigint,
    debt_vnd bigint, hard_to_collect_vnd bigint, ratio_to_plan_pct numeric, ratio_excluding_hard_to_collect_pct numeric
);
create table bi.rpt_coverage (
    month date, province_key text, si_of_labour_force_pct numeric, si_compulsory_of_labour_force_pct numeric,
    si_voluntary_of_labour_force_pct numeric, hi_of_population_pct numeric, labour_force_date date, population_date date
);
create table bi.rpt_reported_vs_computed (
    month date, province_key text, indicator text, comparison text, unit text, reported numeric, computed numeric,
    within_tolerance boolean
);
create table bi.rpt_completeness (
    sender text, feed text, period text, province_key text, state text, is_late boolean, rows bigint,
    rows_rejected bigint, is_expected boolean
);
create table bi.rpt_inspection_candidates (
    candidate_key text, rank_no integer, province_key text, is_cit_finalised_si_unpaid boolean,
    is_not_registered boolean, is_three_months_or_more boolean,
    is_under_declared boolean, is_inspected_this_year boolean, overdue_vnd bigint,
    arrears_month date, tax_year integer
);
"""


@pytest.fixture(scope="session")
def warehouse() -> Iterator[Settings]:
    """A migrated warehouse in which nothing was ever published."""
    home = Path(tempfile.mkdtemp(prefix="vss-test-reporting-"))
    home.chmod(0o755)
    settings = Settings(home=home)
    migrate(settings)
    yield settings
    server.stop(settings)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def relations(warehouse: Settings) -> Iterator[Settings]:
    """The same with the relations of `bi` the headline reads, all empty."""
    with connect(warehouse, roles.PUBLISHER) as connection:
        connection.execute(_RELATIONS)
        connection.execute("grant select on all tables in schema bi to vss_reader_base")
    yield warehouse
    with connect(warehouse, roles.PUBLISHER) as connection:
        for (name,) in connection.execute("select tablename from pg_tables where schemaname = 'bi'").fetchall():
            connection.execute(f"drop table bi.{name}".encode())
