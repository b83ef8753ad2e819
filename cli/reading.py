"""Verbs that read what is published: as-of, diff, report, headline."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from night import dbt_runs
from night.readiness import ensure_ready
from warehouse import publication
from warehouse.errors import UsageError
from warehouse.settings import Settings, settings


def as_of(
    when: Annotated[str, typer.Argument(metavar="PUBLICATION_OR_DATE")],
    query: Annotated[str, typer.Argument(help="A select over bi.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="For programs: text as it is, also what a spreadsheet takes for a formula.")
    ] = False,
) -> None:
    """The same query over what was published then; CSV with a heading and nothing else."""
    publication.as_of(_ready(), when, query, sys.stdout, is_raw=raw)


def diff(
    before: Annotated[str, typer.Argument(metavar="PUBLICATION_OR_DATE")],
    after: Annotated[str, typer.Argument(metavar="PUBLICATION_OR_DATE")],
    relation: Annotated[str | None, typer.Option(metavar="R", help="Only this relation, month by month.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="What differs as CSV, numbers exact.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON.")] = False,
) -> None:
    """Which corrections came between two publications, and what they changed; person-level relations as counts.

    No figure tells a count under five persons, but in --json, which is for programs and has every number.
    """
    from reporting import differences as shown
    from reporting.changes import persons
    from reporting.small_cells import keep_back
    from warehouse.differences import compare

    if as_csv and as_json:
        raise UsageError("Choose one of --csv and --json.")
    configured = _ready()
    found = compare(
        configured, before, after, relation=relation, manifest=dbt_runs.manifest_path(configured)
    )  # fmt: skip
    if as_json:
        shown.write_json(found, sys.stdout)
        return
    told = keep_back(found, persons(configured))
    if as_csv:
        shown.write_csv(told, sys.stdout)
    else:
        shown.write_text(told, sys.stdout, in_full=relation is not None)


def report(out: Annotated[Path | None, typer.Option(help="Another folder than VSS_HOME/report.")] = None) -> None:
    """Write the morning report and the pages of gate results it links to: static, offline."""
    from expectations.data_docs import render
    from reporting.morning import write_report

    configured = _ready()
    render(configured, None if out is None else out / "data_docs")
    print(write_report(configured, out=out, manifest=dbt_runs.manifest_path(configured)))


def headline(
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Every territory's figures, to pass on: no count under five persons.")
    ] = False,
) -> None:
    """The headline table of what is published, and where to look next."""
    from reporting.headline import headline as read_headline
    from reporting.headline_csv import write_csv
    from reporting.terminal import as_text

    configured = _ready()
    if as_csv:
        write_csv(read_headline(configured), sys.stdout)
        return
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
    app.command()(diff)
    app.command()(report)
    app.command()(headline)
