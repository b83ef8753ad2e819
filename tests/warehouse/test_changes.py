"""What came between two publications, in the sentence of bi.publication and in `vss diff`; builds without dbt."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from builders import Inbox, arrears, participants
from review_builders import pair, review_room

from ingestion.decision import decide_held, settle
from night.freshness import changes, rolled_back
from reporting.differences import write_text
from warehouse import builds, reviews, roles
from warehouse.connection import connect
from warehouse.differences import Differences, compare
from warehouse.errors import UsageError
from warehouse.publication import flip, pass_audit, stage
from warehouse.settings import Settings

ONE = "province-26-2021-10-v1"
TWO = "province-26-2021-10-v2"


@dataclass
class Room:
    """A warehouse without models, and the inbox before it."""

    inbox: Inbox

    @property
    def settings(self) -> Settings:
        return self.inbox.settings

    def send(self, version: int = 1, *, feeds: tuple[str, ...] = ("participants",), action: str = "submit") -> Path:
        rows = {"participants": participants(version + 1), "arrears": arrears(1)}
        received_at = dt.datetime(2021, 11, version, 8, tzinfo=dt.timezone(dt.timedelta(hours=7)))
        folder = self.inbox.send(
            {name: rows[name] for name in feeds}, version=version, action=action, received_at=received_at
        )
        if action == "void":
            assert self.inbox.load(folder).state == "accepted"
        else:
            self.inbox.accept(folder)
        return folder

    def publish(self, *, rules: str = "rules", is_full: bool = False) -> str:
        """Build and publish as a night would, without a model; returns what it says it brought."""
        with builds.lease(self.settings) as connection:
            build = builds.open_build(connection, rules, force_full=is_full)
            assert build is not None
            builds.finish(connection, build.build_id)
        with connect(self.settings, roles.PUBLISHER) as connection:
            stage(connection, build)
            pass_audit(connection, build)
            said = changes(connection, build.build_id)
            flip(connection, build, completeness="", freshness="", changes=said)
        return said

    def roll_back(self, target: int, reason: str) -> str:
        with connect(self.settings, roles.PUBLISHER) as connection:
            said = rolled_back(connection, target, reason)
            connection.execute("select ops.roll_back(%s, %s)", [target, said])
        return said

    def diff(self, before: int, after: int) -> Differences:
        return compare(self.settings, str(before), str(after))


@pytest.fixture
def room(inbox: Inbox) -> Iterator[Room]:
    with review_room(inbox.settings):
        yield Room(inbox)


def kinds(found: Differences) -> list[tuple[str, str, str | None, int | None, int | None]]:
    return [
        (each.kind, each.submission_id, each.replaced, each.version_before, each.version_after)
        for each in found.corrections
    ]


def test_the_first_publication_names_what_came_in(room: Room) -> None:
    room.send()

    assert room.publish() == f"1 new submission ({ONE}); the first publication: 0 slices, 0 rows."


def test_a_correction_names_what_it_takes_the_place_of(room: Room) -> None:
    room.send(feeds=("participants", "arrears"))
    room.publish()
    room.send(2, action="correct")

    assert room.publish() == f"1 correction ({TWO} for {ONE}): 0 slices, 0 rows."
    (only,) = room.diff(1, 2).corrections
    assert (only.kind, only.submission_id, only.replaced, only.feeds) == ("superseded", TWO, ONE, ("participants",))
    assert (only.sender, only.period, only.current_province_code) == ("province-26", "2021-10", "25")
    assert only.received_at is not None and only.received_at.day == 2


def test_a_version_that_comes_after_a_higher_one_is_never_in_force_and_brings_nothing(room: Room) -> None:
    room.send(3, action="correct")
    room.publish()
    room.send(2, action="correct")
    with builds.lease(room.settings) as connection:
        assert builds.open_build(connection, "rules") is None


def test_a_void_names_what_it_takes_back(room: Room) -> None:
    room.send()
    room.publish()
    room.send(2, feeds=(), action="void")

    assert room.publish() == f"1 void ({TWO} for {ONE}): 0 slices, 0 rows."
    assert kinds(room.diff(1, 2)) == [("voided", TWO, ONE, 1, 2)]


def test_a_higher_version_after_a_void_is_a_new_submission(room: Room) -> None:
    room.send()
    room.publish()
    room.send(2, feeds=(), action="void")
    room.publish()
    room.send(3, action="correct")

    assert room.publish() == "1 new submission (province-26-2021-10-v3): 0 slices, 0 rows."
    assert kinds(room.diff(2, 3)) == [("came in", "province-26-2021-10-v3", None, None, 3)]
    assert kinds(room.diff(1, 3)) == [("superseded", "province-26-2021-10-v3", ONE, 1, 3)]


def test_a_submission_a_person_released_says_so_and_why(room: Room) -> None:
    held = room.inbox.load(room.inbox.send({"participants": participants(2)}))
    settle(room.settings, held.sub_no, "held", ())
    decide_held(room.settings, ONE, release=True, reason="letter 12 of the province")

    assert f"1 new submission ({ONE}); 1 of them released by a person ({ONE})" in room.publish()
    room.send(2, action="correct")
    room.publish()
    (restored,) = room.diff(2, 1).corrections
    assert (restored.kind, restored.submission_id) == ("restored", ONE)
    assert restored.release_reason == "letter 12 of the province"
    assert restored.released_at is not None
    out = io.StringIO()
    write_text(room.diff(2, 1), out)
    assert f"{ONE} was held and released by" in out.getvalue()
    assert "letter 12 of the province" in out.getvalue()


def test_a_build_of_everything_says_whether_the_rules_changed(room: Room) -> None:
    room.send()
    room.publish()

    assert room.publish(is_full=True) == "Everything was made anew, as was asked for: 0 slices, 0 rows."
    assert room.publish(rules="others") == "Everything was made anew, for the rules changed: 0 slices, 0 rows."
    asked, changed = room.diff(1, 3).rebuilds
    assert (asked.publication_id, asked.has_new_rules) == (2, False)
    assert (changed.publication_id, changed.project_before, changed.project) == (3, "rules", "others")
    assert changed.has_new_rules
    assert (room.diff(1, 2).is_same, room.diff(1, 3).is_same) == (True, False)


def test_decisions_on_similar_names_are_counted_in_the_sentence_and_listed_with_their_reasons(room: Room) -> None:
    room.send()
    room.publish()
    pair(room.settings)
    decision, _ = reviews.decide(
        room.settings, "0100000001", "TA0001A", "confirmed", reason="seen on the licence", by="lan"
    )

    assert room.publish() == "1 decision on similar names: 0 slices, 0 rows."
    reviews.undo(room.settings, "0100000001", "TA0001A", reason="another licence", by="minh")
    assert room.publish() == "1 decision on similar names revoked: 0 slices, 0 rows."
    (made,) = room.diff(1, 2).decisions
    (revoked,) = room.diff(2, 3).decisions
    assert (made.decision_id, made.is_in_force, made.verdict, made.reason) == (
        decision.decision_id, True, "confirmed", "seen on the licence",
    )  # fmt: skip
    assert (revoked.is_in_force, revoked.revoked_by, revoked.revoke_reason) == (False, "minh", "another licence")
    assert room.diff(1, 3).is_same


def test_a_rollback_names_its_target_its_reason_and_what_is_left_behind(room: Room) -> None:
    room.send()
    room.publish()
    room.send(2, action="correct")
    room.publish()

    said = room.roll_back(1, "the correction was a draft")

    assert said.startswith("Rolled back to publication 1 of 20")
    assert said.endswith(
        f" (Asia/Ho_Chi_Minh): the correction was a draft; 1 submission is in force again ({ONE} for {TWO})."
    )
    assert kinds(room.diff(2, 3)) == [("restored", ONE, TWO, 2, 1)]
    assert room.diff(1, 3).is_same


def test_the_next_build_after_a_rollback_brings_back_what_was_left_behind(room: Room) -> None:
    room.send()
    room.publish()
    room.send(2, action="correct")
    room.publish()
    room.roll_back(1, "tried")

    assert room.publish() == f"1 correction ({TWO} for {ONE}): 0 slices, 0 rows."
    assert room.diff(2, 4).is_same


def test_the_other_way_round_what_came_in_is_taken_back(room: Room) -> None:
    room.send()
    room.publish()
    room.inbox.accept(room.inbox.send({"arrears": arrears(1)}, period="2021-11"))
    room.publish()

    (back,) = room.diff(2, 1).corrections
    assert (back.kind, back.version_before, back.version_after) == ("taken back", 1, None)
    assert back.received_at is not None


def test_many_submissions_are_counted_and_the_first_ten_named(room: Room) -> None:
    for month in range(1, 13):
        room.inbox.accept(room.inbox.send({"participants": participants(1)}, period=f"2022-{month:02}"))

    said = room.publish()

    assert said.startswith("12 new submissions (province-26-2022-01-v1, ")
    assert "province-26-2022-10-v1 and 2 more)" in said


def test_what_cannot_be_compared_is_one_sentence(room: Room) -> None:
    room.send()
    room.publish()

    for before, after, relation in (("1", "7", None), ("2020-01-01", "1", None), ("1", "1", "bi.rpt_nothing")):
        with pytest.raises(UsageError, match=r"bi\.publication|bi-relations"):
            compare(room.settings, before, after, relation=relation)
