"""What the DAGs have in common: who owns a task, what is tried again, and which pool it runs in.

No DAG itself (`.airflowignore`). A task names its own time limit; everything else it has from here.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import Any

from airflow.sdk import RetryDecision, RetryPolicy, get_current_context

from night.pools import BACKFILL, NIGHT

OWNER = "vss"
NIGHT_POOL, BACKFILL_POOL = NIGHT.name, BACKFILL.name
FIRST, THEN, LATER = 30, 20, 10
"""Weights: within a pool the night goes before the day's run, and both before what can wait."""
_BY_HAND = "dag_test"
"""Who starts a run in Airflow's words when `vss nightly` does, in one process, without a scheduler."""


class WhatPasses(RetryPolicy):
    """Try again what passes by itself (night.passing); fail at once with everything else.

    A run of `vss nightly` fails at once with either: whoever started it sees it end, and starts it again. A task whose
    process was killed never comes here: Airflow tries it again as often as the task's `retries` say.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # noqa: ARG002 - the interface
        max_tries: int,  # noqa: ARG002
        context: Any = None,
    ) -> RetryDecision:
        """Kinds only in the reason, which is kept: an error's text might name a person."""
        from night.passing import passes_by_itself

        kind = type(exception).__name__
        if not passes_by_itself(exception):
            return RetryDecision.fail(f"{kind}: does not pass by itself")
        if context is not None and context["dag_run"].triggering_user_name == _BY_HAND:
            return RetryDecision.fail(f"{kind}: a run without a scheduler is not tried again")
        return RetryDecision.retry(reason=f"{kind}: passes by itself")


def defaults(*, pool: str | None = None, weight: int = LATER, retries: int = 3) -> dict[str, Any]:
    """`default_args` of a DAG. New attempts after one to two minutes, four to eight, then sixteen."""
    return {
        "owner": OWNER,
        "retries": retries,
        "retry_policy": WhatPasses(),
        "retry_delay": dt.timedelta(minutes=1),
        "retry_exponential_backoff": 4,
        "max_retry_delay": dt.timedelta(minutes=16),
        "priority_weight": weight,
        "weight_rule": "absolute",
        **({} if pool is None else {"pool": pool}),
    }


@contextlib.contextmanager
def nodes_shown(run: dict[str, Any]) -> Iterator[None]:
    """Whatever becomes of a build, its nodes stand in the task's log and in its XCom `nodes` afterwards."""
    try:
        yield
    finally:
        # what is shown of a build never costs the build, nor hides why it failed
        with contextlib.suppress(Exception):
            from night import tasks

            get_current_context()["ti"].xcom_push("nodes", tasks.nodes_told(**run))
