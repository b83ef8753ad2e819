"""The Arrow driver (ADBC), which Polars reads through as well: argv are URL and query."""

from __future__ import annotations

import sys

from adbc_driver_postgresql import dbapi
from told import ENDLESS, WRITES, refusal, tell

url, query = sys.argv[1:3]
with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
    cursor.execute(query)
    table = cursor.fetch_arrow_table()
    found = connection.adbc_get_objects(depth="tables", catalog_filter="vss", db_schema_filter="bi").read_all()
    schemas = [schema for catalog in found.to_pylist() for schema in catalog["catalog_db_schemas"] or []]
    cursor.execute("select obj_description('bi.rpt_collection'::regclass)")
    comment = cursor.fetchone()[0]
    refused = [refusal(lambda text=text: cursor.execute(text)) for text in WRITES]
    cursor.execute("set statement_timeout = 300")

    def endless() -> None:
        cursor.execute(ENDLESS)
        cursor.fetchall()

    tell(
        table.column_names,
        [[row[name] for name in table.column_names] for row in table.to_pylist()],
        relations=sum(len(schema["db_schema_tables"] or []) for schema in schemas),
        comment=comment,
        refused=refused,
        ended=refusal(endless),
    )
