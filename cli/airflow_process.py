"""Airflow as a process of its own: the environment it runs in, its metadata, one DAG run without a scheduler."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingestion.deadlines import LOCAL
from night.pools import POOLS
from warehouse.airflow_metadata import metadata_url, migrated_version, note_migrated_version
from warehouse.errors import VssError
from warehouse.files import secret
from warehouse.settings import PROJECT, Settings


def environment(settings: Settings) -> dict[str, str]:
    """Everything Airflow is told; its own files lie under VSS_HOME/airflow."""
    home = settings.home / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    secrets = settings.home / "secrets"
    url = metadata_url(settings)
    return {
        # where lineage and metrics go is this project's setting alone
        **{name: value for name, value in os.environ.items() if "OPENLINEAGE" not in name and "OTEL_" not in name},
        **_lineage(settings),
        **_metrics(settings),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "http://127.0.0.1:8080/execution/",
        "AIRFLOW__API_AUTH__JWT_SECRET": secret(secrets / "airflow_jwt"),
        "AIRFLOW__API__SECRET_KEY": secret(secrets / "airflow_api"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        # psycopg 3 is there and speaks async; Airflow would ask for one more driver
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": url.replace("+psycopg2:", "+psycopg:"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "Asia/Ho_Chi_Minh",
        "PYTHONPATH": os.pathsep.join([str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        # whatever is relative is so to the caller's folder, and tasks run in another
        "VSS_HOME": str(settings.home),
        "VSS_INBOX": str(settings.inbox),
        "VSS_OUTBOX": str(settings.outbox),
        "VSS_ARCHIVE": str(settings.archive),
        **({} if settings.alert_contacts is None else {"VSS_ALERT_CONTACTS": str(settings.alert_contacts)}),
        "SCARF_ANALYTICS": "false",
        "DO_NOT_TRACK": "1",
    }


def _lineage(settings: Settings) -> dict[str, str]:
    """Airflow's OpenLineage provider: into files under VSS_HOME, or off."""
    if not settings.lineage:
        return {"AIRFLOW__OPENLINEAGE__DISABLED": "True"}
    transport = {"type": "night.lineage.RunFile", "log_file_path": str(settings.home / "lineage"), "append": True}
    return {
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "vss",
        "AIRFLOW__OPENLINEAGE__CUSTOM_RUN_FACETS": "night.lineage.ledger_facet",
        "AIRFLOW__OPENLINEAGE__EMISSION_POLICY": '[{"scope": {}, "controls": {"include_source_code": false}}]',
        "AIRFLOW__OPENLINEAGE__EXECUTE_IN_THREAD": "True",
        "AIRFLOW__OPENLINEAGE__CONFIG_PATH": "",
        "AIRFLOW__OPENLINEAGE__CONFIG_CONN_ID": "",
    }


def _metrics(settings: Settings) -> dict[str, str]:
    """Airflow's own metrics (runs, tasks, slots, heartbeats): to an OpenTelemetry collector, or nowhere."""
    if settings.metrics_url is None:
        return {"AIRFLOW__METRICS__OTEL_ON": "False"}
    return {
        "AIRFLOW__METRICS__OTEL_ON": "True",
        "OTEL_SERVICE_NAME": "vss",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": settings.metrics_url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        # a collector that is down costs a task at most this long when it ends; milliseconds, and seconds
        "OTEL_METRIC_EXPORT_TIMEOUT": "5000",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "5",
    }


def migrate_metadata(settings: Settings) -> None:
    """Create or upgrade Airflow's metadata; skipped when this version has done it for this database before."""
    import importlib.metadata

    now = f"airflow {importlib.metadata.version('apache-airflow-core')}"
    if migrated_version(settings) == now:
        return
    done = _airflow(settings, "db", "migrate")
    if done != 0:
        raise VssError(f"Airflow's metadata could not be upgraded: read {log_path(settings)}.")
    note_migrated_version(settings, now)


def ensure_pools(url: str, user: str, password: str) -> list[str]:
    """Make the pools that are missing, through Airflow's API at `url`; returns their names.

    One that is there keeps its slots: who turned them in Airflow's pages had a reason. Raises VssError.
    """
    token = _asked(f"{url}/auth/token", {"username": user, "password": password})["access_token"]
    there = {each["name"] for each in _asked(f"{url}/api/v2/pools?limit=1000", token=token)["pools"]}
    missing = [pool for pool in POOLS if pool.name not in there]
    for pool in missing:
        _asked(
            f"{url}/api/v2/pools",
            {"name": pool.name, "slots": pool.slots, "description": pool.description, "include_deferred": False},
            token=token,
        )
    return [pool.name for pool in missing]


def _asked(url: str, content: dict[str, object] | None = None, *, token: str | None = None) -> dict[str, Any]:
    """What Airflow's API answers: to a question, or to what is posted."""
    request = urllib.request.Request(  # noqa: S310 - the address is this machine's own
        url,
        data=None if content is None else json.dumps(content).encode(),
        headers={"Content-Type": "application/json"} | ({} if token is None else {"Authorization": f"Bearer {token}"}),
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
    except OSError as error:
        code = f" ({error.code})" if isinstance(error, urllib.error.HTTPError) else ""
        raise VssError(
            f"Airflow does not answer at {url.partition('?')[0]}{code}: `vss down`, then `vss up`."
        ) from None
    return found


def run_dag(settings: Settings, dag: str, *, conf: dict[str, str | None]) -> int:
    """One run of a DAG in a process of its own, to its end; returns the process's exit code.

    Raises VssError when another run of this VSS_HOME has not ended.
    """
    with _only_one(settings) as lock:
        return _airflow(settings, "dags", "test", dag, "--conf", json.dumps(conf), keep_open=(lock,))


def log_path(settings: Settings) -> Path:
    """Where the last Airflow process wrote."""
    return settings.home / "airflow" / "last_run.log"


@contextlib.contextmanager
def _only_one(settings: Settings) -> Iterator[int]:
    """A lock that ends with the last process of the run, whichever of them is killed first; the descriptor to hand on.

    Airflow writes one log here, and a run beside another would only find its submissions and its build taken.
    """
    with (settings.home / "airflow" / "run.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise VssError(
                f"The night that began at {lock.read(5)} has not ended: try again when it has"
                " (`vss status --night` shows it)."
            ) from None
        lock.truncate(0)
        lock.write(f"{dt.datetime.now(tz=LOCAL):%H:%M}")
        lock.flush()
        yield lock.fileno()


def _airflow(settings: Settings, *arguments: str, keep_open: tuple[int, ...] = ()) -> int:
    variables = environment(settings)
    with log_path(settings).open("w") as log:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *arguments],
            env=variables, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
            pass_fds=keep_open,
        )  # fmt: skip
    return done.returncode
