"""`vss check` says before sending what the receipt would say after loading."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import Inbox, arrears, employers, participants

from ingestion.checking import check_folder

Landing = Callable[[Inbox], Path]


def _faulty(inbox: Inbox) -> Path:
    rows = [*participants(300), {**participants(1)[0], "si_number": "12345"}]
    return inbox.send({"participants": rows})


def _twice(inbox: Inbox) -> Path:
    rows = [*participants(300), {**participants(1)[0], "wage_base_vnd": "7000000"}]
    return inbox.send({"participants": rows, "employers": employers(3)})


def _too_many(inbox: Inbox) -> Path:
    return inbox.send({"arrears": [{**row, "fund": "XX"} for row in arrears(5)], "employers": employers(3)})


def _wrong_total(inbox: Inbox) -> Path:
    return inbox.send({"arrears": arrears(3)}, declared={"arrears": {"totals": {"principal_vnd": 1}, "rows": 4}})


def _altered(inbox: Inbox) -> Path:
    folder = inbox.send({"arrears": arrears(3)})
    path = folder / "arrears.csv"
    path.write_bytes(path.read_bytes().replace(b"TA0001A", b"TA0009A"))
    return folder


def _short(inbox: Inbox) -> Path:
    folder = inbox.send({"arrears": arrears(3)})
    (folder / "arrears.csv").write_bytes((folder / "arrears.csv").read_bytes()[:-5])
    return folder


CASES: dict[str, tuple[Landing, str]] = {
    "all good": (lambda inbox: inbox.send({"participants": participants(3), "outreach": None}), "accepted"),
    "a faulty cell": (_faulty, "accepted_with_rejects"),
    "a key that stands twice": (_twice, "accepted_with_rejects"),
    "too many faulty rows": (_too_many, "rejected"),
    "rows and totals that differ": (_wrong_total, "rejected"),
    "another digest": (_altered, "rejected"),
    "a short file": (_short, "waiting"),
    "somebody else's folder": (lambda inbox: inbox.send({"arrears": arrears(1)}, under="province-46"), "rejected"),
    "a feed it may not send": (lambda inbox: inbox.send({"tax_employers": []}), "rejected"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_is_that_of_the_receipt(inbox: Inbox, case: str) -> None:
    land, state = CASES[case]
    folder = land(inbox)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    said = check_folder(folder)
    loaded = inbox.load(folder)
    receipt = inbox.receipt(folder)

    assert said["state"] == state
    assert loaded.state == ("loaded" if state.startswith("accepted") else state)
    # whether it is overdue is a matter of the day it is asked
    assert said["errors"] == [error for error in receipt["errors"] if error["code"] != "E-OVERDUE"]
    assert said["rejects"] == receipt["rejects"]
    figures = ("feed", "file", "rows", "accepted", "rejected", "totals", "set_aside", "notes")
    assert [{name: feed[name] for name in figures} for feed in said["feeds"]] == [
        {name: feed[name] for name in figures} for feed in receipt["feeds"]
    ]
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_folder_without_a_manifest_waits_for_it(tmp_path: Path) -> None:
    said = check_folder(tmp_path)

    assert (said["state"], [error["code"] for error in said["errors"]]) == ("waiting", ["E-WAITING"])
    assert said["errors"][0]["file"] == "manifest.json"


def test_a_manifest_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")

    said = check_folder(tmp_path)

    assert (said["state"], [error["code"] for error in said["errors"]]) == ("rejected", ["E-MANIFEST"])


def test_no_value_of_a_cell_is_in_the_verdict(inbox: Inbox) -> None:
    row = {**participants(1)[0], "full_name": "Nguyễn Văn Canary", "si_number": "99887"}
    folder = inbox.send({"participants": [row, *participants(1)]})

    said: dict[str, Any] = check_folder(folder)

    assert [(reject["row"], reject["column"], reject["code"]) for reject in said["rejects"]] == [
        (2, "si_number", "E-CODE")
    ]
    assert "Canary" not in json.dumps(said, ensure_ascii=False)
    assert "99887" not in json.dumps(said, ensure_ascii=False)
