"""Run dbt inside this process, as the transformer, and keep what it did."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from warehouse import roles
from warehouse.connection import connect, role_url
from warehouse.errors import UsageError
from warehouse.settings import PROJECT, Settings

DBT_PROJECT = PROJECT / "dbt_project"
DISK_FULL = "No space left on device"
"""What a node's message says, of the server's disk and of this process's, when it is full."""
_OWN = {".sql", ".yml", ".csv", ".py"}
_ENGINEERS_SCHEMA = re.compile(r"dev(_[a-z0-9_]{1,40})?")


@dataclass(frozen=True)
class NodeResult:
    """One node of a dbt run. Of a data test: the model it is about, whether it only warns, and the rows it found."""

    name: str
    status: str
    seconds: float
    message: str
    kind: str = ""
    model: str | None = None
    is_warning: bool = False
    failures: int | None = None


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
        "DBT_TARGET_PATH": str(settings.home / "dbt" / "target"),
        "DBT_LOG_PATH": str(settings.home / "dbt" / "logs"),
        # a night that is started from an engineer's shell must not defer
        "DBT_STATE": "",
        "DBT_DEFER": "false",
        "DBT_FAVOR_STATE": "false",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
        # dbt's locks live as long as the process; its tracker would count them aloud when the process ends
        "PYTHONWARNINGS": "ignore::UserWarning:multiprocessing.resource_tracker",
    }


def engineers_environment(settings: Settings, schema: str) -> tuple[dict[str, str], list[str]]:
    """The variables of an engineer who builds into `schema`, and sentences on what dbt would not tell.

    With a publication whose manifest is kept, dbt compares with it and takes what it does not build itself from
    `marts`, `staging` and `reference`. The engineer's own manifest lies apart from the night's.
    Raises UsageError when the schema is neither dev nor dev_<something>.
    """
    if not _ENGINEERS_SCHEMA.fullmatch(schema):
        raise UsageError(f"{schema} is no schema of an engineer's: take dev or dev_<name>, of a-z, 0-9 and _.")
    variables = environment(settings, roles.ENGINEER, "dev") | {
        "VSS_DBT_SCHEMA": schema,
        "DBT_TARGET_PATH": str(settings.home / "dbt" / schema),
    }
    with connect(settings, roles.ENGINEER) as connection:
        shown = connection.execute(
            """
            select p.publication_id, shown.project_hash, last.build_id, last.state, last.project_hash
            from ops.current_publication c
            join ops.publication p on p.publication_id = c.publication_id
            join ops.build shown on shown.build_id = p.build_id
            join ops.build last on last.build_id = (select max(b.build_id) from ops.build b)
            """
        ).fetchone()
    if shown is None:
        return variables, []
    publication, shown_hash, last_build, state, last_hash = shown
    told = []
    if state in ("open", "built", "audited"):
        told.append(f"Build {last_build} is {state}: marts and staging are its candidate until it has ended.")
    elif last_hash != shown_hash:
        told.append(
            f"Build {last_build} had other rules and is not shown: staging and reference may be as it left them."
        )
    kept = kept_manifest(settings, str(shown_hash))
    if kept.exists():
        variables |= {"DBT_STATE": str(kept.parent), "DBT_DEFER": "true", "DBT_FAVOR_STATE": "true"}
    else:
        told.append(f"No manifest of publication {publication} is kept here: dbt does not defer, and knows no state.")
    return variables, told


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


def kept_manifest(settings: Settings, project: str) -> Path:
    """Where the manifest of a project, named by its hash, is kept: what an engineer's dbt compares with."""
    return settings.home / "dbt" / "projects" / project / "manifest.json"


def run(settings: Settings, *arguments: str, run_id: str | None = None) -> tuple[bool, list[NodeResult]]:
    """Invoke dbt against target prod; returns success and what each node did; lineage is kept of a run with a name."""
    from dbt.cli.main import dbtRunner

    begun = time.time()
    with _variables(environment(settings, roles.TRANSFORMER, "prod")):
        done = dbtRunner().invoke(
            [*arguments, "--target", "prod", "--quiet", "--no-use-colors", "--log-level-file", "none"]
        )
    if settings.lineage and run_id is not None:
        # whatever is wrong with it costs the lineage, never the build
        with suppress(Exception):
            from night.lineage import dbt_events

            error = None if done.exception is None else type(done.exception).__name__
            dbt_events(settings, manifest_path(settings).parent, run_id=run_id, begun=begun, error=error)
    if done.exception is not None:
        return False, [
            NodeResult("dbt", "error", 0.0, type(done.exception).__name__ + ": " + str(done.exception)[:500])
        ]
    if done.success:
        _keep_manifest(settings)
    nodes = [
        NodeResult(
            item.node.name,
            str(item.status),
            item.execution_time,
            item.message or "",
            kind=str(item.node.resource_type),
            model=(getattr(item.node, "attached_node", None) or "").rpartition(".")[2] or None,
            is_warning=str(getattr(item.node.config, "severity", "error")).lower() == "warn",
            failures=item.failures,
        )
        for item in getattr(done.result, "results", [])
    ]
    return done.success, nodes


def _keep_manifest(settings: Settings) -> None:
    """By project and not by run: after a failed gate or a rollback the shown project's is still there."""
    kept = kept_manifest(settings, project_hash())
    kept.parent.mkdir(parents=True, exist_ok=True)
    half = kept.with_suffix(".part")
    shutil.copyfile(manifest_path(settings), half)
    half.replace(kept)


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
