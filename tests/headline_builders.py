"""Builders of headlines, as the demo would give them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from reporting.figures import (
    ArrearsBand,
    Candidates,
    Change,
    Changes,
    Comparisons,
    Coverage,
    Difference,
    FeedCompleteness,
    Figure,
    Headline,
    Inspections,
    Morning,
    Night,
    NightRun,
    NightStage,
    OpenSubmission,
    Quality,
    Revision,
    Sender,
    SenderQuality,
    Territory,
)
from warehouse import geography
from warehouse.publication import Publication

OCTOBER, JUNE = dt.date(2021, 10, 1), dt.date(2022, 6, 1)
MILLION = 1_000_000
NIGHT_AT = dt.datetime(2026, 11, 21, 18, 0, tzinfo=dt.UTC)


def figure(indicator: str, actual: str | int, **more: Any) -> Figure:
    """A computed figure of persons; numbers may be given as text."""
    numbers = {
        "plan", "attainment_pct", "growth_yoy_pct", "growth_vs_december_pct", "value_same_period_last_year",
        "value_last_december",
    }  # fmt: skip
    values: dict[str, Any] = {"unit": "persons", "is_reported": False, "as_of_date": dt.date(2021, 10, 31)}
    values |= {name: Decimal(value) if name in numbers else value for name, value in more.items()}
    return Figure(indicator=indicator, actual=Decimal(actual), **values)


def band(name: str, names: str, *, units: int, persons: int, principal: int, hard: int = 0) -> ArrearsBand:
    """Amounts in million đồng, over a plan of 5,480,379 million; both names in one, parted by a dot."""
    plan = Decimal(5_480_379)
    name_vi, name_en = names.split(" · ")
    return ArrearsBand(
        ageing_band=name,
        name_vi=name_vi,
        name_en=name_en,
        units=units,
        employees_affected=persons,
        principal_vnd=principal * MILLION,
        debt_vnd=principal * MILLION * 103 // 100,
        hard_to_collect_vnd=hard * MILLION,
        ratio_to_plan_pct=100 * principal / plan,
        ratio_excluding_hard_to_collect_pct=100 * (principal - hard) / plan,
    )


def vinh_phuc(**more: Any) -> Territory:
    """Computed from detail, with plans."""
    values: dict[str, Any] = {
        "province_key": "26-1",
        "name_vi": "Tỉnh Vĩnh Phúc",
        "name_en": "Vinh Phuc",
        "month": OCTOBER,
        "figures": (
            figure(
                "people_managed",
                1114733,
                growth_yoy_pct="2.016",
                growth_vs_december_pct="2.7954",
                value_same_period_last_year="1092704",
                value_last_december="1084419",
            ),
            figure("units_managed", 6363, unit="units"),
            figure("si_participants", 235749),
            figure("si_compulsory", 220596, plan="225789", attainment_pct="97.70006"),
            figure("si_voluntary", 15153, plan="20204", attainment_pct="75"),
            figure("ui", 212790, plan="218246", attainment_pct="97.5000687"),
            figure("hi", 1099580, plan="1117005", attainment_pct="98.44"),
            figure("hi_coverage_pct", "92.70003", unit="percent", growth_yoy_pct="0.4"),
            figure(
                "collection",
                4313058 * MILLION,
                unit="dong",
                plan=str(5480379 * MILLION),
                attainment_pct="78.7",
                growth_yoy_pct="7.0622",
            ),
            figure("arrears", 210118 * MILLION, unit="dong"),
            figure("inspections", 97, unit="units", is_reported=True, plan="120", attainment_pct="80.83"),
        ),
        "arrears": (
            band("<1", "Dưới 1 tháng · Less than 1 month", units=812, persons=18022, principal=61034),
            band("1-<3", "Từ 1 đến dưới 3 tháng · 1 to less than 3 months", units=514, persons=9401, principal=70120),
            band("3-<6", "Từ 3 đến dưới 6 tháng · 3 to less than 6 months", units=203, persons=3022, principal=41880),
            band(
                "6-<12",
                "Từ 6 đến dưới 12 tháng · 6 to less than 12 months",
                units=77,
                persons=820,
                principal=19000,
                hard=1084,
            ),
            band(">=12", "Từ 12 tháng trở lên · 12 months or more", units=51, persons=400, principal=18084, hard=9000),
            band("not_stated", "Không nêu · Not stated", units=1, persons=3, principal=0),
        ),
        "coverage": Coverage(None, None, None, Decimal("92.70003"), None, dt.date(2021, 10, 31)),
        "province_code": "26",
        "vintage": "63",
    }
    return Territory(**values | more)


def hue() -> Territory:
    """Known from its reports alone."""
    reported = {"is_reported": True, "as_of_date": dt.date(2022, 6, 30)}
    return Territory(
        province_key="46-1",
        name_vi="Tỉnh Thừa Thiên Huế",
        name_en="Thua Thien Hue",
        month=JUNE,
        figures=(
            figure("people_managed", 1163223, **reported),
            figure("si_participants", 146210, **reported),
            figure("si_compulsory", 127749, **reported),
            figure("si_voluntary", 18461, **reported),
            figure("hi", 1144762, **reported),
            figure("hi_coverage_pct", "99.2", unit="percent", plan="99.2", attainment_pct="100", **reported),
        ),
        coverage=Coverage(
            Decimal("28.89"),
            Decimal("25.24"),
            Decimal("3.65"),
            Decimal("99.2"),
            dt.date(2022, 6, 30),
            dt.date(2022, 6, 30),
        ),
        province_code="46",
        vintage="63",
    )


def small(name_vi: str, name_en: str, people: int) -> Territory:
    """A province too small to be shown in full."""
    return Territory(
        province_key=name_en,
        name_vi=name_vi,
        name_en=name_en,
        month=OCTOBER,
        figures=(figure("people_managed", people), figure("hi", people)),
        province_code={"Ho Chi Minh City": "79", "Lao Cai": "10"}.get(name_en),
        vintage="63",
    )


def senders(known: dict[str, tuple[int, bool]]) -> tuple[Sender, ...]:
    """All 63 provinces of 2021-10: how many of six feeds are in and whether late, by code; the others sent nothing."""
    rows = (
        each for each in geography.provinces() if each.vintage == "63" and each.valid_from <= OCTOBER < each.valid_to
    )
    return tuple(
        Sender(each.name_vi, each.name_en, count, 6, is_late, each.province_code, "63")
        for each in rows
        for count, is_late in [known.get(each.province_code, (0, False))]
    )


def difference(indicator: str, comparison: str, unit: str, reported: str, computed: str) -> Difference:
    """A reported figure of Vinh Phuc that does not hold."""
    return Difference(
        "Tỉnh Vĩnh Phúc", "Vinh Phuc", OCTOBER, indicator, comparison, unit, Decimal(reported), Decimal(computed)
    )


def headline(**more: Any) -> Headline:
    """The demo's, more or less."""
    values: dict[str, Any] = {
        "publication": Publication(
            1,
            NIGHT_AT,
            "2021-10 incomplete, 9 of 63, missing " + ", ".join(f"{number:02}" for number in range(1, 55)),
            "Figures rest on 24 accepted submissions up to 2022-06; the last one came in on 2022-07-02 09:00"
            " (Asia/Ho_Chi_Minh).",
            "first publication: 212 slices of 30 relations",
        ),
        "main": (vinh_phuc(), hue()),
        "others": (
            small("Thành phố Hồ Chí Minh", "Ho Chi Minh City", 17212),
            small("Tỉnh Lào Cai", "Lao Cai", 1512),
        ),
        "comparisons": Comparisons(
            27,
            3,
            6,
            (
                difference("people_managed", "last_december", "percent", "2.77", "2.7954"),
                difference("arrears", "none", "dong", str(210118 * 1000 * MILLION), str(210118 * MILLION)),
                difference("arrears_of_plan_pct", "none", "percent", "3.65", "3.8340"),
            ),
        ),
        "feeds": (
            FeedCompleteness("participants", "2021-10", 9, 1, 54, 2790116, 3),
            FeedCompleteness("weekly_report", "2021-W43", 3, 1, 60, 3, 0),
        ),
        "period": "2021-10",
        "senders": senders({"01": (6, False), "96": (6, True), "10": (5, False)}),
        "submissions": (("accepted", 22), ("accepted_with_rejects", 1), ("rejected", 1), ("waiting", 1)),
        "open_submissions": (
            OpenSubmission("p27-2021-10-v1", "province-27", "2021-10", "rejected", ("E-NUMBER", "E-TOLERANCE")),
            OpenSubmission("p44-2021-10-v1", "province-44", "2021-10", "waiting", ()),
        ),
    }
    return Headline(**values | more)


