"""What models declare under `meta.trace`: every fact and report has it, and names only what there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from ingestion.contracts import load_contracts
from warehouse.settings import PROJECT

OF_ROW, OF_PART = re.compile(r"\br\.(\w+)\b"), re.compile(r"\bf\.(\w+)\b")
OF_FILE = {
    "submission_id", "sender", "period", "version", "feed", "file", "month", "territory_key", "province_code",
    "current_province_code", "basis", "unit", "row_count", "rows_accepted", "received_at",
}  # fmt: skip
"""Columns of bi.lineage that a route over whole files may choose by."""


def models() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((PROJECT / "dbt_project" / "models").rglob("_*.yml")):
        for model in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("models") or []:
            found[model["name"]] = model
    return found


MODELS = models()
TRACED = {
    name: model["config"]["meta"]["trace"]
    for name, model in MODELS.items()
    if "trace" in ((model.get("config") or {}).get("meta") or {})
}


def columns(relation: str) -> set[str]:
    """The columns readers see; the views supply submission_id where rows stand in one file."""
    return {column["name"] for column in MODELS[relation]["columns"]} | {"submission_id"}


def routes() -> Iterator[tuple[str, dict[str, Any]]]:
    for relation, declared in TRACED.items():
        for route in declared.get("routes", []):
            yield relation, route


def texts(route: dict[str, Any]) -> str:
    figures = route["figures"]
    amounts = [] if isinstance(figures, list) else figures.values()
    flat = [text for amount in amounts for text in ([amount] if isinstance(amount, str) else amount.values())]
    return " ".join([*flat, *(str(route.get(name, "")) for name in ("when", "join", "where"))])


def test_every_fact_and_report_says_how_it_is_traced() -> None:
    published = {name for name in MODELS if name.startswith(("fct_", "rpt_"))}

    assert {name for name in published if not TRACED.get(name)} == set()
    assert {name for name, declared in TRACED.items() if not declared.keys() & {"feed", "routes", "why"}} == set()


@pytest.mark.parametrize("relation", sorted(name for name, declared in TRACED.items() if "feed" in declared))
def test_a_relation_of_file_rows_names_its_feed_and_columns_of_its_contract(relation: str) -> None:
    declared = TRACED[relation]
    sent = {column.name for column in load_contracts()[declared["feed"]].columns}

    assert "row_no" in columns(relation)
    assert set(declared.get("cells", {})) <= columns(relation)
    assert {name for names in declared.get("cells", {}).values() for name in names} <= sent
    assert set(declared.get("year_to_date", [])) <= columns(relation) & sent


@pytest.mark.parametrize(("relation", "route"), [pytest.param(*each, id=each[0]) for each in routes()])
def test_a_route_names_only_what_there_is(relation: str, route: dict[str, Any]) -> None:
    text = texts(route)
    own = columns(relation)

    assert set(route["figures"]) <= own
    assert set(OF_ROW.findall(text)) <= own
    if "made_of" in route:
        assert set(route["made_of"]) <= own
    elif "file" in route:
        assert route["file"] in {*load_contracts(), "r.feed"}
        assert set(OF_PART.findall(text)) <= OF_FILE
    else:
        assert set(OF_PART.findall(text)) <= columns(route["from"])
        assert set(route.get("counted_by", [])) <= columns(route["from"])
        assert set(re.findall(r"\b(?:from|join) ((?:dim|fct|rpt)_\w+)", text)) <= set(MODELS)
