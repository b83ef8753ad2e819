"""`publish`: do readers see a mixture while the pointer moves, do they wait for it, and does a long history slow it?"""

from __future__ import annotations

import contextlib
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psycopg

from benchmarks.published_world import FIGURES, Figures, Size, publish_two_states, stand_by
from benchmarks.results import Result, Target
from benchmarks.workplace import WrongResultError, temporary_warehouse
from warehouse import publication, roles
from warehouse.connection import connect, role_url
from warehouse.settings import Settings

DEFAULT_MONTHS = 24
READERS = 20
FLIPS = 50
_PROVINCES, _ROWS, _CORRECTED = 63, 40, 5
_THINKING_SECONDS = 0.25
"""Between two questions of a reader: with none, twenty of them on two cores measure each other."""
_BLOCKS = 10
_LONGEST_MS = 100
_MOST_TIMES = 1.2
_SHOWN = "select publication_id from bi.publication where is_shown"
_IN_ONE = f"select ({_SHOWN}), " + ", ".join(f"({question})" for question in FIGURES)
_PARTS = (_SHOWN, *FIGURES)
Way = Literal["one statement", "repeatable read"]


@dataclass
class Seen:
    """What the readers found: (publication, figures) by way of asking, and milliseconds of every statement."""

    found: list[tuple[Way, int, Figures]] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)

    def mixtures(self, figures: Mapping[int, Figures]) -> list[tuple[Way, int, Figures]]:
        """What no publication shows; `figures` has what each publication must show."""
        return [each for each in self.found if figures.get(each[1]) != each[2]]

    def add(self, other: Seen) -> None:
        """Take what others saw."""
        self.found += other.found
        self.milliseconds += other.milliseconds

    def kinds(self) -> set[tuple[Way, Figures]]:
        """The different figures that were seen, by way of asking."""
        return {(way, figures) for way, _, figures in self.found}


class Readers:
    """Readers at work, each with a connection of its own: odd ones ask in one statement, even ones in a transaction."""

    def __init__(self, settings: Settings, count: int, *, thinking: float) -> None:
        self._url = role_url(settings, roles.READER)
        self._thinking = thinking
        self._done = threading.Event()
        self._seen = [Seen() for _ in range(count)]
        self._failed: list[BaseException] = []
        self._threads = [threading.Thread(target=self._work, args=[number]) for number in range(count)]

    def start(self) -> None:
        """Let them begin."""
        for thread in self._threads:
            thread.start()

    def answered(self) -> int:
        """How many times the slowest of them has had its figures. Raises what ended one of them."""
        if self._failed:
            raise self._failed[0]
        return min(len(seen.found) for seen in self._seen)

    def stop(self) -> Seen:
        """Let them end; everything they saw. Raises what ended one of them."""
        self._done.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        if self._failed:
            raise self._failed[0]
        whole = Seen()
        for seen in self._seen:
            whole.add(seen)
        return whole

    def _work(self, number: int) -> None:
        seen = self._seen[number]
        try:
            with psycopg.connect(self._url, autocommit=True) as connection:
                while not self._done.is_set():
                    if number % 2:
                        row = self._ask(connection, seen, _IN_ONE)
                        way: Way = "one statement"
                    else:
                        connection.execute("begin isolation level repeatable read, read only")
                        row = [self._ask(connection, seen, part)[0] for part in _PARTS]
                        connection.execute("commit")
                        way = "repeatable read"
                    publication_id, *figures = row
                    seen.found.append((way, publication_id, Figures(*figures)))
                    self._done.wait(self._thinking)
        except BaseException as error:  # noqa: BLE001 - a reader that ends early is reported by whoever waits for it
            self._failed.append(error)

    @staticmethod
    def _ask(connection: psycopg.Connection[tuple[object, ...]], seen: Seen, query: str) -> list[int]:
        begun = time.perf_counter()
        row = connection.execute(query.encode()).fetchone()
        seen.milliseconds.append(1000 * (time.perf_counter() - begun))
        assert row is not None
        return [int(str(value)) for value in row]


@contextlib.contextmanager
def readers(settings: Settings, count: int, *, thinking: float = 0.0) -> Iterator[Readers]:
    """Readers at work while the body runs."""
    at_work = Readers(settings, count, thinking=thinking)
    at_work.start()
    try:
        yield at_work
    finally:
        with contextlib.suppress(Exception):
            at_work.stop()


def flip_to(settings: Settings, target: int) -> tuple[int, float]:
    """Show again what publication `target` shows, as the outcome of a build; its number, and milliseconds of the flip.

    The flip is the transaction that `vss publish` shows a candidate in; what comes before it readers do not see.
    """
    build = stand_by(settings, target)
    with connect(settings, roles.PUBLISHER, autocommit=True) as publisher:
        publication.stage(publisher, build)
        begun = time.perf_counter()
        with publisher.transaction():
            number = publication.flip(publisher, build, completeness="", freshness="", changes="flipped")
        return number, 1000 * (time.perf_counter() - begun)


