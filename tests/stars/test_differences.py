"""`vss diff` over the small world: publication 2 corrected payments of 24, listed units of 46, brought tax lists."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections import Counter
from decimal import Decimal

import polars as pl
import psycopg
import pytest
from psycopg import sql
from psycopg.types.string import TextLoader
from sent_files import Sent
from shown import World

from night.dbt_runs import manifest_path
from reporting.differences import write_csv, write_json, write_text
from warehouse import roles
from warehouse.connection import connect, role_url
from warehouse.differences import _KEYS, Differences, _table, compare

NOVEMBER = dt.date(2021, 11, 1)
DECEMBER = dt.date(2021, 12, 1)
PAID = "p24-2021-11-v2"
UNITS = "p46-2021-11-units"
ORIGIN = {"submission_id", "version", "row_no"}


@pytest.fixture(scope="module")
def found(world: World) -> Differences:
    return compare(world.settings, "1", "2", manifest=manifest_path(world.settings))


def columns_of(world: World) -> dict[str, list[str]]:
    """What of each relation of bi says something; where a row comes from is left out, but of the ledger's states."""
    rows = world.query(
        "select table_name, array_agg(column_name::text order by ordinal_position) from information_schema.columns"
        " where table_schema = 'bi' and table_name <> 'publication' group by 1 order by 1"
    )
    return {
        str(name): [column for column in names if name == "rpt_completeness" or column not in ORIGIN]  # type: ignore[attr-defined]
        for name, names in rows
    }


def contribution(world: World, publication: int) -> pl.DataFrame:
    sent: Sent = world.sent(publication)["province-24", "contributions", "2021-11"]
    return sent.frame


def test_the_submissions_between_two_publications_are_named_with_versions_and_feeds(found: Differences) -> None:
    told = [
        (each.kind, each.submission_id, each.replaced, each.version_before, each.version_after, each.feeds)
        for each in found.corrections
    ]

    assert told == [
        ("superseded", PAID, "p24-2021-11-v1", 1, 2, ("contributions",)),
        ("came in", UNITS, None, None, 2, ("employers",)),
        ("came in", "tax-2022-06-v1", None, None, 1, ("tax_employers",)),
        ("came in", "tax-2025-05-v1", None, None, 1, ("tax_employers",)),
        ("came in", "tax-2025-08-v1", None, None, 1, ("tax_employers",)),
    ]
    assert (found.rebuilds, found.decisions, found.has_new_rules, found.is_same) == ((), (), False, False)


def test_rows_are_counted_as_a_reader_of_both_publications_finds_them(world: World, found: Differences) -> None:
    gone: Counter[str] = Counter()
    new: Counter[str] = Counter()
    for count in found.counts:
        gone[count.relation] += count.rows_gone + count.rows_changed
        new[count.relation] += count.rows_new + count.rows_changed

    for relation, names in columns_of(world).items():
        row = "row(" + ", ".join(f'r."{name}"' for name in names) + ")::text"
        whole = [
            world.query(f"select count(*), sum(hashtextextended({row}, 0)) from bi.{relation} r", publication)
            for publication in (1, 2)
        ]
        if whole[0] == whole[1]:
            assert (gone[relation], new[relation]) == (0, 0), relation
            continue
        before, after = (
            Counter(world.query(f"select md5({row}) from bi.{relation} r", publication)) for publication in (1, 2)
        )
        assert (gone[relation], new[relation]) == ((before - after).total(), (after - before).total()), relation


def test_every_figure_is_what_the_report_shows_in_either_publication(world: World, found: Differences) -> None:
    keys = {"rpt_plan_attainment": "indicator", "rpt_collection": "insurance_group"}
    assert {figure.relation for figure in found.figures} == set(keys)

    for relation, key in keys.items():
        query = f"select to_jsonb(r) from bi.{relation} r"
        shown = []
        for publication in (1, 2):
            with psycopg.connect(role_url(world.settings, roles.READER)) as connection:
                connection.execute("select set_config('vss.publication', %s, false)", [str(publication)])
                connection.adapters.register_loader("jsonb", TextLoader)
                rows = [json.loads(row[0], parse_float=Decimal) for row in connection.execute(query.encode())]
            shown.append({(row["month"], row["province_code"], row[key]): row for row in rows})
        for figure in (each for each in found.figures if each.relation == relation):
            place = (str(figure.month), figure.province_code, figure.key)
            before, after = (Decimal(rows[place][figure.column]) for rows in shown)
            assert (figure.before, figure.after, figure.difference) == (before, after, after - before)
            assert before != after


