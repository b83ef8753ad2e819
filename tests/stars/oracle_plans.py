"""Plans, reported indicators and attainment, computed a second time from what was sent.

Written from semantics.md alone (R1-R3, R6, R7, R13, R15, R16, R21, R26, R27, R30), in plain Python over the frames of
`sent_files`; nothing is shared with the warehouse. Where only the detail of a feed knows a figure, the figure that `bi`
shows is taken as given and everything that follows from it is computed here. Money in đồng, percentages not rounded.
"""

from __future__ import annotations

import csv
import datetime as dt
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import polars as pl
from sent_files import (
    MERGER,
    REFERENCE,
    Sent,
    codes_on,
    current_code,
    feed,
    month_before,
    month_end,
    plus_months,
    predecessors,
    successors,
)

NATIONAL = "national"
Slices = Mapping[tuple[str, str, str], Sent]
Key = tuple[str, dt.date, str]
"""Province code on the month's map (or `national`), month, indicator."""

# what a whole-year target is shown by, in this order (R1)
_KINDS: tuple[tuple[str, ...], ...] = (("level", "ratio"), ("not_below",), ("not_above",), ("increase",))
COVERAGE = {
    "si_coverage_pct": ("si_participants", "labour_force"),
    "si_compulsory_coverage_pct": ("si_compulsory", "labour_force"),
    "si_voluntary_coverage_pct": ("si_voluntary", "labour_force"),
    "hi_coverage_pct": ("hi", "population"),
}
COVERAGE_COLUMNS = {
    "si_coverage_pct": "si_of_labour_force_pct",
    "si_compulsory_coverage_pct": "si_compulsory_of_labour_force_pct",
    "si_voluntary_coverage_pct": "si_voluntary_of_labour_force_pct",
    "hi_coverage_pct": "hi_of_population_pct",
}
INSPECTION_INDICATORS = {
    "specialised_inspection": "inspections_specialised",
    "examination": "inspections_examination",
    "agent_examination": "inspections_agent",
    "affiliated_examination": "inspections_affiliated",
    "facility_examination": "inspections_facility",
    "interdisciplinary_inspection": "inspections_interdisciplinary",
    "interdisciplinary_examination": "examinations_interdisciplinary",
    "total": "inspections",
}
COLLECTION_INDICATORS = {
    "si_compulsory": "collection_si_compulsory",
    "si_voluntary": "collection_si_voluntary",
    "ui": "collection_ui",
    "hi": "collection_hi",
    "total": "collection",
}
# the column of rpt_plan_attainment that a row with a comparison names: its growth (or attainment), its change
_COMPARED = {
    "plan": ("attainment_pct", "gap_to_plan"),
    "same_period": ("growth_yoy_pct", "change_yoy"),
    "last_december": ("growth_vs_december_pct", "change_vs_december"),
    "previous_month": ("growth_previous_month_pct", "change_previous_month"),
}


@functools.cache
def indicators() -> dict[str, dict[str, str]]:
    """By code what indicators.csv says: unit, measure, additivity."""
    with (REFERENCE / "indicators.csv").open(encoding="utf-8", newline="") as stream:
        return {row["indicator"]: row for row in csv.DictReader(stream)}


def is_ratio(indicator: str) -> bool:
    """A figure that is never added up."""
    return indicators()[indicator]["unit"] == "percent"


def is_flow(indicator: str) -> bool:
    """Counted from January to the month, not at its end."""
    return indicators()[indicator]["measure"] == "ytd"


# plans


@dataclass(frozen=True)
class Target:
    """One row of `plan_targets`; `code` is the assignee's on the map of `issued`, or `national`."""

    sender: str
    code: str
    assignee_kind: str
    year: int
    indicator: str
    kind: str
    value: float
    document: str
    revision: int
    issued: dt.date
    issuer: str
    from_month: dt.date | None
    to_month: dt.date | None
    baseline: dt.date | None

    @property
    def counts(self) -> bool:
        """Whether it is an annual target that attainment of the country or a province may be measured by."""
        is_ours = self.assignee_kind in ("national", "province") and self.sender == "hq"
        return is_ours and self.from_month is None


