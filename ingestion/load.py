"""Load a submission: rows, rejects, control totals and state in one transaction, with lock and fence (M5).

Airflow promises at least once; the ledger makes it exactly once. Whatever dies, dies before the commit and leaves
nothing, or after it and is found in the ledger by the next worker.
"""

from __future__ import annotations

import errno
import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Literal, NamedTuple, cast

import polars as pl
import psycopg
from psycopg import Rollback, sql

from ingestion import ledger, own_keys
from ingestion.ahead import ahead
from ingestion.contracts import load_contracts
from ingestion.deadlines import LOCAL
from ingestion.duplicates import KeySpill
from ingestion.inbox import Fault, Folder, Verified, verify
from ingestion.manifest import Manifest, ManifestFile, period_month
from ingestion.readers import FileError
from ingestion.reading import (
    GoodRows,
    Reject,
    Tally,
    Terms,
    check_against_manifest,
    control_totals,
    read_file,
    row_token,
)
from ingestion.sender_keys import NOT_AUTHENTIC
from ingestion.workers import Patience, alive, lock_slice, lock_submission
from warehouse import roles
from warehouse.connection import Connection, connect, is_transient
from warehouse.errors import StorageError, UnreachableError
from warehouse.settings import Settings

_WRITE = 128 * 1024
_PATIENCE = Patience()
_PAUSES: tuple[float | None, ...] = (0.5, 1, 2, 5, 10, None)
"""Seconds before each new attempt after a lost connection; a server that recovers from a crash takes a few."""


@dataclass(frozen=True)
class Loaded:
    """What became of a submission before the gate: its number and state."""

    sub_no: int
    submission_id: str
    state: str


class _TakenOverError(Exception):
    """Another worker holds a higher fence: what this one did is void, the ledger knows what became of it."""


def load_submission(settings: Settings, folder: Folder, *, patience: Patience = _PATIENCE) -> Loaded:
    """Verify and load one folder; the state is `waiting`, `rejected`, `loaded`, or what it was when it was final.

    A connection that is lost (restart, crash, taken over by another loader) is a reason to read the ledger and try
    again. Raises StorageError when a disk is full, UnreachableError when the database does not come back.
    """
    for pause in _PAUSES:
        try:
            return _load_once(settings, folder, patience)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            raise StorageError(
                "There is no space left for the archive or for temporary files: free some and run again;"
                " nothing was lost."
            ) from None
        except psycopg.errors.DiskFull:
            raise StorageError(
                "The database's disk is full: free some space and run again; nothing was lost."
            ) from None
        except (_TakenOverError, psycopg.Error, UnreachableError) as error:
            if pause is None or not (isinstance(error, _TakenOverError) or is_transient(error)):
                raise
            time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def _load_once(settings: Settings, folder: Folder, patience: Patience) -> Loaded:
    with connect(settings, roles.LOADER, autocommit=True) as connection, alive(settings, connection, patience):
        # one worker a submission from the first look to the verdict; whoever comes second finds it decided
        lock_submission(connection, folder.submission_id, patience)
        known = ledger.known_states(connection, [folder.identity])
        if known.get(folder.identity) in (*ledger.FINAL, "loaded"):
            entry = ledger.enter(connection, folder, None, "waiting")
            return Loaded(entry.sub_no, folder.submission_id, entry.state)
        verified = verify(settings, folder)
        if not verified.waiting_for and ledger.waited_for_files(connection, folder):
            # the manifest is the last file only by the rule: what had to wait arrived with its last file
            folder = replace(folder, received_at=verified.completed_at or folder.received_at)
        with connection.transaction():
            entry = ledger.enter(
                connection, folder, verified.manifest, "waiting" if verified.waiting_for else "verified"
            )
            if verified.signed_by is not None:
                ledger.note_signature(connection, entry, verified.signed_by)
        if entry.state == "waiting":
            ledger.note_waiting(connection, entry, verified.waiting_for)
        if entry.is_final or entry.state in ("waiting", "loaded"):
            return Loaded(entry.sub_no, folder.submission_id, entry.state)
        tables = {} if verified.faults or verified.manifest is None else _tables(connection, verified.manifest)
        with connection.transaction():
            state = _load(connection, settings, entry, folder, verified, tables, patience)
        if state == "loaded" and verified.manifest is not None:
            for file in verified.manifest.files:
                connection.execute(
                    "select ops.analyze_raw(%s, %s)", [file.feed, period_month(verified.manifest.period)]
                )
    return Loaded(entry.sub_no, folder.submission_id, state)


