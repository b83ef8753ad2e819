"""Verbs around the night: nightly."""

from __future__ import annotations

import datetime as dt
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Annotated

import typer

from cli import airflow_process
from night.alerts import tell, tell_run
from night.channels import OPERATIONS
from night.journal import exit_code, outcomes
from night.phrases import alert
from night.readiness import ensure_ready
from night.tasks import instant
from warehouse.errors import UsageError, VssError
from warehouse.settings import Settings, settings


def nightly(
    inbox: Annotated[Path | None, typer.Option(help="Another inbox than VSS_INBOX.")] = None,
    date: Annotated[str | None, typer.Option(help="Business date, YYYY-MM-DD.")] = None,
) -> None:
    """The whole night as one DAG run in Airflow, without a scheduler."""
    if date is not None and not _is_date(date):
        raise UsageError(f"{date} is no date: write --date YYYY-MM-DD.")
    configured = settings()
    place = inbox or configured.inbox
    assert place is not None
    if not place.is_dir():
        raise UsageError(
            f"The inbox {place} does not exist: create it, or set VSS_INBOX (or --inbox) to the right folder."
        )
    ensure_ready(configured)
    airflow_process.migrate_metadata(configured)
    run_id = f"night-{uuid.uuid4().hex[:12]}"
    conf = {"run_id": run_id, "inbox": str(place.absolute()), "date": date}
    with _Progress(configured, run_id):
        code = airflow_process.run_dag(configured, "nightly_load", conf=conf)
    stages = outcomes(configured, run_id)
    # once more: the task that tells may be the one that died
    tell_run(configured, run_id, now=instant(date))
    if not stages:
        cut_short = alert("cut-short", run_id, OPERATIONS, run=run_id, stage="discover")
        tell(configured, run_id, [cut_short], now=instant(date))
        raise VssError(f"The night did not start: read {airflow_process.log_path(configured)}.")
    for stage, subject, outcome, seconds, rows, message in stages:
        # the two halves of a load, and the models: `vss status --night` has them
        if stage not in ("build node", "load", "gate"):
            counted = "" if rows is None else f"{rows:,} rows"
            print(
                f"{stage:<14} {subject or '':<28} {outcome:<22} {seconds:>7.2f} s  {counted} {message or ''}".rstrip()
            )
    ledger_code = exit_code(configured, run_id)
    if ledger_code == 0 and code != 0:
        raise VssError(f"A task failed outside the ledger: read {airflow_process.log_path(configured)}.")
    raise typer.Exit(ledger_code)


def _is_date(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


class _Progress:
    """On a terminal, a line that says how far the night is; silent in a pipe."""

    def __init__(self, configured: Settings, run_id: str) -> None:
        self._settings, self._run_id = configured, run_id
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def __enter__(self) -> None:
        if sys.stderr.isatty():
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()
            sys.stderr.write("\r\033[K")

    def _show(self) -> None:
        begun = time.monotonic()
        while not self._done.wait(2):
            stages = outcomes(self._settings, self._run_id)
            last = f"{stages[-1][0]} {stages[-1][1] or ''}" if stages else "starting Airflow"
            sys.stderr.write(f"\r\033[K{time.monotonic() - begun:5.0f} s  after: {last}")
            sys.stderr.flush()


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command()(nightly)
