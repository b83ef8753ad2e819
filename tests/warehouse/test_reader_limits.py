"""What holds a reader's session back: each login that reads bi begins with the same limits, and they are kept."""

from __future__ import annotations

import time

import psycopg
import pytest
from psycopg import sql

from warehouse import roles
from warehouse.connection import admin_url, connect
from warehouse.geography import current_codes
from warehouse.roles import ensure_roles
from warehouse.settings import Settings

LIMITS = {"statement_timeout": "10min", "idle_in_transaction_session_timeout": "30min", "temp_file_limit": "16GB"}


def limits(settings: Settings) -> dict[str, dict[str, str]]:
    """By login that is a member of the readers' group, in the catalogue: what its sessions begin with everywhere."""
    with psycopg.connect(admin_url(settings)) as admin:
        rows = admin.execute(
            "select r.rolname, coalesce(r.rolconfig, '{}') from pg_roles r join pg_auth_members m on m.member = r.oid"
            " where m.roleid = 'vss_reader_base'::regrole and r.rolcanlogin"
        ).fetchall()
    return {str(role): dict(str(each).split("=", 1) for each in said) for role, said in rows}


def test_every_login_that_reads_bi_begins_with_the_same_limits(configured: Settings) -> None:
    readers = {roles.READER, *map(roles.provincial_reader, current_codes())}

    assert limits(configured) == dict.fromkeys(readers, LIMITS)


@pytest.mark.parametrize("role", [roles.READER, roles.provincial_reader("25")])
def test_a_session_of_a_reader_has_them_and_cannot_lift_the_one_that_guards_the_disk(
    configured: Settings, role: str
) -> None:
    with connect(configured, role, autocommit=True) as connection:
        for name, value in LIMITS.items():
            assert connection.execute(sql.SQL("show {}").format(sql.Identifier(name))).fetchone() == (value,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("set temp_file_limit = -1")


def test_a_limit_that_was_taken_away_is_back_after_the_next_migration(configured: Settings) -> None:
    role = roles.provincial_reader("25")
    with psycopg.connect(admin_url(configured), autocommit=True) as admin:
        admin.execute(sql.SQL("alter role {} reset all").format(sql.Identifier(role)))
        assert limits(configured)[role] == {}
        ensure_roles(admin, configured, current_codes())

    assert limits(configured)[role] == LIMITS


def test_a_query_of_a_province_is_ended_when_its_time_is_over(configured: Settings) -> None:
    with connect(configured, roles.provincial_reader("25")) as connection:
        connection.execute("set statement_timeout = '50ms'")
        begun = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled, match="statement timeout"):
            connection.execute("select count(*) from generate_series(1, 1000000000000)")

    assert time.monotonic() - begun < 20
