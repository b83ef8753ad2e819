"""`all`: every benchmark that has a target, one after the other, and one table of what was promised and found.

Each is a process of its own and keeps its own JSON. One that fails is a line of the table and stops no other.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import Result
from warehouse.settings import PROJECT

ORDER = ("ingest", "ingest-memory", "gate", "build", "orchestrate", "increment", "publish", "query", "scale")
"""The rows of the table."""
DEFAULT_SCALE = 0.01
# of the country at the usual scale; --scale changes them alike
_ROWS = {"ingest": 2_000_000, "ingest-memory": 2_000_000, "gate": 500_000}
_LEAST_ROWS = 2_000
_OF_SCALE = {"build": 1, "orchestrate": 1, "increment": 1, "scale": 10}
_PROFILED = ("ingest", "build", "increment", "scale")


def run(folder: Path, *, scale: float, peers: bool, profile: bool, names: Sequence[str] = ORDER) -> Result:
    """Run the benchmarks `names` with their JSON in `folder`; `scale` is the share of the country that is usual for a
    night, by which all sizes go.
    """
    result = Result("all", 0)
    lines = []
    for name in names:
        print(f"--- {name}", file=sys.stderr, flush=True)
        kept = folder / f"{name}.json"
        kept.unlink(missing_ok=True)
        code, said = _run([name, *_sizes(name, scale, peers=peers, profile=profile)])
        if code == 0:
            found = json.loads(kept.read_text(encoding="utf-8"))
            result.facts[name] = {"date": found["date"], "rows": found["rows"], "targets": found["targets"]}
            lines += [_line(name, target) for target in found["targets"]]
        else:
            result.facts[name] = {"failed": said}
            lines.append((name, f"not measured: {said}", "", "", "", "no"))
    result.remarks = _table([("id", "target", "floor", "ours", "ratio", "met"), *lines])
    return result


def _run(arguments: list[str]) -> tuple[int, str]:
    """Run one benchmark, what it says passed on as it comes; its exit code and its last line."""
    last = "it said nothing"
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", file=sys.stderr, flush=True)
            last = line.strip() or last
    return process.returncode, last


def _sizes(name: str, scale: float, *, peers: bool, profile: bool) -> list[str]:
    arguments = []
    if name in _ROWS:
        arguments += ["--rows", str(max(_LEAST_ROWS, round(_ROWS[name] * scale / DEFAULT_SCALE)))]
    if name in _OF_SCALE:
        arguments += ["--scale", f"{min(1.0, scale * _OF_SCALE[name]):.9f}"]
    if name == "ingest" and not peers:
        arguments.append("--no-peers")
    if name in _PROFILED and profile:
        arguments.append("--profile")
    return arguments


def _line(name: str, target: dict[str, Any]) -> tuple[str, str, str, str, str, str]:
    """A target's words without its figure, which has a column of its own."""
    words = str(target["target"])
    ratio = "" if target["ratio"] is None else f"{target['ratio']:.2f}"
    if ratio or target["ours"]:
        words = words.rpartition(":")[0] or words
    return (name, words, str(target["floor"]), str(target["ours"]), ratio, "yes" if target["reached"] else "no")


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if column in (2, 3, 4) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
