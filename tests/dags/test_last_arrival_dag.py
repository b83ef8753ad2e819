"""The DAG of the day's last arrival: quick to parse, nothing built that is not due, a skip where a night is at work."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from parsing import PARSE, lines

DESCRIBED = '"schedule": dag.schedule, "doc": dag.doc_md, "tags": sorted(dag.tags),\n'
DESCRIBED += '    "run_timeout": dag.dagrun_timeout.total_seconds(), "params"'


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process of its own finds when it parses the DAG file as Airflow does."""
    home = tmp_path_factory.mktemp("airflow")
    program = PARSE.replace("nightly_load", "last_arrival").replace('"params"', DESCRIBED)
    printed = lines(program, home)
    found: dict[str, Any] = json.loads(printed[-1])
    return found


def test_it_runs_every_quarter_of_the_day_one_at_a_time_and_says_what_it_does(parsed: dict[str, Any]) -> None:
    assert (parsed["dag_id"], parsed["max_active_runs"], parsed["catchup"]) == ("last_arrival", 1, False)
    assert parsed["schedule"] == "*/15 4-22 * * *"
    assert parsed["params"] == ["date", "inbox", "run_id"]
    assert parsed["doc"].startswith("What is not left to the night: the last sender of a month, and a list of the tax")
    assert parsed["tags"] == ["day", "load", "publish", "tax list"]


def test_what_waits_is_loaded_first_and_nothing_is_built_that_is_not_due(parsed: dict[str, Any]) -> None:
    assert {name: task["upstream"] for name, task in parsed["tasks"].items()} == {
        "waiting": [],
        "load_and_gate": ["waiting"],
        "is_due": ["load_and_gate"],
        "build": ["is_due"],
        "audit": ["build"],
        "publish": ["audit"],
        "report": ["publish"],
        "tell": ["load_and_gate"],
    }
    assert [name for name, task in parsed["tasks"].items() if task["is_mapped"]] == ["load_and_gate"]


def test_a_sender_that_cannot_be_loaded_stops_nobody_and_a_skip_ends_everything_after_it(
    parsed: dict[str, Any],
) -> None:
    rules = {name: task["trigger_rule"] for name, task in parsed["tasks"].items()}
    assert rules["is_due"] == "all_done"
    assert {rules[name] for name in ("build", "audit", "publish")} == {"all_success"}
    assert rules["report"] == "none_skipped"


def test_it_has_ended_before_the_night_begins(parsed: dict[str, Any]) -> None:
    last, night = dt.timedelta(hours=22, minutes=45), dt.timedelta(days=1, hours=1)
    assert last + dt.timedelta(seconds=parsed["run_timeout"]) < night


def test_only_what_would_leave_a_candidate_behind_is_retried_because_the_next_run_is_a_quarter_away(
    parsed: dict[str, Any],
) -> None:
    retried = {name: task["retries"] for name, task in parsed["tasks"].items() if task["retries"]}
    assert retried == {"build": 3, "audit": 3, "publish": 3}
