"""The feed `contributions` of one cell and month: what each payer owed and paid into each fund.

Employers owe wage fund times the legal rate of the liability month. A fifth of the units are slow: they leave a part
unpaid and pay some of it in a later month, as rows of the earlier liability month. Health money of people outside work
comes from agents, budgets and the SI and UI funds; voluntary money from agents, the budget and a few persons directly.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from synth import law
from synth.chance import Bools, Floats, Ints, below, salt, share
from synth.participants import agent_code, person_si_numbers
from synth.population import HI_GROUPS, Snapshot, month_at, month_number

SCHEMA = {
    "payer_kind": pl.String,
    "payer_code": pl.String,
    "fund": pl.String,
    "liability_month": pl.String,
    "headcount": pl.Int64,
    "wage_fund_vnd": pl.Int64,
    "due_vnd": pl.Int64,
    "adjustment_vnd": pl.Int64,
    "interest_due_vnd": pl.Int64,
    "paid_vnd": pl.Int64,
    "interest_paid_vnd": pl.Int64,
}
KEY = ("payer_kind", "payer_code", "fund", "liability_month")
_SLOW_UNITS = 0.2
_UNPAID_OF_SLOW = 0.1

# HI group: times 4.5 % of the base salary, share by agents, budget, SI fund, UI fund
_HI_PAYERS = {
    "GD": (0.72, 1.0, 0.0, 0.0, 0.0),
    "HS": (1.0, 0.7, 0.3, 0.0, 0.0),
    "SV": (1.0, 0.7, 0.3, 0.0, 0.0),
    "GB": (1.0, 0.7, 0.3, 0.0, 0.0),
    "CN": (1.0, 0.3, 0.7, 0.0, 0.0),
    "TE": (1.0, 0.0, 1.0, 0.0, 0.0),
    "HN": (1.0, 0.0, 1.0, 0.0, 0.0),
    "DT": (1.0, 0.0, 1.0, 0.0, 0.0),
    "BT": (1.0, 0.0, 1.0, 0.0, 0.0),
    "CB": (1.0, 0.0, 1.0, 0.0, 0.0),
    "CC": (1.0, 0.0, 1.0, 0.0, 0.0),
    "HT": (3.0, 0.0, 0.0, 1.0, 0.0),
    "TN": (2.1, 0.0, 0.0, 0.0, 1.0),
}


def is_slow(snapshot: Snapshot) -> Bools:
    """Active units that pay late; large ones rarely do."""
    rank = share(snapshot.units.number[: snapshot.units.active], snapshot.salt("slow"))
    return rank < np.where(snapshot.headcounts() > 200, _SLOW_UNITS / 2, _SLOW_UNITS)


def contributions(snapshot: Snapshot) -> pl.DataFrame:
    """One row for each payer, fund and liability month posted in the month."""
    parts = [
        _current(snapshot),
        _late(snapshot),
        _health_money(snapshot),
        _voluntary_money(snapshot),
    ]
    return pl.concat(parts)


def year_to_date(months: list[pl.DataFrame]) -> pl.DataFrame:
    """What was posted since January, key by key; the head count is the latest one (semantics R8)."""
    amounts = [name for name in SCHEMA if name.endswith("_vnd")]
    return (
        pl.concat(months)
        .group_by(KEY, maintain_order=True)
        .agg(
            pl.col("headcount").drop_nulls().last(),
            *(pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).first() for name in amounts),
        )
        .select(list(SCHEMA))
    )


def employer_dues(snapshot: Snapshot, fund: str, liability: dt.date) -> tuple[Ints, Ints, Ints]:
    """Head count, wage fund and due of each active unit for one fund."""
    people, units = snapshot.people, snapshot.units
    slot = people.slot[: people.workers]
    if fund == "UI":
        heads = np.bincount(slot, weights=people.has_ui, minlength=units.active)
        wages = np.bincount(slot, weights=people.ui_wage * people.has_ui, minlength=units.active)
    else:
        heads = np.bincount(slot, minlength=units.active).astype(np.float64)
        wages = np.bincount(slot, weights=people.wage, minlength=units.active)
    wage_fund = wages.astype(np.int64)
    exempt, cut = (law.rate(fund, liability, is_exempt=flag) for flag in (True, False))
    due = (wage_fund * np.where(units.is_exempt[: units.active], exempt, cut) + 5000) // 10_000
    return heads.astype(np.int64), wage_fund, due


def _current(snapshot: Snapshot) -> pl.DataFrame:
    slow = is_slow(snapshot)
    month = snapshot.month
    salt_now = salt(snapshot.seed, snapshot.cell.code, "unpaid", month)
    part = np.where(slow, share(snapshot.units.number[: snapshot.units.active], salt_now) * 2 * _UNPAID_OF_SLOW, 0)
    parts = []
    for fund in law.EMPLOYER_FUNDS:
        heads, wage_fund, due = employer_dues(snapshot, fund, month)
        paid = due - np.round(due * part / 1000).astype(np.int64) * 1000
        interest = np.where(slow, due // 250, 0)
        chosen = np.flatnonzero(heads > 0)
        frame = _frame(
            payer_kind="employer",
            payer_code=snapshot.units.frame["si_unit_code"].gather(chosen),
            fund=fund,
            liability_month=month,
            headcount=heads[chosen],
            wage_fund_vnd=wage_fund[chosen],
            due_vnd=due[chosen],
            interest_due_vnd=interest[chosen],
            paid_vnd=paid[chosen],
            interest_paid_vnd=interest[chosen] // 3,
        )
        parts.append(frame.with_columns(_blank_zeros("interest_due_vnd"), _blank_zeros("interest_paid_vnd")))
    return pl.concat(parts)


def _late(snapshot: Snapshot) -> pl.DataFrame:
    """Money for one of the last three months, from slow units; nothing new is due, now and then it is corrected."""
    number = snapshot.units.number[: snapshot.units.active]
    key = salt(snapshot.seed, snapshot.cell.code, "late", snapshot.month)
    chosen = np.flatnonzero(is_slow(snapshot) & (share(number, key) < 0.6) & (snapshot.headcounts() > 0))
    back = 1 + below(number[chosen], key ^ 1, 3)
    corrected = share(number[chosen], key ^ 2)
    parts = []
    for months_back in (1, 2, 3):
        these = chosen[back == months_back]
        liability = month_at(month_number(snapshot.month) - months_back)
        correction = corrected[back == months_back]
        for fund in law.EMPLOYER_FUNDS:
            heads, _, due = employer_dues(snapshot, fund, liability)
            these_due = due[these]
            is_corrected = (correction < 0.1) & (fund == "RETIREMENT")
            adjustment = np.where(is_corrected, 200_000 + 100_000 * (number[these] % 5), 0)
            paid = these_due // 8
            keep = np.flatnonzero((heads[these] > 0) & (paid > 0))
            frame = _frame(
                payer_kind="employer",
                payer_code=snapshot.units.frame["si_unit_code"].gather(these[keep]),
                fund=fund,
                liability_month=liability,
                due_vnd=np.zeros(len(keep), dtype=np.int64),
                adjustment_vnd=adjustment[keep],
                paid_vnd=paid[keep],
                interest_paid_vnd=paid[keep] // 150,
            )
            parts.append(frame.with_columns(_blank_zeros("adjustment_vnd")))
    return pl.concat(parts)


def _health_money(snapshot: Snapshot) -> pl.DataFrame:
    people, code = snapshot.people, snapshot.cell.code
    unit_price = law.base_salary(snapshot.month) * law.HI_RATE // 10_000
    prices = np.array([_HI_PAYERS.get(group, (0.0,) * 5) for group in HI_GROUPS])
    group = people.hi_group[people.workers :]
    money = unit_price * prices[group, 0]
    by_agent = np.flatnonzero(prices[group, 1] > 0)
    agent = people.agent[people.workers :][by_agent]
    parts = [_by_agents(snapshot, "HI", agent, (money * prices[group, 1])[by_agent])]
    for column, kind, name in ((2, "budget", "NS"), (3, "si_fund", "QBHXH"), (4, "ui_fund", "QBHTN")):
        heads = int((prices[group, column] > 0).sum())
        if heads:
            amount = int((money * prices[group, column]).sum())
            parts.append(_one_payer(snapshot, kind, f"{name}{code}", fund="HI", heads=heads, amount=amount))
    return pl.concat(parts)


def _voluntary_money(snapshot: Snapshot) -> pl.DataFrame:
    people, code = snapshot.people, snapshot.cell.code
    chosen = np.flatnonzero(people.voluntary_base)
    support = law.voluntary_support(snapshot.month)
    money = people.voluntary_base[chosen] * law.VOLUNTARY_RATE // 10_000 - support
    direct = share(people.number[chosen], snapshot.salt("pays directly")) < 0.02
    budget = {"heads": len(chosen), "amount": support * len(chosen)}
    return pl.concat(
        [
            _by_agents(snapshot, "VOLUNTARY", people.agent[chosen][~direct], money[~direct].astype(np.float64)),
            _one_payer(snapshot, "budget", f"NS{code}", fund="VOLUNTARY", **budget),
            _frame(
                payer_kind="person",
                payer_code=person_si_numbers(snapshot, chosen[direct]),
                fund="VOLUNTARY",
                liability_month=snapshot.month,
                headcount=np.ones(int(direct.sum()), dtype=np.int64),
                due_vnd=money[direct],
                paid_vnd=money[direct],
            ),
        ]
    )


def _by_agents(snapshot: Snapshot, fund: str, agent: Ints, money: Floats) -> pl.DataFrame:
    """One row for each collection agent: what its people paid."""
    heads, amount = np.bincount(agent), np.bincount(agent, weights=money).astype(np.int64)
    here = np.flatnonzero(heads)
    return _frame(
        payer_kind="agent",
        payer_code=pl.Series([agent_code(snapshot.cell.code, int(number)) for number in here], dtype=pl.String),
        fund=fund,
        liability_month=snapshot.month,
        headcount=heads[here],
        due_vnd=amount[here],
        paid_vnd=amount[here],
    )


def _one_payer(snapshot: Snapshot, kind: str, code: str, *, fund: str, heads: int, amount: int) -> pl.DataFrame:
    return _frame(
        payer_kind=kind,
        payer_code=pl.Series([code]),
        fund=fund,
        liability_month=snapshot.month,
        headcount=np.array([heads]),
        due_vnd=np.array([amount]),
        paid_vnd=np.array([amount]),
    )


def _frame(
    *, payer_kind: str, payer_code: pl.Series, fund: str, liability_month: dt.date, **amounts: Ints
) -> pl.DataFrame:
    return pl.DataFrame({"payer_code": payer_code, **amounts}).select(
        pl.lit(payer_kind).alias("payer_kind"),
        "payer_code",
        pl.lit(fund).alias("fund"),
        pl.lit(f"{liability_month:%Y-%m}").alias("liability_month"),
        *(pl.col(name) if name in amounts else pl.lit(None, pl.Int64).alias(name) for name in list(SCHEMA)[4:]),
    )


def _blank_zeros(name: str) -> pl.Expr:
    return pl.when(pl.col(name) != 0).then(pl.col(name)).alias(name)
