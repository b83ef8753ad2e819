"""Provinces and a tax list whose match is known beforehand: each case was planted, nobody has to guess the answer.

`planted` takes what provinces look like in the months of one tax year, makes every unit's tax code and name
unambiguous, plants cases of each kind (`synth.tax_kinds`) and returns submissions with a table of what the match must
find. A gap is one declared too low from 2 heads and a tenth of the tax heads on; means are of distinct SI_C persons
over all months sent.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from synth import arrears, identifiers, participants
from synth.chance import salt, share
from synth.events import month_end
from synth.population import RING_FIRST, Snapshot
from synth.provinces import MERGER, senders, succession
from synth.submission import Submission, at, short_name
from synth.tax_kinds import (
    ADDED_HEADS,
    FINALISED,
    IN_TWO_PROVINCES,
    KINDS,
    OWING,
    PAIRS,
    REVIEWED,
    STEMS,
    UNITLESS,
    UNPAID,
    WITH_ANOTHER_CODE,
    WORD_STEMS,
    written,
)  # fmt: skip

CASES = 20
"""Cases of each planted kind."""

_CLOSED = ("closed", "closed_unfinalised", "not_at_address")
_UNKNOWN_PROVINCES = (None, "00", "99")
FREE_NUMBERS = 90_000_000
"""Names without a unit bear numbers from here on: no unit's name has such digits, so none is similar."""
_FREE_SERIALS = 2_000_000
_HOUSEHOLD_SERIALS = 500_000
_NAME_STEP = 1_100_000

TRUTH_SCHEMA = pl.Schema({
    "tax_year": pl.Int64(), "tax_code": pl.String(), "kind": pl.String(), "expected_class": pl.String(),
    "expected_rule": pl.String(), "units": pl.List(pl.String()), "employees_tax": pl.Int64(),
    "employees_si": pl.Float64(), "employees_si_distinct": pl.Int64(), "reason": pl.String(),
})  # fmt: skip
TAX_SCHEMA = pl.Schema({
    "tax_year": pl.Int64, "tax_code": pl.String, "supplement_no": pl.Int64, "name": pl.String,
    "province_code": pl.String, "status": pl.String, "status_date": pl.Date, "employees_paid": pl.Int64,
    "employees_with_contract": pl.Int64, "income_paid_vnd": pl.Int64, "cit_finalised": pl.String,
    "cit_filing_date": pl.Date, "wage_cost_vnd": pl.Int64, "industry_code": pl.String, "address": pl.String,
})  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """Submissions of provinces and tax, and one row a code (and a unit outside the list) with what must be found.

    `units` are `<province as sent>:<si_unit_code>`. For class `review` they are the units to be proposed, by no rung.
    The means of a code without unit are 0; those of units outside the list are null.
    """

    submissions: tuple[Submission, ...]
    truth: pl.DataFrame


@dataclass(frozen=True)
class _Unit:
    province: str
    code: str
    name: str
    tax_code: str
    address: str
    mean: float
    distinct: int

    @property
    def label(self) -> str:
        return f"{self.province}:{self.code}"


@dataclass
class _Case:
    """A planted case: its row on the list and what its units carry instead of their own codes and names."""

    kind: str
    number: int
    units: list[_Unit]
    tax_code: str
    name: str
    province: str | None
    carried: list[str | None] = field(default_factory=list)
    called: str | None = None


def planted(snapshots: Sequence[Snapshot], *, seed: int, cases: int = CASES) -> Planted:
    """Submissions and truth from the snapshots of one tax year: the same months, two at least, of each cell.

    Raises ValueError when the snapshots are of several years, of one month or one province, lie on both sides of the
    merger of provinces, or have too few units for `cases` of every kind (about 80 times `cases` units that are active
    in every month).
    """
    world = _World(snapshots, seed)
    plan = _Plan(world, seed, cases)
    for frame in world.frames.values():
        frame.employers = _with_carried(frame.employers, plan, frame.province)
    _set_statuses(world, plan)
    _set_arrears(world, plan)
    rows, truth = _list_and_truth(world, plan)
    submissions = (*_provincial(world), *_tax(world, rows))
    return Planted(submissions, truth)


