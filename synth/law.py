"""Rates and floors the generated money follows (domain.md B.1, B.3, B.4, B.5). Amounts in đồng, rates in 1/100 percent.

The generator keeps its own copy on purpose: what it makes tests the warehouse's seeds, it must not follow them.
"""

from __future__ import annotations

import datetime as dt

EXEMPT_FROM_RATE_CUTS = frozenset({"state_body", "armed_forces", "public_budget"})
EMPLOYER_FUNDS = ("RETIREMENT", "SICK_MATERNITY", "OAD", "UI", "HI")
VOLUNTARY_RATE = 2200
HI_RATE = 450

_EMPLOYER = {"RETIREMENT": 1400, "SICK_MATERNITY": 300, "OAD": 50, "UI": 100, "HI": 300}
_EMPLOYEE = {"RETIREMENT": 800, "SICK_MATERNITY": 0, "OAD": 0, "UI": 100, "HI": 150}
# employer rate zero from, until (exclusive): Resolutions 68/NQ-CP and 116/NQ-CP
_CUTS = {
    "OAD": (dt.date(2021, 7, 1), dt.date(2022, 7, 1)),
    "UI": (dt.date(2021, 10, 1), dt.date(2022, 10, 1)),
}
_BASE_SALARY = [
    (dt.date(2017, 7, 1), 1_300_000),
    (dt.date(2018, 7, 1), 1_390_000),
    (dt.date(2019, 7, 1), 1_490_000),
    (dt.date(2023, 7, 1), 1_800_000),
    (dt.date(2024, 7, 1), 2_340_000),
    (dt.date(2026, 7, 1), 2_530_000),
]
_MINIMUM_WAGE = [
    (dt.date(2018, 1, 1), (3_980_000, 3_530_000, 3_090_000, 2_760_000)),
    (dt.date(2019, 1, 1), (4_180_000, 3_710_000, 3_250_000, 2_920_000)),
    (dt.date(2020, 1, 1), (4_420_000, 3_920_000, 3_430_000, 3_070_000)),
    (dt.date(2022, 7, 1), (4_680_000, 4_160_000, 3_640_000, 3_250_000)),
    (dt.date(2024, 7, 1), (4_960_000, 4_410_000, 3_860_000, 3_450_000)),
    (dt.date(2026, 1, 1), (5_310_000, 4_730_000, 4_140_000, 3_700_000)),
]


def rate(fund: str, month: dt.date, *, is_exempt: bool) -> int:
    """Employer plus employee rate of a fund for a liability month; `is_exempt` = the rate cuts do not apply."""
    cut = _CUTS.get(fund)
    is_cut = cut is not None and cut[0] <= month < cut[1] and not is_exempt
    return (0 if is_cut else _EMPLOYER[fund]) + _EMPLOYEE[fund]


def base_salary(month: dt.date) -> int:
    """Base salary, from 2025-07 the reference level."""
    return [value for since, value in _BASE_SALARY if since <= month][-1]


def minimum_wages(month: dt.date) -> tuple[int, int, int, int]:
    """Monthly minimum wages of the regions I to IV."""
    return [values for since, values in _MINIMUM_WAGE if since <= month][-1]


def poverty_line(month: dt.date) -> int:
    """Rural poverty line: the smallest base of voluntary insurance."""
    return 700_000 if month < dt.date(2022, 1, 1) else 1_500_000


def voluntary_support(month: dt.date) -> int:
    """State support a month for a voluntary participant who is neither poor nor near-poor."""
    percent = 10 if month < dt.date(2025, 7, 1) else 20
    return poverty_line(month) * VOLUNTARY_RATE // 10_000 * percent // 100
