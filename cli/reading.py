"""Verbs that read what is published: as-of, report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from night.readiness import ensure_ready
from warehouse import publication
from warehouse.settings import Settings, settings


def as_of(
    when: Annotated[str, typer.Argument(metavar="PUBLICATION_OR_DATE")],
    query: Annotated[str, typer.Argument(help="A select over bi.")],
) -> None:
    """The same query over what was published then; CSV with a heading and nothing else."""
    publication.as_of(_ready(), when, query, sys.stdout)


def report(out: Annotated[Path | None, typer.Option(help="Another folder than VSS_HOME/report.")] = None) -> None:
    """Write the morning report and the pages of gate results it links to: static, offline."""
    from expectations.data_docs import render
    from reporting.morning import write_report

    configured = _ready()
    render(configured, None if out is None else out / "data_docs")
    print(write_report(configured, out=out))


def headline() -> None:
    """The headline table of what is published, and where to look next."""
    from reporting.headline import headline as read_headline
    from reporting.terminal import as_text

    configured = _ready()
    print(as_text(read_headline(configured)))
    print(f"\nReport:  {configured.home / 'report' / 'index.html'}")
    print("Receipts: vss status, vss receipt ID    Database: psql \"$(vss url)\"    Then: vss as-of 1 'select …'")


def _ready() -> Settings:
    configured = settings()
    ensure_ready(configured)
    return configured


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command("as-of")(as_of)
    app.command()(report)
    app.command()(headline)
