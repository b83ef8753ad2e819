"""What the benchmarks of a whole country are made of; and, at sizes of minutes (marker long), those themselves."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from builders import Inbox, arrears, employers, participants
from test_bench_smoke import vss

from benchmarks import all as everything
from benchmarks import country, history
from benchmarks.stopwatch import lap
from benchmarks.workplace import WrongResultError
from ingestion.inbox import read_folder
from warehouse import roles
from warehouse.connection import connect

MONTH = dt.date(2021, 10, 1)


def test_a_copied_month_has_the_rows_and_the_ledger_of_the_one_it_came_from(inbox: Inbox) -> None:
    owing = [{**row, "oldest_month": "2021-08"} for row in arrears(3)]
    inbox.accept(inbox.send({"participants": participants(5), "employers": employers(2), "arrears": owing}))
    inbox.accept(inbox.send({"indicators": None}, sender="hq"))
    assert history.copy_back(inbox.settings, MONTH, 2) == 2 * (5 + 2 + 3)
    sent = inbox.query(
        "select period, month::text, as_of_date::text, received_at::date::text, s.state, sum(accepted)::int"
        " from ops.submission s join ops.load using (sub_no) where sender = 'province-26'"
        " group by sub_no order by period"
    )
    assert sent == [
        ("2021-08", "2021-08-01", "2021-08-31", "2021-09-03", "accepted", 10),
        ("2021-09", "2021-09-01", "2021-09-30", "2021-10-03", "accepted", 10),
        ("2021-10", "2021-10-01", "2021-10-31", "2021-11-03", "accepted", 10),
    ]
    found = inbox.query(
        "select r.month::text, oldest_month::text, count(*)::int, sum(principal_vnd)::int from raw.arrears r"
        " join ops.load using (load_id) join ops.submission s using (sub_no) where s.month = r.month"
        " group by 1, 2 order by 1"
    )
    assert found == [("2021-08-01", "2021-06-01", 3, 3000), ("2021-09-01", "2021-07-01", 3, 3000),
                     ("2021-10-01", "2021-08-01", 3, 3000)]  # fmt: skip


def test_a_month_that_nobody_sent_cannot_be_copied(inbox: Inbox) -> None:
    with pytest.raises(WrongResultError, match="No province's load of 2021-10 is accepted"):
        history.copy_back(inbox.settings, MONTH, 1)


def test_each_correction_of_a_month_has_the_same_persons_and_other_wages(tmp_path: Path) -> None:
    (first,) = country.write_provinces(tmp_path, MONTH, scale=0.0005, provinces=["26"])
    frames = [first] + [
        country.write_correction(tmp_path, MONTH, scale=0.0005, province="26", version=version) for version in (2, 3)
    ]
    assert [folder.name for folder in frames] == ["p26-2021-10-v1", "p26-2021-10-v2", "p26-2021-10-v3"]
    assert [json.loads((folder / "manifest.json").read_bytes())["action"] for folder in frames] == [
        "submit", "correct", "correct",
    ]  # fmt: skip
    sent = [pl.read_csv(folder / "participants.csv", infer_schema=False) for folder in frames]
    assert all(each.drop("wage_base_vnd").equals(sent[0].drop("wage_base_vnd")) for each in sent)
    wages = [each["wage_base_vnd"].cast(pl.Int64).sum() for each in sent]
    assert wages[0] < wages[1] != wages[2] > wages[0]


def test_all_provinces_and_headquarters_send_a_month(tmp_path: Path) -> None:
    folders = [*country.write_provinces(tmp_path, MONTH, scale=0.00001),
               country.write_headquarters(tmp_path, MONTH, scale=0.00001)]  # fmt: skip
    senders = Counter(read_folder(folder).sender.partition("-")[0] for folder in folders)
    assert senders == {"province": 63, "hq": 1}


def test_the_server_s_work_is_counted_for_its_warehouse_and_not_as_the_client_s(inbox: Inbox) -> None:
    with connect(inbox.settings, roles.LOADER) as connection, lap(inbox.settings) as measured:
        connection.execute("select sum(sqrt(n)) from generate_series(1, 3000000) n")
    assert measured.server_cpu_seconds > 0.1 > measured.cpu_seconds
    assert measured.all_cpu_seconds == measured.cpu_seconds + measured.server_cpu_seconds


def test_the_table_of_all_has_the_target_of_gate_one_and_says_what_could_not_be_measured(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VSS_HOME", str(home))
    found = everything.run(home / "bench", scale=0.00005, peers=False, profile=False, names=("gate", "nothing"))
    heading, gate, nothing = found.remarks
    assert heading.split() == ["id", "target", "floor", "ours", "ratio", "met"]
    kept = json.loads((home / "bench" / "gate.json").read_text(encoding="utf-8"))
    by_hand, ours, checkpoint, small = kept["ways"]
    assert [len(way["seconds"]) for way in (by_hand, ours, checkpoint, small)] == [5, 5, 1, 20]
    # every check of the contract, and those of counts, persons, wages and history
    assert kept["facts"]["statements"] == 18
    (target,) = found.facts["gate"]["targets"]
    assert target["ratio"] == kept["targets"][0]["ratio"] > 0
    assert gate.startswith("gate") and "at most 3 times the statements by hand" in gate
    assert gate.split()[-2:] == [f"{target['ratio']:.2f}", "yes" if target["reached"] else "no"]
    assert "not measured: vss: There is no benchmark nothing" in nothing and nothing.endswith("no")


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("build", ["--scale", "0.0001", "--repeat", "2", "--profile"]),
        ("increment", ["--scale", "0.0001", "--rows", "3", "--repeat", "1", "--profile"]),
        ("scale", ["--scale", "0.002", "--profile"]),
    ],
)
def test_a_benchmark_of_the_country_measures_steps_that_did_their_work(home: Path, name: str, size: list[str]) -> None:
    done = vss(home, "bench", name, *size, seconds=3600)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((home / "bench" / f"{name}.json").read_text(encoding="utf-8"))
    assert all(way["median_seconds"] > 0 for way in found["ways"])
    assert all(target["floor"] and target["ours"] for target in found["targets"])
    assert list((home / "bench").glob("run-*")) == []
    if name == "scale":
        steps = found["facts"]["0.2 %"]["steps"]
        assert set(steps) == {"load", "build", "audit", "publish"}
        # an interpreter that has read the project of dbt
        assert steps["build"]["peak_mb"] > 100
