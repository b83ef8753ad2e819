"""Where Airflow keeps its own state: a database beside the warehouse's, reached by a role that sees nothing else."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import psycopg
from psycopg import sql

from warehouse.connection import admin_url, open_connection
from warehouse.errors import UsageError
from warehouse.roles import can_log_in, password
from warehouse.settings import Settings

ROLE = "vss_airflow"


def metadata_url(settings: Settings) -> str:
    """SQLAlchemy URL of Airflow's metadata database; made on first use. Raises UsageError when it may not be made."""
    admin = admin_url(settings)
    parts = urlsplit(admin)
    name = parts.path.strip("/") + "_airflow"
    word = password(settings, ROLE)
    with open_connection(admin, autocommit=True, is_admin=True) as connection:
        try:
            if connection.execute("select 1 from pg_roles where rolname = %s", [ROLE]).fetchone() is None:
                connection.execute(
                    sql.SQL("create role {} login password {}").format(sql.Identifier(ROLE), sql.Literal(word))
                )
            elif not can_log_in(connection, ROLE, word):
                connection.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(ROLE), sql.Literal(word)))
            if connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone() is None:
                connection.execute(sql.SQL("grant {} to current_user").format(sql.Identifier(ROLE)))
                connection.execute(
                    sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(ROLE))
                )
        except psycopg.errors.InsufficientPrivilege:
            raise UsageError(
                f"Airflow needs a database {name} owned by {ROLE}: create both, "
                "or give the role of VSS_DATABASE_URL CREATEDB."
            ) from None
    host = parts.netloc.rpartition("@")[2]
    return f"postgresql+psycopg2://{ROLE}:{quote(word)}@{host}/{name}"


def migrated_version(settings: Settings) -> str | None:
    """The version that last brought the metadata up to date; noted in the database, so that it goes with it."""
    metadata_url(settings)
    with open_connection(_metadata(settings), autocommit=True) as connection:
        row = connection.execute(
            "select shobj_description(oid, 'pg_database') from pg_database where datname = current_database()"
        ).fetchone()
    return None if row is None or row[0] is None else str(row[0])


def note_migrated_version(settings: Settings, version: str) -> None:
    """Note that the metadata is up to date for a version of Airflow."""
    with open_connection(_metadata(settings), autocommit=True) as connection:
        connection.execute(
            sql.SQL("comment on database {} is {}").format(sql.Identifier(connection.info.dbname), sql.Literal(version))
        )


def _metadata(settings: Settings) -> str:
    return metadata_url(settings).replace("postgresql+psycopg2:", "postgresql:")
