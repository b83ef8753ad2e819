"""The weekly maintenance: each step does its work and no more, steps back for a night, and its findings are told."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from builders import Inbox, arrears, keep, new_home, participants, put_back, stop_and_remove
from shown import World

from ingestion.deadlines import LOCAL
from night import dbt_runs, maintenance
from night.journal import Stage, outcomes, write
from warehouse import builds, roles
from warehouse.airflow_metadata import metadata_url
from warehouse.connection import connect, open_connection
from warehouse.settings import Settings
from warehouse.settings import settings as configured_settings

SUNDAY = dt.datetime(2026, 11, 22, 3, tzinfo=LOCAL)
RUN = {"run_id": "week", "inbox": None, "date": "2026-11-22"}


@dataclass(frozen=True)
class Told:
    """An alert as `night.alerts` has it."""

    key: str
    recipient: str
    subject_vi: str
    subject_en: str
    body_vi: str
    body_en: str


@pytest.fixture
def here(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """An empty warehouse that the settings of this process name."""
    monkeypatch.setenv("VSS_HOME", str(inbox.settings.home))
    configured_settings.cache_clear()
    yield inbox
    with connect(inbox.settings, roles.MIGRATOR) as connection:
        connection.execute("delete from ops.build")
    configured_settings.cache_clear()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Told]:
    """What operations are told; the channels have tests of their own."""
    found: list[Told] = []

    def tell(_: Settings, __: str, alerts: list[Told], *, now: dt.datetime) -> int:
        assert now.hour == 3
        found.extend(alerts)
        return len(alerts)

    monkeypatch.setitem(sys.modules, "night.alerts", types.SimpleNamespace(Alert=Told, tell=tell))
    return found


def open_a_build(settings: Settings) -> None:
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute(
            "insert into ops.build (candidate_id, base_id, state, project_hash) values (1, 0, 'open', 'tried')"
        )


def found(settings: Settings, step: str) -> list[str | None]:
    """What a step of the run has found."""
    return [
        message
        for name, subject, _, _, _, message in outcomes(settings, "week")
        if (name, subject) == (maintenance.FINDING, step)
    ]


# ----------------------------------------------------------------------------------------------- partitions


def test_partitions_are_there_before_their_month_for_raw_and_for_facts_and_are_made_once(here: Inbox) -> None:
    with connect(here.settings, roles.TRANSFORMER, autocommit=True) as connection:
        connection.execute("create table marts.tried__rows (month date, n integer) partition by range (month)")
    try:
        first = maintenance.partitions(here.settings, SUNDAY)
        names = {
            name
            for (name,) in here.query(
                "select relname::text from pg_class where relispartition and relkind = 'r'", roles.LOADER
            )
        }
        for month in ("202611", "202612", "202701", "202702"):
            assert {f"tried__rows_{month}", f"participants_{month}", f"contributions_{month}"} <= names
        assert "tried__rows_202703" not in names
        assert first.count >= 16
        assert maintenance.partitions(here.settings, SUNDAY).count == 0
        # a load goes straight into what was made ahead
        with connect(here.settings, roles.LOADER) as loader:
            loader.execute("insert into raw.participants_202612 (load_id, row_no, month) values (1, 1, '2026-12-01')")
            loader.rollback()
    finally:
        with connect(here.settings, roles.TRANSFORMER, autocommit=True) as connection:
            connection.execute("drop table marts.tried__rows")


# ----------------------------------------------------------------------------------------------- a night comes first


@pytest.mark.parametrize("step", ["prune", "vacuum", "checks"])
def test_a_step_is_skipped_while_a_build_is_open(here: Inbox, step: str) -> None:
    open_a_build(here.settings)
    assert maintenance.take(step, **RUN) is False
    ((stage, subject, outcome, _, _, message),) = outcomes(here.settings, "week")
    assert (stage, subject, outcome) == ("maintenance", step, "skipped")
    assert "A build is open" in str(message)


@pytest.mark.parametrize("step", ["prune", "vacuum", "checks"])
def test_a_step_is_skipped_while_a_night_loads_and_taken_once_it_has_reported(here: Inbox, step: str) -> None:
    write(here.settings, "night", "discover", None, 1.0, Stage())
    assert maintenance.take(step, **RUN) is False
    write(here.settings, "night", "report", None, 1.0, Stage())
    assert maintenance.take(step, **RUN) is True


def test_while_another_process_holds_the_lease_nothing_is_pruned(here: Inbox) -> None:
    with builds.lease(here.settings):
        assert maintenance.take("prune", **RUN) is False


# ----------------------------------------------------------------------------------------------- vacuum


def test_dead_rows_are_vacuumed_and_a_table_that_somebody_holds_is_left_out_at_once(here: Inbox) -> None:
    with connect(here.settings, roles.TRANSFORMER, autocommit=True) as connection:
        for name in ("free", "held"):
            connection.execute(f"create table marts.{name} (n integer) with (autovacuum_enabled = off)".encode())
            connection.execute(f"insert into marts.{name} select generate_series(1, 5000)".encode())
            connection.execute(f"delete from marts.{name}".encode())
        connection.execute("select pg_stat_force_next_flush()")
        connection.execute("select 1")
    try:
        with connect(here.settings, roles.TRANSFORMER) as holder:
            holder.execute("lock table marts.held in share update exclusive mode")
            done = maintenance.vacuum(here.settings, SUNDAY)
        assert done.count >= 1
        assert here.query(
            "select relname::text, n_dead_tup, vacuum_count from pg_stat_user_tables where relname in ('free', 'held')"
            " order by 1",
            roles.TRANSFORMER,
        ) == [("free", 0, 1), ("held", 5000, 0)]
    finally:
        with connect(here.settings, roles.TRANSFORMER, autocommit=True) as connection:
            connection.execute("drop table marts.free, marts.held")


def test_a_night_that_begins_between_two_tables_ends_it(here: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    original = maintenance._to_vacuum

    def slow(connection: maintenance.Connection) -> list[Any]:
        tables = original(connection)
        open_a_build(here.settings)
        return tables

    monkeypatch.setattr(maintenance, "_to_vacuum", slow)
    done = maintenance.vacuum(here.settings, SUNDAY)
    assert (done.count, done.said) == (0, "a night began: the rest is left for the next week")


# ----------------------------------------------------------------------------------------------- the archive


def weeks(settings: Settings) -> Iterator[maintenance.Done]:
    """The archive's check in as many weeks as it takes to see everything."""
    for week in range(maintenance.ARCHIVE_WEEKS):
        yield maintenance.archive(settings, SUNDAY + dt.timedelta(weeks=week))


