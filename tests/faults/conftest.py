"""A warehouse under trial: every outcome is checked for what must hold whatever came in."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import Inbox, new_home, stop_and_remove
from hostile import Trial, forget_keys
from nights import Nights, a_clean_night
from shown import World

from warehouse import roles, server
from warehouse.connection import connect
from warehouse.settings import Settings
from warehouse.settings import settings as configured_settings


@pytest.fixture
def trial(inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    """An empty warehouse; the working folder and the folder of temporary files are the test's own, and watched."""
    for place in ("archive", "outbox"):
        shutil.rmtree(inbox.settings.home / place, ignore_errors=True)
    elsewhere = tmp_path / "elsewhere"
    for name in ("temporary", "working"):
        (elsewhere / name).mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(elsewhere / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.chdir(elsewhere / "working")
    yield Trial(inbox, elsewhere)
    forget_keys(inbox.settings)


@pytest.fixture(scope="session")
def clean_night(world: World) -> Iterator[Nights]:
    """The stages of a night that nothing disturbed; the world's server is as it was."""
    home, images = new_home("vss-night-"), new_home("vss-images-")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VSS_HOME", str(home))
        configured_settings.cache_clear()
        try:
            night = a_clean_night(world, home, images)
        finally:
            stop_and_remove(Settings(home=home))
            configured_settings.cache_clear()
            connect(world.settings, roles.READER).close()
    yield night
    shutil.rmtree(images)


@pytest.fixture(scope="module")
def nights(clean_night: Nights, world: World) -> Iterator[Nights]:
    """A night to disturb. It has the port of the world, for dbt would parse all anew for another, so that one stops."""
    server.stop(world.settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VSS_HOME", str(clean_night.settings.home))
        configured_settings.cache_clear()
        yield clean_night
    configured_settings.cache_clear()
    stop_and_remove(clean_night.settings)
    connect(world.settings, roles.READER).close()
