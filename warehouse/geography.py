"""Provinces on both maps: the one place that knows codes, names, successors and their dates.

Source: Resolution 202/2025/QH15 (63 to 34 from 2025-07-01), `reference/province_succession.csv`; changes of name with
the code unchanged: Resolution 175/2024/QH15 (46), 30/2026/QH16 (75), 39/2026/QH16 (24).
"""

from __future__ import annotations

import csv
import datetime as dt
import functools
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from warehouse import roles
from warehouse.connection import connect
from warehouse.settings import Settings

MERGER = dt.date(2025, 7, 1)
_FIRST = dt.date(1900, 1, 1)
_LAST = dt.date(9999, 12, 31)
_SOURCE = Path(__file__).resolve().parent / "reference" / "province_succession.csv"
# (vintage, code): [(first day, name)], the name of the source being the newest before and the first after the merger
_RENAMED = {
    ("63", "46"): [(_FIRST, "Tỉnh Thừa Thiên Huế"), (dt.date(2025, 1, 1), "Thành phố Huế")],
    ("34", "75"): [(MERGER, "Tỉnh Đồng Nai"), (dt.date(2026, 4, 30), "Thành phố Đồng Nai")],
    ("34", "24"): [(MERGER, "Tỉnh Bắc Ninh"), (dt.date(2026, 9, 20), "Thành phố Bắc Ninh")],
}


@dataclass(frozen=True)
class Province:
    """A province under one name: half-open validity, and its successor today."""

    province_key: str
    territory_key: str
    province_code: str
    vintage: str
    name_vi: str
    name_en: str
    valid_from: dt.date
    valid_to: dt.date
    current_province_code: str
    is_code_reused: bool
    predecessors: int


@functools.cache
def provinces() -> tuple[Province, ...]:
    """All rows of both maps, in order of territory and date."""
    with _SOURCE.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    reused = {row["code_from_2025_07_01"] for row in rows if row["code_reused_by_another_province"] == "yes"}
    merged: dict[str, int] = {}
    names: dict[str, str] = {}
    for row in rows:
        merged[row["code_from_2025_07_01"]] = merged.get(row["code_from_2025_07_01"], 0) + 1
        names[row["code_from_2025_07_01"]] = row["name_from_2025_07_01"]
    found: list[Province] = []
    for row in rows:
        code = row["code_until_2025_06_30"]
        found += _versions("63", code, row["name_until_2025_06_30"], row["code_from_2025_07_01"], code in reused, 0)
    for code, name in names.items():
        found += _versions("34", code, name, code, code in reused, merged[code])
    return tuple(sorted(found, key=lambda province: province.province_key))


@functools.cache
def current_codes() -> list[str]:
    """The 34 codes in force today."""
    return sorted({province.current_province_code for province in provinces()})


def in_force(code: str, month: dt.date) -> Province | None:
    """The province that bears `code` in the month that begins at `month`, or None."""
    return next((p for p in provinces() if p.province_code == code and p.valid_from <= month < p.valid_to), None)


def successor(code: str) -> Province | None:
    """The province of today that took over a code of the map until 2025-06-30."""
    old = next((p for p in provinces() if p.province_code == code and p.vintage == "63"), None)
    return None if old is None else in_force(old.current_province_code, MERGER)


@functools.cache
def codes_on(day: dt.date) -> frozenset[str]:
    """The codes of the map of a day: 63, since the merger 34."""
    return frozenset(p.province_code for p in provinces() if p.valid_from <= day < p.valid_to)


def instead_of(code: str, day: dt.date) -> str:
    """What to write on the map of `day` for a code that is not on it: its successor with the name, else every code."""
    heir = successor(code) if day >= MERGER else None
    return ", ".join(sorted(codes_on(day))) if heir is None else f"{heir.province_code} ({heir.name_vi})"


def fill_provinces(settings: Settings) -> None:
    """Write both maps and the reading scopes to ops; rows are replaced by key."""
    with connect(settings, roles.MIGRATOR) as connection, connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into ops.province values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            on conflict (province_key) do update set
                territory_key = excluded.territory_key, province_code = excluded.province_code,
                vintage = excluded.vintage, name_vi = excluded.name_vi, name_en = excluded.name_en,
                valid_from = excluded.valid_from, valid_to = excluded.valid_to,
                current_province_code = excluded.current_province_code,
                is_code_reused = excluded.is_code_reused, predecessors = excluded.predecessors
            """,
            [
                (p.province_key, p.territory_key, p.province_code, p.vintage, p.name_vi, p.name_en, p.valid_from,
                 "infinity" if p.valid_to == _LAST else p.valid_to, p.current_province_code, p.is_code_reused,
                 p.predecessors)
                for p in provinces()
            ],
        )  # fmt: skip
        cursor.executemany(
            "insert into ops.scope values (%s, %s, %s) on conflict (role_name) do nothing",
            [
                (roles.READER, True, []),
                (roles.PUBLISHER, True, []),
                *((roles.provincial_reader(code), False, [code]) for code in current_codes()),
            ],
        )


def _versions(vintage: str, code: str, name: str, current: str, is_reused: bool, predecessors: int) -> list[Province]:
    end = MERGER if vintage == "63" else _LAST
    names = _RENAMED.get((vintage, code), [(_FIRST if vintage == "63" else MERGER, name)])
    territory = f"{vintage}-{code}"
    return [
        Province(
            province_key=territory if index == 0 else f"{territory}-{since:%Y%m%d}",
            territory_key=territory,
            province_code=code,
            vintage=vintage,
            name_vi=called,
            name_en=_english(called),
            # a name that changes inside a month counts from that month on
            valid_from=since.replace(day=1),
            valid_to=names[index + 1][0].replace(day=1) if index + 1 < len(names) else end,
            current_province_code=current,
            is_code_reused=is_reused,
            predecessors=predecessors,
        )
        for index, (since, called) in enumerate(names)
    ]


def _english(name: str) -> str:
    kind, _, bare = (
        name.partition(" ") if name.startswith("Tỉnh ") else ("Thành phố", "", name.removeprefix("Thành phố "))
    )
    folded = unicodedata.normalize("NFD", bare.replace("Đ", "D").replace("đ", "d"))
    plain = "".join(letter for letter in folded if not unicodedata.combining(letter))
    return f"{plain} {'Province' if kind == 'Tỉnh' else 'City'}"