# ------------------------------------------------------------------------------------------------ the world as it was


@dataclass
class _Frames:
    province: str
    month: dt.date
    employers: pl.DataFrame
    participants: pl.DataFrame
    arrears: pl.DataFrame


class _World:
    """What provinces send, with unambiguous codes and names, and turnover and double persons planted in it."""

    def __init__(self, snapshots: Sequence[Snapshot], seed: int) -> None:
        months = sorted({snapshot.month for snapshot in snapshots})
        by_cell: dict[str, list[Snapshot]] = defaultdict(list)
        for snapshot in sorted(snapshots, key=lambda one: (one.cell.position, one.month)):
            by_cell[snapshot.cell.code].append(snapshot)
        if len({month.year for month in months}) != 1:
            raise ValueError("the snapshots are of several years: give those of one tax year")
        if len(months) < 2:
            raise ValueError("turnover needs two months")
        if any([one.month for one in own] != months for own in by_cell.values()):
            raise ValueError("each cell needs a snapshot of the same months")
        if months[0] < MERGER <= months[-1]:
            raise ValueError("the months lie on both sides of the merger of provinces")
        self.months, self.tax_year, self.seed = months, months[0].year, seed
        self.cells = [own[0].cell for own in by_cell.values()]
        self.listed_in = {one.code: _code_on(one.code, _list_months(self.tax_year)[0]) for one in self.cells}
        self.provinces = {one.code: _code_on(one.code, months[0]) for one in self.cells}
        if len(set(self.provinces.values())) < 2:
            raise ValueError("codes in two provinces need two provinces")
        self.frames: dict[tuple[str, dt.date], _Frames] = {}
        self.pool: dict[str, list[str]] = {}
        for code, own in by_cell.items():
            for snapshot in own:
                self.frames[code, snapshot.month] = _Frames(
                    self.provinces[code],
                    snapshot.month,
                    _plain_units(snapshot),
                    participants.participants(snapshot),
                    arrears.arrears(snapshot),
                )
            self.pool[code] = _pool(own, seed)

    def of_cell(self, code: str) -> Iterator[_Frames]:
        """The frames of a cell, month by month."""
        return (self.frames[code, month] for month in self.months)

    def last(self, code: str) -> _Frames:
        """The frames of a cell in the last month."""
        return self.frames[code, self.months[-1]]

    def heads(self) -> pl.DataFrame:
        """One row for each SI_C person, unit and month: province, si_unit_code, si_number, month."""
        return pl.concat(
            frame.participants.filter(pl.col("insurance_type") == "SI_C").select(
                pl.lit(frame.province).alias("province"),
                "si_unit_code",
                "si_number",
                pl.lit(frame.month).alias("month"),
            )
            for frame in self.frames.values()
        )


def _code_on(code: str, month: dt.date) -> str:
    return code if month < MERGER else succession()[code]


def _plain_units(snapshot: Snapshot) -> pl.DataFrame:
    """The cell's units: each with a code of its own, none a branch, and a name whose number no other unit has."""
    units, position = snapshot.units, snapshot.cell.position
    own = identifiers.organisation_tax_codes(position + 1, units.number + snapshot.salt("tax code") % 1_000_000)
    household = participants.employers(snapshot)["unit_type"] == "household"
    personal = identifiers.personal_ids(
        snapshot.cell.code, 1960 + units.number % 8 * 4, units.number % 2, units.number + 999
    )
    return participants.employers(snapshot).with_columns(
        tax_code=personal.zip_with(household, own),
        name=pl.col("name").str.replace(r"\d+$", "")
        + (pl.col("name").str.extract(r"(\d+)$").cast(pl.Int64) + position * _NAME_STEP).cast(pl.String),
    )


