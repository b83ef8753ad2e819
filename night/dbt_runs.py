"""Run dbt inside this process, as the transformer, and keep what it did."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from warehouse import roles
from warehouse.connection import role_url
from warehouse.settings import PROJECT, Settings

DBT_PROJECT = PROJECT / "dbt_project"
_OWN = {".sql", ".yml", ".csv", ".py"}


@dataclass(frozen=True)
class NodeResult:
    """One node of a dbt run."""

    name: str
    status: str
    seconds: float
    message: str


def environment(settings: Settings, role: str, target: str) -> dict[str, str]:
    """The variables profiles.yml reads, for one role and target."""
    parts = urlsplit(role_url(settings, role))
    return {
        "VSS_HOME": str(settings.home),
        "VSS_DBT_TARGET": target,
        "VSS_DBT_HOST": parts.hostname or "127.0.0.1",
        "VSS_DBT_PORT": str(parts.port or 5432),
        "VSS_DBT_USER": unquote(parts.username or ""),
        "VSS_DBT_PASSWORD": unquote(parts.password or ""),
        "VSS_DBT_DATABASE": parts.path.strip("/"),
        "DBT_PROJECT_DIR": str(DBT_PROJECT),
        "DBT_PROFILES_DIR": str(DBT_PROJECT),
        # an engineer's run leaves the manifest alone that the night reads
        "DBT_TARGET_PATH": str(settings.home / "dbt" / ("target" if target == "prod" else target)),
        "DBT_LOG_PATH": str(settings.home / "dbt" / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
        # dbt's locks live as long as the process; its tracker would count them aloud when the process ends
        "PYTHONWARNINGS": "ignore::UserWarning:multiprocessing.resource_tracker",
    }


def project_hash() -> str:
    """A digest of the dbt project: a changed rule makes everything anew."""
    digest = hashlib.sha256()
    for path in sorted(path for path in DBT_PROJECT.rglob("*") if path.suffix in _OWN and "target" not in path.parts):
        digest.update(str(path.relative_to(DBT_PROJECT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def manifest_path(settings: Settings) -> Path:
    """Where dbt leaves its manifest."""
    return settings.home / "dbt" / "target" / "manifest.json"


def run(settings: Settings, *arguments: str) -> tuple[bool, list[NodeResult]]:
    """Invoke dbt against target prod; returns success and what each node did."""
    from dbt.cli.main import dbtRunner

    with _variables(environment(settings, roles.TRANSFORMER, "prod")):
        done = dbtRunner().invoke(
            [*arguments, "--target", "prod", "--quiet", "--no-use-colors", "--log-level-file", "none"]
        )
    if done.exception is not None:
        return False, [
            NodeResult("dbt", "error", 0.0, type(done.exception).__name__ + ": " + str(done.exception)[:500])
        ]
    nodes = [
        NodeResult(item.node.name, str(item.status), item.execution_time, item.message or "")
        for item in getattr(done.result, "results", [])
    ]
    return done.success, nodes


@contextmanager
def _variables(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
