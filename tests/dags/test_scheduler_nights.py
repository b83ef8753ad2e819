"""Nights of 63 senders under the scheduler of `vss up`: whole, killed on the way, and taken again task by task.

A warehouse goes through six nights. Its twin took the same ones without Airflow; after each the two must be equal.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator

import pytest
from builders import Inbox
from invariant import everything
from scheduler import (
    STEPS,
    House,
    Night,
    a_province,
    at_work,
    codes,
    house_with_twin,
    kill,
    received,
)
from test_process_nightly import waiting_at

from warehouse import roles
from warehouse.connection import connect

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

MONTH = "2025-03"
ORDERS = 20
# who is killed while somebody waits to write into a relation: loading, building, publishing
MOMENTS = {
    "the scheduler while it loads": "ops.reject",
    "the worker while it loads": "ops.reject",
    "the task while it builds": "marts.fct_arrears__rows",
    "everything while it publishes": "ops.current_publication",
}


def the_country(inbox: Inbox) -> None:
    """Every province of the 63, on time."""
    for code in codes():
        inbox.send(
            a_province(code), sender=f"province-{code}", period=MONTH, as_of_date=dt.date(2025, 3, 31),
            received_at=received("2025-04-03T08:00:00"),
        )  # fmt: skip


def corrected(number: int, *provinces: str) -> Night:
    """A night before which some provinces send their month again."""

    def arrive(inbox: Inbox) -> None:
        for code in provinces:
            inbox.send(
                a_province(code, more=number), sender=f"province-{code}", period=MONTH, version=2, action="correct",
                as_of_date=dt.date(2025, 3, 31), received_at=received(f"2025-04-{10 + number}T08:00:00"),
            )  # fmt: skip

    return Night(list(MOMENTS)[number - 1], dt.date(2025, 4, 11 + number), arrive)


NIGHTS = (
    Night("63 senders", dt.date(2025, 4, 4), the_country),
    corrected(1, "01", "02"), corrected(2, "04", "06"), corrected(3, "08", "10"), corrected(4, "11", "12"),
)  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house_with_twin(tmp_path_factory.mktemp("inboxes"), NIGHTS) as up:
        yield up


def rows(house: House, query: str, role: str = roles.LOADER) -> list[tuple[object, ...]]:
    with connect(house.settings, role) as connection:
        return connection.execute(query.encode()).fetchall()


def test_a_night_with_63_senders_loads_each_once_and_publishes_once(house: House) -> None:
    house.until("63 senders")

    (run,) = house.taken["63 senders"]
    assert {(one["task_id"], one["state"]) for one in house.airflow.tasks("nightly_load", run)} == {
        (step, "success") for step in STEPS
    }
    assert rows(house, "select count(*), count(distinct sender), min(state), max(state) from ops.submission") == [
        (63, 63, "accepted", "accepted")
    ]
    # of each province two persons, in two insurances each, and two units owing
    assert rows(house, "select (select count(*) from raw.participants), (select count(*) from raw.arrears)") == [
        (252, 126)
    ]
    shown = "select publication_id, completeness from bi.publication where is_shown"
    assert rows(house, shown, roles.READER) == [(1, f"{MONTH} complete, 63 of 63")]
    stages = rows(
        house,
        "select stage, count(*) from ops.run_stage where stage in ('discover', 'load and gate', 'build', 'audit',"
        " 'publish', 'report') and outcome <> 'nothing to do' group by 1",
    )
    assert dict(stages) == {  # type: ignore[arg-type]
        "discover": 1, "load and gate": 63, "build": 1, "audit": 1, "publish": 1, "report": 1
    }  # fmt: skip
    house.assert_clean_after("63 senders")


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_night_that_is_killed_ends_and_with_the_next_one_nothing_is_lost_or_doubled(
    house: House, moment: str
) -> None:
    night = house.until(moment, itself=False)
    night.arrive(house.inbox)
    with waiting_at(house, MOMENTS[moment]) as holder:  # type: ignore[arg-type] # it asks for the settings only
        run = house.begin(night)
        for _ in range(9000):
            found = holder.execute(
                "select pg_sleep(0.1), count(*) from pg_locks where not granted and relation = %s::regclass",
                [MOMENTS[moment]],
            ).fetchone()
            assert found is not None
            if found[1]:
                break
        else:
            raise AssertionError(f"the night never came there: {house.airflow.tasks('nightly_load', run)}")
        scheduler, workers, processes = at_work(house.settings)
        assert len(workers) == len(processes) == 1
        kill(
            *{
                "the scheduler": [scheduler],
                "the worker": workers,
                "the task": processes,
                "everything": [scheduler, *workers, *processes],
            }[moment.partition(" while")[0]]
        )
    state = house.end(night, run)
    # who loads reports to the API server, not to the scheduler: that night ends as if nothing had been
    assert state == "success" or moment != "the scheduler while it loads", house.airflow.tasks("nightly_load", run)
    assert house.end(night, house.begin(night)) == "success"

    house.assert_clean_after(moment)
    doubled = "select submission_id from ops.submission group by 1 having count(*) > 1"
    assert rows(house, doubled) == []


def test_every_task_of_a_finished_night_may_be_cleared_and_run_again_in_any_order(house: House) -> None:
    house.until(NIGHTS[-1].name)
    before = everything(house.settings)
    runs = [run for night in NIGHTS for run in house.taken[night.name]]
    chance = random.Random(8)  # noqa: S311 - the same orders in every run
    orders = [chance.sample(STEPS, len(STEPS)) for _ in range(ORDERS)]

    # the first run has batches for 63 senders
    for number, order in enumerate(orders):
        run = runs[number % len(runs)]
        for step in order:
            house.airflow.clear("nightly_load", run, step)
            assert house.airflow.ended("nightly_load", run) == "success", (number, order, step)

    assert everything(house.settings) == before
    house.assert_clean_after(NIGHTS[-1].name)
