"""The pin: which publication a session reads."""

from __future__ import annotations

import psycopg
import pytest

from warehouse import roles
from warehouse.connection import connect
from warehouse.errors import UsageError
from warehouse.publication import as_of, current, resolve, roll_back
from warehouse.settings import Settings


def shown(settings: Settings, pin: str, role: str = roles.ENGINEER) -> object:
    with connect(settings, role) as connection:
        connection.execute("select set_config('vss.publication', %s, false)", [pin])
        row = connection.execute("select ops.shown_publication(false)").fetchone()
        assert row is not None
        return row[0]


def test_a_session_without_a_pin_reads_the_current_publication(configured: Settings) -> None:
    assert shown(configured, "") == 0


@pytest.mark.parametrize(
    "pin", ["7", "999999999", "9999999999", "-1", "0", "one", "1; drop table ops.publication", "1 "]
)
def test_a_pin_on_an_id_that_was_never_published_raises_one_sentence(configured: Settings, pin: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue) as raised:
        shown(configured, pin)
    assert raised.value.diag.message_primary == f"publication {pin} was never published: see bi.publication"


def test_nothing_is_published_at_first(configured: Settings) -> None:
    assert current(configured) is None


@pytest.mark.parametrize("wanted", ["0", "1", "12345", "2020-01-01", "yesterday", "2020-13-01", "99999999999"])
def test_what_was_never_published_cannot_be_resolved(configured: Settings, wanted: str) -> None:
    with pytest.raises(UsageError, match=r"bi\.publication"):
        resolve(configured, wanted)


def test_nobody_rolls_back_to_what_was_never_published(configured: Settings) -> None:
    with pytest.raises(UsageError, match="never published"):
        roll_back(configured, 7, "tried")


def test_a_query_as_of_an_unknown_publication_is_not_run(
    configured: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    with pytest.raises(UsageError):
        as_of(configured, "7", "select 1", sys.stdout)
    assert capsys.readouterr().out == ""
