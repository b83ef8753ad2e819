"""What is not left to the night: the last sender of a month, and a list of the tax authority, as soon as it is there.

- **When**: every 15 minutes from 04:00 to 22:45, one run at a time, so that it has ended before the night begins.
- What waits in the inbox is loaded and gated as at night. Then, only if that completes a month which is shown without
  one of its senders, or brought a tax list that no build has read: build, audit, publish, report, once for all of it.
- While a night is at work, or another build is open, which is a person's, everything after loading is skipped. What a
  process that died left open is taken back, and a candidate that has waited for four hours.
- **Clear** nothing: the next run, a quarter of an hour later, finds in the ledger what is left to do. That is also why
  within a run only the build and what follows it is tried again: a candidate that nobody goes on with keeps it waiting.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

import pendulum
from airflow.sdk import TriggerRule, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.arrivals import arrivals_taken
from dags.policy import NIGHT_POOL, THEN, defaults, nodes_shown
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
    # the last run of the day begins at 22:45, the night at 01:00
    dagrun_timeout=dt.timedelta(hours=2),
    default_args=defaults(pool=NIGHT_POOL, weight=THEN, retries=0),
    params=PARAMS,
    tags=["day", "load", "publish", "tax list"],
    description="Every quarter of the day: load what waits; one more build for a month's last sender or a tax list.",
    doc_md=__doc__,
)
def last_arrival() -> None:
    @task.short_circuit(trigger_rule=TriggerRule.ALL_DONE, execution_timeout=dt.timedelta(minutes=10))
    def is_due() -> bool:
        """Whether a month is complete now that is shown incomplete, or a tax list waits to be matched."""
        from night import last_arrival as day

        return day.is_due(**given_params())

    @task(retries=3, execution_timeout=dt.timedelta(hours=1))
    def build() -> None:
        """One `dbt build` of what changed, with its tests; skipped while another build is open."""
        with nodes_shown(given_params()):
            _take("build")

    @task(retries=3, execution_timeout=dt.timedelta(minutes=30))
    def audit() -> None:
        """Gate 2, on the views readers will see; a candidate that fails is taken back."""
        _take("audit")

    @task(retries=3, execution_timeout=dt.timedelta(minutes=15))
    def publish() -> None:
        """Show the audited candidate."""
        _take("publish")

    # a gate that failed is told as well; what was skipped has nothing to tell
    @task(trigger_rule=TriggerRule.NONE_SKIPPED, execution_timeout=dt.timedelta(minutes=15))
    def report() -> str:
        """The morning report anew."""
        from night import tasks

        return tasks.report(**given_params())

    # whoever is refused during the day is told at once; when nothing waited there is nothing to tell
    @task(trigger_rule=TriggerRule.NONE_SKIPPED, execution_timeout=dt.timedelta(minutes=10))
    def tell() -> int:
        """What the run leaves to be told to senders and operations, once; fails when a submission broke."""
        from night import tasks

        told = tasks.tell(**given_params())
        tasks.require_success(**given_params())
        return told

    loaded = arrivals_taken(hours=1)
    loaded >> is_due() >> build() >> audit() >> publish() >> report()
    loaded >> tell()


last_arrival()
