"""Retention: which publications are kept, and what goes with those that are not (M14, docs/decisions/0021).

Kept is every publication that was shown on one of the last days (`reference/retention.csv`) and the last one of each
month, local time. Marking comes first and by itself: from then on nobody reads the others. Then the slices that only
they showed go, a batch a transaction. Whatever is left by a run that was stopped is found by the next one. Raw rows,
the ledger and the list of publications stay.
"""

from __future__ import annotations

import csv
import datetime as dt
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

from psycopg import sql

from warehouse import builds, locks
from warehouse.connection import Connection
from warehouse.settings import Settings

LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
BATCH_ROWS = 200_000
"""Rows deleted in one transaction, unless one slice alone has more."""
_TRUNCATE_PATIENCE_SECONDS = 5.0
_SOURCE = Path(__file__).resolve().parent / "reference" / "retention.csv"


@dataclass(frozen=True)
class Cleared:
    """What went of one relation: slices, rows, and bytes as the share of its tables (whole files where emptied)."""

    relation: str
    slices: int
    rows: int
    size: int
    emptied: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pruned:
    """What a run gave up, or would give up."""

    is_dry_run: bool
    keep_days: int
    publications: tuple[int, ...]
    cleared: tuple[Cleared, ...]


@dataclass(frozen=True)
class _Slice:
    relation: str
    slice_id: int
    month: dt.date | None
    rows: int


@functools.cache
def _numbers() -> tuple[tuple[dt.date, int], ...]:
    with _SOURCE.open(encoding="utf-8", newline="") as stream:
        return tuple(
            sorted((dt.date.fromisoformat(row["valid_from"]), int(row["keep_days"])) for row in csv.DictReader(stream))
        )


def keep_days(day: dt.date) -> int:
    """How many days publications are kept by the rule in force on a day; by the first rule before it began."""
    return next((days for since, days in reversed(_numbers()) if since <= day), _numbers()[0][1])


def prune(settings: Settings, *, dry_run: bool = False, now: dt.datetime | None = None) -> Pruned:
    """Give up what is not kept at `now`; a dry run says what that is and changes nothing.

    Raises BuildOpenError while a build is at work: it holds the lease, as this does. A candidate that waits keeps its
    slices.
    """
    at = now or dt.datetime.now(tz=LOCAL)
    days = keep_days(at.astimezone(LOCAL).date())
    with builds.lease(settings) as connection:
        rows = connection.execute("select * from ops.expired_publication(%s, %s)", [days, at]).fetchall()
        expired = [int(str(row[0])) for row in rows]
        if dry_run:
            planned = [
                Cleared(relation, len(slices), sum(each.rows for each in slices), _size(connection, relation, slices))
                for relation, slices in _by_relation(_prunable(connection, expired))
            ]
            return Pruned(True, days, tuple(expired), tuple(planned))
        connection.execute("select ops.mark_pruned(%s)", [expired])
        marked_at = connection.execute("select clock_timestamp()").fetchone()
        assert marked_at is not None and isinstance(marked_at[0], dt.datetime)
        cleared = [
            _clear(connection, settings, relation, slices, marked_at[0])
            for relation, slices in _by_relation(_prunable(connection, []))
        ]
    return Pruned(False, days, tuple(expired), tuple(cleared))


def in_words(done: Pruned) -> Iterator[str]:
    """What went, a line each, for the terminal."""
    verb = "would be pruned" if done.is_dry_run else "pruned"
    named = ", ".join(map(str, done.publications)) or "none"
    yield f"Kept: what was shown in the last {done.keep_days} days, and the last publication of each month."
    yield f"Publications {verb}: {named}"
    for each in done.cleared:
        emptied = f"; emptied: {', '.join(each.emptied)}" if each.emptied else ""
        yield f"  {each.relation}: {each.slices:,} slices, {each.rows:,} rows, about {_megabytes(each.size)}{emptied}"
    slices, rows, size = (sum(getattr(each, name) for each in done.cleared) for name in ("slices", "rows", "size"))
    yield f"In all {len(done.publications)} publications, {slices:,} slices, {rows:,} rows, about {_megabytes(size)}."


def _clear(
    connection: Connection, settings: Settings, relation: str, slices: Sequence[_Slice], marked_at: dt.datetime
) -> Cleared:
    size = _size(connection, relation, slices)
    emptied = []
    left = list(slices)
    for month, partition in _partitions(connection, relation).items():
        mine = [each for each in left if each.month == month]
        if mine and _empty_whole(connection, settings, relation, partition, mine, marked_at):
            emptied.append(partition)
            left = [each for each in left if each.month != month]
    for batch in _batches(left):
        _delete(connection, relation, batch)
    rows_table = _rows_table(connection, relation)
    if left and rows_table is not None:
        # what was deleted becomes room for the next slices, and the planner learns how much is left
        connection.execute(sql.SQL("vacuum (analyze) {}").format(rows_table))
    return Cleared(relation, len(slices), sum(each.rows for each in slices), size, tuple(emptied))


