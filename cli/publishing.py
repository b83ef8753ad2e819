"""Verbs that build and publish, go back and clear away: build, publish, rollback, prune."""

from __future__ import annotations

import uuid
from typing import Annotated

import typer

from night import publishing
from night.readiness import ensure_ready
from warehouse import publication, retention
from warehouse.settings import Settings, settings


def build(
    full_refresh: Annotated[bool, typer.Option("--full-refresh", help="Make every slice anew.")] = False,
) -> None:
    """dbt build and audit of the candidate."""
    configured = _ready()
    run_id = f"build-{uuid.uuid4().hex[:12]}"
    if publishing.build(configured, run_id, full=full_refresh) is None:
        print("Nothing to build: nothing was accepted or decided and no rule changed since the last publication.")
        return
    publishing.audit(configured, run_id)
    print("The candidate is built and passed its audit: `vss publish` shows it.")


def publish() -> None:
    """Show the audited candidate to every reader, at once; one that still waits for its audit is audited first."""
    configured = _ready()
    run_id = f"publish-{uuid.uuid4().hex[:12]}"
    publishing.audit(configured, run_id)
    number = publishing.publish(configured, run_id)
    print("Nothing waits for publication." if number is None else f"Publication {number}")


def rollback(
    target: Annotated[int, typer.Argument(metavar="PUB")], reason: Annotated[str, typer.Option()] = "rollback"
) -> None:
    """Publish an earlier state again."""
    configured = _ready()
    number = publication.resolve(configured, str(target))
    done = publishing.roll_back(configured, f"rollback-{uuid.uuid4().hex[:12]}", number, reason)
    print(f"Publication {done.publication_id} shows what {target} showed.")
    if done.taken_back is not None:
        print(f"Build {done.taken_back} waited for publication and is taken back: `vss build` makes it again.")
    print("The next build, also tonight's, brings back what was accepted since: void it first where it is wrong.")
    if done.told:
        print(f"Receipts written anew: {len(done.told)}")


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
) -> None:
    """Give up publications that are not kept, and delete what only they showed; raw rows stay."""
    done = retention.prune(_ready(), dry_run=dry_run)
    for line in retention.in_words(done):
        print(line)


def _ready() -> Settings:
    configured = settings()
    ensure_ready(configured)
    return configured


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    for verb in (build, publish, rollback, prune):
        app.command()(verb)
