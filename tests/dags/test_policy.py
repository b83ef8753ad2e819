"""What holds for every DAG of the folder: described, bounded, owned, quick to parse; and what is tried again."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import migrated, stop_and_remove
from parsing import HEAVY, lines
from review_builders import published

from cli import airflow_process, stack
from night.dbt_runs import project_hash
from night.pools import BACKFILL, NIGHT, PARALLELISM, POOLS, Pool
from warehouse import builds
from warehouse.errors import VssError
from warehouse.settings import PROJECT, Settings

FILES = sorted(
    path.name
    for path in (PROJECT / "dags").glob("*.py")
    if path.name not in (PROJECT / "dags" / ".airflowignore").read_text(encoding="utf-8").split()
)
PARSE = """
import json, runpy, sys, time
import airflow.sdk
from airflow.sdk import DAG
before, begun = set(sys.modules), time.process_time()
files = {name: runpy.run_path(f"dags/{name}") for name in json.loads(sys.argv[1])}
seconds, modules = time.process_time() - begun, sorted(set(sys.modules) - before)
dags = {}
for name, found in files.items():
    # a decorated DAG is called in its file and bound to nothing: it is made once more
    makers = [each for each in found.values() if callable(each) and getattr(each, "__module__", "") == "<run_path>"]
    made = [each for each in found.values() if isinstance(each, DAG)]
    made += [each for each in (maker() for maker in makers if hasattr(maker, "__wrapped__")) if isinstance(each, DAG)]
    dags[name] = [
        {
            "dag_id": dag.dag_id, "tags": sorted(dag.tags), "doc": dag.doc_md, "description": dag.description,
            "max_active_runs": dag.max_active_runs, "catchup": dag.catchup,
            "timeout": None if dag.dagrun_timeout is None else dag.dagrun_timeout.total_seconds(),
            "zone": str(dag.timezone),
            "params": {key: dag.params.get_param(key).schema for key in dag.params},
            "described": {key: dag.params.get_param(key).description for key in dag.params},
            "tasks": [
                {
                    "task_id": task.task_id, "owner": task.owner, "doc": task.doc_md, "pool": task.pool,
                    "retries": task.retries, "policy": type(task.retry_policy).__name__,
                    "weight": task.priority_weight,
                    "timeout": None if task.execution_timeout is None else task.execution_timeout.total_seconds(),
                    "map_index": task.map_index_template if task.is_mapped else "",
                }
                for task in dag.tasks
            ],
        }
        for dag in made
    ]

import types, psycopg
from dags.policy import WhatPasses
from warehouse.errors import BuildOpenError, GateFailedError, UsageError
from airflow.sdk.exceptions import AirflowTaskTimeout
decided = {}
for name, error in {
    "connection lost": psycopg.errors.AdminShutdown("Nguyen Thi A"), "another build": BuildOpenError("Nguyen Thi A"),
    "gate": GateFailedError("Nguyen Thi A"), "usage": UsageError("Nguyen Thi A"), "mistake": KeyError("Nguyen Thi A"),
    "too long": AirflowTaskTimeout("Nguyen Thi A"),
}.items():
    for user in ("dag_test", "admin", None):
        run = types.SimpleNamespace(triggering_user_name=user)
        decision = WhatPasses().evaluate(error, 1, 3, {"dag_run": run})
        decided[f"{name}, {user}"] = [decision.action.value, decision.reason]
