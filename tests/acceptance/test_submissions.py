"""What became of each submission of the demo, as its sender is told."""

from __future__ import annotations

import csv
import json

from demo_warehouse import Demo


def test_the_faulty_submission_is_rejected_with_a_receipt_that_names_the_cells(demo: Demo) -> None:
    receipt = demo.receipt("p27-2021-10-v1")

    assert receipt["state"] == "rejected"
    assert [error["code"] for error in receipt["errors"]] == ["E-TOLERANCE"]
    assert {reject["column"] for reject in receipt["rejects"]} == {"wage_base_vnd"}
    # 987.654 may be a fraction as well as nearly a million: neither is guessed
    assert {reject["code"] for reject in receipt["rejects"]} == {"E-NUMBER", "E-FRACTION"}
    assert all(reject["row"] >= 2 and reject["message_vi"] and reject["message_en"] for reject in receipt["rejects"])


def test_a_rejected_cell_is_the_one_in_the_file(demo: Demo) -> None:
    first = demo.receipt("p27-2021-10-v1")["rejects"][0]
    folder = demo.inbox / "province-27" / "p27-2021-10-v1"

    with (folder / first["file"]).open(encoding="utf-8-sig", newline="") as stream:
        lines = list(csv.reader(stream))

    value = lines[first["row"] - 1][lines[0].index(first["column"])]
    assert "." in value


def test_nothing_of_the_rejected_and_the_waiting_province_is_shown_and_the_others_are(demo: Demo) -> None:
    shown = {row["province_code"] for row in demo.rows("select distinct province_code from bi.fct_participation")}

    assert "27" not in shown
    assert "44" not in shown
    assert shown >= {"26", "01", "79"}


def test_the_incomplete_submission_waits(demo: Demo) -> None:
    assert demo.receipt("p44-2021-10-v1")["state"] == "waiting"


def test_a_few_bad_rows_are_set_aside_and_the_rest_is_published(demo: Demo) -> None:
    receipt = demo.receipt("p01-2021-10-v1")
    participants = next(feed for feed in receipt["feeds"] if feed["feed"] == "participants")

    assert receipt["state"] == "accepted_with_rejects"
    assert participants["state"] == "published"
    assert participants["rejected"] == 2
    assert participants["accepted"] + participants["rejected"] == participants["rows"]
    assert {reject["code"] for reject in receipt["rejects"]} <= {"E-CODE", "E-DATE", "E-TAX-CODE"}


def test_control_totals_agree_at_all_four_points(demo: Demo) -> None:
    receipt = demo.receipt("p26-2021-10-v1")
    participants = next(feed for feed in receipt["feeds"] if feed["feed"] == "participants")

    total = participants["totals"]["wage_base_vnd"]

    assert participants["rows"] == participants["accepted"] == 1_548_119
    assert total["declared"] == total["parsed"] == total["loaded"] == total["published"] > 0


def test_what_was_loaded_of_a_year_to_date_file_is_what_the_year_shows(demo: Demo) -> None:
    feeds = demo.receipt("p10-2021-10-v1")["feeds"]
    contributions = next(feed for feed in feeds if feed["feed"] == "contributions")

    for column in ("paid_vnd", "due_vnd"):
        total = contributions["totals"][column]
        assert total["loaded"] == total["published"] > 0


def test_no_total_is_published_otherwise_than_it_was_loaded(demo: Demo) -> None:
    different = [
        (entry["submission_id"], feed["feed"], column, total)
        for entry in demo.status()
        for feed in entry["feeds"]
        for column, total in feed["totals"].items()
        if feed["state"] == "published" and total["published"] not in (None, total["loaded"])
    ]

    assert different == []


def test_a_waiting_submission_says_what_it_waits_for(demo: Demo) -> None:
    error, overdue = demo.receipt("p44-2021-10-v1")["errors"]
    assert overdue["code"] == "E-OVERDUE"

    assert (error["code"], error["file"]) == ("E-WAITING", "arrears.csv")


def test_the_outbox_holds_the_receipt_and_a_csv_for_the_clerk(demo: Demo) -> None:
    folder = demo.home / "outbox" / "province-27" / "p27-2021-10-v1"

    assert json.loads((folder / "receipt.json").read_text(encoding="utf-8"))["state"] == "rejected"
    assert (folder / "rejects.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_completeness_names_what_is_missing_and_what_is_late(demo: Demo) -> None:
    states = {
        row["sender"]: row["state"]
        for row in demo.rows(
            "select sender, state from bi.rpt_completeness where period = '2021-10' and feed = 'participants'"
        )
    }
    weekly = {
        row["sender"]: row["is_late"]
        for row in demo.rows(
            "select sender, is_late from bi.rpt_completeness where period = '2021-W43' and feed = 'weekly_report'"
            " and state <> 'missing'"
        )
    }

    assert len(states) == 63
    assert (states["province-27"], states["province-44"], states["province-20"]) == ("missing", "waiting", "missing")
    assert states["province-26"] == "accepted"
    assert weekly == {"province-01": False, "province-26": False, "province-79": True}


def test_the_inbox_is_left_as_it_was(demo: Demo) -> None:
    assert {path.name for path in demo.inbox.iterdir()} >= {"hq", "tax", "province-26"}
    assert not [path for path in demo.inbox.rglob("*") if path.suffix in {".part", ".lock", ".json5"}]


def test_no_person_of_a_submission_stands_in_what_dbt_or_a_reader_may_see(demo: Demo) -> None:
    path = demo.inbox / "province-10" / "p10-2021-10-v1" / "participants.csv"
    with path.open(encoding="utf-8-sig", newline="") as stream:
        person = next(csv.DictReader(stream))

    columns = demo.rows(
        "select table_name, column_name from information_schema.columns where table_schema = 'bi'"
        " and column_name in ('si_number', 'personal_id', 'full_name', 'birth_date')"
    )
    logs = [
        file
        for file in demo.home.rglob("*")
        if file.is_file()
        and file.suffix in {".log", ".json", ".html", ".csv", ".sql"}
        and not file.is_relative_to(demo.inbox)
        and (
            person["si_number"] in file.read_text("utf-8", "ignore")
            or person["full_name"] in file.read_text("utf-8", "ignore")
        )
    ]

    assert columns == []
    assert logs == []


def test_the_report_is_written_and_loads_nothing_from_outside(demo: Demo) -> None:
    page = (demo.home / "report" / "index.html").read_text(encoding="utf-8")

    assert "1,114,733" in page or "1.114.733" in page
    assert "<script" not in page
    assert 'src="http' not in page
    assert 'href="http' not in page
