"""`scale`: a month of the country at three sizes, each ten times the one before: does a row cost the same?

Each size is a night of its own in a warehouse of its own, each step a process: load with gate 1, build, audit,
publish. All provinces report at every size, so what does not depend on the rows is the same in all three.
"""

from __future__ import annotations

import datetime as dt
import itertools
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import country, steps
from benchmarks.build import FIRST, rows_of
from benchmarks.processes import require_proc
from benchmarks.results import Result, Target
from benchmarks.steps import Taken, node_seconds, stage_seconds
from benchmarks.workplace import WrongResultError, temporary_warehouse
from warehouse import roles
from warehouse.connection import connect
from warehouse.errors import UsageError
from warehouse.settings import Settings

DEFAULT_SCALE = 0.1
_SIZES = (0.01, 0.1, 1.0)
_MOST_TIMES = 1.2
_STEPS = ("load", "build", "audit", "publish")
_SHOWN = 15
# disk of a month, its archive and its build, by the row; and what is left alone
_BYTES_A_ROW, _SPARE_BYTES = 1200, 5 * 1024**3


@dataclass(frozen=True)
class _Night:
    """A size: rows sent, its steps, seconds of load and gate added up over the submissions, and those of each model."""

    rows: int
    steps: Mapping[str, Taken]
    stages: Mapping[str, float]
    nodes: Mapping[str, tuple[float, int]]


def run(folder: Path, *, scale: float, profile: bool) -> Result:
    """Measure a hundredth, a tenth and the whole of `scale` (1 is the country), one after the other under `folder`.

    Raises UsageError when the disk has no room for the largest. With `profile` the models of the largest are listed
    with what a row cost at the size before.
    """
    require_proc("scale")
    sizes = [round(scale * share, 9) for share in _SIZES]
    needed = int(scale * country.ROWS * _BYTES_A_ROW) + _SPARE_BYTES
    if shutil.disk_usage(folder).free < needed:
        raise UsageError(f"scale needs {needed / 1024**3:.0f} GB of disk in VSS_HOME: give a smaller --scale.")
    nights = [_night(folder, size) for size in sizes]
    largest = nights[-1]
    result = Result("scale", largest.rows)
    result.facts = {_percent(size): _facts(night) for size, night in zip(sizes, nights, strict=True)}
    result.targets = [target for name in ("load", "build") for target in _targets(name, sizes, nights)]
    result.remarks = _table(sizes, nights) + (_by_model(nights[-2], largest) if profile else [])
    return result


def _night(folder: Path, size: float) -> _Night:
    with temporary_warehouse(folder) as settings:
        inbox = settings.home / "inbox"
        _say(f"{_percent(size)} of the country arrives")
        country.write_provinces(inbox, FIRST, scale=size)
        country.write_headquarters(inbox, FIRST, scale=size)
        taken = {}
        for name in _STEPS:
            taken[name] = steps.take(settings, name, "night", str(inbox) if name == "load" else "")
            _say(f"{_percent(size)}: {name} {taken[name].seconds:.1f} s")
            shutil.rmtree(inbox, ignore_errors=True)
        rows = rows_of(settings, FIRST)
        _require_shown(settings, FIRST)
        return _Night(rows, taken, stage_seconds(settings, "night"), node_seconds(settings, "night"))


def _require_shown(settings: Settings, month: dt.date) -> None:
    """Every person's row that was accepted is shown, or no time was taken."""
    with connect(settings, roles.LOADER) as connection:
        sent = connection.execute(
            "select sum(l.accepted) from ops.load l join ops.submission s using (sub_no)"
            " where s.month = %s and l.feed = 'participants'",
            [month],
        ).fetchone()
    with connect(settings, roles.READER) as reader:
        shown = reader.execute("select count(*) from bi.fct_participation where month = %s", [month]).fetchone()
    assert sent is not None and shown is not None
    if int(str(sent[0])) != int(str(shown[0])):
        raise WrongResultError(f"{sent[0]} persons' rows were accepted and {shown[0]} are shown: no time was taken.")