def _pool(own: Sequence[Snapshot], seed: int) -> list[str]:
    """Organisations that are active in every month, in an order of chance, with a few heads at least."""
    number = own[0].units.number
    chosen = (number < RING_FIRST) & (own[0].units.frame["unit_type"] != "household").to_numpy()
    for snapshot in own:
        heads = dict(zip(snapshot.units.frame["si_unit_code"], snapshot.units.frame["employees"], strict=True))
        chosen &= np.array([heads.get(code, 0) >= 3 for code in own[0].units.frame["si_unit_code"]])
    places = np.flatnonzero(chosen)
    order = np.argsort(share(number[places], salt(seed, own[0].cell.code, "tax truth")), kind="stable")
    return own[0].units.frame["si_unit_code"].gather(places[order]).to_list()


# ------------------------------------------------------------------------------------------------------------ the plan


class _Plan:
    """Which unit stands for which case. Persons are moved first, so that every mean is known afterwards."""

    def __init__(self, world: _World, seed: int, cases: int) -> None:
        self.world, self.seed, self.count = world, seed, cases
        self._codes = {one.code: list(reversed(world.pool[one.code])) for one in world.cells}
        self._free = dict.fromkeys((one.code for one in world.cells), 0)
        moved = {kind: self._reserve(kind) for kind in ("turnover", "turnover_mean", "person_twice")}
        for kind in ("turnover", "turnover_mean"):
            for code, (unit,) in moved[kind]:
                _turn_over(world, code, unit)
        for code, (first, second) in moved["person_twice"]:
            _also_in(world, code, first, self._other(code), second)
        heads = world.heads()
        self._months_with = _means(heads, ["province", "si_unit_code"], len(world.months))
        self._heads = heads
        self._frames = {
            one.code: {row["si_unit_code"]: row for row in world.last(one.code).employers.iter_rows(named=True)}
            for one in world.cells
        }
        self._known = {row["tax_code"] for rows in self._frames.values() for row in rows.values()}
        self.cases: list[_Case] = []
        for kind, places in moved.items():
            self._add(kind, places)
        for kind in ("gap_below_a_tenth", "gap_of_one", "under_declared"):
            self._add(kind, self._reserve(kind))
        for kind in KINDS:
            if kind not in (
                *moved,
                "gap_below_a_tenth",
                "gap_of_one",
                "under_declared",
                "plain",
                "refiled",
                *UNITLESS,
            ):
                self._add(kind, self._reserve(kind))
        self._rest()
        for kind in UNITLESS:
            self._add_unitless(kind)

    # ---- units

    def _other(self, code: str) -> str:
        """The next cell of another province."""
        cells = [one.code for one in self.world.cells]
        turned = cells[cells.index(code) + 1 :] + cells[: cells.index(code)]
        return next(one for one in turned if self.world.provinces[one] != self.world.provinces[code])

    def _reserve(self, kind: str) -> list[tuple[str, list[str]]]:
        """For each case of a kind the cell of its first unit, and the codes of its units."""
        if kind in ("parent_of_that_branch", "parent_of_listed_branch"):
            return []
        count = min(self.count, WORD_STEMS) if kind == "review_words" else self.count
        places: list[tuple[str, list[str]]] = []
        for number in range(count):
            code = self.world.cells[number % len(self.world.cells)].code
            units = [self._take(kind, code)]
            if kind in PAIRS:
                units.append(self._take(kind, self._other(code) if kind in IN_TWO_PROVINCES else code))
            places.append((code, units))
        return places

    def _take(self, kind: str, code: str) -> str:
        waiting = self._codes[code]
        for place in range(len(waiting) - 1, -1, -1):
            if self._fits(kind, code, waiting[place]):
                return waiting.pop(place)
        raise ValueError(
            f"too few units in province {code} for {self.count} cases of {kind}: take more or larger cells"
        )

    def _fits(self, kind: str, code: str, unit: str) -> bool:
        if kind in ("turnover", "turnover_mean", "person_twice"):
            heads = self._sizes[code].get(unit, 0)
            return 12 <= heads <= 40
        if kind == "swapped_digits" and not self._swaps(code, unit):
            return False
        mean = self._months_with[self.world.provinces[code], unit][0]
        is_clear = abs(mean % 1 - 0.5) > 0.01
        if kind == "gap_below_a_tenth":
            return is_clear and mean >= 19
        return is_clear and (kind != "gap_of_one" or mean < 9)

    @functools.cached_property
    def _sizes(self) -> dict[str, dict[str, int]]:
        return {
            one.code: dict(self.world.last(one.code).employers.select("si_unit_code", "employees").iter_rows())
            for one in self.world.cells
        }

    def _swaps(self, code: str, unit: str) -> list[str]:
        """Other codes that the unit's code becomes when two digits are swapped, and that nobody else has."""
        return [one for one in _undetected(self._frames[code][unit]["tax_code"]) if one not in self._known]

    def _unit(self, code: str, unit: str) -> _Unit:
        row, province = self._frames[code][unit], self.world.provinces[code]
        mean, distinct = self._months_with.get((province, unit), (0.0, 0))
        return _Unit(province, unit, row["name"], row["tax_code"], row["address"], mean, distinct)

    # ---- cases

    def _add(self, kind: str, places: list[tuple[str, list[str]]]) -> None:
        for number, (code, codes) in enumerate(places):
            cells = [code, self._other(code) if kind in IN_TWO_PROVINCES else code][: len(codes)]
            units = [self._unit(*place) for place in zip(cells, codes, strict=True)]
            case = _Case(kind, number, units, units[0].tax_code, units[0].name, self.world.listed_in[code])
            case.carried = [case.tax_code] * len(units)
            self._dress(case, code)
            self.cases.append(case)

    def _dress(self, case: _Case, code: str) -> None:
        """Codes and names of a case where they differ between unit and list."""
        kind, number, own = case.kind, case.number, case.tax_code
        branch = f"{own}-{number % 999 + 1:03d}"
        if kind in ("branch_of_parent_units", "branch_beside_parent"):
            case.tax_code = branch
        if kind == "branch_beside_parent":
            self.cases.append(_Case("parent_of_that_branch", number, case.units, own, case.name, case.province, [own]))
        if kind in ("parent_by_branch", "listed_branch"):
            case.carried = [branch]
        if kind == "listed_branch":
            case.tax_code = branch
            self.cases.append(_Case("parent_of_listed_branch", number, [], own, self._free_name(code), case.province))
        if kind == "household":
            case.tax_code = self._personal_id(code, number)
            case.carried = [case.tax_code]
        if kind == "renamed":
            case.name = self._free_name(code)
        if kind == "not_in_list":
            case.name = ""
        if kind in REVIEWED:
            self._disguise(case, code)

    def _disguise(self, case: _Case, code: str) -> None:
        kind, number = case.kind, case.number
        digits = case.name.rpartition(" ")[2]
        stem = STEMS[kind][number % len(STEMS[kind])] if kind in STEMS else case.name.rpartition(" ")[0]
        case.called = stem if kind in ("review_words",) else f"{stem} {digits}"
        case.name = written(kind, pl.Series([case.called]))[0]
        case.carried = [case.tax_code if kind in WITH_ANOTHER_CODE else None]
        case.tax_code = self._free_code(code)
        if kind == "swapped_digits":
            case.tax_code = self._swaps(code, case.units[0].code)[0]
        if kind == "other_digits":
            case.name = f"{stem} {int(digits) + FREE_NUMBERS}"
        if kind == "missing_digits":
            case.name = stem
        if kind == "other_province":
            case.province = _code_on("04" if self.world.provinces[code] != "04" else "14", self._list_month)
        if kind in ("review_unknown_province", "typo_unknown_province"):
            case.province = _UNKNOWN_PROVINCES[number % len(_UNKNOWN_PROVINCES)]

    def _rest(self) -> None:
        """Every unit that is left is on the list as it is; one in twenty is filed again."""
        left = [(one.code, [unit]) for one in self.world.cells for unit in reversed(self._codes[one.code])]
        refiled = [place for number, place in enumerate(left) if number < self.count or number % 20 == 0]
        self._add("refiled", refiled)
        self._add("plain", [place for number, place in enumerate(left) if number >= self.count and number % 20])

    def _add_unitless(self, kind: str) -> None:
        for number in range(self.count):
            code = self.world.cells[number % len(self.world.cells)].code
            is_person = kind == "unregistered_household"
            tax_code = self._personal_id(code, number + self.count) if is_person else self._free_code(code)
            province: str | None = self.world.listed_in[code]
            if kind == "unregistered_unknown_province":
                province = _UNKNOWN_PROVINCES[number % len(_UNKNOWN_PROVINCES)]
            self.cases.append(_Case(kind, number, [], tax_code, self._free_name(code), province))

    @property
    def _list_month(self) -> dt.date:
        return _list_months(self.world.tax_year)[0]

    def _free_code(self, code: str) -> str:
        self._free[code] += 1
        serial = np.array([_FREE_SERIALS + self._free[code]], dtype=np.int64)
        position = next(one.position for one in self.world.cells if one.code == code)
        return str(identifiers.organisation_tax_codes(position + 1, serial)[0])

    def _free_name(self, code: str) -> str:
        self._free[code] += 1
        return f"Công ty TNHH Dịch vụ {FREE_NUMBERS + int(code) * _NAME_STEP + self._free[code]}"

    def _personal_id(self, code: str, number: int) -> str:
        one = np.array([number], dtype=np.int64)
        ids = identifiers.personal_ids(code, 1950 + one * 0, one % 2, one + _HOUSEHOLD_SERIALS)
        return str(ids[0])

    def figures(self, units: Sequence[_Unit]) -> tuple[float, int]:
        """Mean and number of the distinct persons of some units together."""
        if len(units) < 2:
            return (units[0].mean, units[0].distinct) if units else (0.0, 0)
        return self._joint[tuple(one.label for one in units)]

    @functools.cached_property
    def _joint(self) -> dict[tuple[str, ...], tuple[float, int]]:
        together = [case.units for case in self.cases if len(case.units) > 1]
        of_group = pl.DataFrame(
            [(number, unit.province, unit.code) for number, units in enumerate(together) for unit in units],
            schema={"group": pl.Int64, "province": pl.String, "si_unit_code": pl.String}, orient="row",
        )  # fmt: skip
        found = _means(self._heads.join(of_group, on=["province", "si_unit_code"]), ["group"], len(self.world.months))
        return {tuple(one.label for one in units): found[(number,)] for number, units in enumerate(together)}


