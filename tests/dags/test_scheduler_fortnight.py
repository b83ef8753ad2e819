"""A fortnight of nights under the scheduler of `vss up`, each with a business date of its own.

What must come of it stands in `fortnight`, by hand. In every run the ledger alone goes through it; asked for with
`-m long` the scheduler does, with builds, gates and publications.
"""

from __future__ import annotations

import datetime as dt
import importlib
import importlib.util
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import LOCAL, Inbox, migrated, stop_and_remove
from fortnight import FORTNIGHT, LATE, PERIOD, PUNCTUAL, REFUSED, WEEKS, Arrival, Day, Late, Release, add, put
from scheduler import IMPATIENT, House, codes

from benchmarks.airflow_up import airflow_up
from ingestion.deadlines import due_at
from ingestion.decision import decide_held
from ingestion.receipts import receipt
from night import arrivals
from warehouse import roles
from warehouse.connection import connect
from warehouse.settings import Settings

EXPECTED = {
    "participants": "select sender, state, is_late from bi.rpt_completeness where period = '2025-09' and feed = "
    "'participants'",
    "weekly_report": "select sender, period, is_late from bi.rpt_completeness where feed = 'weekly_report' and "
    "received_at is not null",
}


def rows(settings: Settings, query: str, role: str = roles.LOADER, *values: object) -> list[tuple[Any, ...]]:
    with connect(settings, role) as connection:
        return connection.execute(query.encode(), values).fetchall()


def come(day: Day, inbox: Inbox, elsewhere: Path, left_out: Collection[str] = ()) -> None:
    """Everything that happens before a night; of the senders who are left out nothing comes."""
    for one in day.comes:
        if isinstance(one, Arrival) and one.sender in left_out:
            continue
        if isinstance(one, Arrival):
            put(inbox, one)
        elif isinstance(one, Late):
            add(inbox, one, elsewhere)
        else:
            assert decide_held(inbox.settings, one.name, release=True, reason=one.reason, by="on.call") == "accepted"


def assert_states(settings: Settings, day: Day, left_out: Collection[str] = ()) -> None:
    """What came is in the state the table says, late or not; who is missing is who the table says."""
    for one in day.comes:
        if isinstance(one, Release) or one.sender in left_out:
            continue
        found = rows(
            settings, "select state, is_late from ops.submission where submission_id = %s order by sub_no desc",
            roles.LOADER, one.name,
        )  # fmt: skip
        assert found[0] == (one.state, one.is_late), (day.night, one.name)
    standing = {
        str(sender).removeprefix("province-")
        for (sender,) in rows(
            settings, "select sender from ops.accepted_load where feed = 'participants' and period = %s",
            roles.LOADER, PERIOD,
        )
    }  # fmt: skip
    standing |= {
        one.sender.removeprefix("province-")
        for before in FORTNIGHT if before.night <= day.night
        for one in before.comes if isinstance(one, Arrival) and one.sender in left_out
    }  # fmt: skip
    assert len(standing) == day.included, day.night
    if day.missing is not None:
        assert set(codes("code_from_2025_07_01")) - standing == set(day.missing), day.night


def asked_for(settings: Settings, day: Day, told: set[str]) -> set[str]:
    """The provinces that are asked for their participants on the morning after a night, and were not in this step."""
    now = dt.datetime.combine(day.night, dt.time(8), tzinfo=LOCAL)
    due = due_at("participants", "province-01", PERIOD)
    assert due is not None
    if now < due:
        return set()
    chasing = importlib.import_module("night.chasing")
    found = [one for one in chasing.reminders(settings, now=now, feeds=["participants"]) if one.key not in told]
    told |= {one.key for one in found}
    return {one.recipient.removeprefix("province-") for one in found if one.recipient.startswith("province-")}


