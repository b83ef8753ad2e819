"""A year is gone over again while a night runs under the scheduler of `vss up`: both end, none disturbs the other.

The twin took the night first and the year after it, without Airflow: what is shown in the end must be the same.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import Inbox, migrated, new_home, stop_and_remove
from invariant import Hashes, left_behind, seen
from scheduler import IMPATIENT, House, Night, a_province, at_home, received, take, twin_of

from benchmarks.airflow_up import airflow_up
from warehouse import roles, server
from warehouse.connection import connect
from warehouse.settings import PROJECT, Settings

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not (PROJECT / "dags" / "backfill.py").exists(), reason="there is no DAG backfill"),
]

YEAR = {"from": "2021-01", "to": "2021-12"}
PROVINCES = ("01", "02")
MOST_BESIDE = 30
"""Seconds between the end of a night's last load and the beginning of its build, whatever the backfill does."""


def the_year(inbox: Inbox) -> None:
    """Twelve months of two provinces, which nobody has loaded."""
    for number in range(1, 13):
        for code in PROVINCES:
            after = dt.date(2021 + number // 12, number % 12 + 1, 1)
            inbox.send(
                a_province(code), sender=f"province-{code}", period=f"2021-{number:02d}",
                as_of_date=after - dt.timedelta(days=1), received_at=received(f"{after}T08:00:00"),
            )  # fmt: skip


def march(version: int) -> Night:
    """A night before which three provinces send March 2025, or correct it."""

    def arrive(inbox: Inbox) -> None:
        for code in ("04", "06", "08"):
            inbox.send(
                a_province(code, more=version - 1), sender=f"province-{code}", period="2025-03", version=version,
                as_of_date=dt.date(2025, 3, 31), received_at=received(f"2025-04-0{version}T08:00:00"),
            )  # fmt: skip

    return Night(f"march, {version}", dt.date(2025, 4, 1 + version), arrive)


def figures(settings: Settings) -> Hashes:
    """What readers see now, relation by relation, whichever the number of the publication."""
    return {
        part.partition(" in ")[0]: digest
        for part, digest in seen(settings, now=True).items()
        if part.startswith(("bi.fct_", "bi.rpt_", "bi.dim_"))
    }


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A warehouse that is up, after a first night; its twin after a second one and the year."""
    root: Path = tmp_path_factory.mktemp("inboxes")
    settings, twin = migrated("vss-backfill-"), Settings(home=new_home("vss-twin-"))
    try:
        twin_of(settings, twin)
        with at_home(twin):
            for night in (march(1), march(2), Night("the year", dt.date(2025, 4, 5), the_year)):
                take(night, Inbox(twin, root / "twin"))
            clean = figures(twin)
        server.stop(twin)
        # the backfill reads the inbox of the settings, the night another one
        the_year(Inbox(settings, settings.home / "inbox"))
        with airflow_up(settings, "nightly_load", "backfill", variables=IMPATIENT) as airflow:
            house = House(settings, airflow, Inbox(settings, root / "house"), (march(1), march(2)), {"year": clean})
            house.until(march(1).name)
            yield house
    finally:
        stop_and_remove(twin)
        stop_and_remove(settings)


def test_a_year_is_gone_over_again_while_a_night_runs_and_both_end_as_one_after_the_other(house: House) -> None:
    night = march(2)
    backfill = house.airflow.trigger(
        "backfill", {**YEAR, "dry_run": False, "reason": "the year had not been loaded", "date": "2025-04-05"}
    )
    night.arrive(house.inbox)
    run = house.begin(night)

    assert house.end(night, run) == "success"
    tasks = house.airflow.tasks("nightly_load", run)
    assert {one["state"] for one in tasks} == {"success"}
    loaded = max(instant(one["end_date"]) for one in tasks if one["task_id"] == "load_and_gate")
    (begun,) = (instant(one["start_date"]) for one in tasks if one["task_id"] == "build")
    assert (begun - loaded).total_seconds() <= MOST_BESIDE
    with connect(house.settings, roles.LOADER) as connection:
        stages = connection.execute(
            "select outcome from ops.run_stage where run_id = %s and stage in ('build', 'audit', 'publish')",
            [f"{night.name}, 1"],
        ).fetchall()
    assert stages == [("done",)] * 3

    assert house.airflow.ended("backfill", backfill, seconds=1800) == "success"
    found = figures(house.settings)
    assert {name: digest for name, digest in house.clean["year"].items() if found.get(name) != digest} == {}
    assert left_behind(house.settings) == []
    with connect(house.settings, roles.LOADER) as connection:
        accepted = connection.execute(
            "select count(*) from ops.submission where period like '2021-%' and state = 'accepted'"
        ).fetchone()
    assert accepted == (12 * len(PROVINCES),)


def instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)
