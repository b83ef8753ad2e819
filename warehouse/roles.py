"""The roles of the warehouse: who there is, their passwords, and what each reading role may see.

None is a superuser or bypasses row security. Logins get generated passwords, kept under VSS_HOME/secrets (0600).
"""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg import sql

from warehouse.files import secret
from warehouse.settings import Settings

MIGRATOR = "vss_migrator"
LOADER = "vss_loader"
TRANSFORMER = "vss_transformer"
PUBLISHER = "vss_publisher"
ENGINEER = "vss_engineer"
OFFICER = "vss_officer"
VAULT = "vss_vault"
READER = "vss_reader"
READER_BASE = "vss_reader_base"
READER_DETAIL = "vss_reader_detail"

_LOGINS = (MIGRATOR, LOADER, TRANSFORMER, PUBLISHER, ENGINEER, OFFICER, READER)
_GROUPS = (VAULT, READER_BASE, READER_DETAIL)
_BEHIND_BI = (MIGRATOR, LOADER, TRANSFORMER, PUBLISHER, ENGINEER, VAULT)
# against a query that never ends, a transaction that a tool leaves open (the night waits for its locks, and what it
# still sees cannot be cleared away), and sorts that fill the disk
READER_LIMITS = {"statement_timeout": "10min", "idle_in_transaction_session_timeout": "30min"}
READER_LIMITS_BY_SUPERUSER = {"temp_file_limit": "16GB"}
# the migrator makes the other rooms' schemas as their owners; it inherits nothing from them
_OWNERS = (VAULT, TRANSFORMER, PUBLISHER)


def provincial_reader(province_code: str) -> str:
    """The role that sees one of today's provinces and its predecessors."""
    return f"{READER}_{province_code}"


def password(settings: Settings, role: str) -> str:
    """The password of a login, made on first use."""
    return secret(settings.home / "secrets" / role)


def ensure_roles(admin: psycopg.Connection[tuple[object, ...]], settings: Settings, province_codes: list[str]) -> None:
    """Create what is missing; an existing role keeps its password as long as it is the one we know.

    `admin` is connected to the warehouse's database, in which every reader finds the relations of `bi` by their names.
    """
    logins = [*_LOGINS, *(provincial_reader(code) for code in province_codes)]
    known = {row[0] for row in admin.execute("select rolname from pg_roles where rolname like 'vss\\_%'").fetchall()}
    for role in _GROUPS:
        if role not in known:
            admin.execute(sql.SQL("create role {} nologin noinherit").format(sql.Identifier(role)))
    for role in logins:
        if role not in known:
            admin.execute(sql.SQL("create role {} login").format(sql.Identifier(role)))
        if role not in known or not can_log_in(admin, role, password(settings, role)):
            admin.execute(
                sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(password(settings, role)))
            )
    for owner in _OWNERS:
        admin.execute(
            sql.SQL("grant {} to {} with inherit false, set true").format(
                sql.Identifier(owner), sql.Identifier(MIGRATOR)
            )
        )
    # person-level relations are for whoever is named; on the embedded server that is every reader
    groups = (READER_BASE, READER_DETAIL) if settings.is_embedded else (READER_BASE,)
    for role in logins:
        if not role.startswith(READER):
            continue
        for group in groups:
            admin.execute(sql.SQL("grant {} to {}").format(sql.Identifier(group), sql.Identifier(role)))
        # a relation of bi is found by its name; in this database only, since roles are the whole server's
        admin.execute(
            sql.SQL("alter role {} in database {} set search_path = bi, public").format(
                sql.Identifier(role), sql.Identifier(admin.info.dbname)
            )
        )
        # a plan of its own for each execution: whether the pin can be read is asked when a plan is made
        admin.execute(
            sql.SQL("alter role {} in database {} set plan_cache_mode = force_custom_plan").format(
                sql.Identifier(role), sql.Identifier(admin.info.dbname)
            )
        )
        _limit(admin, role, READER_LIMITS | (READER_LIMITS_BY_SUPERUSER if _is_superuser(admin) else {}))
    # a build sorts and hashes millions of rows in two threads; readers keep the server's modest default
    _limit(admin, TRANSFORMER, {"work_mem": "256MB"})
    _limit(admin, ENGINEER, {"statement_timeout": "60min"})
    if _is_superuser(admin):
        _close_side_doors(admin)


def _limit(admin: psycopg.Connection[tuple[object, ...]], role: str, limits: Mapping[str, str]) -> None:
    """Settings a login's sessions begin with, in every database; PostgreSQL passes none on to members of a role."""
    for name, value in limits.items():
        admin.execute(
            sql.SQL("alter role {} set {} = {}").format(sql.Identifier(role), sql.Identifier(name), sql.Literal(value))
        )


def _is_superuser(admin: psycopg.Connection[tuple[object, ...]]) -> bool:
    return admin.info.parameter_status("is_superuser") == "on"


# what PostgreSQL lets everybody do, and a reader of one province must not: ask how many rows each table has and gained,
# take locks that a night waits for, make objects that fill the disk
_SIDE_DOORS = """
do $$
declare
    door record;
begin
    for door in
        select format('function %s', p.oid::regprocedure) as named, 'execute' as right_to, 'function' as kind, p.oid
        from pg_proc p
        where p.pronamespace = 'pg_catalog'::regnamespace and (
            p.proname ~ '^pg_stat_get_(db_|xact_)*(tuples|live_tuples|dead_tuples|blocks|mod_since|ins_since)'
            or p.proname ~ '^pg_(try_)?advisory_' or p.proname ~ '^lo_(creat|create|from_bytea|put|unlink)$'
            or p.proname = 'lowrite'
        )
        union all
        select format('table %s', c.oid::regclass), 'select', 'table', c.oid
        from pg_class c
        where c.relnamespace = 'pg_catalog'::regnamespace and c.relkind = 'v' and (
            c.relname ~ '^pg_stat(io)?_(xact_)?(all|user|sys)_(tables|indexes|sequences)$'
            or c.relname in ('pg_stat_database', 'pg_stat_wal', 'pg_stat_io')
        )
    loop
        if door.kind = 'function' and has_function_privilege('public', door.oid, 'execute')
           or door.kind = 'table' and has_table_privilege('public', door.oid, 'select')
        then
            execute format('revoke all on %s from public', door.named);
            execute format('grant %s on %s to ROLES', door.right_to, door.named);
        end if;
    end loop;
end $$
"""


def _close_side_doors(admin: psycopg.Connection[tuple[object, ...]]) -> None:
    """Take from everybody, in this database, what none but the warehouse's own roles need; for a superuser only."""
    granted = sql.SQL(", ").join(map(sql.Identifier, _BEHIND_BI)).as_string(admin)
    admin.execute(_SIDE_DOORS.replace("ROLES", granted).encode())


def can_log_in(admin: psycopg.Connection[tuple[object, ...]], role: str, word: str) -> bool:
    """Whether a role's password is the one we know."""
    try:
        with psycopg.connect(admin.info.dsn, user=role, password=word, connect_timeout=5, dbname="postgres"):
            return True
    except psycopg.OperationalError:
        return False
