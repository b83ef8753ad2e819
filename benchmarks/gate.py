"""`gate`: gate 1 over one submission against the same checks written by hand, one SQL statement a check, in turn."""

from __future__ import annotations

import datetime as dt
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from psycopg import sql

from benchmarks.results import Result, Target, Way
from benchmarks.sample import FEED, PERIOD, SENDER, sample, submission
from benchmarks.stopwatch import Lap, lap
from benchmarks.workplace import WrongResultError, empty, temporary_warehouse
from expectations.engine import as_checkpoint
from expectations.submission import gate_submission
from ingestion.contracts import Column, Contract, load_contracts
from ingestion.inbox import read_folder
from ingestion.load import load_submission
from warehouse import roles
from warehouse.connection import connect
from warehouse.settings import Settings

DEFAULT_ROWS = 500_000
DEFAULT_REPEAT = 5
_SMALL_ROWS = 2_000
_SMALL_TIMES = 20
_MOST_TIMES_THE_FLOOR = 3
# of the statements by hand the last are about persons and counts: where a bad row was set aside they may find something
_OTHERS = 5


def run(folder: Path, *, rows: int, repeat: int) -> Result:
    """Load `rows` rows once, then time hand-written checks and the gate `repeat` times in turn, the process warm.

    Beside it: the same submission as a Checkpoint of Great Expectations, and 20 small submissions in one process.
    """
    result = Result("gate", rows)
    with temporary_warehouse(folder) as settings:
        small = loaded(settings, folder / "samples", min(rows, _SMALL_ROWS))
        gate_submission(settings, small)
        several = [pass_gate(settings, small) for _ in range(_SMALL_TIMES)]
        by_hand = statements_of(settings, small)
        several_by_hand = [ask(settings, by_hand) for _ in range(_SMALL_TIMES)]
        empty(settings)
        number = loaded(settings, folder / "samples", rows)
        statements = statements_of(settings, number)
        ask(settings, statements)
        floors: list[Lap] = []
        ours: list[Lap] = []
        for turn in range(repeat):
            floors.append(ask(settings, statements))
            ours.append(pass_gate(settings, number))
            _say(f"round {turn + 1} of {repeat}: by hand {floors[-1].seconds:.2f} s, ours {ours[-1].seconds:.2f} s")
        with as_checkpoint("submission"):
            checkpoint = pass_gate(settings, number)
    result.ways = [
        _way(f"{len(statements)} statements by hand (floor)", rows, floors),
        _way("gate 1", rows, ours),
        _way("gate 1 as a Checkpoint", rows, [checkpoint]),
        _way(f"gate 1 of a small submission, {_SMALL_TIMES} in one process", min(rows, _SMALL_ROWS), several),
    ]
    small_times = statistics.median(one.seconds for one in several) / statistics.median(
        one.seconds for one in several_by_hand
    )
    by_round = [our.seconds / floor.seconds for floor, our in zip(floors, ours, strict=True)]
    times = statistics.median(by_round)
    result.facts = {
        "statements": len(statements),
        "times_by_round": [round(one, 3) for one in by_round],
        "small_times": round(small_times, 3),
        "small_seconds": round(sum(one.seconds for one in several), 3),
    }
    result.targets = [
        Target(
            f"at most {_MOST_TIMES_THE_FLOOR} times the statements by hand: {times:.2f}",
            times <= _MOST_TIMES_THE_FLOOR,
            floor=f"{result.ways[0].median:.2f} s", ours=f"{result.ways[1].median:.2f} s", ratio=times,
        )
    ]  # fmt: skip
    result.remarks = [
        f"By round: {min(by_round):.2f} to {max(by_round):.2f} times the floor.",
        f"{_SMALL_TIMES} submissions of {min(rows, _SMALL_ROWS):,} rows in one warm process: "
        f"{sum(one.seconds for one in several):.2f} s, {small_times:.1f} times the statements by hand.",
    ]
    return result


def loaded(settings: Settings, samples: Path, rows: int) -> int:
    folder = submission(settings.home / "inbox", sample(samples, rows), version=1)
    loaded = load_submission(settings, read_folder(folder))
    if loaded.state != "loaded":
        raise WrongResultError(f"The sample ended as {loaded.state}: no time was taken.")
    return loaded.sub_no


