"""People and units computed from what was sent: what `bi` must say of head counts, units, coverage and completeness.

Written from the rules (R3 to R7, R12, R21, R24 to R28, R32) alone and in polars; no SQL of the warehouse is shared. All
functions take `slices` as `World.sent` gives them: by sender, feed and period what is in force. Months are first days,
money is whole đồng, a province is its code on the map of the month, the country is `national`.

A unit is a province on the map of its day and a unit code in it; a province that was merged, and also one that only
took its place on the map of 34, is another one since 2025-07.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl
from sent_files import (
    LOCAL,
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
NATIONAL = "national"
TYPES = ("SI_C", "SI_V", "UI", "HI")
ATTRIBUTES = (
    "tax_code", "name", "unit_type", "industry_code", "commune_code", "status", "status_date", "pay_method",
    "wage_region", "office_code",
)  # fmt: skip
UNIT = ("vintage", "province_code", "si_unit_code")
# monthly feeds that every province owes (R25), and what has no deadline
EXPECTED_FEEDS = ("participants", "employers", "contributions", "arrears", "inspections", "benefits")
NO_DEADLINE = ("plan_targets", "indicators", "tax_employers")

_is = pl.col("insurance_type")
# R4: a head count is a number of rows, so people_managed and si_participants are not distinct persons
HEADS: dict[str, pl.Expr] = {
    "si_compulsory": _is == "SI_C",
    "si_voluntary": _is == "SI_V",
    "ui": _is == "UI",
    "hi": _is == "HI",
    "si_participants": _is.is_in(["SI_C", "SI_V"]),
    "people_managed": _is.is_in(["HI", "SI_V"]),
    "hi_household": (_is == "HI") & (pl.col("hi_group") == "GD"),
    "hi_students": (_is == "HI") & pl.col("hi_group").is_in(["HS", "SV"]),
}
INDICATORS = (*HEADS, "units_managed")
_WEAKNESS = {"exact": 0, "approx": 1, "at_least": 2, "at_most": 2}


def vintage(month: pl.Expr) -> pl.Expr:
    """The map of a month: `63` or `34`."""
    return pl.when(month >= MERGER).then(pl.lit("34")).otherwise(pl.lit("63"))


def rows_of(slices: Slices, name: str) -> pl.DataFrame:
    """Every row of a provincial feed with where it comes from: of a repeated key the first."""
    keys = {"participants": ["si_number", "insurance_type"], "employers": ["si_unit_code"],
            "contributions": ["payer_kind", "payer_code", "fund", "liability_month"]}[name]  # fmt: skip
    frames = [
        one.frame.unique(keys, keep="first", maintain_order=True).with_columns(
            month=pl.lit(one.month),
            province_code=pl.lit(one.province),
            current_province_code=pl.lit(current_code(_code(one), one.month)),
            submission_id=pl.lit(one.submission_id),
            as_of_date=pl.lit(one.as_of_date),
        )
        for one in feed(slices, name)
    ]
    return pl.concat(frames).with_columns(vintage=vintage(pl.col("month")))


def participation(slices: Slices) -> pl.DataFrame:
    """One row per person, insurance type, province and month, the person by SI number, the unit by its code."""
    return rows_of(slices, "participants")


# -- units ------------------------------------------------------------------------------------------------------------


def employer_versions(slices: Slices) -> pl.DataFrame:
    """One row per unit and unbroken run of its attributes over the months in which its list was sent.

    A version holds from the first list that shows it until the first that shows another or lacks the unit; a list that
    was not sent changes nothing. With the map of 63 its units end.
    """
    listed = rows_of(slices, "employers")
    body = ["vintage", "province_code"]
    lists = listed.select(*body, "month").unique().sort(*body, "month")
    lists = lists.with_columns(
        list_no=pl.int_range(pl.len()).over(body),
        next_list=pl.col("month").shift(-1).over(body),
    )
    attributes = pl.struct(ATTRIBUTES)
    is_same = (attributes == attributes.shift(1)) & (pl.col("list_no") == pl.col("list_no").shift(1) + 1)
    units = (
        listed.join(lists, on=[*body, "month"])
        .sort(*UNIT, "month")
        .with_columns(run=(~is_same).over(UNIT).fill_null(True).cum_sum().over(UNIT))
    )
    end_of_map = pl.when(pl.col("vintage") == "63").then(pl.lit(MERGER))
    return units.group_by(*UNIT, "run").agg(
        pl.col("current_province_code", *ATTRIBUTES).first(),
        valid_from=pl.col("month").first(),
        valid_to=pl.col("next_list").last(),
    ).with_columns(pl.coalesce("valid_to", end_of_map)).drop("run")  # fmt: skip


def first_listed(slices: Slices) -> pl.DataFrame:
    """One row per unit: the month of the first list it stands on."""
    return rows_of(slices, "employers").group_by(UNIT).agg(first_listed=pl.col("month").min())


def with_unit(frame: pl.DataFrame, slices: Slices) -> pl.DataFrame:
    """`frame` (unit key and month) with `unit_type` of the version in force: `unknown` without one, null if no unit."""
    versions = employer_versions(slices).select(*UNIT, "unit_type", "valid_from", "valid_to").sort("valid_from")
    found = frame.sort("month").join_asof(
        versions, left_on="month", right_on="valid_from", by=list(UNIT), strategy="backward", check_sortedness=False
    )
    is_over = (pl.col("valid_to") <= pl.col("month")).fill_null(False)
    unit_type = pl.when(~is_over).then(pl.col("unit_type")).fill_null("unknown")
    return found.with_columns(unit_type=pl.when(pl.col("si_unit_code").is_not_null()).then(unit_type))


def participants_report(slices: Slices) -> pl.DataFrame:
    """Rows by month, province, insurance type, HI group and unit type; a sum of wages is null if nobody states one."""
    key = ["month", "province_code", "insurance_type", "hi_group", "unit_type"]
    wage = pl.col("wage_base_vnd")
    return with_unit(participation(slices), slices).group_by(key).agg(
        pl.col("current_province_code", "submission_id", "as_of_date").first(),
        participants=pl.len().cast(pl.Int64),
        wage_base_vnd=pl.when(wage.is_not_null().any()).then(wage.sum()),
    )  # fmt: skip


def employers_report(slices: Slices) -> pl.DataFrame:
    """Units by month, province, type and status.

    `new` stands in the row the unit is in now; `closed` in the row of its type and status now, or, once it stands on no
    list, in a row of its type and status `not_listed`, which has no units; both are null if the month
    before of the territory is missing. Without the month's contributions the wage fund is null; a unit without a row in
    them has none.
    """
    listed = rows_of(slices, "employers")
    key = ["month", "province_code", "unit_type", "status"]
    funds = wage_funds(slices)
    has_funds = funds.select("month", "province_code").unique().with_columns(has_funds=True)
    sums = (
        listed.join(funds, on=["month", "province_code", "si_unit_code"], how="left")
        .join(has_funds, on=["month", "province_code"], how="left")
        .group_by(key)
        .agg(
            pl.col("current_province_code", "submission_id", "as_of_date").first(),
            units=pl.len().cast(pl.Int64),
            employees=pl.col("employees").sum(),
            wage_fund_vnd=pl.when(pl.col("has_funds").first()).then(pl.col("wage_fund_vnd").sum()),
        )
    )
    turns = _turns(listed)
    known = turns.select("month", "province_code").unique().with_columns(is_known=True)
    counted = turns.group_by(key).agg(pl.col("new", "closed").sum().cast(pl.Int64))
    is_known = pl.col("is_known").fill_null(False)
    gone = counted.filter((pl.col("status") == "not_listed") & (pl.col("closed") > 0)).select(key)
    sums = pl.concat([sums, _rows_of_the_gone(gone, sums, has_funds)], how="diagonal_relaxed")
    return (
        sums.join(counted, on=key, how="left")
        .join(known, on=["month", "province_code"], how="left")
        .with_columns(pl.when(is_known).then(pl.col(name).fill_null(0)).alias(name) for name in ("new", "closed"))
        .drop("is_known")
    )


def _rows_of_the_gone(gone: pl.DataFrame, sums: pl.DataFrame, has_funds: pl.DataFrame) -> pl.DataFrame:
    place = ["month", "province_code"]
    file = sums.group_by(place).agg(pl.col("current_province_code", "submission_id", "as_of_date").first())
    return (
        gone.join(file, on=place)
        .join(has_funds, on=place, how="left")
        .with_columns(units=pl.lit(0, pl.Int64), employees=pl.lit(0, pl.Int64))
        .with_columns(wage_fund_vnd=pl.when(pl.col("has_funds")).then(0))
        .drop("has_funds")
    )


def wage_funds(slices: Slices) -> pl.DataFrame:
    """Per unit and month the wage fund owed for that month, the greatest over its funds (R12, R17)."""
    frame = rows_of(slices, "contributions").filter(
        (pl.col("payer_kind") == "employer") & (pl.col("liability_month") == pl.col("month"))
    )
    return frame.group_by("month", "province_code", si_unit_code="payer_code").agg(pl.col("wage_fund_vnd").max())


def _turns(listed: pl.DataFrame) -> pl.DataFrame:
    """Units of two consecutive lists of a territory, with whether they entered or left status `active`."""
    found = []
    by_slice = {(row[0], row[1]): frame for row, frame in listed.group_by("month", "province_code")}
    for (month, code), now in by_slice.items():
        parts = [by_slice.get((month_before(month), old)) for old in territory(code, month, month_before(month))]
        if any(part is None for part in parts):
            continue
        before = pl.concat([part for part in parts if part is not None])
        both = now.select("si_unit_code", "unit_type", "status").join(
            before.select("si_unit_code", "unit_type", "status"), on="si_unit_code", how="full", coalesce=True,
            suffix="_before",
        )  # fmt: skip
        is_now = pl.col("status").fill_null("") == "active"
        was = pl.col("status_before").fill_null("") == "active"
        found.append(
            both.select(
                pl.lit(month).alias("month"),
                pl.lit(code).alias("province_code"),
                pl.coalesce("unit_type", "unit_type_before"),
                pl.col("status").fill_null("not_listed"),
                new=is_now & ~was,
                closed=was & ~is_now,
            )
        )
    return pl.concat(found)


# -- people -----------------------------------------------------------------------------------------------------------


def persons(slices: Slices) -> pl.DataFrame:
    """One row per SI number: sex, birth year and `last_month`, as in the latest month the person stands in."""
    latest = participation(slices).sort("month", "submission_id", "row_no").group_by("si_number").last()
    return latest.select(
        "si_number", "sex", birth_year=pl.col("birth_date").str.slice(0, 4).cast(pl.Int64), last_month="month"
    )


def movement(slices: Slices) -> pl.DataFrame:
    """R32 by month, province and insurance type; null where the month before of the territory was not sent.

    `joined` and `left` are of persons who stand in no other province; a person who does has moved. A person of another
    type is another matter: who leaves SI_V for SI_C has left the one and joined the other. `back_from_voluntary` stands
    with SI_C, wherever the person was voluntary before, and is null with other types.
    """
    slots = {
        (one.month, _code(one)): {kind: _people(one, kind) for kind in TYPES} for one in feed(slices, "participants")
    }
    rows = []
    for (month, code), now in slots.items():
        earlier = month_before(month)
        own = territory(code, month, earlier)
        is_known = all((earlier, old) in slots for old in own)
        for kind in TYPES:
            measures: dict[str, int | None] = dict.fromkeys(
                ("joined", "left", "moved_in", "moved_out", "back_from_voluntary")
            )
            if is_known:
                before = set[str]().union(*(slots[earlier, old][kind] for old in own))
                others_before = _standing(slots, earlier, kind, leave_out=own)
                others_now = _standing(slots, month, kind, leave_out=[code])
                came, went = now[kind] - before, before - now[kind]
                measures |= {
                    "joined": len(came - others_before),
                    "left": len(went - others_now),
                    "moved_in": len(came & others_before),
                    "moved_out": len(went & others_now),
                }
                if kind == "SI_C":
                    measures["back_from_voluntary"] = len(now[kind] & _standing(slots, earlier, "SI_V"))
            rows.append({"month": month, "province_code": code, "insurance_type": kind, **measures})
    return pl.DataFrame(rows, infer_schema_length=None)


def _people(one: Sent, kind: str) -> set[str]:
    return set(one.frame.filter(pl.col("insurance_type") == kind)["si_number"])


def _standing(
    slots: dict[tuple[dt.date, str], dict[str, set[str]]], month: dt.date, kind: str, *, leave_out: Sequence[str] = ()
) -> set[str]:
    """Who stands with a type in any province in a month."""
    return set[str]().union(
        *(people[kind] for (each, code), people in slots.items() if each == month and code not in leave_out)
    )


# -- indicators -------------------------------------------------------------------------------------------------------


def territory(code: str, month: dt.date, earlier: dt.date) -> list[str]:
    """The codes that were, in an earlier month, the territory of a province of a month (R6)."""
    return predecessors(code) if earlier < MERGER <= month else [code]


def reported(slices: Slices) -> pl.DataFrame:
    """Stocks as senders stated them, one per sender's code (or `national`), month and indicator (R3)."""
    frames = [
        one.frame.filter(
            (pl.col("measure") == "stock")
            & (pl.col("comparison").fill_null("none") == "none")
            & (pl.col("as_of_date") <= one.received_at.astimezone(LOCAL).date())
        ).with_columns(
            province_code=pl.lit(one.province or NATIONAL),
            period=pl.lit(one.month),
            version=pl.lit(one.version),
            month=pl.col("as_of_date").dt.truncate("1mo"),
        )
        for one in feed(slices, "indicators")
    ]
    key = ["province_code", "month", "indicator"]
    return (
        pl.concat(frames)
        .sort("as_of_date", "period", "version")
        .group_by(key, maintain_order=True)
        .last()
        .select(*key, "as_of_date", pl.col("value").cast(pl.Float64), pl.col("qualifier").fill_null("exact"))
    )


