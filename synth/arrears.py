"""The feed `arrears` of one cell and month: what units had not paid at the month end, by fund."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from synth import law
from synth.chance import Bools, Floats, Ints, apportion, share
from synth.contributions import employer_dues, is_slow
from synth.population import Snapshot, month_at, month_number

_INTEREST_A_MONTH = 0.0065
_NEXT_MONTH_DUE = dt.date(2025, 7, 1)
_MONTHS = (0.2, 0.8, 1.5, 3.5, 7.0, 14.0, 36.0)
_MONTHS_CUMULATIVE = (0.0, 0.45, 0.6, 0.82, 0.92, 0.98, 1.0)


def arrears(snapshot: Snapshot, totals: tuple[int, int] | None = None) -> pl.DataFrame:
    """One row for each unit in arrears and fund.

    `totals` fits the principal to the đồng: of units that still pay, and of those hard to collect.
    """
    units, month = snapshot.units, snapshot.month
    slow = np.flatnonzero(is_slow(snapshot) & (snapshot.headcounts() > 0))
    gone = np.arange(units.active, len(units.number))
    dues = [employer_dues(snapshot, fund, month)[2][slow] for fund in law.EMPLOYER_FUNDS]
    payable = np.concatenate([np.stack(dues, axis=1), _last_payable(snapshot, gone)])
    chosen = np.concatenate([slow, gone])
    is_hard = chosen >= units.active
    months = _months_owed(snapshot, chosen, is_hard)
    principal = np.round(payable * months[:, None]).astype(np.int64)
    if totals is not None:
        principal[~is_hard] = apportion(principal[~is_hard].ravel(), totals[0]).reshape(-1, len(law.EMPLOYER_FUNDS))
        principal[is_hard] = apportion(principal[is_hard].ravel(), totals[1]).reshape(-1, len(law.EMPLOYER_FUNDS))
    owed = np.round(principal.sum(axis=1) / np.maximum(1, payable.sum(axis=1)), 1)
    overdue = principal if month < _NEXT_MONTH_DUE else (principal * _overdue_part(owed)[:, None]).astype(np.int64)
    affected = np.concatenate([snapshot.headcounts()[slow], _last_heads(snapshot, gone)])
    only_month = share(units.number[chosen], snapshot.salt("oldest month")) < 0.15
    oldest = [f"{month_at(month_number(month) - max(0, int(np.ceil(value)) - 1)):%Y-%m}" for value in owed]
    status = units.frame["status"].gather(chosen)
    base = pl.DataFrame(
        {
            "si_unit_code": units.frame["si_unit_code"].gather(chosen),
            "months_owed": pl.Series([f"{value:.1f}" for value in owed]).zip_with(
                ~pl.Series(only_month), pl.Series([None] * len(owed), dtype=pl.String)
            ),
            "oldest_month": oldest,
            "employees_affected": affected,
            "hard_to_collect": status.set(status == "active", "none"),
            "urged_on": _urged(month, owed),
        }
    )
    parts = [
        base.with_columns(
            pl.lit(fund).alias("fund"),
            pl.Series("principal_vnd", principal[:, number]),
            pl.Series("overdue_vnd", overdue[:, number]),
            pl.Series("interest_vnd", np.round(overdue[:, number] * owed * _INTEREST_A_MONTH / 2).astype(np.int64)),
        )
        for number, fund in enumerate(law.EMPLOYER_FUNDS)
    ]
    columns = (
        "si_unit_code fund principal_vnd overdue_vnd interest_vnd months_owed oldest_month employees_affected"
        " hard_to_collect urged_on"
    )
    return pl.concat(parts).filter(pl.col("principal_vnd") > 0).select(columns.split())


def _last_heads(snapshot: Snapshot, gone: Ints) -> Ints:
    return (2 + share(snapshot.units.number[gone], snapshot.salt("last heads")) * 8).astype(np.int64)


def _last_payable(snapshot: Snapshot, gone: Ints) -> Ints:
    wages = _last_heads(snapshot, gone) * law.minimum_wages(snapshot.month)[2]
    rates = np.array([law.rate(fund, dt.date(2021, 1, 1), is_exempt=False) for fund in law.EMPLOYER_FUNDS])
    return np.asarray(wages[:, None] * rates // 10_000, dtype=np.int64)


def _months_owed(snapshot: Snapshot, chosen: Ints, is_hard: Bools) -> Floats:
    uniform = share(snapshot.units.number[chosen], snapshot.salt("months owed"))
    return np.where(is_hard, 8 + uniform * 36, np.interp(uniform, _MONTHS_CUMULATIVE, _MONTHS))


def _overdue_part(owed: Floats) -> Floats:
    """From 2025-07 the month itself is not due yet at its end (Law 41/2024 art. 34)."""
    return np.where(owed > 1, (owed - 1) / np.maximum(owed, 1), 0.0)


def _urged(month: dt.date, owed: Floats) -> pl.Series:
    """Since 2025-07 units that owe three months or more have been urged."""
    urged = [month - dt.timedelta(days=20) if month >= _NEXT_MONTH_DUE and value >= 3 else None for value in owed]
    return pl.Series(urged, dtype=pl.Date)
