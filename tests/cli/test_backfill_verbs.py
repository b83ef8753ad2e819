"""The verbs `vss replay` and `vss backfill` as a shell sees them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from builders import Inbox, employers

from ingestion.decision import decide_held, settle
from warehouse.settings import PROJECT

Done = subprocess.CompletedProcess[str]
MONTH = ("--from", "2021-10", "--to", "2021-10")


def vss(inbox: Inbox, *arguments: str) -> Done:
    """Run a verb with nothing in its environment but the home and the inbox."""
    return subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()", *arguments],
        env={
            "PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "VSS_HOME": str(inbox.settings.home),
            "VSS_INBOX": str(inbox.root),
        },
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip


def assert_one_sentence(done: Done, code: int, *words: str) -> None:
    """The exit code, one sentence on stderr that holds these words, nothing on stdout."""
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert done.stderr.startswith("vss: ") and done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_a_replay_ends_in_0_when_it_is_accepted_in_2_when_it_is_not_rejected_and_in_3_when_it_is_again(
    inbox: Inbox,
) -> None:
    # the version was taken by another one, which a person then refused
    other = inbox.send({"employers": employers(5)}, submission_id="other")
    settle(inbox.settings, inbox.load(other).sub_no, "held", ())
    mine = inbox.send({"employers": employers(4)}, submission_id="mine")
    assert inbox.load(mine).state == "rejected"
    assert_one_sentence(vss(inbox, "replay", "other"), 2, "other is held", "only a rejected one")

    again = vss(inbox, "replay", "mine")
    assert (again.returncode, again.stdout, again.stderr) == (3, "province-26/mine: rejected\n", "")

    decide_held(inbox.settings, "other", release=False, reason="a test", by="Minh")
    shutil.rmtree(inbox.root)
    done = vss(inbox, "replay", "mine", "--reason", "the version is free", "--by", "Lan")
    assert (done.returncode, done.stdout) == (0, "province-26/mine: accepted\n"), done.stderr
    assert inbox.query("select reason, replayed_by from ops.replay order by replay_no")[1:] == [
        ("the version is free", "Lan")
    ]


def test_a_dry_run_says_what_would_be_touched_and_touches_nothing(inbox: Inbox) -> None:
    bad = inbox.send({"employers": employers(4)}, submission_id="bad", declared={"employers": {"rows": 9}})
    assert inbox.load(bad).state == "rejected"
    inbox.send({"employers": employers(6)}, submission_id="waits")
    before = inbox.query("select to_jsonb(s) from ops.submission s")

    done = vss(inbox, "backfill", *MONTH, "--sender", "province-26", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    for words in ("2021-10 to 2021-10, province-26", "bad", "E-ROWS", "waits", "Nothing was touched."):
        assert words in done.stdout, done.stdout
    told = json.loads(vss(inbox, "backfill", *MONTH, "--dry-run", "--json").stdout)
    assert [each["submission_id"] for each in told["replays"]] == ["bad"]
    assert [each["submission_id"] for each in told["folders"]] == ["waits"]

    assert inbox.query("select to_jsonb(s) from ops.submission s") == before
    assert inbox.query("select count(*) from ops.replay") == [(0,)]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--from", "2021-10"), "--to"),
        (("--from", "2021-00", "--to", "2021-10"), "2021-00 is no month"),
        ((*MONTH, "--sender", "province-00"), "province-00"),
        ((*MONTH, "--feed", "payroll"), "payroll"),
    ],
)
def test_a_range_that_makes_no_sense_is_wrong_usage(inbox: Inbox, arguments: tuple[str, ...], word: str) -> None:
    assert_one_sentence(vss(inbox, "backfill", *arguments), 2, word)