def provincial(slices: Slices) -> pl.DataFrame:
    """Each head count of each province and month: counted where there is detail, else as reported."""
    counted = []
    for one in feed(slices, "participants"):
        sums = one.frame.select(expression.sum().alias(name) for name, expression in HEADS.items()).row(0, named=True)
        counted += [_cell(one, name, value) for name, value in sums.items()]
    for one in feed(slices, "employers"):
        counted.append(_cell(one, "units_managed", (one.frame["status"] == "active").sum()))
    computed = pl.DataFrame(counted, infer_schema_length=None)
    stated = reported(slices).filter(
        (pl.col("province_code") != NATIONAL) & pl.col("indicator").is_in(INDICATORS)
    ).select(
        "month", "province_code", "indicator", actual="value", as_of_date="as_of_date", qualifier="qualifier",
        is_computed=pl.lit(False), is_reported=pl.lit(True),
    )  # fmt: skip
    key = ["month", "province_code", "indicator"]
    return pl.concat([computed, stated.join(computed, on=key, how="anti").select(computed.columns)])


def _cell(one: Sent, name: str, value: Any) -> dict[str, object]:
    return {
        "month": one.month, "province_code": one.province, "indicator": name, "actual": float(value),
        "as_of_date": one.as_of_date, "qualifier": "exact", "is_computed": True, "is_reported": False,
    }  # fmt: skip