def _means(heads: pl.DataFrame, by: list[str], months: int) -> dict[tuple[object, ...], tuple[float, int]]:
    """Mean over all months of the distinct persons of a month, and the distinct persons of all months."""
    monthly = heads.group_by(*by, "month").agg(pl.col("si_number").n_unique().alias("heads"))
    means = monthly.group_by(by).agg((pl.col("heads").sum() / months).alias("mean"))
    distinct = heads.group_by(by).agg(pl.col("si_number").n_unique().cast(pl.Int64).alias("distinct"))
    joined = means.join(distinct, on=by)
    return {tuple(row[: len(by)]): (row[-2], row[-1]) for row in joined.select(*by, "mean", "distinct").iter_rows()}


def _undetected(code: str) -> list[str]:
    """The code with N2 and N7, or N3 and the check digit, swapped: their weights leave the same divided by 11."""
    found = []
    for one, other in ((1, 6), (2, 9)):
        digits = list(code)
        digits[one], digits[other] = digits[other], digits[one]
        found.append("".join(digits))
    return found


# ------------------------------------------------------------------------------------------------- what provinces send


def _turn_over(world: _World, code: str, unit: str) -> None:
    """Of the unit's persons one half is insured in odd months, the other in even ones."""
    for number, frame in enumerate(world.of_cell(code)):
        of_unit = (pl.col("si_unit_code") == unit) & pl.col("insurance_type").is_in(["SI_C", "UI"])
        is_other_half = pl.col("si_number").cast(pl.Int64) % 2 != number % 2
        frame.participants = frame.participants.filter(~(of_unit & is_other_half))


