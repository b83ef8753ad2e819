"""Plans, reported indicators, attainment and growth in `bi` against an independent computation.

In the small world of all stars, in both publications, and in a warehouse of headquarters' plans and provinces' reported
figures alone (`reports`), where plans of every kind stand beside each other, the map changes, and printed comparisons
and qualifiers are told apart.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import oracle_plans as oracle
import polars as pl
import pytest
from builders import LOCAL, Inbox, build_and_publish, migrated, participants, stop_and_remove
from sent_files import MERGER, month_end
from shown import World, differences
from world import WHOLE_MONTHS, Stage

GRAIN = ["province_code", "month", "indicator"]
IS_COUNTRY = pl.col("province_code") == oracle.NATIONAL
Row = Mapping[str, str]


@dataclass(frozen=True)
class Compared:
    """A publication: what was sent before it, how a relation looks in it, and the oracle's attainment."""

    world: World
    publication: int
    slices: oracle.Slices
    attained: pl.DataFrame

    def shown(self, relation: str) -> pl.DataFrame:
        """All rows of a relation of this publication."""
        return self.world.shown(relation, self.publication)


@pytest.fixture(scope="module", params=["first", "second", "reports"])
def compared(request: pytest.FixtureRequest) -> Compared:
    """Both publications of the small world, and the one of the reports."""
    if request.param == "reports":
        return _compared(request.getfixturevalue("reports"), 1)
    return _compared(request.getfixturevalue("world"), 1 if request.param == "first" else 2)


@pytest.fixture(scope="module")
def small_world(world: World) -> Compared:
    """The second publication of the small world."""
    return _compared(world, 2)


@pytest.fixture(scope="module")
def reports() -> Iterator[World]:
    """One publication of plans, reported indicators and a handful of participants; the gate of arrivals passes all."""
    settings = migrated("vss-reports-")
    try:
        folders = _send_reports(Inbox(settings, settings.home / "inbox"))
        build_and_publish(settings, "reports")
        yield World(settings, (Stage("reports", folders),))
    finally:
        stop_and_remove(settings)


def test_targets_are_shown_as_sent_on_the_map_of_their_day_of_issue(compared: Compared) -> None:
    key = ["sender", "plan_document", "revision", "year", "assignee_kind", "assignee_code", "indicator", "target_kind"]
    of_territories = pl.col("assignee_kind").is_in(["national", "province"])

    shown = compared.shown("fct_plan_target").filter(of_territories)

    assert differences(shown, oracle.plan_target_rows(compared.slices), on=key) == []


def test_targets_of_offices_communes_and_agents_are_shown_with_their_measures(reports: World) -> None:
    key = ["sender", "plan_document", "assignee_kind", "assignee_code", "indicator"]

    shown = reports.shown("fct_plan_target", 1).filter(~pl.col("assignee_kind").is_in(["national", "province"]))

    sent = [one for one in oracle.targets(reports.sent(1)) if one.assignee_kind not in ("national", "province")]
    expected = pl.DataFrame(
        {
            "sender": one.sender, "plan_document": one.document, "assignee_kind": one.assignee_kind,
            "assignee_code": one.code, "indicator": one.indicator, "target_value": one.value,
        }
        for one in sent
    )  # fmt: skip
    assert set(expected["assignee_kind"]) == {"office", "commune", "agent"}
    assert differences(shown, expected, on=key) == []


def test_a_document_is_valid_from_its_issue_until_its_next_revision(small_world: Compared) -> None:
    expected = oracle.plan_documents(small_world.slices)

    shown = small_world.shown("dim_plan")

    assert expected["valid_to"].is_not_null().any()
    assert differences(shown, expected, on=["plan_document", "revision", "current_province_code"]) == []


def test_reported_indicators_are_shown_as_sent_in_the_month_of_their_day(compared: Compared) -> None:
    key = ["sender", "period", "version", "indicator", "as_of_date", "unit", "measure", "comparison"]

    shown = compared.shown("fct_reported_indicator")

    assert differences(shown, oracle.reported_rows(compared.slices).drop("sent_value"), on=key) == []


def test_attainment_and_growth_agree_in_every_row(compared: Compared) -> None:
    aside = ["is_sum", "target_kind", "plan_document", "revision", "growth_previous_month_pct", "qualifier"]

    shown = compared.shown("rpt_plan_attainment")

    assert differences(shown, compared.attained.drop(aside), on=GRAIN) == []


