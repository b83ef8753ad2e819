"""A warehouse of its own for a run of the tests: an embedded server in a fresh VSS_HOME, migrated once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import Inbox, accept, build_and_publish, empty_ledger, migrated, new_home, stop_and_remove
from shown import World
from world import write_world

from warehouse.settings import Settings

# what the machine happens to have set must not reach the code under test, nor what it starts
for _name in [name for name in os.environ if name.startswith(("VSS_", "DBT_", "AIRFLOW"))]:
    del os.environ[_name]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For two workers (make test): who uses the demo or the small world stays on the worker that made it, longest first

    The other files go one by one to the worker that is free. In one process only the order differs.
    """
    order = {"demo": 0, "world": 1}

    def group(item: pytest.Item) -> str:
        used = getattr(item, "fixturenames", ())
        return next((name for name in order if name in used), item.nodeid.partition("::")[0])

    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    items.sort(key=lambda item: order.get(group(item), len(order)))


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
