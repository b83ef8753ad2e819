"""A warehouse of its own for a run of the tests: an embedded server in a fresh VSS_HOME, migrated once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from builders import Inbox, accept, build_and_publish, empty_ledger, migrated, new_home, stop_and_remove
from shown import World
from world import write_world
from xdist.scheduler import LoadScopeScheduling

from warehouse.settings import Settings

# what the machine happens to have set must not reach the code under test, nor what it starts
for _name in [name for name in os.environ if name.startswith(("VSS_", "DBT_", "AIRFLOW"))]:
    del os.environ[_name]


class OneWorldAWorker(LoadScopeScheduling):  # type: ignore[misc] # the library has no types
    """For two workers (make test): whoever uses the demo, or the small world, stays on the worker that made it.

    The other files go one by one to the worker that is free; those two, the longest, are begun first.
    """

    ORDER = ("demo", "world")
    FILES: ClassVar = {
        "tests/acceptance/": "demo",
        "tests/stars/": "world",
        "tests/benchmarks/test_guard": "world",
        "tests/faults/test_process_night": "world",
    }

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((world for start, world in self.FILES.items() if file.startswith(start)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> OneWorldAWorker:
    """What `-n 2` distributes the tests by."""
    return OneWorldAWorker(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The order in which scopes are handed out is that of the tests."""
    order = {world: place for place, world in enumerate(OneWorldAWorker.ORDER)}

    def place(item: pytest.Item) -> int:
        scopes = (world for start, world in OneWorldAWorker.FILES.items() if item.nodeid.startswith(start))
        return order.get(next(scopes, ""), len(order))

    items.sort(key=place)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes do not name a test: a gzip's hold the second they were made in, and both workers must collect the same.

    pytest numbers the tests of a function that would be named alike.
    """
    return "bytes" if isinstance(val, bytes) and len(val) > 16 else None


@pytest.fixture
def home() -> Iterator[Path]:
    """A VSS_HOME that a server of another system user can reach; its server is stopped and it is removed at the end."""
    folder = new_home("vss-test-")
    yield folder
    stop_and_remove(Settings(home=folder))


@pytest.fixture(scope="session")
def configured() -> Iterator[Settings]:
    """Settings of a migrated warehouse that the tests share; the fixture `inbox` empties its ledger."""
    settings = migrated("vss-test-")
    yield settings
    stop_and_remove(settings)


@pytest.fixture
def inbox(configured: Settings, tmp_path: Path) -> Inbox:
    """An empty inbox before an empty ledger."""
    empty_ledger(configured)
    return Inbox(configured, tmp_path / "inbox")


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The small world, loaded, built and published stage by stage: two publications that tests only read, or copy."""
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
