"""What others would use for the same work: dlt and pandas to bring rows into PostgreSQL, splink to match records.

dlt and splink are not part of the warehouse: they have an environment of their own under VSS_HOME/bench/peers, and run
in a process of their own.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pandas as pd
import polars as pl
from psycopg import sql

from benchmarks.results import Way
from benchmarks.sample import FEED, plain_file
from benchmarks.stopwatch import lap
from benchmarks.workplace import SCHEMA, WrongResultError
from ingestion.contracts import load_contracts
from warehouse import roles
from warehouse.connection import connect, engine, role_url
from warehouse.settings import Settings

_HERE = Path(__file__).resolve().parent
_LOCK = _HERE / "requirements-peers.lock"
DLT_IS_QUIET = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL"}
_DLT_ROWS = 2_000_000
_TO_SQL_ROWS = 200_000
_MULTI_ROWS = 20_000
_MULTI_CHUNK = 1_000
_COMPARED = ("unique_id", "tax_code", "name", "province_code")


def pandas_ways(settings: Settings, samples: Path, *, rows: int) -> list[Way]:
    """`read_csv` and `to_sql`, as it is and with method multi, each on the first rows of its own sample."""
    ways = []
    plans: tuple[tuple[str, int, Literal["multi"] | None], ...] = (
        ("pandas to_sql", _TO_SQL_ROWS, None),
        ("pandas to_sql, multi", _MULTI_ROWS, "multi"),
    )
    for name, most, method in plans:
        count = min(rows, most)
        path = plain_file(samples, count)
        table = f"pandas_{method or 'default'}"
        database = engine(settings, roles.MIGRATOR)
        try:
            with lap() as measured:
                frame = pd.read_csv(path, dtype=_pandas_types())
                # one statement takes 65,535 parameters at most
                frame.to_sql(
                    table, database, schema=SCHEMA, index=False, method=method,
                    chunksize=_MULTI_CHUNK if method else None,
                )  # fmt: skip
        finally:
            database.dispose()
        _require_rows(settings, SCHEMA, table, count)
        ways.append(Way(name, count, (measured.seconds,), (measured.cpu_seconds,)))
    return ways


def dlt_ways(settings: Settings, folder: Path, samples: Path, *, rows: int, remarks: list[str]) -> list[Way]:
    """dlt with an Arrow table, as parquet through ADBC and as CSV; none, and a remark, where it cannot be installed."""
    python = _environment(folder, "dlt", remarks)
    if python is None:
        return []
    count = min(rows, _DLT_ROWS)
    path = plain_file(samples, count)
    ways = []
    for kind in ("parquet", "csv"):
        done = subprocess.run(
            [str(python), str(_HERE / "dlt_peer.py"), str(path), kind],
            env={
                "PATH": os.environ["PATH"], "HOME": str(settings.home), "DLT_DATA_DIR": str(settings.home / "dlt"),
                **DLT_IS_QUIET,
                "BENCH_DATABASE_URL": role_url(settings, roles.MIGRATOR), "BENCH_DATASET": f"{SCHEMA}_{kind}",
            },
            cwd=settings.home, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            log = folder / f"dlt-{kind}.log"
            log.write_text(done.stderr, encoding="utf-8")
            remarks.append(f"dlt as {kind} failed and has no row: read {log}.")
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        _require_rows(settings, f"{SCHEMA}_{kind}", FEED, count)
        ways.append(
            Way(f"dlt {found['version']}, Arrow and {kind}", count, (found["seconds"],), (found["cpu_seconds"],))
        )
    return ways


def splink_way(
    folder: Path, place: Path, *, units: pl.DataFrame, codes: pl.DataFrame, remarks: list[str]
) -> tuple[Way, pl.DataFrame] | None:
    """splink on DuckDB over the same rows, one thread; nothing, and a remark, where it cannot be installed or fails.

    `units` and `codes` have tax_code, name and province_code. Returns its time and the pairs it takes for one employer:
    `code_id` and `unit_id`, the numbers of their rows from 0. Its files lie in `place`.
    """
    python = _environment(folder, "splink", remarks)
    if python is None:
        return None
    files = {name: place / f"splink_{name}.parquet" for name in ("units", "codes", "pairs")}
    for name, frame in (("units", units), ("codes", codes)):
        frame.with_row_index("unique_id").select(_COMPARED).write_parquet(files[name])
    done = subprocess.run(
        [str(python), str(_HERE / "splink_peer.py"), *(str(files[name]) for name in ("units", "codes", "pairs"))],
        env={"PATH": os.environ["PATH"], "HOME": str(place)},
        cwd=place, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        log = folder / "splink.log"
        log.write_text(done.stderr, encoding="utf-8")
        remarks.append(f"splink failed and has no row: read {log}.")
        return None
    found = json.loads(done.stdout.splitlines()[-1])
    name = f"splink {found['version']} on DuckDB: same code, alike names"
    return Way(name, codes.height, (found["seconds"],), (found["cpu_seconds"],)), pl.read_parquet(files["pairs"])


def _environment(folder: Path, peer: str, remarks: list[str]) -> Path | None:
    """The interpreter of the peers' environment, made on first use and whenever the lock has changed."""
    place = folder / "peers"
    python = place / "bin" / "python"
    ready = place / "ready"
    wanted = hashlib.sha256(_LOCK.read_bytes()).hexdigest()
    if ready.exists() and ready.read_text(encoding="utf-8") == wanted:
        return python
    print(f"Installing the peers into {place}", file=sys.stderr, flush=True)
    shutil.rmtree(place, ignore_errors=True)
    log = folder / "peers.log"
    steps = (
        [sys.executable, "-m", "venv", str(place)],
        [str(python), "-m", "pip", "install", "--no-deps", "--require-hashes", "-r", str(_LOCK)],
    )
    with log.open("w", encoding="utf-8") as stream:
        for step in steps:
            if subprocess.run(step, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, check=False).returncode:
                shutil.rmtree(place, ignore_errors=True)
                remarks.append(f"{peer} could not be installed and has no row: read {log}.")
                return None
    ready.write_text(wanted, encoding="utf-8")
    return python


def _pandas_types() -> dict[str, str]:
    """Amounts are numbers, everything else stays the text it is: leading zeros matter."""
    columns = load_contracts()[FEED].columns
    return {column.name: "Int64" if column.pg_type == "bigint" else "str" for column in columns}


def _require_rows(settings: Settings, schema: str, table: str, rows: int) -> None:
    with connect(settings, roles.MIGRATOR) as connection:
        count = connection.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(schema, table))).fetchone()
    if count != (rows,):
        raise WrongResultError(f"{schema}.{table} does not hold every row: no time was taken.")