def test_every_object_is_read_once_in_a_quarter_and_one_that_is_missing_or_changed_is_found(here: Inbox) -> None:
    folder = here.send({"participants": participants(2), "arrears": arrears(2)})
    here.accept(folder)
    digests = dict(here.query("select feed, sha256 from ops.load"))
    place = here.settings.home / "archive"
    paths = {feed: place / digest[:2] / digest for feed, digest in digests.items()}
    clean = list(weeks(here.settings))
    assert sum(done.count for done in clean) == 2
    assert [done.findings for done in clean if done.findings] == []

    content = paths["participants"].read_bytes()
    paths["participants"].write_bytes(content[:-2] + b"9\n")
    paths["arrears"].unlink()
    try:
        findings = [line for done in weeks(here.settings) for line in done.findings]
    finally:
        for feed in paths:
            (place / digests[feed][:2] / digests[feed]).unlink(missing_ok=True)
    assert sorted(findings) == [
        f"changed: archive object {digests['participants']} (participants of {folder.name})",
        f"missing: archive object {digests['arrears']} (arrears of {folder.name})",
    ]


def test_shares_are_about_equal() -> None:
    counts = [0] * maintenance.ARCHIVE_WEEKS
    for number in range(13_000):
        counts[maintenance.share_of(hashlib.sha256(str(number).encode()).hexdigest())] += 1
    assert min(counts) > 850
    assert max(counts) < 1150


# ----------------------------------------------------------------------------------------------- files left over


