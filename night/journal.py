"""What a run did, stage by stage, in ops.run_stage: the ledger from which exit codes and the report are read."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from warehouse import roles
from warehouse.connection import Connection, connect
from warehouse.errors import BuildOpenError, VssError
from warehouse.settings import Settings

GOOD = ("success", "pass", "warn", "skipped", "no-op")
"""What dbt says of a node that did not fail."""
_LONGEST_NIGHT_HOURS = 12


@dataclass
class Stage:
    """One stage while it runs; what it sets here is written when it ends.

    `rows` are those read, staged or built; `rejected` those set aside of them, `bytes` the files they stood in.
    """

    outcome: str = "done"
    rows: int | None = None
    message: str | None = None
    sender: str | None = None
    rejected: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Node:
    """One node of dbt within a build: a model, a seed, or a test, which names its model in `message`."""

    name: str
    outcome: str
    seconds: float
    rows: int | None
    message: str | None


@contextlib.contextmanager
def stage(
    settings: Settings, run_id: str, name: str, subject: str | None = None, *, steps_back: bool = False
) -> Iterator[Stage]:
    """Time a stage and write it down; an exception is written as `error`, unless the stage says itself that it failed.

    Of an exception only the kind is written, never the text, which might name a person; an error made for users is
    written with its sentence, so that the morning reads what the night was told. For a stage that `steps_back` it is
    no error that another build is open: it is written as `skipped`.
    """
    begun = time.monotonic()
    mark = Stage()
    try:
        yield mark
    except BaseException as error:
        said = f"{type(error).__name__}: {error}" if isinstance(error, VssError) else type(error).__name__
        if mark.outcome != "failed":
            is_skipped = steps_back and isinstance(error, BuildOpenError)
            mark.outcome, mark.message = "skipped" if is_skipped else "error", said
        raise
    finally:
        with contextlib.suppress(Exception) if mark.outcome in ("error", "failed") else contextlib.nullcontext():
            write(settings, run_id, name, subject, time.monotonic() - begun, mark)


def write(settings: Settings, run_id: str, name: str, subject: str | None, seconds: float, mark: Stage) -> None:
    """Write one finished stage."""
    write_all(settings, run_id, name, [(subject, seconds, mark)])


def write_all(settings: Settings, run_id: str, name: str, ended: Iterable[tuple[str | None, float, Stage]]) -> None:
    """Write stages of one name that ended together: (subject, seconds, what it was) each."""
    with connect(settings, roles.LOADER) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into ops.run_stage"
            " (run_id, stage, subject, started_at, seconds, rows, outcome, message, sender, rejected, bytes)"
            " values (%s, %s, %s, now() - make_interval(secs => %s), %s, %s, %s, %s, %s, %s, %s)",
            [
                (run_id, name, subject, seconds, round(seconds, 3), mark.rows, mark.outcome, mark.message, mark.sender,
                 mark.rejected, mark.bytes)
                for subject, seconds, mark in ended
            ],
        )  # fmt: skip


def outcomes(settings: Settings, run_id: str) -> list[tuple[str, str | None, str, float, int | None, str | None]]:
    """The stages of a run in order: (stage, subject, outcome, seconds, rows, message)."""
    with connect(settings, roles.LOADER) as connection:
        rows = connection.execute(
            "select stage, subject, outcome, seconds, rows, message from ops.run_stage where run_id = %s"
            " order by started_at, run_stage_id",
            [run_id],
        ).fetchall()
    return [
        (str(r[0]), None if r[1] is None else str(r[1]), str(r[2]), float(str(r[3])),
         None if r[4] is None else int(str(r[4])), None if r[5] is None else str(r[5]))
        for r in rows
    ]  # fmt: skip


def nodes(settings: Settings, run_id: str) -> list[Node]:
    """What the run's last build did, node by node: what failed first, then the slowest; empty without a build."""
    stages = outcomes(settings, run_id)
    begun = max((place for place, each in enumerate(stages) if each[0] == "build"), default=len(stages))
    found = [
        Node(subject or "", outcome, seconds, rows, message)
        for name, subject, outcome, seconds, rows, message in stages[begun:]
        if name == "build node"
    ]
    return sorted(found, key=lambda node: (node.outcome in GOOD, -node.seconds))


def has_done(settings: Settings, name: str, subject: str) -> bool:
    """Whether any run has ended a stage of this name and subject as `done`."""
    with connect(settings, roles.LOADER) as connection:
        return (
            connection.execute(
                "select from ops.run_stage where stage = %s and subject = %s and outcome = 'done' limit 1",
                [name, subject],
            ).fetchone()
            is not None
        )


def exit_code(settings: Settings, run_id: str) -> int:
    """0 done, 1 an error, 3 a submission decided in this run was rejected, 5 a gate failed (5 beats 3).

    Of a stage that was taken more than once in the run the last outcome counts; a node of dbt only through its build.
    """
    stages = [each for each in outcomes(settings, run_id) if each[0] != "build node"]
    last = {(name, subject): outcome for name, subject, outcome, _, _, _ in stages}
    seen = {(name, outcome) for (name, _), outcome in last.items()}
    if any(outcome == "failed" for _, outcome in seen):
        return 5
    if any(outcome == "error" for _, outcome in seen):
        return 1
    if ("load and gate", "rejected") in seen:
        return 3
    return 0


def is_a_night_at_work(connection: Connection) -> bool:
    """Whether the last night has not reported yet; one that began twelve hours ago has died, and is not waited for."""
    row = connection.execute(
        """
        select exists (
            select from (
                select * from ops.run_stage where stage = 'discover' order by run_stage_id desc limit 1
            ) d
            where d.started_at > now() - make_interval(hours => %s)
              -- a run whose tasks were cleared discovers, and reports, once more
              and not exists (
                  select from ops.run_stage r
                  where r.run_id = d.run_id and r.stage = 'report' and r.run_stage_id > d.run_stage_id
              )
        )
        """,
        [_LONGEST_NIGHT_HOURS],
    ).fetchone()
    return row == (True,)


def named(dag_id: str, run_id: str) -> str:
    """What the ledger calls a run that nobody named: DAGs that begin at one instant have runs of the same id."""
    return f"{dag_id}__{run_id}"


def last_night(settings: Settings) -> str | None:
    """The run of the last night; None before the first."""
    with connect(settings, roles.LOADER) as connection:
        row = connection.execute(
            "select run_id from ops.run_stage where stage = 'discover' order by started_at desc limit 1"
        ).fetchone()
    return None if row is None else str(row[0])
