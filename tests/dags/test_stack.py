"""`vss up`: everything runs on this machine alone, comes back after a kill, and is gone after `vss down`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from builders import new_home, stop_and_remove
from scheduler import children

from cli import stack
from warehouse.settings import PROJECT, Settings

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def vss(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()", *arguments],
        cwd=PROJECT, env={**os.environ, "VSS_HOME": str(home), "PYTHONPATH": str(PROJECT)},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def running() -> Iterator[Settings]:
    """A warehouse that is up."""
    home = new_home("vss-up-")
    try:
        done = vss(home, "up")
        assert done.returncode == 0, done.stderr
        yield Settings(home=home)
    finally:
        vss(home, "down")
        stop_and_remove(Settings(home=home))


def ports(running: Settings) -> dict[str, int]:
    found: dict[str, int] = json.loads((running.home / "up" / "ports.json").read_text())
    return found


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def eventually(holds: Callable[[], bool], seconds: float = 120) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(1)
    return False


def part(running: Settings, name: str) -> int:
    log = (running.home / "up" / "logs" / "supervisord.log").read_text()
    return int(re.findall(rf"spawned: '{name}' with pid (\d+)", log)[-1])


def is_healthy(running: Settings) -> bool:
    try:
        code, text = get(f"http://127.0.0.1:{ports(running)['airflow']}/api/v2/monitor/health")
    except OSError:
        return False
    return code == 200 and {one["status"] for one in json.loads(text).values()} == {"healthy"}


def processes(running: Settings) -> set[int]:
    """The supervisor, the server, and all that came from them."""
    supervisor = stack.running(running)
    assert supervisor is not None
    found: set[int] = set()
    new = {supervisor, int((running.home / "postgres" / "data" / "postmaster.pid").read_text().split("\n")[0])}
    while new:
        found |= new
        new = {child for pid in new for child in children(pid)}
    return found


def listening(pids: Iterable[int]) -> set[tuple[str, int]]:
    """Addresses, as the kernel writes them, and ports on which these processes take connections."""
    sockets = set()
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    sockets.add(str(descriptor.readlink()))
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = line.split()
            local, state, inode = fields[1], fields[3], fields[9]
            if state == "0A" and f"socket:[{inode}]" in sockets:
                address, _, port = local.partition(":")
                found.add((address, int(port, 16)))
    return found


def test_whatever_listens_does_so_on_this_machine_only(running: Settings) -> None:
    found = listening(processes(running))

    server_port = int((running.home / "postgres" / "data" / "postmaster.pid").read_text().split("\n")[3])
    assert {*ports(running).values(), server_port} <= {port for _, port in found}
    assert {address for address, _ in found} <= {"0100007F", "00000000000000000000000001000000"}, found


def test_nobody_enters_without_the_password_of_this_home(running: Settings) -> None:
    base = f"http://127.0.0.1:{ports(running)['airflow']}"

    def token(password: str) -> int:
        request = urllib.request.Request(
            f"{base}/auth/token", data=json.dumps({"username": stack.USER, "password": password}).encode(),
            headers={"Content-Type": "application/json"},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    kept = running.home / "secrets" / "airflow_passwords.json"

    assert get(f"{base}/api/v2/dags")[0] == 401
    assert token("admin") == 401
    assert token(json.loads(kept.read_text())[stack.USER]) == 201
    assert kept.stat().st_mode & 0o077 == 0


def test_up_again_changes_nothing(running: Settings) -> None:
    before = stack.running(running)

    done = vss(running.home, "up")
    assert done.returncode == 0
    assert "Settings:" not in done.stdout
    assert stack.running(running) == before


def test_up_again_with_other_settings_says_that_they_are_not_in_force(
    running: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stack.running(running)
    monkeypatch.setenv("VSS_NIGHT_GRACE_MINUTES", "45")

    done = vss(running.home, "up")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Settings: not those it was started with" in done.stdout
    assert stack.running(running) == before


@pytest.mark.parametrize("name", ["scheduler", "dag-processor", "api-server", "pages"])
def test_a_part_that_is_killed_comes_back(running: Settings, name: str) -> None:
    killed = part(running, name)
    os.kill(killed, signal.SIGKILL)

    assert eventually(lambda: part(running, name) != killed)
    assert eventually(lambda: is_healthy(running))


def test_the_database_that_is_killed_comes_back(running: Settings) -> None:
    pid = int((running.home / "postgres" / "data" / "postmaster.pid").read_text().split("\n")[0])
    os.kill(pid, signal.SIGKILL)

    assert eventually(lambda: vss(running.home, "status").returncode == 0)
    assert eventually(lambda: is_healthy(running), 240)


def test_down_leaves_nothing_behind(running: Settings) -> None:
    log = (running.home / "up" / "logs" / "supervisord.log").read_text()
    groups = {int(pid) for pid in re.findall(r"spawned: '[a-z-]+' with pid (\d+)", log)}
    os.kill(part(running, "scheduler"), signal.SIGKILL)

    assert vss(running.home, "down").returncode == 0

    left = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, group, *_ = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(group) in groups and state != "Z":
            left.append(place)
    assert left == []
    assert stack.running(running) is None
    assert not (running.home / "postgres" / "data" / "postmaster.pid").exists()
