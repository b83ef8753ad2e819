"""Apply the contracts to the database: every feed has its raw table, every column of its contract is there."""

from __future__ import annotations

from ingestion.contracts import load_contracts
from ingestion.raw_tables import add_column_statements, create_statements
from warehouse import roles
from warehouse.connection import connect
from warehouse.settings import Settings


def ensure_raw_tables(settings: Settings) -> None:
    """Create missing tables and add missing columns of `raw`; never drops or changes one."""
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute("select pg_advisory_xact_lock(hashtext('vss migrate'))")
        for contract in load_contracts().values():
            for statement in create_statements(contract):
                connection.execute(statement)
            there = connection.execute(
                "select a.attname from pg_attribute a where a.attrelid = format('raw.%%I', %s::text)::regclass"
                " and a.attnum > 0 and not a.attisdropped",
                [contract.feed],
            )
            for statement in add_column_statements(contract, {str(row[0]) for row in there}):
                connection.execute(statement)
