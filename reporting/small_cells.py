"""Counts of fewer than five persons: which others must stay hidden so that none of them can be worked out.

A sum that stands on the page beside its parts tells a single hidden part. What is hidden beside a small count is the
smallest other part, and then the next, until every small count could still be at least two different numbers for
somebody who knows the rules of this module; where no part is left, the sum itself. All sums of the page are looked at
together: what is hidden beside a small count is told by no other sum either.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Generic, TypeVar

from reporting.figures import NATIONAL, Territory
from reporting.numbers import WITHHELD, amount, is_few
from warehouse import differences
from warehouse.differences import Differences

_FEWEST, _FEW_AT_MOST = 1, 4
_Cell = TypeVar("_Cell", bound=Hashable)

# people are counted once a kind of insurance (R4)
_SUMS = {"si_participants": ("si_compulsory", "si_voluntary"), "people_managed": ("hi", "si_voluntary")}
# a percentage beside its denominator is the count itself
_SHARES = {"hi_coverage_pct": "hi"}
# what a row of rpt_plan_attainment says of persons where its indicator counts them
_HEADS = frozenset({"actual", "value_same_period_last_year", "value_last_december", "duplicates_between_provinces"})
_AFFECTED = ("rpt_arrears_ageing", "employees_affected")


@dataclass(frozen=True)
class Sum(Generic[_Cell]):
    """A count of persons and its parts, as indices of a mapping of counts."""

    total: _Cell
    parts: tuple[_Cell, ...]


def hidden(counts: Mapping[_Cell, Decimal | int], sums: Iterable[Sum[_Cell]]) -> set[_Cell]:
    """The counts that are not shown: those under five persons, and those that would tell them."""
    found = {cell for cell, count in counts.items() if is_few(count, "persons")}
    known = [replace(each, parts=tuple(part for part in each.parts if part in counts)) for each in sums]
    while told := [*_determined(known, found), *_bounded(known, counts, found)]:
        beside = _next(told, known, counts, found)
        if beside is None:
            break
        found.add(beside)
    return found


def _determined(sums: Sequence[Sum[_Cell]], found: set[_Cell]) -> list[_Cell]:
    """The hidden counts that follow from the sums and what is shown: those that stand alone once all is subtracted."""
    rows: list[dict[_Cell, Fraction]] = []
    for each in sums:
        row = {cell: Fraction(1) for cell in each.parts if cell in found}
        if each.total in found:
            row[each.total] = Fraction(-1)
        for done in rows:
            row = _less(row, done)
        if row:
            rows = [_less(done, row) for done in rows] + [row]
    return [next(iter(row)) for row in rows if len(row) == 1]


def _less(row: dict[_Cell, Fraction], other: dict[_Cell, Fraction]) -> dict[_Cell, Fraction]:
    """A row without the first cell of another, by subtracting that as often as is needed."""
    first = next(iter(other))
    if first not in row:
        return row
    times = row[first] / other[first]
    cells = dict.fromkeys((*row, *other))
    left = {cell: row.get(cell, Fraction(0)) - times * other.get(cell, Fraction(0)) for cell in cells}
    return {cell: value for cell, value in left.items() if value}


def _bounded(sums: Sequence[Sum[_Cell]], counts: Mapping[_Cell, Decimal | int], found: set[_Cell]) -> list[_Cell]:
    """The small counts that can be only one number because each is between one and four, and what is beside five."""
    told = []
    for each in sums:
        unknown = [part for part in each.parts if part in found]
        few = [part for part in unknown if is_few(counts[part], "persons")]
        if each.total in found or not few:
            continue
        rest = int(counts[each.total]) - sum(int(counts[part]) for part in each.parts if part not in found)
        beside = len(unknown) - len(few)
        least = _FEWEST if beside else max(_FEWEST, rest - (len(few) - 1) * _FEW_AT_MOST)
        most = min(_FEW_AT_MOST, rest - (len(few) - 1) * _FEWEST - beside * (_FEW_AT_MOST + 1))
        if least >= most:
            told += few[:1]
    return told


def _next(
    told: Sequence[_Cell], sums: Sequence[Sum[_Cell]], counts: Mapping[_Cell, Decimal | int], found: set[_Cell]
) -> _Cell | None:
    """What to hide beside counts that are told: of their sum with the fewest hidden the smallest part, else a sum.

    None when none of them stands there; a zero is never hidden, for it hides nothing.
    """
    around = [each for each in sums if any(cell == each.total or cell in each.parts for cell in told)]
    around.sort(key=lambda each: sum(cell in found for cell in (each.total, *each.parts)))
    for each in around:
        parts = [part for part in each.parts if part not in found and counts[part]]
        if parts:
            return min(parts, key=lambda part: counts[part])
    return next((each.total for each in around if each.total not in found), None)


def with_total(counts: Sequence[int | None]) -> tuple[list[str], str]:
    """Counts of persons and their total as they are written; no hidden one can be taken from the total."""
    cells: dict[int | str, Decimal | int] = {place: count for place, count in enumerate(counts) if count is not None}
    known, total = tuple(cells), int(sum(cells.values()))
    cells["total"] = total
    kept = hidden(cells, [Sum[int | str]("total", known)])

    def written(cell: int | str, count: int | None) -> str:
        return WITHHELD if cell in kept and not is_few(count, "persons") else amount(count, "persons")

    return [written(place, count) for place, count in enumerate(counts)], written("total", total)


def protect(territories: Sequence[Territory]) -> list[Territory]:
    """The same territories with every figure withheld that would tell a count under five persons.

    Sums are those of a territory (R4) and, for each indicator, the country's over the provinces of its month.
    """
    counts = {
        (each.province_key, figure.indicator): figure.actual
        for each in territories
        for figure in each.figures
        if figure.unit == "persons"
    }
    sums = [
        Sum((each.province_key, total), tuple((each.province_key, part) for part in parts))
        for each in territories
        for total, parts in _SUMS.items()
        if all((each.province_key, name) in counts for name in (total, *parts))
    ]
    for country in (each for each in territories if each.province_key == NATIONAL):
        provinces = [each for each in territories if not each.is_national and each.month == country.month]
        sums += [
            Sum((NATIONAL, figure.indicator), tuple((each.province_key, figure.indicator) for each in provinces))
            for figure in country.figures
            if figure.unit == "persons"
        ]
    kept = hidden(counts, sums)
    return [_withheld(each, {indicator for key, indicator in kept if key == each.province_key}) for each in territories]


def _withheld(territory: Territory, indicators: set[str]) -> Territory:
    if not indicators:
        return territory
    told = indicators | {share for share, of in _SHARES.items() if of in indicators}
    figures = tuple(
        replace(figure, is_withheld=True) if figure.indicator in told else figure for figure in territory.figures
    )
    return replace(territory, figures=figures)


@dataclass(frozen=True)
class _Place:
    """Figures of two publications that are shown or kept back together: a row, or one column of it."""

    relation: str
    month: dt.date
    province_code: str
    key: str
    column: str = ""


def keep_back(found: Differences, persons: Set[str]) -> Differences:
    """The same differences, where a figure that would tell a count under five persons is None before and after.

    `persons` are the indicators that count persons. With a small count goes what tells it: the sums of its territory
    that it is part of, also where it did not change itself, its share, and the country's figure.
    """
    few = {_place(each) for each in found.figures if _counts_few(each, persons)}
    few |= _sums_with_a_small_rest(found.figures)
    within = {
        replace(place, key=name)
        for place in few
        for name in (*(t for t, parts in _SUMS.items() if place.key in parts),
                     *(share for share, of in _SHARES.items() if of == place.key))
    }  # fmt: skip
    kept = few | within
    kept |= {replace(place, province_code=NATIONAL) for place in kept}
    figures = tuple(
        replace(each, before=None, after=None, difference=None) if _place(each) in kept else each
        for each in found.figures
    )
    return replace(found, figures=figures)


def _place(figure: differences.Figure) -> _Place:
    is_alone = (figure.relation, figure.column) == _AFFECTED
    return _Place(
        figure.relation, figure.month, figure.province_code, figure.key, figure.column if is_alone else ""
    )  # fmt: skip


def _counts_few(figure: differences.Figure, persons: Set[str]) -> bool:
    is_heads = figure.relation == "rpt_plan_attainment" and figure.key in persons and figure.column in _HEADS
    if not is_heads and (figure.relation, figure.column) != _AFFECTED:
        return False
    return is_few(figure.before, "persons") or is_few(figure.after, "persons")


def _sums_with_a_small_rest(figures: Iterable[differences.Figure]) -> set[_Place]:
    """Sums that changed with all of their parts but one, which is a small count that did not change."""
    heads = {
        _place(each): each for each in figures if each.relation == "rpt_plan_attainment" and each.column == "actual"
    }
    found = set()
    for place, total in heads.items():
        parts = [heads.get(replace(place, key=name)) for name in _SUMS.get(place.key, ())]
        known = [part for part in parts if part is not None]
        if not parts or len(known) != len(parts) - 1:
            continue
        for side in ("before", "after"):
            values = [getattr(each, side) for each in (total, *known)]
            if None not in values and is_few(values[0] - sum(values[1:]), "persons"):
                found.add(place)
    return found
