"""A warehouse under trial: every outcome is checked for what must hold whatever came in."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import Inbox
from hostile import Trial, forget_keys


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