def night() -> Night:
    """A night of the demo."""
    return Night(
        "manual__2026-11-22T01:00:00",
        NIGHT_AT,
        Decimal("83.4"),
        (
            NightStage("discover", 1, Decimal("0.21"), 25, (("done", 1),)),
            NightStage("load and gate", 25, Decimal("41.2"), 3120551, (("accepted", 22), ("rejected", 1))),
            NightStage("build", 1, Decimal("33.7"), None, (("done", 1),)),
        ),
    )


def nights(count: int = 14) -> tuple[NightRun, ...]:
    """That many nights up to the last one; the one before it did not pass a gate."""
    return tuple(
        NightRun(
            run_id=f"night-{number}",
            started_at=NIGHT_AT - dt.timedelta(days=count - number),
            outcome="failed" if number == count - 1 else "done",
            seconds=Decimal(80 + number),
            load_seconds=Decimal("41.2"),
            build_seconds=Decimal("33.7"),
            submissions=25,
            rejected=1,
            rows=3120551,
            rows_rejected=424,
            megabytes=Decimal("160.1"),
        )
        for number in range(1, count + 1)
    )


def changes(**more: Any) -> Changes:
    """A correction and a late file came in since the day before; a figure of money and one of persons differ."""
    values: dict[str, Any] = {
        "before": 1,
        "before_at": NIGHT_AT - dt.timedelta(days=1),
        "submissions": (
            Change("superseded", "p26-2021-10-v2", "p26-2021-10-v1", "province-26", "2021-10", ("contributions",),
                   False, "A branch was paid for by its parent."),
            Change("came in", "p24-2021-10-v1", None, "province-24", "2021-10", ("participants", "arrears"),
                   True, None),
        ),
        "revisions": (
            Revision("Tỉnh Vĩnh Phúc", "Vinh Phuc", OCTOBER, "collection", "dong", Decimal(4_300_000 * MILLION),
                     Decimal(4_313_058 * MILLION), ("p26-2021-10-v2",)),
            Revision("Tỉnh Vĩnh Phúc", "Vinh Phuc", OCTOBER, "hi", "persons", Decimal(1099577), Decimal(1099580),
                     ("p26-2021-10-v2", "changed rules")),
        ),
        "revised": 45,
        "appeared": 7,
    }  # fmt: skip
    return Changes(**values | more)


