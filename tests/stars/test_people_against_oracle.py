"""Head counts, units, coverage and completeness of `bi` against the same computed from the files as sent.

Both publications of the small world, every row of every relation; what is computed stands in `oracle_people`.
"""

from __future__ import annotations

import datetime as dt
import functools

import oracle_people as oracle
import polars as pl
import pytest
from sent_files import MERGER, Sent, in_force, month_before, read_inbox
from shown import World, differences
from world import UNKNOWN_UNIT

publications = pytest.mark.parametrize("publication", [1, 2])
# each fact about a unit: which column names the unit, and which rows do
UNIT_FACTS = {
    "fct_participation": None,
    "fct_arrears": ("si_unit_code", pl.lit(True)),
    "fct_contribution": ("payer_code", pl.col("payer_kind") == "employer"),
    "fct_inspection": ("entity_code", pl.col("entity_kind") == "employer"),
}


@functools.cache
def _everything(world: World, publication: int) -> tuple[Sent, ...]:
    return tuple(read_inbox(folder for stage in world.stages[:publication] for folder in stage.folders))


@functools.cache
def _slices(world: World, publication: int) -> oracle.Slices:
    return in_force(_everything(world, publication))


def _with_vintage(world: World, publication: int, frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with the map its province is of: a case decided before the merger may stand in a list sent after it."""
    maps = _shown(world, "dim_province", publication).select("territory_key", "vintage").unique()
    return frame.join(maps, on="territory_key", how="left", validate="m:1")


@functools.cache
def _shown(world: World, relation: str, publication: int) -> pl.DataFrame:
    return world.shown(relation, publication)


@functools.cache
def _units(world: World, publication: int) -> pl.DataFrame:
    return _with_vintage(world, publication, _shown(world, "dim_employer", publication))


@functools.cache
def _keyed_participation(world: World, publication: int) -> pl.DataFrame:
    """fct_participation with the SI number and the unit code of the row it was made of."""
    sent = oracle.participation(_slices(world, publication))
    return _shown(world, "fct_participation", publication).join(
        sent.select("submission_id", "row_no", "si_number", "si_unit_code", "sex", "birth_date"),
        on=["submission_id", "row_no"],
        how="inner",
        validate="1:1",
    )


@functools.cache
def _facts_about_units(world: World, publication: int) -> pl.DataFrame:
    """Every fact that is about a unit: relation, month, province_code, si_unit_code and the two keys it shows.

    province_code is that of the territory: a case decided before the merger has the code of the list that names it.
    """
    found = []
    for relation, rule in UNIT_FACTS.items():
        if rule is None:
            frame = _keyed_participation(world, publication).filter(pl.col("si_unit_code").is_not_null())
        else:
            frame = (
                _shown(world, relation, publication)
                .filter(rule[1])
                .with_columns(si_unit_code=pl.col(rule[0]), province_code=pl.col("territory_key").str.slice(3))
            )
        assert frame.height > 0, relation
        columns = ["month", "territory_key", "province_code", "si_unit_code", "employer_key", "employer_id"]
        found.append(frame.select(pl.lit(relation).alias("relation"), *columns))
    return _with_vintage(world, publication, pl.concat(found))


@publications
def test_every_row_of_a_person_is_shown_as_it_was_sent(world: World, publication: int) -> None:
    expected = oracle.participation(_slices(world, publication)).select(
        "submission_id", "row_no", "month", "province_code", "current_province_code", "insurance_type", "hi_group",
        "wage_base_vnd", "from_month", "commune_code", "office_code", "collector_code", "as_of_date",
    )  # fmt: skip

    shown = _shown(world, "fct_participation", publication)

    assert shown.height > 90_000
    assert differences(shown, expected, on=["submission_id", "row_no"]) == []


@publications
def test_a_participant_is_one_si_number_in_all_months_and_provinces(world: World, publication: int) -> None:
    pairs = _keyed_participation(world, publication).select("participant_key", "si_number", "province_code").unique()

    assert pairs.filter(pl.col("participant_key").is_null()).is_empty()
    persons = pairs.select("participant_key", "si_number").unique()
    assert persons.height == persons["participant_key"].n_unique() == persons["si_number"].n_unique()
    # the world has persons who stand in several provinces
    assert pairs.height > persons.height


@publications
def test_a_person_is_described_once_as_in_the_latest_month(world: World, publication: int) -> None:
    keys = _keyed_participation(world, publication).select("participant_key", "si_number").unique()
    expected = oracle.persons(_slices(world, publication)).join(keys, on="si_number", how="left").drop("si_number")

    shown = _shown(world, "dim_participant", publication)

    assert shown.height > 8_000
    assert differences(shown, expected, on=["participant_key"]) == []


@publications
def test_a_version_of_a_unit_is_a_run_of_its_attributes(world: World, publication: int) -> None:
    expected = oracle.employer_versions(_slices(world, publication))
    # a household business bears its owner's name and number; neither may be shown
    is_person = (pl.col("unit_type") == "household") | (pl.col("tax_code").str.len_chars() == 12)
    names = expected.filter(is_person).select("name", "tax_code")
    masked = [pl.when(~is_person).then(pl.col(name)).alias(name) for name in ("name", "tax_code")]

    shown = _units(world, publication).filter(~pl.col("is_inferred"))

    assert expected.select(oracle.UNIT).is_duplicated().any(), "no unit of this world changes"
    assert shown.filter(pl.col("name").is_in(names["name"].implode())).is_empty()
    assert shown.filter(pl.col("tax_code").is_in(names["tax_code"].drop_nulls().implode())).is_empty()
    is_shown_masked = (pl.col("unit_type") == "household") | pl.col("tax_code").str.starts_with("P-")
    cleared = [pl.when(~is_shown_masked).then(pl.col(name)).alias(name) for name in ("name", "tax_code")]
    key = [*oracle.UNIT, "valid_from"]
    assert differences(shown.with_columns(cleared), expected.with_columns(masked), on=key) == []
    is_open = pl.col("valid_to").is_null()
    assert shown.filter(pl.col("is_current") != is_open).is_empty()


@publications
def test_versions_of_a_unit_do_not_overlap_and_keep_its_id(world: World, publication: int) -> None:
    shown = _units(world, publication).sort(*oracle.UNIT, "valid_from")

    ordered = shown.with_columns(next_from=pl.col("valid_from").shift(-1).over(oracle.UNIT))
    until = pl.col("valid_to").fill_null(dt.date(9999, 1, 1))
    assert ordered.filter(pl.col("next_from").is_not_null() & (until > pl.col("next_from"))).is_empty()
    assert ordered.filter(until <= pl.col("valid_from")).is_empty()
    assert shown["employer_key"].is_unique().all()
    ids = shown.select(*oracle.UNIT, "employer_id").unique()
    assert ids.height == ids["employer_id"].n_unique() == ids.select(oracle.UNIT).n_unique()


@publications
def test_every_fact_about_a_unit_holds_its_version_of_the_month(world: World, publication: int) -> None:
    listed = oracle.first_listed(_slices(world, publication))
    facts = _facts_about_units(world, publication).join(listed, on=oracle.UNIT, how="left")
    units = _units(world, publication).with_columns(first_from=pl.col("valid_from").min().over(oracle.UNIT))

    without_key = facts.filter(pl.col("employer_key").is_null() | pl.col("employer_id").is_null())
    assert sorted(without_key.group_by("relation", *oracle.UNIT).len().rows()) == []
    found = facts.join(units, on="employer_key", how="left", suffix="_unit")
    is_unit = pl.all_horizontal(pl.col(name) == pl.col(f"{name}_unit") for name in (*oracle.UNIT, "employer_id"))
    is_in_force = (pl.col("valid_from") <= pl.col("month")) & (
        pl.col("month") < pl.col("valid_to").fill_null(dt.date(9999, 1, 1))
    )
    # a case decided before the unit stood on a list holds the earliest that is known of the unit
    is_earliest = (pl.col("month") < pl.col("first_listed")) & (pl.col("valid_from") == pl.col("first_from"))
    is_right = is_unit & (is_in_force | is_earliest.fill_null(False))
    assert found.filter(~is_right.fill_null(False)).head(5).rows() == []
    without_unit = _keyed_participation(world, publication).filter(pl.col("si_unit_code").is_null())
    assert without_unit.height > 0
    assert without_unit["employer_key"].is_null().all()


@publications
def test_a_unit_on_no_list_yet_is_inferred_and_says_so(world: World, publication: int) -> None:
    listed = oracle.first_listed(_slices(world, publication))
    facts = _facts_about_units(world, publication).join(listed, on=oracle.UNIT, how="left")
    never = facts.filter(pl.col("first_listed").is_null())
    not_yet = facts.filter(pl.col("month") < pl.col("first_listed")).select(oracle.UNIT).unique()
    expected = never.select(oracle.UNIT).unique()

    inferred = _units(world, publication).filter(pl.col("is_inferred"))
    # a list since the merger names cases of before it, whose units stand under the predecessor as well
    of_its_map = inferred.filter((pl.col("vintage") != "34") | (pl.col("valid_from") >= MERGER))

    # one nobody ever lists, and a person of another province's unit
    assert {("63", "46", UNKNOWN_UNIT), ("63", "01", "TNU508W")} <= set(expected.rows())
    # a unit that is listed later may have such a row for its cases of before, no other unit may
    of_the_unlisted = of_its_map.join(not_yet, on=oracle.UNIT, how="anti").select(oracle.UNIT).unique()
    assert differences(of_the_unlisted, expected, on=oracle.UNIT) == []
    # a unit that some list has is called what that list calls it
    assert inferred.join(never, on=oracle.UNIT, how="semi")["name"].is_null().all()
    assert set(inferred["unit_type"]) == {"unknown"}
    assert set(inferred["status"]) == {"not_listed"}
    assert never.join(inferred, on="employer_key", how="anti").head(5).rows() == []


@publications
def test_persons_by_group_and_unit_type_add_up_from_the_rows(world: World, publication: int) -> None:
    expected = oracle.participants_report(_slices(world, publication))
    # the rules name no word for "without a unit"
    unit_type = pl.col("unit_type").replace("none", None)
    shown = _shown(world, "rpt_participants", publication).with_columns(unit_type)

    assert shown.height > 1_000
    assert "unknown" in expected["unit_type"]
    key = ["month", "province_code", "insurance_type", "hi_group", "unit_type"]
    assert differences(shown, expected, on=key) == []


@publications
def test_units_new_closed_and_their_wage_fund(world: World, publication: int) -> None:
    expected = oracle.employers_report(_slices(world, publication))

    shown = _shown(world, "rpt_employers", publication)

    assert shown.height > 200
    assert expected["new"].sum() > 0
    assert expected["closed"].sum() > 0
    assert expected["new"].null_count() > 0
    # Bac Ninh sent no contributions for November 2021
    no_funds = expected.filter((pl.col("province_code") == "27") & (pl.col("month") == dt.date(2021, 11, 1)))
    assert no_funds["wage_fund_vnd"].null_count() == no_funds.height > 0
    assert differences(shown, expected, on=["month", "province_code", "unit_type", "status"]) == []


@publications
def test_who_joined_left_and_moved_between_two_months(world: World, publication: int) -> None:
    expected = oracle.movement(_slices(world, publication))

    shown = _shown(world, "fct_participation_movement", publication)

    assert shown.height > 100
    for measure in ("joined", "left", "moved_in", "moved_out", "back_from_voluntary"):
        assert expected[measure].sum() > 0, measure
    # the month before is missing for Bac Ninh in December 2021 and, of two predecessors, for Phu Tho in July 2025
    assert expected.filter((pl.col("province_code") == "25") & (pl.col("month") == MERGER))["joined"].null_count() == 4
    merged = expected.filter((pl.col("province_code") == "24") & (pl.col("month") == MERGER))
    assert merged["joined"].null_count() == 0
    # the rules define the way back from SI_V for SI_C only: of other types it is 0 or null
    others = pl.col("insurance_type") != "SI_C"
    assert shown.filter(others)["back_from_voluntary"].fill_null(0).sum() == 0
    cleared = pl.when(~others).then(pl.col("back_from_voluntary")).alias("back_from_voluntary")
    key = ["month", "province_code", "insurance_type"]
    assert differences(shown.with_columns(cleared), expected, on=key) == []


@publications
def test_movement_explains_the_change_of_every_stock(world: World, publication: int) -> None:
    moved = _shown(world, "fct_participation_movement", publication).filter(pl.col("joined").is_not_null())
    counts = {
        (row["month"], row["province_code"], row["insurance_type"]): row["len"]
        for row in oracle.participation(_slices(world, publication))
        .group_by("month", "province_code", "insurance_type")
        .len()
        .iter_rows(named=True)
    }

    assert moved.height > 50
    for row in moved.iter_rows(named=True):
        month, code, kind = row["month"], row["province_code"], row["insurance_type"]
        earlier = month_before(month)
        before = sum(counts.get((earlier, old, kind), 0) for old in oracle.territory(code, month, earlier))
        change = row["joined"] - row["left"] + row["moved_in"] - row["moved_out"]
        assert counts.get((month, code, kind), 0) - before == change, row


@publications
def test_head_counts_of_the_plan_report_with_their_bases(world: World, publication: int) -> None:
    shown = _shown(world, "rpt_plan_attainment", publication).filter(pl.col("indicator").is_in(oracle.INDICATORS))
    # a row without an actual stands there for its plan: which ones is the plan's matter, their bases are not
    planned = shown.filter(pl.col("actual").is_null()).select("month", "province_code", "indicator").rows()
    expected = oracle.attainment(_slices(world, publication), planned)

    assert shown.filter(pl.col("actual").is_not_null()).height > 1_000
    assert differences(shown, expected, on=["month", "province_code", "indicator"]) == []


def test_the_world_holds_what_the_rules_of_head_counts_are_about(world: World) -> None:
    slices = _slices(world, 2)
    rows = oracle.attainment(slices)
    country = rows.filter(pl.col("province_code") == oracle.NATIONAL)

    # R27: all in, headquarters' own figure, a partial sum
    assert country.filter(pl.col("provinces_included") == 63).height > 0
    assert country.filter(~pl.col("is_computed")).height == 1
    assert country.filter(pl.col("provinces_included") < pl.col("provinces_expected")).height > 50
    # R6: a year back, December, the month before, and the month before over the merger
    for base in ("value_same_period_last_year", "value_last_december", "value_previous_month"):
        assert rows[base].is_not_null().sum() > 20, base
    first_merged = rows.filter((pl.col("month") == MERGER) & (pl.col("indicator") == "si_compulsory"))
    merged = {row["province_code"]: row["value_previous_month"] for row in first_merged.iter_rows(named=True)}
    assert merged["24"] is not None
    assert merged["25"] is None
    # R4: where detail is missing the reported figure stands; R28: persons in two provinces
    assert rows.filter(pl.col("is_reported") & (pl.col("province_code") == "27")).height > 0
    assert country["duplicates_between_provinces"].max() == 5
    # a void takes a month back
    assert rows.filter((pl.col("province_code") == "27") & (pl.col("month") == dt.date(2022, 1, 1))).is_empty()


@publications
def test_coverage_divides_sums_of_the_same_provinces(world: World, publication: int) -> None:
    expected = oracle.coverage(_slices(world, publication))

    shown = _shown(world, "rpt_coverage", publication)

    assert shown.filter(pl.col("geo_level") == "province").height > 100
    assert expected.filter((pl.col("geo_level") == "national") & (pl.col("provinces_included") == 63)).height == 2
    assert differences(shown, expected, on=["month", "province_code"]) == []


@publications
def test_completeness_names_what_came_what_was_late_and_what_is_missing(world: World, publication: int) -> None:
    expected = oracle.completeness(_everything(world, publication), _slices(world, publication))

    shown = _shown(world, "rpt_completeness", publication).filter(
        (pl.col("feed") != "weekly_report") | (pl.col("state") != "missing")
    )

    seconds = [None if text is None else dt.datetime.fromisoformat(text).timestamp() for text in shown["received_at"]]
    shown = shown.with_columns(received_at=pl.Series(seconds, dtype=pl.Float64))
    assert expected["is_late"].sum() > 0
    assert expected.filter(pl.col("is_late").is_null() & (pl.col("state") == "accepted")).height > 0
    assert expected.filter(pl.col("is_nil")).height > 0
    voided = expected.filter((pl.col("sender") == "province-27") & (pl.col("period") == "2022-01"))
    assert voided.height == len(oracle.EXPECTED_FEEDS)
    assert set(voided["state"]) == {"missing"}
    assert differences(shown, expected, on=["sender", "feed", "period"]) == []


@publications
def test_completeness_misses_a_weekly_report_for_every_week_without_one(world: World, publication: int) -> None:
    expected = oracle.missing_weeks(_everything(world, publication), _slices(world, publication))

    shown = _shown(world, "rpt_completeness", publication).filter(pl.col("feed") == "weekly_report")

    # three weeks in which anybody reported, of 63 provinces; three of these reports came
    assert expected.height == 3 * 63 - 3
    missing = shown.filter(pl.col("state") == "missing")
    assert differences(missing, expected, on=["sender", "feed", "period"]) == []


@publications
@pytest.mark.parametrize(
    "relation",
    [
        "fct_participation", "fct_participation_movement", "rpt_participants", "rpt_employers", "rpt_coverage",
        "rpt_plan_attainment", "rpt_completeness",
    ],
)  # fmt: skip
def test_a_province_key_is_the_row_of_its_code_and_month(world: World, publication: int, relation: str) -> None:
    provinces = _shown(world, "dim_province", publication)

    is_a_province = pl.col("province_code").is_not_null() & (pl.col("province_code") != oracle.NATIONAL)
    rows = _shown(world, relation, publication).filter(is_a_province)

    keys = rows.select("month", "province_code", "current_province_code", "province_key").unique()
    found = keys.join(provinces, on="province_key", how="left", suffix="_dim")
    is_right = (
        (pl.col("province_code") == pl.col("province_code_dim"))
        & (pl.col("current_province_code") == pl.col("current_province_code_dim"))
        & (pl.col("valid_from") <= pl.col("month"))
        & (pl.col("month") < pl.col("valid_to").fill_null(dt.date(9999, 1, 1)))
    )
    assert keys.height > 0
    assert found.filter(~is_right.fill_null(False)).rows() == []


def test_what_came_late_changed_what_is_computed(world: World) -> None:
    """The second publication has the units of Hue for November 2021 that the first one lacks."""
    november = (pl.col("province_code") == "46") & (pl.col("month") == dt.date(2021, 11, 1))
    before = oracle.employers_report(_slices(world, 1)).filter(november)
    after = oracle.employers_report(_slices(world, 2)).filter(november)

    assert before.is_empty()
    assert after.height > 0
    counted = (pl.col("indicator") == "units_managed") & november
    assert oracle.provincial(_slices(world, 1)).filter(counted)["is_reported"].to_list() == [True]
    assert oracle.provincial(_slices(world, 2)).filter(counted)["is_computed"].to_list() == [True]
