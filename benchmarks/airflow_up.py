"""A warehouse that is up: its scheduler is told what to run, and asked what became of it, through Airflow's own API."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from benchmarks.workplace import WrongResultError
from warehouse.settings import PROJECT, Settings

ENDED = ("success", "failed")
_USER = "admin"


class AirflowUp:
    """`vss up` of one VSS_HOME and its API. Only the DAGs that are asked for run; no other begins by itself."""

    def __init__(self, settings: Settings, *, variables: Mapping[str, str] | None = None) -> None:
        self.settings = settings
        self._variables = dict(variables or {})
        self._base = ""
        self._token = ""

    def vss(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A verb of this VSS_HOME."""
        return subprocess.run(
            [sys.executable, "-c", "from cli.main import main; main()", *arguments],
            cwd=PROJECT, env=self.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def environment(self) -> dict[str, str]:
        """What a process of this VSS_HOME is told; of the settings of the caller nothing."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("VSS_")}
        return {**inherited, **self._variables, "VSS_HOME": str(self.settings.home), "PYTHONPATH": str(PROJECT)}

    def up(self, *dags: str) -> None:
        """Begin; `dags` may run, all others are paused. Raises WrongResultError when it does not come up."""
        done = self.vss("up")
        if done.returncode != 0:
            raise WrongResultError(f"vss up ended in {done.returncode}: {done.stderr.strip()[-500:]}")
        port = json.loads((self.settings.home / "up" / "ports.json").read_text(encoding="utf-8"))["airflow"]
        self._base = f"http://127.0.0.1:{port}"
        kept = json.loads((self.settings.home / "secrets" / "airflow_passwords.json").read_text(encoding="utf-8"))
        answer = self._ask("POST", "/auth/token", {"username": _USER, "password": kept[_USER]})
        self._token = str(answer["access_token"])
        ignored = (PROJECT / "dags" / ".airflowignore").read_text(encoding="utf-8").split()
        files = [path for path in (PROJECT / "dags").glob("*.py") if path.name not in ignored]
        for dag in self._until_parsed(len(files)):
            self._ask("PATCH", f"/api/v2/dags/{dag}", {"is_paused": dag not in dags})

    def down(self) -> None:
        """End everything, the server too."""
        self.vss("down")

    def trigger(self, dag: str, conf: Mapping[str, object]) -> str:
        """Ask for one run; its id."""
        answer = self._ask("POST", f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None, "conf": dict(conf)})
        return str(answer["dag_run_id"])

    def run(self, dag: str, run: str) -> dict[str, Any]:
        """A run as the API shows it: state, start_date, end_date, duration."""
        return self._ask("GET", f"/api/v2/dags/{dag}/dagRuns/{run}")

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """The task instances of a run: task_id, map_index, state, try_number, start_date, end_date."""
        answer = self._ask("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances?limit=1000")
        return cast("list[dict[str, Any]]", answer["task_instances"])

    def clear(self, dag: str, run: str, task: str) -> None:
        """Let one task of a run, all its map indexes, be done again, and nothing that follows it."""
        self._ask(
            "POST", f"/api/v2/dags/{dag}/clearTaskInstances",
            {"dry_run": False, "dag_run_id": run, "task_ids": [task], "only_failed": False, "reset_dag_runs": True},
        )  # fmt: skip

    def ended(self, dag: str, run: str, *, seconds: float = 900) -> str:
        """Wait until a run has ended; its state. Raises WrongResultError when it takes longer."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            # an API server that is just beginning again is asked once more
            with contextlib.suppress(OSError):
                state = str(self.run(dag, run)["state"])
                if state in ENDED:
                    return state
            time.sleep(0.25)
        tasks = [(one["task_id"], one["map_index"], one["state"]) for one in self.tasks(dag, run)]
        raise WrongResultError(f"{dag} {run} has not ended after {seconds:.0f} s: {tasks}")

    def _until_parsed(self, count: int) -> Sequence[str]:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            found = [str(dag["dag_id"]) for dag in self._ask("GET", "/api/v2/dags?limit=100")["dags"]]
            if len(found) >= count:
                return found
            time.sleep(0.5)
        raise WrongResultError(f"Of {count} DAG files Airflow knows {', '.join(found)}.")

    def _ask(self, method: str, path: str, content: Mapping[str, object] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - the address is ours
            self._base + path, method=method, data=None if content is None else json.dumps(content).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return cast("dict[str, Any]", json.load(answer))
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")[:500]
            raise WrongResultError(
                f"{method} {path.partition('?')[0]} was answered with {error.code}: {said}"
            ) from None


@contextlib.contextmanager
def airflow_up(settings: Settings, *dags: str, variables: Mapping[str, str] | None = None) -> Iterator[AirflowUp]:
    """A warehouse that is up, and down again afterwards."""
    airflow = AirflowUp(settings, variables=variables)
    try:
        airflow.up(*dags)
        yield airflow
    finally:
        airflow.down()
