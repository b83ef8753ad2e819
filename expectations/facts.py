"""What the business rules look at: a few figures of each feed of a submission, from raw, the ledger and its history."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from expectations.engine import SCHEMA
from expectations.plans import INDICATORS, WEEKLY, Planned, days_outside_week, read_planned
from expectations.tax_list import FEED as TAX_LIST
from expectations.tax_list import TaxList, read_tax_list
from expectations.thresholds import lowest_minimum_wage, threshold
from ingestion.contracts import load_contracts
from warehouse.connection import Connection

_NEVER_NIL = frozenset({"participants", "employers", "contributions"})


@dataclass(frozen=True)
class Load:
    """One feed of a submission as the ledger has it."""

    load_id: int
    feed: str
    is_nil: bool
    rows: int
    accepted: int
    totals: Mapping[str, Mapping[str, Any]]
    profile: Mapping[str, int]
    is_to_date: bool = False

    @property
    def loaded(self) -> dict[str, int]:
        """Loaded totals of whole numbers by column."""
        return {name: int(total["loaded"]) for name, total in self.totals.items() if total.get("loaded") is not None}


@dataclass(frozen=True)
class Subject:
    """A submission, the territory it speaks for (none for tax and hq), and its feeds."""

    sub_no: int
    sender: str
    period: str
    month: dt.date
    version: int
    action: str
    as_of_date: dt.date | None
    territory_key: str | None
    vintage: str | None
    current_province_code: str | None
    loads: tuple[Load, ...]


@dataclass(frozen=True)
class Crossing:
    """Two counts of which the first must not exceed the second, and does."""

    smaller: str
    smaller_count: Decimal | int
    larger: str
    larger_count: Decimal | int


@dataclass(frozen=True)
class Median:
    """A median wage in đồng and how many rows it is the median of."""

    wage: float | None
    rows: int


@dataclass(frozen=True)
class Alone:
    """Rows of UI whose person has no row of SI_C (R4): how many, and the numbers of the first."""

    count: int
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Fact:
    """The figures of one feed; None where there is nothing to compare."""

    load: Load
    is_nil_allowed: bool
    crossings: tuple[Crossing, ...] = ()
    si_wage: Median = Median(None, 0)
    fund_wage: Median = Median(None, 0)
    minimum_wage: int | None = None
    totals_before: Mapping[str, int] | None = None
    total_ratios: Mapping[str, float] | None = None
    rows_before: int | None = None
    volume_change: float | None = None
    tax_list: TaxList | None = None
    alone: Alone | None = None
    planned: tuple[Planned, ...] = ()
    days_outside_week: int | None = None

    def sent(self, insurance_type: str) -> int | None:
        """Rows of an insurance type as sent; None where the feed has none or the profile does not say."""
        return self.load.profile.get(insurance_type) if self.load.feed == "participants" else None

    def wage_ratio(self, median: Median) -> float | None:
        """A median wage as a multiple of the lowest regional minimum wage."""
        return None if median.wage is None or self.minimum_wage is None else median.wage / self.minimum_wage


def read_subject(connection: Connection, sub_no: int) -> Subject:
    """The submission and its feeds. Raises LookupError when the ledger has no such submission."""
    row = connection.execute(
        """
        select s.sender, s.period, s.month, s.version, s.action, s.as_of_date, p.territory_key, p.vintage,
            p.current_province_code
        from ops.submission s
        left join ops.province p
            on s.sender = 'province-' || p.province_code and s.month >= p.valid_from and s.month < p.valid_to
        where s.sub_no = %s
        """,
        [sub_no],
    ).fetchone()
    if row is None:
        raise LookupError(f"there is no submission {sub_no}")
    with connection.cursor(row_factory=dict_row) as cursor:
        loads = cursor.execute(
            "select load_id, feed, is_nil, row_count as rows, accepted, totals, profile, basis = 'ytd' as is_to_date"
            " from ops.load where sub_no = %s order by feed",
            [sub_no],
        ).fetchall()
    values: list[Any] = [*row, tuple(Load(**load) for load in loads)]
    return Subject(sub_no, *values)


def read_facts(connection: Connection, subject: Subject) -> list[Fact]:
    """The facts of every feed; reads the slices through their gate views, which must exist."""
    totals_before = _totals_before(connection, subject)
    rows_before = _rows_before(connection, subject)
    is_province = subject.sender.startswith("province-")
    facts = []
    for load in subject.loads:
        is_nil_allowed = not (is_province and load.feed in _NEVER_NIL)
        if load.is_nil:
            facts.append(Fact(load, is_nil_allowed))
            continue
        before = totals_before.get(load.feed)
        facts.append(
            Fact(
                load,
                is_nil_allowed,
                crossings=_crossings(connection, load) if load.feed == "indicators" else (),
                si_wage=_si_wage(connection, load) if load.feed == "participants" else Median(None, 0),
                fund_wage=_fund_wage(connection, load) if load.feed == "contributions" else Median(None, 0),
                minimum_wage=(
                    lowest_minimum_wage(subject.month) if load.feed in ("participants", "contributions") else None
                ),
                totals_before=before,
                total_ratios=None if before is None else _total_ratios(load, before),
                rows_before=rows_before.get(load.feed),
                volume_change=_volume_change(load, rows_before.get(load.feed), subject.month),
                tax_list=_tax_list(connection, load, subject) if load.feed == TAX_LIST else None,
                alone=_alone(connection, load, subject.month) if load.feed == "participants" else None,
                planned=_planned(connection, load, subject) if load.feed == INDICATORS else (),
                days_outside_week=(
                    days_outside_week(subject.period, subject.as_of_date) if load.feed == WEEKLY else None
                ),
            )
        )
    return facts


def _slice(load: Load) -> sql.Identifier:
    return sql.Identifier(SCHEMA, f"s_{load.load_id}")


def _tax_list(connection: Connection, load: Load, subject: Subject) -> TaxList:
    return read_tax_list(
        connection,
        _slice(load),
        sender=subject.sender,
        period=subject.period,
        version=subject.version,
        rows=load.rows,
        accepted=load.accepted,
        least=threshold("tax_list_codes", subject.month),
    )


def _planned(connection: Connection, load: Load, subject: Subject) -> tuple[Planned, ...]:
    return read_planned(
        connection, _slice(load), sender=subject.sender, month=subject.month, territory_key=subject.territory_key
    )


def _alone(connection: Connection, load: Load, month: dt.date) -> Alone:
    """By person, for counts may be in order while persons are not."""
    row: Any = connection.execute(
        sql.SQL(
            """
            with alone as (
                select u.row_no from {view} u
                where u.insurance_type = 'UI' and not exists (
                    select from {view} c where c.insurance_type = 'SI_C' and c.si_number = u.si_number
                )
            )
            select (select count(*) from alone), array(select row_no from alone order by row_no limit %s)
            """
        ).format(view=_slice(load)),
        [int(threshold("rows_listed", month))],
    ).fetchone()
    return Alone(int(row[0]), tuple(row[1]))


def _si_wage(connection: Connection, load: Load) -> Median:
    return _median(
        connection,
        sql.SQL(
            "select percentile_cont(0.5) within group (order by wage_base_vnd), count(wage_base_vnd) from {}"
            " where insurance_type = 'SI_C'"
        ).format(_slice(load)),
    )


def _fund_wage(connection: Connection, load: Load) -> Median:
    return _median(
        connection,
        sql.SQL(
            "select percentile_cont(0.5) within group (order by wage_fund_vnd::double precision / headcount), count(*)"
            " from {} where payer_kind = 'employer' and headcount > 0 and wage_fund_vnd is not null"
        ).format(_slice(load)),
    )


def _median(connection: Connection, query: sql.Composed) -> Median:
    row: Any = connection.execute(query).fetchone()
    return Median(row[0], row[1])


def _crossings(connection: Connection, load: Load) -> tuple[Crossing, ...]:
    """Where reported head counts of one date contradict each other: ui <= si_compulsory <= hi, and the sum of SI."""
    groups = connection.execute(
        sql.SQL(
            """
            select
                max(value) filter (where indicator = 'ui'),
                max(value) filter (where indicator = 'si_compulsory'),
                max(value) filter (where indicator = 'si_voluntary'),
                max(value) filter (where indicator = 'si_participants'),
                max(value) filter (where indicator = 'hi')
            from {}
            where indicator in ('ui', 'si_compulsory', 'si_voluntary', 'si_participants', 'hi') and unit = 'persons'
                and coalesce(qualifier, 'exact') = 'exact' and coalesce(comparison, 'none') = 'none'
            group by as_of_date, measure
            order by as_of_date, measure
            """
        ).format(_slice(load))
    ).fetchall()
    found = []
    for values in groups:
        ui, compulsory, voluntary, participants, hi = (None if v is None else Decimal(str(v)) for v in values)
        if ui is not None and compulsory is not None and ui > compulsory:
            found.append(Crossing("ui", ui, "si_compulsory", compulsory))
        if compulsory is not None and hi is not None and compulsory > hi:
            found.append(Crossing("si_compulsory", compulsory, "hi", hi))
        if compulsory is not None and voluntary is not None and participants is not None:
            parts, whole = ("si_compulsory + si_voluntary", compulsory + voluntary), ("si_participants", participants)
            if parts[1] != whole[1]:
                smaller, larger = (parts, whole) if parts[1] > whole[1] else (whole, parts)
                found.append(Crossing(*smaller, *larger))
    return tuple(found)


def _totals_before(connection: Connection, subject: Subject) -> dict[str, dict[str, int]]:
    """Loaded totals of the same sender's last accepted load of each feed: the period before, or a lower version.

    What was voided does not count, nor does a nil. A merged province goes on under a code of one of its predecessors.
    """
    rows = connection.execute(
        """
        select distinct on (l.feed) l.feed, l.totals
        from ops.load l
        join ops.submission s on s.sub_no = l.sub_no
        where s.sender = %(sender)s and s.state in ('accepted', 'accepted_with_rejects') and not l.is_nil
          and (s.period, s.version) < (%(period)s, %(version)s)
          and not exists (
              select from ops.submission v
              where v.sender = s.sender and v.period = s.period and v.action = 'void' and v.state = 'accepted'
                and v.version > s.version
          )
        order by l.feed, s.period desc, s.version desc
        """,
        {"sender": subject.sender, "period": subject.period, "version": subject.version},
    ).fetchall()
    found: dict[str, dict[str, int]] = {}
    for feed, totals in rows:
        assert isinstance(totals, dict)
        found[str(feed)] = {
            name: int(total["loaded"]) for name, total in totals.items() if total.get("loaded") is not None
        }
    return found


def _total_ratios(load: Load, before: Mapping[str, int]) -> dict[str, float]:
    """Magnitude of each control total against the last one: amounts, and counts that are no part of a key.

    Zero has no magnitude: nothing is compared with a total that was zero, and an optional column that is zero now was
    not reported. One that must be filled in and is zero now has the ratio zero. Rows are compared by `_volume_change`.
    """
    contract = load_contracts()[load.feed]
    ratios = {}
    for name in (*contract.amount_columns, *contract.count_columns):
        if name in contract.key:
            continue
        now, then = load.loaded.get(name), before.get(name)
        if now is not None and then and (now != 0 or contract.column(name).required):
            ratios[name] = abs(now) / abs(then)
    return ratios


def _rows_before(connection: Connection, subject: Subject) -> dict[str, int]:
    """Rows of each feed of the same territory's month before: all its predecessors', if every one of them has sent.

    A year-to-date file grows by its nature: it is neither compared nor compared with.
    """
    if subject.territory_key is None:
        return {}
    month_before = (subject.month - dt.timedelta(days=1)).replace(day=1)
    rows = connection.execute(
        """
        with territory as (
            select p.province_code
            from ops.province p
            where p.valid_from <= %(before)s and p.valid_to > %(before)s
              and (p.territory_key = %(territory)s
                   or (p.vintage <> %(vintage)s and p.current_province_code = %(current)s))
        )
        select a.feed, sum(l.row_count)
        from territory t
        join ops.accepted_load a on a.sender = 'province-' || t.province_code and a.period = %(period)s
        join ops.load l on l.load_id = a.load_id
        group by a.feed
        having count(*) = (select count(*) from territory) and bool_and(l.basis is distinct from 'ytd')
        """,
        {
            "before": month_before, "period": f"{month_before:%Y-%m}", "territory": subject.territory_key,
            "vintage": subject.vintage, "current": subject.current_province_code,
        },
    ).fetchall()  # fmt: skip
    return {str(feed): int(str(count)) for feed, count in rows}


def _volume_change(load: Load, before: int | None, month: dt.date) -> float | None:
    """How far a slice has moved, as a share of the month before; None without history and for small slices."""
    if before is None or load.is_to_date or max(load.rows, before) <= threshold("volume_rows", month):
        return None
    return abs(load.rows - before) / before if before else float("inf")