def national(provinces: pl.DataFrame, slices: Slices) -> pl.DataFrame:
    """The country's row of each month and indicator (R27), with `included`, the codes that are in."""
    stated = {
        (row["month"], row["indicator"]): row
        for row in reported(slices).filter(pl.col("province_code") == NATIONAL).iter_rows(named=True)
    }
    parts = {(key[0], key[1]): frame for key, frame in provinces.group_by("month", "indicator")}
    rows = []
    for month, indicator in sorted({*parts, *(key for key in stated if key[1] in INDICATORS)}):
        frame = parts.get((month, indicator), provinces.clear())
        own = stated.get((month, indicator))
        included = sorted(frame["province_code"])
        row: dict[str, object] = {
            "month": month, "province_code": NATIONAL, "indicator": indicator, "included": included, "is_own": False,
        }  # fmt: skip
        if own is not None and included != codes_on(month):
            row |= {
                "actual": own["value"], "as_of_date": own["as_of_date"], "qualifier": own["qualifier"],
                "is_computed": False, "is_reported": True, "is_own": True,
            }  # fmt: skip
        else:
            row |= {
                "actual": frame["actual"].sum(),
                "as_of_date": frame["as_of_date"].max(),
                "qualifier": max(frame["qualifier"], key=lambda name: _WEAKNESS[name]),
                "is_computed": frame["is_computed"].any(),
                "is_reported": frame["is_reported"].any(),
            }
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def duplicates(slices: Slices) -> dict[tuple[dt.date, str], int]:
    """By month and head count, how many persons' rows of one insurance type stand in a further province too (R28)."""
    people = participation(slices)
    found: dict[tuple[dt.date, str], int] = {}
    for name, expression in HEADS.items():
        counts = people.filter(expression).group_by("month", "si_number", "insurance_type").agg(n=pl.len())
        per_month = counts.group_by("month").agg(twice=(pl.col("n") - 1).sum())
        found |= {(row["month"], name): int(row["twice"]) for row in per_month.iter_rows(named=True)}
    return found


