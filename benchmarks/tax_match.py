"""`tax-match`: the units of a country against a year's tax list, through the models of the night."""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.peers import splink_way
from benchmarks.results import Result, Target, Way
from benchmarks.workplace import WrongResultError, temporary_warehouse
from ingestion.decision import settle
from ingestion.inbox import read_folder
from ingestion.load import load_submission
from night import publishing
from synth.submission import Submission, at, write
from synth.tax_scale import MatchFrames, match_frames
from warehouse import roles
from warehouse.connection import admin_url, connect, open_connection
from warehouse.settings import Settings

DEFAULT_CODES = 550_000
_UNITS_A_CODE = 14 / 11
_MODELS = ("fct_tax_match_unit", "int_tax_match__similar", "fct_tax_match")
_LONGEST_SECONDS = 60
_EXACT = ("exact_code", "personal_id", "parent_code", "branch_code")
# what the ladder costs at least: one join by code over the rows as loaded
_FLOOR = (
    "select count(*) from raw.tax_employers t join raw.employers e on e.tax_code = t.tax_code"
    " where t.tax_code is not null"
)


def run(folder: Path, *, codes: int, peers: bool = True) -> Result:
    """Load both sides, build, and time the three models of the match; precision and recall against planted truth.

    The server uses one process a query, so seconds are those of one core. With `peers`, splink matches the same rows in
    the same run, on one thread.
    """
    frames = match_frames(codes=codes, units=int(codes * _UNITS_A_CODE))
    result = Result("tax-match", codes)
    with temporary_warehouse(folder) as settings:
        _load(settings, frames)
        with open_connection(admin_url(settings), autocommit=True) as admin:
            admin.execute("alter role vss_transformer set max_parallel_workers_per_gather = 0")
        print("building", file=sys.stderr, flush=True)
        if publishing.build(settings, "bench") is None:
            raise WrongResultError("There was nothing to build: nothing of the sample was accepted.")
        seconds = _seconds_of_models(settings)
        result.ways = [
            Way("floor: one join by tax code", codes, (_floor(settings),), (0.0,)),
            Way("match: ladder, queue of names, classes", codes, (sum(seconds.values()),), (0.0,)),
        ]
        quality = _quality(settings, frames.truth)
        remarks: list[str] = []
        if peers:
            peer = splink_way(folder, settings.home, units=frames.employers, codes=frames.tax_list, remarks=remarks)
            if peer is not None:
                result.ways.append(peer[0])
                remarks += _of_peer(found_by_peer(frames.truth, peer[1]))
    result.facts = {"units": frames.employers.height, "seconds": seconds, "quality": quality}
    total = sum(seconds.values())
    exact = min(min(quality[rule]) for rule in _EXACT)
    result.targets = [
        Target(
            f"the match of {codes:,} codes takes at most {_LONGEST_SECONDS} s: {total:.1f}", total <= _LONGEST_SECONDS
        ),
        Target(f"precision and recall of the exact rungs at least 0.99: {exact:.4f}", exact >= 0.99),
    ]
    result.remarks = [f"{name}: {spent:.1f} s" for name, spent in seconds.items()]
    result.remarks += [
        f"{name}: precision {precision:.4f}, recall {recall:.4f}" for name, (precision, recall) in quality.items()
    ]
    result.remarks += remarks
    return result


def found_by_peer(truth: pl.DataFrame, pairs: pl.DataFrame) -> dict[str, float]:
    """Of a peer's pairs (`code_id`, `unit_id`, row numbers) the share that is right, and by rung the share it finds.

    `truth` has a row a code in the order of the list, as `match_frames` gives it; codes to be found by name only are
    `review`. A pair is right when its unit is the code's.
    """
    right = truth.with_row_index("code_id").join(
        pairs.select(pl.col("code_id").cast(pl.UInt32), pl.col("unit_id").cast(pl.Int64).alias("unit_row")),
        on=["code_id", "unit_row"], how="semi",
    )  # fmt: skip
    planted = truth.with_row_index("code_id").with_columns(
        rung=pl.when(pl.col("expected_class") == "review").then(pl.lit("review")).otherwise(pl.col("expected_rule"))
    )  # fmt: skip
    found = {"precision": round(right.height / max(1, pairs.height), 4)}
    for rung in (*_EXACT, "review"):
        of_rung = planted.filter(pl.col("rung") == rung)
        found[rung] = round(of_rung.join(right, on="code_id", how="semi").height / max(1, of_rung.height), 4)
    return found


