"""A control: what must be equal, why, and what a difference does. Every figure is compared exactly, as text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Control:
    """One kind of comparison. `severity` is `block` (the candidate is not shown) or `warn` (it is, and it is said)."""

    name: str
    suite: str
    reason: str
    severity: str = "block"


@dataclass(frozen=True)
class Row:
    """One comparison: two figures as text. `place` names province, month or sender for people, never a person."""

    control: str
    relation: str
    place: str
    measure: str
    expected: str
    actual: str

    @property
    def is_equal(self) -> bool:
        """Whether the two figures are the same."""
        return self.expected == self.actual

    def __str__(self) -> str:
        return f"{self.relation}, {self.place}: {self.measure} should be {self.expected} and is {self.actual}"


@dataclass(frozen=True)
class Compared:
    """The comparisons of some controls, and how many of each there must be at least."""

    rows: tuple[Row, ...]
    at_least: Mapping[str, int]


def row(control: str, relation: str, place: str, measure: str, expected: object, actual: object) -> Row:
    """A comparison of two figures of any type; None is unknown, and equal to another unknown one only."""
    return Row(control, relation, place, measure, figure(expected), figure(actual))


def figure(value: object) -> str:
    """A figure as text, the same for the same number: 75 for 75, 75.0 and 7.5E1."""
    if value is None:
        return UNKNOWN
    if isinstance(value, Decimal):
        return f"{value.normalize():f}" if value else "0"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value)


def merged(parts: Iterable[Compared]) -> Compared:
    """Several modules' comparisons as one."""
    rows: list[Row] = []
    at_least: dict[str, int] = {}
    for part in parts:
        rows += part.rows
        for name, count in part.at_least.items():
            at_least[name] = at_least.get(name, 0) + count
    return Compared(tuple(rows), at_least)
