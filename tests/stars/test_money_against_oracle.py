"""Contributions, arrears, inspections, benefits, relief and events of `bi` against the same computed from the files.

Both publications of the small world, every row of every relation; what is computed stands in `oracle_money`.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable

import oracle_money as oracle
import polars as pl
import pytest
from sent_files import MERGER, feed, month_before
from shown import World, differences

publications = pytest.mark.parametrize("publication", [1, 2])

# the key of each relation, and what computes it
RELATIONS: dict[str, tuple[Callable[[oracle.Slices], pl.DataFrame], list[str]]] = {
    "fct_contribution": (oracle.fct_contribution, ["month", "province_code", *oracle.PAYMENT]),
    "rpt_collection": (oracle.rpt_collection, ["month", "province_code", "insurance_group"]),
    "fct_arrears": (oracle.fct_arrears, ["month", "province_code", "si_unit_code", "fund"]),
    "rpt_arrears_ageing": (oracle.rpt_arrears_ageing, ["month", "province_code", "ageing_band"]),
    "fct_inspection": (oracle.fct_inspection, ["current_province_code", "case_no"]),
    "rpt_inspection_results": (oracle.rpt_inspection_results, ["month", "province_code", "kind"]),
    "fct_benefit": (oracle.fct_benefit, ["month", "province_code", "benefit_type"]),
    "fct_policy_relief": (
        oracle.fct_policy_relief,
        ["month", "province_code", "policy", "beneficiary", "status", "scenario", "cut_off_date"],
    ),
    "rpt_relief": (oracle.rpt_relief, ["month", "province_code", "policy", "scenario", "cut_off_date"]),
    "fct_outreach": (oracle.fct_outreach, ["month", "province_code", "event_no"]),
    "fct_weekly_report": (oracle.fct_weekly_report, ["month", "province_code", "iso_week", "item_no"]),
    "rpt_plan_attainment": (oracle.rpt_plan_attainment, ["month", "province_code", "indicator"]),
}
# columns of which the small world says nothing: null, or 0, in every row
SILENT = {
    "rpt_relief": [
        "requested_persons", "settled_persons", "paid_units", "paid_of_approved_units_pct",
    ],
    "fct_outreach": ["partner"],
}  # fmt: skip


@functools.cache
def _computed(world: World, publication: int, relation: str) -> pl.DataFrame:
    return RELATIONS[relation][0](world.sent(publication))


def _shown(world: World, publication: int, relation: str) -> pl.DataFrame:
    """What is compared: of contributions with persons' numbers as sent, of attainment the rows with an actual."""
    shown = world.shown(relation, publication)
    computed = _computed(world, publication, relation)
    if relation == "fct_contribution":
        names = _names_of_persons(world, publication)
        sent = pl.col("payer_code").replace(dict(names.select("payer_code", "payer_code_sent").iter_rows()))
        return shown.with_columns(payer_code=sent)
    if relation == "rpt_plan_attainment":
        ours = pl.col("indicator").is_in(computed["indicator"].unique().implode())
        return shown.filter(ours, pl.col("actual").is_not_null())
    return shown


def _names_of_persons(world: World, publication: int) -> pl.DataFrame:
    """Of payers who are persons the shown code beside the sent one, joined by the row of the file."""
    is_person = pl.col("payer_kind") == "person"
    names = ["submission_id", "row_no", "payer_code"]
    sent = _computed(world, publication, "fct_contribution").filter(is_person).select(names)
    shown = world.shown("fct_contribution", publication).filter(is_person).select(names)
    return shown.join(sent, on=["submission_id", "row_no"], how="full", suffix="_sent").select(
        "payer_code", "payer_code_sent"
    ).unique()  # fmt: skip


@publications
@pytest.mark.parametrize("relation", RELATIONS)
def test_every_row_is_what_the_files_say(world: World, publication: int, relation: str) -> None:
    expected = _computed(world, publication, relation)

    assert differences(_shown(world, publication, relation), expected, on=RELATIONS[relation][1]) == []


def test_a_person_who_pays_has_one_name_and_it_is_not_the_number(world: World) -> None:
    names = _names_of_persons(world, 2)

    assert names.height > 1
    assert names.null_count().sum_horizontal().item() == 0
    assert not names["payer_code"].is_duplicated().any()
    assert not names["payer_code_sent"].is_duplicated().any()
    assert not set(names["payer_code"]) & set(names["payer_code_sent"])