@dataclass(frozen=True)
class Plan:
    """What a figure is measured by; a sum has no document of its own, but the targets of its territories (`parts`)."""

    kind: str
    value: float
    document: str | None
    revision: int | None
    baseline: dt.date | None = None
    parts: tuple[tuple[str, Plan], ...] = ()


def targets(slices: Slices) -> list[Target]:
    """Every target sent and in force, campaigns included."""
    found = []
    for sent in feed(dict(slices), "plan_targets"):
        for row in sent.frame.iter_rows(named=True):
            found.append(
                Target(
                    sender=sent.sender,
                    code=NATIONAL if row["assignee_kind"] == "national" else row["assignee_code"],
                    assignee_kind=row["assignee_kind"],
                    year=row["year"],
                    indicator=row["indicator"],
                    kind=row["target_kind"],
                    value=float(row["target_value"]),
                    document=row["plan_document"],
                    revision=row["revision"],
                    issued=row["issued_date"],
                    issuer=row["issuer"] or "vss",
                    from_month=row["from_month"],
                    to_month=row["to_month"],
                    baseline=row["baseline_date"],
                )
            )
    return found


def plan_target_rows(slices: Slices) -> pl.DataFrame:
    """fct_plan_target as its feed, with the assignee's code today, for targets of the country and of provinces."""
    rows = [
        {
            "sender": one.sender, "plan_document": one.document, "revision": one.revision, "year": one.year,
            "assignee_kind": one.assignee_kind, "assignee_code": "VN" if one.code == NATIONAL else one.code,
            "indicator": one.indicator, "target_kind": one.kind, "target_value": one.value,
            "issued_date": one.issued, "from_month": one.from_month, "to_month": one.to_month,
            "baseline_date": one.baseline, "issuer": one.issuer,
            "province_code": one.code, "current_province_code": _current(one.code, one.issued),
        }
        for one in targets(slices)
        if one.assignee_kind in ("national", "province")
    ]  # fmt: skip
    dates = dict.fromkeys(("issued_date", "from_month", "to_month", "baseline_date"), pl.Date)
    return pl.DataFrame(rows, schema_overrides=dates, infer_schema_length=None)


def plan_documents(slices: Slices) -> pl.DataFrame:
    """dim_plan: for each province of today (and the country) a document's revisions, each valid until the next one."""
    issued: dict[tuple[str, str, int], dt.date] = {}
    count: dict[tuple[str, str, int], int] = {}
    for one in targets(slices):
        key = (one.document, _current(one.code, one.issued), one.revision)
        issued[key] = one.issued
        count[key] = count.get(key, 0) + 1
    rows = []
    for (document, code, revision), day in issued.items():
        later = [
            other_day
            for (name, place, number), other_day in issued.items()
            if (name, place) == (document, code) and number > revision
        ]
        rows.append(
            {
                "plan_document": document, "revision": revision, "current_province_code": code, "issued_date": day,
                "valid_from": day, "valid_to": min(later, default=None), "targets": count[document, code, revision],
            }
        )  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"valid_to": pl.Date}, infer_schema_length=None)


class Plans:
    """Which target a province, or the country, has in a month (R1, R7)."""

    def __init__(self, sent: Iterable[Target]) -> None:
        self._sent = [one for one in sent if one.counts]

    def years(self) -> set[int]:
        """The years there are targets for."""
        return {one.year for one in self._sent}

    def indicators(self) -> set[str]:
        """The indicators there are targets for."""
        return {one.indicator for one in self._sent}

    def in_force(self, code: str, month: dt.date, indicator: str) -> Plan | None:
        """The target in force at the month's end."""
        issued = self._of(code, month, indicator)
        if plan := _latest(one for one in issued if one.issued <= month_end(month)):
            return plan
        return self._sum(code, month, lambda old: _latest(self._levels(old, month, indicator)))

    def first(self, code: str, month: dt.date, indicator: str) -> Plan | None:
        """The target first issued for the year, whenever that was, of the kind that is in force."""
        before = self._sum(code, month, lambda old: _first(self._levels(old, month, indicator)))
        if before is not None:
            return before
        plan = self.in_force(code, month, indicator)
        issued = self._of(code, month, indicator)
        return _first(one for one in issued if plan is None or one.kind == plan.kind)

    def _of(self, code: str, month: dt.date, indicator: str) -> list[Target]:
        return [
            one
            for one in self._sent
            if (one.year, one.indicator) == (month.year, indicator) and _is_assignee(one, code, month)
        ]

    def _levels(self, old: str, month: dt.date, indicator: str) -> list[Target]:
        """Level targets issued to a predecessor, on the map until 2025-06."""
        day = MERGER - dt.timedelta(days=1)
        return [one for one in self._of(old, day.replace(year=month.year), indicator) if one.kind == "level"]

    def _sum(self, code: str, month: dt.date, of: Callable[[str], Plan | None]) -> Plan | None:
        """Of a merged province: the predecessors' targets together; None if one has none, or it is not merged."""
        if code == NATIONAL or month < MERGER or month.year > MERGER.year or len(predecessors(code)) == 1:
            return None
        return _together({old: of(old) for old in predecessors(code)})


