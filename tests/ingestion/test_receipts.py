"""What a sender is told, and what it never is."""

from __future__ import annotations

import csv
import json
import re

import pytest
from builders import Inbox, arrears, employers, participants

from ingestion.codes import CATALOGUE, message
from ingestion.receipts import receipt, status, write_outbox
from warehouse.errors import UsageError

SUBMISSION = {
    "submission_id", "sender", "period", "version", "state", "received_at", "is_late", "errors", "feeds", "rejects",
}  # fmt: skip


def test_a_receipt_has_the_keys_of_the_interface(inbox: Inbox) -> None:
    folder = inbox.send({"participants": [*participants(3), *participants(1, sex="?")]})
    inbox.accept(folder)
    told = inbox.receipt(folder)
    assert set(told) == SUBMISSION
    (feed,) = told["feeds"]
    assert set(feed) == {"feed", "file", "state", "rows", "accepted", "rejected", "totals", "notes"}
    assert set(feed["totals"]["wage_base_vnd"]) == {"declared", "parsed", "loaded", "published"}
    (reject,) = told["rejects"]
    assert set(reject) == {"feed", "file", "row", "column", "code", "message_vi", "message_en"}
    assert (reject["file"], reject["row"], reject["column"], reject["code"]) == (
        "participants.csv", 5, "sex", "E-ENUM",
    )  # fmt: skip


def test_an_error_has_the_keys_of_the_interface(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(3)}, declared={"participants": {"rows": 4}})
    inbox.load(folder)
    (error,) = inbox.receipt(folder)["errors"]
    assert set(error) == {"code", "message_vi", "message_en", "file", "where"}
    assert error["message_vi"] != error["message_en"]


def test_a_receipt_can_be_written_as_json(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(2), "outreach": None})
    inbox.load(folder)
    told = inbox.receipt(folder)
    assert json.loads(json.dumps(told)) == told
    assert told["received_at"] == "2021-11-03T08:00:00+07:00"


def test_amounts_are_whole_numbers_also_when_they_are_large(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(3, wage_base_vnd="999999999999999")})
    inbox.load(folder)
    total = inbox.feed(folder)["totals"]["wage_base_vnd"]
    assert (total["declared"], total["loaded"]) == (2_999_999_999_999_997, 2_999_999_999_999_997)


def test_the_status_lists_every_submission_without_its_rejects(inbox: Inbox) -> None:
    inbox.load(inbox.send({"participants": [*participants(3), *participants(1, sex="?")]}))
    inbox.load(inbox.send({"arrears": arrears(1)}, sender="province-46", period="2021-11"))
    entries = status(inbox.settings)
    assert [(entry["sender"], entry["state"]) for entry in entries] == [
        ("province-26", "loaded"),
        ("province-46", "loaded"),
    ]
    assert set(entries[0]) == SUBMISSION - {"rejects"}
    assert [entry["sender"] for entry in status(inbox.settings, period="2021-11")] == ["province-46"]


def test_an_id_that_never_arrived_is_wrong_usage(inbox: Inbox) -> None:
    with pytest.raises(UsageError, match="No submission nobody has been seen"):
        receipt(inbox.settings, "nobody")


def test_no_value_of_a_cell_reaches_the_receipt_or_the_outbox(inbox: Inbox) -> None:
    canary = "Canary Person 0999999999"
    rows = [
        *participants(400),
        {**participants(1)[0], "si_number": canary, "full_name": canary},
        {**participants(1)[0], "full_name": canary},
    ]
    folder = inbox.send({"participants": rows}, declared={"participants": {"rows": 1, "totals": {}}})
    inbox.load(folder)
    outbox = write_outbox(inbox.settings, folder.name)
    written = [path.read_text(encoding="utf-8") for path in outbox.iterdir()]
    for text in (json.dumps(inbox.receipt(folder)), *written):
        assert "Canary" not in text
        assert "0999999999" not in text
    assert inbox.query("select count(*) from ops.reject where args::text ~ 'anary|99999'") == [(0,)]


def test_the_outbox_has_the_receipt_and_the_rejects_in_the_folder_of_the_submission(inbox: Inbox) -> None:
    folder = inbox.send({"participants": [*participants(3), *participants(1, sex="?")]})
    inbox.accept(folder)
    outbox = write_outbox(inbox.settings, folder.name)
    assert outbox == inbox.settings.home / "outbox" / "province-26" / folder.name
    assert json.loads((outbox / "receipt.json").read_text(encoding="utf-8")) == inbox.receipt(folder)
    with (outbox / "rejects.csv").open(encoding="utf-8-sig", newline="") as stream:
        assert [(row["row"], row["code"]) for row in csv.DictReader(stream)] == [("5", "E-ENUM")]


def test_a_file_name_that_is_a_formula_is_neutralised_in_the_csv_for_people(inbox: Inbox) -> None:
    folder = inbox.send({"participants": [*participants(3), *participants(1, sex="?")]})
    source = (folder / "participants.csv").rename(folder / "=cmd.csv")
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("participants.csv", source.name), encoding="utf-8")
    inbox.load(folder)
    with (write_outbox(inbox.settings, folder.name) / "rejects.csv").open(encoding="utf-8-sig", newline="") as stream:
        assert [row["file"] for row in csv.DictReader(stream)] == ["'=cmd.csv"]


def test_a_waiting_submission_has_a_receipt_without_feeds(inbox: Inbox) -> None:
    folder = inbox.send({"employers": employers(1)})
    (folder / "employers.csv").unlink()
    inbox.load(folder)
    told = inbox.receipt(folder)
    assert (told["state"], told["feeds"], told["rejects"]) == ("waiting", [], [])


def test_every_message_stands_in_both_languages_with_the_same_arguments() -> None:
    gap = re.compile(r"\{(\w+)\}")
    for code, texts in CATALOGUE.items():
        assert texts.vi and texts.en and texts.vi != texts.en, code
        assert (set(gap.findall(texts.vi)) ^ set(gap.findall(texts.en))) <= {"file", "feed"}, code


def test_an_unknown_code_prints_as_itself_and_a_missing_argument_as_an_ellipsis() -> None:
    assert message("E-NOBODY", "vi") == "E-NOBODY"
    assert message("E-DIGEST", "en").startswith("The SHA-256 digest of …")
