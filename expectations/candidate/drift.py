"""Drift: headline figures beside those of the publication before. A rule may move history, and is then named."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from expectations.candidate.completeness import pin
from expectations.candidate.control import Compared, Control, Row, row
from expectations.candidate.scope import Scope
from expectations.thresholds import threshold
from ingestion.contracts import load_contracts
from warehouse.connection import Connection

CONTROLS = (
    Control("unmoved", "drift", "a headline figure that no submission touched stays as it was shown", "warn"),
    Control("moved", "drift", "a headline figure that a submission touched moves little", "warn"),
    Control("lost", "drift", "without a changed rule no untouched headline figure becomes unknown"),
)
Key = tuple[dt.date, str, str]


@dataclass(frozen=True)
class _Figure:
    value: Decimal
    provinces_included: int | None
    place: str
    is_stock: bool
    current_province_code: str


@dataclass(frozen=True)
class _Touches:
    """What the build's submissions touch, by province of today: months, whole provinces, and all of the country."""

    months: Mapping[str, frozenset[dt.date]]
    provinces: frozenset[str]
    is_country: bool

    def reach(self, code: str, month: dt.date, *, is_stock: bool) -> bool:
        """Whether a figure may have moved: a flow's year to date moves with every earlier month of the year."""
        if code in self.provinces or (code == "national" and (self.is_country or self.provinces)):
            return True
        mine = self.months.get(code, frozenset())
        if is_stock:
            return month in mine
        return any(touched.year == month.year and touched <= month for touched in mine)


def compare(connection: Connection, scope: Scope) -> Compared:
    """Headline figures of provinces and the country; leaves the pin on the candidate."""
    if not scope.base_id or "rpt_plan_attainment" not in scope.made:
        return Compared((), {})
    pin(connection, scope.base_id)
    before = _headline(connection)
    pin(connection, scope.candidate_id)
    after = _headline(connection)
    return Compared(tuple(_compared(scope, before, after, _touches(connection, scope))), {})


def _compared(
    scope: Scope, before: Mapping[Key, _Figure], after: Mapping[Key, _Figure], touches: _Touches
) -> Iterable[Row]:
    relation = "rpt_plan_attainment"
    for (month, territory, indicator), was in before.items():
        now = after.get((month, territory, indicator))
        if not touches.reach(was.current_province_code, month, is_stock=was.is_stock):
            if scope.is_same_project:
                yield row("lost", relation, was.place, indicator, "known", "unknown" if now is None else "known")
            yield row("unmoved", relation, was.place, indicator, was.value, None if now is None else now.value)
        elif now is not None and now.provinces_included == was.provinces_included:
            most = Decimal(str(threshold("drift_figure", month)))
            change = abs(now.value - was.value)
            within = f"within {100 * most:.0f} %"
            said = within
            if change > most * abs(was.value):
                share = f" ({100 * (now.value - was.value) / abs(was.value):+.1f} %)" if was.value else ""
                said = f"{row('', '', '', '', None, now.value).actual}{share}"
            yield row(
                "moved", relation, was.place, indicator, f"{within} of {was.value:f}" if said != within else said, said
            )


def _headline(connection: Connection) -> dict[Key, _Figure]:
    found: Any = connection.execute(
        """
        select
            a.month, a.territory_key, a.indicator, a.actual, a.provinces_included,
            coalesce(p.name_vi || ' (' || p.province_code || ')', a.territory_key)
            || ', ' || to_char(a.month, 'YYYY-MM') as place,
            i.is_stock, a.current_province_code
        from bi.rpt_plan_attainment a
        join bi.dim_indicator i on i.indicator = a.indicator and i.is_headline
        left join bi.dim_province p on p.province_key = a.province_key
        where a.actual is not null
        order by a.month, a.territory_key, a.indicator
        """
    ).fetchall()
    return {(month, territory, indicator): _Figure(*rest) for month, territory, indicator, *rest in found}


def _touches(connection: Connection, scope: Scope) -> _Touches:
    found: Any = connection.execute(
        """
        select t.source, t.month, p.current_province_code
        from ops.build_touch t
        left join (select distinct territory_key, current_province_code from ops.province) p
            on p.territory_key = t.territory_key
        where t.build_id = %s and t.source = any(%s)
        """,
        [scope.build_id, list(load_contracts())],
    ).fetchall()
    months: dict[str, set[dt.date]] = {"national": set()}
    provinces: set[str] = set()
    is_country = False
    for source, month, code in found:
        # a submission of indicators may bring or take back figures of any month (R3)
        if source == "indicators":
            is_country = is_country or code is None
            provinces |= {code} - {None}
        elif code is not None:
            months.setdefault(code, set()).add(month)
            months["national"].add(month)
    return _Touches({code: frozenset(mine) for code, mine in months.items()}, frozenset(provinces), is_country)
