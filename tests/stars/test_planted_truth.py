"""The tax match against planted truth: precision and recall of each class and of each rung of the ladder."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from builders import accept, build_and_publish, migrated, stop_and_remove

from synth import population, provinces
from synth.submission import write
from synth.tax_truth import planted
from warehouse import roles
from warehouse.connection import connect
from warehouse.settings import Settings

pytestmark = pytest.mark.long
MONTHS = [dt.date(2021, month, 1) for month in (4, 5, 6)]
SCALES = {"26": 0.12, "27": 0.08, "37": 0.12}
EXACT = ("exact_code", "personal_id", "parent_code", "branch_code")


@dataclass(frozen=True)
class Case:
    """What was planted for a tax code, or for a unit on no list, and what the match made of it."""

    kind: str
    expected_class: str | None
    found_class: str | None
    expected_rule: str | None
    found_rule: str | None
    expected_si: float | None
    found_si: float | None


@dataclass(frozen=True)
class Match:
    """A published match of planted data."""

    settings: Settings
    cases: tuple[Case, ...]


@pytest.fixture(scope="module")
def match() -> Iterator[Match]:
    """Three provinces in three months with some two thousand tax codes, loaded, built and published."""
    settings = migrated("vss-planted-")
    try:
        cells = [provinces.cell(code, scale=scale) for code, scale in SCALES.items()]
        truth = planted([population.take(cell, month, 5) for cell in cells for month in MONTHS], seed=5)
        for submission in truth.submissions:
            accept(settings, write(settings.home / "inbox", submission))
        build_and_publish(settings, "planted")
        yield Match(settings, tuple(_cases(settings, truth.truth.to_dicts())))
    finally:
        stop_and_remove(settings)


@pytest.mark.parametrize("rule", EXACT)
def test_an_exact_rung_finds_what_was_planted_and_nothing_else(match: Match, rule: str) -> None:
    precision, recall = _quality([(case.expected_rule, case.found_rule) for case in match.cases], rule)

    assert precision >= 0.99 and recall >= 0.99, (precision, recall, _astray(match, rule))


@pytest.mark.parametrize(
    "match_class",
    [
        "matched", "under_declared", "not_registered", "cit_finalised_si_unpaid", "closed_or_absconded",
        "not_in_tax_list", "review",
    ],
)  # fmt: skip
def test_a_class_holds_what_was_planted_and_nothing_else(match: Match, match_class: str) -> None:
    precision, recall = _quality([(case.expected_class, case.found_class) for case in match.cases], match_class)

    assert precision >= 0.99 and recall >= 0.99, (precision, recall, _misjudged(match, match_class))


def test_what_has_no_row_was_planted_without_one(match: Match) -> None:
    assert [case for case in match.cases if case.expected_class is None and case.found_class is not None] == []
    assert any(case.expected_class is None for case in match.cases)


def test_heads_are_the_means_that_were_planted(match: Match) -> None:
    wrong = [
        case
        for case in match.cases
        if case.expected_class is not None
        and case.expected_si is not None
        and case.found_si != pytest.approx(case.expected_si)
    ]

    assert wrong == []


def test_no_similar_name_is_published_as_a_match(match: Match) -> None:
    with connect(match.settings, roles.READER) as connection:
        rules = connection.execute("select match_rule, count(*) from bi.fct_tax_match_unit group by 1").fetchall()
        named = connection.execute(
            "select count(*) from bi.fct_tax_match where match_class = 'review' and employer_key is not null"
        ).fetchone()

    assert {str(rule) for rule, _ in rules} == set(EXACT)
    assert named == (0,)


def _cases(settings: Settings, truth: Sequence[dict[str, object]]) -> Iterator[Case]:
    with connect(settings, roles.MIGRATOR) as connection:
        personal = [str(row["tax_code"]) for row in truth if row["tax_code"] and len(str(row["tax_code"])) == 12]
        connection.execute("set local role vss_vault")
        tokens = dict(
            connection.execute(
                "select number, 'P-' || vault.pseudonym(secret.value, number)"
                " from unnest(%s::text[]) as number, vault.secret where secret.name = 'pseudonym'",
                [personal],
            ).fetchall()
        )
    with connect(settings, roles.READER) as connection:
        shown = connection.execute(
            "select m.tax_code, e.province_code || ':' || e.si_unit_code, m.match_class, m.match_rule,"
            " m.employees_si::float8 from bi.fct_tax_match m left join bi.dim_employer e using (employer_key)"
        ).fetchall()
    by_code = {str(row[0]): row for row in shown if row[2] != "not_in_tax_list"}
    by_unit = {str(row[1]): row for row in shown if row[2] == "not_in_tax_list"}
    for row in truth:
        code = row["tax_code"]
        is_unit = row["expected_class"] == "not_in_tax_list"
        found = by_unit.get(str(row["units"][0])) if is_unit else by_code.get(str(tokens.get(code, code)))  # type: ignore[index]
        yield Case(
            str(row["kind"]),
            row["expected_class"],  # type: ignore[arg-type]
            None if found is None else str(found[2]),
            row["expected_rule"],  # type: ignore[arg-type]
            None if found is None or found[3] is None else str(found[3]),
            row["employees_si"],  # type: ignore[arg-type]
            None if found is None or found[4] is None else float(str(found[4])),
        )


def _quality(pairs: Sequence[tuple[str | None, str | None]], name: str) -> tuple[float, float]:
    """Precision and recall of one name; fails when it was never planted or never found."""
    right = sum(expected == found == name for expected, found in pairs)
    planted_count = sum(expected == name for expected, _ in pairs)
    found_count = sum(found == name for _, found in pairs)
    assert planted_count >= 20 and found_count, (planted_count, found_count)
    return right / found_count, right / planted_count


def _astray(match: Match, rule: str) -> Counter[object]:
    return Counter(
        (case.kind, case.expected_rule, case.found_rule)
        for case in match.cases
        if rule in {case.expected_rule, case.found_rule} and case.expected_rule != case.found_rule
    )


def _misjudged(match: Match, match_class: str) -> Counter[object]:
    return Counter(
        (case.kind, case.expected_class, case.found_class)
        for case in match.cases
        if match_class in {case.expected_class, case.found_class} and case.expected_class != case.found_class
    )
