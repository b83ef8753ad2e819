"""The life of a build: the lease, what it reads, and what becomes of it (M2).

The lease is the row of ops.build that is open, built or audited; whoever works on it also holds an advisory lock
for as long as its process lives, so a build whose lock is free was left behind and is taken back by the next one.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import psycopg

from warehouse import roles
from warehouse.connection import Connection, connect
from warehouse.errors import BuildOpenError
from warehouse.settings import Settings

_OPEN = "select build_id from ops.build where state in ('open', 'built', 'audited')"
_LOCK = "select pg_try_advisory_lock(hashtext('vss build'))"


@dataclass(frozen=True)
class Build:
    """An open build: its number, the publication it will become, and whether everything is made anew."""

    build_id: int
    candidate_id: int
    is_full: bool


@dataclass(frozen=True)
class Range:
    """Months, first to last, each its first day, of some senders and feeds: of all of them where none is named."""

    first: dt.date
    last: dt.date
    senders: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rebuild:
    """A range that somebody wants made anew although nothing of it changed: by which run, why, and who."""

    range: Range
    run_id: str
    reason: str
    by: str


@contextlib.contextmanager
def lease(settings: Settings) -> Iterator[Connection]:
    """Hold the right to build or publish. Raises BuildOpenError when another process holds it."""
    with connect(settings, roles.TRANSFORMER, autocommit=True) as connection:
        row = connection.execute(_LOCK).fetchone()
        if row is None or not row[0]:
            raise BuildOpenError(_who(connection))
        yield connection


def open_build(
    connection: Connection, project_hash: str, *, force_full: bool = False, rebuild: Rebuild | None = None
) -> Build | None:
    """Open a build, or None when nothing was accepted and nothing changed since the shown publication.

    A build that an earlier process left open or unpublished is taken back first. What a `rebuild` names counts as
    changed in this build; if it is not published the next one knows nothing of it.
    """
    take_back(connection)
    opened = connection.execute("select ops.open_build(%s, %s)", [project_hash, force_full]).fetchone()
    assert opened is not None
    build_id = int(str(opened[0]))
    if rebuild is not None:
        note_rebuild(connection, build_id, rebuild)
        touch_range(connection, build_id, rebuild.range)
    found = connection.execute(
        "select candidate_id, is_full, exists (select from ops.build_touch t where t.build_id = b.build_id)"
        " from ops.build b where build_id = %s",
        [build_id],
    ).fetchone()
    assert found is not None
    if not found[1] and not found[2]:
        abandon(connection, build_id, "nothing to do")
        return None
    return Build(build_id, int(str(found[0])), bool(found[1]))


def note_rebuild(connection: Connection, build_id: int, rebuild: Rebuild) -> None:
    """Keep who asked for it, and why, with the open build that does it."""
    wanted = rebuild.range
    connection.execute(
        "insert into ops.backfill (build_id, run_id, from_month, to_month, senders, feeds, reason, asked_by)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s)",
        [build_id, rebuild.run_id, wanted.first, wanted.last, list(wanted.senders), list(wanted.feeds),
         rebuild.reason, rebuild.by],
    )  # fmt: skip


def touch_range(connection: Connection, build_id: int, wanted: Range) -> None:
    """Every accepted load of a range counts as changed in the open build; what rests on it follows, as always."""
    connection.execute(
        """
        insert into ops.build_touch (build_id, source, territory_key, month)
        select distinct i.build_id, i.feed, i.territory_key, i.month from ops.input i
        where i.build_id = %s and i.month between %s and %s
          and (%s::text[] = '{}' or i.sender = any(%s)) and (%s::text[] = '{}' or i.feed = any(%s))
        """,
        [build_id, wanted.first, wanted.last, *2 * [list(wanted.senders)], *2 * [list(wanted.feeds)]],
    )


def rebuilt_in(connection: Connection, wanted: Range, project_hash: str) -> int | None:
    """The publication that shows a range made anew by this project's rules because somebody asked; None if none does.

    What was accepted since was made anew for itself. After a rollback to an earlier state it is to be done again.
    """
    row = connection.execute(
        """
        select max(b.candidate_id) from ops.backfill f
        join ops.build b on b.build_id = f.build_id and b.state = 'published' and b.project_hash = %(project)s
        cross join ops.current_publication c
        join ops.publication shown on shown.publication_id = c.publication_id and shown.build_id >= b.build_id
        where f.from_month <= %(first)s and f.to_month >= %(last)s
          and (f.senders = '{}' or %(senders)s::text[] <> '{}' and %(senders)s <@ f.senders)
          and (f.feeds = '{}' or %(feeds)s::text[] <> '{}' and %(feeds)s <@ f.feeds)
        """,
        {"project": project_hash, "first": wanted.first, "last": wanted.last, "senders": list(wanted.senders),
         "feeds": list(wanted.feeds)},
    ).fetchone()  # fmt: skip
    return None if row is None or row[0] is None else int(str(row[0]))


def refuse_beside_another(connection: Connection) -> None:
    """Raises BuildOpenError while a build is open, or waits to be published, that is no backfill's; lease held.

    A night's candidate must not be taken back for a backfill; one that a backfill left behind may be.
    """
    row = connection.execute(
        "select build_id, to_char(opened_at, 'HH24:MI') from ops.build b where state in ('open', 'built', 'audited')"
        " and not exists (select from ops.backfill f where f.build_id = b.build_id)"
    ).fetchone()
    if row is not None:
        raise BuildOpenError(_waits(row))


def take_back(connection: Connection) -> None:
    """Take back builds that an earlier process left open or unpublished; the lease must be held."""
    for row in connection.execute(_OPEN).fetchall():
        abandon(connection, int(str(row[0])), "left behind; taken back by the next build")


def is_any_open(connection: Connection) -> bool:
    """Whether a build is open, or built and not published yet."""
    return connection.execute(_OPEN).fetchone() is not None


def ready(connection: Connection, state: Literal["built", "audited"]) -> Build | None:
    """The build that waits for its audit (`built`) or for publication (`audited`), if any."""
    row = connection.execute(
        "select build_id, candidate_id, is_full from ops.build where state = %s", [state]
    ).fetchone()
    return None if row is None else Build(int(str(row[0])), int(str(row[1])), bool(row[2]))


def last_published(connection: Connection) -> Build | None:
    """The build that was published last; None before the first."""
    row = connection.execute(
        "select build_id, candidate_id, is_full from ops.build where state = 'published' order by build_id desc limit 1"
    ).fetchone()
    return None if row is None else Build(int(str(row[0])), int(str(row[1])), bool(row[2]))


def finish(connection: Connection, build_id: int) -> None:
    """All models are built and tested: the candidate may be audited."""
    connection.execute("select ops.finish_build(%s)", [build_id])


def abandon(connection: Connection, build_id: int, why: str, *, state: str = "abandoned") -> None:
    """Take back what a build has left; `state` is abandoned, or failed when a gate or a model failed."""
    with connection.transaction():
        connection.execute("select ops.abandon_build(%s, %s, %s)", [build_id, why, state])


def row_counts(connection: Connection, build_id: int) -> list[tuple[str, int, int]]:
    """What a build made: relation, slices, rows."""
    rows = connection.execute(
        "select relation, count(*), coalesce(sum(row_count), 0)::bigint from ops.slice where build_id = %s"
        " group by 1 order by 1",
        [build_id],
    )
    return [(str(row[0]), int(str(row[1])), int(str(row[2]))) for row in rows]


def _who(connection: psycopg.Connection[tuple[object, ...]]) -> str:
    row = connection.execute(
        "select build_id, to_char(opened_at, 'HH24:MI') from ops.build where state in ('open', 'built', 'audited')"
    ).fetchone()
    if row is None:
        return "Another build is just beginning: try again when it has ended."
    return _waits(row)


def _waits(row: tuple[object, ...]) -> str:
    return f"Build {row[0]} of {row[1]} is open: try again when it has ended (`vss status --night` shows it)."
