"""Who tells: the night's last task, also when it breaks itself, and `vss ingest`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
import typer
from builders import Inbox, participants

from cli import arrivals
from night import tasks
from night.journal import Stage, outcomes, write
from warehouse.settings import Settings


@pytest.fixture
def refused(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A submission in the inbox that will be refused, of a warehouse that has told nothing."""
    inbox.send({"participants": participants(1)}, declared={"participants": {"sha256": "0" * 64}})
    settings = inbox.settings.model_copy(update={"inbox": inbox.root, "outbox": inbox.root.parent / "outbox"})
    for module in (tasks, arrivals):
        monkeypatch.setattr(module, "settings", lambda: settings)
    yield settings
    shutil.rmtree(settings.home / "alerts", ignore_errors=True)


def told(settings: Settings, recipient: str) -> str:
    return "\n".join(
        path.read_text(encoding="utf-8") for path in (settings.home / "alerts").rglob(f"{recipient}-*.txt")
    )


def test_ingest_tells_the_sender_and_ends_in_three(refused: Settings) -> None:
    with pytest.raises(typer.Exit) as ended:
        arrivals.ingest()
    assert ended.value.exit_code == 3
    assert "Submission province-26-2021-10-v1 for 2021-10 was rejected (E-DIGEST)" in told(refused, "province-26")


def test_a_report_that_breaks_still_tells_what_the_night_left_and_that_it_broke(
    refused: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Settings) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("expectations.data_docs.render", broken)
    for name in ("discover", "build", "audit", "publish"):
        write(refused, "night-1", name, None, 1, Stage())
    tasks.load_and_gate([str(folder) for folder in (refused.inbox or refused.home).glob("*/*")],
                        run_id="night-1", inbox=None, date="2021-11-03")  # fmt: skip
    with pytest.raises(ZeroDivisionError):
        tasks.report(run_id="night-1", inbox=None, date="2021-11-03")
    assert "was rejected (E-DIGEST)" in told(refused, "province-26")
    assert "Stage report broke: ZeroDivisionError" in told(refused, "operations")
    assert (refused.home / "alerts" / "2021-11-03" / "province-26-night-1.txt").exists()
    assert outcomes(refused, "night-1")[-1][:3] == ("report", None, "error")