def _also_in(world: _World, code: str, unit: str, other_cell: str, other_unit: str) -> None:
    """The persons of a unit are in SI_C in a unit of another province, too."""
    for frame, other in zip(world.of_cell(code), world.of_cell(other_cell), strict=True):
        both = frame.participants.filter((pl.col("si_unit_code") == unit) & (pl.col("insurance_type") == "SI_C"))
        office = other.employers.filter(pl.col("si_unit_code") == other_unit)["office_code"].item()
        both = both.with_columns(si_unit_code=pl.lit(other_unit), office_code=pl.lit(office))
        other.participants = pl.concat([other.participants, both])


def _with_carried(employers: pl.DataFrame, plan: _Plan, province: str) -> pl.DataFrame:
    """Units with the codes, names and kinds that their cases give them."""
    changed = [
        (unit.code, carried, case.called or unit.name, case.kind == "household")
        for case in plan.cases
        if case.kind not in ("plain", "refiled", "parent_of_that_branch")
        for unit, carried in zip(case.units, case.carried, strict=True)
        if unit.province == province
    ]
    schema = pl.Schema(
        {"si_unit_code": pl.String, "carried": pl.String, "called": pl.String, "is_household": pl.Boolean}
    )
    edits = pl.DataFrame(changed, schema=schema, orient="row")
    joined = employers.join(edits, on="si_unit_code", how="left", maintain_order="left")
    is_changed = pl.col("called").is_not_null()
    return joined.with_columns(
        tax_code=pl.when(is_changed).then(pl.col("carried")).otherwise(pl.col("tax_code")),
        name=pl.coalesce("called", "name"),
        unit_type=pl.when(pl.col("is_household").fill_null(False))
        .then(pl.lit("household"))
        .otherwise(pl.col("unit_type")),
    ).select(employers.columns)


