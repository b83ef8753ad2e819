"""A real PostgreSQL for the gates."""

from __future__ import annotations

import gc
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from gate_builders import Warehouse
from psycopg import sql

from ingestion.contracts import load_contracts
from ingestion.raw_schema import ensure_raw_tables
from warehouse import roles, server
from warehouse.connection import connect
from warehouse.migrate import migrate
from warehouse.settings import Settings


@pytest.fixture(scope="session")
def settings() -> Iterator[Settings]:
    """Settings of a migrated warehouse in a home of its own."""
    home = Path(tempfile.mkdtemp(prefix="vss-gates-"))
    home.chmod(0o755)
    settings = Settings(home=home, database_url=None)
    with warnings.catch_warnings():
        # not ours: files and connections that setting up leaves to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        migrate(settings)
        gc.collect()
    ensure_raw_tables(settings)
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute("grant select, insert on all tables in schema raw to vss_loader")
    yield settings
    server.stop(settings)
    shutil.rmtree(home)


@pytest.fixture
def warehouse(settings: Settings) -> Warehouse:
    """An empty warehouse."""
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute("truncate ops.submission, ops.load, ops.gate_result cascade")
        for feed in load_contracts():
            connection.execute(sql.SQL("truncate {}").format(sql.Identifier("raw", feed)))
    return Warehouse(settings)


_STARS = """
    drop table if exists marts.fct_participation__rows, marts.other, marts.attainment, marts.province cascade;
    create table marts.fct_participation__rows (slice_id integer, month date, wage_base_vnd bigint);
    create table marts.province as
        select * from (values ('63-26', date '1900-01-01', date '2025-07-01'), ('63-27', '1900-01-01', '2025-07-01'),
            ('34-25', '2025-07-01', 'infinity')) p (province_key, valid_from, valid_to);
    create table marts.other (submission_id text, month date, principal_vnd bigint, paid_vnd bigint, due_vnd bigint);
    create table marts.attainment (
        geo_level text, province_key text, month date, indicator text, actual numeric, is_computed boolean
    );
    insert into marts.attainment values
        ('national', 'national', '2021-10-01', 'hi', 30, true), ('province', '63-26', '2021-10-01', 'hi', 10, true),
        ('province', '63-27', '2021-10-01', 'hi', 20, false), ('national', 'national', '2021-10-01', 'ui', 99, false),
        -- what a province of today's map sends of its predecessors' months stands beside that month's map
        ('province', '34-25', '2021-10-01', 'hi', 1000, false)
"""
_VIEWS = """
    create view bi.fct_participation as
        select r.month, r.wage_base_vnd, s.submission_id from marts.fct_participation__rows r
        join ops.shown_slice p on p.relation = 'fct_participation' and p.slice_id = r.slice_id
        join ops.slice s on s.slice_id = r.slice_id;
    create view bi.fct_arrears as select submission_id, month, principal_vnd from marts.other;
    create view bi.fct_contribution as select submission_id, month, paid_vnd, due_vnd from marts.other;
    create view bi.rpt_plan_attainment as select * from marts.attainment;
    create view bi.dim_province as select province_key, valid_from, valid_to from marts.province
"""


@pytest.fixture
def stars(settings: Settings, warehouse: Warehouse) -> Warehouse:
    """The published relations that gate 2 reads, empty and unpublished; the pin works as it does for readers."""
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute(
            "truncate ops.build, ops.slice, ops.candidate_slice, ops.publication_slice cascade; set role vss_publisher"
        )
        connection.execute("drop schema bi cascade; reset role")
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute("insert into ops.publication (publication_id, kind) values (0, 'none')")
        connection.execute("insert into ops.current_publication (publication_id) values (0)")
        connection.execute("set role vss_publisher; create schema bi")
    with connect(settings, roles.TRANSFORMER) as connection:
        connection.execute(_STARS)
    with connect(settings, roles.PUBLISHER) as connection:
        connection.execute("select ops.ensure_pointer('fct_participation')")
        connection.execute(_VIEWS)
    return warehouse
