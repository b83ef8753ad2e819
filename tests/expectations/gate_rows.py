"""Rows of feeds that every gate lets pass; a test changes what it is about."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def participants(
    persons: int = 10, *, wage: int = 6_000_000, name: str = "Nguyễn Thị A", ui: int | None = None
) -> list[Row]:
    """`persons` under compulsory and health insurance each, and `ui` of them under unemployment insurance."""
    rows = []
    for kind, count in (("SI_C", persons), ("HI", persons), ("UI", persons if ui is None else ui)):
        rows += [
            {
                "si_number": f"01{number:08d}", "full_name": name, "birth_date": "1985-03-02", "sex": "F",
                "insurance_type": kind, "hi_group": "DN" if kind == "HI" else None,
                "si_unit_code": None if kind == "HI" else "TA0001A", "wage_base_vnd": None if kind == "HI" else wage,
            }
            for number in range(count)
        ]  # fmt: skip
    return rows


def arrears(units: int = 3, *, principal: int = 100_000_000, overdue: int = 50_000_000) -> list[Row]:
    """One row a unit that owes to the retirement fund."""
    return [
        {
            "si_unit_code": f"TA{number:04d}A", "fund": "RETIREMENT", "principal_vnd": principal,
            "overdue_vnd": overdue, "interest_vnd": 0, "employees_affected": 5, "hard_to_collect": "none",
        }
        for number in range(units)
    ]  # fmt: skip


def contributions(
    units: int = 6, *, wage_fund: int = 60_000_000, headcount: int = 10, paid: int = 13_000_000
) -> list[Row]:
    """One row a unit for the retirement fund."""
    return [
        {
            "payer_kind": "employer", "payer_code": f"TA{number:04d}A", "fund": "RETIREMENT",
            "liability_month": "2021-10-01", "headcount": headcount, "wage_fund_vnd": wage_fund, "due_vnd": 13_200_000,
            "adjustment_vnd": 0, "interest_due_vnd": 0, "paid_vnd": paid, "interest_paid_vnd": 0,
        }
        for number in range(units)
    ]  # fmt: skip


def indicators(**values: int) -> list[Row]:
    """Exact month-end head counts by indicator."""
    return [
        {
            "indicator": name, "as_of_date": "2021-10-31", "value": value, "unit": "persons", "qualifier": "exact",
            "measure": "stock", "comparison": "none",
        }
        for name, value in values.items()
    ]  # fmt: skip


def outreach(events: int) -> list[Row]:
    """One row an event."""
    return [{"event_no": str(number), "kind": "conference", "held_on": "2021-10-05"} for number in range(events)]
