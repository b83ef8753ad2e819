"""`ingest`: a whole verified load of a participants file against plain `COPY` of the same rows, in turn."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from psycopg import sql

from benchmarks.load_profile import LoadProfile, load_profile
from benchmarks.peers import dlt_ways, pandas_ways
from benchmarks.results import Result, Target, Way
from benchmarks.sample import FEED, Sample, plain_file, sample, submission
from benchmarks.stopwatch import Lap, lap
from benchmarks.workplace import SCHEMA, WrongResultError, empty, require_loaded, temporary_warehouse
from ingestion.contracts import load_contracts
from ingestion.inbox import read_folder
from ingestion.load import load_submission
from warehouse import roles
from warehouse.connection import connect
from warehouse.settings import Settings

DEFAULT_ROWS = 2_000_000
DEFAULT_REPEAT = 5
_BLOCK = 128 * 1024
_WARM_UP_ROWS = 2_000


def run(folder: Path, *, rows: int, repeat: int, peers: bool, profile: bool) -> Result:
    """Measure with `rows` rows, floor and ours `repeat` times in turn, in a warehouse of its own under `folder`."""
    samples = folder / "samples"
    _say(f"{rows:,} rows in {samples}")
    made, plain = sample(samples, rows), plain_file(samples, rows)
    result = Result("ingest", rows)
    with temporary_warehouse(folder) as settings:
        load_sample(settings, sample(samples, _WARM_UP_ROWS), version=1)
        copy_file(settings, plain_file(samples, _WARM_UP_ROWS), _WARM_UP_ROWS)
        floors: list[Lap] = []
        ours: list[Lap] = []
        for turn in range(repeat):
            floors.append(copy_file(settings, plain, rows))
            ours.append(load_sample(settings, made, version=turn + 2))
            _say(f"round {turn + 1} of {repeat}: floor {floors[-1].seconds:.2f} s, ours {ours[-1].seconds:.2f} s")
        result.ways += [_way("COPY of the CSV (floor)", rows, floors), _way("vss, the whole load", rows, ours)]
        if peers:
            result.ways += _peers(settings, folder, samples, rows, result.remarks)
        if profile:
            seen = LoadProfile()
            taken = load_sample(settings, made, version=repeat + 2, watched_by=load_profile(seen))
            result.facts["profile"] = {f"{thread}: {step}": seconds for (thread, step), seconds in seen.seconds.items()}
            result.remarks.append(f"One more load, timed step by step: {taken.seconds:.2f} s")
            result.remarks.append(seen.report(taken.seconds))
    by_round = [floor.seconds / our.seconds for floor, our in zip(floors, ours, strict=True)]
    result.facts |= {
        "ratio_by_round": [round(ratio, 4) for ratio in by_round],
        "bytes": made.bytes, "bad_rows": made.bad, "ratio_of_medians": round(_ratio(result.ways[1], result.ways[0]), 4),
    }  # fmt: skip
    result.remarks.insert(
        0, f"By round: {min(by_round):.2f} to {max(by_round):.2f}, median {statistics.median(by_round):.2f}."
    )
    result.targets = _targets(result.ways)
    return result


def load_sample(
    settings: Settings,
    made: Sample,
    *,
    version: int,
    watched_by: AbstractContextManager[None] = nullcontext(),  # noqa: B008 - it has no state
) -> Lap:
    """From the folder in the inbox to `loaded` in the ledger, everything committed; then looked at, off the clock."""
    empty(settings)
    folder = submission(settings.home / "inbox", made, version=version)
    with watched_by, lap(settings) as measured:
        loaded = load_submission(settings, read_folder(folder))
    require_loaded(settings, made, loaded)
    return measured


def copy_file(settings: Settings, plain: Path, rows: int) -> Lap:
    """The floor: the file's bytes as they are, into a logged table with the contract's types and no index."""
    empty(settings)
    table = sql.Identifier(SCHEMA, FEED)
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.pg_type))
        for column in load_contracts()[FEED].columns
    )
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute(sql.SQL("create table {} ({})").format(table, columns))
        connection.commit()
        statement = sql.SQL("copy {} from stdin (format csv, header)").format(table)
        with lap(settings) as measured:
            with plain.open("rb") as stream, connection.cursor().copy(statement) as copy:
                while block := stream.read(_BLOCK):
                    copy.write(block)
            connection.commit()
        count = connection.execute(sql.SQL("select count(*) from {}").format(table)).fetchone()
    if count != (rows,):
        raise WrongResultError("The floor did not copy every row: no time was taken.")
    return measured


def _peers(settings: Settings, folder: Path, samples: Path, rows: int, remarks: list[str]) -> list[Way]:
    ways: list[Way] = []
    tried: tuple[Callable[[], list[Way]], ...] = (
        lambda: dlt_ways(settings, folder, samples, rows=rows, remarks=remarks),
        lambda: pandas_ways(settings, samples, rows=rows),
    )
    for attempt in tried:
        empty(settings)
        ways += attempt()
    return ways


def _targets(ways: list[Way]) -> list[Target]:
    floor, ours = ways[0], ways[1]
    of_floor = _ratio(ours, floor)
    targets = [
        Target(
            f"at least 0.6 of the floor, 0.8 being the stretch: {of_floor:.2f}", of_floor >= 0.6,
            floor=_rate(floor), ours=_rate(ours), ratio=of_floor,
        )
    ]  # fmt: skip
    for peer, times in (("dlt", 6), ("to_sql", 30)):
        peers = [way for way in ways[2:] if peer in way.name]
        if peers:
            best = max(peers, key=lambda way: way.rows_a_second)
            ratio = _ratio(ours, best)
            targets.append(
                Target(
                    f"at least {times} times the best way of {peer}: {ratio:.1f}", ratio >= times,
                    floor=_rate(best), ours=_rate(ours), ratio=ratio,
                )
            )  # fmt: skip
    return targets


def _ratio(way: Way, other: Way) -> float:
    return way.rows_a_second / other.rows_a_second


def _rate(way: Way) -> str:
    return f"{way.rows_a_second / 1000:.0f} krow/s"


def _way(name: str, rows: int, laps: list[Lap]) -> Way:
    return Way(name, rows, tuple(each.seconds for each in laps), tuple(each.cpu_seconds for each in laps))


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