def test_the_table_of_the_fortnight_counts_the_provinces_there_are() -> None:
    others = {"12", "14", "15", "20", "24", "25", "37", "38", "46"}
    assert {*PUNCTUAL, *others} == set(codes("code_from_2025_07_01"))
    assert len(PUNCTUAL) + len(others) == 34
    assert len(FORTNIGHT) == 14
    assert [day.night for day in FORTNIGHT] == [FORTNIGHT[0].night + dt.timedelta(days=number) for number in range(14)]
    for day in FORTNIGHT:
        until = f"{day.night}T01:00:00"
        since = f"{day.night - dt.timedelta(days=1)}T01:00:00"
        assert all(since <= one.at < until for one in day.comes if not isinstance(one, Release)), day.night


def test_the_ledger_goes_through_the_fortnight_as_it_was_worked_out_by_hand(inbox: Inbox, tmp_path: Path) -> None:
    told: set[str] = set()
    # of those with whom nothing happens one is enough here
    left_out = {f"province-{code}" for code in set(PUNCTUAL) - {"01", "04", "91"}}
    for day in FORTNIGHT:
        come(day, inbox, tmp_path / "elsewhere", left_out)
        taken = dict(
            arrivals.load_all(inbox.settings, f"night of {day.night}", arrivals.discover(inbox.settings, inbox.root))
        )
        assert "error" not in taken.values()
        assert_states(inbox.settings, day, left_out)
        if importlib.util.find_spec("night.chasing") is None:
            continue
        absent = {sender.removeprefix("province-") for sender in left_out}
        assert asked_for(inbox.settings, day, told) - absent == set(day.reminded), day.night
    for name, told in REFUSED.items():
        assert [error["code"] for error in receipt(inbox.settings, name)["errors"]] == told, name


# ------------------------------------------------------------------------------------------------ under the scheduler


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """An empty warehouse that is up."""
    settings = migrated("vss-fortnight-")
    try:
        with airflow_up(settings, "nightly_load", variables=IMPATIENT) as airflow:
            yield House(settings, airflow, Inbox(settings, tmp_path_factory.mktemp("inbox")))
    finally:
        stop_and_remove(settings)


def shown(settings: Settings) -> tuple[int, str, int]:
    """The publication, what it says of its completeness, and the persons in compulsory insurance it shows."""
    (found,) = rows(
        settings,
        "select publication_id, completeness, (select count(*) from bi.fct_participation where month = '2025-09-01'"
        " and insurance_type = 'SI_C') from bi.publication where is_shown",
        roles.READER,
    )
    return int(found[0]), str(found[1]), int(found[2])


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_under_the_scheduler_every_night_ends_as_it_was_worked_out_by_hand(house: House, tmp_path: Path) -> None:
    house.inbox.root.mkdir(exist_ok=True)
    publication = 0
    for day in FORTNIGHT:
        come(day, house.inbox, tmp_path / "elsewhere")
        run = house.airflow.trigger(
            "nightly_load",
            {"run_id": f"night of {day.night}", "inbox": str(house.inbox.root), "date": day.night.isoformat()},
        )
        assert house.airflow.ended("nightly_load", run) == "success", day.night
        assert_states(house.settings, day)
        publication += day.publishes
        number, completeness, compulsory = shown(house.settings)
        assert (number, compulsory) == (publication, day.compulsory), day.night
        # a night that publishes nothing leaves what the last one said, of its own day
        if day.publishes:
            is_named = day.missing is not None or day.included == 34
            said = completeness if is_named else completeness[: len(day.completeness())]
            assert said == day.completeness(), day.night

    assert publication == sum(day.publishes for day in FORTNIGHT) == 11
    received = {
        str(sender).removeprefix("province-"): (state != "missing", bool(is_late))
        for sender, state, is_late in rows(house.settings, EXPECTED["participants"], roles.READER)
    }
    assert received == {code: (True, code in LATE) for code in codes("code_from_2025_07_01")}
    weeks = {
        (str(sender).removeprefix("province-"), str(period)): is_late
        for sender, period, is_late in rows(house.settings, EXPECTED["weekly_report"], roles.READER)
    }
    assert weeks == WEEKS
