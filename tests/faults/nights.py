"""Nights that die: a copy of the small world with one correction that arrived, and the stages its clean night went
through, to each of which the warehouse can be put back."""

from __future__ import annotations

import csv
import datetime as dt
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builders import LOCAL, Inbox, keep, put_back
from invariant import Hashes, everything, left_behind, seen
from shown import World

from night import tasks
from warehouse.settings import PROJECT, Settings

FAULTS = PROJECT / "tests" / "faults"
STAGES = ("arrived", "loaded", "built", "audited", "published")
CORRECTED = "p46-2022-01-v2"


@dataclass(frozen=True)
class Nights:
    """One warehouse, always in the same place; `images` holds a folder for each of STAGES of its clean night."""

    settings: Settings
    images: Path
    inbox: Inbox
    clean: Hashes
    """What the clean night left."""
    before: Hashes
    """What there was when the correction was loaded."""

    def back_to(self, stage: str) -> Settings:
        """The warehouse as it was at a stage of the clean night."""
        put_back(self.settings, self.images / stage)
        return self.settings

    def begin(self, *arguments: str, script: str = "dying_night.py") -> subprocess.Popen[str]:
        """A process of its own: a script of this folder, told where the warehouse is."""
        return subprocess.Popen(
            [sys.executable, str(FAULTS / script), *arguments], env=self.environment(), cwd=PROJECT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def vss(self, *arguments: str) -> subprocess.Popen[str]:
        """A verb in a session of its own, so that it can be killed with everything it started."""
        return subprocess.Popen(
            [sys.executable, "-c", "from cli.main import main; main()", *arguments], env=self.environment(),
            cwd=PROJECT, text=True, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def environment(self) -> dict[str, str]:
        return {
            **os.environ, "VSS_HOME": str(self.settings.home), "VSS_INBOX": str(self.inbox.root),
            "PYTHONPATH": str(PROJECT), "PYTHONWARNINGS": "ignore",
        }  # fmt: skip

    def assert_nothing_new_is_shown(self) -> None:
        """Readers see what they saw before the night."""
        assert seen(self.settings, now=True) == shown_in(self.before, 2)

    def assert_as_clean(self) -> None:
        """Everything on record and everything shown is what the clean night left, and nothing else is left."""
        assert differences(everything(self.settings), self.clean) == []
        assert left_behind(self.settings) == []


def shown_in(hashes: Hashes, publication: int) -> Hashes:
    """What readers see in one publication."""
    return {part: digest for part, digest in hashes.items() if part.endswith(f" in {publication}")}


def differences(found: Hashes, expected: Hashes) -> list[str]:
    """The parts that differ, or that only one of them has."""
    return [
        f"{part}: {found.get(part)} and not {expected.get(part)}"
        for part in sorted({*found, *expected})
        if found.get(part) != expected.get(part)
    ]


def correct(world: World, inbox: Inbox) -> Path:
    """A correction of a month that is shown: one unit owes more than it said, and one row is set aside."""
    (source,) = (world.settings.home / "inbox").rglob("p46-2022-01-v1")
    feeds = {feed: _rows(source / f"{feed}.csv") for feed in ("arrears", "employers")}
    feeds["arrears"][0]["principal_vnd"] = str(int(feeds["arrears"][0]["principal_vnd"]) + 1_000)
    feeds["arrears"].append({**feeds["arrears"][1], "fund": "XX"})
    return inbox.send(
        feeds, sender="province-46", period="2022-01", version=2, submission_id=CORRECTED, action="correct",
        as_of_date=dt.date(2022, 1, 31), received_at=dt.datetime(2022, 2, 20, 8, tzinfo=LOCAL),
    )  # fmt: skip


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        # a cell that says nothing is not sent
        return [{name: value for name, value in row.items() if value} for row in csv.DictReader(stream)]


def take(verbs: Sequence[str]) -> None:
    """Steps of a night as Airflow takes them."""
    for verb in verbs:
        getattr(tasks, verb)(run_id="again", inbox=None, date=None)


def a_clean_night(world: World, home: Path, images: Path) -> Nights:
    """Copy the world, let the correction arrive, and take the night step by step; each is kept as it leaves things."""
    settings = Settings(home=home)
    home.rmdir()
    keep(world.settings, home)
    (home / "server.lock").unlink(missing_ok=True)
    inbox = Inbox(settings, images / "inbox")
    folder = correct(world, inbox)
    keep(settings, images / "arrived")
    assert tasks.load_and_gate([str(folder)], run_id="clean", inbox=None, date=None) == {"accepted_with_rejects": 1}
    before = everything(settings)
    for verb, stage in zip(("", "build", "audit", "publish"), STAGES[1:], strict=True):
        if verb:
            take([verb])
        if stage != "published":
            keep(settings, images / stage)
    return Nights(settings, images, inbox, everything(settings), before)
