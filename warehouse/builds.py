"""The life of a build: the lease, what it reads, and what becomes of it (M2).

The lease is the row of ops.build that is open, built or audited; whoever works on it also holds an advisory lock
for as long as its process lives, so a build whose lock is free was left behind and is taken back by the next one.
"""

from __future__ import annotations

import contextlib
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


@contextlib.contextmanager
def lease(settings: Settings) -> Iterator[Connection]:
    """Hold the right to build or publish. Raises BuildOpenError when another process holds it."""
    with connect(settings, roles.TRANSFORMER, autocommit=True) as connection:
        row = connection.execute(_LOCK).fetchone()
        if row is None or not row[0]:
            raise BuildOpenError(_who(connection))
        yield connection


def open_build(connection: Connection, project_hash: str, *, force_full: bool = False) -> Build | None:
    """Open a build, or None when nothing was accepted and nothing changed since the shown publication.

    A build that an earlier process left open or unpublished is taken back first.
    """
    take_back(connection)
    opened = connection.execute("select ops.open_build(%s, %s)", [project_hash, force_full]).fetchone()
    assert opened is not None
    build_id = int(str(opened[0]))
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
    return f"Build {row[0]} of {row[1]} is open: try again when it has ended (`vss status --night` shows it)."
