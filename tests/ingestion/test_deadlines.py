"""When a feed is late (R24, R25)."""

from __future__ import annotations

import datetime as dt

import pytest
from builders import LOCAL, Inbox, arrears, indicators, participants

from ingestion.deadlines import due_at, is_late

FRIDAY = dt.datetime(2021, 11, 5, 15, tzinfo=LOCAL)
SECOND = dt.timedelta(seconds=1)


def test_a_weekly_report_is_on_time_until_just_before_friday_15_00_00() -> None:
    assert is_late("weekly_report", "province-26", "2021-W44", FRIDAY - SECOND) is False
    assert is_late("weekly_report", "province-26", "2021-W44", FRIDAY) is True


def test_the_hour_is_the_one_of_ho_chi_minh_city_whatever_zone_the_instant_is_in() -> None:
    noon_less_four = dt.datetime(2021, 11, 5, 8, 0, tzinfo=dt.UTC)
    assert is_late("weekly_report", "province-26", "2021-W44", noon_less_four - SECOND) is False
    assert is_late("weekly_report", "province-26", "2021-W44", noon_less_four) is True


@pytest.mark.parametrize("period", ["2020-W53", "2021-W01", "2025-W01"])
def test_the_friday_is_that_of_the_iso_week_also_around_new_year(period: str) -> None:
    due = due_at("weekly_report", "province-26", period)
    assert due is not None
    year, week, weekday = due.date().isocalendar()
    assert (f"{year}-W{week:02d}", weekday) == (period, 5)


@pytest.mark.parametrize(
    "feed",
    ["participants", "employers", "contributions", "arrears", "inspections", "benefits", "policy_relief", "outreach"],
)
def test_a_monthly_feed_is_on_time_until_the_end_of_the_fifth_of_the_next_month_in_local_time(feed: str) -> None:
    end_of_the_fifth = dt.datetime(2021, 11, 6, 0, 0, tzinfo=LOCAL)
    assert is_late(feed, "province-26", "2021-10", end_of_the_fifth - SECOND) is False
    assert is_late(feed, "province-26", "2021-10", end_of_the_fifth) is True


def test_december_is_due_in_january() -> None:
    assert due_at("arrears", "province-26", "2021-12") == dt.datetime(2022, 1, 6, tzinfo=LOCAL)


@pytest.mark.parametrize(
    ("feed", "sender"),
    [
        ("tax_employers", "tax"),
        ("indicators", "hq"),
        ("plan_targets", "hq"),
        ("indicators", "province-26"),
        ("plan_targets", "province-26"),
    ],
)
def test_tax_headquarters_and_indicators_have_no_deadline(feed: str, sender: str) -> None:
    assert due_at(feed, sender, "2021-10") is None
    assert is_late(feed, sender, "2021-10", dt.datetime(2030, 1, 1, tzinfo=LOCAL)) is None


def test_a_submission_is_late_by_the_time_of_its_manifest_in_the_inbox_and_not_by_created_at(inbox: Inbox) -> None:
    late = inbox.send({"participants": participants(1)}, received_at=dt.datetime(2021, 11, 6, 0, 0, tzinfo=LOCAL))
    on_time = inbox.send(
        {"arrears": arrears(1)},
        period="2021-09",
        received_at=dt.datetime(2021, 10, 5, 23, 59, 59, tzinfo=LOCAL),
        created_at=dt.datetime(2021, 12, 1, tzinfo=LOCAL),
    )
    inbox.load(late)
    inbox.load(on_time)
    assert (inbox.receipt(late)["is_late"], inbox.receipt(on_time)["is_late"]) == (True, False)


def test_a_submission_of_reported_indicators_is_neither_late_nor_on_time(inbox: Inbox) -> None:
    folder = inbox.send({"indicators": indicators(hi=10)}, received_at=dt.datetime(2022, 5, 1, tzinfo=LOCAL))
    inbox.load(folder)
    assert inbox.receipt(folder)["is_late"] is None
