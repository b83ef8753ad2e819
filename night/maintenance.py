"""What a warehouse needs every week: partitions ahead, retention, vacuum, the archive, all checks, what was left over.

Each step stands by itself, is written down in ops.run_stage (stage `maintenance`, the step as its subject), and steps
back while a night is at work or a candidate waits: it is skipped, and the next week does it. What a step finds is
written down as stage `maintenance finding`; `tell` sends it to operations, once a run.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, cast

import fsspec
import psycopg
from psycopg import sql

from ingestion.contracts import load_contracts
from ingestion.deadlines import LOCAL
from night import dbt_runs
from night.journal import Stage, is_a_night_at_work, stage, write
from night.readiness import ensure_ready
from warehouse import builds, retention, roles
from warehouse.airflow_metadata import metadata_url, migrated_version
from warehouse.connection import Connection, connect
from warehouse.errors import BuildOpenError
from warehouse.settings import PROJECT, Settings, settings

STAGE = "maintenance"
FINDING = "maintenance finding"
MONTHS_AHEAD = 3
"""Partitions are there for this month and so many after it."""
ARCHIVE_WEEKS = 13
"""Every object of the archive is read once in so many weeks, a share a week, chosen by its digest."""
KEEP_RUNS_DAYS = 90
"""Finished runs of Airflow and their logs are kept for so many days; ops.run_stage keeps what they did."""
KEEP_MANIFESTS_DAYS = 90
"""A manifest of dbt that no kept publication was built by is kept for so many days."""
_LEFT_DAYS = 1
_FEW_ROWS = 1_000
_VACUUM_SECONDS = 900
_LOG_BYTES = 20_000_000
_MOST_FINDINGS = 20


@dataclass(frozen=True)
class Done:
    """What a step did: how many things, in a few words, and what somebody should look at, a line each."""

    count: int
    said: str
    findings: tuple[str, ...] = ()


def take(step: str, *, run_id: str, date: str | None, **_: str | None) -> bool:
    """Take a step of the weekly maintenance; False when it was skipped because a night is at work."""
    configured = settings()
    ensure_ready(configured)
    now = _instant(date)
    with stage(configured, run_id, STAGE, step) as mark:
        try:
            done = STEPS[step](configured, now)
        except BuildOpenError as error:
            mark.outcome, mark.message = "skipped", str(error)
            return False
        for line in done.findings[:_MOST_FINDINGS]:
            write(configured, run_id, FINDING, step, 0.0, Stage(outcome="found", message=line))
        mark.rows, mark.message = done.count, done.said
    return True


def tell(*, run_id: str, date: str | None, **_: str | None) -> int:
    """Tell operations what the run's steps found, and which of them failed; returns how many alerts were new.

    Raises RuntimeError when a step failed, so that the run is seen to have failed.
    """
    from night.alerts import Alert
    from night.alerts import tell as tell_all

    configured = settings()
    with connect(configured, roles.LOADER) as connection:
        rows = connection.execute(
            """
            -- of a step that was taken again the last time counts
            with last as (
                select distinct on (subject) subject, outcome, started_at from ops.run_stage
                where run_id = %(run)s and stage = %(stage)s order by subject, run_stage_id desc
            )
            select l.subject, l.outcome = 'error', array(
                select distinct f.message from ops.run_stage f
                where f.run_id = %(run)s and f.stage = %(finding)s and f.subject = l.subject
                  and f.started_at >= l.started_at - interval '1 second'
                order by 1
            )
            from last l order by 1
            """,
            {"run": run_id, "stage": STAGE, "finding": FINDING},
        ).fetchall()
    week = "{}-W{:02}".format(*_instant(date).isocalendar()[:2])
    failed = [str(step) for step, is_failed, _ in rows if is_failed]
    alerts = [
        _alert(Alert, str(step), week, cast("list[str]", lines), is_failed=bool(is_failed))
        for step, is_failed, lines in rows
        if is_failed or lines
    ]
    told: int = tell_all(configured, run_id, alerts, now=_instant(date))
    if failed:
        raise RuntimeError("steps failed: " + ", ".join(failed))
    return told


def partitions(settings: Settings, now: dt.datetime) -> Done:
    """Make the partitions of the months to come, so that no load and no build has to."""
    first = now.astimezone(LOCAL).date().replace(day=1)
    months = [(first + dt.timedelta(days=31 * ahead)).replace(day=1) for ahead in range(MONTHS_AHEAD + 1)]
    before = _partition_count(settings)
    with connect(settings, roles.LOADER, autocommit=True) as loader:
        loader.execute("set lock_timeout = '5s'")
        for contract in load_contracts().values():
            for month in months if contract.partition_by_month else ():
                loader.execute("select ops.raw_partition(%s, %s)", [contract.feed, month])
    with connect(settings, roles.TRANSFORMER, autocommit=True) as transformer:
        transformer.execute("set lock_timeout = '5s'")
        parents = transformer.execute(
            "select c.oid::regclass::text from pg_class c where c.relnamespace = 'marts'::regnamespace"
            " and c.relkind = 'p' order by 1"
        ).fetchall()
        for (parent,) in parents:
            for month in months:
                transformer.execute("select ops.ensure_partition(%s::text::regclass, %s)", [parent, month])
    return Done(_partition_count(settings) - before, f"to {months[-1]:%Y-%m}")


def prune(settings: Settings, now: dt.datetime) -> Done:
    """Give up what retention no longer keeps."""
    _require_rest(settings)
    done = retention.prune(settings, now=now)
    rows = sum(each.rows for each in done.cleared)
    return Done(rows, f"publications {', '.join(map(str, done.publications)) or 'none'}")


def vacuum(settings: Settings, _: dt.datetime) -> Done:
    """Vacuum tables with dead rows and analyze what changed, and the parents of partitions, which nobody else does.

    Nobody waits for it: a table that somebody holds is left out, and before each one it looks whether a night began.
    """
    _require_rest(settings)
    done, left_out = 0, 0
    # who migrates may become the owner of any of the tables
    with connect(settings, roles.MIGRATOR, autocommit=True) as connection:
        connection.execute(f"set statement_timeout = '{_VACUUM_SECONDS}s'")
        connection.execute("set lock_timeout = '1s'")
        for command, table, owner in _to_vacuum(connection):
            try:
                _require_rest(settings)
                connection.execute(sql.SQL("set role {}").format(owner))
                connection.execute(sql.SQL("{} {}").format(sql.SQL(command), table))
                done += 1
            except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):
                left_out += 1
            except BuildOpenError:
                return Done(done, "a night began: the rest is left for the next week")
    return Done(done, f"{left_out} tables left out, somebody held them" if left_out else "")


def archive(settings: Settings, now: dt.datetime) -> Done:
    """Read a share of the archive: every object the ledger names in it is there, with the bytes of its digest."""
    share = now.astimezone(LOCAL).date().toordinal() // 7 % ARCHIVE_WEEKS
    with connect(settings, roles.LOADER) as connection:
        rows = connection.execute(
            "select l.sha256, min(s.submission_id), min(l.feed) from ops.load l join ops.submission s using (sub_no)"
            " where l.sha256 is not null group by 1 order by 1"
        ).fetchall()
    mine = [(str(sha256), str(who), str(feed)) for sha256, who, feed in rows if share_of(str(sha256)) == share]
    filesystem, root = fsspec.core.url_to_fs(settings.archive)
    found = []
    for sha256, who, feed in mine:
        try:
            with cast("IO[bytes]", filesystem.open(f"{root}/{sha256[:2]}/{sha256}", "rb")) as stream:
                what = "" if hashlib.file_digest(cast("Any", stream), "sha256").hexdigest() == sha256 else "changed"
        except FileNotFoundError:
            what = "missing"
        except OSError as error:
            what = f"unreadable ({error.strerror})"
        if what:
            found.append(f"{what}: archive object {sha256} ({feed} of {who})")
    return Done(len(mine), f"share {share + 1} of {ARCHIVE_WEEKS}, of {len(rows)} objects", tuple(found))


def share_of(sha256: str) -> int:
    """In which of the ARCHIVE_WEEKS shares an object of the archive is read."""
    return int(sha256[:8], 16) % ARCHIVE_WEEKS


def checks(settings: Settings, _: dt.datetime) -> Done:
    """Every data test of dbt, and gate 2 over everything that is shown: a night's looks at what it touched."""
    _require_rest(settings)
    with connect(settings, roles.TRANSFORMER) as connection:
        shown = connection.execute(
            "select p.publication_id, b.build_id, b.project_hash, (select max(build_id) from ops.build)"
            " from ops.current_publication c join ops.publication p using (publication_id)"
            " join ops.build b on b.build_id = p.build_id"
        ).fetchone()
    if shown is None:
        return Done(0, "nothing is published yet")
    number, build_id, project, last_build = shown
    findings: list[str] = []
    if project == dbt_runs.project_hash():
        # a build writes into the same folder of dbt's
        with builds.lease(settings):
            nodes = dbt_runs.run(settings, "test", "--exclude-resource-type", "unit_test")[1]
        findings += [
            f"dbt test {node.name} of {node.model}: {node.status}, {node.failures or 0} rows"
            for node in nodes
            if node.status not in ("pass", "skipped")
        ]
        said = f"{len(nodes)} tests of dbt"
    else:
        nodes, said = [], "the rules changed: dbt's tests are the next build's"
    from expectations.candidate.verdict import compare

    compared, wrong = gate_over_everything(settings, int(str(number)), int(str(build_id)), compare)
    _require_rest(settings)
    with connect(settings, roles.TRANSFORMER) as connection:
        later = connection.execute("select max(build_id) from ops.build").fetchone()
    if later != (last_build,):
        raise BuildOpenError("A night was at work meanwhile: what was compared is not one state.")
    return Done(len(nodes) + compared, f"{said}, {compared} comparisons of gate 2", tuple(findings + wrong))


