"""What is not left to the night: a month's last sender, and the tax authority's list, which came in during the day.

One more build shows the month complete, or matches the list.

What the day's runs do is kept in ops.run_stage like a night's, but without the stage `discover`: the last night stays
the last night for the morning report and `vss status --night`.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Literal

from psycopg import sql

from night import arrivals, journal, tasks
from night.freshness import senders
from night.readiness import ensure_ready
from warehouse import builds
from warehouse.connection import Connection
from warehouse.errors import BuildOpenError
from warehouse.settings import settings

_LEFT_HOURS = 4
"""A candidate that was opened so long ago, and that nobody audits or publishes, was left behind."""

_ACCEPTED = sql.SQL(
    "(select a.sender, a.feed, s.month from ops.accepted_load a join ops.submission s on s.sub_no = a.sub_no)"
)

# a load that a build has read to its end, published or failed, was its own last arrival already: after a rollback, or
# after a gate that failed, people decide what comes next, and the night builds
_ARRIVED = """
    select distinct s.month, a.sender
    from ops.current_publication c
    join ops.publication shown on shown.publication_id = c.publication_id and shown.build_id is not null
    cross join ops.accepted_load a
    join ops.submission s on s.sub_no = a.sub_no
    where a.feed = 'participants'
      and not exists (
          select from ops.build_input i
          where i.build_id = shown.build_id and i.feed = a.feed and i.sender = a.sender and i.period = a.period
      )
      and not exists (
          select from ops.build b
          join ops.build_input i
              on i.build_id = b.build_id and i.feed = a.feed and i.sender = a.sender and i.period = a.period
          where b.state in ('published', 'failed') and i.load_id = a.load_id
      )
"""

_TAX_LIST = """
    select exists (
        select from ops.current_publication c
        join ops.publication shown on shown.publication_id = c.publication_id and shown.build_id is not null
        cross join ops.accepted_load a
        where a.feed = 'tax_employers'
          and not exists (
              select from ops.build b
              join ops.build_input i on i.build_id = b.build_id
              where b.state in ('published', 'failed') and i.load_id = a.load_id
          )
    )
"""


def completes_a_month(connection: Connection) -> bool:
    """Whether the participants accepted now are those of every province of a month that is shown without one of them.

    False before the first publication, and once a build has read the load of whoever was missing.
    """
    arrived: dict[dt.date, set[str]] = {}
    for month, sender in connection.execute(_ARRIVED).fetchall():
        assert isinstance(month, dt.date)
        arrived.setdefault(month, set()).add(str(sender).removeprefix("province-"))
    for month, codes in arrived.items():
        standing = senders(connection, month, loads=_ACCEPTED)
        if codes & standing.keys() and all(standing.values()):
            return True
    return False


def brings_a_tax_list(connection: Connection) -> bool:
    """Whether a list of the tax authority is accepted that no build has read to its end.

    False before the first publication, which is a night's. However many lists came, one build matches them.
    """
    row = connection.execute(_TAX_LIST).fetchone()
    assert row is not None
    return bool(row[0])


def waiting(*, run_id: str, inbox: str | None, **_: str | None) -> list[list[str]]:
    """Batches of folders that are not final yet, as the night takes them."""
    configured = settings()
    ensure_ready(configured)
    assert configured.inbox is not None
    with journal.stage(configured, run_id, "waiting") as mark:
        found = arrivals.discover(configured, Path(inbox) if inbox else configured.inbox)
        mark.rows = len(found)
    return tasks.in_batches(found)


def is_due(**_: str | None) -> bool:
    """Whether one more build is to be made now.

    Not while a night is at work, or a candidate waits that somebody will audit or publish. One that was left behind
    keeps nobody waiting: the build takes it back.
    """
    try:
        with builds.lease(settings()) as connection:
            left = _left_behind(connection)
            waits = builds.is_any_open(connection) and not left
            return not (waits or journal.is_a_night_at_work(connection)) and (
                completes_a_month(connection) or brings_a_tax_list(connection)
            )
    except BuildOpenError:
        return False


def take(step: Literal["build", "audit", "publish"], *, run_id: str, inbox: str | None, date: str | None) -> bool:
    """Take a step of the night; False when there is nothing left to do.

    Also when another is at it before the build, which is not begun beside it. From there on the candidate is the run's
    own: raises BuildOpenError while somebody holds the lease for a moment, and the next attempt goes on.
    """
    if step == "audit":
        return tasks.audit(run_id=run_id, inbox=inbox, date=date)
    if step == "publish":
        return tasks.publish(run_id=run_id, inbox=inbox, date=date) is not None
    try:
        with builds.lease(settings()) as connection:
            for build_id in _left_behind(connection):
                builds.abandon(connection, build_id, "left behind; taken back during the day")
        return tasks.build(run_id=run_id, inbox=inbox, date=date, yields=True) is not None
    except BuildOpenError:
        return False


def _left_behind(connection: Connection) -> list[int]:
    """The build of a process that died, or a candidate that nobody went on with for hours; the lease must be held.

    While it is made the lease is held by who makes it: one that is still open, now that it is ours, nobody makes.
    """
    rows = connection.execute(
        "select build_id from ops.build where state = 'open'"
        " or state in ('built', 'audited') and opened_at < now() - make_interval(hours => %s)",
        [_LEFT_HOURS],
    ).fetchall()
    return [int(str(row[0])) for row in rows]
