"""Planted truth: what is sent is acceptable, each kind is there, and a plain reading of the rules finds the same."""

from __future__ import annotations

import datetime as dt
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
import pytest
from stdnum.vn import mst

from ingestion.blocks import TextBlock
from ingestion.contracts import load_contracts
from ingestion.verdicts import compile_verdicts
from synth import population, provinces
from synth.population import Snapshot
from synth.submission import Submission
from synth.tax_kinds import KINDS
from synth.tax_scale import MatchFrames, match_frames
from synth.tax_truth import CASES, Planted, planted

MONTHS = [dt.date(2021, month, 1) for month in (4, 5, 6)]
YEAR = 2021
Row = dict[str, Any]


def snapshots(scales: Mapping[str, float], months: list[dt.date] = MONTHS) -> list[Snapshot]:
    return [
        population.take(provinces.cell(code, scale=scale), month, 5)
        for code, scale in scales.items()
        for month in months
    ]


@pytest.fixture(scope="module")
def world() -> Planted:
    return planted(snapshots({"26": 0.12, "27": 0.08, "37": 0.12}), seed=5)


@pytest.fixture(scope="module")
def country() -> MatchFrames:
    return match_frames(codes=11_000, units=14_000)


def feeds(world: Planted, feed: str) -> Iterator[tuple[Submission, pl.DataFrame]]:
    for submission in world.submissions:
        frame = submission.feeds.get(feed)
        if frame is not None:
            yield submission, frame


def bad_rows(feed: str, frame: pl.DataFrame, period: str) -> list[tuple[Any, ...]]:
    """Rejects of the verdict that ingestion gives, the frame sent as text."""
    contract = load_contracts()[feed]
    text = frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None, pl.String)).cast(pl.String).alias(name)
        for name in contract.column_names
    )
    block = TextBlock(text, pl.int_range(2, 2 + text.height, dtype=pl.Int32, eager=True).alias("row_no"), [])
    return compile_verdicts(contract, unit="dong", period=period).judged(block).rejects.rows()


# ----------------------------------------------------------------------------------------------- what is sent


def test_each_kind_has_its_cases(world: Planted) -> None:
    counts = Counter(world.truth["kind"])
    assert set(counts) == set(KINDS)
    assert min(counts.values()) >= CASES


def test_everything_that_is_sent_passes_its_contract(world: Planted) -> None:
    seen = set()
    for feed in ("tax_employers", "employers", "arrears", "participants"):
        for submission, frame in feeds(world, feed):
            seen.add(feed)
            assert bad_rows(feed, frame, submission.period) == [], (submission.submission_id, feed)
            key = load_contracts()[feed].key
            assert not frame.select(pl.struct(key).is_duplicated().any()).item(), (submission.submission_id, feed)
    assert len(seen) == 4


def test_codes_are_valid_in_each_of_their_forms(world: Planted) -> None:
    codes = [code for _, frame in feeds(world, "tax_employers") for code in frame["tax_code"]]
    assert {len(code) for code in codes} == {10, 12, 14}
    assert all(mst.is_valid(code) for code in codes if len(code) != 12)


def test_each_code_has_one_row_of_truth_and_each_listed_code_has_one(world: Planted) -> None:
    listed = {code for _, frame in feeds(world, "tax_employers") for code in frame["tax_code"]}
    truth = world.truth.filter(pl.col("kind") != "not_in_list")["tax_code"].to_list()
    assert len(truth) == len(set(truth))
    assert set(truth) == listed


def test_the_list_comes_in_two_periods_and_the_later_one_is_not_a_hundredth(world: Planted) -> None:
    first, later = (frame for _, frame in feeds(world, "tax_employers"))
    assert min(later["supplement_no"].to_list()) > 0
    assert later["income_paid_vnd"].sum() * 50 > first["income_paid_vnd"].sum()


# ----------------------------------------------------------------------------- a plain reading of the rules


def latest(world: Planted) -> dict[str, Row]:
    """The row of each code with the highest supplement; of the same supplement the later period's."""
    found: dict[str, Row] = {}
    for _, frame in feeds(world, "tax_employers"):
        for row in frame.iter_rows(named=True):
            before = found.get(row["tax_code"])
            if before is None or before["supplement_no"] <= row["supplement_no"]:
                found[row["tax_code"]] = row
    return found


