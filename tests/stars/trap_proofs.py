"""Which test proves which trap of traps.csv, and the page docs/traps.md that is written from both.

A trap is a way to get a plausible figure that is wrong. Its test computes the figure as somebody in a hurry would,
shows that it differs, and asserts what the warehouse gives. A test names its traps by a decorator, `@trap(3)`, wherever
under tests/ it stands. The page is written from the sources of the tests without running them:

    PYTHONPATH=tests/faults .venv/bin/python tests/stars/trap_proofs.py
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from proofs import PROJECT, Proof, marked, marks_of, not_among

PAGE = PROJECT / "docs" / "traps.md"
WHERE = {
    "test": "shown by tests",
    "issue": "left to parts with issues of their own",
    "no feed": "about what no feed carries",
}
Test = TypeVar("Test", bound=Callable[..., Any])

_INTRODUCTION = """\
# Traps and what keeps out of them

Written by `make docs` from `tests/stars/traps.csv` and the tests that prove it; edit those, not this page.

Each is a way to a plausible figure that is wrong. Its test computes the figure as somebody in a hurry would, from `bi`
or from the files as sent, shows that it differs, and asserts that the warehouse gives what the sent files or the
published reports say.
"""


def trap(*numbers: int) -> Callable[[Test], Test]:
    """Say that a test proves traps, by their numbers in traps.csv; the test itself stays as it is."""
    assert numbers, "a test proves at least one trap"
    return lambda test: test


@dataclass(frozen=True)
class Trap:
    """One row of traps.csv."""

    number: int
    title: str
    naive: str
    guard: str
    where: str
    note: str


def traps() -> tuple[Trap, ...]:
    """The rows of traps.csv, in their order. Raises ValueError on a row that says not where it is proved."""
    with (Path(__file__).parent / "traps.csv").open(encoding="utf-8", newline="") as stream:
        found = tuple(Trap(int(row.pop("number")), **row) for row in csv.DictReader(stream))
    if odd := [each.number for each in found if each.where not in WHERE]:
        raise ValueError(f"traps.csv: `where` of {odd} is none of {', '.join(WHERE)}")
    return found


def proofs() -> tuple[Proof, ...]:
    """Every test under tests/ that carries `trap`, by file and line; the keys are the numbers."""
    return marked(proofs_of)


def proofs_of(source: str, file: str) -> Iterator[Proof]:
    """The proofs in one source. Raises ValueError when a number is not written out: then nobody could look it up."""
    return marks_of(source, file, decorators=("trap", "trap_proofs.trap"), kind=int)


def page(rows: Sequence[Trap], found: Sequence[Proof]) -> str:
    """The page, whole."""
    counts = [f"{sum(row.where == where for row in rows)} {meaning}" for where, meaning in WHERE.items()]
    lines = [_INTRODUCTION, f"Of {len(rows)}: {'; '.join(counts)}.", ""]
    for row in rows:
        lines.append(f"## {row.number}. {row.title}\n")
        lines.append(f"- **naive:** {row.naive}")
        lines.append(f"- **guard:** {row.guard}")
        if row.note:
            lines.append(f"- **note:** {row.note}")
        of_it = [proof for proof in found if str(row.number) in proof.keys]
        if of_it:
            lines.append("- **proved by:**")
            lines += [f"  - {proof.sentence} (`{proof.file}`)" for proof in of_it]
        else:
            lines.append(f"- **proved by:** {'open' if row.where == 'test' else WHERE[row.where]}")
        lines.append("")
    return "\n".join(lines)


def unproved(rows: Sequence[Trap], found: Sequence[Proof]) -> list[int]:
    """Traps that must have a test and have none."""
    proved = {key for proof in found for key in proof.keys}
    return [row.number for row in rows if row.where == "test" and str(row.number) not in proved]


def unknown(rows: Sequence[Trap], found: Sequence[Proof]) -> Mapping[str, str]:
    """Numbers that are no row's, with the test that names them."""
    return not_among({str(row.number) for row in rows}, found)


if __name__ == "__main__":
    PAGE.write_text(page(traps(), proofs()), encoding="utf-8")
