"""JDBC, as Metabase and DBeaver read: argv are URL and query. Types are those of the driver's own objects."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

import jaydebeapi
import jpype
from told import ENDLESS, WRITES, refusal, tell

url, query = urlsplit(sys.argv[1]), sys.argv[2]
place = f"jdbc:postgresql://{url.hostname}:{url.port}/vss?currentSchema=bi&options=-c%20vss.publication%3D1"
signed_in = {"user": url.username, "password": url.password, "readOnly": "true"}
connection = jaydebeapi.connect("org.postgresql.Driver", place, signed_in, "/usr/share/java/postgresql.jar")
statement = connection.jconn.createStatement()
answer = statement.executeQuery(query)
columns = answer.getMetaData()
places = range(1, columns.getColumnCount() + 1)
rows = [[answer.getObject(at) for at in places]] if answer.next() else []
meta = connection.jconn.getMetaData()
found = meta.getTables(None, "bi", "%", jpype.JArray(jpype.JString)(["VIEW"]))
comments = {}
while found.next():
    comments[str(found.getString("TABLE_NAME"))] = str(found.getString("REMARKS"))
refused = [refusal(lambda text=text: statement.execute(text)) for text in WRITES]
statement.execute("set statement_timeout = 300")
tell(
    [str(columns.getColumnName(at)) for at in places],
    rows,
    relations=len(comments),
    comment=comments["rpt_collection"],
    refused=refused,
    ended=refusal(lambda: statement.executeQuery(ENDLESS)),
)