def test_a_corrected_payment_moves_the_month_and_the_next_of_its_year_by_what_was_sent(
    world: World, found: Differences
) -> None:
    before, after = contribution(world, 1), contribution(world, 2)
    sent = int(after["paid_vnd"].sum()) - int(before["paid_vnd"].sum())
    moved = {
        (figure.month, figure.province_code, figure.column): figure.difference
        for figure in found.figures
        if figure.relation == "rpt_collection" and figure.key == "total" and figure.column.startswith("collected")
    }

    assert sent == 1_000 * after.height
    assert moved == {
        (month, place, column): sign * sent
        for place in ("24", "national")
        for month, column, sign in (
            (NOVEMBER, "collected_month_vnd", 1),
            (NOVEMBER, "collected_ytd_vnd", 1),
            # the year to date of December was not sent anew
            (DECEMBER, "collected_month_vnd", -1),
        )
    }


def test_a_difference_goes_back_to_the_one_submission_it_comes_from(found: Differences) -> None:
    collected = {each.goes_back_to for each in found.figures if each.relation == "rpt_collection"}
    by_indicator = {
        (each.key, each.province_code): each.goes_back_to
        for each in found.figures
        if each.relation == "rpt_plan_attainment"
    }
    facts = {
        (each.relation, each.province_code): each.goes_back_to
        for each in found.counts
        if each.relation in ("fct_contribution", "rpt_employers", "dim_employer")
    }

    assert collected == {(PAID,)}
    assert by_indicator["collection", "national"] == by_indicator["collection_hi", "24"] == (PAID,)
    assert by_indicator["units_managed", "national"] == by_indicator["units_managed", "46"] == (UNITS,)
    assert facts == {
        ("fct_contribution", "24"): (PAID,), ("rpt_employers", "46"): (UNITS,), ("dim_employer", "46"): (UNITS,),
    }  # fmt: skip


def test_a_difference_that_may_come_from_several_names_them_all(found: Differences) -> None:
    (heads,) = {
        each.goes_back_to
        for each in found.counts
        if each.relation == "rpt_plan_attainment" and (each.month, each.province_code) == (NOVEMBER, "national")
    }
    matched = {each.goes_back_to for each in found.counts if each.relation == "fct_tax_match"}

    assert heads == (PAID, UNITS)
    assert all({"tax-2022-06-v1", "tax-2025-05-v1", "tax-2025-08-v1"} <= set(causes) for causes in matched)
    assert all(count.goes_back_to for count in found.counts)
    assert all(figure.goes_back_to for figure in found.figures)


def test_without_the_lineage_no_submission_is_missed(world: World, found: Differences) -> None:
    blind = compare(world.settings, "1", "2", relation="rpt_plan_attainment")
    sure = [count for count in found.counts if count.relation == "rpt_plan_attainment"]

    assert [(each.month, each.province_code) for each in blind.counts] == [
        (each.month, each.province_code) for each in sure
    ]
    for one, other in zip(sure, blind.counts, strict=True):
        assert set(one.goes_back_to) <= set(other.goes_back_to)


@pytest.mark.parametrize("relation", ["fct_tax_match_unit", "rpt_collection"])
def test_the_other_way_round_everything_is_taken_back(world: World, found: Differences, relation: str) -> None:
    back = compare(world.settings, "2", "1", relation=relation, manifest=manifest_path(world.settings))

    assert [(each.kind, each.submission_id) for each in back.corrections] == [
        ("restored", "p24-2021-11-v1"), ("taken back", UNITS), ("taken back", "tax-2022-06-v1"),
        ("taken back", "tax-2025-05-v1"), ("taken back", "tax-2025-08-v1"),
    ]  # fmt: skip
    assert [(each.rows_new, each.rows_gone, each.rows_changed, each.cells) for each in back.counts] == [
        (each.rows_gone, each.rows_new, each.rows_changed, each.cells)
        for each in found.counts
        if each.relation == relation
    ]
    assert [(each.before, each.after) for each in back.figures] == [
        (each.after, each.before) for each in found.figures if each.relation == relation
    ]