class Units:
    """Codes, persons, arrears and last statuses of all units, as a reader of the files would note them down."""

    def __init__(self, world: Planted) -> None:
        self.of_code: dict[str, set[str]] = defaultdict(set)
        self.code: dict[str, str | None] = {}
        self.name: dict[str, str] = {}
        self.status: dict[str, str] = {}
        self.active: set[str] = set()
        self.persons: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.overdue: set[str] = set()
        for submission, frame in feeds(world, "employers"):
            for row in frame.iter_rows(named=True):
                unit = f"{submission.sender[-2:]}:{row['si_unit_code']}"
                self.code[unit], self.name[unit], self.status[unit] = row["tax_code"], row["name"], row["status"]
                if row["tax_code"]:
                    self.of_code[row["tax_code"]].add(unit)
                if row["status"] == "active":
                    self.active.add(unit)
        for submission, frame in feeds(world, "participants"):
            insured = frame.filter(pl.col("insurance_type") == "SI_C").select("si_unit_code", "si_number")
            for code, person in insured.iter_rows():
                self.persons[f"{submission.sender[-2:]}:{code}"][submission.period].add(person)
        for submission, frame in feeds(world, "arrears"):
            if submission.period == f"{MONTHS[-1]:%Y-%m}":
                for row in frame.iter_rows(named=True):
                    if row["overdue_vnd"] > 0 and float(row["months_owed"] or 1) >= 1:
                        self.overdue.add(f"{submission.sender[-2:]}:{row['si_unit_code']}")

    def rung(self, code: str, listed: Mapping[str, Row]) -> tuple[str | None, set[str]]:
        if self.of_code.get(code):
            return ("personal_id" if len(code) == 12 else "exact_code"), self.of_code[code]
        parent, _, branch = code.partition("-")
        if branch and self.of_code.get(parent):
            return "parent_code", self.of_code[parent]
        branches = {
            unit for other, units in self.of_code.items() if other.startswith(f"{code}-") and other not in listed
            for unit in units
        }  # fmt: skip
        return ("branch_code", branches) if branches else (None, set())

    def heads(self, units: set[str]) -> tuple[float, int]:
        months = [f"{month:%Y-%m}" for month in MONTHS]
        present = [set().union(*(self.persons[unit][month] for unit in units)) for month in months]
        return sum(map(len, present)) / len(months), len(set().union(*present))


def class_of(row: Row, rung: str | None, units: set[str], mean: float, notes: Units) -> str | None:
    tax = row["employees_paid"] if row["employees_with_contract"] is None else row["employees_with_contract"]
    gap = tax - int(mean + 0.5)
    if row["status"] in ("closed", "closed_unfinalised", "not_at_address"):
        return "closed_or_absconded"
    if units and all(notes.status[unit] == "absconded" for unit in units):
        return "closed_or_absconded"
    if rung is None:
        return "not_registered" if row["employees_paid"] > 0 else None
    if row["cit_finalised"] == "Y" and units & notes.overdue:
        return "cit_finalised_si_unpaid"
    return "under_declared" if gap >= 2 and gap * 10 >= tax else "matched"


def test_a_plain_reading_of_the_rules_finds_what_was_planted(world: Planted) -> None:
    notes, listed = Units(world), latest(world)
    matched: set[str] = set()
    for truth in world.truth.filter(pl.col("kind") != "not_in_list").iter_rows(named=True):
        row = listed[truth["tax_code"]]
        rung, units = notes.rung(truth["tax_code"], listed)
        mean, distinct = notes.heads(units)
        found = class_of(row, rung, units, mean, notes)
        expected = "not_registered" if truth["expected_class"] == "review" else truth["expected_class"]
        assert (found, rung) == (expected, truth["expected_rule"]), truth
        assert truth["employees_si"] == pytest.approx(mean)
        assert truth["employees_si_distinct"] == distinct
        assert truth["employees_tax"] in (row["employees_with_contract"], row["employees_paid"])
        if truth["expected_class"] != "review":
            assert set(truth["units"]) == units
        matched |= units
    outside = world.truth.filter(pl.col("kind") == "not_in_list")
    assert {unit for units in outside["units"] for unit in units} == notes.active - matched
    assert outside["tax_code"].to_list() == [notes.code[units[0]] for units in outside["units"]]


# ---------------------------------------------------------------------------------------- kinds, one by one


def of_kind(world: Planted, kind: str) -> list[Row]:
    return world.truth.filter(pl.col("kind") == kind).rows(named=True)


