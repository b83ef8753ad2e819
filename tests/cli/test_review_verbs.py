"""The verbs `vss review` as a shell sees them."""

from __future__ import annotations

import json
import os
import pwd
import shlex
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal

import pytest
from review_builders import TWIN, UNIT, pair, review_room

from warehouse.settings import PROJECT, Settings

Done = subprocess.CompletedProcess[str]
CODE = "0100000001"


@pytest.fixture
def room(configured: Settings) -> Iterator[Settings]:
    with review_room(configured) as settings:
        yield settings


def review(settings: Settings, *arguments: str) -> Done:
    """Run `vss review …` with nothing in its environment but the home."""
    return subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()", "review", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "VSS_HOME": str(settings.home)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def said(done: Done) -> str:
    """What a verb that ended well printed."""
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def assert_one_sentence(done: Done, *words: str) -> None:
    """Wrong usage: exit code 2, one sentence on stderr that holds these words, nothing on stdout."""
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith("vss: ") and done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_the_list_shows_both_sides_and_a_command_that_confirms_the_pair_when_it_is_run(room: Settings) -> None:
    pair(room, tax_address="12 Lê Lợi", unit_address="12 Le Loi", address_similarity=Decimal("0.91"))
    pair(room, employer_id=TWIN, province_code="24", current_province_code="24", unit_name="Cty Hoa Mơ")
    listed = said(review(room, "list"))
    for words in ("Công ty Hoa Mai, 12 Lê Lợi", "Cty Hoa Mai, 12 Le Loi", "Cty Hoa Mơ", "0.80", "0.91", "2021"):
        assert words in listed
    command = next(line for line in listed.splitlines() if line.strip().startswith("vss review") and " 24 " in line)
    assert "takes effect with the next build" in said(review(room, *shlex.split(command)[2:]))
    left = said(review(room, "list"))
    assert "Hoa Mơ" not in left and "Cty Hoa Mai" in left


def test_the_list_as_json_holds_what_the_queue_holds(room: Settings) -> None:
    pair(room)
    pair(room, "0100000002", name_similarity=Decimal("0.9"), address_similarity=Decimal("0.5"))
    first, second = json.loads(said(review(room, "list", "--json")))
    assert (first["tax_code"], first["name_similarity"], first["address_similarity"]) == ("0100000002", 0.9, 0.5)
    assert (second["employer_id"], second["address_similarity"]) == (str(UNIT), None)
    assert second["confirm"].startswith(f"vss review confirm {CODE} TA0001A ")
    assert json.loads(said(review(room, "list", "--json", "--province", "46"))) == []
    assert len(json.loads(said(review(room, "list", "--json", "--year", "2021", "--limit", "1")))) == 1
    assert "1 more" in said(review(room, "list", "--limit", "1"))


def test_a_decision_and_its_undoing_stand_in_the_log_with_who_and_why(room: Settings) -> None:
    pair(room)
    assert "Nothing was decided" in said(review(room, "log"))
    assert "refused" in said(review(room, "refuse", CODE, "TA0001A", "--reason", "another firm", "--by", "lan"))
    assert "Nothing waits for review." in said(review(room, "list"))
    undone = said(review(room, "undo", CODE, "TA0001A", "--reason", "same firm after all"))
    assert "vss build" in undone and "no longer refused" in undone
    assert "waits" not in said(review(room, "list"))
    decided, revoked = said(review(room, "log", CODE)).splitlines()
    for words in (CODE, "TA0001A", "26", "refused", "by lan", "another firm"):
        assert words in decided
    assert "revoked" in revoked and f"by {pwd.getpwuid(os.getuid()).pw_name}: same firm after all" in revoked
    assert "Nothing was decided on tax code 0100000002" in said(review(room, "log", "0100000002"))


def test_what_is_decided_already_is_said_and_the_other_verdict_asks_for_an_undo(room: Settings) -> None:
    pair(room)
    said(review(room, "confirm", CODE, "TA0001A", "--reason", "letter 12", "--by", "lan"))
    again = said(review(room, "confirm", CODE, "TA0001A", "--reason", "letter 13"))
    assert "confirmed already" in again and "by lan" in again
    assert_one_sentence(
        review(room, "refuse", CODE, "TA0001A", "--reason", "no"), "confirmed by lan", "vss review undo"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("confirm", "0199999999", "TA0001A", "--reason", "x"), "vss review list"),
        (("refuse", CODE, "TA0001A", "--reason", " "), "--reason"),
        (("refuse", CODE, "TA0001A"), "--reason"),
        (("confirm", CODE, "TA0001A", "--reason", "x"), "--province"),
        (("undo", CODE, "TA0001A", "--reason", "x"), "vss review log"),
        (("list", "--province", "99"), "no province 99"),
    ],
)
def test_wrong_usage_is_one_sentence_that_says_what_to_do(
    room: Settings, arguments: tuple[str, ...], words: str
) -> None:
    pair(room)
    pair(room, employer_id=TWIN, province_code="24", current_province_code="24")
    assert_one_sentence(review(room, *arguments), words)
