"""What the report shows, as plain values. Money is in đồng, percentages are not rounded, instants are aware."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from reporting.numbers import NOTHING, WITHHELD, amount, is_few
from warehouse.publication import Publication

NATIONAL = "national"
REASONS = ("cit_finalised_si_unpaid", "not_registered", "three_months_or_more", "under_declared")


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
    value_same_period_last_year: Decimal | None = None
    value_last_december: Decimal | None = None
    is_withheld: bool = False

    @property
    def source(self) -> str:
        """`computed` from detail, `reported` only, or `partly`: a national sum of both."""
        if not self.is_reported:
            return "computed"
        return "partly" if self.is_computed else "reported"

    @property
    def is_few(self) -> bool:
        """Whether it counts fewer than five persons."""
        return is_few(self.actual, self.unit)

    @property
    def is_hidden(self) -> bool:
        """Fewer than five persons, or withheld beside such a figure: neither it nor what tells it is shown."""
        return self.is_withheld or self.is_few

    @property
    def shown(self) -> str:
        """The figure as it is written, in its unit."""
        if self.is_withheld and not self.is_few:
            return WITHHELD
        return amount(self.actual, self.unit, qualifier=self.qualifier)

    @property
    def shown_plan(self) -> str:
        """Its plan; a dash where the figure is hidden."""
        return NOTHING if self.is_hidden else amount(self.plan, self.unit)


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
    provinces_included_most: int | None = None
    province_code: str | None = None
    vintage: str | None = None

    def figure(self, indicator: str) -> Figure | None:
        """One figure; None where it is not known."""
        return next((figure for figure in self.figures if figure.indicator == indicator), None)

    @property
    def is_computed(self) -> bool:
        """Whether anything here rests on detail."""
        return any(figure.source != "reported" for figure in self.figures)

    @property
    def included(self) -> str:
        """How many provinces are in the figures; the least and the most where that differs between indicators."""
        least, most = self.provinces_included, self.provinces_included_most
        return f"{least}" if most in (None, least) else f"{least}–{most}"

    @property
    def is_national(self) -> bool:
        """Whether this is the country."""
        return self.province_key == NATIONAL

    @property
    def has_few(self) -> bool:
        """Whether a figure here is of fewer than five persons."""
        return any(figure.is_few for figure in self.figures)

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
    province_code: str = ""
    vintage: str = ""

    @property
    def state(self) -> str:
        """`complete`, `partial` or `absent`."""
        if not self.feeds_in:
            return "absent"
        return "complete" if self.feeds_in == self.feeds_expected else "partial"


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

    @cached_property
    def hidden(self) -> frozenset[tuple[str, dt.date, str]]:
        """Territory (its Vietnamese name), month and indicator of every figure that is not shown."""
        return frozenset(
            (territory.name_vi, territory.month, figure.indicator)
            for territory in (*self.main, *self.others)
            for figure in territory.figures
            if figure.is_hidden
        )

    def is_withheld(self, found: Difference | Revision) -> bool:
        """Whether this is about a figure that is not shown."""
        return (found.name_vi, found.month, found.indicator) in self.hidden


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
    """The last night; `problems` are its stages that failed, with what was said of them."""

    run_id: str
    started_at: dt.datetime
    seconds: Decimal
    stages: tuple[NightStage, ...]
    problems: tuple[tuple[str, str | None, str], ...] = ()


@dataclass(frozen=True)
class NightRun:
    """One of the last nights. Seconds by the clock; rows are those of the submissions it decided, as sent.

    `outcome` is done, failed (a gate said no) or error; a stage that was taken again counts by its last time.
    """

    run_id: str
    started_at: dt.datetime
    outcome: str
    seconds: Decimal
    load_seconds: Decimal
    build_seconds: Decimal
    submissions: int
    rejected: int
    rows: int
    rows_rejected: int
    megabytes: Decimal | None = None

    @property
    def other_seconds(self) -> Decimal:
        """What was neither loading nor building: waiting, audit, publication, pages."""
        return max(self.seconds - self.load_seconds - self.build_seconds, Decimal(0))


@dataclass(frozen=True)
class SenderQuality:
    """What one sender's submissions were like in the days looked at; `codes` by how much they cost, the worst first."""

    sender: str
    name_vi: str
    name_en: str
    submissions: int
    rejected: int
    held: int
    waiting: int
    late: int
    rows: int
    rows_rejected: int
    codes: tuple[tuple[str, int], ...] = ()

    @property
    def rejected_pct(self) -> Decimal | None:
        """Rows set aside in percent of the rows sent; None without rows."""
        return Decimal(100 * self.rows_rejected) / self.rows if self.rows else None

    @property
    def is_faultless(self) -> bool:
        """Whether there is nothing to tell the sender."""
        return not (self.rejected or self.held or self.waiting or self.late or self.rows_rejected)


@dataclass(frozen=True)
class Quality:
    """The senders' submissions between two days, both included; senders without a submission are not in it."""

    since: dt.date
    until: dt.date
    senders: tuple[SenderQuality, ...]


@dataclass(frozen=True)
class Candidates:
    """Candidates for inspection of one province: counts of units and tax codes, and what is overdue, in đồng.

    `by_reason` holds a count for each of REASONS; one candidate may stand under several.
    """

    name_vi: str
    name_en: str
    candidates: int
    first: int
    by_reason: tuple[int, ...]
    inspected: int
    overdue_vnd: int


@dataclass(frozen=True)
class Inspections:
    """All candidates; the months and tax years their reasons rest on; `first_of` is how many count as the first."""

    first_of: int
    arrears_month: dt.date | None
    tax_year: int | None
    provinces: tuple[Candidates, ...]


@dataclass(frozen=True)
class Revision:
    """A figure that was shown before and says something else now, and what it goes back to."""

    name_vi: str
    name_en: str
    month: dt.date
    indicator: str
    unit: str
    before: Decimal
    after: Decimal
    causes: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """A submission that is in force now and was not, or the other way round; `kind` as in warehouse.differences."""

    kind: str
    submission_id: str
    replaced: str | None
    sender: str
    period: str
    feeds: tuple[str, ...]
    is_late: bool
    reason: str | None


@dataclass(frozen=True)
class Changes:
    """What differs from what was shown the day before; `before` is None when nothing had been published by then.

    `revisions` holds the first of `revised` figures; `appeared` and `gone` count figures with nothing to compare.
    """

    before: int | None = None
    before_at: dt.datetime | None = None
    submissions: tuple[Change, ...] = ()
    rules: tuple[bool, ...] = ()
    decisions: tuple[tuple[int, bool, str], ...] = ()
    revisions: tuple[Revision, ...] = ()
    revised: int = 0
    appeared: int = 0
    gone: int = 0

    @property
    def is_nothing(self) -> bool:
        """Whether the same is shown as the day before."""
        return not (self.submissions or self.rules or self.decisions or self.revised or self.appeared or self.gone)


@dataclass(frozen=True)
class Morning:
    """Everything the page says."""

    headline: Headline
    night: Night | None = None
    nights: tuple[NightRun, ...] = ()
    changes: Changes = Changes()
    inspections: Inspections | None = None
    quality: Quality | None = None


def _sum(values: list[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(values) else None
