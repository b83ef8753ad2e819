"""What the report shows, as plain values. Money is in đồng, percentages are not rounded, instants are aware."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from reporting.numbers import is_few
from warehouse.publication import Publication


@dataclass(frozen=True)
class Figure:
    """One indicator of a territory and month. Growth of a ratio is in percentage points (R6)."""

    indicator: str
    unit: str
    actual: Decimal
    is_reported: bool
    as_of_date: dt.date
    qualifier: str = "exact"
    plan: Decimal | None = None
    attainment_pct: Decimal | None = None
    target_met: bool | None = None
    growth_yoy_pct: Decimal | None = None
    growth_vs_december_pct: Decimal | None = None
    is_computed: bool = False

    @property
    def source(self) -> str:
        """`computed` from detail, `reported` only, or `partly`: a national sum of both."""
        if not self.is_reported:
            return "computed"
        return "partly" if self.is_computed else "reported"

    @property
    def is_hidden(self) -> bool:
        """Fewer than five persons: neither the figure nor what it could be worked out from is shown."""
        return is_few(self.actual, self.unit)


@dataclass(frozen=True)
class ArrearsBand:
    """Arrears of the units of one ageing band; the ratios are over the year's collection plan (R13)."""

    ageing_band: str
    name_vi: str
    name_en: str
    units: int
    employees_affected: int
    principal_vnd: int
    debt_vnd: int
    hard_to_collect_vnd: int
    ratio_to_plan_pct: Decimal | None
    ratio_excluding_hard_to_collect_pct: Decimal | None


@dataclass(frozen=True)
class Coverage:
    """Participants over labour force and population, with the dates of the denominators (R21)."""

    si_of_labour_force_pct: Decimal | None
    si_compulsory_of_labour_force_pct: Decimal | None
    si_voluntary_of_labour_force_pct: Decimal | None
    hi_of_population_pct: Decimal | None
    labour_force_date: dt.date | None
    population_date: dt.date | None


@dataclass(frozen=True)
class Territory:
    """A province, or the country, in the latest month its people are known for."""

    province_key: str
    name_vi: str
    name_en: str
    month: dt.date
    figures: tuple[Figure, ...]
    arrears: tuple[ArrearsBand, ...] = ()
    coverage: Coverage | None = None
    provinces_included: int | None = None
    provinces_expected: int | None = None

    def figure(self, indicator: str) -> Figure | None:
        """One figure; None where it is not known."""
        return next((figure for figure in self.figures if figure.indicator == indicator), None)

    @property
    def is_computed(self) -> bool:
        """Whether anything here rests on detail."""
        return any(figure.source != "reported" for figure in self.figures)

    @property
    def has_hidden(self) -> bool:
        """Whether a figure here is of fewer than five persons."""
        return any(figure.is_hidden for figure in self.figures)

    @property
    def people(self) -> Decimal:
        """People managed, or the nearest head count there is: what territories are ordered by."""
        known = (self.figure(name) for name in ("people_managed", "hi", "si_participants"))
        return next((figure.actual for figure in known if figure), Decimal(0))

    @property
    def ratio_to_plan_pct(self) -> Decimal | None:
        """Arrears over the year's collection plan, all bands."""
        return _sum([band.ratio_to_plan_pct for band in self.arrears])

    @property
    def ratio_excluding_hard_to_collect_pct(self) -> Decimal | None:
        """The same without units that are hard to collect from."""
        return _sum([band.ratio_excluding_hard_to_collect_pct for band in self.arrears])


@dataclass(frozen=True)
class Difference:
    """A reported figure that is not what the warehouse computes."""

    name_vi: str
    name_en: str
    month: dt.date
    indicator: str
    comparison: str
    unit: str
    reported: Decimal
    computed: Decimal


@dataclass(frozen=True)
class Comparisons:
    """How reported figures compare with the computed ones; `differences` holds the latest of those that differ."""

    agree: int = 0
    differ: int = 0
    nothing_to_compare: int = 0
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class FeedCompleteness:
    """Who is in, for a feed's latest period: counts of senders and of rows."""

    feed: str
    period: str
    is_in: int
    late: int
    missing: int
    rows: int
    rows_rejected: int


@dataclass(frozen=True)
class Sender:
    """What one province has sent for the latest month."""

    name_vi: str
    name_en: str
    feeds_in: int
    feeds_expected: int
    is_late: bool


@dataclass(frozen=True)
class OpenSubmission:
    """A submission that is not in the figures and whose sender has not sent a better one yet."""

    submission_id: str
    sender: str
    period: str | None
    state: str
    codes: tuple[str, ...]


@dataclass(frozen=True)
class Headline:
    """Everything the headline table and the morning report say about the figures."""

    publication: Publication | None
    main: tuple[Territory, ...] = ()
    others: tuple[Territory, ...] = ()
    comparisons: Comparisons = Comparisons()
    feeds: tuple[FeedCompleteness, ...] = ()
    period: str | None = None
    senders: tuple[Sender, ...] = ()
    submissions: tuple[tuple[str, int], ...] = ()
    open_submissions: tuple[OpenSubmission, ...] = ()


@dataclass(frozen=True)
class NightStage:
    """One kind of stage of a night: how often, how long, how it ended."""

    name: str
    times: int
    seconds: Decimal
    rows: int | None
    outcomes: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Night:
    """The last night."""

    run_id: str
    started_at: dt.datetime
    seconds: Decimal
    stages: tuple[NightStage, ...]


def _sum(values: list[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(values) else None
