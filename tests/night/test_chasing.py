"""Reminders: who owes what at a business date, asked for once in each step, over a fortnight worked out by hand."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Callable, Iterator

import pytest
from builders import Inbox, arrears, employers, participants

from ingestion.deadlines import LOCAL
from ingestion.decision import settle
from night import chasing
from night.chasing import MONTHLY, WEEKLY, Slice
from warehouse import roles
from warehouse.connection import connect
from warehouse.settings import PROJECT, Settings

REPORT = [{"item_no": "1", "area": "it", "difficulty": "Mất điện"}]
OCTOBER = {"participants": participants(1), "employers": employers(1), "contributions": [
    {"payer_kind": "employer", "payer_code": "TA0001A", "fund": "HI", "liability_month": "2021-10", "due_vnd": "10",
     "paid_vnd": "10", "headcount": "1", "wage_fund_vnd": "100"},
]}  # fmt: skip


def at(day: int, hour: int, minute: int = 0, month: int = 11) -> dt.datetime:
    return dt.datetime(2021, month, day, hour, minute, tzinfo=LOCAL)


@pytest.fixture
def office(inbox: Inbox) -> Iterator[Inbox]:
    """An empty ledger of which nothing has been told."""
    with connect(inbox.settings, roles.MIGRATOR) as connection:
        for table in ("alert_delivery", "alert", "alert_message"):
            connection.execute(f"delete from ops.{table}".encode())
    shutil.rmtree(inbox.settings.home / "alerts", ignore_errors=True)
    yield inbox
    shutil.rmtree(inbox.settings.home / "alerts", ignore_errors=True)


def send_week(office: Inbox, sender: str, period: str, received_at: dt.datetime) -> None:
    office.accept(office.send({"weekly_report": REPORT}, sender=sender, period=period, received_at=received_at))


def send_month(office: Inbox, sender: str, received_at: dt.datetime, *feeds: str, version: int = 1) -> None:
    rows = {**OCTOBER, "arrears": arrears(1), "inspections": None, "benefits": None}
    office.accept(
        office.send({feed: rows[feed] for feed in feeds}, sender=sender, version=version, received_at=received_at)
    )


def told(settings: Settings, run_id: str) -> dict[str, list[str]]:
    """Keys of a run's alerts by recipient, in order."""
    with connect(settings, roles.LOADER) as connection:
        rows = connection.execute(
            "select m.recipient, array_agg(a.key order by a.key) from ops.alert a join ops.alert_message m"
            " using (message_no) where m.run_id = %s group by 1",
            [run_id],
        ).fetchall()
    return {str(recipient): list(keys) for recipient, keys in rows}  # type: ignore[call-overload]


def asked(*feeds: str, step: str, sender: str = "province-26", period: str = "2021-10") -> list[str]:
    return [f"reminder {feed} {period} of {sender}: {step}" for feed in sorted(feeds)]


