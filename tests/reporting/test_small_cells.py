"""No count under five persons can be worked out from what stands on the page."""

from __future__ import annotations

import csv
import datetime as dt
import io
from dataclasses import replace
from decimal import Decimal
from itertools import product

from headline_builders import figure, headline, small, vinh_phuc
from hypothesis import given, settings
from hypothesis import strategies as st
from proofs import proves

from reporting.figures import NATIONAL, Figure, Territory
from reporting.headline import in_full
from reporting.headline_csv import write_csv
from reporting.small_cells import keep_back, protect, with_total
from warehouse import differences
from warehouse.differences import Differences, Edge

FEW, BESIDE = range(1, 5), range(5, 40)


def possible(shown: list[str], total: str) -> list[set[int]]:
    """By brute force the numbers that each hidden count can be for a reader who knows how counts are hidden."""
    choices = [FEW if text == "<5" else BESIDE if text == "*" else [int(text)] for text in shown]
    found: list[set[int]] = [set() for _ in shown]
    for guess in product(*choices):
        if total in ("<5", "*") or sum(guess) == int(total.replace(",", "")):
            for place, number in enumerate(guess):
                found[place].add(number)
    return found


@proves("access.small-cells")
@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=4))
def test_no_small_count_can_be_taken_from_its_total(counts: list[int]) -> None:
    shown, total = with_total(counts)
    for count, text, numbers in zip(counts, shown, possible(shown, total), strict=True):
        assert count in numbers or text == "–"
        assert (text == "<5") == (0 < count < 5)
        if text == "<5":
            assert len(numbers) > 1


def test_the_smallest_other_count_is_hidden_beside_a_single_small_one() -> None:
    assert with_total([18022, 400, 3, 0, None]) == (["18,022", "*", "<5", "0", "–"], "18,425")


def test_two_small_counts_that_their_sum_tells_take_a_third_with_them() -> None:
    assert with_total([1, 1, 7, 20]) == (["<5", "<5", "*", "20"], "29")
    assert with_total([2, 3, 7]) == (["<5", "<5", "7"], "12")


def test_where_nothing_else_is_left_the_total_is_hidden() -> None:
    assert with_total([4, 4, 0]) == (["<5", "<5", "0"], "*")
    assert with_total([6, 0]) == (["6", "0"], "6")


def territory(key: str, *, compulsory: int, voluntary: int, health: int) -> Territory:
    counts = {
        "people_managed": health + voluntary, "si_participants": compulsory + voluntary,
        "si_compulsory": compulsory, "si_voluntary": voluntary, "hi": health,
    }  # fmt: skip
    figures = tuple(figure(name, count, plan="1000", attainment_pct="50") for name, count in counts.items())
    return replace(small(key, key, 0), province_key=key, figures=figures)


def country(provinces: list[Territory]) -> Territory:
    names = [each.indicator for each in provinces[0].figures]
    sums = {name: sum(int(actual(each, name)) for each in provinces) for name in names}
    figures = tuple(figure(name, count) for name, count in sums.items())
    return replace(small(NATIONAL, "National", 0), province_key=NATIONAL, figures=figures)


def actual(of: Territory, name: str) -> Decimal:
    found = of.figure(name)
    assert found is not None
    return found.actual


