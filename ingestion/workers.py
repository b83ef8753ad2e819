"""Locks between loaders that survive a loader which hangs: it shows that it lives, or the next one ends it.

A loader that was killed loses its connection and with it its locks. One that was stopped (SIGSTOP, a frozen machine)
keeps both: its heartbeat in `ops.worker` stops, the next loader ends its session and takes over, and when it wakes up
it finds its connection gone (M5).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from warehouse import roles
from warehouse.connection import Connection, connect
from warehouse.errors import VssError
from warehouse.settings import Settings


@dataclass(frozen=True)
class Patience:
    """Seconds: between heartbeats, without one until a loader counts as hanging, and at most spent on one lock."""

    beat: float = 5
    stale: float = 60
    lock: float = 3_600


class LockedError(VssError):
    """Another loader that is alive kept a lock longer than anybody waits."""


@contextlib.contextmanager
def alive(settings: Settings, connection: Connection, patience: Patience) -> Iterator[None]:
    """Show for as long as the block runs that the loader of this connection lives."""
    _forget_the_ended(connection)
    info = connection.execute(
        "insert into ops.worker (backend_pid, backend_start) select pid, backend_start from pg_stat_activity"
        " where pid = pg_backend_pid() returning backend_pid, backend_start"
    ).fetchone()
    assert info is not None
    done = threading.Event()
    heart = threading.Thread(target=_beat, args=(settings, info, patience, done), name="heartbeat", daemon=True)
    heart.start()
    try:
        yield
    finally:
        done.set()
        heart.join()
        with contextlib.suppress(psycopg.Error):
            connection.execute("delete from ops.worker where backend_pid = %s and backend_start = %s", info)


def _beat(settings: Settings, worker: tuple[object, ...], patience: Patience, done: threading.Event) -> None:
    """A connection of its own, opened only for a load that takes longer than one beat."""
    connection: Connection | None = None
    while not done.wait(patience.beat):
        try:
            if connection is None:
                connection = connect(settings, roles.LOADER, autocommit=True)
            connection.execute(
                "update ops.worker set heartbeat_at = clock_timestamp() where backend_pid = %s and backend_start = %s",
                worker,
            )
        except (psycopg.Error, VssError):
            # the loader's own connection will notice as well; until then a beat is tried again
            connection = None
    if connection is not None:
        connection.close()


def lock_submission(connection: Connection, submission_id: str, patience: Patience) -> None:
    """Hold a submission id until the connection is closed. Raises LockedError."""
    _lock(connection, "session", ("vss submission", submission_id), patience)


def lock_slice(connection: Connection, sender: str, feed: str, period: str, patience: Patience) -> None:
    """Hold a slice until the transaction ends. Raises LockedError."""
    _lock(connection, "transaction", (sender, f"{feed} {period}"), patience)


def _lock(connection: Connection, scope: str, key: tuple[str, str], patience: Patience) -> None:
    function = "pg_try_advisory_lock" if scope == "session" else "pg_try_advisory_xact_lock"
    give_up = time.monotonic() + patience.lock
    pause = 0.02
    while True:
        row = connection.execute(f"select {function}(hashtext(%s), hashtext(%s))", key).fetchone()
        if row is not None and row[0]:
            return
        if time.monotonic() > give_up:
            raise LockedError(
                f"Another loader has been busy with {key[1]} for {patience.lock:.0f} seconds: see `vss status --night`,"
                " and run again when it has ended."
            )
        _end_hanging(connection, key, patience)
        time.sleep(pause)
        pause = min(2 * pause, 1)


def _end_hanging(connection: Connection, key: tuple[str, str], patience: Patience) -> None:
    """End the session of the loader that holds a lock, if its heartbeat stopped."""
    connection.execute(
        """
        select pg_terminate_backend(l.pid)
        from pg_locks l
        join pg_stat_activity a on a.pid = l.pid
        join ops.worker w on w.backend_pid = a.pid and w.backend_start = a.backend_start
        where l.locktype = 'advisory' and l.granted and l.objsubid = 2
          and l.database = (select oid from pg_database where datname = current_database())
          and l.classid = (hashtext(%s)::bigint & 4294967295)::oid
          and l.objid = (hashtext(%s)::bigint & 4294967295)::oid
          and w.heartbeat_at < clock_timestamp() - make_interval(secs => %s)
        """,
        [*key, patience.stale],
    )


def _forget_the_ended(connection: Connection) -> None:
    """Loaders that were killed leave their last heartbeat behind."""
    connection.execute(
        "delete from ops.worker w where not exists (select from pg_stat_activity a"
        " where a.pid = w.backend_pid and a.backend_start = w.backend_start)"
    )
