"""The two maps, and how large each of the 63 former provinces is.

A *cell* is one province of the map until 2025-06; a sender of either map reports for one or several cells, so that the
same people go on being reported by the successor. Sizes: population of about 2021 in thousands, and the share of it in
compulsory insurance; both rounded by hand and then fitted to the national 122 million participant rows (domain.md E).
"""

from __future__ import annotations

import csv
import datetime as dt
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import warehouse
from warehouse.errors import UsageError

MERGER = dt.date(2025, 7, 1)
NATIONAL_ROWS = 122_000_000
HI_OF_POPULATION = 0.916
UI_OF_SI_C = 0.9
SI_V_OF_HI = 0.016
WORKERS_PER_UNIT = 34.7

_CELLS = """
01 8331 .22|02 887 .09|04 542 .10|06 324 .10|08 801 .09|10 762 .11|11 625 .08|12 478 .09|14 1288 .08|15 843 .10
17 872 .11|19 1323 .19|20 796 .09|22 1350 .18|24 1875 .19|25 1507 .13|26 1186 .18|27 1463 .24|30 1937 .20|31 2072 .19
33 1284 .18|34 1876 .13|35 875 .15|36 1836 .12|37 1007 .14|38 3716 .11|40 3409 .10|42 1314 .09|44 914 .09|45 647 .10
46 1154 .11|48 1195 .21|49 1518 .13|51 1245 .11|52 1508 .10|54 876 .09|56 1254 .12|58 596 .09|60 1252 .10|62 568 .10
64 1569 .08|66 1909 .08|67 664 .08|68 1321 .09|70 1024 .16|72 1181 .18|74 2596 .38|75 3169 .26|77 1176 .19|79 9166 .27
80 1725 .21|82 1779 .14|83 1295 .12|84 1018 .10|86 1028 .12|87 1601 .10|89 1909 .09|91 1751 .09|92 1246 .13|93 729 .10
94 1206 .09|95 918 .08|96 1208 .09
"""


@dataclass(frozen=True)
class Sizes:
    """How many participants of each insurance type and how many active units."""

    si_c: int
    si_v: int
    ui: int
    hi: int
    units: int

    @property
    def rows(self) -> int:
        """Rows of `participants`."""
        return self.si_c + self.si_v + self.ui + self.hi


# published for October 2021 (vss.gov.vn, 2021-11-14)
VINH_PHUC = Sizes(si_c=220_596, si_v=15_153, ui=212_790, hi=1_099_580, units=6_363)


@dataclass(frozen=True)
class Cell:
    """A province of the map until 2025-06, at the size asked for.

    `position` counts the cells, `group_position` those that merged into one province; `wage_regions` are the shares of
    units in the minimum-wage regions I to IV; `wage_excess` stretches what wages lie above the minimum.
    """

    code: str
    position: int
    group_position: int
    sizes: Sizes
    wage_regions: tuple[float, float, float, float]
    wage_excess: float = 1.0


@dataclass(frozen=True)
class Sender:
    """A province that reports in a month, with the cells it reports for."""

    code: str
    cells: tuple[str, ...]


@functools.cache
def succession() -> dict[str, str]:
    """Code until 2025-06 to code from 2025-07, in the order of the official list."""
    path = Path(warehouse.__file__).resolve().parent / "reference" / "province_succession.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["code_until_2025_06_30"]: row["code_from_2025_07_01"] for row in csv.DictReader(stream)}


def senders(month: dt.date, wanted: Sequence[str] | None = None) -> list[Sender]:
    """Provinces of the month's map; `wanted` names codes of either map, a merged one stands for its successor."""
    successors = succession()
    unknown = sorted(set(wanted or ()) - set(successors) - set(successors.values()))
    if unknown:
        raise UsageError(f"no province has the code {', '.join(unknown)}; use two-digit codes such as 26,46")
    if month < MERGER:
        found = [Sender(code, (code,)) for code in successors]
        return [sender for sender in found if wanted is None or sender.code in wanted]
    merged = {
        code: tuple(old for old, new in successors.items() if new == code) for code in sorted(set(successors.values()))
    }
    chosen = None if wanted is None else {code if code in merged else successors[code] for code in wanted}
    return [Sender(code, cells) for code, cells in merged.items() if chosen is None or code in chosen]


def cell(code: str, *, scale: float) -> Cell:
    """A cell at a share of its full size, never smaller than a handful of units."""
    successors = succession()
    full = _full_sizes()[code]
    group = [old for old, new in successors.items() if new == successors[code]]
    sizes = full if scale == 1 else _scaled(full, scale)
    is_industrial = full.si_c / full.hi > 0.19
    return Cell(
        code=code,
        position=list(successors).index(code),
        group_position=group.index(code),
        sizes=sizes,
        wage_regions=(0.3, 0.45, 0.25, 0.0) if is_industrial else (0.0, 0.3, 0.4, 0.3),
    )


@functools.cache
def _full_sizes() -> dict[str, Sizes]:
    people = {code: (float(thousands) * 1000, float(part)) for code, thousands, part in map(str.split, _entries())}
    rest = {code: value for code, value in people.items() if code != "26"}
    rows = sum(count * (HI_OF_POPULATION * (1 + SI_V_OF_HI) + part * (1 + UI_OF_SI_C)) for count, part in rest.values())
    fit = (NATIONAL_ROWS - VINH_PHUC.rows) / rows
    sizes = {}
    for code, (count, part) in rest.items():
        hi, si_c = round(count * HI_OF_POPULATION * fit), round(count * part * fit)
        sizes[code] = Sizes(si_c, round(hi * SI_V_OF_HI), round(si_c * UI_OF_SI_C), hi, round(si_c / WORKERS_PER_UNIT))
    return sizes | {"26": VINH_PHUC}


def _entries() -> list[str]:
    return [entry for line in _CELLS.strip().splitlines() for entry in line.split("|")]


def _scaled(full: Sizes, scale: float) -> Sizes:
    if scale <= 0:
        raise UsageError("--scale must be above 0; 1 is every province at full size")
    si_c = max(60, round(full.si_c * scale))
    return Sizes(
        si_c=si_c,
        si_v=max(10, round(full.si_v * scale)),
        ui=max(50, round(full.ui * scale)),
        hi=max(300, round(full.hi * scale)),
        units=max(8, round(full.units * scale)),
    )