@pytest.mark.parametrize("relation", RELATIONS)
def test_the_world_has_something_in_every_column_that_is_compared(world: World, relation: str) -> None:
    computed = _computed(world, 2, relation)

    silent = [
        name
        for name, column in zip(computed.columns, computed.iter_columns(), strict=True)
        if column.null_count() == computed.height or (column.dtype.is_numeric() and (column.fill_null(0) == 0).all())
    ]
    assert silent == SILENT.get(relation, [])


def test_the_world_has_a_refund_and_a_payment_that_vanished(world: World) -> None:
    facts = _computed(world, 2, "fct_contribution")
    december = facts.filter(pl.col("province_code") == "24", pl.col("month") == dt.date(2021, 12, 1))

    vanished = december.filter(pl.col("row_no").is_null())
    assert vanished.height == 1
    assert (vanished["paid_vnd"] < 0).all()
    assert vanished["headcount"].is_null().all()
    assert december.filter(pl.col("row_no").is_not_null(), pl.col("paid_vnd") < -1_000).height > 0


def test_the_world_has_a_year_to_date_over_months_without_files(world: World) -> None:
    facts = _computed(world, 2, "fct_contribution")
    first = facts.group_by("month", "province_code", "basis").agg(pl.col("posting_from").unique())
    covered = {(row[0].isoformat()[:7], row[1]): (row[2], *row[3]) for row in first.iter_rows()}

    # from January though September's file is there; since the file of January; a month, from position and month file
    assert covered["2021-10", "24"] == ("ytd", dt.date(2021, 1, 1))
    assert covered["2022-10", "24"] == ("ytd", dt.date(2022, 2, 1))
    assert covered["2025-08", "01"] == ("ytd", dt.date(2025, 8, 1))
    assert covered["2025-08", "24"] == ("ytd", dt.date(2025, 8, 1))


def test_the_world_has_every_combination_of_known_month_and_known_year(world: World) -> None:
    total = _computed(world, 2, "rpt_collection").filter(
        pl.col("insurance_group") == "total", pl.col("geo_level") == "province"
    )
    is_known = total.select(pl.col("collected_month_vnd", "collected_ytd_vnd").is_not_null())

    assert set(is_known.iter_rows()) == {(True, True), (True, False), (False, True)}


def test_the_world_has_a_merged_province_whose_year_is_known_and_one_whose_is_not(world: World) -> None:
    total = _computed(world, 2, "rpt_collection").filter(pl.col("insurance_group") == "total")
    year = {(code, month): value for code, month, value in total.select(
        "province_code", "month", "collected_ytd_vnd").iter_rows()}  # fmt: skip
    month = {(code, month): value for code, month, value in total.select(
        "province_code", "month", "collected_month_vnd").iter_rows()}  # fmt: skip
    june = month_before(MERGER)

    assert year["24", MERGER] == year["24", june] + year["27", june] + month["24", MERGER]
    # of 17 and 25 nothing was sent: what 25 has is what came in since July, at least
    assert year["25", MERGER] == month["25", MERGER] > 0


def test_the_world_has_a_correction_that_moves_the_month_after_it(world: World) -> None:
    def paid(publication: int, month: dt.date) -> int:
        facts = _computed(world, publication, "fct_contribution")
        own = facts.filter(pl.col("province_code") == "24", pl.col("month") == month)
        return int(own["paid_vnd"].sum())

    november, december = dt.date(2021, 11, 1), dt.date(2021, 12, 1)
    assert paid(2, november) > paid(1, november)
    assert paid(1, november) + paid(1, december) == paid(2, november) + paid(2, december)


def test_the_world_has_both_cuts_and_units_that_are_exempt_from_them(world: World) -> None:
    facts = _computed(world, 2, "fct_contribution")
    for fund, (since, until, _) in oracle.CUTS.items():
        within = facts.filter(
            pl.col("fund") == fund,
            pl.col("liability_month").is_between(since, until, closed="left"),
            pl.col("expected_due_vnd") > 0,
        )
        outside = facts.filter(pl.col("fund") == fund, pl.col("liability_month") < since)
        assert (facts.filter(pl.col("fund") == fund)["rate_cut_vnd"] > 0).any(), fund
        assert (within["rate_cut_vnd"] == 0).any(), fund
        assert (outside["expected_due_vnd"] > 0).any(), fund
        # posted while the cut held, owed for a month before it: the rate is that of the liability month
        assert outside.filter(pl.col("month") >= since).height > 0, fund


