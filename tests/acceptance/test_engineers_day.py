"""The data engineer's day of CONTRIBUTING.md: the same commands, over what the demo published."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from demo_warehouse import Demo
from psycopg import sql

from night import dbt_runs
from warehouse import builds, roles
from warehouse.connection import role_url
from warehouse.settings import Settings

DBT = Path(sys.executable).parent / "dbt"
SCHEMA = "dev_day"
Rows = list[tuple[object, ...]]


class Day:
    """An engineer's shell over a copy of the project: its variables, its dbt, what it sees in the database."""

    def __init__(self, demo: Demo, project: Path) -> None:
        self.settings = Settings(home=demo.home)
        self.project = project
        exports = [shlex.split(line)[1] for line in demo.vss("env", "--schema", SCHEMA).stdout.splitlines()]
        self.variables = dict(export.split("=", 1) for export in exports)

    def dbt(self, *arguments: str, expect: int = 0) -> str:
        """Run dbt as somebody would who evaluated `vss env`; fails the test when it ends otherwise than expected."""
        done = subprocess.run(
            [DBT, *arguments], cwd=self.project.parent, capture_output=True, text=True, check=False,
            env={"PATH": os.environ["PATH"], **self.variables, "DBT_PROJECT_DIR": str(self.project)},
        )  # fmt: skip
        assert done.returncode == expect, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    @contextmanager
    def changed(self, report: str, old: str, new: str) -> Iterator[None]:
        """The project with one report changed."""
        model = self.project / "models" / "reports" / f"{report}.sql"
        before = model.read_text(encoding="utf-8")
        assert old in before
        model.write_text(before.replace(old, new), encoding="utf-8")
        try:
            yield
        finally:
            model.write_text(before, encoding="utf-8")

    def rows(self, query: sql.SQL | sql.Composed, role: str = roles.ENGINEER) -> Rows:
        with psycopg.connect(role_url(self.settings, role)) as connection:
            return connection.execute(query).fetchall()

    def tables(self) -> dict[str, int]:
        """Every table of the own schema with its number of rows."""
        names = [
            str(name)
            for (name,) in self.rows(
                sql.SQL("select relname from pg_stat_user_tables where schemaname = {}").format(SCHEMA)
            )
        ]
        counted = sql.SQL("select count(*) from {}")
        return {name: int(str(self.rows(counted.format(sql.Identifier(SCHEMA, name)))[0][0])) for name in names}


@pytest.fixture(scope="module")
def day(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    project = tmp_path_factory.mktemp("day") / "dbt_project"
    shutil.copytree(dbt_runs.DBT_PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    begun = Day(demo, project)
    yield begun
    with psycopg.connect(role_url(begun.settings, roles.ENGINEER)) as connection:
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(SCHEMA)))
    shutil.rmtree(begun.variables["DBT_TARGET_PATH"], ignore_errors=True)


def test_an_untouched_tree_has_nothing_modified_against_what_is_shown(day: Day) -> None:
    said = day.dbt("ls", "--select", "state:modified+", expect=2)

    assert "'state:modified+' does not match any enabled nodes" in said


def test_one_model_over_what_is_shown_is_what_readers_see(day: Day) -> None:
    day.dbt("build", "--select", "rpt_collection")

    names = day.rows(
        sql.SQL("select attname from pg_attribute where attnum > 0 and attrelid = 'marts.rpt_collection'::regclass")
    )
    listed = sql.SQL(", ").join(sql.Identifier(str(name)) for (name,) in names)
    columns = sql.SQL("select {} from {}.rpt_collection order by {}")
    mine = day.rows(columns.format(listed, sql.Identifier(SCHEMA), listed))
    shown = day.rows(columns.format(listed, sql.Identifier("bi"), listed), roles.READER)
    assert day.tables() == {"rpt_collection": len(mine)}
    assert len(mine) > 10
    assert mine == shown


def test_a_rule_that_is_changed_wrongly_is_stopped_by_its_unit_test(day: Day) -> None:
    with day.changed("rpt_collection", "sum(due_gap_ytd_vnd)", "sum(greatest(due_gap_ytd_vnd, 0))"):
        said = day.dbt("build", "--select", "state:modified+", expect=1)

    assert "Failure in unit_test gaps_of_the_country_are_those_of_its_provinces" in said


def test_what_no_test_sees_is_seen_in_the_comparison_with_what_is_shown(day: Day) -> None:
    shown, rounded = "attainment.attainment_pct,", "round(attainment.attainment_pct, 1) as attainment_pct,"
    with day.changed("rpt_collection", shown, rounded):
        day.dbt("build", "--select", "state:modified+")

    differing = day.rows(
        sql.SQL(
            "select b.geo_level, n.attainment_pct = round(b.attainment_pct, 1),"
            " to_jsonb(b) - 'attainment_pct' = to_jsonb(n) - 'attainment_pct'"
            " from marts.rpt_collection as b full join {}.rpt_collection as n"
            " using (territory_key, month, insurance_group) where b is distinct from n"
        ).format(sql.Identifier(SCHEMA))
    )
    assert set(differing) == {("province", True, True), ("national", True, True)}


def test_a_model_takes_along_who_reads_it_and_empty_makes_them_without_rows(day: Day) -> None:
    with day.changed("rpt_plan_attainment", "select * from final", "select * from final where true"):
        day.dbt("run", "--empty", "--select", "state:modified+")

    assert day.tables() == dict.fromkeys(
        ["rpt_plan_attainment", "rpt_arrears_ageing", "rpt_collection", "rpt_coverage", "rpt_reported_vs_computed"], 0
    )


def test_an_engineer_is_told_of_an_open_build_and_keeps_the_state_that_is_shown(demo: Demo, day: Day) -> None:
    with builds.lease(day.settings) as connection:
        opened = builds.open_build(connection, "a test's project", force_full=True)
        assert opened is not None
        during = demo.vss("env", "--schema", SCHEMA)
        builds.abandon(connection, opened.build_id, "test", state="failed")
    afterwards = demo.vss("env", "--schema", SCHEMA)

    assert f"Build {opened.build_id} is open" in during.stderr
    assert f"Build {opened.build_id} had other rules and is not shown" in afterwards.stderr
    assert f"DBT_STATE={day.variables['DBT_STATE']}\n" in during.stdout
    assert during.stdout == afterwards.stdout


def test_an_engineer_can_write_to_no_schema_of_the_warehouse(demo: Demo, day: Day) -> None:
    refused = demo.vss("env", "--schema", "marts", expect=2)

    assert (refused.stdout, "take dev or dev_<name>" in refused.stderr) == ("", True)
    assert day.rows(
        sql.SQL("select array_agg(nspname::text) from pg_namespace where has_schema_privilege(oid, 'create')")
    ) == [([SCHEMA],)]
