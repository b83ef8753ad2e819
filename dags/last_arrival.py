"""One more build when the last sender of a month comes in during the day: the month is shown complete before the night.

Every 15 minutes from 04:00 to 22:45, so that it has ended before the night begins. What waits in the inbox is loaded
and gated as at night; then, only if that completes a month which is shown without one of its senders, build, audit,
publish, report. While another build is open, everything after loading is skipped. Thin: the work is in `night`.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

import pendulum
from airflow.sdk import TriggerRule, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.run_params import PARAMS, given_params


def _take(step: Literal["build", "audit", "publish"]) -> None:
    from night import last_arrival

    if not last_arrival.take(step, **given_params()):
        raise AirflowSkipException(f"nothing to {step}, or a night is at it")


@dag(
    schedule="*/15 4-22 * * *",
    start_date=pendulum.datetime(2021, 1, 1, tz="Asia/Ho_Chi_Minh"),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "vss", "retries": 0, "execution_timeout": dt.timedelta(hours=2)},
    params=PARAMS,
    tags=["day"],
    doc_md=__doc__,
)
def last_arrival() -> None:
    @task
    def waiting() -> list[list[str]]:
        from night import last_arrival as day

        return day.waiting(**given_params())

    @task(map_index_template="{{ batch_name }}")
    def load_and_gate(batch: list[str]) -> dict[str, int]:
        from night import tasks

        get_current_context()["batch_name"] = tasks.batch_name(batch)
        return tasks.load_and_gate(batch, **given_params())

    @task.short_circuit(trigger_rule=TriggerRule.ALL_DONE)
    def is_due() -> bool:
        from night import last_arrival as day

        return day.is_due(**given_params())

    @task
    def build() -> None:
        _take("build")

    @task
    def audit() -> None:
        _take("audit")

    @task
    def publish() -> None:
        _take("publish")

    # a gate that failed is told as well; what was skipped has nothing to tell
    @task(trigger_rule=TriggerRule.NONE_SKIPPED)
    def report() -> str:
        from night import tasks

        return tasks.report(**given_params())

    # whoever is refused during the day is told at once; when nothing waited there is nothing to tell
    @task(trigger_rule=TriggerRule.NONE_SKIPPED)
    def tell() -> int:
        from night import tasks

        return tasks.tell(**given_params())

    loaded = load_and_gate.expand(batch=waiting())
    loaded >> is_due() >> build() >> audit() >> publish() >> report()
    loaded >> tell()


last_arrival()
