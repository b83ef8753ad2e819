"""The lineage of the demo's night, as Airflow and dbt told it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from demo_warehouse import Demo
from lineage_events import assert_valid, events_of

TASKS = {"discover", "load_and_gate", "build", "audit", "publish", "report"}


@pytest.fixture(scope="module")
def night(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The events of the run that made publication 1; others follow it in the same home."""
    home: Path = tmp_path_factory.mktemp("night")
    (home / "lineage").mkdir()
    run = demo.rows("select run_id from ops.run_stage order by run_stage_id limit 1", role="vss_engineer", pin=None)
    file = demo.home / "lineage" / f"{run[0]['run_id']}.ndjson"
    (home / "lineage" / file.name).write_bytes(file.read_bytes())
    return events_of(home)


def _ended(events: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (found,) = (event for event in events if event["job"]["name"] == name and event["eventType"] != "START")
    return found


def test_every_run_of_the_night_is_valid_and_has_a_start_and_an_end(night: list[dict[str, Any]]) -> None:
    assert_valid(night)
    assert {f"nightly_load.{task}" for task in TASKS} <= {event["job"]["name"] for event in night}
    ends = {event["eventType"] for event in night if event["eventType"] != "START"}
    assert ends == {"COMPLETE"}


def test_every_relation_that_the_build_made_is_an_output(demo: Demo, night: list[dict[str, Any]]) -> None:
    built = demo.rows("select distinct relation from ops.slice where build_id = 1", role="vss_engineer", pin=None)
    outputs = {output["name"] for event in night for output in event["outputs"]}
    assert {f"vss.marts.{row['relation']}" for row in built} <= outputs


def test_arrears_come_from_their_staging_model_the_employers_and_the_law(night: list[dict[str, Any]]) -> None:
    event = _ended(night, "vss.marts.vss.fct_arrears.build.run")
    assert {dataset["name"] for dataset in event["inputs"]} == {
        "vss.staging.stg_province__arrears", "vss.marts.int_employer__version", "vss.reference.legal_parameter",
    }  # fmt: skip
    assert [dataset["name"] for dataset in event["outputs"]] == ["vss.marts.fct_arrears"]
    staged = _ended(night, "vss.staging.vss.stg_province__arrears.build.run")
    assert "vss.raw.arrears" in {dataset["name"] for dataset in staged["inputs"]}
    assert {dataset["namespace"] for dataset in event["inputs"] + event["outputs"]} == {"postgres://vss"}


def test_a_model_leads_to_its_dbt_run_that_to_its_task_and_all_to_the_ledger(
    demo: Demo, night: list[dict[str, Any]]
) -> None:
    model = _ended(night, "vss.marts.vss.fct_arrears.build.run")["run"]["facets"]
    dbt, task, dag = _ended(night, "dbt"), _ended(night, "nightly_load.build"), _ended(night, "nightly_load")
    assert model["parent"]["run"]["runId"] == dbt["run"]["runId"]
    assert dbt["run"]["facets"]["parent"]["run"]["runId"] == task["run"]["runId"]
    assert task["run"]["facets"]["parent"]["run"]["runId"] == dag["run"]["runId"]
    (shown,) = demo.rows("select publication_id, build_id from ops.publication where publication_id = 1",
                         role="vss_engineer", pin=None)  # fmt: skip
    sent = demo.rows(
        "select distinct submission_id as id from ops.build_input join ops.load using (load_id)"
        " join ops.submission using (sub_no) where build_id = 1", role="vss_engineer", pin=None,
    )  # fmt: skip
    for facets in (model, dbt["run"]["facets"], task["run"]["facets"]):
        told = facets["vss_ledger"]
        assert (told["publication_id"], told["build_id"]) == (shown["publication_id"], shown["build_id"])
    assert set(dbt["run"]["facets"]["vss_ledger"]["submissions"]) == {row["id"] for row in sent}


def test_no_password_of_the_warehouse_is_in_any_event(demo: Demo) -> None:
    told = "".join(path.read_text(encoding="utf-8") for path in (demo.home / "lineage").iterdir())
    secrets = [path for path in (demo.home / "secrets").iterdir() if path.is_file()]
    assert secrets
    assert [path.name for path in secrets if path.read_text(errors="replace").strip() in told] == []
