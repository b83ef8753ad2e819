"""The demo inbox, written once for the tests that read it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from synth.demo import write_demo

Reader = Callable[[Path], pl.DataFrame]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    inbox = tmp_path_factory.mktemp("demo")
    write_demo(inbox)
    return inbox


@pytest.fixture(scope="session")
def read() -> Reader:
    """Read a feed as text, with its amounts and counts as numbers."""
    return _read


def _read(path: Path) -> pl.DataFrame:
    frame = pl.read_csv(path, infer_schema_length=0)
    numeric = [
        name
        for name in frame.columns
        if name.endswith("_vnd") or name in {"headcount", "employees", "units", "persons"}
    ]
    return frame.with_columns(pl.col(numeric).cast(pl.Int64, strict=False))
