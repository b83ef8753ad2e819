"""Friday 15:00: the weekly reports are late from this instant on (R25); who has not sent his is reminded, once.

What waits in the inbox is loaded and gated first: what arrived before 15:00 is on time, whenever it is read. Operations
get a list of who is missing. Start it anew at any time: nobody is reminded twice. Thin: the work is in `night`.
"""

from __future__ import annotations

import datetime as dt

import pendulum
from airflow.sdk import TriggerRule, dag, get_current_context, task

from dags.run_params import PARAMS, given_params


@dag(
    schedule="0 15 * * 5",
    start_date=pendulum.datetime(2021, 1, 1, tz="Asia/Ho_Chi_Minh"),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "vss", "retries": 0, "execution_timeout": dt.timedelta(hours=2)},
    params=PARAMS,
    tags=["day", "chasing"],
    doc_md=__doc__,
)
def weekly_reports() -> None:
    @task
    def waiting() -> list[list[str]]:
        from night import last_arrival

        return last_arrival.waiting(**given_params())

    @task(map_index_template="{{ batch_name }}")
    def load_and_gate(batch: list[str]) -> dict[str, int]:
        from night import tasks

        get_current_context()["batch_name"] = tasks.batch_name(batch)
        return tasks.load_and_gate(batch, **given_params())

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def remind() -> int:
        from night import chasing

        return chasing.chase_weekly(**given_params())

    load_and_gate.expand(batch=waiting()) >> remind()


weekly_reports()
