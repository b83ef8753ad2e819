"""A night that never started, or never ended, is noticed: from the ledger alone, so that no scheduler need be alive.

Nights are expected from the moment `vss up` is first run until `vss down`; a machine that lost its power in between
does not end that.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import time
from pathlib import Path

from ingestion.deadlines import LOCAL
from night.alerts import Alert, tell
from night.channels import OPERATIONS
from night.phrases import alert
from night.readiness import ensure_ready
from warehouse import roles
from warehouse.connection import connect
from warehouse.errors import UnreachableError
from warehouse.files import write_private
from warehouse.settings import Settings, settings

NIGHT_BEGINS = dt.time(1)
"""When the DAG `nightly_load` is due, local time."""

_LONGEST = dt.timedelta(hours=5)
"""A night that began at 01:00 must have ended before the director reads at seven."""
_LOG = logging.getLogger(__name__)
_DAYS_BACK = 7


def expect_nights(configured: Settings, *, now: dt.datetime) -> None:
    """From now on every night is expected, until `expect_none`; what was expected already stays so."""
    if not _mark(configured).exists():
        write_private(_mark(configured), now.isoformat())


def expect_none(configured: Settings) -> None:
    """The warehouse was stopped on purpose: no night is missed until `expect_nights`."""
    _mark(configured).unlink(missing_ok=True)


def expected_since(configured: Settings) -> dt.datetime | None:
    """Since when nights are expected; None when none is."""
    with contextlib.suppress(OSError, ValueError):
        return dt.datetime.fromisoformat(_mark(configured).read_text(encoding="utf-8").strip())
    return None


def missed_nights(configured: Settings, *, now: dt.datetime) -> list[Alert]:
    """The nights of the last week that were expected and did not start, or began long ago and have not ended.

    A night of a date has started when a run discovered its inbox on that date, whoever began it.
    """
    since = expected_since(configured)
    if since is None:
        return []
    today = now.astimezone(LOCAL).date()
    days = [today - dt.timedelta(days=back) for back in reversed(range(_DAYS_BACK))]
    grace = dt.timedelta(minutes=configured.night_grace_minutes)
    due = [(day, dt.datetime.combine(day, NIGHT_BEGINS, tzinfo=LOCAL)) for day in days]
    begun = _nights(configured, first=days[0])
    found = [
        alert("not-started", f"{day}", OPERATIONS, night=day)
        for day, at in due
        if since <= at and at + grace <= now and day not in {each for each, _, _ in begun}
    ]
    hours = int(_LONGEST.total_seconds() // 3600)
    return found + [
        alert("not-ended", f"{day} {run_id}", OPERATIONS, night=day, hours=hours)
        for day, run_id, started_at in begun
        if started_at >= since and started_at + _LONGEST <= now and not _has_ended(configured, run_id)
    ]


def look(configured: Settings, *, run_id: str, now: dt.datetime) -> int:
    """Tell what `missed_nights` finds, and try again what an earlier call could not send; returns how many were new.

    Never raises: a database that cannot be reached is itself told, once a day.
    """
    try:
        found = missed_nights(configured, now=now)
    except UnreachableError:
        found = [alert("no-database", f"{now.astimezone(LOCAL):%Y-%m-%d}", OPERATIONS)]
    except Exception as error:  # noqa: BLE001 - the next look comes soon
        _LOG.warning("the nights could not be looked at: %s", type(error).__name__)
        return 0
    return tell(configured, run_id, found, now=now)


def watch(*, run_id: str, date: str | None, **_: str | None) -> int:
    """The look of the DAG `watch`, at 06:30 of the business date, or now: whoever runs a scheduler expects nights."""
    configured = settings()
    ensure_ready(configured)
    now = dt.datetime.now(tz=LOCAL)
    if date is not None:
        now = dt.datetime.combine(dt.date.fromisoformat(date), dt.time(6, 30), tzinfo=LOCAL)
    expect_nights(configured, now=now)
    return look(configured, run_id=run_id, now=now)


def keep_watch() -> None:
    """Look every five minutes until the process is ended: also where Airflow's scheduler is dead."""
    configured = settings()
    while True:
        now = dt.datetime.now(tz=LOCAL)
        look(configured, run_id=f"watch-{now:%Y%m%dT%H%M}", now=now)
        time.sleep(300)


def _nights(configured: Settings, *, first: dt.date) -> list[tuple[dt.date, str, dt.datetime]]:
    """The runs that discovered an inbox since a date: local date, run, instant."""
    with connect(configured, roles.LOADER) as connection:
        rows = connection.execute(
            "select run_id, min(started_at) from ops.run_stage where stage = 'discover' and started_at >= %s"
            " group by run_id order by 2",
            [dt.datetime.combine(first, dt.time(), tzinfo=LOCAL)],
        ).fetchall()
    return [(at.astimezone(LOCAL).date(), str(run), at) for run, at in rows if isinstance(at, dt.datetime)]


def _has_ended(configured: Settings, run_id: str) -> bool:
    with connect(configured, roles.LOADER) as connection:
        return (
            connection.execute(
                "select from ops.run_stage where run_id = %s and stage = 'report' limit 1", [run_id]
            ).fetchone()
            is not None
        )


def _mark(configured: Settings) -> Path:
    return configured.home / "up" / "nights_expected_since"
