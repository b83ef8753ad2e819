"""Whatever happens to a loader, ledger, raw and rejects end as after one clean run, or are untouched."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import Inbox, arrears, employers, empty_ledger, end
from dying import PROJECT, STEPS
from proofs import proves

from ingestion import load
from ingestion.inbox import read_folder
from ingestion.workers import LockedError, Patience
from night.arrivals import load_and_gate
from night.readiness import migrate
from warehouse.errors import VssError
from warehouse.settings import Settings

# what a night may meet at any time is tried in every run; the other steps differ only in when the signal comes
IN_EVERY_RUN = ("in the middle of COPY", "before the commit", "after the commit")


def begin(inbox: Inbox, step: str, how: str, folder: Path, *, patience: str | None = None) -> subprocess.Popen[str]:
    """A loader of its own that gets a signal at a step."""
    command = [sys.executable, str(PROJECT / "tests" / "faults" / "dying.py"), step, how, str(folder)]
    environment = {**os.environ, "VSS_HOME": str(inbox.settings.home), "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen(
        [*command, *([patience] if patience else [])], env=environment, cwd=PROJECT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def send(inbox: Inbox) -> Path:
    """A submission with two feeds, one row of which is set aside."""
    rows = [*arrears(400), {**arrears(401)[400], "fund": "XX"}]
    return inbox.send({"arrears": rows, "employers": employers(20)})


def everything(inbox: Inbox) -> dict[str, Any]:
    """What is on record of what was sent, without numbers and times that differ from run to run."""
    return {
        "submissions": inbox.query("select submission_id, sender, period, version, state, errors from ops.submission"),
        "loads": inbox.query(
            "select feed, file, state, row_count, accepted, rejected, totals, profile, notes, sha256 from ops.load"
            " order by feed"
        ),
        "rejects": inbox.query("select row_no, column_name, code, args, row_token from ops.reject order by 1, 2"),
        "arrears": inbox.query("select row_no, month, si_unit_code, principal_vnd from raw.arrears order by row_no"),
        "employers": inbox.query("select row_no, si_unit_code, employees from raw.employers order by row_no"),
    }


@pytest.fixture(scope="module")
def clean(configured: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one clean run leaves."""
    empty_ledger(configured)
    inbox = Inbox(configured, tmp_path_factory.mktemp("clean"))
    assert load_and_gate(configured, "clean", send(inbox)) == "accepted_with_rejects"
    found = everything(inbox)
    assert len(found["arrears"]) == 400
    assert len(found["rejects"]) == 1
    return found


@proves("process.killed")
@pytest.mark.parametrize(
    "step", [step if step in IN_EVERY_RUN else pytest.param(step, marks=pytest.mark.long) for step in STEPS]
)
def test_a_loader_that_is_killed_leaves_all_or_nothing_and_the_next_run_ends_as_a_clean_one(
    inbox: Inbox, clean: dict[str, Any], step: str
) -> None:
    folder = send(inbox)
    process = begin(inbox, step, "SIGKILL", folder)
    out, error = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, error
    assert out == "ready\n"
    loaded = inbox.query("select count(*) from raw.arrears"), inbox.query("select count(*) from raw.employers")
    assert loaded in [([(0,)], [(0,)]), ([(400,)], [(20,)])]
    assert load_and_gate(inbox.settings, "again", folder) == "accepted_with_rejects"
    assert everything(inbox) == clean
    assert load_and_gate(inbox.settings, "once more", folder) == "accepted_with_rejects"
    assert everything(inbox) == clean


@proves("process.killed")
def test_a_loader_that_hangs_is_ended_by_the_next_one_and_finds_its_connection_gone_when_it_wakes(
    inbox: Inbox, clean: dict[str, Any]
) -> None:
    folder = send(inbox)
    process = begin(inbox, "in the middle of COPY", "SIGSTOP", folder, patience="0.2,1")
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        loaded = load.load_submission(
            inbox.settings, read_folder(folder), patience=Patience(beat=0.2, stale=1, lock=60)
        )
        assert loaded.state == "loaded"
        os.kill(process.pid, signal.SIGCONT)
        out, error = process.communicate(timeout=120)
        assert (process.returncode, out) == (0, "accepted_with_rejects\n"), error
        assert everything(inbox) == clean
    finally:
        process.kill()
        process.communicate()