def _load(
    connection: Connection,
    settings: Settings,
    entry: ledger.Entry,
    folder: Folder,
    verified: Verified,
    tables: Mapping[str, sql.Identifier],
    patience: Patience,
) -> str:
    manifest = verified.manifest
    if manifest is None:
        return _reject(connection, entry, list(verified.faults))
    # sorted against deadlock; a void takes back every feed
    for feed in sorted(file.feed for file in manifest.files) or sorted(load_contracts()):
        lock_slice(connection, manifest.sender, feed, manifest.period, patience)
    now = ledger.current(connection, entry.sub_no)
    if now.fence != entry.fence:
        raise _TakenOverError
    faults = list(verified.faults)
    if not any(fault.code in NOT_AUTHENTIC for fault in faults):
        # what is not proven to be its sender's is told nothing about the sender's other submissions
        faults += ledger.conflicts(connection, entry.sub_no, folder, manifest)
    if faults:
        return _reject(connection, entry, faults)
    tallies: list[tuple[int, ManifestFile, Tally]] = []
    with connection.transaction(force_rollback=False) as savepoint:
        for file, path in verified.files:
            load_id = ledger.open_load(connection, entry.sub_no, file)
            terms = _terms(settings, folder, manifest, file)
            tally = Tally() if path is None else _copy_file(connection, load_id, file, path, terms, tables[file.feed])
            tallies.append((load_id, file, tally))
            faults += tally.faults
        if faults:
            # the rows go back, what was found out stays
            raise Rollback(savepoint)
    for opened, file, tally in tallies:
        # the savepoint took the load back with its rows: it is entered again to carry what was found out
        load_id = ledger.open_load(connection, entry.sub_no, file) if faults else opened
        totals = control_totals(file, load_contracts()[file.feed], tally)
        ledger.close_load(
            connection, load_id, state="rejected" if faults else "loaded", rows=tally.rows, accepted=tally.accepted,
            rejected=tally.rejected, totals=totals, profile=tally.profile, notes=tally.notes,
        )  # fmt: skip
        ledger.write_rejects(connection, load_id, tally.rejects)
    if faults:
        return _reject(connection, entry, faults)
    state = "accepted" if manifest.action == "void" else "loaded"
    if not ledger.decide(connection, entry, state):
        raise _TakenOverError
    return state


def _tables(connection: Connection, manifest: Manifest) -> dict[str, sql.Identifier]:
    """Where the rows of each feed go: its table, or the partition of the month.

    A partition that is missing is made before the load begins: made within it, nobody else could load into that month
    until the load has ended.
    """
    tables: dict[str, sql.Identifier] = {}
    for file in manifest.files:
        name = file.feed
        if load_contracts()[file.feed].partition_by_month:
            month = period_month(manifest.period)
            row = connection.execute("select ops.raw_partition(%s, %s)", [file.feed, month]).fetchone()
            assert row is not None
            name = str(row[0])
        tables[file.feed] = sql.Identifier("raw", name)
    return tables


def _terms(settings: Settings, folder: Folder, manifest: Manifest, file: ManifestFile) -> Terms:
    return Terms(
        contract=load_contracts()[file.feed],
        period=manifest.period,
        received_on=None if folder.received_at is None else folder.received_at.astimezone(LOCAL).date(),
        identity=None if manifest.encryption == "none" else own_keys.age_identity(settings),
        token_key=own_keys.row_token_key(settings),
    )


def _reject(connection: Connection, entry: ledger.Entry, faults: list[Fault]) -> str:
    ledger.decide(connection, entry, "rejected", faults)
    return "rejected"


