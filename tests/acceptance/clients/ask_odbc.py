"""ODBC with the settings the guide names for Excel: argv are URL and query."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

import pyodbc
from told import ENDLESS, WRITES, refusal, tell

url, query = urlsplit(sys.argv[1]), sys.argv[2]
place = f"Server={url.hostname};Port={url.port};Database=vss;Uid={url.username};Pwd={url.password};"
told = "Driver={PostgreSQL Unicode};BoolsAsChar=0;pqopt={options='-c vss.publication=1'};"
with pyodbc.connect(told + place + "ReadOnly=1", autocommit=True) as reading:
    cursor = reading.cursor()
    cursor.execute(query)
    names = [column[0] for column in cursor.description]
    rows = cursor.fetchall()
    relations = len(cursor.tables(schema="bi", tableType="VIEW").fetchall())
    (comment,) = cursor.execute("select obj_description('bi.rpt_collection'::regclass)").fetchone()
    refused = [refusal(lambda text=text: cursor.execute(text)) for text in WRITES]
# the driver refuses by itself; the server must refuse too
with pyodbc.connect(told + place, autocommit=True) as connection:
    cursor = connection.cursor()
    refused += [refusal(lambda text=text: cursor.execute(text)) for text in WRITES]
    cursor.execute("set statement_timeout = 300")
    ended = refusal(lambda: cursor.execute(ENDLESS))
tell(names, rows, relations=relations, comment=comment, refused=refused, ended=ended)
