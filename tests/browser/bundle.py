"""The dashboards' files as a test reads them: datasets, charts and dashboards by name, and `bi` as empty tables."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from psycopg import sql

from warehouse.connection import Connection
from warehouse.settings import PROJECT

BUNDLE = PROJECT / "reporting" / "superset" / "bundle"


def _read(folder: str) -> dict[str, dict[str, Any]]:
    files = sorted((BUNDLE / folder).rglob("*.yaml"))
    return {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in files}


DATABASE: dict[str, Any] = _read("databases")["warehouse"]
DATASETS = _read("datasets")
CHARTS = _read("charts")
DASHBOARDS = _read("dashboards")
# the one relation of `bi` that is no model of dbt
PUBLICATION = {
    "publication_id": "integer", "published_at": "timestamptz", "status": "text", "kind": "text",
    "completeness": "text", "freshness": "text", "changes": "text", "is_shown": "boolean",
}  # fmt: skip
BY_UUID = {dataset["uuid"]: dataset for dataset in DATASETS.values()}


@functools.cache
def models() -> dict[str, dict[str, str]]:
    """Column names and types of every model, from the contracts that dbt holds the relations of `bi` to."""
    found: dict[str, dict[str, str]] = {}
    for file in (PROJECT / "dbt_project" / "models").rglob("*.yml"):
        for model in yaml.safe_load(file.read_text(encoding="utf-8")).get("models") or []:
            found[model["name"]] = {column["name"]: column.get("data_type", "text") for column in model["columns"]}
    return found


def empty_bi(connection: Connection) -> None:
    """Tables of this session with the names and columns of `bi`: a session's own go before those of a schema."""
    for name, columns in {**models(), "publication": PUBLICATION}.items():
        if name.startswith(("rpt_", "fct_", "dim_", "publication")):
            defined = sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind))  # type: ignore[arg-type] # our contracts
                for column, kind in columns.items()
            )
            connection.execute(sql.SQL("create temp table {} ({})").format(sql.Identifier(name), defined))


def put(connection: Connection, table: str, *rows: Mapping[str, Any]) -> None:
    """Rows of a table; columns that a row leaves out are null."""
    for row in rows:
        connection.execute(
            sql.SQL("insert into pg_temp.{} ({}) values ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join(sql.Placeholder() * len(row)),
            ),
            list(row.values()),
        )


def answer(connection: Connection, dataset: str, columns: Sequence[str], where: str = "true") -> list[tuple[Any, ...]]:
    """Columns of a dataset's rows, sorted."""
    names = ", ".join(columns)
    text = f"select {names} from (\n{DATASETS[dataset]['sql']}\n) as dataset where {where} order by {names}"
    return connection.execute(text.encode()).fetchall()


def metric(connection: Connection, dataset: str, name: str, where: str = "true") -> Any:
    """A metric over the rows of a dataset."""
    (found,) = (each["expression"] for each in DATASETS[dataset]["metrics"] if each["metric_name"] == name)
    text = f"select {found} from (\n{DATASETS[dataset]['sql']}\n) as dataset where {where}"
    row = connection.execute(text.encode()).fetchone()
    return None if row is None else row[0]