def gate_over_everything(
    settings: Settings, publication: int, build_id: int, compare: Callable[[Connection, Any], Any]
) -> tuple[int, list[str]]:
    """Gate 2's comparisons of every input of a build, as a publication shows them; how many, and those that differ."""
    from expectations.candidate.scope import read_scope

    with connect(settings, roles.PUBLISHER, autocommit=True) as connection:
        scope = read_scope(connection, build_id)
        totals = connection.execute(
            "select s.submission_id, l.feed, jsonb_object_agg(t.key, t.value ->> 'loaded')"
            " from ops.build_input i join ops.load l using (load_id) join ops.submission s using (sub_no)"
            " cross join lateral jsonb_each(l.totals) t"
            " where i.build_id = %s and t.value ->> 'loaded' is not null group by 1, 2",
            [build_id],
        ).fetchall()
        sums = {(submission, feed): total for submission, feed, total in totals}
        # no publication before it, and nothing made: what is compared with an earlier state has nothing to say
        everything = replace(
            scope, candidate_id=publication, base_id=0, made=frozenset(),
            inputs=tuple(
                replace(one, is_touched=True, totals=cast("Any", sums.get((one.submission_id, one.feed), {})))
                for one in scope.inputs
            ),
        )  # fmt: skip
        rows = [row for row in compare(connection, everything).rows if row.control != "tests"]
    return len(rows), [f"gate 2, {row.control}: {row}" for row in rows if not row.is_equal]