def attainment(slices: Slices, further: Iterable[tuple[dt.date, str, str]] = ()) -> pl.DataFrame:
    """Head counts by month, province (or `national`) and indicator with what they are compared with (R4 to R6, R27).

    `further` names keys (month, code, indicator) that stand there without an actual, for the sake of a plan.
    """
    provinces = provincial(slices)
    country = national(provinces, slices)
    shown = {
        (row["month"], row["province_code"], row["indicator"]): row
        for frame in (provinces, country)
        for row in frame.iter_rows(named=True)
    }
    twice = duplicates(slices)
    rows = []
    for key in sorted({*shown, *further}):
        month, code, indicator = key
        row = shown.get(key, {})
        is_country = code == NATIONAL
        included = row.get("included", []) if is_country else []
        bases = {
            "value_same_period_last_year": plus_months(month, -12),
            "value_last_december": dt.date(month.year - 1, 12, 1),
            "value_previous_month": month_before(month),
        }
        values = {name: _base(shown, key, earlier) for name, earlier in bases.items()}
        expected = codes_on(month)
        counts_people = is_country and indicator in HEADS and row.get("actual") is not None and not row.get("is_own")
        rows.append(
            {
                "month": month, "province_code": code, "indicator": indicator,
                "geo_level": NATIONAL if is_country else "province",
                "current_province_code": NATIONAL if is_country else current_code(code, month),
                "actual": row.get("actual"),
                "is_computed": row.get("is_computed", False),
                "is_reported": row.get("is_reported", False),
                "as_of_date": row.get("as_of_date", month_end(month)),
                "qualifier": row.get("qualifier", "exact"),
                **values,
                **_growth(row.get("actual"), values),
                "duplicates_between_provinces": twice.get((month, indicator), 0) if counts_people else None,
                "provinces_included": len(included) if is_country else None,
                "provinces_expected": len(expected) if is_country else None,
                "provinces_missing": [each for each in expected if each not in included] if is_country else None,
            }
        )  # fmt: skip
    return pl.DataFrame(rows, infer_schema_length=None)