def _is_assignee(target: Target, code: str, month: dt.date) -> bool:
    """Whether a target was issued to this very territory: its code is read on the map of the day of issue."""
    if NATIONAL in (target.code, code):
        return target.code == code
    is_new, is_old_map = target.issued >= MERGER, month < MERGER
    if is_new != is_old_map:
        return target.code == code
    old, new = (code, target.code) if is_old_map else (target.code, code)
    return successors().get(old) == new and len(predecessors(new)) == 1


def _latest(issued: Iterable[Target]) -> Plan | None:
    return _chosen(issued, lambda one: (one.issuer == "vss", one.issued, one.revision), last=True)


def _first(issued: Iterable[Target]) -> Plan | None:
    return _chosen(issued, lambda one: (one.issuer != "vss", one.issued, one.revision), last=False)


def _chosen(issued: Iterable[Target], order: Callable[[Target], Any], *, last: bool) -> Plan | None:
    issued = list(issued)
    for kinds in _KINDS:
        ours = sorted((one for one in issued if one.kind in kinds), key=order)
        if ours:
            one = ours[-1] if last else ours[0]
            return Plan(one.kind, one.value, one.document, one.revision, one.baseline)
    return None


def _together(plans: Mapping[str, Plan | None]) -> Plan | None:
    """The sum of targets of one kind, by territory; None if one is missing, and of ratios."""
    parts = tuple((code, plan) for code, plan in plans.items() if plan is not None)
    kinds = {plan.kind for _, plan in parts}
    if not plans or len(parts) < len(plans) or len(kinds) > 1 or kinds == {"ratio"}:
        return None
    return Plan(kinds.pop(), sum(plan.value for _, plan in parts), None, None, parts=parts)


# reported indicators


def reported_rows(slices: Slices) -> pl.DataFrame:
    """fct_reported_indicator as its feed; `month` by R3, `sent_value` the digits as sent, `value` a float."""
    parts = [
        sent.frame.select(
            "indicator", "as_of_date", "unit", "measure", "note",
            pl.col("qualifier").fill_null("exact"),
            pl.col("comparison").fill_null("none"),
            sent_value=pl.col("value"),
            value=pl.col("value").cast(pl.Float64),
            month=pl.col("as_of_date").dt.month_start(),
            sender=pl.lit(sent.sender), period=pl.lit(sent.period), version=pl.lit(sent.version, dtype=pl.Int64),
            province_code=pl.lit(sent.province or NATIONAL),
        )
        for sent in feed(dict(slices), "indicators")
    ]  # fmt: skip
    rows = pl.concat(parts)
    # a code is the sender's on the map of its period; history before the merger would be of a territory without a code
    return rows.with_columns(
        current_province_code=pl.struct("province_code", "period").map_elements(
            lambda row: _current(row["province_code"], dt.date.fromisoformat(f"{row['period']}-01")),
            return_dtype=pl.String,
        )
    )


def latest_reported(slices: Slices) -> pl.DataFrame:
    """What counts in reports: of a month the latest day, of a day the row of the latest period and version (R3)."""
    grain = ["province_code", "month", "indicator", "measure", "comparison", "unit"]
    return reported_rows(slices).sort("as_of_date", "period", "version").unique(grain, keep="last", maintain_order=True)


# attainment


