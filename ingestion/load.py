"""Load a submission: rows, rejects, control totals and state in one transaction, with lock and fence (M5).

Airflow promises at least once; the ledger makes it exactly once. Whatever dies, dies before the commit and leaves
nothing, or after it and is found in the ledger by the next worker.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import cast

import polars as pl
from psycopg import Rollback, sql

from ingestion import ledger
from ingestion.contracts import load_contracts
from ingestion.deadlines import LOCAL
from ingestion.duplicates import KeySpill
from ingestion.inbox import Fault, Folder, Verified, verify
from ingestion.manifest import Manifest, ManifestFile, period_month
from ingestion.readers import FileError
from ingestion.reading import Reject, Tally, Terms, check_against_manifest, control_totals, read_file, row_token
from warehouse import roles
from warehouse.connection import Connection, connect
from warehouse.settings import Settings

_WRITE = 128 * 1024


@dataclass(frozen=True)
class Loaded:
    """What became of a submission before the gate: its number and state."""

    sub_no: int
    submission_id: str
    state: str


def load_submission(settings: Settings, folder: Folder) -> Loaded:
    """Verify and load one folder; the state is `waiting`, `rejected`, `loaded`, or what it was when it was final."""
    with connect(settings, roles.LOADER, autocommit=True) as connection:
        known = ledger.known_states(connection, [(folder.submission_id, folder.manifest_sha256)])
        if known.get((folder.submission_id, folder.manifest_sha256)) in (*ledger.FINAL, "loaded"):
            with connection.transaction():
                entry = ledger.enter(connection, folder, None, "waiting")
            return Loaded(entry.sub_no, folder.submission_id, entry.state)
        verified = verify(settings, folder)
        with connection.transaction():
            entry = ledger.enter(
                connection, folder, verified.manifest, "waiting" if verified.waiting_for else "verified"
            )
        if entry.state == "waiting":
            ledger.note_waiting(connection, entry, verified.waiting_for)
        if entry.is_final or entry.state in ("waiting", "loaded"):
            return Loaded(entry.sub_no, folder.submission_id, entry.state)
        with connection.transaction():
            connection.execute("set local lock_timeout = '10min'")
            state = _load(connection, entry, folder, verified)
        if state == "loaded" and verified.manifest is not None:
            for file in verified.manifest.files:
                connection.execute(
                    "select ops.analyze_raw(%s, %s)", [file.feed, period_month(verified.manifest.period)]
                )
    return Loaded(entry.sub_no, folder.submission_id, state)


def _load(connection: Connection, entry: ledger.Entry, folder: Folder, verified: Verified) -> str:
    manifest = verified.manifest
    if manifest is None:
        return _reject(connection, entry, list(verified.faults))
    ledger.lock_slices(connection, manifest)
    now = ledger.current(connection, entry.sub_no)
    if now.is_final or now.state == "loaded" or now.fence != entry.fence:
        return now.state
    faults = [*verified.faults, *ledger.conflicts(connection, entry.sub_no, folder, manifest)]
    if faults:
        return _reject(connection, entry, faults)
    tallies: list[tuple[int, ManifestFile, Tally]] = []
    received_on = None if folder.received_at is None else folder.received_at.astimezone(LOCAL).date()
    with connection.transaction(force_rollback=False) as savepoint:
        for file, path in verified.files:
            load_id = ledger.open_load(connection, entry.sub_no, file)
            terms = Terms(load_contracts()[file.feed], manifest.period, received_on)
            tally = Tally() if path is None else _copy_file(connection, load_id, file, path, manifest, terms)
            tallies.append((load_id, file, tally))
            faults += tally.faults
        if faults:
            # the rows go back, what was found out stays
            raise Rollback(savepoint)
    for opened, file, tally in tallies:
        # the savepoint took the load back with its rows: it is entered again to carry what was found out
        load_id = ledger.open_load(connection, entry.sub_no, file) if faults else opened
        ledger.close_load(
            connection, load_id, state="rejected" if faults else "loaded", rows=tally.rows, accepted=tally.accepted,
            rejected=tally.rejected, totals=control_totals(file, load_contracts()[file.feed], tally), profile=tally.profile, notes=tally.notes,
        )  # fmt: skip
        ledger.write_rejects(connection, load_id, tally.rejects)
    if faults:
        return _reject(connection, entry, faults)
    state = "accepted" if manifest.action == "void" else "loaded"
    if not ledger.decide(connection, entry, state):
        raise RuntimeError("another worker took this submission over")
    return state


def _reject(connection: Connection, entry: ledger.Entry, faults: list[Fault]) -> str:
    ledger.decide(connection, entry, "rejected", faults)
    return "rejected"


def _copy_file(
    connection: Connection,
    load_id: int,
    file: ManifestFile,
    path: Path,
    manifest: Manifest,
    terms: Terms,
) -> Tally:
    """Stream one file into `raw.<feed>`; faults of the whole file end in the tally, not in an exception."""
    contract = terms.contract
    tally = Tally()
    month = period_month(manifest.period)
    if contract.partition_by_month:
        connection.execute("select ops.ensure_raw_partition(%s, %s)", [file.feed, month])
    columns = ["load_id", "row_no", *(["month"] if contract.partition_by_month else []), *contract.column_names]
    statement = sql.SQL("copy {} ({}) from stdin (format csv, null '')").format(
        sql.Identifier("raw", file.feed), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    lead: list[pl.Expr] = [pl.lit(load_id).alias("load_id"), pl.col("row_no")]
    if contract.partition_by_month:
        lead.append(pl.lit(month).alias("month"))
    with KeySpill(contract.key) as keys:
        try:
            # a savepoint of its own: a COPY that is broken off must not take the other files' verdicts with it
            with connection.transaction(), connection.cursor().copy(statement) as copy:
                for rows in read_file(path, file, terms, tally, keys):
                    text = rows.select(*lead, *contract.column_names).write_csv(include_header=False, null_value="")
                    data = memoryview(text.encode())
                    for start in range(0, len(data), _WRITE):
                        copy.write(data[start : start + _WRITE])
        except FileError as error:
            tally.faults.append(
                Fault(error.code, {"file": file.path, **error.arguments}, file=file.path, where=error.where)
            )
            return tally
        _set_duplicates_aside(connection, load_id, terms, keys, tally)
    check_against_manifest(file, contract, tally)
    return tally


def _set_duplicates_aside(connection: Connection, load_id: int, terms: Terms, keys: KeySpill, tally: Tally) -> None:
    """Of rows with one key the first stays; the later ones leave raw and become rejects."""
    candidates = keys.candidates()
    if not candidates:
        return
    contract = terms.contract
    table = sql.Identifier("raw", contract.feed)
    key = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in contract.key)
    amounts = list(tally.parsed)
    rows = connection.execute(
        sql.SQL("select row_no, array[{}], {} from {} where load_id = %s and row_no = any(%s)").format(
            key, sql.SQL(", ").join([sql.SQL("0"), *map(sql.Identifier, amounts)]), table
        ),
        [load_id, sorted({number for pair in candidates for number in pair})],
    ).fetchall()
    found = {int(str(row[0])): row for row in rows}
    later_rows = sorted((later, first) for first, later in candidates if found[first][1] == found[later][1])
    for later, first in later_rows:
        for amount, value in zip(amounts, found[later][3:], strict=True):
            tally.set_aside[amount] += Decimal(str(value or 0))
        cells = cast("list[str | None]", found[later][1])
        token = None if terms.token_key is None else row_token(cells, terms.token_key)
        tally.rejects.append(Reject(later, contract.key[0], "E-DUPLICATE", json.dumps({"first": first}), token))
    tally.accepted -= len(later_rows)
    connection.execute(
        sql.SQL("delete from {} where load_id = %s and row_no = any(%s)").format(table),
        [load_id, [later for later, _ in later_rows]],
    )