def test_only_slices_that_one_of_the_two_shows_are_read(world: World, found: Differences) -> None:
    with connect(world.settings, roles.ENGINEER) as connection:
        rows = connection.execute(
            "select relation, count(distinct (territory_key, month)) from ops.slice where build_id = 2"
            " and to_regclass('bi.' || relation) is not null group by 1"
        ).fetchall()

    assert found.slices == {str(relation): number for relation, number in rows}
    assert found.slices["fct_participation"] == 1


def test_every_published_relation_has_a_key_that_tells_its_rows_apart(world: World) -> None:
    with connect(world.settings, roles.ENGINEER) as connection:
        for relation in columns_of(world):
            table = _table(connection, relation)
            assert table.key, relation
            if relation in _KEYS:
                # the others are primary keys of the database
                keys = sql.SQL(", ").join(table.key)
                query = sql.SQL(
                    "select count(*), count(distinct row(r.slice_id, {keys})::text),"
                    " count(*) filter (where num_nulls({keys}) > 0) from {rows} r"
                ).format(keys=keys, rows=table.rows)
                row = connection.execute(query).fetchone()
                assert row is not None and row[1:] == (row[0], 0), relation


def test_one_relation_alone_has_the_same_differences(world: World, found: Differences) -> None:
    alone = compare(world.settings, "1", "2", relation="bi.rpt_collection", manifest=manifest_path(world.settings))

    assert alone.counts == tuple(each for each in found.counts if each.relation == "rpt_collection")
    assert alone.figures == tuple(each for each in found.figures if each.relation == "rpt_collection")


def test_a_publication_and_itself_do_not_differ(world: World) -> None:
    same = compare(world.settings, "2", "2")
    out = io.StringIO()
    write_text(same, out)

    assert same.is_same
    assert "Nothing differs" in out.getvalue()


def test_csv_and_json_hold_every_number_exactly(found: Differences) -> None:
    as_csv, as_json = io.StringIO(), io.StringIO()
    write_csv(found, as_csv)
    write_json(found, as_json)

    rows = list(csv.DictReader(io.StringIO(as_csv.getvalue())))
    figures = [row for row in rows if row["what"] == "figure"]
    content = json.loads(as_json.getvalue())
    assert [Decimal(row["difference"]) for row in figures] == [figure.difference for figure in found.figures]
    assert sum(int(row["number"]) for row in rows if row["what"] == "cells") == sum(
        sum(count.cells.values()) for count in found.counts
    )
    whole = [figure for figure in content["figures"] if figure["column"].endswith("_vnd")]
    assert whole and all(isinstance(figure["before"], int) for figure in whole)
    assert [each["submission_id"] for each in content["corrections"]][:2] == [PAID, UNITS]
    assert content["before"]["publication_id"] == 1 and not content["is_same"]


def test_the_text_names_submissions_relations_and_figures_within_the_width(found: Differences) -> None:
    out = io.StringIO()
    write_text(found, out)
    said = out.getvalue()

    assert max(map(len, said.splitlines())) <= 110
    assert "superseded  p24-2021-11-v2" in said
    for words in ("1 → 2", "rpt_collection, 2021-11", "fct_contribution", "the difference may come from any of them"):
        assert words in said


def test_the_text_of_one_relation_has_every_column_month_by_month(world: World) -> None:
    alone = compare(world.settings, "1", "2", relation="rpt_collection", manifest=manifest_path(world.settings))
    brief, full = io.StringIO(), io.StringIO()
    write_text(alone, brief)
    write_text(alone, full, in_full=True)

    assert "attainment_pct" not in brief.getvalue()
    assert "total attainment_pct" in full.getvalue()
