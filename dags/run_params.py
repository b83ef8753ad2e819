"""What every run of a DAG may be told; no DAG itself (`.airflowignore`)."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, get_current_context

PARAMS = {
    "run_id": Param("scheduled", type="string", description="Names the run in ops.run_stage."),
    "inbox": Param(None, type=["null", "string"], description="Another inbox than VSS_INBOX."),
    "date": Param(None, type=["null", "string"], format="date", description="Business date; today unless given."),
}


def given_params() -> dict[str, Any]:
    """The params of the run a task belongs to; a scheduled run is named as Airflow names it."""
    context = get_current_context()
    given = dict(context["params"])
    if given["run_id"] == "scheduled":
        given["run_id"] = context["run_id"]
    return given