def _of_peer(found: dict[str, float]) -> list[str]:
    shares = ", ".join(f"{name} {share:.4f}" for name, share in found.items() if name != "precision")
    return [
        f"splink: precision of its pairs {found['precision']:.4f}; found of each rung: {shares}.",
        "splink compares codes and names in one step, one thread, tables in memory; it has no rungs for branches and"
        " parents, no months, no heads, no queue that waits for a person, and keeps nothing in the warehouse.",
    ]


def _load(settings: Settings, frames: MatchFrames) -> None:
    sent = [
        Submission(
            sender=f"province-{province}", submission_id=f"p{province}-2021-12-v1", period="2021-12",
            as_of=dt.date(2021, 12, 31), created_at=at(dt.date(2022, 1, 3), 8),
            feeds={"employers": units.drop("province_code")},
        )
        for (province,), units in frames.employers.group_by("province_code", maintain_order=True)
    ]  # fmt: skip
    sent.append(
        Submission(
            sender="tax",
            submission_id="tax-2022-03-v1",
            period="2022-03",
            as_of=dt.date(2022, 3, 31),
            created_at=at(dt.date(2022, 4, 3), 8),
            feeds={"tax_employers": frames.tax_list},
        )
    )
    for submission in sent:
        loaded = load_submission(settings, read_folder(write(settings.home / "inbox", submission)))
        if loaded.state != "loaded" or settle(settings, loaded.sub_no, "passed", ()) != "accepted":
            raise WrongResultError(f"{submission.submission_id} was not accepted: {loaded.state}.")


def _floor(settings: Settings) -> float:
    with connect(settings, roles.LOADER) as connection:
        begun = time.monotonic()
        connection.execute(_FLOOR)
        return time.monotonic() - begun


def _seconds_of_models(settings: Settings) -> dict[str, float]:
    """Seconds dbt spent in each model of the match."""
    found: dict[str, Any] = json.loads((settings.home / "dbt" / "target" / "run_results.json").read_text("utf-8"))
    spent = {str(node["unique_id"]).rpartition(".")[2]: float(node["execution_time"]) for node in found["results"]}
    return {name: round(spent[name], 2) for name in _MODELS}


def _quality(settings: Settings, truth: pl.DataFrame) -> dict[str, tuple[float, float]]:
    """Precision and recall of each rung and of two classes; of persons' codes, which are tokens, only the number."""
    with connect(settings, roles.TRANSFORMER) as connection:
        rows = connection.execute(
            "select tax_code, match_class, match_rule from marts.fct_tax_match where match_class <> 'not_in_tax_list'"
        ).fetchall()
    persons = sum(str(code).startswith("P-") and rule == "personal_id" for code, _, rule in rows)
    shown = pl.DataFrame(
        [(str(code), str(found), None if rule is None else str(rule)) for code, found, rule in rows],
        schema={"tax_code": pl.String, "found_class": pl.String, "found_rule": pl.String}, orient="row",
    )  # fmt: skip
    both = truth.join(shown, on="tax_code", how="left")
    quality = {}
    for rule in _EXACT:
        if rule == "personal_id":
            planted = truth.filter(pl.col("expected_rule") == rule).height
            quality[rule] = (min(1.0, planted / persons), min(1.0, persons / planted))
        else:
            quality[rule] = _of(both, "expected_rule", "found_rule", rule)
    quality["review"] = _of(both, "expected_class", "found_class", "review")
    quality["not_registered"] = _of(both, "expected_class", "found_class", "not_registered")
    return quality


def _of(both: pl.DataFrame, expected: str, found: str, name: str) -> tuple[float, float]:
    right = both.filter((pl.col(expected) == name) & (pl.col(found) == name)).height
    return (
        round(right / max(1, both.filter(pl.col(found) == name).height), 4),
        round(right / max(1, both.filter(pl.col(expected) == name).height), 4),
    )
