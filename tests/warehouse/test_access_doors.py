"""What stands beside bi: functions with their owner's rights, and what PostgreSQL lets everybody do."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from proofs import proves
from psycopg import sql

from warehouse import roles
from warehouse.connection import admin_url, connect
from warehouse.settings import Settings

# every function that runs with its owner's rights, and who may call it beside the owner; whoever adds one here has
# asked himself what its caller learns, and does, that he could not by himself
WITH_OWNERS_RIGHTS = {
    "bi.lineage": {"vss_reader_base"},
    "bi.trace_row": {"vss_reader_base"},
    "marts.guard_rows": {"vss_publisher"},
    "ops.analyze_candidate": {"vss_transformer"},
    "ops.analyze_raw": {"vss_loader"},
    "ops.decide_tax_match": {"vss_loader"},
    "ops.ensure_pointer": {"vss_publisher"},
    "ops.ensure_raw_partition": {"vss_loader"},
    "ops.expired_publication": {"vss_transformer"},
    "ops.finish_build": {"vss_transformer"},
    "ops.flip": {"vss_publisher"},
    "ops.forget_candidate": {"vss_transformer"},
    "ops.forget_slices": {"vss_transformer"},
    "ops.load_states": set(),
    "ops.mark_pruned": {"vss_transformer"},
    "ops.note_published": {"vss_publisher"},
    "ops.open_build": {"vss_transformer"},
    "ops.pass_audit": {"vss_publisher"},
    "ops.pin_is_readable": {"vss_publisher", "vss_reader_base", "vss_engineer"},
    "ops.prunable_slice": {"vss_transformer"},
    "ops.raw_partition": {"vss_loader"},
    "ops.revoke_tax_match": {"vss_loader"},
    "ops.roll_back": {"vss_publisher"},
    "ops.shown_publication": {"vss_publisher", "vss_reader_base", "vss_engineer"},
    "ops.stage_candidate": {"vss_publisher"},
    "ops.withhold_workbook": {"vss_officer"},
    "vault.ask": {"vss_officer"},
    "vault.erase": {"vss_officer"},
    "vault.files_of": {"vss_officer"},
    "vault.identify": {"vss_officer"},
    "vault.repeat_erasures": {"vss_officer"},
}
READERS = (roles.READER, roles.provincial_reader("25"))


def asked(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    """What the catalogue answers whoever may see all of it."""
    with psycopg.connect(admin_url(settings)) as admin:
        return admin.execute(query.encode()).fetchall()


def test_every_function_with_its_owners_rights_is_known_with_those_who_may_call_it(configured: Settings) -> None:
    found: dict[str, set[str]] = {}
    for name, owner, grantee in asked(
        configured,
        "select n.nspname || '.' || p.proname, p.proowner::regrole::text,"
        " case a.grantee when 0 then 'everybody' else a.grantee::regrole::text end"
        " from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
        " cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a"
        " where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema')",
    ):
        found.setdefault(name, set()).update({grantee} - {owner})

    assert found == WITH_OWNERS_RIGHTS


def test_no_function_with_its_owners_rights_can_be_led_to_anothers_tables_by_a_search_path(
    configured: Settings,
) -> None:
    assert (
        asked(
            configured,
            "select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
            " where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema')"
            " and not coalesce(p.proconfig, '{}') @> array['search_path=pg_catalog, pg_temp']",
        )
        == []
    )


@proves("access.roles")
def test_a_reader_may_call_two_functions_of_ours_and_enter_one_schema(configured: Settings) -> None:
    for role in READERS:
        with connect(configured, role) as connection:
            assert connection.execute(
                "select n.nspname::text, p.proname::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
                " where n.nspname not in ('pg_catalog', 'information_schema', 'public')"
                " and has_function_privilege(p.oid, 'execute') and has_schema_privilege(n.oid, 'usage') order by 1, 2"
            ).fetchall() == [("bi", "lineage"), ("bi", "trace_row")]
            # what stands in public came with an extension
            assert connection.execute(
                "select n.nspname::text from pg_namespace n where has_schema_privilege(n.oid, 'usage')"
                " and n.nspname !~ '^pg_' order by 1"
            ).fetchall() == [("bi",), ("information_schema",), ("public",)]
            assert connection.execute(
                "select count(*) from pg_class c where c.relnamespace = 'public'::regnamespace"
                " and has_table_privilege(c.oid, 'select, insert, update, delete')"
            ).fetchone() == (0,)


@proves("access.roles")
@pytest.mark.parametrize("role", READERS)
@pytest.mark.parametrize(
    "query",
    [
        "create temporary table mine (n integer)",
        "create schema mine",
        "create table public.mine (n integer)",
        "create function public.mine() returns integer language sql as 'select 1'",
        "copy (select 1) to program 'true'",
        "copy (select 1) to '/tmp/mine'",
        "select pg_read_file('postgresql.conf')",
        "select pg_ls_dir('.')",
        "select lo_creat(-1)",
        "select lo_from_bytea(0, 'x')",
        "select pg_advisory_lock(hashtext('vss migrate'))",
        "select pg_try_advisory_lock_shared(1, 2)",
        "select * from pg_stat_user_tables",
        "select * from pg_stat_all_tables",
        "select * from pg_stat_xact_user_tables",
        "select * from pg_statio_user_tables",
        "select * from pg_stat_user_indexes",
        "select * from pg_stat_database",
        "select pg_stat_get_live_tuples(c.oid) from pg_class c",
        "select pg_stat_get_tuples_inserted(c.oid) from pg_class c",
        "select pg_stat_get_mod_since_analyze(c.oid) from pg_class c",
        "select pg_stat_get_ins_since_vacuum(c.oid) from pg_class c",
        "select pg_stat_get_db_tuples_inserted(d.oid) from pg_database d",
        "select * from pg_statistic",
        "select * from pg_authid",
        "set session_preload_libraries = 'x'",
    ],
)
def test_a_reader_may_not(configured: Settings, role: str, query: str) -> None:
    with connect(configured, role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(query.encode())


def test_what_counts_rows_and_takes_locks_is_open_to_those_who_stand_behind_bi_alone(configured: Settings) -> None:
    for role in (roles.LOADER, roles.TRANSFORMER, roles.PUBLISHER, roles.ENGINEER, roles.MIGRATOR):
        with connect(configured, role) as connection:
            connection.execute("select n_live_tup from pg_stat_user_tables limit 1")
            connection.execute("select pg_advisory_xact_lock(1)")
    assert (
        asked(
            configured,
            "select p.oid::regprocedure::text from pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace"
            " and p.proname ~ '^pg_stat_get.*(tuples|ins_since|mod_since)|advisory|^lo_(creat|from_bytea|put)'"
            " and has_function_privilege('public', p.oid, 'execute')",
        )
        == []
    )


def test_clients_find_what_they_need_in_the_catalogue(configured: Settings) -> None:
    for query in (
        # DuckDB, a JDBC driver and psql ask for these
        "select relname, reltuples, relpages from pg_class limit 1",
        "select pg_catalog.pg_table_size(c.oid), pg_catalog.obj_description(c.oid) from pg_class c limit 1",
        "select pid, state from pg_stat_activity",
        "select * from pg_locks",
        "select * from pg_settings limit 1",
        "discard all",
    ):
        with connect(configured, roles.READER, autocommit=True) as connection:
            connection.execute(query.encode())


def test_identity_and_secrets_are_the_officers_alone_and_through_functions(configured: Settings) -> None:
    others = (roles.LOADER, roles.TRANSFORMER, roles.PUBLISHER, roles.ENGINEER, *READERS)
    for role in others:
        with connect(configured, role, autocommit=True) as connection:
            for query in (
                "select * from vault.ask('identify', null, '0110000001', '1/2026/HS', 'r', 'n')",
                "select * from vault.identify(gen_random_uuid(), '1/2026/HS')",
                "select * from vault.erase(gen_random_uuid(), '1/2026/HS')",
                "select * from vault.access_log",
                "select * from vault.secret",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(query.encode())
    with connect(configured, roles.OFFICER, autocommit=True) as connection:
        for query in (
            "select * from vault.secret",
            "select * from raw.participants",
            "select * from ops.submission",
            "delete from vault.access_log",
            "update vault.access_log set reason = 'another'",
            "insert into vault.access_log (case_no) values ('1/2026/HS')",
            "select * from vault.overwrite('{}', '{}')",
            "select vault.require_wish('identify', gen_random_uuid(), '1/2026/HS')",
            "select * from vault.number_of(gen_random_uuid())",
            sql.SQL("set role {}").format(sql.Identifier(roles.VAULT)).as_string(connection),
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(query.encode())
