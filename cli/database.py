"""Verbs around the database: migrate, url, env, down."""

from __future__ import annotations

import getpass
import re
import shlex
import sys
from typing import Annotated

import typer

from night import dbt_runs
from night.readiness import ensure_ready
from night.readiness import migrate as migrate_everything
from warehouse import geography, roles, server
from warehouse.connection import role_url
from warehouse.errors import UsageError
from warehouse.settings import settings


def migrate() -> None:
    """Create or upgrade what the warehouse needs, Airflow's metadata included; safe to repeat."""
    from cli.airflow_process import migrate_metadata

    migrate_everything(settings())
    migrate_metadata(settings())
    print("The warehouse is up to date.")


def url(role: Annotated[str, typer.Option(help="The role to connect as.")] = roles.READER) -> None:
    """Print the database URL for a BI tool or psql."""
    known = [
        roles.READER, roles.LOADER, roles.TRANSFORMER, roles.PUBLISHER, roles.ENGINEER, roles.MIGRATOR,
        *map(roles.provincial_reader, geography.current_codes()),
    ]  # fmt: skip
    if role not in known:
        raise UsageError(f"There is no login {role}: choose one of {', '.join(known[:6])}, {known[6]} … {known[-1]}.")
    ensure_ready(settings())
    print(role_url(settings(), role))


def env(
    schema: Annotated[
        str | None,
        typer.Option(envvar="VSS_DBT_SCHEMA", help="Where dbt builds: dev or dev_<name>; dev_<login> unless given."),
    ] = None,
) -> None:
    """Print shell exports for a data engineer: eval "$(vss env)", then dbt build --select ... into an own schema."""
    ensure_ready(settings())
    variables, told = dbt_runs.engineers_environment(settings(), schema or _own_schema())
    for sentence in told:
        print(f"vss: {sentence}", file=sys.stderr)
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")


def _own_schema() -> str:
    try:
        login = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "dev"
    return "dev_" + re.sub("[^a-z0-9_]", "_", login.lower())[:40]


def down() -> None:
    """Stop what runs for this VSS_HOME: Airflow and the pages of `vss up`, Superset, and the embedded server."""
    from cli import dashboards, stack

    stopped = [stack.stop(settings()), dashboards.stop_running(settings()), server.stop(settings())]
    print("Stopped." if any(stopped) else "It was not running.")


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    for verb in (migrate, url, env, down):
        app.command()(verb)