def test_a_fortnight_asks_each_sender_for_each_slice_once_in_each_step(office: Inbox) -> None:
    """Province 01 sends everything in time, 26 bit by bit, 24 nothing but a late weekly report.

    October is due by the end of 5 November, week 44 on Friday the 5th and week 45 on Friday the 12th, both at 15:00.
    """
    events: dict[tuple[int, int], Callable[[], None]] = {
        (1, 0): lambda: (
            send_month(office, "province-01", at(1, 7), *MONTHLY),
            send_week(office, "province-01", "2021-W44", at(1, 7)),
        ),
        (5, 0): lambda: send_month(office, "province-26", at(4, 17), "participants", "employers"),
        # before the instant, and on it
        (5, 15): lambda: (
            send_week(office, "province-26", "2021-W44", at(5, 14, 59)),
            send_week(office, "province-24", "2021-W44", at(5, 15, 0)),
        ),
        (9, 0): lambda: send_month(office, "province-26", at(8, 10), "contributions", "benefits", version=2),
        (10, 0): lambda: (
            send_week(office, "province-01", "2021-W45", at(9, 9)),
            office.load(
                office.send(
                    {"arrears": arrears(1)}, version=3, declared={"arrears": {"sha256": "0" * 64}}, received_at=at(9, 9)
                )
            ),
        ),
        (11, 0): lambda: settle(
            office.settings,
            office.load(office.send({"inspections": None}, version=4, received_at=at(10, 9))).sub_no,
            "held",
            (),
        ),
        (12, 0): lambda: send_week(office, "province-26", "2021-W45", at(11, 9)),
    }  # fmt: skip
    of_26: dict[str, list[str]] = {}
    of_24: dict[str, list[str]] = {}
    to_operations: dict[str, list[str]] = {}
    for day in range(1, 15):
        for hour in (8, 15) if day in (5, 12) else (8,):
            for (due_day, due_hour), happens in list(events.items()):
                if (due_day, due_hour) <= (day, hour):
                    happens()
                    del events[due_day, due_hour]
            run = f"{day:02d}-{hour:02d}"
            feeds = WEEKLY if hour == 15 else (*MONTHLY, *WEEKLY)
            chasing.chase(office.settings, run_id=run, now=at(day, hour), feeds=feeds)
            # cleared and run again
            assert chasing.chase(office.settings, run_id=run, now=at(day, hour), feeds=feeds) == 0
            found = told(office.settings, run)
            for sender, log in (("province-26", of_26), ("province-24", of_24), ("operations", to_operations)):
                if sender in found:
                    log[run] = [re.sub(r" \d{8}T\d{6}$", "", key) for key in found[sender]]
            assert "province-01" not in found
    assert events == {}
    week_44 = {"period": "2021-W44"}
    week_45 = {"period": "2021-W45"}
    assert of_26 == {
        "04-08": sorted([*asked(*MONTHLY, step="before"), *asked("weekly_report", step="before", **week_44)]),
        "06-08": asked("arrears", "benefits", "contributions", "inspections", step="overdue"),
        "10-08": ["rejected province-26-2021-10-v3 of province-26"],
        "11-08": sorted([
            "held province-26-2021-10-v4 of province-26",
            *asked("weekly_report", step="before", **week_45),
        ]),
        "13-08": asked("arrears", step="week 1"),
    }  # fmt: skip
    assert of_24 == {
        "04-08": sorted([
            *asked(*MONTHLY, step="before", sender="province-24"),
            *asked("weekly_report", step="before", sender="province-24", **week_44),
        ]),
        "06-08": asked(*MONTHLY, step="overdue", sender="province-24"),
        "11-08": asked("weekly_report", step="before", sender="province-24", **week_45),
        "12-15": asked("weekly_report", step="overdue", sender="province-24", **week_45),
        "13-08": asked(*MONTHLY, step="week 1", sender="province-24"),
    }  # fmt: skip
    assert to_operations == {
        "05-15": ["missing 2021-W44 due 2021-11-05: overdue"],
        "06-08": ["missing 2021-10 due 2021-11-06: overdue"],
        "11-08": ["decide province-26-2021-10-v4 of province-26"],
        "12-15": ["missing 2021-W44 due 2021-11-05: week 1", "missing 2021-W45 due 2021-11-12: overdue"],
        "13-08": ["missing 2021-10 due 2021-11-06: week 1"],
    }


def test_a_sender_gets_one_message_a_run_that_says_what_is_due_and_when(office: Inbox) -> None:
    send_month(office, "province-01", at(1, 7), *MONTHLY)
    chasing.chase(office.settings, run_id="daily", now=at(4, 8))
    text = (office.settings.home / "alerts" / "2021-11-04" / "province-26-daily.txt").read_text(encoding="utf-8")
    assert "- participants kỳ 2021-10 của province-26: hạn gửi 2021-11-05 24:00" in text
    assert "- benefits for 2021-10 of province-26: due 2021-11-05 24:00" in text
    assert text.count("It has not arrived yet.") == 1


def test_the_list_for_operations_names_who_is_missing_and_who_was_late(office: Inbox) -> None:
    send_week(office, "province-01", "2021-W44", at(5, 14, 59))
    send_week(office, "province-24", "2021-W44", at(5, 15, 0))
    [alert] = [
        each
        for each in chasing.reminders(office.settings, now=at(5, 15), feeds=WEEKLY)
        if each.recipient == "operations"
    ]
    assert alert.subject_en == "2021-W44: 61 of 63 senders have not sent everything (due 2021-11-05 15:00)"
    assert re.search(r"Missing: weekly_report: 02, 04, .*26, .*Late: weekly_report: 24\.", alert.body_en)
    assert "01" not in alert.body_en.partition("Late")[0]


def test_the_list_counts_where_everybody_is_missing_and_names_feeds_of_the_same_senders_together(
    office: Inbox,
) -> None:
    send_month(office, "province-01", at(1, 7), "participants", "arrears")
    [alert] = [each for each in chasing.reminders(office.settings, now=at(6, 8)) if each.recipient == "operations"]
    everybody, all_but_one = alert.body_en.removeprefix("Missing: ").partition(". Late")[0].split("; ")
    assert everybody == "employers, contributions, inspections, benefits: 63/63"
    assert all_but_one.startswith("participants, arrears: 02, 04, ")


def test_what_a_void_took_back_is_owed_again(office: Inbox) -> None:
    send_month(office, "province-26", at(1, 7), *MONTHLY)
    chasing.chase(office.settings, run_id="due", now=at(6, 8))
    assert "province-26" not in told(office.settings, "due")
    office.load(office.send({}, version=2, action="void", received_at=at(8, 9)))
    chasing.chase(office.settings, run_id="voided", now=at(9, 8))
    assert told(office.settings, "voided") == {"province-26": asked(*MONTHLY, step="overdue")}


