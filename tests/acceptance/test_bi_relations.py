"""docs/bi-relations.md says of every relation of `bi` what the database says, and its examples run."""

from __future__ import annotations

import pytest
from demo_warehouse import Demo

from reporting import relations_page
from reporting.relations_page import Shown

_THERE = """
select c.relname, a.attname, format_type(a.atttypid, a.atttypmod) as data_type,
    col_description(a.attrelid, a.attnum) as description, obj_description(c.oid, 'pg_class') as relation_description
from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = 'bi'::regnamespace
"""
_LONG = {"timestamptz": "timestamp with time zone"}


@pytest.fixture(scope="module")
def relations(demo: Demo) -> dict[str, Shown]:
    return relations_page.shown(demo.home / "dbt" / "target" / "manifest.json")


def test_the_page_says_of_every_column_what_the_database_says(demo: Demo, relations: dict[str, Shown]) -> None:
    there = {(row["relname"], row["attname"]): (row["data_type"], row["description"]) for row in demo.rows(_THERE)}

    said = {
        (each.name, column): (_LONG.get(data_type, data_type), text.strip())
        for each in relations.values()
        for column, (data_type, text) in each.columns.items()
    }
    assert said == there


def test_the_page_says_of_publications_what_the_database_says(demo: Demo, relations: dict[str, Shown]) -> None:
    comment = next(row["relation_description"] for row in demo.rows(_THERE) if row["relname"] == "publication")

    publication = relations["publication"]
    assert comment.startswith(f"{publication.grain[0].upper()}{publication.grain[1:-1]}: ")
    assert publication.description[0].lower() + publication.description[1:] in comment


def test_every_example_runs_as_vss_reader(demo: Demo, relations: dict[str, Shown]) -> None:
    # on the demo nobody has a target below the province, nor unemployment without compulsory insurance
    empty = {name for name, each in relations.items() if not demo.rows(f"select from ({each.example}) as answer")}

    assert empty == {"rpt_target_attainment", "rpt_ui_without_si"}
