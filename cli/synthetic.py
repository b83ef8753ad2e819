"""Verbs that make submissions: synth."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from warehouse.errors import UsageError


def synth(
    out: Annotated[Path, typer.Option(help="The inbox to write to.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    provinces: Annotated[
        str | None, typer.Option(help="Codes, comma-separated; every province of the map unless given.")
    ] = None,
    from_month: Annotated[str, typer.Option("--from", help="First month, YYYY-MM.")] = "2021-10",
    to_month: Annotated[
        str | None, typer.Option("--to", help="Last month, YYYY-MM; the first one unless given.")
    ] = None,
    scale: Annotated[float, typer.Option(help="1 is every province at full size.", min=0.00001, max=1.0)] = 0.001,
    defects: Annotated[float, typer.Option(help="Share of rows made bad.", min=0.0, max=1.0)] = 0.0,
    demo: Annotated[bool, typer.Option("--demo", help="The demo's submissions instead.")] = False,
    correction: Annotated[
        bool, typer.Option("--correction", help="The demo's later correction of one province instead.")
    ] = False,
) -> None:
    """Write deterministic, realistic submissions in inbox layout."""
    from synth.demo import write_correction, write_demo
    from synth.generate import generate

    if correction:
        folders = [write_correction(out)]
    elif demo:
        folders = write_demo(out)
    else:
        first = _month(from_month)
        last = _month(to_month or from_month)
        if last < first:
            raise UsageError("--to lies before --from: give the months in order.")
        codes = [code.strip() for code in provinces.split(",")] if provinces else None
        folders = generate(
            out, seed=seed, provinces=codes, first_month=first, last_month=last, scale=scale, defects=defects
        )
    print(f"{len(folders)} submissions in {out}")


def _month(text: str) -> dt.date:
    try:
        return dt.datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007 - a month has no zone
    except ValueError:
        raise UsageError(f"{text} is no month: write YYYY-MM.") from None


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command()(synth)
