"""The benchmarks at sizes of seconds: they measure loads that were right, say what they found, and clean up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import psycopg
import pytest

from benchmarks import query
from benchmarks.load_profile import LoadProfile, load_profile
from benchmarks.peers import DLT_IS_QUIET, pandas_ways
from benchmarks.results import Result, Way, table
from benchmarks.sample import good_rows, plain_file, sample, submission, with_bad_rows
from benchmarks.tax_match import found_by_peer
from benchmarks.workplace import WrongResultError, empty, require_loaded, temporary_warehouse
from ingestion.inbox import read_folder
from ingestion.load import load_submission
from warehouse.settings import PROJECT, Settings


@pytest.fixture(scope="module")
def bench_warehouse() -> Iterator[Settings]:
    """A benchmark's own warehouse; gone afterwards, which is asserted here."""
    folder = Path(tempfile.mkdtemp(prefix="vss-test-"))
    folder.chmod(0o755)
    with temporary_warehouse(folder) as settings:
        yield settings
    assert list(folder.iterdir()) == []
    folder.rmdir()


def vss(home: Path, *arguments: str, seconds: float = 300) -> subprocess.CompletedProcess[str]:
    """Run `vss` with nothing in its environment but a home."""
    return subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "VSS_HOME": str(home)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip


