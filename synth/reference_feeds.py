"""The feeds that say what figures are measured against: indicators, plan targets, the tax list."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl

from synth import law
from synth.chance import Ints, below, salt, share
from synth.events import month_end
from synth.identifiers import organisation_tax_codes
from synth.population import Snapshot
from synth.provinces import HI_OF_POPULATION, MERGER, Cell, succession

_LABOUR_OF_POPULATION = 0.53
_TAX_TYPES = ("private", "fdi", "cooperative", "state_enterprise", "household", "public_self_financed", "foreign_org")
INDICATOR_SCHEMA = {
    "indicator": pl.String, "as_of_date": pl.Date, "value": pl.String, "unit": pl.String, "qualifier": pl.String,
    "measure": pl.String, "comparison": pl.String, "note": pl.String,
}  # fmt: skip
PLAN_SCHEMA = {
    "plan_document": pl.String, "revision": pl.Int64, "issued_date": pl.Date, "year": pl.Int64,
    "assignee_kind": pl.String, "assignee_code": pl.String, "indicator": pl.String, "target_kind": pl.String,
    "target_value": pl.String, "from_month": pl.String, "to_month": pl.String, "baseline_date": pl.Date,
    "issuer": pl.String,
}  # fmt: skip


def indicator(
    name: str, as_of: dt.date, value: int | str, unit: str, *, measure: str = "stock", qualifier: str = "exact",
    comparison: str = "none", note: str | None = None,
) -> dict[str, object]:  # fmt: skip
    """One row of `indicators`; the value is text, so that it is sent as it was printed."""
    values = (name, as_of, str(value), unit, qualifier, measure, comparison, note)
    return dict(zip(INDICATOR_SCHEMA, values, strict=True))


def denominators(cells: Sequence[Cell]) -> dict[str, int]:
    """Population and labour force that fit the cells' HI participants."""
    population = sum(round(cell.sizes.hi / HI_OF_POPULATION) for cell in cells)
    return {"population": population, "labour_force": round(population * _LABOUR_OF_POPULATION)}


