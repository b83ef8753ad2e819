"""Gate 2: a candidate is shown only if it holds what was accepted and nothing vanished."""

from __future__ import annotations

import gate_rows as rows
from gate_builders import Build, Warehouse

from expectations.candidate import CandidateVerdict

SUBMISSION = "province-26-2021-10-v1-submit"
WAGE = 6_000_000


def gated(stars: Warehouse, *, slice_rows: int = 30, wage: int = WAGE) -> CandidateVerdict:
    """The verdict on a first build over one submission of 30 rows, HI ones with a wage base like the others."""
    accept(stars)
    build = Build(stars.settings)
    build.slice(submission_id=SUBMISSION, rows=slice_rows, wage=wage)
    return build.gate()


def accept(stars: Warehouse, **submission: object) -> None:
    sent = [{**row, "wage_base_vnd": WAGE} for row in rows.participants(10)]
    stars.accept({"participants": sent}, **submission)


def details(verdict: CandidateVerdict) -> list[str]:
    return [str(finding.args["detail"]) for finding in verdict.findings]


def test_a_candidate_that_holds_what_was_accepted_passes(stars: Warehouse) -> None:
    assert gated(stars) == CandidateVerdict(True)
    stored = stars.query(
        "select column_name, success, evaluated from ops.gate_result where gate = 'candidate' order by 1"
    )
    assert stored == [
        ("evaluated", True, 1), ("ledger", True, 1), ("national", True, 2), ("shown", True, 0), ("total", True, 2),
        (None, True, 6),
    ]  # fmt: skip


def test_the_gate_looks_at_the_candidate_and_not_at_what_is_shown(stars: Warehouse) -> None:
    assert gated(stars).passed
    assert stars.query("select count(*) from bi.fct_participation", role="vss_publisher") == [(0,)]


def test_an_empty_slice_of_accepted_rows_fails(stars: Warehouse) -> None:
    verdict = gated(stars, slice_rows=0)
    assert not verdict.passed
    assert any("is not empty" in detail and "(26), 2021-10" in detail for detail in details(verdict))


def test_a_touched_slice_that_was_never_made_fails(stars: Warehouse) -> None:
    accept(stars)
    assert not Build(stars.settings).gate().passed


def test_a_row_less_or_a_dong_more_than_was_loaded_fails(stars: Warehouse) -> None:
    assert details(gated(stars, slice_rows=29))[0].endswith("rows should be 30 and is 29")


def test_a_total_that_differs_fails(stars: Warehouse) -> None:
    verdict = gated(stars, wage=WAGE + 1)
    assert details(verdict) == [
        f"fct_participation, Tỉnh Vĩnh Phúc (26), 2021-10: wage_base_vnd should be {30 * WAGE} and is {30 * WAGE + 30}"
    ]
    assert [finding.code for finding in verdict.findings] == ["E-GATE"]


def publish_two(stars: Warehouse) -> None:
    accept(stars)
    accept(stars, sender="province-27")
    build = Build(stars.settings)
    build.slice(submission_id=SUBMISSION, rows=30, wage=WAGE)
    build.slice(submission_id=SUBMISSION.replace("26", "27"), rows=30, wage=WAGE, territory="63-27")
    build.publish()


def test_what_was_shown_must_not_vanish_without_a_void(stars: Warehouse) -> None:
    publish_two(stars)
    build = Build(stars.settings)
    build.forget("63-27")
    verdict = build.gate()
    assert not verdict.passed
    assert details(verdict) == [
        "fct_participation: Tỉnh Bắc Ninh (27), 2021-10 was shown and would vanish without a void"
    ]


def test_an_empty_slice_in_the_place_of_a_shown_one_is_a_vanished_one(stars: Warehouse) -> None:
    publish_two(stars)
    build = Build(stars.settings)
    build.slice(submission_id=None, rows=0, wage=0, territory="63-27")
    assert not build.gate().passed


def test_a_void_may_take_back_what_was_shown(stars: Warehouse) -> None:
    publish_two(stars)
    stars.accept({}, sender="province-27", version=2, action="void")
    build = Build(stars.settings)
    build.slice(submission_id=None, rows=0, wage=0, territory="63-27")
    assert build.gate().passed


def test_a_national_head_count_that_is_not_the_sum_of_its_provinces_fails(stars: Warehouse) -> None:
    from warehouse.connection import connect

    with connect(stars.settings, "vss_transformer") as connection:
        connection.execute("update marts.attainment set actual = 31 where geo_level = 'national' and is_computed")
    assert details(gated(stars)) == ["rpt_plan_attainment, 2021-10: hi should be 30 and is 31"]


def test_a_build_over_nothing_fails(stars: Warehouse) -> None:
    assert not Build(stars.settings).gate().passed


def test_no_more_than_twenty_slices_of_a_kind_are_told(stars: Warehouse) -> None:
    for month in range(1, 13):
        for sender in ("province-26", "province-27"):
            accept(stars, sender=sender, period=f"2020-{month:02d}")
    verdict = Build(stars.settings).gate()
    evaluated = [one for one in verdict.findings if one.args["gate"] == "evaluated"]
    assert len(evaluated) == 21
    assert evaluated[-1].args["detail"] == "and 4 more"
