"""Where a benchmark works: VSS_HOME/bench for files that are kept, and below it a warehouse of its own that is not."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from psycopg import sql

from benchmarks.sample import FEED, Sample
from ingestion.load import Loaded
from night.readiness import migrate
from warehouse import roles, server
from warehouse.connection import admin_url, connect, open_connection
from warehouse.errors import VssError
from warehouse.settings import Settings

SCHEMA = "bench"
"""The database schema of floors and peers."""


class WrongResultError(VssError):
    """What was measured did not do its work, so its time says nothing."""


def warehouse_at(home: Path) -> Settings:
    """Settings of a benchmark's warehouse; whatever the environment says of another database or archive is left out."""
    return Settings(
        home=home, database_url=None, inbox=None, outbox=None, archive=None, port=None, require_signatures=False
    )


@contextlib.contextmanager
def temporary_warehouse(under: Path) -> Iterator[Settings]:
    """A migrated warehouse with an embedded server in a new folder; server and folder are gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="run-", dir=under))
    # started by root, the server runs as a user of its own and has to get in
    home.chmod(0o755)
    settings = warehouse_at(home)
    try:
        migrate(settings)
        with connect(settings, roles.MIGRATOR) as connection:
            connection.execute(sql.SQL("create schema {}").format(sql.Identifier(SCHEMA)))
        yield settings
    finally:
        server.stop(settings)
        files = home / "postgres"
        if files.is_symlink():
            shutil.rmtree(files.resolve(), ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)


def empty(settings: Settings) -> None:
    """Forget every submission, its rows and its archived bytes, and let the server write out what it still owes."""
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute(sql.SQL("truncate ops.submission, {} cascade").format(sql.Identifier("raw", FEED)))
        connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(SCHEMA)))
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(SCHEMA)))
    shutil.rmtree(settings.home / "archive", ignore_errors=True)
    shutil.rmtree(settings.home / "inbox", ignore_errors=True)
    with open_connection(admin_url(settings), autocommit=True) as admin:
        admin.execute("checkpoint")


def require_loaded(settings: Settings, made: Sample, loaded: Loaded) -> None:
    """Compare what a load left behind with what the sample must give. Raises WrongResultError with the difference."""
    wanted = {
        "state": "loaded", "rows": made.rows, "accepted": made.rows - made.bad, "rejected": made.bad,
        "rows in raw": made.rows - made.bad, "wage in raw": made.wage_parsed - made.wage_set_aside,
        "rows listed as bad": made.bad, "sum of their numbers": made.bad_row_sum,
        "wage parsed": made.wage_parsed, "wage set aside": made.wage_set_aside,
    }  # fmt: skip
    with connect(settings, roles.LOADER) as connection:
        row = connection.execute(
            sql.SQL(
                """
                select s.state, l.row_count, l.accepted, l.rejected, r.rows, r.wage, b.rows, b.numbers,
                    (l.totals -> 'wage_base_vnd' ->> 'parsed')::numeric,
                    (l.totals -> 'wage_base_vnd' ->> 'set_aside')::numeric
                from ops.submission s
                join ops.load l on l.sub_no = s.sub_no
                cross join lateral (
                    select count(*) as rows, coalesce(sum(wage_base_vnd), 0) as wage from {} where load_id = l.load_id
                ) r
                cross join lateral (
                    select count(*) as rows, coalesce(sum(row_no), 0) as numbers
                    from (select distinct row_no from ops.reject where load_id = l.load_id) d
                ) b
                where s.sub_no = %s
                """
            ).format(sql.Identifier("raw", FEED)),
            [loaded.sub_no],
        ).fetchone()
    found = dict(zip(wanted, [None] * len(wanted) if row is None else row, strict=True))
    wrong = [f"{name} {found[name]} instead of {wanted[name]}" for name in wanted if found[name] != wanted[name]]
    if wrong:
        raise WrongResultError(f"The load did not give what it should ({'; '.join(wrong)}): no time was taken.")
