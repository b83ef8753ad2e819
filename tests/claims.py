"""Claims that hold for any input: tried on a few examples in `make test`, on many in `make test-long`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

SHORT_AND_LONG = pytest.mark.parametrize(
    "times", [pytest.param(1, id="short"), pytest.param(15, id="long", marks=pytest.mark.long)]
)
"""The test runs twice: with its own number of examples, and (marker `long`) with fifteen times as many."""


def holds(claim: Callable[..., None], *, examples: int, times: int, **strategies: SearchStrategy[Any]) -> None:
    """Try a claim on `examples` times `times` inputs.

    The short run draws the same inputs every time, so that `make test` fails for a change and never for a chance; the
    long one draws others each time and prints how to have a failure again.
    """
    profile = settings(
        max_examples=examples * times,
        deadline=None,
        derandomize=times == 1,
        database=None,
        print_blob=True,
        phases=[Phase.generate, Phase.target, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    profile(given(**strategies)(claim))()
