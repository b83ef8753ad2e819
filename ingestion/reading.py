"""Read one file of a submission: every row gets its verdict, good rows come out typed, the rest is on record.

Needs no database: the loader copies what comes out into `raw`, `vss check` throws it away.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import difflib
import hashlib
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from ingestion.ahead import ahead
from ingestion.blocks import Reader
from ingestion.contracts import Contract
from ingestion.duplicates import KeySpill
from ingestion.inbox import Fault
from ingestion.manifest import UNIT_FACTOR, ManifestFile
from ingestion.readers import FileError, TextBlock, open_rows
from ingestion.verdicts import EXACT, compile_verdicts

LISTED_AT_LEAST = 10_000
"""Faulty cells listed of any file. Beyond twice what the contract tolerates a file is refused whatever its rows are,
and more places would help nobody: the others are counted."""


@dataclass(frozen=True)
class Reject:
    """A faulty cell, or a row that could not be read: its place and code, with the arguments of its message as JSON.

    `token` tells the row's key apart from others without naming it, see `row_token`.
    """

    row_no: int
    column: str | None
    code: str
    arguments: str | None = None
    token: str | None = None


@dataclass(frozen=True)
class GoodRows:
    """Rows of a file that may enter: `row_no` and the contract's columns, typed; `is_plain` as of their block."""

    frame: pl.DataFrame
    is_plain: bool


@dataclass(frozen=True)
class Terms:
    """What a file is read under, besides what its manifest says of it.

    `period` is the manifest's; `received_on` the local day of receipt; `identity` the warehouse's age identity, for
    files that are encrypted; `token_key` the secret of `row_token`, without which rejects carry none.
    """

    contract: Contract
    period: str
    received_on: dt.date | None = None
    identity: str | None = None
    token_key: bytes | None = None


