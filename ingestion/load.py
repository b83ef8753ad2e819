"""Load a submission: rows, rejects, control totals and state in one transaction, with lock and fence (M5).

Airflow promises at least once; the ledger makes it exactly once. Whatever dies, dies before the commit and leaves
nothing, or after it and is found in the ledger by the next worker.
"""

from __future__ import annotations

import datetime as dt
import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import polars as pl
from psycopg import Rollback, sql

from ingestion import ledger
from ingestion.contracts import Contract, load_contracts
from ingestion.deadlines import LOCAL
from ingestion.duplicates import KeySpill
from ingestion.inbox import Fault, Folder, Verified, verify
from ingestion.manifest import UNIT_FACTOR, Manifest, ManifestFile, period_month
from ingestion.readers import FileError, open_rows
from ingestion.verdicts import compile_verdicts
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


@dataclass
class _Tally:
    """What is known of one file once it has been read."""

    rows: int = 0
    accepted: int = 0
    rejected: int = 0
    rejects: list[tuple[int, str | None, str, str | None]] = field(default_factory=list)
    parsed: dict[str, Decimal] = field(default_factory=dict)
    loaded: dict[str, Decimal] = field(default_factory=dict)
    profile: dict[str, int] = field(default_factory=dict)
    notes: list[dict[str, object]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


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
    tallies: list[tuple[int, ManifestFile, _Tally]] = []
    received_on = None if folder.received_at is None else folder.received_at.astimezone(LOCAL).date()
    with connection.transaction(force_rollback=False) as savepoint:
        for file, path in verified.files:
            load_id = ledger.open_load(connection, entry.sub_no, file)
            tally = _Tally() if path is None else _copy_file(connection, load_id, file, path, manifest, received_on)
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
            rejected=tally.rejected, totals=_totals(file, tally), profile=tally.profile, notes=tally.notes,
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
    received_on: dt.date | None,
) -> _Tally:
    """Stream one file into `raw.<feed>`; faults of the whole file end in the tally, not in an exception."""
    contract = load_contracts()[file.feed]
    tally = _Tally()
    month = period_month(manifest.period)
    if contract.partition_by_month:
        connection.execute("select ops.ensure_raw_partition(%s, %s)", [file.feed, month])
    columns = ["load_id", "row_no", *(["month"] if contract.partition_by_month else []), *contract.column_names]
    statement = sql.SQL("copy {} ({}) from stdin (format csv, null '')").format(
        sql.Identifier("raw", file.feed), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with KeySpill(contract.key) as keys:
        try:
            # a savepoint of its own: a COPY that is broken off must not take the other files' verdicts with it
            with connection.transaction(), connection.cursor().copy(statement) as copy:
                for rows in _judged(file, path, contract, manifest, tally, keys, received_on):
                    lead: list[pl.Expr | pl.Series] = [pl.lit(load_id).alias("load_id"), rows["row_no"].alias("row_no")]
                    if contract.partition_by_month:
                        lead.append(pl.lit(month).alias("month"))
                    text = rows.select(*lead, *contract.column_names).write_csv(include_header=False, null_value="")
                    data = memoryview(text.encode())
                    for start in range(0, len(data), _WRITE):
                        copy.write(data[start : start + _WRITE])
        except FileError as error:
            tally.faults.append(
                Fault(error.code, {"file": file.path, **error.arguments}, file=file.path, where=error.where)
            )
            return tally
        _set_duplicates_aside(connection, load_id, contract, keys, tally)
    _check_against_manifest(file, contract, tally)
    return tally


def _judged(
    file: ManifestFile,
    path: Path,
    contract: Contract,
    manifest: Manifest,
    tally: _Tally,
    keys: KeySpill,
    received_on: dt.date | None,
) -> Iterator[pl.DataFrame]:
    verdicts = compile_verdicts(
        contract, unit=file.unit, period=manifest.period, basis=file.basis, received_on=received_on
    )
    reader = open_rows(path, file, contract)
    normalised = 0
    for block in reader:
        judged = verdicts.judged(block)
        normalised += judged.normalised
        tally.rows += block.rows
        tally.accepted += judged.good.height
        tally.rejects += judged.rejects.rows()
        tally.rejects += [
            (r.row_no, None, r.code, json.dumps(r.arguments) if r.arguments else None) for r in block.ragged
        ]
        for name, value in judged.totals.items():
            tally.parsed[name] = tally.parsed.get(name, Decimal(0)) + value
        for name in judged.totals:
            tally.loaded[name] = tally.loaded.get(name, Decimal(0)) + _sum(judged.good[name])
        for key, count in judged.profile.items():
            tally.profile[key] = tally.profile.get(key, 0) + count
        good = judged.good.with_columns(judged.row_no.alias("row_no"))
        keys.add(judged.good, judged.row_no)
        yield good
    tally.notes = [{"code": note.code, "args": note.arguments} for note in reader.notes]
    if normalised:
        tally.notes.append({"code": "N-NORMALISED", "args": {"count": normalised}})


def _sum(cells: pl.Series) -> Decimal:
    """The sum of a column of whole numbers, or of decimals that are kept as the text they were sent as."""
    if cells.dtype == pl.String:
        return sum((Decimal(text) for text in cells.drop_nulls()), Decimal(0))
    return Decimal(int(cells.cast(pl.Int128).sum()))


def _set_duplicates_aside(
    connection: Connection, load_id: int, contract: Contract, keys: KeySpill, tally: _Tally
) -> None:
    """Of rows with one key the first stays; the later ones leave raw and become rejects."""
    candidates = keys.candidates()
    if not candidates:
        return
    table = sql.Identifier("raw", contract.feed)
    key = sql.SQL(", ").join(map(sql.Identifier, contract.key))
    amounts = list(tally.loaded)
    rows = connection.execute(
        sql.SQL("select row_no, row({})::text, {} from {} where load_id = %s and row_no = any(%s)").format(
            key, sql.SQL(", ").join([sql.SQL("0"), *map(sql.Identifier, amounts)]), table
        ),
        [load_id, sorted({number for pair in candidates for number in pair})],
    ).fetchall()
    found = {int(str(row[0])): row for row in rows}
    later_rows = sorted((later, first) for first, later in candidates if found[first][1] == found[later][1])
    for later, first in later_rows:
        for amount, value in zip(amounts, found[later][3:], strict=True):
            tally.loaded[amount] -= Decimal(str(value or 0))
        tally.rejects.append((later, contract.key[0], "E-DUPLICATE", f'{{"first": {first}}}'))
    tally.accepted -= len(later_rows)
    connection.execute(
        sql.SQL("delete from {} where load_id = %s and row_no = any(%s)").format(table),
        [load_id, [later for later, _ in later_rows]],
    )


def _check_against_manifest(file: ManifestFile, contract: Contract, tally: _Tally) -> None:
    tally.rejected = tally.rows - tally.accepted
    if file.rows != tally.rows:
        tally.faults.append(
            Fault(
                "E-ROWS",
                {
                    "file": file.path,
                    "declared": file.rows,
                    "parsed": tally.rows,
                    "difference": tally.rows - (file.rows or 0),
                },
                file=file.path,
            )
        )
    for name, declared in _declared(file, contract).items():
        parsed = tally.parsed.get(name)
        if parsed is None:
            known = [*contract.amount_columns, *contract.count_columns, *contract.decimal_columns]
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0) or ["-"]
            missing: dict[str, object] = {"column": name, "feed": file.feed, "nearest": nearest[0]}
            tally.faults.append(Fault("E-TOTAL-COLUMN", missing, file=file.path, where=name))
        elif parsed != declared:
            args: dict[str, object] = {
                "column": name, "declared": str(declared), "parsed": str(parsed), "difference": str(parsed - declared),
            }  # fmt: skip
            tally.faults.append(Fault("E-TOTAL", args, file=file.path, where=name))
    tolerated = contract.tolerated(tally.rows)
    if tally.rejected > tolerated:
        tally.faults.append(
            Fault(
                "E-TOLERANCE",
                {"file": file.path, "rejected": tally.rejected, "rows": tally.rows, "tolerated": tolerated},
                file=file.path,
            )
        )


def _declared(file: ManifestFile, contract: Contract) -> dict[str, Decimal]:
    """Declared totals in đồng and heads."""
    factor = UNIT_FACTOR[file.unit]
    return {name: value * factor if name in contract.amount_columns else value for name, value in file.totals.items()}


def _totals(file: ManifestFile, tally: _Tally) -> dict[str, dict[str, object]]:
    """Declared, parsed, loaded and (after publication) published, by column."""
    declared = _declared(file, load_contracts()[file.feed])
    return {
        name: {
            "declared": None if name not in declared else _number(declared[name]),
            "parsed": _number(Decimal(tally.parsed[name])),
            "loaded": _number(tally.loaded.get(name, Decimal(0))),
            "published": None,
        }
        for name in tally.parsed
    }


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