def gaps(world: Planted, kind: str) -> list[tuple[int, int]]:
    return [
        (row["employees_tax"] - int(row["employees_si"] + 0.5), row["employees_tax"]) for row in of_kind(world, kind)
    ]


def test_gaps_lie_right_beside_the_threshold(world: Planted) -> None:
    for gap, tax in gaps(world, "under_declared"):
        assert gap >= 2
        assert gap * 10 >= tax
        assert gap == 2 or (gap - 1) * 10 < tax - 1, "a head less would not do"
    assert all(gap == 1 and gap * 10 >= tax for gap, tax in gaps(world, "gap_of_one"))
    assert all(gap >= 2 and gap * 10 < tax for gap, tax in gaps(world, "gap_below_a_tenth"))


def test_no_mean_lies_where_two_ways_of_rounding_part(world: Planted) -> None:
    beside = [row for kind in ("under_declared", "gap_of_one", "gap_below_a_tenth") for row in of_kind(world, kind)]
    assert all(abs(row["employees_si"] % 1 - 0.5) > 0.005 for row in beside)


def test_persons_that_leave_are_more_than_the_mean(world: Planted) -> None:
    for row in of_kind(world, "turnover") + of_kind(world, "turnover_mean"):
        assert row["employees_si_distinct"] > 1.5 * row["employees_si"]


def test_who_counts_a_person_of_two_provinces_twice_finds_no_gap(world: Planted) -> None:
    notes = Units(world)
    for row in of_kind(world, "person_twice"):
        assert len({unit[:2] for unit in row["units"]}) == 2
        twice = sum(notes.heads({unit})[0] for unit in row["units"])
        assert row["employees_tax"] - twice < 2 <= row["employees_tax"] - row["employees_si"]


def folded(name: str) -> str:
    bare = "".join(letter for letter in unicodedata.normalize("NFD", name) if not unicodedata.combining(letter))
    return bare.replace("đ", "d").replace("Đ", "D").casefold()


@pytest.mark.parametrize(
    "kind",
    ["review_tone", "review_decomposed", "review_upper_case", "review_plain_d", "review_words"],
)
def test_names_for_review_are_written_another_way_and_fold_to_the_same(world: Planted, kind: str) -> None:
    notes, listed = Units(world), latest(world)
    for row in of_kind(world, kind):
        (unit,) = row["units"]
        assert listed[row["tax_code"]]["name"] != notes.name[unit]
        assert folded(listed[row["tax_code"]]["name"]) == folded(notes.name[unit])


@pytest.mark.parametrize("kind", [kind for kind, planned in KINDS.items() if planned.expected_class == "review"])
def test_a_unit_for_review_is_the_only_one_with_its_digits_and_matched_by_no_code(world: Planted, kind: str) -> None:
    notes, listed = Units(world), latest(world)
    digits: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for unit, name in notes.name.items():
        digits[tuple(word for word in name.split() if word.isdigit())].add(unit)
    for row in of_kind(world, kind):
        (unit,) = row["units"]
        assert notes.code[unit] is None or notes.code[unit] not in listed
        of_name = tuple(word for word in listed[row["tax_code"]]["name"].split() if word.isdigit())
        assert unit in digits[of_name]
        same = digits[of_name] if of_name else {other for other in digits[()] if other[:2] == unit[:2]}
        others = {other for other in same - {unit} if folded(notes.name[other]) == folded(notes.name[unit])}
        assert not others


def test_swapped_digits_give_another_valid_code_that_nobody_has(world: Planted) -> None:
    notes = Units(world)
    for row in of_kind(world, "swapped_digits"):
        carried = notes.code[row["units"][0]]
        assert carried is not None
        assert sorted(carried) == sorted(row["tax_code"])
        assert sum(one != other for one, other in zip(carried, row["tax_code"], strict=True)) == 2
        assert mst.is_valid(row["tax_code"])
        assert row["tax_code"] not in notes.of_code


def test_names_with_other_digits_have_the_same_words(world: Planted) -> None:
    notes, listed = Units(world), latest(world)
    names = {name.rpartition(" ")[0]: unit for unit, name in notes.name.items()}
    digits = {word for name in notes.name.values() for word in name.split() if word.isdigit()}
    for row in of_kind(world, "other_digits"):
        words, _, number = listed[row["tax_code"]]["name"].rpartition(" ")
        assert words in names
        assert number not in digits


