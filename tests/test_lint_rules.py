"""`make lint` on the dbt project: that its rules have teeth, and that none is left out without a reason."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from dbt_bouncer.utils import get_check_objects
from dbt_score.cli import cli
from dbt_score.config import Config
from dbt_score.rule_registry import RuleRegistry

from lint.descriptions import says_only_its_name, signature

PROJECT = Path(__file__).resolve().parent.parent
DBT = PROJECT / "dbt_project"
BIN = Path(sys.executable).parent

SOURCES = """
version: 2
sources:
  - name: raw
    schema: raw
    description: Rows as sent, of which ops.input says which ones count.
    tables:
      - {name: arrears, description: 'What a unit owes at the end of a month. One row per load, unit and fund.'}
      - {name: benefits, description: 'Benefits by type, as a province sent them for a month.'}
"""
STAGING = """
version: 2
models:
  - name: stg_province__arrears
    description: 'Arrears as sent. Grain: one row per unit and month.'
    columns:
      - {name: unit_code, description: Social insurance code of who owes.}
  - name: benefits
    description: 'Benefits as sent. Grain: one row per benefit.'
    columns:
      - {name: benefit_type, description: 'Kind of benefit, see dim_benefit_type.'}
"""
MARTS = """
version: 2
models:
  - name: fct_sound
    description: 'Arrears of units. Additive over units. Grain: one row per unit.'
    data_tests: [{unique_rows: {arguments: {columns: [unit_code]}}}]
    columns:
      - {name: unit_code, description: Social insurance code of who owes., data_type: text}
  - name: fct_undescribed
    description: 'Arrears of units. Additive over units. Grain: one row per unit.'
    data_tests: [{unique_rows: {arguments: {columns: [unit_code]}}}]
    columns:
      - {name: unit_code, data_type: text}
  - name: fct_from_source
    description: 'Arrears of units. Additive over units. Grain: one row per unit.'
    data_tests: [{unique_rows: {arguments: {columns: [unit_code]}}}]
    columns:
      - {name: unit_code, description: Social insurance code of who owes., data_type: text}
  - name: fct_grainless
    description: 'Arrears of units, which may be summed over units.'
    columns:
      - {name: unit_code, description: Social insurance code of who owes., data_type: text}
  - name: fct_without_contract
    description: 'Arrears of units. Additive over units. Grain: one row per unit.'
    config: {contract: {enforced: false}}
    data_tests: [{unique_rows: {arguments: {columns: [unit_code]}}}]
    columns:
      - {name: unit_code, description: Social insurance code of who owes., data_type: text}
  - name: fct_inexact
    description: 'Arrears of units. Additive over units. Grain: one row per unit.'
    data_tests: [{unique_rows: {arguments: {columns: [unit_code]}}}]
    columns:
      - {name: unit_code, description: Unit code., data_type: text}
      - {name: owed_vnd, description: 'What the unit owes, dong.', data_type: numeric}
      - {name: late, description: 'Paid after the month it was due for.', data_type: boolean}
      - {name: sent_at, description: 'When the file came, by the clock of the sender.', data_type: timestamp}
  - name: dim_distinct
    description: 'Units that owe. Grain: one row per unit.'
    data_tests: [{unique_rows: {arguments: {columns: [unit_code]}}}]
    columns:
      - {name: unit_code, description: Social insurance code of who owes., data_type: text}
  - name: fct_arrears
    description: 'Arrears of units. Additive over units. Grain: one row per unit.'
    columns:
      - {name: unit_code, description: Social insurance code of who owes., data_type: text}
"""
MACROS = """
version: 2
macros:
  - name: owed
    description: 'Principal and interest of a unit, dong.'
  - name: test_unique_rows
    description: 'Fails for each combination that stands twice.'
    arguments:
      - {name: model, type: relation, description: What is tested.}
      - {name: columns, type: list, description: The grain.}
