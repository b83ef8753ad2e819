"""Builders of files and blocks for the tests of this room."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from ingestion.contracts import load_contracts
from ingestion.manifest import ManifestFile
from ingestion.readers import Reader, TextBlock, open_rows
from ingestion.verdicts import Judged, Unit, compile_verdicts

GOOD_ROWS: Mapping[str, Mapping[str, str]] = {
    "participants": {
        "si_number": "0110001234",
        "full_name": "Nguyễn Thị A",
        "birth_date": "1985-03-02",
        "sex": "F",
        "insurance_type": "SI_C",
        "si_unit_code": "TA0001A",
        "wage_base_vnd": "5200000",
    },
    "employers": {
        "si_unit_code": "TA0001A",
        "name": "Công ty An Phú",
        "unit_type": "private",
        "status": "active",
        "employees": "35",
    },
    "contributions": {
        "payer_kind": "employer",
        "payer_code": "TA0001A",
        "fund": "RETIREMENT",
        "liability_month": "2021-10",
        "due_vnd": "1000",
        "paid_vnd": "1000",
    },
    "arrears": {
        "si_unit_code": "TA0001A",
        "fund": "HI",
        "principal_vnd": "1000",
        "overdue_vnd": "500",
        "employees_affected": "3",
    },
    "indicators": {
        "indicator": "si_compulsory",
        "as_of_date": "2021-10-31",
        "value": "226400",
        "unit": "persons",
        "measure": "stock",
    },
    "benefits": {"benefit_type": "pension", "persons": "12"},
    "tax_employers": {
        "tax_year": "2021",
        "tax_code": "0100047516",
        "supplement_no": "0",
        "name": "Công ty An Phú",
        "status": "operating",
        "employees_paid": "40",
    },
}


def manifest_file(path: Path, feed: str = "participants", **changes: Any) -> ManifestFile:
    """What the manifest says about a file."""
    return ManifestFile(
        **{"feed": feed, "path": path.name, "bytes": path.stat().st_size, "sha256": "0" * 64, "rows": 1, **changes}
    )


def read(path: Path, feed: str = "participants", *, block_rows: int = 65_536, **changes: Any) -> Reader:
    """Open a file as a feed."""
    return open_rows(path, manifest_file(path, feed, **changes), load_contracts()[feed], block_rows=block_rows)


def csv_file(folder: Path, content: str | bytes, name: str = "file.csv") -> Path:
    """A file with exactly this content."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def block(feed: str, *rows: Mapping[str, str | None]) -> TextBlock:
    """A block of good rows with some cells changed; rows are numbered from 2."""
    contract = load_contracts()[feed]
    filled = [{**GOOD_ROWS[feed], **row} for row in rows]
    frame = pl.DataFrame(
        {
            name: pl.Series(name, [row.get(name) or None for row in filled], dtype=pl.String)
            for name in contract.column_names
        }
    )
    return TextBlock(frame, pl.Series("row_no", range(2, 2 + len(rows)), dtype=pl.Int32), [])


def judge(feed: str, *rows: Mapping[str, str | None], unit: Unit = "dong", period: str = "2021-10") -> Judged:
    """Judge such a block."""
    return compile_verdicts(load_contracts()[feed], unit=unit, period=period, basis="month").judged(block(feed, *rows))


def faults(judged: Judged) -> list[tuple[int, str, str]]:
    """Rejects as (row, column, code)."""
    return [(row, column, code) for row, column, code, _ in judged.rejects.iter_rows()]


def arguments(judged: Judged, entry: int = 0) -> dict[str, Any]:
    """The message arguments of one reject."""
    found: dict[str, Any] = json.loads(judged.rejects["args"][entry])
    return found


def rows_of(reader: Reader, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """Every row as (row_no, cells of these columns…)."""
    found: list[tuple[Any, ...]] = []
    for part in reader:
        found += [
            (number, *cells) for number, cells in zip(part.row_no, part.frame.select(columns).iter_rows(), strict=True)
        ]
    return found
