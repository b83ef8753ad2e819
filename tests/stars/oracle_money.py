"""Money and cases computed a second time, in polars, from the files as they were sent.

Written from the rules (R2, R6 to R16, R22 to R27) and the table of contribution rates alone. It shares no SQL and no
code with the warehouse, so an error has to be made twice to pass. Amounts are whole đồng, shares are percent, months
are first days, a province is its code on the map of the month, the country is `national`.

Every function takes `slices` as `World.sent` gives them: by sender, feed and period what is in force.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from sent_files import (
    MERGER,
    Sent,
    codes_on,
    current_code,
    feed,
    month_before,
    month_end,
    plus_months,
    predecessors,
)

Slices = dict[tuple[str, str, str], Sent]
Cell = tuple[str, dt.date]  # a province's code on the map of the month, and the month

GROUPS = {
    "RETIREMENT": "si_compulsory", "SICK_MATERNITY": "si_compulsory", "OAD": "si_compulsory",
    "VOLUNTARY": "si_voluntary", "UI": "ui", "HI": "hi",
}  # fmt: skip
PAYMENT = ["payer_kind", "payer_code", "fund", "liability_month"]
POSTED = ["wage_fund_vnd", "due_vnd", "adjustment_vnd", "interest_due_vnd", "paid_vnd", "interest_paid_vnd"]
BANDS = {"<1": 1, "1-<3": 3, "3-<6": 6, "6-<12": 12}

# Rates of employer and employee together, in tenths of a percent (domain.md B.1), and the windows of the two cuts.
ORDINARY = {"RETIREMENT": 220, "SICK_MATERNITY": 30, "OAD": 5, "UI": 20, "HI": 45}
CUTS = {
    "OAD": (dt.date(2021, 7, 1), dt.date(2022, 7, 1), 5),
    "UI": (dt.date(2021, 10, 1), dt.date(2022, 10, 1), 10),
}
PAID_BY_BUDGET = ["state_body", "armed_forces", "public_budget"]

INSPECTION_INDICATORS = {
    "specialised_inspection": "inspections_specialised",
    "examination": "inspections_examination",
    "agent_examination": "inspections_agent",
    "affiliated_examination": "inspections_affiliated",
    "facility_examination": "inspections_facility",
    "interdisciplinary_inspection": "inspections_interdisciplinary",
    "interdisciplinary_examination": "examinations_interdisciplinary",
}
EVENT_INDICATORS = {
    "conference": "conferences", "customer_conference": "customer_conferences", "small_group": "small_groups",
    "subgroup": "subgroups", "livestream": "livestreams",
}  # fmt: skip


# --- contributions and benefits: from positions to months (R8, R23) ---------------------------------------------------


@dataclass(frozen=True)
class Posting:
    """What one file posted: `rows` since `posting_from`; `knows_year` if nothing of the year to date is missing."""

    sent: Sent
    rows: pl.DataFrame
    posting_from: dt.date
    knows_year: bool


def year_start(code: str, month: dt.date) -> dt.date:
    """The first month that a file of the year to date covers: January, of a province merged in 2025 July."""
    january = month.replace(month=1)
    is_merged = month >= MERGER and len(predecessors(code)) > 1
    return max(january, MERGER) if is_merged else january


def postings(slices: Slices, name: str, keys: Sequence[str], amounts: Sequence[str]) -> dict[Cell, Posting]:
    """Each file of a feed as what it posted, so that the rows of a year add up to its year to date.

    A file of the month is taken as it is. A file of the year to date is diminished, key by key, by everything posted
    since the year's start; it covers every month since then for which no file came before.
    """
    found: dict[Cell, Posting] = {}
    for (code, start), files in _by_year(slices, name).items():
        position = files[0].frame.select(*keys, *amounts).clear()
        covered: set[dt.date] = set()
        for one in files:
            if one.basis == "ytd":
                rows, position = _differences(one.frame, position, keys, amounts)
                newly = set(_months(start, one.month)) - covered
            else:
                rows = one.frame.with_columns(is_absent=pl.lit(value=False))
                position = _sum(pl.concat([position, rows.select(*keys, *amounts)]), keys, amounts)
                newly = {one.month}
            covered |= newly
            knows_year = covered >= set(_months(start, one.month))
            found[code, one.month] = Posting(one, rows, min(newly), knows_year)
    return found


def _by_year(slices: Slices, name: str) -> dict[tuple[str, dt.date], list[Sent]]:
    """Files in order of month, by province and the start of the year they count in."""
    found: dict[tuple[str, dt.date], list[Sent]] = {}
    for one in feed(slices, name):
        code = _code(one)
        found.setdefault((code, year_start(code, one.month)), []).append(one)
    return found


def _differences(
    sent: pl.DataFrame, position: pl.DataFrame, keys: Sequence[str], amounts: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows posted (a key that vanished is one), and the new position. An absent key counts zero."""
    before = position.select(*keys, *(pl.col(name).alias(f"{name}__before") for name in amounts))
    both = sent.with_columns(is_sent=True).join(before, on=list(keys), how="full", coalesce=True)
    rows = both.with_columns(
        pl.when(pl.col(name).is_not_null() | pl.col(f"{name}__before").is_not_null())
        .then(pl.col(name).fill_null(0) - pl.col(f"{name}__before").fill_null(0))
        .alias(name)
        for name in amounts
    ).with_columns(is_absent=pl.col("is_sent").is_null())
    return rows.drop("is_sent", *(f"{name}__before" for name in amounts)), sent.select(*keys, *amounts)