def rank(rows: list[list[int]]) -> int:
    """How many independent equations there are, modulo a prime that is larger than any determinant here."""
    prime, rows, found = 1_000_003, [list(row) for row in rows], 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((row for row in rows[found:] if row[column] % prime), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        rows.insert(found, pivot)
        inverse = pow(pivot[column], -1, prime)
        for row in rows[found + 1 :]:
            times = row[column] * inverse
            row[:] = [(a - times * b) % prime for a, b in zip(row, pivot, strict=True)]
        found += 1
    return found


def told(territories: list[Territory]) -> list[tuple[str, str]]:
    """Small counts that a reader can work out from every sum there is: their equation adds nothing to the others."""
    figures = {(each.province_key, found.indicator): found for each in territories for found in each.figures}
    unknown = [cell for cell, found in figures.items() if found.is_hidden]
    sums = [
        ((each.province_key, total), [(each.province_key, part) for part in parts])
        for each in territories
        for total, *parts in (
            ("people_managed", "hi", "si_voluntary"),
            ("si_participants", "si_compulsory", "si_voluntary"),
        )
    ]
    keys = [each.province_key for each in territories if not each.is_national]
    names = {name for _, name in figures}
    sums += [((NATIONAL, name), [(key, name) for key in keys]) for name in names]
    equations = [[int(cell in parts) - int(cell == total) for cell in unknown] for total, parts in sums]
    known = rank(equations)
    return [
        cell
        for place, cell in enumerate(unknown)
        if figures[cell].is_few and rank([*equations, [int(place == other) for other in range(len(unknown))]]) == known
    ]


COUNTS = st.integers(0, 9) | st.integers(10, 3000)


@proves("access.small-cells")
@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(COUNTS, COUNTS, COUNTS), min_size=1, max_size=5))
def test_no_sum_of_the_country_or_of_a_province_tells_a_small_count(counts: list[tuple[int, int, int]]) -> None:
    provinces = [
        territory(f"p{number}", compulsory=c, voluntary=v, health=h) for number, (c, v, h) in enumerate(counts)
    ]
    found = protect([country(provinces), *provinces])
    assert told(found) == []
    assert {each.is_few for each in shown_figures(found)} <= {False}


def shown_figures(territories: list[Territory]) -> list[Figure]:
    return [each for territory in territories for each in territory.figures if not each.is_hidden]


def test_what_would_tell_a_small_count_is_withheld_with_its_plan_and_its_attainment() -> None:
    (found,) = protect([territory("p", compulsory=300, voluntary=3, health=900)])
    assert {each.indicator: each.shown for each in found.figures} == {
        "people_managed": "903", "si_participants": "303", "si_compulsory": "*", "si_voluntary": "<5", "hi": "*",
    }  # fmt: skip
    hidden = found.figure("si_compulsory")
    assert hidden is not None and hidden.shown_plan == "–"


def test_the_country_does_not_tell_the_one_province_with_few() -> None:
    provinces = [
        territory("few", compulsory=300, voluntary=3, health=900),
        territory("less", compulsory=400, voluntary=50, health=1000),
        territory("most", compulsory=90_000, voluntary=700, health=300_000),
    ]
    found = {each.province_key: each for each in protect([country(provinces), *provinces])}
    assert [each.shown for each in found["less"].figures if each.indicator == "si_voluntary"] == ["*"]
    assert not [each for each in found["most"].figures if each.is_hidden]
    assert not [each for each in found[NATIONAL].figures if each.is_hidden]


def test_another_month_of_the_country_tells_nothing_of_a_province() -> None:
    province = territory("few", compulsory=300, voluntary=3, health=900)
    other = territory("other", compulsory=400, voluntary=50, health=1000)
    found = protect([replace(country([province, other]), month=dt.date(2020, 1, 1)), province, other])
    assert not [each for each in found[2].figures if each.is_hidden]


def test_the_share_of_a_hidden_count_is_hidden_with_it() -> None:
    province = territory("p", compulsory=300, voluntary=3, health=900)
    province = replace(province, figures=(*province.figures, figure("hi_coverage_pct", "92.7", unit="percent")))
    (found,) = protect([province])
    share = found.figure("hi_coverage_pct")
    assert share is not None and share.shown == "*"


def test_large_counts_stay_as_they_are() -> None:
    assert protect([vinh_phuc()]) == [vinh_phuc()]


def test_a_province_whose_figure_is_withheld_beside_a_small_one_may_be_shown_in_full() -> None:
    provinces = [
        territory("few", compulsory=300, voluntary=3, health=900),
        territory("most", compulsory=90_000, voluntary=700, health=300_000),
    ]
    main, _ = in_full(protect([country(provinces), *provinces]))
    assert [each.province_key for each in main] == [NATIONAL, "most"]


OCTOBER = dt.date(2021, 10, 1)
PERSONS = frozenset({"people_managed", "si_participants", "si_compulsory", "si_voluntary", "hi"})


