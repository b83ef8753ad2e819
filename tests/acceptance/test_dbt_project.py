"""The dbt project by itself: its unit tests, and the promises of the slice materialisation."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from demo_warehouse import Demo

from night import dbt_runs
from warehouse import builds, roles
from warehouse.connection import Connection, role_url
from warehouse.settings import Settings


@pytest.fixture
def open_build(demo: Demo) -> Iterator[tuple[Settings, Connection, builds.Build]]:
    """A full build that has just been opened, taken back at the end."""
    settings = Settings(home=demo.home)
    with builds.lease(settings) as connection:
        opened = builds.open_build(connection, "a test's project", force_full=True)
        assert opened is not None
        yield settings, connection, opened
        builds.abandon(connection, opened.build_id, "test")


def _rows(connection: Connection, relation: str) -> int:
    row = connection.execute(f"select count(*) from marts.{relation}").fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(str(row[0]))


def test_every_unit_test_passes(demo: Demo) -> None:
    success, nodes = dbt_runs.run(Settings(home=demo.home), "test", "--select", "test_type:unit")

    assert success, [node for node in nodes if node.status != "pass"]
    assert len(nodes) >= 60


def test_a_model_built_twice_in_one_build_adds_nothing(open_build: tuple[Settings, Connection, builds.Build]) -> None:
    settings, connection, opened = open_build

    first, _ = dbt_runs.run(settings, "run", "--select", "fct_arrears")
    once = _rows(connection, "fct_arrears__rows"), builds.row_counts(connection, opened.build_id)
    second, _ = dbt_runs.run(settings, "run", "--select", "fct_arrears")

    assert first and second
    assert once == (_rows(connection, "fct_arrears__rows"), builds.row_counts(connection, opened.build_id))
    assert once[1][0][2] > 0


def test_the_candidate_has_each_row_once_while_old_slices_stay(
    open_build: tuple[Settings, Connection, builds.Build],
) -> None:
    settings, connection, _ = open_build
    shown = _rows(connection, "fct_arrears")
    kept = _rows(connection, "fct_arrears__rows")

    success, _ = dbt_runs.run(settings, "run", "--select", "fct_arrears")

    assert success
    assert _rows(connection, "fct_arrears") == shown
    assert _rows(connection, "fct_arrears__rows") == kept + shown


def test_an_unchanged_small_relation_gets_no_new_slice(open_build: tuple[Settings, Connection, builds.Build]) -> None:
    settings, connection, opened = open_build

    success, _ = dbt_runs.run(settings, "run", "--select", "dim_province")

    assert success
    assert builds.row_counts(connection, opened.build_id) == []


def test_a_contract_that_changes_is_followed_and_the_rows_are_written_in_one_piece(
    open_build: tuple[Settings, Connection, builds.Build],
) -> None:
    settings, connection, _ = open_build
    rule = "select convalidated from pg_constraint where conname = 'a_candidate_has_a_reason'"
    shown = _rows(connection, "rpt_inspection_candidates")
    connection.execute("alter table marts.rpt_inspection_candidates__rows drop constraint a_candidate_has_a_reason")
    assert connection.execute(rule).fetchall() == []
    # the content is as before: another hash makes the model write
    connection.execute("update ops.slice set content_hash = 'other' where relation = 'rpt_inspection_candidates'")

    success, nodes = dbt_runs.run(settings, "run", "--select", "rpt_inspection_candidates")

    assert success, nodes
    assert connection.execute(rule).fetchall() == [(False,)]
    assert _rows(connection, "rpt_inspection_candidates") == shown > 0


def test_a_build_that_is_taken_back_leaves_no_row(demo: Demo) -> None:
    settings = Settings(home=demo.home)
    with builds.lease(settings) as connection:
        before = _rows(connection, "fct_arrears__rows"), _rows(connection, "fct_arrears")
        opened = builds.open_build(connection, "a test's project", force_full=True)
        assert opened is not None
        dbt_runs.run(settings, "run", "--select", "fct_arrears")

        builds.abandon(connection, opened.build_id, "test")

        assert (_rows(connection, "fct_arrears__rows"), _rows(connection, "fct_arrears")) == before


def test_dbt_against_production_without_an_open_build_is_told_what_to_do(demo: Demo) -> None:
    success, nodes = dbt_runs.run(Settings(home=demo.home), "run", "--select", "fct_arrears")

    assert not success
    assert "no build is open: run `vss build`" in nodes[0].message


def test_a_second_build_is_told_which_is_open(demo: Demo) -> None:
    settings = Settings(home=demo.home)
    with builds.lease(settings) as connection:
        opened = builds.open_build(connection, "a test's project", force_full=True)
        assert opened is not None
        refused = demo.vss("build", expect=1)
        builds.abandon(connection, opened.build_id, "test")

    assert f"Build {opened.build_id} of" in refused.stderr


def test_an_engineer_builds_a_model_into_an_own_schema_and_changes_nothing_published(demo: Demo) -> None:
    settings = Settings(home=demo.home)
    exported = demo.vss("env").stdout

    with psycopg.connect(role_url(settings, roles.ENGINEER)) as connection:
        heads = connection.execute("select count(*) from marts.rpt_plan_attainment").fetchone()

    assert "export VSS_DBT_TARGET=dev" in exported
    assert heads is not None and int(str(heads[0])) > 0