@dataclass
class Figures:
    """What is known of a publication before plans and growth: the actual figure of each province, and of the country.

    `qualifier` is of reported figures alone, `parts` holds numerator and denominator of a ratio, `covers` the months
    and indicators whose national figure is of the whole country, `included` the provinces whose sum it is otherwise,
    `denominators` what a ratio of coverage is measured by, with its day.
    """

    actual: dict[Key, float] = field(default_factory=dict)
    computed: set[Key] = field(default_factory=set)
    reported: set[Key] = field(default_factory=set)
    qualifier: dict[Key, str] = field(default_factory=dict)
    parts: dict[Key, tuple[float, float]] = field(default_factory=dict)
    included: dict[tuple[dt.date, str], list[str]] = field(default_factory=dict)
    covers: set[tuple[dt.date, str]] = field(default_factory=set)
    denominators: dict[Key, tuple[float, dt.date]] = field(default_factory=dict)


def figures(slices: Slices, shown: pl.DataFrame) -> Figures:
    """Actual figures: those of detail feeds as rpt_plan_attainment shows them, all others from what was reported."""
    found = Figures()
    sent = latest_reported(slices).filter(
        (pl.col("comparison") == "none")
        & (pl.col("measure") == pl.col("indicator").replace_strict(_column("measure"), default=None))
    )
    own = {_key(row): (float(row["value"]), str(row["qualifier"])) for row in sent.iter_rows(named=True)}
    for row in shown.filter(pl.col("is_computed") & (pl.col("geo_level") == "province")).iter_rows(named=True):
        if not is_ratio(row["indicator"]):
            found.actual[_key(row)] = row["actual"]
            found.computed.add(_key(row))
    for key, (value, qualifier) in own.items():
        if key[0] != NATIONAL and key not in found.actual:
            found.actual[key] = value
            found.reported.add(key)
            found.qualifier[key] = qualifier
    _add_ratios(found, slices)
    _add_country(found, {key: value for key, value in own.items() if key[0] == NATIONAL})
    return found


def _add_ratios(found: Figures, slices: Slices) -> None:
    plans = Plans(targets(slices))
    latest = _denominators(slices)
    places = {(code, month) for code, month, _ in found.actual}
    for code, month in places:
        for name in ("population", "labour_force"):
            if denominator := latest(code, month, name):
                found.denominators[code, month, name] = denominator
        for ratio, (above, below) in COVERAGE.items():
            numerator = found.actual.get((code, month, above))
            below_it = found.denominators.get((code, month, below))
            if numerator is not None and below_it is not None:
                found.parts[code, month, ratio] = (numerator, below_it[0])
                (found.computed if (code, month, above) in found.computed else found.reported).add((code, month, ratio))
        owed, plan = found.actual.get((code, month, "arrears")), plans.in_force(code, month, "collection")
        if owed is not None and plan is not None:
            found.parts[code, month, "arrears_of_plan_pct"] = (owed, plan.value)
            found.computed.add((code, month, "arrears_of_plan_pct"))
    for sent in feed(dict(slices), "inspections"):
        decided = sent.frame.filter(
            pl.col("decision_date").is_between(sent.month.replace(month=1), month_end(sent.month))
            & (pl.col("arrears_before_vnd").fill_null(0) > 0)
        )
        before = int(decided["arrears_before_vnd"].sum())
        recovered = int(decided["recovered_at_visit_vnd"].sum()) + int(decided["recovered_after_vnd"].sum())
        # a list without such a case is in, with nothing recovered of nothing (R26)
        found.parts[str(sent.province), sent.month, "recovery_rate_pct"] = (recovered, before)
        found.computed.add((str(sent.province), sent.month, "recovery_rate_pct"))
    for key, (above_it, under) in found.parts.items():
        if under:
            found.actual[key] = 100 * above_it / under
        if key in found.computed:
            found.reported.discard(key)


def _denominators(slices: Slices) -> Callable[[str, dt.date, str], tuple[float, dt.date] | None]:
    """R21: the latest figure a province reported by a month's end, not older than 24 months, with its day."""
    days: dict[tuple[str, str], list[tuple[dt.date, float]]] = {}
    for row in latest_reported(slices).filter(pl.col("comparison") == "none").iter_rows(named=True):
        if row["indicator"] in ("population", "labour_force"):
            days.setdefault((row["province_code"], row["indicator"]), []).append((row["as_of_date"], row["value"]))

    def latest(code: str, month: dt.date, name: str) -> tuple[float, dt.date] | None:
        end = month_end(month)
        oldest = month_end(plus_months(month, -24))
        # a code can mean another territory since the merger: only days on the month's own map
        usable = [
            one for one in days.get((code, name), []) if oldest <= one[0] <= end and _same_map(code, one[0], month)
        ]
        if not usable:
            return None
        day, value = max(usable)
        return value, day

    return latest


