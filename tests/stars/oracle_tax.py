"""The tax list against the insured, computed a second time from what was sent (R17 to R19, docs/decisions/0019, 0020).

Written from the rules alone, in polars and Python; no SQL of the warehouse is shared, and every pair of names is
compared, where the warehouse looks only at those that share words. All functions take `slices` as `World.sent` gives
them. Tax codes are as sent, those of persons too; months are first days, money is whole đồng. A unit is a territory
(`63-26`: the map and a province on it) and a unit code in it.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import oracle_money
import oracle_people
import polars as pl
from sent_files import MERGER, Sent, codes_on, current_code, feed, predecessors

Slices = dict[tuple[str, str, str], Sent]
Unit = tuple[str, str]
"""A unit: its territory and its code in it."""

CLASSES = (
    "closed_or_absconded", "review", "not_registered", "cit_finalised_si_unpaid", "under_declared", "matched",
    "not_in_tax_list",
)  # fmt: skip
RULES = ("exact_code", "personal_id", "parent_code", "branch_code")
CLOSED = ("closed", "closed_unfinalised", "not_at_address")
MINIMUM_GAP, MINIMUM_SHARE = 2, Fraction(1, 10)
ALIKE, ALIKE_WITH_ADDRESS = Fraction(7, 10), Fraction(1, 2)
# what a name says of the form of an organisation, folded
_FORMS = (
    "trach nhiem huu han", "doanh nghiep tu nhan", "mot thanh vien", "hai thanh vien", "ho kinh doanh", "hop tac xa",
    "cong ty", "co phan", "tnhh", "dntn", "cty", "mtv", "htx", "hkd", "cp",
)  # fmt: skip


# -- what the tax office sent -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Listed:
    """A row of a tax list that counts: of a tax year and code the highest supplement, of it the later period's."""

    year: int
    code: str
    row: Mapping[str, Any]
    sent: Sent

    @property
    def is_personal(self) -> bool:
        """Whether the code is the personal id of a household business's owner."""
        return len(self.code) == 12

    @property
    def parent(self) -> str | None:
        """The code of the organisation, if this is one of its branches."""
        return self.code[:10] if "-" in self.code else None

    @property
    def is_closed(self) -> bool:
        """Whether the tax office knows it closed or gone."""
        return self.row["status"] in CLOSED

    @property
    def employees(self) -> int:
        """Employees with a contract during the year; if not stated, those paid."""
        stated = self.row["employees_with_contract"]
        return int(self.row["employees_paid"] if stated is None else stated)

    @property
    def territory(self) -> str | None:
        """The province that the list names, on the map of the period it was sent for; None if it is no province."""
        code = self.row["province_code"]
        return _territory(code, self.sent.month) if code in codes_on(self.sent.month) else None


def latest(slices: Slices) -> dict[int, dict[str, Listed]]:
    """By tax year and tax code the row that counts."""
    best: dict[tuple[int, str], Listed] = {}
    for one in feed(slices, "tax_employers"):
        for row in one.frame.iter_rows(named=True):
            found = Listed(row["tax_year"], row["tax_code"], row, one)
            before = best.get((found.year, found.code))
            if before is None or _rank(found) > _rank(before):
                best[found.year, found.code] = found
    years: dict[int, dict[str, Listed]] = {}
    for (year, code), found in best.items():
        years.setdefault(year, {})[code] = found
    return years


def _rank(listed: Listed) -> tuple[int, dt.date]:
    return int(listed.row["supplement_no"]), listed.sent.month


# -- units in a tax year ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class InYear:
    """A unit in a tax year: its version last in force in it, else the nearest one, and what codes it carries when.

    `months` are those of the year in which a version is in force, all twelve if none is; so are those of `codes`.
    `is_standing`: a list of the year names it, or it may stand as its nearest list shows it.
    """

    unit: Unit
    version: Mapping[str, Any]
    is_in_year: bool
    is_standing: bool
    is_active: bool
    months: frozenset[int]
    codes: Mapping[str, frozenset[int]]

    @property
    def current(self) -> str:
        """The province today."""
        return str(self.version["current_province_code"])

    @property
    def is_person(self) -> bool:
        """Whether its name is that of a person, which nobody may see or compare."""
        return self.version["unit_type"] == "household" or len(self.version["tax_code"] or "") == 12


