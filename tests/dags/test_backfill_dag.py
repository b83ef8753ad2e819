"""The DAG of a backfill: quick to parse, by hand only, a dry run unless told otherwise, beside a night and after it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from parsing import PARSE, lines

DESCRIBED = """"schedule": dag.schedule, "doc": dag.doc_md, "tags": sorted(dag.tags),
    "schemas": {name: dict(dag.params.get_param(name).schema) for name in dag.params},
    "defaults": {name: dag.params.get_param(name).value for name in ("senders", "feeds", "dry_run", "wait_minutes")},
    "params\""""
TRIED = """
from airflow.sdk.exceptions import AirflowSkipException
import types
rebuild = dag.get_task("rebuild").python_callable
names = rebuild.__globals__
called = []
sys.modules["night.backfill"] = types.SimpleNamespace(published=lambda params: called.append(params) or True)
import night
night.backfill = sys.modules["night.backfill"]
def tried(dry_run, plan):
    names["given_params"] = lambda: {"dry_run": dry_run}
    names["get_current_context"] = lambda: {"ti": types.SimpleNamespace(xcom_pull=lambda **_: plan)}
    try:
        rebuild()
    except AirflowSkipException:
        return "skipped"
    return "rebuilt"
found = {f"{dry_run}, {plan}": tried(dry_run, plan) for dry_run in (True, False) for plan in (None, ["a line"])}
print(json.dumps({"tried": found, "calls": len(called)} | json.loads(said)))
"""
MORE = '"pool": task.pool, "at_once": task.max_active_tis_per_dag, "upstream"'


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process of its own finds when it parses the DAG file as Airflow does."""
    home = tmp_path_factory.mktemp("airflow")
    program = PARSE.replace("nightly_load", "backfill").replace('"params"', DESCRIBED, 1).replace('"upstream"', MORE, 1)
    program = program.replace("print(json.dumps(", "said = (json.dumps(") + TRIED
    printed = lines(program, home)
    found: dict[str, Any] = json.loads(printed[-1])
    return found


def test_it_runs_when_it_is_triggered_one_at_a_time_and_is_dry_unless_told_otherwise(parsed: dict[str, Any]) -> None:
    assert (parsed["dag_id"], parsed["max_active_runs"], parsed["catchup"]) == ("backfill", 1, False)
    assert (parsed["schedule"], parsed["tags"]) == (None, ["backfill"])
    assert parsed["doc"].startswith("Months gone over again")
    assert parsed["defaults"] == {"senders": [], "feeds": [], "dry_run": True, "wait_minutes": 360}


def test_its_months_and_senders_are_checked_before_it_starts(parsed: dict[str, Any]) -> None:
    assert set(parsed["params"]) == {
        "date", "dry_run", "feeds", "from", "inbox", "reason", "run_id", "senders", "to", "wait_minutes",
    }  # fmt: skip
    schemas = parsed["schemas"]
    assert schemas["from"] == schemas["to"]
    assert (schemas["from"]["type"], schemas["from"]["pattern"]) == ("string", "^[0-9]{4}-(0[1-9]|1[0-2])$")
    assert schemas["senders"]["items"]["pattern"] == "^(province-[0-9]{2}|tax|hq)$"
    assert schemas["dry_run"]["type"] == "boolean"
    # the time limit of the task that waits leaves three hours for the build
    assert 60 * schemas["wait_minutes"]["maximum"] + 3 * 3600 <= parsed["tasks"]["rebuild"]["timeout"]


def test_nothing_is_rebuilt_in_a_dry_run_nor_without_a_plan(parsed: dict[str, Any]) -> None:
    assert parsed["tried"] == {
        "True, None": "skipped", "True, ['a line']": "skipped", "False, None": "skipped",
        "False, ['a line']": "rebuilt",
    }  # fmt: skip
    assert parsed["calls"] == 1


def test_a_dry_run_ends_after_its_plan_and_a_month_that_cannot_be_loaded_stops_nothing(parsed: dict[str, Any]) -> None:
    tasks = parsed["tasks"]
    assert {name: task["upstream"] for name, task in tasks.items()} == {
        "plan": [],
        "is_wanted": ["plan"],
        "load": ["is_wanted", "plan"],
        "rebuild": ["load"],
        "report": ["rebuild"],
    }
    assert [name for name, task in tasks.items() if task["is_mapped"]] == ["load"]
    assert tasks["rebuild"]["trigger_rule"] == "all_done"
    # what the last task becomes the run becomes, also when the plan failed
    assert tasks["report"]["trigger_rule"] == "all_done"
    assert {task["retries"] for task in tasks.values()} == {3}


def test_loading_and_building_leave_the_nights_slots_alone(parsed: dict[str, Any]) -> None:
    tasks = parsed["tasks"]
    assert {task["pool"] for task in tasks.values()} == {"backfill"}
    assert tasks["load"]["at_once"] == 1
