"""`vss backup` and `vss restore`: what comes back is what was there, also when it was made while others wrote, and what
is damaged, half made or in the wrong place is refused."""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from builders import Inbox, arrears, build_and_publish, migrated, new_home, participants, stop_and_remove
from invariant import everything, left_behind
from nights import correct
from shown import World

from benchmarks.published_world import FIGURES, Size, publish_two_states
from ingestion.receipts import receipt, write_outbox
from night.readiness import migrate
from warehouse import backups, publication, roles, server
from warehouse.backups import INCOMPLETE, DamagedBackupError, GaveWayError
from warehouse.connection import admin_url, connect
from warehouse.errors import StorageError, UsageError
from warehouse.publication import LOCAL
from warehouse.settings import PROJECT, Settings

NOW = dt.datetime(2026, 11, 22, 4, 0, tzinfo=LOCAL)
SIZE = Size(months=2, provinces=3, rows=4, corrected=1)
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Kept:
    """A warehouse with two publications and some submissions, its backup, and what was there when it was made."""

    settings: Settings
    inbox: Inbox
    backup: Path
    hashes: dict[str, str]


def vss(home: Path, *arguments: str, **environment: str) -> Done:
    return subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "VSS_HOME": str(home), **environment},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def catalogue(settings: Settings) -> list[str]:
    """Everything but rows, as pg_dump writes it: definitions, owners, grants, comments; and the roles."""
    program = server.installed_binaries() / "pg_dump"
    done = subprocess.run([program, "--schema-only", admin_url(settings)], capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("\\")]
    with psycopg.connect(admin_url(settings)) as admin:
        for query in (
            "select rolname, rolinherit, rolcreaterole, rolcanlogin, rolbypassrls, rolsuper from pg_roles order by 1",
            "select coalesce(r.rolname, ''), coalesce(d.datname, ''), setconfig from pg_db_role_setting s"
            " left join pg_roles r on r.oid = setrole left join pg_database d on d.oid = setdatabase order by 1, 2",
            "select roleid::regrole::text, member::regrole::text, inherit_option, set_option from pg_auth_members"
            " order by 1, 2",
            "select datname, datdba::regrole::text, (select array_agg(a::text order by a::text) from unnest(datacl) a)"
            " from pg_database where datname = current_database()",
        ):
            lines += [str(row) for row in admin.execute(query.encode()).fetchall()]
    # a condition that was read back once has fewer brackets
    return [re.sub(r"[()]", "", line) for line in lines]


def marks(settings: Settings) -> dict[str, object]:
    """Where the sequences of the ledger stand."""
    with psycopg.connect(admin_url(settings)) as admin:
        found = admin.execute("select sequencename, last_value from pg_sequences where schemaname = 'ops'").fetchall()
    return {str(name): value for name, value in found}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    settings = migrated("vss-kept-")
    try:
        inbox = Inbox(settings, tmp_path_factory.mktemp("inbox"))
        good = inbox.send({"participants": [*participants(20), {**participants(1)[0], "si_number": "12"}]})
        inbox.accept(good)
        refused = inbox.send({"arrears": arrears(2)}, sender="province-46", declared={"arrears": {"sha256": "0" * 64}})
        assert inbox.load(refused).state == "rejected"
        for folder in (good, refused):
            write_outbox(settings, folder.name)
        publish_two_states(settings, SIZE)
        # what the night leaves beside it
        for name in ("dbt/target/manifest.json", "dbt/projects/0123/manifest.json", "lineage/night.ndjson"):
            (settings.home / name).parent.mkdir(parents=True, exist_ok=True)
            (settings.home / name).write_text("{}", encoding="utf-8")
        out = tmp_path_factory.mktemp("backups")
        yield Kept(settings, inbox, backups.back_up(settings, out, now=NOW).folder, everything(settings))
    finally:
        stop_and_remove(settings)


@pytest.fixture(scope="module")
def restored(kept: Kept) -> Iterator[Settings]:
    settings = Settings(home=new_home("vss-restored-"), lineage=False)
    try:
        done = vss(settings.home, "restore", str(kept.backup.parent))
        assert done.returncode == 0, done.stderr
        assert "all as they were" in done.stdout
        yield settings
    finally:
        stop_and_remove(settings)