def _empty_whole(
    connection: Connection,
    settings: Settings,
    relation: str,
    partition: str,
    mine: Sequence[_Slice],
    marked_at: dt.datetime,
) -> bool:
    """Empty a month's partition of which nothing is kept; False when it has to be done row by row.

    Only the partition is locked, never its parent. It stays as an empty table: without one the planner answers a
    question about that month without asking whether the session's publication can be read. A transaction that began
    before the marking may read what goes, and would find it empty.
    """
    kept = connection.execute(
        "select count(*) from ops.slice s where s.relation = %s and s.month = %s", [relation, mine[0].month]
    ).fetchone()
    if kept is None or kept[0] != len(mine):
        return False
    older = locks.transactions_before(settings, marked_at)
    if older is None or any(holder.pid != connection.info.backend_pid for holder in older):
        return False
    name = sql.Identifier("marts", partition)
    try:
        with connection.transaction():
            locks.patiently(
                connection, settings, sql.SQL("truncate {}").format(name), name,
                patience=_TRUNCATE_PATIENCE_SECONDS, then="run `vss prune` again.",
            )  # fmt: skip
            _forget(connection, relation, mine)
    except locks.RelationLockedError:
        return False
    return True


def _delete(connection: Connection, relation: str, batch: Sequence[_Slice]) -> None:
    rows_table = _rows_table(connection, relation)
    with connection.transaction():
        if rows_table is not None:
            months = sorted({each.month for each in batch if each.month is not None})
            is_by_month = bool(_partitions(connection, relation))
            only = sql.SQL(" and month = any({})").format(months) if is_by_month else sql.SQL("")
            connection.execute(
                sql.SQL("delete from {} where slice_id = any(%s){}").format(rows_table, only),
                [[each.slice_id for each in batch]],
            )
        _forget(connection, relation, batch)


def _forget(connection: Connection, relation: str, batch: Sequence[_Slice]) -> None:
    row = connection.execute(
        "select ops.forget_slices(%s, %s)", [relation, [each.slice_id for each in batch]]
    ).fetchone()
    if row is None or row[0] != len(batch):
        raise RuntimeError(f"a slice of {relation} is shown again")


def _prunable(connection: Connection, expired: Sequence[int]) -> list[_Slice]:
    rows = connection.execute(
        "select relation, slice_id, month, row_count from ops.prunable_slice(%s) order by relation, slice_id",
        [list(expired)],
    ).fetchall()
    return [
        _Slice(str(relation), int(str(number)), month if isinstance(month, dt.date) else None, int(str(count)))
        for relation, number, month, count in rows
    ]


def _by_relation(slices: Sequence[_Slice]) -> Iterator[tuple[str, list[_Slice]]]:
    for relation, found in groupby(slices, key=lambda each: each.relation):
        yield relation, list(found)


def _batches(slices: Sequence[_Slice]) -> Iterator[list[_Slice]]:
    batch: list[_Slice] = []
    rows = 0
    for each in slices:
        if batch and rows + each.rows > BATCH_ROWS:
            yield batch
            batch, rows = [], 0
        batch.append(each)
        rows += each.rows
    if batch:
        yield batch


def _rows_table(connection: Connection, relation: str) -> sql.Identifier | None:
    """The table of a relation's rows; None when the relation is no longer there."""
    name = f"{relation}__rows"
    found = connection.execute(
        "select 1 from pg_class where relnamespace = 'marts'::regnamespace and relname = %s", [name]
    ).fetchone()
    return None if found is None else sql.Identifier("marts", name)


def _partitions(connection: Connection, relation: str) -> dict[dt.date, str]:
    """The partitions of a relation's rows by month, as ops.ensure_partition names them; none for most relations."""
    rows = connection.execute(
        "select c.relname from pg_inherits i"
        " join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent"
        " where p.relnamespace = 'marts'::regnamespace and p.relname = %s",
        [f"{relation}__rows"],
    ).fetchall()
    names = sorted(str(row[0]) for row in rows)
    return {dt.datetime.strptime(name[-6:], "%Y%m").replace(tzinfo=LOCAL).date(): name for name in names}


def _size(connection: Connection, relation: str, slices: Sequence[_Slice]) -> int:
    """Bytes of some slices: their share, by rows, of the tables they lie in."""
    partitions = _partitions(connection, relation)
    if not partitions:
        return _share(connection, f"{relation}__rows", relation, slices, None)
    return sum(
        _share(connection, partition, relation, mine, month)
        for month, partition in partitions.items()
        if (mine := [each for each in slices if each.month == month])
    )


def _share(connection: Connection, table: str, relation: str, slices: Sequence[_Slice], month: dt.date | None) -> int:
    row = connection.execute(
        """
        select coalesce(pg_total_relation_size(to_regclass(format('marts.%%I', %(table)s::text))), 0),
            (select sum(s.row_count) from ops.slice s
             where s.relation = %(relation)s and (%(month)s::date is null or s.month = %(month)s))
        """,
        {"table": table, "relation": relation, "month": month},
    ).fetchone()
    if row is None or not row[1]:
        return 0
    return int(int(str(row[0])) * sum(each.rows for each in slices) / int(str(row[1])))


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"