def pass_gate(settings: Settings, sub_no: int) -> Lap:
    with lap(settings) as measured:
        verdict = gate_submission(settings, sub_no)
    if verdict.outcome != "passed":
        raise WrongResultError(f"The gate says {verdict.outcome}: the sample is in order, so no time was taken.")
    return measured


def ask(settings: Settings, statements: Sequence[sql.Composed]) -> Lap:
    """Each statement counts what breaks its check; by the contract nothing does, for such rows were set aside."""
    with lap(settings) as measured, connect(settings, roles.LOADER) as connection:
        found = [connection.execute(statement).fetchone() for statement in statements]
    if any(row != (0,) for row in found[:-_OTHERS]):
        raise WrongResultError("A statement by hand found fault with the sample: no time was taken.")
    return measured


def statements_of(settings: Settings, sub_no: int) -> list[sql.Composed]:
    """What gate 1 asks of a participants file, a statement a check."""
    with connect(settings, roles.LOADER) as connection:
        load = connection.execute(
            "select load_id, accepted, (totals -> 'wage_base_vnd' ->> 'loaded')::bigint from ops.load"
            " where sub_no = %s",
            [sub_no],
        ).fetchone()
    assert load is not None
    slice_of = sql.SQL("raw.{} where load_id = {} and month = {}").format(
        sql.Identifier(FEED), sql.Literal(load[0]), sql.Literal(dt.date.fromisoformat(f"{PERIOD}-01"))
    )
    contract = load_contracts()[FEED]
    broken = [condition for column in contract.columns for condition in _of_column(column)]
    statements = [sql.SQL("select count(*) from {} and {}").format(slice_of, condition) for condition in broken]
    statements += [
        sql.SQL("select (count(*) <> {})::int from {}").format(sql.Literal(load[1]), slice_of),
        sql.SQL("select (sum(wage_base_vnd) <> {})::int from {}").format(sql.Literal(load[2]), slice_of),
    ]
    others = [
        *_of_kinds(slice_of),
        sql.SQL(
            "select (percentile_cont(0.5) within group (order by wage_base_vnd) not between 307000 and 307000000)::int"
            " from {} and insurance_type = 'SI_C'"
        ).format(slice_of),
        sql.SQL(
            "select count(*) from {slice} and insurance_type = 'UI' and si_number not in"
            " (select si_number from {slice} and insurance_type = 'SI_C')"
        ).format(slice=slice_of),
        _history(contract),
    ]
    assert len(others) == _OTHERS
    return [*statements, *others]


def _of_column(column: Column) -> list[sql.Composed]:
    name = sql.Identifier(column.name)
    found = []
    if column.required:
        found.append(sql.SQL("{} is null").format(name))
    if column.required_if is not None:
        found.append(
            sql.SQL("{} is null and {} = any({})").format(
                name, sql.Identifier(column.required_if.column), sql.Literal(list(column.required_if.values))
            )
        )
    if column.values:
        found.append(sql.SQL("{} <> all({})").format(name, sql.Literal(list(column.values))))
    if column.minimum is not None:
        found.append(sql.SQL("{} < {}").format(name, sql.Literal(column.minimum)))
    return found


def _of_kinds(slice_of: sql.Composed) -> list[sql.Composed]:
    """UI <= SI_C <= HI, each by a count of its own."""
    return [
        sql.SQL(
            "select (count(*) filter (where insurance_type = {}) > count(*) filter (where insurance_type = {}))::int"
            " from {}"
        ).format(sql.Literal(smaller), sql.Literal(larger), slice_of)
        for smaller, larger in (("UI", "SI_C"), ("SI_C", "HI"))
    ]


def _history(contract: Contract) -> sql.Composed:
    """Volume and totals against the sender's last load; a first submission has none."""
    return sql.SQL("select count(*) from ops.accepted_load where sender = {} and feed = {}").format(
        sql.Literal(SENDER), sql.Literal(contract.feed)
    )


def _way(name: str, rows: int, laps: Sequence[Lap]) -> Way:
    return Way(name, rows, tuple(each.seconds for each in laps), tuple(each.cpu_seconds for each in laps))


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