@pytest.fixture
def empty() -> Iterator[Settings]:
    settings = Settings(home=new_home("vss-empty-"), lineage=False)
    yield settings
    stop_and_remove(settings)


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


# ----------------------------------------------------------------------------------------------- what comes back


def test_every_row_receipt_and_figure_comes_back(kept: Kept, restored: Settings) -> None:
    assert everything(restored) == kept.hashes
    assert {"publications", "raw.participants", "bi.fct_participation in 1", "bi.fct_participation in 2"} <= {
        *kept.hashes
    }
    assert left_behind(restored) == []
    assert marks(restored) == marks(kept.settings)


def test_definitions_owners_grants_comments_and_roles_come_back(kept: Kept, restored: Settings) -> None:
    assert catalogue(restored) == catalogue(kept.settings)


def test_the_files_beside_the_database_come_back_and_secrets_stay_private(kept: Kept, restored: Settings) -> None:
    for folder in ("archive", "outbox", "secrets", "lineage", "dbt"):
        assert tree(restored.home / folder) == tree(kept.settings.home / folder) != {}, folder
    assert {path.stat().st_mode & 0o777 for path in (restored.home / "secrets").iterdir()} == {0o600}
    assert (restored.home / "archive").stat().st_mode & 0o777 == 0o700
    assert not (restored.home / INCOMPLETE).exists()


def test_readers_ask_as_of_an_earlier_publication_and_it_is_shown_again(kept: Kept, restored: Settings) -> None:
    done = vss(restored.home, "as-of", "1", FIGURES[0].replace("bi.", ""))
    with connect(kept.settings, roles.READER) as reader:
        reader.execute("select set_config('vss.publication', '1', false)")
        wanted = reader.execute(FIGURES[0].encode()).fetchone()
    assert wanted is not None
    assert done.stdout.splitlines()[1:] == [str(wanted[0])]

    publication.roll_back(restored, 1, "tried")
    with connect(restored, roles.READER) as reader:
        assert reader.execute(FIGURES[0].encode()).fetchone() == wanted
    publication.roll_back(restored, 2, "back again")


def test_a_submission_that_is_known_is_not_loaded_again_and_a_further_one_is(kept: Kept, restored: Settings) -> None:
    there = Inbox(restored, kept.inbox.root)
    known = kept.inbox.root / "province-26" / "province-26-2021-10-v1"
    assert there.load(known).state == "accepted_with_rejects"
    further = there.send({"participants": participants(21)}, version=2, action="correct")
    assert there.accept(further) == "accepted"
    assert receipt(restored, known.name) == receipt(kept.settings, known.name)


def test_receipts_of_an_outbox_elsewhere_are_not_replaced(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "outbox" / "province-26").mkdir(parents=True)
    home = tmp_path / "home"
    manifest = backups.read_manifest(kept.backup)
    for outbox, is_left in ((tmp_path / "outbox", True), (tmp_path / "another", False)):
        target = Settings(home=home, outbox=outbox, lineage=False)
        assert backups.leaves_outbox(target) is is_left
        backups._put_files(kept.backup, target, manifest)
        assert bool(list(outbox.rglob("receipt.json"))) is not is_left


@pytest.mark.parametrize("left", [b"", b"as recei", b"as received?", b"as it was received", None])
def test_an_object_that_lies_in_the_archive_already_is_replaced_unless_it_has_the_bytes_of_its_digest(
    tmp_path: Path, left: bytes | None
) -> None:
    content = b"as received."
    name = backups.hashlib.sha256(content).hexdigest()
    manifest = backups.Manifest(
        made_at="", alembic="", postgresql="", project="", publication=1, members=(), relations={},
        files={f"archive/{name[:2]}/{name}": (len(content), name)},
    )  # fmt: skip
    for root, held in ((tmp_path / "backup" / "archive", content), (tmp_path / "kept", left)):
        (root / name[:2]).mkdir(parents=True)
        if held is not None:
            (root / name[:2] / name).write_bytes(held)
    target = Settings(home=tmp_path / "home", archive=str(tmp_path / "kept"), lineage=False)
    backups._put_files(tmp_path / "backup", target, manifest)
    assert (tmp_path / "kept" / name[:2] / name).read_bytes() == content


