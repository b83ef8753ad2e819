"""The tax match of `bi` against the same computed from the tax lists and the provinces' files as sent.

Both publications of the small world, every row; what is computed stands in `oracle_tax`, what was planted in
`tax_world`, what the planted situations must come to in the tables below, written down by hand.
"""

from __future__ import annotations

import datetime as dt
import functools

import oracle_tax as oracle
import polars as pl
import pytest
from shown import World, differences
from tax_world import UNITS, code, person
from trap_proofs import trap

publications = pytest.mark.parametrize("publication", [1, 2])
IDENTITY = ["territory_key", "si_unit_code", "valid_from"]
COMPARED = [
    "match_class", "match_rule", "unit_count", "tax_code_count", "province_code", "current_province_code", "tax_status",
    "tax_status_date", "supplement_no", "industry_code", "employees_paid", "employees_tax", "employees_si",
    "employees_si_december", "employees_si_distinct", "months_used", "employee_gap", "income_paid_vnd",
    "wage_base_vnd", "wage_gap_vnd", "arrears_vnd", "overdue_vnd", "arrears_month", "has_arrears",
    "is_under_declared", "is_cit_finalised", "cit_filing_date", "is_not_registered", "as_of_date",
]  # fmt: skip

# tax code of 2021: class and rule, at the first publication
SITUATIONS: dict[str, tuple[str, str | None]] = {
    # units of one code in one province and in two, persons who work for two of them
    **{code(number): ("matched", "exact_code") for number in (1, 2, 4, 5)},
    code(3): ("under_declared", "exact_code"), code(6): ("under_declared", "exact_code"),
    # branches and their parents
    code(7): ("matched", "exact_code"),
    **dict.fromkeys((code(7, 1), code(7, 2), code(8, 5)), ("matched", "parent_code")),
    code(9): ("matched", "branch_code"), code(10): ("matched", "branch_code"),
    code(11): ("under_declared", "branch_code"),
    **dict.fromkeys((code(11, 1), code(12, 1), code(13, 3)), ("matched", "exact_code")),
    code(12): ("not_registered", None), code(13): ("not_registered", None),
    # units of its own and of a branch on no list: the rule of the one with most persons
    code(14): ("matched", "exact_code"), code(15): ("matched", "branch_code"),
    # household businesses
    person(1): ("matched", "personal_id"), person(2): ("under_declared", "personal_id"),
    person(3): ("not_registered", None), person(5): ("closed_or_absconded", None),
    # no unit; nobody paid
    **{code(number): ("not_registered", None) for number in (20, 21, 22)},
    **{code(number): ("closed_or_absconded", None) for number in (25, 26, 29, 30)},
    code(27): ("matched", "exact_code"), code(28): ("matched", "exact_code"),
    # units absconded: all of them, one of two, at the year's end, not any more, not since the merger, not yet
    **{code(number): ("closed_or_absconded", "exact_code") for number in (31, 32, 34)},
    **{code(number): ("matched", "exact_code") for number in (33, 35, 37)},
    # absconded on every list of the year, active again on the map of 34
    code(36): ("closed_or_absconded", "exact_code"),
    code(50): ("cit_finalised_si_unpaid", "exact_code"),
    # the corporate income tax finalised and principal overdue by a month or more, and what is less
    **{code(number): ("cit_finalised_si_unpaid", "exact_code") for number in (40, 41, 44, 45, 49)},
    **{code(number): ("matched", "exact_code") for number in (42, 43, 47, 48, 51, 52, 53)},
    code(46): ("under_declared", "exact_code"),
    # a gap of one, of two on 22, of three on 33; of two on 20, of three on 30, of two on six and on five
    **{code(number): ("matched", "exact_code") for number in (60, 61, 62, 63, 67, 68)},
    **{code(number): ("under_declared", "exact_code") for number in (64, 65, 66, 69)},
    # months without the unit, months that were not sent
    code(70): ("under_declared", "exact_code"), code(71): ("matched", "exact_code"),
    code(72): ("matched", "exact_code"),
    # two codes in a year; listed after the year, nobody knew of them in it, and its files had named one
    **{code(number): ("under_declared", "exact_code") for number in (73, 74, 79)},
    code(77): ("not_registered", None), code(78): ("not_registered", None),
    code(75): ("matched", "exact_code"),
    # supplements
    **{code(number): ("matched", "exact_code") for number in (80, 82, 84, 85)},
    code(81): ("under_declared", "exact_code"), code(83): ("under_declared", "exact_code"),
    # the province is not known, is none, has no file, is another
    code(86): ("matched", "exact_code"), code(89): ("matched", "exact_code"),
    **{code(number): ("not_registered", None) for number in (87, 88, 90)},
    code(91): ("under_declared", "exact_code"),
    # names alike; names with other digits, in another province, not quite alike, of a unit that is matched
    **{code(number): ("review", None) for number in (92, 94, 95, 99, 101, 106, 107, 118)},
    **{code(number): ("not_registered", None) for number in (96, 97, 98, 100, 102, 103, 117)},
    code(104): ("closed_or_absconded", None),
    # on no list
    **dict.fromkeys((code(93), code(108), person(6)), ("not_in_tax_list", None)),
}  # fmt: skip
# nobody paid and no unit: an enterprise, a suspended one, one with a name like a unit's, a household; and a unit of
# the year that was never active
NO_ROW = (code(23), code(24), code(105), person(4), code(109))
# of the second publication: a branch became a row, a supplement changed the gap either way or closed the unit
CHANGED: dict[str, tuple[str, str | None]] = {
    code(10): ("not_registered", None), code(10, 2): ("matched", "exact_code"),
    code(82): ("under_declared", "exact_code"), code(83): ("matched", "exact_code"),
    code(85): ("closed_or_absconded", "exact_code"),
}  # fmt: skip
# tax code of 2021: months used, heads in the mean, in December, distinct persons (None where people change)
HEADS: dict[str, tuple[int, float, int | None, int | None]] = {
    code(1): (4, 5.0, 5, 5), code(3): (4, 7.0, 7, None), code(4): (3, 8.0, None, None),
    # two persons, and one, counted once though two units name them
    code(5): (4, 7.0, 7, None), code(6): (4, 7.0, 7, None),
    code(67): (4, 18.5, 19, None), code(70): (4, 2.0, 0, None), code(71): (4, 3.0, 6, None),
    code(72): (3, 3.0, None, 3),
    code(73): (4, 2.0, 0, None), code(74): (4, 2.0, 4, None), code(75): (4, 4.5, 0, None),
    code(14): (4, 7.0, 7, None), code(15): (4, 6.0, 6, None),
    code(77): (4, 0.0, 0, 0), code(79): (4, 2.0, 4, None), code(90): (0, 0.0, 0, 0), code(20): (3, 0.0, 0, 0),
}  # fmt: skip


