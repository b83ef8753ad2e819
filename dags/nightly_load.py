"""The whole night as one DAG: discover, load and gate, build, audit, publish, report. Thin: the work is in `night`.

- **When**: 01:00 in Hanoi, one night at a time; a night that was missed is not caught up, the next takes everything.
- **Clear** any task of a run, in any order, as often as you like: what is loaded, built or published already is found
  in the ledger and left as it is. **Trigger** a new run after something was mended: a disk, a rule, a held submission.
- **Tried again** by itself: a database that went away, another build that is open, a reader who holds a relation, a
  full disk; three times in about half an hour, the build every five minutes for three hours. Never: a submission or a
  candidate that does not pass its gate.
- **Where to look**: the log of `build` has a table of its nodes, what failed first, and its XCom `nodes` the same;
  `vss status --night` and `ops.run_stage` have all stages with rows, rejected rows and bytes.
"""

from __future__ import annotations

import datetime as dt

import pendulum
from airflow.sdk import TriggerRule, dag, get_current_context, task

from dags.policy import FIRST, NIGHT_POOL, defaults, nodes_shown
from dags.run_params import PARAMS, given_params


@dag(
    schedule="0 1 * * *",
    start_date=pendulum.datetime(2021, 1, 1, tz="Asia/Ho_Chi_Minh"),
    catchup=False,
    max_active_runs=1,
    # whatever hangs, the next night begins
    dagrun_timeout=dt.timedelta(hours=23),
    default_args=defaults(pool=NIGHT_POOL, weight=FIRST),
    params=PARAMS,
    tags=["night", "load", "publish"],
    description="01:00 in Hanoi: load what waits, build, gate and publish it, write the morning report.",
    doc_md=__doc__,
)
def nightly_load() -> None:
    @task(execution_timeout=dt.timedelta(minutes=15))
    def discover() -> list[list[str]]:
        """Submissions that are not final in the ledger, in batches of about eight; a sender's stay together."""
        from night import tasks

        return tasks.discover(**given_params())

    # a mapped task has no text but the one it is given
    @task(
        map_index_template="{{ batch_name }}",
        execution_timeout=dt.timedelta(hours=3),
        doc_md="Load and gate a batch. A rejected submission is a result; one that breaks fails the batch at its end.",
    )
    def load_and_gate(batch: list[str]) -> dict[str, int]:
        from night import tasks

        get_current_context()["batch_name"] = tasks.batch_name(batch)
        return tasks.load_and_gate(batch, **given_params())

    # whatever became of the loads: who is missing is what a publication says, not what stops it
    @task(
        trigger_rule=TriggerRule.ALL_DONE,
        execution_timeout=dt.timedelta(hours=3),
        # a backfill that has begun to build is waited for
        retries=36,
        retry_delay=dt.timedelta(minutes=5),
        retry_exponential_backoff=0,
    )
    def build() -> int | None:
        """One `dbt build` of what changed, with its tests. The log ends with a table of nodes, failed ones first."""
        from night import tasks

        with nodes_shown(given_params()):
            return tasks.build(**given_params())

    @task(execution_timeout=dt.timedelta(hours=1))
    def audit() -> bool:
        """Gate 2, on the views readers will see; a candidate that fails is taken back."""
        from night import tasks

        return tasks.audit(**given_params())

    @task(execution_timeout=dt.timedelta(minutes=30))
    def publish() -> int | None:
        """Show the audited candidate: one row changes, readers do not wait."""
        from night import tasks

        return tasks.publish(**given_params())

    @task(trigger_rule=TriggerRule.ALL_DONE, execution_timeout=dt.timedelta(minutes=30))
    def report() -> str:
        """The morning report and the pages of the gates, whatever became of the night."""
        from night import tasks

        return tasks.report(**given_params())

    load_and_gate.expand(batch=discover()) >> build() >> audit() >> publish() >> report()


nightly_load()
