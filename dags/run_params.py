"""What every run of a DAG may be told; no DAG itself (`.airflowignore`)."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from airflow.sdk import Param, get_current_context
from airflow.sdk.exceptions import AirflowFailException

PARAMS = {
    "run_id": Param(
        "scheduled",
        type="string",
        minLength=1,
        maxLength=250,
        title="Name",
        description="Names the run in ops.run_stage; else it is called by its DAG and as Airflow calls it.",
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
        description="YYYY-MM-DD, today unless given. Decides whether an incomplete month is provisional.",
    ),
}


def given_params(*, not_later_than_today: bool = False) -> dict[str, Any]:
    """The params of the run a task belongs to; a run that nobody named is called by its DAG and
    Airflow's run.

    With `not_later_than_today` a date in the future is refused by AirflowFailException, which is never tried again:
    retention would count from it.
    """
    context = get_current_context()
    given = dict(context["params"])
    if given["run_id"] == "scheduled":
        from night import journal

        given["run_id"] = journal.named(context["dag"].dag_id, context["run_id"])
    today = dt.datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")).date()
    if not_later_than_today and given["date"] is not None and dt.date.fromisoformat(given["date"]) > today:
        raise AirflowFailException(f"The date {given['date']} is in the future: take {today} or an earlier one.")
    return given
