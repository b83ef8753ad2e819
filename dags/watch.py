"""At 35 minutes past every hour: a night that did not start or end is told; what could not be sent is tried again.

The same look is taken every five minutes by a process of `vss up` that needs no scheduler. Thin: the work is in
`night`.

- **Clear** or **trigger** it anew at any time: nothing is told twice. There is no need to: the next hour looks again.
"""

from __future__ import annotations

import datetime as dt

import pendulum
from airflow.sdk import dag, task

from dags.policy import defaults
from dags.run_params import PARAMS, given_params


@dag(
    schedule="35 * * * *",
    start_date=pendulum.datetime(2021, 1, 1, tz="Asia/Ho_Chi_Minh"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=dt.timedelta(minutes=20),
    default_args=defaults(retries=0),
    params=PARAMS,
    tags=["day", "alerts"],
    description="Every hour: a night that did not start or end is told.",
    doc_md=__doc__,
)
def watch() -> None:
    @task(execution_timeout=dt.timedelta(minutes=10))
    def look() -> int:
        """Nights that are missed, and messages that are still waiting; how many things were new."""
        from night import watch as watching

        return watching.watch(**given_params())

    look()


watch()
