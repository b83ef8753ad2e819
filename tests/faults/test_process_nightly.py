"""`vss nightly`, killed with all it started while it loads, builds and publishes: real Airflow, real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from builders import keep, put_back
from invariant import left_behind, seen
from nights import Nights, shown_in
from proofs import proves
from psycopg import sql

from cli.airflow_process import migrate_metadata
from warehouse import roles
from warehouse.connection import connect, role_url

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def with_airflow(nights: Nights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The warehouse before its night, with Airflow's metadata made."""
    image = nights.images / "with airflow"
    nights.back_to("arrived")
    migrate_metadata(nights.settings)
    keep(nights.settings, image)
    return image


@contextlib.contextmanager
def waiting_at(nights: Nights, relation: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Hold a lock that whoever writes into a relation must wait for."""
    schema, name = relation.split(".")
    with psycopg.connect(role_url(nights.settings, roles.MIGRATOR)) as connection:
        # the owner of each schema may lock what is in it
        connection.execute("set role vss_transformer" if schema == "marts" else "reset role")
        connection.execute(sql.SQL("lock table {} in share mode").format(sql.Identifier(schema, name)))
        yield connection


def killed_when_it_waits(nights: Nights, relation: str) -> None:
    """Start a night, wait until it stands before a relation, and kill every process of its session."""
    with waiting_at(nights, relation) as holder:
        night = nights.vss("nightly", "--inbox", str(nights.inbox.root))
        try:
            for _ in range(3000):
                found = holder.execute(
                    "select pg_sleep(0.1), count(*) from pg_locks where not granted and relation = %s::regclass",
                    [relation],
                ).fetchone()
                assert found is not None
                if found[1]:
                    break
                assert night.poll() is None, night.communicate()
            else:
                raise AssertionError("the night never came there")
        finally:
            kill_session(night)


def kill_session(night: subprocess.Popen[str]) -> None:
    """SIGKILL to all processes of a session; the server, which has its own, is not among them."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if os.getsid(int(entry.name)) == night.pid:
                    members.append(int(entry.name))
    for member in members:
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)
    night.communicate(timeout=60)


@proves("process.killed")
@pytest.mark.parametrize("relation", ["ops.reject", "marts.fct_arrears__rows", "ops.current_publication"])
def test_a_night_that_is_killed_whole_shows_nothing_and_the_next_one_ends_as_a_clean_one(
    nights: Nights, with_airflow: Path, relation: str
) -> None:
    put_back(nights.settings, with_airflow)
    connect(nights.settings, roles.READER).close()
    killed_when_it_waits(nights, relation)
    assert seen(nights.settings, now=True) == shown_in(nights.before, 2)
    again = nights.vss("nightly", "--inbox", str(nights.inbox.root))
    out, error = again.communicate(timeout=600)
    assert (again.returncode, error) == (0, ""), out
    nights.assert_as_clean()


@proves("process.two-at-once")
def test_of_two_nights_at_once_the_second_is_refused_and_nothing_is_doubled(nights: Nights, with_airflow: Path) -> None:
    put_back(nights.settings, with_airflow)
    connect(nights.settings, roles.READER).close()
    both = [nights.vss("nightly", "--inbox", str(nights.inbox.root)) for _ in range(2)]
    ends = sorted(((*night.communicate(timeout=600), night.returncode) for night in both), key=lambda each: each[2])
    assert [code for *_, code in ends] == [0, 1], ends
    assert "has not ended: try again when it has" in ends[1][1]
    nights.assert_as_clean()
    assert left_behind(nights.settings) == []
