"""The runbook names what there is: every DAG, every kind of alert, and no verb that does not exist."""

from __future__ import annotations

import re

from cli.main import HOMES
from night import phrases
from warehouse.settings import PROJECT

TEXT = (PROJECT / "docs" / "runbook.md").read_text(encoding="utf-8")


def _table(heading: str) -> set[str]:
    body = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    firsts = re.findall(r"^\| (`.*?) \|", body, re.MULTILINE)
    return {name for first in firsts for name in re.findall(r"`([a-z_-]+)`", first)}


def test_every_dag_has_its_row() -> None:
    ignored = (PROJECT / "dags" / ".airflowignore").read_text(encoding="utf-8").split()
    files = {path.name for path in (PROJECT / "dags").glob("*.py")} - set(ignored)

    assert _table("The DAGs") == {name.removesuffix(".py") for name in files}


def test_every_kind_of_alert_has_its_first_three_steps() -> None:
    assert _table("Alerts") - {"maintenance"} == set(phrases.PHRASES)


def test_every_verb_it_names_exists() -> None:
    known = {verb for verbs in HOMES.values() for verb in verbs}

    named = set(re.findall(r"\bvss ([a-z][a-z-]+)", TEXT))
    assert len(named) > 10
    assert named - known == set()
