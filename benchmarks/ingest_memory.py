"""`ingest-memory`: the peak memory of a fresh process that loads a file, and one that loads ten times as much."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.processes import memory_kb, require_proc
from benchmarks.results import Result, Target
from benchmarks.sample import Sample, sample, submission
from benchmarks.workplace import WrongResultError, empty, require_loaded, temporary_warehouse
from ingestion.load import Loaded
from warehouse.settings import PROJECT, Settings

DEFAULT_ROWS = 2_000_000
_TIMES = 10
_FEW_ROWS = 1_000
_MANY_BLOCKS = 500_000
_LOOK_EVERY_SECONDS = 0.1
_LARGEST_MB = 600
_GROWTH = 1.1


def run(folder: Path, *, rows: int) -> Result:
    """Measure with 1,000 rows, `rows` and ten times `rows`, in a warehouse of its own under `folder`. Linux only."""
    require_proc("ingest-memory")
    sizes = (_FEW_ROWS, rows, _TIMES * rows)
    result = Result("ingest-memory", rows)
    peaks: list[float] = []
    lines = [f"{'rows':>12}{'peak MB':>10}{'loader alone':>14}{'seconds':>9}"]
    with temporary_warehouse(folder) as settings:
        for version, size in enumerate(sizes, start=1):
            made = sample(folder / "samples", size)
            alone, tree, seconds = _measured(settings, made, version=version)
            peaks.append(max(alone, tree))
            lines.append(f"{size:>12,}{peaks[-1]:>10.0f}{alone:>14.0f}{seconds:>9.1f}")
            result.facts[str(size)] = {
                "peak_mb": round(peaks[-1], 1), "loader_mb": round(alone, 1), "tree_mb": round(tree, 1),
                "seconds": round(seconds, 3),
            }  # fmt: skip
    growth = peaks[2] / peaks[1]
    result.facts["growth"] = round(growth, 4)
    result.targets = [
        Target(
            f"at {sizes[2]:,} rows at most {_GROWTH} times the memory of {sizes[1]:,}: {growth:.2f}",
            growth <= _GROWTH, floor=f"{peaks[1]:.0f} MB", ours=f"{peaks[2]:.0f} MB", ratio=growth,
        ),
        Target(
            f"at most {_LARGEST_MB} MB: {max(peaks):.0f}", max(peaks) <= _LARGEST_MB,
            floor=f"{_LARGEST_MB} MB", ours=f"{max(peaks):.0f} MB", ratio=max(peaks) / _LARGEST_MB,
        ),
    ]  # fmt: skip
    result.remarks = lines
    if rows < _MANY_BLOCKS:
        result.remarks.append(f"Growth says little below {_MANY_BLOCKS:,} rows: a smaller file fills no two blocks.")
    return result


def _measured(settings: Settings, made: Sample, *, version: int) -> tuple[float, float, float]:
    """Peak of the loading process, peak of it with all it started (in MB), and seconds of the load."""
    empty(settings)
    folder = submission(settings.home / "inbox", made, version=version)
    print(f"loading {made.rows:,} rows", file=sys.stderr, flush=True)
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load_once", str(settings.home), str(folder)],
        cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        tree = 0
        while True:
            try:
                output, _ = process.communicate(timeout=_LOOK_EVERY_SECONDS)
                break
            except subprocess.TimeoutExpired:
                tree = max(tree, memory_kb(process.pid))
    if process.returncode != 0:
        raise WrongResultError("The loading process failed: run the benchmark `ingest` to see why.")
    found = json.loads(output.splitlines()[-1])
    require_loaded(settings, made, Loaded(found["sub_no"], found["submission_id"], found["state"]))
    return found["peak_kb"] / 1024, tree / 1024, found["seconds"]
