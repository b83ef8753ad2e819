"""Vinh Phuc in 2021: detail at full size that adds up to what the agency published, and those figures as printed.

Source: vss.gov.vn, 2021-11-14 ("Vinh Phuc's social security agency needs flexibility …"). Choices where it is silent:
of the arrears 10,084 million is hard to collect (it explains the printed 3.65 %); money paid beyond what the wage funds
give went to earlier liability months; help "provided" by 31 October is counted as approved, because more was approved
and less settled three days later; the 208 customer conferences outside September and October lie before September.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator

import numpy as np
import polars as pl

from synth import arrears, contributions, events, participants, population
from synth.chance import apportion
from synth.generate import weekly_submission
from synth.population import Snapshot
from synth.provinces import Cell, cell
from synth.reference_feeds import INDICATOR_SCHEMA, PLAN_SCHEMA, indicator, plan_target
from synth.submission import Submission, at

CODE = "26"
SENDER = "province-26"
OCTOBER = dt.date(2021, 10, 1)
MILLION = 1_000_000
# funds of a collection group: published sum of January to October, in million đồng
COLLECTED = {
    ("RETIREMENT", "SICK_MATERNITY", "OAD"): 2_922_555,
    ("VOLUNTARY",): 66_009,
    ("UI",): 230_005,
    ("HI",): 1_094_489,
}
ARREARS, HARD_TO_COLLECT = 210_118, 10_084
_WAGE_EXCESS = 1.198
_EVENTS = {"conference": 363, "small_group": 121, "subgroup": 901, "livestream": 4}
_CUSTOMER_CONFERENCES = (26,) * 8 + (10, 16)
_HEADINGS = {
    "indicator": "Chỉ tiêu",
    "as_of_date": "Ngày chốt",
    "value": "Giá trị",
    "unit": "Đơn vị tính",
    "note": "Ghi chú",
}


def submissions(october: Snapshot, *, seed: int) -> Iterator[Submission]:
    """Ten months of contributions and outreach, the full detail of October, a week, and the published figures."""
    months = [dt.date(2021, number, 1) for number in range(1, 10)]
    money_before = [contributions.contributions(population.take(full_size(), month, seed)) for month in months]
    posted = fit_to_collected([*money_before, contributions.contributions(october)])
    for month, money in zip([*months, OCTOBER], posted, strict=True):
        feeds: dict[str, pl.DataFrame | None] = {"contributions": money, "outreach": _outreach(month, seed)}
        if month == OCTOBER:
            feeds |= _detail(october)
        as_of = events.month_end(month)
        # the relief of October has rows as of 3 November
        received = at(dt.date(2021, 11, 4), 9) if month == OCTOBER else at(as_of + dt.timedelta(days=3), 9)
        yield Submission(
            sender=SENDER,
            submission_id=f"p26-{month:%Y-%m}-v1",
            period=f"{month:%Y-%m}",
            as_of=as_of,
            created_at=received - dt.timedelta(hours=1),
            feeds=feeds,
            received_at=received,
        )
    friday = dt.date(2021, 10, 29)
    yield weekly_submission(CODE, friday, seed=seed, received_at=at(friday, 14))
    yield Submission(
        sender=SENDER,
        submission_id="p26-2021-10-reported",
        period="2021-10",
        as_of=events.month_end(OCTOBER),
        created_at=at(dt.date(2021, 11, 4), 10),
        feeds={"indicators": reported()},
        headings={"indicators": _HEADINGS},
        received_at=at(dt.date(2021, 11, 4), 11),
    )


def october_2021(*, seed: int) -> Snapshot:
    """The province at the end of October 2021, at full size."""
    return population.take(full_size(), OCTOBER, seed)


def full_size() -> Cell:
    """The province with wages fitted to the two reliefs: about 1,030 billion a month outside the budget."""
    return dataclasses.replace(cell(CODE, scale=1), wage_excess=_WAGE_EXCESS, wage_regions=(0.0, 0.7, 0.3, 0.0))


def fit_to_collected(months: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """The months with `paid_vnd` adding up to the published sums, to the đồng.

    Insurance of employees: what was paid for earlier months makes up the difference. Health and voluntary money of
    agents and budgets: due and paid alike are stretched.
    """
    whole = pl.concat(
        [frame.with_columns(pl.lit(number).alias("posted")) for number, frame in enumerate(months, start=1)]
    )
    posting = pl.format("2021-{}", pl.col("posted").cast(pl.String).str.zfill(2))
    late = (pl.col("payer_kind") == "employer") & (pl.col("liability_month") < posting)
    stretched = {"HI": pl.col("payer_kind").is_in(["agent", "budget"]), "VOLUNTARY": pl.col("payer_kind") == "agent"}
    for funds, millions in COLLECTED.items():
        in_group = pl.col("fund").is_in(list(funds))
        flexible = whole.select(in_group & stretched.get(funds[0], late)).to_series().to_numpy()
        fixed = ~flexible & whole.select(in_group).to_series().to_numpy()
        paid = whole["paid_vnd"].to_numpy().copy()
        rest = millions * MILLION - int(paid[fixed].sum())
        paid[flexible] = apportion(paid[flexible], rest)
        columns = [pl.Series("paid_vnd", paid)]
        if funds[0] in stretched:
            columns.append(pl.Series("due_vnd", np.where(flexible, paid, whole["due_vnd"].to_numpy())))
        whole = whole.with_columns(columns)
    return [whole.filter(pl.col("posted") == number).drop("posted") for number in range(1, len(months) + 1)]


def reported() -> pl.DataFrame:
    """The figures as the agency printed them, wrong ones included, and the bases they imply."""
    end = events.month_end(OCTOBER)
    last_october, last_december = dt.date(2020, 10, 31), dt.date(2020, 12, 31)
    implied = "implied"

    def stock(name: str, value: int | str, unit: str = "persons", **more: str) -> dict[str, object]:
        return indicator(name, end, value, unit, **more)

    def to_date(name: str, value: int | str, unit: str = "dong", **more: str) -> dict[str, object]:
        return indicator(name, end, value, unit, measure="ytd", **more)

    rows = [
        stock("units_managed", 6363, "units"),
        stock("people_managed", 1114733),
        stock("people_managed", 22029, comparison="same_period"),
        stock("people_managed", 2, "percent", comparison="same_period"),
        stock("people_managed", 30314, comparison="last_december"),
        stock("people_managed", "2.77", "percent", comparison="last_december"),
        stock("si_compulsory", 220596),
        stock("si_compulsory", "97.7", "percent", comparison="plan"),
        stock("si_voluntary", 15153),
        stock("si_voluntary", 75, "percent", comparison="plan"),
        stock("ui", 212790),
        stock("ui", "97.5", "percent", comparison="plan"),
        stock("hi_coverage_pct", "92.7", "percent"),
        stock("hi", 1099580),
        stock("hi", "98.44", "percent", comparison="plan"),
        to_date("collection", 4313058 * MILLION),
        to_date("collection", "78.7", "percent", comparison="plan"),
        to_date("collection", 284500 * MILLION, comparison="same_period"),
        to_date("collection_si_compulsory", 2922555 * MILLION),
        to_date("collection_si_voluntary", 66009 * MILLION),
        to_date("collection_ui", "230,0005"),
        to_date("collection_hi", 1094489 * MILLION),
        stock("arrears", 210118 * 1000 * MILLION, "dong"),
        stock("arrears_of_plan_pct", "3.65", "percent"),
        stock("arrears_of_plan_pct", "-0.24", "percentage_point", comparison="same_period"),
        to_date("conferences", 363, "events"),
        to_date("small_groups", 121, "events"),
        to_date("subgroups", 901, "events"),
        to_date("livestreams", 4, "events"),
        indicator("customer_conferences", dt.date(2021, 9, 30), 10, "events", measure="month"),
        indicator("customer_conferences", end, 16, "events", measure="month"),
        to_date("customer_conferences", 234, "events"),
        to_date("customer_conferences", 52, "percent", comparison="plan"),
        stock("population", 1186170, note=implied),
        indicator("people_managed", last_october, 1092704, "persons", note=implied),
        indicator("people_managed", last_december, 1084419, "persons", note=implied),
        indicator("collection", last_october, 4028558 * MILLION, "dong", measure="ytd", note=implied),
    ]
    return pl.DataFrame(rows, schema=INDICATOR_SCHEMA)


def plan() -> pl.DataFrame:
    """Headquarters' targets for 2021: Decision 356/QD-BHXH, and the conferences of Plan 2800/KH-BHXH."""
    targets = {
        "si_compulsory": 225789,
        "si_voluntary": 20204,
        "ui": 218246,
        "hi": 1117005,
        "collection": 5480379 * MILLION,
    }
    rows = [plan_target("356/QD-BHXH", dt.date(2021, 4, 14), CODE, *item) for item in targets.items()]
    rows.append(plan_target("2800/KH-BHXH", dt.date(2021, 9, 6), CODE, "customer_conferences", 450))
    return pl.DataFrame(rows, schema=PLAN_SCHEMA)


