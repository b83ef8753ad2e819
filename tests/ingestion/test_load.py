"""From a folder of the inbox to rows in raw: what is loaded, what is refused, and that it happens once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from builders import Inbox, arrears, describe, employers, indicators, participants, write_csv
from proofs import proves

from ingestion import ledger, load
from ingestion import manifest as manifests
from ingestion.decision import decide_held, settle
from ingestion.inbox import folders, read_folder
from ingestion.manifest import MANIFEST_NAME
from warehouse import roles
from warehouse.connection import connect
from warehouse.errors import UsageError


def raw_rows(inbox: Inbox, feed: str = "participants") -> int:
    return int(inbox.query(f"select count(*) from raw.{feed}")[0][0])


def amend(folder: Path, **changes: object) -> None:
    """Write the manifest of a folder anew with some fields changed."""
    known = manifests.parse((folder / MANIFEST_NAME).read_bytes())
    manifests.write(folder, known.model_copy(update=changes))


# ------------------------------------------------------------------------------------------------- what is loaded


def test_a_submission_loads_with_rows_numbered_as_a_spreadsheet_shows_them(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(3), "employers": employers(2)})
    assert inbox.load(folder).state == "loaded"
    rows = inbox.query("select row_no, si_number, wage_base_vnd, month::text from raw.participants order by row_no")
    assert rows == [
        (2, "0110000000", 5_000_000, "2021-10-01"),
        (3, "0110000001", 5_000_000, "2021-10-01"),
        (4, "0110000002", 5_000_000, "2021-10-01"),
    ]
    assert raw_rows(inbox, "employers") == 2


def test_the_partition_of_the_month_is_made(inbox: Inbox) -> None:
    inbox.load(inbox.send({"participants": participants(1, from_month="2019-02")}, period="2019-02"))
    found = inbox.query("select tableoid::regclass::text, count(*) from raw.participants group by 1")
    assert found == [("raw.participants_201902", 1)]


def test_declared_parsed_and_loaded_agree_and_published_is_open(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(3)})
    inbox.load(folder)
    feed = inbox.feed(folder)
    assert (feed["rows"], feed["accepted"], feed["rejected"]) == (3, 3, 0)
    assert feed["totals"]["wage_base_vnd"] == {
        "declared": 15_000_000, "parsed": 15_000_000, "loaded": 15_000_000, "published": None,
    }  # fmt: skip


def test_amounts_in_millions_are_loaded_and_told_in_dong(inbox: Inbox) -> None:
    folder = inbox.send(
        {"participants": participants(2, wage_base_vnd="5.2")},
        declared={"participants": {"unit": "million", "totals": {"wage_base_vnd": "10.4"}}},
    )
    inbox.load(folder)
    assert inbox.query("select sum(wage_base_vnd) from raw.participants") == [(10_400_000,)]
    assert inbox.feed(folder)["totals"]["wage_base_vnd"]["declared"] == 10_400_000


def test_a_nil_feed_counts_as_sent_and_loads_no_row(inbox: Inbox) -> None:
    folder = inbox.send({"outreach": None, "participants": participants(1)})
    assert inbox.accept(folder) == "accepted"
    told = inbox.feed(folder, "outreach")
    assert told | {
        "feed": "outreach", "file": None, "state": "accepted", "rows": 0, "accepted": 0, "rejected": 0, "totals": {},
        "notes": [],
    } == told  # fmt: skip


def test_a_void_is_accepted_without_files_and_takes_the_lower_versions_back(inbox: Inbox) -> None:
    inbox.accept(inbox.send({"arrears": arrears(1)}))
    void = inbox.send({}, version=2, action="void")
    assert inbox.load(void).state == "accepted"
    assert inbox.query("select count(*) from ops.accepted_load") == [(0,)]


def test_a_version_above_a_void_brings_the_figures_back(inbox: Inbox) -> None:
    inbox.load(inbox.send({}, version=2, action="void"))
    inbox.accept(inbox.send({"arrears": arrears(1)}, version=3, action="correct"))
    assert inbox.query("select feed, count(*) from ops.accepted_load group by 1") == [("arrears", 1)]


def test_the_higher_version_wins_whatever_order_they_arrive_in(inbox: Inbox) -> None:
    inbox.accept(inbox.send({"arrears": arrears(3)}, version=3, action="correct"))
    inbox.accept(inbox.send({"arrears": arrears(2)}, version=2, action="correct"))
    rows = inbox.query("select l.row_count from ops.accepted_load a join ops.load l using (load_id)")
    assert rows == [(3,)]


# ------------------------------------------------------------------------------------------------------- exactly once


@proves("transport.same-twice")
def test_the_same_folder_twice_is_one_load_with_the_same_receipt(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(3)})
    inbox.accept(folder)
    before = inbox.receipt(folder)
    assert inbox.load(folder).state == "accepted"
    assert inbox.receipt(folder) == before
    assert raw_rows(inbox) == 3


def test_a_loaded_submission_is_not_loaded_again_by_the_next_run(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(3)})
    first = inbox.load(folder)
    assert inbox.load(folder) == first
    assert raw_rows(inbox) == 3


@proves("transport.same-twice")
def test_two_workers_on_the_same_folder_at_once_give_one_load(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(2000), "employers": employers(50)})
    start = threading.Barrier(2)

    def work(_: int) -> str:
        start.wait(timeout=30)
        return inbox.load(folder).state

    with ThreadPoolExecutor(2) as pool:
        states = set(pool.map(work, range(2)))
    assert states == {"loaded"}
    assert (raw_rows(inbox), raw_rows(inbox, "employers")) == (2000, 50)
    assert inbox.query("select count(*) from ops.load") == [(2,)]


def test_a_worker_that_was_overtaken_takes_everything_back_and_reads_the_ledger_again(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = inbox.send({"participants": participants(3)})
    decide, calls = ledger.decide, []

    def overtaken_once(connection: ledger.Connection, entry: ledger.Entry, *rest: object) -> bool:
        if not calls:
            connection.execute("update ops.submission set fence = fence + 1 where sub_no = %s", [entry.sub_no])
        calls.append(entry.fence)
        return decide(connection, entry, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(ledger, "decide", overtaken_once)
    assert inbox.load(folder).state == "loaded"
    assert len(calls) == 2
    assert calls[0] < calls[1]
    assert raw_rows(inbox) == 3
    assert inbox.query("select count(*) from ops.load") == [(1,)]


def test_a_connection_that_is_ended_in_the_middle_is_a_reason_to_try_again(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = inbox.send({"participants": participants(3), "employers": employers(2)})
    close_load, ended = ledger.close_load, []

    def ended_once(connection: ledger.Connection, load_id: int, **what: object) -> None:
        if not ended:
            ended.append(connection.info.backend_pid)
            with connect(inbox.settings, roles.LOADER) as other:
                other.execute("select pg_terminate_backend(%s, 10000)", ended)
        close_load(connection, load_id, **what)  # type: ignore[arg-type]

    monkeypatch.setattr(ledger, "close_load", ended_once)
    assert inbox.load(folder).state == "loaded"
    assert ended
    assert (raw_rows(inbox), raw_rows(inbox, "employers")) == (3, 2)


def test_an_error_that_trying_again_cannot_mend_is_raised_at_once(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = inbox.send({"participants": participants(3)})
    calls = []

    def fails(connection: ledger.Connection, *_: object, **__: object) -> None:
        calls.append(connection)
        connection.execute("select 1 / 0")

    monkeypatch.setattr(ledger, "close_load", fails)
    with pytest.raises(psycopg.errors.DivisionByZero):
        inbox.load(folder)
    assert len(calls) == 1
    assert raw_rows(inbox) == 0


def test_a_loader_that_dies_in_the_middle_leaves_nothing_and_the_next_one_loads(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = inbox.send({"employers": employers(2), "participants": participants(3)})

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(load, "check_against_manifest", dies)
    with pytest.raises(KeyboardInterrupt):
        inbox.load(folder)
    assert (raw_rows(inbox), raw_rows(inbox, "employers")) == (0, 0)
    monkeypatch.undo()
    assert inbox.accept(folder) == "accepted"
    assert (raw_rows(inbox), raw_rows(inbox, "employers")) == (3, 2)


# ----------------------------------------------------------------------------------------------- ids and versions


def test_a_used_id_with_other_content_is_rejected_while_the_first_stays(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(3)})
    inbox.accept(folder)
    inbox.send({"participants": participants(4)})
    assert inbox.load(folder).state == "rejected"
    told = inbox.receipt(folder)
    assert told["state"] == "accepted"
    assert told["errors"][0]["code"] == "E-ID-REUSED"
    assert raw_rows(inbox) == 3


def test_a_rejected_id_cannot_be_used_again(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(3)}, declared={"participants": {"rows": 4}})
    inbox.load(folder)
    inbox.send({"participants": participants(3)})
    assert inbox.load(folder).state == "rejected"
    assert "E-ID-REUSED" in inbox.errors(folder.name)


def test_the_same_version_twice_is_rejected(inbox: Inbox) -> None:
    inbox.accept(inbox.send({"participants": participants(3)}))
    again = inbox.send({"participants": participants(2)}, submission_id="again")
    assert inbox.load(again).state == "rejected"
    assert inbox.errors("again") == ["E-VERSION"]
    assert raw_rows(inbox) == 3


def test_the_same_version_of_another_feed_is_another_slice(inbox: Inbox) -> None:
    inbox.accept(inbox.send({"participants": participants(3)}))
    assert inbox.accept(inbox.send({"employers": employers(1)}, submission_id="employers-only")) == "accepted"


def test_a_rejected_submission_takes_no_version(inbox: Inbox) -> None:
    inbox.load(inbox.send({"arrears": arrears(1)}, submission_id="bad", declared={"arrears": {"rows": 2}}))
    assert inbox.accept(inbox.send({"arrears": arrears(1)}, submission_id="good")) == "accepted"


def test_a_held_submission_keeps_its_version_until_a_person_refuses_it(inbox: Inbox) -> None:
    held = inbox.load(inbox.send({"arrears": arrears(1)}, submission_id="held"))
    settle(inbox.settings, held.sub_no, "held", ())
    assert inbox.load(inbox.send({"arrears": arrears(2)}, submission_id="second")).state == "rejected"
    assert decide_held(inbox.settings, "held", release=False, reason="wrong unit") == "rejected"
    assert inbox.accept(inbox.send({"arrears": arrears(2)}, submission_id="third")) == "accepted"


def test_a_void_of_a_version_that_was_accepted_is_rejected(inbox: Inbox) -> None:
    inbox.accept(inbox.send({"arrears": arrears(1)}, version=1))
    void = inbox.send({}, version=1, action="void", submission_id="void-1")
    assert inbox.load(void).state == "rejected"
    assert inbox.errors("void-1") == ["E-VERSION"]


def test_the_version_of_a_void_cannot_be_sent_again(inbox: Inbox) -> None:
    inbox.load(inbox.send({}, version=2, action="void", submission_id="void-2"))
    late = inbox.send({"arrears": arrears(1)}, version=2, action="correct", submission_id="correction-2")
    assert inbox.load(late).state == "rejected"
    assert inbox.errors("correction-2") == ["E-VERSION"]


def test_of_two_loaded_submissions_with_one_version_only_one_is_accepted(inbox: Inbox) -> None:
    first = inbox.load(inbox.send({"arrears": arrears(1)}, submission_id="first"))
    second = inbox.load(inbox.send({"arrears": arrears(2)}, submission_id="second"))
    for loaded in (first, second):
        settle(inbox.settings, loaded.sub_no, "passed", ())
    states = inbox.query("select submission_id, state from ops.submission order by 1")
    assert states == [("first", "accepted"), ("second", "rejected")]


# ------------------------------------------------------------------------------------------------- what is refused


@proves("transport.changed-after-signing")
def test_a_wrong_digest_is_rejected_before_a_row_is_read(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(3)}, declared={"participants": {"sha256": "0" * 64}})
    assert inbox.load(folder).state == "rejected"
    assert inbox.errors(folder.name) == ["E-DIGEST"]
    assert inbox.query("select count(*) from ops.load") == [(0,)]


@proves("transport.changed-after-signing", "cells.control-total")
@pytest.mark.parametrize(("declared", "difference"), [(4, -1), (2, 1)])
def test_a_row_count_off_by_one_is_rejected_with_the_difference(inbox: Inbox, declared: int, difference: int) -> None:
    folder = inbox.send({"participants": participants(3)}, declared={"participants": {"rows": declared}})
    assert inbox.load(folder).state == "rejected"
    (error,) = inbox.receipt(folder)["errors"]
    assert error["code"] == "E-ROWS"
    assert f"difference {difference}" in error["message_en"]
    assert raw_rows(inbox) == 0


@proves("cells.control-total")
def test_a_total_off_by_one_dong_is_rejected_with_the_difference_and_leaves_no_row(inbox: Inbox) -> None:
    folder = inbox.send(
        {"participants": participants(3), "employers": employers(1)},
        declared={"participants": {"totals": {"wage_base_vnd": 14_999_999}}},
    )
    assert inbox.load(folder).state == "rejected"
    (error,) = inbox.receipt(folder)["errors"]
    assert (error["code"], error["file"], error["where"]) == ("E-TOTAL", "participants.csv", "wage_base_vnd")
    assert "declared 14999999, parsed 15000000 (difference 1)" in error["message_en"]
    assert (raw_rows(inbox), raw_rows(inbox, "employers")) == (0, 0)
    assert inbox.feed(folder)["state"] == "rejected"


def test_a_total_of_a_column_that_has_none_names_the_nearest(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(1)}, declared={"participants": {"totals": {"wage_vnd": 1}}})
    inbox.load(folder)
    (error,) = inbox.receipt(folder)["errors"]
    assert error["code"] == "E-TOTAL-COLUMN"
    assert "wage_base_vnd" in error["message_en"]


def test_the_total_of_a_row_that_is_set_aside_still_counts_as_parsed(inbox: Inbox) -> None:
    rows = [*participants(3), {**participants(1)[0], "si_number": "not a number"}]
    folder = inbox.send({"participants": rows})
    assert inbox.load(folder).state == "loaded"
    total = inbox.feed(folder)["totals"]["wage_base_vnd"]
    assert (total["declared"], total["parsed"], total["loaded"]) == (20_000_000, 20_000_000, 15_000_000)


def test_too_many_bad_rows_reject_the_submission_and_keep_the_rejects_without_rows(inbox: Inbox) -> None:
    rows = [*participants(1), *participants(2, sex="?")]
    folder = inbox.send({"participants": rows})
    assert inbox.load(folder).state == "rejected"
    told = inbox.receipt(folder)
    assert [error["code"] for error in told["errors"]] == ["E-TOLERANCE"]
    assert [(reject["row"], reject["column"], reject["code"]) for reject in told["rejects"]] == [
        (3, "sex", "E-ENUM"),
        (4, "sex", "E-ENUM"),
    ]
    assert (told["feeds"][0]["rows"], told["feeds"][0]["rejected"]) == (3, 2)
    assert raw_rows(inbox) == 0


def test_a_few_bad_rows_are_set_aside_and_the_rest_is_accepted(inbox: Inbox) -> None:
    folder = inbox.send({"participants": [*participants(3), *participants(1, sex="?")], "employers": employers(1)})
    assert inbox.accept(folder) == "accepted_with_rejects"
    assert (inbox.feed(folder)["accepted"], inbox.feed(folder)["rejected"]) == (3, 1)
    assert inbox.feed(folder)["state"] == "accepted_with_rejects"
    assert inbox.feed(folder, "employers")["state"] == "accepted"


def test_of_two_hundred_rows_one_may_be_bad_and_two_may_not(inbox: Inbox) -> None:
    good = participants(199)
    one = inbox.send({"participants": [*good, *participants(1, sex="?")]}, period="2021-08")
    two = inbox.send({"participants": [*good[1:], *participants(2, sex="?")]}, period="2021-09")
    assert (inbox.load(one).state, inbox.load(two).state) == ("loaded", "rejected")


def test_later_duplicates_of_a_key_are_set_aside_and_the_first_is_kept(inbox: Inbox) -> None:
    rows = [*participants(400), {**participants(1)[0], "wage_base_vnd": "7000000"}]
    folder = inbox.send({"participants": rows})
    assert inbox.load(folder).state == "loaded"
    (reject,) = inbox.receipt(folder)["rejects"]
    assert (reject["row"], reject["code"]) == (402, "E-DUPLICATE")
    assert "row 2" in reject["message_en"]
    assert inbox.query("select row_no, wage_base_vnd from raw.participants where si_number = '0110000000'") == [
        (2, 5_000_000)
    ]
    total = inbox.feed(folder)["totals"]["wage_base_vnd"]
    assert (total["declared"], total["parsed"], total["loaded"]) == (2_007_000_000, 2_007_000_000, 2_000_000_000)
    assert inbox.query("select sum(wage_base_vnd) from raw.participants") == [(2_000_000_000,)]


def test_the_parsed_total_is_what_was_loaded_and_what_was_set_aside_with_decimals_too(inbox: Inbox) -> None:
    rows = [*indicators(si_compulsory=10, hi=20), *indicators(hi=99)]
    folder = inbox.send({"indicators": rows}, declared={"indicators": {"totals": {"value": 129}}})
    assert inbox.load(folder).state in ("loaded", "rejected")
    codes = inbox.errors(folder.name)
    assert codes in ([], ["E-TOTAL-COLUMN"])


def test_the_first_file_being_unreadable_does_not_keep_the_others_from_being_judged(inbox: Inbox) -> None:
    headless = [{"heading": "x"}]
    folder = inbox.send({"arrears": headless, "participants": participants(3)})
    assert inbox.load(folder).state == "rejected"
    told = inbox.receipt(folder)
    assert [(error["code"], error["file"]) for error in told["errors"]] == [("E-HEADING-MISSING", "arrears.csv")]
    assert raw_rows(inbox) == 0


def test_two_unreadable_files_are_both_told(inbox: Inbox) -> None:
    headless = [{"heading": "x"}]
    folder = inbox.send({"arrears": headless, "employers": headless})
    assert inbox.load(folder).state == "rejected"
    assert inbox.errors(folder.name) == ["E-HEADING-MISSING", "E-HEADING-MISSING"]


def test_one_rejected_feed_rejects_the_whole_submission(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(3), "employers": [{"si_unit_code": "TA1"}]})
    assert inbox.load(folder).state == "rejected"
    assert {feed["state"] for feed in inbox.receipt(folder)["feeds"]} == {"rejected"}
    assert raw_rows(inbox) == 0


@proves("transport.empty")
def test_a_header_without_rows_is_rejected_as_empty(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(1)})
    path = write_csv(folder / "participants.csv", participants(1))
    path.write_text(path.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    amend(folder, files=(describe(path, "participants", [], totals={}),))
    assert inbox.load(folder).state == "rejected"
    assert inbox.errors(folder.name) == ["E-EMPTY"]


def test_no_message_of_a_receipt_has_a_gap(inbox: Inbox) -> None:
    rows = [*participants(1, full_name="Nguyễn  Thị A"), *participants(3, sex="?"), *participants(2)]
    folder = inbox.send(
        {"participants": rows, "employers": employers(2)[:1] * 4},
        declared={"participants": {"rows": 7, "totals": {"wage_base_vnd": 1, "nothing": 1}}},
    )
    inbox.load(folder)
    told = inbox.receipt(folder)
    messages = [entry[key] for entry in told["errors"] + told["rejects"] for key in ("message_vi", "message_en")]
    messages += [note for feed in told["feeds"] for note in feed["notes"]]
    assert len(messages) > 10
    assert [message for message in messages if "…" in message or "{" in message] == []


# --------------------------------------------------------------------------------------------------- what is waiting


@proves("transport.incomplete-folder")
def test_a_folder_without_manifest_waits_and_loads_once_it_is_complete(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(3)})
    content = (folder / MANIFEST_NAME).read_bytes()
    (folder / MANIFEST_NAME).unlink()
    assert inbox.load(folder).state == "waiting"
    (folder / MANIFEST_NAME).write_bytes(content)
    assert inbox.load(folder).state == "loaded"
    assert inbox.query("select count(*), min(state) from ops.submission") == [(1, "loaded")]


@proves("transport.incomplete-folder")
def test_a_listed_file_that_is_missing_waits_and_loads_once_it_is_there(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(3), "employers": employers(1)})
    hidden = (folder / "employers.csv").rename(folder / "employers.part")
    assert inbox.load(folder).state == "waiting"
    assert raw_rows(inbox) == 0
    hidden.rename(folder / "employers.csv")
    assert inbox.load(folder).state == "loaded"
    assert (raw_rows(inbox), raw_rows(inbox, "employers")) == (3, 1)


@proves("transport.incomplete-folder")
def test_a_file_that_is_still_growing_waits(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(3)})
    path = folder / "participants.csv"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    assert inbox.load(folder).state == "waiting"
    path.write_bytes(whole)
    assert inbox.load(folder).state == "loaded"


def test_a_listed_file_that_is_a_link_is_not_followed(inbox: Inbox, tmp_path: Path) -> None:
    folder = inbox.send({"participants": participants(3)})
    elsewhere = (folder / "participants.csv").rename(tmp_path / "elsewhere.csv")
    (folder / "participants.csv").symlink_to(elsewhere)
    assert inbox.load(folder).state == "waiting"


def test_a_submission_packed_again_while_it_waited_has_the_receipt_of_what_was_loaded(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(3), "employers": employers(1)})
    (folder / "employers.csv").unlink()
    inbox.load(folder)
    inbox.send({"participants": participants(3)})
    assert inbox.accept(folder) == "accepted"
    assert inbox.receipt(folder)["state"] == "accepted"


@proves("transport.changed-after-signing")
def test_a_file_larger_than_declared_is_rejected(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(3)})
    with (folder / "participants.csv").open("a", encoding="utf-8") as stream:
        stream.write("one more line\n")
    assert inbox.load(folder).state == "rejected"
    assert inbox.errors(folder.name) == ["E-SIZE"]


# -------------------------------------------------------------------------------------------- sender, feed and period


@proves("order.province-code")
def test_a_province_code_that_is_no_longer_on_the_map_is_told_the_right_one(inbox: Inbox) -> None:
    folder = inbox.send({"arrears": arrears(1)}, sender="province-26", period="2025-07")
    assert inbox.load(folder).state == "rejected"
    (error,) = inbox.receipt(folder)["errors"]
    assert error["code"] == "E-SENDER"
    assert "25 (Tỉnh Phú Thọ)" in error["message_en"]


def test_the_last_month_of_the_old_map_is_taken_under_the_old_code(inbox: Inbox) -> None:
    assert inbox.load(inbox.send({"arrears": arrears(1)}, sender="province-26", period="2025-06")).state == "loaded"


def test_a_feed_of_another_kind_of_sender_is_rejected_with_the_feeds_that_are_allowed(inbox: Inbox) -> None:
    folder = inbox.send({"tax_employers": [{"tax_year": "2021"}]})
    assert inbox.load(folder).state == "rejected"
    (error,) = inbox.receipt(folder)["errors"]
    assert error["code"] == "E-FEED"
    assert "participants" in error["message_en"]


def test_a_monthly_feed_under_an_iso_week_is_rejected(inbox: Inbox) -> None:
    folder = inbox.send({"arrears": arrears(1)}, period="2021-W44")
    assert inbox.load(folder).state == "rejected"
    assert inbox.errors(folder.name) == ["E-PERIOD"]


def test_a_submission_in_the_folder_of_another_sender_is_rejected(inbox: Inbox) -> None:
    folder = inbox.send({"arrears": arrears(1)}, sender="province-26", under="province-46")
    assert inbox.load(folder).state == "rejected"
    assert inbox.errors(folder.name) == ["E-SENDER-FOLDER"]


def test_a_folder_with_another_name_than_its_id_is_rejected(inbox: Inbox) -> None:
    folder = inbox.send({"arrears": arrears(1)})
    renamed = folder.rename(folder.with_name("other-name"))
    assert inbox.load(renamed).state == "rejected"
    assert inbox.errors("other-name") == ["E-ID-FOLDER"]


@pytest.mark.parametrize(
    "content", [b"", b"not json", b"\xff\xfe", b"[]", b'{"manifest_version": 1}', b'{"manifest_version": 2}']
)
def test_a_manifest_that_cannot_be_read_is_rejected_without_a_word_of_its_content(inbox: Inbox, content: bytes) -> None:
    folder = inbox.root / "province-26" / "unreadable"
    folder.mkdir(parents=True)
    (folder / MANIFEST_NAME).write_bytes(content)
    assert inbox.load(folder).state == "rejected"
    told = inbox.receipt(folder)
    assert [error["code"] for error in told["errors"]] == ["E-MANIFEST"]
    assert (told["sender"], told["period"], told["version"]) == ("province-26", None, None)


def test_a_path_that_leaves_the_folder_is_rejected(inbox: Inbox) -> None:
    folder = inbox.send({"arrears": arrears(1)})
    target = folder / MANIFEST_NAME
    target.write_text(target.read_text(encoding="utf-8").replace("arrears.csv", "../arrears.csv"), encoding="utf-8")
    assert inbox.load(folder).state == "rejected"
    assert inbox.errors(folder.name) == ["E-MANIFEST"]


def test_a_missing_inbox_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        list(folders(tmp_path / "nowhere"))


def test_the_inbox_is_left_as_it_was(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(3)})
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}
    inbox.accept(folder)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()} == before


def test_the_folders_of_the_inbox_come_sorted_and_can_be_narrowed(inbox: Inbox) -> None:
    for sender, name in (("province-46", "b"), ("province-26", "c"), ("province-26", "a")):
        inbox.send({"arrears": arrears(1)}, sender=sender, submission_id=name)
    assert [found.submission_id for found in folders(inbox.root)] == ["a", "c", "b"]
    assert [found.submission_id for found in folders(inbox.root, sender="province-46")] == ["b"]
    assert [found.submission_id for found in folders(inbox.root, submission="c")] == ["c"]


def test_a_decision_on_a_submission_that_is_not_held_is_wrong_usage(inbox: Inbox) -> None:
    folder = inbox.send({"arrears": arrears(1)})
    inbox.accept(folder)
    with pytest.raises(UsageError, match="is not held"):
        decide_held(inbox.settings, folder.name, release=True, reason="none")


def test_a_decision_on_a_held_submission_is_on_record(inbox: Inbox) -> None:
    loaded = inbox.load(inbox.send({"arrears": arrears(1)}, submission_id="held"))
    settle(inbox.settings, loaded.sub_no, "held", ())
    assert decide_held(inbox.settings, "held", release=True, reason="confirmed by telephone") == "accepted"
    assert inbox.query("select decision, reason from ops.decision") == [("release", "confirmed by telephone")]


def test_what_the_archive_keeps_is_what_was_received(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(3)})
    inbox.load(folder)
    digest = read_folder(folder).manifest_sha256
    assert digest is not None
    kept = inbox.settings.home / "archive" / digest[:2] / digest
    assert kept.read_bytes() == (folder / MANIFEST_NAME).read_bytes()
