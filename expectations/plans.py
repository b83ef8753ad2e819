"""What a report is compared with: the plan in force (R1) and its own week. Such figures warn and hold nothing."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from psycopg import sql

from warehouse.connection import Connection

INDICATORS = "indicators"
WEEKLY = "weekly_report"


@dataclass(frozen=True)
class Planned:
    """A reported figure and the whole-year level it is measured by, both in the indicator's base unit.

    `reported_pct` is the attainment the sender reports beside it, where there is one.
    """

    indicator: str
    is_stock: bool
    value: Decimal
    plan: Decimal
    reported_pct: Decimal | None

    @property
    def share(self) -> float:
        """The figure as a share of the year's plan."""
        return float(self.value / self.plan)

    @property
    def points_off(self) -> float | None:
        """How many percentage points the reported attainment is off; None where none is reported."""
        return None if self.reported_pct is None else abs(float(self.reported_pct) - 100 * self.share)


def read_planned(
    connection: Connection, view: sql.Identifier, *, sender: str, month: dt.date, territory_key: str | None
) -> tuple[Planned, ...]:
    """Reported figures of the month that have a plan in force: headquarters' for the country, else the province's."""
    if territory_key is None and sender != "hq":
        return ()
    rows: list[Any] = connection.execute(
        sql.SQL(
            """
            with target as (
                select distinct on (r.indicator) r.indicator, r.target_value as plan
                from ops.accepted_load a
                join raw.plan_targets r on r.load_id = a.load_id
                left join ops.province p
                    on r.assignee_kind = 'province' and p.province_code = r.assignee_code
                    and r.issued_date >= p.valid_from and r.issued_date < p.valid_to
                where a.feed = 'plan_targets' and a.sender = 'hq'
                    and r.year = %(year)s and r.target_kind = 'level' and r.from_month is null
                    and r.issued_date <= %(last_day)s
                    and case when %(territory)s::text is null then r.assignee_kind = 'national'
                        else p.territory_key = %(territory)s end
                order by r.indicator, r.issued_date desc, r.revision desc, (coalesce(r.issuer, 'vss') = 'vss') desc
            )
            select v.indicator, v.measure = 'stock', v.value, t.plan, reported.value
            from {view} v
            join target t on t.indicator = v.indicator
            left join {view} reported
                on reported.indicator = v.indicator and reported.as_of_date = v.as_of_date
                and reported.measure = v.measure and reported.comparison = 'plan' and reported.unit = 'percent'
            where coalesce(v.comparison, 'none') = 'none' and v.measure in ('stock', 'ytd') and t.plan > 0
                and v.as_of_date between %(month)s and %(last_day)s
            order by v.row_no
            """
        ).format(view=view),
        {
            "year": month.year, "month": month, "territory": territory_key,
            "last_day": (month + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1),
        },
    ).fetchall()  # fmt: skip
    return tuple(
        Planned(name, is_stock, Decimal(value), Decimal(plan), None if pct is None else Decimal(pct))
        for name, is_stock, value, plan, pct in rows
    )


def days_outside_week(period: str, as_of: dt.date | None) -> int | None:
    """How many days a weekly report's closing date lies before or after its ISO week; None for any other period."""
    year, is_week, week = period.partition("-W")
    if not is_week or as_of is None:
        return None
    monday = dt.date.fromisocalendar(int(year), int(week), 1)
    return max((monday - as_of).days, (as_of - monday).days - 6, 0)
