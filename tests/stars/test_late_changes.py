"""A list of units that comes late, and a correction of one province: what changes, and what must not."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from shown import World, differences
from world import LATE_UNIT, UNKNOWN_UNIT

from warehouse import roles
from warehouse.connection import connect

NOVEMBER = dt.date(2021, 11, 1)
ABOUT_UNITS = {
    "fct_participation": ["submission_id", "row_no"],
    "fct_contribution": ["province_key", "month", "payer_kind", "payer_code", "fund", "liability_month"],
    "fct_arrears": ["province_key", "month", "employer_id", "fund"],
    "fct_inspection": ["province_key", "case_no", "decision_date"],
}


@pytest.mark.parametrize("relation", ABOUT_UNITS)
@pytest.mark.parametrize("publication", [1, 2])
def test_every_fact_about_a_unit_finds_exactly_one_version(world: World, relation: str, publication: int) -> None:
    facts = world.shown(relation, publication)
    units = world.shown("dim_employer", publication)
    about_units = facts.filter(pl.col("employer_id").is_not_null())

    joined = about_units.join(units, on="employer_key", how="left", suffix="_unit")

    assert about_units.height > 0
    assert about_units["employer_key"].null_count() == 0
    assert joined.height == about_units.height
    assert joined["valid_from"].null_count() == 0
    assert (joined["employer_id"] == joined["employer_id_unit"]).all()
    in_force = (pl.col("month") >= pl.col("valid_from")) & (
        (pl.col("month") < pl.col("valid_to")) | pl.col("valid_to").is_null()
    )
    assert joined.filter(~in_force).is_empty()


def test_units_that_work_owe_or_pay_before_they_are_listed_stand_with_their_month(world: World) -> None:
    units = world.shown("dim_employer", 1)

    unlisted = units.filter(pl.col("si_unit_code") == LATE_UNIT)

    assert unlisted.select("is_inferred", "status", "unit_type", "name").rows() == [
        (True, "not_listed", "unknown", None)
    ]
    assert unlisted["valid_from"].to_list() == [NOVEMBER]


def test_a_late_list_gives_the_unit_its_name_and_takes_the_inferred_row_back(world: World) -> None:
    listed = world.shown("dim_employer", 2).filter(pl.col("si_unit_code") == LATE_UNIT)
    never = world.shown("dim_employer", 2).filter(pl.col("si_unit_code") == UNKNOWN_UNIT)

    assert listed.select("is_inferred", "name", "unit_type").rows() == [(False, "Công ty Bình Minh", "private")]
    assert listed["valid_from"].to_list() == [NOVEMBER]
    assert never["is_inferred"].all() and never.height > 1


@pytest.mark.parametrize("relation", ABOUT_UNITS)
def test_a_late_list_of_units_moves_no_total(world: World, relation: str) -> None:
    measures = {
        "fct_participation": ["wage_base_vnd"],
        "fct_contribution": ["due_vnd", "paid_vnd", "headcount"],
        "fct_arrears": ["principal_vnd", "overdue_vnd", "interest_vnd", "employees_affected"],
        "fct_inspection": ["arrears_before_vnd", "recovered_vnd"],
    }[relation]
    key = ABOUT_UNITS[relation]
    before, after = (
        world.shown(relation, publication).filter(pl.col("province_code") == "46").select([*key, *measures])
        for publication in (1, 2)
    )

    assert before.height > 0
    assert differences(after, before, on=key) == []


def test_the_head_count_by_type_of_unit_moves_from_unknown_to_the_type(world: World) -> None:
    def by_type(publication: int) -> dict[str, int]:
        shown = world.shown("rpt_participants", publication).filter(
            (pl.col("province_code") == "46") & (pl.col("month") == NOVEMBER) & (pl.col("insurance_type") == "SI_C")
        )
        return dict(shown.group_by("unit_type").agg(pl.col("participants").sum()).rows())

    first, late = by_type(1), by_type(2)

    assert sum(first.values()) == sum(late.values())
    # three people work for a unit that is on no list, three more for one that was listed late
    assert first["unknown"] - late["unknown"] == 3
    assert late["unknown"] == 3


def test_a_correction_and_a_late_list_make_only_slices_of_their_provinces_anew(world: World) -> None:
    """Publication 2 brought a list of units of 46 and corrected amounts of 24, both of November 2021."""
    with connect(world.settings, roles.TRANSFORMER) as connection:
        made = connection.execute(
            "select relation, territory_key, to_char(month, 'YYYY-MM'), row_count from ops.slice"
            " where build_id = (select max(build_id) from ops.slice)"
            " and month is not null and territory_key is not null"
        ).fetchall()
        of_the_country = {
            str(relation)
            for (relation,) in connection.execute(
                "select distinct relation from ops.slice where build_id = (select max(build_id) from ops.slice)"
                " and month is not null and territory_key is null"
            )
        }
    by_relation: dict[str, set[tuple[str, str]]] = {}
    for relation, territory, month, _ in made:
        by_relation.setdefault(str(relation), set()).add((str(territory), str(month)))

    assert by_relation["fct_participation"] == {("63-46", "2021-11")}
    # the year to date of December is taken less the corrected one of November
    assert by_relation["fct_contribution"] >= {("63-24", "2021-11"), ("63-24", "2021-12")}
    assert "fct_benefit" not in by_relation
    # nobody's file of participants changed: nobody moved
    assert "fct_participation_movement" not in of_the_country
    # the units of 34-46 in July 2025 are compared with those of 63-46 in June
    assert {territory[-2:] for slices in by_relation.values() for territory, _ in slices} == {"24", "46"}
