"""The DAGs that chase and watch: quick to parse, at their hours, nobody reminded before what waits is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from parsing import PARSE, lines

DAGS = ("weekly_reports", "completeness", "watch")
DESCRIBED = '"schedule": dag.schedule, "doc": dag.doc_md, "tags": sorted(dag.tags), "owner": dag.owner,\n    "params"'


@pytest.fixture(scope="module")
def all_parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What a process of its own finds when it parses the DAG files as Airflow does."""
    home = tmp_path_factory.mktemp("airflow")
    program = "\n".join(PARSE.replace("nightly_load", name).replace('"params"', DESCRIBED) for name in DAGS)
    printed = lines(program, home)
    found = [json.loads(line) for line in printed[-len(DAGS) :]]
    return {dag["dag_id"]: dag for dag in found}


@pytest.fixture(params=DAGS)
def parsed(request: pytest.FixtureRequest, all_parsed: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """One of them."""
    return all_parsed[request.param]


def test_it_runs_at_its_hour_one_at_a_time_and_says_what_it_does(parsed: dict[str, Any]) -> None:
    schedules = {"weekly_reports": "0 15 * * 5", "completeness": "0 8 * * *", "watch": "35 * * * *"}
    assert parsed["schedule"] == schedules[parsed["dag_id"]]
    assert (parsed["max_active_runs"], parsed["catchup"], parsed["owner"]) == (1, False, "vss")
    assert "day" in parsed["tags"]
    assert "date" in parsed["params"]
    assert "it anew at any time" in " ".join(parsed["doc"].split())


def test_what_waits_is_loaded_first_and_a_load_that_breaks_keeps_no_reminder_back(parsed: dict[str, Any]) -> None:
    upstream = {name: task["upstream"] for name, task in parsed["tasks"].items()}
    if parsed["dag_id"] == "watch":
        assert upstream == {"look": []}
        return
    assert upstream == {"waiting": [], "load_and_gate": ["waiting"], "remind": ["load_and_gate"]}
    assert [name for name, task in parsed["tasks"].items() if task["is_mapped"]] == ["load_and_gate"]
    assert parsed["tasks"]["remind"]["trigger_rule"] == "all_done"


def test_every_task_has_a_time_limit(parsed: dict[str, Any]) -> None:
    assert [name for name, task in parsed["tasks"].items() if not task["timeout"]] == []


def test_the_hour_of_the_weekly_reports_is_the_one_at_which_they_are_late() -> None:
    from ingestion.deadlines import due_at

    due = due_at("weekly_report", "province-26", "2021-W44")
    assert due is not None
    assert (due.minute, due.hour, due.isoweekday()) == (0, 15, 5)
