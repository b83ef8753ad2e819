"""Verb that measures: bench."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from warehouse.settings import PROJECT, settings


def bench(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Without it the benchmarks are listed.")] = None,
    rows: Annotated[int | None, typer.Option(help="Rows to measure with; each benchmark has its own default.")] = None,
    repeat: Annotated[int | None, typer.Option(help="How often floor and warehouse run in turn.")] = None,
    scale: Annotated[
        float | None, typer.Option(help="The share of the country: build, increment, orchestrate, scale, all.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the JSON here as well.")] = None,
    peers: Annotated[bool, typer.Option("--peers/--no-peers", help="Run dlt and pandas in the same run.")] = True,
    profile: Annotated[bool, typer.Option("--profile", help="Show where the time goes.")] = False,
) -> None:
    """Measure the warehouse beside a floor and its peers, in a warehouse of its own under VSS_HOME/bench."""
    arguments = [] if name is None else [name]
    for option, value in (
        ("--rows", rows), ("--repeat", repeat), ("--scale", scale), ("--json", json_file and json_file.absolute()),
    ):  # fmt: skip
        if value is not None:
            arguments += [option, str(value)]
    arguments += ["--peers" if peers else "--no-peers", *(["--profile"] if profile else [])]
    # a process of its own: what this command has imported must not be part of a measurement
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=PROJECT, env={**os.environ, "VSS_HOME": str(settings().home)}, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    raise typer.Exit(done.returncode)


def register(app: typer.Typer) -> None:
    """Add the verb of this file."""
    app.command()(bench)
