"""The submissions that are measured: a `participants` file of any number of rows, the same bytes every time.

Every tenth of a thousand rows is bad, in six ways in turn; what the warehouse must find is known beforehand, so that a
fast load of the wrong rows is no result.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl

from ingestion import manifest as manifests
from ingestion.contracts import load_contracts
from ingestion.manifest import Manifest, ManifestFile
from synth.chance import Ints, below, salt
from synth.identifiers import personal_ids, si_numbers, unit_codes
from synth.names import person_names

FEED = "participants"
PERIOD = "2021-10"
SENDER = "province-26"
BAD_EVERY = 1000
_PROVINCE = "26"
_BLOCK = 500_000
# ten rows are five persons: two workers with three insurances each, one in voluntary insurance, two in health only
_PERSON_OF = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3, 4])
_TYPE_OF = np.array([0, 1, 2, 0, 1, 2, 3, 2, 2, 2])
_TYPES = pl.Series(["SI_C", "UI", "HI", "SI_V"])
_GROUPS = pl.Series(["GD", "HN", "HT", "HS", "TE", "CB"])
_FIRST_HEADING = 2


@dataclass(frozen=True)
class Sample:
    """A file and what must come of it.

    `bad_row_sum` is the sum of the row numbers of the bad rows; `wage_parsed` and `wage_set_aside` are in đồng, over
    all rows whose wage can be read and over those of them that are bad.
    """

    path: Path
    rows: int
    bad: int
    bad_row_sum: int
    wage_parsed: int
    wage_set_aside: int
    sha256: str
    bytes: int


def sample(folder: Path, rows: int) -> Sample:
    """The file of `rows` rows as a sender would send it, 0.1 % of them bad; made on first use and kept in `folder`."""
    path = folder / f"participants-{rows}.csv"
    facts = path.with_suffix(".json")
    made_by = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    if facts.exists() and path.exists():
        known = json.loads(facts.read_text(encoding="utf-8"))
        if known.pop("made_by") == made_by:
            return Sample(path=path, **known)
    facts.unlink(missing_ok=True)
    bad = bad_row_sum = wage_parsed = wage_set_aside = 0
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        for index in _blocks(rows):
            frame = with_bad_rows(good_rows(index), index)
            frame.write_csv(stream, include_header=int(index[0]) == 0)
            is_bad = _is_bad(index)
            wage = frame["wage_base_vnd"].cast(pl.Int64, strict=False).fill_null(0).to_numpy()
            bad += int(is_bad.sum())
            bad_row_sum += int((index[is_bad] + _FIRST_HEADING).sum())
            wage_parsed += int(wage.sum())
            wage_set_aside += int(wage[is_bad].sum())
    made = Sample(
        path, rows, bad, bad_row_sum, wage_parsed, wage_set_aside, manifests.sha256_of(path), path.stat().st_size
    )
    content = {name: value for name, value in asdict(made).items() if name != "path"}
    facts.write_text(json.dumps({**content, "made_by": made_by}), encoding="utf-8")
    return made


def plain_file(folder: Path, rows: int) -> Path:
    """The same rows, the bad ones in their good form and months as dates, so that `COPY` can type them by itself."""
    path = folder / f"participants-{rows}-plain.csv"
    stamp = path.with_suffix(".made")
    made_by = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    if path.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == made_by:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        for index in _blocks(rows):
            frame = good_rows(index).with_columns(pl.col("from_month") + "-01")
            frame.write_csv(stream, include_header=int(index[0]) == 0)
    stamp.write_text(made_by, encoding="utf-8")
    return path


def submission(inbox: Path, made: Sample, *, version: int) -> Path:
    """A folder in inbox layout with the file and its manifest; returns the folder. A new version is a new id."""
    name = f"bench-{made.rows}-v{version}"
    folder = inbox / SENDER / name
    folder.mkdir(parents=True)
    target = folder / made.path.name
    try:
        os.link(made.path, target)
    except OSError:
        shutil.copyfile(made.path, target)
    file = ManifestFile(
        feed=FEED, path=target.name, bytes=made.bytes, sha256=made.sha256, rows=made.rows,
        totals={"wage_base_vnd": Decimal(made.wage_parsed)},
    )  # fmt: skip
    local = dt.timezone(dt.timedelta(hours=7))
    manifests.write(
        folder,
        Manifest(
            manifest_version=1, submission_id=name, sender=SENDER, period=PERIOD, as_of_date=dt.date(2021, 10, 31),
            version=version, created_at=dt.datetime(2021, 11, 2, 8, tzinfo=local), files=(file,),
        ),
    )  # fmt: skip
    return folder


def good_rows(index: Ints) -> pl.DataFrame:
    """The rows with these numbers (from 0), all columns of the contract as text; a row is a function of its number."""
    position = index % 10
    person = index // 10 * 5 + _PERSON_OF[position]
    kind = _TYPE_OF[position]
    is_worker = _PERSON_OF[position] < 2
    is_health = kind == 2
    key = salt("bench", FEED)
    female = below(person, key ^ 1, 2)
    born = 1945 + below(person, key ^ 2, 60)
    names = pl.concat([person_names("M"), person_names("F")])
    men = len(person_names("M"))
    name = np.where(female == 1, men + below(person, key ^ 3, len(names) - men), below(person, key ^ 3, men))
    month, day = 1 + below(person, key ^ 4, 12), 1 + below(person, key ^ 5, 28)
    is_year_only = (born < 1955) & (below(person, key ^ 6, 10) == 0)
    wage = 4_420_000 + below(person, key ^ 7, 25_000) * 1000
    joined = 2006 * 12 + below(person, key ^ 8, 12 * 15)
    frame = pl.DataFrame({"born": born, "birth_month": month, "birth_day": day, "joined": joined, "wage": wage})
    two_digits = pl.Series([f"{number:02d}" for number in range(100)])
    agent = pl.Series([f"DL{_PROVINCE}{number:04d}" for number in range(500)])
    columns = {
        "si_number": si_numbers(_PROVINCE, person),
        "personal_id": _where(below(person, key ^ 9, 100) < 92, personal_ids(_PROVINCE, born, female, person)),
        "full_name": names.gather(name),
        "birth_date": frame["born"].cast(pl.String).zip_with(
            pl.Series(is_year_only),
            frame["born"].cast(pl.String) + "-" + two_digits.gather(month) + "-" + two_digits.gather(day),
        ),
        "sex": pl.Series(["M", "F"]).gather(female),
        "insurance_type": _TYPES.gather(kind),
        "hi_group": _where(is_health, _GROUPS.gather(below(person, key ^ 10, 6)).zip_with(
            pl.Series(~is_worker), pl.Series(["DN"]).gather(np.zeros_like(index)))),
        "si_unit_code": _where(
            is_worker, unit_codes(pl.Series(["TN"]).gather(np.zeros_like(index)), below(person, key ^ 11, 8000), 0)
        ),
        "commune_code": pl.Series([f"{8701 + 3 * number:05d}" for number in range(137)]).gather(
            below(person, key ^ 12, 137)
        ),
        "wage_base_vnd": _where(~is_health, frame["wage"].cast(pl.String)),
        "from_month": _where(
            ~is_health, (frame["joined"] // 12).cast(pl.String) + "-" + two_digits.gather(joined % 12 + 1)
        ),
        "office_code": pl.Series([f"026{number:02d}" for number in range(10)]).gather(below(person, key ^ 13, 10)),
        "collector_code": _where(~is_worker, agent.gather(below(person, key ^ 14, 500))),
    }  # fmt: skip
    return pl.DataFrame(columns).select(load_contracts()[FEED].column_names)


def with_bad_rows(good: pl.DataFrame, index: Ints) -> pl.DataFrame:
    """The rows with one in a thousand made bad: a lost digit, no name, a day, code, amount or key that cannot be."""
    if not _is_bad(index).any():
        return good
    way = pl.Series("way", np.where(_is_bad(index), index // BAD_EVERY % 6, -1))
    # the row half a thousand before is good, and has the same insurance
    earlier = si_numbers(_PROVINCE, (index - BAD_EVERY // 2) // 10 * 5 + _PERSON_OF[index % 10])
    return (
        good.with_columns(way, earlier.alias("earlier"))
        .with_columns(
            si_number=pl.when(pl.col("way") == 0)
            .then(pl.col("si_number").str.slice(1))
            .when(pl.col("way") == 5)
            .then("earlier")
            .otherwise("si_number"),
            full_name=pl.when(pl.col("way") != 1).then("full_name"),
            birth_date=pl.when(pl.col("way") == 2).then(pl.lit("1985-02-31")).otherwise("birth_date"),
            sex=pl.when(pl.col("way") == 3).then(pl.lit("X")).otherwise("sex"),
            wage_base_vnd=pl.when(pl.col("way") == 4).then(pl.lit("5.200.000")).otherwise("wage_base_vnd"),
        )
        .drop("way", "earlier")
    )


def _is_bad(index: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """One row of a thousand, at each of the ten positions in turn."""
    return np.asarray(index % BAD_EVERY == BAD_EVERY - 10 + index // BAD_EVERY % 10)


def _blocks(rows: int) -> list[Ints]:
    return [np.arange(start, min(start + _BLOCK, rows), dtype=np.int64) for start in range(0, rows, _BLOCK)]


def _where(chosen: np.ndarray[tuple[int], np.dtype[np.bool_]], values: pl.Series) -> pl.Series:
    return values.set(pl.Series(~chosen), None)