def leftovers(settings: Settings, now: dt.datetime) -> Done:
    """Remove what processes that died have left, and files past their days, from VSS_HOME."""
    at = now.timestamp()
    removed = 0
    for root in (settings.outbox, settings.home / "archive"):
        assert root is not None
        removed += _remove_old(root, ".*", at - _LEFT_DAYS * 86_400)
    removed += _remove_old(settings.home / "lineage", "*.ndjson", at - settings.lineage_days * 86_400)
    removed += _remove_old(settings.home / "airflow" / "logs", "*", at - KEEP_RUNS_DAYS * 86_400, folders=True)
    removed += _remove_manifests(settings, at - KEEP_MANIFESTS_DAYS * 86_400)
    return Done(removed + _cut_log(settings), "files removed")


def airflow(settings: Settings, now: dt.datetime) -> Done:
    """Remove finished runs past their days from Airflow's metadata, by its own command in a process of its own."""
    if migrated_version(settings) is None:
        return Done(0, "Airflow has never run here")
    before = (now - dt.timedelta(days=KEEP_RUNS_DAYS)).astimezone(dt.UTC)
    log = settings.home / "airflow" / "clean.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as stream:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "clean", "--yes", "--skip-archive", "--error-on-cleanup-failure",
             "--clean-before-timestamp", before.isoformat(timespec="seconds"),
             "--tables", "dag_run,task_instance,task_instance_history,xcom,log,job,import_error,callback,trigger"],
            env=_airflow_environment(settings), cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
            check=False,
        )  # fmt: skip
    if done.returncode != 0:
        return Done(0, "", (f"airflow db clean ended in {done.returncode}: read {log}",))
    return Done(1, f"runs before {before:%Y-%m-%d}")


