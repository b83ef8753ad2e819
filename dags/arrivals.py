"""The two tasks with which a DAG of the day begins: what waits in the inbox is loaded and gated, as the night does it.

No DAG itself (`.airflowignore`).
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from airflow.sdk import get_current_context, task

from dags.run_params import given_params


def arrivals_taken(*, hours: int) -> Any:
    """Tasks `waiting` and `load_and_gate` in the DAG being made; a batch may take so many hours. Returns the latter."""

    @task(execution_timeout=dt.timedelta(minutes=10))
    def waiting() -> list[list[str]]:
        """Submissions that are not final in the ledger, in batches of about eight; a sender's stay together."""
        from night import last_arrival

        return last_arrival.waiting(**given_params())

    @task(
        map_index_template="{{ batch_name }}",
        execution_timeout=dt.timedelta(hours=hours),
        doc_md="Load and gate a batch, as the night does.",
    )
    def load_and_gate(batch: list[str]) -> dict[str, int]:
        from night import tasks

        get_current_context()["batch_name"] = tasks.batch_name(batch)
        return tasks.load_and_gate(batch, **given_params())

    return load_and_gate.expand(batch=waiting())