def units_in(slices: Slices, year: int) -> dict[Unit, InYear]:
    """Every unit that ever stood on a list, in a tax year."""
    found = {}
    by_unit = _versions(slices)
    elsewhere = _standing_elsewhere(slices, year, by_unit)
    for unit, versions in by_unit.items():
        inside = [(each, months) for each in versions if (months := _months_of(each, year))]
        if inside:
            last, is_in_year = inside[-1][0], True
        else:
            before = [each for each in versions if each["valid_from"].year < year]
            last, is_in_year = (before[-1] if before else versions[0]), False
            inside = [(last, frozenset(range(1, 13)))]
        codes: dict[str, frozenset[int]] = {}
        for each, months in inside:
            if each["tax_code"] is not None:
                codes[each["tax_code"]] = codes.get(each["tax_code"], frozenset()) | months
        found[unit] = InYear(
            unit, last, is_in_year,
            is_standing=is_in_year or unit in elsewhere,
            is_active=is_in_year and any(each["status"] == "active" for each, _ in inside),
            months=frozenset().union(*(months for _, months in inside)),
            codes=codes,
        )  # fmt: skip
    return found


def _standing_elsewhere(slices: Slices, year: int, by_unit: Mapping[Unit, Sequence[Mapping[str, Any]]]) -> set[Unit]:
    """Units that stand in a year if no list of it names them: a file names them, or none of their lists was sent."""
    sent = {
        _territory(str(one.province), one.month) for one in feed(slices, "employers") if one.month.year == year
    }  # fmt: skip
    on_map = {month: {_territory(code, month) for code in codes_on(month)} for month in _months(year)}
    had = set[str]().union(*on_map.values())
    linked = _linked(by_unit)
    found = _named(slices, year)
    for unit in by_unit:
        ground = {unit[0]} if unit[0] in had else {each for each in had if _current_of(each) == _current_of(unit[0])}
        if not ground <= sent and (unit[0] in had or unit not in linked):
            found.add(unit)
    return found


def _months(year: int) -> list[dt.date]:
    return [dt.date(year, month, 1) for month in range(1, 13)]


def _named(slices: Slices, year: int) -> set[Unit]:
    """Units that another file of the year names."""
    found = set()
    for name, column, of_units in (
        ("participants", "si_unit_code", None),
        ("arrears", "si_unit_code", None),
        ("contributions", "payer_code", "payer_kind"),
        ("inspections", "entity_code", "entity_kind"),
    ):
        for one in feed(slices, name):
            rows = one.frame if of_units is None else one.frame.filter(pl.col(of_units) == "employer")
            if name == "inspections":
                rows = rows.filter(pl.col("decision_date").dt.year() == year)
            elif one.month.year != year:
                continue
            found |= {(_territory(str(one.province), one.month), code) for code in rows[column].drop_nulls()}
    return found


def _linked(by_unit: Mapping[Unit, Sequence[Mapping[str, Any]]]) -> set[Unit]:
    """Units of the map of 63 that go on as one of the map of 34, and those: of one tax code, else of one unit code.

    The unit code alone tells only where a tax code is not known; of several units with the tax code it is the one with
    the same unit code, else the smallest.
    """
    known = {unit: versions[-1]["tax_code"] for unit, versions in by_unit.items()}
    found = set()
    for unit, code in known.items():
        if not unit[0].startswith("63-"):
            continue
        heirs = [
            other for other in known if other[0].startswith("34-") and _current_of(other[0]) == _current_of(unit[0])
        ]
        same = [other for other in heirs if code is not None and known[other] == code]
        same = same or [other for other in heirs if other[1] == unit[1] and None in (code, known[other])]
        if same:
            found |= {unit, min(same, key=lambda other: (other[1] != unit[1], other[1]))}
    return found


def _versions(slices: Slices) -> dict[Unit, list[dict[str, Any]]]:
    """By unit its versions in order of time, with the address of the list that showed each first."""
    addresses = oracle_people.rows_of(slices, "employers").select(
        *oracle_people.UNIT, "address", valid_from="month"
    )  # fmt: skip
    versions = (
        oracle_people.employer_versions(slices)
        .join(addresses, on=[*oracle_people.UNIT, "valid_from"], how="left")
        .sort("valid_from")
    )
    found: dict[Unit, list[dict[str, Any]]] = {}
    for row in versions.iter_rows(named=True):
        found.setdefault((f"{row['vintage']}-{row['province_code']}", row["si_unit_code"]), []).append(row)
    return found


