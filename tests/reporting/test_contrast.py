"""What is written on the page can be read: contrast of text and ground, computed from the colours of its style.

WCAG 2.2, 1.4.3 (4.5 to 1 for text) and 1.4.11 (3 to 1 for what is drawn). tests/browser/test_report.py asks the
browser for the colours of every text on the page.
"""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest
from contrast import contrast, luminance

import reporting

CSS = (Path(reporting.__file__).parent / "templates" / "morning.css").read_text(encoding="utf-8")
COLOURS = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})\b", CSS))
RULES = re.findall(r"([^{}]+)\{([^{}]*)\}", re.sub(r"@media[^{]*\{", "", CSS))


def used(declarations: str, name: str) -> str | None:
    found = re.search(rf"(?:^|[;\s]){name}: var\(--([a-z0-9-]+)\)", declarations)
    return COLOURS[found[1]] if found else None


def test_the_measure_knows_its_ends() -> None:
    assert contrast("#000000", "#ffffff") == 21
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_every_colour_is_named_once_and_used_by_its_name() -> None:
    root, _, rest = CSS.partition("}")
    assert len(COLOURS) == len(re.findall("#[0-9a-f]{3,8}", root))
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?![^{]*\{)", re.sub(r"#[a-z]+-\d", "", rest)) == []
    assert set(re.findall(r"var\(--([a-z0-9-]+)\)", rest)) == set(COLOURS)


@pytest.mark.parametrize(
    ("selector", "colour", "ground"),
    [
        (selector.strip(), colour, ground)
        for selector, declarations in RULES
        if (colour := used(declarations, "color")) and (ground := used(declarations, "background"))
    ],
)
def test_where_both_are_set_text_stands_out(selector: str, colour: str, ground: str) -> None:
    assert contrast(colour, ground) >= 4.5, selector


@pytest.mark.parametrize("ground", ["paper", "ground"])
@pytest.mark.parametrize(
    "colour", sorted({name for name, value in COLOURS.items() if value in
                      {used(text, "color") for _, text in RULES if not used(text, "background")}})
)  # fmt: skip
def test_where_only_the_text_is_coloured_it_stands_out_from_the_page(colour: str, ground: str) -> None:
    assert contrast(COLOURS[colour], COLOURS[ground]) >= 4.5


def test_what_is_drawn_stands_out_from_the_page() -> None:
    for name in ("part-0", "part-1", "part-2"):
        assert contrast(COLOURS[name], COLOURS["paper"]) >= 3
    assert contrast(COLOURS["part-0"], COLOURS["step-0"]) >= 3


def test_the_steps_of_the_map_grow_darker_one_by_one() -> None:
    shades = [luminance(COLOURS[f"step-{number}"]) for number in range(5)]
    assert all(lighter > darker for lighter, darker in combinations(shades, 2))
