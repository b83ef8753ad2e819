"""The last sender of a month triggers one more build, and exactly one; builds without dbt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import Inbox
from proofs import proves
from review_builders import published, review_room

from night import journal, last_arrival, publishing, tasks
from night.freshness import completeness
from warehouse import builds, roles
from warehouse.connection import connect
from warehouse.errors import BuildOpenError
from warehouse.settings import PROJECT, Settings

LAST = "96"
RUN = {"run_id": "day", "inbox": None, "date": None}


@pytest.fixture
def room(inbox: Inbox) -> Iterator[Settings]:
    """A warehouse without models."""
    with review_room(inbox.settings) as settings:
        yield settings
        with connect(settings, roles.MIGRATOR) as connection:
            connection.execute("delete from ops.staged_load")


def provinces(column: str = "code_until_2025_06_30") -> list[str]:
    """The codes of a map, from the table of the merger."""
    lines = (PROJECT / "warehouse" / "reference" / "province_succession.csv").read_text(encoding="utf-8").splitlines()
    place = lines[0].split(",").index(column)
    return sorted({line.split(",")[place] for line in lines[1:]})


def arrive(
    settings: Settings, *codes: str, version: int = 1, action: str = "submit", state: str = "accepted",
    period: str = "2021-10", feed: str = "participants",
) -> None:  # fmt: skip
    """What the loader and the gate leave in the ledger of a submission of each province; a void has no load."""
    with connect(settings, roles.LOADER) as connection:
        for code in codes:
            row = connection.execute(
                "insert into ops.submission (submission_id, manifest_sha256, sender, period, month, version, action,"
                " state, received_at, folder) values (%s, 'x', %s, %s, %s, %s, %s, %s, now(), '') returning sub_no",
                [f"{code}-{period}-{feed}-v{version}-{state}", f"province-{code}", period, f"{period}-01", version,
                 action, state],
            ).fetchone()  # fmt: skip
            assert row is not None
            if action != "void":
                connection.execute(
                    "insert into ops.load (sub_no, feed, is_nil, row_count, accepted, basis, profile, totals, state)"
                    " values (%s, %s, false, 1, 1, 'month', '{}', '{}', %s)",
                    [row[0], feed, state if state.startswith("accepted") else "loaded"],
                )


def is_due(settings: Settings) -> bool:
    with connect(settings, roles.TRANSFORMER) as connection:
        return last_arrival.completes_a_month(connection)


def all_but_one(settings: Settings) -> list[str]:
    """62 of 63 are accepted and published; returns their codes."""
    codes = [code for code in provinces() if code != LAST]
    assert len(codes) == 62
    arrive(settings, *codes)
    published(settings)
    return codes


@proves("order.one-missing")
def test_the_last_of_63_senders_triggers_one_more_build_and_exactly_one(room: Settings) -> None:
    codes = all_but_one(room)
    with connect(room, roles.PUBLISHER) as connection:
        assert completeness(connection) == f"2021-10 incomplete, 62 of 63, missing {LAST}"
    assert not is_due(room)

    arrive(room, LAST)
    assert is_due(room)

    published(room)
    assert not is_due(room)
    with connect(room, roles.PUBLISHER) as connection:
        assert completeness(connection) == "2021-10 complete, 63 of 63"
    arrive(room, codes[0], version=2, action="correct")
    assert not is_due(room)


@proves("order.one-missing")
def test_who_is_rejected_held_or_sends_another_feed_or_month_completes_nothing(room: Settings) -> None:
    all_but_one(room)
    arrive(room, LAST, state="rejected")
    arrive(room, LAST, version=2, state="held")
    arrive(room, LAST, feed="arrears")
    arrive(room, LAST, period="2021-11")
    assert not is_due(room)

    arrive(room, LAST, version=3, state="accepted_with_rejects")
    assert is_due(room)


def test_the_last_sender_completes_nothing_while_another_has_taken_its_own_back(room: Settings) -> None:
    codes = all_but_one(room)
    arrive(room, codes[0], version=2, action="void")
    arrive(room, LAST)
    assert not is_due(room)

    arrive(room, codes[0], version=3, action="correct")
    assert is_due(room)


def test_who_was_shown_as_taken_back_completes_the_month_again_when_it_returns(room: Settings) -> None:
    all_but_one(room)
    arrive(room, LAST)
    published(room)
    arrive(room, LAST, version=2, action="void")
    assert not is_due(room)
    published(room)
    assert not is_due(room)

    arrive(room, LAST, version=3, action="correct")
    assert is_due(room)
    published(room)
    assert not is_due(room)


def test_a_void_and_its_return_between_two_nights_are_a_correction_of_a_month_that_is_shown_complete(
    room: Settings,
) -> None:
    all_but_one(room)
    arrive(room, LAST)
    published(room)
    arrive(room, LAST, version=2, action="void")
    arrive(room, LAST, version=3, action="correct")
    assert not is_due(room)


def test_the_map_of_the_month_says_who_must_be_in(room: Settings) -> None:
    *others, last = provinces("code_from_2025_07_01")
    assert len(others) == 33
    arrive(room, *others, period="2025-07")
    published(room)
    assert not is_due(room)

    arrive(room, last, period="2025-07")
    assert is_due(room)


def test_nothing_is_due_before_the_first_publication(room: Settings) -> None:
    arrive(room, *provinces())
    assert not is_due(room)


def test_a_rollback_is_not_undone_by_the_arrival_it_left_behind(room: Settings) -> None:
    all_but_one(room)
    arrive(room, LAST)
    number = published(room)
    with connect(room, roles.PUBLISHER) as connection:
        connection.execute("select ops.roll_back(%s, 'wrong')", [number - 1])
    assert not is_due(room)


@pytest.mark.parametrize(("state", "again"), [("failed", False), ("abandoned", True)])
def test_a_build_that_failed_is_not_tried_every_quarter_and_one_that_was_killed_is(
    room: Settings, state: str, again: bool
) -> None:
    all_but_one(room)
    arrive(room, LAST)
    with builds.lease(room) as connection:
        build = builds.open_build(connection, "rules")
        assert build is not None
        builds.abandon(connection, build.build_id, "a gate, or a kill", state=state)
    assert is_due(room) is again


@pytest.fixture
def due(room: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The last sender of a month is there."""
    all_but_one(room)
    arrive(room, LAST)
    monkeypatch.setattr(last_arrival, "settings", lambda: room)
    monkeypatch.setattr(tasks, "settings", lambda: room)
    assert last_arrival.is_due(**RUN)
    return room