@functools.cache
def _computed(world: World, publication: int) -> oracle.Computed:
    return oracle.compute(world.sent(publication))


@functools.cache
def _units(world: World, publication: int) -> pl.DataFrame:
    """Versions of units by their key."""
    return world.shown("dim_employer", publication).select("employer_key", "employer_id", *IDENTITY, "unit_type")


@functools.cache
def _shown(world: World, publication: int) -> pl.DataFrame:
    """fct_tax_match with its unit's territory, code and version, and the tax code as sent where a row of a list has it.

    `shown_tax_code` is what `bi` shows: of a person a pseudonym.
    """
    sent = pl.concat(
        one.frame.select("row_no", sent_tax_code="tax_code").with_columns(submission_id=pl.lit(one.submission_id))
        for one in world.sent(publication).values()
        if one.feed == "tax_employers"
    )
    shown = world.shown("fct_tax_match", publication).rename({"tax_code": "shown_tax_code"})
    return (
        shown.join(_units(world, publication).drop("employer_id"), on="employer_key", how="left", validate="m:1")
        .join(sent, on=["submission_id", "row_no"], how="left", validate="m:1")
        .with_columns(tax_code=pl.coalesce("sent_tax_code", "shown_tax_code"))
    )


@functools.cache
def _pseudonyms(world: World, publication: int) -> dict[str, str]:
    """The tax codes of persons in the lists, by their pseudonym."""
    shown = _shown(world, publication).filter(pl.col("sent_tax_code").str.len_chars() == 12)
    return dict(shown.select("shown_tax_code", "sent_tax_code").unique().rows())