def _targets(name: str, sizes: Sequence[float], nights: Sequence[_Night]) -> list[Target]:
    """A row at each size against a row at the size before; and a further row, which bears nothing of what is fixed."""
    cost = [_micro(night, name) for night in nights]
    targets = []
    for (small, large), (before, after) in zip(itertools.pairwise(sizes), itertools.pairwise(cost), strict=True):
        times = after / before
        targets.append(
            Target(
                f"{name}: a row at {_percent(large)} at most {_MOST_TIMES} times one at {_percent(small)}: {times:.2f}",
                times <= _MOST_TIMES, floor=f"{before:.1f} us", ours=f"{after:.1f} us", ratio=times,
            )
        )  # fmt: skip
    # provinces have a least size: far below the usual --scale two sizes may have the same rows
    further = [
        1e6 * (b.steps[name].seconds - a.steps[name].seconds) / max(1, b.rows - a.rows)
        for a, b in itertools.pairwise(nights)
    ]
    # rows that cost less than nothing are the machine's doing, and no floor
    ratio = further[1] / further[0] if further[0] > 0 else None
    targets.append(
        Target(
            f"{name}: a further row between {_percent(sizes[1])} and {_percent(sizes[2])} at most {_MOST_TIMES} times"
            f" one between {_percent(sizes[0])} and {_percent(sizes[1])}: {'-' if ratio is None else f'{ratio:.2f}'}",
            ratio is not None and ratio <= _MOST_TIMES,
            floor=f"{further[0]:.1f} us", ours=f"{further[1]:.1f} us", ratio=ratio,
        )
    )  # fmt: skip
    return targets


def _micro(night: _Night, name: str) -> float:
    """Microseconds a row."""
    return 1e6 * night.steps[name].seconds / night.rows


def _facts(night: _Night) -> dict[str, object]:
    return {
        "rows": night.rows,
        "steps": {
            name: {
                "seconds": round(one.seconds, 2), "microseconds_a_row": round(_micro(night, name), 2),
                "client_cpu_seconds": round(one.cpu_seconds, 2),
                "server_cpu_seconds": round(one.server_cpu_seconds, 2),
                "peak_mb": round(one.peak_mb), "server_mb": round(one.server_mb),
            }
            for name, one in night.steps.items()
        },
        "load_seconds": round(night.stages.get("load", 0.0), 2),
        "gate_seconds": round(night.stages.get("gate", 0.0), 2),
        "nodes": {name: [seconds, rows] for name, (seconds, rows) in night.nodes.items()},
    }  # fmt: skip


def _table(sizes: Sequence[float], nights: Sequence[_Night]) -> list[str]:
    lines = [f"{'size':>8}{'rows':>12}  {'step':<9}{'seconds':>9}{'us/row':>9}{'peak MB':>9}{'server MB':>11}"]
    for size, night in zip(sizes, nights, strict=True):
        for name, one in night.steps.items():
            lines.append(
                f"{_percent(size):>8}{night.rows:>12,}  {name:<9}{one.seconds:>9.1f}{_micro(night, name):>9.1f}"
                f"{one.peak_mb:>9.0f}{one.server_mb:>11.0f}"
            )
        lines.append(f"{'':>22}of the load, gate 1: {night.stages.get('gate', 0.0):.1f} s")
    most = max(one.peak_mb for one in nights[-1].steps.values())
    lines.append(f"The night's processes at {_percent(sizes[-1])}: at most {most:.0f} MB, one after the other.")
    return lines


def _by_model(small: _Night, large: _Night) -> list[str]:
    lines = [f"{'model':<40}{'rows':>12}{'seconds':>9}{'us/row':>9}{'before':>9}"]
    for name in sorted(large.nodes, key=lambda one: -large.nodes[one][0])[:_SHOWN]:
        seconds, rows = large.nodes[name]
        lines.append(
            f"{name:<40}{rows:>12,}{seconds:>9.2f}{1e6 * seconds / large.rows:>9.2f}"
            f"{1e6 * small.nodes.get(name, (0.0, 0))[0] / small.rows:>9.2f}"
        )
    return lines


def _percent(size: float) -> str:
    return f"{100 * size:.6f}".rstrip("0").rstrip(".") + " %"


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
