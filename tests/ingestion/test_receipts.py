"""What a sender is told, and what it never is."""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import LOCAL, Inbox, arrears, describe, employers, participants
from proofs import proves
from psycopg.types.json import Jsonb

from cli.arrivals import _receipt_lines
from ingestion import manifest
from ingestion.codes import CATALOGUE, message
from ingestion.receipts import receipt, status, write_outbox
from ingestion.signatures import is_receipt_signed, receipt_public_key
from warehouse import roles
from warehouse.connection import connect
from warehouse.errors import UsageError

SUBMISSION = {
    "submission_id", "sender", "period", "version", "state", "received_at", "is_late", "errors", "decisions", "feeds",
    "rejects",
}  # fmt: skip


def test_a_receipt_has_the_keys_of_the_interface(inbox: Inbox) -> None:
    folder = inbox.send({"participants": [*participants(3), *participants(1, sex="?")]})
    inbox.accept(folder)
    told = inbox.receipt(folder)
    assert set(told) == SUBMISSION
    (feed,) = told["feeds"]
    assert set(feed) == {
        "feed", "file", "state", "rows", "accepted", "rejected", "totals", "notes", "set_aside", "mended",
    }  # fmt: skip
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
    told = json.loads((outbox / "receipt.json").read_text(encoding="utf-8"))
    assert told == {**inbox.receipt(folder), "annotated": []}
    with (outbox / "rejects.csv").open(encoding="utf-8-sig", newline="") as stream:
        assert [(row["row"], row["code"]) for row in csv.DictReader(stream)] == [("5", "E-ENUM")]


@proves("cells.formula-text")
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


# ------------------------------------------------------------------------------------------------------------- outbox


def test_the_receipt_in_the_outbox_is_signed_by_the_warehouse(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(2)})
    inbox.load(folder)
    outbox = write_outbox(inbox.settings, folder.name)
    content = (outbox / "receipt.json").read_bytes()
    signature = (outbox / "receipt.json.sig").read_text(encoding="ascii")
    key = receipt_public_key(inbox.settings)
    assert is_receipt_signed(content, signature, key)
    assert not is_receipt_signed(content.replace(b"province-26", b"province-27"), signature, key)


def test_the_outbox_is_closed_to_others_and_holds_no_half_written_file(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(2)})
    inbox.load(folder)
    outbox = write_outbox(inbox.settings, folder.name)
    assert [oct(path.stat().st_mode & 0o777) for path in (outbox.parent, outbox)] == ["0o750", "0o750"]
    assert {oct(path.stat().st_mode & 0o777) for path in outbox.iterdir()} == {"0o640"}
    assert sorted(path.name for path in outbox.iterdir()) == ["receipt.json", "receipt.json.sig", "rejects.csv"]


def test_writing_the_outbox_again_changes_nothing_and_removes_what_an_earlier_state_left(inbox: Inbox) -> None:
    folder = inbox.send({"participants": [*participants(3), *participants(1, sex="?")]})
    inbox.accept(folder)
    outbox = write_outbox(inbox.settings, folder.name)
    before = contents(outbox)
    (outbox / "participants-annotated.xlsx").write_bytes(b"of an earlier state")
    (outbox / ".receipt.json.0.part").write_bytes(b"of a writer that was killed")
    assert write_outbox(inbox.settings, folder.name) == outbox
    assert contents(outbox) == before


def test_a_link_in_the_outbox_is_replaced_and_not_followed(inbox: Inbox, tmp_path: Path) -> None:
    folder = inbox.send({"participants": participants(2)})
    inbox.load(folder)
    outbox = write_outbox(inbox.settings, folder.name)
    precious = tmp_path / "precious"
    precious.write_text("not ours", encoding="utf-8")
    (outbox / "receipt.json").unlink()
    (outbox / "receipt.json").symlink_to(precious)
    write_outbox(inbox.settings, folder.name)
    assert precious.read_text(encoding="utf-8") == "not ours"
    assert not (outbox / "receipt.json").is_symlink()


# ------------------------------------------------------------------------------------------------------------- mended


