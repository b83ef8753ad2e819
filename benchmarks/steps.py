"""Steps of a night, each in a process of its own: seconds, CPU of the process and of the server, and memory."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

from benchmarks.processes import memory_kb, server_pid
from benchmarks.stopwatch import lap
from benchmarks.workplace import WrongResultError
from warehouse import roles
from warehouse.connection import admin_url, connect, open_connection
from warehouse.settings import PROJECT, Settings

_LOOK_EVERY_SECONDS = 0.25


@dataclass(frozen=True)
class Taken:
    """One step: its seconds from the start of the process to its end; CPU seconds of it and what it started, and of the
    server meanwhile; the most memory of it with what it started, and of the server with all its backends, in MB.
    """

    seconds: float
    cpu_seconds: float
    server_cpu_seconds: float
    peak_mb: float
    server_mb: float
    came_to: Any


def take(settings: Settings, step: str, run_id: str, on: str = "") -> Taken:
    """Take a step of `benchmarks.one_step`. Raises WrongResultError with the end of what it said when it fails."""
    # the server starts with the first connection, and what earlier steps left to be written is not this one's
    settle(settings)
    server = server_pid(settings)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("VSS_", "DBT_"))}
    own, others = 0, 0
    with tempfile.TemporaryFile("w+") as said, lap(settings) as measured:
        with subprocess.Popen(
            [sys.executable, "-m", "benchmarks.one_step", str(settings.home), step, run_id, on],
            cwd=PROJECT, env={**inherited, "VSS_HOME": str(settings.home)},
            stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, text=True,
        ) as process:  # fmt: skip
            while process.poll() is None:
                own, others = max(own, memory_kb(process.pid)), max(others, memory_kb(server))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=_LOOK_EVERY_SECONDS)
        said.seek(0)
        lines = said.read().splitlines()
    if process.returncode != 0:
        raise WrongResultError(f"The step {step} failed: {' '.join(lines[-3:])[-600:]}")
    found = json.loads(lines[-1])
    return Taken(
        measured.seconds, measured.cpu_seconds, measured.server_cpu_seconds,
        max(own, found["peak_kb"]) / 1024, others / 1024, found["came_to"],
    )  # fmt: skip


def settle(settings: Settings) -> None:
    """Let the server write out what it still owes."""
    with open_connection(admin_url(settings), autocommit=True) as admin:
        admin.execute("checkpoint")


def stage_seconds(settings: Settings, run_id: str) -> dict[str, float]:
    """Seconds of each stage of a run, added up."""
    with connect(settings, roles.LOADER) as connection:
        found = connection.execute(
            "select stage, sum(seconds) from ops.run_stage where run_id = %s group by 1", [run_id]
        ).fetchall()
    return {str(stage): float(str(seconds)) for stage, seconds in found}


def node_seconds(settings: Settings, run_id: str) -> dict[str, tuple[float, int]]:
    """Of a run's build: seconds of each model and seed, and the rows it made."""
    with connect(settings, roles.LOADER) as connection:
        found = connection.execute(
            "select subject, seconds, coalesce(rows, 0) from ops.run_stage"
            " where run_id = %s and stage = 'build node' and message is null",
            [run_id],
        ).fetchall()
    return {str(name): (float(str(seconds)), int(str(rows))) for name, seconds, rows in found}