def _months_of(version: Mapping[str, Any], year: int) -> frozenset[int]:
    until = version["valid_to"] or dt.date.max
    return frozenset(month for month in range(1, 13) if version["valid_from"] <= dt.date(year, month, 1) < until)


# -- the ladder -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Match:
    """The units of a row of the list, each with the months of the year in which it carries the code, and its rung."""

    units: Mapping[Unit, frozenset[int]]
    rules: Mapping[Unit, str]


def matches(listed: Mapping[str, Listed], units: Mapping[Unit, InYear]) -> dict[str, Match]:
    """By tax code of a list the units of the first rung that finds any, and of a parent its unlisted branches' too."""
    by_code: dict[str, dict[Unit, frozenset[int]]] = {}
    for unit, one in units.items():
        if not one.is_standing:
            continue
        for code, months in one.codes.items():
            by_code.setdefault(code, {})[unit] = months
    found = {}
    for code, row in listed.items():
        of_branches: dict[Unit, frozenset[int]] = {}
        for other, carriers in by_code.items():
            if other.startswith(f"{code}-") and other not in listed:
                for unit, months in carriers.items():
                    of_branches[unit] = of_branches.get(unit, frozenset()) | months
        rungs = (
            ("personal_id" if row.is_personal else "exact_code", by_code.get(code, {})),
            ("parent_code", by_code.get(row.parent, {}) if row.parent else {}),
            ("branch_code", of_branches),
        )
        first, own = next(((rule, carriers) for rule, carriers in rungs if carriers), ("", {}))
        also = of_branches if first == "exact_code" else {}
        found[code] = Match(
            {unit: own.get(unit, frozenset()) | also.get(unit, frozenset()) for unit in {**own, **also}},
            {**dict.fromkeys(also, "branch_code"), **dict.fromkeys(own, first)},
        )
    return found


# -- names ------------------------------------------------------------------------------------------------------------


@functools.cache
def core(name: str) -> str:
    """A name without marks, case, punctuation and legal form."""
    marked = unicodedata.normalize("NFD", name.lower().replace("đ", "d"))
    plain = "".join(letter for letter in marked if not unicodedata.combining(letter))
    words = " ".join(re.findall(r"[a-z0-9]+", plain))
    for form in _FORMS:
        words = re.sub(rf"\b{form}\b", " ", words)
    return " ".join(words.split())


def alike(one: str, other: str) -> Fraction:
    """Trigram similarity: shared trigrams over all; a word has two blanks before it and one after."""
    first, second = _trigrams(one), _trigrams(other)
    return Fraction(len(first & second), len(first | second)) if first | second else Fraction(0)


def similar(
    listed: Mapping[str, Listed], units: Mapping[Unit, InYear], found: Mapping[str, Match]
) -> set[tuple[str, Unit]]:
    """Pairs of a row without a unit and a unit without a row whose names are alike."""
    taken = {unit for match in found.values() for unit in match.units}
    free = [one for unit, one in units.items() if one.is_standing and unit not in taken and not one.is_person]
    pairs = set()
    for code, row in listed.items():
        if found[code].units or row.is_personal:
            continue
        for one in free:
            if _is_similar(row, one):
                pairs.add((code, one.unit))
    return pairs


def _is_similar(row: Listed, one: InYear) -> bool:
    name, other = core(row.row["name"]), core(one.version["name"])
    if _digits(name) != _digits(other):
        return False
    if row.territory is None:
        return name == other
    if _current_of(row.territory) != one.current:
        return False
    likeness = alike(name, other)
    addresses = (row.row["address"], one.version["address"])
    if None not in addresses and alike(*(_folded(str(each)) for each in addresses)) >= ALIKE_WITH_ADDRESS:
        return likeness >= ALIKE_WITH_ADDRESS
    return likeness >= ALIKE


def _folded(text: str) -> str:
    marked = unicodedata.normalize("NFD", text.lower().replace("đ", "d"))
    return "".join(letter for letter in marked if not unicodedata.combining(letter))


def _digits(name: str) -> set[str]:
    return {word for word in name.split() if any(letter.isdigit() for letter in word)}


@functools.cache
def _trigrams(text: str) -> frozenset[str]:
    padded = [f"  {word} " for word in re.findall(r"[a-z0-9]+", text)]
    return frozenset(word[at : at + 3] for word in padded for at in range(len(word) - 2))


