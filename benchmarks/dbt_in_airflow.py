"""`dbt-in-airflow`: one `dbt build`, as the night does it, beside an invocation of dbt for every model, as Cosmos does.

Both run in one process with dbt imported and its project parsed, which a task of Airflow's own would have to pay for
again: what is found is the least that a task a model costs more. A process of its own is measured beside them.
"""

from __future__ import annotations

import datetime as dt
import graphlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.results import Result, Target, Way
from benchmarks.stopwatch import Lap, lap
from benchmarks.workplace import WrongResultError, temporary_warehouse
from night import arrivals, dbt_runs
from synth.generate import generate
from warehouse import builds
from warehouse.connection import Connection
from warehouse.settings import PROJECT, Settings

_PROVINCES, _MONTHS, _SCALE = ("24", "26"), (dt.date(2021, 10, 1), dt.date(2021, 11, 1)), 0.0005
_OWN_PROCESS = 3
"""Invocations in a process of their own that are measured; the rest is worked out from their median."""
_COMMON = ("--full-refresh", "--exclude-resource-type", "unit_test")
_TASK = """
import sys
from pathlib import Path
from night import dbt_runs
from warehouse.settings import Settings
success, nodes = dbt_runs.run(Settings(home=Path(sys.argv[1]), lineage=False), "build", "--select", sys.argv[2],
    "--indirect-selection", "buildable", "--full-refresh", "--exclude-resource-type", "unit_test")
sys.exit(0 if success else 1)
"""


def run(folder: Path, *, models: int | None = None) -> Result:
    """Measure in a warehouse of its own under `folder`; with `models` only so many of them, from all layers.

    Raises WrongResultError when a build fails, or when the two ways did not build the same models.
    """
    with temporary_warehouse(folder) as settings:
        _load(settings)
        _say("one build, to parse the project and fill caches")
        _together(settings, None)
        names = _in_order(dbt_runs.manifest_path(settings))
        if models is not None:
            # from all layers
            names = names[:: max(1, len(names) // models)][:models]
        chosen = None if models is None else names
        _say(f"one build of {len(names)} models and seeds")
        first, nodes = _together(settings, chosen)
        _say("one invocation each")
        each, single = _each(settings, names)
        _say("the same build again")
        second, _ = _together(settings, chosen)
        _say(f"{_OWN_PROCESS} invocations in processes of their own")
        alone = _in_processes(settings, names[-_OWN_PROCESS:])
    built = {node.name for node in nodes if node.kind in ("model", "seed")}
    if built != set(names):
        raise WrongResultError(f"One build made {len(built)} models and seeds, one by one it were {len(names)}.")
    count = len(names)
    result = Result("dbt-in-airflow", count)
    seconds, cpu = (first.seconds, second.seconds), (first.cpu_seconds, second.cpu_seconds)
    result.ways = [
        Way("one dbt build", count, seconds, cpu),
        Way("one invocation a model", count, (each.seconds,), (each.cpu_seconds,)),
    ]
    own_seconds, own_cpu = (sorted(values)[len(alone) // 2] for values in zip(*alone, strict=True))
    result.facts = {
        "nodes": len(nodes), "nodes_one_by_one": single, "models_and_seeds": count,
        "own_process_seconds": round(own_seconds, 2), "own_process_cpu_seconds": round(own_cpu, 2),
        "slowest": [[node.name, round(node.seconds, 2)] for node in sorted(nodes, key=lambda one: -one.seconds)[:10]],
    }  # fmt: skip
    least = each.cpu_seconds / min(cpu)
    result.targets = [Target(f"one build takes less client CPU than a task a model: {least:.1f} times less", least > 1)]
    result.remarks = [
        f"one invocation: {each.cpu_seconds / count:.2f} s of CPU in a process that has everything,"
        f" {own_cpu:.2f} in one of its own; {count} of those are {count * own_cpu:.0f}",
        f"nodes: {len(nodes)} in one build, {single} one by one",
    ]
    return result


def _load(settings: Settings) -> None:
    """A few submissions, so that no model is empty."""
    inbox = settings.home / "inbox"
    folders = generate(inbox, first_month=_MONTHS[0], last_month=_MONTHS[-1], provinces=_PROVINCES, scale=_SCALE)
    for folder, state in arrivals.load_all(settings, "bench", folders):
        if state not in ("accepted", "accepted_with_rejects"):
            raise WrongResultError(f"{folder.name} is {state}: nothing was measured.")


def _open(connection: Connection) -> builds.Build:
    opened = builds.open_build(connection, dbt_runs.project_hash(), force_full=True)
    assert opened is not None
    return opened


def _together(settings: Settings, names: list[str] | None) -> tuple[Lap, list[dbt_runs.NodeResult]]:
    """One build of everything, or of some; taken back afterwards."""
    chosen = [] if names is None else ["--select", *names, "--indirect-selection", "buildable"]
    with builds.lease(settings) as connection:
        opened = _open(connection)
        with lap() as measured:
            success, nodes = dbt_runs.run(settings, "build", *chosen, *_COMMON)
        builds.abandon(connection, opened.build_id, "measured")
    if not success:
        raise WrongResultError(f"The build failed at {_failed(nodes)}.")
    return measured, nodes


def _each(settings: Settings, names: list[str]) -> tuple[Lap, int]:
    """An invocation for each model, with the tests that can be run by then; how many nodes that were."""
    count = 0
    with builds.lease(settings) as connection:
        opened = _open(connection)
        with lap() as measured:
            for name in names:
                success, nodes = dbt_runs.run(
                    settings, "build", "--select", name, "--indirect-selection", "buildable", *_COMMON
                )
                if not success:
                    raise WrongResultError(f"{name} failed at {_failed(nodes)}.")
                count += len(nodes)
        builds.abandon(connection, opened.build_id, "measured")
    return measured, count


def _in_processes(settings: Settings, names: list[str]) -> list[tuple[float, float]]:
    """Seconds and CPU seconds of each invocation in a process of its own, as a worker would start one."""
    found = []
    with builds.lease(settings) as connection:
        opened = _open(connection)
        # what they read
        dbt_runs.run(settings, "build", *_COMMON)
        for name in names:
            with lap() as measured:
                done = subprocess.run(
                    [sys.executable, "-c", _TASK, str(settings.home), name],
                    cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False,
                )  # fmt: skip
            if done.returncode != 0:
                raise WrongResultError(f"{name} failed in a process of its own.")
            found.append((measured.seconds, measured.cpu_seconds))
        builds.abandon(connection, opened.build_id, "measured")
    return found


def _in_order(manifest: Path) -> list[str]:
    """Seeds and models that dbt makes something of, each after those it reads."""
    nodes: dict[str, dict[str, Any]] = json.loads(manifest.read_bytes())["nodes"]
    kinds = {key: node for key, node in nodes.items() if node["resource_type"] in ("model", "seed")}
    reads = {key: node["depends_on"].get("nodes", []) for key, node in kinds.items()}
    graph = {key: [each for each in found if each in kinds] for key, found in reads.items()}
    order = graphlib.TopologicalSorter(graph).static_order()
    return [kinds[key]["name"] for key in order if kinds[key]["config"]["materialized"] != "ephemeral"]


def _failed(nodes: list[dbt_runs.NodeResult]) -> str:
    return ", ".join(node.name for node in nodes if node.status in ("error", "fail")) or "dbt"


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