"""
FROM_SOURCE = "-- one row per unit\nselect unit_code from {{ source('raw', 'arrears') }}\n"
FROM_STAGING = "-- one row per unit\nselect unit_code from {{ ref('stg_province__arrears') }}\n"
PROJECT_FILES = {
    "models/staging/_sources.yml": SOURCES,
    "models/staging/_staging__models.yml": STAGING,
    "models/staging/stg_province__arrears.sql": FROM_SOURCE,
    "models/staging/benefits.sql": "-- one row per benefit\nselect benefit_type from {{ source('raw', 'benefits') }}\n",
    "models/marts/_marts__models.yml": MARTS,
    "models/marts/fct_sound.sql": FROM_STAGING,
    "models/marts/fct_undescribed.sql": FROM_STAGING,
    "models/marts/fct_from_source.sql": FROM_SOURCE,
    "models/marts/fct_grainless.sql": FROM_STAGING.partition("\n")[2],
    "models/marts/fct_without_contract.sql": FROM_STAGING,
    "models/marts/fct_inexact.sql": FROM_STAGING,
    "models/marts/dim_distinct.sql": FROM_STAGING.replace("select", "select distinct"),
    "models/marts/fct_arrears.sql": FROM_STAGING,
    "macros/_macros.yml": MACROS,
    "macros/owed.sql": "{% macro owed(principal, interest=0) %}{{ principal }} + {{ interest }}{% endmacro %}\n",
}

# what is wrong in the project above, and nothing else
FAULTS = {
    ("check_model_names", "benefits"),
    ("check_model_column_description_populated", "fct_undescribed"),
    ("check_lineage_source_cannot_be_used", "fct_from_source"),
    ("check_model_description_contains_regexp_pattern", "fct_grainless"),
    ("check_model_has_unique_test", "fct_grainless"),
    ("check_model_code_does_not_contain_regexp_pattern", "fct_grainless"),
    ("check_model_has_contracts_enforced", "fct_without_contract"),
    ("check_model_contract_enforced_for_public_model", "fct_without_contract"),
    ("check_model_column_name_complies_to_column_type", "fct_inexact"),
    ("check_model_column_type_complies_to_column_name", "fct_inexact"),
    ("check_model_code_does_not_contain_regexp_pattern", "dim_distinct"),
    ("check_model_has_unit_tests", "fct_arrears"),
    ("check_macro_is_used", "owed"),
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `target/manifest.json` of a small project that breaks rules, with this project's configuration."""
    folder = tmp_path_factory.mktemp("faulty")
    for name, text in PROJECT_FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "tests/generic").mkdir(parents=True)
    shutil.copy(DBT / "tests/generic/unique_rows.sql", folder / "tests/generic")
    shutil.copy(DBT / "profiles.yml", folder)
    shutil.copy(DBT / "models/_groups.yml", folder / "models")
    settings = yaml.safe_load((DBT / "dbt_project.yml").read_text(encoding="utf-8"))
    for section in ("seeds", "semantic-models", "metrics"):
        del settings[section]
    # what the folders say, and not what single models say below them
    settings["models"]["vss"] = {
        name: {key: value for key, value in settings["models"]["vss"][name].items() if key.startswith("+")}
        for name in ("staging", "marts")
    }
    (folder / "dbt_project.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    parsed = run("dbt", "--quiet", "parse", "--profiles-dir", ".", at=folder)
    assert parsed.returncode == 0, parsed.stdout + parsed.stderr
    return folder


def run(tool: str, *arguments: str, at: Path, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A tool of `make lint` from the folder `at`; of dbt's settings it gets only where the manifest lies."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "VSS_"))}
    where = str(home or at)
    return subprocess.run(
        [str(BIN / tool), *arguments],
        cwd=at,
        env={**settings, "HOME": where, "DBT_PROJECT_DIR": where},
        capture_output=True,
        text=True,
        check=False,
    )


def test_dbt_bouncer_finds_every_fault_and_nothing_else(faulty: Path) -> None:
    found = faulty / "found.json"

    done = run("dbt-bouncer", "run", "--output-file", str(found), "--output-only-failures", at=PROJECT, home=faulty)

    assert done.returncode == 1, done.stdout + done.stderr
    failures = json.loads(found.read_text(encoding="utf-8"))
    named = {(row["check_run_id"].partition(":")[0], row["unique_id"].split(".")[-1]) for row in failures}
    assert named == FAULTS


def test_dbt_score_fails_empty_descriptions_and_macros_whose_arguments_are_not_named(
    faulty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)

    done = CliRunner().invoke(cli, ["lint", "--format", "json", "--manifest", str(faulty / "target/manifest.json")])

    assert done.exit_code == 1, done.output
    failed = {name for name, item in json.loads(done.stdout)["evaluables"].items() if item["score"] == 0}
    assert failed == {
        "model.vss.fct_inexact",
        "model.vss.fct_undescribed",
        "source.vss.raw.benefits",
        "macro.vss.owed",
    }


@pytest.mark.parametrize(
    ("name", "description", "is_restated"),
    [
        ("birth_year", "Year of birth.", True),
        ("paid_units", "Units paid", True),
        ("cases", "Cases.", True),
        ("birth_year", "Year the person was born in.", False),
        ("due_vnd", "Amount payable, đồng.", False),
        ("quarter", "1 to 4.", False),
    ],
)
def test_a_description_has_a_word_that_the_name_does_not_have(name: str, description: str, is_restated: bool) -> None:
    assert says_only_its_name(name, description) is is_restated


@pytest.mark.parametrize(
    ("head", "arguments"),
    [
        ("{% macro owed() %}", []),
        ("{% macro owed(principal, interest) -%}", ["principal", "interest"]),
        ("{%- macro owed(kinds=['a', 'b'], later_too=false, unit=none) %}", ["kinds", "later_too", "unit"]),
        ("{% test unique_rows(model, columns) %}", ["model", "columns"]),
        ("{% materialization slice, adapter='postgres' %}", []),
    ],
)
def test_the_arguments_of_a_macro_are_read_from_its_head(head: str, arguments: list[str]) -> None:
    assert signature(f"{{# what it does #}}\n{head}\n    1\n") == arguments


def test_every_check_of_dbt_bouncer_is_asked_for_or_has_its_reason_for_being_left_out() -> None:
    text = (PROJECT / "dbt-bouncer.yml").read_text(encoding="utf-8")
    asked = {check["name"] for check in yaml.safe_load(text)["manifest_checks"]}
    excused = set(re.findall(r"check_\w+", text.partition("# Left out")[2]))
    on_a_manifest = {
        check.model_fields["name"].default
        for check in get_check_objects()
        if check.__module__.startswith("dbt_bouncer.checks.manifest.")
    }

    assert asked | excused == on_a_manifest
    # one that is asked for may be named beside a reason, as what does the work instead
    assert {"check_model_access", "check_model_has_exposure"} <= excused - asked


def test_every_seed_has_all_its_columns_described_and_typed() -> None:
    seeds = yaml.safe_load((DBT / "seeds/_seeds.yml").read_text(encoding="utf-8"))["seeds"]
    heads = {
        path.stem: path.read_text(encoding="utf-8").splitlines()[0].split(",") for path in (DBT / "seeds").glob("*.csv")
    }

    assert {seed["name"]: [column["name"] for column in seed["columns"]] for seed in seeds} == heads
    assert {seed["name"]: list(seed["config"]["column_types"]) for seed in seeds} == heads


def test_every_rule_of_dbt_score_that_is_left_out_exists_and_has_its_reason() -> None:
    text = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    left_out = tomllib.loads(text)["tool"]["dbt-score"]["disabled_rules"]
    registry = RuleRegistry(Config())
    registry.load_all()

    assert left_out
    assert set(left_out) <= set(registry.rules)
    without_reason = [rule for rule in left_out if not re.search(rf'"{re.escape(rule)}", +# ', text)]
    follow_one_with_a_reason = ["snapshot_has_strategy", "has_uniqueness_test", "has_no_unused_is_incremental"]
    assert [rule.rpartition(".")[2] for rule in without_reason] == follow_one_with_a_reason


def test_every_rule_of_sqlfluff_that_is_left_out_has_its_reason_beside_it() -> None:
    text = (PROJECT / ".sqlfluff").read_text(encoding="utf-8")
    found = configparser.ConfigParser()
    found.read_string(text)
    left_out = found["sqlfluff"]["exclude_rules"].split(", ")

    assert left_out
    assert [code for code in left_out if not re.search(rf"^# {code} \w+", text, re.MULTILINE)] == []
