"""DDL of `raw`, composed from the contracts and add-only: a table or a column is created, never changed or dropped."""

from __future__ import annotations

from collections.abc import Collection

from psycopg import sql

from ingestion.contracts import Column, Contract

SCHEMA = "raw"
_LOAD_COLUMNS = {
    "load_id": ("bigint not null", "The load that brought the row; `ops.load` leads to submission and file."),
    "row_no": ("integer not null", "The row of the file a spreadsheet shows; in a CSV the heading is row 1."),
    "month": ("date not null", "First day of the month the row is about; the partition key."),
}


def create_statements(contract: Contract) -> list[sql.Composed]:
    """Statements that make `raw.<feed>` with its BRIN index and comments where it is missing; safe to repeat.

    Columns: load_id, row_no, for the big feeds month (the range partition key), then the contract's, all nullable:
    what must be filled is the verdict's rule, and a column that is added later has no values in old rows.
    """
    table = sql.Identifier(SCHEMA, contract.feed)
    leading = [name for name in _LOAD_COLUMNS if name != "month" or contract.partition_by_month]
    definitions = [sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(_LOAD_COLUMNS[name][0])) for name in leading]
    definitions += [_definition(column) for column in contract.columns]
    partitioning = sql.SQL(" partition by range (month)") if contract.partition_by_month else sql.SQL("")
    statements = [
        sql.SQL("create table if not exists {} ({}){}").format(table, sql.SQL(", ").join(definitions), partitioning),
        sql.SQL("create index if not exists {} on {} using brin (load_id)").format(
            sql.Identifier(f"{contract.feed}_load_id_brin"), table
        ),
        sql.SQL("comment on table {} is {}").format(table, sql.Literal(contract.description)),
    ]
    statements += [_comment(contract, name, _LOAD_COLUMNS[name][1]) for name in leading]
    statements += [_comment(contract, column.name, column.description) for column in contract.columns]
    return statements


def add_column_statements(contract: Contract, existing_columns: Collection[str]) -> list[sql.Composed]:
    """Statements for the contract's columns that `existing_columns` of `raw.<feed>` lack."""
    statements = []
    for column in contract.columns:
        if column.name not in existing_columns:
            table = sql.Identifier(SCHEMA, contract.feed)
            statements.append(sql.SQL("alter table {} add column if not exists {}").format(table, _definition(column)))
            statements.append(_comment(contract, column.name, column.description))
    return statements


def _definition(column: Column) -> sql.Composed:
    return sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.pg_type))


def _comment(contract: Contract, column: str, text: str) -> sql.Composed:
    return sql.SQL("comment on column {} is {}").format(
        sql.Identifier(SCHEMA, contract.feed, column), sql.Literal(text)
    )
