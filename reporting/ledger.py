"""What the ledger adds to the published figures: submissions that are not in them, the senders' quality, run times."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, LiteralString
from zoneinfo import ZoneInfo

from psycopg.rows import dict_row

from reporting.figures import Night, NightRun, NightStage, OpenSubmission, Quality, SenderQuality
from warehouse import roles
from warehouse.connection import Connection, connect
from warehouse.settings import Settings

_OPEN_AT_MOST = 20
_NIGHTS_AT_MOST = 14
_QUALITY_DAYS = 31
_LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")

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

# of a stage that was taken more than once in a run the last outcome counts; a node of dbt only through its build
_PROBLEMS: LiteralString = """
select distinct on (stage, subject) stage, subject, outcome, coalesce(message, '') as message
from ops.run_stage
where run_id = %s and stage <> 'build node'
order by stage, subject, started_at desc, run_stage_id desc
"""

# a submission belongs to the night it was decided in
_NIGHTS: LiteralString = """
with night as (
    select run_id, max(started_at) as discovered_at
    from ops.run_stage
    where stage = 'discover' and started_at < %(until)s
    group by run_id
    order by max(started_at) desc
    limit %(at_most)s
),
stage as (
    select r.run_id, r.stage, r.subject, r.outcome, r.started_at, r.run_stage_id,
        r.started_at + make_interval(secs => coalesce(r.seconds, 0)::float8) as ended_at
    from ops.run_stage as r join night using (run_id)
),
span as (
    select run_id, min(started_at) as started_at, max(ended_at) as ended_at,
        max(ended_at) filter (where stage = 'load and gate') - min(started_at) filter (where stage = 'load and gate')
            as loading,
        sum(ended_at - started_at) filter (where stage = 'build') as building
    from stage group by run_id
),
last as (
    select distinct on (run_id, stage, subject) run_id, outcome
    from stage where stage <> 'build node'
    order by run_id, stage, subject, started_at desc, run_stage_id desc
),
verdict as (
    select run_id, case when bool_or(outcome = 'failed') then 'failed' when bool_or(outcome = 'error') then 'error'
        else 'done' end as outcome
    from last group by run_id
)
select s.run_id, s.started_at, v.outcome,
    round(extract(epoch from s.ended_at - s.started_at)::numeric, 1) as seconds,
    round(coalesce(extract(epoch from s.loading), 0)::numeric, 1) as load_seconds,
    round(coalesce(extract(epoch from s.building), 0)::numeric, 1) as build_seconds,
    d.submissions, d.rejected, d.rows, d.rows_rejected, d.megabytes
from span as s
join verdict as v using (run_id)
cross join lateral (
    select count(distinct b.sub_no) as submissions,
        count(distinct b.sub_no) filter (where b.state = 'rejected') as rejected,
        coalesce(sum(l.row_count), 0)::bigint as rows, coalesce(sum(l.rejected), 0)::bigint as rows_rejected,
        round(sum(l.bytes) / 1e6, 1) as megabytes
    from ops.submission as b left join ops.load as l using (sub_no)
    where b.decided_at between s.started_at and s.ended_at
) as d
order by s.started_at
"""

# a sender is called what its province was called in the last month it wrote about
_QUALITY: LiteralString = """
with sent as (
    select * from ops.submission where first_seen_at >= %(since)s and first_seen_at < %(until)s
),
loaded as (
    select s.sender, sum(l.row_count) as rows, sum(l.rejected) as rows_rejected
    from sent as s join ops.load as l using (sub_no)
    group by s.sender
),
counted as (
    select sender, max(month) as month, count(*) as submissions, count(*) filter (where state = 'rejected') as rejected,
        count(*) filter (where state = 'held') as held, count(*) filter (where state = 'waiting') as waiting,
        count(*) filter (where is_late) as late
    from sent group by sender
),
fault as (
    select s.sender, f ->> 'code' as code, array_position(array['rejected', 'held', 'waiting'], s.state) as worst,
        count(*) as times
    from sent as s cross join jsonb_array_elements(s.errors) as f
    where s.state in ('rejected', 'held', 'waiting') and f ->> 'code' is not null
    group by 1, 2, 3
    union all
    select s.sender, r.code, 9, count(*)
    from sent as s join ops.load as l using (sub_no) join ops.reject as r using (load_id)
    group by 1, 2
),
code as (
    select sender, code, min(worst) as worst, sum(times) as times from fault group by sender, code
)
select c.sender, coalesce(p.name_vi, c.sender) as name_vi, coalesce(p.name_en, c.sender) as name_en, c.submissions,
    c.rejected, c.held, c.waiting, c.late, coalesce(l.rows, 0)::bigint as rows,
    coalesce(l.rows_rejected, 0)::bigint as rows_rejected,
    (
        select array_agg(array[k.code, k.times::text] order by k.worst, k.times desc, k.code)
        from code as k where k.sender = c.sender
    ) as codes
from counted as c
left join loaded as l using (sender)
left join ops.province as p
    on c.sender = 'province-' || p.province_code and c.month >= p.valid_from and c.month < p.valid_to
order by c.rejected desc, c.held desc, coalesce(l.rows_rejected::numeric / nullif(l.rows, 0), 0) desc, c.waiting desc,
    c.late desc, c.sender
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
    with connect(settings, roles.PUBLISHER) as connection:
        connection.read_only = True
        problems = tuple(
            (row["stage"], row["subject"], row["message"])
            for row in _rows(connection, _PROBLEMS, [rows[0]["run_id"]])
            if row["outcome"] in ("failed", "error")
        )
    return Night(rows[0]["run_id"], begun, Decimal(str((ended - begun).total_seconds())), stages, problems)


def nights(settings: Settings, *, until: dt.datetime) -> tuple[NightRun, ...]:
    """The last fourteen nights that began before an instant, the earliest first."""
    with connect(settings, roles.PUBLISHER) as connection:
        connection.read_only = True
        rows = _rows(connection, _NIGHTS, {"until": until, "at_most": _NIGHTS_AT_MOST})
    return tuple(NightRun(**row) for row in rows)


def quality(settings: Settings, *, until: dt.date) -> Quality:
    """What the senders' submissions of the month up to a day were like, by when they were first seen, local time."""
    since = until - dt.timedelta(days=_QUALITY_DAYS - 1)
    start, end = (dt.datetime.combine(day, dt.time(), tzinfo=_LOCAL) for day in (since, until + dt.timedelta(days=1)))
    with connect(settings, roles.PUBLISHER) as connection:
        connection.read_only = True
        rows = _rows(connection, _QUALITY, {"since": start, "until": end})
    senders = (
        SenderQuality(**{**row, "codes": tuple((code, int(times)) for code, times in row["codes"] or ())})
        for row in rows
    )
    return Quality(since, until, tuple(senders))


def _rows(
    connection: Connection, query: LiteralString, values: list[Any] | dict[str, Any] | None = None
) -> list[Mapping[str, Any]]:
    return list(connection.cursor(row_factory=dict_row).execute(query, values).fetchall())
