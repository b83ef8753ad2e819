"""A loader in a process of its own that gets a signal at a named step: `python dying.py STEP SIGNAL FOLDER [PATIENCE]`.

Settings come from the environment. Prints the state the submission ended in, if it gets that far.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from ingestion import inbox, ledger, load  # noqa: E402
from ingestion.workers import Patience  # noqa: E402
from night import arrivals  # noqa: E402
from warehouse.settings import settings  # noqa: E402


def at(module: Any, name: str, blow: Callable[[], None], *, after: bool = False) -> None:
    """Strike when a function is called, or has returned."""
    original = getattr(module, name)

    def struck(*arguments: Any, **named: Any) -> Any:
        if not after:
            blow()
        result = original(*arguments, **named)
        if after:
            blow()
        return result

    setattr(module, name, struck)


def in_copy(blow: Callable[[], None]) -> None:
    """Strike when half of a block is on its way to the server."""
    original = load.ahead

    @contextlib.contextmanager
    def halved(items: Iterator[Any], **named: Any) -> Iterator[Iterator[Any]]:
        with original(items, **named) as blocks:
            yield _halves(blocks)

    def _halves(blocks: Iterator[Any]) -> Iterator[Any]:
        for block in blocks:
            yield block[: len(block) // 2]
            blow()
            yield block[len(block) // 2 :]

    load.ahead = halved  # type: ignore[assignment]


def _at_gate(blow: Callable[[], None]) -> None:
    import expectations.submission

    at(expectations.submission, "gate_submission", blow)


STEPS: dict[str, Callable[[Callable[[], None]], None]] = {
    "before it is entered": lambda blow: at(ledger, "enter", blow),
    "after it was entered": lambda blow: at(ledger, "enter", blow, after=True),
    "while it is archived": lambda blow: at(inbox, "keep", blow, after=True),
    "in the middle of COPY": in_copy,
    "after COPY": lambda blow: at(load, "check_against_manifest", blow),
    "before the rejects": lambda blow: at(ledger, "write_rejects", blow),
    "before the last update": lambda blow: at(ledger, "decide", blow),
    "before the commit": lambda blow: at(ledger, "decide", blow, after=True),
    "after the commit": lambda blow: at(load, "Loaded", blow),
    "before the gate": _at_gate,
    "before the verdict": lambda blow: at(arrivals, "settle", blow),
    "after the verdict": lambda blow: at(arrivals, "settle", blow, after=True),
    "before the receipt": lambda blow: at(arrivals, "write_outbox", blow),
}


def main() -> None:
    """Take one folder as far as it goes, or as far as the signal lets it."""
    step, name, folder = sys.argv[1:4]
    how = None if name == "none" else signal.Signals[name]
    done = []

    def blow() -> None:
        if how is not None and not done:
            done.append(True)
            os.kill(os.getpid(), how)

    if step != "none":
        STEPS[step](blow)
    if len(sys.argv) > 4:
        beat, stale = map(float, sys.argv[4].split(","))
        load._PATIENCE = Patience(beat=beat, stale=stale)
        load.load_submission.__kwdefaults__["patience"] = load._PATIENCE
    print("ready", flush=True)
    print(arrivals.load_and_gate(settings(), "dying", Path(folder)), flush=True)


if __name__ == "__main__":
    main()