def candidate(settings: Settings, *, hours: int = 0) -> int:
    """A build that waits for its audit, opened so many hours ago."""
    with builds.lease(settings) as connection:
        build = builds.open_build(connection, "rules")
        assert build is not None
        builds.finish(connection, build.build_id)
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute("update ops.build set opened_at = now() - make_interval(hours => %s)", [hours])
    return build.build_id


def state_of(settings: Settings, build_id: int) -> object:
    with connect(settings, roles.TRANSFORMER) as connection:
        row = connection.execute("select state from ops.build where build_id = %s", [build_id]).fetchone()
    assert row is not None
    return row[0]


def test_while_another_build_runs_or_waits_it_is_left_alone(due: Settings) -> None:
    with builds.lease(due) as connection:
        assert not last_arrival.is_due(**RUN)
        assert not last_arrival.take("build", **RUN)
        assert not builds.is_any_open(connection)
    waits = candidate(due)

    assert not last_arrival.is_due(**RUN)
    assert not last_arrival.take("build", **RUN)
    assert state_of(due, waits) == "built"
    # that a run steps back is no failure of it, and nobody is told
    assert {outcome for name, _, outcome, *_ in journal.outcomes(due, "day") if name == "build"} == {"skipped"}
    assert journal.exit_code(due, "day") == 0


def test_what_a_killed_process_left_open_is_taken_back_at_once_and_built_again(
    due: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with builds.lease(due) as connection:
        dead = builds.open_build(connection, "rules")
        assert dead is not None
    built: list[bool] = []
    monkeypatch.setattr(publishing, "build", lambda *_, yields: built.append(yields) or 7)

    assert last_arrival.is_due(**RUN)
    assert last_arrival.take("build", **RUN)
    assert (state_of(due, dead.build_id), built) == ("abandoned", [True])


def test_a_candidate_that_nobody_went_on_with_for_hours_keeps_the_day_waiting_no_longer(
    due: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = candidate(due, hours=5)
    monkeypatch.setattr(publishing, "build", lambda *_, **__: 7)

    assert last_arrival.is_due(**RUN)
    assert last_arrival.take("build", **RUN)
    assert state_of(due, left) == "abandoned"


def test_nothing_is_built_while_a_night_is_at_work(due: Settings) -> None:
    journal.write(due, "night", "discover", None, 1.0, journal.Stage())
    assert not last_arrival.is_due(**RUN)
    journal.write(due, "night", "build", None, 1.0, journal.Stage())
    assert not last_arrival.is_due(**RUN)
    journal.write(due, "night", "report", None, 1.0, journal.Stage())
    assert last_arrival.is_due(**RUN)
    # its tasks were cleared: it begins anew under the same name
    journal.write(due, "night", "discover", None, 1.0, journal.Stage())
    assert not last_arrival.is_due(**RUN)


@pytest.mark.parametrize("step", ["audit", "publish"])
def test_a_candidate_of_its_own_is_not_left_waiting_because_somebody_holds_the_lease(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: object) -> None:
        raise BuildOpenError("Build 3 is open")

    monkeypatch.setattr(tasks, step, refused)
    with pytest.raises(BuildOpenError):
        last_arrival.take(step, **RUN)  # type: ignore[arg-type]
    monkeypatch.setattr(tasks, step, lambda **given: given == RUN)
    assert last_arrival.take(step, **RUN) is True  # type: ignore[arg-type]
    monkeypatch.setattr(tasks, step, lambda **_: False if step == "audit" else None)
    assert last_arrival.take(step, **RUN) is False  # type: ignore[arg-type]


def test_what_waits_is_found_as_at_night_and_is_no_night_of_the_journal(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder: Path = inbox.send({"participants": None})
    monkeypatch.setattr(last_arrival, "settings", lambda: inbox.settings)
    assert last_arrival.waiting(run_id="day", inbox=str(inbox.root), date=None) == [[str(folder)]]
    assert inbox.query("select stage, rows from ops.run_stage") == [("waiting", 1)]
