"""A map of the provinces in tiles of one size: where each lies among the others, and nothing about its shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from reporting.labels import Words
from reporting.numbers import NOTHING, fixed

# north is up; a pair is two characters a province, a blank cell two dots
_GRIDS = {
    "63": """
        ..12100204....
        11..15080620..
        ..142526192422
        ....1701273031
        ......353334..
        ....383736....
        ....40........
        ......42......
        ......44......
        ........45....
        ........4648..
        ..........49..
        ........6251..
        ........6452..
        ........6654..
        ......706756..
        ....72746858..
        ....80797560..
        8987828377....
        91928684......
        ..9394........
        9695..........
    """,
    "34": """
        ..12150804..
        1114251920..
        ....01243122
        ......3733..
        ....38......
        ....40......
        ......42....
        ......44....
        ........46..
        ........48..
        ........51..
        ........52..
        ........66..
        ..80756856..
        ..8279......
        919286......
        96..........
    """,
}

# an attainment of at least so many percent has this step; below the first it is step 0
STEPS = (50, 75, 90, 100)


@dataclass(frozen=True)
class Tile:
    """One province: its place from 1, its step or state as a class, and what stands in it."""

    row: int
    column: int
    code: str
    name: str
    value: str
    kind: str
    beside: str = ""


@dataclass(frozen=True)
class Map:
    """A map with what its classes mean."""

    title: Words
    columns: int
    tiles: Sequence[Tile]
    legend: Sequence[tuple[str, str, Words]]


@dataclass(frozen=True)
class Mapped:
    """What a tile says."""

    value: str = NOTHING
    kind: str = "none"
    beside: str = ""


def places(vintage: str) -> dict[str, tuple[int, int]]:
    """Row and column of each province of a map, from 1, by code. Vintages as in bi.dim_province."""
    rows = _GRIDS[vintage].split()
    return {
        code: (number, place // 2 + 1)
        for number, row in enumerate(rows, 1)
        for place in range(0, len(row), 2)
        if (code := row[place : place + 2]) != ".."
    }


def columns(vintage: str) -> int:
    """How many columns a map has."""
    return len(_GRIDS[vintage].split()[0]) // 2


def tiles(vintage: str, names: dict[str, str], of: Callable[[str], Mapped]) -> list[Tile]:
    """Every tile of a map from north to south; `names` are Vietnamese, by code."""
    found = []
    for code, (row, column) in sorted(places(vintage).items(), key=lambda each: each[1]):
        said = of(code)
        found.append(Tile(row, column, code, short(names.get(code, "")), said.value, said.kind, said.beside))
    return found


def short(name: str) -> str:
    """A province's name without what kind of province it is, short enough for a tile."""
    for kind in ("Tỉnh ", "Thành phố "):
        name = name.removeprefix(kind)
    return {"Bà Rịa - Vũng Tàu": "Bà Rịa – VT"}.get(name, name)


def step(attainment_pct: Decimal) -> int:
    """The step of an attainment, 0 to 4, of the number as it is written."""
    written = Decimal(fixed(attainment_pct, 1).replace(",", ""))
    return sum(written >= least for least in STEPS)


def steps_legend() -> list[tuple[str, str, Words]]:
    """Class, mark and meaning of each step, from the lowest."""
    said = [f"< {STEPS[0]} %", *(f"{least}–<{most} %" for least, most in pairwise(STEPS)), f"≥ {STEPS[-1]} %"]
    steps = [(f"step-{number}", "", Words(each, each)) for number, each in enumerate(said)]
    return [*steps, ("none", NOTHING, Words("chưa có kế hoạch hoặc số liệu", "no plan or no figure"))]