def province_indicators(snapshots: Sequence[Snapshot]) -> pl.DataFrame:
    """What a province reports about itself: head counts that agree with its detail, and the denominators."""
    as_of = month_end(snapshots[0].month)
    people = [snapshot.people for snapshot in snapshots]
    si_c = sum(part.workers for part in people)
    si_v = sum(int((part.voluntary_base > 0).sum()) for part in people)
    hi = sum(len(part.number) for part in people)
    stocks = {
        "si_compulsory": si_c,
        "si_voluntary": si_v,
        "si_participants": si_c + si_v,
        "ui": sum(int(part.has_ui.sum()) for part in people),
        "hi": hi,
        "people_managed": hi + si_v,
        "pension_persons": round(hi * 0.0265),
        "vssid_registrations": round(hi * 0.25),
    } | denominators([snapshot.cell for snapshot in snapshots])
    rows = [indicator(name, as_of, value, "persons") for name, value in stocks.items()]
    units = sum(snapshot.units.active for snapshot in snapshots)
    rows.append(indicator("units_managed", as_of, units, "units"))
    rows.append(indicator("hi_facilities_contracted", as_of, 5 + hi // 27_000, "units"))
    return pl.DataFrame(rows, schema=INDICATOR_SCHEMA)


def national_indicators(cells: Sequence[Cell], month: dt.date) -> pl.DataFrame:
    """Headquarters' denominators for the country."""
    rows = [indicator(name, month_end(month), value, "persons") for name, value in denominators(cells).items()]
    return pl.DataFrame(rows, schema=INDICATOR_SCHEMA)


def plan_target(
    document: str, issued: dt.date, assignee: str, name: str, value: int | str, *,
    target_kind: str = "level", revision: int = 0,
) -> dict[str, object]:  # fmt: skip
    """One target for the whole year it is issued in; assignee VN is the country."""
    kind = "national" if assignee == "VN" else "province"
    values = (
        document,
        revision,
        issued,
        issued.year,
        kind,
        assignee,
        name,
        target_kind,
        str(value),
        None,
        None,
        None,
        "vss",
    )
    return dict(zip(PLAN_SCHEMA, values, strict=True))


def yearly_plan(assignees: dict[str, Sequence[Cell]], issued: dt.date, *, revision: int = 0) -> pl.DataFrame:
    """Targets of a year a few percent above the participants, for each assignee (a province code, or VN)."""
    document = f"{900 + revision}/QD-BHXH-{issued.year}"
    wage = 5_300_000 * 1.05 ** (issued.year - 2021)
    rows = []
    for assignee, cells in assignees.items():
        si_c, si_v, ui, hi, units = (
            sum(getattr(cell.sizes, name) for cell in cells) for name in ("si_c", "si_v", "ui", "hi", "units")
        )
        health = (hi - si_c) * law.base_salary(issued) * law.HI_RATE // 10_000 * 12
        targets = {
            "si_compulsory": round(si_c * 1.03),
            "si_voluntary": round(si_v * 1.2),
            "ui": round(ui * 1.03),
            "hi": round(hi * 1.02),
            "collection": round((si_c * wage * 12 * 0.32 + health) / 1_000_000) * 1_000_000,
            "inspections": max(8 * len(cells), round(units * 0.01)),
        }
        rows += [plan_target(document, issued, assignee, *item, revision=revision) for item in targets.items()]
        rows.append(
            plan_target(
                document,
                issued,
                assignee,
                "hi_coverage_pct",
                "92.5",
                target_kind="ratio",
                revision=revision,
            )
        )
    return pl.DataFrame(rows, schema=PLAN_SCHEMA)


def tax_employers(snapshots: Sequence[Snapshot], tax_year: int, *, seed: int) -> pl.DataFrame:
    """The yearly list of who paid income: most units of the provinces, and about one in twelve that has no SI unit."""
    parts = [
        part
        for snapshot in snapshots
        for part in (_known(snapshot, tax_year, seed), _unknown(snapshot, tax_year, seed))
    ]
    return pl.concat(parts).unique("tax_code", keep="first", maintain_order=True)


def under_another_code(snapshot: Snapshot, tax_year: int, listed: pl.DataFrame, *, seed: int) -> pl.DataFrame:
    """Three units that the list leaves out, under a code no unit carries and in capitals: only a person can tell."""
    taxed = snapshot.units.frame.filter(
        pl.col("unit_type").is_in(_TAX_TYPES),
        pl.col("status") == "active",
        ~pl.col("tax_code").is_in(listed["tax_code"]),
    ).head(3)
    codes = organisation_tax_codes(snapshot.cell.position + 1, 2_600_000 + np.arange(taxed.height, dtype=np.int64))
    again = taxed.select(tax_code=codes, name=pl.col("name").str.to_uppercase(), industry_code="industry_code")
    employees = taxed["employees"].to_numpy().astype(np.int64)
    key = salt(seed, snapshot.cell.code, "another code", tax_year)
    return _tax_frame(snapshot, again.with_columns(status=pl.lit("operating")), employees, tax_year=tax_year, key=key)


def _known(snapshot: Snapshot, tax_year: int, seed: int) -> pl.DataFrame:
    units = snapshot.units
    taxed = units.frame["unit_type"].is_in(_TAX_TYPES) & units.frame["tax_code"].is_not_null()
    chosen = np.flatnonzero(taxed.to_numpy() & (share(units.number, salt(seed, "listed")) < 0.97))
    employees = units.frame["employees"].to_numpy()[chosen]
    key = salt(seed, snapshot.cell.code, "tax", tax_year)
    under_declares = share(units.number[chosen], key) < 0.08
    contracts = np.where(under_declares, np.ceil(employees * 1.4) + 3, employees).astype(np.int64)
    closed = chosen >= units.active
    state = np.where(closed, 1 + units.number[chosen] % 3, (share(units.number[chosen], key ^ 1) < 0.004) * 2)
    states = pl.Series(["operating", "closed_unfinalised", "not_at_address", "closed"]).gather(state)
    listed = units.frame[chosen].select("tax_code", "name", "industry_code").with_columns(status=states)
    return _tax_frame(snapshot, listed, contracts, tax_year=tax_year, key=key)


def _unknown(snapshot: Snapshot, tax_year: int, seed: int) -> pl.DataFrame:
    number = np.arange(max(2, snapshot.cell.sizes.units // 12), dtype=np.int64)
    key = salt(seed, snapshot.cell.code, "unregistered", tax_year)
    codes = organisation_tax_codes(snapshot.cell.position + 1, 2_500_000 + number)
    called = "Công ty TNHH Dịch vụ " + pl.Series(number + 20_000).cast(pl.String)
    listed = pl.DataFrame({"tax_code": codes, "name": called}).with_columns(
        industry_code=pl.lit("5610"), status=pl.lit("operating")
    )
    return _tax_frame(snapshot, listed, 1 + below(number, key, 14), tax_year=tax_year, key=key)


def _tax_frame(snapshot: Snapshot, listed: pl.DataFrame, contracts: Ints, *, tax_year: int, key: int) -> pl.DataFrame:
    codes, states = listed["tax_code"], listed["status"]
    number = np.arange(len(codes), dtype=np.int64)
    income = contracts * (70 + below(number, key ^ 2, 50)) * 1_000_000
    province = snapshot.cell.code if snapshot.month < MERGER else succession()[snapshot.cell.code]
    finalised = pl.Series(["N", "Y"]).gather((share(number, key ^ 3) < 0.8) * 1)
    filed = [dt.date(tax_year + 1, 3, 1) + dt.timedelta(days=int(day)) for day in below(number, key ^ 4, 30)]
    return pl.DataFrame(
        {
            "tax_year": pl.Series([tax_year] * len(codes), dtype=pl.Int64),
            "tax_code": codes,
            "supplement_no": pl.Series([0] * len(codes), dtype=pl.Int64),
            "name": listed["name"],
            "province_code": [province] * len(codes),
            "status": states,
            "status_date": pl.Series([None] * len(codes), dtype=pl.Date).zip_with(
                states == "operating", pl.Series([dt.date(tax_year, 12, 15)] * len(codes))
            ),
            "employees_paid": contracts + below(number, key ^ 5, 3),
            "employees_with_contract": contracts,
            "income_paid_vnd": income,
            "cit_finalised": finalised,
            "cit_filing_date": pl.Series(filed).zip_with(
                finalised == "Y", pl.Series([None] * len(codes), dtype=pl.Date)
            ),
            "wage_cost_vnd": income + contracts * 1_500_000,
            "industry_code": listed["industry_code"],
        }
    )