def _same_map(code: str, day: dt.date, month: dt.date) -> bool:
    return (day < MERGER) == (month < MERGER) or (successors().get(code) == code and len(predecessors(code)) == 1)


def _add_country(found: Figures, own: Mapping[Key, tuple[float, str]]) -> None:
    """R27: the sum when all are in, else headquarters' own figure, else the partial sum."""
    for month, indicator in {(month, name) for _, month, name in [*found.actual, *own]}:
        # of a ratio the sums are needed: a percentage as it was reported cannot be added to others
        known = found.parts if is_ratio(indicator) else found.actual
        included = [code for code in codes_on(month) if (code, month, indicator) in known]
        key, parts = (NATIONAL, month, indicator), [(code, month, indicator) for code in included]
        found.included[month, indicator] = included
        is_whole = len(included) == len(codes_on(month))
        if is_whole or key in own:
            found.covers.add((month, indicator))
        if key in own and not is_whole:
            found.actual[key], found.qualifier[key] = own[key]
            found.reported.add(key)
            continue
        value = _added_up(found, parts)
        if value is None:
            continue
        found.actual[key] = value
        if found.computed.intersection(parts):
            found.computed.add(key)
        if found.reported.intersection(parts):
            found.reported.add(key)
        qualifiers = [found.qualifier[part] for part in parts if part in found.qualifier]
        if len(qualifiers) == len(parts):
            found.qualifier[key] = weakest(qualifiers)


def weakest(qualifiers: Iterable[str]) -> str:
    """R2: exact > approx > at_least or at_most; both bounds together make approx."""
    given = set(qualifiers)
    bounds = given & {"at_least", "at_most"}
    if len(bounds) == 1:
        return bounds.pop()
    return "approx" if bounds or "approx" in given else "exact"


def _added_up(found: Figures, keys: Sequence[Key]) -> float | None:
    """The figure of several territories together; None if one of them is not known."""
    if not keys:
        return None
    if not is_ratio(keys[0][2]) or len(keys) == 1:
        values = [found.actual.get(key) for key in keys]
        return None if None in values else sum(value for value in values if value is not None)
    if any(key not in found.parts for key in keys):
        return None
    pairs = [found.parts[key] for key in keys]
    below_it = sum(below for _, below in pairs)
    return 100 * sum(above for above, _ in pairs) / below_it if below_it else None


def _base(found: Figures, key: Key, base_month: dt.date) -> float | None:
    """R6, R27: what is shown for an earlier month on the territory that the figure of `key` is of."""
    code, month, indicator = key
    if code == NATIONAL and (month, indicator) in found.covers:
        return found.actual[NATIONAL, base_month, indicator] if (base_month, indicator) in found.covers else None
    codes = found.included.get((month, indicator), []) if code == NATIONAL else [code]
    if month >= MERGER > base_month:
        codes = [old for new in codes for old in predecessors(new)]
    return _added_up(found, [(one, base_month, indicator) for one in codes])


def _plan_of_country(found: Figures, plan: Callable[[str, dt.date, str], Plan | None], key: Key) -> Plan | None:
    """The country's own plan when the figure is the country's (or there is none), else the sum of those included."""
    _, month, indicator = key
    included = found.included.get((month, indicator), [])
    if (month, indicator) in found.covers or not included:
        own = plan(*key)
        if own is not None or not included or key not in found.actual:
            return own
        included = included if len(included) == len(codes_on(month)) else []
    if is_ratio(indicator):
        return None
    return _together({code: plan(code, month, indicator) for code in included})


