"""Thua Thien Hue at the end of June 2022, known only from what the agency published (vss.gov.vn, 2022-07-10)."""

from __future__ import annotations

import datetime as dt

import polars as pl

from synth.events import RELIEF_SCHEMA
from synth.reference_feeds import INDICATOR_SCHEMA, PLAN_SCHEMA, indicator, plan_target
from synth.submission import Submission, at

CODE = "46"
_END = dt.date(2022, 6, 30)
_MILLION = 1_000_000


def submission() -> Submission:
    """The reported indicators and the cash support under Resolution 116."""
    return Submission(
        sender="province-46",
        submission_id="p46-2022-06-v1",
        period="2022-06",
        as_of=_END,
        created_at=at(dt.date(2022, 7, 2), 8),
        feeds={"indicators": reported(), "policy_relief": relief()},
        received_at=at(dt.date(2022, 7, 2), 9),
    )


def reported() -> pl.DataFrame:
    """The figures as printed, and the denominators they imply."""

    def stock(name: str, value: int | str, unit: str = "persons", **more: str) -> dict[str, object]:
        return indicator(name, _END, value, unit, **more)

    def about(name: str, value: int, unit: str = "persons") -> dict[str, object]:
        return indicator(name, _END, value, unit, measure="ytd", qualifier="approx")

    rows = [
        stock("si_participants", 146210),
        stock("si_compulsory", 127749),
        stock("si_voluntary", 18461),
        stock("hi", 1144762),
        stock("si_coverage_pct", "28.89", "percent"),
        stock("si_compulsory_coverage_pct", "25.24", "percent"),
        stock("si_voluntary_coverage_pct", "3.65", "percent"),
        stock("hi_coverage_pct", "99.2", "percent"),
        about("one_time_persons", 5600),
        about("short_term_persons", 61500),
        stock("pension_persons", 32300, qualifier="approx"),
        about("ui_allowance_persons", 3800),
        stock("hi_facilities_contracted", 43, "units"),
        about("hi_treatment_cost", 1_000_000 * _MILLION, "dong"),
        indicator("hi_treatment_cost", _END, "-3.2", "percent", measure="ytd", comparison="same_period"),
        indicator("vssid_registrations", dt.date(2022, 6, 20), 280847, "persons"),
        stock("population", 1153994, note="implied"),
        stock("labour_force", 506100, note="implied"),
    ]
    return pl.DataFrame(rows, schema=INDICATOR_SCHEMA)


def relief() -> pl.DataFrame:
    """Cash support approved and paid."""
    shared = {"policy": "R116_CASH", "beneficiary": "unsplit", "scenario": "actual", "cut_off_date": _END}
    rows = [
        {**shared, "status": "approved", "persons": 105407, "amount_vnd": 259_200 * _MILLION, "qualifier": "exact"},
        {**shared, "status": "paid", "persons": 96700, "amount_vnd": 233_960 * _MILLION, "qualifier": "approx"},
    ]
    return pl.DataFrame(rows, schema=RELIEF_SCHEMA)


def plan() -> pl.DataFrame:
    """The target on a ratio: keep 99.2 percent covered. The source names no document."""
    target = plan_target(
        "2022 (vss.gov.vn 2022-07-10)",
        dt.date(2022, 1, 5),
        CODE,
        "hi_coverage_pct",
        "99.2",
        target_kind="ratio",
    )
    return pl.DataFrame([target], schema=PLAN_SCHEMA)