def _base(
    shown: dict[tuple[dt.date, str, str], dict[str, Any]], key: tuple[dt.date, str, str], earlier: dt.date
) -> float | None:
    """What is shown for an earlier month of the same territory; null if a part of it is missing."""
    month, code, indicator = key
    if code != NATIONAL:
        codes = territory(code, month, earlier)
    else:
        row = shown.get(key)
        if row is None:
            return None
        if row["is_own"] or row["included"] == codes_on(month):
            before = shown.get((earlier, NATIONAL, indicator))
            is_whole = before is not None and (before["is_own"] or before["included"] == codes_on(earlier))
            return before["actual"] if before is not None and is_whole else None
        codes = [old for each in row["included"] for old in territory(each, month, earlier)]
    parts = [shown.get((earlier, each, indicator)) for each in codes]
    return None if any(part is None for part in parts) else sum(part["actual"] for part in parts if part is not None)


def _growth(actual: float | None, values: dict[str, float | None]) -> dict[str, float | None]:
    def change(base: float | None) -> float | None:
        return None if actual is None or base is None else actual - base

    def percent(base: float | None) -> float | None:
        return None if actual is None or not base else 100 * (actual - base) / base

    year, december, previous = values.values()
    return {
        "growth_yoy_pct": percent(year), "change_yoy": change(year),
        "growth_vs_december_pct": percent(december), "change_vs_december": change(december),
        "change_previous_month": change(previous),
    }  # fmt: skip