@publications
def test_every_row_of_a_list_has_the_class_and_the_figures_of_its_units(world: World, publication: int) -> None:
    key = ["submission_id", "row_no"]
    expected = _computed(world, publication).match.filter(pl.col("submission_id").is_not_null())
    # of a row without a unit only the province is known
    unit = [pl.when(pl.col("si_unit_code").is_not_null()).then(pl.col(name)).alias(name) for name in IDENTITY]
    columns = [*key, "tax_year", "tax_code", *COMPARED, *IDENTITY]

    shown = _shown(world, publication).filter(pl.col("submission_id").is_not_null())

    assert shown.height > 150
    assert differences(shown.with_columns(unit), expected.with_columns(unit).select(columns), on=key) == []


@publications
def test_every_unit_active_in_a_year_that_no_row_of_its_list_meets_has_a_row(world: World, publication: int) -> None:
    expected = _computed(world, publication).match.filter(pl.col("submission_id").is_null())
    # the owner of a household business is a pseudonym
    is_person = pl.col("tax_code").str.len_chars() == 12
    masked = pl.when(~is_person).then(pl.col("tax_code")).alias("tax_code")
    key = ["tax_year", *IDENTITY]

    shown = _shown(world, publication).filter(pl.col("submission_id").is_null())

    assert expected.filter(is_person).height > 0
    assert expected.filter(pl.col("tax_code").is_null()).height > 3
    is_shown_masked = pl.col("shown_tax_code").str.starts_with("P-")
    assert shown.filter(is_shown_masked).height == expected.filter(is_person).height
    cleared = pl.when(~is_shown_masked).then(pl.col("shown_tax_code")).alias("tax_code")
    wanted = expected.with_columns(masked).select(*key, "tax_code", *COMPARED)
    assert differences(shown.with_columns(cleared), wanted, on=key) == []


@publications
def test_a_code_and_a_unit_are_called_as_the_list_calls_them_and_a_person_is_not_named(
    world: World, publication: int
) -> None:
    expected = _computed(world, publication).match
    shown = _shown(world, publication)
    of_lists = expected.filter(pl.col("submission_id").is_not_null() & pl.col("tax_name").is_not_null())
    key = ["submission_id", "row_no"]
    wanted = of_lists.select(*key, "tax_name", shown_tax_code="tax_code")
    found = shown.join(wanted.select(key), on=key, how="semi")
    assert differences(found, wanted, on=key) == []

    unlisted = expected.filter(pl.col("submission_id").is_null() & pl.col("tax_name").is_not_null())
    key = ["tax_year", *IDENTITY]
    found = shown.filter(pl.col("submission_id").is_null()).join(unlisted.select(key), on=key, how="semi")
    assert unlisted.height > 10
    assert differences(found, unlisted.select(*key, "tax_name"), on=key) == []

    persons = shown.filter(pl.col("sent_tax_code").str.len_chars() == 12)
    assert persons.height >= 4
    assert persons["shown_tax_code"].str.starts_with("P-").all()
    pairs = persons.select("shown_tax_code", "sent_tax_code").unique()
    assert pairs.height == pairs["shown_tax_code"].n_unique() == pairs["sent_tax_code"].n_unique()
    secret = {unit.name for unit in UNITS if unit.unit_type == "household"} | {"Hộ kinh doanh Bà Tư"}
    assert not secret & set(shown["tax_name"])