print(json.dumps({"seconds": seconds, "modules": modules, "dags": dags, "decided": decided}))
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process of its own finds when it parses the folder as Airflow does, and how the policy decides."""
    home = tmp_path_factory.mktemp("airflow")
    printed = lines(PARSE, home, json.dumps(FILES))
    found: dict[str, Any] = json.loads(printed[-1])
    return found


def dags(parsed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {dag["dag_id"]: dag for found in parsed["dags"].values() for dag in found}


def tasks(parsed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{dag_id}.{task['task_id']}": task for dag_id, dag in dags(parsed).items() for task in dag["tasks"]}


def test_the_whole_folder_is_parsed_in_less_than_two_seconds_of_cpu(parsed: dict[str, Any]) -> None:
    assert parsed["seconds"] < 2


def test_nothing_heavy_is_imported_to_parse_any_of_it(parsed: dict[str, Any]) -> None:
    heavy = (*HEAVY, "sqlalchemy", "warehouse.connection", "night.tasks")
    assert [name for name in parsed["modules"] if any(name == one or name.startswith(f"{one}.") for one in heavy)] == []


def test_every_file_makes_one_dag_called_as_the_file(parsed: dict[str, Any]) -> None:
    assert {name: [dag["dag_id"] for dag in found] for name, found in parsed["dags"].items()} == {
        name: [name.removesuffix(".py")] for name in FILES
    }


def test_every_dag_says_what_it_is_and_what_to_do_with_it(parsed: dict[str, Any]) -> None:
    for dag_id, dag in dags(parsed).items():
        assert dag["tags"], dag_id
        assert dag["description"], dag_id
        assert "**Clear**" in dag["doc"], dag_id


def test_every_dag_runs_once_at_a_time_ends_by_itself_and_catches_nothing_up(parsed: dict[str, Any]) -> None:
    assert {
        dag_id: (dag["max_active_runs"], dag["catchup"], dag["timeout"] is not None)
        for dag_id, dag in dags(parsed).items()
    } == dict.fromkeys(dags(parsed), (1, False, True))
    assert {dag["zone"] for dag in dags(parsed).values()} == {"Asia/Ho_Chi_Minh"}


def test_every_param_has_a_type_and_a_description(parsed: dict[str, Any]) -> None:
    for dag_id, dag in dags(parsed).items():
        assert [key for key, schema in dag["params"].items() if "type" not in schema] == [], dag_id
        assert [key for key, text in dag["described"].items() if not text] == [], dag_id


def test_a_date_that_is_none_is_refused_before_anything_runs(parsed: dict[str, Any]) -> None:
    assert {dag["params"]["date"]["format"] for dag in dags(parsed).values() if "date" in dag["params"]} == {"date"}


def test_every_task_has_an_owner_a_text_and_a_time_limit_of_its_own(parsed: dict[str, Any]) -> None:
    assert {name: task["owner"] for name, task in tasks(parsed).items() if task["owner"] != "vss"} == {}
    assert [name for name, task in tasks(parsed).items() if not task["doc"]] == []
    assert [name for name, task in tasks(parsed).items() if not task["timeout"]] == []


def test_no_task_may_take_longer_than_its_run(parsed: dict[str, Any]) -> None:
    for dag_id, dag in dags(parsed).items():
        assert max(task["timeout"] for task in dag["tasks"]) <= dag["timeout"], dag_id


def test_every_mapped_task_is_named_by_what_it_is_about(parsed: dict[str, Any]) -> None:
    assert [name for name, task in tasks(parsed).items() if task["map_index"] is None] == []


def test_every_task_decides_by_the_error_whether_it_is_tried_again(parsed: dict[str, Any]) -> None:
    assert {task["policy"] for task in tasks(parsed).values()} == {"WhatPasses"}


def test_the_night_goes_before_the_day_and_nobody_before_the_night(parsed: dict[str, Any]) -> None:
    weights = {dag_id: {task["weight"] for task in dag["tasks"]} for dag_id, dag in dags(parsed).items()}

    assert weights["nightly_load"] == {30}
    assert weights["last_arrival"] == {20}
    assert max(max(found) for dag_id, found in weights.items() if dag_id != "nightly_load") < 30


def test_every_pool_that_a_task_names_is_made(parsed: dict[str, Any]) -> None:
    known = {"default_pool", *(pool.name for pool in POOLS)}
    assert {task["pool"] for task in tasks(parsed).values()} <= known
    assert {task["pool"] for name, task in tasks(parsed).items() if name.startswith("nightly_load.")} == {"night"}


def test_a_backfill_cannot_hold_all_slots(configured: Settings) -> None:
    variables = stack._environment(configured, stack.Ports(1, 2))

    assert int(variables["AIRFLOW__CORE__PARALLELISM"]) == PARALLELISM == NIGHT.slots + BACKFILL.slots
    assert BACKFILL.slots == 1


def test_what_passes_by_itself_is_tried_again_under_a_scheduler_and_never_in_a_run_by_hand(
    parsed: dict[str, Any],
) -> None:
    actions = {case: action for case, (action, _) in parsed["decided"].items()}

    for error in ("connection lost", "another build"):
        assert (actions[f"{error}, admin"], actions[f"{error}, None"]) == ("retry", "retry")
        assert actions[f"{error}, dag_test"] == "fail"


def test_a_gate_a_setting_a_mistake_and_a_time_limit_are_never_tried_again(parsed: dict[str, Any]) -> None:
    for error in ("gate", "usage", "mistake", "too long"):
        assert {parsed["decided"][f"{error}, {user}"][0] for user in ("dag_test", "admin", None)} == {"fail"}


def test_the_reason_that_airflow_keeps_names_the_kind_of_error_and_nothing_of_its_text(parsed: dict[str, Any]) -> None:
    reasons = {case: reason for case, (_, reason) in parsed["decided"].items()}

    assert reasons["connection lost, None"] == "AdminShutdown: passes by itself"
    assert [case for case, reason in reasons.items() if "Nguyen" in reason] == []


class _Collector(http.server.BaseHTTPRequestHandler):
    """An OpenTelemetry collector that keeps what it is sent."""

    def do_POST(self) -> None:
        assert isinstance(self.server, _Kept)
        self.server.sent.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on the screen."""


