"""What every run of a DAG may be told; no DAG itself (`.airflowignore`)."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, get_current_context

PARAMS = {
    "run_id": Param(
        "scheduled",
        type="string",
        minLength=1,
        maxLength=250,
        title="Name",
        description="Names the run in ops.run_stage; a scheduled run is called as Airflow calls it.",
    ),
    "inbox": Param(
        None,
        type=["null", "string"],
        minLength=1,
        title="Inbox",
        description="Another inbox than VSS_INBOX: a folder of this machine.",
    ),
    "date": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Business date",
        description="YYYY-MM-DD; today unless given. Decides whether an incomplete month is still provisional.",
    ),
}


def given_params() -> dict[str, Any]:
    """The params of the run a task belongs to; a scheduled run is named as Airflow names it."""
    context = get_current_context()
    given = dict(context["params"])
    if given["run_id"] == "scheduled":
        given["run_id"] = context["run_id"]
    return given
