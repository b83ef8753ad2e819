"""The smaller feeds of one cell and month: inspections, benefits, relief, outreach, weekly reports."""

from __future__ import annotations

import calendar
import datetime as dt

import numpy as np
import polars as pl

from synth.chance import below, salt, share
from synth.contributions import employer_dues
from synth.participants import agent_code
from synth.population import RING_FIRST, Snapshot

_INSPECTION_KINDS = (
    ("specialised_inspection", "employer"),
    ("examination", "employer"),
    ("specialised_inspection", "employer"),
    ("interdisciplinary_inspection", "employer"),
    ("agent_examination", "agent"),
    ("examination", "employer"),
    ("facility_examination", "facility"),
    ("affiliated_examination", "affiliated"),
    ("interdisciplinary_examination", "employer"),
)
# benefit type, then persons in a thousand HI participants a month, đồng a person; a stock repeats every month
_BENEFITS = {
    "pension": (22.0, 4_700_000),
    "monthly_allowance": (4.5, 1_700_000),
    "one_time": (0.7, 31_000_000),
    "sickness": (5.5, 780_000),
    "maternity": (1.9, 14_500_000),
    "convalescence": (0.3, 2_200_000),
    "oad": (0.05, 9_000_000),
    "survivor": (0.35, 15_000_000),
    "ui_allowance": (1.3, 3_400_000),
    "ui_training": (0.02, 4_500_000),
    "hi_treatment": (140.0, 850_000),
}
_DIFFICULTIES = (
    ("collection", "Nhiều đơn vị đề nghị gia hạn nộp do thiếu đơn hàng", "Cho phép phân kỳ trả nợ"),
    ("participants", "Người lao động về quê chưa khai báo lại", "Phối hợp với xã rà soát theo danh sách"),
    ("hi_treatment", "Chi phí khám chữa bệnh vượt dự kiến tại hai cơ sở", "Giám định tập trung"),
    ("inspection", "Đơn vị vắng chủ, không giao được quyết định", ""),
    ("it", "Cổng tiếp nhận hồ sơ chậm vào cuối tháng", "Tăng băng thông"),
    ("other", "Thiếu viên chức tại bộ phận một cửa", ""),
)
_CASH_FROM, _CASH_UNTIL = dt.date(2021, 10, 1), dt.date(2022, 10, 1)
_OAD_FROM, _OAD_UNTIL = dt.date(2021, 7, 1), dt.date(2022, 7, 1)


def month_end(month: dt.date) -> dt.date:
    """Last day of a month."""
    return month.replace(day=calendar.monthrange(month.year, month.month)[1])


