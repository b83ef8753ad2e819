"""The verbs of the dashboards: Superset in an environment of its own, over `bi`, on 127.0.0.1.

`make superset` makes that environment; these verbs make its metadata, its admin and the dashboards, and let it run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
import yaml

from night.readiness import ensure_ready
from warehouse import geography, roles, server
from warehouse.connection import role_url
from warehouse.errors import UsageError, VssError
from warehouse.files import secret, write_private
from warehouse.settings import PROJECT, Settings, settings

ADMIN = "admin"
SOURCES = PROJECT / "reporting" / "superset"
BUNDLE = SOURCES / "bundle"
_USUAL_PORT = 8088
_PATIENCE = 120.0

dashboards = typer.Typer(
    help="Dashboards in Superset: prepare, up, stop, user.", no_args_is_help=True, rich_markup_mode=None
)


@dashboards.command()
def prepare() -> None:
    """Make or upgrade Superset's own metadata, and import the dashboards anew; safe to repeat."""
    configured = settings()
    ensure_ready(configured)
    _write_readers(configured)
    folder = _folder(configured)
    for name in ("superset_key", "superset_admin"):
        secret(configured.home / "secrets" / name)
    made_for = _made_for()
    if _noted(folder) != made_for:
        _superset(configured, "db", "upgrade")
        _superset(configured, "init")
        (folder / "made_for").write_text(made_for, encoding="utf-8")
    if not _has_user(folder, ADMIN):
        _add_user(configured, ADMIN, "Admin", secret(configured.home / "secrets" / "superset_admin"))
    _superset(configured, "import-directory", "--overwrite", str(BUNDLE), variables={"VSS_SUPERSET_IMPORT": "1"})
    # the command ends in 0 also where it has told a file to be wrong
    missing = sorted(bundle_uuids() - _imported_uuids(folder))
    if missing:
        raise VssError(f"{len(missing)} of the dashboards' parts were not imported: read {_log(configured)}.")
    print("The dashboards are up to date: `vss dashboards up` shows them.")


@dashboards.command()
def up(
    port: Annotated[
        int | None, typer.Option(envvar="VSS_SUPERSET_PORT", min=1024, max=65535, help="Port; 8088 unless it is taken.")
    ] = None,
) -> None:
    """Let Superset run until `vss dashboards stop`."""
    configured = settings()
    ensure_ready(configured)
    folder = _folder(configured)
    if not (folder / "superset.db").exists():
        raise UsageError("There are no dashboards yet: run `make superset`, or `vss dashboards prepare`.")
    _write_readers(configured)
    if running(configured) is None:
        chosen = _port(folder, port)
        _start(configured, folder, chosen)
        _wait(configured, chosen)
    else:
        chosen = _port_of(folder)
    print(f"Dashboards: http://127.0.0.1:{chosen}  user {ADMIN}, password in {_admin_file(configured)}")
    print(f"Log:        {folder / 'superset.log'}    Stop: vss dashboards stop")


@dashboards.command()
def stop() -> None:
    """End Superset; what it keeps stays."""
    print("Stopped." if stop_running(settings()) else "It was not running.")


@dashboards.command()
def user(
    name: Annotated[str, typer.Argument(help="Login.")],
    reader: Annotated[
        str, typer.Option(help="As whom it reads: vss_reader, or vss_reader_<code> for one of today's provinces.")
    ],
) -> None:
    """Add somebody who looks at the dashboards and sees what one of the warehouse's readers sees."""
    configured = settings()
    if reader not in _readers():
        raise UsageError(
            f"There is no reader {reader}: {roles.READER}, or {roles.READER}_<code of a province of today>."
        )
    folder = _folder(configured)
    if not (folder / "superset.db").exists():
        raise UsageError("There are no dashboards yet: run `make superset`, or `vss dashboards prepare`.")
    if _has_user(folder, name):
        raise UsageError(f"There is a login {name} already: change it in Superset, under Settings, List Users.")
    file = configured.home / "secrets" / f"superset_user_{name}"
    if not file.name.replace("_", "").replace("-", "").replace(".", "").isalnum():
        raise UsageError("A login is of letters, digits, dots, dashes and underscores.")
    _add_user(configured, name, reader, secret(file))
    print(f"{name} reads as {reader}; the first password is in {file}: hand it on, and remove the file.")


def stop_running(configured: Settings) -> bool:
    """End Superset and wait for it; False when it was not running."""
    pid = running(configured)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + 60
    while running(configured) is not None:
        if time.monotonic() > until:
            raise VssError(f"Superset ({pid}) does not end: read {_folder(configured) / 'superset.log'}, then kill it.")
        time.sleep(0.2)
    return True


def running(configured: Settings) -> int | None:
    """Superset's process, None when it does not run; a number that now names another process is not it."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((configured.home / "superset" / "superset.pid").read_text())
        if b"gunicorn" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    return None


def bundle_uuids() -> set[str]:
    """What the bundle's files call themselves: databases, datasets, charts, dashboards."""
    files = [file for file in BUNDLE.rglob("*.yaml") if file.parent != BUNDLE]
    return {str(yaml.safe_load(file.read_text(encoding="utf-8"))["uuid"]) for file in files}