# ----------------------------------------------------------------------------------------------- how it is made


def test_a_backup_is_closed_to_others_and_says_that_it_holds_secrets(kept: Kept, tmp_path: Path) -> None:
    done = vss(kept.settings.home, "backup", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"SECRETS: it holds \d+ secrets [^\n]*can read every person[^\n]*\n", done.stderr)
    (made,) = (tmp_path / "out").iterdir()
    assert f"vss restore {made} --into" in done.stdout
    modes = {path.stat().st_mode & 0o777 for path in made.rglob("*")} | {made.stat().st_mode & 0o777}
    assert modes == {0o600, 0o700}
    words = [path.read_text() for path in (kept.settings.home / "secrets").iterdir()]
    assert [word for word in words if word in done.stdout + done.stderr + (made / "manifest.json").read_text()] == []


def test_what_the_backup_before_has_takes_no_space_again_and_each_stands_by_itself(kept: Kept, tmp_path: Path) -> None:
    first = backups.back_up(kept.settings, tmp_path, now=NOW)
    second = backups.back_up(kept.settings, tmp_path, now=NOW + dt.timedelta(days=1))
    assert first.new_size == first.size
    archived = [path for path in tree(first.folder) if path.startswith("archive/")]
    assert len(archived) >= 2
    for name in archived:
        assert (first.folder / name).samefile(second.folder / name)
    database = sum(len(content) for name, content in tree(second.folder).items() if name.startswith("database/"))
    assert second.new_size == database < second.size

    shutil.rmtree(first.folder)
    assert backups.newest(tmp_path) == second.folder
    assert backups.verified(second.folder).publication == 2


def test_an_object_whose_bytes_have_changed_is_told_and_left_out(kept: Kept, tmp_path: Path) -> None:
    spoilt = next(path for path in sorted((kept.settings.home / "archive").rglob("*")) if path.is_file())
    content = spoilt.read_bytes()
    spoilt.write_bytes(content[:-1] + b"?")
    try:
        done = vss(kept.settings.home, "backup", "--out", str(tmp_path / "out"))
    finally:
        spoilt.write_bytes(content)
    assert done.returncode == 1
    assert spoilt.name in done.stderr
    assert not list((tmp_path / "out").rglob(spoilt.name))


def test_what_is_written_meanwhile_is_not_in_it_and_can_be_loaded_after_the_restore(
    kept: Kept, empty: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = backups._fingerprints

    def busy(admin: backups.Connection) -> dict[str, tuple[int, str]]:
        # the snapshot has been taken, the dump has begun
        kept.inbox.accept(later)
        return original(admin)

    later = kept.inbox.send({"arrears": arrears(3)}, sender="province-46", period="2021-11", as_of_date="2021-11-30")
    monkeypatch.setattr(backups, "_fingerprints", busy)
    made = backups.back_up(kept.settings, tmp_path, now=NOW).folder
    monkeypatch.undo()
    backups.restore(made, empty)
    migrate(empty)

    assert {name: digest for name, digest in everything(empty).items() if "outbox" not in name} == {
        name: digest for name, digest in kept.hashes.items() if "outbox" not in name
    }
    assert Inbox(empty, kept.inbox.root).accept(later) == "accepted"


def test_it_gives_way_to_whoever_waits_for_what_it_reads(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[bool] = []

    def wants_it_alone() -> None:
        with connect(kept.settings, roles.MIGRATOR) as connection:
            connection.execute("lock table ops.submission in access exclusive mode")
            got.append(True)

    waiting = threading.Thread(target=wants_it_alone)

    def slow(admin: backups.Connection) -> dict[str, tuple[int, str]]:
        admin.execute("select from ops.submission")
        waiting.start()
        admin.execute("select pg_sleep(100)")
        return {}

    monkeypatch.setattr(backups, "_fingerprints", slow)
    monkeypatch.setattr(backups, "PATIENCE_SECONDS", 1.0)
    with pytest.raises(GaveWayError, match="run it again"):
        backups.back_up(kept.settings, tmp_path / "out", now=NOW)
    waiting.join(timeout=30)
    assert got == [True]
    assert list((tmp_path / "out").iterdir()) == []


def test_a_killed_backup_leaves_nothing_that_looks_complete_and_the_next_one_clears_it_away(
    kept: Kept, tmp_path: Path
) -> None:
    program = (
        "import os, signal, sys, datetime as dt; from pathlib import Path; from warehouse import backups\n"
        "from warehouse.settings import settings\n"
        "backups._write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "backups.back_up(settings(), Path(sys.argv[1]), now=dt.datetime.now(dt.UTC))"
    )
    died = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=PROJECT, check=False, capture_output=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "VSS_HOME": str(kept.settings.home)},
    )  # fmt: skip
    assert died.returncode == -9, died.stderr
    (left,) = tmp_path.iterdir()
    assert left.name.endswith(".part")
    for place in (tmp_path, left):
        with pytest.raises(UsageError, match="no complete backup"):
            backups.newest(place)
    made = backups.back_up(kept.settings, tmp_path, now=NOW).folder
    assert list(tmp_path.iterdir()) == [made]


