"""The verb that keeps the warehouse running: Airflow's parts, the pages and the database under one supervisor.

`airflow standalone` orphans its children when it is ended and its log servers listen on all addresses, so the parts
are started one by one, on 127.0.0.1, by supervisord, which starts a part again that dies and turns its logs.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import logging
import logging.handlers
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import typer
from pydantic import SecretStr

from cli import airflow_process
from ingestion.deadlines import LOCAL
from night import watch
from night.pools import PARALLELISM
from night.readiness import ensure_ready
from warehouse import server
from warehouse.errors import UsageError, VssError
from warehouse.files import secret, write_private
from warehouse.settings import PROJECT, Settings, settings

USER = "admin"
_PATIENCE = 600.0
_BEGINNING = 30.0
_STOP_SECONDS = 60
"""What a part may take to end, before it is killed."""
_HEALTHY = ("metadatabase", "scheduler", "dag_processor", "triggerer")
_SUPERVISOR = """\
[supervisord]
nodaemon=false
pidfile={folder}/supervisord.pid
logfile={folder}/logs/supervisord.log
logfile_maxbytes=5MB
logfile_backups=3
childlogdir={folder}/logs
directory={project}
umask=027
"""
_PROGRAM = """
[program:{name}]
command={command}
directory={project}
autorestart=true
startsecs=5
startretries=20
stopasgroup=true
killasgroup=true
stopwaitsecs={stop_seconds}
redirect_stderr=true
stdout_logfile={folder}/logs/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=5
"""


@dataclass(frozen=True)
class Ports:
    """Where the parts listen, all on 127.0.0.1."""

    airflow: int
    pages: int


def up() -> None:
    """Run everything until `vss down`: Airflow with the schedule on, its UI, report and gate results as pages."""
    configured = settings()
    ensure_ready(configured)
    airflow_process.migrate_metadata(configured)
    if configured.inbox == configured.home / "inbox":
        # senders' folders go here unless VSS_INBOX names another place, which is then somebody else's to make
        configured.inbox.mkdir(exist_ok=True)
    folder = _folder(configured)
    ports = _ports(configured, folder)
    started_otherwise = False
    if running(configured) is None:
        _start(configured, folder, ports)
        _wait(configured, ports)
    else:
        started_otherwise = has_other_settings(configured)
    airflow_process.ensure_pools(
        f"http://127.0.0.1:{ports.airflow}", USER, secret(configured.home / "secrets" / "airflow_admin")
    )
    watch.expect_nights(configured, now=dt.datetime.now(tz=LOCAL))
    print(f"Airflow:  http://127.0.0.1:{ports.airflow}  user {USER}, password in {_password_file(configured)}")
    print(f"Pages:    http://127.0.0.1:{ports.pages}  report, gate results, project")
    print(f"Logs:     {folder / 'logs'}    Stop: vss down")
    if started_otherwise:
        print("Settings: not those it was started with, which stay in force until `vss down` and `vss up`.")


def stop(configured: Settings) -> bool:
    """End all parts and wait for them; False when they were not running."""
    pid = running(configured)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + _longest_end(configured)
        while _is_alive(pid) and time.monotonic() < until:
            time.sleep(0.2)
        for orphan in _orphans(configured):
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)
    # last: a task that looked for missed nights meanwhile expects them again
    watch.expect_none(configured)
    if pid is not None and _is_alive(pid):
        raise VssError(f"Supervisor {pid} does not end: read {_folder(configured) / 'logs'}, then kill it.")
    return pid is not None


def has_other_settings(configured: Settings) -> bool:
    """Whether the parts were started with other settings than these; False where that is not on file."""
    with contextlib.suppress(OSError):
        return _settings_file(configured).read_text(encoding="utf-8") != _digest(configured)
    return False


def running(configured: Settings) -> int | None:
    """The supervisor's process, None when it does not run; a number that now names another process is not it."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((configured.home / "up" / "supervisord.pid").read_text())
        if _is_alive(pid) and b"supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    return None


def keep_database() -> None:
    """Start the embedded server again whenever it is down: Airflow's own metadata lies in it."""
    configured = settings()
    while True:
        with contextlib.suppress(VssError):
            server.ensure_running(configured)
        time.sleep(5)


def scheduler() -> None:
    """Become Airflow's scheduler; the idle workers of one that was killed wait for nobody and are ended first.

    A worker that still has a task brings it to its end: it reports to the API server, not to its scheduler.
    """
    for orphan in _orphans(settings()):
        with contextlib.suppress(OSError):
            if b"<idle>" in Path(f"/proc/{orphan}/cmdline").read_bytes():
                os.kill(orphan, signal.SIGKILL)
    _log_through(_folder(settings()) / "logs" / "tasks.log")
    os.execv(sys.executable, [sys.executable, "-m", "airflow", "scheduler", "--skip-serve-logs"])  # noqa: S606


