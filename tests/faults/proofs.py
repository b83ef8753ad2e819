"""Which test proves which fault of faults.csv, and the page docs/faults.md that is written from both.

A test says what it proves by a decorator, `@proves("transport.same-twice")`, wherever under tests/ it stands. The page
is written from the sources of the tests without running them:

    .venv/bin/python tests/faults/proofs.py
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PAGE = PROJECT / "docs" / "faults.md"
DECORATORS = ("proves", "proofs.proves", "pytest.mark.fault")
OPEN_FOR_NOW = frozenset({"cells.magnitude"})
"""Rows of the three tables of an inbox that the gates prove, not ingestion."""
PROVED_SECTIONS = frozenset({"Transport", "Shape", "Cells"})
PROVED_ROWS = frozenset({
    "order.out-of-order", "order.void", "order.midnight", "order.province-code", "process.killed",
    "process.database-restart", "process.disk-full", "process.two-at-once", "process.failed-gate", "process.any-order",
    "process.empty-slice",
    "order.one-missing",
})  # fmt: skip

_CODE = re.compile(r"[EN]-[A-Z]+(?:-[A-Z]+)*")
_INTRODUCTION = """\
# Faults and what happens

Written by `make docs` from the tests that prove it; edit the tests, not this page. What must happen stands in
`tests/faults/faults.csv`, a row each; below it the codes its tests expect, and the tests, by their names.
The codes' messages, in both languages, are in the submission guide.

No submission that is rejected leaves a row in `raw`. In every one that loads, rows sent are rows accepted and rows set
aside, and money sent is money loaded and money set aside.
"""


def proves(*keys: str) -> pytest.MarkDecorator:
    """Mark a test as the proof of rows of faults.csv, by their keys."""
    return pytest.mark.fault(*keys)


@dataclass(frozen=True)
class Fault:
    """One row of the design's tables: something bad, and what must come of it."""

    key: str
    section: str
    input: str
    outcome: str

    @property
    def must_be_proved(self) -> bool:
        """Whether a row without a proof is an error, and not work that is still to be done."""
        return self.key in PROVED_ROWS or (self.section in PROVED_SECTIONS and self.key not in OPEN_FOR_NOW)


@dataclass(frozen=True)
class Proof:
    """One test: where it stands, what it proves, and the codes it names."""

    file: str
    test: str
    keys: tuple[str, ...]
    codes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The test's name as a sentence."""
        words = self.test.removeprefix("test_").replace("_", " ")
        return words[0].upper() + words[1:]


def faults() -> tuple[Fault, ...]:
    """The rows of faults.csv, in their order."""
    with (Path(__file__).parent / "faults.csv").open(encoding="utf-8", newline="") as stream:
        return tuple(Fault(**row) for row in csv.DictReader(stream))


def proofs() -> tuple[Proof, ...]:
    """Every test under tests/ that carries `proves`, by file and line."""
    return marked(proofs_of)


def marked(proofs_in: Callable[[str, str], Iterator[Proof]]) -> tuple[Proof, ...]:
    """The proofs that `proofs_in`, given a source and its name, finds in the sources under tests/, by file and line."""
    found: list[Proof] = []
    for path in sorted((PROJECT / "tests").rglob("test_*.py")):
        found += proofs_in(path.read_text(encoding="utf-8"), path.relative_to(PROJECT).as_posix())
    return tuple(found)


def proofs_of(source: str, file: str) -> Iterator[Proof]:
    """The proofs in one source. Raises ValueError when a key is not written out: then nobody could look it up."""
    return marks_of(source, file, decorators=DECORATORS, kind=str)


def marks_of(source: str, file: str, *, decorators: Collection[str], kind: type[str] | type[int]) -> Iterator[Proof]:
    """Tests of one source that carry one of the decorators, whose arguments, all of one kind, are the keys as text.

    Raises ValueError when an argument is not written out: then nobody could look it up.
    """
    for node in ast.parse(source).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        marks = [
            each for each in node.decorator_list if isinstance(each, ast.Call) and ast.unparse(each.func) in decorators
        ]
        keys = tuple(_key(argument, kind, file, node.name) for mark in marks for argument in mark.args)
        if keys:
            yield Proof(file, node.name, keys, _codes(node))


def page(rows: Sequence[Fault], found: Sequence[Proof]) -> str:
    """The page, whole."""
    lines = [_INTRODUCTION]
    sections = list(dict.fromkeys(fault.section for fault in rows))
    for section in sections:
        lines.append(f"## {section}\n")
        for fault in (row for row in rows if row.section == section):
            of_it = [proof for proof in found if fault.key in proof.keys]
            codes = sorted({code for proof in of_it for code in proof.codes})
            lines.append(f"### {fault.key}\n")
            lines.append(f"- **what comes:** {fault.input}")
            lines.append(f"- **what happens:** {fault.outcome}")
            if codes:
                lines.append(f"- **codes:** {', '.join(f'`{code}`' for code in codes)}")
            lines.append("- **proved by:**" if of_it else "- **proved by:** open")
            lines += [f"  - {proof.sentence} (`{proof.file}`)" for proof in of_it]
            lines.append("")
    return "\n".join(lines)


def unproved(rows: Sequence[Fault], found: Sequence[Proof]) -> list[str]:
    """Keys that must have a proof and have none."""
    proved = {key for proof in found for key in proof.keys}
    return [fault.key for fault in rows if fault.must_be_proved and fault.key not in proved]


def unknown(rows: Sequence[Fault], found: Sequence[Proof]) -> Mapping[str, str]:
    """Keys that are no row's, with the test that names them."""
    return not_among({fault.key for fault in rows}, found)


def not_among(known: Collection[str], found: Sequence[Proof]) -> Mapping[str, str]:
    """Keys of proofs that are not known, with the test that names them."""
    return {key: f"{proof.file}::{proof.test}" for proof in found for key in proof.keys if key not in known}


def _key(argument: ast.expr, kind: type[str] | type[int], file: str, test: str) -> str:
    if not isinstance(argument, ast.Constant) or type(argument.value) is not kind:
        raise ValueError(f"{file}::{test}: write the key out in the decorator")
    return str(argument.value)


def _codes(test: ast.FunctionDef) -> tuple[str, ...]:
    texts = [node.value for node in ast.walk(test) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return tuple(sorted({text for text in texts if _CODE.fullmatch(text)}))


if __name__ == "__main__":
    PAGE.write_text(page(faults(), proofs()), encoding="utf-8")
