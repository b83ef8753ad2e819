"""`increment`: one province's correction where the country's history is long, beside the same where it is one month.

Two warehouses show the same last month. One has nothing before it, the other the months before, of which all but the
last are copies (`benchmarks.history`). The province sends that month again and again; each time the correction is
loaded, gated, built, audited and published, each step a process of its own.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import country, history, steps
from benchmarks.processes import require_proc
from benchmarks.results import Result, Target, Way
from benchmarks.steps import Taken, node_seconds
from benchmarks.workplace import WrongResultError, temporary_warehouse
from warehouse import roles
from warehouse.connection import connect
from warehouse.errors import UsageError
from warehouse.settings import Settings

DEFAULT_MONTHS = 24
DEFAULT_SCALE = 0.01
DEFAULT_REPEAT = 3
LAST = dt.date(2022, 6, 1)
_PROVINCE = "26"
_MOST_TIMES = 1.2
_STEPS = ("load", "build", "audit", "publish")
_SHOWN = 15


@dataclass
class _Side:
    """A warehouse with a history: its steps of each correction, by name, and seconds of the models in the last."""

    settings: Settings
    months: int
    taken: list[dict[str, Taken]] = field(default_factory=list)
    nodes: dict[str, tuple[float, int]] = field(default_factory=dict)

    def seconds(self) -> list[float]:
        """Seconds of each correction, all steps together."""
        return [sum(one.seconds for one in steps.values()) for steps in self.taken]

    def of(self, step: str) -> float:
        """Median seconds of a step."""
        return statistics.median(taken[step].seconds for taken in self.taken)


def run(folder: Path, *, months: int, scale: float, repeat: int, profile: bool) -> Result:
    """Correct `repeat` times with one month and with `months` of history in turn, in warehouses under `folder`.

    With `profile` the models that took most with the longer history are listed beside the same with one month.
    """
    require_proc("increment")
    if months < 2:
        raise UsageError("increment compares a history with a single month: give --rows of at least 2.")
    with contextlib.ExitStack() as warehouses:
        sides = [_Side(warehouses.enter_context(temporary_warehouse(folder)), count) for count in (1, months)]
        for side in sides:
            rows = _begin(side, scale)
        for turn in range(repeat):
            # whatever else the machine does meets both
            for side in sides if turn % 2 == 0 else reversed(sides):
                sent = _correct(side, scale, version=turn + 2)
    one, many = sides
    times = statistics.median(b / a for a, b in zip(one.seconds(), many.seconds(), strict=True))
    result = Result("increment", rows)
    result.ways = [
        Way(f"a correction, {side.months} month{'s' if side.months > 1 else ''} of history",
            sent, tuple(side.seconds()),
            tuple(sum(step.cpu_seconds for step in taken.values()) for taken in side.taken))
        for side in sides
    ]  # fmt: skip
    result.facts = {
        "scale": scale, "months": months, "rows_of_history": rows,
        "steps": {
            str(side.months): {
                name: {
                    "seconds": [round(taken[name].seconds, 2) for taken in side.taken],
                    "server_cpu_seconds": [round(taken[name].server_cpu_seconds, 2) for taken in side.taken],
                }
                for name in _STEPS
            }
            for side in sides
        },
        "nodes": {str(side.months): {name: list(found) for name, found in side.nodes.items()} for side in sides},
    }  # fmt: skip
    floor, ours = (statistics.median(side.seconds()) for side in sides)
    result.targets = [
        Target(
            f"a correction with {months} months of history at most {_MOST_TIMES} times one with 1: {times:.2f}",
            times <= _MOST_TIMES, floor=f"{floor:.1f} s", ours=f"{ours:.1f} s", ratio=times,
        )
    ]  # fmt: skip
    result.remarks = [f"{'step':<10}{'1 month s':>11}{f'{months} months s':>13}{'times':>8}"]
    result.remarks += [
        f"{name:<10}{one.of(name):>11.1f}{many.of(name):>13.1f}{many.of(name) / one.of(name):>8.2f}" for name in _STEPS
    ]
    if profile:
        result.remarks += _by_model(one, many)
    return result


def _begin(side: _Side, scale: float) -> int:
    """Make the history and show it; rows of it."""
    settings, inbox = side.settings, side.settings.home / "inbox"
    _say(f"a history of {side.months} months")
    before = country.month_after(LAST, -1)
    for month in [LAST] if side.months == 1 else [before, LAST]:
        country.write_provinces(inbox, month, scale=scale)
    for back in range(side.months):
        month = country.month_after(LAST, -back)
        country.write_headquarters(inbox, month, scale=scale, plan=month.month == 1 or back == side.months - 1)
    steps.take(settings, "load", "history", str(inbox))
    shutil.rmtree(inbox)
    history.copy_back(settings, before, max(0, side.months - 2))
    for step in ("build", "audit", "publish"):
        taken = steps.take(settings, step, "history")
        _say(f"{side.months} months: {step} {taken.seconds:.1f} s")
    with connect(settings, roles.LOADER) as connection:
        row = connection.execute("select coalesce(sum(row_count), 0) from ops.load").fetchone()
    assert row is not None
    return int(str(row[0]))


def _correct(side: _Side, scale: float, *, version: int) -> int:
    """One correction, from its folder in the inbox to what readers see, compared with what was sent; persons' rows."""
    settings, inbox = side.settings, side.settings.home / "inbox"
    country.write_correction(inbox, LAST, scale=scale, province=_PROVINCE, version=version)
    run_id = f"correction {version}"
    side.taken.append({name: steps.take(settings, name, run_id, str(inbox) if name == "load" else "")
                       for name in _STEPS})  # fmt: skip
    side.nodes = node_seconds(settings, run_id)
    shutil.rmtree(inbox)
    with connect(settings, roles.LOADER) as connection:
        sent = connection.execute(
            "select l.totals -> 'wage_base_vnd' ->> 'loaded', l.row_count"
            " from ops.load l join ops.submission s using (sub_no)"
            " where s.sender = %s and s.month = %s and s.version = %s and l.feed = 'participants'",
            [f"province-{_PROVINCE}", LAST, version],
        ).fetchone()
    with connect(settings, roles.READER) as reader:
        shown = reader.execute(
            "select sum(wage_base_vnd) from bi.fct_participation where month = %s and province_code = %s",
            [LAST, _PROVINCE],
        ).fetchone()
    if sent is None or shown is None or str(sent[0]) != str(shown[0]):
        raise WrongResultError(f"Of correction {version} readers see {shown} and {sent} was sent: no time was taken.")
    _say(f"{side.months} months, correction {version}: {side.seconds()[-1]:.1f} s")
    return int(str(sent[1]))


def _by_model(one: _Side, many: _Side) -> list[str]:
    lines = [f"{'model':<40}{'rows':>12}{f'{many.months} months s':>13}{'1 month s':>11}"]
    for name in sorted(many.nodes, key=lambda each: -many.nodes[each][0])[:_SHOWN]:
        seconds, rows = many.nodes[name]
        lines.append(f"{name:<40}{rows:>12,}{seconds:>13.2f}{one.nodes.get(name, (0.0, 0))[0]:>11.2f}")
    return lines


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
