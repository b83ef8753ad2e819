"""Every day at 08:00: who owes what. Reminders before a feed is due, when it is overdue, then weekly (R24, R25).

What waits in the inbox is loaded and gated first, so that nobody is asked for what he has sent. Each sender gets one
message, operations a list of each period that is overdue. Thin: the work is in `night`.

- **Clear** or **trigger** it anew at any time: nobody is reminded twice. Another day: param `date`.
"""

from __future__ import annotations

import datetime as dt

import pendulum
from airflow.sdk import TriggerRule, dag, task

from dags.arrivals import arrivals_taken
from dags.policy import NIGHT_POOL, defaults
from dags.run_params import PARAMS, given_params


@dag(
    schedule="0 8 * * *",
    start_date=pendulum.datetime(2021, 1, 1, tz="Asia/Ho_Chi_Minh"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=dt.timedelta(hours=3),
    default_args=defaults(pool=NIGHT_POOL),
    params=PARAMS,
    tags=["day", "chasing"],
    description="Every day at 08:00: who owes what is reminded, once; operations get a list.",
    doc_md=__doc__,
)
def completeness() -> None:
    @task(trigger_rule=TriggerRule.ALL_DONE, execution_timeout=dt.timedelta(minutes=15))
    def remind() -> int:
        """Tell who owes what, each sender in one message; how many things were new. Fails when a submission broke."""
        from night import chasing, tasks

        told = chasing.chase_all(**given_params())
        tasks.require_success(**given_params())
        return told

    arrivals_taken(hours=2) >> remind()


completeness()