def test_the_plan_that_is_shown_names_its_kind_document_and_revision(compared: Compared) -> None:
    issued = compared.attained.filter(pl.col("plan").is_not_null() & ~pl.col("is_sum"))
    expected = issued.select(*GRAIN, "target_kind", "plan_document", "revision")

    shown = compared.shown("rpt_plan_attainment").join(expected, on=GRAIN, how="semi")

    assert not expected.is_empty()
    assert differences(shown, expected, on=GRAIN) == []


def test_a_reported_figure_keeps_its_qualifier_and_the_country_the_weakest(compared: Compared) -> None:
    expected = compared.attained.filter(pl.col("qualifier").is_not_null()).select(*GRAIN, "qualifier")

    shown = compared.shown("rpt_plan_attainment").join(expected, on=GRAIN, how="semi")

    assert not expected.is_empty()
    assert differences(shown, expected, on=GRAIN) == []


def test_reported_and_computed_stand_beside_each_other_within_the_digits_as_sent(compared: Compared) -> None:
    expected = oracle.compared(compared.slices, compared.attained)

    shown = compared.shown("rpt_reported_vs_computed")

    assert set(expected["within_tolerance"].drop_nulls()) == {True, False}
    assert differences(shown, expected, on=list(oracle.COMPARISON_KEY)) == []


def test_coverage_is_of_the_latest_denominators_and_of_the_country_from_sums(compared: Compared) -> None:
    expected = oracle.coverage(compared.slices, compared.shown("rpt_plan_attainment"))
    denominators = ["population", "population_date", "labour_force", "labour_force_date"]

    shown = compared.shown("rpt_coverage")

    on = ["province_code", "month"]
    assert differences(shown.filter(~IS_COUNTRY), expected.filter(~IS_COUNTRY), on=on) == []
    assert differences(shown.filter(IS_COUNTRY), expected.filter(IS_COUNTRY).drop(denominators), on=on) == []


def test_collection_is_measured_by_the_plan_of_its_insurance_group(small_world: Compared) -> None:
    _same_plans(small_world, "rpt_collection", oracle.COLLECTION_INDICATORS, member="insurance_group", plan="plan_vnd")


def test_inspections_are_measured_by_the_plan_of_their_kind(small_world: Compared) -> None:
    _same_plans(small_world, "rpt_inspection_results", oracle.INSPECTION_INDICATORS, member="kind", plan="plan")


def _same_plans(seen: Compared, relation: str, names: Mapping[str, str], *, member: str, plan: str) -> None:
    on = ["province_code", "month", member]
    plans = oracle.plans_of(seen.attained, names, called=member).rename({"plan": plan})
    shown = seen.shown(relation).with_columns(pl.col(plan).cast(pl.Float64))
    expected = shown.select(on).join(plans, on=on, how="left")
    assert expected["attainment_pct"].is_not_null().any()
    assert differences(shown, expected, on=on) == []
    # whatever has an actual figure beside its plan is here
    assert plans.filter(pl.col("attainment_pct").is_not_null()).join(shown, on=on, how="anti").is_empty()


def test_the_reports_have_plans_of_every_kind_in_force_before_and_after_the_merger(reports: World) -> None:
    seen = _compared(reports, 1)
    july = seen.attained.filter((pl.col("month") == MERGER) & pl.col("plan").is_not_null())

    kinds = {"level", "ratio", "not_below", "not_above", "increase"}
    assert [set(july.filter(province_code=code)["target_kind"]) for code in ("01", "46")] == [kinds, kinds]
    # issued anew; the sum with the last revision on the old map; a ratio only since it was issued anew
    assert _row(seen, "24", MERGER, "hi")["plan"] == 1_300
    assert _row(seen, "24", MERGER, "ui")["plan"] == 65 + 40
    assert (_row(seen, "25", MERGER, "hi")["plan"], _row(seen, "25", MERGER, "ui")["plan"]) == (350, None)
    coverage = [_row(seen, "24", dt.date(2025, number, 1), "hi_coverage_pct")["plan"] for number in (7, 8)]
    assert coverage == [None, 94]


