"""The small world, loaded, built and published stage by stage, once for all tests of the stars."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import stop_and_remove
from shown import World
from world import write_world

from ingestion.decision import settle
from ingestion.inbox import read_folder
from ingestion.load import load_submission
from night import publishing
from night.readiness import migrate
from warehouse.settings import Settings


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """Two publications of the small world. The gate of arrivals has its own tests: its verdict here is `passed`."""
    home = Path(tempfile.mkdtemp(prefix="vss-world-"))
    home.chmod(0o755)
    settings = Settings(home=home)
    try:
        migrate(settings)
        stages = write_world(home / "inbox")
        for stage in stages:
            for folder in stage.folders:
                loaded = load_submission(settings, read_folder(folder))
                # a void has nothing to gate
                if loaded.state == "loaded":
                    assert settle(settings, loaded.sub_no, "passed", ()) == "accepted"
                else:
                    assert loaded.state == "accepted", (folder.name, loaded)
            assert publishing.build(settings, stage.name) is not None
            assert publishing.audit(settings, stage.name)
            assert publishing.publish(settings, stage.name) is not None
        yield World(settings, tuple(stages))
    finally:
        stop_and_remove(settings)