# -- heads and arrears of a year --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Year:
    """What provinces sent of a year: SI_C rows (person, wage) by unit and month, arrears by unit and month."""

    people: dict[tuple[Unit, int], list[tuple[str, int]]]
    owed: dict[tuple[Unit, int], list[tuple[int, int, float | None]]]
    has_people: set[tuple[str, int]] = field(default_factory=set)
    has_arrears: set[tuple[str, int]] = field(default_factory=set)


def year_of(slices: Slices, year: int) -> Year:
    """What was sent of a year."""
    found = Year({}, {})
    rows = oracle_people.participation(slices).filter(
        (pl.col("month").dt.year() == year)
        & (pl.col("insurance_type") == "SI_C")
        & pl.col("si_unit_code").is_not_null()
    )
    for row in rows.iter_rows(named=True):
        unit = (f"{row['vintage']}-{row['province_code']}", row["si_unit_code"])
        found.people.setdefault((unit, row["month"].month), []).append((row["si_number"], row["wage_base_vnd"] or 0))
    for row in oracle_money.fct_arrears(slices).filter(pl.col("month").dt.year() == year).iter_rows(named=True):
        unit = (_territory(row["province_code"], row["month"]), row["si_unit_code"])
        figures = (row["principal_vnd"], row["overdue_vnd"], row["months_owed"])
        found.owed.setdefault((unit, row["month"].month), []).append(figures)
    for name, known in (("participants", found.has_people), ("arrears", found.has_arrears)):
        known |= {
            (_territory(str(one.province), one.month), one.month.month)
            for one in feed(slices, name)
            if one.month.year == year
        }
    return found


def needed(territories: Collection[str], month: dt.date) -> set[str]:
    """The territories whose file a month needs.

    Of each province of today those named that are in force in the month; if none is, all it had in that month.
    """
    found = set()
    for current in {_current_of(each) for each in territories}:
        own = {each for each in territories if _current_of(each) == current and _is_in_force(each, month)}
        found |= own or {_territory(code, month) for code in ([current] if month >= MERGER else predecessors(current))}
    return found


def sent_months(territories: Collection[str], year: int, known: Collection[tuple[str, int]]) -> list[int]:
    """The months of a year in which every file needed is there."""
    if not territories:
        return []
    return [
        month
        for month in range(1, 13)
        if all((each, month) in known for each in needed(territories, dt.date(year, month, 1)))
    ]


def _territory(code: str, month: dt.date) -> str:
    return f"{'34' if month >= MERGER else '63'}-{code}"


def _current_of(territory: str) -> str:
    vintage, code = territory.split("-")
    return code if vintage == "34" else current_code(code, dt.date(2000, 1, 1))


def _is_in_force(territory: str, month: dt.date) -> bool:
    return territory.startswith("34-") == (month >= MERGER)


# -- fct_tax_match ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Computed:
    """fct_tax_match and fct_tax_match_unit, and the pairs of names in review (tax year, tax code, unit)."""

    match: pl.DataFrame
    units: pl.DataFrame
    similar: set[tuple[int, str, Unit]]


def compute(slices: Slices) -> Computed:
    """All rows; in `match` the unit is `territory_key`, `si_unit_code` and the `valid_from` of its version."""
    rows, bridge, in_review = [], [], set()
    for year, listed in sorted(latest(slices).items()):
        units, sent = units_in(slices, year), year_of(slices, year)
        found = matches(listed, units)
        pairs = similar(listed, units, found)
        in_review |= {(year, code, unit) for code, unit in pairs}
        codes_of: dict[Unit, set[str]] = {}
        for code, match in found.items():
            for unit in match.units:
                codes_of.setdefault(unit, set()).add(code)
        for code, row in listed.items():
            match = found[code]
            if match.units or row.is_closed or row.row["employees_paid"] > 0:
                is_similar = any(code == other for other, _ in pairs)
                rows.append(_row(row, match, units, sent, codes_of, is_similar=is_similar))
            bridge += [_bridge_row(row, match, units[unit], len(codes_of[unit])) for unit in match.units]
        rows += [_unlisted(year, one, sent) for unit, one in units.items() if one.is_active and unit not in codes_of]
    return Computed(_frame(rows), _frame(bridge), in_review)


