"""CPU seconds and memory of a process and of everything it started, from /proc: of the database server, too."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from warehouse.errors import UsageError
from warehouse.settings import Settings

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """CPU seconds so far of a process and its descendants; of those that ended, what their parents waited for.

    A process that ends while /proc is read may be seen neither alive nor waited for: the second look has it.
    """
    return max(_seen(pid), _seen(pid))


def _seen(pid: int) -> float:
    parents: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = place.read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(place.parent.name))
            used[int(place.parent.name)] = sum(map(int, fields[11:15])) / _TICKS
    waiting = [pid]
    total = 0.0
    while waiting:
        each = waiting.pop()
        total += used.get(each, 0.0)
        waiting += parents.get(each, [])
    return total


def memory_kb(pid: int) -> int:
    """Memory of a process and of its descendants, each shared page counted in shares (PSS); 0 for one that is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
        own = next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
        tasks = list(Path(f"/proc/{pid}/task").glob("*/children"))
        children = [int(child) for task in tasks for child in task.read_text(encoding="utf-8").split()]
    except (OSError, ValueError):
        return 0
    return own + sum(map(memory_kb, children))


def largest_kb(pid: int) -> int:
    """The largest resident set that this one process has had so far (VmHWM); 0 for one that is gone.

    Not ru_maxrss, which after fork and exec still holds what the parent had.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def server_pid(settings: Settings) -> int:
    """The process all backends of the embedded server descend from; raises OSError when it is down."""
    file = settings.home / "postgres" / "data" / "postmaster.pid"
    return int(file.read_text(encoding="utf-8").split("\n", 1)[0])


def require_proc(benchmark: str) -> None:
    """Raise UsageError where the kernel does not tell a process's memory."""
    if not Path("/proc/self/smaps_rollup").exists():
        raise UsageError(f"{benchmark} reads /proc: run it on Linux.")
