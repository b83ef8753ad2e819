"""The demo, landed once for all acceptance tests: through the command line, in Airflow, in a fresh VSS_HOME."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import canary
import pytest
from builders import stop_and_remove
from demo_warehouse import Demo

from warehouse.settings import Settings


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """What `make demo` does, verb by verb; publication 1 is its result."""
    home = Path(tempfile.mkdtemp(prefix="vss-demo-"))
    home.chmod(0o755)
    made = Demo(home)
    try:
        made.vss("migrate")
        made.vss("synth", "--demo", "--out", str(made.inbox))
        canary.plant(made.inbox)
        made.vss("nightly", "--inbox", str(made.inbox), expect=3)
        yield made
    finally:
        stop_and_remove(Settings(home=home))
        shutil.rmtree(home, ignore_errors=True)