def inspections() -> Inspections:
    """Candidates of two provinces."""
    return Inspections(
        100,
        OCTOBER,
        2021,
        (
            Candidates("Tỉnh Vĩnh Phúc", "Vinh Phuc", 1582, 84, (1236, 530, 444, 390), 4, 183722 * MILLION),
            Candidates("Tỉnh Bắc Ninh", "Bac Ninh", 18, 16, (13, 18, 0, 0), 0, 0),
        ),
    )


def quality() -> Quality:
    """One sender whose submission was rejected, one that was late, one faultless."""
    return Quality(
        dt.date(2026, 10, 22),
        dt.date(2026, 11, 21),
        (
            SenderQuality("province-27", "Tỉnh Bắc Ninh", "Bac Ninh", 1, 1, 0, 0, 0, 5270, 420,
                          (("E-TOLERANCE", 1), ("E-NUMBER", 416), ("E-FRACTION", 4))),
            SenderQuality("province-26", "Tỉnh Vĩnh Phúc", "Vinh Phuc", 12, 0, 0, 0, 1, 1920122, 1, (("E-NUMBER", 1),)),
            SenderQuality("hq", "hq", "hq", 2, 0, 0, 0, 0, 7, 0),
        ),
    )  # fmt: skip


def morning(**more: Any) -> Morning:
    """Everything there is to say."""
    values: dict[str, Any] = {
        "headline": headline(),
        "night": night(),
        "nights": nights(),
        "changes": changes(),
        "inspections": inspections(),
        "quality": quality(),
    }
    return Morning(**values | more)