def test_the_world_has_units_in_every_band_under_both_laws(world: World) -> None:
    facts = _computed(world, 2, "fct_arrears")
    sent = pl.concat(
        one.frame.with_columns(submission_id=pl.lit(one.submission_id)) for one in feed(world.sent(2), "arrears")
    )
    counted = facts.join(
        sent.filter(pl.col("months_owed").is_null()).select("submission_id", "row_no"), on=["submission_id", "row_no"]
    )

    bands = facts.group_by("legal_regime").agg(pl.col("ageing_band").n_unique())
    assert bands["ageing_band"].to_list() == [6, 6]
    assert set(facts["arrears_class"].drop_nulls()) == {"late", "evasion", "unknown"}
    # counted from the oldest month under both laws, and not stated at all; and a limit of a band met exactly
    assert counted.filter(pl.col("months_owed").is_not_null())["legal_regime"].n_unique() == 2
    assert counted["months_owed"].is_null().any()
    assert {1.0, 3.0, 12.0} <= set(facts["months_owed"])
    assert (facts.filter(pl.col("is_hard_to_collect"))["principal_vnd"] > 0).any()


def test_the_world_has_months_with_and_without_a_collection_plan(world: World) -> None:
    ageing = _computed(world, 2, "rpt_arrears_ageing")

    for level in ("province", "national"):
        plans = ageing.filter(pl.col("geo_level") == level)["plan_vnd"]
        assert plans.is_null().any(), level
        assert plans.is_not_null().any(), level
    both = ageing["ratio_to_plan_pct"] - ageing["ratio_excluding_hard_to_collect_pct"]
    assert (both > 0).any()


def test_the_world_has_a_list_of_cases_sent_empty_one_not_sent_and_cases_of_a_merged_province(world: World) -> None:
    total = _computed(world, 2, "rpt_inspection_results").filter(pl.col("kind") == "total")
    ytd = {(code, month): value for code, month, value in total.select(
        "province_code", "month", "cases_ytd").iter_rows()}  # fmt: skip
    november = dt.date(2021, 11, 1)

    assert ytd["46", november] == 0
    assert ("27", november) not in ytd
    assert ytd["24", MERGER] > ytd["24", month_before(MERGER)] + ytd["27", month_before(MERGER)] > 0
    # a case on the lists of a predecessor and of its successor is one case
    named = oracle.cases(world.sent(2)).filter(pl.col("decision_date").dt.year() == 2025)
    assert named.group_by("case_no").agg(pl.col("province_code").n_unique())["province_code"].max() == 2


def test_the_world_has_benefits_of_the_year_to_date_after_files_of_the_month(world: World) -> None:
    facts = _computed(world, 2, "fct_benefit").filter(pl.col("province_code") == "01", pl.col("basis") == "ytd")
    slices = world.sent(2)
    december = facts.filter(pl.col("month") == dt.date(2021, 12, 1))
    as_sent = slices["province-01", "benefits", "2021-12"].frame

    assert december["posting_from"].unique().to_list() == [dt.date(2021, 12, 1)]
    assert december["amount_vnd"].sum() < as_sent["amount_vnd"].sum()
    assert december["persons"].sum() == as_sent["persons"].sum()
    assert facts.filter(pl.col("posting_from") < pl.col("month")).height > 0


def test_the_world_has_events_that_a_list_of_the_year_took_back(world: World) -> None:
    kept = _computed(world, 2, "fct_outreach")
    sent: int = sum(one.frame.height for one in feed(world.sent(2), "outreach"))

    assert 0 < kept.height < sent


def test_the_world_has_a_stock_that_is_computed_here_and_reported_there(world: World) -> None:
    pensioners = _computed(world, 2, "rpt_plan_attainment").filter(pl.col("indicator") == "pension_persons")
    whole = pensioners.filter(pl.col("geo_level") == "national", pl.col("provinces_included") == 63)

    assert whole.height == 2
    assert (whole["is_reported"] & whole["is_computed"]).all()
    assert (pensioners.filter(pl.col("month") == dt.date(2021, 12, 1), pl.col("province_code") == "26"))[
        "is_reported"
    ].to_list() == [True]