@dataclass
class _Trial:
    """One history: milliseconds of each flip with nobody there, what readers saw with flips and without."""

    settings: Settings
    states: tuple[Figures, Figures]
    alone: list[float] = field(default_factory=list)
    before_readers: list[float] = field(default_factory=list)
    flipped: Seen = field(default_factory=Seen)
    quiet: Seen = field(default_factory=Seen)
    mixtures: int = 0


def run(folder: Path, *, months: int) -> Result:
    """Measure over one month of history and over `months`, in a warehouse of its own each under `folder`."""
    with contextlib.ExitStack() as warehouses:
        trials = {}
        for count in sorted({1, months}):
            _say(f"{count} months of {_PROVINCES} provinces")
            settings = warehouses.enter_context(temporary_warehouse(folder))
            size = Size(count, _PROVINCES, _ROWS, _CORRECTED)
            trials[count] = _Trial(settings, publish_two_states(settings, size))
        _say(f"{FLIPS} flips of each in turn, nobody there")
        for turn in range(FLIPS + 2):
            for trial in trials.values():
                _, took = flip_to(trial.settings, 1 + turn % 2)
                # the first ones of each state make plans
                if turn > 1:
                    trial.alone.append(took)
        for count, trial in trials.items():
            _say(f"{count} months: {FLIPS} flips before {READERS} readers, and as long without any, in turn")
            _before_readers(trial)
    result = Result("publish", months * _PROVINCES * _ROWS)
    for count, trial in trials.items():
        result.facts[f"{count} months"] = _facts(trial)
        with_flips, without = trial.flipped.milliseconds, trial.quiet.milliseconds
        result.remarks.append(
            f"{count} months: a flip {statistics.median(trial.alone):.1f} ms alone,"
            f" {statistics.median(trial.before_readers):.1f} before readers (medians of {FLIPS});"
            f" {len(with_flips):,} queries, median {statistics.median(with_flips):.1f} ms,"
            f" longest {max(with_flips):.0f}; without flips {statistics.median(without):.1f} and {max(without):.0f}"
        )
    mixtures = sum(trial.mixtures for trial in trials.values())
    longer = max(trials[months].flipped.milliseconds) - max(trials[months].quiet.milliseconds)
    times = statistics.median(trials[months].alone) / statistics.median(trials[1].alone)
    result.targets = [
        Target(
            f"no mixture in {FLIPS} flips before {READERS} readers: {mixtures} seen", mixtures == 0,
            floor="0", ours=str(mixtures),
        ),
        Target(
            f"longest query with flips less without at most {_LONGEST_MS} ms: {longer:.0f}", longer <= _LONGEST_MS,
            floor=f"{max(trials[months].quiet.milliseconds):.0f} ms",
            ours=f"{max(trials[months].flipped.milliseconds):.0f} ms",
        ),
        Target(
            f"a flip at {months} months at most {_MOST_TIMES} times one at 1: {times:.2f}", times <= _MOST_TIMES,
            floor=f"{statistics.median(trials[1].alone):.1f} ms",
            ours=f"{statistics.median(trials[months].alone):.1f} ms", ratio=times,
        ),
    ]  # fmt: skip
    return result


def _facts(trial: _Trial) -> dict[str, object]:
    with_flips, without = trial.flipped.milliseconds, trial.quiet.milliseconds
    return {
        "flip_ms": [round(each, 2) for each in trial.alone],
        "flip_before_readers_ms": [round(each, 2) for each in trial.before_readers],
        "longest_query_ms": round(max(with_flips), 1), "longest_query_without_flips_ms": round(max(without), 1),
        "median_query_ms": round(statistics.median(with_flips), 2),
        "median_query_without_flips_ms": round(statistics.median(without), 2),
        "queries": len(with_flips), "queries_without_flips": len(without), "mixtures": trial.mixtures,
    }  # fmt: skip


def _before_readers(trial: _Trial) -> None:
    """Ten blocks of flips, each followed by the same time without: whatever else the machine does meets both."""
    figures = {1: trial.states[0], 2: trial.states[1]}
    number, _ = flip_to(trial.settings, 2)
    figures[number] = trial.states[1]
    for block in range(_BLOCKS):
        begun = time.monotonic()
        with readers(trial.settings, READERS, thinking=_THINKING_SECONDS) as at_work:
            for turn in range(FLIPS // _BLOCKS):
                wanted = at_work.answered() + 1
                state = (block + turn) % 2
                number, took = flip_to(trial.settings, 1 + state)
                figures[number] = trial.states[state]
                trial.before_readers.append(took)
                _until_answered(at_work, wanted)
            trial.flipped.add(at_work.stop())
        seconds = time.monotonic() - begun
        with readers(trial.settings, READERS, thinking=_THINKING_SECONDS) as at_work:
            time.sleep(seconds)
            trial.quiet.add(at_work.stop())
    if len(trial.flipped.kinds()) < 4:
        raise WrongResultError("The readers did not see both states in both ways: nothing was measured.")
    trial.mixtures = len(trial.flipped.mixtures(figures)) + len(trial.quiet.mixtures(figures))


def _until_answered(at_work: Readers, wanted: int) -> None:
    while at_work.answered() < wanted:
        time.sleep(0.005)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
