"""What a build of dbt did, once more as plain SQL: the select of each model, into plain tables, in one transaction.

The tables stand in the schema `by_hand` and begin with what `marts` showed before the build: no slices, no keys, no
indexes, no partitions. Of what is cut by month or territory the rows of those the build made anew are deleted and
inserted; the rest is made whole with `create table as`. Every select reads the tables of this schema, and of `marts`
nothing. The statements come from what dbt compiled, in the order in which it had them done.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from psycopg import sql

from benchmarks.workplace import WrongResultError
from night import dbt_runs
from warehouse import roles
from warehouse.connection import Connection, admin_url, connect, open_connection
from warehouse.settings import Settings

SCHEMA, BEFORE = "by_hand", "by_hand_before"
_DATABASE = "vss"


@dataclass(frozen=True)
class Statement:
    """A model, or a data test (without columns): what it selects, and the months and territories that are made anew."""

    name: str
    select: str
    columns: tuple[str, ...] = ()
    months: tuple[str, ...] = ()
    territories: tuple[str, ...] = ()
    may_loop: bool = True


def keep_before(settings: Settings) -> None:
    """Copy every relation of `marts` as it is shown, for the tables to begin with. No build may be open."""
    with _new_schema(settings, BEFORE) as connection:
        for name in _relations(connection):
            connection.execute(
                sql.SQL("create table {} as select * from {}").format(
                    sql.Identifier(BEFORE, name), sql.Identifier("marts", name)
                )
            )


def begin(settings: Settings) -> None:
    """Make the tables anew, as before the build."""
    with _new_schema(settings, SCHEMA) as connection:
        for name in _relations(connection):
            table = sql.Identifier(SCHEMA, name)
            connection.execute(
                sql.SQL("create table {} as select * from {}").format(table, sql.Identifier(BEFORE, name))
            )
            connection.execute(sql.SQL("analyze {}").format(table))


def write_statements(settings: Settings, models: Path, tests: Path) -> tuple[int, int]:
    """Write what the open build did to two files; how many models and data tests that are."""
    target = dbt_runs.manifest_path(settings).parent
    results: list[dict[str, Any]] = json.loads((target / "run_results.json").read_bytes())["results"]
    nodes: dict[str, dict[str, Any]] = json.loads((target / "manifest.json").read_bytes())["nodes"]
    with connect(settings, roles.TRANSFORMER) as connection:
        slices = connection.execute(
            "select relation, coalesce(array_agg(distinct month::text) filter (where month is not null), '{}'),"
            " coalesce(array_agg(distinct territory_key) filter (where territory_key is not null), '{}')"
            " from ops.slice where build_id = (select max(build_id) from ops.build) group by 1"
        ).fetchall()
    made = {
        str(name): (tuple(cast("list[str]", months)), tuple(cast("list[str]", territories)))
        for name, months, territories in slices
    }
    by_kind: dict[str, list[Statement]] = {"model": [], "test": []}
    # in the order in which they ended, so that each finds what it reads
    for result in sorted(results, key=lambda one: max((each["completed_at"] for each in one["timing"]), default="")):
        node = nodes.get(result["unique_id"])
        # a model of whose slices none was made anew is not done by hand either; a view stands
        is_model = node is not None and node["resource_type"] == "model" and node["name"] in made
        if node is None or not (is_model or node["resource_type"] == "test"):
            continue
        months, territories = made.get(node["name"], ((), ()))
        by_kind[node["resource_type"]].append(
            Statement(
                node["name"], _here(result["compiled_code"]), tuple(node["columns"]) if is_model else (),
                months if is_model else (), territories if is_model else (),
                may_loop=not any("no_nested_loops" in hook["sql"] for hook in node["config"].get("pre-hook", [])),
            )
        )  # fmt: skip
    for path, statements in ((models, by_kind["model"]), (tests, by_kind["test"])):
        path.write_text(json.dumps([asdict(each) for each in statements]), encoding="utf-8")
    return len(by_kind["model"]), len(by_kind["test"])


def take(settings: Settings, statements: Path) -> dict[str, float]:
    """Do the statements of a file, in order, in one transaction; seconds of each model."""
    seconds: dict[str, float] = {}
    with connect(settings, roles.TRANSFORMER) as connection:
        for each in map(_statement, json.loads(statements.read_bytes())):
            begun = time.perf_counter()
            connection.execute(sql.SQL("set local enable_nestloop = {}").format(sql.Literal(each.may_loop)))
            if each.columns:
                _make(connection, each)
            else:
                connection.execute(sql.SQL("select count(*) from ({}) as found").format(sql.SQL(each.select)))
            seconds[each.name] = round(time.perf_counter() - begun, 4)
    return seconds


def require_same(settings: Settings, statements: Path) -> int:
    """Compare every table made by hand with what the build made of it; rows compared.

    Raises WrongResultError with the relations that differ: then neither side was measured at the same work.
    """
    differ, rows = [], 0
    with connect(settings, roles.TRANSFORMER) as connection:
        for each in map(_statement, json.loads(statements.read_bytes())):
            columns = sql.SQL(", ").join(map(sql.Identifier, each.columns))
            found = [
                connection.execute(
                    sql.SQL(
                        "select count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)"
                        " from (select {} from {}) as t"
                    ).format(columns, sql.Identifier(schema, each.name))
                ).fetchone()
                for schema in (SCHEMA, "marts")
            ]
            assert found[0] is not None
            rows += int(str(found[0][0]))
            if found[0] != found[1]:
                differ.append(each.name)
    if differ:
        raise WrongResultError(f"By hand and by dbt these differ: {', '.join(differ)}. No time was taken.")
    return rows


def _make(connection: Connection, model: Statement) -> None:
    table = sql.Identifier(SCHEMA, model.name)
    columns = sql.SQL(", ").join(map(sql.Identifier, model.columns))
    selected = sql.SQL("select {} from ({}) as model").format(columns, sql.SQL(model.select))
    cut = _cut(model.months, model.territories)
    if cut is None:
        connection.execute(sql.SQL("drop table {}").format(table))
        connection.execute(sql.SQL("create table {} as {}").format(table, selected))
    else:
        connection.execute(sql.SQL("delete from {} where {}").format(table, cut))
        connection.execute(sql.SQL("insert into {} ({}) {} where {}").format(table, columns, selected, cut))
    connection.execute(sql.SQL("analyze {}").format(table))


def _cut(months: Sequence[str], territories: Sequence[str]) -> sql.Composed | None:
    parts = [
        sql.SQL("{} = any({}::{}[])").format(sql.Identifier(column), sql.Literal(list(wanted)), sql.SQL(kind))
        for column, kind, wanted in (("month", "date", months), ("territory_key", "text", territories))
        if wanted
    ]
    return sql.SQL(" and ").join(parts) if parts else None


def _here(compiled: str) -> str:
    return compiled.replace(f'"{_DATABASE}"."marts".', f'"{SCHEMA}".')


def _statement(kept: dict[str, Any]) -> Statement:
    arguments: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()
    }
    return Statement(**arguments)


def _relations(connection: Connection) -> list[str]:
    found = connection.execute(
        "select relname from pg_class where relnamespace = 'marts'::regnamespace and relkind = 'v' order by 1"
    )
    return [str(row[0]) for row in found]


def _new_schema(settings: Settings, schema: str) -> Connection:
    """A connection of the transformer, who owns the new and empty schema."""
    with open_connection(admin_url(settings), autocommit=True) as admin:
        admin.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema)))
        admin.execute(
            sql.SQL("create schema {} authorization {}").format(
                sql.Identifier(schema), sql.Identifier(roles.TRANSFORMER)
            )
        )
    return connect(settings, roles.TRANSFORMER, autocommit=True)
