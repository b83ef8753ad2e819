"""`python -m benchmarks`: what `vss bench` starts. Exit codes are those of `vss`."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
from pathlib import Path

from benchmarks.results import Result, keep, table
from warehouse.errors import UsageError, VssError
from warehouse.settings import settings

_KNOWN = {
    "ingest": "a whole load against plain COPY, dlt and pandas; --rows, --repeat, --no-peers, --profile",
    "ingest-memory": "peak memory of a load and of one ten times as large; --rows",
    "gate": "gate 1 of a participants file against the same checks by hand, a statement each; --rows, --repeat",
    "publish": "readers while publications change, over a month of history and over 24; --rows are the months",
    "dbt-in-airflow": "one dbt build beside an invocation for every model; --rows are the models, all unless given",
    "query": "the guide's questions through bi, beside bare tables and beside views open to all, on the demo; --repeat",
    "tax-match": "units of the country against a year's tax codes, beside splink; --rows are the codes, --no-peers",
}


def main() -> None:
    """Run one benchmark, print its table and keep its JSON; without a name list them."""
    arguments = _parser().parse_args()
    if arguments.name is None:
        for name, meaning in _KNOWN.items():
            print(f"{name:<16}{meaning}")
        return
    configured = settings()
    folder = configured.home / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    result = _run(arguments, folder)
    kept = [folder / f"{result.name}.json", *([arguments.json] if arguments.json else [])]
    keep(result, kept, now=dt.datetime.now(tz=dt.UTC).astimezone(dt.timezone(dt.timedelta(hours=7))))
    print(table(result))
    print(f"JSON: {kept[-1]}")


def _run(arguments: argparse.Namespace, folder: Path) -> Result:
    if arguments.name not in _KNOWN:
        raise UsageError(f"There is no benchmark {arguments.name}: choose one of {', '.join(_KNOWN)}.")
    if arguments.rows is not None and arguments.rows < 1:
        raise UsageError("--rows is too small: give at least 1.")
    if arguments.name == "ingest":
        from benchmarks import ingest  # noqa: PLC0415 - a benchmark brings only what it measures with

        repeat = ingest.DEFAULT_REPEAT if arguments.repeat is None else arguments.repeat
        if repeat < 1:
            raise UsageError("--repeat is too small: give at least 1.")
        return ingest.run(
            folder, rows=arguments.rows or ingest.DEFAULT_ROWS, repeat=repeat, peers=arguments.peers,
            profile=arguments.profile,
        )  # fmt: skip
    if arguments.name == "gate" and not arguments.profile:
        from benchmarks import gate  # noqa: PLC0415

        repeat = gate.DEFAULT_REPEAT if arguments.repeat is None else arguments.repeat
        if repeat < 1:
            raise UsageError("--repeat is too small: give at least 1.")
        return gate.run(folder, rows=arguments.rows or gate.DEFAULT_ROWS, repeat=repeat)
    if arguments.name == "query" and arguments.rows is None and not arguments.profile:
        from benchmarks import query  # noqa: PLC0415

        repeat = query.DEFAULT_REPEAT if arguments.repeat is None else arguments.repeat
        if repeat < 1:
            raise UsageError("--repeat is too small: give at least 1.")
        return query.run(folder, repeat=repeat)
    if arguments.repeat is not None or arguments.profile:
        raise UsageError(f"{arguments.name} runs each size once: leave --repeat and --profile out.")
    if arguments.name == "publish":
        from benchmarks import publish  # noqa: PLC0415

        return publish.run(folder, months=arguments.rows or publish.DEFAULT_MONTHS)
    if arguments.name == "dbt-in-airflow":
        from benchmarks import dbt_in_airflow  # noqa: PLC0415

        return dbt_in_airflow.run(folder, models=arguments.rows)
    if arguments.name == "tax-match":
        from benchmarks import tax_match  # noqa: PLC0415

        return tax_match.run(folder, codes=arguments.rows or tax_match.DEFAULT_CODES, peers=arguments.peers)
    from benchmarks import ingest_memory  # noqa: PLC0415

    return ingest_memory.run(folder, rows=arguments.rows or ingest_memory.DEFAULT_ROWS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vss bench")
    parser.add_argument("name", nargs="?")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--repeat", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--profile", action="store_true")
    return parser


if __name__ == "__main__":
    try:
        main()
    except VssError as error:
        if "VSS_DEBUG" in os.environ:
            raise
        print(f"vss: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