def test_a_submission_sent_again_says_how_many_of_the_former_rejects_are_mended(inbox: Inbox) -> None:
    good = participants(400)
    one, other = ({**good[0], "si_number": number} for number in ("0120000001", "0120000002"))
    inbox.accept(inbox.send({"participants": [*good, {**one, "sex": "?"}, {**other, "sex": "?"}]}))
    # the second faulty person stands in another row now, and is still faulty; the first one is mended
    again = [{**other, "sex": "?"}, one, *good]
    folder = inbox.send({"participants": again}, version=2, action="correct")
    inbox.accept(folder)
    feed = inbox.feed(folder)
    assert feed["mended"] == {"previous": "province-26-2021-10-v1", "rejects": 2, "mended": 1, "still": 1}
    assert [each["feeds"][0]["mended"] for each in status(inbox.settings)] == [None, feed["mended"]]
    (note,) = feed["notes"]
    assert note == f"{message('N-MENDED', 'vi', **feed['mended'])} / {message('N-MENDED', 'en', **feed['mended'])}"


def test_a_reject_whose_row_has_no_key_is_known_by_its_row_number(inbox: Inbox) -> None:
    for version, faulty in ((1, (10, 20)), (2, (20, 30))):
        folder = inbox.send({"participants": participants(400)}, version=version)
        ragged(folder / "participants.csv", faulty)
        redescribe(folder)
        inbox.load(folder)
    assert inbox.feed(folder)["mended"] == {
        "previous": "province-26-2021-10-v1", "rejects": 2, "mended": 1, "still": 1,
    }  # fmt: skip


def test_the_former_rejects_may_be_those_of_a_submission_that_was_rejected(inbox: Inbox) -> None:
    inbox.load(inbox.send({"participants": participants(4, sex="?")}))
    inbox.load(inbox.send({"participants": participants(4)}, submission_id="other-month", period="2021-11"))
    folder = inbox.send({"participants": participants(4)}, submission_id="mended")
    inbox.load(folder)
    assert inbox.feed(folder)["mended"] == {
        "previous": "province-26-2021-10-v1", "rejects": 4, "mended": 4, "still": 0,
    }  # fmt: skip


def test_a_file_that_could_not_be_read_is_not_called_mended(inbox: Inbox) -> None:
    inbox.load(inbox.send({"participants": participants(4, sex="?")}))
    rows = [{name: row[name] for name in row if name != "sex"} for row in participants(4)]
    folder = inbox.send({"participants": rows}, submission_id="without-sex")
    inbox.load(folder)
    assert inbox.errors(folder.name) == ["E-HEADING-MISSING"]
    assert [feed["mended"] for feed in inbox.receipt(folder)["feeds"]] == [None]


def test_a_first_submission_has_nothing_to_mend(inbox: Inbox) -> None:
    folder = inbox.send({"participants": [*participants(3), *participants(1, sex="?")]})
    inbox.accept(folder)
    assert (inbox.feed(folder)["mended"], inbox.feed(folder)["notes"]) == (None, [])


# ------------------------------------------------------------------------------------------- totals, notices, overdue


def test_the_printed_receipt_shows_the_points_of_every_total_and_what_was_set_aside_as_money(inbox: Inbox) -> None:
    folder = inbox.send({"participants": [*participants(3), *participants(1, sex="?", wage_base_vnd="1234567")]})
    inbox.accept(folder)
    lines = printed(inbox, folder)
    (total,) = [line for line in lines if line.strip().startswith("wage_base_vnd")]
    assert total.split() == [
        "wage_base_vnd", "16.234.567", "đồng", "16.234.567", "đồng", "15.000.000", "đồng", "1.234.567", "đồng", "-",
    ]  # fmt: skip
    heading = lines[lines.index(total) - 1]
    for point in ("declared", "parsed", "loaded", "set aside", "published"):
        assert point in heading


def test_the_printed_receipt_says_in_both_languages_what_is_mended(inbox: Inbox) -> None:
    inbox.load(inbox.send({"participants": participants(4, sex="?")}))
    folder = inbox.send({"participants": participants(4)}, submission_id="mended")
    inbox.load(folder)
    text = "\n".join(printed(inbox, folder))
    assert "đã sửa 4, còn 0" in text
    assert "4 are mended and 0 are still there" in text


@pytest.fixture
def noticed(inbox: Inbox) -> Iterator[Path]:
    """A submission about which something was found out at publication."""
    folder = inbox.send({"participants": participants(2)})
    inbox.accept(folder)
    with connect(inbox.settings, roles.PUBLISHER) as connection:
        connection.execute(
            "insert into ops.load_notice (load_id, code, args) select load_id, 'N-DUPLICATE-ELSEWHERE', %s"
            " from ops.load where feed = 'participants'",
            [Jsonb({"count": 2, "provinces": ["46", "48"]})],
        )
    yield folder
    with connect(inbox.settings, roles.MIGRATOR) as connection:
        connection.execute("delete from ops.load_notice")


