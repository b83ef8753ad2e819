"""At 35 minutes past every hour: a night that did not start or end is told; what could not be sent is tried again.

The same look is taken every five minutes by a process of `vss up` that needs no scheduler. Start it anew at any time:
nothing is told twice. Thin: the work is in `night`.
"""

from __future__ import annotations

import datetime as dt

import pendulum
from airflow.sdk import dag, task

from dags.run_params import PARAMS, given_params


@dag(
    schedule="35 * * * *",
    start_date=pendulum.datetime(2021, 1, 1, tz="Asia/Ho_Chi_Minh"),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "vss", "retries": 0, "execution_timeout": dt.timedelta(minutes=10)},
    params=PARAMS,
    tags=["day", "alerts"],
    doc_md=__doc__,
)
def watch() -> None:
    @task
    def look() -> int:
        from night import watch as watching

        return watching.watch(**given_params())

    look()


watch()
