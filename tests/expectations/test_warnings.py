"""What gate 1 warns of: stored and shown, told to the sender where he can act, and never in the way."""

from __future__ import annotations

import datetime as dt
from typing import Any

import gate_rows as rows
import pytest
from gate_builders import Warehouse

from expectations.plans import days_outside_week
from expectations.submission import Verdict, gate_submission


def warned(warehouse: Warehouse) -> dict[str, Any]:
    """Of the last gate: the figures of each warning that was broken."""
    found = warehouse.query(
        "select column_name, details -> 'figures' from ops.gate_result where severity = 'warn' and not success"
        " and run_at = (select max(run_at) from ops.gate_result)"
    )
    return dict(found)


def told(warehouse: Warehouse) -> list[Any]:
    return [note for (notes,) in warehouse.query("select notes from ops.load order by load_id") for note in notes]


def without_si(persons: list[rows.Row], *numbers: str) -> list[rows.Row]:
    return [row for row in persons if not (row["insurance_type"] == "SI_C" and row["si_number"] in numbers)]


def test_who_has_unemployment_insurance_only_is_listed_to_the_sender(warehouse: Warehouse) -> None:
    # ten under SI_C of whom one has no UI, and one under UI without SI_C: the counts are in order
    persons = without_si(rows.participants(11, ui=10), "0100000003")
    ui = [(row["si_number"], row["insurance_type"]) for row in persons].index(("0100000003", "UI"))
    assert warehouse.gate({"participants": persons}) == Verdict("passed")
    args = {"count": 1, "rows": [ui + 2], "left_out": 0}
    assert warned(warehouse) == {"ui_without_si_c": [{"feed": "participants", **args}]}
    assert told(warehouse) == [{"code": "N-UI-WITHOUT-SI", "args": args}]


def test_a_gate_that_runs_again_tells_once_and_takes_back_what_no_longer_holds(warehouse: Warehouse) -> None:
    number = warehouse.submission({"participants": without_si(rows.participants(11, ui=10), "0100000003")})
    for _ in range(2):
        gate_submission(warehouse.settings, number)
    assert len(told(warehouse)) == 1
    warehouse.execute("update raw.participants set insurance_type = 'HI', hi_group = 'DN' where insurance_type = 'UI'")
    gate_submission(warehouse.settings, number)
    assert told(warehouse) == []


def plan(indicator: str, target: int, issued: str, **cells: Any) -> rows.Row:
    return {
        "plan_document": f"QD {issued}", "revision": 0, "issued_date": issued, "year": 2021,
        "assignee_kind": "province", "assignee_code": "26", "indicator": indicator, "target_kind": "level",
        "target_value": target, **cells,
    }  # fmt: skip


@pytest.mark.parametrize(("value", "is_odd"), [(9_999, True), (10_000, False), (1_000_000, False), (1_000_001, True)])
def test_a_reported_stock_far_from_the_plan_in_force_warns(warehouse: Warehouse, value: int, is_odd: bool) -> None:
    plans = [
        plan("hi", 100_000, "2021-02-01"), plan("hi", 7, "2021-01-01"), plan("hi", 9, "2021-11-01"),
        plan("hi", 5, "2021-03-01", from_month="2021-09-01"), plan("hi", 3, "2021-03-01", assignee_code="27"),
    ]  # fmt: skip
    warehouse.accept({"plan_targets": plans}, sender="hq", period="2021-01")
    assert warehouse.gate({"indicators": rows.indicators(hi=value)}) == Verdict("passed")
    found = [one for figures in warned(warehouse).values() for one in figures]
    assert [(one["indicator"], one["value"], one["plan"]) for one in found] == (
        [("hi", str(value), "100000")] if is_odd else []
    )


@pytest.mark.parametrize(("reported", "is_odd"), [(80, False), (81, False), (82, True), (78, True)])
def test_a_reported_attainment_that_is_not_the_figure_over_the_plan_warns(
    warehouse: Warehouse, reported: int, is_odd: bool
) -> None:
    warehouse.accept({"plan_targets": [plan("hi", 1000, "2021-02-01")]}, sender="hq", period="2021-01")
    sent = [*rows.indicators(hi=800), {**rows.indicators(hi=reported)[0], "unit": "percent", "comparison": "plan"}]
    assert warehouse.gate({"indicators": sent}) == Verdict("passed")
    assert set(warned(warehouse)) == ({"plan_points_off"} if is_odd else set())


def test_without_a_plan_nothing_is_compared(warehouse: Warehouse) -> None:
    assert warehouse.gate({"indicators": rows.indicators(hi=1)}) == Verdict("passed")
    assert warned(warehouse) == {}


@pytest.mark.parametrize(
    ("as_of", "days"),
    [("2021-11-01", 0), ("2021-11-07", 0), ("2021-10-31", 1), ("2021-11-08", 1), ("2021-12-07", 30)],
)
def test_a_weekly_report_closes_in_its_own_week(as_of: str, days: int) -> None:
    assert days_outside_week("2021-W44", dt.date.fromisoformat(as_of)) == days
    assert days_outside_week("2021-11", dt.date.fromisoformat(as_of)) is None


def test_a_count_of_another_magnitude_is_held_and_a_key_is_no_total(warehouse: Warehouse) -> None:
    before = [{**row, "employees_affected": 5} for row in rows.arrears(2)]
    warehouse.accept({"arrears": before}, period="2021-09")
    sent = [{**row, "employees_affected": 501} for row in rows.arrears(2)]
    verdict = warehouse.gate({"arrears": sent})
    assert [(one.code, one.args["column"]) for one in verdict.findings] == [("E-HELD-TOTAL", "employees_affected")]
    warehouse.accept({"plan_targets": [plan("hi", 1, "2021-02-01")]}, sender="hq", period="2021-01")
    many = [plan(name, 1, "2021-03-01", plan_document=f"QD {n}") for n, name in enumerate(["hi"] * 120)]
    assert warehouse.gate({"plan_targets": many}, sender="hq", period="2021-03") == Verdict("passed")
