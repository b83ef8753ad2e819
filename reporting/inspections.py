"""Whom to inspect, as counts: candidates of each province by reason; no unit and no code is named."""

from __future__ import annotations

from typing import LiteralString

from psycopg.rows import dict_row

from reporting.figures import REASONS, Candidates, Inspections
from warehouse.connection import Connection

FIRST_OF = 100

# candidates of the map that was in force in their month; those of no known province last
_CANDIDATES: LiteralString = """
select coalesce(p.name_vi, 'Không rõ tỉnh') as name_vi, coalesce(p.name_en, 'Province not known') as name_en,
    count(*) as candidates, count(*) filter (where c.rank_no <= %s) as first,
    count(*) filter (where c.is_cit_finalised_si_unpaid) as cit_finalised_si_unpaid,
    count(*) filter (where c.is_not_registered) as not_registered,
    count(*) filter (where c.is_three_months_or_more) as three_months_or_more,
    count(*) filter (where c.is_under_declared) as under_declared,
    count(*) filter (where c.is_inspected_this_year) as inspected,
    coalesce(sum(c.overdue_vnd), 0)::bigint as overdue_vnd,
    max(c.arrears_month) as arrears_month, max(c.tax_year) as tax_year
from bi.rpt_inspection_candidates as c
left join bi.dim_province as p on p.province_key = c.province_key
group by p.province_key, p.name_vi, p.name_en
order by first desc, candidates desc, p.province_key
"""


def read(connection: Connection) -> Inspections | None:
    """The candidates this session sees; None where there is none."""
    rows = connection.cursor(row_factory=dict_row).execute(_CANDIDATES, [FIRST_OF]).fetchall()
    if not rows:
        return None
    return Inspections(
        first_of=FIRST_OF,
        arrears_month=max((row["arrears_month"] for row in rows if row["arrears_month"]), default=None),
        tax_year=max((row["tax_year"] for row in rows if row["tax_year"]), default=None),
        provinces=tuple(
            Candidates(
                name_vi=row["name_vi"],
                name_en=row["name_en"],
                candidates=row["candidates"],
                first=row["first"],
                by_reason=tuple(row[reason] for reason in REASONS),
                inspected=row["inspected"],
                overdue_vnd=row["overdue_vnd"],
            )
            for row in rows
        ),
    )