def _set_statuses(world: _World, plan: _Plan) -> None:
    """Absconded and dissolved units, at the last month end or in the months before it."""
    for frame in world.frames.values():
        is_last = frame.month == world.months[-1]
        gone = {"absconded": "absconded", "dissolved": "dissolved", "one_of_two_absconded": "absconded"}
        if not is_last:
            gone = {"absconded_and_back": "absconded"}
        states = {
            case.units[0].code: gone[case.kind]
            for case in plan.cases
            if case.kind in gone and case.units[0].province == frame.province
        }
        status = pl.col("si_unit_code").replace_strict(states, default=None, return_dtype=pl.String)
        frame.employers = frame.employers.with_columns(
            status=pl.coalesce(status, "status"),
            status_date=pl.when(status.is_not_null()).then(pl.lit(frame.month)).otherwise(pl.col("status_date")),
        )


def _set_arrears(world: _World, plan: _Plan) -> None:
    """Nobody else on the list is in arrears with a finalised tax: planted arrears are all that can tell."""
    owing = {unit.label: case for case in plan.cases if case.kind in OWING for unit in case.units}
    for frame in world.frames.values():
        is_last = frame.month == world.months[-1]
        own = set(frame.employers["si_unit_code"])
        rows = []
        for label, case in owing.items():
            province, unit = label.split(":")
            if province == frame.province and unit in own and (not is_last or case.kind != "finalised_paid_since"):
                rows.append(_owed(case, unit))
        planted_units = [label.split(":")[1] for label in owing if label.startswith(f"{frame.province}:")]
        natural = frame.arrears.filter(~pl.col("si_unit_code").is_in(planted_units))
        added = (
            pl.DataFrame(rows, schema={name: natural.schema[name] for name in natural.columns}) if rows else natural[:0]
        )
        frame.arrears = pl.concat([natural, added])


def _owed(case: _Case, unit: str) -> dict[str, object]:
    heads = max(1, round(case.units[0].mean))
    principal = heads * 1_500_000
    is_overdue, months = case.kind != "finalised_not_overdue", "2.0"
    if case.kind == "finalised_below_a_month":
        months = "0.9"
    elif case.number % 2 and case.kind in UNPAID:
        months = "1.0"
    return {
        "si_unit_code": unit, "fund": "RETIREMENT", "principal_vnd": principal,
        "overdue_vnd": principal if is_overdue else 0, "interest_vnd": 0, "months_owed": months, "oldest_month": None,
        "employees_affected": heads, "hard_to_collect": "none", "urged_on": None,
    }  # fmt: skip


