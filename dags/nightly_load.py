"""The whole night as one DAG: discover, load and gate, build, audit, publish, report. Thin: the work is in `night`."""

from __future__ import annotations

import datetime as dt

import pendulum
from airflow.sdk import TriggerRule, dag, get_current_context, task

from dags.run_params import PARAMS, given_params


@dag(
    schedule="0 1 * * *",
    start_date=pendulum.datetime(2021, 1, 1, tz="Asia/Ho_Chi_Minh"),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "vss", "retries": 0, "execution_timeout": dt.timedelta(hours=3)},
    params=PARAMS,
    tags=["night"],
    doc_md=__doc__,
)
def nightly_load() -> None:
    @task(map_index_template="{{ batch_name }}")
    def load_and_gate(batch: list[str]) -> dict[str, int]:
        from night import tasks

        get_current_context()["batch_name"] = tasks.batch_name(batch)
        return tasks.load_and_gate(batch, **given_params())

    @task
    def discover() -> list[list[str]]:
        from night import tasks

        return tasks.discover(**given_params())

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def build() -> int | None:
        from night import tasks

        return tasks.build(**given_params())

    @task
    def audit() -> bool:
        from night import tasks

        return tasks.audit(**given_params())

    @task
    def publish() -> int | None:
        from night import tasks

        return tasks.publish(**given_params())

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def report() -> str:
        from night import tasks

        return tasks.report(**given_params())

    load_and_gate.expand(batch=discover()) >> build() >> audit() >> publish() >> report()


nightly_load()
