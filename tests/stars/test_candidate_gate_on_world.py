"""Gate 2 on the small world: a candidate that is wrong in one place fails the control of that place, and no other.

A candidate is broken inside a transaction that is rolled back, so that the world stays what it was.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from proofs import proves
from shown import World

from expectations.candidate.control import Compared
from expectations.candidate.dbt_tests import DbtTest, record
from expectations.candidate.scope import read_scope
from expectations.candidate.verdict import CONTROLS, compare, failing, gate_candidate
from night import publishing
from warehouse import builds, roles
from warehouse.connection import Connection, connect
from warehouse.errors import GateFailedError
from warehouse.settings import PROJECT

NOVEMBER = "month = '2021-11-01'"
BAC_GIANG = "territory_key in ('63-24', 'national') and month = '2021-11-01'"
VINH_PHUC = "territory_key in ('63-26', 'national') and month = '2021-11-01'"
HUE = "territory_key in ('63-46', 'national') and month = '2021-11-01'"
TESTED = DbtTest("keys_stand_once", "fct_benefit", "pass", False, 0)


class Candidate:
    """A build's candidate that may be changed, and what gate 2 finds in it."""

    def __init__(self, connection: Connection, build_id: int, month: dt.date | None) -> None:
        self.connection = connection
        self.build_id = build_id
        self.month = month

    def run(self, statement: str, role: str = roles.MIGRATOR) -> int:
        """Change something as a role; returns how many rows, at least one."""
        self.connection.execute("reset role")
        self.connection.execute(f"set local role {role}".encode())
        changed = self.connection.execute(statement.encode()).rowcount
        assert changed > 0, statement
        return changed

    def update(self, relation: str, change: str, where: str = "true") -> int:
        """Change rows of a relation that the candidate shows."""
        return self.run(f"update marts.{relation}__rows {change} where {self._shown(relation)} and ({where})", _BUILDER)

    def delete(self, relation: str, where: str = "true") -> int:
        """Take rows out of a relation that the candidate shows."""
        return self.run(f"delete from marts.{relation}__rows where {self._shown(relation)} and ({where})", _BUILDER)

    def compared(self) -> Compared:
        """Every comparison of gate 2."""
        self.connection.execute("reset role")
        self.connection.execute("set local role vss_publisher")
        scope = read_scope(self.connection, self.build_id)
        if self.month is not None:
            scope = replace(
                scope,
                inputs=tuple(
                    replace(one, is_touched=one.is_touched and one.month == self.month) for one in scope.inputs
                ),
            )
        return compare(self.connection, scope)

    def failing(self) -> set[str]:
        """The controls that fail."""
        compared = self.compared()
        counts = {name: sum(row.control == name for row in compared.rows) for name in compared.at_least}
        return failing(compared.rows) | {name for name, least in compared.at_least.items() if counts[name] < least}

    def _shown(self, relation: str) -> str:
        return (
            f"slice_id in (select p.slice_id from ops.publication_slice p where p.relation = '{relation}'"
            f" and p.from_publication <= {self.build_id} and p.to_publication > {self.build_id})"
        )


_BUILDER = roles.TRANSFORMER


@contextmanager
def candidate(world: World, build_id: int, month: dt.date | None = None) -> Iterator[Candidate]:
    """The candidate of the world's first build (everything is touched) or its second (what came late).

    With a month the build is taken to have touched only what was sent for it, which is quicker.
    """
    with connect(world.settings, roles.MIGRATOR) as connection:
        # a home made for development has no tests of dbt on record
        connection.execute("delete from ops.gate_result where suite = 'dbt'")
        record(connection, build_id, [TESTED])
        try:
            yield Candidate(connection, build_id, month)
        finally:
            connection.rollback()


