"""Create or upgrade the warehouse's own schema: roles, ops, vault, and the empty rooms of dbt and the publisher."""

from __future__ import annotations

from pathlib import Path

import alembic.command
import alembic.config
import psycopg
from psycopg import sql

from warehouse import roles, server
from warehouse.connection import admin_url, engine, open_connection
from warehouse.errors import UsageError
from warehouse.geography import current_codes, fill_provinces
from warehouse.settings import Settings

_HERE = Path(__file__).resolve().parent / "migrations"


def migrate(settings: Settings) -> None:
    """Bring roles and schema up to date. Raises UsageError when the URL's role may not create roles."""
    if settings.is_embedded:
        _ensure_database(server.ensure_running(settings))
    with open_connection(admin_url(settings), autocommit=True, is_admin=True) as admin:
        _require_power(admin)
        admin.execute("select pg_advisory_lock(hashtext('vss migrate'))")
        roles.ensure_roles(admin, settings, current_codes())
        database = sql.Identifier(admin.info.dbname)
        if admin.info.parameter_status("is_superuser") != "on":
            # whoever makes a role may grant it; nobody gives a database to a role that he is not a member of
            admin.execute(
                sql.SQL("grant {} to current_user with inherit true, set true").format(sql.Identifier(roles.MIGRATOR))
            )
        admin.execute(sql.SQL("alter database {} owner to {}").format(database, sql.Identifier(roles.MIGRATOR)))
        admin.execute(sql.SQL("revoke all on database {} from public").format(database))
        everybody = sql.SQL(", ").join(
            sql.Identifier(role)
            for role in (roles.LOADER, roles.TRANSFORMER, roles.PUBLISHER, roles.READER_BASE, roles.OFFICER)
        )
        admin.execute(sql.SQL("grant connect on database {} to {}").format(database, everybody))
        admin.execute(
            sql.SQL("grant connect, create, temporary on database {} to {}").format(
                database, sql.Identifier(roles.ENGINEER)
            )
        )
        admin.execute(
            sql.SQL("grant temporary on database {} to {}").format(database, sql.Identifier(roles.TRANSFORMER))
        )
        for owner in (roles.VAULT, roles.TRANSFORMER, roles.PUBLISHER):
            admin.execute(sql.SQL("grant create on database {} to {}").format(database, sql.Identifier(owner)))
        admin.execute("create extension if not exists btree_gist")
        _upgrade(settings)
        fill_provinces(settings)


def _upgrade(settings: Settings) -> None:
    config = _config()
    migrator = engine(settings, roles.MIGRATOR)
    try:
        with migrator.begin() as connection:
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")
    finally:
        migrator.dispose()


def _config() -> alembic.config.Config:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(_HERE))
    return config


def _ensure_database(admin: str) -> None:
    with psycopg.connect(admin, autocommit=True) as connection:
        if connection.execute("select 1 from pg_database where datname = %s", [server.DATABASE]).fetchone() is None:
            connection.execute(
                sql.SQL("create database {} encoding 'UTF8' template template0").format(sql.Identifier(server.DATABASE))
            )


def _require_power(admin: psycopg.Connection[tuple[object, ...]]) -> None:
    row = admin.execute("select rolsuper or rolcreaterole from pg_roles where rolname = current_user").fetchone()
    if row is None or not row[0]:
        raise UsageError(
            "The role of VSS_DATABASE_URL may not create roles: use one with CREATEROLE and CREATEDB"
            " that owns the database."
        )