@publications
def test_every_code_stands_with_every_unit_of_its_rung_and_the_months_it_carried_it(
    world: World, publication: int
) -> None:
    key = ["tax_year", "tax_code", "territory_key", "si_unit_code"]
    expected = _computed(world, publication).units
    shown = world.shown("fct_tax_match_unit", publication)
    versions = _units(world, publication).select("employer_key", "employer_id", "valid_from", "territory_key")

    found = shown.with_columns(pl.col("tax_code").replace(_pseudonyms(world, publication)))

    assert shown.height > 120
    # two codes in one year, a code of units in two provinces, a unit of another year
    assert expected.filter(pl.col("tax_code_count") > 1).height >= 4
    # of 2020, when nobody sent a list; and one that only other files of 2021 name
    elsewhere = expected.filter(~pl.col("is_in_year"))
    assert elsewhere.filter(pl.col("tax_year") == 2020).height >= 6
    assert elsewhere.filter(pl.col("tax_year") == 2021)["tax_code"].to_list() == [code(79)]
    wanted = expected.select(
        *key, "match_rule", "province_code", "current_province_code", "is_in_year", "status", "months", "month_count",
        "tax_code_count",
    )  # fmt: skip
    assert differences(found, wanted, on=key) == []
    keyed = found.join(versions, on="employer_key", how="left", suffix="_version").join(
        expected.select(*key, "valid_from"), on=key, suffix="_expected"
    )
    is_right = (
        (pl.col("employer_id") == pl.col("employer_id_version"))
        & (pl.col("territory_key") == pl.col("territory_key_version"))
        & (pl.col("valid_from") == pl.col("valid_from_expected"))
    )
    assert keyed.height == found.height
    assert keyed.filter(~is_right.fill_null(value=False)).select(*key).rows() == []


@publications
@pytest.mark.parametrize("relation", ["fct_tax_match", "fct_tax_match_unit"])
def test_a_province_key_is_a_row_of_the_province_that_the_row_names(
    world: World, publication: int, relation: str
) -> None:
    provinces = world.shown("dim_province", publication)
    shown = world.shown(relation, publication).filter(pl.col("province_code").is_not_null())

    keys = shown.select("province_key", "province_code", "current_province_code").unique()
    found = keys.join(provinces, on="province_key", how="left", suffix="_dim")

    assert keys.height >= 5
    is_right = (pl.col("province_code") == pl.col("province_code_dim")) & (
        pl.col("current_province_code") == pl.col("current_province_code_dim")
    )
    assert found.filter(~is_right.fill_null(value=False)).rows() == []


@publications
def test_every_planted_situation_has_the_class_and_the_rung_that_were_planned(world: World, publication: int) -> None:
    planned = SITUATIONS | (CHANGED if publication == 2 else {})
    shown = _shown(world, publication).filter(pl.col("tax_year") == 2021)
    codes = pl.col("tax_code").is_in(list(planned))
    unlisted = _computed(world, publication).match.filter(
        (pl.col("tax_year") == 2021) & (pl.col("tax_code") == person(6))
    )

    found = {
        tax_code: (name, rule)
        for tax_code, name, rule in shown.filter(codes).select("tax_code", "match_class", "match_rule").iter_rows()
    }

    # the one person on no list shows only a pseudonym
    assert unlisted["match_class"].to_list() == ["not_in_tax_list"]
    wanted = {tax_code: each for tax_code, each in planned.items() if tax_code != person(6)}
    assert {key: value for key, value in found.items() if wanted.get(key) != value} == {}
    assert set(wanted) == set(found)
    assert shown.filter(pl.col("tax_code").is_in(NO_ROW)).is_empty()


def test_every_class_and_every_rung_was_planted(world: World) -> None:
    def counts(publication: int, year: int, column: str) -> dict[str, int]:
        rows = world.shown("fct_tax_match", publication).filter(pl.col("tax_year") == year)
        return dict(rows.filter(pl.col(column).is_not_null()).group_by(column).len().rows())

    # by hand: the planted codes, and the generated units' codes with the statuses that `tax_world` gives them
    planned: dict[str, int] = {}
    for name, _ in SITUATIONS.values():
        planned[name] = planned.get(name, 0) + 1
    classes = counts(1, 2021, "match_class")
    for name in ("review", "not_registered"):
        assert classes[name] == planned[name], name
    assert set(classes) == set(oracle.CLASSES)
    assert classes["closed_or_absconded"] == planned["closed_or_absconded"] + 6
    assert all(classes[name] > planned[name] for name in ("matched", "not_in_tax_list"))
    rules = counts(1, 2021, "match_rule")
    assert set(rules) == set(oracle.RULES)
    assert (rules["parent_code"], rules["branch_code"]) == (3, 4)
    late = counts(2, 2021, "match_rule")
    assert (late["parent_code"], late["branch_code"]) == (3, 3)
    assert counts(2, 2021, "match_class")["not_registered"] == planned["not_registered"] + 1
    # lists of other years: 2020 and 2023, of which no province sent a file, and 2025 over the merger
    assert set(counts(1, 2020, "match_class")) == {"matched", "not_registered", "closed_or_absconded"}
    assert set(counts(2, 2023, "match_class")) == {
        "matched", "not_registered", "closed_or_absconded", "not_in_tax_list",
    }  # fmt: skip
    assert counts(1, 2025, "match_class") == {}
    assert counts(2, 2025, "match_class")["not_registered"] == 2


