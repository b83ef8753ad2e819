"""Runs in the peers' own environment, not in the warehouse's: one CSV through dlt into PostgreSQL.

Arguments: the file, the loader's file format. BENCH_DATABASE_URL and BENCH_DATASET say where to. Prints JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time

import dlt  # type: ignore[import-not-found]
import pyarrow
import pyarrow.csv


def main(path: str, file_format: str) -> None:
    """Read the file as an Arrow table and let dlt load it; the imports are not measured."""
    begun, cpu = time.perf_counter(), _cpu_seconds()
    with open(path, "rb") as stream:  # noqa: PTH123
        names = stream.readline().decode().strip().split(",")
    types = {name: pyarrow.int64() if name.endswith("_vnd") else pyarrow.string() for name in names}
    options = pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=True)
    table = pyarrow.csv.read_csv(path, convert_options=options)
    pipeline = dlt.pipeline(
        pipeline_name=f"bench_{file_format}",
        destination=dlt.destinations.postgres(credentials=os.environ["BENCH_DATABASE_URL"]),
        dataset_name=os.environ["BENCH_DATASET"],
    )
    pipeline.run(table, table_name="participants", write_disposition="append", loader_file_format=file_format)
    seconds, cpu_seconds = time.perf_counter() - begun, _cpu_seconds() - cpu
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "version": dlt.__version__}))


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main(*sys.argv[1:])
