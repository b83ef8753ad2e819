"""The DAG of the week: quick to parse, one step after the other, none stopped by another, the last one tells."""

from __future__ import annotations

import json
from typing import Any

import pytest
from parsing import PARSE, lines
from test_last_arrival_dag import DESCRIBED

from night import maintenance

STEPS = ["partitions", "prune", "vacuum", "archive", "checks", "leftovers", "airflow"]


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process of its own finds when it parses the DAG file as Airflow does."""
    home = tmp_path_factory.mktemp("airflow")
    program = PARSE.replace("nightly_load", "maintenance").replace('"params"', DESCRIBED)
    printed = lines(program, home)
    found: dict[str, Any] = json.loads(printed[-1])
    return found


def test_it_runs_on_sunday_two_hours_after_the_night_one_at_a_time(parsed: dict[str, Any]) -> None:
    assert (parsed["dag_id"], parsed["max_active_runs"], parsed["catchup"]) == ("maintenance", 1, False)
    assert parsed["schedule"] == "0 3 * * 0"
    assert parsed["params"] == ["date", "inbox", "run_id"]
    assert parsed["doc"].startswith("What the warehouse needs every week, Sunday 03:00")
    assert "week" in parsed["tags"]


def test_its_tasks_are_the_steps_in_their_order_and_then_they_are_told(parsed: dict[str, Any]) -> None:
    assert list(maintenance.STEPS) == STEPS
    upstream = {name: task["upstream"] for name, task in parsed["tasks"].items()}
    assert upstream == {
        name: [before] if before else []
        for name, before in zip([*STEPS, "tell"], [None, *STEPS], strict=True)
    }  # fmt: skip


def test_a_step_that_fails_or_is_skipped_stops_no_other(parsed: dict[str, Any]) -> None:
    assert {task["trigger_rule"] for task in parsed["tasks"].values()} == {"all_done"}
    assert all(task["timeout"] for task in parsed["tasks"].values())
