"""Migrations, owners and roles: who may do what, and that a second migration changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from builders import Inbox, participants, stop_and_remove

from night.readiness import ensure_ready, migrate
from warehouse import roles, server
from warehouse.connection import admin_url, connect, role_url
from warehouse.errors import UsageError
from warehouse.geography import current_codes
from warehouse.settings import Settings

Rows = list[tuple[object, ...]]
CATALOGUE = """
    select 'relation', n.nspname || '.' || c.relname, c.relkind::text, c.relowner::regrole::text, c.relacl::text,
           obj_description(c.oid, 'pg_class'), c.relfilenode::text
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('ops', 'raw', 'vault', 'gate', 'bi', 'marts', 'staging', 'reference')
    union all
    select 'function', p.oid::regprocedure::text, md5(p.prosrc), p.proowner::regrole::text, p.proacl::text, null, null
    from pg_proc p where p.pronamespace in ('ops'::regnamespace, 'vault'::regnamespace)
    union all
    select 'schema', n.nspname, null, n.nspowner::regrole::text, n.nspacl::text, obj_description(n.oid), null
    from pg_namespace n where n.nspname !~ '^pg_'
    union all
    select 'role', a.rolname, r.rolconfig::text, a.rolpassword, r.rolcanlogin::text, null, null
    from pg_authid a join pg_roles r on r.oid = a.oid where a.rolname ~ '^vss_'
    union all
    select 'setting', d.datname, s.setrole::regrole::text, s.setconfig::text, null, null, null
    from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase
    union all
    select 'member', m.roleid::regrole::text, m.member::regrole::text, m.inherit_option::text, m.set_option::text,
           null, null
    from pg_auth_members m
    union all
    select 'province', p.province_key, p.name_vi, p.valid_from::text, p.valid_to::text, null, null from ops.province p
    union all
    select 'scope', s.role_name, s.provinces::text, s.is_national::text, null, null, null from ops.scope s
    union all
    select 'secret', s.name, encode(s.value, 'hex'), null, null, null, null from vault.secret s
