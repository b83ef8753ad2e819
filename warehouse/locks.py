"""Statements that need a relation for themselves: no queue of readers behind them, and a name when they give up."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import psycopg
from psycopg import sql

from warehouse.connection import Connection, admin_url, open_connection
from warehouse.errors import VssError
from warehouse.settings import Settings

PATIENCE_SECONDS = 60.0
"""How long a statement tries; each try lets readers queue for half a second (ops.patiently)."""
_LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")


class RelationLockedError(VssError):
    """Somebody's open transaction holds a relation that has to change."""


@dataclass(frozen=True)
class Holder:
    """A session that holds a lock; `since` is when its transaction began, None where the server does not tell."""

    pid: int
    role: str
    since: dt.datetime | None

    def __str__(self) -> str:
        begun = (
            "" if self.since is None else f", in a transaction since {self.since.astimezone(_LOCAL):%Y-%m-%d %H:%M:%S}"
        )
        return f"session {self.pid} ({self.role}{begun})"


def patiently(
    connection: Connection,
    settings: Settings,
    statement: sql.Composed,
    relation: sql.Identifier,
    *,
    patience: float = PATIENCE_SECONDS,
    then: str,
) -> None:
    """Carry out a statement that needs `relation` for itself, within `patience` seconds.

    Raises RelationLockedError, which names who holds it and ends with `then`: what to do once it is free.
    """
    name = relation.as_string(connection)
    try:
        connection.execute(
            "select ops.patiently(%s, %s::regclass, %s)", [statement.as_string(connection), name, patience]
        )
    except psycopg.errors.LockNotAvailable:
        who = holders(settings, name)
        named = " and ".join(str(holder) for holder in who) or "a session that has just gone"
        ending = "".join(f"select pg_terminate_backend({holder.pid}); " for holder in who).rstrip("; ")
        free = f"Have that transaction ended, or end it as administrator ({ending}); then" if who else "Now"
        raise RelationLockedError(f"{name.replace(chr(34), '')} is held by {named}. {free} {then}") from None


def holders(settings: Settings, relation: str) -> list[Holder]:
    """Who holds a lock on a relation, waiting ones left out; read as the administrator, who may see since when."""
    with open_connection(admin_url(settings), autocommit=True) as admin:
        rows = admin.execute(
            """
            select distinct l.pid, coalesce(a.usename::text, 'unknown'), a.xact_start
            from pg_locks l left join pg_stat_activity a on a.pid = l.pid
            where l.database = (select d.oid from pg_database d where d.datname = current_database())
              and l.relation = %s::regclass and l.granted
              -- who has only just begun is gone before anybody reads the sentence
              and a.xact_start < clock_timestamp() - interval '1 second'
            order by 1
            """,
            [relation],
        ).fetchall()
    return [
        Holder(int(str(pid)), str(role), since if isinstance(since, dt.datetime) else None) for pid, role, since in rows
    ]


def transactions_before(settings: Settings, instant: dt.datetime) -> list[Holder] | None:
    """Sessions whose transaction began before an instant; None when the server does not let us see all of them."""
    with open_connection(admin_url(settings), autocommit=True) as admin:
        rows = admin.execute(
            """
            select a.pid, coalesce(a.usename::text, 'unknown'), a.xact_start, a.query = '<insufficient privilege>'
            from pg_stat_activity a
            where a.datname = current_database() and a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
            order by 1
            """
        ).fetchall()
    if any(hidden for *_, hidden in rows):
        return None
    return [
        Holder(int(str(pid)), str(role), since)
        for pid, role, since, _ in rows
        if isinstance(since, dt.datetime) and since < instant
    ]