def _sum(frame: pl.DataFrame, keys: Sequence[str], amounts: Sequence[str]) -> pl.DataFrame:
    """Sums by key, null where nothing was stated."""
    return frame.group_by(keys).agg(_total(name) for name in amounts)


def _total(name: str) -> pl.Expr:
    return pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)


# --- expected due (R10) -----------------------------------------------------------------------------------------------


def unit_types(slices: Slices) -> pl.DataFrame:
    """Each listed unit with its type in each list: province_code and month of the list, si_unit_code, unit_type.

    Units of the predecessors' lists stand once more under the code of the province they became part of.
    """
    lists = []
    for one in feed(slices, "employers"):
        place = {"month": pl.lit(one.month), "province_code": _lit(_code(one))}
        rows = one.frame.select("si_unit_code", "unit_type").with_columns(**place)
        lists.append(rows.with_columns(is_new_map=one.month >= MERGER))
        if one.month < MERGER:
            became = _lit(current_code(_code(one), one.month))
            lists.append(rows.with_columns(province_code=became, is_new_map=pl.lit(value=True)))
    return pl.concat(lists)


def with_expected_due(rows: pl.DataFrame, slices: Slices) -> pl.DataFrame:
    """Adds expected_due_vnd, due_gap_vnd and rate_cut_vnd to rows with month, province_code and the feed's columns.

    The unit's type is that of the last list up to the liability month; before the first list, of the first one.
    """
    types = unit_types(slices)
    wanted = rows.with_columns(is_new_map=pl.col("month") >= MERGER)
    on = ["province_code", "is_new_map", "si_unit_code"]
    keys = wanted.filter(pl.col("payer_kind") == "employer").select(
        "province_code", "is_new_map", "liability_month", si_unit_code="payer_code"
    )
    listed = keys.unique().join(types, on=on)
    is_past = pl.col("month") <= pl.col("liability_month")
    chosen = (
        listed.sort("month")
        .group_by(*on, "liability_month")
        .agg(
            pl.when(is_past.any())
            .then(pl.col("unit_type").filter(is_past).last())
            .otherwise(pl.col("unit_type").first())
            .alias("unit_type")
        )
        .rename({"si_unit_code": "payer_code"})
        .with_columns(payer_kind=pl.lit("employer"))
    )
    typed = wanted.join(
        chosen, on=["province_code", "is_new_map", "liability_month", "payer_code", "payer_kind"], how="left"
    ).drop("is_new_map")
    ordinary = pl.col("fund").replace_strict(ORDINARY, default=None, return_dtype=pl.Int64)
    cut = pl.lit(0)
    for fund, (since, until, points) in CUTS.items():
        is_cut = (
            (pl.col("fund") == fund)
            & pl.col("liability_month").is_between(since, until, closed="left")
            & ~pl.col("unit_type").is_in(PAID_BY_BUDGET)
        )
        cut = pl.when(is_cut).then(points).otherwise(cut)
    is_due = (pl.col("payer_kind") == "employer") & pl.col("unit_type").is_not_null()
    return typed.with_columns(
        expected_due_vnd=pl.when(is_due).then(_share(pl.col("wage_fund_vnd"), ordinary - cut)),
        rate_cut_vnd=pl.when(is_due).then(_share(pl.col("wage_fund_vnd"), cut)),
    ).with_columns(due_gap_vnd=pl.col("due_vnd") - pl.col("expected_due_vnd"))