@publications
def test_heads_are_the_mean_of_the_months_that_were_sent(world: World, publication: int) -> None:
    rows = _shown(world, publication).filter((pl.col("tax_year") == 2021) & pl.col("tax_code").is_in(list(HEADS)))

    found = {
        row["tax_code"]: (
            row["months_used"],
            row["employees_si"],
            row["employees_si_december"],
            None if HEADS[row["tax_code"]][3] is None else row["employees_si_distinct"],
        )
        for row in rows.iter_rows(named=True)
    }

    assert found == HEADS
    # who changes over the year is counted in the distinct persons, not in the mean
    assert rows.filter(pl.col("employees_si_distinct") > pl.col("employees_si") + 1).height > 3


def test_a_year_without_files_is_unknown_and_not_nothing(world: World) -> None:
    rows = _shown(world, 2).filter(pl.col("tax_year").is_in([2020, 2023]))
    matched = rows.filter(pl.col("match_rule").is_not_null())
    unmatched = rows.filter(pl.col("match_class") == "not_registered")

    assert matched.height == 9
    assert matched["months_used"].unique().to_list() == [0]
    for name in (
        "employees_si", "employees_si_december", "employee_gap", "wage_gap_vnd", "is_under_declared", "arrears_vnd",
        "has_arrears",
    ):  # fmt: skip
        assert matched[name].null_count() == matched.height, name
    # who is registered nowhere has nobody insured, whatever was sent
    assert unmatched.select("employees_si", "employee_gap").rows() == [(0.0, 6), (0.0, 6)]


def test_over_the_merger_a_month_needs_the_files_of_the_territory_the_unit_stood_on(world: World) -> None:
    rows = _shown(world, 2).filter(pl.col("tax_year") == 2025)
    found = {
        row["tax_code"]: (row["months_used"], row["unit_count"], row["territory_key"], row["employees_si"])
        for row in rows.iter_rows(named=True)
    }

    # both predecessors of Bac Ninh sent May and June, two of the three of Phu Tho did not
    assert found[code(110)] == (4, 1, "34-24", 2.0)
    assert found[code(111)] == (2, 1, "34-25", 3.0)
    assert found[code(112)] == (4, 1, "63-27", 2.5)
    # a unit that got another code, and one of each predecessor that became one
    assert found[code(113)] == (4, 2, "34-24", 5.0)
    assert found[code(114)] == (4, 3, "34-24", 6.5)
    # absconded since the merger, and until it
    classes = dict(rows.select("tax_code", "match_class").iter_rows())
    assert (found[code(38)][1], classes[code(38)]) == (2, "closed_or_absconded")
    assert (found[code(39)][1], classes[code(39)]) == (2, "matched")
    # the list names the province on the map since July
    assert found[code(115)][:3] == (2, 0, None)
    assert found[code(20)][:3] == (4, 0, None)


