"""What the warehouse needs every week, Sunday 03:00: partitions ahead, retention, vacuum, a share of the archive, all
checks over everything that is shown, files left over, Airflow's own finished runs. Thin: the work is in `night`.

- **When**: 03:00 in Hanoi on Sunday, after the night, one at a time; a week that was missed is not caught up.
- One step after the other; one that fails stops no other. While a night is at work, or a candidate waits, `prune`,
  `vacuum` and `checks` are skipped, and the next week takes them.
- **Clear** any step by itself, as often as you like: each does what there is to do at that moment. **Trigger** a new
  run when a whole week was missed.
- **Where to look**: `tell` sends what was found to operations, once a run, and fails when a step failed;
  `ops.run_stage` has the steps as stage `maintenance`, and each finding as stage `maintenance finding`.
"""

from __future__ import annotations

import datetime as dt

import pendulum
from airflow.sdk import TriggerRule, chain, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.policy import defaults
from dags.run_params import PARAMS, given_params

# hours at most, for a step each
STEPS = {"partitions": 1, "prune": 3, "vacuum": 4, "archive": 4, "checks": 6, "leftovers": 1, "airflow": 1}


@dag(
    schedule="0 3 * * 0",
    start_date=pendulum.datetime(2021, 1, 3, tz="Asia/Ho_Chi_Minh"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=dt.timedelta(hours=20),
    default_args=defaults(),
    params=PARAMS,
    tags=["week"],
    description="Sunday 03:00 in Hanoi: what the warehouse needs every week.",
    doc_md=__doc__,
)
def maintenance() -> None:
    @task(trigger_rule=TriggerRule.ALL_DONE)
    def take(step: str) -> None:
        from night import maintenance as week

        if not week.take(step, **given_params(not_later_than_today=True)):
            raise AirflowSkipException("a night is at work, or a candidate waits")

    @task(trigger_rule=TriggerRule.ALL_DONE, execution_timeout=dt.timedelta(minutes=15))
    def tell() -> int:
        """Tell operations what was found, in one message; fails when a step failed."""
        from night import maintenance as week

        return week.tell(**given_params(not_later_than_today=True))

    steps = [
        take.override(
            task_id=step, execution_timeout=dt.timedelta(hours=hours), doc_md=f"`night.maintenance.{step}` says what."
        )(step)
        for step, hours in STEPS.items()
    ]
    chain(*steps, tell())


maintenance()
