"""What a tax list is compared with: the codes known before it, the units of the warehouse, its own rows.

These figures warn and hold nothing: semantics R31 names everything that holds a submission.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from warehouse.connection import Connection

FEED = "tax_employers"


@dataclass(frozen=True)
class Volume:
    """Codes of a tax year with this file, and those to compare with: of the same year before it, else of the year
    before."""

    tax_year: int
    codes: int
    compared_year: int
    codes_before: int

    @property
    def change(self) -> float:
        """How far the number of codes has moved, as a share of what it was."""
        return abs(self.codes - self.codes_before) / self.codes_before


@dataclass(frozen=True)
class TaxList:
    """One load of the tax list.

    `volumes` has the tax years with something to compare with; `compared` counts the codes that paid somebody in a
    province whose units the warehouse knows, `carried` those of them that a unit carries. Of fewer than `least` codes
    nothing is made.
    """

    rows: int
    accepted: int
    least: float
    volumes: tuple[Volume, ...]
    compared: int
    carried: int

    @property
    def volume_change(self) -> float | None:
        """The largest change of a tax year; None without history."""
        return max((one.change for one in self.volumes), default=None)

    @property
    def matched_share(self) -> float | None:
        """Share of the compared codes that a unit carries; None where there are too few."""
        return self.carried / self.compared if self.compared and self.compared >= self.least else None

    @property
    def valid_share(self) -> float:
        """Share of the rows that were not set aside."""
        return self.accepted / self.rows if self.rows else 1.0


def read_tax_list(
    connection: Connection, view: sql.Identifier, *, sender: str, period: str, version: int, rows: int, accepted: int,
    least: float,
) -> TaxList:  # fmt: skip
    """The figures of the load that `view` shows, against what is accepted now."""
    compared, carried = _carried(connection, view, period)
    volumes = _volumes(connection, view, sender=sender, period=period, version=version)
    return TaxList(
        rows=rows,
        accepted=accepted,
        least=least,
        volumes=tuple(one for one in volumes if max(one.codes, one.codes_before) >= least),
        compared=compared,
        carried=carried,
    )


def _volumes(
    connection: Connection, view: sql.Identifier, *, sender: str, period: str, version: int
) -> tuple[Volume, ...]:
    """A later period's file adds to a tax year; a higher version of the same period replaces what that one said."""
    accepted: list[Any] = connection.execute(
        "select a.load_id, a.period, a.version from ops.accepted_load a where a.feed = %s and a.sender = %s",
        [FEED, sender],
    ).fetchall()
    if any(other == period and later > version for _, other, later in accepted):
        return ()  # a higher version is in force already: this one will not be
    counts: list[Any] = connection.execute(
        sql.SQL(
            """
            with sent as (
                select tax_year, tax_code, true as is_new, false as is_old from {view}
                union all
                select tax_year, tax_code, load_id <> all(%(replaced)s), true
                from raw.tax_employers where load_id = any(%(accepted)s)
            ),
            code as (
                select tax_year, tax_code, bool_or(is_new) as is_new, bool_or(is_old) as is_old from sent group by 1, 2
            )
            select tax_year, count(*) filter (where is_new), count(*) filter (where is_old) from code group by 1
            """
        ).format(view=view),
        {
            "accepted": [load_id for load_id, _, _ in accepted],
            "replaced": [load_id for load_id, other, _ in accepted if other == period],
        },
    ).fetchall()
    touched = connection.execute(
        sql.SQL("select tax_year from {} union select tax_year from raw.tax_employers where load_id = any(%s)").format(
            view
        ),
        [[load_id for load_id, other, _ in accepted if other == period]],
    ).fetchall()
    return tuple(_against({year: (new, old) for year, new, old in counts}, [int(str(row[0])) for row in touched]))


def _against(counts: Mapping[int, tuple[int, int]], touched: list[int]) -> list[Volume]:
    found = []
    for year in sorted(touched):
        codes, _ = counts[year]
        for compared in (year, year - 1):
            before = counts.get(compared, (0, 0))[1]
            if before:
                found.append(Volume(year, codes, compared, before))
                break
    return found


def _carried(connection: Connection, view: sql.Identifier, period: str) -> tuple[int, int]:
    """The list's codes against those of the last accepted list of units of each sender.

    Codes whose province is unknown, or has sent no units, cannot be expected to be carried and are left out.
    """
    row: Any = connection.execute(
        sql.SQL(
            """
            with unit_list as (
                select distinct on (a.sender) a.sender, a.load_id, to_date(a.period, 'YYYY-MM') as month
                from ops.accepted_load a where a.feed = 'employers' order by a.sender, a.period desc
            ),
            known as (
                select p.current_province_code
                from unit_list u
                join ops.province p
                    on u.sender = 'province-' || p.province_code and u.month >= p.valid_from and u.month < p.valid_to
            ),
            listed as (
                select distinct r.tax_code
                from {view} r
                join ops.province p
                    on p.province_code = r.province_code
                    and p.valid_from <= to_date(%(period)s, 'YYYY-MM') and p.valid_to > to_date(%(period)s, 'YYYY-MM')
                where r.employees_paid > 0 and p.current_province_code in (select current_province_code from known)
            ),
            carried as (
                select distinct e.tax_code from raw.employers e where e.load_id in (select load_id from unit_list)
            )
            select count(*), count(c.tax_code) from listed l left join carried c on c.tax_code = l.tax_code
            """
        ).format(view=view),
        {"period": period},
    ).fetchone()
    return int(row[0]), int(row[1])