@proves("process.killed")
def test_a_loader_that_is_alive_is_waited_for_and_never_ended(inbox: Inbox) -> None:
    folder = send(inbox)
    process = begin(inbox, "in the middle of COPY", "SIGSTOP", folder)
    try:
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        with pytest.raises(LockedError):
            load.load_submission(inbox.settings, read_folder(folder), patience=Patience(stale=60, lock=0.5))
        os.kill(process.pid, signal.SIGCONT)
        out, _ = process.communicate(timeout=120)
        assert out.endswith("accepted_with_rejects\n")
    finally:
        process.kill()
        process.communicate()


@proves("transport.same-twice")
def test_two_loaders_in_two_processes_give_one_load_and_the_same_receipt(inbox: Inbox, clean: dict[str, Any]) -> None:
    folder = send(inbox)
    both = [begin(inbox, "none", "none", folder) for _ in range(2)]
    ends = [process.communicate(timeout=120) for process in both]
    assert [out for out, _ in ends] == ["ready\naccepted_with_rejects\n"] * 2, ends
    assert everything(inbox) == clean


@proves("process.database-restart")
def test_a_server_that_restarts_in_immediate_mode_during_copy_is_met_by_a_new_attempt(
    inbox: Inbox, clean: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = send(inbox)
    original, struck = load.ahead, []

    @contextlib.contextmanager
    def struck_once(items: Iterator[Any], **named: Any) -> Iterator[Iterator[Any]]:
        with original(items, **named) as blocks:
            first = next(blocks)
            if not struck:
                struck.append(True)
                end(postmaster(inbox.settings), signal.SIGQUIT)
            yield iter([first, *blocks])

    monkeypatch.setattr(load, "ahead", struck_once)
    assert load_and_gate(inbox.settings, "restart", folder) == "accepted_with_rejects"
    assert struck
    assert everything(inbox) == clean


@proves("process.disk-full")
@pytest.mark.long
@pytest.mark.parametrize("full", ["archive", "database"])
def test_a_full_disk_is_said_in_a_sentence_and_needs_no_hand_work_once_there_is_space(
    home: Path, tmp_path: Path, full: str
) -> None:
    small = home / "small"
    small.mkdir()
    size = "400m" if full == "database" else "2m"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "none", str(small)], check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        archive = {"archive": small.as_uri() + "/archive", "database": (tmp_path / "archive").as_uri()}[full]
        where = small / "home" if full == "database" else home
        where.mkdir(exist_ok=True)
        settings = Settings(home=where, archive=archive)
        migrate(settings)
        inbox = Inbox(settings, tmp_path / "inbox")
        before = inbox.send({"arrears": arrears(5)})
        assert load_and_gate(settings, "before", before) == "accepted"
        folder = inbox.send({"arrears": arrears(60_000)}, sender="province-27")
        filler = small / "filler"
        _fill(filler, leave=1_000_000 if full == "database" else 100_000)
        with pytest.raises(VssError) as told:
            load_and_gate(settings, "full", folder)
        assert "run again" in str(told.value) or "check that it runs" in str(told.value)
        filler.unlink()
        assert load_and_gate(settings, "after", folder) == "accepted"
        assert inbox.query("select count(*) from raw.arrears") == [(60_005,)]
        if full == "database":
            end(postmaster(settings), signal.SIGQUIT)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=False)
        shutil.rmtree(small, ignore_errors=True)


def postmaster(settings: Settings) -> int:
    """Process id of a home's server."""
    return int((settings.home / "postgres" / "data" / "postmaster.pid").read_text().split("\n", 1)[0])


def _fill(path: Path, *, leave: int) -> None:
    free = shutil.disk_usage(path.parent).free
    with path.open("wb") as stream:
        stream.write(b"\0" * max(free - leave, 0))
