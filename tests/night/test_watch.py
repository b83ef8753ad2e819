"""A night that did not start, or did not end, is noticed from the ledger alone, and told once."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator
from mailbox import closed_port
from pathlib import Path

import pytest
from builders import Inbox

from ingestion.deadlines import LOCAL
from night import watch
from warehouse import roles
from warehouse.connection import connect
from warehouse.settings import Settings

MONDAY = dt.date(2021, 11, 1)


def at(day: int, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime(2021, 11, day, hour, minute, tzinfo=LOCAL)


@pytest.fixture
def expecting(inbox: Inbox, configured: Settings) -> Iterator[Settings]:
    """A warehouse that `vss up` was first run for on Monday, 2021-11-01, at noon."""
    watch.expect_none(configured)
    watch.expect_nights(configured, now=at(1, 12))
    with connect(configured, roles.MIGRATOR) as connection:
        for table in ("alert_delivery", "alert", "alert_message"):
            connection.execute(f"delete from ops.{table}".encode())
    yield configured
    watch.expect_none(configured)
    shutil.rmtree(configured.home / "alerts", ignore_errors=True)


def ran(settings: Settings, run_id: str, begun: dt.datetime, *, ended: bool = True) -> None:
    """A night in the ledger."""
    with connect(settings, roles.LOADER) as connection:
        for name, after in [("discover", 0), *([("report", 9)] if ended else [])]:
            connection.execute(
                "insert into ops.run_stage (run_id, stage, started_at, outcome) values (%s, %s, %s, 'done')",
                [run_id, name, begun + dt.timedelta(minutes=after)],
            )


def missed(settings: Settings, now: dt.datetime) -> list[str]:
    return [alert.subject_en for alert in watch.missed_nights(settings, now=now)]


def test_a_night_is_missed_half_an_hour_after_it_was_due_and_not_before(expecting: Settings) -> None:
    assert missed(expecting, at(2, 1, 29)) == []
    assert missed(expecting, at(2, 1, 30)) == ["The night of 2021-11-02 did not start"]
    patient = expecting.model_copy(update={"night_grace_minutes": 120})
    assert missed(patient, at(2, 2, 59)) == []


def test_the_night_before_the_warehouse_was_started_was_not_expected(expecting: Settings) -> None:
    assert missed(expecting, at(1, 23)) == []


def test_a_night_that_began_is_not_missed_whoever_began_it(expecting: Settings) -> None:
    ran(expecting, "scheduled__1", at(2, 1))
    ran(expecting, "night-by-hand", at(3, 0, 10))
    assert missed(expecting, at(3, 12)) == []


def test_nothing_is_expected_of_a_warehouse_that_was_stopped_on_purpose(expecting: Settings) -> None:
    watch.expect_none(expecting)
    assert missed(expecting, at(9, 12)) == []


def test_a_second_start_does_not_hide_what_was_missed_while_the_machine_was_without_power(expecting: Settings) -> None:
    ran(expecting, "scheduled__1", at(2, 1))
    watch.expect_nights(expecting, now=at(5, 9))
    assert missed(expecting, at(5, 9)) == [
        f"The night of 2021-11-0{day} did not start" for day in (3, 4, 5)
    ]  # fmt: skip


def test_after_a_long_silence_the_last_week_is_named_and_no_more(expecting: Settings) -> None:
    assert len(missed(expecting, at(30, 9))) == 7


def test_a_night_that_has_not_ended_after_five_hours_is_told_with_its_run(expecting: Settings) -> None:
    ran(expecting, "scheduled__1", at(2, 1), ended=False)
    assert missed(expecting, at(2, 5, 59)) == []
    [alert] = watch.missed_nights(expecting, now=at(2, 6))
    assert alert.subject_en == "The night of 2021-11-02 has not ended after 5 hours"
    assert alert.key == "not-ended 2021-11-02 scheduled__1"


def test_each_look_tells_what_is_new_once_to_operations(expecting: Settings) -> None:
    looks = [watch.look(expecting, run_id=f"watch-{hour}", now=at(2, hour)) for hour in range(1, 5)]
    assert looks == [0, 1, 0, 0]
    [path] = (expecting.home / "alerts" / "2021-11-02").glob("operations-watch-*.txt")
    assert "The night of 2021-11-02 did not start" in path.read_text(encoding="utf-8")


def test_a_database_that_cannot_be_reached_is_told_once_a_day(tmp_path: Path) -> None:
    lost = Settings(home=tmp_path, database_url=f"postgresql://u:p@127.0.0.1:{closed_port()}/vss", lineage=False)
    watch.expect_nights(lost, now=at(1, 12))
    looks = [watch.look(lost, run_id=f"watch-{n}", now=now) for n, now in enumerate([at(2, 3), at(2, 4), at(3, 3)])]
    assert looks == [1, 0, 1]
    [path] = (tmp_path / "alerts" / "2021-11-02").glob("*.txt")
    assert "The database cannot be reached" in path.read_text(encoding="utf-8")


def test_the_process_of_vss_up_looks_at_once_and_then_every_five_minutes_without_any_scheduler(
    expecting: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def paused(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise InterruptedError

    monkeypatch.setattr(watch, "settings", lambda: expecting)
    monkeypatch.setattr(watch.time, "sleep", paused)
    with pytest.raises(InterruptedError):
        watch.keep_watch()
    assert pauses == [300, 300]
    today = dt.datetime.now(tz=LOCAL).date()
    told = [path.read_text(encoding="utf-8") for path in (expecting.home / "alerts" / f"{today}").glob("*.txt")]
    assert sum(f"The night of {today - dt.timedelta(days=1)} did not start" in text for text in told) == 1


def test_a_mark_that_cannot_be_read_expects_nothing_and_raises_nothing(expecting: Settings) -> None:
    (expecting.home / "up" / "nights_expected_since").write_text("?", encoding="utf-8")
    assert missed(expecting, at(9, 12)) == []