def old(path: Path, days: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x", encoding="utf-8")
    past = SUNDAY.timestamp() - days * 86_400
    os.utime(path, (past, past))
    return path


def test_half_files_old_logs_lineage_and_manifests_go_and_everything_else_stays(here: Inbox, tmp_path: Path) -> None:
    settings = Settings(home=here.settings.home, outbox=tmp_path / "outbox", lineage_days=30)
    home, outbox = settings.home, tmp_path / "outbox"
    gone = [
        old(outbox / "province-26" / "p26" / ".receipt.json.1f.part", 2),
        old(home / "archive" / ".0f0f", 2),
        old(home / "lineage" / "long-ago.ndjson", 31),
        old(home / "airflow" / "logs" / "dag_id=x" / "run" / "attempt=1.log", 91),
        old(home / "dbt" / "projects" / "0ld" / "manifest.json", 91),
    ]
    stay = [
        old(outbox / "province-26" / "p26" / ".receipt.json.2f.part", 0.5),
        old(outbox / "province-26" / "p26" / "receipt.json", 900),
        old(home / "archive" / "ab" / ("ab" * 32), 900),
        old(home / "lineage" / "lately.ndjson", 29),
        old(home / "airflow" / "logs" / "dag_id=x" / "later" / "attempt=1.log", 89),
        old(home / "dbt" / "projects" / "1ater" / "manifest.json", 89),
        old(home / "dbt" / "projects" / dbt_runs.project_hash() / "manifest.json", 900),
    ]
    try:
        assert maintenance.leftovers(settings, SUNDAY).count == len(gone)
        assert [path for path in gone if path.exists()] == []
        assert [path for path in stay if not path.exists()] == []
        assert not gone[4].parent.exists()
        assert maintenance.leftovers(settings, SUNDAY).count == 0
    finally:
        for path in stay:
            path.unlink(missing_ok=True)


def test_the_manifest_of_a_publication_that_is_kept_stays(here: Inbox) -> None:
    with connect(here.settings, roles.MIGRATOR) as connection:
        connection.execute(
            "insert into ops.build (candidate_id, base_id, state, project_hash) values (1, 0, 'published', 'kept')"
        )
        connection.execute(
            "insert into ops.publication (publication_id, build_id, kind) select 1, build_id, 'build' from ops.build"
        )
    manifest = old(here.settings.home / "dbt" / "projects" / "kept" / "manifest.json", 900)
    try:
        maintenance.leftovers(here.settings, SUNDAY)
        assert manifest.exists()
    finally:
        manifest.unlink()
        with connect(here.settings, roles.MIGRATOR) as connection:
            connection.execute("delete from ops.publication where publication_id = 1")


def test_a_log_that_is_too_long_begins_anew_and_its_last_part_stays_beside_it(
    here: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "_LOG_BYTES", 10)
    log = here.settings.home / "postgres" / "postgres.log"
    with connect(here.settings, roles.LOADER) as connection:
        with pytest.raises(Exception, match="tried"):
            connection.execute("do $$ begin raise exception 'tried'; end $$")
        before = log.stat().st_size
        maintenance.leftovers(here.settings, SUNDAY)
        assert log.stat().st_size < before
        assert log.with_suffix(".log.1").stat().st_size >= before


# ----------------------------------------------------------------------------------------------- what is told


def test_findings_are_told_to_operations_in_one_call_with_what_to_do_next(here: Inbox, told: list[Told]) -> None:
    here.accept(here.send({"arrears": arrears(2)}))
    ((digest,),) = here.query("select sha256 from ops.load")
    (here.settings.home / "archive" / digest[:2] / digest).unlink()
    date = next(
        day.date().isoformat()
        for day in (SUNDAY + dt.timedelta(weeks=week) for week in range(maintenance.ARCHIVE_WEEKS))
        if day.toordinal() // 7 % maintenance.ARCHIVE_WEEKS == maintenance.share_of(digest)
    )
    run = {**RUN, "date": date}
    for step in ("partitions", "archive", "archive"):
        assert maintenance.take(step, **run)
    assert maintenance.tell(**run) == 1
    (alert,) = told
    assert (alert.recipient, alert.subject_en) == ("operations", "Maintenance: check of the archive")
    assert alert.body_en.splitlines()[:2] == [
        "Found (1):", f"- missing: archive object {digest} (arrears of province-26-2021-10-v1)",
    ]  # fmt: skip
    assert "from a backup" in alert.body_en
    assert "bản sao lưu" in alert.body_vi
    # told again in the same week it has the same key; in another week it is told anew
    maintenance.tell(**run)
    later = (dt.date.fromisoformat(date) + dt.timedelta(weeks=1)).isoformat()
    maintenance.tell(**{**run, "date": later})
    assert told[1].key == alert.key != told[2].key


def test_a_step_that_fails_is_told_and_fails_the_run_and_one_that_was_mended_does_not(
    here: Inbox, told: list[Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> maintenance.Done:
        raise ValueError("a name that must not be told")

    monkeypatch.setitem(maintenance.STEPS, "leftovers", broken)
    with pytest.raises(ValueError, match="a name"):
        maintenance.take("leftovers", **RUN)
    with pytest.raises(RuntimeError, match="steps failed: leftovers"):
        maintenance.tell(**RUN)
    (alert,) = told
    assert alert.body_en.startswith("The step failed.")
    assert "a name" not in str(alert)

    monkeypatch.undo()
    monkeypatch.setenv("VSS_HOME", str(here.settings.home))
    monkeypatch.setitem(
        sys.modules, "night.alerts", types.SimpleNamespace(Alert=Told, tell=lambda *given, **_: len(given[2]))
    )
    assert maintenance.take("leftovers", **RUN)
    assert maintenance.tell(**RUN) == 0


def test_every_step_has_its_words_in_both_languages() -> None:
    assert set(maintenance.STEPS) == set(maintenance._VIETNAMESE) == set(maintenance._ENGLISH)


# ----------------------------------------------------------------------------------------------- all checks


def test_without_a_publication_there_is_nothing_to_check(here: Inbox) -> None:
    assert maintenance.checks(here.settings, SUNDAY) == maintenance.Done(0, "nothing is published yet")


def test_dbt_tests_nothing_while_another_process_holds_the_lease(here: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(dbt_runs, "run", lambda _, *words: (asked.append(words) or True, []))
    monkeypatch.setattr(maintenance, "gate_over_everything", lambda *_: (0, []))
    with connect(here.settings, roles.MIGRATOR) as connection:
        connection.execute(
            "insert into ops.build (candidate_id, base_id, state, project_hash) values (1, 0, 'published', %s)",
            [dbt_runs.project_hash()],
        )
        connection.execute(
            "insert into ops.publication (publication_id, build_id, kind) select 1, build_id, 'build' from ops.build"
        )
        connection.execute("update ops.current_publication set publication_id = 1")
    try:
        with builds.lease(here.settings):
            assert maintenance.take("checks", **RUN) is False
        assert asked == []
        assert maintenance.take("checks", **RUN) is True
        assert [words[0] for words in asked] == ["test"]
    finally:
        with connect(here.settings, roles.MIGRATOR) as connection:
            connection.execute("update ops.current_publication set publication_id = 0")
            connection.execute("delete from ops.publication where publication_id = 1")


@pytest.fixture(scope="module")
def spoilt(world: World) -> Iterator[Callable[[str], Settings]]:
    """A copy of the small world in which a statement of the transformer's was carried out."""
    home, image = new_home("vss-spoilt-"), new_home("vss-image-")
    home.rmdir()
    keep(world.settings, home)
    (home / "server.lock").unlink(missing_ok=True)
    settings = Settings(home=home)
    keep(settings, image)

    def spoil(statement: str) -> Settings:
        put_back(settings, image)
        with connect(settings, roles.TRANSFORMER) as connection:
            connection.execute(statement.encode())
        return settings

    yield spoil
    stop_and_remove(settings)
    stop_and_remove(Settings(home=image))
    connect(world.settings, roles.READER).close()


@pytest.mark.long
def test_what_was_spoilt_in_a_slice_that_no_night_touches_is_found(spoilt: Callable[[str], Settings]) -> None:
    settings = spoilt(
        "update marts.rpt_participants__rows set participants = participants + 1 where ctid = ("
        " select r.ctid from marts.rpt_participants__rows r join ops.candidate_slice c on c.slice_id = r.slice_id"
        " where c.relation = 'rpt_participants' and r.month = '2021-09-01' order by r.participants desc limit 1)"
    )
    done = maintenance.checks(settings, SUNDAY)
    assert done.count > 10_000
    assert any("rpt_participants" in line and "2021-09" in line for line in done.findings), done.findings


@pytest.mark.long
def test_old_runs_go_from_the_metadata_of_airflow_and_later_ones_stay(here: Inbox) -> None:
    from cli.airflow_process import migrate_metadata

    migrate_metadata(here.settings)
    url = metadata_url(here.settings).replace("+psycopg2", "")
    with open_connection(url, autocommit=True) as connection:
        for number, days in ((1, 200), (2, 120), (3, 10)):
            connection.execute(
                "insert into dag_run (id, dag_id, run_id, state, run_type, queued_at, start_date, end_date,"
                " run_after, logical_date, clear_number, log_template_id)"
                " select %s, 'nightly_load', %s::text, 'success', 'scheduled', d.day, d.day, d.day, d.day, d.day, 0,"
                " (select min(id) from log_template)"
                " from (select %s::timestamptz - make_interval(days => %s) as day) d",
                [number, f"run {number}", SUNDAY, days],
            )
    log = here.settings.home / "airflow" / "clean.log"
    assert maintenance.airflow(here.settings, SUNDAY).findings == (), log.read_text(encoding="utf-8")
    with open_connection(url) as connection:
        assert connection.execute("select id from dag_run order by 1").fetchall() == [(3,)]