def attainment(slices: Slices, shown: pl.DataFrame) -> pl.DataFrame:
    """rpt_plan_attainment: one row per (province or national, month, indicator) with an actual or a plan.

    `shown` is the relation itself: of it only `actual` of computed rows of provinces is used.
    """
    found = figures(slices, shown)
    plans = Plans(targets(slices))
    months = {dt.date(year, number, 1) for year in plans.years() for number in range(1, 13)}
    planned = {
        (code, month, indicator)
        for month in months
        for indicator in plans.indicators()
        for code in [NATIONAL, *codes_on(month)]
    }
    rows = []
    for key in planned | set(found.actual):
        if key[0] == NATIONAL:
            plan = _plan_of_country(found, plans.in_force, key)
            first = _plan_of_country(found, plans.first, key)
        else:
            plan, first = plans.in_force(*key), plans.first(*key)
        if plan is not None or key in found.actual:
            rows.append(_row(found, key, plan, first))
    types = {"month": pl.Date, "revision": pl.Int64, "plan_document": pl.String, "target_met": pl.Boolean}
    return pl.DataFrame(rows, schema_overrides=types, infer_schema_length=None)


def _row(found: Figures, key: Key, plan: Plan | None, first: Plan | None) -> dict[str, Any]:
    code, month, indicator = key
    actual = found.actual.get(key)
    flow = is_flow(indicator)
    last_year = _base(found, key, plus_months(month, -12))
    december = None if flow else _base(found, key, dt.date(month.year - 1, 12, 1))
    # January's year to date has no month before it in its year
    previous = None if flow and month.month == 1 else _base(found, key, month_before(month))
    towards = None if plan is None else _towards(found, key, plan)
    row: dict[str, Any] = {
        "province_code": code,
        "month": month,
        "indicator": indicator,
        "actual": actual,
        "plan": None if plan is None else plan.value,
        "plan_document": None if plan is None else plan.document,
        "revision": None if plan is None else plan.revision,
        "is_sum": plan is not None and bool(plan.parts),
        "target_kind": None if plan is None else plan.kind,
        "plan_first": None if first is None else first.value,
        "attainment_pct": _percent(plan, towards),
        "attainment_first_pct": None if first is None else _percent(first, _towards(found, key, first)),
        "gap_to_plan": None if plan is None or towards is None else towards - plan.value,
        "target_met": _is_met(plan, actual),
    }
    for base, growth, change, value in (
        ("value_same_period_last_year", "growth_yoy_pct", "change_yoy", last_year),
        ("value_last_december", "growth_vs_december_pct", "change_vs_december", december),
        ("value_previous_month", "growth_previous_month_pct", "change_previous_month", previous),
    ):
        difference = None if actual is None or value is None else actual - value
        row[base] = value
        row[change] = difference
        if is_ratio(indicator):
            row[growth] = difference
        else:
            row[growth] = 100 * difference / value if difference is not None and value else None
    row["is_computed"], row["is_reported"] = key in found.computed, key in found.reported
    row["qualifier"] = found.qualifier.get(key)
    return row


def _towards(found: Figures, key: Key, plan: Plan) -> float | None:
    """What is measured against the plan: the figure, or its increase since the baseline (each territory's own)."""
    actual = found.actual.get(key)
    if actual is None or plan.kind != "increase":
        return actual
    if plan.parts:
        increases = [_towards(found, (code, *key[1:]), part) for code, part in plan.parts]
        known = [increase for increase in increases if increase is not None]
        return sum(known) if len(known) == len(increases) else None
    if plan.baseline is None and is_flow(key[2]):
        return actual
    base = _base(found, key, plan.baseline.replace(day=1) if plan.baseline else dt.date(key[1].year - 1, 12, 1))
    return None if base is None else actual - base


def _percent(plan: Plan | None, towards: float | None) -> float | None:
    if plan is None or towards is None or plan.kind == "not_above" or plan.value == 0:
        return None
    return 100 * towards / plan.value


def _is_met(plan: Plan | None, actual: float | None) -> bool | None:
    if plan is None or actual is None or plan.kind not in ("not_below", "not_above"):
        return None
    return actual >= plan.value if plan.kind == "not_below" else actual <= plan.value


# what stands on it


