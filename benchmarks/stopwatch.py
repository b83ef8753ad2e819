"""Seconds on the clock and CPU seconds of this process and of children it waited for."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass
class Lap:
    """One measurement; zero until it has ended."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0


@contextlib.contextmanager
def lap() -> Iterator[Lap]:
    """Measure what happens inside. The database server is no child of this process: its CPU is not counted."""
    measured = Lap()
    cpu, begun = _cpu_seconds(), time.perf_counter()
    yield measured
    measured.seconds = time.perf_counter() - begun
    measured.cpu_seconds = _cpu_seconds() - cpu


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
