"""The contracts say what the list of feeds says."""

from __future__ import annotations

import ast
import csv
import re
from collections import defaultdict
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from ingestion import codes
from ingestion.contracts import ContractError, load_contracts, load_indicators, read_contract
from ingestion.raw_tables import add_column_statements, create_statements

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "ingestion" / "contracts"
FEEDS = ROOT / "tests" / "reference" / "feeds.csv"


def _listed() -> dict[str, list[dict[str, str]]]:
    by_feed: dict[str, list[dict[str, str]]] = defaultdict(list)
    with FEEDS.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            by_feed[row["feed"]].append(row)
    return by_feed


def test_every_listed_feed_has_a_contract_and_no_other() -> None:
    assert set(load_contracts()) == set(_listed())


@pytest.mark.parametrize("feed", sorted(_listed()))
def test_columns_types_keys_values_and_headings_are_those_of_the_list(feed: str) -> None:
    contract, rows = load_contracts()[feed], _listed()[feed]
    assert contract.senders == set(rows[0]["senders"].split("|"))
    assert contract.column_names == tuple(row["column"] for row in rows)
    assert contract.key == tuple(row["column"] for row in rows if row["key"] == "yes")
    for row in rows:
        column = contract.column(row["column"])
        rule = row["values_or_rule"]
        assert column.kind == row["type"].replace(" ", "_"), column.name
        assert column.required == (row["required"] == "yes"), column.name
        assert column.headings_vi == tuple(text.strip() for text in row["aliases_vi"].split(";") if text.strip())
        if column.kind == "enum":
            assert column.values == tuple(rule.split(";")[0].strip().split("|")), column.name
        if ">= 0" in rule or "0.." in rule:
            assert column.minimum == 0, column.name
        if blank := re.search(r"blank = (\w+)", rule):
            # another column's value is what staging fills in: raw keeps the cell as sent
            elsewhere = {"whole", "employees_paid"}
            assert blank[1] in {str(column.default), *elsewhere}, column.name
        assert (column.required_if is not None) == ("required if" in rule or "required unless" in rule), column.name


def test_every_column_is_described_in_one_sentence() -> None:
    for contract in load_contracts().values():
        for column in contract.columns:
            assert column.description[0].isupper() and column.description.endswith("."), column.name


def test_the_indicators_are_those_of_the_list() -> None:
    reference = ROOT / "tests" / "reference" / "indicators.csv"
    assert (CONTRACTS / "reference" / "indicators.csv").read_text("utf-8") == reference.read_text("utf-8")
    assert load_indicators()["conferences"].month_allowed
    assert not load_indicators()["collection"].month_allowed


def test_half_a_percent_or_one_row_may_be_set_aside() -> None:
    contract = load_contracts()["participants"]
    assert [contract.tolerated(rows) for rows in (10, 399, 400, 1_000)] == [1, 1, 2, 5]


def test_a_misspelt_rule_stops_the_program(tmp_path: Path) -> None:
    document = yaml.safe_load((CONTRACTS / "benefits.yaml").read_text("utf-8"))
    document["schema"][0]["properties"][1]["customProperties"].append({"property": "minimun", "value": 0})
    path = tmp_path / "benefits.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(ValidationError):
        read_contract(path)


def test_a_rule_about_an_unknown_column_stops_the_program(tmp_path: Path) -> None:
    path = tmp_path / "benefits.yaml"
    text = (CONTRACTS / "benefits.yaml").read_text("utf-8")
    path.write_text(text.replace("- cases\n", "- people\n"), encoding="utf-8")
    with pytest.raises(ContractError, match="people"):
        read_contract(path)


def test_raw_tables_are_created_from_the_contract_and_only_added_to() -> None:
    contract = load_contracts()["participants"]
    statements = [statement.as_string() for statement in create_statements(contract)]
    assert statements[0].startswith('create table if not exists "raw"."participants" ("load_id" bigint not null')
    assert '"month" date not null' in statements[0] and statements[0].endswith("partition by range (month)")
    assert "using brin (load_id)" in statements[1]
    assert sum(statement.startswith("comment on column") for statement in statements) == 3 + len(contract.columns)
    added = [s.as_string() for s in add_column_statements(contract, set(contract.column_names) - {"sex"})]
    assert added[0] == 'alter table "raw"."participants" add column if not exists "sex" text'
    assert len(added) == 2


def test_every_code_has_a_message_in_both_languages() -> None:
    for code, texts in codes.CATALOGUE.items():
        assert re.fullmatch(r"[EN]-[A-Z]+(-[A-Z]+)*", code)
        assert texts.vi.strip() and texts.en.strip() and texts.vi != texts.en
        assert set(re.findall(r"{(\w+)}", texts.vi)) == set(re.findall(r"{(\w+)}", texts.en)), code


def test_every_code_used_in_this_room_is_in_the_catalogue() -> None:
    used = set()
    for path in (ROOT / "ingestion").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                used |= {node.value} if re.fullmatch(r"[EN]-[A-Z]+(-[A-Z]+)*", node.value) else set()
    assert used <= set(codes.CATALOGUE)


def test_a_message_never_fails_for_want_of_an_argument() -> None:
    assert codes.message("E-RAGGED", "en", actual=3) == (
        "The row has 3 cells, the heading …. Check delimiters and quotes in this row."
    )
    assert "M, F" in codes.message("E-ENUM", "vi", column="sex", allowed=["M", "F"], unheard_of=1)
    assert codes.message("E-UNHEARD-OF", "en") == "E-UNHEARD-OF"