@dataclass
class Tally:
    """What is known of one file once it has been read. Totals are exact, money in đồng."""

    rows: int = 0
    accepted: int = 0
    rejects: list[Reject] = field(default_factory=list)
    unlisted: dict[tuple[str | None, str], int] = field(default_factory=dict)
    parsed: dict[str, Decimal] = field(default_factory=dict)
    set_aside: dict[str, Decimal] = field(default_factory=dict)
    profile: dict[str, int] = field(default_factory=dict)
    notes: list[dict[str, object]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def rejected(self) -> int:
        """Rows that were set aside."""
        return self.rows - self.accepted


def read_file(path: Path, file: ManifestFile, terms: Terms, tally: Tally, keys: KeySpill) -> Generator[GoodRows]:
    """The good rows of a file, block by block.

    `tally` is complete once the blocks have been read; `keys` collects the keys of the good rows. Raises FileError.
    """
    contract = terms.contract
    verdicts = compile_verdicts(
        contract, unit=file.unit, period=terms.period, basis=file.basis, received_on=terms.received_on
    )
    with _unforeseen_is_refused(file):
        reader = open_rows(path, file, contract, identity=terms.identity)
    listed = max(LISTED_AT_LEAST, 2 * contract.tolerated(file.rows or 0))
    normalised = 0
    with contextlib.closing(reader), ahead(_blocks(reader, file)) as blocks:
        for block in blocks:
            judged = verdicts.judged(block, explain=len(tally.rejects) < listed)
            normalised += judged.normalised
            tally.rows += block.rows
            tally.accepted += judged.good.height
            tokens = _tokens(judged.bad_keys, judged.bad_rows, terms.token_key)
            tally.rejects += [
                Reject(row, column, code, arguments, tokens.get(row))
                for row, column, code, arguments in judged.rejects.iter_rows()
            ]
            tally.rejects += [
                Reject(row.row_no, row.column, row.code, json.dumps(row.arguments) if row.arguments else None)
                for row in block.ragged
            ]
            if block.legible is not None:
                # rows set aside for one cell that cannot be read: their other amounts were sent all the same
                numbers = pl.zeros(block.legible.height, dtype=pl.Int32, eager=True)
                sent = verdicts.judged(TextBlock(block.legible, numbers, []), explain=False)
                _add(tally.parsed, sent.totals)
                _add(tally.set_aside, sent.totals)
                _add(tally.profile, sent.profile)
            _add(tally.unlisted, judged.unlisted)
            _add(tally.parsed, judged.totals)
            _add(tally.set_aside, judged.set_aside)
            _add(tally.profile, judged.profile)
            keys.add(judged.good, judged.row_no)
            yield GoodRows(judged.good.insert_column(0, judged.row_no.alias("row_no")), is_plain=block.is_plain)
    tally.notes = [{"code": note.code, "args": note.arguments} for note in reader.notes]
    if normalised:
        tally.notes.append({"code": "N-NORMALISED", "args": {"count": normalised}})
    for (column, code), count in sorted(tally.unlisted.items(), key=str):
        tally.notes.append({"code": "N-NOT-LISTED", "args": {"count": count, "column": column, "reason": code}})


def _blocks(reader: Reader, file: ManifestFile) -> Iterator[TextBlock]:
    with _unforeseen_is_refused(file):
        yield from reader


@contextlib.contextmanager
def _unforeseen_is_refused(file: ManifestFile) -> Iterator[None]:
    """A file that trips a reader in a way nobody thought of is refused like any other that cannot be read.

    Else it would end in an error every night, and its sender would never hear of it.
    """
    try:
        yield
    except (FileError, OSError, MemoryError):
        raise
    except Exception as error:
        found = f"content that no reader understands, {type(error).__name__}"
        raise FileError("E-FORMAT", {"expected": file.format, "found": found}) from error


def row_token(key_cells: Sequence[str | None], secret: bytes) -> str:
    """A keyed hash of a row's key as sent (BLAKE2b, 8 bytes as hex): equal for equal keys, and names nobody."""
    text = "\x1f".join("" if cell is None else cell for cell in key_cells)
    return hashlib.blake2b(text.encode(), digest_size=8, key=secret[:64]).hexdigest()


def check_against_manifest(file: ManifestFile, contract: Contract, tally: Tally) -> None:
    """Add the faults of the whole file to its tally: rows and totals that differ, too many rows set aside."""
    if file.rows != tally.rows:
        counts: dict[str, object] = {
            "file": file.path, "declared": file.rows, "parsed": tally.rows, "difference": tally.rows - (file.rows or 0),
        }  # fmt: skip
        tally.faults.append(Fault("E-ROWS", counts, file=file.path))
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
        excess: dict[str, object] = {
            "file": file.path, "rejected": tally.rejected, "rows": tally.rows, "tolerated": tolerated,
        }  # fmt: skip
        tally.faults.append(Fault("E-TOLERANCE", excess, file=file.path))


def control_totals(file: ManifestFile, contract: Contract, tally: Tally) -> dict[str, dict[str, object]]:
    """Declared, parsed, loaded, set aside and (after publication) published, by column; money in đồng."""
    declared = _declared(file, contract)
    return {
        name: {
            "declared": None if name not in declared else _number(declared[name]),
            "parsed": _number(parsed),
            "loaded": _number(parsed - tally.set_aside.get(name, Decimal(0))),
            "set_aside": _number(tally.set_aside.get(name, Decimal(0))),
            "published": None,
        }
        for name, parsed in tally.parsed.items()
    }


def _declared(file: ManifestFile, contract: Contract) -> dict[str, Decimal]:
    """Declared totals in đồng and heads."""
    factor = UNIT_FACTOR[file.unit]
    return {name: value * factor if name in contract.amount_columns else value for name, value in file.totals.items()}


def _tokens(keys: pl.DataFrame, rows: pl.Series, secret: bytes | None) -> dict[int, str]:
    if secret is None:
        return {}
    return {row: row_token(cells, secret) for row, cells in zip(rows.to_list(), keys.iter_rows(), strict=True)}


def _add(sums: dict[Any, Any], more: Mapping[Any, Any]) -> None:
    for name, value in more.items():
        if name not in sums:
            sums[name] = value
        else:
            # the default context would round at 28 digits without a word
            sums[name] = EXACT.add(sums[name], value) if isinstance(value, Decimal) else sums[name] + value


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
