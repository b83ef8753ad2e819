"""Months gone over again: rejected submissions loaded again, what waits loaded, slices made anew, published once.

Triggered by hand. `dry_run` is on unless it is turned off: the plan then stands in the log of the task `plan` and in
its XCom of that name, and nothing is touched. Loading goes month by month in the pool `backfill`, beside whatever else
runs. Building yields to a night: while one is at work, it waits for `wait_minutes`, then skips.

- **Where to look**: `report` is red when a stage failed; `ops.run_stage` has the run's steps as stage `backfill`.
- **Clear** any task: nothing is done twice. **Trigger** the same backfill anew when it skipped: it does what is left.

Thin: the work is in `night`.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pendulum
from airflow.sdk import Param, TriggerRule, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from dags.policy import BACKFILL_POOL, defaults
from dags.run_params import PARAMS, given_params

_PLAN = "plan"
_MONTH: dict[str, Any] = {"type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$"}


def _is_planned() -> bool:
    """Whether the task `plan` came to its end in this run."""
    return get_current_context()["ti"].xcom_pull(task_ids="plan", key=_PLAN) is not None


@dag(
    schedule=None,
    start_date=pendulum.datetime(2021, 1, 1, tz="Asia/Ho_Chi_Minh"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=dt.timedelta(hours=36),
    default_args=defaults(pool=BACKFILL_POOL),
    params={
        **PARAMS,
        "from": Param(**_MONTH, description="First month, YYYY-MM."),
        "to": Param(**_MONTH, description="Last month, YYYY-MM."),
        "senders": Param(
            [],
            type="array",
            items={"type": "string", "pattern": "^(province-[0-9]{2}|tax|hq)$"},
            description="Only what these sent; everybody if empty.",
        ),
        "feeds": Param(
            [],
            type="array",
            items={"type": "string", "pattern": "^[a-z_]{1,40}$"},
            description="Only these feeds; every feed if empty.",
        ),
        "dry_run": Param(True, type="boolean", description="Say what would be touched, and touch nothing."),
        "reason": Param(
            "a rule or a reference changed", type="string", minLength=1, description="Why; it stays on record."
        ),
        "wait_minutes": Param(
            360, type="integer", minimum=0, maximum=900, description="How long a night is waited for."
        ),
    },
    tags=["backfill"],
    description="By hand: months gone over again, with a dry run; yields to a night.",
    doc_md=__doc__,
)
def backfill() -> None:
    @task(execution_timeout=dt.timedelta(hours=1))
    def plan() -> list[dict[str, str | list[str]]]:
        """What would be touched: submissions to replay, folders to load, slices by relation and month."""
        from night import backfill as months

        batches, lines = months.planned(given_params())
        print("\n".join(lines))
        get_current_context()["ti"].xcom_push(key=_PLAN, value=lines)
        return [{**batch} for batch in batches]

    @task.short_circuit(execution_timeout=dt.timedelta(minutes=10))
    def is_wanted() -> bool:
        """Whether it is more than a dry run."""
        return not given_params()["dry_run"]

    @task(
        map_index_template="{{ batch_name }}",
        max_active_tis_per_dag=1,
        execution_timeout=dt.timedelta(hours=4),
        doc_md="Replay and load a month's submissions, through the functions of the night.",
    )
    def load(batch: dict[str, str | list[str]]) -> dict[str, int]:
        from night import backfill as months

        get_current_context()["batch_name"] = f"{batch['month']}: {len(batch['items'])}"
        return months.loaded(batch, given_params())

    @task(trigger_rule=TriggerRule.ALL_DONE, execution_timeout=dt.timedelta(hours=18))
    def rebuild() -> None:
        """Build, audit and publish once, when no night is at it; never in a dry run, nor without a plan."""
        if given_params()["dry_run"] or not _is_planned():
            raise AirflowSkipException("a dry run, or there is no plan")
        from night import backfill as months

        if not months.published(given_params()):
            raise AirflowSkipException("nothing is left to do, or nights left no room for it")

    # whatever became of the others, this is the last task: what it becomes the run becomes; a dry run skips it
    @task(trigger_rule=TriggerRule.ALL_DONE, execution_timeout=dt.timedelta(minutes=30))
    def report() -> str:
        """The morning report anew, and what senders and operations are told; fails when a stage or the plan did."""
        from night import tasks

        told = given_params()
        written = tasks.report(**{name: told[name] for name in ("run_id", "inbox", "date")})
        if not _is_planned():
            raise AirflowFailException("there is no plan: read the log of the task `plan`")
        return written

    batches = plan()
    wanted = is_wanted()
    batches >> wanted
    loads = load.expand(batch=batches)
    wanted >> loads >> rebuild() >> report()


backfill()
