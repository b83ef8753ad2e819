"""Each way to a plausible wrong figure, walked, and the right figure beside it.

Every test computes the figure as somebody in a hurry would, shows that this world tells the two apart, and asserts that
`bi` gives what the files as sent, or the published reports, say. Nothing expected is taken from `bi`.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from proofs import Proof
from sent_files import (
    MERGER,
    REFERENCE,
    Sent,
    codes_on,
    current_code,
    feed,
    month_end,
    predecessors,
    successors,
)
from shown import World
from trap_proofs import PAGE, Trap, page, proofs, proofs_of, trap, traps, unknown, unproved

from ingestion.checking import check_folder
from synth import reference_feeds
from synth.submission import Submission, at, write

Slices = dict[tuple[str, str, str], Sent]
HEADS = ("SI_C", "SI_V", "UI", "HI")
STOCK = "over provinces, not over months"


@pytest.fixture(scope="module")
def sent(world: World) -> Slices:
    """What was in force at the second publication, as it was sent."""
    return world.sent(2)


# --- head counts ------------------------------------------------------------------------------------------------------


@trap(1)
def test_heads_of_several_insurances_are_not_added_up(world: World, sent: Slices) -> None:
    printed = [_printed(f"{name}_participants") for name in ("si_compulsory", "si_voluntary", "ui", "hi")]
    assert sum(printed) == 1_548_119
    assert printed[1] + printed[3] == _printed("participants_managed_total") == 1_114_733

    naive = _one(world, "select sum(participants) from bi.rpt_participants where " + _at("26", "2021-10"))
    expected = _heads(sent, "26", "2021-10", "HI", "SI_V")

    assert naive == _heads(sent, "26", "2021-10", *HEADS) != expected
    assert _figure(world, "people_managed", "26", "2021-10") == expected
    names = ("ui", "si_compulsory", "hi")
    ui, compulsory, health = (_figure(world, name, "26", "2021-10") for name in names)
    assert ui <= compulsory <= health


@trap(2)
def test_people_managed_are_records_and_persons_are_counted_apart(world: World, sent: Slices) -> None:
    managed = _sent(sent, "participants", "24", "2021-10").filter(pl.col("insurance_type").is_in(["HI", "SI_V"]))
    persons = managed["si_number"].n_unique()

    naive = _figure(world, "people_managed", "24", "2021-10")

    assert naive == managed.height != persons
    shown = _one(
        world,
        "select count(distinct participant_key) from bi.fct_participation"
        f" where insurance_type in ('HI', 'SI_V') and {_at('24', '2021-10')}",
    )
    assert shown == persons


@trap(3)
def test_a_year_of_a_stock_is_its_last_month_and_not_a_sum(world: World, sent: Slices) -> None:
    of_year = (
        "from bi.rpt_plan_attainment where indicator = 'si_compulsory' and province_code = '26'"
        " and month between '2021-01-01' and '2021-12-01' and actual is not null"
    )
    expected = _heads(sent, "26", "2021-12", "SI_C")

    naive = _one(world, f"select sum(actual) {of_year}")

    months = ("2021-09", "2021-10", "2021-11", "2021-12")
    assert naive == sum(_heads(sent, "26", month, "SI_C") for month in months) != expected
    assert _one(world, f"select actual {of_year} order by month desc limit 1") == expected
    # what may be added over what is said beside every indicator
    with (REFERENCE / "indicators.csv").open(encoding="utf-8", newline="") as stream:
        stocks = {row["indicator"] for row in csv.DictReader(stream) if row["additivity"] == STOCK}
    assert {"si_compulsory", "arrears", "pension_persons", "vssid_registrations"} <= stocks
    shown = world.query(f"select indicator from bi.dim_indicator where is_stock and additivity = '{STOCK}'")
    assert {name for (name,) in shown} == stocks


@trap(19)
def test_who_moved_to_another_province_neither_joined_nor_left(world: World, sent: Slices) -> None:
    before, now = _compulsory(sent, "2021-11"), _compulsory(sent, "2021-12")
    joined, moved_in = _entered("46", before=before, now=now)
    left, moved_out = _entered("24", before=now, now=before)
    assert moved_in == moved_out == 8

    naive = sum(
        _one(
            world,
            "select count(*) from bi.fct_participation as person where insurance_type = 'SI_C'"
            f" and {_at(code, month)} and not exists (select from bi.fct_participation as other where"
            f" other.insurance_type = 'SI_C' and other.province_code = '{code}' and other.month = '{compared}-01'"
            " and other.participant_key = person.participant_key)",
        )
        for code, month, compared in (("46", "2021-12", "2021-11"), ("24", "2021-11", "2021-12"))
    )

    assert naive == joined + moved_in + left + moved_out != joined + left
    moves = "from bi.fct_participation_movement where insurance_type = 'SI_C' and "
    assert world.query(f"select joined, moved_in {moves}{_at('46', '2021-12')}") == [(joined, moved_in)]
    assert world.query(f'select "left", moved_out {moves}{_at("24", "2021-12")}') == [(left, moved_out)]


@trap(19)
def test_who_stands_in_two_provinces_is_told_beside_the_national_sum(world: World, sent: Slices) -> None:
    rows = pl.concat(
        one.frame.filter(pl.col("insurance_type") == "HI").select("si_number")
        for one in feed(sent, "participants")
        if one.period == "2021-11"
    )
    persons = rows["si_number"].n_unique()

    naive = _figure(world, "hi", "national", "2021-11")

    assert naive == rows.height != persons
    twice = _one(world, _attained("duplicates_between_provinces", "hi", "national", "2021-11"))
    assert naive - twice == persons


@trap(44)
def test_persons_with_a_one_time_allowance_begin_anew_each_year(world: World, sent: Slices) -> None:
    december = _persons(sent, "01", "2021-12", "one_time")
    january = _persons(sent, "01", "2022-01", "one_time")

    naive = _one(
        world,
        "select sum(actual) from bi.rpt_plan_attainment where indicator = 'one_time_persons' and province_code = '01'"
        " and month in ('2021-12-01', '2022-01-01')",
    )

    assert naive == december + january != january
    assert sent["province-01", "benefits", "2021-12"].basis == "ytd"
    assert _figure(world, "one_time_persons", "01", "2021-12") == december
    assert _figure(world, "one_time_persons", "01", "2022-01") == january
    assert _one(world, "select measure from bi.dim_indicator where indicator = 'one_time_persons'") == "ytd"


@trap(45)
def test_a_month_nobody_sent_is_empty_and_not_interpolated(world: World, sent: Slices) -> None:
    assert ("province-46", "participants", "2022-09") not in sent
    series = "from bi.rpt_plan_attainment where indicator = 'hi' and province_code = '46' and actual is not null"

    naive = _one(
        world,
        f"select before from (select month, lag(actual) over (order by month) as before {series}) as seen"
        " where month = '2022-10-01'",
    )

    assert naive == _heads(sent, "46", "2022-01", "HI")
    assert _one(world, _attained("value_previous_month", "hi", "46", "2022-10")) is None
    assert _one(world, _attained("change_previous_month", "hi", "46", "2022-10")) is None
    assert world.query(f"select actual {series} and month between '2022-02-01' and '2022-09-01'") == []


# --- flows, growth and ratios -----------------------------------------------------------------------------------------


@trap(4)
def test_a_year_to_date_is_not_a_month_and_january_begins_anew(world: World, sent: Slices) -> None:
    paid = {month: _paid(sent, "24", month) for month in ("2021-10", "2021-11", "2021-12", "2022-01")}
    bases = [sent["province-24", "contributions", month].basis for month in paid]
    assert bases == ["ytd", "ytd", "ytd", "month"]
    total = "from bi.rpt_collection where insurance_group = 'total' and province_code = '24'"

    naive = _one(world, f"select sum(collected_ytd_vnd) {total} and month between '2021-10-01' and '2021-12-01'")

    assert naive == sum(paid[month] for month in ("2021-10", "2021-11", "2021-12")) != paid["2021-12"]
    shown = dict(world.query(f"select month::text, collected_month_vnd {total}"))
    assert shown["2021-11-01"] == paid["2021-11"] - paid["2021-10"]
    assert shown["2021-12-01"] == paid["2021-12"] - paid["2021-11"]
    naive_january = _one(
        world,
        f"select change from (select month, collected_ytd_vnd - lag(collected_ytd_vnd) over (order by month) as change"
        f" {total}) as seen where month = '2022-01-01'",
    )
    assert naive_january < 0 < paid["2022-01"]
    assert shown["2022-01-01"] == paid["2022-01"]


@trap(5)
def test_growth_is_the_change_over_the_base_it_names(world: World, sent: Slices) -> None:
    change, total = _printed("participants_managed_change_vs_december"), _printed("participants_managed_total")
    same_period = total - _printed("participants_managed_change_yoy")
    assert round(100 * change / same_period, 2) == _printed("participants_managed_growth_vs_december") == 2.77
    assert round(100 * change / (total - change), 2) == 2.80

    latest, december = (_heads(sent, "26", month, "HI", "SI_V") for month in ("2022-10", "2021-12"))
    expected = 100 * (latest - december) / december
    naive = _one(
        world,
        _attained("100 * change_vs_december / value_same_period_last_year", "people_managed", "26", "2022-10"),
    )

    assert float(naive) != pytest.approx(expected)
    shown = _one(world, _attained("growth_vs_december_pct", "people_managed", "26", "2022-10"))
    assert float(shown) == pytest.approx(expected)
    assert _one(world, _attained("value_last_december", "people_managed", "26", "2022-10")) == december


@trap(6)
def test_growth_against_last_year_and_against_december_stand_side_by_side(world: World, sent: Slices) -> None:
    months = ("2022-10", "2021-10", "2021-12")
    latest, year_before, december = (_heads(sent, "46", month, "HI", "SI_V") for month in months)

    naive = _one(world, _attained("growth_yoy_pct", "people_managed", "46", "2022-10"))

    assert float(naive) == pytest.approx(100 * (latest - year_before) / year_before)
    expected = 100 * (latest - december) / december
    assert float(naive) != pytest.approx(expected)
    shown = _one(world, _attained("growth_vs_december_pct", "people_managed", "46", "2022-10"))
    assert float(shown) == pytest.approx(expected)


@trap(7)
def test_what_the_kinds_of_inspection_leave_of_the_total_is_kept_and_nothing_is_rescaled(
    world: World, sent: Slices
) -> None:
    cases = _sent(sent, "inspections", "46", "2021-10").filter(pl.col("decision_date").dt.year() == 2021)
    reported = int(_reported(sent, "46", "2021-10", "inspections")["value"])
    results = "from bi.rpt_inspection_results where " + _at("46", "2021-10")

    naive = _one(world, f"select sum(cases_ytd) {results} and kind <> 'total'")

    assert naive == cases.height != reported
    assert world.query(f"select cases_ytd, unexplained_residual {results} and kind = 'total'") == [
        (reported, reported - cases.height)
    ]
    kinds = dict(world.query(f"select kind, cases_ytd {results} and kind <> 'total' and cases_ytd > 0"))
    assert kinds == dict(cases.group_by("kind").len().rows())


@trap(8)
def test_recovery_counts_over_the_cases_that_owed_something(world: World, sent: Slices) -> None:
    recovered = pl.col("recovered_at_visit_vnd").fill_null(0) + pl.col("recovered_after_vnd").fill_null(0)
    cases = _sent(sent, "inspections", "46", "2021-10").filter(pl.col("decision_date").dt.year() == 2021)
    owing = cases.filter(pl.col("arrears_before_vnd").fill_null(0) > 0)
    expected = 100 * owing.select(recovered.sum()).item() / owing["arrears_before_vnd"].sum()
    total = f"from bi.rpt_inspection_results where kind = 'total' and {_at('46', '2021-10')}"

    naive = float(_one(world, f"select 100.0 * recovered_vnd / arrears_before_vnd {total}"))

    everything = cases.select(recovered.sum()).item()
    assert naive == pytest.approx(100 * everything / owing["arrears_before_vnd"].sum(), rel=1e-12)
    assert naive > 100 > expected
    assert float(_one(world, f"select recovery_rate_pct {total}")) == pytest.approx(expected, rel=1e-12)
    # what one gave back beyond its arrears is shown, and not cut
    assert owing.filter(recovered > pl.col("arrears_before_vnd")).height > 0
    assert _one(world, f"select recovered_vnd {total}") == everything


@trap(12)
def test_a_ratio_of_arrears_stands_over_the_plan_of_the_year_and_the_plan_beside_it(world: World, sent: Slices) -> None:
    plan_of_seed = _printed("collection_total", unit="million VND") / (_printed("collection_plan_completion") / 100)
    over_plan = 100 * _printed("arrears_total") / plan_of_seed
    assert round(over_plan, 2) == 3.83
    assert _printed("arrears_ratio_to_collection_plan") == 3.65

    principal = _sent(sent, "arrears", "24", "2021-10")["principal_vnd"].sum()
    plan = _target(sent, "24", "collection", until="2021-10-31")
    expected = 100 * principal / plan
    bands = "from bi.rpt_arrears_ageing where " + _at("24", "2021-10")
    naive = _one(
        world,
        f"select 100.0 * (select sum(principal_vnd) {bands}) / due_ytd_vnd from bi.rpt_collection"
        f" where insurance_group = 'total' and {_at('24', '2021-10')}",
    )

    assert float(naive) != pytest.approx(expected)
    assert float(_one(world, f"select sum(ratio_to_plan_pct) {bands}")) == pytest.approx(expected)
    assert _one(world, f"select sum(principal_vnd) {bands}") == principal
    assert world.query(f"select distinct plan_vnd {bands}") == [(plan,)]


@trap(34)
def test_arrears_hard_to_collect_are_in_one_ratio_and_not_in_the_other(world: World, sent: Slices) -> None:
    rows = _sent(sent, "arrears", "24", "2021-10")
    hard = rows.filter(pl.col("hard_to_collect").fill_null("none") != "none")["si_unit_code"].unique()
    is_hard = pl.col("si_unit_code").is_in(hard.implode())
    plan = _target(sent, "24", "collection", until="2021-10-31")
    expected = 100 * rows.filter(~is_hard)["principal_vnd"].sum() / plan
    bands = "from bi.rpt_arrears_ageing where " + _at("24", "2021-10")

    naive = _one(world, f"select sum(ratio_to_plan_pct) {bands}")

    assert float(naive) != pytest.approx(expected)
    assert float(_one(world, f"select sum(ratio_excluding_hard_to_collect_pct) {bands}")) == pytest.approx(expected)
    assert _one(world, f"select sum(hard_to_collect_vnd) {bands}") == rows.filter(is_hard)["principal_vnd"].sum()


@trap(32)
def test_a_national_rate_is_recomputed_from_sums(world: World, sent: Slices) -> None:
    heads, population = 0, 0
    for code in codes_on(dt.date(2021, 10, 1)):
        population += int(_reported(sent, code, "2021-10", "population")["value"])
        if ("province-" + code, "participants", "2021-10") in sent:
            heads += _heads(sent, code, "2021-10", "HI")
        else:
            heads += int(_reported(sent, code, "2021-10", "hi")["value"])
    expected = 100 * heads / population

    naive = _one(
        world,
        "select avg(hi_of_population_pct) from bi.rpt_coverage where geo_level = 'province' and month = '2021-10-01'",
    )

    assert float(naive) != pytest.approx(expected, rel=1e-6)
    shown = _one(world, "select hi_of_population_pct from bi.rpt_coverage where " + _at("national", "2021-10"))
    assert float(shown) == pytest.approx(expected)


# --- plans ------------------------------------------------------------------------------------------------------------


@trap(30)
def test_attainment_goes_by_the_plan_in_force_then_and_by_the_first(world: World, sent: Slices) -> None:
    first = _target(sent, "24", "si_compulsory", until="2021-10-31")
    revised = _target(sent, "24", "si_compulsory", until="2021-12-31")
    october, december = (_heads(sent, "24", month, "SI_C") for month in ("2021-10", "2021-12"))

    naive = _one(
        world,
        "select target_value from bi.fct_plan_target where indicator = 'si_compulsory' and year = 2021"
        " and assignee_code = '24' order by issued_date desc limit 1",
    )

    assert naive == revised != first
    columns = "plan, plan_first, attainment_pct::float, attainment_first_pct::float"
    (shown,) = world.query(_attained(columns, "si_compulsory", "24", "2021-10"))
    assert shown == (first, first, pytest.approx(100 * october / first), pytest.approx(100 * october / first))
    (shown,) = world.query(_attained(columns, "si_compulsory", "24", "2021-12"))
    assert shown == (revised, first, pytest.approx(100 * december / revised), pytest.approx(100 * december / first))


@trap(31)
def test_a_target_in_percent_is_met_by_the_ratio_and_is_no_countrys_target(world: World, sent: Slices) -> None:
    target = _target(sent, "46", "hi_coverage_pct", until="2021-10-31")
    ratio = 100 * _heads(sent, "46", "2021-10", "HI") / int(_reported(sent, "46", "2021-10", "population")["value"])
    expected = 100 * ratio / target

    naive = _one(world, _attained("100 * actual / plan", "hi", "46", "2021-10"))
    naive_country = _one(
        world,
        "select avg(plan) from bi.rpt_plan_attainment where indicator = 'hi_coverage_pct' and geo_level = 'province'"
        " and month = '2021-10-01'",
    )

    assert float(naive) != pytest.approx(expected)
    # the mean of two provinces' targets looks like a target of the country; nobody set one
    assert float(naive_country) == pytest.approx(
        (target + _target(sent, "01", "hi_coverage_pct", until="2021-10-31")) / 2
    )
    assert float(naive_country) != target
    (shown,) = world.query(_attained("target_kind, plan, attainment_pct::float", "hi_coverage_pct", "46", "2021-10"))
    assert shown == ("ratio", target, pytest.approx(expected))
    assert _one(world, _attained("target_kind", "hi", "46", "2021-10")) == "not_below"
    country = world.query(_attained("plan, attainment_pct", "hi_coverage_pct", "national", "2021-10"))
    assert country == [(None, None)]


# --- figures as reported ----------------------------------------------------------------------------------------------


@trap(10)
def test_a_misprinted_number_is_set_aside_and_not_read_as_another(tmp_path: Path) -> None:
    parts = ("collection_si_compulsory", "collection_si_voluntary", "collection_hi")
    expected = _printed("collection_total", unit="million VND") - sum(_printed(name) for name in parts)
    (printed,) = (row for row in _published() if row["indicator"] == "collection_ui")
    text = printed["verbatim_snippet"].removeprefix("unemployment insurance revenue: ").removesuffix(" million dong")

    naive = int(text.replace(",", ""))

    assert (text, naive) == ("230,0005", 2_300_005)
    assert naive != expected == 230_005
    day = dt.date(2021, 10, 31)
    receipt = _checked(
        tmp_path,
        reference_feeds.indicator("collection_ui", day, text, "dong", measure="ytd"),
        reference_feeds.indicator("collection_hi", day, "1094489", "dong", measure="ytd"),
    )
    (reject,) = receipt["rejects"]
    assert (reject["row"], reject["column"], reject["code"]) == (2, "value", "E-NUMBER")
    (counts,) = receipt["feeds"]
    assert (counts["rows"], counts["accepted"]) == (2, 1)


@trap(11)
def test_a_rounded_figure_agrees_within_its_own_rounding(world: World, sent: Slices) -> None:
    people = _sent(sent, "participants", "46", "2021-10").filter(pl.col("insurance_type") == "HI")
    groups = {"hi_household": ["GD"], "hi_students": ["HS", "SV"]}
    qualifiers = {"hi_household": "approx", "hi_students": "at_least"}
    for indicator, codes in groups.items():
        counted = people.filter(pl.col("hi_group").is_in(codes)).height
        printed = int(_reported(sent, "46", "2021-10", indicator)["value"])

        naive = printed == counted

        assert not naive
        assert world.query(
            "select reported, computed, qualifier, within_tolerance from bi.rpt_reported_vs_computed"
            f" where indicator = '{indicator}' and comparison = 'none' and {_at('46', '2021-10')}"
        ) == [(printed, counted, qualifiers[indicator], True)]


@trap(13)
def test_every_figure_of_a_report_keeps_its_own_cut_off(world: World, sent: Slices) -> None:
    given = _relief(sent).filter(
        (pl.col("policy") == "R68_OAD") & (pl.col("status") == "settled") & (pl.col("scenario") == "actual")
    )
    by_date = dict(given.select("cut_off_date", "amount_vnd").rows())
    of_report = sent["province-46", "policy_relief", "2021-10"].as_of_date
    assert len(by_date) == 2

    naive = _one(
        world,
        "select sum(amount_vnd) from bi.fct_policy_relief where policy = 'R68_OAD' and status = 'settled'"
        f" and scenario = 'actual' and {_at('46', '2021-10')}",
    )

    assert naive == sum(by_date.values()) != by_date[of_report]
    for day, amount in by_date.items():
        shown = world.query(f"select settled_amount_vnd, as_of_date {_relief_of('R68_OAD', day)}")
        assert shown == [(amount, day)]


@trap(37)
def test_an_event_is_dated_by_its_day_and_a_figure_by_its_cut_off(world: World, sent: Slices) -> None:
    dates = [
        next(row["value"] for row in _published() if row["indicator"] == name)
        for name in ("publication_datetime", "meeting_date", "participants_cutoff")
    ]
    assert sorted({value[:10] for value in dates}) == ["2021-10-31", "2021-11-04", "2021-11-14"]

    months = ("2021-09", "2021-10", "2021-12")
    held, came = {}, {}
    for month in months:
        one = sent["province-01", "outreach", month]
        held[month] = one.frame.filter(pl.col("held_on").dt.strftime("%Y-%m") == month).height
        came[f"{one.received_at:%Y-%m}"] = one.frame.height
    listed = ", ".join(f"'{sent['province-01', 'outreach', month].submission_id}'" for month in months)

    naive = world.query(
        "select to_char(arrival.received_at at time zone 'Asia/Ho_Chi_Minh', 'YYYY-MM'), count(*)"
        " from bi.fct_outreach as event inner join bi.rpt_completeness as arrival"
        " on arrival.submission_id = event.submission_id and arrival.feed = 'outreach'"
        f" where event.submission_id in ({listed}) group by 1"
    )

    assert dict(naive) == came != held
    shown = world.query(
        "select to_char(month, 'YYYY-MM'), count(*), min(as_of_date) from bi.fct_outreach"
        f" where submission_id in ({listed}) group by 1"
    )
    assert {month: (count, as_of) for month, count, as_of in shown} == {
        month: (held[month], sent["province-01", "outreach", month].as_of_date) for month in months
    }


@trap(38)
def test_a_policy_is_known_by_its_code_and_not_by_how_its_document_is_called(
    world: World, sent: Slices, tmp_path: Path
) -> None:
    (misnamed,) = (row for row in _published() if "CHECK FAILS on the suffix" in row["note"])
    assert "116/NQ-TW" in misnamed["verbatim_snippet"]
    paid = _relief(sent).filter(
        pl.col("policy").str.starts_with("R116") & (pl.col("cut_off_date") == dt.date(2021, 10, 31))
    )["amount_vnd"]
    query = (
        "select sum(relief.amount_vnd) from bi.fct_policy_relief as relief"
        " inner join bi.dim_policy as policy on policy.policy = relief.policy"
        " where relief.province_code = '46' and relief.cut_off_date = '2021-10-31' and relief.scenario = 'actual'"
    )

    naive = _one(world, f"{query} and policy.basis like '%116/NQ-TW%'")

    assert naive is None
    assert _one(world, f"{query} and policy.policy like 'R116%'") == paid.sum() > 0
    unknown_name = {
        "policy": "116/NQ-TW", "beneficiary": "unsplit", "status": "approved", "scenario": "actual",
        "cut_off_date": "2021-10-31", "persons": "118992",
    }  # fmt: skip
    receipt = _checked(tmp_path, {**unknown_name, "policy": "R116_CASH"}, unknown_name, feed_name="policy_relief")
    assert [(each["row"], each["column"], each["code"]) for each in receipt["rejects"]] == [(3, "policy", "E-ENUM")]


# --- relief -----------------------------------------------------------------------------------------------------------


@trap(14)
def test_approved_and_paid_are_not_added_up(world: World, sent: Slices) -> None:
    october = dt.date(2021, 10, 31)
    cash = _relief(sent).filter((pl.col("policy") == "R116_CASH") & (pl.col("cut_off_date") == october))
    persons = dict(cash.select("status", "persons").rows())

    naive = _one(
        world,
        "select sum(persons) from bi.fct_policy_relief where policy = 'R116_CASH' and province_code = '46'"
        f" and beneficiary = 'unsplit' and cut_off_date = '{october}' and month = '2021-10-01'",
    )

    assert naive == sum(persons.values())
    assert naive not in persons.values()
    shown = world.query(f"select approved_persons, settled_persons, paid_persons {_relief_of('R116_CASH', october)}")
    assert shown == [(persons["approved"], persons.get("settled"), persons["paid"])]


@trap(15)
def test_a_forecast_is_not_added_to_what_was_given(world: World, sent: Slices) -> None:
    end = dt.date(2021, 10, 31)
    rows = _relief(sent).filter((pl.col("policy") == "R68_OAD") & (pl.col("status") == "settled"))
    actual = rows.filter((pl.col("scenario") == "actual") & (pl.col("cut_off_date") == end))["amount_vnd"].sum()
    forecast = rows.filter(pl.col("scenario") == "forecast")["amount_vnd"].sum()

    naive = _one(
        world,
        "select sum(amount_vnd) from bi.fct_policy_relief where policy = 'R68_OAD' and status = 'settled'"
        f" and cut_off_date >= '{end}' and {_at('46', '2021-10')}",
    )

    assert naive == actual + forecast != actual
    assert _one(world, f"select settled_amount_vnd {_relief_of('R68_OAD', end)}") == actual
    expected = _one(
        world,
        "select settled_amount_vnd from bi.rpt_relief where policy = 'R68_OAD' and province_code = '46'"
        " and scenario = 'forecast'",
    )
    assert expected == forecast


@trap(16)
def test_what_is_only_put_off_is_no_revenue_forgone(world: World, sent: Slices) -> None:
    granted = _relief(sent).filter(
        (pl.col("scenario") == "actual")
        & (pl.col("beneficiary") == "unit")
        & pl.col("status").is_in(["approved", "settled"])
        & (pl.col("cut_off_date") == dt.date(2021, 10, 31))
    )
    forgone = granted.filter(pl.col("policy").is_in(["R68_OAD", "R116_UI_RATE"]))["amount_vnd"].sum()
    query = (
        "select sum(relief.amount_vnd) from bi.fct_policy_relief as relief"
        " inner join bi.dim_policy as policy on policy.policy = relief.policy"
        " where relief.province_code = '46' and relief.month = '2021-10-01' and relief.cut_off_date = '2021-10-31'"
        " and relief.scenario = 'actual' and relief.beneficiary = 'unit' and relief.status in ('approved', 'settled')"
    )

    naive = _one(world, query)

    assert naive == granted["amount_vnd"].sum() != forgone
    assert _one(world, f"{query} and policy.policy_kind = 'rate_cut'") == forgone
    assert _one(world, f"{query} and policy.policy_kind = 'deferral'") == granted["amount_vnd"].sum() - forgone


# --- contributions and arrears ----------------------------------------------------------------------------------------


@trap(17)
def test_a_rate_goes_by_the_month_owed_for_and_by_who_pays(world: World, sent: Slices) -> None:
    # the first file of the year to date: what the file of September had not posted is posted in October
    posted = pl.col("fund").is_in(["UI", "OAD"]) & pl.col("wage_fund_vnd").is_not_null()
    known = _sent(sent, "contributions", "24", "2021-09").select("payer_code", "fund", "liability_month")
    rows = _sent(sent, "contributions", "24", "2021-10").filter(posted).join(known, on=known.columns, how="anti")
    types = dict(_sent(sent, "employers", "24", "2021-10").select("si_unit_code", "unit_type").rows())
    october = dt.date(2021, 10, 1)
    right, naive = {}, {}
    for payer, fund, owed_for, wages in rows.select(*known.columns, "wage_fund_vnd").iter_rows():
        key = (payer, fund, owed_for)
        right[key] = (wages * _tenths_of_percent(fund, owed_for, types[payer]) + 500) // 1000
        naive[key] = (wages * _tenths_of_percent(fund, october, "private") + 500) // 1000
    shown = {
        (payer, fund, owed_for): due
        for payer, fund, owed_for, due in world.query(
            "select payer_code, fund, liability_month, expected_due_vnd from bi.fct_contribution where "
            + _at("24", "2021-10")
        )
    }

    assert sent["province-24", "contributions", "2021-10"].basis == "ytd"
    assert {fund for _, fund, _ in right} == {"UI", "OAD"}
    assert sum(naive.values()) != sum(right.values())
    assert any(naive[key] != right[key] for key in right if key[2] == october), "no unit is paid by the budget"
    assert {key: shown.get(key) for key in right} == right


@trap(18)
def test_what_is_declared_late_is_posted_now_and_what_was_published_stays(world: World, sent: Slices) -> None:
    first = world.sent(1)
    before, after = (_paid(each, "24", "2021-11") - _paid(each, "24", "2021-10") for each in (first, sent))
    total = "select collected_month_vnd from bi.rpt_collection where insurance_group = 'total' and "
    november = total + _at("24", "2021-11")

    naive = _one(world, november)

    assert naive == after != before
    assert _one(world, november, publication=1) == before
    assert sent["province-24", "contributions", "2021-11"].version == 2

    # October's money in Hue is what October posted, and not what is owed for October
    october = dt.date(2021, 10, 1)
    paid = _paid(sent, "46", "2021-10")
    for_october = sum(
        int(one.frame.filter(pl.col("liability_month") == october)["paid_vnd"].sum())
        for one in feed(sent, "contributions")
        if one.province == "46"
    )
    by_liability = _one(
        world,
        "select sum(paid_vnd) from bi.fct_contribution where province_code = '46' and liability_month = '2021-10-01'",
    )
    assert by_liability == for_october != paid
    assert _one(world, total + _at("46", "2021-10")) == paid


@trap(28)
def test_a_later_due_date_is_no_payment(world: World, sent: Slices) -> None:
    june, july = dt.date(2025, 6, 1), dt.date(2025, 7, 1)
    owed = {
        june: pl.concat(_sent(sent, "arrears", code, "2025-06") for code in predecessors("24")),
        july: _sent(sent, "arrears", "24", "2025-07"),
    }
    principal, overdue = (
        {month: frame[name].sum() for month, frame in owed.items()} for name in ("principal_vnd", "overdue_vnd")
    )

    sums = {
        month: (unpaid, late)
        for month, unpaid, late in world.query(
            "select month, sum(principal_vnd), sum(overdue_vnd) from bi.rpt_arrears_ageing"
            " where current_province_code = '24' and month in ('2025-06-01', '2025-07-01') group by month"
        )
    }
    naive = sums[july][1] / sums[june][1]
    expected = principal[july] / principal[june]

    assert float(naive) == pytest.approx(overdue[july] / overdue[june])
    assert float(naive) < 0.95 * expected
    assert sums == {month: (principal[month], overdue[month]) for month in owed}
    regimes = world.query(
        "select distinct month, legal_regime from bi.fct_arrears where current_province_code = '24'"
        " and month in ('2025-06-01', '2025-07-01') order by month"
    )
    assert regimes == [(june, "until_2025_06"), (july, "from_2025_07")]


@trap(29)
def test_late_and_evaded_are_two_classes_with_a_clock_of_60_days(world: World, sent: Slices) -> None:
    expected: dict[str, int] = {}
    for code in ("01", "24", "25", "46"):
        for row in _sent(sent, "arrears", code, "2025-08").iter_rows(named=True):
            name = _class_of(row["oldest_month"], row["urged_on"], month_end(dt.date(2025, 8, 1)))
            expected[name] = expected.get(name, 0) + 1

    naive = _one(world, "select count(*) from bi.fct_arrears where month = '2025-08-01' and overdue_vnd > 0")

    assert set(expected) == {"late", "evasion", "unknown"}
    assert naive != expected["evasion"]
    shown = dict(
        world.query("select arrears_class, count(*) from bi.fct_arrears where month = '2025-08-01' group by 1")
    )
    assert shown == expected
    before = world.query("select distinct arrears_class from bi.fct_arrears where month < '2025-07-01'")
    assert before == [(None,)]


@trap(33)
def test_agents_and_facilities_are_no_employers(world: World, sent: Slices) -> None:
    cases = _sent(sent, "inspections", "26", "2021-12").filter(pl.col("decision_date").dt.year() == 2021)
    of_year = "from bi.fct_inspection where province_code = '26' and extract(year from decision_date) = 2021"

    naive = _one(world, f"select count(*) {of_year}")

    employers = cases.filter(pl.col("entity_kind") == "employer").height
    assert naive == cases.height != employers
    assert _one(world, f"select count(*) {of_year} and entity_kind = 'employer'") == employers

    active = _sent(sent, "employers", "26", "2021-10").filter(pl.col("status") == "active").height
    payers = _one(world, "select count(distinct payer_code) from bi.fct_contribution where " + _at("26", "2021-10"))
    assert payers == _sent(sent, "contributions", "26", "2021-10")["payer_code"].n_unique() != active
    assert _figure(world, "units_managed", "26", "2021-10") == active


@trap(35)
def test_interest_is_no_collection_and_a_refund_is_negative(world: World, sent: Slices) -> None:
    months = ("2021-11", "2021-12")
    key = ["payer_kind", "payer_code", "fund", "liability_month"]
    before, now = (_sent(sent, "contributions", "24", month) for month in months)
    both = now.join(before, on=key, how="full", coalesce=True, suffix="_before")
    change = pl.col("paid_vnd").fill_null(0) - pl.col("paid_vnd_before").fill_null(0)
    posted = both.select(change.alias("paid"))["paid"]
    expected = now["paid_vnd"].sum() - before["paid_vnd"].sum()
    interest = now["interest_paid_vnd"].sum()

    naive_interest = _one(
        world,
        "select sum(paid_vnd + interest_paid_vnd) from bi.fct_contribution where " + _at("24", "2021-12"),
    )
    naive_refund = _one(
        world, "select sum(greatest(paid_vnd, 0)) from bi.fct_contribution where " + _at("24", "2021-12")
    )

    assert posted.min() < 0
    assert naive_interest == expected + interest - before["interest_paid_vnd"].sum() != expected
    assert naive_refund == posted.clip(lower_bound=0).sum() != expected
    shown = world.query(
        "select collected_month_vnd, interest_collected_vnd from bi.rpt_collection"
        f" where insurance_group = 'total' and {_at('24', '2021-12')}"
    )
    assert shown == [(expected, interest)]


# --- places -----------------------------------------------------------------------------------------------------------


@trap(24)
def test_a_code_means_one_province_before_the_merger_and_another_since(world: World, sent: Slices) -> None:
    with (REFERENCE / "province_succession.csv").open(encoding="utf-8", newline="") as stream:
        names = {row["code_until_2025_06_30"]: row["name_until_2025_06_30"] for row in csv.DictReader(stream)}
    rows = "from bi.rpt_plan_attainment as figure inner join bi.dim_province as province"
    only = "where figure.indicator = 'hi' and figure.province_code = '24' and figure.month = '2021-10-01'"

    on_code = f"{rows} on province.province_code = figure.province_code"
    naive = world.query(f"select province.name_vi {on_code} {only} and province.is_current")

    shown = world.query(f"select province.name_vi {rows} on province.province_key = figure.province_key {only}")
    assert len(naive) == len(shown) == 1
    assert shown == [(names["24"],)]
    assert naive != shown
    assert len(world.query(f"select 1 {on_code} {only}")) > 1

    june = {code: _heads(sent, code, "2025-06", "HI") for code in predecessors("24")}
    naive_base = _figure(world, "hi", "24", "2025-06")
    assert naive_base == june["24"] != sum(june.values())
    assert _one(world, _attained("value_previous_month", "hi", "24", "2025-07")) == sum(june.values())
    reused = {"15", "24", "44", "52", "80", "82", "91"}
    marked = world.query("select distinct province_code from bi.dim_province where is_code_reused")
    assert {code for (code,) in marked} == reused


@trap(25)
def test_a_province_is_summed_by_who_sent_and_a_commune_stays_as_it_was(world: World, sent: Slices) -> None:
    homes = {
        commune: one.province
        for one in feed(sent, "participants")
        if one.period == "2021-09"
        for commune in one.frame["commune_code"].drop_nulls().unique()
    }
    for_provinces = pl.concat(
        _sent(sent, "participants", code, "2021-12").filter(pl.col("insurance_type") == "HI")
        for code in ("24", "46", "26", "01")
    )
    by_commune = for_provinces["commune_code"].replace_strict(homes, default=None)
    listed = ", ".join(f"('{commune}', '{code}')" for commune, code in sorted(homes.items()))

    naive = _one(
        world,
        f"select count(*) from bi.fct_participation as person inner join (values {listed}) as home (commune, province)"
        " on home.commune = person.commune_code where person.month = '2021-12-01' and person.insurance_type = 'HI'"
        " and home.province = '46'",
    )
    expected = _heads(sent, "46", "2021-12", "HI")

    assert naive == by_commune.eq("46").sum() != expected
    assert _figure(world, "hi", "46", "2021-12") == expected
    communes = _sent(sent, "participants", "46", "2021-12").filter(pl.col("insurance_type") == "HI")
    shown = dict(
        world.query(
            "select commune_code, count(*) from bi.fct_participation where insurance_type = 'HI'"
            f" and {_at('46', '2021-12')} group by commune_code"
        )
    )
    assert shown == dict(communes.group_by("commune_code").len().rows())

    # the same code stands on both maps, and where people moved also in two provinces of one
    places = (
        "select count(*) from bi.fct_participation as person inner join bi.dim_locality as place"
        " on place.commune_code = person.commune_code {} where person.insurance_type = 'HI'"
        " and person.province_code = '46' and person.month = '2021-12-01'"
    )
    with_commune = communes["commune_code"].drop_nulls().len()
    assert _one(world, places.format("")) > with_commune
    assert _one(world, places.format("and place.territory_key = person.territory_key")) == with_commune
    columns = world.query(
        "select column_name from information_schema.columns where table_schema = 'bi' and table_name = 'dim_locality'"
    )
    assert not [name for (name,) in columns if "commune" in str(name) and name != "commune_code"], "a successor"


@trap(26)
def test_a_typo_of_the_official_list_gives_no_province_two_successors(world: World, sent: Slices) -> None:
    reported = {
        code: (
            _heads(sent, code, "2021-10", "HI")
            if ("province-" + code, "participants", "2021-10") in sent
            else int(_reported(sent, code, "2021-10", "hi")["value"])
        )
        for code in codes_on(dt.date(2021, 10, 1))
    }
    # commune 27691 of Tan An stands under Tien Giang in the official list
    with_typo = [*successors().items(), ("82", "80")]
    listed = ", ".join(f"('{old}', '{new}')" for old, new in with_typo)
    figures = "from bi.rpt_plan_attainment as figure"
    only = "figure.indicator = 'hi' and figure.month = '2021-10-01' and figure.geo_level = 'province'"

    naive = _one(
        world,
        f"select sum(figure.actual) {figures} inner join (values {listed}) as became (old, new)"
        f" on became.old = figure.province_code where {only}",
    )

    assert naive == sum(reported.values()) + reported["82"]
    expected: dict[str, int] = {}
    for code, heads in reported.items():
        new = current_code(code, dt.date(2021, 10, 1))
        expected[new] = expected.get(new, 0) + heads
    shown = world.query(f"select current_province_code, sum(actual) {figures} where {only} group by 1")
    assert dict(shown) == expected
    assert sum(expected.values()) == sum(reported.values()) == _figure(world, "hi", "national", "2021-10")
    old_map = world.query(
        "select province_code, count(distinct current_province_code), min(current_province_code)"
        " from bi.dim_province where vintage = '63' group by 1"
    )
    assert len(old_map) == 63
    assert {code: (count, new) for code, count, new in old_map} == {old: (1, new) for old, new in successors().items()}


@trap(27)
def test_where_a_number_was_issued_is_not_where_a_person_is_insured(world: World, sent: Slices) -> None:
    everybody = pl.concat(
        one.frame.select("si_number", "personal_id", "insurance_type")
        for one in feed(sent, "participants")
        if one.period == "2021-12"
    ).filter(pl.col("insurance_type") == "SI_C")
    expected = _heads(sent, "46", "2021-12", "SI_C")

    naive = everybody.filter(pl.col("si_number").str.slice(0, 2) == "46").height
    naive_of_birth = everybody.filter(pl.col("personal_id").str.slice(0, 3) == "046").height

    assert naive != expected
    assert naive_of_birth != expected
    assert _figure(world, "si_compulsory", "46", "2021-12") == expected
    # nobody who reads bi can take a residence from a number: there is none
    columns = world.query("select distinct column_name from information_schema.columns where table_schema = 'bi'")
    assert not {"si_number", "personal_id", "card_no"} & {name for (name,) in columns}


@trap(39)
def test_a_wage_region_is_the_units_own_and_no_other_region(world: World, sent: Slices) -> None:
    # Vietnamese dong a month from 2020-01-01 (Decree 90/2019/ND-CP), by region of wages
    minimum = {"1": 4_420_000, "2": 3_920_000, "3": 3_430_000, "4": 3_070_000}
    covid = next(row["value"] for row in _published() if row["indicator"] == "covid_risk_region_codes")
    units = _sent(sent, "employers", "26", "2021-10")
    expected = sum(minimum[region] for region in units["wage_region"])
    query = (
        "select sum(parameter.value) from bi.dim_employer as unit inner join bi.dim_legal_parameter as parameter"
        " on parameter.parameter = 'regional_minimum_wage'"
        " and '2021-10-01' >= parameter.valid_from and '2021-10-01' < parameter.valid_to"
        " where unit.province_code = '26' and '2021-10-01' >= unit.valid_from and '2021-10-01' < unit.valid_to"
        " and not unit.is_inferred"
    )

    naive = _one(world, f"{query} and parameter.wage_region = '{covid}'")

    assert naive == minimum[covid] * units.height != expected
    assert _one(world, f"{query} and parameter.wage_region = unit.wage_region") == expected
    columns = world.query("select distinct column_name from information_schema.columns where table_schema = 'bi'")
    assert not {"region", "region_code", "zone"} & {name for (name,) in columns}


# --- the catalogue ----------------------------------------------------------------------------------------------------


def test_the_catalogue_has_the_45_traps_in_order() -> None:
    rows = traps()

    assert [row.number for row in rows] == list(range(1, 46))
    assert [row.number for row in rows if not (row.title and row.naive and row.guard)] == []
    assert [row.number for row in rows if row.where != "test" and not row.note] == []


def test_every_trap_that_a_feed_can_show_has_a_test() -> None:
    assert unproved(traps(), proofs()) == []


def test_no_test_names_a_trap_that_is_none() -> None:
    assert unknown(traps(), proofs()) == {}


def test_the_page_of_traps_is_what_the_catalogue_and_the_tests_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(traps(), proofs()), "run `make docs`"


def test_a_trap_without_a_test_is_an_error_unless_it_lies_elsewhere() -> None:
    here, elsewhere = Trap(1, "a", "b", "c", "test", ""), Trap(2, "a", "b", "c", "no feed", "d")
    assert unproved([here, elsewhere], []) == [1]
    (proof,) = proofs_of("@trap(1, 3)\ndef test_a_head(x):\n    pass\ndef test_b():\n    pass\n", "test_x.py")
    assert proof == Proof("test_x.py", "test_a_head", ("1", "3"), ())
    assert unproved([here, elsewhere], [proof]) == []
    assert unknown([here, elsewhere], [proof]) == {"3": "test_x.py::test_a_head"}


def test_a_number_that_is_not_written_out_is_refused() -> None:
    with pytest.raises(ValueError, match=r"test_x\.py::test_a"):
        list(proofs_of("@trap(*NUMBERS)\ndef test_a():\n    pass\n", "test_x.py"))


# --- what was sent, what was printed, what is shown -------------------------------------------------------------------


def _sent(sent: Slices, name: str, code: str, period: str) -> pl.DataFrame:
    return sent[f"province-{code}", name, period].frame


def _heads(sent: Slices, code: str, period: str, *types: str) -> int:
    return _sent(sent, "participants", code, period).filter(pl.col("insurance_type").is_in(types)).height


def _compulsory(sent: Slices, period: str) -> dict[str, set[str]]:
    """By province the persons in compulsory insurance."""
    return {
        str(one.province): set(one.frame.filter(pl.col("insurance_type") == "SI_C")["si_number"])
        for one in feed(sent, "participants")
        if one.period == period
    }


def _entered(code: str, *, before: dict[str, set[str]], now: dict[str, set[str]]) -> tuple[int, int]:
    """Who is in a province now and was not before: those who are nowhere else then or now, and those who are."""
    entered = now[code] - before[code]
    elsewhere = {person for each in (before, now) for other in each if other != code for person in each[other]}
    return len(entered - elsewhere), len(entered & elsewhere)


def _persons(sent: Slices, code: str, period: str, benefit: str) -> int:
    return int(_sent(sent, "benefits", code, period).filter(pl.col("benefit_type") == benefit)["persons"].item())


def _paid(sent: Slices, code: str, period: str) -> int:
    return int(_sent(sent, "contributions", code, period)["paid_vnd"].sum())


def _relief(sent: Slices) -> pl.DataFrame:
    """Relief in Hue as its report of October 2021 tells it."""
    return _sent(sent, "policy_relief", "46", "2021-10")


def _reported(sent: Slices, code: str, period: str, indicator: str) -> dict[str, Any]:
    (row,) = _sent(sent, "indicators", code, period).filter(pl.col("indicator") == indicator).iter_rows(named=True)
    return row


def _target(sent: Slices, code: str, indicator: str, *, until: str) -> float:
    """The target of 2021 that headquarters issued last up to a day."""
    rows = pl.concat(one.frame for one in feed(sent, "plan_targets")).filter(
        (pl.col("assignee_code") == code)
        & (pl.col("indicator") == indicator)
        & (pl.col("year") == 2021)
        & (pl.col("issued_date") <= dt.date.fromisoformat(until))
        & (pl.col("issuer").fill_null("vss") == "vss")
        & pl.col("from_month").is_null()
    )
    return float(rows.sort("issued_date")["target_value"].to_list()[-1])


def _tenths_of_percent(fund: str, month: dt.date, unit_type: str) -> int:
    """Employer and employee together (domain: Resolutions 68 and 116, by financing and not by ownership)."""
    is_cut = unit_type not in ("state_body", "armed_forces", "public_budget")
    if fund == "OAD":
        return 0 if is_cut and dt.date(2021, 7, 1) <= month < dt.date(2022, 7, 1) else 5
    return 10 if is_cut and dt.date(2021, 10, 1) <= month < dt.date(2022, 10, 1) else 20


def _class_of(oldest: dt.date | None, urged_on: dt.date | None, end: dt.date) -> str:
    """Since July 2025: evasion is more than 60 days after the due date and urged."""
    if urged_on is None:
        return "unknown"
    if oldest is None:
        return "late"
    # owed until June 2025: due on the month's last day; since then on the next month's
    due = month_end(oldest) if oldest < MERGER else month_end(_month_after(oldest))
    return "evasion" if (end - due).days > 60 else "late"


def _month_after(month: dt.date) -> dt.date:
    return month_end(month) + dt.timedelta(days=1)


def _published() -> Iterable[dict[str, str]]:
    """The figures of Vinh Phuc's report, as listed."""
    with (REFERENCE / "published_figures.csv").open(encoding="utf-8", newline="") as stream:
        yield from (row for row in csv.DictReader(stream) if row["seed_file"].startswith("001"))


