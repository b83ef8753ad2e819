"""Rejected submissions loaded again, and what a backfill finds to do; without dbt. What it builds: tests/stars."""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pyrage
import pytest
from builders import Inbox, arrears, employers
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from review_builders import published, review_room

from expectations import submission as gate
from ingestion.contracts import Contract
from ingestion.decision import decide_held, settle
from ingestion.own_keys import age_recipient
from ingestion.receipts import RECEIPT_NAME, receipt
from ingestion.replay import GoneError, Refused, one_refused
from ingestion.sender_keys import add_key, revoke_key
from night import arrivals, backfill, journal
from night.passing import LoadsLostError
from warehouse import builds, roles
from warehouse.builds import Range
from warehouse.connection import connect
from warehouse.errors import BuildOpenError, UsageError
from warehouse.settings import Settings

OCTOBER = dt.date(2021, 10, 1)
WANTED = Range(OCTOBER, OCTOBER)
WHY = {"reason": "the limit was too low", "by": "Lan"}


@pytest.fixture(autouse=True)
def _gate_that_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate of arrivals has tests of its own, and takes seconds to import."""
    monkeypatch.setattr(gate, "gate_submission", lambda *_: gate.Verdict("passed"))


@pytest.fixture
def laxer(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """From where the test says so, every bad row of a file may be set aside."""
    with monkeypatch.context() as patch:
        yield patch


def relax(patch: pytest.MonkeyPatch) -> None:
    """A changed rule: the tolerance, and with it the digest of the rules."""
    patch.setattr(Contract, "tolerated", lambda _, rows: rows)
    patch.setattr(backfill, "rules", lambda _: "laxer")


def rejected(inbox: Inbox, **changes: Any) -> Path:
    """A submission that was refused: two of its four units are of a kind that does not exist."""
    rows = [*employers(2), *({**row, "unit_type": "guild"} for row in employers(4)[2:])]
    folder = inbox.send({"employers": rows, "arrears": arrears(2)}, **changes)
    assert inbox.load(folder).state == "rejected"
    return folder


def found(settings: Settings, submission_id: str) -> Refused:
    with connect(settings, roles.LOADER) as connection:
        return one_refused(connection, backfill.rules(settings), submission_id)


def replay(inbox: Inbox, name: str) -> str:
    return backfill.replay(inbox.settings, "again", found(inbox.settings, name), **WHY)


# ------------------------------------------------------------------------------------------------------------- replay


def test_a_rejected_submission_is_loaded_again_from_the_archive_once_its_rule_has_changed(
    inbox: Inbox, laxer: pytest.MonkeyPatch
) -> None:
    folder = rejected(inbox)
    before = inbox.query("select received_at, is_late, first_seen_at from ops.submission")
    shutil.rmtree(inbox.root)
    relax(laxer)

    assert replay(inbox, folder.name) == "accepted_with_rejects"

    assert inbox.query("select received_at, is_late, first_seen_at from ops.submission") == before
    assert inbox.query("select count(*), count(distinct si_unit_code) from raw.employers") == [(2, 2)]
    assert inbox.feed(folder, "employers")["rejected"] == 2
    assert inbox.errors(folder.name) == []
    written = Path(inbox.settings.outbox or "") / "province-26" / folder.name / RECEIPT_NAME
    assert '"accepted_with_rejects"' in written.read_text(encoding="utf-8")


def test_the_former_verdict_stays_on_record_with_who_when_and_why(inbox: Inbox, laxer: pytest.MonkeyPatch) -> None:
    folder = rejected(inbox)
    (decided_at,) = inbox.query("select decided_at from ops.submission")[0]
    relax(laxer)
    replay(inbox, folder.name)

    row = inbox.query(
        "select reason, replayed_by, former_decided_at, former_errors, former_loads, replayed_at > former_decided_at"
        " from ops.replay"
    )
    (reason, by, former_at, errors, loads, is_later) = row[0]
    assert (len(row), reason, by, former_at, is_later) == (1, WHY["reason"], WHY["by"], decided_at, True)
    assert [error["code"] for error in errors] == ["E-TOLERANCE"]
    assert {load["feed"]: (load["rows"], load["rejected"], sum(load["cells"].values())) for load in loads} == {
        "arrears": (2, 0, 0), "employers": (4, 2, 2),
    }  # fmt: skip
    told = inbox.receipt(folder)["decisions"]
    assert [(one["decision"], one["reason"], one["decided_by"]) for one in told] == [("replay", *WHY.values())]


def test_under_the_same_rules_it_is_rejected_for_the_same_reasons_again(inbox: Inbox) -> None:
    folder = rejected(inbox)
    first = inbox.receipt(folder)
    assert replay(inbox, folder.name) == "rejected"
    second = inbox.receipt(folder)
    assert {**second, "decisions": []} == first
    assert inbox.query("select count(*) from ops.load") == [(2,)]


def test_rows_that_a_gate_refused_are_there_once_after_the_replay(inbox: Inbox) -> None:
    folder = inbox.send({"employers": employers(3)})
    settle(inbox.settings, inbox.load(folder).sub_no, "failed", ())
    assert inbox.query("select count(*) from raw.employers") == [(3,)]
    assert replay(inbox, folder.name) == "accepted"
    assert inbox.query("select count(*) from raw.employers") == [(3,)]


def test_a_replay_that_is_accepted_after_a_higher_version_stands_behind_it(
    inbox: Inbox, laxer: pytest.MonkeyPatch
) -> None:
    folder = rejected(inbox)
    inbox.accept(inbox.send({"employers": employers(5), "arrears": arrears(1)}, version=2, action="correct"))
    relax(laxer)
    assert replay(inbox, folder.name) == "accepted_with_rejects"
    assert inbox.query("select distinct version from ops.accepted_load") == [(2,)]


def test_a_version_that_somebody_else_has_taken_since_is_refused(inbox: Inbox, laxer: pytest.MonkeyPatch) -> None:
    folder = rejected(inbox)
    inbox.accept(inbox.send({"employers": employers(5)}, submission_id="sent-anew"))
    relax(laxer)
    assert replay(inbox, folder.name) == "rejected"
    assert inbox.errors(folder.name) == ["E-VERSION"]


def test_an_id_that_was_used_again_in_vain_is_still_the_first_ones(inbox: Inbox, laxer: pytest.MonkeyPatch) -> None:
    folder = rejected(inbox)
    shutil.rmtree(folder)
    other = inbox.send({"employers": employers(5)})
    assert inbox.load(other).state == "rejected" and "E-ID-REUSED" in str(
        inbox.query("select errors from ops.submission")
    )
    relax(laxer)
    assert replay(inbox, folder.name) == "accepted_with_rejects"
    assert inbox.query("select count(*) from raw.employers") == [(2,)]


@pytest.mark.parametrize("state", ["accepted", "held", "waiting"])
def test_what_is_not_rejected_is_not_loaded_again(inbox: Inbox, state: str) -> None:
    folder = inbox.send({"employers": employers(1)})
    if state == "waiting":
        (folder / "employers.csv").unlink()
    loaded = inbox.load(folder)
    if state != "waiting":
        settle(inbox.settings, loaded.sub_no, "held" if state == "held" else "passed", ())
    with pytest.raises(UsageError, match=f"{folder.name} is {state}: only a rejected one"):
        found(inbox.settings, folder.name)


def test_an_id_that_never_arrived_is_wrong_usage(inbox: Inbox) -> None:
    with pytest.raises(UsageError, match="No submission nobody has been seen"):
        found(inbox.settings, "nobody")


def test_a_replay_that_was_broken_off_is_taken_up(
    inbox: Inbox, laxer: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = rejected(inbox)
    relax(laxer)
    with monkeypatch.context() as patch:
        patch.setattr(arrivals, "load_submission", _dies)
        with pytest.raises(KeyboardInterrupt):
            replay(inbox, folder.name)
    assert inbox.query("select state from ops.submission") == [("verified",)]
    assert replay(inbox, folder.name) == "accepted_with_rejects"
    assert inbox.query("select count(*) from ops.replay") == [(1,)]


def _dies(*_: object) -> None:
    raise KeyboardInterrupt


def test_bytes_that_nobody_has_any_more_leave_the_verdict_as_it_is(inbox: Inbox) -> None:
    folder = rejected(inbox)
    (digest,) = inbox.query("select sha256 from ops.load where feed = 'arrears'")[0]
    shutil.rmtree(inbox.root)
    kept = inbox.settings.home / "archive" / digest[:2] / digest
    content = kept.read_bytes()
    kept.write_bytes(content[::-1])
    try:
        with pytest.raises(GoneError, match="province-26 must send them again"):
            replay(inbox, folder.name)
    finally:
        kept.write_bytes(content)
    assert inbox.query("select state from ops.submission") == [("rejected",)]
    assert inbox.query("select count(*) from ops.replay") == [(0,)]


def test_what_was_refused_before_it_was_archived_is_taken_from_the_inbox(inbox: Inbox) -> None:
    folder = inbox.send({"employers": employers(17)})
    with (folder / "employers.csv").open("a", encoding="utf-8") as stream:
        stream.write("\n")
    assert inbox.load(folder).state == "rejected"
    assert replay(inbox, folder.name) == "rejected"
    assert inbox.errors(folder.name) == ["E-SIZE"]
    shutil.rmtree(folder)
    with pytest.raises(GoneError):
        replay(inbox, folder.name)


@pytest.mark.parametrize("suffix", [".gz", ".gz.age"])
def test_a_packed_and_an_encrypted_file_are_loaded_again(inbox: Inbox, laxer: pytest.MonkeyPatch, suffix: str) -> None:
    rows = [*employers(2), *({**row, "unit_type": "guild"} for row in employers(4)[2:])]
    folder = inbox.send({"employers": rows}, submission_id=f"packed{suffix}")
    _pack(inbox, folder, is_encrypted=suffix.endswith(".age"))
    assert inbox.load(folder).state == "rejected"
    shutil.rmtree(inbox.root)
    relax(laxer)
    assert replay(inbox, folder.name) == "accepted_with_rejects"
    assert inbox.query("select count(*) from raw.employers") == [(2,)]


def _pack(inbox: Inbox, folder: Path, *, is_encrypted: bool) -> None:
    """Put the one file of a submission into a .gz, and encrypt it to the warehouse."""
    content = gzip.compress((folder / "employers.csv").read_bytes())
    if is_encrypted:
        content = pyrage.encrypt(content, [pyrage.x25519.Recipient.from_str(age_recipient(inbox.settings))])
    name = "employers.csv.gz" + (".age" if is_encrypted else "")
    (folder / "employers.csv").unlink()
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["encryption"] = "age" if is_encrypted else "none"
    manifest["files"][0] |= {"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_a_signature_holds_as_long_as_its_key_was_not_revoked(inbox: Inbox, laxer: pytest.MonkeyPatch) -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    registered, _ = add_key(inbox.settings, "province-26", public)
    folders = []
    for name in ("first", "second"):
        rows = [*employers(1), {**employers(2)[1], "unit_type": "guild"}, {**employers(3)[2], "unit_type": "guild"}]
        folder = inbox.send({"employers": rows}, submission_id=name)
        signature = key.sign((folder / "manifest.json").read_bytes())
        (folder / "manifest.sig").write_bytes(base64.b64encode(signature))
        assert inbox.load(folder).state == "rejected"
        folders.append(folder)
    shutil.rmtree(inbox.root)
    relax(laxer)
    assert replay(inbox, "first") == "accepted_with_rejects"
    revoke_key(inbox.settings, registered.fingerprint, reason="stolen")
    assert replay(inbox, "second") == "rejected"
    assert inbox.errors("second") == ["E-SIG-REVOKED"]


# ----------------------------------------------------------------------------------------------------------- backfill


def plan(inbox: Inbox, wanted: Range = WANTED) -> backfill.Plan:
    inbox.root.mkdir(exist_ok=True)
    return backfill.plan(inbox.settings, wanted, inbox=inbox.root)


def take(inbox: Inbox, made: backfill.Plan) -> list[tuple[str, str]]:
    return [
        ended for batch in made.batches for ended in backfill.take_batch(inbox.settings, "again", batch["items"], **WHY)
    ]


def test_a_plan_names_what_was_rejected_and_what_waits_in_the_range_and_nothing_else(inbox: Inbox) -> None:
    refused = rejected(inbox)
    rejected(inbox, period="2021-11", as_of_date=dt.date(2021, 11, 30))
    rejected(inbox, sender="province-27")
    waits = inbox.send({"arrears": arrears(1)}, submission_id="waits")
    inbox.send({"arrears": arrears(1)}, submission_id="later", period="2021-12", as_of_date=dt.date(2021, 12, 31))
    short = inbox.send({"arrears": arrears(1)}, submission_id="short")
    (short / "arrears.csv").unlink()
    inbox.accept(inbox.send({"participants": None}, submission_id="fine", version=7))

    made = plan(inbox, Range(OCTOBER, OCTOBER, ("province-26",)))

    assert [each.submission_id for each in made.replays] == [refused.name]
    assert [each.path for each in made.folders] == [waits]
    assert [(each.submission_id, each.why) for each in made.left] == [("short", "it waits for arrears.csv")]
    assert [batch["month"] for batch in made.batches] == ["2021-10"]
    of_participants = Range(OCTOBER, OCTOBER, feeds=("participants",))
    assert plan(inbox, of_participants).batches == []
    assert [batch["month"] for batch in plan(inbox, Range(OCTOBER, dt.date(2021, 12, 1))).batches] == [
        "2021-10", "2021-11", "2021-12",
    ]  # fmt: skip


def test_a_plan_touches_nothing(inbox: Inbox) -> None:
    rejected(inbox)
    inbox.send({"arrears": arrears(1)}, submission_id="waits")
    before = _ledger(inbox)
    assert plan(inbox).batches != []
    assert _ledger(inbox) == before


def _ledger(inbox: Inbox) -> list[object]:
    tables = ("submission", "load", "reject", "replay", "run_stage", "worker", "security_event", "build")
    return [inbox.query(f"select * from ops.{table} order by 1") for table in tables]


def test_a_backfill_does_what_its_plan_says_and_finds_nothing_to_do_the_second_time(
    inbox: Inbox, laxer: pytest.MonkeyPatch
) -> None:
    refused = rejected(inbox)
    hopeless = inbox.send({"employers": employers(1)}, submission_id="hopeless", declared={"employers": {"rows": 9}})
    assert inbox.load(hopeless).state == "rejected"
    inbox.send({"benefits": None}, submission_id="waits", version=3)
    relax(laxer)

    assert dict(take(inbox, plan(inbox))) == {
        f"province-26/{refused.name}": "accepted_with_rejects",
        "province-26/hopeless": "rejected",
        "province-26/waits": "accepted",
    }
    again = plan(inbox)
    # its verdict might rest on what was accepted after it
    assert [each.submission_id for each in again.replays] == ["hopeless"]
    assert take(inbox, again) == [("province-26/hopeless", "rejected")]
    before = _ledger(inbox)
    settled = plan(inbox)
    assert (settled.batches, [each.submission_id for each in settled.left]) == ([], ["hopeless"])
    assert take(inbox, again) == []
    assert _ledger(inbox) == before


def test_what_a_person_refused_is_left_to_persons(inbox: Inbox) -> None:
    folder = inbox.send({"employers": employers(1)})
    settle(inbox.settings, inbox.load(folder).sub_no, "held", ())
    decide_held(inbox.settings, folder.name, release=False, reason="a typing error", by="Minh")
    made = plan(inbox)
    assert (made.batches, [each.submission_id for each in made.left]) == ([], [folder.name])
    assert f"vss replay {folder.name}" in made.left[0].why
    assert replay(inbox, folder.name) == "accepted"


def test_a_plan_says_which_submission_would_be_superseded_at_once(inbox: Inbox) -> None:
    folder = rejected(inbox)
    inbox.accept(inbox.send({"employers": employers(5), "arrears": arrears(1)}, version=2, action="correct"))
    assert plan(inbox).idle == (folder.name,)
    assert f"{folder.name}" in "\n".join(backfill.in_words(plan(inbox)))
    assert "superseded at once" in "\n".join(backfill.in_words(plan(inbox)))


@pytest.mark.parametrize(
    ("first", "last", "senders", "feeds", "word"),
    [
        ("2021-13", "2021-12", [], [], "2021-13 is no month"),
        ("2021-10", "2021-9", [], [], "2021-9 is no month"),
        ("2021-10", "2021-09", [], [], "2021-09 is before 2021-10"),
        ("2021-10", "2021-10", ["province-00"], [], "no sender province-00"),
        ("2021-10", "2021-10", [], ["payroll"], "no feed payroll"),
    ],
)
def test_a_range_that_makes_no_sense_is_wrong_usage(
    first: str, last: str, senders: list[str], feeds: list[str], word: str
) -> None:
    with pytest.raises(UsageError, match=word):
        backfill.asked_range(first, last, senders, feeds)


# ---------------------------------------------------------------------------------------------- as Airflow calls it


PARAMS = {
    "run_id": "by hand", "inbox": None, "date": "2021-11-03", "from": "2021-10", "to": "2021-10", "senders": [],
    "feeds": [], "dry_run": False, "reason": WHY["reason"], "wait_minutes": 0,
}  # fmt: skip


@pytest.fixture
def by_hand(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> Inbox:
    """The steps of the DAG work in this warehouse."""
    monkeypatch.setattr(backfill, "settings", lambda: inbox.settings)
    return inbox


@pytest.mark.parametrize("wrong", [{"to": "2021-09"}, {"feeds": ["payroll"]}])
def test_a_plan_that_cannot_be_made_is_on_record_and_fails_the_run(by_hand: Inbox, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        backfill.planned({**PARAMS, **wrong})
    assert by_hand.query("select stage, subject, outcome from ops.run_stage") == [("backfill", "plan", "error")]
    assert journal.exit_code(by_hand.settings, "by hand") == 1


@pytest.mark.parametrize("is_replay", [True, False])
def test_what_the_database_took_with_it_is_tried_again_and_a_mistake_is_not(
    by_hand: Inbox, monkeypatch: pytest.MonkeyPatch, is_replay: bool
) -> None:
    if is_replay:
        rejected(by_hand)
    else:
        by_hand.send({"arrears": arrears(1)})
    (batch,) = plan(by_hand).batches
    assert batch["items"][0].startswith("replay ") is is_replay
    for error, raised in ((psycopg.errors.AdminShutdown("gone"), LoadsLostError), (KeyError("oh"), RuntimeError)):
        with monkeypatch.context() as patch:
            patch.setattr(arrivals, "load_submission", _raises(error))
            with pytest.raises(raised, match="province-26/"):
                backfill.loaded(batch, PARAMS)
        assert journal.exit_code(by_hand.settings, "by hand") == 1
    assert backfill.loaded(batch, PARAMS) == ({"rejected": 1} if is_replay else {"accepted": 1})


def _raises(error: Exception) -> Any:
    def load(*_: object) -> None:
        raise error

    return load


def test_a_rebuild_that_a_night_leaves_no_room_for_is_skipped_and_no_failure(
    by_hand: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill.publishing, "build", _never)
    with builds.lease(by_hand.settings):
        assert backfill.published(PARAMS) is False
    assert by_hand.query("select stage, subject, outcome from ops.run_stage") == [("backfill", "rebuild", "skipped")]
    assert journal.exit_code(by_hand.settings, "by hand") == 0


def test_the_business_date_of_a_run_is_that_of_its_publication(by_hand: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill.publishing, "build", lambda *_, **__: 1)
    monkeypatch.setattr(backfill.publishing, "audit", lambda *_: True)
    found: list[dt.datetime] = []
    monkeypatch.setattr(backfill.publishing, "publish", lambda *_, now: found.append(now))
    assert backfill.published(PARAMS) is False
    assert [f"{now:%Y-%m-%d %H:%M %z}" for now in found] == ["2021-11-03 01:00 +0700"]


# ------------------------------------------------------------------------------------------------- beside a night


@pytest.fixture
def room(inbox: Inbox) -> Iterator[Settings]:
    """A warehouse without models, with one publication."""
    with review_room(inbox.settings) as settings:
        inbox.accept(inbox.send({"employers": employers(1)}))
        published(settings)
        yield settings
        with connect(settings, roles.MIGRATOR) as connection:
            connection.execute("delete from ops.staged_load")


def publish(settings: Settings, **changes: Any) -> int | None:
    return backfill.publish(settings, "again", WANTED, **{**WHY, "pause": 0.01, **changes})


def test_a_night_that_holds_the_lease_is_waited_for_and_never_disturbed(
    room: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill.publishing, "build", _never)
    with builds.lease(room):
        for patience in (0, 0.05):
            with pytest.raises(BuildOpenError):
                publish(room, patience=patience)
    with builds.lease(room) as night:
        opened = builds.open_build(night, "other rules")
        assert opened is not None
    with pytest.raises(BuildOpenError, match=f"Build {opened.build_id} of"):
        publish(room)
    with connect(room, roles.TRANSFORMER, autocommit=True) as connection:
        assert builds.is_any_open(connection)
        builds.abandon(connection, opened.build_id, "the test is over")


def _never(*_: object, **__: object) -> None:
    raise AssertionError("a backfill built beside a night")


def test_a_night_that_is_loading_is_waited_for_but_not_one_that_died_hours_ago(
    room: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[object] = []
    monkeypatch.setattr(backfill.publishing, "build", lambda *_, **__: built.append("built"))
    with connect(room, roles.LOADER) as connection:
        connection.execute("insert into ops.run_stage (run_id, stage) values ('night', 'discover')")
    for patience in (0, 0.001):
        with pytest.raises(BuildOpenError, match="A night is at work"):
            publish(room, patience=patience)
    with connect(room, roles.LOADER) as connection:
        connection.execute("update ops.run_stage set started_at = now() - interval '11 hours'")
    with pytest.raises(BuildOpenError, match="A night is at work"):
        publish(room)
    with connect(room, roles.LOADER) as connection:
        connection.execute("update ops.run_stage set started_at = now() - interval '13 hours'")
    assert publish(room, patience=0.001) is None
    assert built == ["built"]


def test_two_backfills_do_not_build_side_by_side(room: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill.publishing, "build", _never)
    with backfill._only_backfill(room), pytest.raises(BuildOpenError, match="Another backfill"):
        publish(room)


def test_what_a_backfill_left_behind_is_taken_back_by_the_next_one_and_by_a_night(room: Settings) -> None:
    wanted = builds.Rebuild(WANTED, "dead", **WHY)
    with builds.lease(room) as connection:
        dead = builds.open_build(connection, "rules", rebuild=wanted)
        assert dead is not None
        builds.refuse_beside_another(connection)
        second = builds.open_build(connection, "rules", rebuild=wanted)
        assert second is not None and second.build_id > dead.build_id
        builds.take_back(connection)
        assert not builds.is_any_open(connection)


def test_everything_accepted_in_the_range_counts_as_changed_and_nothing_else(inbox: Inbox, room: Settings) -> None:
    inbox.accept(inbox.send({"employers": employers(1)}, sender="province-27"))
    inbox.accept(inbox.send({"employers": employers(1)}, period="2021-11", as_of_date=dt.date(2021, 11, 30)))
    published(room)
    with builds.lease(room) as connection:
        for wanted, territories in (
            (WANTED, ["63-26", "63-27"]),
            (Range(OCTOBER, OCTOBER, ("province-27",)), ["63-27"]),
            (Range(OCTOBER, OCTOBER, (), ("arrears",)), None),
        ):
            opened = builds.open_build(connection, "rules", rebuild=builds.Rebuild(wanted, "again", **WHY))
            if territories is None:
                assert opened is None
                continue
            assert opened is not None
            touched = connection.execute(
                "select source, territory_key, month from ops.build_touch where build_id = %s order by 2",
                [opened.build_id],
            ).fetchall()
            assert touched == [("employers", territory, OCTOBER) for territory in territories]
        builds.take_back(connection)


def test_the_receipt_of_a_replay_is_written_for_its_sender_alone(inbox: Inbox, laxer: pytest.MonkeyPatch) -> None:
    folder = rejected(inbox)
    relax(laxer)
    replay(inbox, folder.name)
    told = receipt(inbox.settings, folder.name)
    assert (told["state"], told["sender"]) == ("accepted_with_rejects", "province-26")