def test_the_ingest_benchmark_runs_floor_and_load_in_turn_and_keeps_what_it_found(home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "here.json"
    done = vss(
        home, "bench", "ingest", "--rows", "6000", "--repeat", "2", "--no-peers", "--profile", "--json", str(copy)
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(copy.read_text(encoding="utf-8"))
    assert json.loads((home / "bench" / "ingest.json").read_text(encoding="utf-8")) == found
    floor, ours = found["ways"]
    assert [len(floor["seconds"]), len(ours["seconds"])] == [2, 2]
    assert ours["of_floor"] == pytest.approx(floor["median_seconds"] / ours["median_seconds"], rel=0.05)
    assert (found["rows"], found["facts"]["bad_rows"]) == (6000, 6)
    assert all(word in done.stdout for word in ("of the floor", "0.6 of the floor", "reader", "verdicts", "copy.write"))
    assert list((home / "bench").glob("run-*")) == []


def test_the_memory_benchmark_tells_the_peak_of_a_small_and_a_tenfold_load(home: Path) -> None:
    done = vss(home, "bench", "ingest-memory", "--rows", "2000")
    assert done.returncode == 0, done.stderr
    facts = json.loads((home / "bench" / "ingest-memory.json").read_text(encoding="utf-8"))["facts"]
    small, large = facts["2000"]["peak_mb"], facts["20000"]["peak_mb"]
    # an interpreter with polars and pyarrow has at least 50 MB, and it is there once whatever the rows are
    assert small > 50
    assert 50 < large < 5 * small
    assert facts["growth"] == pytest.approx(large / small, rel=0.01)


def test_the_query_benchmark_asks_every_question_of_the_guide() -> None:
    asked = query.queries(query.GUIDE.read_text(encoding="utf-8"))
    assert {int(name.partition(".")[0]) for name in asked} == set(range(1, 31))
    assert all(text.lstrip().startswith(("select", "with", "--")) for text in asked.values())


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_the_orchestrate_benchmark_takes_the_same_nights_under_a_scheduler_and_without(home: Path) -> None:
    done = vss(home, "bench", "orchestrate", "--scale", "0.00002", "--repeat", "1", seconds=2400)
    assert done.returncode == 0, done.stderr
    found = json.loads((home / "bench" / "orchestrate.json").read_text(encoding="utf-8"))
    alone, scheduled = found["ways"]
    assert [len(way["seconds"]) for way in (alone, scheduled)] == [1, 1]
    assert found["facts"]["times"] == pytest.approx(scheduled["median_seconds"] / alone["median_seconds"], rel=0.01)
    steps = {"discover", "load and gate", "build", "audit", "publish", "report"}
    assert found["facts"]["stages_with"][0].keys() == found["facts"]["stages_without"][0].keys() == steps
    (tasks,) = found["facts"]["tasks_with"]
    assert (tasks["batches"], len(tasks["tasks"])) == (8, 6)
    assert 0 < tasks["no_task"] < tasks["run"]
    assert list((home / "bench").glob("run-*")) == list((home / "bench").glob("orchestrate-inbox")) == []


def test_without_a_name_the_benchmarks_are_listed_and_an_unknown_name_is_wrong_usage(home: Path) -> None:
    listed = vss(home, "bench")
    known = [
        "ingest", "ingest-memory", "gate", "build", "orchestrate", "increment", "publish", "query", "scale",
        "dbt-in-airflow", "tax-match", "all",
    ]  # fmt: skip
    assert [line.split()[0] for line in listed.stdout.splitlines()] == known
    unknown = vss(home, "bench", "nothing")
    assert unknown.returncode == 2
    assert unknown.stderr == f"vss: There is no benchmark nothing: choose one of {', '.join(known)}.\n"


def test_a_sample_has_the_same_bytes_whatever_it_is_made_after(tmp_path: Path) -> None:
    first, second = sample(tmp_path / "a", 7000), sample(tmp_path / "b", 7000)
    assert first.path.read_bytes() == second.path.read_bytes()
    assert (first.rows, first.bad, first.bytes) == (7000, 7, first.path.stat().st_size)


def test_a_sample_of_another_maker_is_made_anew(tmp_path: Path) -> None:
    made = sample(tmp_path, 100)
    content = made.path.read_bytes()
    facts = made.path.with_suffix(".json")
    facts.write_text(json.dumps({**json.loads(facts.read_text(encoding="utf-8")), "made_by": "x", "rows": 1}))
    made.path.write_text("something else")
    assert sample(tmp_path, 100) == made
    assert made.path.read_bytes() == content


def test_one_row_in_a_thousand_is_bad_and_the_others_are_the_plain_file_s(tmp_path: Path) -> None:
    index = np.arange(12_000, dtype=np.int64)
    good = good_rows(index)
    differs = (
        with_bad_rows(good, index).with_columns(pl.all().fill_null("")).hash_rows()
        != good.with_columns(pl.all().fill_null("")).hash_rows()
    )
    assert differs.arg_true().to_list() == [990, 1991, 2992, 3993, 4994, 5995, 6996, 7997, 8998, 9999, 10990, 11991]
    assert good.select("si_number", "insurance_type").n_unique() == good.height
    lines = plain_file(tmp_path, 12_000).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 12_001
    assert lines[0].split(",") == good.columns


def test_a_load_that_does_not_give_what_the_sample_must_is_not_a_time(
    bench_warehouse: Settings, tmp_path: Path
) -> None:
    empty(bench_warehouse)
    made = sample(tmp_path, 6000)
    loaded = load_submission(bench_warehouse, read_folder(submission(bench_warehouse.home / "inbox", made, version=1)))
    require_loaded(bench_warehouse, made, loaded)
    with pytest.raises(WrongResultError, match="sum of their numbers"):
        require_loaded(bench_warehouse, replace(made, bad_row_sum=made.bad_row_sum + 1), loaded)
    with pytest.raises(WrongResultError, match="accepted 5994 instead of 5993"):
        require_loaded(bench_warehouse, replace(made, bad=7), loaded)


def test_what_is_measured_starts_from_an_empty_warehouse(bench_warehouse: Settings, tmp_path: Path) -> None:
    made = sample(tmp_path, 1000)
    for _ in range(2):
        empty(bench_warehouse)
        assert not (bench_warehouse.home / "archive").exists()
        folder = submission(bench_warehouse.home / "inbox", made, version=1)
        # the same id and bytes twice: only in an empty ledger are they loaded again
        require_loaded(bench_warehouse, made, load_submission(bench_warehouse, read_folder(folder)))


def test_pandas_loads_its_slice_both_ways(bench_warehouse: Settings, tmp_path: Path) -> None:
    empty(bench_warehouse)
    ways = pandas_ways(bench_warehouse, tmp_path, rows=1500)
    assert [(way.name, way.rows) for way in ways] == [("pandas to_sql", 1500), ("pandas to_sql, multi", 1500)]


def test_profiling_leaves_every_function_as_it_was() -> None:
    former = (psycopg.Copy.write, psycopg.Transaction.__exit__, vars(psycopg.Connection)["connect"])
    profile = LoadProfile()
    with load_profile(profile):
        assert psycopg.Copy.write is not former[0]
    assert (psycopg.Copy.write, psycopg.Transaction.__exit__, vars(psycopg.Connection)["connect"]) == former
    assert profile.missing == []


def test_a_step_inside_a_step_is_counted_once() -> None:
    profile = LoadProfile()
    with profile.step("outer"), profile.step("inner"):
        sum(range(200_000))
    seconds = {step: taken for (_, step), taken in profile.seconds.items()}
    assert 0 <= seconds["outer"] < seconds["inner"]


def test_the_table_shows_each_way_beside_the_floor() -> None:
    result = Result("x", 1000, ways=[Way("floor", 1000, (1.0, 9.0, 2.0), (0.5,)), Way("ours", 500, (2.0,), (0.25,))])
    lines = table(result).splitlines()
    assert lines[1].split() == ["floor", "1,000", "2.00", "0.50", "0.5", "1.000"]
    assert lines[2].split() == ["ours", "500", "2.00", "0.25", "0.2", "0.500"]


def test_a_peer_is_right_about_a_code_only_with_the_unit_that_is_the_code_s() -> None:
    truth = pl.DataFrame(
        {
            "tax_code": ["a", "b", "c", "d"],
            "expected_class": ["matched", "matched", "review", "not_registered"],
            "expected_rule": ["exact_code", "exact_code", None, None],
            "unit_row": [10, 11, 12, None],
        }
    )
    # right by code, the wrong unit, right by name, a code that has none
    pairs = pl.DataFrame({"code_id": [0, 1, 2, 3], "unit_id": [10, 12, 12, 13]})
    found = found_by_peer(truth, pairs)
    assert (found["precision"], found["exact_code"], found["review"], found["personal_id"]) == (0.5, 0.5, 1.0, 0.0)


def test_the_peers_lock_pins_every_package_with_hashes_and_dlt_s_telemetry_is_off() -> None:
    lock = (PROJECT / "benchmarks" / "requirements-peers.lock").read_text(encoding="utf-8")
    pins = [line for line in lock.splitlines() if line and line[0] not in "# "]
    assert pins
    assert all("==" in line and line.endswith("\\") for line in pins)
    own = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
    assert all(f"\n{peer}==" in lock and f"\n{peer}==" not in own for peer in ("dlt", "splink"))
    assert DLT_IS_QUIET["RUNTIME__DLTHUB_TELEMETRY"] == "false"
