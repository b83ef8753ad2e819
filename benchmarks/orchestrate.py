"""`orchestrate`: what a night of 63 senders costs under the scheduler of `vss up`, beside the same steps without it.

Two warehouses get the same submissions, a month a night. One has a scheduler; in the other this process takes the steps
one after the other. A first night, which is not measured, makes both warm: models are parsed, libraries imported.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg import sql

from benchmarks.airflow_up import AirflowUp, airflow_up
from benchmarks.country import month_after, write_provinces
from benchmarks.processes import cpu_seconds
from benchmarks.results import Result, Target, Way
from benchmarks.stopwatch import lap
from benchmarks.workplace import WrongResultError, temporary_warehouse
from night import tasks
from warehouse import roles
from warehouse.connection import admin_url, connect, open_connection
from warehouse.settings import Settings
from warehouse.settings import settings as configured_settings

DEFAULT_SCALE = 0.01
DEFAULT_REPEAT = 2
_FIRST = dt.date(2021, 10, 1)
_MOST_TIMES = 1.3


@dataclass
class _Side:
    """One warehouse: seconds and CPU seconds of each measured night, and where they went."""

    settings: Settings
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    stages: list[dict[str, float]] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)


def run(folder: Path, *, scale: float, repeat: int) -> Result:
    """Measure `repeat` nights of each side in turn, under `folder`; `scale` 1 is every province at full size."""
    arrivals = folder / "orchestrate-inbox"
    try:
        with temporary_warehouse(folder) as plain, temporary_warehouse(folder) as scheduled:
            alone, beside = _Side(plain), _Side(scheduled)
            with airflow_up(scheduled, "nightly_load") as airflow:
                for number in range(repeat + 1):
                    month = month_after(_FIRST, number)
                    inbox = arrivals / f"{month:%Y-%m}"
                    write_provinces(inbox, month, scale=scale)
                    _say(f"night {number} of {repeat}, {month:%Y-%m}" + ("" if number else " (not measured)"))
                    if number % 2:
                        _without(alone, inbox, month)
                    _with(beside, airflow, inbox, month)
                    if not number % 2:
                        _without(alone, inbox, month)
                    rows = _same_work(alone, beside, month, publication=number + 1)
                    shutil.rmtree(inbox)
    finally:
        shutil.rmtree(arrivals, ignore_errors=True)
    return _result(alone, beside, rows, scale)


def _told(inbox: Path, month: dt.date) -> dict[str, Any]:
    date = (month + dt.timedelta(days=32)).replace(day=4)
    return {"run_id": f"night of {date}", "inbox": str(inbox), "date": date.isoformat()}


def _without(side: _Side, inbox: Path, month: dt.date) -> None:
    """The night's steps, one after the other, in this process."""
    told = _told(inbox, month)
    with _at_home(side.settings), lap() as measured:
        for batch in tasks.discover(**told):
            tasks.load_and_gate(batch, **told)
        tasks.build(**told)
        tasks.audit(**told)
        tasks.publish(**told)
        tasks.report(**told)
    if month != _FIRST:
        side.seconds.append(measured.seconds)
        side.cpu_seconds.append(measured.cpu_seconds)
        side.stages.append(_stages(side.settings, told["run_id"]))


def _with(side: _Side, airflow: AirflowUp, inbox: Path, month: dt.date) -> None:
    """The night as one run under the scheduler, from the moment it is asked for to the moment it has ended."""
    told = _told(inbox, month)
    cpu, begun = _cpu_of(side.settings), time.perf_counter()
    run = airflow.trigger("nightly_load", told)
    state = airflow.ended("nightly_load", run, seconds=4 * 3600)
    seconds = time.perf_counter() - begun
    if state != "success":
        raise WrongResultError(f"The night of {month:%Y-%m} under the scheduler ended as {state}: no time was taken.")
    if month != _FIRST:
        side.seconds.append(seconds)
        side.cpu_seconds.append(_cpu_of(side.settings) - cpu)
        side.stages.append(_stages(side.settings, told["run_id"]))
        side.tasks.append(_task_seconds(airflow, run))


@contextlib.contextmanager
def _at_home(settings: Settings) -> Iterator[None]:
    """The functions of the night work in this warehouse, whatever else the environment says."""
    before = {name: value for name, value in os.environ.items() if name.startswith("VSS_")}
    for name in before:
        del os.environ[name]
    os.environ["VSS_HOME"] = str(settings.home)
    configured_settings.cache_clear()
    try:
        yield
    finally:
        del os.environ["VSS_HOME"]
        os.environ.update(before)
        configured_settings.cache_clear()


