"""A process that takes one step of a night, or the same by hand, and ends: what `benchmarks.steps` measures.

Arguments: VSS_HOME, the step, the name of the run, and what the step works on. Prints JSON: the process's largest
resident memory, and what the step came to.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

from benchmarks.processes import largest_kb
from benchmarks.workplace import WrongResultError, warehouse_at

GOOD = {"accepted", "accepted_with_rejects"}


def main(home: str, step: str, run_id: str, on: str = "") -> None:
    """Take the step in the warehouse of `home`. Raises WrongResultError when it does not end as it should."""
    settings = warehouse_at(Path(home))
    came_to: object
    # each imports what it needs and no more: that is part of what is measured
    if step == "load":
        arrivals = importlib.import_module("night.arrivals")
        states = dict(arrivals.load_all(settings, run_id, arrivals.discover(settings, Path(on))))
        wrong = [f"{folder.name} is {state}" for folder, state in states.items() if state not in GOOD]
        if wrong or not states:
            raise WrongResultError(f"Not every submission was accepted: {'; '.join(wrong[:3]) or 'none was there'}.")
        came_to = len(states)
    elif step == "by hand":
        came_to = importlib.import_module("benchmarks.by_hand").take(settings, Path(on))
    else:
        came_to = getattr(importlib.import_module("night.publishing"), step)(settings, run_id)
        if not came_to:
            raise WrongResultError(f"The step {step} had nothing to do.")
    print(json.dumps({"peak_kb": largest_kb(os.getpid()), "came_to": came_to}))


if __name__ == "__main__":
    main(*sys.argv[1:])
