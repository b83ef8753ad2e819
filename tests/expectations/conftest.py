"""A real PostgreSQL for the gates."""

from __future__ import annotations

import gc
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from gate_builders import Warehouse
from psycopg import sql

from ingestion.contracts import load_contracts
from ingestion.raw_schema import ensure_raw_tables
from warehouse import roles, server
from warehouse.connection import connect
from warehouse.migrate import migrate
from warehouse.settings import Settings


@pytest.fixture(scope="session")
def settings() -> Iterator[Settings]:
    """Settings of a migrated warehouse in a home of its own."""
    home = Path(tempfile.mkdtemp(prefix="vss-gates-"))
    home.chmod(0o755)
    settings = Settings(home=home, database_url=None)
    with warnings.catch_warnings():
        # not ours: files and connections that setting up leaves to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        migrate(settings)
        gc.collect()
    ensure_raw_tables(settings)
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute("grant select, insert on all tables in schema raw to vss_loader")
    yield settings
    server.stop(settings)
    shutil.rmtree(home)


@pytest.fixture
def warehouse(settings: Settings) -> Warehouse:
    """An empty warehouse."""
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute("truncate ops.submission, ops.load, ops.gate_result cascade")
        for feed in load_contracts():
            connection.execute(sql.SQL("truncate {}").format(sql.Identifier("raw", feed)))
    return Warehouse(settings)