def inspections(snapshot: Snapshot) -> pl.DataFrame:
    """One row for each case decided from January to the month."""
    cell, month = snapshot.cell, snapshot.month
    a_year = max(6, round(cell.sizes.units * 0.008))
    case = np.arange(a_year, dtype=np.int64)
    case = case[case * 12 // a_year + 1 <= month.month]
    key = salt(snapshot.seed, cell.code, "inspection", month.year)
    core = np.flatnonzero(snapshot.units.number[: snapshot.units.active] < RING_FIRST)
    unit_code = snapshot.units.frame["si_unit_code"]
    findings, fined = share(case, key ^ 1) < 0.3, share(case, key ^ 2) < 0.2
    days, amounts = below(case, key ^ 3, 27), 70 + below(case, key ^ 4, 200)
    recovered, later = 0.3 + 0.6 * share(case, key ^ 5), 0.3 + 0.7 * share(case, key ^ 6)
    rows = []
    for place, number in enumerate(case.tolist()):
        kind, entity_kind = _INSPECTION_KINDS[number % len(_INSPECTION_KINDS)]
        decided = dt.date(month.year, number * 12 // a_year + 1, int(days[place]) + 1)
        concluded = decided + dt.timedelta(days=25)
        is_employer = entity_kind == "employer"
        before = int(amounts[place]) * 1_234_000 if is_employer and number % 4 != 1 else None
        at_visit = None if before is None else int(before * recovered[place] * 0.7) // 1000 * 1000
        is_over = concluded <= month_end(month)
        after = None if before is None or not is_over else int(before * 0.3 * later[place]) // 1000 * 1000
        unit = unit_code[int(core[(number * 37 + key % 1009) % len(core)])]
        rows.append(
            {
                "case_no": f"{number + 1:04d}/{month.year}/QD-BHXH{cell.code}",
                "kind": kind,
                "unscheduled": "Y" if number % 11 == 5 else "N",
                "decision_date": decided,
                "conclusion_date": concluded if is_over else None,
                "entity_kind": entity_kind,
                "entity_code": unit if is_employer else _entity(cell.code, entity_kind, number),
                "arrears_before_vnd": before,
                "persons_found": 1 + number % 7 if is_employer and findings[place] else None,
                "recovered_at_visit_vnd": at_visit,
                "recovered_after_vnd": after,
                "fine_vnd": 5_000_000 * (1 + number % 6) if before is not None and fined[place] else None,
            }
        )
    schema = {
        "case_no": pl.String, "kind": pl.String, "unscheduled": pl.String, "decision_date": pl.Date,
        "conclusion_date": pl.Date, "entity_kind": pl.String, "entity_code": pl.String, "arrears_before_vnd": pl.Int64,
        "persons_found": pl.Int64, "recovered_at_visit_vnd": pl.Int64, "recovered_after_vnd": pl.Int64,
        "fine_vnd": pl.Int64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


def benefits(snapshot: Snapshot) -> pl.DataFrame:
    """One row for each benefit type: the persons, cases and money of the month."""
    covered = len(snapshot.people.number)
    key = salt(snapshot.seed, snapshot.cell.code, "benefit")
    wobble = 0.95 + 0.1 * share(np.arange(len(_BENEFITS), dtype=np.int64) * 100 + snapshot.month.month, key)
    rows = []
    for (benefit_type, (per_thousand, amount)), factor in zip(_BENEFITS.items(), wobble.tolist(), strict=True):
        persons = max(1, round(covered * per_thousand / 1000 * factor))
        is_repeated = benefit_type in {"sickness", "hi_treatment"}
        rows.append(
            {
                "benefit_type": benefit_type,
                "persons": persons,
                "cases": round(persons * (1.3 if is_repeated else 1)),
                "amount_vnd": persons * amount,
                "qualifier": "exact",
            }
        )
    return pl.DataFrame(rows)


def add_up_benefits(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """The benefits of several cells that report as one province."""
    sums = pl.col("persons", "cases", "amount_vnd").sum()
    return pl.concat(parts).group_by("benefit_type", maintain_order=True).agg(sums, pl.col("qualifier").first())


RELIEF_SCHEMA = {
    "policy": pl.String, "beneficiary": pl.String, "status": pl.String, "scenario": pl.String, "cut_off_date": pl.Date,
    "persons": pl.Int64, "units": pl.Int64, "amount_vnd": pl.Int64, "from_month": pl.String, "to_month": pl.String,
    "qualifier": pl.String,
}  # fmt: skip


def policy_relief(snapshot: Snapshot) -> pl.DataFrame:
    """Relief under Resolutions 68 and 116, cumulative to the month end; empty outside their time."""
    month, units = snapshot.month, snapshot.units
    relieved = ~units.is_exempt[: units.active]
    rows: list[dict[str, object]] = []

    def add(policy: str, beneficiary: str, status: str, first: dt.date, **figures: int) -> None:
        row = {"policy": policy, "beneficiary": beneficiary, "status": status, "scenario": "actual", **figures}
        rows.append(
            row | {"cut_off_date": month_end(month), "from_month": f"{first:%Y-%m}", "to_month": f"{month:%Y-%m}"}
        )

    for policy, fund, first, until, rate in (
        ("R68_OAD", "OAD", _OAD_FROM, _OAD_UNTIL, 50),
        ("R116_UI_RATE", "UI", _CASH_FROM, _CASH_UNTIL, 100),
    ):
        if first <= month < until:
            _, wage_fund, _ = employer_dues(snapshot, fund, month)
            months = (month.year - first.year) * 12 + month.month - first.month + 1
            amount = int(wage_fund[relieved].sum()) * rate // 10_000 * months
            add(policy, "unit", "settled", first, units=int(relieved.sum()), amount_vnd=amount)
    if _CASH_FROM <= month < _CASH_UNTIL:
        progress = min(10, 5 + (month.year - 2021) * 12 + month.month - 10) / 10
        approved = int(snapshot.people.has_ui.sum() * 0.6 * progress)
        for status, persons in (("approved", approved), ("paid", int(approved * 0.9))):
            add("R116_CASH", "unsplit", status, _CASH_FROM, persons=persons, amount_vnd=persons * 2_400_000)
    return pl.DataFrame(rows, schema=RELIEF_SCHEMA)


def add_up_relief(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """The relief of several cells that report as one province."""
    keys = ["policy", "beneficiary", "status", "scenario", "cut_off_date"]
    others = pl.col("from_month", "to_month", "qualifier").first()
    sums = [
        pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).first()
        for name in ("persons", "units", "amount_vnd")
    ]
    summed = pl.concat(parts).group_by(keys, maintain_order=True).agg(*sums, others)
    return summed.select(list(RELIEF_SCHEMA))


def outreach(snapshot: Snapshot) -> pl.DataFrame:
    """One row for each event held in the month."""
    counts = {
        "conference": max(1, snapshot.cell.sizes.hi // 30_000),
        "customer_conference": max(1, snapshot.cell.sizes.hi // 60_000),
        "small_group": max(1, snapshot.cell.sizes.hi // 90_000),
        "livestream": snapshot.month.month % 3 // 2,
    }
    return outreach_events(snapshot.cell.code, snapshot.month, counts, seed=snapshot.seed)


def outreach_events(
    code: str, month: dt.date, counts: dict[str, int], *, provincial: dict[str, int] | None = None, seed: int
) -> pl.DataFrame:
    """Events by kind; `provincial` says how many of a kind the province held with the post office (else a fifth)."""
    rows = []
    last_day = month_end(month).day
    for kind, count in counts.items():
        at_province = (provincial or {}).get(kind, count // 5)
        key = salt(seed, code, month, kind)
        number = np.arange(count, dtype=np.int64)
        days, heads = below(number, key, last_day), 15 + below(number, key ^ 1, 60)
        for place in range(count):
            is_provincial = place < at_province
            rows.append(
                {
                    "event_no": f"{kind[:2].upper()}{kind[-2:].upper()}-{code}-{month:%Y%m}-{place + 1:03d}",
                    "kind": kind,
                    "held_on": month.replace(day=int(days[place]) + 1),
                    "level": "province" if is_provincial else "district",
                    "partner": "Bưu điện tỉnh" if is_provincial else None,
                    "attendees": int(heads[place]),
                    "sign_ups": int(heads[place]) // 6,
                }
            )
    schema = {
        "event_no": pl.String, "kind": pl.String, "held_on": pl.Date, "level": pl.String, "partner": pl.String,
        "attendees": pl.Int64, "sign_ups": pl.Int64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


def fridays(month: dt.date) -> list[dt.date]:
    """The reporting days of a month."""
    days = [month + dt.timedelta(days=number) for number in range(month_end(month).day)]
    return [day for day in days if day.isoweekday() == 5]


def weekly_report(code: str, friday: dt.date, *, seed: int) -> pl.DataFrame:
    """Two or three difficulties of a week."""
    key = salt(seed, code, "week", friday)
    chosen = [(key + 2 * step) % len(_DIFFICULTIES) for step in range(2 + key % 2)]
    return pl.DataFrame(
        [
            {"item_no": place + 1, "area": area, "difficulty": text, "proposal": proposal or None}
            for place, (area, text, proposal) in enumerate(_DIFFICULTIES[number] for number in chosen)
        ],
        schema={"item_no": pl.Int64, "area": pl.String, "difficulty": pl.String, "proposal": pl.String},
    )


def _entity(code: str, entity_kind: str, number: int) -> str:
    if entity_kind == "agent":
        return agent_code(code, number % 3)
    return f"{'CS' if entity_kind == 'facility' else 'DV'}{code}{number:03d}"