def test_the_small_world_revises_a_plan_in_november(small_world: Compared) -> None:
    plans = _plans(small_world, "24", "si_compulsory")

    assert (plans[dt.date(2021, 10, 1)], plans[dt.date(2021, 11, 1)]) == (640, 700)
    assert set(_column(small_world, "24", "si_compulsory", "plan_first", year=2021)) == {640}


def test_the_small_world_has_a_campaign_that_replaces_nothing(small_world: Compared) -> None:
    campaigns = [one for one in oracle.targets(small_world.slices) if one.from_month is not None]

    assert [(one.code, one.indicator, one.value) for one in campaigns] == [("24", "si_voluntary", 20)]
    assert set(_plans(small_world, "24", "si_voluntary").values()) == {None}


def test_the_small_world_has_bounds_that_are_met_or_not(small_world: Compared) -> None:
    kinds = small_world.attained.filter(pl.col("target_met").is_not_null())

    assert set(kinds["target_kind"]) == {"not_below", "not_above"}
    assert kinds.filter(target_kind="not_above")["attainment_pct"].is_null().all()
    assert kinds.filter(target_kind="not_below")["attainment_pct"].is_not_null().all()


def test_the_small_world_has_a_plan_of_the_government_that_gives_way(small_world: Compared) -> None:
    issuers = {one.issuer for one in oracle.targets(small_world.slices) if (one.code, one.year) == ("26", 2021)}

    assert issuers == {"vss", "government"}
    assert set(_column(small_world, "26", "si_compulsory", "plan", year=2021)) == {110}


def test_the_small_world_has_merged_provinces_with_and_without_all_plans(small_world: Compared) -> None:
    assert _plans(small_world, "24", "si_compulsory")[MERGER] == 700 + 390
    assert _plans(small_world, "25", "si_compulsory")[MERGER] is None
    assert _plans(small_world, "46", "si_compulsory")[MERGER] == 200


def test_the_small_world_has_merged_provinces_with_and_without_all_earlier_figures(small_world: Compared) -> None:
    before = {
        code: _row(small_world, code, MERGER, "si_compulsory")["value_previous_month"] for code in ("24", "25", "46")
    }

    assert before["25"] is None
    assert before["24"] is not None
    assert before["46"] is not None


def test_the_small_world_has_whole_months_others_and_a_figure_of_headquarters(small_world: Compared) -> None:
    country = {month: _row(small_world, oracle.NATIONAL, month, "si_compulsory") for month in WHOLE_MONTHS}
    own = _row(small_world, oracle.NATIONAL, dt.date(2022, 1, 1), "si_compulsory")
    partial = _row(small_world, oracle.NATIONAL, dt.date(2021, 9, 1), "si_compulsory")

    assert [row["is_computed"] for row in country.values()] == [True, True]
    assert country[WHOLE_MONTHS[0]]["plan"] == 8_500
    assert country[WHOLE_MONTHS[1]]["value_same_period_last_year"] == country[WHOLE_MONTHS[0]]["actual"]
    assert (own["actual"], own["is_computed"], own["is_reported"]) == (9_000, False, True)
    assert (partial["plan"], partial["is_sum"]) == (640 + 330 + 110 + 90 + 1_000, True)


def _row(seen: Compared, code: str, month: dt.date, indicator: str) -> dict[str, object]:
    return seen.attained.row(by_predicate=_is(code, indicator) & (pl.col("month") == month), named=True)


def _column(seen: Compared, code: str, indicator: str, name: str, *, year: int) -> list[object]:
    return seen.attained.filter(_is(code, indicator) & (pl.col("month").dt.year() == year))[name].to_list()


def _plans(seen: Compared, code: str, indicator: str) -> dict[dt.date, object]:
    rows = seen.attained.filter(_is(code, indicator))
    return dict(zip(rows["month"], rows["plan"], strict=True))


def _is(code: str, indicator: str) -> pl.Expr:
    return (pl.col("province_code") == code) & (pl.col("indicator") == indicator)


def _compared(world: World, publication: int) -> Compared:
    slices = world.sent(publication)
    shown = world.shown("rpt_plan_attainment", publication)
    return Compared(world, publication, slices, oracle.attainment(slices, shown))


# the warehouse of plans and reported figures


