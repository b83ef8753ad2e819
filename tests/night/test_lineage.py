"""Lineage of a small dbt run by hand: what is read and written, what failed, and that nothing private is told."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from lineage_events import assert_valid, events_of

from cli.airflow_process import environment
from night import lineage
from warehouse.settings import Settings

CANARY = "0123456789-Nguyen-Van-A"


def _node(kind: str, schema: str, name: str, materialized: str = "table") -> dict[str, Any]:
    return {
        "resource_type": kind, "database": "vss", "schema": schema, "name": name, "alias": name, "columns": {},
        "unique_id": f"{kind}.vss.{name}", "config": {"materialized": materialized}, "compiled_code": "select 1 as n",
    }  # fmt: skip


def _artifacts(folder: Path, status: str) -> Path:
    """A mart over a model that is only text, which reads a raw table and a seed; it and its test ended in `status`."""
    version = {"dbt_version": "1.11.16", "invocation_id": "4d282dc7-332b-4914-9057-9de1f3e43603"}
    timing = [{"name": "execute", "started_at": "2021-11-01T01:00:00Z", "completed_at": "2021-11-01T01:00:09Z"}]
    test = _node("test", "marts", "balances") | {"test_metadata": {"name": "balances", "kwargs": {}}}
    manifest = {
        "metadata": version | {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"},
        "nodes": {
            "model.vss.fct": _node("model", "marts", "fct"),
            "model.vss.text": _node("model", "staging", "text", "ephemeral"),
            "seed.vss.rate": _node("seed", "reference", "rate", "seed"),
            "test.vss.balances": test,
        },
        "sources": {"source.vss.raw.arrears": _node("source", "raw", "arrears")},
        "parent_map": {
            "model.vss.fct": ["model.vss.text"],
            "model.vss.text": ["source.vss.raw.arrears", "seed.vss.rate"],
            "test.vss.balances": ["model.vss.fct"],
        },
    }
    results = {
        "metadata": version | {"dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json"},
        "args": {"which": "build"},
        "results": [
            {"unique_id": "model.vss.fct", "status": status, "timing": timing, "message": CANARY},
            {"unique_id": "test.vss.balances", "status": "pass", "timing": timing, "message": CANARY},
        ],
    }
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "run_results.json").write_text(json.dumps(results))
    return folder


@pytest.fixture
def no_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger says build 7, publication 5."""
    monkeypatch.setattr(lineage, "_open_build", lambda _, run_id: lineage._ledger(run_id, 7, 5, ["p26-2021-10-v1"]))


@pytest.mark.usefixtures("no_ledger")
@pytest.mark.parametrize(("status", "end"), [("success", "COMPLETE"), ("error", "FAIL")])
def test_a_model_reads_what_exists_and_ends_as_dbt_says(tmp_path: Path, status: str, end: str) -> None:
    target = _artifacts(tmp_path / "target", status)

    lineage.dbt_events(Settings(home=tmp_path), target, run_id="night-1", begun=0.0, error=None)

    events = events_of(tmp_path)
    assert_valid(events)
    of_model = [event for event in events if event["job"]["name"] == "vss.marts.vss.fct.build.run"]
    assert [event["eventType"] for event in of_model] == ["START", end]
    assert {(i["namespace"], i["name"]) for i in of_model[1]["inputs"]} == {
        ("postgres://vss", "vss.raw.arrears"),
        ("postgres://vss", "vss.reference.rate"),
    }
    assert [o["name"] for o in of_model[0]["outputs"]] == ["vss.marts.fct"]
    # the run of dbt around it ends alike, and both name the build
    assert (events[0]["job"]["name"], events[0]["eventType"], events[-1]["eventType"]) == ("dbt", "START", end)
    assert of_model[1]["run"]["facets"]["parent"]["run"]["runId"] == events[0]["run"]["runId"]
    assert {event["run"]["facets"]["vss_ledger"]["build_id"] for event in events} == {7}
    assert events[0]["run"]["facets"]["vss_ledger"]["submissions"] == ["p26-2021-10-v1"]
    assert CANARY not in lineage.path_of(Settings(home=tmp_path), "night-1").read_text()


@pytest.mark.usefixtures("no_ledger")
def test_artifacts_of_an_earlier_run_are_not_told_again_when_dbt_itself_fails(tmp_path: Path) -> None:
    target = _artifacts(tmp_path / "target", "success")

    lineage.dbt_events(
        Settings(home=tmp_path), target, run_id="night-1", begun=time.time() + 60, error="DbtProjectError"
    )

    events = events_of(tmp_path)
    assert [(event["job"]["name"], event["eventType"]) for event in events] == [("dbt", "START"), ("dbt", "FAIL")]
    assert events[1]["run"]["facets"]["errorMessage"]["message"] == "DbtProjectError"


@pytest.mark.usefixtures("no_ledger")
def test_what_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    target = _artifacts(tmp_path / "target", "success")
    (tmp_path / "lineage").write_text("a file where the folder should be")

    lineage.dbt_events(Settings(home=tmp_path), target, run_id="night-1", begun=0.0, error=None)

    assert (tmp_path / "lineage").read_text() == "a file where the folder should be"