@pytest.mark.parametrize("build_id", [1, 2])
def test_the_world_as_it_was_published_passes_every_control(world: World, build_id: int) -> None:
    with candidate(world, build_id) as whole:
        compared = whole.compared()
        assert whole.failing() == set()
    judged = {row.control for row in compared.rows}
    # nothing stood before the first publication; the second brought no list of cases, benefits or nil
    missing = {"shown", "moved", "unmoved", "lost"} if build_id == 1 else {"nil", "inspections", "benefits"}
    assert judged == set(CONTROLS) - missing


WRONG = {
    "a report of heads counts a person more": (
        "rpt_participants", "set participants = participants + 1",
        f"{VINH_PHUC} and insurance_type = 'HI'", {"participants"},
    ),
    "people managed are one more than HI and SI_V rows": (
        "rpt_plan_attainment", "set actual = actual + 1", f"{VINH_PHUC} and indicator = 'people_managed'", {"heads"},
    ),
    "units managed are one more than the active units": (
        "rpt_plan_attainment", "set actual = actual + 1", f"{VINH_PHUC} and indicator = 'units_managed'", {"units"},
    ),
    "a group's collection of the month is a dong off": (
        "rpt_collection", "set collected_month_vnd = collected_month_vnd + 1",
        f"{BAC_GIANG} and insurance_group in ('hi', 'total')", {"collection"},
    ),
    "the total is not its four groups": (
        "rpt_collection", "set interest_collected_vnd = interest_collected_vnd + 1",
        f"{BAC_GIANG} and insurance_group = 'total'", {"collection"},
    ),
    "the year to date is not the months": (
        "rpt_collection", "set due_ytd_vnd = due_ytd_vnd + 1",
        f"{BAC_GIANG} and insurance_group = 'ui'", {"collection"},
    ),
    "a band of arrears is a dong off": (
        "rpt_arrears_ageing", "set principal_vnd = principal_vnd + 1, debt_vnd = debt_vnd + 1",
        f"{VINH_PHUC} and ageing_band = '<1'", {"arrears", "attainment"},
    ),
    "a unit stands in two bands": (
        "rpt_arrears_ageing", "set units = units + 1", f"{VINH_PHUC} and ageing_band = '>=12'", {"arrears"},
    ),
    "a kind of inspection has recovered a dong more": (
        "rpt_inspection_results", "set recovered_vnd = recovered_vnd + 1",
        f"{VINH_PHUC} and kind = 'examination'", {"inspections"},
    ),
    "spending is a dong off": (
        "rpt_plan_attainment", "set actual = actual + 1", f"{BAC_GIANG} and indicator = 'spending'", {"benefits"},
    ),
    "a reported figure is not the one that was sent": (
        "rpt_plan_attainment", "set actual = actual + 1",
        f"{VINH_PHUC} and indicator = 'hi_facilities_contracted'", {"attainment"},
    ),
    "arrears attained are not those of the bands": (
        "rpt_plan_attainment", "set actual = actual + 1", f"{VINH_PHUC} and indicator = 'arrears'", {"attainment"},
    ),
    "a fact names a unit that is in no dimension": (
        "fct_arrears", "set employer_key = gen_random_uuid()", VINH_PHUC, {"keys"},
    ),
    "a fact names a province of another time": (
        "fct_arrears", "set province_key = '34-25'", VINH_PHUC, {"keys"},
    ),
    "a national figure is not the sum of its provinces": (
        "rpt_plan_attainment", "set actual = actual + 1",
        f"{NOVEMBER} and territory_key = 'national' and indicator = 'hi'", {"national"},
    ),
    "a reported national figure is not the sum of those that are in": (
        "rpt_plan_attainment", "set actual = actual + 1",
        f"{NOVEMBER} and territory_key = 'national' and indicator = 'hi_facilities_contracted'", {"national"},
    ),
    "headquarters' own figure is not the one it sent": (
        "rpt_plan_attainment", "set actual = actual + 1",
        "month = '2022-01-01' and territory_key = 'national' and indicator = 'si_compulsory'", {"national"},
    ),
    "a national band of arrears is not the sum of its provinces": (
        "rpt_arrears_ageing", "set employees_affected = employees_affected + 1",
        f"{NOVEMBER} and territory_key = 'national' and ageing_band = '<1'", {"national"},
    ),
    "a national rate cut is not the sum of its provinces": (
        "rpt_collection", "set rate_cut_ytd_vnd = coalesce(rate_cut_ytd_vnd, 0) + 1",
        f"{NOVEMBER} and territory_key = 'national' and insurance_group = 'ui'", {"national"},
    ),
    "more provinces are said to be in than are": (
        "rpt_plan_attainment", "set provinces_included = provinces_included + 1",
        f"{NOVEMBER} and territory_key = 'national' and indicator = 'ui'", {"included"},
    ),
    "a province that sent is said to be missing": (
        "rpt_plan_attainment", "set provinces_missing = array_append(provinces_missing, '26')",
        f"{NOVEMBER} and territory_key = 'national' and indicator = 'ui'", {"included"},
    ),
    "one person too many stands twice": (
        "rpt_plan_attainment", "set duplicates_between_provinces = duplicates_between_provinces + 1",
        f"{NOVEMBER} and territory_key = 'national' and indicator = 'hi'", {"duplicates"},
    ),
    "an amount of a month's file is a dong off": (
        "fct_policy_relief", "set amount_vnd = amount_vnd + 1", f"{NOVEMBER} and row_no = 2", {"total"},
    ),
    "an amount of a year-to-date file is a dong off": (
        "fct_contribution", "set interest_due_vnd = interest_due_vnd + 1",
        f"territory_key = '63-24' and {NOVEMBER} and row_no = 2", {"total"},
    ),
    "an amount of an inspection is a dong off": (
        "fct_inspection", "set fine_vnd = coalesce(fine_vnd, 0) + 1",
        "list_month = '2025-08-01' and row_no = 2", {"total"},
    ),
    "a column with a total is empty": (
        "fct_policy_relief", "set amount_vnd = null", NOVEMBER, {"filled"},
    ),
    "the report of completeness is a row off": (
        "rpt_completeness", "set rows = rows + 1", f"{VINH_PHUC} and feed = 'arrears'", {"reported"},
    ),
    "a file that is in is reported as missing": (
        "rpt_completeness", "set state = 'missing', submission_id = null",
        f"{VINH_PHUC} and feed = 'benefits'", {"reported"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_candidate_fails_its_control_and_no_other(world: World, wrong: str) -> None:
    relation, change, where, expected = WRONG[wrong]
    month = re.search(r"month = '([0-9-]+)'", where)
    with candidate(world, 1, dt.date.fromisoformat(month[1]) if month else None) as broken:
        broken.update(relation, change, where)
        assert broken.failing() == expected


def test_a_row_less_than_was_loaded_fails(world: World) -> None:
    with candidate(world, 1, dt.date(2021, 11, 1)) as broken:
        broken.delete("fct_weekly_report", "territory_key = '63-46' and item_no = 1")
        assert broken.failing() == {"total"}


@proves("process.empty-slice")
def test_an_empty_slice_fails(world: World) -> None:
    with candidate(world, 1, dt.date(2021, 11, 1)) as broken:
        broken.delete("fct_weekly_report", "territory_key = '63-46'")
        assert broken.failing() == {"evaluated"}


@proves("process.empty-slice")
def test_an_empty_slice_of_a_big_fact_fails(world: World) -> None:
    with candidate(world, 2) as broken:
        broken.delete("fct_participation", HUE)
        found = broken.compared()
    said = [str(row) for row in found.rows if row.control == "evaluated" and not row.is_equal]
    assert said == ["fct_participation, Tỉnh Thừa Thiên Huế (46), 2021-11: has rows should be yes and is no"]


@proves("process.empty-slice")
def test_a_slice_whose_measure_is_null_throughout_fails(world: World) -> None:
    with candidate(world, 2) as broken:
        broken.update("fct_participation", "set wage_base_vnd = null", HUE)
        broken.update("rpt_participants", "set wage_base_vnd = null", HUE)
        assert broken.failing() == {"filled"}


def test_a_row_of_a_nil_feed_fails(world: World) -> None:
    with candidate(world, 1, dt.date(2022, 10, 1)) as broken:
        broken.run(
            """
            insert into marts.fct_policy_relief__rows
            select (jsonb_populate_record(r, jsonb_build_object(
                'submission_id', nil.submission_id, 'cut_off_date', '2000-01-01'))).*
            from marts.fct_policy_relief__rows r,
                 (select s.submission_id from ops.load l join ops.submission s on s.sub_no = l.sub_no
                  where l.feed = 'policy_relief' and l.is_nil and s.period = '2022-10' order by 1 limit 1) nil
            limit 1
            """,
            _BUILDER,
        )
        assert broken.failing() == {"nil"}


def test_more_unemployment_than_compulsory_insurance_fails_unless_it_was_released(world: World) -> None:
    swap = "set insurance_type = case insurance_type when 'SI_C' then 'UI' else 'SI_C' end"
    with candidate(world, 2) as broken:
        broken.delete("fct_participation", f"{HUE} and insurance_type = 'UI'")
        broken.update("fct_participation", swap, f"{HUE} and insurance_type = 'SI_C'")
        assert "subset" in broken.failing()
        broken.run(
            "insert into ops.decision (sub_no, decision, reason) select sub_no, 'release', 'so it is'"
            " from ops.submission where sender = 'province-46' and period = '2021-11'"
        )
        assert "subset" not in broken.failing()


def test_an_input_that_is_not_accepted_fails(world: World) -> None:
    with candidate(world, 2) as broken:
        broken.run("update ops.submission set state = 'held' where sender = 'province-27' and period = '2021-09'")
        assert broken.failing() == {"ledger"}


@proves("process.empty-slice")
def test_a_province_that_would_vanish_fails_and_a_void_lets_it(world: World) -> None:
    with candidate(world, 2) as broken:
        broken.run("delete from ops.candidate_slice where relation = 'fct_arrears' and territory_key = '63-27'")
        assert broken.failing() == {"shown"}
        broken.run(
            """
            insert into ops.submission (submission_id, sender, period, month, version, action, state, folder)
            select sender || period || '-void', sender, period, month, 9, 'void', 'accepted', ''
            from ops.submission where sender = 'province-27' and version = 1 and period !~ 'W'
            """
        )
        assert broken.failing() == set()


@proves("process.empty-slice")
@pytest.mark.parametrize("feed", ["employers", "outreach", "weekly_report", "inspections", "tax_employers"])
def test_an_input_of_what_is_shown_that_would_vanish_fails(world: World, feed: str) -> None:
    with candidate(world, 2) as broken:
        inputs = "ops.build_input where build_id = (select max(build_id) from ops.build_input)"
        shown = f"(select o.sender, o.period from ops.build_input o where o.build_id = 1 and o.feed = '{feed}' limit 1)"
        broken.run(f"delete from {inputs} and feed = '{feed}' and (sender, period) = {shown}")
        found = broken.compared()
    wrong = [str(row) for row in found.rows if row.control == "shown" and not row.is_equal]
    assert len(wrong) == 1 and wrong[0].startswith(f"{feed}, ") and "gone without a void" in wrong[0]


def test_a_province_that_would_vanish_from_a_report_fails(world: World) -> None:
    with candidate(world, 2) as broken:
        broken.delete("rpt_collection", "territory_key = '63-27'")
        found = broken.compared()
    assert "rpt_collection, Tỉnh Bắc Ninh (27): rows should be kept or voided and is gone without a void" in {
        str(row) for row in found.rows if row.control == "shown"
    }


def test_a_figure_that_nothing_touched_and_that_moves_is_a_warning_with_the_figures(world: World) -> None:
    with candidate(world, 2) as moved:
        moved.update(
            "rpt_plan_attainment",
            "set actual = actual + 1",
            "territory_key in ('63-27', 'national') and month = '2021-12-01' and indicator = 'hi'",
        )
        found = moved.compared()
    wrong = [row for row in found.rows if not row.is_equal]
    assert {row.control for row in wrong} == {"unmoved"} and CONTROLS["unmoved"].severity == "warn"
    assert {row.place for row in wrong} == {"national, 2021-12", "Tỉnh Bắc Ninh (27), 2021-12"}
    assert all(int(row.actual) == int(row.expected) + 1 for row in wrong)


def test_a_figure_that_nothing_touched_and_that_is_lost_fails_without_a_changed_rule(world: World) -> None:
    with candidate(world, 2) as broken:
        broken.update(
            "rpt_plan_attainment", "set actual = null", "territory_key = '63-27' and month = '2021-12-01'"
            " and indicator = 'hi'"
        )  # fmt: skip
        assert {"lost", "unmoved"} <= broken.failing()
        broken.run("update ops.build set project_hash = 'another' where build_id = 2")
        assert "lost" not in broken.failing() and "unmoved" in broken.failing()


def test_a_touched_figure_that_moves_far_is_a_warning_with_the_figures(world: World) -> None:
    with candidate(world, 2) as moved:
        moved.update("rpt_plan_attainment", "set actual = actual * 2", f"{HUE} and indicator = 'people_managed'")
        found = moved.compared()
    said = [str(row) for row in found.rows if row.control == "moved" and not row.is_equal]
    assert CONTROLS["moved"].severity == "warn"
    assert any(
        "Huế (46), 2021-11: people_managed should be within 20 % of" in one and "+100.0 %" in one for one in said
    )


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        ([], {"tests"}),
        ([DbtTest("keys_stand_once", "fct_benefit", "fail", False, 3)], {"tests"}),
        ([DbtTest("keys_stand_once", "fct_benefit", "skipped", False, None)], {"tests"}),
        ([DbtTest("names_differ", "fct_benefit", "warn", True, 3)], set()),
    ],
)
def test_the_verdict_rests_on_dbts_tests_too(world: World, tests: list[DbtTest], expected: set[str]) -> None:
    with candidate(world, 2) as built:
        built.run("delete from ops.gate_result where suite = 'dbt'")
        record(built.connection, 2, tests)
        assert built.failing() == expected


@contextmanager
def waiting(world: World, tests: list[DbtTest]) -> Iterator[builds.Build]:
    """A build over what is shown, with nothing new in it, that waits for its audit."""
    with builds.lease(world.settings) as connection:
        connection.execute("select ops.open_build(b.project_hash, false) from ops.build b where b.build_id = 2")
        opened = connection.execute("select build_id, candidate_id from ops.build where state = 'open'").fetchone()
        assert opened is not None
        build = builds.Build(int(str(opened[0])), int(str(opened[1])), is_full=False)
        record(connection, build.build_id, tests)
        builds.finish(connection, build.build_id)
    try:
        yield build
    finally:
        with builds.lease(world.settings) as connection:
            builds.abandon(connection, build.build_id, "a test's")


def stored(world: World, build: builds.Build) -> tuple[object, object, object]:
    """The state of a build, the verdicts on it, and what readers see."""
    with connect(world.settings, roles.PUBLISHER) as connection:
        found = connection.execute(
            """
            select b.state, (
                select array_agg(g.success) from ops.gate_result g
                where g.build_id = b.build_id and g.gate = 'candidate' and g.suite <> 'dbt'
            ), c.publication_id
            from ops.build b cross join ops.current_publication c where b.build_id = %s
            """,
            [build.build_id],
        ).fetchone()
    assert found is not None
    state, verdicts, shown = found
    return state, verdicts, shown


_DIES = """
import os, signal, sys
from pathlib import Path
from expectations.candidate import verdict
from night import publishing
from warehouse.settings import Settings

stored = verdict.write_results

def stored_and_dead(*arguments, **named):
    stored(*arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)

verdict.write_results = stored_and_dead
publishing.audit(Settings(home=Path(sys.argv[1])), "killed")
"""


def test_a_gate_that_is_killed_leaves_no_verdict_and_nothing_is_published(world: World) -> None:
    with waiting(world, [TESTED]) as build:
        died = subprocess.run(
            [sys.executable, "-P", "-c", _DIES, str(world.settings.home)],
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            check=False,
        )
        assert died.returncode == -signal.SIGKILL, died.stderr.decode()
        _wait_for_the_lease(world)

        assert stored(world, build) == ("built", None, 2)
        assert publishing.publish(world.settings, "after the kill") is None
        with connect(world.settings, roles.PUBLISHER) as connection, pytest.raises(psycopg.Error, match="not ready"):
            connection.execute("select ops.flip(%s, '', '', '')", [build.build_id])

        assert publishing.audit(world.settings, "again")
        state, verdicts, shown = stored(world, build)
        assert (state, shown) == ("audited", 2)
        # the controls (that of dbt's tests stands with these), that there was anything at all, and the verdict
        assert isinstance(verdicts, list) and len(verdicts) == len(CONTROLS) + 1 and all(verdicts)


def _wait_for_the_lease(world: World) -> None:
    """A killed process holds its lock until the server notices."""
    with connect(world.settings, roles.TRANSFORMER, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(hashtext('vss build'))")


def test_a_build_that_fails_its_gate_is_taken_back_and_named_in_one_line(world: World) -> None:
    with waiting(world, []) as build:
        with pytest.raises(GateFailedError) as error:
            publishing.audit(world.settings, "without tests")
        assert "tests: dbt, all: ran should be yes and is no" in str(error.value)
        assert stored(world, build)[0] == "failed"
    with connect(world.settings, roles.LOADER) as connection:
        (message,) = connection.execute(
            "select message from ops.run_stage where run_id = 'without tests' and stage = 'audit'"
            " order by run_stage_id desc limit 1"
        ).fetchone() or ("",)
    assert message == "tests: dbt, all: ran should be yes and is no"


def test_one_verdict_is_stored_over_all_suites(world: World) -> None:
    with waiting(world, [TESTED, DbtTest("names_differ", "fct_benefit", "warn", True, 3)]) as build:
        publishing.audit(world.settings, "warned")
        with connect(world.settings, roles.PUBLISHER) as connection:
            (success, checks, failed, details), *others = connection.execute(
                "select success, evaluated, unexpected, details from ops.gate_result"
                " where build_id = %s and suite = 'verdict'",
                [build.build_id],
            ).fetchall()
        with connect(world.settings, roles.LOADER) as connection:
            told = connection.execute(
                "select message from ops.run_stage where run_id = 'warned' and stage = 'audit'"
                " order by run_stage_id desc limit 1"
            ).fetchone()
    assert not others and (success, failed) == (True, 0)
    assert isinstance(details, dict) and details["suites"]["dbt"] == {"checks": 3, "failed": 0, "warned": 1}
    assert set(details["suites"]) == {"candidate", *(control.suite for control in CONTROLS.values())}
    assert checks == sum(suite["checks"] for suite in details["suites"].values())
    assert details["said"] == ["dbt: names_differ of fct_benefit: 3 rows"]
    assert told == ("0 views made or replaced; 1 warnings: dbt: names_differ of fct_benefit: 3 rows",)


def test_an_unknown_build_is_said_to_be_unknown(world: World) -> None:
    with pytest.raises(LookupError, match="no build 999"):
        gate_candidate(world.settings, 999)