# -- coverage ---------------------------------------------------------------------------------------------------------

_COVERED = ("si_participants", "si_compulsory", "si_voluntary", "hi")


def coverage(slices: Slices) -> pl.DataFrame:
    """R21 by month and province, and for the country over the provinces with both numerator and denominator."""
    counts: dict[tuple[dt.date, str], dict[str, float]] = {}
    for row in provincial(slices).filter(pl.col("indicator").is_in(_COVERED)).iter_rows(named=True):
        counts.setdefault((row["month"], row["province_code"]), {})[row["indicator"]] = row["actual"]
    stated = reported(slices)
    rows: list[dict[str, Any]] = []
    for (month, code), heads in counts.items():
        people, people_date = _denominator(stated, code, month, "population")
        workers, workers_date = _denominator(stated, code, month, "labour_force")
        rows.append(
            {
                "month": month, "province_code": code, "geo_level": "province",
                "current_province_code": current_code(code, month),
                **heads,
                "population": people, "population_date": people_date,
                "labour_force": workers, "labour_force_date": workers_date,
                "provinces_included": None, "provinces_expected": None, "provinces_missing": None,
            }
        )  # fmt: skip
    measures = (*_COVERED, "population", "labour_force")
    for month in sorted({key[0] for key in counts}):
        inside = [row for row in rows if row["month"] == month and all(row.get(name) is not None for name in measures)]
        if not inside:
            continue
        rows.append(
            {
                "month": month, "province_code": NATIONAL, "geo_level": NATIONAL, "current_province_code": NATIONAL,
                **{name: sum(float(row[name]) for row in inside) for name in measures},
                "population_date": max(row["population_date"] for row in inside),
                "labour_force_date": max(row["labour_force_date"] for row in inside),
                "provinces_included": len(inside),
                "provinces_expected": len(codes_on(month)),
                "provinces_missing": sorted({*codes_on(month)} - {row["province_code"] for row in inside}),
            }
        )  # fmt: skip
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(
        si_of_labour_force_pct=100 * pl.col("si_participants") / pl.col("labour_force"),
        si_compulsory_of_labour_force_pct=100 * pl.col("si_compulsory") / pl.col("labour_force"),
        si_voluntary_of_labour_force_pct=100 * pl.col("si_voluntary") / pl.col("labour_force"),
        hi_of_population_pct=100 * pl.col("hi") / pl.col("population"),
    )


