"""The bars: lengths in proportion, parts that are told without colour, text that is escaped."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from headline_builders import band, figure, nights, vinh_phuc

from reporting import charts
from reporting.labels import Words


def widths(svg: str, part: int) -> list[Decimal]:
    return [
        Decimal(width) for width in re.findall(rf'<rect class="part-{part}" x="[\d.]+" y="\d+" width="([\d.]+)"', svg)
    ]


def test_bars_of_attainment_are_in_proportion_and_the_line_stands_at_100() -> None:
    svg = charts.attainment([figure("hi", 100, attainment_pct="50"), figure("ui", 100, attainment_pct="25")])
    assert svg is not None
    half, quarter = widths(svg, 0)
    assert half == 2 * quarter
    (line,) = re.findall(r'<line x1="([\d.]+)"', svg)
    assert Decimal(line) == 2 * half


def test_a_reported_figure_is_told_by_its_words_and_its_pattern() -> None:
    svg = charts.attainment([figure("hi", 100, attainment_pct="50", is_reported=True)])
    assert svg is not None
    assert "BH y tế (theo báo cáo)" in svg and "Health insurance (reported)" in svg
    assert 'fill="url(#pattern-1)"' in svg


def test_the_parts_of_a_bar_of_arrears_add_up_to_what_is_owed() -> None:
    svg = charts.arrears([band("<1", "a · b", units=1, persons=9, principal=100, hard=25)])
    assert svg is not None
    (collectable,), (hard,) = widths(svg, 0), widths(svg, 1)
    assert collectable == 3 * hard


def test_without_anything_to_draw_there_is_no_chart() -> None:
    assert charts.arrears([]) is None
    assert charts.attainment([figure("hi", 100)]) is None
    assert charts.reasons([(Words("a", "b"), 0)]) is None
    assert charts.nights([], []) is None


def test_a_hidden_figure_has_no_bar() -> None:
    shown = charts.attained([figure("hi", 3, attainment_pct="50"), *vinh_phuc().figures])
    assert [each.indicator for each in shown].count("hi") == 1
    assert all(not each.is_hidden for each in shown)


@pytest.mark.parametrize("less", [Decimal(0), Decimal(-5)])
def test_a_night_without_length_has_no_bar_and_breaks_nothing(less: Decimal) -> None:
    run = replace(nights(1)[0], load_seconds=less, build_seconds=Decimal(10), seconds=Decimal(10))
    svg = charts.nights([run], ["one"])
    assert svg is not None
    assert widths(svg, 0) == []
    assert len(widths(svg, 1)) == 1


def test_names_are_escaped_and_long_ones_take_two_lines() -> None:
    svg = charts.reasons([(Words("<b>", "&"), 3), (Words("a" * 40, "b" * 40), 1)])
    assert svg is not None
    assert "&lt;b&gt; · &amp;" in svg
    assert f'<text class="second" x="0" y="76">{"b" * 40}</text>' in svg
