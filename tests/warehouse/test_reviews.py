"""The review of similar pairs: decisions are kept, dated and reversible, and a build reads those in force."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import alembic.command
import psycopg
import pytest
from review_builders import TWIN, UNIT, judged, pair, published, read, review_room, touched

from night.readiness import migrate
from warehouse import pseudonyms, reviews, roles
from warehouse.connection import connect
from warehouse.errors import UsageError
from warehouse.publication import roll_back
from warehouse.settings import Settings

CODE = "0100000001"
TOUCH = [("tax_review", None, None)]


@pytest.fixture
def room(configured: Settings) -> Iterator[Settings]:
    with review_room(configured) as settings:
        yield settings


def as_role(settings: Settings, role: str, query: str) -> list[tuple[object, ...]]:
    with connect(settings, role) as database:
        cursor = database.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def confirm(settings: Settings, unit: str = "TA0001A", **changes: Any) -> tuple[reviews.Decision, bool]:
    return reviews.decide(settings, CODE, unit, "confirmed", **{"reason": "letter 12", "by": "lan", **changes})


def undo(settings: Settings, unit: str = "TA0001A", **changes: Any) -> reviews.Decision:
    return reviews.undo(settings, CODE, unit, **{"reason": "wrong letter", "by": "minh", **changes})


# --------------------------------------------------------------------------------------------------------- decisions


def test_a_decision_is_kept_with_who_when_and_why(room: Settings) -> None:
    pair(room)
    before = dt.datetime.now(tz=dt.UTC)
    decision, is_new = confirm(room, reason="  seen on\n the licence ")
    assert is_new
    assert reviews.decisions(room) == [decision]
    assert (decision.tax_code, decision.employer_id, decision.si_unit_code, decision.province_code) == (
        CODE, UNIT, "TA0001A", "26",
    )  # fmt: skip
    assert (decision.verdict, decision.reason, decision.decided_by) == ("confirmed", "seen on the licence", "lan")
    assert before <= decision.decided_at <= dt.datetime.now(tz=dt.UTC)
    assert (decision.revoked_at, decision.revoked_by, decision.revoke_reason) == (None, None, None)


def test_a_decision_that_is_undone_stays_on_record_and_the_pair_can_be_decided_anew(room: Settings) -> None:
    pair(room)
    first, _ = confirm(room)
    undo(room)
    second, is_new = reviews.decide(room, CODE, "TA0001A", "refused", reason="another firm", by="lan")
    assert is_new
    latest, earlier = reviews.decisions(room, CODE)
    assert latest == second
    assert (earlier.decision_id, earlier.verdict, earlier.reason, earlier.decided_at) == (
        first.decision_id, "confirmed", "letter 12", first.decided_at,
    )  # fmt: skip
    assert (earlier.revoked_by, earlier.revoke_reason) == ("minh", "wrong letter")
    assert earlier.revoked_at is not None and first.decided_at <= earlier.revoked_at <= second.decided_at


def test_the_same_decision_again_changes_nothing_and_the_other_one_is_refused(room: Settings) -> None:
    pair(room)
    first, _ = confirm(room)
    assert confirm(room, reason="again", by="minh") == (first, False)
    with pytest.raises(UsageError, match=r"confirmed by lan.*vss review undo"):
        reviews.decide(room, CODE, "TA0001A", "refused", reason="no", by="minh")
    assert reviews.decisions(room) == [first]


def test_a_pair_that_left_the_queue_may_still_be_decided_after_an_undo(room: Settings) -> None:
    pair(room)
    confirm(room)
    undo(room)
    as_role(room, roles.TRANSFORMER, "drop table marts.int_tax_match__similar")
    assert confirm(room)[1]


def test_a_further_unit_of_a_code_is_confirmed_when_no_tax_code_has_it(room: Settings) -> None:
    judged(room, CODE, "matched", "TA0001A", UNIT)
    judged(room, "0100000077", "matched", "TA0007G", uuid.uuid4())
    judged(room, None, "not_in_tax_list", "TA0002B", TWIN)

    decision, is_new = reviews.decide(room, CODE, "TA0002B", "confirmed", reason="one firm, two units", by="lan")

    assert is_new and decision.employer_id == TWIN
    with pytest.raises(UsageError):
        reviews.decide(room, CODE, "TA0007G", "confirmed", reason="x", by="lan")
    with pytest.raises(UsageError):
        reviews.decide(room, "0100000055", "TA0002B", "confirmed", reason="x", by="lan")


@pytest.mark.parametrize(
    ("tax_code", "unit", "words"),
    [("0199999999", "TA0001A", "does not wait for review"), (CODE, "TA0009Z", "choose TA0001A")],
)
def test_only_a_pair_of_the_queue_can_be_decided(room: Settings, tax_code: str, unit: str, words: str) -> None:
    pair(room)
    with pytest.raises(UsageError, match=words):
        reviews.decide(room, tax_code, unit, "confirmed", reason="x", by="lan")
    assert reviews.decisions(room) == []


@pytest.mark.parametrize(("name", "option"), [("reason", "--reason"), ("by", "--by")])
def test_words_that_stay_on_record_are_not_empty(room: Settings, name: str, option: str) -> None:
    pair(room)
    with pytest.raises(UsageError, match=option):
        confirm(room, **{name: " \n"})
    confirm(room)
    with pytest.raises(UsageError, match=option):
        undo(room, **{name: ""})


def test_what_was_not_decided_cannot_be_undone_nor_undone_twice(room: Settings) -> None:
    pair(room)
    with pytest.raises(UsageError, match="vss review log"):
        undo(room)
    confirm(room)
    undo(room)
    with pytest.raises(UsageError, match="vss review log"):
        undo(room)


def test_a_unit_code_of_two_provinces_needs_the_province(room: Settings) -> None:
    pair(room)
    pair(room, employer_id=TWIN, province_code="24", current_province_code="24")
    with pytest.raises(UsageError, match=r"provinces 24 and 26.*--province"):
        confirm(room)
    with pytest.raises(UsageError, match=r"province 46.*24 or 26"):
        confirm(room, province="46")
    assert confirm(room, province="24")[0].employer_id == TWIN
    assert confirm(room, province="25")[0].employer_id == UNIT
    with pytest.raises(UsageError, match=r"provinces 24 and 26.*--province"):
        undo(room)
    assert undo(room, province="26").employer_id == UNIT


def test_a_code_that_merged_with_its_neighbour_means_the_province_as_sent(room: Settings) -> None:
    # Bac Ninh (27) and Bac Giang (24) are both 24 today
    pair(room, province_code="24", current_province_code="24")
    pair(room, employer_id=TWIN, province_code="27", current_province_code="24")
    assert confirm(room, province="24")[0].employer_id == UNIT


def test_a_code_before_and_after_the_merger_is_told_apart_by_the_unit_itself(room: Settings) -> None:
    pair(room, province_code="24", current_province_code="24")
    pair(room, employer_id=TWIN, province_code="24", current_province_code="24")
    with pytest.raises(UsageError, match=f"{UNIT} or {TWIN}"):
        confirm(room, province="24")
    assert confirm(room, unit=str(TWIN))[0].employer_id == TWIN


# --------------------------------------------------------------------------------------------------------- the queue


def test_the_queue_shows_the_most_alike_first_and_each_pair_once_at_its_latest_year(room: Settings) -> None:
    pair(room, name_similarity=Decimal("0.7"))
    pair(room, tax_year=2022, name_similarity=Decimal("0.75"))
    pair(room, "0100000002", name_similarity=Decimal("0.9"))
    pair(room, "0100000003", name_similarity=Decimal("0.9"), address_similarity=Decimal("0.6"))
    pairs, waiting = reviews.queue(room)
    assert [(one.tax_code, one.tax_year) for one in pairs] == [
        ("0100000003", 2021), ("0100000002", 2021), (CODE, 2022),
    ]  # fmt: skip
    assert waiting == 3
    assert [one.tax_year for one in reviews.queue(room, year=2021)[0] if one.tax_code == CODE] == [2021]
    assert reviews.queue(room, year=2019) == ([], 0)
    cut, waiting = reviews.queue(room, limit=1)
    assert ([one.tax_code for one in cut], waiting) == (["0100000003"], 3)


def test_a_decided_pair_leaves_the_queue_at_once_and_comes_back_when_it_is_undone(room: Settings) -> None:
    pair(room)
    pair(room, tax_year=2022)
    pair(room, employer_id=TWIN)
    confirm(room, unit=str(UNIT))
    assert [one.employer_id for one in reviews.queue(room)[0]] == [TWIN]
    undo(room)
    assert {one.employer_id for one in reviews.queue(room)[0]} == {UNIT, TWIN}


def test_the_queue_of_a_province_is_that_of_todays_map_or_of_a_code_that_is_gone(room: Settings) -> None:
    third = uuid.UUID(int=3)
    pair(room)  # Vinh Phuc, today 25
    pair(room, employer_id=TWIN, province_code="27", current_province_code="24")  # Bac Ninh
    pair(room, employer_id=third, province_code="24", current_province_code="24")  # Bac Giang
    asked = {code: {one.employer_id for one in reviews.queue(room, province=code)[0]} for code in ("25", "24", "26")}
    assert asked == {"25": {UNIT}, "24": {TWIN, third}, "26": {UNIT}}
    with pytest.raises(UsageError, match="no province 99"):
        reviews.queue(room, province="99")


def test_before_the_first_build_there_is_no_queue(room: Settings) -> None:
    as_role(room, roles.TRANSFORMER, "drop table marts.int_tax_match__similar")
    with pytest.raises(UsageError, match="vss build"):
        reviews.queue(room)
    with pytest.raises(UsageError, match="does not wait"):
        confirm(room)


# ------------------------------------------------------------------------------------------------------------ builds


def test_a_build_is_touched_by_a_decision_and_by_its_undoing_and_by_nothing_else(room: Settings) -> None:
    pair(room)
    published(room)
    assert touched(room) is None
    confirm(room)
    assert touched(room) == TOUCH
    published(room)
    assert touched(room) is None
    undo(room)
    assert touched(room) == TOUCH
    confirm(room)
    assert touched(room) == TOUCH
    undo(room)
    published(room)
    assert touched(room) is None


def test_a_decision_that_is_undone_before_a_build_touches_nothing(room: Settings) -> None:
    pair(room)
    published(room)
    confirm(room)
    undo(room)
    assert touched(room) is None


def test_what_a_publication_read_stays_whatever_is_decided_later(room: Settings) -> None:
    pair(room)
    pair(room, "0100000002")
    confirm(room)
    first = published(room)
    shown = read(room)
    undo(room)
    reviews.decide(room, "0100000002", "TA0001A", "refused", reason="no", by="lan")
    assert read(room) == shown == [(CODE, UNIT, "confirmed")]
    published(room)
    assert read(room) == [("0100000002", UNIT, "refused")]
    roll_back(room, first, "tried")
    assert read(room) == shown
    assert touched(room) == TOUCH


def test_a_build_that_is_abandoned_leaves_the_decisions_as_they_were(room: Settings) -> None:
    pair(room)
    published(room)
    confirm(room)
    before = reviews.decisions(room)
    assert touched(room) == TOUCH
    assert reviews.decisions(room) == before
    assert read(room) == []
    assert touched(room) == TOUCH


# ------------------------------------------------------------------------------------------------- rights, catalogue


FORBIDDEN = [
    (role, query)
    for role in (roles.LOADER, roles.TRANSFORMER, roles.PUBLISHER, roles.ENGINEER, roles.READER)
    for query in (
        "delete from ops.tax_review",
        "update ops.tax_review set verdict = 'refused'",
        "update ops.tax_review set revoked_at = null",
        "insert into ops.tax_review (tax_code) values ('x')",
        "insert into ops.build_review values (1, 1)",
        "delete from ops.build_review",
    )
]
FORBIDDEN += [
    (role, query)
    for role in (roles.TRANSFORMER, roles.PUBLISHER, roles.ENGINEER, roles.READER)
    for query in (
        f"select ops.decide_tax_match('1', '{UNIT}', 'T', '26', 'confirmed', 'x', 'x')",
        "select ops.revoke_tax_match(1, 'x', 'x')",
    )
]
FORBIDDEN += [
    (roles.READER, f"select * from ops.{name}") for name in ("tax_review", "build_review", "tax_review_input")
]


@pytest.mark.parametrize(("role", "query"), FORBIDDEN)
def test_nobody_writes_a_decision_but_through_its_two_functions(configured: Settings, role: str, query: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_role(configured, role, query)


def test_a_revocation_happens_once(room: Settings) -> None:
    pair(room)
    decision, _ = confirm(room)
    undo(room)
    before = reviews.decisions(room)
    again = as_role(room, roles.LOADER, f"select ops.revoke_tax_match({decision.decision_id}, 'later', 'hung')")
    assert again == [(False,)]
    assert reviews.decisions(room) == before


@pytest.mark.parametrize(
    "arguments",
    ["'1', '{}', 'T', '26', 'maybe', 'x', 'x'", "'1', '{}', 'T', '26', 'confirmed', ' ', 'x'",
     "'', '{}', 'T', '26', 'confirmed', 'x', 'x'"],
)  # fmt: skip
def test_the_table_itself_refuses_what_is_no_decision(room: Settings, arguments: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        as_role(room, roles.LOADER, f"select ops.decide_tax_match({arguments.format(UNIT)})")


@pytest.mark.parametrize("role", [roles.TRANSFORMER, roles.ENGINEER])
def test_models_can_compare_names_by_trigrams(configured: Settings, role: str) -> None:
    assert as_role(configured, role, "select similarity('hoa mai', 'hoa mai'), similarity('abc', 'xyz')") == [(1, 0)]


def test_every_column_of_the_review_has_a_comment(configured: Settings) -> None:
    bare = as_role(
        configured,
        roles.MIGRATOR,
        """
        select c.relname::text, a.attname::text
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum >= 0 and not a.attisdropped
        where c.oid in ('ops.tax_review'::regclass, 'ops.build_review'::regclass, 'ops.tax_review_input'::regclass)
          and (col_description(c.oid, a.attnum) is null or obj_description(c.oid, 'pg_class') is null)
        """,
    )
    assert bare == []


def test_a_database_of_the_revision_before_keeps_what_it_holds(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=home)
    upgrade = alembic.command.upgrade
    with monkeypatch.context() as before:
        before.setattr(alembic.command, "upgrade", lambda config, _: upgrade(config, "0002"))
        # today's views use functions of later revisions; they come with the upgrade
        before.setattr(pseudonyms, "ensure_views", lambda _: None)
        migrate(settings)
    assert as_role(settings, roles.MIGRATOR, "select to_regclass('ops.tax_review')") == [(None,)]
    with connect(settings, roles.LOADER) as database:
        database.execute(
            "with sent as (insert into ops.submission (submission_id, sender, period, month, version, state, folder)"
            " values ('p26-2021-10-v1', 'province-26', '2021-10', '2021-10-01', 1, 'accepted', 'f') returning sub_no)"
            " insert into ops.load (sub_no, feed, state) select sub_no, 'participants', 'accepted' from sent"
        )
    first = published(settings)
    kept = "select build_id, load_id from ops.build_input"
    inputs = as_role(settings, roles.MIGRATOR, kept)
    migrate(settings)
    assert as_role(settings, roles.MIGRATOR, kept) == inputs
    assert as_role(settings, roles.MIGRATOR, "select publication_id from ops.current_publication") == [(first,)]
    assert read(settings) == []
    assert touched(settings) is None
    with review_room(settings):
        pair(settings)
        confirm(settings)
        assert touched(settings) == TOUCH