def test_arrears_are_those_of_the_last_month_for_which_the_units_province_sent_them(world: World) -> None:
    rows = _shown(world, 2).filter((pl.col("tax_year") == 2021) & pl.col("submission_id").is_not_null())
    found = {
        row["tax_code"]: (row["arrears_month"], row["arrears_vnd"], row["overdue_vnd"], row["has_arrears"])
        for row in rows.iter_rows(named=True)
    }
    november, december = dt.date(2021, 11, 1), dt.date(2021, 12, 1)

    assert found[code(40)] == (december, 5_000_000, 5_000_000, True)
    assert found[code(42)] == (december, 3_000_000, 0, False)
    assert found[code(43)] == (december, 2_000_000, 2_000_000, False)
    # Bac Ninh sent no arrears for December
    assert found[code(44)] == (november, 5_000_000, 5_000_000, True)
    # one of two provinces sent none for December: what the other sent tells of it, and of no sum
    assert found[code(50)] == (december, None, None, True)
    # Bac Giang and Bac Ninh are one province today, whose last month is that which both sent
    assert found[code(4)] == (november, 0, 0, False)
    # the months were counted from the oldest one; with neither stated nobody knows
    assert found[code(45)] == (december, 5_000_000, 5_000_000, True)
    assert found[code(51)] == (december, 5_000_000, 5_000_000, False)
    # paid by the year's end; late in one fund and long owed in another; one of two units
    assert found[code(47)] == (december, 0, 0, False)
    assert found[code(48)] == (december, 3_000_000, 1_000_000, False)
    assert found[code(49)] == (december, 6_000_000, 5_000_000, True)
    # no unit: nothing is owed
    assert found[code(20)] == (None, 0, 0, False)


def test_whoever_owed_when_the_code_finalised_is_the_candidate_and_not_the_largest_unit(world: World) -> None:
    listed = _computed(world, 1).match.filter(
        pl.col("is_cit_finalised") & ~pl.col("match_class").is_in(["closed_or_absconded", "review"])
    )
    latest = listed.filter((pl.col("tax_year") == 2021) & pl.col("owing_units").is_not_null())
    # a unit goes on over the merger under its code; one that is closed or hard to collect from is nobody's to visit
    owed = {name.split(" ")[1] for names in latest["owing_units"] for name in names.split(", ")}
    units = world.shown("dim_employer", 1)
    gone = set(units.filter(pl.col("status").is_in(["absconded", "dissolved", "bankrupt"]))["si_unit_code"])
    hard = set(world.shown("fct_arrears", 1).filter(pl.col("is_hard_to_collect"))["si_unit_code"])
    candidates = world.shown("rpt_inspection_candidates", 1)
    assert set(candidates["tax_year"].drop_nulls()) == {2021}

    by_arrears = candidates.filter(pl.col("tax_year_arrears_month").is_not_null())
    shown = set(by_arrears["si_unit_code"])

    assert {"TXM11", "TXM13"} <= shown <= owed
    assert owed - shown - gone - hard == set()
    assert by_arrears["is_cit_finalised_si_unpaid"].all()
    # the units that stand for those codes owe nothing
    assert {"TXM10", "TXM12"} & set(candidates["si_unit_code"]) == set()


def test_flags_keep_what_the_order_of_the_classes_hides(world: World) -> None:
    rows = _shown(world, 2).filter((pl.col("tax_year") == 2021) & pl.col("submission_id").is_not_null())
    names = ["has_arrears", "is_under_declared", "is_cit_finalised", "is_not_registered"]
    found = {row[0]: row[1:] for row in rows.select("tax_code", *names).iter_rows()}

    assert found[code(40)] == (True, True, True, False)
    assert found[code(46)] == (True, True, False, False)
    assert found[code(78)] == (False, True, True, True)
    # closed, and in review, and yet registered nowhere
    assert (found[code(29)][2:], found[code(94)][2:]) == ((True, True), (True, True))
    assert found[code(25)][3] is False


@publications
def test_names_are_compared_whole_and_the_pairs_stay_out_of_bi(world: World, publication: int) -> None:
    pairs = _computed(world, publication).similar
    in_review = _shown(world, publication).filter(pl.col("match_class") == "review")

    # two more pairs are of a code that is closed and of one that paid nobody
    assert {(year, tax_code) for year, tax_code, _ in pairs} == {
        *in_review.select("tax_year", "tax_code").iter_rows(), (2021, code(104)), (2021, code(105)),
    }  # fmt: skip
    columns = world.query(
        "select table_name, column_name from information_schema.columns where table_schema = 'bi'", publication
    )
    assert [pair for pair in columns if "simil" in f"{pair[0]} {pair[1]}"] == []
    assert in_review["employer_key"].null_count() == in_review.height