def _provincial(world: _World) -> Iterator[Submission]:
    for month in world.months:
        for sender in senders(month, sorted({one.code for one in world.cells})):
            own = [world.frames[code, month] for code in sender.cells if (code, month) in world.frames]
            feeds: dict[str, pl.DataFrame | None] = {
                "participants": pl.concat([frame.participants for frame in own]),
                "employers": pl.concat([frame.employers for frame in own]),
                "arrears": pl.concat([frame.arrears for frame in own]),
            }
            name, as_of = f"province-{sender.code}", month_end(month)
            yield Submission(
                sender=name,
                submission_id=f"{short_name(name)}-{month:%Y-%m}-truth",
                period=f"{month:%Y-%m}",
                as_of=as_of,
                created_at=at(as_of + dt.timedelta(days=3), 8),
                feeds=feeds,
            )


# ------------------------------------------------------------------------------------------------------- the tax list


def _list_months(tax_year: int) -> tuple[dt.date, dt.date]:
    """The months in which the list and its late supplements come; both on the same map of provinces."""
    return dt.date(tax_year + 1, 3, 1), dt.date(tax_year + 1, 5, 1)


def _tax(world: _World, rows: tuple[pl.DataFrame, pl.DataFrame]) -> Iterator[Submission]:
    for month, frame in zip(_list_months(world.tax_year), rows, strict=True):
        as_of = month_end(month)
        yield Submission(
            sender="tax",
            submission_id=f"tax-{month:%Y-%m}-truth",
            period=f"{month:%Y-%m}",
            as_of=as_of,
            created_at=at(as_of + dt.timedelta(days=3), 8),
            feeds={"tax_employers": frame},
        )


def _smallest_gap(heads: int) -> int:
    """The smallest gap that is 2 heads and a tenth of heads and gap together."""
    return max(2, math.ceil(heads / 9))


