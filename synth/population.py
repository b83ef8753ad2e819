"""The people and units of one cell in one month.

Workers and residents are two endless queues; a month sees a window of each, and the windows move on a little every
month, so most people stay, some leave and some join. Everything about a person follows from the number in the queue.
Workers are in SI_C (most of them in UI) and in HI; residents are in HI, some of them in SI_V; a few of those about to
become workers are in SI_V now.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl

from synth import identifiers, law, names
from synth.chance import Bools, Floats, Ints, below, normal, salt, share, smallest, spread
from synth.provinces import Cell

FIRST_MONTH = dt.date(2018, 1, 1)
_EPOCH_YEAR = 2015
_GROWTH_FROM = dt.date(2021, 10, 1)
_GROWTH = 0.0015
_WORKER_CHURN, _RESIDENT_CHURN, _UNIT_CHURN = 0.004, 0.0015, 0.003
_RING_SHARE = 0.03
RING_FIRST = 120_000
RESIDENT_SERIALS = 40_000_000
_UNIT_SCRAMBLE = 7_919

# unit type: share of units, share of workers; the first three are a tenth of the workers and exempt from the rate cuts
_UNIT_TYPES = {
    "state_body": (0.09, 0.034),
    "armed_forces": (0.005, 0.008),
    "public_budget": (0.12, 0.066),
    "public_self_financed": (0.02, 0.026),
    "state_enterprise": (0.015, 0.06),
    "fdi": (0.05, 0.455),
    "private": (0.62, 0.324),
    "cooperative": (0.04, 0.012),
    "household": (0.037, 0.01),
    "foreign_org": (0.003, 0.005),
}
TYPES = tuple(_UNIT_TYPES)
_TYPE_PREFIX = dict(zip(TYPES, ("HC", "LL", "SN", "SC", "NN", "FD", "TN", "HX", "HK", "NG"), strict=True))
_TYPE_HI_GROUP = dict(zip(TYPES, ("HC", "CH", "CH", "CH", "DN", "DN", "DN", "HX", "DN", "NN"), strict=True))
_INDUSTRIES = dict(
    zip(TYPES, ("8411", "8422", "8520", "8610", "3600", "2610", "4690", "0161", "4711", "9900"), strict=True)
)
HI_GROUPS = ("DN", "HX", "CH", "HC", "NN", "GD", "HS", "SV", "TE", "HN", "CN", "DT", "HT", "BT", "CB", "CC", "TN", "GB")
_GROUP_NO = {code: number for number, code in enumerate(HI_GROUPS)}
_AGENT_GROUPS = [_GROUP_NO[code] for code in ("GD", "HS", "SV", "CN", "GB")]
# cumulative shares of the groups of adults under 60 and of people from 60
_ADULT = (("GD", 0.66), ("HN", 0.73), ("CN", 0.79), ("DT", 0.83), ("TN", 0.86), ("GB", 0.91), ("CC", 0.92), ("CB", 1.0))
_ELDERLY = (("HT", 0.36), ("GD", 0.66), ("CB", 0.78), ("CC", 0.86), ("HN", 0.94), ("DT", 1.0))
_RESIDENT_YEARS = (1932, 1945, 1955, 1965, 1975, 1985, 1995, 2003, 2010, 2016, 2020)
_RESIDENT_CUMULATIVE = (0, 0.03, 0.11, 0.24, 0.37, 0.49, 0.59, 0.70, 0.83, 0.94, 1.0)


@dataclass(frozen=True)
class Units:
    """Active units first (their order is the slot of a worker), then those that are no longer active."""

    number: Ints
    frame: pl.DataFrame
    active: int
    type_no: Ints
    is_exempt: Bools


@dataclass(frozen=True)
class People:
    """One entry for each person: workers first, then those about to work, then residents.

    `slot` is the unit of a worker, else -1; `wage` and `ui_wage` are monthly bases; `voluntary_base` is 0 outside SI_V;
    `agent` is the collector of HI household money, else -1.
    """

    number: Ints
    is_resident: Bools
    workers: int
    slot: Ints
    wage: Ints
    ui_wage: Ints
    has_ui: Bools
    voluntary_base: Ints
    hi_group: Ints
    agent: Ints
    is_female: Ints
    birth_year: Ints
    birth_day: Ints


@dataclass(frozen=True)
class Snapshot:
    """A cell at the end of a month."""

    cell: Cell
    month: dt.date
    seed: int
    units: Units
    people: People

    def salt(self, purpose: str) -> int:
        """The salt of a purpose in this cell."""
        return salt(self.seed, self.cell.code, purpose)

    def headcounts(self) -> Ints:
        """SI_C participants of each active unit."""
        return np.bincount(self.people.slot[: self.people.workers], minlength=self.units.active)


def take(cell: Cell, month: dt.date, seed: int) -> Snapshot:
    """The people and units of a cell in the month that begins at `month`."""
    units, cumulative = _units(cell, month, seed)
    people = _people(cell, month, seed, units, cumulative)
    employees = np.zeros(len(units.number), dtype=np.int64)
    employees[: units.active] = np.bincount(people.slot[: people.workers], minlength=units.active)
    frame = units.frame.with_columns(pl.Series("employees", employees))
    units = Units(units.number, frame, units.active, units.type_no, units.is_exempt)
    return Snapshot(cell=cell, month=month, seed=seed, units=units, people=people)


def month_number(month: dt.date) -> int:
    """Months since the epoch of the generator."""
    return (month.year - _EPOCH_YEAR) * 12 + month.month - 1


def month_at(number: int) -> dt.date:
    """The inverse of `month_number`."""
    return dt.date(_EPOCH_YEAR + number // 12, number % 12 + 1, 1)


def commune_codes(cell: Cell) -> pl.Series:
    """The hundred communes people and units of a cell live in: five digits."""
    return pl.Series([f"{cell.position * 500 + 1 + 4 * number:05d}" for number in range(100)])


def agents(cell: Cell) -> int:
    """How many collection agents a cell has."""
    return max(3, cell.sizes.units // 60)


def _grown(count: int, month: dt.date) -> int:
    months = month_number(month) - month_number(_GROWTH_FROM)
    return round(count * max(0.9, 1 + _GROWTH * months))


def _units(cell: Cell, month: dt.date, seed: int) -> tuple[Units, Floats]:
    count = cell.sizes.units
    ring = max(2, round(count * _RING_SHARE))
    core = np.arange(count - ring, dtype=np.int64)
    rate = count * _UNIT_CHURN
    first = int(month_number(month) * rate)
    slots = np.arange(ring, dtype=np.int64)
    ring_window = first + (slots - first) % ring
    gone = np.arange(max(0, first - max(2, round(count * 0.01))), first, dtype=np.int64)
    number = np.concatenate([core, RING_FIRST + ring_window, RING_FIRST + gone])
    key = salt(seed, cell.code, "unit type")
    type_no = np.searchsorted(
        np.cumsum([units for units, _ in _UNIT_TYPES.values()]), spread(number, key), side="right"
    )
    type_no = np.minimum(type_no, len(TYPES) - 1)
    small = np.array([TYPES.index("private")] * 8 + [TYPES.index("household")] * 2)[number % 10]
    type_no = np.where(number >= RING_FIRST, small, type_no).astype(np.int64)
    left = np.ceil((gone + 1) / rate).astype(np.int64)
    status_dates = [None] * count + [
        month_at(int(when)) + dt.timedelta(days=int(day)) for when, day in zip(left, gone % 27, strict=True)
    ]
    units = Units(
        number=number,
        frame=_unit_frame(cell, seed, number=number, type_no=type_no, active=count, status_dates=status_dates),
        active=count,
        type_no=type_no,
        is_exempt=np.isin(type_no, [TYPES.index(name) for name in law.EXEMPT_FROM_RATE_CUTS]),
    )
    return units, _cumulative_sizes(cell, seed, type_no[:count], ring)


def _cumulative_sizes(cell: Cell, seed: int, type_no: Ints, ring: int) -> Floats:
    """Where each active unit ends on the line from 0 to 1 that workers are spread over."""
    slots = np.arange(len(type_no), dtype=np.int64)
    weight = np.exp(1.2 * normal(slots, salt(seed, cell.code, "unit size")))
    weight[len(type_no) - ring :] *= 0.15
    per_type = np.zeros(len(type_no))
    for number, (_, workers) in enumerate(_UNIT_TYPES.values()):
        members = type_no == number
        if members.any():
            budget = max(0.0, cell.sizes.si_c * workers - 3 * int(members.sum()))
            per_type[members] = budget * weight[members] / weight[members].sum()
    cumulative = np.cumsum(3 + per_type)
    return np.asarray(cumulative / cumulative[-1], dtype=np.float64)


def _unit_frame(
    cell: Cell, seed: int, *, number: Ints, type_no: Ints, active: int, status_dates: list[dt.date | None]
) -> pl.DataFrame:
    key = salt(seed, cell.code, "unit")
    offset = key % identifiers.UNIT_SERIALS
    types = pl.Series(TYPES).gather(type_no)
    prefixes = pl.Series(list(_TYPE_PREFIX.values())).gather(type_no)
    stem = pl.Series([""] * len(number), dtype=pl.String)
    for type_index, unit_type in enumerate(TYPES):
        stems = names.unit_names(unit_type)
        chosen = stems.gather(below(number, key ^ 1, len(stems)))
        stem = chosen.zip_with(pl.Series(type_no == type_index), stem)
    gone = len(number) - active
    reasons = pl.Series(["active", "suspended", "dissolved", "absconded", "bankrupt"])
    reason = np.concatenate([np.zeros(active, dtype=np.int64), 1 + number[active:] % 4])
    regions = np.searchsorted(np.cumsum(cell.wage_regions), share(number, key ^ 2), side="right") + 1
    office = below(number, key ^ 3, 9) + 1
    communes = below(number, key ^ 4, 100)
    return pl.DataFrame(
        {
            "si_unit_code": identifiers.unit_codes(
                prefixes, (number + offset) % identifiers.UNIT_SERIALS, cell.group_position
            ),
            "tax_code": _tax_codes(cell, seed, number, type_no),
            "name": stem + " " + pl.Series(number * _UNIT_SCRAMBLE % 1_000_003 + 1).cast(pl.String),
            "unit_type": types,
            "industry_code": pl.Series(list(_INDUSTRIES.values())).gather(type_no),
            "commune_code": commune_codes(cell).gather(communes),
            "status": reasons.gather(reason),
            "status_date": pl.Series(status_dates[: active + gone], dtype=pl.Date),
            "pay_method": pl.Series(["1", "3", "6"]).gather((share(number, key ^ 5) > 0.96) * 1),
            "wage_region": pl.Series(np.minimum(regions, 4)).cast(pl.String),
            "office_code": cell.code + pl.Series(office).cast(pl.String).str.zfill(3),
            "address": pl.Series(names.STREETS).gather(below(number, key ^ 6, len(names.STREETS))),
        }
    )


def _tax_codes(cell: Cell, seed: int, number: Ints, type_no: Ints) -> pl.Series:
    """Organisations 10 digits, a few branches 10-3 of a neighbour, household businesses 12, one in a hundred none."""
    key = salt(seed, cell.code, "tax code")
    offset = key % 1_000_000
    parent = number // 50 * 50
    is_branch = (share(number, key) < 0.03) & (number != parent)
    own = identifiers.organisation_tax_codes(cell.position + 1, np.where(is_branch, parent, number) + offset)
    branch = own + "-" + pl.Series(number % 50).cast(pl.String).str.zfill(3)
    household = identifiers.personal_ids(cell.code, 1960 + number % 8 * 4, number % 2, number + 999)
    codes = branch.zip_with(pl.Series(is_branch), own)
    codes = household.zip_with(pl.Series(type_no == TYPES.index("household")), codes)
    missing = pl.Series(share(number, key ^ 1) < 0.01)
    return pl.Series([None] * len(number), dtype=pl.String).zip_with(missing, codes)


def _people(cell: Cell, month: dt.date, seed: int, units: Units, cumulative: Floats) -> People:
    sizes = cell.sizes
    workers, voluntary = _grown(sizes.si_c, month), _grown(sizes.si_v, month)
    covered = _grown(sizes.hi, month)
    step = sizes.si_c * _WORKER_CHURN
    first = int(month_number(month) * step)
    worker_no = np.arange(first, first + workers, dtype=np.int64)
    ahead = np.arange(first + workers, first + workers + int(6 * step), dtype=np.int64)
    ahead = ahead[share(ahead, salt(seed, cell.code, "ahead")) < 0.1][:voluntary]
    resident_first = int(month_number(month) * sizes.hi * _RESIDENT_CHURN)
    resident_no = np.arange(resident_first, resident_first + covered - workers - len(ahead), dtype=np.int64)

    number = np.concatenate([worker_no, ahead, resident_no])
    is_resident = np.arange(len(number)) >= workers + len(ahead)
    identity = number + is_resident * RESIDENT_SERIALS
    key = salt(seed, cell.code, "person")
    birth_year, birth_day = _births(identity, is_resident, key)
    age = (month - dt.date(1970, 1, 1)).days / 365.25 + 1970 - birth_year - birth_day / 365
    slot = np.full(len(number), -1, dtype=np.int64)
    slot[:workers] = np.minimum(np.searchsorted(cumulative, spread(worker_no, key), side="right"), units.active - 1)
    wage, ui_wage = _wages(cell, month, units, slot=slot[:workers], worker_no=worker_no, key=key)
    without_ui = np.isin(units.type_no[slot[:workers]], [0, 1])
    rank = share(worker_no, key ^ 1) + ~without_ui
    has_ui = ~smallest(rank, workers - min(workers, _grown(sizes.ui, month)))

    hi_group = _hi_groups(age, share(identity, key ^ 2))
    hi_group[:workers] = np.array([_GROUP_NO[code] for code in _TYPE_HI_GROUP.values()])[units.type_no[slot[:workers]]]
    hi_group[workers : workers + len(ahead)] = _GROUP_NO["GD"]
    rank = share(identity, key ^ 3) + np.where((age >= 22) & (age < 57) & (hi_group == _GROUP_NO["GD"]), 0, 1)
    rank[:workers] = 9
    rank[workers : workers + len(ahead)] = -1
    is_voluntary = smallest(rank, voluntary)
    return People(
        number=number,
        is_resident=is_resident,
        workers=workers,
        slot=slot,
        wage=wage,
        ui_wage=ui_wage,
        has_ui=has_ui,
        voluntary_base=np.where(is_voluntary, _voluntary_bases(month, share(identity, key ^ 4)), 0),
        hi_group=hi_group,
        agent=np.where(np.isin(hi_group, _AGENT_GROUPS) | is_voluntary, below(identity, key ^ 5, agents(cell)), -1),
        is_female=(share(identity, key ^ 6) < 0.51).astype(np.int64),
        birth_year=birth_year,
        birth_day=birth_day,
    )


def _births(identity: Ints, is_resident: Bools, key: int) -> tuple[Ints, Ints]:
    """Birth year and day of the year; year and number agree modulo 8, which keeps personal ids apart."""
    uniform = share(identity, key ^ 7)
    resident = np.interp(uniform, _RESIDENT_CUMULATIVE, _RESIDENT_YEARS)
    year = np.where(is_resident, resident, 1966 + uniform**0.8 * 36).astype(np.int64)
    year += (identity - year + 4) % 8 - 4
    latest = np.where(is_resident, 2019, 2002)
    year -= 8 * (year > latest)
    return year, below(identity, key ^ 8, 365)


def _wages(cell: Cell, month: dt.date, units: Units, *, slot: Ints, worker_no: Ints, key: int) -> tuple[Ints, Ints]:
    """Wage bases of SI and of UI: the same up to the SI ceiling, beyond it only UI counts on."""
    growth = 1.05 ** (month.year - 2021)
    minimum = np.array(law.minimum_wages(month))
    floor = minimum[units.frame["wage_region"].cast(pl.Int64).to_numpy()[slot] - 1].astype(np.float64)
    type_no = units.type_no[slot]
    typical = np.array([0, 0, 0, 1.3, 2.2, 0.95, 0.55, 0.3, 0.3, 4.0])[type_no] * 1_000_000 * growth * cell.wage_excess
    market = floor + typical * np.exp(0.75 * normal(worker_no, key ^ 9))
    is_top = (type_no == TYPES.index("fdi")) & (share(worker_no, key ^ 11) < 0.003)
    market = np.where(is_top, 30_000_000 * growth * (1 + 1.4 * share(worker_no, key ^ 12)), market)
    scale = (2.34 + 2.4 * share(worker_no, key ^ 10)) * law.base_salary(month)
    wage = np.maximum(np.where(units.is_exempt[slot], scale, market), floor)
    wage = np.round(wage / 1000).astype(np.int64) * 1000
    return np.minimum(wage, 20 * law.base_salary(month)), np.minimum(wage, 20 * int(minimum[0]))


def _voluntary_bases(month: dt.date, uniform: Floats) -> Ints:
    line = law.poverty_line(month)
    above = -np.log1p(-uniform * 0.9999) * 1_250_000
    return np.minimum(line + np.round(above / 50_000).astype(np.int64) * 50_000, 20 * law.base_salary(month))


def _hi_groups(age: Floats, uniform: Floats) -> Ints:
    def pick(groups: tuple[tuple[str, float], ...]) -> Ints:
        numbers = np.array([_GROUP_NO[code] for code, _ in groups])
        return numbers[np.searchsorted([bound for _, bound in groups], uniform, side="right")]

    young = pick((("HS", 0.86), ("DT", 0.93), ("HN", 1.0)))
    student = np.where(uniform < 0.45, _GROUP_NO["SV"], pick(_ADULT))
    elderly = np.where(age >= 80, _GROUP_NO["BT"], pick(_ELDERLY))
    return np.select(
        [age < 6, age < 18, age < 22, age < 60], [np.int64(_GROUP_NO["TE"]), young, student, pick(_ADULT)], elderly
    ).astype(np.int64)
