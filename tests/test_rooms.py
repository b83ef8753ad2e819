"""The rooms of the house: who may import whom, how nothing is called, and what no file may hold."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
ROOMS = ("warehouse", "ingestion", "expectations", "synth", "reporting", "night", "dags", "cli", "benchmarks", "lint")
EVERYTHING = ("tests", "dbt_project", *ROOMS)
# an entry is a room, or a package of a room when only that part of it may be used (docs/decisions, architecture)
MAY_IMPORT = {
    "warehouse": set(),
    "ingestion": {"warehouse"},
    "expectations": {"ingestion.contracts", "warehouse"},
    "synth": {"ingestion.manifest", "ingestion.contracts", "warehouse"},
    "reporting": {"warehouse"},
    "night": {"warehouse", "ingestion", "expectations", "reporting"},
    "dags": {"night"},
    "cli": {"warehouse", "ingestion", "expectations", "synth", "reporting", "night"},
    "lint": set(),
    "benchmarks": {"warehouse", "ingestion", "expectations", "synth", "night"},
}
NAMES_OF_NOTHING = {"utils", "util", "common", "helpers", "helper", "misc"}
LEFT_BY_RUNS = {".git", ".venv", ".venv-superset", ".venv-clients", "var"}
LEFT_BY_RUNS |= {"__pycache__", "target", "logs", "dbt_packages"}
LEFT_BY_RUNS |= {".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}


def imports(source: str) -> Iterator[str]:
    """Every module a source names, wherever the import stands; `from a import b` counts as `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            name = node.args[0]
            # a name that is put together tells its room before the first dot
            yield ast.literal_eval(name.values[0] if isinstance(name, ast.JoinedStr) else name).removesuffix(".")


def wrong_arrows(room: str, source: str) -> list[str]:
    """The imports of a source that its room may not have."""
    allowed = {room, *MAY_IMPORT[room]}
    wrong = []
    for module in imports(source):
        first = module.partition(".")[0]
        is_ours = first in EVERYTHING and not any(module == name or module.startswith(f"{name}.") for name in allowed)
        if is_ours or (first == "airflow" and room != "dags"):
            wrong.append(module)
    return wrong


def files() -> Iterator[Path]:
    """What belongs to the project, not what runs have left."""
    for folder, inner, names in os.walk(PROJECT):
        inner[:] = sorted(set(inner) - LEFT_BY_RUNS)
        yield from (Path(folder) / name for name in sorted(set(names) - LEFT_BY_RUNS))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_it_may(room: str) -> None:
    sources = sorted((PROJECT / room).rglob("*.py"))
    assert sources
    found = {str(path.relative_to(PROJECT)): wrong_arrows(room, path.read_text(encoding="utf-8")) for path in sources}
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("warehouse", "import ingestion"),
        ("ingestion", "def late():\n    from expectations import engine"),
        ("expectations", "from ingestion import ledger"),
        ("reporting", "import ingestion.contracts"),
        ("night", "from synth import demo"),
        ("night", "import airflow"),
        ("dags", "from warehouse import settings"),
        ("cli", "import dags.nightly_load"),
        ("cli", "from airflow.sdk import dag"),
        ("synth", "from ingestion.load import load_submission"),
        ("night", "import importlib\nimportlib.import_module('synth.demo')"),
        ("warehouse", "import tests.builders"),
    ],
)
def test_an_arrow_that_is_not_in_the_table_is_found(room: str, source: str) -> None:
    assert len(wrong_arrows(room, source)) == 1


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("expectations", "from ingestion.contracts import load_contracts"),
        ("expectations", "from ingestion import contracts"),
        ("synth", "from ingestion.manifest import write"),
        ("dags", "from airflow.sdk import dag\nfrom night import tasks"),
        ("cli", "from night.journal import exit_code\nimport night"),
    ],
)
def test_an_arrow_that_is_in_the_table_is_let_through(room: str, source: str) -> None:
    assert wrong_arrows(room, source) == []


def test_the_dbt_project_is_sql_only() -> None:
    assert [path for path in files() if path.suffix == ".py" and PROJECT / "dbt_project" in path.parents] == []


def test_nothing_is_called_utils_common_helpers_or_misc() -> None:
    parts = {part for path in files() for part in path.relative_to(PROJECT).with_suffix("").parts}
    assert parts & NAMES_OF_NOTHING == set()


def test_no_file_names_a_package_index_or_a_path_of_somebodys_machine() -> None:
    # written in two parts, so that this file does not name them
    index = ("--index" + "-url", "--extra" + "-index-url", "--trusted" + "-host", "/simple" + "/", "pypi" + ".org")
    machine = ("/wor" + "k/", "/root" + "/", "/Use" + "rs/", "/home" + "/", "C:" + "\\")
    found = []
    for path in files():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        found += [f"{path.relative_to(PROJECT)}: {word}" for word in (*index, *machine) if word in text]
    assert found == []