def relief() -> pl.DataFrame:
    """Relief under Resolutions 68 and 116 as published, with its two cut-offs and its forecasts."""
    october, november = events.month_end(OCTOBER), dt.date(2021, 11, 3)

    def row(policy: str, beneficiary: str, status: str, cut_off: dt.date, **more: object) -> dict[str, object]:
        fixed = {"policy": policy, "beneficiary": beneficiary, "status": status, "cut_off_date": cut_off}
        return {**fixed, "scenario": "actual", "qualifier": "exact", **more}

    def forecast(policy: str, status: str, end: dt.date, **more: object) -> dict[str, object]:
        return row(policy, "unit", status, end, scenario="forecast", qualifier="approx", **more)

    oad = {"from_month": "2021-07", "to_month": "2021-10"}
    suspended = {"from_month": "2021-07", "to_month": "2021-12", "units": 5}
    ui_rate = {"from_month": "2021-10", "to_month": "2021-10"}
    rows = [
        row("R68_OAD", "unit", "settled", october, **oad, units=3633, amount_vnd=20_600 * MILLION),
        forecast(
            "R68_OAD", "settled", dt.date(2022, 6, 30), **oad | {"to_month": "2022-06"}, amount_vnd=61_900 * MILLION
        ),
        row("R68_RETIREMENT_SUSPENSION", "unit", "approved", october, **suspended),
        forecast(
            "R68_RETIREMENT_SUSPENSION", "approved", dt.date(2021, 12, 31), **suspended, amount_vnd=4_650 * MILLION
        ),
        row("R68_CONFIRM", "unit", "approved", october, **oad, units=120, persons=3882),
        row("R116_UI_RATE", "unit", "settled", october, **ui_rate, units=3473, amount_vnd=10_380 * MILLION),
        forecast(
            "R116_UI_RATE",
            "settled",
            dt.date(2022, 9, 30),
            **ui_rate | {"to_month": "2022-09"},
            amount_vnd=124_500 * MILLION,
        ),
        row("R116_CASH", "participating", "approved", october, persons=112578),
        row("R116_CASH", "reserve", "approved", october, persons=6414),
        row("R116_CASH", "unsplit", "approved", october, persons=118992, amount_vnd=281_400 * MILLION),
        row("R116_CASH", "participating", "approved", november, persons=126906),
        row("R116_CASH", "reserve", "approved", november, persons=6868),
        row(
            "R116_CASH",
            "unsplit",
            "approved",
            november,
            persons=133774,
            amount_vnd=315_000 * MILLION,
            qualifier="at_least",
        ),
        row("R116_CASH", "unsplit", "settled", november, persons=119727, amount_vnd=280_100 * MILLION),
    ]
    return pl.DataFrame(rows, schema=events.RELIEF_SCHEMA)


def _detail(snapshot: Snapshot) -> dict[str, pl.DataFrame | None]:
    owed = ((ARREARS - HARD_TO_COLLECT) * MILLION, HARD_TO_COLLECT * MILLION)
    return {
        "participants": participants.participants(snapshot),
        "employers": participants.employers(snapshot),
        "arrears": arrears.arrears(snapshot, owed),
        "inspections": events.inspections(snapshot),
        "benefits": events.benefits(snapshot),
        "policy_relief": relief(),
    }


def _outreach(month: dt.date, seed: int) -> pl.DataFrame:
    counts = {kind: total * month.month // 10 - total * (month.month - 1) // 10 for kind, total in _EVENTS.items()}
    counts["customer_conference"] = _CUSTOMER_CONFERENCES[month.month - 1]
    return events.outreach_events(CODE, month, counts, provincial={"customer_conference": 2}, seed=seed)
