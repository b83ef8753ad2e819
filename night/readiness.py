"""The warehouse is there and up to date before anything else happens."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import psycopg
from psycopg import sql

from warehouse import connection, geography, pseudonyms, roles
from warehouse.errors import UsageError
from warehouse.settings import PROJECT, Settings


def migrate(settings: Settings) -> None:
    """Create or upgrade everything: roles and schemas, raw tables of all contracts, the pseudonym views; idempotent."""
    # most verbs find everything up to date: they do not wait for the libraries that make it so
    import warehouse.migrate
    from ingestion.raw_schema import ensure_raw_tables

    warehouse.migrate.migrate(settings)
    ensure_raw_tables(settings)
    pseudonyms.ensure_views(settings)
    with connection.connect(settings, roles.MIGRATOR) as database:
        database.execute(sql.SQL("comment on schema ops is {}").format(sql.Literal(f"schema {_fingerprint()}")))


@functools.lru_cache(maxsize=4)
def ensure_ready(settings: Settings) -> None:
    """Bring the embedded server up to date by itself; for any other database ask for `vss migrate`."""
    if _is_current(settings):
        return
    if not settings.is_embedded:
        raise UsageError("The database's schema is not up to date: run `vss migrate`.")
    migrate(settings)


def _is_current(settings: Settings) -> bool:
    try:
        with connection.connect(settings, roles.MIGRATOR) as database:
            row = database.execute("select obj_description(to_regnamespace('ops'), 'pg_namespace')").fetchone()
    except UsageError:
        if not settings.is_embedded:
            raise
        return False
    except psycopg.OperationalError:
        return False
    return row is not None and row[0] == f"schema {_fingerprint()}"


@functools.cache
def _fingerprint() -> str:
    """A digest of what the schema is made from: migrations, contracts, geography, pseudonym views."""
    sources = [
        *sorted((PROJECT / "warehouse" / "migrations").rglob("*.sql")),
        *sorted((PROJECT / "warehouse" / "migrations" / "versions").glob("*.py")),
        *sorted((PROJECT / "ingestion" / "contracts").glob("*.yaml")),
        Path(geography.__file__),
        Path(pseudonyms.__file__),
        Path(roles.__file__),
    ]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
