"""Verbs that build and publish: build, publish, rollback."""

from __future__ import annotations

import uuid
from typing import Annotated

import typer

from night import publishing
from night.readiness import ensure_ready
from warehouse import publication
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
    """Show the audited candidate to every reader, at once."""
    number = publishing.publish(_ready(), f"publish-{uuid.uuid4().hex[:12]}")
    print("Nothing waits for publication." if number is None else f"Publication {number}")


def rollback(
    target: Annotated[int, typer.Argument(metavar="PUB")], reason: Annotated[str, typer.Option()] = "rollback"
) -> None:
    """Publish an earlier state again."""
    print(f"Publication {publication.roll_back(_ready(), target, reason)} shows what {target} showed.")


def _ready() -> Settings:
    configured = settings()
    ensure_ready(configured)
    return configured


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    for verb in (build, publish, rollback):
        app.command()(verb)