@publications
@pytest.mark.parametrize("relation", ["fct_tax_match", "fct_tax_match_unit"])
@pytest.mark.parametrize("province", ["24", "25", "46", "01"])
def test_a_province_reads_its_own_rows_and_those_of_its_predecessors(
    world: World, publication: int, relation: str, province: str
) -> None:
    everything = world.shown(relation, publication)

    shown = world.shown(relation, publication, role=f"vss_reader_{province}")

    own = everything.filter(pl.col("current_province_code") == province)
    assert 0 < own.height < everything.height
    assert sorted(map(str, shown.iter_rows())) == sorted(map(str, own.iter_rows()))
    if province == "24" and publication == 2:
        assert set(shown.filter(pl.col("province_code").is_not_null())["province_code"]) == {"24", "27"}


@publications
def test_a_row_of_an_unknown_province_is_read_by_the_country_alone(world: World, publication: int) -> None:
    rows = _shown(world, publication).filter((pl.col("tax_year") == 2021) & pl.col("province_code").is_null())

    assert set(rows["tax_code"]) == {code(87), code(88), code(99), code(100)}
    assert rows["current_province_code"].null_count() == rows["province_key"].null_count() == rows.height


# --- traps of the domain ----------------------------------------------------------------------------------------------


@trap(40)
def test_a_bare_tax_code_or_a_name_is_not_how_a_unit_is_found(world: World) -> None:
    """Equal codes leave out branches and parents; equal names bring in firms that are others."""
    expected = _of_a_year(_computed(world, 2).match, 2021)
    shown = _of_a_year(_shown(world, 2), 2021)
    carried = set(world.shown("dim_employer", 2)["tax_code"].drop_nulls())
    called = set(_units_called(world)["name"].drop_nulls())

    naive = set(shown.filter(~pl.col("shown_tax_code").is_in(carried) & (pl.col("employees_paid") > 0))["tax_code"])
    naive_by_name = set(shown.filter(pl.col("tax_name").is_in(called))["tax_code"])
    unregistered = set(expected.filter(pl.col("is_not_registered"))["tax_code"])

    # carried by nobody, or not in the year
    assert unregistered - naive == {code(77), code(78)}
    assert set(expected.filter(pl.col("tax_code").is_in(naive - unregistered))["match_rule"]) == {
        "parent_code", "branch_code",
    }  # fmt: skip
    assert naive_by_name & unregistered
    assert set(shown.filter(pl.col("is_not_registered"))["tax_code"]) == unregistered


@trap(41)
def test_whoever_was_paid_once_is_not_missing_from_insurance(world: World) -> None:
    """The gap counts contracts and not everybody paid, against the mean of the months."""
    expected = _of_a_year(_computed(world, 2).match, 2021).filter(pl.col("employees_si").is_not_null())
    shown = _of_a_year(_shown(world, 2), 2021)

    naive = sum(expected["employees_paid"] - expected["employees_si"])
    right = sum(expected["employee_gap"])

    assert naive > right
    assert shown["employee_gap"].sum() == right


@trap(42)
def test_a_year_is_not_compared_with_its_december(world: World) -> None:
    expected = _of_a_year(_computed(world, 2).match, 2021).filter(pl.col("employees_si_december").is_not_null())
    gap = pl.col("employees_tax") - pl.col("employees_si_december")
    is_missing = (gap >= 2) & (gap * 10 >= pl.col("employees_tax"))

    naive = set(expected.filter(is_missing)["tax_code"])
    right = set(expected.filter(pl.col("is_under_declared"))["tax_code"])

    # hidden by December alone, and accused by it alone
    assert naive - right and right - naive
    shown = _of_a_year(_shown(world, 2), 2021).filter(pl.col("employees_si_december").is_not_null())
    assert set(shown.filter(pl.col("is_under_declared"))["tax_code"]) == right


def _of_a_year(rows: pl.DataFrame, year: int) -> pl.DataFrame:
    """Rows of that year's list, without the units on none."""
    return rows.filter((pl.col("tax_year") == year) & pl.col("submission_id").is_not_null())


def _units_called(world: World) -> pl.DataFrame:
    return world.shown("dim_employer", 2).filter(pl.col("unit_type") != "household").select("name")