def _share(amount: pl.Expr, tenths_of_percent: pl.Expr) -> pl.Expr:
    """Whole đồng, half a đồng away from zero; in whole numbers, because a wage fund exceeds a float's digits."""
    product = amount * tenths_of_percent
    return product.sign() * ((product.abs() + 500) // 1000)


def fct_contribution(slices: Slices) -> pl.DataFrame:
    """Payer x fund x liability month x posting month (R8, R10), with due_gap_vnd and rate_cut_vnd."""
    found = []
    for (code, month), posted in postings(slices, "contributions", PAYMENT, POSTED).items():
        headcount = pl.when(~pl.col("is_absent")).then(pl.col("headcount"))
        found.append(
            posted.rows.select(
                *PAYMENT, headcount.alias("headcount"), *POSTED,
                row_no=pl.when(~pl.col("is_absent")).then(pl.col("row_no")),
            ).with_columns(
                pl.col("adjustment_vnd", "interest_due_vnd", "interest_paid_vnd").fill_null(0),
                _place(code, month),
                posting_from=posted.posting_from,
                basis=_lit(posted.sent.basis),
                as_of_date=posted.sent.as_of_date,
                submission_id=_lit(posted.sent.submission_id),
            )
        )  # fmt: skip
    return with_expected_due(pl.concat(found).unnest("place"), slices).drop("unit_type")


# --- a year's territory (R2, R6, R27) ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figures:
    """One measure by province and month; a missing key is null. `ratio` is given for what is recomputed from sums."""

    values: dict[Cell, float]
    is_flow: bool
    reported: Collection[Cell] = ()
    numerator: dict[Cell, float] = field(default_factory=dict)
    denominator: dict[Cell, float] = field(default_factory=dict)
    included: dict[dt.date, list[str]] | None = None

    @property
    def is_ratio(self) -> bool:
        return bool(self.denominator)

    def at(self, code: str, asked: dt.date, month: dt.date) -> float | None:
        """The figure of `month` on the territory that `code` has in `asked`; null if a predecessor's is missing."""
        if not self.is_ratio:
            return on_territory(self.values, code, asked, month)
        parts = [on_territory(part, code, asked, month) for part in (self.numerator, self.denominator)]
        return _percent(*parts)

    def provinces(self, month: dt.date) -> list[str]:
        """Provinces in the national row of a month."""
        if self.included is not None:
            return self.included.get(month, [])
        return sorted(code for code, each in self.values if each == month)

    def national(self, asked: dt.date, month: dt.date) -> float | None:
        """Of the provinces included in `asked`, their figure of `month`; null if one is missing."""
        codes = self.provinces(asked)
        if not self.is_ratio:
            return _plus(self.at(code, asked, month) for code in codes)
        sums = [
            _plus(on_territory(part, code, asked, month) for code in codes)
            for part in (self.numerator, self.denominator)
        ]
        return _percent(*sums)

    def months(self) -> list[dt.date]:
        """Months with any figure."""
        return sorted({month for _, month in self.values})


def on_territory(values: Mapping[Cell, float], code: str, asked: dt.date, month: dt.date) -> float | None:
    """The value of `month` on the territory of `code` in the month `asked`."""
    if asked >= MERGER > month:
        return _plus(values.get((old, month)) for old in predecessors(code))
    return values.get((code, month))


class ToDate(dict[Cell, float]):
    """Years to date; `since_merger` are those that begin in July 2025, as not all of January to June is known.

    A merged province whose predecessors' half year is not known counts since the merger and is labelled at least that
    much (docs/decisions/0009): semantics.md does not say which of the two readings of R8 it means.
    """

    def __init__(self) -> None:
        super().__init__()
        self.since_merger: set[Cell] = set()

    def before(self, code: str, month: dt.date, start: dt.date) -> float:
        """What the territory had before `start`, the first month of its year; notes where that is not known."""
        known = 0 if start.month == 1 else on_territory(self, code, month, month_before(start))
        if known is None:
            self.since_merger.add((code, month))
        return known or 0


def year_to_date(posted: Mapping[Cell, Posting], measure: str, rows: pl.Expr) -> ToDate:
    """January to month of the sum of `measure` over the rows that `rows` keeps; a missing key is not known.

    A merged province's year 2025 is that of its predecessors until June and its own since.
    """
    found = ToDate()
    for (code, month), one in sorted(posted.items(), key=lambda item: item[0][1]):
        if not one.knows_year:
            continue
        start = year_start(code, month)
        own = sum(
            int(posted[code, each].rows.filter(rows)[measure].sum() or 0)
            for each in _months(start, month)
            if (code, each) in posted
        )
        found[code, month] = own + found.before(code, month, start)
    return found


# --- collection (R9) --------------------------------------------------------------------------------------------------


def collection(slices: Slices) -> tuple[pl.DataFrame, dict[Cell, Posting]]:
    """fct_contribution with its insurance group, and what each file posted (with the fact's columns)."""
    posted = postings(slices, "contributions", PAYMENT, POSTED)
    facts = fct_contribution(slices).with_columns(insurance_group=pl.col("fund").replace_strict(GROUPS))
    found = {
        cell: Posting(
            one.sent,
            facts.filter((pl.col("province_code") == cell[0]) & (pl.col("month") == cell[1])),
            one.posting_from,
            one.knows_year,
        )
        for cell, one in posted.items()
    }
    return facts, found


def collection_figures(slices: Slices) -> dict[str, Figures]:
    """`collection` and its groups, year to date."""
    _, posted = collection(slices)
    found = {"collection": Figures(year_to_date(posted, "paid_vnd", pl.lit(value=True)), is_flow=True)}
    for group in ("si_compulsory", "si_voluntary", "ui", "hi"):
        values = year_to_date(posted, "paid_vnd", pl.col("insurance_group") == group)
        found[f"collection_{group}"] = Figures(values, is_flow=True)
    return found


def rpt_collection(slices: Slices) -> pl.DataFrame:
    """R9: province and national x month x insurance group, without plan and attainment.

    The territory of a national row is that of the provinces whose year to date is known.
    """
    _, posted = collection(slices)
    found = []
    for group in ("si_compulsory", "si_voluntary", "ui", "hi", "total"):
        rows = pl.lit(value=True) if group == "total" else pl.col("insurance_group") == group
        year = {
            name: Figures(year_to_date(posted, column, rows), is_flow=True)
            for name, column in (
                ("collected_ytd_vnd", "paid_vnd"),
                ("due_ytd_vnd", "due_vnd"),
                ("expected_due_ytd_vnd", "expected_due_vnd"),
                ("interest_collected_vnd", "interest_paid_vnd"),
            )
        }
        month_only = {
            name: Figures(
                {
                    cell: int(one.rows.filter(rows)[column].sum() or 0)
                    for cell, one in posted.items()
                    if one.posting_from == cell[1]
                },
                is_flow=True,
            )
            for name, column in (("collected_month_vnd", "paid_vnd"), ("due_month_vnd", "due_vnd"))
        }
        if group == "si_voluntary":
            year["expected_due_ytd_vnd"] = Figures({}, is_flow=True)
        collected = year["collected_ytd_vnd"]
        in_part = year_to_date(posted, "paid_vnd", rows).since_merger
        for code, month in posted:
            values = {name: figures.values.get((code, month)) for name, figures in (year | month_only).items()}
            base = collected.at(code, month, plus_months(month, -12))
            found.append(
                {
                    **_province(code, month),
                    "qualifier": "at_least" if (code, month) in in_part else "exact",
                    "insurance_group": group,
                    "is_reported": False,
                    **values,
                    **_same_period(values, base),
                }
            )
        alone = {month for _, month in month_only["collected_month_vnd"].values} - set(collected.months())
        for month in sorted({*collected.months(), *alone}):
            # where nobody's year to date is known, the month of those whose month is
            codes = (month_only["collected_month_vnd"] if month in alone else collected).provinces(month)
            values = {
                name: _plus(figures.values.get((code, month)) for code in codes)
                for name, figures in (year | month_only).items()
            }
            base = collected.national(month, plus_months(month, -12))
            found.append(
                {
                    **_national(month, codes),
                    "qualifier": "at_least" if in_part & {(code, month) for code in codes} else "exact",
                    "insurance_group": group,
                    "is_reported": False,
                    **values,
                    **_same_period(values, base),
                }
            )
    return _frame(found)


def _same_period(values: Mapping[str, float | None], base: float | None) -> dict[str, float | None]:
    share = _percent(values["collected_ytd_vnd"], base)
    growth = None if share is None else share - 100
    return {"value_same_period_last_year": base, "growth_yoy_pct": growth}


# --- arrears (R11 to R14) ---------------------------------------------------------------------------------------------


def fct_arrears(slices: Slices) -> pl.DataFrame:
    """Unit x fund x month end."""
    return pl.concat(_arrears(one) for one in feed(slices, "arrears")).unnest("place")


def _arrears(one: Sent) -> pl.DataFrame:
    is_new_law = one.month >= MERGER
    end = month_end(one.month)
    last_due = month_before(one.month) if is_new_law else one.month
    counted = (last_due.year - pl.col("oldest_month").dt.year()) * 12 + (
        last_due.month - pl.col("oldest_month").dt.month().cast(pl.Int32) + 1
    )
    owed = pl.coalesce(pl.col("months_owed").cast(pl.Float64), counted.clip(lower_bound=0).cast(pl.Float64))
    # what was owed until June 2025 fell due under the law of then, on the month's last day
    due_date = (
        pl.when(pl.col("oldest_month") < MERGER)
        .then(pl.col("oldest_month").dt.month_end())
        .otherwise(pl.col("oldest_month").dt.offset_by("1mo").dt.month_end())
    )
    is_evasion = ((pl.lit(end) - due_date).dt.total_days() > 60).fill_null(value=False)
    classes = (
        pl.when(pl.col("urged_on").is_null())
        .then(pl.lit("unknown"))
        .when(is_evasion)
        .then(pl.lit("evasion"))
        .otherwise(pl.lit("late"))
    )
    greatest = pl.col("months_owed").max().over("si_unit_code")
    band: pl.Expr = pl.lit(">=12")
    for name, below in reversed(BANDS.items()):
        band = pl.when(greatest < below).then(pl.lit(name)).otherwise(band)
    hard = pl.col("hard_to_collect").fill_null("none")
    bears_interest = pl.lit(value=True) if is_new_law else (greatest >= 1).fill_null(value=False)
    return (
        one.frame.with_columns(months_owed=owed)
        .with_columns(
            pl.col("interest_vnd").fill_null(0),
            _place(_code(one), one.month),
            ageing_band=pl.when(greatest.is_null()).then(pl.lit("not_stated")).otherwise(band),
            # nobody knows that a unit without months owed owes three
            is_three_months_or_more=(greatest >= 3).fill_null(value=False),
            legal_regime=_lit("from_2025_07" if is_new_law else "until_2025_06"),
            arrears_class=classes if is_new_law else pl.lit(None, dtype=pl.String),
            hard_to_collect=hard,
            is_hard_to_collect=hard != "none",
            debt_vnd=pl.col("principal_vnd") + pl.col("interest_vnd").fill_null(0),
            interest_bearing_vnd=pl.when(bears_interest).then(pl.col("overdue_vnd")).otherwise(0),
            as_of_date=one.as_of_date,
            submission_id=_lit(one.submission_id),
        )
        .drop("row_no")
        .with_columns(row_no=one.frame["row_no"])
    )


def arrears_figures(slices: Slices) -> dict[str, Figures]:
    """Month-end stocks, and arrears as a share of the year's collection plan."""
    sums = {
        "arrears": pl.col("principal_vnd"),
        "arrears_interest_bearing": pl.col("interest_bearing_vnd"),
        "arrears_hard_to_collect": pl.col("principal_vnd") * pl.col("is_hard_to_collect"),
    }
    cells = _sent_cells(slices, "arrears")
    facts = fct_arrears(slices)
    found = {}
    for name, amount in sums.items():
        by_cell = facts.group_by("province_code", "month").agg(amount.sum().alias("value"))
        values = {(code, month): value for code, month, value in by_cell.iter_rows()}
        found[name] = Figures({cell: values.get(cell, 0) for cell in cells}, is_flow=False)
    plans = {cell: plan for cell in cells if (plan := collection_plan(slices, *cell)) is not None}
    owed = {cell: value for cell, value in found["arrears"].values.items() if cell in plans}
    shares = {cell: 100 * value / plans[cell] for cell, value in owed.items()}
    found["arrears_of_plan_pct"] = Figures(shares, is_flow=False, numerator=owed, denominator=plans)
    return found


def collection_plan(slices: Slices, code: str, month: dt.date) -> float | None:
    """The year's collection plan in force at the month's end (R1, R7): the latest issued, of a merged province the
    one issued to it since July 2025, else the sum of its predecessors'."""
    issued = [row for row in _collection_targets(slices) if row["year"] == month.year]
    in_force = [row for row in issued if row["issued_date"] <= month_end(month)]
    is_merged = month >= MERGER and len(predecessors(code)) > 1
    own = [
        row for row in in_force
        if row["assignee_code"] == code and (not is_merged or row["issued_date"] >= MERGER)
    ]  # fmt: skip
    if own:
        return float(max(own, key=lambda row: (row["issued_date"], row["revision"]))["target_value"])
    if is_merged:
        return _plus(collection_plan(slices, old, month_before(MERGER)) for old in predecessors(code))
    return None


def _collection_targets(slices: Slices) -> Iterator[dict[str, Any]]:
    for one in feed(slices, "plan_targets"):
        for row in one.frame.iter_rows(named=True):
            is_annual = row["from_month"] is None and row["target_kind"] == "level"
            if row["indicator"] == "collection" and row["assignee_kind"] == "province" and is_annual:
                yield row


def rpt_arrears_ageing(slices: Slices) -> pl.DataFrame:
    """Province and national x month x band; every band stands in every month for which arrears were sent."""
    receivable = _reported(slices, "receivable")
    units = fct_arrears(slices)
    by_unit = units.group_by("month", "province_code", "ageing_band", "si_unit_code").agg(
        pl.col("employees_affected").max(),
        pl.col("principal_vnd", "overdue_vnd", "interest_vnd", "debt_vnd", "interest_bearing_vnd").sum(),
        hard_to_collect_vnd=(pl.col("principal_vnd") * pl.col("is_hard_to_collect")).sum(),
        easy_vnd=pl.when(~pl.col("is_hard_to_collect").any()).then(pl.col("principal_vnd").sum()).otherwise(0),
    )
    amounts = [name for name in by_unit.columns if name.endswith("_vnd") or name == "employees_affected"]
    by_band = by_unit.group_by("month", "province_code", "ageing_band").agg(
        pl.len().alias("units"), pl.col(amounts).sum()
    )
    sums = {(row["province_code"], row["month"], row["ageing_band"]): row for row in by_band.iter_rows(named=True)}
    cells = _sent_cells(slices, "arrears")
    found = []
    for month in sorted({month for _, month in cells}):
        codes = sorted(code for code, each in cells if each == month)
        plans = {code: collection_plan(slices, code, month) for code in codes}
        for band in [*BANDS, ">=12", "not_stated"]:
            parts = {code: sums.get((code, month, band), {}) for code in codes}
            total = {name: sum(part.get(name, 0) for part in parts.values()) for name in ["units", *amounts]}
            for code, part in parts.items():
                values = {name: part.get(name, 0) for name in ["units", *amounts]}
                due = receivable.get((code, month))
                found.append({**_province(code, month), "ageing_band": band, **_ratios(values, plans[code], due)})
            due = _plus(receivable.get((code, month)) for code in codes)
            found.append({**_national(month, codes), "ageing_band": band, **_ratios(total, _plus(plans.values()), due)})
    return _frame(found)


def _ratios(values: dict[str, int], plan: float | None, receivable: float | None) -> dict[str, float | None]:
    shown = {name: value for name, value in values.items() if name != "easy_vnd"}
    return {
        **shown,
        "plan_vnd": plan,
        "ratio_to_plan_pct": _percent(values["principal_vnd"], plan),
        "ratio_excluding_hard_to_collect_pct": _percent(values["easy_vnd"], plan),
        "ratio_to_receivable_pct": _percent(values["interest_bearing_vnd"], receivable),
    }


# --- inspections (R15, R16) -------------------------------------------------------------------------------------------


def cases(slices: Slices) -> pl.DataFrame:
    """Every row of every list, with the list's month: as a report of that month sees the case."""
    return pl.concat(_cases(one) for one in feed(slices, "inspections")).unnest("place")


def _cases(one: Sent) -> pl.DataFrame:
    money = ["arrears_before_vnd", "recovered_at_visit_vnd", "recovered_after_vnd", "fine_vnd"]
    return (
        one.frame.with_columns(pl.col(money).fill_null(0), _place(_code(one), one.month))
        .with_columns(
            recovered_vnd=pl.col("recovered_at_visit_vnd") + pl.col("recovered_after_vnd"),
            is_unscheduled=pl.col("unscheduled") == "Y",
            indicator=pl.col("kind").replace_strict(INSPECTION_INDICATORS),
            list_month=one.month,
            as_of_date=one.as_of_date,
            submission_id=_lit(one.submission_id),
        )
        .drop("unscheduled")
    )


def fct_inspection(slices: Slices) -> pl.DataFrame:
    """A case once, as the year's latest list of its territory has it; a case the list no longer names is gone."""
    rows = cases(slices).with_columns(year=pl.col("list_month").dt.year())
    sent = pl.DataFrame(
        [(current_code(code, month), month.year, month) for code, month in _sent_cells(slices, "inspections")],
        schema={"current_province_code": pl.String, "year": pl.Int32, "list_month": pl.Date},
        orient="row",
    )
    latest = sent.group_by("current_province_code", "year").agg(pl.col("list_month").max())
    return (
        rows.join(latest, on=["current_province_code", "year", "list_month"])
        .sort("list_month")
        .unique(["current_province_code", "case_no"], keep="last")
        .with_columns(month=pl.col("decision_date").dt.truncate("1mo"))
        .drop("year")
    )


def inspection_sums(slices: Slices) -> dict[tuple[str, dt.date, str], dict[str, int]]:
    """By province, month and kind (and `total`) the sums over cases decided in the year to date."""
    rows = cases(slices).filter(
        pl.col("decision_date").dt.year() == pl.col("list_month").dt.year(),
        pl.col("decision_date") <= pl.col("list_month").dt.month_end(),
    )
    in_arrears = pl.col("arrears_before_vnd") > 0
    # a unit inspected twice is one unit
    entity = pl.concat_str("entity_kind", pl.lit("|"), "entity_code")
    measures = [
        (pl.col("decision_date").dt.truncate("1mo") == pl.col("list_month")).sum().alias("cases"),
        pl.len().alias("cases_ytd"),
        entity.filter(in_arrears).n_unique().alias("units_in_arrears"),
        pl.col("arrears_before_vnd").sum(),
        entity.filter(pl.col("recovered_vnd") > 0).n_unique().alias("units_recovered"),
        pl.col("recovered_vnd").sum(),
        pl.col("recovered_vnd").filter(in_arrears).sum().alias("recovered_of_arrears_vnd"),
    ]
    by_kind = rows.group_by("province_code", "list_month", "kind").agg(measures)
    total = rows.group_by("province_code", "list_month", kind=pl.lit("total")).agg(measures)
    names = by_kind.columns[3:]
    stated = {(row[0], row[1], row[2]): dict(zip(names, row[3:], strict=True))
              for row in pl.concat([by_kind, total]).iter_rows()}  # fmt: skip
    return {
        (code, month, kind): stated.get((code, month, kind), dict.fromkeys(names, 0))
        for code, month in _sent_cells(slices, "inspections")
        for kind in [*INSPECTION_INDICATORS, "total"]
    }


def rpt_inspection_results(slices: Slices) -> pl.DataFrame:
    """R15, R16: province and national x month x kind and `total`, without plan and attainment."""
    sums = inspection_sums(slices)
    # R16: the total is the one that was reported; what the kinds do not explain of it stands beside it
    reported = _reported(slices, "inspections")
    found = []
    for month in sorted({month for _, month, _ in sums}):
        codes = sorted({code for code, each, _ in sums if each == month})
        for kind in [*INSPECTION_INDICATORS, "total"]:
            parts = {code: dict(sums[code, month, kind]) for code in codes}
            said = {code: reported[code, month] for code in codes if kind == "total" and (code, month) in reported}
            for code, value in said.items():
                parts[code]["cases_ytd"] = int(value)
            total = {name: sum(part[name] for part in parts.values()) for name in next(iter(parts.values()))}
            places = [(_province(code, month), part) for code, part in parts.items()]
            for place, part in [*places, (_national(month, codes), total)]:
                values: dict[str, float | None] = {**part}
                recovered = values.pop("recovered_of_arrears_vnd")
                rate = _percent(recovered, values["arrears_before_vnd"])
                among = codes if place["geo_level"] == "national" else [place["province_code"]]
                kinds = sum(sums[code, month, each]["cases_ytd"] for code in among for each in INSPECTION_INDICATORS)
                is_said = any(code in said for code in among)
                found.append(
                    {
                        **place,
                        "kind": kind,
                        **values,
                        "recovery_rate_pct": rate,
                        "unexplained_residual": values["cases_ytd"] - kinds if is_said else None,
                        "is_reported": is_said,
                    }
                )
    return _frame(found)


def inspection_figures(slices: Slices) -> dict[str, Figures]:
    """Indicators of inspections, year to date."""
    sums = inspection_sums(slices)

    def of(kind: str, measure: str) -> dict[Cell, float]:
        return {(code, month): part[measure] for (code, month, each), part in sums.items() if each == kind}

    found = {name: Figures(of(kind, "cases_ytd"), is_flow=True) for kind, name in INSPECTION_INDICATORS.items()}
    for name, measure in (
        ("inspections", "cases_ytd"),
        ("inspected_units_in_arrears", "units_in_arrears"),
        ("inspected_arrears_before", "arrears_before_vnd"),
        ("recovered_units", "units_recovered"),
        ("recovered_amount", "recovered_vnd"),
    ):
        found[name] = Figures(of("total", measure), is_flow=True)
    recovered, before = of("total", "recovered_of_arrears_vnd"), of("total", "arrears_before_vnd")
    rates = {cell: 100 * recovered[cell] / before[cell] for cell in before if before[cell]}
    # a province that sent no case in arrears is in, with nothing to recover
    sent: dict[dt.date, list[str]] = {}
    for code, month in sorted(before):
        sent.setdefault(month, []).append(code)
    found["recovery_rate_pct"] = Figures(rates, is_flow=True, numerator=recovered, denominator=before, included=sent)
    return found


# --- benefits (R23) ---------------------------------------------------------------------------------------------------


def fct_benefit(slices: Slices) -> pl.DataFrame:
    """Province x month x benefit: amount and cases of the month, persons as sent."""
    found = []
    for (code, month), posted in postings(slices, "benefits", ["benefit_type"], ["cases", "amount_vnd"]).items():
        found.append(
            posted.rows.select(
                "benefit_type", "persons", "cases", "amount_vnd", pl.col("qualifier").fill_null("exact"),
                _place(code, month),
                pl.lit(posted.posting_from).alias("posting_from"),
                _lit(posted.sent.basis).alias("basis"),
                pl.lit(posted.sent.as_of_date).alias("as_of_date"),
                _lit(posted.sent.submission_id).alias("submission_id"),
            )
        )  # fmt: skip
    return pl.concat(found).unnest("place")


def benefit_figures(slices: Slices) -> dict[str, Figures]:
    """Spending and persons, year to date; pensioners are a stock, a province's own report where it sent no detail."""
    posted = postings(slices, "benefits", ["benefit_type"], ["cases", "amount_vnd"])
    everything = pl.lit(value=True)
    amounts = {"spending": everything, "hi_treatment_cost": pl.col("benefit_type") == "hi_treatment"}
    found = {name: Figures(year_to_date(posted, "amount_vnd", rows), is_flow=True) for name, rows in amounts.items()}
    for name, kinds in (
        ("one_time_persons", ["one_time"]),
        ("short_term_persons", ["sickness", "maternity", "convalescence"]),
        ("ui_allowance_persons", ["ui_allowance"]),
    ):
        found[name] = Figures(_persons_to_date(posted, kinds), is_flow=True)
    computed = {
        cell: int(one.rows.filter(pl.col("benefit_type").is_in(["pension", "monthly_allowance"]))["persons"].sum() or 0)
        for cell, one in posted.items()
        if not one.sent.is_nil
    }
    reported = {cell: value for cell, value in _reported(slices, "pension_persons").items() if cell not in computed}
    found["pension_persons"] = Figures(computed | reported, is_flow=False, reported=reported.keys())
    return found


def _persons_to_date(posted: Mapping[Cell, Posting], kinds: Sequence[str]) -> ToDate:
    """Persons since January: as sent by a file of the year to date, plus those of the months after it."""
    found = ToDate()
    for (code, month), one in sorted(posted.items(), key=lambda item: item[0][1]):
        if not one.knows_year:
            continue
        start = year_start(code, month)
        persons = int(one.sent.frame.filter(pl.col("benefit_type").is_in(kinds))["persons"].sum() or 0)
        before: float | None = 0
        if month > start and one.sent.basis == "month":
            before = found.get((code, month_before(month)))
            if (code, month_before(month)) in found.since_merger:
                found.since_merger.add((code, month))
        elif start.month != 1:
            before = found.before(code, month, start)
        if before is not None:
            found[code, month] = persons + before
    return found


# --- relief, outreach, weekly reports (R22, R24) ----------------------------------------------------------------------


def fct_policy_relief(slices: Slices) -> pl.DataFrame:
    """As sent: policy x beneficiary x status x scenario x cut-off, with the submission's month."""
    return pl.concat(
        one.frame.with_columns(
            _place(_code(one), one.month),
            pl.col("qualifier").fill_null("exact"),
            as_of_date=one.as_of_date,
            submission_id=_lit(one.submission_id),
        )
        for one in feed(slices, "policy_relief")
    ).unnest("place")


def rpt_relief(slices: Slices) -> pl.DataFrame:
    """R22: province x policy x scenario x cut-off; each status by persons, units and money, and paid of approved."""
    rows = (
        fct_policy_relief(slices)
        .sort("month")
        .unique(["province_code", "policy", "beneficiary", "status", "scenario", "cut_off_date"], keep="last")
        .with_columns(month=pl.col("cut_off_date").dt.truncate("1mo"))
    )
    measures = ["persons", "units", "amount_vnd"]
    sums = rows.group_by("month", "province_code", "current_province_code", "policy", "scenario", "cut_off_date").agg(
        pl.when(pl.col(name).filter(pl.col("status") == status).count() > 0)
        .then(pl.col(name).filter(pl.col("status") == status).sum())
        .alias(f"{status}_{name}")
        for status in ("requested", "approved", "settled", "paid")
        for name in measures
    )
    return sums.with_columns(
        pl.lit("province").alias("geo_level"),
        pl.col("cut_off_date").alias("as_of_date"),
        pl.lit("exact").alias("qualifier"),
        *(
            pl.when(pl.col(f"approved_{name}") > 0)
            .then(100 * pl.col(f"paid_{name}").cast(pl.Float64) / pl.col(f"approved_{name}"))
            .alias(f"paid_of_approved_{name.removesuffix('_vnd')}_pct")
            for name in measures
        ),
    )


def fct_outreach(slices: Slices) -> pl.DataFrame:
    """Events; a list of the year to date replaces what was sent for the year before it."""
    found = []
    for files in _by_year(slices, "outreach").values():
        last_ytd = max((one.month for one in files if one.basis == "ytd"), default=files[0].month)
        found += [
            one.frame.with_columns(
                _place(_code(one), one.month),
                list_month=one.month,
                basis=_lit(one.basis),
                as_of_date=one.as_of_date,
                submission_id=_lit(one.submission_id),
            )
            for one in files
            if one.month >= last_ytd
        ]
    events = pl.concat(found).unnest("place")
    return events.with_columns(month=pl.col("held_on").dt.truncate("1mo"))


def outreach_figures(slices: Slices) -> dict[str, Figures]:
    """Events of each kind since January, as the files up to the month tell them."""
    found = {name: ToDate() for name in EVENT_INDICATORS.values()}
    for (code, start), files in sorted(_by_year(slices, "outreach").items(), key=lambda item: item[0][1]):
        listed = files[0].frame.clear()
        covered: set[dt.date] = set()
        for one in files:
            listed = one.frame if one.basis == "ytd" else pl.concat([listed, one.frame])
            covered |= set(_months(start, one.month)) if one.basis == "ytd" else {one.month}
            if not covered >= set(_months(start, one.month)):
                continue
            for kind, name in EVENT_INDICATORS.items():
                before = found[name].before(code, one.month, start)
                found[name][code, one.month] = before + listed.filter(pl.col("kind") == kind).height
    return {name: Figures(values, is_flow=True) for name, values in found.items()}


def fct_weekly_report(slices: Slices) -> pl.DataFrame:
    """Items as sent, with when they came; late from Friday 15:00 of their week."""
    schema = {"month": pl.Date, "province_code": pl.String, "iso_week": pl.String, "item_no": pl.Int64,
              "area": pl.String, "difficulty": pl.String, "proposal": pl.String, "is_late": pl.Boolean}  # fmt: skip
    found = []
    for one in feed(slices, "weekly_report"):
        year, week = one.period.split("-W")
        friday = dt.date.fromisocalendar(int(year), int(week), 5)
        limit = dt.datetime.combine(friday, dt.time(15), tzinfo=one.received_at.tzinfo)
        for row in one.frame.drop("row_no").iter_rows(named=True):
            is_late = one.received_at >= limit
            found.append({**row, "month": one.month, "province_code": _code(one), "iso_week": one.period,
                          "is_late": is_late})  # fmt: skip
    return pl.DataFrame(found, schema=schema)


# --- rpt_plan_attainment ----------------------------------------------------------------------------------------------


def figures(slices: Slices) -> dict[str, Figures]:
    """Every indicator computed here, by its code."""
    return {
        **collection_figures(slices),
        **arrears_figures(slices),
        **inspection_figures(slices),
        **benefit_figures(slices),
        **outreach_figures(slices),
    }


def rpt_plan_attainment(slices: Slices) -> pl.DataFrame:
    """Rows with an actual: actual, bases and growth (R6, R27), without plans. A December is no base of a flow."""
    found = []
    for name, one in figures(slices).items():
        for (code, month), actual in one.values.items():
            bases = {base: one.at(code, month, each) for base, each in _base_months(month, one.is_flow).items()}
            is_reported = (code, month) in one.reported
            found.append(
                {**_province(code, month), "qualifier": _known_since([(code, month)], one),
                 "indicator": name, "is_reported": is_reported,
                 "is_computed": not is_reported, **_compared(actual, bases, is_ratio=one.is_ratio)}
            )  # fmt: skip
        for month in one.months():
            codes = one.provinces(month)
            bases = {base: one.national(month, each) for base, each in _base_months(month, one.is_flow).items()}
            reported = [(code, month) in one.reported for code in codes]
            found.append(
                {**_national(month, codes), "qualifier": _known_since([(code, month) for code in codes], one),
                 "indicator": name, "is_reported": any(reported),
                 "is_computed": not all(reported),
                 **_compared(one.national(month, month), bases, is_ratio=one.is_ratio)}
            )  # fmt: skip
    return _frame(found)


def _known_since(cells: Sequence[Cell], one: Figures) -> str:
    since_merger = one.values.since_merger if isinstance(one.values, ToDate) else set()
    return "at_least" if since_merger & set(cells) else "exact"


def _base_months(month: dt.date, is_flow: bool) -> dict[str, dt.date]:
    """Where bases are looked up; a year to date has no month before January and no December."""
    found = {"value_same_period_last_year": plus_months(month, -12)}
    if not is_flow:
        found["value_last_december"] = dt.date(month.year - 1, 12, 1)
    if not (is_flow and month.month == 1):
        found["value_previous_month"] = month_before(month)
    return found


def _compared(actual: float | None, bases: Mapping[str, float | None], *, is_ratio: bool) -> dict[str, float | None]:
    found: dict[str, float | None] = {"actual": actual}
    for base, change, growth in (
        ("value_same_period_last_year", "change_yoy", "growth_yoy_pct"),
        ("value_last_december", "change_vs_december", "growth_vs_december_pct"),
        ("value_previous_month", "change_previous_month", None),
    ):
        value = bases.get(base)
        difference = None if value is None or actual is None else actual - value
        found |= {base: value, change: difference}
        if growth is not None:
            found[growth] = difference if is_ratio else _percent(difference, value)
    return found


# --- small things -----------------------------------------------------------------------------------------------------


def _code(one: Sent) -> str:
    assert one.province is not None
    return one.province


def _lit(value: str) -> pl.Expr:
    return pl.lit(value, dtype=pl.String)


def _place(code: str, month: dt.date) -> pl.Expr:
    return pl.struct(
        pl.lit(month).alias("month"),
        _lit(code).alias("province_code"),
        _lit(current_code(code, month)).alias("current_province_code"),
    ).alias("place")


def _months(first: dt.date, last: dt.date) -> list[dt.date]:
    return pl.date_range(first, last, "1mo", eager=True).to_list()


def _sent_cells(slices: Slices, name: str) -> list[Cell]:
    return [(_code(one), one.month) for one in feed(slices, name)]


def _reported(slices: Slices, name: str) -> dict[Cell, float]:
    """A province's own reported month-end stock."""
    found: dict[Cell, float] = {}
    for one in feed(slices, "indicators"):
        if one.province is not None:
            is_asked = (pl.col("indicator") == name) & (pl.col("comparison").fill_null("none") == "none")
            for value, day in one.frame.filter(is_asked).select("value", "as_of_date").iter_rows():
                found[one.province, day.replace(day=1)] = float(value)
    return found


def _plus(values: Iterable[float | None]) -> float | None:
    """The sum, null if one is missing or there is none."""
    known = list(values)
    if not known or any(value is None for value in known):
        return None
    return sum(value for value in known if value is not None)


def _percent(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else 100 * part / whole


def _province(code: str, month: dt.date) -> dict[str, Any]:
    return {
        "month": month,
        "geo_level": "province",
        "province_code": code,
        "current_province_code": current_code(code, month),
        "as_of_date": month_end(month),
        "qualifier": "exact",
        "provinces_included": None,
        "provinces_expected": None,
        "provinces_missing": None,
    }


def _national(month: dt.date, codes: Sequence[str]) -> dict[str, Any]:
    expected = codes_on(month)
    return {
        "month": month,
        "geo_level": "national",
        "province_code": "national",
        "current_province_code": "national",
        "as_of_date": month_end(month),
        "qualifier": "exact",
        "provinces_included": len(codes),
        "provinces_expected": len(expected),
        "provinces_missing": [code for code in expected if code not in codes],
    }


def _frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame([dict(row) for row in rows], infer_schema_length=None)
