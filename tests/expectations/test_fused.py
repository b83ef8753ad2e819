"""What is judged together in one scan has the verdicts that each expectation has by itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import gate_rows as rows
import pytest
from gate_builders import Warehouse

from expectations import checkpoints, engine, fused
from expectations.engine import gx
from expectations.submission import gate_submission
from expectations.suites import contract_suite
from ingestion.contracts import load_contracts
from warehouse.errors import UsageError

Stored = list[tuple[Any, ...]]


def stored(warehouse: Warehouse) -> Stored:
    """Results of the last run, without their own numbers."""
    return warehouse.query(
        "select suite, expectation, column_name, severity, success, evaluated, unexpected from ops.gate_result"
        " where run_at = (select max(run_at) from ops.gate_result) order by gate_result_id"
    )


def broken_everywhere() -> dict[str, Sequence[rows.Row]]:
    """Rows against every kind of rule of a contract, beside rows that keep them."""
    persons = rows.participants(6, ui=8)
    persons[0]["sex"] = None
    persons[1]["sex"] = "X"
    persons[6]["hi_group"] = None
    persons[12]["wage_base_vnd"] = -1
    owing = rows.arrears(4)
    owing[0]["overdue_vnd"] = 100_000_001
    owing[1]["fund"] = "GOLD"
    paid: list[rows.Row] = [
        {"benefit_type": "pension", "persons": 3, "qualifier": "exact"},
        {"benefit_type": "maternity"},
    ]
    return {
        "participants": persons, "arrears": owing, "benefits": paid,
        "contributions": rows.contributions(3, wage_fund=9),
        "indicators": rows.indicators(ui=10, si_compulsory=9, hi=5),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["as it should be", "broken everywhere", "another total", "a row too many"])
def test_the_short_way_of_a_night_and_the_checkpoint_find_the_same(warehouse: Warehouse, name: str) -> None:
    changes: dict[str, dict[str, Any]] = {
        "another total": {"totals": {"principal_vnd": {"loaded": 7}}},
        "a row too many": {"accepted": 5},
    }
    sent: dict[str, Sequence[rows.Row]] = {"arrears": rows.arrears(4)}
    if name == "broken everywhere":
        sent = broken_everywhere()
    number = warehouse.submission(sent, **changes.get(name, {}))
    quick = gate_submission(warehouse.settings, number)
    quick_results = stored(warehouse)
    passed, findings = checkpoints.run(warehouse.settings, "submission", "province-26-2021-10-v1-submit")
    assert (quick.outcome == "passed", [one.code for one in quick.findings]) == (passed, [one.code for one in findings])
    assert [(row[0], row[1], row[2], row[4]) for row in stored(warehouse)] == [
        (row[0], row[1], row[2], row[4]) for row in quick_results
    ]
    assert [row[5:] for row in stored(warehouse) if row[6] is not None] == [
        row[5:] for row in quick_results if row[6] is not None
    ]
    assert passed is (name == "as it should be")


def test_a_submission_is_one_checkpoint_with_a_suite_a_feed(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    real = gx.Checkpoint.run

    def run(self: Any, *args: Any, **named: Any) -> Any:
        made.append((self.name, [one.name for one in self.validation_definitions], self.actions))
        return real(self, *args, **named)

    monkeypatch.setattr(gx.Checkpoint, "run", run)
    warehouse.submission({"arrears": rows.arrears(), "outreach": rows.outreach(2), "benefits": None})
    assert checkpoints.run(warehouse.settings, "submission", "province-26-2021-10-v1-submit") == (True, ())
    assert made == [("submission", ["contract arrears", "contract outreach", "business"], [])]
    assert warehouse.query("select relname from pg_class where relnamespace = 'gate'::regnamespace") == []


@pytest.mark.parametrize(("name", "subject"), [("nightly", "x"), ("submission", "never-sent"), ("candidate", "x")])
def test_an_unknown_checkpoint_or_subject_is_wrong_usage(warehouse: Warehouse, name: str, subject: str) -> None:
    with pytest.raises(UsageError):
        checkpoints.run(warehouse.settings, name, subject)


def test_what_asks_for_something_unknown_is_not_judged_together() -> None:
    expect = gx.expectations
    assert fused.is_fusable(expect.ExpectColumnValuesToNotBeNull(column="a"))
    assert not fused.is_fusable(expect.ExpectColumnValuesToNotBeNull(column="a", mostly=0.9))
    assert not fused.is_fusable(expect.ExpectColumnValuesToBeUnique(column="a"))


def test_every_expectation_of_every_contract_is_judged_in_one_scan() -> None:
    for contract in load_contracts().values():
        totals = dict.fromkeys((*contract.amount_columns, *contract.count_columns), 1)
        assert all(fused.is_fusable(check.expectation) for check in contract_suite(contract, 1, totals)), contract.feed


def test_many_submissions_in_one_process_leave_nothing_in_the_context(warehouse: Warehouse) -> None:
    for version in (1, 2, 3):
        warehouse.gate({"arrears": rows.arrears()}, version=version)
    context = engine._context(os.getpid())
    assert len(context.validation_results_store.list_keys()) == 0
    # one data source for each warehouse this process has seen
    assets = [[asset.name for asset in source.assets] for source in context.data_sources.all().values()]
    assert assets and all(names == ["table"] for names in assets)
