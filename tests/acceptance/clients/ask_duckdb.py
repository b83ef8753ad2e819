"""DuckDB's PostgreSQL scanner: argv are URL and query; its extension comes as a wheel, nothing is downloaded."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import duckdb_extension_postgres_scanner
from told import ENDLESS, WRITES, refusal, tell

url, query = sys.argv[1:3]
(extension,) = Path(duckdb_extension_postgres_scanner.__file__).parent.rglob("*.duckdb_extension")
session = duckdb.connect()
session.execute(f"load '{extension}'")
session.execute(f"attach '{url}' as vss (type postgres, read_only, schema 'bi')")
session.execute("use vss.bi")
names = [column[0] for column in session.execute(query).description or []]
rows = session.execute(query).fetchall()
(relations,) = session.execute("select count(*) from duckdb_tables() where database_name = 'vss'").fetchone() or (0,)
comments = session.execute(
    "select comment from duckdb_tables() where database_name = 'vss' and table_name = 'rpt_collection'"
).fetchall()
session.execute(f"attach '{url}%20-c%20statement_timeout%3D300' as short (type postgres, read_only)")
tell(
    names,
    rows,
    relations=relations,
    comment=comments[0][0],
    refused=[refusal(lambda text=text: session.execute(f"call postgres_execute('vss', '{text}')")) for text in WRITES],
    ended=refusal(lambda: session.execute(f"select * from postgres_query('short', '{ENDLESS}')").fetchall()),
)
