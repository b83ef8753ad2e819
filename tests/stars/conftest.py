"""The small world, loaded, built and published stage by stage, once for all tests of the stars."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from builders import accept, build_and_publish, migrated, stop_and_remove
from shown import World
from world import write_world


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """Two publications of the small world."""
    settings = migrated("vss-world-")
    try:
        stages = write_world(settings.home / "inbox")
        for stage in stages:
            for folder in stage.folders:
                accept(settings, folder)
            build_and_publish(settings, stage.name)
        yield World(settings, tuple(stages))
    finally:
        stop_and_remove(settings)
