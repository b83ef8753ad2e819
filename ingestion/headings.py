"""Headings matched to a contract's columns, whatever their order, case, accents and composition."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ingestion.blocks import FileError, Note
from ingestion.contracts import Column, Contract


def fold(text: str) -> str:
    """A heading without case, accents, composition, underscores and repeated spaces: what headings are compared by."""
    bare = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    bare = re.sub(r"[\u200b-\u200f\u2060\ufeff\u00ad]", "", bare)
    return re.sub(r"[\s_]+", " ", bare.casefold().replace("đ", "d").replace("ð", "d")).strip(" *:")


@dataclass(frozen=True)
class Headings:
    """Which cell of a row holds which column; `width` is how many cells a row must have."""

    position: dict[str, int]
    width: int


def match_headings(cells: Sequence[str], contract: Contract, notes: list[Note]) -> Headings:
    """Match by name or alias. Raises E-HEADING-MISSING and E-HEADING-TWICE; what is only unusual is noted."""
    by_heading = {fold(heading): column for column in contract.columns for heading in column.headings}
    position: dict[str, int] = {}
    for index, cell in enumerate(cells):
        column = by_heading.get(fold(cell))
        if column is None:
            continue
        if column.name in position:
            raise FileError("E-HEADING-TWICE", {"column": column.name})
        position[column.name] = index
    for column in contract.columns:
        if column.required and column.name not in position:
            unknown = [cell for cell in cells if fold(cell) not in by_heading]
            raise FileError("E-HEADING-MISSING", {"column": column.name, "nearest": _nearest_heading(column, unknown)})
    for index, cell in enumerate(cells):
        if index not in position.values() and cell.strip():
            notes.append(Note("N-COLUMN-IGNORED", {"heading": cell.strip()[:60], "position": index + 1}))
    for name, index in position.items():
        if cells[index] != name:
            notes.append(Note("N-ALIAS", {"column": name}))
    in_contract_order = [position[name] for name in contract.column_names if name in position]
    if in_contract_order != sorted(in_contract_order):
        notes.append(Note("N-ORDER"))
    return Headings(position, len(cells))


def _nearest_heading(column: Column, headings: Iterable[str]) -> str:
    folded = {fold(heading): heading for heading in headings if heading.strip()}
    scored = [
        (difflib.SequenceMatcher(None, fold(wanted), candidate).ratio(), candidate)
        for wanted in column.headings
        for candidate in folded
    ]
    score, candidate = max(scored, default=(0.0, ""))
    return folded[candidate].strip()[:60] if score >= 0.5 else "-"
