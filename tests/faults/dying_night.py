"""A build, an audit or a publication in a process of its own that gets a signal at a step.

`python dying_night.py VERB STEP SIGNAL`; settings come from the environment. VERB is a function of `night.tasks`; STEP
is one of STEPS, or `node NAME`: when dbt begins with that model or test. Prints `done` if it gets that far.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests"), str(PROJECT / "tests" / "faults")]

from dying import at  # noqa: E402

from night import dbt_runs, publishing, tasks  # noqa: E402
from warehouse import bi, builds, publication  # noqa: E402

Blow = Callable[[], None]


def _in_the_gate(blow: Blow) -> None:
    from great_expectations.validator.v1_validator import Validator

    at(Validator, "validate_expectation_suite", blow)


STEPS: dict[str, Callable[[Blow], None]] = {
    "before it is opened": lambda blow: at(builds, "open_build", blow),
    "after it was opened": lambda blow: at(builds, "open_build", blow, after=True),
    "after dbt": lambda blow: at(dbt_runs, "run", blow, after=True),
    "after it was finished": lambda blow: at(builds, "finish", blow, after=True),
    "before the views": lambda blow: at(bi, "sync", blow),
    "before staging": lambda blow: at(publication, "stage", blow),
    "between staging and the gate": lambda blow: at(publication, "stage", blow, after=True),
    "in the gate": _in_the_gate,
    "before the verdict": lambda blow: at(publication, "pass_audit", blow),
    "after the verdict": lambda blow: at(publication, "pass_audit", blow, after=True),
    "before the flip": lambda blow: at(publication, "flip", blow),
    "in the transaction of the flip": lambda blow: at(publication, "note_shared_persons", blow),
    "after the flip": lambda blow: at(publication, "fill_published_totals", blow),
    "before the receipts": lambda blow: at(publication, "fill_published_totals", blow, after=True),
    "between two receipts": lambda blow: at(publishing, "write_outbox", blow, after=True),
}


def at_node(name: str, blow: Blow) -> None:
    """Strike when dbt begins with a model or test."""
    from dbt.cli.main import dbtRunner

    original = dbtRunner.__init__

    def watched(event: Any) -> None:
        if event.info.name == "NodeStart" and event.data.node_info.node_name == name:
            blow()

    def struck(self: Any, manifest: Any = None, callbacks: Any = None) -> None:
        original(self, manifest, [*(callbacks or []), watched])

    dbtRunner.__init__ = struck  # type: ignore[method-assign]


def main() -> None:
    """Take one step of the night to its end, or as far as the signal lets it."""
    verb, step, name = sys.argv[1:4]
    how = signal.Signals[name]

    def blow() -> None:
        os.kill(os.getpid(), how)

    if step.startswith("node "):
        at_node(step.removeprefix("node "), blow)
    else:
        STEPS[step](blow)
    getattr(tasks, verb)(run_id="dying", inbox=None, date=None)
    print("done", flush=True)


if __name__ == "__main__":
    main()
