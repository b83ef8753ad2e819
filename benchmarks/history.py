"""A history of months without sending each of them: the loads of one month copied back, in `raw` and in the ledger.

The copies are what a load would have left behind, moved by whole months: the same persons and units with the same
amounts, so nobody comes or goes in the copied months. What a build makes of them it makes itself.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from psycopg import sql

from benchmarks.workplace import WrongResultError
from ingestion.contracts import load_contracts
from warehouse import roles
from warehouse.connection import Connection, connect
from warehouse.settings import Settings

# a unit's status does not begin anew each month; a case and an event have a number of their own in each
_STAYS, _NUMBERED = {"employers": {"status_date"}}, ("case_no", "event_no")
_GIVEN = ("sub_no", "load_id")
"""Columns the ledger fills itself."""


def copy_back(settings: Settings, month: dt.date, count: int) -> int:
    """Copy every province's accepted loads of `month` to the `count` months before it; rows copied.

    Raises WrongResultError when there is nothing to copy. Nothing of those months may have been loaded.
    """
    rows = 0
    with connect(settings, roles.MIGRATOR) as connection:
        for back in range(1, count + 1):
            rows += _copy(connection, month, back)
            connection.commit()
        connection.autocommit = True
        for schema, tables in (("ops", ("submission", "load")), ("raw", tuple(load_contracts()))):
            for table in tables:
                connection.execute(sql.SQL("analyze {}").format(sql.Identifier(schema, table)))
    if count and not rows:
        raise WrongResultError(f"No province's load of {month:%Y-%m} is accepted: there is nothing to copy.")
    return rows


def _copy(connection: Connection, month: dt.date, back: int) -> int:
    period, moved = sql.Literal(f"{_earlier(month, back):%Y-%m}"), _earlier(month, back)
    connection.execute("drop table if exists pg_temp.sent, pg_temp.copied")
    connection.execute(
        sql.SQL(
            "create temp table sent as select s.sub_no, replace(s.submission_id, s.period, {}) as copy_id"
            " from ops.submission s where s.period = {} and s.sender like 'province-%' and s.state like 'accepted%'"
        ).format(period, sql.Literal(f"{month:%Y-%m}"))
    )
    changed = {
        "submission_id": sql.SQL("t.copy_id"), "period": period, "folder": sql.SQL("''"),
        **{name: sql.SQL("s.{0} - make_interval(months => {1})").format(sql.Identifier(name), sql.Literal(back))
           for name in ("created_at", "received_at")},
    }  # fmt: skip
    _insert_copies(connection, "ops", "submission", changed, "s join sent t using (sub_no)", back=back, alias="s")
    _insert_copies(
        connection, "ops", "load", {"sub_no": sql.SQL("copy.sub_no")},
        "l join sent t using (sub_no) join ops.submission copy on copy.submission_id = t.copy_id", back=back, alias="l",
    )  # fmt: skip
    connection.execute(
        "create temp table copied as select l.load_id, c.load_id as copy_load_id, l.feed"
        " from ops.load l join sent t using (sub_no) join ops.submission s on s.submission_id = t.copy_id"
        " join ops.load c on c.sub_no = s.sub_no and c.feed = l.feed"
    )
    rows = 0
    for feed, contract in load_contracts().items():
        if contract.partition_by_month:
            connection.execute("select ops.ensure_partition(%s::regclass, %s)", [f"raw.{feed}", moved])
        rows += _insert_copies(
            connection, "raw", feed, {"load_id": sql.SQL("c.copy_load_id")},
            sql.SQL("r join copied c on c.load_id = r.load_id and c.feed = {}").format(sql.Literal(feed)).as_string(),
            back=back, alias="r",
        )  # fmt: skip
    return rows


def _insert_copies(
    connection: Connection,
    schema: str,
    table: str,
    changed: dict[str, sql.Composable],
    source: str,
    *,
    back: int,
    alias: str,
) -> int:
    """Insert rows of a table into it again: `changed` columns as given, dates moved, the rest as it is; how many."""
    kinds = {name: kind for name, kind in _columns(connection, schema, table) if name in changed or name not in _GIVEN}
    selected = [
        changed.get(name) or _of_copy(table, sql.Identifier(alias, name), name, kind, back)
        for name, kind in kinds.items()
    ]
    return connection.execute(
        sql.SQL("insert into {table} ({columns}) select {selected} from {table} {source}").format(
            table=sql.Identifier(schema, table), columns=sql.SQL(", ").join(map(sql.Identifier, kinds)),
            selected=sql.SQL(", ").join(selected), source=sql.SQL(source),
        )
    ).rowcount  # fmt: skip


def _of_copy(table: str, column: sql.Identifier, name: str, kind: str, back: int) -> sql.Composable:
    if name in _NUMBERED:
        return sql.SQL("{} || {}").format(column, sql.Literal(f"-{back}"))
    if kind != "date" or name in _STAYS.get(table, ()):
        return column
    # the last day of a month stays one
    return sql.SQL(
        "case when extract(day from {column} + 1) = 1"
        " then (date_trunc('month', {column}) - make_interval(months => {back} - 1) - interval '1 day')::date"
        " else ({column} - make_interval(months => {back}))::date end"
    ).format(column=column, back=sql.Literal(back))


def _columns(connection: Connection, schema: str, table: str) -> Iterable[tuple[str, str]]:
    found = connection.execute(
        "select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a"
        " where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped order by a.attnum",
        [f"{schema}.{table}"],
    )
    return [(str(name), str(kind)) for name, kind in found]


def _earlier(month: dt.date, back: int) -> dt.date:
    number = 12 * month.year + month.month - 1 - back
    return dt.date(number // 12, number % 12 + 1, 1)
