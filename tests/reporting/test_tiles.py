"""The tile maps: every province once, and each about where it lies."""

from __future__ import annotations

from decimal import Decimal

import pytest

from reporting import tiles
from reporting.tiles import Mapped
from warehouse import geography

CODES = {
    vintage: {each.province_code for each in geography.provinces() if each.vintage == vintage}
    for vintage in ("63", "34")
}


@pytest.mark.parametrize("vintage", ["63", "34"])
def test_every_province_of_a_map_has_a_tile_of_its_own(vintage: str) -> None:
    placed = tiles.places(vintage)
    assert set(placed) == CODES[vintage]
    assert len(set(placed.values())) == int(vintage)
    assert max(column for _, column in placed.values()) <= tiles.columns(vintage)


@pytest.mark.parametrize("vintage", ["63", "34"])
def test_every_tile_has_a_neighbour(vintage: str) -> None:
    placed = set(tiles.places(vintage).values())
    alone = [
        place
        for place in placed
        if not placed & {(place[0] + down, place[1] + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} - {place}
    ]
    assert alone == []


@pytest.mark.parametrize(
    ("vintage", "north", "south"),
    [
        ("63", "02", "01"), ("63", "01", "38"), ("63", "38", "40"), ("63", "44", "48"), ("63", "79", "96"),
        ("34", "04", "01"), ("34", "38", "40"), ("34", "44", "46"), ("34", "52", "79"), ("34", "79", "96"),
    ],
)  # fmt: skip
def test_north_is_up(vintage: str, north: str, south: str) -> None:
    placed = tiles.places(vintage)
    assert placed[north][0] < placed[south][0]


@pytest.mark.parametrize(("vintage", "west", "east"), [("63", "11", "22"), ("63", "89", "60"), ("34", "91", "56")])
def test_east_is_right(vintage: str, west: str, east: str) -> None:
    placed = tiles.places(vintage)
    assert placed[west][1] < placed[east][1]


def test_a_tile_says_what_it_is_told_and_is_called_by_its_short_name() -> None:
    names = {"77": "Tỉnh Bà Rịa - Vũng Tàu", "01": "Thành phố Hà Nội"}
    found = {
        tile.code: tile
        for tile in tiles.tiles("63", names, lambda code: Mapped("98.4", "step-3") if code == "01" else Mapped())
    }
    assert (found["01"].name, found["01"].value, found["01"].kind) == ("Hà Nội", "98.4", "step-3")
    assert (found["77"].name, found["77"].value, found["77"].kind) == ("Bà Rịa – VT", "–", "none")


@pytest.mark.parametrize(
    ("attainment", "step"),
    [("0", 0), ("49.94", 0), ("49.95", 1), ("50", 1), ("74.9", 1), ("75", 2), ("90", 3), ("99.94", 3), ("99.96", 4),
     ("1234.5", 4)],
)  # fmt: skip
def test_the_step_is_that_of_the_number_as_it_is_written(attainment: str, step: int) -> None:
    assert tiles.step(Decimal(attainment)) == step


def test_the_legend_names_every_step_and_what_has_none() -> None:
    kinds = [kind for kind, _, _ in tiles.steps_legend()]
    assert kinds == ["step-0", "step-1", "step-2", "step-3", "step-4", "none"]
