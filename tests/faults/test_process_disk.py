"""A disk that is full stops a night with a sentence, what was published stays readable, and space is all it takes.

Small file systems in memory stand for the disks of the database, of its log and of the outbox; mounting needs root.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from nights import Nights, take
from proofs import proves

from night.journal import outcomes
from warehouse import roles, server
from warehouse.connection import connect
from warehouse.errors import StorageError, UnreachableError

pytestmark = pytest.mark.long
MIB = 1 << 20
FIGURES = "select * from bi.rpt_arrears_ageing order by 1, 2, 3, 4"


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """A file system of so many bytes at a folder."""
    place.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "none", str(place)], check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


@contextmanager
def full(place: Path, *, leave: int) -> Iterator[None]:
    """Fill the disk of a folder but for so many bytes."""
    filler = place / "filler"
    with filler.open("wb") as stream:
        while free := max(shutil.disk_usage(place).free - leave, 0):
            stream.write(b"\0" * min(free, MIB))
            stream.flush()
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def moved(nights: Nights, stage: str, folder: str, extra: int) -> Iterator[Path]:
    """The warehouse at a stage, with one folder of it on a disk of its own that has so many bytes to spare."""
    nights.back_to(stage)
    place = nights.settings.home / folder
    place.mkdir(parents=True, exist_ok=True)
    aside = place.with_name("aside")
    used = sum(path.stat().st_blocks * 512 for path in place.rglob("*"))
    owner, mode = place.stat(), place.stat().st_mode & 0o777
    place.rename(aside)
    with small_disk(place, used + extra):
        subprocess.run(["cp", "-a", f"{aside}/.", str(place)], check=True)
        shutil.chown(place, owner.st_uid, owner.st_gid)
        place.chmod(mode)
        shutil.rmtree(aside)
        try:
            yield place
        finally:
            server.stop(nights.settings)


def write_much(nights: Nights) -> Callable[[], None]:
    """Makes the next build write more than a small disk takes: a model's trigger copies its rows many times."""

    def change(statement: bytes) -> None:
        with connect(nights.settings, roles.TRANSFORMER) as connection:
            connection.execute(statement)

    change(
        b"create table marts.much (filling text);"
        b"create function marts.much() returns trigger language plpgsql as $$ begin insert into marts.much"
        b" select string_agg(md5(i::text), '') from generate_series(1, 20) i, generate_series(1, 400000) j group by j;"
        b" return null; end $$;"
        b"create trigger much after insert on marts.fct_arrears__rows for each statement execute function marts.much()"
    )
    return lambda: change(b"drop function marts.much() cascade; drop table marts.much")


@proves("process.disk-full")
def test_a_full_disk_of_the_database_stops_the_build_and_who_reads_reads_on(nights: Nights) -> None:
    with moved(nights, "loaded", "postgres/data/base", 120 * MIB) as place:
        stop_writing = write_much(nights)
        with connect(nights.settings, roles.READER, autocommit=True) as reader:
            before = reader.execute(FIGURES).fetchall()
            with full(place, leave=8 * MIB):
                with pytest.raises(StorageError, match="free some space and run again"):
                    take(["build"])
                # a session that stands; PostgreSQL may refuse a new one as long as not a byte is free
                assert reader.execute(FIGURES).fetchall() == before != []
        nights.assert_nothing_new_is_shown()
        stop_writing()
        take(["build", "audit", "publish"])
        nights.assert_as_clean()


@proves("process.disk-full")
def test_a_full_disk_of_the_log_stops_the_build_and_the_server_comes_back_once_there_is_space(nights: Nights) -> None:
    with moved(nights, "loaded", "postgres/data/pg_wal", 120 * MIB) as place:
        stop_writing = write_much(nights)
        with full(place, leave=8 * MIB), pytest.raises((StorageError, UnreachableError)):
            take(["build"])
        nights.assert_nothing_new_is_shown()
        stop_writing()
        take(["build", "audit", "publish"])
        nights.assert_as_clean()


@proves("process.disk-full")
def test_a_full_outbox_is_told_after_the_flip_and_the_receipts_follow(nights: Nights) -> None:
    with moved(nights, "audited", "outbox", 4 * MIB) as place:
        with full(place, leave=0), pytest.raises(StorageError, match="free some space and run again"):
            take(["publish"])
        assert [outcome for stage, _, outcome, *_ in outcomes(nights.settings, "again") if stage == "receipts"] == [
            "error"
        ]
        take(["publish"])
        nights.assert_as_clean()
