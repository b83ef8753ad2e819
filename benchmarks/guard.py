"""What keeps the ratios from slipping: measured small and quickly, each against what `baseline.json` says of it.

Floor and ours are measured in turn, in CPU seconds where both are processes of ours, so that a machine with other work
to do changes both alike. A ratio that is more than `SLIP` times its baseline is measured once more before it counts.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from warehouse.errors import VssError

BASELINE = Path(__file__).with_name("baseline.json")
SLIP = 1.5


class SlippedError(VssError):
    """Something takes more of its floor than it did."""


@dataclass(frozen=True)
class Guarded:
    """One ratio: `once` does the floor and ours, in turn, and returns what each cost; of `rounds` the median counts."""

    name: str
    size: str
    once: Callable[[], tuple[float, float]]
    rounds: int = 3

    def ratio(self) -> float:
        """Ours over floor, the median of all rounds."""
        costs = [self.once() for _ in range(self.rounds)]
        return statistics.median(ours / floor for floor, ours in costs)


def hold(guarded: Guarded, *, baseline: Path = BASELINE) -> float:
    """Measure, and measure again if it slipped; returns the ratio that counts.

    Raises SlippedError when both are above SLIP times the baseline, or the baseline says nothing of it.
    """
    known = json.loads(baseline.read_text(encoding="utf-8"))["ratios"].get(guarded.name)
    if known is None or known["size"] != guarded.size:
        raise SlippedError(f"{baseline.name} has no ratio of {guarded.name} at {guarded.size}: write it anew.")
    most = SLIP * known["ratio"]
    ratio = guarded.ratio()
    if ratio > most:
        ratio = min(ratio, guarded.ratio())
    if ratio > most:
        raise SlippedError(
            f"{guarded.name} takes {ratio:.2f} times its floor at {guarded.size}; it was {known['ratio']:.2f}, and more"
            f" than {most:.2f} is a slip. Find what became slower; `vss bench` measures it at its full size."
        )
    return ratio


def note(guarded: Guarded, *, baseline: Path = BASELINE) -> float:
    """Measure and write the ratio down, with the machine; returns it."""
    ratio = guarded.ratio()
    kept = json.loads(baseline.read_text(encoding="utf-8")) if baseline.exists() else {"ratios": {}}
    kept["machine"] = {
        "system": f"{platform.system()} {platform.machine()}", "cores": os.cpu_count(),
        "python": platform.python_version(), "date": f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}",
    }  # fmt: skip
    kept["ratios"][guarded.name] = {"size": guarded.size, "ratio": round(ratio, 3)}
    kept["ratios"] = dict(sorted(kept["ratios"].items()))
    baseline.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return ratio