def _row(
    listed: Listed, match: Match, units: Mapping[Unit, InYear], sent: Year, codes_of: Mapping[Unit, set[str]], *,
    is_similar: bool,
) -> dict[str, Any]:  # fmt: skip
    figures = _heads(listed.year, match.units, sent, listed.territory)
    months, heads = figures["months_used"], figures["employees_si"]
    has_unit = bool(match.units)
    income = listed.row["income_paid_vnd"]
    gap = None if heads is None else listed.employees - _rounded(heads)
    is_under = None if gap is None else gap >= MINIMUM_GAP and gap >= MINIMUM_SHARE * listed.employees
    owed = _arrears(listed.year, match.units, sent)
    is_finalised = listed.row["cit_finalised"] == "Y"
    has_absconded = has_unit and all(
        unit_of_code.version["status"] == "absconded"
        for unit_of_code in _last_of(listed.year, [units[unit] for unit in match.units])
    )
    if listed.is_closed or has_absconded:
        name = "closed_or_absconded"
    elif not has_unit:
        name = "review" if is_similar else "not_registered"
    elif is_finalised and owed["has_arrears"]:
        name = "cit_finalised_si_unpaid"
    else:
        name = "under_declared" if is_under else "matched"
    return {
        "tax_year": listed.year, "tax_code": listed.code, "match_class": name,
        "match_rule": match.rules[main_unit(match.units, sent, figures["used"])] if has_unit else None,
        **_main(listed.year, match.units, units, sent, figures["used"], listed.territory),
        "unit_count": len(match.units),
        "tax_code_count": len(set[str]().union(*(codes_of[unit] for unit in match.units))),
        "tax_name": None if listed.is_personal else listed.row["name"],
        "tax_status": listed.row["status"], "tax_status_date": listed.row["status_date"],
        "supplement_no": listed.row["supplement_no"], "industry_code": listed.row["industry_code"],
        "employees_paid": listed.row["employees_paid"], "employees_tax": listed.employees,
        **{key: value for key, value in figures.items() if key not in ("used", "employees_si")},
        "employees_si": None if heads is None else float(heads),
        "employee_gap": gap, "income_paid_vnd": income,
        "wage_gap_vnd": None if income is None or not months
        else _rounded(Fraction(income * months, 12)) - figures["wage_base_vnd"],
        **owed, "is_under_declared": is_under, "is_cit_finalised": is_finalised,
        "cit_filing_date": listed.row["cit_filing_date"],
        "is_not_registered": not has_unit and listed.row["employees_paid"] > 0,
        "as_of_date": listed.sent.as_of_date, "submission_id": listed.sent.submission_id,
        "row_no": listed.row["row_no"],
    }  # fmt: skip


def _last_of(year: int, found: Sequence[InYear]) -> list[InYear]:
    """Without the units of a map that ended in the year, where a list of the next one names a unit of the code."""
    december = dt.date(year, 12, 1)
    gone_on = {one.current for one in found if one.is_in_year and _is_in_force(one.unit[0], december)}
    return [one for one in found if one.current not in gone_on or _is_in_force(one.unit[0], december)]


def _unlisted(year: int, one: InYear, sent: Year) -> dict[str, Any]:
    """A unit that was active in the year and that no row of the year's list matches."""
    matched = {one.unit: one.months}
    figures = _heads(year, matched, sent, None)
    heads = figures["employees_si"]
    return {
        "tax_year": year, "tax_code": one.version["tax_code"], "match_class": "not_in_tax_list",
        **_main(year, matched, {one.unit: one}, sent, figures["used"], None),
        "unit_count": 1, "tax_code_count": 0,
        "tax_name": None if one.is_person else one.version["name"],
        "industry_code": one.version["industry_code"],
        **{key: value for key, value in figures.items() if key not in ("used", "employees_si")},
        "employees_si": None if heads is None else float(heads),
        **_arrears(year, matched, sent), "is_not_registered": False,
    }  # fmt: skip


def _heads(year: int, matched: Mapping[Unit, frozenset[int]], sent: Year, listed_in: str | None) -> dict[str, Any]:
    """R17 over the months used: a sent month without rows counts 0; null where no month is known."""
    places = {territory for territory, _ in matched} or ({listed_in} if listed_in else set())
    used = sent_months(places, year, sent.has_people)
    by_month = {
        month: [
            row for unit, months in matched.items() if month in months for row in sent.people.get((unit, month), [])
        ]
        for month in used
    }
    is_known = bool(used) or not matched
    persons = {month: {person for person, _ in rows} for month, rows in by_month.items()}
    mean = Fraction(sum(len(each) for each in persons.values()), len(used)) if used else Fraction(0)
    return {
        "used": used, "months_used": len(used),
        "employees_si": mean if is_known else None,
        "employees_si_december": 0 if not matched else len(persons[12]) if 12 in persons else None,
        "employees_si_distinct": len(set[str]().union(*persons.values())) if is_known else None,
        "wage_base_vnd": sum(wage for rows in by_month.values() for _, wage in rows) if is_known else None,
    }  # fmt: skip