STEPS: dict[str, Callable[[Settings, dt.datetime], Done]] = {
    "partitions": partitions,
    "prune": prune,
    "vacuum": vacuum,
    "archive": archive,
    "checks": checks,
    "leftovers": leftovers,
    "airflow": airflow,
}
"""The steps, in the order in which they are taken."""

_VIETNAMESE = {
    "partitions": "tạo phân vùng cho các tháng tới",
    "prune": "xoá các lần công bố hết hạn lưu",
    "vacuum": "dọn và thống kê lại các bảng",
    "archive": "kiểm tra kho lưu trữ tệp gốc",
    "checks": "kiểm tra toàn bộ số liệu đang công bố",
    "leftovers": "dọn các tệp còn sót",
    "airflow": "dọn lịch sử chạy của Airflow",
}
_ENGLISH = {
    "partitions": "partitions of the months to come",
    "prune": "retention",
    "vacuum": "vacuum and statistics",
    "archive": "check of the archive",
    "checks": "all checks over what is shown",
    "leftovers": "files left over",
    "airflow": "Airflow's finished runs",
}
_NEXT = {
    "archive": (
        "Lấy lại tệp từ bản sao lưu (thư mục archive, tên tệp là mã băm), rồi chạy lại bước này.",
        "Take the file from a backup (folder archive, its name is its digest), then run the step again.",
    ),
    "checks": (
        "Xem mô hình được nêu, sửa, rồi chạy `vss build --full-refresh` và `vss publish`.",
        "Look at the model that is named, mend it, then `vss build --full-refresh` and `vss publish`.",
    ),
}
_NEXT_ELSE = (
    "Xem nhật ký của tác vụ trong Airflow; sửa nguyên nhân rồi chạy lại tác vụ.",
    "Read the task's log in Airflow, mend what it names, and clear the task.",
)


def _alert(make: Callable[..., Any], step: str, week: str, lines: Sequence[str], *, is_failed: bool) -> Any:
    what_vi, what_en = _VIETNAMESE[step], _ENGLISH[step]
    next_vi, next_en = _NEXT_ELSE if is_failed else _NEXT.get(step, _NEXT_ELSE)
    said_vi = "Bước này bị lỗi." if is_failed else f"Phát hiện ({len(lines)}):"
    said_en = "The step failed." if is_failed else f"Found ({len(lines)}):"
    listed = "".join(f"\n- {line}" for line in lines)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
    return make(
        key=f"maintenance {week} {step} {'failed' if is_failed else digest}",
        recipient="operations",
        subject_vi=f"Bảo trì: {what_vi}", subject_en=f"Maintenance: {what_en}",
        body_vi=f"{said_vi}{listed}\n{next_vi}", body_en=f"{said_en}{listed}\n{next_en}",
    )  # fmt: skip


def _instant(date: str | None) -> dt.datetime:
    """Three in the morning of a business date, else now."""
    if date is None:
        return dt.datetime.now(LOCAL)
    return dt.datetime.combine(dt.date.fromisoformat(date), dt.time(3), tzinfo=LOCAL)


def _require_rest(settings: Settings) -> None:
    """Raises BuildOpenError while a candidate is made or waits, or a night is at work."""
    with connect(settings, roles.TRANSFORMER, autocommit=True) as connection:
        if builds.is_any_open(connection):
            raise BuildOpenError("A build is open or waits for publication: maintenance leaves it alone.")
        if is_a_night_at_work(connection):
            raise BuildOpenError("A night is at work: maintenance leaves it alone.")