def _copy_file(
    connection: Connection, load_id: int, file: ManifestFile, path: Path, terms: Terms, table: sql.Identifier
) -> Tally:
    """Stream one file into its table of `raw`; faults of the whole file end in the tally, not in an exception."""
    contract = terms.contract
    tally = Tally()
    month = period_month(terms.period)
    lead = {"load_id": pl.lit(load_id), "row_no": pl.col("row_no")}
    if contract.partition_by_month:
        # as text: to write a date out costs more than the text it becomes
        lead["month"] = pl.lit(month.isoformat())
    statement = sql.SQL("copy {} ({}) from stdin (format csv, null '')").format(
        table, sql.SQL(", ").join(map(sql.Identifier, [*lead, *contract.column_names]))
    )
    first_page = _pages(connection, table)
    with KeySpill(contract.key) as keys:
        rows = read_file(path, file, terms, tally, keys)
        selection: list[pl.Expr | str] = [*(value.alias(name) for name, value in lead.items()), *contract.column_names]
        try:
            # a savepoint of its own: a COPY that is broken off must not take the other files' verdicts with it
            with (
                connection.transaction(),
                connection.cursor().copy(statement) as copy,
                ahead((_csv(block, selection) for block in rows), depth=2) as blocks,
            ):
                for data in blocks:
                    for start in range(0, len(data), _WRITE):
                        copy.write(data[start : start + _WRITE])
        except FileError as error:
            tally.faults.append(
                Fault(error.code, {"file": file.path, **error.arguments}, file=file.path, where=error.where or None)
            )
            return tally
        finally:
            rows.close()
        _set_duplicates_aside(connection, load_id, terms, table, first_page, keys, tally)
    check_against_manifest(file, contract, tally)
    return tally


def _csv(rows: GoodRows, selection: Sequence[pl.Expr | str]) -> memoryview:
    target = io.BytesIO()
    style: Literal["never", "necessary"] = "never" if rows.is_plain else "necessary"
    rows.frame.select(selection).write_csv(target, include_header=False, null_value="", quote_style=style)
    return target.getbuffer()


def _pages(connection: Connection, table: sql.Identifier) -> int:
    """How many pages a table has."""
    name = table.as_string(connection)
    row = connection.execute(
        "select pg_relation_size(%s::regclass) / current_setting('block_size')::bigint", [name]
    ).fetchone()
    assert row is not None
    return int(str(row[0]))


def _set_duplicates_aside(
    connection: Connection,
    load_id: int,
    terms: Terms,
    table: sql.Identifier,
    first_page: int,
    keys: KeySpill,
    tally: Tally,
) -> None:
    """Of rows with one key the first stays; the later ones leave raw and become rejects."""
    candidates = keys.candidates()
    if not candidates:
        return
    amounts = list(tally.parsed)
    wanted = sorted({number for pair in candidates for number in pair})
    # rows go behind what is there, unless a page before it had space: only then the whole table is looked through
    found = _rows(connection, load_id, terms, table, amounts, wanted, first_page)
    if len(found) < len(wanted):
        found = _rows(connection, load_id, terms, table, amounts, wanted, 0)
    later_rows = sorted((later, first) for first, later in candidates if found[first].key == found[later].key)
    for later, first in later_rows:
        for amount, value in zip(amounts, found[later].amounts, strict=True):
            tally.set_aside[amount] += Decimal(str(value or 0))
        token = None if terms.token_key is None else row_token(found[later].key, terms.token_key)
        tally.rejects.append(Reject(later, terms.contract.key[0], "E-DUPLICATE", json.dumps({"first": first}), token))
    tally.accepted -= len(later_rows)
    connection.execute(
        sql.SQL("delete from {} where ctid = any(%s::tid[])").format(table),
        [[found[later].place for later, _ in later_rows]],
    )


class _Row(NamedTuple):
    """A loaded row: where it lies, its key as text, its amounts."""

    place: str
    key: tuple[str | None, ...]
    amounts: tuple[object, ...]


def _rows(
    connection: Connection,
    load_id: int,
    terms: Terms,
    table: sql.Identifier,
    amounts: Sequence[str],
    wanted: Sequence[int],
    first_page: int,
) -> dict[int, _Row]:
    key = [sql.SQL("{}::text").format(sql.Identifier(name)) for name in terms.contract.key]
    rows = connection.execute(
        sql.SQL(
            "select row_no, ctid::text, {} from {} where ctid >= %s::tid and load_id = %s and row_no = any(%s)"
        ).format(sql.SQL(", ").join([*key, *map(sql.Identifier, amounts)]), table),
        [f"({first_page},0)", load_id, list(wanted)],
    ).fetchall()
    width = 2 + len(key)
    return {
        int(str(row[0])): _Row(str(row[1]), cast("tuple[str | None, ...]", row[2:width]), row[width:]) for row in rows
    }