def _main(
    year: int, matched: Mapping[Unit, frozenset[int]], units: Mapping[Unit, InYear], sent: Year, used: Sequence[int],
    listed_in: str | None,
) -> dict[str, Any]:  # fmt: skip
    """The matched unit with most SI_C heads in the year, the sum over the months used; else the list's province."""
    if not matched:
        code = listed_in.partition("-")[2] if listed_in else None
        return {
            "territory_key": listed_in, "si_unit_code": None, "valid_from": None, "province_code": code,
            "current_province_code": _current_of(listed_in) if listed_in else None,
        }  # fmt: skip
    unit = main_unit(matched, sent, used)
    return {
        "territory_key": unit[0], "si_unit_code": unit[1], "valid_from": units[unit].version["valid_from"],
        "province_code": units[unit].version["province_code"], "current_province_code": units[unit].current,
    }  # fmt: skip


def main_unit(matched: Mapping[Unit, frozenset[int]], sent: Year, used: Iterable[int]) -> Unit:
    """Most heads while it carries the code; of equals the smallest unit code, then the territory."""
    months_used = list(used)

    def heads(unit: Unit) -> int:
        return sum(
            len({person for person, _ in sent.people.get((unit, month), [])})
            for month in months_used
            if month in matched[unit]
        )

    return min(matched, key=lambda unit: (-heads(unit), unit[1], unit[0]))


def _arrears(year: int, matched: Mapping[Unit, frozenset[int]], sent: Year) -> dict[str, Any]:
    """At each province's last month end for which the arrears needed are there; sums only if it is one of all."""
    if not matched:
        return {"arrears_vnd": 0, "overdue_vnd": 0, "arrears_month": None, "has_arrears": False, "owing_units": None}
    last = {}
    for current in {_current_of(territory) for territory, _ in matched}:
        places = {territory for territory, _ in matched if _current_of(territory) == current}
        if months := sent_months(places, year, sent.has_arrears):
            last[current] = months[-1]
    if not last:
        return dict.fromkeys(("arrears_vnd", "overdue_vnd", "arrears_month", "has_arrears", "owing_units"))
    rows_of = {
        unit: sent.owed.get((unit, last[_current_of(unit[0])]), []) for unit in matched if _current_of(unit[0]) in last
    }
    rows = [row for found in rows_of.values() for row in found]
    is_whole = set(last) == {_current_of(territory) for territory, _ in matched} and len(set(last.values())) == 1
    owing = [
        f"{territory} {code}"
        for (territory, code), found in rows_of.items()
        if any(overdue > 0 and months is not None and months >= 1 for _, overdue, months in found)
    ]
    has_arrears = bool(owing)
    return {
        "owing_units": ", ".join(sorted(owing)) or None,
        "arrears_vnd": sum(principal for principal, _, _ in rows) if is_whole else None,
        "overdue_vnd": sum(overdue for _, overdue, _ in rows) if is_whole else None,
        "arrears_month": dt.date(year, max(last.values()), 1),
        "has_arrears": has_arrears if is_whole or has_arrears else None,
    }


def _bridge_row(listed: Listed, match: Match, one: InYear, codes: int) -> dict[str, Any]:
    months = match.units[one.unit]
    return {
        "tax_year": listed.year, "tax_code": listed.code, "match_rule": match.rules[one.unit],
        "territory_key": one.unit[0], "si_unit_code": one.unit[1], "valid_from": one.version["valid_from"],
        "province_code": one.version["province_code"], "current_province_code": one.current,
        "is_in_year": one.is_in_year, "status": one.version["status"],
        "months": sum(1 << (month - 1) for month in months), "month_count": len(months), "tax_code_count": codes,
    }  # fmt: skip


def _rounded(value: Fraction) -> int:
    """Half a head, or half a đồng, away from zero."""
    whole = (abs(value) * 2 + 1) // 2
    return int(whole if value >= 0 else -whole)


def _frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, infer_schema_length=None)
