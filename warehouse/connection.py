"""Connections: one way to reach the warehouse as each of its roles."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg

from warehouse import server
from warehouse.errors import StorageError, UnreachableError, UsageError
from warehouse.roles import password
from warehouse.settings import Settings

if TYPE_CHECKING:
    import sqlalchemy

Connection = psycopg.Connection[tuple[object, ...]]


@functools.lru_cache(maxsize=4)
def admin_url(settings: Settings) -> str:
    """The URL of whoever may create roles: the embedded server's administrator, or what VSS_DATABASE_URL names."""
    if settings.database_url is not None:
        return settings.database_url
    return _with(server.ensure_running(settings), database=server.DATABASE)


def role_url(settings: Settings, role: str, *, driver: str = "postgresql") -> str:
    """The URL of one role. `driver` is the SQLAlchemy form where a library needs it, such as postgresql+psycopg."""
    url = _with(admin_url(settings), user=role, word=password(settings, role))
    return driver + url[url.index("://") :]


def connect(settings: Settings, role: str, *, autocommit: bool = False) -> Connection:
    """A direct connection as one role. Raises UnreachableError, and UsageError when nothing was migrated yet."""
    try:
        return open_connection(role_url(settings, role), autocommit=autocommit)
    except UnreachableError:
        if not settings.is_embedded:
            raise
        # it was up when this process began; whatever happened to it since, it is started again
        admin_url.cache_clear()
        return open_connection(role_url(settings, role), autocommit=autocommit)


def open_connection(url: str, *, autocommit: bool = False, is_admin: bool = False) -> Connection:
    """Connect to a URL. Raises UnreachableError or UsageError with what to do."""
    try:
        connection: Connection = psycopg.connect(url, autocommit=autocommit, connect_timeout=10)
    except psycopg.OperationalError as error:
        place = f"{urlsplit(url).hostname}:{urlsplit(url).port or 5432}"
        if is_admin and ("authentication failed" in str(error) or "does not exist" in str(error)):
            raise UsageError(
                f"The server at {place} refuses the role, password or database of VSS_DATABASE_URL: correct the URL."
            ) from None
        if "password authentication failed" in str(error) or "does not exist" in str(error):
            raise UsageError(f"The database at {place} is not set up for this VSS_HOME: run `vss migrate`.") from None
        if "No space left on device" in str(error):
            raise StorageError("The database's disk is full: free some space and run again.") from None
        raise UnreachableError(
            f"The database at {place} cannot be reached: check that it runs and that VSS_DATABASE_URL is right."
        ) from None
    if connection.info.server_version < 160000:
        connection.close()
        raise UsageError("PostgreSQL 16 or newer is needed: point VSS_DATABASE_URL at a newer server.")
    return connection


def engine(settings: Settings, role: str) -> sqlalchemy.Engine:
    """A SQLAlchemy engine as one role: for libraries that want one (alembic, Great Expectations, pandas)."""
    import sqlalchemy

    return sqlalchemy.create_engine(role_url(settings, role, driver="postgresql+psycopg"), pool_pre_ping=True)


def _with(url: str, *, user: str | None = None, word: str | None = None, database: str | None = None) -> str:
    parts = urlsplit(url)
    credentials = parts.netloc.rpartition("@")[0]
    if user is not None:
        credentials = f"{quote(user)}:{quote(word or '')}"
    host = parts.netloc.rpartition("@")[2]
    path = parts.path if database is None else f"/{database}"
    return urlunsplit(("postgresql", f"{credentials}@{host}" if credentials else host, path, parts.query, ""))


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help: the connection was lost or ended, the server restarts, a deadlock was broken."""
    if not isinstance(error, psycopg.Error):
        return isinstance(error, UnreachableError)
    state = error.sqlstate or ""
    lost = isinstance(error, psycopg.OperationalError) and not state
    return lost or state[:2] == "08" or state in {"57P01", "57P02", "57P03", "40001", "40P01", "25P03", "25P04"}