# ------------------------------------------------------------------------------------------------- the rest


def test_the_same_arguments_give_the_same_rows_and_another_seed_others() -> None:
    small = snapshots({"26": 0.03, "27": 0.03})
    one, again, other = (planted(small, seed=seed, cases=2) for seed in (1, 1, 2))
    assert one.truth.equals(again.truth)
    for first, second in zip(one.submissions, again.submissions, strict=True):
        assert {feed: frame.hash_rows().to_list() for feed, frame in first.feeds.items() if frame is not None} == {
            feed: frame.hash_rows().to_list() for feed, frame in second.feeds.items() if frame is not None
        }
    assert not one.truth.equals(other.truth)


def test_provinces_of_the_new_map_are_planted_too() -> None:
    months = [dt.date(2025, 8, 1), dt.date(2025, 9, 1)]
    world = planted(snapshots({"25": 0.02, "26": 0.02, "46": 0.03}, months), seed=1, cases=2)
    assert {submission.sender for submission in world.submissions} == {"province-25", "province-46", "tax"}
    for submission, frame in feeds(world, "employers"):
        assert frame["si_unit_code"].is_unique().all(), submission.submission_id
        assert bad_rows("employers", frame, submission.period) == []
    for submission, frame in feeds(world, "arrears"):
        assert not frame.select(pl.struct("si_unit_code", "fund").is_duplicated().any()).item(), (
            submission.submission_id
        )


@pytest.mark.parametrize(
    ("taken", "message"),
    [
        (lambda: snapshots({"26": 0.01, "27": 0.01}, [dt.date(2021, 12, 1), dt.date(2022, 1, 1)]), "several years"),
        (lambda: snapshots({"26": 0.01, "27": 0.01}, MONTHS[:1]), "two months"),
        (lambda: snapshots({"26": 0.01}), "two provinces"),
        (lambda: snapshots({"26": 0.01, "27": 0.01})[1:], "the same months"),
        (lambda: snapshots({"26": 0.01, "27": 0.01}, [dt.date(2025, 6, 1), dt.date(2025, 7, 1)]), "merger"),
        (lambda: snapshots({"26": 0.01, "27": 0.01}), "too few units"),
    ],
)
def test_snapshots_that_cannot_be_planted_are_refused(taken: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        planted(taken(), seed=1)


def test_units_and_list_alone_are_acceptable_and_every_rung_is_there(country: MatchFrames) -> None:
    assert (country.tax_list.height, country.employers.height) == (11_000, 14_000)
    assert bad_rows("tax_employers", country.tax_list, "2022-03") == []
    assert bad_rows("employers", country.employers, "2021-10") == []
    assert country.tax_list["tax_code"].is_unique().all()
    assert country.employers.select(pl.struct("province_code", "si_unit_code").is_unique().all()).item()
    assert country.employers["province_code"].n_unique() == 63
    rules = Counter(country.truth["expected_rule"])
    assert set(rules) == {"exact_code", "personal_id", "parent_code", "branch_code", None}
    assert min(rules.values()) > 100


def test_the_truth_of_units_and_list_alone_is_what_the_codes_say(country: MatchFrames) -> None:
    place = {code: at for at, code in enumerate(country.employers["tax_code"]) if code}
    by_parent = {code.partition("-")[0]: at for code, at in place.items() if "-" in code}
    names = country.employers["name"].to_list()
    listed = dict(country.tax_list.select("tax_code", "name").iter_rows())
    for code, kind, rule, unit in country.truth.iter_rows():
        if rule in ("exact_code", "personal_id"):
            assert place[code] == unit
        elif rule == "parent_code":
            assert (code in place, place[code.partition("-")[0]]) == (False, unit)
        elif rule == "branch_code":
            assert (code in place, by_parent[code]) == (False, unit)
        else:
            assert code not in place
            assert code not in by_parent
            digits = listed[code].rpartition(" ")[2]
            assert (kind, unit is None) in {("review", False), ("not_registered", True)}
            assert unit is None or names[unit].rpartition(" ")[2] == digits


def test_the_size_of_the_country_takes_seconds() -> None:
    began = time.perf_counter()
    found = match_frames(codes=55_000, units=70_000)
    assert time.perf_counter() - began < 15
    assert found.tax_list["tax_code"].is_unique().all()
    with pytest.raises(ValueError, match="as many units"):
        match_frames(codes=2, units=1)