def differing(
    *figures: tuple[str, str, int, int], column: str = "actual", of: str = "rpt_plan_attainment"
) -> Differences:
    """Two publications that differ in these: province, indicator or band, before, after."""
    edge = Edge(1, dt.datetime(2021, 11, 3, tzinfo=dt.UTC), "build", 1, "p")
    return Differences(edge, edge, figures=tuple(
        differences.Figure(
            of, OCTOBER, province, province, key, column, Decimal(before), Decimal(after), Decimal(after - before)
        )
        for province, key, before, after in figures
    ))  # fmt: skip


def left(found: Differences) -> dict[tuple[str, str], bool]:
    """By province and key whether its numbers are still there."""
    kept = {(each.before, each.after, each.difference) for each in found.figures if each.before is None}
    assert kept <= {(None, None, None)}
    return {(each.province_code, each.key): each.before is not None for each in found.figures}


@proves("access.small-cells")
def test_a_difference_to_or_from_a_small_count_is_kept_back_with_the_sums_that_tell_it() -> None:
    found = differing(
        ("01", "si_voluntary", 3, 7), ("01", "si_participants", 303, 307), ("01", "people_managed", 903, 907),
        ("national", "si_voluntary", 500, 504), ("national", "si_participants", 9303, 9307),
        ("01", "hi", 900, 900), ("26", "si_voluntary", 400, 404), ("national", "hi", 9900, 9901),
    )  # fmt: skip

    assert left(keep_back(found, PERSONS)) == {
        ("01", "si_voluntary"): False, ("01", "si_participants"): False, ("01", "people_managed"): False,
        ("national", "si_voluntary"): False, ("national", "si_participants"): False, ("01", "hi"): True,
        ("26", "si_voluntary"): True, ("national", "hi"): True,
    }  # fmt: skip


@proves("access.small-cells")
def test_a_small_count_that_did_not_change_is_not_told_by_the_sum_and_the_part_that_did() -> None:
    found = differing(("01", "si_compulsory", 300, 310), ("01", "si_participants", 303, 313))
    assert left(keep_back(found, PERSONS)) == {("01", "si_compulsory"): True, ("01", "si_participants"): False}

    found = differing(("01", "si_compulsory", 300, 310), ("01", "si_participants", 320, 330))
    assert left(keep_back(found, PERSONS)) == {("01", "si_compulsory"): True, ("01", "si_participants"): True}


def test_few_of_something_else_than_persons_are_told() -> None:
    assert left(keep_back(differing(("01", "inspections", 2, 3)), PERSONS)) == {("01", "inspections"): True}
    bands = differing(("01", "1-<3", 2, 3), ("national", "1-<3", 90, 91), column="units", of="rpt_arrears_ageing")
    assert left(keep_back(bands, PERSONS)) == {("01", "1-<3"): True, ("national", "1-<3"): True}


def test_employees_of_units_in_arrears_are_persons() -> None:
    bands = differing(("01", "1-<3", 2, 30), ("national", "1-<3", 90, 118), column="employees_affected",
                      of="rpt_arrears_ageing")  # fmt: skip
    assert left(keep_back(bands, PERSONS)) == {("01", "1-<3"): False, ("national", "1-<3"): False}


@proves("access.small-cells", "cells.formula-text")
def test_the_headline_as_csv_has_no_small_count_no_formula_and_numbers_that_are_numbers() -> None:
    few = replace(
        small("few", "=Few", 0),
        figures=(
            figure("si_voluntary", 3, plan="900", attainment_pct="33"),
            figure("arrears", "-5", unit="dong"),
            figure("hi", "12.50"),
        ),
    )
    out = io.StringIO()

    write_csv(replace(headline(), main=tuple(protect([few])), others=()), out)

    rows = {row["indicator"]: row for row in csv.DictReader(io.StringIO(out.getvalue()))}
    assert rows["si_voluntary"]["hidden"] == "few"
    assert {rows["si_voluntary"][name] for name in ("actual", "plan", "attainment_pct")} == {""}
    assert rows["arrears"]["actual"] == "-5" and rows["hi"]["actual"] == "12.50"
    assert {(row["name_vi"], row["name_en"]) for row in rows.values()} == {("few", "'=Few")}