def _made_for() -> str:
    """A digest of what Superset's metadata and roles are made from."""
    sources = [SOURCES / "requirements.lock", SOURCES / "superset_config.py", Path(geography.__file__)]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _noted(folder: Path) -> str | None:
    file = folder / "made_for"
    return file.read_text(encoding="utf-8") if file.exists() and (folder / "superset.db").exists() else None


def _imported_uuids(folder: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(folder / "superset.db")) as metadata:
        found = [
            row[0]
            for table in ("dbs", "tables", "slices", "dashboards")
            for row in metadata.execute(f"select lower(hex(uuid)) from {table}")  # noqa: S608 - names of this list
        ]
    return {f"{u[:8]}-{u[8:12]}-{u[12:16]}-{u[16:20]}-{u[20:]}" for u in found}


def _has_user(folder: Path, name: str) -> bool:
    with contextlib.closing(sqlite3.connect(folder / "superset.db")) as metadata:
        return metadata.execute("select 1 from ab_user where username = ?", [name]).fetchone() is not None


def _add_user(configured: Settings, name: str, role: str, word: str) -> None:
    # not as an option: a command line can be read by everybody on the machine
    _superset(
        configured, "fab", "create-user", "--username", name, "--firstname", name, "--lastname", "VSS",
        "--email", f"{name}@localhost", "--role", role, variables={"FLASK_FAB_CREATE_USER_PASSWORD": word},
    )  # fmt: skip
    # the command ends in 0 whether or not there is a user now
    if not _has_user(_folder(configured), name):
        raise VssError(f"Superset did not take the user {name}: read {_log(configured)}.")


def _readers() -> list[str]:
    return [roles.READER, *map(roles.provincial_reader, geography.current_codes())]


def _write_readers(configured: Settings) -> None:
    urls = {reader: role_url(configured, reader) for reader in _readers()}
    write_private(configured.home / "secrets" / "superset_readers.json", json.dumps(urls))


def _programs() -> Path:
    place = Path(os.environ.get("VSS_SUPERSET_VENV") or PROJECT / ".venv-superset")
    if not (place / "bin" / "superset").exists():
        raise UsageError(f"Superset is not installed in {place}: run `make superset`.")
    return place / "bin"


def _environment(configured: Settings) -> Mapping[str, str]:
    """Superset's own: nothing of the project's Python, settings or secrets goes with it."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR") if name in os.environ}
    return keep | {
        "VSS_HOME": str(configured.home),
        "SUPERSET_CONFIG_PATH": str(SOURCES / "superset_config.py"),
        "SUPERSET_HOME": str(_folder(configured)),
        "FLASK_APP": "superset.app:create_app()",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "SCARF_ANALYTICS": "false",
        "DO_NOT_TRACK": "1",
    }


def _superset(configured: Settings, *arguments: str, variables: Mapping[str, str] | None = None) -> None:
    """One command of Superset's, in its environment; its words go to the log. Raises VssError when it fails."""
    with _log(configured).open("a") as log:
        done = subprocess.run(
            [str(_programs() / "superset"), *arguments],
            env={**_environment(configured), **(variables or {})}, cwd=_folder(configured),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
        )  # fmt: skip
    if done.returncode != 0:
        raise VssError(f"`superset {arguments[0]}` failed: read {_log(configured)}.")


def _start(configured: Settings, folder: Path, port: int) -> None:
    done = subprocess.run(
        [
            str(_programs() / "gunicorn"), "--daemon", "--bind", f"127.0.0.1:{port}",
            "--workers", "1", "--threads", "8", "--worker-class", "gthread",
            "--timeout", "120", "--pid", str(folder / "superset.pid"), "--log-file", str(folder / "superset.log"),
            "--capture-output", "superset.app:create_app()",
        ],
        env=_environment(configured), cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise VssError(f"Superset did not start: read {folder / 'superset.log'}.")
    (folder / "port").write_text(str(port), encoding="utf-8")


def _wait(configured: Settings, port: int) -> None:
    begun = time.monotonic()
    while time.monotonic() - begun < _PATIENCE:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer,
        ):
            if answer.read() == b"OK":
                return
        time.sleep(0.5)
    raise VssError(f"Superset does not answer after {_PATIENCE:.0f} s: read {_folder(configured) / 'superset.log'}.")


def _port(folder: Path, wanted: int | None) -> int:
    """The port that is wanted, else that of the last time, else the first free one from the usual on."""
    if wanted is not None:
        if server.port_is_busy(wanted):
            raise UsageError(f"Port {wanted} of 127.0.0.1 is in use: set VSS_SUPERSET_PORT to a free one.")
        return wanted
    candidates = list(range(_USUAL_PORT, _USUAL_PORT + 50))
    with contextlib.suppress(OSError, ValueError):
        candidates.insert(0, _port_of(folder))
    for port in candidates:
        if not server.port_is_busy(port):
            return port
    raise UsageError("No port from 8088 on is free: set VSS_SUPERSET_PORT to one that is.")


def _port_of(folder: Path) -> int:
    return int((folder / "port").read_text())


def _folder(configured: Settings) -> Path:
    folder = configured.home / "superset"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _log(configured: Settings) -> Path:
    return _folder(configured) / "commands.log"


def _admin_file(configured: Settings) -> Path:
    return configured.home / "secrets" / "superset_admin"


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.add_typer(dashboards, name="dashboards")