def _printed(indicator: str, *, unit: str | None = None) -> float:
    (value,) = {
        float(row["value"]) for row in _published() if row["indicator"] == indicator and unit in (None, row["unit"])
    }
    return value


def _at(code: str, period: str) -> str:
    return f"province_code = '{code}' and month = '{period}-01'"


def _attained(columns: str, indicator: str, code: str, period: str) -> str:
    return f"select {columns} from bi.rpt_plan_attainment where indicator = '{indicator}' and {_at(code, period)}"


def _relief_of(policy: str, day: dt.date) -> str:
    return (
        f"from bi.rpt_relief where policy = '{policy}' and province_code = '46' and scenario = 'actual'"
        f" and cut_off_date = '{day}'"
    )


def _one(world: World, query: str, publication: int = 2) -> Any:
    ((value,),) = world.query(query, publication)
    return value


def _figure(world: World, indicator: str, code: str, period: str) -> Any:
    return _one(world, _attained("actual", indicator, code, period))


def _checked(folder: Path, *rows: dict[str, object], feed_name: str = "indicators") -> dict[str, Any]:
    """What the warehouse says of a file of Vinh Phuc with these rows."""
    submission = Submission(
        sender="province-26",
        submission_id="p26-2021-10-v1",
        period="2021-10",
        as_of=dt.date(2021, 10, 31),
        created_at=at(dt.date(2021, 11, 3), 8),
        feeds={feed_name: pl.DataFrame(rows, infer_schema_length=None)},
        received_at=at(dt.date(2021, 11, 4), 8),
    )
    return check_folder(write(folder, submission))