def _send_reports(inbox: Inbox) -> tuple[Path, ...]:
    """Write and accept the submissions; returns their folders in the order of arrival."""
    sent = []

    def send(sender: str, period: str, feeds: Mapping[str, Sequence[Row]]) -> None:
        end = month_end(dt.date.fromisoformat(f"{period}-01"))
        arrived = dt.datetime.combine(end + dt.timedelta(days=25), dt.time(8), tzinfo=LOCAL)
        folder = inbox.send(
            feeds, sender=sender, period=period, as_of_date=end, created_at=arrived, received_at=arrived
        )
        assert inbox.accept(folder) == "accepted"
        sent.append(folder)

    send("hq", "2021-10", {"plan_targets": _plans_of_2021(), "indicators": _of_the_country("2021-10-31")})
    send(
        "province-26",
        "2021-10",
        {
            "plan_targets": [_target("5/KH", "2021-09-10", "26", "hi_students", 70)]
            + [
                {**_target("6/KH", "2021-02-01", code, "hi", 10), "assignee_kind": kind}
                for kind, code in (("office", "02601"), ("commune", "08707"), ("agent", "BD26001"))
            ],
            "participants": _people(),
            "indicators": _printed_by_26(),
        },
    )
    send("province-26", "2021-11", {"indicators": _restated_by_26()})
    send("province-46", "2021-10", {"indicators": _printed_by_46()})
    send("hq", "2025-01", {"plan_targets": _plans_of_2025()})
    for code, count in {
        "24": 500,
        "27": 300,
        "26": 140,
        "25": 90,
        "46": 1_000,
        "01": 4_000,
        "10": 40,
        "15": 60,
    }.items():
        send(f"province-{code}", "2025-06", {"indicators": _stocks("2025-06-30", count)})
    send("hq", "2025-07", {"plan_targets": _plans_since_the_merger()})
    for code, count in {"24": 830, "25": 330, "46": 1_010, "01": 4_020, "15": 104}.items():
        send(f"province-{code}", "2025-07", {"indicators": _stocks("2025-07-31", count)})
        send(f"province-{code}", "2025-08", {"indicators": _stocks("2025-08-31", count + 7)})
    return tuple(sent)


def _plans_of_2021() -> list[Row]:
    day = "2021-01-15"
    return [
        # a tie of days goes to the higher revision, a later paper replaces both, the Government's stands beside them
        _target("A/QD", day, "26", "pension_persons", 12_000),
        _target("A/QD", day, "26", "pension_persons", 12_100, revision="1"),
        _target("B/QD", "2021-06-01", "26", "pension_persons", 12_500),
        _target("C/TTg", "2021-09-01", "26", "pension_persons", 13_000, issuer="government"),
        _target("C/TTg", "2021-09-01", "26", "units_managed", 800, issuer="government"),
        # a level goes before bounds, a floor before a ceiling, a ceiling before an increase
        _target("A/QD", day, "26", "vssid_registrations", 900),
        _target("A/QD", day, "26", "vssid_registrations", 950, kind="not_below"),
        _target("A/QD", day, "26", "vssid_registrations", 990, kind="not_above"),
        _target("A/QD", day, "26", "hi_facilities_contracted", 6, kind="not_below"),
        _target("A/QD", day, "26", "hi_facilities_contracted", 9, kind="not_above"),
        _target("A/QD", day, "26", "receivable", 5_000, kind="not_above"),
        _target("A/QD", day, "26", "receivable", 700, kind="increase"),
        # increases since a day, since December, and of a year to date; one as a campaign beside its annual one
        _target("A/QD", day, "26", "arrears_interest_bearing", 100, kind="increase", baseline_date="2021-03-31"),
        _target("A/QD", day, "46", "arrears_interest_bearing", 80, kind="increase"),
        _target("A/QD", day, "46", "spending", 4_000, kind="increase", baseline_date="2020-10-31"),
        _target("A/QD", day, "46", "hi_treatment_cost", 500, kind="increase", baseline_date="2021-03-31"),
        _target("K/KH", "2021-09-02", "46", "arrears_interest_bearing", 9, kind="increase", from_month="2021-09"),
        # ratios
        _target("A/QD", day, "46", "hi_coverage_pct", "99.2", kind="ratio"),
        _target("A/QD", day, "46", "si_coverage_pct", "25.5", kind="not_below"),
        _target("A/QD", day, "46", "arrears_of_plan_pct", "3.65", kind="not_above"),
        # of the country: with a figure of headquarters' own, and without
        _target("A/QD", day, "VN", "vssid_registrations", 30_000_000),
        _target("A/QD", day, "VN", "pension_persons", 3_300_000),
        _target("A/QD", day, "46", "pension_persons", 9_000),
    ]


