"""A list of the tax authority that comes in during the day is matched by one more build, and by no more than one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from builders import Inbox
from review_builders import published, review_room

from night import last_arrival
from warehouse import builds, roles
from warehouse.connection import connect
from warehouse.settings import Settings


@pytest.fixture
def room(inbox: Inbox) -> Iterator[Settings]:
    """A warehouse without models."""
    with review_room(inbox.settings) as settings:
        yield settings
        with connect(settings, roles.MIGRATOR) as connection:
            connection.execute("delete from ops.staged_load")


def arrive(settings: Settings, sender: str, feed: str, *, version: int = 1, state: str = "accepted") -> None:
    """What the loader and the gate leave in the ledger of a submission with one file."""
    with connect(settings, roles.LOADER) as connection:
        row = connection.execute(
            "insert into ops.submission (submission_id, manifest_sha256, sender, period, month, version, action, state,"
            " received_at, folder) values (%s, 'x', %s, '2021-03', '2021-03-01', %s, 'submit', %s, now(), '')"
            " returning sub_no",
            [f"{sender}-{feed}-v{version}-{state}", sender, version, state],
        ).fetchone()
        assert row is not None
        connection.execute(
            "insert into ops.load (sub_no, feed, is_nil, row_count, accepted, basis, profile, totals, state)"
            " values (%s, %s, false, 1, 1, 'month', '{}', '{}', %s)",
            [row[0], feed, state if state.startswith("accepted") else "loaded"],
        )


def is_due(settings: Settings) -> bool:
    with connect(settings, roles.TRANSFORMER) as connection:
        return last_arrival.brings_a_tax_list(connection)


@pytest.fixture
def shown(room: Settings) -> Settings:
    """Something is published, without a tax list."""
    arrive(room, "province-26", "participants")
    published(room)
    return room


def test_before_the_first_publication_a_list_waits_for_the_night(room: Settings) -> None:
    arrive(room, "tax", "tax_employers")

    assert not is_due(room)


def test_a_list_that_was_accepted_is_due_until_a_build_has_read_it(shown: Settings) -> None:
    assert not is_due(shown)
    arrive(shown, "tax", "tax_employers")

    assert is_due(shown)

    published(shown)
    assert not is_due(shown)


def test_two_lists_are_matched_by_one_build(shown: Settings) -> None:
    arrive(shown, "tax", "tax_employers")
    arrive(shown, "tax", "tax_employers", version=2)

    published(shown)

    assert not is_due(shown)


@pytest.mark.parametrize("state", ["held", "rejected", "loaded"])
def test_a_list_that_is_not_accepted_is_not_due(shown: Settings, state: str) -> None:
    arrive(shown, "tax", "tax_employers", state=state)

    assert not is_due(shown)


def test_what_others_send_is_left_to_the_night(shown: Settings) -> None:
    arrive(shown, "province-46", "employers")

    assert not is_due(shown)


def test_after_a_build_that_failed_people_decide_and_the_night_builds(shown: Settings) -> None:
    arrive(shown, "tax", "tax_employers")
    with builds.lease(shown) as connection:
        build = builds.open_build(connection, "rules")
        assert build is not None
        builds.abandon(connection, build.build_id, "a gate failed", state="failed")

    assert not is_due(shown)


def test_a_build_that_was_only_taken_back_has_not_read_it_to_its_end(shown: Settings) -> None:
    arrive(shown, "tax", "tax_employers")
    with builds.lease(shown) as connection:
        build = builds.open_build(connection, "rules")
        assert build is not None
        builds.abandon(connection, build.build_id, "left behind")

    assert is_due(shown)