class _Kept(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Collector)
        self.sent: list[tuple[str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/metrics"

    def names(self) -> set[str]:
        """The metrics that arrived."""
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

        found = set()
        for _, content in list(self.sent):
            for resource in ExportMetricsServiceRequest.FromString(content).resource_metrics:
                for scope in resource.scope_metrics:
                    found.update(metric.name for metric in scope.metrics)
        return found


@pytest.fixture(scope="module")
def collector() -> Iterator[_Kept]:
    """A collector on this machine."""
    server = _Kept()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def with_metrics(configured: Settings, url: str) -> Settings:
    return Settings(home=configured.home, lineage=False, metrics_url=url)


def test_airflow_sends_its_metrics_to_the_collector_of_the_setting(
    configured: Settings, collector: _Kept, tmp_path: Path
) -> None:
    program = (
        "from airflow.sdk._shared.observability.metrics import stats\n"
        "from airflow.sdk.observability.metrics.stats_utils import get_stats_factory\n"
        "stats.initialize(factory=get_stats_factory(), export_legacy_names=False)\n"
        "stats.incr('ti_failures')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**airflow_process.environment(with_metrics(configured, collector.url)), "AIRFLOW_HOME": str(tmp_path)},
        cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "airflow.ti_failures" in collector.names()
    assert {path for path, _ in collector.sent} == {"/v1/metrics"}


def test_without_the_setting_no_metric_goes_anywhere_whatever_the_machine_has_set(
    configured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://somewhere.example:4318")
    monkeypatch.setenv("AIRFLOW__METRICS__OTEL_ON", "True")

    variables = airflow_process.environment(configured)

    assert variables["AIRFLOW__METRICS__OTEL_ON"] == "False"
    assert [name for name in variables if name.startswith("OTEL_")] == []


class Airflow:
    """Airflow under `vss up`, asked through its API."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        port = json.loads((settings.home / "up" / "ports.json").read_text())["airflow"]
        self.url = f"http://127.0.0.1:{port}"
        self.password = json.loads((settings.home / "secrets" / "airflow_passwords.json").read_text())[stack.USER]
        who = {"username": stack.USER, "password": self.password}
        self._token = airflow_process._asked(f"{self.url}/auth/token", who)["access_token"]

    def ask(self, path: str, content: dict[str, object] | None = None) -> dict[str, Any]:
        return airflow_process._asked(f"{self.url}/api/v2/{path}", content, token=self._token)

    def give(self, pool: Pool, slots: int) -> None:
        """Give a pool so many slots, as its page does."""
        values = {"pool": pool.name, "slots": slots, "description": pool.description, "include_deferred": False}
        request = urllib.request.Request(
            f"{self.url}/api/v2/pools/{pool.name}", json.dumps(values).encode(), method="PATCH",
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"},
        )  # fmt: skip
        urllib.request.urlopen(request, timeout=60).close()

    def slots(self) -> dict[str, int]:
        return {each["name"]: each["slots"] for each in self.ask("pools")["pools"]}

    def is_idle(self) -> bool:
        """Whether the folder is parsed, a night has ended, and none is active."""
        runs: dict[str, Any] = {"dag_runs": []}
        with contextlib.suppress(VssError):
            runs = self.ask("dags/nightly_load/dagRuns")
        return bool(runs["dag_runs"]) and {each["state"] for each in runs["dag_runs"]} <= {"success", "failed"}

    def tasks(self, run_id: str) -> dict[str, dict[str, Any]]:
        found = self.ask(f"dags/nightly_load/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {each["task_id"]: each for each in found}


def eventually(holds: Callable[[], bool], seconds: float = 120) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(1)
    return False


@pytest.fixture(scope="module")
def running(collector: _Kept) -> Iterator[Airflow]:
    """A warehouse that is up, with a publication after which nothing is left to build, and metrics switched on."""
    settings = migrated("vss-policy-")
    variables = {
        **os.environ, "VSS_HOME": str(settings.home), "PYTHONPATH": str(PROJECT), "VSS_METRICS_URL": collector.url
    }  # fmt: skip

    def vss(verb: str) -> None:
        command = [sys.executable, "-P", "-c", "from cli.main import main; main()", verb]
        subprocess.run(command, cwd=PROJECT, env=variables, check=True, timeout=600, capture_output=True)

    try:
        published(settings, rules=project_hash())
        (settings.home / "inbox").mkdir()
        vss("up")
        yield Airflow(settings)
    finally:
        vss("down")
        stop_and_remove(settings)


long = [pytest.mark.long, pytest.mark.timeout(900)]


class TestUnderAScheduler:
    """One Airflow for all; the first test is about how it begins."""

    pytestmark = long

    def test_the_pools_are_made_and_keep_the_slots_that_somebody_gives_them(self, running: Airflow) -> None:
        made = running.slots()
        running.give(BACKFILL, 2)
        again = airflow_process.ensure_pools(running.url, stack.USER, running.password)
        kept = running.slots()
        running.give(BACKFILL, 1)

        assert made == {"default_pool": 128, "night": 3, "backfill": 1}
        assert again == []
        assert kept["backfill"] == 2

    def test_a_wrong_setting_fails_at_once_and_another_build_is_waited_for(self, running: Airflow) -> None:
        # the last night before now begins by itself
        assert eventually(running.is_idle, 300)
        with builds.lease(running.settings):
            run_id = running.ask("dags/nightly_load/dagRuns", {"logical_date": None, "conf": {"inbox": "/nowhere"}})[
                "dag_run_id"
            ]
            assert eventually(lambda: running.tasks(run_id)["build"]["state"] == "up_for_retry", 240)

        found = running.tasks(run_id)
        assert (found["discover"]["state"], found["discover"]["try_number"], found["discover"]["max_tries"]) == (
            "failed", 1, 3,
        )  # fmt: skip
        assert found["build"]["pool"] == "night"
        # the pause of the night's build is five minutes
        assert eventually(lambda: running.tasks(run_id)["build"]["state"] == "success", 480)
        assert running.tasks(run_id)["build"]["try_number"] == 2

    @pytest.mark.usefixtures("running")
    def test_runs_and_tasks_are_counted_at_the_collector(self, collector: _Kept) -> None:
        assert eventually(lambda: {"airflow.ti.finish", "airflow.scheduler_heartbeat"} <= collector.names(), 90), (
            sorted(collector.names())
        )

    def test_a_dag_that_is_parsed_again_is_the_same_version(self, running: Airflow) -> None:
        assert {
            dag_id: running.ask(f"dags/{dag_id}/dagVersions")["total_entries"]
            for dag_id in ("nightly_load", "last_arrival")
        } == {"nightly_load": 1, "last_arrival": 1}