def test_what_was_found_out_at_publication_stands_among_the_notes(inbox: Inbox, noticed: Path) -> None:
    (note,) = inbox.feed(noticed)["notes"]
    vi, _, en = note.partition(" / ")
    assert (vi[:7], en[:9]) == ("2 người", "2 persons")
    assert "46, 48" in vi
    assert "46, 48" in en


def test_a_submission_that_waits_beyond_its_deadline_is_overdue(inbox: Inbox) -> None:
    folder = inbox.send({"employers": employers(1), "participants": participants(1)})
    (folder / "employers.csv").unlink()
    inbox.load(folder)
    deadline = dt.datetime(2021, 11, 6, tzinfo=LOCAL)
    before, after = (
        receipt(inbox.settings, folder.name, now=deadline + dt.timedelta(seconds=seconds)) for seconds in (-1, 0)
    )
    assert (before["is_late"], [error["code"] for error in before["errors"]]) == (False, ["E-WAITING"])
    assert (after["is_late"], [error["code"] for error in after["errors"]]) == (True, ["E-WAITING", "E-OVERDUE"])
    assert "2021-11-06 00:00" in after["errors"][1]["message_en"]
    (listed,) = status(inbox.settings, now=deadline)
    assert listed["is_late"] is True


def test_a_folder_without_a_manifest_is_not_called_overdue(inbox: Inbox) -> None:
    folder = inbox.send({"employers": employers(1)})
    (folder / "manifest.json").unlink()
    inbox.load(folder)
    told = receipt(inbox.settings, folder.name, now=dt.datetime(2030, 1, 1, tzinfo=LOCAL))
    assert (told["is_late"], [error["code"] for error in told["errors"]]) == (None, ["E-WAITING"])


# ------------------------------------------------------------------------------------------- several under one id


def test_a_folder_that_is_not_proven_to_be_the_senders_does_not_speak_on_his_receipt(inbox: Inbox) -> None:
    foreign = inbox.send(
        {"participants": participants(1)}, submission_id="p26", sender="province-46", under="province-26"
    )
    inbox.load(foreign)
    assert inbox.errors("p26") == ["E-SENDER-FOLDER"]
    own = inbox.send({"participants": participants(3)}, submission_id="p26")
    with connect(inbox.settings, roles.MIGRATOR) as connection:
        connection.execute(
            "insert into ops.submission (submission_id, manifest_sha256, sender, period, version, state, folder)"
            " values ('p26', 'own', 'province-26', '2021-10', 1, 'accepted', %s)",
            [str(own)],
        )
    told = receipt(inbox.settings, "p26")
    assert (told["state"], told["errors"]) == ("accepted", [])


def test_each_sender_who_used_an_id_finds_his_own_receipt_and_nothing_of_the_other(inbox: Inbox) -> None:
    faulty = [*participants(3), *participants(1, sex="?")]
    inbox.accept(inbox.send({"participants": faulty}, submission_id="same"))
    inbox.load(inbox.send({"arrears": arrears(1)}, submission_id="same", sender="province-46"))
    first = write_outbox(inbox.settings, "same")
    second = first.parent.parent / "province-46" / "same"
    told = json.loads((second / "receipt.json").read_text(encoding="utf-8"))
    assert (told["sender"], told["state"], told["rejects"]) == ("province-46", "rejected", [])
    assert [error["code"] for error in told["errors"]] == ["E-ID-REUSED"]
    assert json.loads((first / "receipt.json").read_text(encoding="utf-8"))["errors"] == []


# ----------------------------------------------------------------------------------------------------------- builders


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def printed(inbox: Inbox, folder: Path) -> list[str]:
    """What `vss receipt` prints."""
    outbox = write_outbox(inbox.settings, folder.name)
    content: dict[str, Any] = json.loads((outbox / "receipt.json").read_text(encoding="utf-8"))
    return list(_receipt_lines(content))


def ragged(path: Path, rows: tuple[int, ...]) -> None:
    """Put one cell too many into these rows of a CSV."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for row in rows:
        lines[row - 1] += ",more"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def redescribe(folder: Path) -> None:
    """Write the manifest anew after its file was changed; totals are left out."""
    sent = manifest.parse((folder / "manifest.json").read_bytes())
    (file,) = sent.files
    assert file.path is not None
    changed = describe(folder / file.path, file.feed, [], rows=file.rows, totals={})
    manifest.write(folder, manifest.Manifest(**{**sent.model_dump(), "files": (changed,)}))
