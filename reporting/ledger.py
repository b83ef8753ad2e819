"""What the ledger adds to the published figures: submissions that are not in them, and the last night's run times."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, LiteralString

from psycopg.rows import dict_row

from reporting.figures import Night, NightStage, OpenSubmission
from warehouse import roles
from warehouse.connection import Connection, connect
from warehouse.settings import Settings

_OPEN_AT_MOST = 20

_STATES: LiteralString = "select state, count(*) as submissions from ops.submission group by state order by state"

# rejected ones only as long as the same sender has nothing accepted for that period since
_OPEN: LiteralString = """
select s.submission_id, s.sender, s.period, s.state,
    array(select distinct fault ->> 'code' from jsonb_array_elements(s.errors) as fault
          where fault ->> 'code' is not null order by 1) as codes
from ops.submission as s
where s.state in ('waiting', 'held')
    or s.state = 'rejected' and not exists (
        select from ops.submission as better
        where better.sender = s.sender and better.period = s.period
            and better.state in ('accepted', 'accepted_with_rejects') and better.decided_at > s.decided_at
    )
order by s.first_seen_at desc, s.sub_no desc
limit %s
"""

_NIGHT: LiteralString = """
with last_night as (
    select run_id from ops.run_stage where stage = 'discover' order by started_at desc limit 1
),
stage as (
    select r.* from ops.run_stage as r join last_night using (run_id)
),
outcome as (
    select stage, jsonb_object_agg(outcome, times order by outcome) as outcomes
    from (select stage, outcome, count(*) as times from stage group by stage, outcome) as counted group by stage
)
select stage.run_id, stage.stage, count(*) as times, coalesce(sum(stage.seconds), 0) as seconds,
    sum(stage.rows) as rows, min(stage.started_at) as started_at,
    max(stage.started_at + make_interval(secs => coalesce(stage.seconds, 0)::float8)) as ended_at, outcome.outcomes
from stage join outcome using (stage)
group by stage.run_id, stage.stage, outcome.outcomes
order by min(stage.started_at), stage.stage
"""


def submissions(settings: Settings) -> tuple[tuple[tuple[str, int], ...], tuple[OpenSubmission, ...]]:
    """How many submissions are in which state, and the latest ones that are not in the figures."""
    with connect(settings, roles.PUBLISHER) as connection:
        connection.read_only = True
        states = tuple((row["state"], row["submissions"]) for row in _rows(connection, _STATES))
        waiting = tuple(
            OpenSubmission(row["submission_id"], row["sender"], row["period"], row["state"], tuple(row["codes"]))
            for row in _rows(connection, _OPEN, [_OPEN_AT_MOST])
        )
    return states, waiting


def last_night(settings: Settings) -> Night | None:
    """The run times of the last night; None before the first."""
    with connect(settings, roles.PUBLISHER) as connection:
        connection.read_only = True
        rows = _rows(connection, _NIGHT)
    if not rows:
        return None
    begun: dt.datetime = min(row["started_at"] for row in rows)
    ended: dt.datetime = max(row["ended_at"] for row in rows)
    stages = tuple(
        NightStage(
            name=row["stage"],
            times=row["times"],
            seconds=row["seconds"],
            rows=None if row["rows"] is None else int(row["rows"]),
            outcomes=tuple(row["outcomes"].items()),
        )
        for row in rows
    )
    return Night(rows[0]["run_id"], begun, Decimal(str((ended - begun).total_seconds())), stages)


def _rows(connection: Connection, query: LiteralString, values: list[Any] | None = None) -> list[Mapping[str, Any]]:
    return list(connection.cursor(row_factory=dict_row).execute(query, values).fetchall())
