"""Whose folder it lies in is part of what a submission is: a copy elsewhere decides nothing about the original."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from builders import Inbox, participants

from night.arrivals import discover


def send(inbox: Inbox) -> Path:
    """A submission nothing is wrong with."""
    return inbox.send({"participants": participants(2)}, submission_id="p26")


def test_a_copy_in_another_senders_folder_does_not_decide_what_its_owner_sends(inbox: Inbox) -> None:
    folder = send(inbox)
    copy = inbox.root / "province-01" / "p26"
    shutil.copytree(folder, copy)
    assert inbox.load(copy).state == "rejected"
    assert discover(inbox.settings, inbox.root) == [folder]
    assert inbox.load(folder).state == "loaded"
    assert inbox.query("select sender, state from ops.submission order by sub_no") == [
        ("province-01", "rejected"),
        ("province-26", "loaded"),
    ]


def test_a_folder_put_into_the_right_place_as_its_receipt_says_is_loaded(inbox: Inbox) -> None:
    wrong = inbox.send({"participants": participants(2)}, submission_id="p26", under="province-46")
    assert inbox.load(wrong).state == "rejected"
    right = inbox.root / "province-26" / "p26"
    right.parent.mkdir()
    assert inbox.load(wrong.rename(right)).state == "loaded"


@pytest.mark.parametrize("other", ["province-01", "province-46"])
def test_an_empty_folder_of_the_same_name_elsewhere_does_not_take_a_submission_over(inbox: Inbox, other: str) -> None:
    empty = inbox.root / other / "p26"
    empty.mkdir(parents=True)
    assert inbox.load(empty).state == "waiting"
    assert inbox.load(send(inbox)).state == "loaded"
    assert inbox.query("select sender from ops.submission where state = 'loaded'") == [("province-26",)]
