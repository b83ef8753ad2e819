"""Seconds on the clock, CPU seconds of this process and of children it waited for, and of the database server."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.processes import cpu_seconds, server_pid
from warehouse.settings import Settings


@dataclass
class Lap:
    """One measurement; zero until it has ended."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    server_cpu_seconds: float = 0.0

    @property
    def all_cpu_seconds(self) -> float:
        """Of client and server together: where the machine has other work to do, this drifts less than the clock."""
        return self.cpu_seconds + self.server_cpu_seconds


@contextlib.contextmanager
def lap(settings: Settings | None = None) -> Iterator[Lap]:
    """Measure what happens inside; of the server of a warehouse, which is no child of this process, if one is given.

    The server's CPU is that of all its processes, in hundredths of a second.
    """
    measured = Lap()
    server = None if settings is None else server_pid(settings)
    of_server = 0.0 if server is None else cpu_seconds(server)
    cpu, begun = _own_cpu_seconds(), time.perf_counter()
    yield measured
    measured.seconds = time.perf_counter() - begun
    measured.cpu_seconds = _own_cpu_seconds() - cpu
    measured.server_cpu_seconds = 0.0 if server is None else cpu_seconds(server) - of_server


def _own_cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
