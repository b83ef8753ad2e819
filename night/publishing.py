"""Build the candidate, audit it, publish what passed: the second half of a night."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import functools
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import psycopg

from ingestion import ledger
from ingestion.receipts import write_outbox
from night import dbt_runs
from night.dbt_runs import NodeResult
from night.freshness import brought, changes, completeness, freshness, rolled_back
from night.journal import GOOD, Stage, has_done, stage, write_all
from warehouse import bi, builds, publication, roles
from warehouse.connection import Connection, connect, is_transient
from warehouse.errors import GateFailedError, StorageError
from warehouse.settings import Settings

if TYPE_CHECKING:
    # Great Expectations takes seconds to import, and publishing does not need it
    from expectations.results import Finding

_P = ParamSpec("_P")
_R = TypeVar("_R")

_PAUSES: tuple[float | None, ...] = (1, 5, None)
"""Seconds before each new attempt after the database went away; connecting waits for a server that starts."""

_RECEIPTS = "receipts"
_TOLD = 5
_SLOWEST_TESTS = 15


def _tried_again(step: Callable[_P, _R]) -> Callable[_P, _R]:
    """A step that is taken anew when the database went away under it; each takes back, or takes up, what was left.

    Raises StorageError when a disk is full.
    """

    @functools.wraps(step)
    def taken(*arguments: _P.args, **named: _P.kwargs) -> _R:
        for pause in _PAUSES:
            try:
                return step(*arguments, **named)
            except psycopg.errors.DiskFull:
                raise _no_space() from None
            except OSError as error:
                if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                    raise
                raise _no_space() from None
            except Exception as error:
                if pause is None or not is_transient(error):
                    raise
                time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    return taken


@_tried_again
def build(
    settings: Settings, run_id: str, *, full: bool = False, rebuild: builds.Rebuild | None = None, yields: bool = False
) -> int | None:
    """dbt builds and tests the candidate; returns the build, or None when there is nothing to do.

    A `rebuild` makes its range anew. One that `yields` takes no candidate back that waits for publication, and that
    another is at it is no error of its run. Raises GateFailedError when a model or a test fails, StorageError when a
    disk is full, BuildOpenError while another is at it; what was published stays.
    """
    with stage(settings, run_id, "build", steps_back=yields) as mark, builds.lease(settings) as connection:
        if yields:
            builds.refuse_beside_another(connection)
        builds.take_back(connection)
        _finish(settings, run_id, connection)
        opened = builds.open_build(connection, dbt_runs.project_hash(), force_full=full, rebuild=rebuild)
        if opened is None:
            mark.outcome, mark.message = "nothing to do", "nothing was accepted and no rule changed since"
            return None
        # a changed project seeds its reference data anew; between changes they stand
        scope = ["--full-refresh"] if opened.is_full else ["--exclude-resource-type", "seed"]
        success, nodes = dbt_runs.run(settings, "build", *scope, "--exclude-resource-type", "unit_test", run_id=run_id)
        failed = [node for node in nodes if node.status not in GOOD]
        if any(dbt_runs.DISK_FULL in node.message for node in failed):
            # taking back needs some space itself; what it has not taken back the next build does
            with contextlib.suppress(psycopg.Error):
                builds.abandon(connection, opened.build_id, "a disk is full")
            raise _no_space()
        _record_tests(connection, opened.build_id, nodes)
        note_nodes(settings, run_id, nodes, builds.row_counts(connection, opened.build_id))
        if not success:
            named = ", ".join(_named(node) for node in failed) or "dbt"
            detail = _said(failed[0].message) if failed else ""
            new = brought(connection, opened.build_id, with_senders=True)
            builds.abandon(connection, opened.build_id, f"failed: {named}", state="failed")
            mark.outcome, mark.message = "failed", f"{named}: {detail} {new}."
            raise GateFailedError(
                f"The build failed at {named}; nothing new was published. {detail} {new}. Mend it and run `vss build`"
                " again."
            )
        builds.finish(connection, opened.build_id)
        mark.rows = sum(rows for _, _, rows in builds.row_counts(connection, opened.build_id))
        warned = [_named(node) for node in nodes if node.status == "warn"]
        mark.message = f"warned: {', '.join(warned)}" if warned else None
        return opened.build_id


@_tried_again
def audit(settings: Settings, run_id: str) -> bool:
    """Gate 2: the very views readers will see, with the pin on the candidate. False when nothing waits.

    Raises GateFailedError, and takes the build back, when a check fails.
    """
    from expectations.candidate.verdict import gate_candidate

    with stage(settings, run_id, "audit") as mark, builds.lease(settings) as connection:
        waiting = builds.ready(connection, "built")
        if waiting is None:
            mark.outcome = "nothing to do"
            return False
        changed = bi.sync(settings, dbt_runs.manifest_path(settings))
        with connect(settings, roles.PUBLISHER, autocommit=True) as publisher:
            mark.rows = publication.stage(publisher, waiting)
        verdict = gate_candidate(settings, waiting.build_id)
        if not verdict.passed:
            findings = _told(verdict.findings)
            builds.abandon(connection, waiting.build_id, f"audit failed: {findings}", state="failed")
            mark.outcome, mark.message = "failed", findings
            raise GateFailedError(f"The audit failed; what was published stays. {findings}")
        with connect(settings, roles.PUBLISHER, autocommit=True) as publisher:
            publication.pass_audit(publisher, waiting)
        mark.message = f"{len(changed)} views made or replaced"
        if verdict.warnings:
            mark.message += f"; {len(verdict.warnings)} warnings: {_told(verdict.warnings)}"
        return True


@_tried_again
def publish(settings: Settings, run_id: str, *, now: dt.datetime | None = None) -> int | None:
    """Flip the pointer to the audited candidate; returns the publication, or None when nothing waits.

    A publication whose totals and receipts a run that died left undone is finished, and returned, as well.
    """
    with stage(settings, run_id, "publish") as mark, builds.lease(settings) as connection:
        waiting = builds.ready(connection, "audited")
        if waiting is None:
            number = _finish(settings, run_id, connection)
            mark.outcome = "nothing to do" if number is None else "done"
            return number
        mark.rows = sum(rows for _, _, rows in builds.row_counts(connection, waiting.build_id))
        number, mark.message = _shown(settings, waiting, now)
        _tell(settings, run_id, waiting)
    return number


def roll_back(settings: Settings, run_id: str, target: int, reason: str) -> publication.RolledBack:
    """Publish an earlier state again and write the receipts it changes; raises as publication.roll_back does."""
    with connect(settings, roles.PUBLISHER) as connection:
        said = rolled_back(connection, target, reason)
    done = publication.roll_back(settings, target, said)
    _write_receipts(settings, run_id, done.publication_id, done.told)
    return done


def _finish(settings: Settings, run_id: str, connection: Connection) -> int | None:
    """Do what a run that died after its flip has left undone; returns the publication, or None when nothing was.

    Not while a candidate waits: the totals of its loads would be summed before anybody sees them.
    """
    if builds.is_any_open(connection):
        return None
    with connect(settings, roles.PUBLISHER, autocommit=True) as publisher:
        back = publication.last_roll_back(publisher)
        if back is not None and not has_done(settings, _RECEIPTS, _publication(back)):
            _write_receipts(settings, run_id, back, publication.told_by_roll_back(publisher, back))
            return back
    built = builds.last_published(connection)
    if built is None or has_done(settings, _RECEIPTS, _publication(built.candidate_id)):
        return None
    if not dbt_runs.manifest_path(settings).exists():
        # made by the next build
        return None
    _tell(settings, run_id, built)
    return built.candidate_id


def _shown(settings: Settings, waiting: builds.Build, now: dt.datetime | None) -> tuple[int, str]:
    """Flip to a candidate; returns the publication and how long it took."""
    with connect(settings, roles.PUBLISHER, autocommit=True) as publisher:
        publication.stage(publisher, waiting)
        words = {
            "completeness": completeness(publisher, now=now),
            "freshness": freshness(publisher),
            "changes": changes(publisher, waiting.build_id),
        }
        months, shared = publication.shared_persons(publisher, waiting)
        begun = time.monotonic()
        with publisher.transaction():
            number = publication.flip(publisher, waiting, **words)
            publication.note_shared_persons(publisher, months, shared)
        return number, f"flip {1000 * (time.monotonic() - begun):.1f} ms"


def _tell(settings: Settings, run_id: str, built: builds.Build) -> None:
    """Fill in what readers see of each load, and write the receipts that say more; the stage names the publication."""
    with connect(settings, roles.PUBLISHER, autocommit=True) as publisher:
        facts = [(r.name, r.main_feed) for r in bi.relations(dbt_runs.manifest_path(settings)) if r.main_feed]
        publication.fill_published_totals(publisher, facts)
    with connect(settings, roles.LOADER) as loader:
        told = ledger.told_by_build(loader, built.build_id)
    _write_receipts(settings, run_id, built.candidate_id, told)


def _write_receipts(settings: Settings, run_id: str, number: int, told: Sequence[str]) -> None:
    """Write what senders are told anew; the stage names the publication, so that a run that died here is noticed."""
    with stage(settings, run_id, _RECEIPTS, _publication(number)) as mark:
        for submission_id in told:
            write_outbox(settings, submission_id)
        mark.rows = len(told)


def _publication(number: int) -> str:
    return f"publication {number}"


def _no_space() -> StorageError:
    return StorageError(
        "A disk is full, the database's or that of VSS_HOME: free some space and run again; what was published stays."
    )


def _record_tests(connection: Connection, build_id: int, nodes: Sequence[NodeResult]) -> None:
    """Keep what the data tests said, and which model could not be made, for the verdict on the candidate."""
    from expectations.candidate.dbt_tests import DbtTest, record

    tests = [
        DbtTest(node.name, node.model or node.name, node.status, node.is_warning, node.failures)
        for node in nodes
        if node.kind == "test" or node.status == "error"
    ]
    record(connection, build_id, tests)


def note_nodes(
    settings: Settings, run_id: str, nodes: Sequence[NodeResult], built: Sequence[tuple[str, int, int]]
) -> None:
    """Every model and seed with its rows, every test that warned or failed, and the slowest of the others."""
    quiet = [node for node in nodes if node.kind == "test" and node.status in ("pass", "skipped")]
    left_out = {id(node) for node in sorted(quiet, key=lambda node: -node.seconds)[_SLOWEST_TESTS:]}
    rows = {relation: count for relation, _, count in built}
    write_all(
        settings, run_id, "build node",
        [
            (
                node.name, node.seconds,
                Stage(
                    outcome=node.status,
                    rows=node.failures if node.kind == "test" else rows.get(node.name),
                    message=f"test of {node.model}" if node.kind == "test" and node.model else None,
                ),
            )
            for node in nodes
            if id(node) not in left_out
        ],
    )  # fmt: skip


def _named(node: NodeResult) -> str:
    return node.name if node.model is None else f"{node.name} of {node.model}"


def _told(findings: Sequence[Finding]) -> str:
    """The first findings in one line: which control, and what it found where."""
    return "; ".join(f"{finding.args['gate']}: {finding.args['detail']}" for finding in findings[:_TOLD])


def _said(message: str) -> str:
    """Where a node failed, and by which constraint; what follows may hold cells of a row and stays in dbt's log."""
    lines = [line.strip() for line in message.splitlines()]
    named = [line for line in lines[1:2] if "violates" in line or "syntax error" in line or "does not exist" in line]
    return " ".join([*lines[:1], *named])[:300]
