"""The headline in a terminal, and how numbers and findings are written."""

from __future__ import annotations

import csv
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from headline_builders import difference, figure, headline, hue, small, vinh_phuc

from reporting import labels, sentences
from reporting.figures import ArrearsBand, Comparisons, Headline
from reporting.headline import as_text, in_full
from reporting.numbers import amount, fixed

REFERENCE = Path(__file__).resolve().parent.parent / "reference"


def _line(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.strip().startswith(start))


def test_no_line_is_wider_than_110_columns() -> None:
    assert max(len(line) for line in as_text(headline()).splitlines()) <= 110


def test_every_figure_stands_under_its_heading() -> None:
    lines = as_text(headline()).splitlines()
    heading = next(line for line in lines if "actual" in line)
    row = next(line for line in lines if "Compulsory SI" in line)
    for name, value in (("actual", "220,596"), ("plan", "225,789"), ("of plan %", "97.70"), ("source", "computed")):
        assert heading.index(name) + len(name) == row.index(value) + len(value)


def test_a_figure_shows_actual_plan_attainment_and_growth() -> None:
    text = as_text(headline())
    assert _line(text, "Collection").split()[-6:] == ["4,313,058", "5,480,379", "78.70", "+7.06", "–", "computed"]
    assert _line(text, "People managed").split()[-3:] == ["+2.02", "+2.80", "computed"]


def test_the_growth_of_a_ratio_is_in_percentage_points() -> None:
    assert "+0.40pp" in _line(as_text(headline()), "HI coverage")


def test_a_reported_figure_among_computed_ones_says_so() -> None:
    assert _line(as_text(headline()), "Inspections").endswith("REPORTED")


def test_a_national_sum_of_computed_and_reported_figures_says_so() -> None:
    mixed = replace(vinh_phuc(), figures=(figure("hi", 1099580, is_reported=True, is_computed=True),))
    text = as_text(headline(main=(mixed,)))
    assert _line(text, "Health insurance").endswith("PARTLY")
    assert "not computed" not in text


def test_a_province_known_from_reports_alone_says_so_in_its_title() -> None:
    assert "Tỉnh Thừa Thiên Huế, 2022-06: as REPORTED, not computed: no detail was sent" in as_text(headline())


def test_arrears_are_shown_over_the_plan_with_and_without_hard_to_collect() -> None:
    assert "Arrears 210,118 million đồng (3.83 % of the year's collection plan; without hard-to-collect: 3.65 %)" in (
        as_text(headline())
    )


def test_a_small_province_stands_in_one_line() -> None:
    text = as_text(headline())
    assert _line(text, "Tỉnh Lào Cai").split()[3:5] == ["2021-10", "1,512"]


def test_a_small_province_known_from_its_report_says_so_within_the_width() -> None:
    one = replace(hue(), name_vi="Tỉnh Bà Rịa - Vũng Tàu")
    line = _line(as_text(headline(main=(), others=(one,))), "Tỉnh Bà Rịa")
    assert line.endswith("REPORTED") and len(line) <= 110


def test_a_wrong_growth_is_told_in_plain_words() -> None:
    found = difference("people_managed", "last_december", "percent", "2.77", "2.7954")
    assert sentences.difference(found) == labels.Words(
        "Tỉnh Vĩnh Phúc, 10/2021, số người đang quản lý so với tháng 12 năm trước: báo cáo ghi 2.77 %,"
        " tính từ chính các số gốc: 2.80 %.",
        "Vinh Phuc, 2021-10, people managed on last December: the report prints 2.77 %,"
        " computed from its own bases: 2.80 %.",
    )


def test_a_difference_of_less_than_a_million_is_told_in_dong() -> None:
    told = sentences.difference(difference("collection", "none", "dong", "4313058000001", "4313058000000")).en
    assert "prints 4,313,058,000,001 đồng, computed from the detail: 4,313,058,000,000 đồng" in told


def test_more_differences_than_fit_are_counted() -> None:
    many = tuple(difference("hi", "none", "persons", str(1000 + number), "900") for number in range(30))
    assert "… and 18 more" in as_text(headline(comparisons=Comparisons(0, 30, 0, many)))


def test_rejected_and_waiting_submissions_are_named() -> None:
    text = as_text(headline())
    assert "1 rejected, 1 waiting" in text
    assert "p27-2021-10-v1 of province-27 is rejected (E-NUMBER, E-TOLERANCE)." in text


def test_before_anything_is_published_the_text_says_what_to_do() -> None:
    assert as_text(Headline(None)).startswith("Nothing is published yet: run `vss nightly`")


def test_a_publication_without_figures_is_said_to_be_empty() -> None:
    assert "No province has a headline figure" in as_text(headline(main=(), others=()))


def test_large_provinces_are_shown_in_full_and_those_with_detail_first() -> None:
    tiny = small("Tỉnh Lào Cai", "Lao Cai", 1512)
    main, others = in_full([hue(), tiny, vinh_phuc()])
    assert [each.name_en for each in main] == ["Vinh Phuc", "Thua Thien Hue"]
    assert others == (tiny,)


def test_a_province_with_a_count_under_five_persons_is_never_shown_in_full() -> None:
    few = vinh_phuc(figures=(figure("people_managed", 2_000_000), figure("si_voluntary", 3)))
    main, others = in_full([few, hue()])
    assert [each.name_en for each in main] == ["Thua Thien Hue"]
    assert others == (few,)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        ("4", "persons", "<5"),
        ("0", "persons", "0"),
        ("5", "persons", "5"),
        ("4", "units", "4"),
        ("1499999", "dong", "1"),
    ],
)
def test_counts_under_five_persons_are_not_shown(value: str, unit: str, shown: str) -> None:
    assert amount(Decimal(value), unit) == shown


def test_halves_are_rounded_away_from_zero() -> None:
    assert [fixed(Decimal(value)) for value in ("3.825", "-3.825", "-0.001")] == ["3.83", "-3.83", "0.00"]


def test_a_ratio_is_unknown_when_one_band_has_none() -> None:
    bands: tuple[ArrearsBand, ...] = vinh_phuc().arrears
    unknown = (*bands[1:], replace(bands[0], ratio_to_plan_pct=None))
    assert replace(vinh_phuc(), arrears=unknown).ratio_to_plan_pct is None


def test_every_indicator_has_a_name_and_every_headline_indicator_is_shown() -> None:
    with (REFERENCE / "indicators.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["indicator"] for row in rows} == set(labels.INDICATORS)
    assert {row["indicator"] for row in rows if row["headline"] == "yes"} <= set(labels.HEADLINE_INDICATORS)
