"""The committed page of `bi` is the generated one, its diagrams are right, and its examples read what is there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from reporting import relations_page
from reporting.relations_page import Edge, Shown
from warehouse.settings import PROJECT


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dbt's manifest of the project as it stands, made without a database."""
    return relations_page.parse(tmp_path_factory.mktemp("manifest"))


@pytest.fixture(scope="module")
def relations(manifest: Path) -> dict[str, Shown]:
    return relations_page.shown(manifest)


def exposures(manifest: Path) -> dict[str, set[str]]:
    """Every exposure with the models it depends on."""
    found: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))["exposures"]
    return {
        each["name"]: {model.rpartition(".")[2] for model in each["depends_on"]["nodes"]} for each in found.values()
    }


def test_what_is_committed_is_what_is_generated(manifest: Path) -> None:
    assert relations_page.PAGE.read_text(encoding="utf-8") == relations_page.page(manifest), "run `make docs`"


def test_every_relation_says_what_it_is_its_grain_its_additivity_and_an_example(relations: dict[str, Shown]) -> None:
    silent = [
        each.name
        for each in relations.values()
        if not (each.description and each.additivity and each.example and each.grain.startswith("one row per "))
        or "Grain:" in each.description
    ]

    assert silent == []


def test_every_example_asks_a_question_of_its_relation_in_six_lines(relations: dict[str, Shown]) -> None:
    wrong = [
        each.name
        for each in relations.values()
        if not re.match(r"-- [A-Z].*\?\nselect\b", each.example)
        or f"bi.{each.name}" not in each.example
        or each.example.count("\n") > 5
    ]

    assert wrong == []


def test_every_percentage_says_how_it_is_made(relations: dict[str, Shown]) -> None:
    unsaid = [
        f"{each.name}.{column}"
        for each in relations.values()
        for column, (_, text) in each.columns.items()
        if column.endswith("_pct") and not (re.search(r"100 x \S", text) and re.search(r"\(R\d", text))
    ]

    assert unsaid == []


def test_every_fact_is_in_exactly_one_diagram(manifest: Path, relations: dict[str, Shown]) -> None:
    drawn = [fact for star in relations_page.stars(manifest) for fact in star.facts]

    assert sorted(drawn) == sorted(name for name in relations if name.startswith("fct_"))


def test_every_line_of_a_diagram_joins_a_column_of_both_sides(manifest: Path, relations: dict[str, Shown]) -> None:
    lines = [edge for star in relations_page.stars(manifest) for edge in star.edges]

    assert lines
    assert [
        edge
        for edge in lines
        if not (relations[edge.child].columns.keys() & relations[edge.parent].columns.keys()) >= set(edge.columns)
    ] == []


def test_the_four_stars_have_the_dimensions_their_facts_are_asked_by(manifest: Path) -> None:
    joined = {
        star.group: {edge.parent for edge in star.edges if edge.child == star.facts[0]}
        for star in relations_page.stars(manifest)
    }

    everywhere = {"dim_month", "dim_province", "dim_employer"}
    assert joined["participation"] == everywhere | {
        "dim_participant", "dim_insurance_type", "dim_hi_group", "dim_locality",
    }  # fmt: skip
    assert joined["collection"] == everywhere | {"dim_fund"}
    assert joined["arrears"] == everywhere | {"dim_fund", "dim_arrears_band"}
    assert joined["inspection"] == everywhere | {"dim_inspection_kind", "dim_indicator"}


def test_a_column_of_the_same_name_and_another_meaning_is_no_join(relations: dict[str, Shown]) -> None:
    joins = relations_page.edges(relations)

    assert "kind" in relations["fct_outreach"].columns
    assert [edge for edge in joins if edge.child == "fct_outreach" and edge.parent == "dim_inspection_kind"] == []
    assert Edge("fct_inspection", "dim_inspection_kind", ("kind",), is_required=True) in joins


def test_what_is_published_is_public_and_nothing_else_is(manifest: Path, relations: dict[str, Shown]) -> None:
    nodes: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))["nodes"]
    public = {
        node["name"] for node in nodes.values() if node["resource_type"] == "model" and node["access"] == "public"
    }

    assert public | {"publication"} == set(relations)


@pytest.mark.parametrize(
    ("exposure", "pages"), [("morning_report", ("headline.py", "inspections.py")), ("headline_table", ("headline.py",))]
)
def test_an_exposure_names_exactly_what_its_page_reads(manifest: Path, exposure: str, pages: tuple[str, ...]) -> None:
    texts = [(PROJECT / "reporting" / name).read_text(encoding="utf-8") for name in pages]
    read = {name for text in texts for name in re.findall(r"\b(?:from|join) bi\.(\w+)", text)}

    assert exposures(manifest)[exposure] | {"publication"} == read


def test_no_other_page_reads_relations_of_its_own() -> None:
    sources = [path for path in (PROJECT / "reporting").glob("*.py") if path.name != "relations_page.py"]
    reading = {
        path.name
        for path in sources
        if re.search(r"\b(?:from|join) bi\.(?!rpt_plan_attainment)\w+", path.read_text("utf-8"))
    }

    assert reading == {"headline.py", "inspections.py"}


def test_the_guide_may_name_every_report_and_every_fact(manifest: Path, relations: dict[str, Shown]) -> None:
    assert exposures(manifest)["bi_guide"] == {name for name in relations if name[:4] in ("rpt_", "fct_")}
