"""Build the candidate, audit it, publish what passed: the second half of a night."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingestion import ledger
from ingestion.receipts import write_outbox
from night import dbt_runs
from night.dbt_runs import NodeResult
from night.freshness import changes, completeness, freshness
from night.journal import Stage, stage, write
from warehouse import bi, builds, publication, roles
from warehouse.connection import Connection, connect
from warehouse.errors import GateFailedError
from warehouse.settings import Settings

if TYPE_CHECKING:
    # Great Expectations takes seconds to import, and publishing does not need it
    from expectations.results import Finding

_TOLD = 5


def build(settings: Settings, run_id: str, *, full: bool = False) -> int | None:
    """dbt builds and tests the candidate; returns the build, or None when there is nothing to do.

    Raises GateFailedError when a model or a test fails; what was published stays.
    """
    with stage(settings, run_id, "build") as mark, builds.lease(settings) as connection:
        opened = builds.open_build(connection, dbt_runs.project_hash(), force_full=full)
        if opened is None:
            mark.outcome, mark.message = "nothing to do", "nothing was accepted and no rule changed since"
            return None
        # a changed project seeds its reference data anew; between changes they stand
        scope = ["--full-refresh"] if opened.is_full else ["--exclude-resource-type", "seed"]
        success, nodes = dbt_runs.run(settings, "build", *scope, "--exclude-resource-type", "unit_test", run_id=run_id)
        failed = [node for node in nodes if node.status not in ("success", "pass", "warn", "skipped", "no-op")]
        _record_tests(connection, opened.build_id, nodes)
        for node in sorted(nodes, key=lambda node: -node.seconds)[:15]:
            write(settings, run_id, "build node", node.name, node.seconds, Stage(outcome=node.status))
        if not success:
            named = ", ".join(_named(node) for node in failed) or "dbt"
            detail = _said(failed[0].message) if failed else ""
            builds.abandon(connection, opened.build_id, f"failed: {named}", state="failed")
            mark.outcome, mark.message = "failed", f"{named}: {detail}"
            raise GateFailedError(
                f"The build failed at {named}; nothing new was published. {detail} Mend it and run `vss build` again."
            )
        builds.finish(connection, opened.build_id)
        mark.rows = sum(rows for _, _, rows in builds.row_counts(connection, opened.build_id))
        warned = [_named(node) for node in nodes if node.status == "warn"]
        mark.message = f"warned: {', '.join(warned)}" if warned else None
        return opened.build_id


def audit(settings: Settings, run_id: str) -> bool:
    """Gate 2: the very views readers will see, with the pin on the candidate. False when nothing waits.

    Raises GateFailedError, and takes the build back, when a check fails.
    """
    from expectations.candidate import gate_candidate

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


def publish(settings: Settings, run_id: str, *, now: dt.datetime | None = None) -> int | None:
    """Flip the pointer to the audited candidate; returns the publication, or None when nothing waits."""
    with stage(settings, run_id, "publish") as mark, builds.lease(settings) as connection:
        waiting = builds.ready(connection, "audited")
        if waiting is None:
            mark.outcome = "nothing to do"
            return None
        counts = builds.row_counts(connection, waiting.build_id)
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
            mark.message = f"flip {1000 * (time.monotonic() - begun):.1f} ms"
            facts = [(r.name, r.main_feed) for r in bi.relations(dbt_runs.manifest_path(settings)) if r.main_feed]
            publication.fill_published_totals(publisher, facts)
        mark.rows = sum(rows for _, _, rows in counts)
    with stage(settings, run_id, "receipts") as mark:
        with connect(settings, roles.LOADER) as loader:
            told = ledger.told_by_build(loader, waiting.build_id)
        for submission_id in told:
            write_outbox(settings, submission_id)
        mark.rows = len(told)
    return number


def _record_tests(connection: Connection, build_id: int, nodes: Sequence[NodeResult]) -> None:
    """Keep what the data tests said, and which model could not be made, for the verdict on the candidate."""
    from expectations.candidate import DbtTest, record

    tests = [
        DbtTest(node.name, node.model or node.name, node.status, node.is_warning, node.failures)
        for node in nodes
        if node.kind == "test" or node.status == "error"
    ]
    record(connection, build_id, tests)


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
