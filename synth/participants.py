"""The feeds `participants` and `employers` of one cell and month."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from synth import identifiers, names
from synth.chance import Bools, Ints, below
from synth.population import HI_GROUPS, RESIDENT_SERIALS, Snapshot, commune_codes

_JOINED_FIRST = 12 * 2006
_HAS_PERSONAL_ID = 0.92


def participants(snapshot: Snapshot) -> pl.DataFrame:
    """One row for each person and insurance type; each worker is in HI, and UI is inside SI_C."""
    persons, people = _persons(snapshot), snapshot.people
    workers = np.arange(people.workers)
    voluntary = np.flatnonzero(people.voluntary_base)
    ui = np.flatnonzero(people.has_ui)
    parts = [
        _rows(persons, "SI_C", workers, wage=people.wage, with_unit=True),
        _rows(persons, "UI", ui, wage=people.ui_wage[ui], with_unit=True),
        _rows(persons, "SI_V", voluntary, wage=people.voluntary_base[voluntary], with_unit=False),
        _rows(persons, "HI", None, wage=None, with_unit=True),
    ]
    return pl.concat(parts)


def employers(snapshot: Snapshot) -> pl.DataFrame:
    """One row for each unit: the active ones and those that stopped lately."""
    columns = (
        "si_unit_code tax_code name unit_type industry_code commune_code status status_date pay_method wage_region"
        " employees office_code address"
    )
    return snapshot.units.frame.select(columns.split())


def person_si_numbers(snapshot: Snapshot, chosen: Ints | Bools) -> pl.Series:
    """SI numbers of some of the people."""
    return identifiers.si_numbers(snapshot.cell.code, _serials(snapshot)[chosen])


def _serials(snapshot: Snapshot) -> Ints:
    people = snapshot.people
    return people.number + people.is_resident * RESIDENT_SERIALS


def _persons(snapshot: Snapshot) -> pl.DataFrame:
    people, key = snapshot.people, snapshot.salt("person row")
    serials = _serials(snapshot)
    # number modulo 8 and half-numbers keep (birth year, id serial) apart: see population._births
    id_serials = people.number // 8 * 2 + people.is_resident
    names_male, names_female = names.person_names("M"), names.person_names("F")
    all_names = pl.concat([names_male, names_female])
    name = np.where(
        people.is_female == 1,
        len(names_male) + below(serials, key, len(names_female)),
        below(serials, key, len(names_male)),
    )
    units = snapshot.units.frame
    slot = pl.Series(people.slot)
    slot = slot.set(slot < 0, None)
    joined = np.minimum(_joined(serials, key), (snapshot.month.year * 12) + snapshot.month.month - 1)
    agent = pl.Series(people.agent)
    return pl.DataFrame(
        {
            "si_number": identifiers.si_numbers(snapshot.cell.code, serials),
            "personal_id": identifiers.personal_ids(
                snapshot.cell.code, people.birth_year, people.is_female, id_serials
            ),
            "full_name": all_names.gather(name),
            "birth_date": _birth_texts(people.birth_year, people.birth_day, snapshot.month),
            "sex": pl.Series(["M", "F"]).gather(people.is_female),
            "hi_group": pl.Series(HI_GROUPS).gather(people.hi_group),
            "si_unit_code": units["si_unit_code"].gather(slot),
            "office_code": units["office_code"].gather(slot),
            "commune_code": commune_codes(snapshot.cell).gather(below(serials, key ^ 1, 100)),
            "from_month": _month_texts(joined),
            "collector_code": _agent_codes(snapshot).gather(agent.set(agent < 0, None)),
        }
    ).with_columns(
        pl.when(pl.Series(below(serials, key ^ 2, 1000) < _HAS_PERSONAL_ID * 1000)).then(pl.col("personal_id"))
    )


def agent_code(cell_code: str, number: int) -> str:
    """The code of a collection agent."""
    return f"DL{cell_code}{number:04d}"


def _agent_codes(snapshot: Snapshot) -> pl.Series:
    last = max(0, int(snapshot.people.agent.max()))
    return pl.Series([agent_code(snapshot.cell.code, number) for number in range(last + 1)])


def _joined(serials: Ints, key: int) -> Ints:
    return _JOINED_FIRST + below(serials, key ^ 3, 12 * 14)


def _month_texts(months: Ints) -> pl.Series:
    texts = [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in range(_JOINED_FIRST, _JOINED_FIRST + 12 * 60)]
    return pl.Series(texts).gather(months - _JOINED_FIRST)


def _birth_texts(years: Ints, days: Ints, month: dt.date) -> pl.Series:
    """ISO dates; of some old people only the year is known."""
    first_day = np.datetime64("1970-01-01")
    starts = (years - 1970).astype("datetime64[Y]").astype("datetime64[D]")
    born = np.minimum((starts - first_day).astype(np.int64) + days, (month - dt.date(1970, 1, 1)).days - 1)
    dates = pl.Series(born.astype(np.int32)).cast(pl.Date).cast(pl.String)
    only_year = pl.Series((years < 1950) & (days % 10 == 0))
    return pl.Series(years).cast(pl.String).zip_with(only_year, dates)


def _rows(
    persons: pl.DataFrame, insurance_type: str, chosen: Ints | None, *, wage: Ints | None, with_unit: bool
) -> pl.DataFrame:
    frame = persons if chosen is None else persons[chosen]
    empty = pl.lit(None, pl.String)
    is_hi = insurance_type == "HI"
    return frame.select(
        "si_number",
        "personal_id",
        "full_name",
        "birth_date",
        "sex",
        pl.lit(insurance_type).alias("insurance_type"),
        "hi_group" if is_hi else empty.alias("hi_group"),
        "si_unit_code" if with_unit else empty.alias("si_unit_code"),
        "commune_code",
        pl.lit(None, pl.Int64).alias("wage_base_vnd") if wage is None else pl.Series("wage_base_vnd", wage),
        empty.alias("from_month") if is_hi else "from_month",
        "office_code",
        "collector_code",
    )
