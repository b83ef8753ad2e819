"""Where the time of a load goes: the functions it is made of are timed from outside, while a block lasts.

A step's time is its own: what it spends inside another timed step counts there. Work in several threads overlaps, so
the steps of all threads may come to more than the time on the clock.
"""

from __future__ import annotations

import contextlib
import functools
import pkgutil
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

# step, module, and the function or method that is looked up there
_STEPS = (
    ("archive and digest", "ingestion.inbox", "keep"),
    ("verdicts", "ingestion.verdicts", "Verdicts.judged"),
    ("key spill", "ingestion.duplicates", "KeySpill.add"),
    ("duplicates", "ingestion.duplicates", "KeySpill.candidates"),
    ("duplicates", "ingestion.load", "_set_duplicates_aside"),
    ("CSV writing", "polars", "DataFrame.write_csv"),
    ("copy.write", "psycopg", "Copy.write"),
    ("end of COPY", "psycopg", "Copy.finish"),
    ("commit and savepoints", "psycopg", "Transaction.__exit__"),
    ("rejects", "ingestion.ledger", "write_rejects"),
    ("connecting", "psycopg", "Connection.connect"),
    ("waiting for a block", "concurrent.futures", "Future.result"),
)
_READER = ("reader", "ingestion.readers", "Reader.__iter__")
_STATEMENTS = ("statements", "psycopg", "Connection.execute")


@dataclass
class LoadProfile:
    """Seconds by step and thread, and what of the list above no longer exists under its name."""

    seconds: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    missing: list[str] = field(default_factory=list)
    _running: threading.local = field(default_factory=threading.local)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a block as one step of the thread it runs in."""
        stack: list[float] = self._running.__dict__.setdefault("stack", [])
        begun = time.perf_counter()
        stack.append(0.0)
        try:
            yield
        finally:
            taken = time.perf_counter() - begun
            inside = stack.pop()
            if stack:
                stack[-1] += taken
            self.seconds[threading.current_thread().name, name] += taken - inside

    def report(self, total: float) -> str:
        """A line a step, the longest first, as share of `total` seconds on the clock; the main thread's rest last."""
        threads = sorted({thread for thread, _ in self.seconds}, key=lambda name: (name != "MainThread", name))
        lines = []
        for thread in threads:
            own = sorted(((taken, step) for (of, step), taken in self.seconds.items() if of == thread), reverse=True)
            if thread == "MainThread":
                own.append((total - sum(taken for taken, _ in own), "everything else"))
            lines.append(thread)
            lines += [f"  {step:<24}{taken:>8.3f} s{100 * taken / total:>7.1f} %" for taken, step in own]
        if len(threads) > 1:
            lines.append("Threads overlap: their steps come to more than the time on the clock.")
        lines += [f"Not found, so not timed: {name}" for name in self.missing]
        return "\n".join(lines)


@contextlib.contextmanager
def load_profile(profile: LoadProfile) -> Iterator[None]:
    """Time the steps of the loads inside this block into `profile`; afterwards every function is what it was."""
    with contextlib.ExitStack() as stack:
        for step, module, path in _STEPS:
            _replace(stack, profile, module, path, functools.partial(_timed, profile=profile, name=step))
        _replace(stack, profile, *_READER[1:], functools.partial(_timed_iteration, profile=profile, name=_READER[0]))
        _replace(stack, profile, *_STATEMENTS[1:], functools.partial(_timed, profile=profile, name=_statement))
        yield


def _statement(arguments: tuple[Any, ...]) -> str:
    return "analyse" if "analyze_raw" in str(arguments[1]) else _STATEMENTS[0]


def _timed(
    function: Callable[..., Any], *, profile: LoadProfile, name: str | Callable[[tuple[Any, ...]], str]
) -> Callable[..., Any]:
    @functools.wraps(function)
    def timed(*arguments: Any, **keywords: Any) -> Any:
        with profile.step(name if isinstance(name, str) else name(arguments)):
            return function(*arguments, **keywords)

    return timed


def _timed_iteration(function: Callable[..., Any], *, profile: LoadProfile, name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def timed(*arguments: Any, **keywords: Any) -> Iterator[Any]:
        blocks = function(*arguments, **keywords)
        nothing = object()
        while True:
            with profile.step(name):
                block = next(blocks, nothing)
            if block is nothing:
                return
            yield block

    return timed


def _replace(
    stack: contextlib.ExitStack,
    profile: LoadProfile,
    module: str,
    path: str,
    wrapper: Callable[[Callable[..., Any]], Callable[..., Any]],
) -> None:
    owner: Any = pkgutil.resolve_name(module)
    *parents, attribute = path.split(".")
    try:
        for parent in parents:
            owner = getattr(owner, parent)
        former = getattr(owner, attribute)
    except AttributeError:
        profile.missing.append(f"{module}.{path}")
        return
    # what a class inherits is put into the class and taken out again, not replaced by a copy
    is_own = attribute in vars(owner)
    kept = vars(owner).get(attribute)
    if isinstance(kept, classmethod):
        setattr(owner, attribute, staticmethod(wrapper(former)))
    else:
        setattr(owner, attribute, wrapper(former))
    if is_own:
        stack.callback(setattr, owner, attribute, kept)
    else:
        stack.callback(delattr, owner, attribute)
