"""Order and time, in the ledger: which version stands, when a file is late, which province a code means."""

from __future__ import annotations

import csv
import datetime as dt
import itertools
from pathlib import Path

import pytest
from builders import LOCAL, Inbox, Row, arrears, empty_ledger
from proofs import proves

from night.arrivals import discover
from warehouse import builds, roles
from warehouse.connection import connect
from warehouse.settings import PROJECT

SECOND = dt.timedelta(seconds=1)
SUCCESSION = PROJECT / "warehouse" / "reference" / "province_succession.csv"
WEEKLY: list[Row] = [{"item_no": "1", "area": "it", "difficulty": "mạng chậm"}]


def at(text: str) -> dt.datetime:
    """A local instant."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=LOCAL)


def succession() -> list[dict[str, str]]:
    with SUCCESSION.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def version(inbox: Inbox, number: int, action: str = "submit", **submission: str) -> Path:
    """A folder with as many rows as its version says; a void has none."""
    feeds = {} if action == "void" else {"arrears": arrears(number)}
    return inbox.send(feeds, version=number, action=action, **submission)  # type: ignore[arg-type]


def take(inbox: Inbox, folder: Path) -> str:
    """Load, and accept what was loaded."""
    state = inbox.load(folder).state
    return inbox.accept(folder) if state == "loaded" else state


def standing(inbox: Inbox) -> list[int]:
    """The versions that stand for their slices now."""
    return [int(row[0]) for row in inbox.query("select version from ops.accepted_load order by sender, feed, period")]


# ----------------------------------------------------------------------------------------------------------- versions


@proves("order.out-of-order", "order.void")
@pytest.mark.parametrize(
    ("actions", "stands"),
    [
        ({1: "submit", 2: "correct", 3: "correct"}, [3]),
        ({1: "submit", 2: "correct", 3: "void"}, []),
        ({1: "submit", 2: "void", 3: "correct"}, [3]),
        ({1: "void", 2: "submit"}, [2]),
        ({1: "submit", 2: "void", 3: "void"}, []),
        ({1: "submit", 2: "void", 3: "correct", 4: "void"}, []),
    ],
)
def test_the_versions_decide_what_stands_in_whatever_order_they_arrive(
    inbox: Inbox, actions: dict[int, str], stands: list[int]
) -> None:
    for order in itertools.permutations(actions):
        empty_ledger(inbox.settings)
        states = [take(inbox, version(inbox, number, actions[number])) for number in order]

        assert set(states) == {"accepted"}, order
        assert standing(inbox) == stands, order


@proves("order.void")
def test_a_void_that_came_before_what_it_takes_back_still_takes_it_back(inbox: Inbox) -> None:
    take(inbox, version(inbox, 2, "void"))

    assert take(inbox, version(inbox, 1)) == "accepted"
    assert standing(inbox) == []


@proves("order.void")
def test_a_void_below_the_version_that_stands_changes_nothing(inbox: Inbox) -> None:
    take(inbox, version(inbox, 3, "correct"))

    assert take(inbox, version(inbox, 2, "void")) == "accepted"
    assert standing(inbox) == [3]


@proves("order.void")
def test_the_same_void_again_is_the_same_receipt_and_another_one_of_its_version_is_refused(inbox: Inbox) -> None:
    take(inbox, version(inbox, 1))
    folder = version(inbox, 2, "void")
    take(inbox, folder)
    before = inbox.receipt(folder)

    assert take(inbox, folder) == "accepted"
    assert inbox.receipt(folder) == before
    assert take(inbox, version(inbox, 2, "void", submission_id="again")) == "rejected"
    assert inbox.errors("again") == ["E-VERSION"]


@proves("order.void")
@pytest.mark.parametrize("order", [("void", "correct"), ("correct", "void")])
def test_a_void_and_a_correction_cannot_share_a_version(inbox: Inbox, order: tuple[str, str]) -> None:
    first, second = (version(inbox, 2, action, submission_id=action) for action in order)

    assert take(inbox, first) == "accepted"
    assert take(inbox, second) == "rejected"
    assert inbox.errors(second.name) == ["E-VERSION"]
    assert standing(inbox) == ([] if order[0] == "void" else [2])


@proves("order.void")
def test_a_void_takes_back_all_feeds_of_its_sender_and_period_and_no_other(inbox: Inbox) -> None:
    outreach = [{"event_no": "1", "kind": "conference", "held_on": "2021-10-05"}]
    take(inbox, version(inbox, 1))
    take(inbox, inbox.send({"outreach": outreach}, submission_id="events"))
    take(inbox, version(inbox, 1, period="2021-09"))
    take(inbox, version(inbox, 1, sender="province-27"))

    take(inbox, version(inbox, 2, "void"))

    left = inbox.query("select sender, feed, period from ops.accepted_load order by 1, 3")
    assert left == [("province-26", "arrears", "2021-09"), ("province-27", "arrears", "2021-10")]


def test_a_rejected_version_can_be_sent_again_after_a_void_below_it(inbox: Inbox) -> None:
    take(inbox, version(inbox, 1, "void"))
    bad = inbox.send({"arrears": arrears(2)}, version=2, submission_id="bad", declared={"arrears": {"rows": 3}})

    assert take(inbox, bad) == "rejected"
    assert take(inbox, version(inbox, 2, submission_id="good")) == "accepted"
    assert standing(inbox) == [2]


@proves("order.out-of-order")
def test_a_month_that_came_before_the_one_before_it_keeps_its_place(inbox: Inbox) -> None:
    for period in ("2021-03", "2021-01", "2021-02"):
        take(inbox, version(inbox, 1, period=period))

    rows = inbox.query(
        "select a.period, s.month::text from ops.accepted_load a join ops.submission s using (sub_no) order by 1"
    )
    assert rows == [("2021-01", "2021-01-01"), ("2021-02", "2021-02-01"), ("2021-03", "2021-03-01")]


# ----------------------------------------------------------------------------------------------------------- midnight


@proves("order.midnight")
def test_of_files_around_the_midnights_of_vietnam_and_of_greenwich_none_is_lost_or_doubled(inbox: Inbox) -> None:
    midnights = [at("2021-11-06T00:00:00"), dt.datetime(2021, 11, 6, tzinfo=dt.UTC)]
    instants = [midnight + step * SECOND for midnight in midnights for step in (-1, 0, 1)]
    for number, instant in enumerate(instants):
        inbox.send({"arrears": arrears(1)}, sender=f"province-{('01', '02', '04', '06', '08', '10')[number]}",
                   received_at=instant)  # fmt: skip

    runs = [[take(inbox, folder) for folder in discover(inbox.settings, inbox.root)] for _ in range(2)]

    assert runs == [["accepted"] * 6, []]
    late = inbox.query("select sender, received_at, is_late from ops.submission order by sender")
    assert [(row[1], row[2]) for row in late] == [(instant, instant >= midnights[0]) for instant in instants]
    assert inbox.query("select count(*) from raw.arrears") == [(6,)]


@proves("order.midnight")
@pytest.mark.parametrize(
    ("period", "late_from"),
    [
        # the end of the 5th in Vietnam is 17:00 of the 5th in Greenwich, whatever the month's length
        ("2024-01", "2024-02-05T17:00:00+00:00"),
        ("2024-02", "2024-03-05T17:00:00+00:00"),
        ("2023-02", "2023-03-05T17:00:00+00:00"),
        ("2023-12", "2024-01-05T17:00:00+00:00"),
        ("2025-06", "2025-07-05T17:00:00+00:00"),
    ],
)
def test_a_month_is_late_from_the_first_local_instant_after_its_day(inbox: Inbox, period: str, late_from: str) -> None:
    due = dt.datetime.fromisoformat(late_from)
    in_time = inbox.send({"arrears": arrears(1)}, period=period, received_at=due - SECOND)
    late = inbox.send({"arrears": arrears(1)}, period=period, received_at=due, sender="province-27")
    take(inbox, in_time)
    take(inbox, late)

    assert [inbox.receipt(folder)["is_late"] for folder in (in_time, late)] == [False, True]


@proves("order.weekly-deadline")
@pytest.mark.parametrize(
    ("week", "friday"),
    [("2021-W44", "2021-11-05"), ("2024-W09", "2024-03-01"), ("2020-W53", "2021-01-01"), ("2025-W01", "2025-01-03")],
)
def test_a_weekly_report_of_friday_15_00_00_is_late_and_a_second_earlier_it_is_not(
    inbox: Inbox, week: str, friday: str
) -> None:
    due = at(f"{friday}T15:00:00")
    in_time = inbox.send({"weekly_report": WEEKLY}, period=week, received_at=due - SECOND)
    late = inbox.send({"weekly_report": WEEKLY}, period=week, received_at=due, sender="province-27")
    take(inbox, in_time)
    take(inbox, late)

    assert [inbox.receipt(folder)["is_late"] for folder in (in_time, late)] == [False, True]


@proves("order.midnight")
def test_the_day_of_receipt_is_the_local_one(inbox: Inbox) -> None:
    closing = {"indicator": "hi", "as_of_date": "2024-02-29", "value": "5", "unit": "persons", "measure": "stock"}
    # half past midnight of leap day in Vietnam is the 28th in Greenwich
    today = inbox.send({"indicators": [closing]}, period="2024-02", received_at=at("2024-02-29T00:30:00"))
    yesterday = inbox.send(
        {"indicators": [closing]}, period="2024-02", received_at=at("2024-02-28T23:59:59"), sender="province-27"
    )
    take(inbox, today)
    take(inbox, yesterday)

    assert inbox.receipt(today)["rejects"] == []
    (reject,) = inbox.receipt(yesterday)["rejects"]
    assert (reject["column"], reject["code"]) == ("as_of_date", "E-FUTURE")
    assert "2024-02-28" in reject["message_en"]


# ----------------------------------------------------------------------------------------------------- province codes


@proves("order.province-code")
def test_every_code_that_the_merger_ended_is_refused_since_with_the_name_of_its_successor(inbox: Inbox) -> None:
    heirs = {row["code_from_2025_07_01"] for row in succession()}
    ended = [row for row in succession() if row["code_until_2025_06_30"] not in heirs]
    assert len(ended) == 29

    for row in ended:
        folder = inbox.send(
            {"arrears": arrears(1)}, sender=f"province-{row['code_until_2025_06_30']}", period="2025-07"
        )
        assert inbox.load(folder).state == "rejected"
        (error,) = inbox.receipt(folder)["errors"]
        assert error["code"] == "E-SENDER"
        right = f"{row['code_from_2025_07_01']} ({row['name_from_2025_07_01']})"
        assert right in error["message_en"] and right in error["message_vi"]
    assert inbox.query("select count(*) from raw.arrears") == [(0,)]


@proves("order.province-code")
def test_a_code_that_no_map_has_is_refused_on_both(inbox: Inbox) -> None:
    for period in ("2025-06", "2025-07"):
        folder = inbox.send({"arrears": arrears(1)}, sender="province-99", period=period)
        assert inbox.load(folder).state == "rejected"
        assert inbox.errors(folder.name) == ["E-SENDER"]


@proves("order.province-code")
def test_the_week_goes_by_the_map_of_its_friday(inbox: Inbox) -> None:
    # the Friday of week 26 is the 27th of June, that of week 27 the 4th of July, though it begins in June
    before = inbox.send({"weekly_report": WEEKLY}, sender="province-10", period="2025-W26")
    since = inbox.send({"weekly_report": WEEKLY}, sender="province-10", period="2025-W27")

    assert take(inbox, before) == "accepted"
    assert take(inbox, since) == "rejected"
    assert inbox.errors(since.name) == ["E-SENDER"]


@proves("order.province-code")
def test_each_of_the_seven_codes_used_again_means_the_old_province_until_june_and_the_new_one_since(
    inbox: Inbox,
) -> None:
    old = {row["code_until_2025_06_30"]: row["name_until_2025_06_30"] for row in succession()}
    new = {row["code_from_2025_07_01"]: row["name_from_2025_07_01"] for row in succession()}
    reused = sorted(
        row["code_until_2025_06_30"] for row in succession() if row["code_reused_by_another_province"] == "yes"
    )
    assert len(reused) == 7
    for code, period in itertools.product(reused, ("2025-06", "2025-07")):
        take(inbox, version(inbox, 1, sender=f"province-{code}", period=period))

    with connect(inbox.settings, roles.TRANSFORMER) as connection:
        opened = builds.open_build(connection, "which province a code means", force_full=True)
        assert opened is not None
        read = connection.execute(
            "select i.province_code, i.period, p.name_vi from ops.input i join ops.province p using (province_key)"
        ).fetchall()
        connection.rollback()

    assert {(str(code), str(period)): name for code, period, name in read} == {
        **{(code, "2025-06"): old[code] for code in reused},
        **{(code, "2025-07"): new[code] for code in reused},
    }


def taxpayer(province: str) -> Row:
    return {
        "tax_year": "2024", "tax_code": "0100047516", "supplement_no": "0", "name": "Công ty An Phú",
        "province_code": province, "status": "operating", "employees_paid": "3", "income_paid_vnd": "1000",
    }  # fmt: skip


def target(assignee: str, issued: str, kind: str = "province") -> Row:
    return {
        "plan_document": "01/QĐ-BHXH", "revision": "0", "issued_date": issued, "year": "2025",
        "assignee_kind": kind, "assignee_code": assignee, "indicator": "hi", "target_kind": "level",
        "target_value": "1000",
    }  # fmt: skip


@proves("order.province-code")
@pytest.mark.parametrize(
    ("feed", "sender", "period", "row", "right"),
    [
        # what the tax authority knows of a place may be unknown (feeds.csv): no taxpayer is lost over it
        ("tax_employers", "tax", "2025-07", taxpayer("25"), None),
        ("tax_employers", "tax", "2025-07", taxpayer("26"), None),
        ("tax_employers", "tax", "2025-07", taxpayer(""), None),
        ("tax_employers", "tax", "2025-07", taxpayer("99"), None),
        # a plan is read on the map of the day it was issued, not of the month it was sent in
        ("plan_targets", "hq", "2025-07", target("26", "2025-06-30"), None),
        ("plan_targets", "hq", "2025-07", target("25", "2025-07-01"), None),
        ("plan_targets", "hq", "2025-07", target("26", "2025-07-01"), "25 (Tỉnh Phú Thọ)"),
        ("plan_targets", "hq", "2025-07", target("06", "01/07/2025"), "19 (Tỉnh Thái Nguyên)"),
        # the codes of offices, communes and agents are their own
        ("plan_targets", "hq", "2025-07", target("09876", "2025-07-01", "office"), None),
        ("plan_targets", "hq", "2025-07", target("VN", "2025-07-01", "national"), None),
    ],
)  # fmt: skip
def test_a_row_with_a_province_that_is_not_on_the_map_of_its_day_is_set_aside_and_the_right_one_named(
    inbox: Inbox, feed: str, sender: str, period: str, row: Row, right: str | None
) -> None:
    folder = inbox.send({feed: [row]}, sender=sender, period=period, received_at=at("2025-08-02T08:00:00"))
    inbox.accept(folder)

    rejects = inbox.receipt(folder)["rejects"]

    assert [each["code"] for each in rejects] == ([] if right is None else ["E-PROVINCE"])
    assert all(str(right) in each["message_en"] and str(right) in each["message_vi"] for each in rejects)
    assert inbox.query(f"select count(*) from raw.{feed}") == [(int(right is None),)]


@proves("order.province-code")
def test_of_a_code_that_no_map_has_the_codes_of_the_month_are_named_and_the_cell_is_not(inbox: Inbox) -> None:
    folder = inbox.send({"plan_targets": [target("99", "2025-07-01")]}, sender="hq", period="2025-07")
    inbox.accept(folder)

    (reject,) = inbox.receipt(folder)["rejects"]

    assert reject["code"] == "E-PROVINCE"
    assert "01, 04, 08, 11" in reject["message_en"]
    assert "99" not in reject["message_en"] + reject["message_vi"]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        # a spreadsheet took the zero: the column must be text again, whichever map it is
        (target("1", "2025-07-01"), [("assignee_code", "E-CODE")]),
        # without a day there is no map to read the code on
        (target("26", "31/02/2025"), [("issued_date", "E-DATE")]),
    ],
)
def test_what_is_wrong_before_the_map_is_said_first(inbox: Inbox, row: Row, found: list[tuple[str, str]]) -> None:
    folder = inbox.send({"plan_targets": [row]}, sender="hq", period="2025-07")
    inbox.accept(folder)

    assert [(each["column"], each["code"]) for each in inbox.receipt(folder)["rejects"]] == found
