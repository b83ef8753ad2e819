"""DAG files parsed as Airflow does, in a process of its own: Airflow reads its settings and its home when imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from warehouse.settings import PROJECT

HEAVY = ("great_expectations", "dbt", "polars", "pandas", "pyarrow", "psycopg", "altair", "night.arrivals", "ingestion")
"""What no DAG file may bring into the process that parses it."""

PARSE = """
import json, runpy, sys, time
import airflow.sdk
before, begun = set(sys.modules), time.process_time()
found = runpy.run_path("dags/nightly_load.py")
seconds = time.process_time() - begun
dag = found["nightly_load"]()
print(json.dumps({
    "seconds": seconds,
    "modules": sorted(set(sys.modules) - before),
    "dag_id": dag.dag_id,
    "max_active_runs": dag.max_active_runs,
    "catchup": dag.catchup,
    "params": sorted(dag.params),
    "tasks": {
        task.task_id: {
            "upstream": sorted(task.upstream_task_ids),
            "trigger_rule": getattr(task.trigger_rule, "value", task.trigger_rule),
            "retries": task.retries,
            "pauses": [task.retry_delay.total_seconds(), task.retry_exponential_backoff],
            "timeout": None if task.execution_timeout is None else task.execution_timeout.total_seconds(),
            "is_mapped": task.is_mapped,
        }
        for task in dag.tasks
    },
}))
"""


def lines(program: str, home: Path, *arguments: str) -> list[str]:
    """What a Python program prints in a process with an Airflow home of its own; fails when the program does."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=PROJECT,
        env={
            "PATH": os.environ["PATH"], "HOME": str(home), "AIRFLOW_HOME": str(home), "PYTHONPATH": str(PROJECT),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        },
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