"""
LOGINS = [
    roles.LOADER, roles.TRANSFORMER, roles.PUBLISHER, roles.ENGINEER, roles.READER, roles.MIGRATOR,
    roles.provincial_reader("25"),
]  # fmt: skip


def as_admin(settings: Settings, query: str) -> Rows:
    with psycopg.connect(admin_url(settings), autocommit=True) as database:
        return database.execute(query.encode()).fetchall()


def as_role(settings: Settings, role: str, query: str) -> Rows:
    with connect(settings, role) as database:
        cursor = database.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def test_a_second_migration_changes_nothing(configured: Settings) -> None:
    before = sorted(as_admin(configured, CATALOGUE), key=str)
    migrate(configured)
    assert sorted(as_admin(configured, CATALOGUE), key=str) == before


def test_the_schema_is_known_to_be_up_to_date_after_a_migration(configured: Settings) -> None:
    before = as_admin(configured, "select max(xmin::text::bigint) from ops.province")
    ensure_ready.__wrapped__(configured)
    assert as_admin(configured, "select max(xmin::text::bigint) from ops.province") == before


def test_each_schema_has_its_owner(configured: Settings) -> None:
    owners = dict(
        as_admin(configured, "select nspname, nspowner::regrole::text from pg_namespace where nspname !~ '^pg_'")
    )
    assert {name: owners[name] for name in ("ops", "raw", "vault", "reference", "staging", "marts", "bi", "gate")} == {
        "ops": "vss_migrator",
        "raw": "vss_migrator",
        "gate": "vss_migrator",
        "vault": "vss_vault",
        "reference": "vss_transformer",
        "staging": "vss_transformer",
        "marts": "vss_transformer",
        "bi": "vss_publisher",
    }


def test_the_migrator_owns_the_database(configured: Settings) -> None:
    found = as_admin(configured, "select datdba::regrole::text from pg_database where datname = current_database()")
    assert found == [("vss_migrator",)]


def test_the_roles_of_the_interface_are_there(configured: Settings) -> None:
    known = {row[0] for row in as_admin(configured, "select rolname from pg_roles")}
    assert {
        "vss_loader", "vss_transformer", "vss_publisher", "vss_engineer", "vss_reader", "vss_reader_detail",
        "vss_vault", "vss_migrator", *(f"vss_reader_{code}" for code in current_codes()),
    } <= known  # fmt: skip
    assert len(current_codes()) == 34


def test_no_role_of_ours_is_a_superuser_bypasses_row_security_or_may_make_roles_or_databases(
    configured: Settings,
) -> None:
    powerful = as_admin(
        configured,
        "select rolname from pg_roles where rolname ~ '^vss_'"
        " and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)",
    )
    assert powerful == []


def test_no_role_of_ours_is_a_member_of_a_role_of_postgresql(configured: Settings) -> None:
    found = as_admin(
        configured,
        "select member::regrole::text from pg_auth_members"
        " where roleid::regrole::text !~ '^vss_' and member::regrole::text ~ '^vss_'",
    )
    assert found == []


@pytest.mark.parametrize("role", LOGINS)
def test_every_login_gets_in_with_its_own_password(configured: Settings, role: str) -> None:
    assert as_role(configured, role, "select session_user::text") == [(role,)]


def test_roles_that_are_only_groups_cannot_log_in(configured: Settings) -> None:
    found = as_admin(configured, "select rolname from pg_roles where rolname ~ '^vss_' and not rolcanlogin order by 1")
    assert found == [("vss_reader_base",), ("vss_reader_detail",), ("vss_vault",)]


def test_the_transformer_reads_persons_through_the_pseudonym_view_and_not_the_table(inbox: Inbox) -> None:
    inbox.load(inbox.send({"participants": participants(2)}))
    rows = as_role(inbox.settings, roles.TRANSFORMER, "select * from raw.participant_pseudonym")
    assert len(rows) == 2
    assert not any("Nguyễn" in str(value) or "0110000" in str(value) for row in rows for value in row)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_role(inbox.settings, roles.TRANSFORMER, "select count(*) from raw.participants")


def test_a_pseudonym_is_the_same_for_a_person_in_every_load_and_another_for_every_person(inbox: Inbox) -> None:
    inbox.load(inbox.send({"participants": participants(3)}))
    inbox.load(inbox.send({"participants": participants(3)}, period="2021-11"))
    keys = as_role(
        inbox.settings, roles.TRANSFORMER, "select participant_key, count(*) from raw.participant_pseudonym group by 1"
    )
    assert [count for _, count in keys] == [2, 2, 2]


# role, query: each is somebody at what is not its own
FORBIDDEN = [
    (roles.TRANSFORMER, "select * from vault.secret"),
    (roles.TRANSFORMER, "select vault.pseudonym('x'::bytea, '1')"),
    (roles.TRANSFORMER, "select * from raw.employers"),
    (roles.TRANSFORMER, "select * from raw.contributions"),
    (
        roles.TRANSFORMER,
        "insert into ops.submission (submission_id, sender) values ('', '')",
    ),
    (roles.TRANSFORMER, "update ops.current_publication set publication_id = 0"),
    (roles.TRANSFORMER, "select ops.flip(1, '', '', '')"),
    (roles.TRANSFORMER, "set role vss_vault"),
    (roles.LOADER, "select * from vault.secret"),
    (roles.LOADER, "select * from vault.access_log"),
    (roles.LOADER, "select vault.pseudonym('x'::bytea, '1')"),
    (roles.LOADER, "create table marts.mine ()"),
    (roles.LOADER, "create table raw.mine ()"),
    (roles.LOADER, "update ops.publication set status = ''"),
    (roles.LOADER, "update ops.current_publication set publication_id = 0"),
    (roles.LOADER, "delete from ops.submission"),
    (roles.LOADER, "select ops.open_build('', true)"),
    (roles.PUBLISHER, "select * from raw.participants"),
    (roles.PUBLISHER, "select * from raw.participant_pseudonym"),
    (roles.PUBLISHER, "select * from vault.secret"),
    (roles.PUBLISHER, "update ops.submission set state = 'accepted'"),
    (roles.PUBLISHER, "create table marts.mine ()"),
    (roles.ENGINEER, "select * from raw.participants"),
    (roles.ENGINEER, "select * from vault.secret"),
    (roles.ENGINEER, "create table marts.mine ()"),
    (roles.ENGINEER, "select ops.open_build('', true)"),
    (roles.ENGINEER, "delete from ops.candidate_slice"),
    (roles.MIGRATOR, "create role vss_mine"),
    *(
        (reader, query)
        for reader in (roles.READER, roles.provincial_reader("25"))
        for query in (
            "select * from ops.submission",
            "select * from ops.scope",
            "select * from ops.shown_slice",
            "select * from raw.participants",
            "select * from raw.participant_pseudonym",
            "select * from raw.indicators",
            "select * from vault.secret",
            "create table marts.mine ()",
            "create table bi.mine ()",
            "create table public.mine ()",
            "create temporary table mine ()",
            "create schema mine",
            "select ops.flip(1, '', '', '')",
            "set role vss_publisher",
            "set role vss_reader_46",
        )
    ),
]


@pytest.mark.parametrize(("role", "query"), FORBIDDEN)
def test_nobody_gets_at_what_is_not_its_own(configured: Settings, role: str, query: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_role(configured, role, query)


def test_a_reader_reads_nothing_of_marts(configured: Settings) -> None:
    with connect(configured, roles.TRANSFORMER) as database:
        database.execute("create table if not exists marts.tried (x integer)")
    try:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            as_role(configured, roles.READER, "select * from marts.tried")
        assert as_role(configured, roles.PUBLISHER, "select * from marts.tried") == []
    finally:
        as_role(configured, roles.TRANSFORMER, "drop table marts.tried")


@pytest.mark.parametrize("role", [roles.READER, *(roles.provincial_reader(code) for code in current_codes())])
def test_a_reader_finds_bi_by_name(configured: Settings, role: str) -> None:
    assert as_role(configured, role, "show search_path") == [("bi, public",)]


@pytest.mark.parametrize("role", [roles.LOADER, roles.TRANSFORMER, roles.PUBLISHER, roles.ENGINEER, roles.MIGRATOR])
def test_who_builds_names_the_schema(configured: Settings, role: str) -> None:
    assert as_role(configured, role, "show search_path") == [('"$user", public',)]


def test_an_engineer_makes_schemas_of_its_own(configured: Settings) -> None:
    as_role(configured, roles.ENGINEER, "create schema dev_tried")
    as_role(configured, roles.ENGINEER, "drop schema dev_tried")


def test_functions_with_the_rights_of_their_owner_are_not_open_to_everybody(configured: Settings) -> None:
    found = as_admin(
        configured,
        "select p.oid::regprocedure::text from pg_proc p where p.prosecdef"
        " and p.pronamespace in ('ops'::regnamespace, 'vault'::regnamespace) and"
        " (p.proacl is null or has_function_privilege('public', p.oid, 'execute') or p.proconfig is null)",
    )
    assert found == []


@pytest.fixture
def foreign(configured: Settings, home: Path) -> Iterator[Settings]:
    """Another VSS_HOME that is told to use a database of the shared server, empty, by its URL."""
    administrator = server.ensure_running(configured)
    with psycopg.connect(administrator, autocommit=True) as database:
        database.execute("create database foreign_one template template0")
    yield Settings(home=home, database_url=administrator.rpartition("/")[0] + "/foreign_one")
    with psycopg.connect(administrator, autocommit=True) as database:
        database.execute("drop database foreign_one with (force)")


def test_a_reader_finds_bi_in_the_database_of_its_warehouse_alone(configured: Settings) -> None:
    elsewhere = role_url(configured, roles.READER).rpartition("/")[0] + "/postgres"
    with psycopg.connect(elsewhere) as database:
        found = database.execute("show search_path").fetchone()

    assert found == ('"$user", public',)


def test_a_database_that_is_named_by_url_is_never_migrated_silently(foreign: Settings) -> None:
    with pytest.raises(UsageError, match="vss migrate"):
        ensure_ready.__wrapped__(foreign)
    assert as_admin(foreign, "select 1 from pg_namespace where nspname = 'ops'") == []
    assert not (foreign.home / "postgres").exists()


def test_a_role_that_may_not_create_roles_is_told_so(configured: Settings, home: Path) -> None:
    weak = Settings(home=home, database_url=role_url(configured, roles.LOADER))
    with pytest.raises(UsageError, match="CREATEROLE"):
        migrate(weak)


def test_a_database_can_be_made_by_a_role_that_is_no_superuser(home: Path) -> None:
    embedded = Settings(home=home)
    administrator = server.ensure_running(embedded)
    with psycopg.connect(administrator, autocommit=True) as database:
        database.execute("create role chief login createrole createdb password 'chief'")
        database.execute("create database warehouse owner chief")
    place = administrator.rpartition("@")[2].rpartition("/")[0]
    external = Settings(home=home / "external", database_url=f"postgresql://chief:chief@{place}/warehouse")
    migrate(external)
    ensure_ready.__wrapped__(external)
    assert as_role(external, roles.MIGRATOR, "select count(*) from ops.scope") == [(36,)]
    assert as_role(external, roles.provincial_reader("25"), "show search_path") == [("bi, public",)]


def test_a_home_that_is_new_is_brought_up_to_date_by_itself(home: Path) -> None:
    settings = Settings(home=home)
    ensure_ready.__wrapped__(settings)
    assert as_role(settings, roles.LOADER, "select count(*) from ops.submission") == [(0,)]
    stop_and_remove(settings)