def _partition_count(settings: Settings) -> int:
    with connect(settings, roles.TRANSFORMER) as connection:
        row = connection.execute(
            "select count(*) from pg_class where relispartition and relkind = 'r'"
            " and relnamespace = any(array['raw', 'marts']::regnamespace[])"
        ).fetchone()
    assert row is not None
    return int(str(row[0]))


def _to_vacuum(connection: Connection) -> list[tuple[str, sql.Identifier, sql.Identifier]]:
    """Statement, table and owner: dead rows first, then what changed since it was analyzed, and partitioned parents."""
    rows = connection.execute(
        """
        select
            n.nspname, c.relname, c.relowner::regrole::text,
            c.relkind = 'r' and s.n_dead_tup > %(few)s and s.n_dead_tup > s.n_live_tup / 20 as has_dead
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        left join pg_stat_user_tables s on s.relid = c.oid
        where n.nspname = any(array['ops', 'raw', 'reference', 'marts', 'vault'])
          and (
              c.relkind = 'p'
              or c.relkind = 'r' and (
                  s.n_dead_tup > %(few)s and s.n_dead_tup > s.n_live_tup / 20
                  or s.n_mod_since_analyze > %(few)s + s.n_live_tup / 20
                  or s.n_live_tup > %(few)s and s.last_analyze is null and s.last_autoanalyze is null
              )
          )
        order by has_dead desc nulls last, c.relkind desc, s.n_dead_tup desc, 1, 2
        """,
        {"few": _FEW_ROWS},
    ).fetchall()
    return [
        ("vacuum (analyze, skip_locked)" if has_dead else "analyze (skip_locked)",
         sql.Identifier(str(schema), str(table)), sql.Identifier(str(owner)))
        for schema, table, owner, has_dead in rows
    ]  # fmt: skip


def _remove_old(root: Path, pattern: str, oldest: float, *, folders: bool = False) -> int:
    """Remove files of a name last written before an instant, and, where asked, folders that are empty then."""
    removed = 0
    for path in sorted(root.rglob(pattern), reverse=True) if root.is_dir() else ():
        with contextlib.suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                if folders and path.stat().st_mtime < oldest and not any(path.iterdir()):
                    path.rmdir()
            elif path.lstat().st_mtime < oldest:
                path.unlink()
                removed += 1
    return removed


def _remove_manifests(settings: Settings, oldest: float) -> int:
    """Manifests of dbt by project: those of kept publications and of this project stay."""
    with connect(settings, roles.TRANSFORMER) as connection:
        rows = connection.execute(
            "select distinct b.project_hash from ops.publication p join ops.build b using (build_id)"
            " where p.status = 'published'"
        ).fetchall()
    kept = {str(row[0]) for row in rows} | {dbt_runs.project_hash()}
    removed = 0
    for manifest in (settings.home / "dbt" / "projects").glob("*/manifest.json"):
        if manifest.parent.name not in kept and manifest.stat().st_mtime < oldest:
            shutil.rmtree(manifest.parent)
            removed += 1
    return removed


def _cut_log(settings: Settings) -> int:
    """The server appends to its log for ever: of one that is too long its last part is kept beside it."""
    log = settings.home / "postgres" / "postgres.log"
    if not log.is_file() or log.stat().st_size < _LOG_BYTES:
        return 0
    shutil.copyfile(log, log.with_suffix(".log.1"))
    # the server writes at the end, wherever that is
    os.truncate(log, 0)
    return 1


def _airflow_environment(settings: Settings) -> dict[str, str]:
    """Airflow as an administrator: a task of its own may not reach the metadata, a command beside it must."""
    inherited = {name: value for name, value in os.environ.items() if name != "_AIRFLOW_PROCESS_CONTEXT"}
    url = metadata_url(settings)
    return inherited | {
        "AIRFLOW_HOME": str(settings.home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": url.replace("+psycopg2:", "+psycopg:"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__OPENLINEAGE__DISABLED": "True",
        "PYTHONPATH": os.pathsep.join([str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "SCARF_ANALYTICS": "false",
        "DO_NOT_TRACK": "1",
    }