def _log_through(file: Path) -> None:
    """Write what this process and its workers say by a process of its own, which ends with the last of them.

    The supervisor's pipe ends with the scheduler: a worker that outlives it would fail at its next line.
    """
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        os.close(writing)
        handler = logging.handlers.RotatingFileHandler(file, maxBytes=10_000_000, backupCount=5, encoding="utf-8")
        with os.fdopen(reading, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                handler.emit(logging.makeLogRecord({"msg": line.rstrip("\n")}))
        os._exit(0)
    os.close(reading)
    for descriptor in (1, 2):
        os.dup2(writing, descriptor)
    os.close(writing)


def _orphans(configured: Settings) -> list[int]:
    """What parts that were killed left behind: processes of a group that the supervisor made, without its leader."""
    groups: set[int] = set()
    for log in (_folder(configured) / "logs").glob("supervisord.log*"):
        text = log.read_text(encoding="utf-8", errors="replace")
        groups.update(int(pid) for pid in re.findall(r"spawned: '[a-z-]+' with pid (\d+)", text))
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            group = int((place / "stat").read_text().rpartition(")")[2].split()[2])
            if group in groups and not _is_alive(group) and (place / "cwd").resolve() == PROJECT:
                found.append(int(place.name))
    return found


def _start(configured: Settings, folder: Path, ports: Ports) -> None:
    python = sys.executable
    programs = {
        "api-server": f"{python} -m airflow api-server --host 127.0.0.1 --port {ports.airflow} --workers 1",
        "scheduler": f'{python} -c "from cli.stack import scheduler; scheduler()"',
        "dag-processor": f"{python} -m airflow dag-processor",
        "triggerer": f"{python} -m airflow triggerer --skip-serve-logs",
        "pages": f"{python} -m uvicorn --factory reporting.pages:app --host 127.0.0.1 --port {ports.pages}"
        " --log-level warning --no-access-log",
        "watch": f'{python} -c "from night.watch import keep_watch; keep_watch()"',
    }
    if configured.is_embedded:
        programs["database"] = f'{python} -c "from cli.stack import keep_database; keep_database()"'
    conf = _SUPERVISOR.format(folder=folder, project=PROJECT) + "".join(
        _PROGRAM.format(name=name, command=command, folder=folder, project=PROJECT, stop_seconds=_STOP_SECONDS)
        for name, command in programs.items()
    )
    (folder / "supervisord.conf").write_text(conf, encoding="utf-8")
    write_private(_password_file(configured), json.dumps({USER: secret(configured.home / "secrets" / "airflow_admin")}))
    done = subprocess.run(
        [python, "-m", "supervisor.supervisord", "-c", str(folder / "supervisord.conf")],
        env=_environment(configured, ports), cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise VssError(f"The supervisor did not start: {done.stderr.strip().splitlines()[-1:]}; see {folder / 'logs'}.")
    _note_settings(configured)


def _note_settings(configured: Settings) -> None:
    """Keep what the parts were started with."""
    write_private(_settings_file(configured), _digest(configured))


def _digest(configured: Settings) -> str:
    """Of all settings, passwords too; which of them has changed cannot be told from it."""
    said = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else str(value) for name, value in configured
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _longest_end(configured: Settings) -> float:
    """Seconds within which all parts have ended or were killed: the supervisor ends one after the other."""
    parts = (_folder(configured) / "supervisord.conf").read_text(encoding="utf-8").count("[program:")
    return float((parts + 1) * (_STOP_SECONDS + 5))


def _environment(configured: Settings, ports: Ports) -> Mapping[str, str]:
    return airflow_process.environment(configured) | {
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{ports.airflow}/execution/",
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{ports.airflow}",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(PARALLELISM),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(_password_file(configured)),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        # an API server that begins, or begins again, is waited for instead of failing the task that asks it
        "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "15",
        "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "10",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "30",
        "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "20",
        "PYTHONUNBUFFERED": "1",
    }


def _wait(configured: Settings, ports: Ports) -> None:
    """Until Airflow says that all its parts are healthy and the pages answer."""
    begun = time.monotonic()
    missing: tuple[str, ...] = (*_HEALTHY, "pages")
    while (waited := time.monotonic() - begun) < _PATIENCE:
        missing = _unhealthy(ports)
        if not missing:
            return
        # the supervisor's number is on file a moment after it has begun
        if running(configured) is None and waited > _BEGINNING:
            break
        time.sleep(1)
    raise VssError(
        f"Not running after {waited:.0f} s: {', '.join(missing)}. Read {_folder(configured) / 'logs'}, mend it, "
        "then `vss down` and `vss up`."
    )


def _unhealthy(ports: Ports) -> tuple[str, ...]:
    found: dict[str, dict[str, str]] = {}
    health = f"http://127.0.0.1:{ports.airflow}/api/v2/monitor/health"
    with contextlib.suppress(OSError, ValueError), urllib.request.urlopen(health, timeout=5) as answer:
        found = json.load(answer)
    missing = [part for part in _HEALTHY if (found.get(part) or {}).get("status") != "healthy"]
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{ports.pages}/", timeout=5).close()
    except urllib.error.HTTPError:
        pass
    except OSError:
        missing.append("pages")
    return tuple(missing)


def _ports(configured: Settings, folder: Path) -> Ports:
    """The ports of the last time, if nobody else has taken them; what the settings name goes before."""
    known: dict[str, int] = {}
    with contextlib.suppress(OSError, ValueError):
        known = json.loads((folder / "ports.json").read_text())
    if running(configured) is not None:
        return Ports(known["airflow"], known["pages"])
    taken: list[int] = []

    def choose(name: str, wanted: int | None, usual: int) -> int:
        if wanted is not None:
            if server.port_is_busy(wanted):
                raise UsageError(f"Port {wanted} of 127.0.0.1 is in use: set VSS_{name.upper()}_PORT to a free one.")
            return wanted
        for port in (known.get(name, usual), usual, 0):
            if port not in taken and not server.port_is_busy(port):
                taken.append(port or _free())
                return taken[-1]
        raise AssertionError("a free port is always found")

    ports = Ports(choose("airflow", configured.airflow_port, 8080), choose("pages", configured.pages_port, 8090))
    (folder / "ports.json").write_text(json.dumps({"airflow": ports.airflow, "pages": ports.pages}))
    return ports


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _folder(configured: Settings) -> Path:
    folder = configured.home / "up"
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    return folder


def _settings_file(configured: Settings) -> Path:
    return configured.home / "up" / "settings.sha256"


def _password_file(configured: Settings) -> Path:
    return configured.home / "secrets" / "airflow_passwords.json"


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command()(up)