def test_a_submission_that_waits_for_its_files_is_asked_for_as_that_and_once(office: Inbox) -> None:
    send_month(office, "province-01", at(1, 7), *MONTHLY)
    folder = office.send({"arrears": arrears(1), "benefits": None}, received_at=at(3, 8))
    (folder / "arrears.csv").unlink()
    assert office.load(folder).state == "waiting"
    subjects = [
        alert.subject_en
        for alert in chasing.reminders(office.settings, now=at(4, 8))
        if alert.recipient == "province-26" and "arrears" in alert.subject_en
    ]
    assert subjects == ["arrears for 2021-10 of province-26: due 2021-11-05 24:00, files of the submission are missing"]
    chasing.chase(office.settings, run_id="first", now=at(4, 8))
    office.accept(office.send({"arrears": arrears(1)}, submission_id="p01-w", sender="province-01", version=2))
    shutil.rmtree(folder)
    assert chasing.chase(office.settings, run_id="second", now=at(4, 20)) == 0


def test_nothing_is_asked_for_before_anybody_has_sent_anything_or_older_than_some_months(office: Inbox) -> None:
    assert chasing.reminders(office.settings, now=at(6, 8)) == []
    send_month(office, "province-01", at(1, 7), *MONTHLY)
    later = {alert.subject_en[:30] for alert in chasing.reminders(office.settings, now=at(6, 8, month=12))}
    assert {text.partition(" for ")[2][:7] for text in later if " for " in text} == {"2021-10", "2021-11"}
    much_later = dt.datetime(2022, 3, 10, 8, tzinfo=LOCAL)
    periods = {
        each.key.split()[2]
        for each in chasing.reminders(office.settings, now=much_later)
        if each.recipient == "province-26"
    }
    assert periods == {"2021-12", "2022-01", "2022-02"}
    shorter = office.settings.model_copy(update={"remind_months": 1})
    assert {
        each.key.split()[2] for each in chasing.reminders(shorter, now=much_later) if each.recipient == "province-26"
    } == {"2022-02"}


def test_the_map_of_the_month_says_who_owes_and_todays_map_who_answers(office: Inbox) -> None:
    for period in ("2025-06", "2025-W26"):
        feed = "weekly_report" if "W" in period else "benefits"
        office.accept(
            office.send(
                {feed: REPORT if "W" in period else None}, sender="province-01", period=period,
                as_of_date=dt.date(2025, 6, 27), received_at=dt.datetime(2025, 6, 27, 9, tzinfo=LOCAL),
            )
        )  # fmt: skip
    found = chasing.reminders(office.settings, now=dt.datetime(2025, 8, 7, 8, tzinfo=LOCAL))
    owed: dict[str, set[str]] = {}
    for alert in found:
        if alert.recipient != "operations":
            _, _, period, _, sender, *_ = alert.key.split()
            owed.setdefault(period, set()).add(sender.rstrip(":"))
    assert {period: len(senders) for period, senders in owed.items() if period in ("2025-06", "2025-07")} == {
        "2025-06": 63,
        "2025-07": 34,
    }
    # the Friday of week 27 is 4 July
    assert (len(owed["2025-W26"]), len(owed["2025-W27"])) == (62, 34)
    to_phu_tho = {alert.key.split()[4].rstrip(":") for alert in found if alert.recipient == "province-25"}
    assert to_phu_tho == {"province-25", "province-26", "province-17"}
    # Bac Giang's code is that of today's Bac Ninh, which took over both
    to_bac_ninh = {alert.key.split()[4].rstrip(":") for alert in found if alert.recipient == "province-24"}
    assert to_bac_ninh == {"province-24", "province-27"}


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (at(5, 14, 59), "before"),
        (at(5, 15), "overdue"),
        (at(12, 14, 59), "overdue"),
        (at(12, 15), "week 1"),
        (at(26, 15), "week 3"),
    ],
)
def test_a_step_begins_on_its_instant(now: dt.datetime, expected: str) -> None:
    assert chasing.step(at(5, 15), now) == expected


def test_what_is_owed_is_what_the_report_on_completeness_expects() -> None:
    model = (PROJECT / "dbt_project" / "models" / "reports" / "rpt_completeness.sql").read_text(encoding="utf-8")
    expected_month = model[model.index("expected_month as (") : model.index("weekly_span as (")]
    assert tuple(re.findall(r"\('(\w+)'\)", expected_month)) == MONTHLY
    assert tuple(re.findall(r"where feed = '(\w+)'", model)) == WEEKLY


def test_before_the_merger_a_sender_answers_for_itself_and_afterwards_its_successor_does() -> None:
    june = dt.date(2025, 6, 1)
    assert chasing.answers("province-26", june, dt.date(2025, 6, 30)) == "province-26"
    assert chasing.answers("province-26", june, dt.date(2025, 7, 1)) == "province-25"
    assert chasing.answers("province-25", dt.date(2025, 7, 1), dt.date(2025, 8, 1)) == "province-25"
    assert Slice("province-26", "arrears", "2025-06", june, at(5, 0)).month == june
