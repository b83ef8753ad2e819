"""The night's steps as Airflow calls them: plain values in, small plain values out, everything else in the ledger."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path

from ingestion.deadlines import LOCAL
from night import arrivals, journal, publishing
from night.journal import GOOD, Node, stage
from night.passing import LoadsLostError
from night.readiness import ensure_ready
from warehouse.errors import VssError
from warehouse.settings import Settings, settings

_BATCH = 8
_NODES_TOLD = 20
_BROKE, _GATE_FAILED = 1, 5


class RunFailedError(VssError):
    """A stage of the run failed, as the ledger has it."""


def discover(*, run_id: str, inbox: str | None, date: str | None) -> list[list[str]]:
    """Batches of folders that are not final yet; a sender's folders stay together."""
    configured = _ready()
    with stage(configured, run_id, "discover") as mark:
        found = arrivals.discover(configured, _inbox(configured, inbox))
        mark.rows = len(found)
    return in_batches(found)


def in_batches(found: Iterable[Path]) -> list[list[str]]:
    """Folders in batches of about eight; a sender's folders stay together."""
    senders: dict[str, list[str]] = {}
    for folder in found:
        senders.setdefault(folder.parent.name, []).append(str(folder))
    batches: list[list[str]] = [[]]
    for folders in senders.values():
        if len(batches[-1]) + len(folders) > _BATCH and batches[-1]:
            batches.append([])
        batches[-1] += folders
    return [batch for batch in batches if batch]


def load_and_gate(batch: list[str], *, run_id: str, inbox: str | None, date: str | None) -> dict[str, int]:
    """Load and gate a batch; how many ended in which state. One submission's failure never stops the rest.

    Raises LoadsLostError when some may be taken again, RuntimeError when none of those that failed may.
    """
    configured = _ready()
    states: dict[str, int] = {}
    errors: list[str] = []
    lost: list[Path] = []
    for folder, state in arrivals.load_all(configured, run_id, map(Path, batch), lost=lost):
        states[state] = states.get(state, 0) + 1
        if state == "error":
            errors.append(folder.name)
    if lost:
        raise LoadsLostError("not loaded yet: " + ", ".join(folder.name for folder in lost)) from None
    if errors:
        raise RuntimeError("could not load " + ", ".join(errors)) from None
    return states


def batch_name(batch: list[str]) -> str:
    """What the batch is called in the UI: its senders."""
    return ", ".join(sorted({Path(folder).parent.name for folder in batch}))


def build(*, run_id: str, inbox: str | None, date: str | None, yields: bool = False) -> int | None:
    """Build and test the candidate; one that `yields` leaves a candidate alone that waits for publication."""
    return publishing.build(_ready(), run_id, yields=yields)


def nodes_told(*, run_id: str, **_: str | None) -> list[dict[str, str | float | int | None]]:
    """What the run's last build did, for Airflow's pages: what failed first, then the slowest, twenty at most.

    Names, outcomes, seconds and rows; never what a node said, which may hold cells. The same as a table is printed,
    which Airflow keeps as the task's log.
    """
    nodes = journal.nodes(settings(), run_id)
    failed = [node for node in nodes if node.outcome not in GOOD]
    told = nodes[: max(_NODES_TOLD, len(failed))]
    print("\n".join(_table(told, left_out=len(nodes) - len(told))))
    return [
        {"node": _called(node), "outcome": node.outcome, "seconds": node.seconds, "rows": node.rows} for node in told
    ]


def _table(nodes: list[Node], *, left_out: int) -> list[str]:
    if not nodes:
        return ["no node of dbt was run"]
    width = max(len(_called(node)) for node in nodes)
    lines = [f"{'node':<{width}}  {'outcome':<8}{'seconds':>9}{'rows':>14}"]
    for node in nodes:
        rows = "" if node.rows is None else f"{node.rows:,}"
        lines.append(f"{_called(node):<{width}}  {node.outcome:<8}{node.seconds:>9.2f}{rows:>14}".rstrip())
    if left_out:
        lines.append(f"and {left_out} that were quicker; all of them stand in ops.run_stage")
    return lines


def _called(node: Node) -> str:
    """A node's name; a test's with that of its model."""
    return node.name if node.message is None else f"{node.name} ({node.message})"


def audit(*, run_id: str, inbox: str | None, date: str | None) -> bool:
    """Gate the candidate."""
    return publishing.audit(_ready(), run_id)


def publish(*, run_id: str, inbox: str | None, date: str | None) -> int | None:
    """Publish what passed; the business date decides whether a month that is not complete is still provisional."""
    return publishing.publish(_ready(), run_id, now=instant(date))


def report(*, run_id: str, inbox: str | None, date: str | None) -> str:
    """Write the morning report, then tell senders and operations what the run leaves to be told; returns its path.

    Raises RunFailedError afterwards if a stage of the run failed: this is the last task, and what it becomes the run
    becomes, in Airflow's pages as in the ledger.
    """
    from expectations.data_docs import render
    from night import dbt_runs
    from reporting.morning import write_report

    configured = _ready()
    try:
        with stage(configured, run_id, "report"):
            render(configured)
            written = write_report(configured, manifest=dbt_runs.manifest_path(configured))
    finally:
        tell(run_id=run_id, inbox=inbox, date=date)
    require_success(run_id=run_id)
    return str(written)


def tell(*, run_id: str, inbox: str | None, date: str | None) -> int:
    """Tell senders and operations what the run leaves to be told, once; how many things were new."""
    from night.alerts import tell_run

    return tell_run(_ready(), run_id, now=instant(date))


def require_success(*, run_id: str, **_: object) -> None:
    """For the last task of a run, when everybody is told: raises RunFailedError if a stage of the run failed."""
    if journal.exit_code(_ready(), run_id) in (_BROKE, _GATE_FAILED):
        raise RunFailedError(
            f"Everybody is told; a stage of the run failed: ops.run_stage names it, under the run {run_id}."
        )


def instant(date: str | None) -> dt.datetime | None:
    """The hour of the night on a business date; None where none was given, which is now."""
    return None if date is None else dt.datetime.combine(dt.date.fromisoformat(date), dt.time(1), tzinfo=LOCAL)


def _ready() -> Settings:
    configured = settings()
    ensure_ready(configured)
    return configured


def _inbox(configured: Settings, inbox: str | None) -> Path:
    assert configured.inbox is not None
    return Path(inbox) if inbox else configured.inbox
