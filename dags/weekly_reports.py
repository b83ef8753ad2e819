"""Friday 15:00: the weekly reports are late from this instant on (R25); who has not sent his is reminded, once.

What waits in the inbox is loaded and gated first: what arrived before 15:00 is on time, whenever it is read. Operations
get a list of who is missing. Thin: the work is in `night`.

- **Clear** or **trigger** it anew at any time: nobody is reminded twice. Another week: param `date`, a Friday.
"""

from __future__ import annotations

import datetime as dt

import pendulum
from airflow.sdk import TriggerRule, dag, task

from dags.arrivals import arrivals_taken
from dags.policy import NIGHT_POOL, defaults
from dags.run_params import PARAMS, given_params


@dag(
    schedule="0 15 * * 5",
    start_date=pendulum.datetime(2021, 1, 1, tz="Asia/Ho_Chi_Minh"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=dt.timedelta(hours=3),
    default_args=defaults(pool=NIGHT_POOL),
    params=PARAMS,
    tags=["day", "chasing"],
    description="Friday 15:00: the weekly reports are late from now on; who has not sent is reminded.",
    doc_md=__doc__,
)
def weekly_reports() -> None:
    @task(trigger_rule=TriggerRule.ALL_DONE, execution_timeout=dt.timedelta(minutes=15))
    def remind() -> int:
        """Tell who owes what, each sender in one message; how many things were new. Fails when a submission broke."""
        from night import chasing, tasks

        told = chasing.chase_weekly(**given_params())
        tasks.require_success(**given_params())
        return told

    arrivals_taken(hours=2) >> remind()


weekly_reports()
