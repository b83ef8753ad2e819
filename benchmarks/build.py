"""`build`: what dbt needs for one new month of the country, beside the same SQL by hand (`benchmarks.by_hand`).

Either side is a process from its start to its end. A month was built and published before; the new one is built, taken
back and built again.
"""

from __future__ import annotations

import datetime as dt
import shutil
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from psycopg import sql

from benchmarks import by_hand, country, steps
from benchmarks.processes import require_proc
from benchmarks.results import Result, Target, Way
from benchmarks.steps import Taken, node_seconds
from benchmarks.workplace import temporary_warehouse
from warehouse import builds
from warehouse.connection import admin_url, open_connection
from warehouse.settings import Settings

DEFAULT_SCALE = 0.01
DEFAULT_REPEAT = 3
FIRST = dt.date(2021, 10, 1)
_MOST_TIMES = 1.5
_SHOWN = 15


def run(folder: Path, *, scale: float, repeat: int, profile: bool) -> Result:
    """Measure `repeat` rounds in a warehouse of its own under `folder`; `scale` 1 is the whole country.

    After each round every table made by hand is compared with what dbt made. With `profile` the models that took most
    are listed, dbt's seconds beside those by hand.
    """
    require_proc("build")
    with temporary_warehouse(folder) as settings:
        second = country.month_after(FIRST, 1)
        arrive(settings, FIRST, scale)
        steps.take(settings, "build", "first")
        steps.take(settings, "audit", "first")
        steps.take(settings, "publish", "first")
        rows = arrive(settings, second, scale)
        by_hand.keep_before(settings)
        ours, hand, tests = rounds(settings, repeat)
        nodes = node_seconds(settings, f"round {repeat}")
    result = Result("build", rows)
    result.ways = [
        _way("the same SQL by hand (floor)", rows, hand),
        _way("vss: dbt build, its tests too", rows, ours),
        _way("the tests' selects by hand", rows, tests),
    ]
    by_round = [our.seconds / floor.seconds for our, floor in zip(ours, hand, strict=True)]
    times = statistics.median(by_round)
    with_tests = statistics.median(
        our.seconds / (floor.seconds + more.seconds) for our, floor, more in zip(ours, hand, tests, strict=True)
    )
    cpu = statistics.median(_cpu(our) / _cpu(floor) for our, floor in zip(ours, hand, strict=True))
    result.facts = {
        "scale": scale, "times_by_round": [round(each, 3) for each in by_round],
        "times_with_tests": round(with_tests, 3), "times_cpu": round(cpu, 3),
        "server_cpu_seconds": {
            name: [round(one.server_cpu_seconds, 2) for one in taken]
            for name, taken in (("by hand", hand), ("vss", ours), ("tests by hand", tests))
        },
        "nodes": {name: seconds for name, (seconds, _) in nodes.items()}, "by_hand": hand[-1].came_to,
        "peak_mb": round(max(one.peak_mb for one in ours)),
    }  # fmt: skip
    floor, our = (statistics.median(one.seconds for one in side) for side in (hand, ours))
    result.targets = [
        Target(
            f"dbt's build of a month at most {_MOST_TIMES} times the same SQL by hand: {times:.2f}",
            times <= _MOST_TIMES, floor=f"{floor:.1f} s", ours=f"{our:.1f} s", ratio=times,
        )
    ]  # fmt: skip
    result.remarks = [
        f"By round: {min(by_round):.2f} to {max(by_round):.2f}; {with_tests:.2f} with the data tests, which dbt runs,"
        f" done by hand as well; {cpu:.2f} in CPU seconds of client and server together.",
    ]
    if profile:
        result.remarks += _slowest(nodes, hand[-1].came_to)
    return result


def arrive(settings: Settings, month: dt.date, scale: float) -> int:
    """Let the country's month arrive and be accepted; rows of it."""
    inbox = settings.home / "inbox"
    _say(f"the month {month:%Y-%m} arrives")
    country.write_provinces(inbox, month, scale=scale)
    country.write_headquarters(inbox, month, scale=scale, plan=month == FIRST)
    steps.take(settings, "load", f"arrivals of {month}", str(inbox))
    shutil.rmtree(inbox)
    return rows_of(settings, month)


def rows_of(settings: Settings, month: dt.date) -> int:
    """Rows that were sent of a month."""
    with open_connection(admin_url(settings)) as admin:
        row = admin.execute(
            "select coalesce(sum(l.row_count), 0) from ops.load l join ops.submission s using (sub_no)"
            " where s.month = %s",
            [month],
        ).fetchone()
    assert row is not None
    return int(str(row[0]))


def rounds(settings: Settings, repeat: int) -> tuple[list[Taken], list[Taken], list[Taken]]:
    """Build what arrived, and do it by hand, in turn; each build but the last is taken back. Ours, models, tests."""
    models, tests = settings.home / "models.json", settings.home / "tests.json"
    ours: list[Taken] = []
    hand: list[Taken] = []
    of_tests: list[Taken] = []
    for turn in range(repeat):
        if turn:
            take_back(settings)
        ours.append(steps.take(settings, "build", f"round {turn + 1}"))
        by_hand.write_statements(settings, models, tests)
        by_hand.begin(settings)
        hand.append(steps.take(settings, "by hand", "", str(models)))
        by_hand.require_same(settings, models)
        of_tests.append(steps.take(settings, "by hand", "", str(tests)))
        _say(f"round {turn + 1} of {repeat}: by hand {hand[-1].seconds:.1f} s, dbt {ours[-1].seconds:.1f} s")
    return ours, hand, of_tests


def take_back(settings: Settings) -> None:
    """Take back the build that is open, and let no dead row of it stay."""
    with builds.lease(settings) as connection:
        builds.take_back(connection)
    with open_connection(admin_url(settings), autocommit=True) as admin:
        tables = admin.execute(
            "select relname from pg_class where relnamespace = 'marts'::regnamespace and relkind in ('r', 'p')"
            " and not relispartition"
        ).fetchall()
        for (name,) in tables:
            admin.execute(sql.SQL("vacuum {}").format(sql.Identifier("marts", str(name))))


def _slowest(nodes: Mapping[str, tuple[float, int]], hand: Mapping[str, float]) -> list[str]:
    lines = [f"{'model':<40}{'rows':>12}{'dbt s':>9}{'by hand s':>11}"]
    for name in sorted(nodes, key=lambda one: -nodes[one][0])[:_SHOWN]:
        seconds, rows = nodes[name]
        lines.append(f"{name:<40}{rows:>12,}{seconds:>9.2f}{hand.get(name, 0.0):>11.2f}")
    lines.append(
        f"{'all models':<40}{'':>12}{sum(seconds for seconds, _ in nodes.values()):>9.2f}{sum(hand.values()):>11.2f}"
    )
    return lines


def _cpu(one: Taken) -> float:
    return one.cpu_seconds + one.server_cpu_seconds


def _way(name: str, rows: int, taken: Sequence[Taken]) -> Way:
    return Way(name, rows, tuple(each.seconds for each in taken), tuple(each.cpu_seconds for each in taken))


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