def _tax_heads(case: _Case, mean: float, distinct: int) -> int:
    heads = math.floor(mean + 0.5)
    if case.kind in ADDED_HEADS:
        return heads + _smallest_gap(heads)
    special = {
        "gap_of_one": heads + 1,
        "gap_below_a_tenth": heads + _smallest_gap(heads) - 1,
        "person_twice": heads + _smallest_gap(heads) + 1,
        "turnover": distinct,
        "nobody_paid_by_a_unit": 0,
        "nobody_paid": 0,
        "nobody_paid_closed": 0,
        "branch_beside_parent": max(1, heads // 3),
    }
    if case.kind in special:
        return special[case.kind]
    return heads if case.units else 3 + case.number % 15


def _list_and_truth(world: _World, plan: _Plan) -> tuple[tuple[pl.DataFrame, pl.DataFrame], pl.DataFrame]:
    owing = {
        f"{frame.province}:{code}"
        for frame in map(world.last, world.provinces)
        for code in set(frame.arrears["si_unit_code"])
    }
    first: list[dict[str, object]] = []
    later: list[dict[str, object]] = []
    truth: list[tuple[object, ...]] = []
    matched: set[str] = set()
    for case in plan.cases:
        kind, (mean, distinct) = KINDS[case.kind], plan.figures(case.units)
        labels = sorted(unit.label for unit in case.units)
        if case.kind == "not_in_list":
            continue
        heads = _tax_heads(case, mean, distinct)
        for row, is_later in _tax_rows(world.tax_year, case, heads, any(label in owing for label in labels)):
            (later if is_later else first).append(row)
        if kind.rule is not None:
            matched |= set(labels)
        is_hidden = kind.rule is None and kind.expected_class != "review"
        of_units = (0.0, 0) if kind.rule is None else (mean, distinct)
        truth.append(
            (
                world.tax_year, case.tax_code, case.kind, kind.expected_class, kind.rule, [] if is_hidden else labels,
                heads, *of_units, kind.reason,
            )
        )  # fmt: skip
    truth += _outside(world, matched)
    chance = np.random.default_rng(salt(world.seed, "tax list order"))
    frames = [pl.DataFrame(rows, schema=TAX_SCHEMA) for rows in (first, later)]
    mixed = [frame[chance.permutation(frame.height)] for frame in frames]
    return (mixed[0], mixed[1]), pl.DataFrame(truth, schema=TRUTH_SCHEMA, orient="row")


def _outside(world: _World, matched: set[str]) -> Iterator[tuple[object, ...]]:
    """Units that were active in some month and that no row matches."""
    codes: dict[str, str | None] = {}
    for frame in world.frames.values():
        active = frame.employers.filter(pl.col("status") == "active")
        codes |= {
            f"{frame.province}:{unit}": code for unit, code in active.select("si_unit_code", "tax_code").iter_rows()
        }
    reason = KINDS["not_in_list"].reason
    for label in sorted(set(codes) - matched):
        yield (
            world.tax_year, codes[label], "not_in_list", "not_in_tax_list", None, [label], None, None, None, reason,
        )  # fmt: skip


def _tax_rows(tax_year: int, case: _Case, heads: int, is_owing: bool) -> Iterator[tuple[dict[str, object], bool]]:
    """The rows of a case, each with whether it stands in the later file."""
    kind = case.kind
    finalised = kind in FINALISED or (kind != "unpaid_not_finalised" and not is_owing and case.number % 3 > 0)
    closed = _CLOSED[case.number % 3]
    status = closed if kind in ("closed", "closed_unpaid", "nobody_paid_closed") else "operating"
    if kind == "suspended":
        status = "suspended"
    mean_heads = max(0, heads - _smallest_gap(heads)) if "adds_heads" in kind else heads

    def row(supplement: int, count: int, state: str) -> dict[str, object]:
        income = count * (70 + case.number % 50) * 1_000_000
        return {
            "tax_year": tax_year, "tax_code": case.tax_code, "supplement_no": supplement, "name": case.name,
            "province_code": case.province, "status": state,
            "status_date": None if state == "operating" else dt.date(tax_year, 12, 15),
            # short contracts and pensioners are paid, too: only those with a contract are compared
            "employees_paid": 0 if kind.startswith("nobody_paid") else count + case.number % 3,
            "employees_with_contract": None if case.number % 3 == 0 and not kind.startswith("nobody_paid") else count,
            "income_paid_vnd": income, "cit_finalised": "Y" if finalised else None if case.number % 2 else "N",
            "cit_filing_date": dt.date(tax_year + 1, 3, 1 + case.number % 30) if finalised else None,
            "wage_cost_vnd": income + count * 1_500_000, "industry_code": "5610",
            "address": case.units[0].address if case.units else None,
        }  # fmt: skip

    many = 2 * heads + 5
    supplements: Mapping[str, tuple[tuple[int, int, str, bool], ...]] = {
        "refiled": ((0, heads, status, False), (1, heads, status, True)),
        "supplement_closes": ((0, heads, "operating", False), (1, heads, closed, False)),
        "supplement_adds_heads": ((0, mean_heads, status, False), (2, heads, status, False)),
        "supplement_takes_heads": ((0, many, status, False), (1, many + 1, status, False), (2, heads, status, False)),
        "later_supplement_closes": ((0, heads, "operating", False), (1, heads, closed, True)),
        "later_supplement_adds_heads": ((0, mean_heads, status, False), (1, heads, status, True)),
        "later_supplement_takes_heads": ((0, many, status, False), (3, heads, status, True)),
        "same_supplement_later": ((1, many, status, False), (1, heads, status, True)),
        "lower_supplement_later": ((2, heads, status, False), (1, many, closed, True)),
    }
    for supplement, count, state, is_later in supplements.get(kind, ((0, heads, status, False),)):
        yield row(supplement, count, state), is_later