@pytest.mark.usefixtures("no_ledger")
def test_files_older_than_the_setting_go_with_the_next_run(tmp_path: Path) -> None:
    target = _artifacts(tmp_path / "target", "success")
    (tmp_path / "lineage").mkdir()
    for name, days in (("old", 11), ("young", 9)):
        file = tmp_path / "lineage" / f"{name}.ndjson"
        file.touch()
        os.utime(file, (time.time() - days * 86_400,) * 2)

    lineage.dbt_events(Settings(home=tmp_path, lineage_days=10), target, run_id="night-1", begun=0.0, error=None)

    assert sorted(path.name for path in (tmp_path / "lineage").iterdir()) == ["night-1.ndjson", "young.ndjson"]


def test_an_event_of_airflow_loses_messages_logins_and_addresses(tmp_path: Path) -> None:
    transport = lineage.RunFile(lineage.RunFile.config_class.from_dict({"log_file_path": str(tmp_path / "lineage")}))
    run = {
        "runId": "01a20357-33d3-71b1-8802-7ef7d4f86b89",
        "facets": {
            "airflow": {
                "dag": {"owner": CANARY},
                "dagRun": {
                    "run_id": "manual__2021-11-01T01:00:00+07:00", "dag_id": "nightly_load",
                    "conf": {"run_id": "night-2", "inbox": CANARY}, "triggering_user_name": CANARY,
                },
                "taskInstance": {"try_number": 1, "log_url": f"http://{CANARY}@localhost:8080"},
                "task": {"params": CANARY},
            },
            "errorMessage": {
                "message": f"Key (person)=({CANARY}) already exists.", "programmingLanguage": "python",
                "stackTrace": f"Traceback:\n  x\npsycopg.errors.UniqueViolation: {CANARY}\nDETAIL: 1\n{CANARY}: 1\n",
            },
            "environmentVariables": {"environmentVariables": [{"name": "PASSWORD", "value": CANARY}]},
        },
    }  # fmt: skip
    event = {"eventType": "FAIL", "eventTime": "2021-11-01T01:00:00+07:00", "run": run, "job": {"name": "x"}}

    transport.emit(event)

    written = lineage.path_of(Settings(home=tmp_path), "night-2").read_text()
    assert CANARY not in written
    facets = json.loads(written)["run"]["facets"]
    assert facets["errorMessage"] == {"message": "psycopg.errors.UniqueViolation", "programmingLanguage": "python"}
    assert facets["airflow"]["dagRun"]["run_id"] == "manual__2021-11-01T01:00:00+07:00"


def test_the_dag_has_a_start_before_its_end(tmp_path: Path) -> None:
    transport = lineage.RunFile(lineage.RunFile.config_class.from_dict({"log_file_path": str(tmp_path / "lineage")}))
    dag_run = {
        "run_id": "night-3", "dag_id": "nightly_load", "start_date": "2021-11-01T01:00:00+07:00",
        "end_date": "2021-11-01T02:00:00+07:00",
    }  # fmt: skip
    error = {"message": "task_failure", "programmingLanguage": "python"}
    facets = {"airflowDagRun": {"dagRun": dag_run}, "errorMessage": error}
    run = {"runId": "01a20357-33d3-71b1-8802-7ef7d4f86b89", "facets": facets}
    event = {"eventType": "FAIL", "eventTime": dag_run["end_date"], "run": run, "job": {"name": "nightly_load"}}

    transport.emit(event)

    # another DAG's run of the same instant has the same id
    assert lineage.path_of(Settings(home=tmp_path), "nightly_load__night-3").exists()
    start, end = events_of(tmp_path)
    assert (start["eventType"], start["eventTime"]) == ("START", "2021-11-01T01:00:00+07:00")
    assert (end["eventType"], end["eventTime"]) == ("FAIL", "2021-11-01T02:00:00+07:00")
    assert "errorMessage" not in start["run"]["facets"]
    assert end["run"]["facets"]["errorMessage"]["message"] == "error"


def test_the_environment_cannot_send_airflows_events_elsewhere(
    configured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENLINEAGE_URL", "OPENLINEAGE__TRANSPORT__URL", "AIRFLOW__OPENLINEAGE__TRANSPORT"):
        monkeypatch.setenv(name, "http://elsewhere.example")

    variables = environment(configured.model_copy(update={"lineage": True}))

    assert "elsewhere" not in json.dumps({name: value for name, value in variables.items() if "LINEAGE" in name})
    assert json.loads(variables["AIRFLOW__OPENLINEAGE__TRANSPORT"]) == {
        "type": "night.lineage.RunFile", "log_file_path": str(configured.home / "lineage"), "append": True,
    }  # fmt: skip


def test_lineage_is_off_where_the_setting_says_so(configured: Settings) -> None:
    variables = environment(configured.model_copy(update={"lineage": False}))
    assert variables["AIRFLOW__OPENLINEAGE__DISABLED"] == "True"
    assert "AIRFLOW__OPENLINEAGE__TRANSPORT" not in variables
