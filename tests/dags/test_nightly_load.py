"""The DAG of the night: quick to parse, in the right order, nothing heavy before a task runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from parsing import HEAVY, PARSE, lines

from warehouse.settings import PROJECT


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process of its own finds when it parses the DAG file as Airflow does."""
    home = tmp_path_factory.mktemp("airflow")
    printed = lines(PARSE, home)
    found: dict[str, Any] = json.loads(printed[-1])
    return found


def test_the_file_is_parsed_in_less_than_two_seconds_of_cpu_after_airflow_itself(parsed: dict[str, Any]) -> None:
    assert parsed["seconds"] < 2


def test_nothing_heavy_is_imported_to_parse_it(parsed: dict[str, Any]) -> None:
    assert [
        module for module in parsed["modules"] if any(module == name or module.startswith(f"{name}.") for name in HEAVY)
    ] == []


def test_the_tasks_stand_in_the_order_of_the_night(parsed: dict[str, Any]) -> None:
    assert {name: task["upstream"] for name, task in parsed["tasks"].items()} == {
        "discover": [],
        "load_and_gate": ["discover"],
        "build": ["load_and_gate"],
        "audit": ["build"],
        "publish": ["audit"],
        "report": ["publish"],
    }


def test_loading_is_mapped_over_batches_and_nothing_else_is(parsed: dict[str, Any]) -> None:
    assert [name for name, task in parsed["tasks"].items() if task["is_mapped"]] == ["load_and_gate"]


def test_the_build_and_the_report_run_whatever_happened_before_and_nothing_is_published_unaudited(
    parsed: dict[str, Any],
) -> None:
    rules = {name: task["trigger_rule"] for name, task in parsed["tasks"].items()}
    assert {name for name, rule in rules.items() if rule == "all_done"} == {"build", "report"}
    assert (rules["audit"], rules["publish"]) == ("all_success", "all_success")


def test_every_task_has_a_time_limit_of_its_own_and_three_more_attempts_but_the_build(parsed: dict[str, Any]) -> None:
    assert {name: task["timeout"] / 60 for name, task in parsed["tasks"].items()} == {
        "discover": 15, "load_and_gate": 180, "build": 180, "audit": 60, "publish": 30, "report": 30,
    }  # fmt: skip
    # the build waits for a backfill that has begun to build: three hours
    assert {name: task["retries"] for name, task in parsed["tasks"].items()} == {
        "discover": 3, "load_and_gate": 3, "build": 36, "audit": 3, "publish": 3, "report": 3,
    }  # fmt: skip
    assert parsed["tasks"]["build"]["pauses"] == [300, 0]


def test_one_night_at_a_time_and_none_is_caught_up(parsed: dict[str, Any]) -> None:
    assert (parsed["dag_id"], parsed["max_active_runs"], parsed["catchup"]) == ("nightly_load", 1, False)
    assert parsed["params"] == ["date", "inbox", "run_id"]


def test_the_file_is_thin_and_its_ids_are_ascii(parsed: dict[str, Any]) -> None:
    assert all(name.isascii() for name in (parsed["dag_id"], *parsed["tasks"]))
    assert len((PROJECT / "dags" / "nightly_load.py").read_text(encoding="utf-8").splitlines()) < 100


def test_every_dag_file_is_known_to_these_tests() -> None:
    ignored = (PROJECT / "dags" / ".airflowignore").read_text(encoding="utf-8").split()
    found = sorted({path.name for path in Path(PROJECT / "dags").glob("*.py")} - set(ignored))
    assert found == [
        "backfill.py", "completeness.py", "last_arrival.py", "maintenance.py", "nightly_load.py", "watch.py",
        "weekly_reports.py",
    ]  # fmt: skip
    assert sorted(ignored) == ["arrivals.py", "policy.py", "run_params.py"]