@pytest.mark.parametrize(("out", "words"), [("", "lies in VSS_HOME"), ("backups", "lies in VSS_HOME")])
def test_a_backup_is_not_kept_in_what_it_is_a_backup_of(kept: Kept, out: str, words: str) -> None:
    done = vss(kept.settings.home, "backup", "--out", str(kept.settings.home / out))
    assert done.returncode == 2
    assert words in done.stderr


def test_a_home_without_a_warehouse_is_not_backed_up(empty: Settings, tmp_path: Path) -> None:
    done = vss(empty.home, "backup", "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "There is no warehouse" in done.stderr
    assert list(empty.home.iterdir()) == []


def test_a_full_disk_ends_it_with_a_sentence_and_nothing_is_left(kept: Kept, tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)], check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        with pytest.raises(StorageError, match="full: free some space"):
            backups.back_up(kept.settings, place, now=NOW)
        assert list(place.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


# ----------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "which",
    [
        "database/toc.dat", "database/*.gz", "archive/*/*", "secrets/postgres", "outbox/*/*/receipt.json",
        "manifest.json",
    ],
)  # fmt: skip
def test_a_flipped_byte_is_refused_with_the_file_named(kept: Kept, empty: Settings, tmp_path: Path, which: str) -> None:
    copy = tmp_path / kept.backup.name
    shutil.copytree(kept.backup, copy)
    spoilt = sorted(copy.glob(which))[0]
    content = bytearray(spoilt.read_bytes())
    content[len(content) // 2] ^= 1
    spoilt.write_bytes(content)
    with pytest.raises(DamagedBackupError, match="is not what it was") as raised:
        backups.restore(copy, empty)
    assert str(spoilt) in str(raised.value)
    assert list(empty.home.iterdir()) == []


def test_a_missing_file_is_refused_with_the_file_named(kept: Kept, empty: Settings, tmp_path: Path) -> None:
    copy = tmp_path / kept.backup.name
    shutil.copytree(kept.backup, copy)
    (copy / "secrets" / "vss_loader").unlink()
    done = vss(empty.home, "restore", str(copy))
    assert done.returncode == 1
    assert re.fullmatch(r"vss: [^\n]+secrets/vss_loader cannot be read [^\n]+\n", done.stderr)
    assert list(empty.home.iterdir()) == []


def test_a_home_that_holds_something_is_refused(kept: Kept, empty: Settings) -> None:
    (empty.home / "secrets").mkdir()
    done = vss(kept.settings.home, "restore", str(kept.backup), "--into", str(empty.home))
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not empty" in done.stderr
    (empty.home / INCOMPLETE).touch()
    done = vss(empty.home, "restore", str(kept.backup))
    assert done.returncode == 2
    assert "a restore that did not end" in done.stderr
    assert sorted(path.name for path in empty.home.iterdir()) == [INCOMPLETE, "secrets"]


def test_a_restore_that_is_killed_leaves_its_mark(kept: Kept, empty: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(backups, "_put_rows", killed)
    with pytest.raises(KeyboardInterrupt):
        backups.restore(kept.backup, empty)
    assert (empty.home / INCOMPLETE).exists()


def test_a_folder_without_a_backup_and_one_of_a_newer_version_are_refused(
    kept: Kept, empty: Settings, tmp_path: Path
) -> None:
    done = vss(empty.home, "restore", str(tmp_path))
    assert done.returncode == 2
    assert "no complete backup" in done.stderr
    copy = tmp_path / kept.backup.name
    shutil.copytree(kept.backup, copy)
    text = (copy / "manifest.json").read_text(encoding="utf-8")
    backups._write(copy / "manifest.json", re.sub(r'"alembic": "\d+"', '"alembic": "9999"', text).encode())
    digest = backups.hashlib.sha256((copy / "manifest.json").read_bytes()).hexdigest()
    backups._write(copy / "manifest.json.sha256", f"{digest}  manifest.json\n".encode())
    with pytest.raises(UsageError, match="newer version"):
        backups.restore(copy, empty)


def test_a_backup_can_be_checked_without_restoring_it(kept: Kept, empty: Settings) -> None:
    done = vss(empty.home, "restore", str(kept.backup), "--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "is whole: publication 2" in done.stdout
    assert list(empty.home.iterdir()) == []


# ----------------------------------------------------------------------------------------------- a database by URL


def test_a_database_by_url_is_kept_with_the_programs_on_path_by_a_role_that_is_no_superuser(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    administrator = server.ensure_running(Settings(home=home))
    with psycopg.connect(administrator, autocommit=True) as database:
        database.execute("create role chief login createrole createdb password 'chief'")
        for name in ("one", "other"):
            database.execute(f"create database {name} owner chief")
    place = administrator.rpartition("@")[2].rpartition("/")[0]
    one, other = (
        Settings(home=home / name, database_url=f"postgresql://chief:chief@{place}/{name}", lineage=False)
        for name in ("one", "other")
    )
    migrate(one)
    # elsewhere than on the embedded server somebody names who may read persons
    with psycopg.connect(one.database_url or "") as database:
        database.execute("grant vss_reader_detail to vss_reader")
    inbox = Inbox(one, tmp_path / "inbox")
    inbox.accept(inbox.send({"participants": participants(3)}))
    publish_two_states(one, SIZE)

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="pg_dump is not on PATH"):
        backups.back_up(one, tmp_path / "out", now=NOW)
    told = "pg_dump: error: aborting because of server version mismatch"
    (tmp_path / "pg_dump").write_text(f"#!/bin/sh\necho '{told}' >&2\nexit 1\n", encoding="utf-8")
    (tmp_path / "pg_dump").chmod(0o755)
    with pytest.raises(UsageError, match="older than the server"):
        backups.back_up(one, tmp_path / "out", now=NOW)

    monkeypatch.setenv("PATH", str(server.installed_binaries()))
    made = backups.back_up(one, tmp_path / "out", now=NOW).folder
    backups.restore(made, other)
    migrate(other)
    assert everything(other) == everything(one)
    with pytest.raises(UsageError, match="is not empty"):
        backups.restore(made, Settings(home=home / "third", database_url=other.database_url))


# ----------------------------------------------------------------------------------------------- the small world


@pytest.mark.long
def test_the_small_world_is_restored_and_a_further_night_goes_on_as_it_would_have(
    world: World, empty: Settings, tmp_path: Path
) -> None:
    before = everything(world.settings)
    backups.restore(backups.back_up(world.settings, tmp_path / "out", now=NOW).folder, empty)
    migrate(empty)
    assert everything(empty) == before
    assert catalogue(empty) == catalogue(world.settings)

    inbox = Inbox(empty, tmp_path / "inbox")
    assert inbox.accept(correct(world, inbox)) == "accepted_with_rejects"
    build_and_publish(empty, "after the restore")
    after = everything(empty)
    assert {name: digest for name, digest in after.items() if name.endswith((" in 1", " in 2"))} == {
        name: digest for name, digest in before.items() if name.endswith((" in 1", " in 2"))
    }
    changed = {
        name.partition(" ")[0]
        for name, digest in after.items()
        if name.endswith(" in 3") and digest != before[name.replace(" in 3", " in 2")]
    }
    assert {"bi.fct_arrears", "bi.rpt_arrears_ageing"} <= changed
    assert left_behind(empty) == []
