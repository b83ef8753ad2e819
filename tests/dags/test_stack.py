"""`vss up`: everything runs on this machine alone, comes back after a kill, and is gone after `vss down`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builders import new_home, stop_and_remove

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


def test_it_listens_on_this_machine_only(running: Settings) -> None:
    listening = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        address, state = line.split()[1], line.split()[3]
        if state == "0A":
            listening.add((address.partition(":")[0], int(address.partition(":")[2], 16)))
    ours = set(ports(running).values())

    assert {address for address, port in listening if port in ours} == {"0100007F"}
    six = Path("/proc/net/tcp6")
    assert not six.exists() or not [
        line for line in six.read_text().splitlines()[1:] if int(line.split()[1].rpartition(":")[2], 16) in ours
    ]


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

    assert vss(running.home, "up").returncode == 0
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
