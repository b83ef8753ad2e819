"""`python -m benchmarks`: what `vss bench` starts. Exit codes are those of `vss`."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.results import Result, keep, table
from warehouse.errors import UsageError, VssError
from warehouse.settings import settings

_KNOWN = {
    "ingest": "a whole load against plain COPY, dlt and pandas; --rows, --repeat, --no-peers, --profile",
    "ingest-memory": "peak memory of a load and of one ten times as large; --rows",
    "gate": "gate 1 of a participants file against the same checks by hand, a statement each; --rows, --repeat",
    "build": "dbt's build of one new month of the country against the same SQL by hand; --scale, --repeat, --profile",
    "orchestrate": "a night of 63 senders under a scheduler, beside the same steps in one process; --scale, --repeat",
    "increment": "a correction over 24 months of history, and over 1; --rows (months), --scale, --repeat, --profile",
    "publish": "readers while publications change, over a month of history and over 24; --rows are the months",
    "query": "the guide's questions through bi, beside bare tables and beside views open to all, on the demo; --repeat",
    "scale": "a month at a hundredth, a tenth and the whole of --scale: time a row, memory; --profile",
    "dbt-in-airflow": "one dbt build beside an invocation for every model; --rows are the models, all unless given",
    "tax-match": "units of the country against a year's tax codes, beside splink; --rows are the codes, --no-peers",
    "all": "the nine above that have a target, and one table of them; --scale, --no-peers, --profile",
}

_TAKERS = {
    "rows": {"ingest", "ingest-memory", "gate", "increment", "publish", "dbt-in-airflow", "tax-match"},
    "repeat": {"ingest", "gate", "build", "increment", "query", "orchestrate"},
    "scale": {"build", "increment", "orchestrate", "scale", "all"},
    "profile": {"ingest", "build", "increment", "scale", "all"},
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
    for option, takers in _TAKERS.items():
        if arguments.name not in takers and getattr(arguments, option) not in (None, False):
            raise UsageError(f"{arguments.name} takes no --{option}: leave it out.")
    for option in ("rows", "repeat"):
        given = getattr(arguments, option)
        if given is not None and given < 1:
            raise UsageError(f"--{option} is too small: give at least 1.")
    # a benchmark brings only what it measures with
    measured = importlib.import_module(f"benchmarks.{arguments.name.replace('-', '_')}")
    size_of: dict[str, Callable[[], dict[str, Any]]] = {
        "ingest": lambda: {
            "rows": arguments.rows or measured.DEFAULT_ROWS, "peers": arguments.peers, "profile": arguments.profile
        },
        "ingest-memory": lambda: {"rows": arguments.rows or measured.DEFAULT_ROWS},
        "gate": lambda: {"rows": arguments.rows or measured.DEFAULT_ROWS},
        "build": lambda: {"scale": _scale(arguments, measured.DEFAULT_SCALE), "profile": arguments.profile},
        "increment": lambda: {
            "months": arguments.rows or measured.DEFAULT_MONTHS, "scale": _scale(arguments, measured.DEFAULT_SCALE),
            "profile": arguments.profile,
        },
        "scale": lambda: {"scale": _scale(arguments, measured.DEFAULT_SCALE), "profile": arguments.profile},
        "all": lambda: {
            "scale": _scale(arguments, measured.DEFAULT_SCALE), "peers": arguments.peers, "profile": arguments.profile,
        },
        "publish": lambda: {"months": arguments.rows or measured.DEFAULT_MONTHS},
        "dbt-in-airflow": lambda: {"models": arguments.rows},
        "query": dict,
        "orchestrate": lambda: {"scale": _scale(arguments, measured.DEFAULT_SCALE)},
        "tax-match": lambda: {"codes": arguments.rows or measured.DEFAULT_CODES, "peers": arguments.peers},
    }  # fmt: skip
    sizes = size_of[arguments.name]()
    if arguments.name in _TAKERS["repeat"]:
        sizes["repeat"] = arguments.repeat or measured.DEFAULT_REPEAT
    result: Result = measured.run(folder, **sizes)
    return result


def _scale(arguments: argparse.Namespace, usual: float) -> float:
    scale: float = usual if arguments.scale is None else arguments.scale
    if not 0 < scale <= 1:
        raise UsageError("--scale is a share of the country: give more than 0 and at most 1.")
    return scale


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vss bench")
    parser.add_argument("name", nargs="?")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--repeat", type=int)
    parser.add_argument("--scale", type=float)
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