def _denominator(
    stated: pl.DataFrame, code: str, month: dt.date, indicator: str
) -> tuple[float | None, dt.date | None]:
    """The latest not after the month end and at most 24 months older; a code of another map is another province."""
    end = month_end(month)
    is_same_map = vintage(pl.col("month")) == ("34" if month >= MERGER else "63")
    found = stated.filter(
        is_same_map,
        pl.col("province_code") == code,
        pl.col("indicator") == indicator,
        pl.col("as_of_date") <= end,
        pl.col("as_of_date") >= month_end(plus_months(month, -24)),
    ).sort("as_of_date")
    return (found["value"][-1], found["as_of_date"][-1]) if found.height else (None, None)


# -- completeness -----------------------------------------------------------------------------------------------------


def completeness(everything: Sequence[Sent], slices: Slices) -> pl.DataFrame:
    """By sender, feed and period what is in force, and what is missing of what provinces owe by month (R24, R25).

    `everything` holds every version that was sent. A province is expected from the first month to the last for which
    anybody sent a month's file. Lateness is that of the first version to arrive.
    """
    arrivals: dict[tuple[str, str, str], dt.datetime] = {}
    for one in everything:
        if one.action != "void":
            key = (one.sender, one.feed, one.period)
            arrivals[key] = min(one.received_at, arrivals.get(key, one.received_at))
    rows = []
    for key, one in slices.items():
        rows.append(
            {
                "sender": one.sender, "feed": one.feed, "period": one.period, "state": "accepted",
                "submission_id": one.submission_id, "version": one.version,
                "received_at": one.received_at.timestamp(),
                "is_late": None if one.feed in NO_DEADLINE else arrivals[key] >= _deadline(one),
                "rows": one.frame.height, "rows_rejected": 0, "is_nil": one.is_nil,
            }
        )  # fmt: skip
    months = sorted(one.month for one in everything if "W" not in one.period)
    month = months[0]
    while month <= months[-1]:
        for code in codes_on(month):
            for name in EXPECTED_FEEDS:
                key = (f"province-{code}", name, f"{month:%Y-%m}")
                if key not in slices:
                    rows.append(
                        dict(zip(("sender", "feed", "period"), key, strict=True))
                        | {"state": "missing", "is_nil": False}
                    )
        month = plus_months(month, 1)
    return pl.DataFrame(rows, infer_schema_length=None)


def missing_weeks(everything: Sequence[Sent], slices: Slices) -> pl.DataFrame:
    """From the first to the last ISO week anybody reported for, by sender, the weekly reports that are missing."""
    weeks = sorted({one.period for one in everything if one.feed == "weekly_report" and "W" in one.period})
    monday, last = (dt.date.fromisocalendar(int(week[:4]), int(week[6:]), 1) for week in (weeks[0], weeks[-1]))
    rows = []
    while monday <= last:
        rows += [
            {"sender": f"province-{code}", "feed": "weekly_report", "period": monday.strftime("%G-W%V")}
            for code in codes_on(monday + dt.timedelta(days=4))
        ]
        monday += dt.timedelta(days=7)
    missing = [row for row in rows if (row["sender"], row["feed"], row["period"]) not in slices]
    return pl.DataFrame(missing).with_columns(state=pl.lit("missing"))


def _deadline(one: Sent) -> dt.datetime:
    """The instant after the end of the 5th of the next month; of a week's report Friday 15:00; Vietnamese time."""
    if "W" in one.period:
        friday = dt.date.fromisocalendar(int(one.period[:4]), int(one.period[6:]), 5)
        return dt.datetime.combine(friday, dt.time(15), tzinfo=LOCAL)
    return dt.datetime.combine(plus_months(one.month, 1).replace(day=6), dt.time(), tzinfo=LOCAL)


def _code(one: Sent) -> str:
    assert one.province is not None
    return one.province
