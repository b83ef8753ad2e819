"""Identities across stars: a report says what its facts say, for the provinces and months that were touched.

Facts are read once, by the cut of the report; a figure that goes through several reports is followed step by step.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, LiteralString

from psycopg import sql

from expectations.candidate.control import Compared, Control, Row, row
from expectations.candidate.scope import Input, Scope, later_in_year, pairs
from warehouse.connection import Connection

CONTROLS = (
    Control("participants", "identities", "rpt_participants counts the rows of fct_participation"),
    Control("heads", "identities", "head counts are rows of fct_participation; people managed = HI + SI_V (R4)"),
    Control("units", "identities", "units managed are the active units of the month's list (R5)"),
    # gate 1 holds a submission whose rows as sent contradict each other; set-aside rows alone must not stop a country
    Control("subset", "identities", "UI <= SI_C <= HI as sent, unless a person released it (R4, R31)", "warn"),
    Control("collection", "identities", "rpt_collection sums fct_contribution; the total is its four groups (R9)"),
    Control("arrears", "identities", "bands of rpt_arrears_ageing sum fct_arrears; a unit stands in one (R11, R12)"),
    Control("inspections", "identities", "rpt_inspection_results counts the cases of the latest list (R15, R16)"),
    Control("benefits", "identities", "spending and pensioners are those of fct_benefit (R23)"),
    Control("attainment", "identities", "an actual is the figure of the report or the row it comes from (R2)"),
    Control("keys", "identities", "a province or unit that a fact names is in its dimension in that month"),
)
HEADS: Mapping[str, tuple[str, ...]] = {
    "si_compulsory": ("SI_C",),
    "si_voluntary": ("SI_V",),
    "ui": ("UI",),
    "hi": ("HI",),
    "si_participants": ("SI_C", "SI_V"),
    "people_managed": ("HI", "SI_V"),
}
_GROUPS = ("si_compulsory", "si_voluntary", "ui", "hi")
_COLLECTED = ("collected_month_vnd", "collected_ytd_vnd", "due_month_vnd", "due_ytd_vnd", "interest_collected_vnd")
_OWED = ("units", "principal_vnd", "overdue_vnd", "interest_vnd", "interest_bearing_vnd", "hard_to_collect_vnd")
_CELLS = sql.SQL(
    "join unnest(%(territories)s::text[], %(months)s::date[]) cell (territory_key, month) using (territory_key, month)"
)
_IN_CELLS = sql.SQL("r.month = any(%(months)s) and r.territory_key = any(%(territories)s)")
_ABOUT_UNITS = {"participants": "fct_participation", "contributions": "fct_contribution", "arrears": "fct_arrears"}
Cell = tuple[str, dt.date]
Actuals = Mapping[tuple[str, dt.date, str], tuple[Any, bool]]


def compare(connection: Connection, scope: Scope) -> Compared:
    """All identities of the touched provinces and months."""
    rows: list[Row] = []
    at_least: dict[str, int] = dict.fromkeys((control.name for control in CONTROLS), 0)
    actuals = _actuals(connection, scope)
    people = scope.cells("participants")
    rows += _people(connection, people, actuals)
    rows += _units(connection, scope.cells("employers"), actuals)
    rows += _collection(connection, scope, actuals)
    rows += _arrears(connection, scope.cells("arrears"), actuals)
    rows += _inspections(connection, scope, actuals)
    rows += _benefits(connection, scope, actuals)
    rows += _reported(connection, scope)
    rows += _keys(connection, scope)
    sent = [one for one in people if one.accepted]
    at_least |= {
        "participants": len(sent), "heads": len(HEADS) * len(people), "units": len(scope.cells("employers")),
        "subset": 2 * sum(not one.is_released for one in people), "arrears": len(scope.cells("arrears")),
        "collection": len(scope.cells("contributions")),
        "keys": len([one for feed in _ABOUT_UNITS for one in scope.cells(feed) if one.accepted]),
    }  # fmt: skip
    return Compared(tuple(rows), at_least)


def _read(connection: Connection, query: LiteralString, inputs: Sequence[Input], **names: sql.Composable) -> list[Any]:
    """Rows of a query over the provinces and months of inputs; {cells} joins them to r, {in_cells} names partitions."""
    if not inputs:
        return []
    text = sql.SQL(query).format(cells=_CELLS, in_cells=_IN_CELLS, **names)
    values: list[Any] = connection.execute(text, pairs(inputs)).fetchall()
    return values


def _columns(names: Iterable[str]) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier("r", name) for name in names)


def _actuals(connection: Connection, scope: Scope) -> Actuals:
    """(territory, month, indicator) to the figure shown and whether it was reported, of months touched by anything."""
    cells = scope.cells("participants", "employers", "arrears", "inspections", "indicators")
    flows = later_in_year(scope, scope.cells("contributions", "benefits"))
    found = _read(
        connection,
        "select r.territory_key, r.month, r.indicator, r.actual, r.is_reported from bi.rpt_plan_attainment r {cells}"
        " where r.geo_level = 'province' and r.actual is not null",
        [*cells, *flows],
    )
    return {(territory, month, indicator): (actual, said) for territory, month, indicator, actual, said in found}


def _actual(actuals: Actuals, cell: Cell, indicator: str) -> Any:
    return actuals.get((*cell, indicator), (None, False))[0]


def _cell(one: Input) -> Cell:
    return one.territory_key or "", one.month


def _people(connection: Connection, inputs: Sequence[Input], actuals: Actuals) -> Iterable[Row]:
    counted: dict[Cell, dict[str, tuple[int, Any]]] = {}
    for territory, month, kind, persons, wage in _read(
        connection,
        "select r.territory_key, r.month, r.insurance_type, count(*), coalesce(sum(r.wage_base_vnd), 0)"
        " from bi.fct_participation r {cells} where {in_cells} group by 1, 2, 3",
        inputs,
    ):
        counted.setdefault((territory, month), {})[kind] = (persons, wage)
    summed: dict[Cell, dict[str, tuple[int, Any]]] = {}
    for territory, month, kind, persons, wage in _read(
        connection,
        "select r.territory_key, r.month, r.insurance_type, sum(r.participants), coalesce(sum(r.wage_base_vnd), 0)"
        " from bi.rpt_participants r {cells} group by 1, 2, 3",
        inputs,
    ):
        summed.setdefault((territory, month), {})[kind] = (persons, wage)
    for one in inputs:
        cell = _cell(one)
        of_fact, of_report = counted.get(cell, {}), summed.get(cell, {})
        for kind in sorted({*of_fact, *of_report}):
            persons, wage = of_fact.get(kind, (0, 0))
            shown, shown_wage = of_report.get(kind, (0, 0))
            yield row("participants", "rpt_participants", one.place, f"{kind} rows", persons, shown)
            yield row("participants", "rpt_participants", one.place, f"{kind} wage_base_vnd", wage, shown_wage)
        heads = {kind: persons for kind, (persons, _) in of_fact.items()}
        for indicator, kinds in HEADS.items():
            expected = sum(heads.get(kind, 0) for kind in kinds)
            shown = _actual(actuals, cell, indicator)
            yield row("heads", "rpt_plan_attainment", one.place, indicator, expected, shown)
        if not one.is_released:
            for fewer, more in (("UI", "SI_C"), ("SI_C", "HI")):
                above = max(0, heads.get(fewer, 0) - heads.get(more, 0))
                yield row("subset", "fct_participation", one.place, f"{fewer} above {more}", 0, above)


def _units(connection: Connection, inputs: Sequence[Input], actuals: Actuals) -> Iterable[Row]:
    active = {
        (territory, month): units
        for territory, month, units in _read(
            connection,
            "select r.territory_key, r.month, sum(r.units) from bi.rpt_employers r {cells}"
            " where r.status = 'active' group by 1, 2",
            inputs,
        )
    }
    for one in inputs:
        shown = _actual(actuals, _cell(one), "units_managed")
        yield row("units", "rpt_plan_attainment", one.place, "units_managed", active.get(_cell(one), 0), shown)


def _collection(connection: Connection, scope: Scope, actuals: Actuals) -> Iterable[Row]:
    inputs = scope.cells("contributions")
    posted: dict[tuple[str, dt.date, str], tuple[Any, Any]] = {}
    spans: set[Cell] = set()
    for territory, month, group, paid, due, is_span in _read(
        connection,
        "select r.territory_key, r.month, f.insurance_group, sum(r.paid_vnd), sum(r.due_vnd),"
        " bool_or(r.posting_from < r.month)"
        " from bi.fct_contribution r join bi.dim_fund f on f.fund = r.fund {cells}"
        " where {in_cells} group by 1, 2, 3",
        inputs,
    ):
        posted[territory, month, group] = (paid, due)
        if is_span:
            spans.add((territory, month))
    later = later_in_year(scope, inputs)
    shown = {
        (territory, month, group): dict(zip(_COLLECTED, values, strict=True))
        for territory, month, group, *values in _read(
            connection,
            "select r.territory_key, r.month, r.insurance_group, {columns} from bi.rpt_collection r {cells}",
            later,
            columns=_columns(_COLLECTED),
        )
    }
    for one in inputs:
        cell = _cell(one)
        for group in _GROUPS:
            of_report = shown.get((*cell, group), {})
            for name, value in zip(
                ("collected_month_vnd", "due_month_vnd"), posted.get((*cell, group), (0, 0)), strict=True
            ):
                # an amount that covers several months is not a month's (R8)
                expected = None if cell in spans else value
                yield row("collection", "rpt_collection", one.place, f"{group} {name}", expected, of_report.get(name))
    for one in (each for each in later if each.feed == "contributions"):
        cell = _cell(one)
        total = shown.get((*cell, "total"), {})
        for name in _COLLECTED:
            parts = [shown.get((*cell, group), {}).get(name) for group in _GROUPS]
            whole = None if any(part is None for part in parts) else sum(part or 0 for part in parts)
            yield row("collection", "rpt_collection", one.place, f"total {name}", whole, total.get(name))
        for group in (*_GROUPS, "total"):
            indicator = "collection" if group == "total" else f"collection_{group}"
            figures = shown.get((*cell, group), {})
            to_date = figures.get("collected_ytd_vnd")
            actual = _actual(actuals, cell, indicator)
            yield row("attainment", "rpt_plan_attainment", one.place, indicator, to_date, actual)
            before: Any = 0
            if one.month.month > 1:
                before = shown.get((cell[0], _month_before(one.month), group), {}).get("collected_ytd_vnd")
            month = figures.get("collected_month_vnd")
            is_reported = actuals.get((*cell, indicator), (None, True))[1]
            if not is_reported and None not in (to_date, before, month):
                whole = before + month
                yield row("collection", "rpt_collection", one.place, f"{group} collected_ytd_vnd", whole, to_date)


def _arrears(connection: Connection, inputs: Sequence[Input], actuals: Actuals) -> Iterable[Row]:
    owed: dict[Cell, dict[str, Sequence[Any]]] = {}
    for territory, month, band, *values in _read(
        connection,
        """
        select
            unit.territory_key, unit.month, unit.ageing_band,
            count(*) filter (where unit.principal + unit.interest > 0),
            sum(unit.principal), sum(unit.overdue), sum(unit.interest), sum(unit.bearing),
            coalesce(sum(unit.principal) filter (where unit.is_hard_to_collect), 0)
        from (
            select
                r.territory_key, r.month, r.employer_id, r.ageing_band, r.is_hard_to_collect,
                sum(r.principal_vnd) as principal, sum(r.overdue_vnd) as overdue, sum(r.interest_vnd) as interest,
                sum(r.interest_bearing_vnd) as bearing
            from bi.fct_arrears r {cells} where {in_cells} group by 1, 2, 3, 4, 5
        ) unit
        group by 1, 2, 3
        """,
        inputs,
    ):
        owed.setdefault((territory, month), {})[band] = values
    shown: dict[Cell, dict[str, Sequence[Any]]] = {}
    for territory, month, band, *values in _read(
        connection,
        "select r.territory_key, r.month, r.ageing_band, {columns} from bi.rpt_arrears_ageing r {cells}",
        inputs,
        columns=_columns(_OWED),
    ):
        shown.setdefault((territory, month), {})[band] = values
    nothing = [0] * len(_OWED)
    for one in inputs:
        cell = _cell(one)
        bands = shown.get(cell, {})
        yield row("arrears", "rpt_arrears_ageing", one.place, "has bands", "yes", "yes" if bands else "no")
        for band in sorted({*owed.get(cell, {}), *bands}):
            for name, expected, actual in zip(
                _OWED, owed.get(cell, {}).get(band, nothing), bands.get(band, nothing), strict=True
            ):
                yield row("arrears", "rpt_arrears_ageing", one.place, f"{band} {name}", expected, actual)
        for indicator, name in (
            ("arrears", "principal_vnd"),
            ("arrears_hard_to_collect", "hard_to_collect_vnd"),
            ("arrears_interest_bearing", "interest_bearing_vnd"),
        ):
            whole = sum(values[_OWED.index(name)] for values in bands.values()) if bands else None
            yield row(
                "attainment", "rpt_plan_attainment", one.place, indicator, whole, _actual(actuals, cell, indicator)
            )


def _inspections(connection: Connection, scope: Scope, actuals: Actuals) -> Iterable[Row]:
    inputs = scope.cells("inspections")
    # by the list that names them: a case of a time before the map changed stands with its predecessor
    counted: Any = connection.execute(
        """
        select
            r.submission_id, r.kind, count(*), coalesce(sum(r.arrears_before_vnd), 0), coalesce(sum(r.recovered_vnd), 0)
        from bi.fct_inspection r
        where r.submission_id = any(%(ids)s)
          and r.month >= date_trunc('year', r.list_month) and r.month <= r.list_month
        group by 1, 2
        """,
        {"ids": [one.submission_id for one in inputs]},
    ).fetchall()
    cases = {(submission_id, kind): values for submission_id, kind, *values in counted}
    shown = {
        (territory, month, kind): (values, residual, is_reported)
        for territory, month, kind, *values, residual, is_reported in _read(
            connection,
            "select r.territory_key, r.month, r.kind, r.cases_ytd, r.arrears_before_vnd, r.recovered_vnd,"
            " r.unexplained_residual, r.is_reported from bi.rpt_inspection_results r {cells}",
            inputs,
        )
    }
    latest: dict[str | None, dt.date] = {}
    for one in scope.of("inspections"):
        latest[one.current_province_code] = max(one.month, latest.get(one.current_province_code, one.month))
    kinds = {kind for _, _, kind in shown if kind != "total"}
    for one in inputs:
        cell = _cell(one)
        parts = [shown[(*cell, kind)][0] for kind in sorted(kinds) if (*cell, kind) in shown]
        total, residual, is_reported = shown.get((*cell, "total"), ((None, None, None), None, False))
        names = ("cases_ytd", "arrears_before_vnd", "recovered_vnd")
        for place, name in enumerate(names):
            whole = sum(part[place] for part in parts) if parts else None
            if name == "cases_ytd" and whole is not None and residual is not None:
                whole += residual
            yield row("inspections", "rpt_inspection_results", one.place, f"total {name}", whole, total[place])
        if not is_reported:
            actual = _actual(actuals, cell, "inspections")
            yield row("attainment", "rpt_plan_attainment", one.place, "inspections", total[0], actual)
        # a list that a later one replaced has no rows of its own in the fact
        if one.month == latest[one.current_province_code]:
            for kind in sorted(kinds):
                values = cases.get((one.submission_id, kind), (0, 0, 0))
                of_report = shown.get((*cell, kind), ((None, None, None), None, False))[0]
                for name, expected, value in zip(names, values, of_report, strict=True):
                    yield row("inspections", "rpt_inspection_results", one.place, f"{kind} {name}", expected, value)


def _benefits(connection: Connection, scope: Scope, actuals: Actuals) -> Iterable[Row]:
    inputs = later_in_year(scope, scope.cells("benefits"))
    of_month = {
        (territory, month): (amount if known else None, pensioners)
        for territory, month, amount, known, pensioners in _read(
            connection,
            "select r.territory_key, r.month, coalesce(sum(r.amount_vnd), 0), bool_and(r.posting_from = r.month),"
            " sum(r.persons) filter (where t.indicator = 'pension_persons')"
            " from bi.fct_benefit r join bi.dim_benefit_type t on t.benefit_type = r.benefit_type {cells}"
            " group by 1, 2",
            inputs,
        )
    }
    for one in inputs:
        cell = _cell(one)
        amount: Any
        amount, pensioners = of_month.get(cell, (0, None))
        if one.is_touched and pensioners is not None:
            shown = _actual(actuals, cell, "pension_persons")
            yield row("benefits", "rpt_plan_attainment", one.place, "pension_persons", pensioners, shown)
        before: Any = 0 if one.month.month == 1 else _actual(actuals, (cell[0], _month_before(one.month)), "spending")
        to_date, said = actuals.get((*cell, "spending"), (None, True))
        if None not in (amount, before, to_date) and not said:
            yield row("benefits", "rpt_plan_attainment", one.place, "spending", before + amount, to_date)


def _reported(connection: Connection, scope: Scope) -> Iterable[Row]:
    """What was reported and stands as it was sent is the latest row of its month (R3)."""
    found: Any = connection.execute(
        """
        select f.territory_key, f.month, f.indicator, f.value, a.actual
        from bi.fct_reported_indicator f
        join bi.dim_indicator i on i.indicator = f.indicator and i.measure = f.measure and not i.is_ratio
        left join bi.rpt_plan_attainment a
            on a.territory_key = f.territory_key and a.month = f.month and a.indicator = f.indicator
        where f.submission_id = any(%(ids)s) and f.geo_level = 'province' and f.is_latest_in_month
          and f.comparison = 'none' and f.value is not null and not coalesce(a.is_computed, false)
        order by 2, 1, 3
        """,
        {"ids": [one.submission_id for one in scope.touched("indicators")]},
    ).fetchall()
    names = {one.territory_key: one.name for one in scope.inputs}
    for territory, month, indicator, value, actual in found:
        place = f"{names.get(territory, territory)}, {month:%Y-%m}"
        yield row("attainment", "rpt_plan_attainment", place, indicator, value, actual)


def _keys(connection: Connection, scope: Scope) -> Iterable[Row]:
    for feed, relation in _ABOUT_UNITS.items():
        inputs = [one for one in scope.cells(feed) if one.accepted]
        strangers = {
            (territory, month): values
            for territory, month, *values in _read(
                connection,
                """
                with named as (
                    select r.territory_key, r.month, r.province_key, r.employer_key, count(*) as rows
                    from {fact} r {cells} where {in_cells} group by 1, 2, 3, 4
                )
                select
                    n.territory_key, n.month,
                    coalesce(sum(n.rows) filter (where p.province_key is null), 0),
                    coalesce(sum(n.rows) filter (where n.employer_key is not null and e.employer_key is null), 0)
                from named n
                left join bi.dim_province p
                    on p.province_key = n.province_key and p.valid_from <= n.month and p.valid_to > n.month
                left join bi.dim_employer e
                    on e.employer_key = n.employer_key and e.valid_from <= n.month and e.valid_to > n.month
                group by 1, 2
                """,
                inputs,
                fact=sql.Identifier("bi", relation),
            )
        }
        for one in inputs:
            provinces, units = strangers.get(_cell(one), (0, 0))
            yield row("keys", relation, one.place, "rows of no province", 0, provinces)
            yield row("keys", relation, one.place, "rows of no unit", 0, units)


def _month_before(month: dt.date) -> dt.date:
    return (month - dt.timedelta(days=1)).replace(day=1)