def coverage(slices: Slices, shown: pl.DataFrame) -> pl.DataFrame:
    """rpt_coverage: ratios of a province and, of the sums of the same provinces, of the country (R21).

    A province's own percentage stands where its parts are not known; it is no part of the country's.
    """
    found = figures(slices, shown)
    places = {(code, month) for code, month, name in found.parts if name in COVERAGE}
    own = {key for key in found.reported if key[2] in COVERAGE and key not in found.parts and key[0] != NATIONAL}
    rows = []
    for code, month in places | {(NATIONAL, month) for _, month in places} | {key[:2] for key in own}:
        row: dict[str, Any] = {"province_code": code, "month": month}
        for ratio, column in COVERAGE_COLUMNS.items():
            codes = [code] if code != NATIONAL else codes_on(month)
            pairs = [found.parts[one, month, ratio] for one in codes if (one, month, ratio) in found.parts]
            below = sum(under for _, under in pairs)
            row[column] = 100 * sum(above for above, _ in pairs) / below if below else None
            if (code, month, ratio) in own:
                row[column] = found.actual[code, month, ratio]
        for name in ("population", "labour_force"):
            if code != NATIONAL:
                value, day = found.denominators.get((code, month, name), (None, None))
                row[name], row[f"{name}_date"] = value, day
        rows.append(row)
    dates = {"month": pl.Date, "population_date": pl.Date, "labour_force_date": pl.Date}
    return pl.DataFrame(rows, schema_overrides=dates, infer_schema_length=None)


def plans_of(attained: pl.DataFrame, names: Mapping[str, str], *, called: str) -> pl.DataFrame:
    """Plans of a family of indicators (`names`: indicator by member), the member in column `called`."""
    members = {indicator: member for member, indicator in names.items()}
    return attained.filter(pl.col("indicator").is_in(list(members))).select(
        "province_code", "month", pl.col("indicator").replace_strict(members).alias(called), "plan", "attainment_pct"
    )


def compared(slices: Slices, attained: pl.DataFrame) -> pl.DataFrame:
    """rpt_reported_vs_computed: each reported figure beside the warehouse's, with the tolerance of R30.

    A figure is not compared with itself: an actual figure must come from detail.
    """
    rows_of = {_key(row): row for row in attained.iter_rows(named=True)}
    rows = []
    for row in latest_reported(slices).iter_rows(named=True):
        theirs = Decimal(row["sent_value"])
        ours = _standing_beside(row, rows_of.get(_key(row)))
        rows.append(
            {
                **{name: row[name] for name in COMPARISON_KEY},
                "reported": float(theirs),
                "computed": ours,
                "within_tolerance": None if ours is None else is_within(row, theirs, ours),
            }
        )
    nullable = {"month": pl.Date, "computed": pl.Float64, "within_tolerance": pl.Boolean}
    return pl.DataFrame(rows, schema_overrides=nullable, infer_schema_length=None)


COMPARISON_KEY = ("province_code", "month", "indicator", "measure", "comparison", "unit")


def _standing_beside(row: Mapping[str, Any], ours: Mapping[str, Any] | None) -> float | None:
    """The figure of the warehouse that a reported one stands against; None if there is none."""
    if ours is None or row["comparison"] == "unstated":
        return None
    if row["comparison"] == "none":
        value: float | None = ours["actual"] if ours["is_computed"] else None
        return value
    in_percent, in_unit = _COMPARED[row["comparison"]]
    found: float | None = ours[in_percent if row["unit"] == "percent" else in_unit]
    return found


def is_within(row: Mapping[str, Any], reported: Decimal, computed: float) -> bool:
    """R30, with the digits of `reported` as sent."""
    difference = Decimal(repr(computed)) - reported
    if row["qualifier"] == "at_least":
        return difference >= 0
    if row["qualifier"] == "at_most":
        return difference <= 0
    return abs(difference) <= tolerance(reported, qualifier=row["qualifier"], unit=row["unit"])


def tolerance(reported: Decimal, *, qualifier: str, unit: str) -> Decimal:
    """How far an exact or approximate figure may be off: half a unit of its last digit (approx: last but zeros)."""
    if qualifier == "approx":
        return _unit_of_last_digit(reported.normalize()) / 2
    if unit in ("percent", "percentage_point"):
        return _unit_of_last_digit(reported) / 2
    return Decimal(0)


def _unit_of_last_digit(number: Decimal) -> Decimal:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return Decimal(1).scaleb(exponent)


def _column(name: str) -> dict[str, str]:
    return {code: row[name] for code, row in indicators().items()}


def _key(row: Mapping[str, Any]) -> Key:
    return row["province_code"], row["month"], row["indicator"]


def _current(code: str, day: dt.date) -> str:
    return code if code == NATIONAL else current_code(code, day)