def _plans_of_2025() -> list[Row]:
    day = "2025-01-10"
    unmerged = [
        row
        for code in ("46", "01")
        for row in (
            _target("50/QD", day, code, "hi", 5_000),
            _target("50/QD", day, code, "hi_coverage_pct", "95", kind="ratio"),
            _target("50/QD", day, code, "vssid_registrations", 300, kind="not_below"),
            _target("50/QD", day, code, "pension_persons", 2_000, kind="not_above"),
            _target("50/QD", day, code, "ui", 20, kind="increase", baseline_date="2025-06-30"),
        )
    ]
    merged = [
        row
        for code, count in {"24": 600, "27": 400, "10": 33, "15": 77}.items()
        for row in (
            _target("50/QD", day, code, "hi", count),
            _target("50/QD", day, code, "ui", count // 10),
            _target("50/QD", day, code, "hi_coverage_pct", "93", kind="ratio"),
            _target("50/QD", day, code, "vssid_registrations", 50, kind="not_below"),
        )
    ]
    # of 25 one predecessor's plan is revised before the merger; of ui one of the three has none
    of_25 = [_target("50/QD", day, code, "hi", 100) for code in ("17", "25", "26")]
    of_25 += [_target("50/QD", day, code, "ui", 10) for code in ("25", "26")]
    return [*unmerged, *merged, *of_25, _target("51/QD", "2025-05-02", "26", "hi", 150, revision="1")]


def _plans_since_the_merger() -> list[Row]:
    return [
        # issued to Bắc Giang, then to the province that took its code
        _target("52/QD", "2025-06-20", "24", "ui", 65, revision="1"),
        _target("90/QD", "2025-07-10", "24", "hi", 1_300),
        _target("91/QD", "2025-08-05", "24", "hi_coverage_pct", "94", kind="ratio"),
        _target("92/QD", "2025-08-20", "46", "hi", 5_200, revision="1"),
        _target("92/QD", "2025-08-20", "25", "ui", 45),
    ]


def _people() -> list[Row]:
    """12 in compulsory insurance, 3 in voluntary; 40 health cards."""
    insured = participants(12)
    voluntary = [{**row, "insurance_type": "SI_V", "si_unit_code": ""} for row in participants(15)[12:]]
    cards = [
        {**row, "insurance_type": "HI", "hi_group": "GD", "si_unit_code": "", "wage_base_vnd": ""}
        for row in participants(40)
    ]
    return [*insured, *voluntary, *cards]


def _printed_by_26() -> list[Row]:
    end = "2021-10-31"
    return [
        # beside 12, 15, 3, 40, 43 and 0 from the participants
        _figure("si_compulsory", end, "10", qualifier="approx"),
        _figure("si_participants", end, "15", qualifier="at_least"),
        _figure("si_voluntary", end, "2", qualifier="at_most"),
        _figure("hi", end, "40"),
        _figure("people_managed", end, "50", qualifier="approx"),
        _figure("ui", end, "1"),
        _figure("population", "2020-12-31", "44"),
        _figure("labour_force", "2019-09-30", "30"),
        # history to compare with, and what was printed about it: 98.76 % of plan, 2.875 %, 245 more than in December
        _figure("pension_persons", end, "12345"),
        _figure("pension_persons", "2021-09-30", "12300"),
        _figure("pension_persons", "2020-12-31", "12100", qualifier="approx"),
        _figure("pension_persons", "2020-10-31", "12000"),
        _figure("pension_persons", end, "98.8", unit="percent", comparison="plan"),
        _figure("pension_persons", end, "-155", comparison="plan"),
        _figure("pension_persons", end, "2.9", unit="percent", comparison="same_period"),
        _figure("pension_persons", end, "340", comparison="same_period", qualifier="approx"),
        _figure("pension_persons", end, "2.1", unit="percent", comparison="last_december"),
        _figure("pension_persons", end, "245", comparison="last_december"),
        _figure("pension_persons", end, "40", comparison="previous_month", qualifier="at_least"),
        _figure("pension_persons", end, "7", unit="percent", comparison="unstated"),
        # 75 is not 75.0: 75.33 % of plan
        _figure("vssid_registrations", end, "678", qualifier="at_least"),
        _figure("vssid_registrations", end, "75", unit="percent", comparison="plan"),
        _figure("receivable", end, "5310", unit="dong", qualifier="approx"),
        _figure("receivable", "2020-12-31", "4700", unit="dong"),
        _figure("hi_facilities_contracted", end, "5", unit="units"),
        _figure("units_managed", end, "753", unit="units"),
        _figure("units_managed", end, "94.0", unit="percent", comparison="plan"),
        _figure("arrears_interest_bearing", "2021-03-31", "4000", unit="dong"),
        _figure("arrears_interest_bearing", end, "4060", unit="dong"),
        _figure("conferences", end, "52", unit="events", measure="ytd"),
        _figure("collection", end, "9000", unit="dong", measure="ytd"),
        _figure("collection", "2020-10-31", "8000", unit="dong", measure="ytd"),
        _figure("collection", "2020-12-31", "9900", unit="dong", measure="ytd"),
        _figure("collection", end, "12.5", unit="percent", measure="ytd", comparison="same_period"),
    ]


def _restated_by_26() -> list[Row]:
    """A later word on October, and two days of November."""
    return [
        _figure("hi_facilities_contracted", "2021-10-31", "7", unit="units"),
        _figure("hi_facilities_contracted", "2021-11-10", "8", unit="units"),
        _figure("hi_facilities_contracted", "2021-11-30", "6", unit="units"),
        _figure("hi_facilities_contracted", "2021-11-28", "5", unit="units"),
    ]


def _printed_by_46() -> list[Row]:
    end = "2021-10-31"
    return [
        _figure("arrears_interest_bearing", "2020-12-31", "3000", unit="dong"),
        _figure("arrears_interest_bearing", end, "3100", unit="dong"),
        _figure("spending", "2020-10-31", "70000", unit="dong", measure="ytd"),
        _figure("spending", end, "73000", unit="dong", measure="ytd"),
        _figure("hi_treatment_cost", "2021-03-31", "300", unit="dong", measure="ytd"),
        _figure("hi_treatment_cost", end, "900", unit="dong", measure="ytd"),
        _figure("hi_coverage_pct", end, "99.2", unit="percent"),
        _figure("hi_coverage_pct", "2020-12-31", "98.9", unit="percent"),
        _figure("hi_coverage_pct", end, "100", unit="percent", comparison="plan"),
        _figure("hi_coverage_pct", end, "0.31", unit="percentage_point", comparison="last_december"),
        _figure("arrears_of_plan_pct", end, "3.70", unit="percent"),
        _figure("si_compulsory", end, "120"),
        _figure("si_participants", end, "130"),
        _figure("labour_force", "2019-10-31", "520"),
        _figure("pension_persons", end, "9100", qualifier="at_most"),
        _figure("vssid_registrations", end, "500", qualifier="at_most"),
        _figure("receivable", end, "800", unit="dong", qualifier="at_least"),
    ]


def _of_the_country(end: str) -> list[Row]:
    return [_figure("vssid_registrations", end, "29500000", qualifier="approx")]


def _stocks(end: str, count: int) -> list[Row]:
    found = [
        _figure("hi", end, str(count)),
        _figure("population", end, str(count + 50)),
        _figure("vssid_registrations", end, str(count // 3)),
        _figure("pension_persons", end, str(count // 2)),
    ]
    # 10 is a predecessor without a figure of its own
    return found if count == 40 else [*found, _figure("ui", end, str(count // 4))]


def _target(
    document: str, issued: str, assignee: str, name: str, value: object, *, kind: str = "level", **more: str
) -> Row:
    return {
        "plan_document": document, "revision": "0", "issued_date": issued, "year": issued[:4],
        "assignee_kind": "national" if assignee == "VN" else "province", "assignee_code": assignee, "indicator": name,
        "target_kind": kind, "target_value": str(value), "from_month": "", "to_month": "", "baseline_date": "",
        "issuer": "", **more,
    }  # fmt: skip


def _figure(
    name: str,
    as_of: str,
    value: str,
    *,
    unit: str = "persons",
    measure: str = "stock",
    comparison: str = "none",
    qualifier: str = "",
) -> Row:
    return {
        "indicator": name, "as_of_date": as_of, "value": value, "unit": unit, "qualifier": qualifier,
        "measure": measure, "comparison": comparison,
    }  # fmt: skip
