"""Nights under a real scheduler: a warehouse that is up, and its twin that took the same nights without Airflow.

The twin is the measure: a night is right when everything on record, every receipt and every row of `bi` in every
publication has the digest it has in the twin, whatever happened to the scheduler on the way.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from builders import LOCAL, Inbox, Row, arrears, employers, keep, migrated, new_home, participants, stop_and_remove
from invariant import Hashes, everything, left_behind

from benchmarks.airflow_up import AirflowUp, airflow_up
from night import tasks
from warehouse import server
from warehouse.settings import PROJECT, Settings
from warehouse.settings import settings as configured_settings

# what is left behind by a scheduler or a worker that was killed is noticed in seconds instead of minutes
IMPATIENT = {
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "40",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
}
STEPS = ("discover", "load_and_gate", "build", "audit", "publish", "report")


def codes(column: str = "code_until_2025_06_30") -> list[str]:
    """The provinces of a map, in order."""
    lines = (PROJECT / "warehouse" / "reference" / "province_succession.csv").read_text(encoding="utf-8").splitlines()
    place = lines[0].split(",").index(column)
    return sorted({line.split(",")[place] for line in lines[1:]})


def persons(code: str, count: int) -> list[Row]:
    """Persons whom no other province lists, each in compulsory insurance and, as it must be, in health insurance."""
    numbers = slice(100 * int(code), 100 * int(code) + count)
    everybody = numbers.stop
    return [
        *participants(everybody)[numbers],
        *participants(everybody, insurance_type="HI", hi_group="DN", wage_base_vnd="", si_unit_code="")[numbers],
    ]


def a_province(code: str, *, more: int = 0) -> dict[str, Sequence[Row] | None]:
    """The month of a small province; with `more` persons than at first, and then with a row that is set aside."""
    debts = arrears(2)
    return {
        "participants": persons(code, 2 + more), "employers": employers(2),
        "arrears": [*debts[:1], {**debts[1], "fund": "XX"}] if more else debts,
    }  # fmt: skip


@dataclass(frozen=True)
class Night:
    """What arrives before a night, and its business date."""

    name: str
    date: dt.date
    arrive: Callable[[Inbox], object]


@dataclass
class House:
    """A warehouse that is up. `clean` has what each night leaves, by its name, if nothing disturbs it."""

    settings: Settings
    airflow: AirflowUp
    inbox: Inbox
    nights: Sequence[Night] = ()
    clean: dict[str, Hashes] = field(default_factory=dict)
    taken: dict[str, list[str]] = field(default_factory=dict)
    """The runs that ended, by night."""

    def begin(self, night: Night) -> str:
        """Ask the scheduler for a night; its run."""
        name = f"{night.name}, {len(self.taken.get(night.name, [])) + 1}"
        conf = {"run_id": name, "inbox": str(self.inbox.root), "date": night.date.isoformat()}
        return self.airflow.trigger("nightly_load", conf)

    def end(self, night: Night, run: str) -> str:
        """Wait for the end of a run; its state."""
        state = self.airflow.ended("nightly_load", run)
        self.taken.setdefault(night.name, []).append(run)
        return state

    def until(self, name: str, *, itself: bool = True) -> Night:
        """Take the nights before one that were not taken yet, and the night itself unless told otherwise."""
        for night in self.nights:
            if night.name == name and not itself:
                return night
            if night.name not in self.taken:
                night.arrive(self.inbox)
                assert self.end(night, self.begin(night)) == "success"
            if night.name == name:
                return night
        raise LookupError(name)

    def assert_clean_after(self, name: str) -> None:
        """Everything on record and everything shown is what the twin has after this night, and nothing is left over."""
        found, expected = everything(self.settings), self.clean[name]
        assert {part: digest for part, digest in found.items() if expected.get(part) != digest} == {}
        assert found.keys() == expected.keys()
        assert left_behind(self.settings) == []


@contextlib.contextmanager
def at_home(settings: Settings) -> Iterator[None]:
    """The functions of the night work in this home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VSS_HOME", str(settings.home))
        configured_settings.cache_clear()
        try:
            yield
        finally:
            configured_settings.cache_clear()


def take(night: Night, inbox: Inbox) -> None:
    """A night without Airflow, step by step."""
    told = {"run_id": night.name, "inbox": str(inbox.root), "date": night.date.isoformat()}
    night.arrive(inbox)
    for batch in tasks.discover(**told):
        tasks.load_and_gate(batch, **told)
    tasks.build(**told)
    tasks.audit(**told)
    tasks.publish(**told)


def taken_without_airflow(settings: Settings, root: Path, nights: Sequence[Night]) -> dict[str, Hashes]:
    """What each night leaves in this home."""
    clean = {}
    with at_home(settings):
        for night in nights:
            take(night, Inbox(settings, root))
            clean[night.name] = everything(settings)
    return clean


def twin_of(settings: Settings, twin: Settings) -> None:
    """Copy a home, with its keys, into an empty folder. Both have one port: they run one after the other."""
    twin.home.rmdir()
    keep(settings, twin.home)
    (twin.home / "server.lock").unlink(missing_ok=True)


@contextlib.contextmanager
def house_with_twin(inboxes: Path, nights: Sequence[Night], *dags: str) -> Iterator[House]:
    """An empty warehouse that is up, and what its twin, who has its keys, is like after each night."""
    twin = Settings(home=new_home("vss-twin-"))
    settings = migrated("vss-sched-")
    try:
        twin_of(settings, twin)
        clean = taken_without_airflow(twin, inboxes / "twin", nights)
        server.stop(twin)
        with airflow_up(settings, "nightly_load", *dags, variables=IMPATIENT) as airflow:
            yield House(settings, airflow, Inbox(settings, inboxes / "house"), nights, clean)
    finally:
        stop_and_remove(twin)
        stop_and_remove(settings)


# ---------------------------------------------------------------------------------------------------------- processes


def scheduler_of(settings: Settings) -> int:
    """The process of the scheduler that the supervisor began last."""
    log = (settings.home / "up" / "logs" / "supervisord.log").read_text(encoding="utf-8")
    return int(re.findall(r"spawned: 'scheduler' with pid (\d+)", log)[-1])


def children(pid: int) -> list[int]:
    """The processes whose parent is this one."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(place.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(place.parent.name))
    return found


def at_work(settings: Settings) -> tuple[int, list[int], list[int]]:
    """The scheduler, those of its workers that have a task, and the processes of these tasks."""
    scheduler = scheduler_of(settings)
    workers = {worker: children(worker) for worker in children(scheduler)}
    busy = {worker: own for worker, own in workers.items() if own and b"worker" in _title(worker)}
    return scheduler, list(busy), [task for own in busy.values() for task in own]


def kill(*pids: int) -> None:
    """SIGKILL."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _title(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def received(text: str) -> dt.datetime:
    """A local instant."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=LOCAL)