def _stages(settings: Settings, run_id: str) -> dict[str, float]:
    """Seconds of each stage of a run, added up over what ran side by side."""
    with connect(settings, roles.LOADER) as connection:
        found = connection.execute(
            "select stage, sum(seconds) from ops.run_stage where run_id = %s and stage in"
            " ('discover', 'load and gate', 'build', 'audit', 'publish', 'report') group by 1",
            [run_id],
        ).fetchall()
    return {str(stage): round(float(str(seconds)), 2) for stage, seconds in found}


def _task_seconds(airflow: AirflowUp, run: str) -> dict[str, Any]:
    """Of a run: its seconds, those without any task, those of each task (of a mapped one the sum), and its batches."""
    spans = [
        (str(one["task_id"]), _instant(one["start_date"]), _instant(one["end_date"]))
        for one in airflow.tasks("nightly_load", run)
    ]
    begun, ended = (_instant(airflow.run("nightly_load", run)[name]) for name in ("queued_at", "end_date"))
    idle, at = 0.0, begun
    for _, start, end in sorted(spans, key=lambda span: span[1]):
        idle += max(0.0, start - at)
        at = max(at, end)
    seconds: dict[str, float] = {}
    for name, start, end in spans:
        seconds[name] = round(seconds.get(name, 0.0) + end - start, 2)
    return {
        "run": round(ended - begun, 2), "no_task": round(idle + max(0.0, ended - at), 2), "tasks": seconds,
        "batches": sum(name == "load_and_gate" for name, _, _ in spans),
    }  # fmt: skip


def _instant(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()


def _cpu_of(settings: Settings) -> float:
    """CPU seconds so far of everything under the supervisor of `vss up`, processes that have ended included."""
    return cpu_seconds(int((settings.home / "up" / "supervisord.pid").read_text(encoding="utf-8")))


def _same_work(alone: _Side, beside: _Side, month: dt.date, *, publication: int) -> int:
    """Rows of the night that both sides loaded and show. Raises WrongResultError where they differ."""
    found = []
    for side in (alone, beside):
        with connect(side.settings, roles.LOADER) as connection:
            row = connection.execute(
                "select count(distinct s.sub_no), count(distinct s.state), sum(l.row_count), max(c.publication_id)"
                " from ops.submission s join ops.load l using (sub_no) cross join ops.current_publication c"
                " where s.month = %s",
                [month],
            ).fetchone()
        with connect(side.settings, roles.READER) as reader:
            shown = reader.execute(
                sql.SQL("select count(*) from bi.fct_participation where month = %s"), [month]
            ).fetchone()
        assert row is not None and shown is not None
        found.append((*(int(str(value)) for value in row), int(str(shown[0]))))
        # what a night leaves to be written is not the next one's
        with open_connection(admin_url(side.settings), autocommit=True) as admin:
            admin.execute("checkpoint")
    if found[0] != found[1] or found[0][0] != 63 or found[0][3] != publication:
        raise WrongResultError(
            f"Of {month:%Y-%m} (submissions, states, rows, publication, persons shown) without Airflow {found[0]}, with"
            f" it {found[1]}: no time was taken."
        )
    return found[0][2]


def _result(alone: _Side, beside: _Side, rows: int, scale: float) -> Result:
    ways = [
        Way("the steps in one process", rows, tuple(alone.seconds), tuple(alone.cpu_seconds)),
        Way("under the scheduler", rows, tuple(beside.seconds), tuple(beside.cpu_seconds)),
    ]
    times = ways[1].median / ways[0].median
    result = Result("orchestrate", rows, ways=ways)
    result.facts = {
        "scale": scale, "times": round(times, 3), "stages_without": alone.stages, "stages_with": beside.stages,
        "tasks_with": beside.tasks,
    }  # fmt: skip
    result.targets = [
        Target(f"a night under the scheduler at most {_MOST_TIMES} times the same steps: {times:.2f}",
               times <= _MOST_TIMES, floor=f"{ways[0].median:.1f} s", ours=f"{ways[1].median:.1f} s", ratio=times)
    ]  # fmt: skip
    last, stages = beside.tasks[-1], beside.stages[-1]
    steps: Mapping[str, float] = last["tasks"]
    in_tasks, in_stages = sum(steps.values()), sum(stages.values())
    result.remarks = [
        f"last night under the scheduler: {last['run']:.1f} s, {last['no_task']:.1f} of them without any task;"
        f" {in_tasks:.1f} s in {len(steps) - 1 + last['batches']} tasks, of which {in_stages:.1f} in the steps"
        " themselves (the rest: a process, the libraries, the DAG file)",
        "CPU seconds of the second way are those of all of Airflow; the database server is in neither",
    ]
    return result


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
