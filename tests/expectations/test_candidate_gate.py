"""How gate 2 judges its comparisons, without a warehouse; tests/stars tries what it compares on the small world."""

from __future__ import annotations

from decimal import Decimal

import pytest

from expectations.candidate.control import Compared, Row, figure, merged, row
from expectations.candidate.verdict import CONTROLS, SUITES, CandidateVerdict, judge, verdict_on


def compared(*rows: Row, **at_least: int) -> Compared:
    return Compared(rows, at_least)


def judged(what: Compared) -> CandidateVerdict:
    return verdict_on(judge(what), what.rows, [])


def details(verdict: CandidateVerdict) -> list[str]:
    return [str(finding.args["detail"]) for finding in verdict.findings]


def equal(control: str) -> Row:
    return row(control, "fct_arrears", "Vinh Phuc, 2021-10", "rows", 3, 3)


def wrong(control: str, place: str = "Vinh Phuc, 2021-10") -> Row:
    return row(control, "fct_arrears", place, "rows", 3, 2)


def test_equal_figures_pass() -> None:
    assert judged(compared(equal("total"), equal("ledger"), total=1)) == CandidateVerdict(True)


def test_a_figure_that_differs_is_named_with_both_figures() -> None:
    verdict = judged(compared(equal("total"), wrong("total"), equal("ledger")))
    assert not verdict.passed
    assert [(finding.code, finding.args["gate"]) for finding in verdict.findings] == [("E-GATE", "total")]
    assert details(verdict) == ["fct_arrears, Vinh Phuc, 2021-10: rows should be 3 and is 2"]


def test_a_candidate_in_which_nothing_was_compared_fails() -> None:
    assert not judged(compared()).passed


def test_fewer_comparisons_than_there_must_be_fail_even_if_all_are_equal() -> None:
    verdict = judged(compared(equal("total"), equal("ledger"), total=2))
    assert not verdict.passed
    assert details(verdict) == ["too little was evaluated"]


def test_a_control_that_must_have_comparisons_and_has_none_fails() -> None:
    assert not judged(compared(equal("ledger"), keys=1)).passed


def test_a_warning_does_not_hold_a_candidate_up_and_is_told() -> None:
    verdict = judged(compared(equal("ledger"), wrong("unmoved")))
    assert verdict.passed and not verdict.findings
    assert [str(one.args["detail"]) for one in verdict.warnings] == [str(wrong("unmoved"))]


def test_a_warning_of_dbt_is_told_with_the_others() -> None:
    whole = compared(equal("ledger"))
    verdict = verdict_on(judge(whole), whole.rows, ["names_differ of fct_benefit: 3 rows"])
    assert verdict.passed
    assert [(one.args["gate"], one.args["detail"]) for one in verdict.warnings] == [
        ("dbt", "names_differ of fct_benefit: 3 rows")
    ]


def test_no_more_than_twenty_places_of_a_control_are_told() -> None:
    verdict = judged(compared(*(wrong("total", f"month {number}") for number in range(24)), equal("ledger")))
    assert len(verdict.findings) == 21
    assert details(verdict)[-1] == "and 4 more"


def test_an_unknown_figure_equals_no_known_one() -> None:
    assert row("total", "x", "y", "z", None, None).is_equal
    assert not row("total", "x", "y", "z", 0, None).is_equal


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (75, "75"), (Decimal("75.0"), "75"), (Decimal("7.5E1"), "75"), (Decimal("0.00"), "0"), (Decimal(-1), "-1"),
        (9_007_199_254_740_993, "9007199254740993"), (None, "unknown"), ([], "none"), (["24", "27"], "24, 27"),
    ],
)  # fmt: skip
def test_a_number_has_one_text_and_loses_no_digit(value: object, text: str) -> None:
    assert figure(value) == text


def test_parts_are_put_together_with_all_that_each_must_have() -> None:
    both = merged([compared(equal("total"), total=1), compared(wrong("keys"), total=2, keys=1)])
    assert [one.control for one in both.rows] == ["total", "keys"]
    assert both.at_least == {"total": 3, "keys": 1}


def test_each_control_says_its_suite_its_reason_and_whether_it_only_warns() -> None:
    assert SUITES == ("dbt", "completeness", "totals", "identities", "national", "drift")
    only_warn = {control.name for control in CONTROLS.values() if control.severity == "warn"}
    assert only_warn == {"moved", "subset", "unmoved"}
    assert all(control.reason for control in CONTROLS.values())
