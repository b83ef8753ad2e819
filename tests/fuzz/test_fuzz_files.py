"""Any bytes as a file of a submission end in rows with a verdict, or in a FileError that a clerk can act on."""

from __future__ import annotations

import csv
import gzip
import io
import json
import resource
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet
import pytest
from builders import arrears, employers, indicators, participants
from claims import SHORT_AND_LONG, holds
from hypothesis import strategies as st
from hypothesis import target
from mutations import mutated

from ingestion.codes import CATALOGUE, message
from ingestion.contracts import load_contracts
from ingestion.manifest import ManifestFile
from ingestion.readers import FileError, open_rows
from ingestion.verdicts import compile_verdicts

FEEDS: Mapping[str, Sequence[Mapping[str, str]]] = {
    "participants": participants(4),
    "employers": employers(3),
    "arrears": arrears(3),
    "indicators": indicators(si_compulsory=226400, hi=900000),
}
RULES = {
    (feed, unit): compile_verdicts(load_contracts()[feed], unit=unit, period="2021-10")  # type: ignore[arg-type]
    for feed in FEEDS
    for unit in ("dong", "million")
}
SECONDS = 30
MEGABYTES = 500


def _csv(rows: Sequence[Mapping[str, str]], *, delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> str:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _workbook(rows: Sequence[Mapping[str, str]]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["BẢO HIỂM XÃ HỘI TỈNH VĨNH PHÚC"])
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append([int(cell) if cell.isdigit() and len(cell) < 9 else cell for cell in row.values()])
    sheet.append(["Tổng cộng"])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _parquet(rows: Sequence[Mapping[str, str]]) -> bytes:
    stream = io.BytesIO()
    pa.parquet.write_table(pa.Table.from_pylist([dict(row) for row in rows]), stream)
    return stream.getvalue()


def _zip(entries: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _parts(workbook: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


CSVS = [_csv(rows).encode() for rows in FEEDS.values()] + [
    _csv(FEEDS["participants"], quoting=csv.QUOTE_ALL).encode("utf-8-sig"),
    _csv(FEEDS["arrears"], delimiter=";").encode(),
    _csv(FEEDS["employers"]).encode("utf-16"),
    _csv([{**row, "name": 'Công ty "An\nPhú", TNHH'} for row in FEEDS["employers"]]).encode(),
]
WORKBOOKS = [_workbook(rows) for rows in FEEDS.values()]
PARQUETS = [_parquet(rows) for rows in FEEDS.values()]
ZIPS = [
    _zip(entries)
    for entries in ({"f.csv": CSVS[0]}, {"a.csv": CSVS[1], "b.csv": CSVS[2]}, {"x.zip": _zip({"y": CSVS[0]})})
]
GZIPS = [gzip.compress(content, mtime=0) for content in CSVS[:3]] + [gzip.compress(ZIPS[0], mtime=0)]


def is_judged_or_refused(folder: Path, content: bytes, name: str, feed: str, **said: Any) -> None:
    """Read a file to its end. Whatever it holds: every row has a verdict, or a code says why there are none."""
    path = folder / "received"
    path.write_bytes(content)
    kind = next(form for form in ("csv", "xlsx", "parquet") if form in name)
    file = ManifestFile(
        feed=feed, path=name, format=kind, bytes=len(content), sha256="0" * 64, rows=1, **said,  # type: ignore[arg-type]
    )  # fmt: skip
    rules = RULES[feed, file.unit]
    began = time.process_time()
    rows = accepted = 0
    try:
        reader = open_rows(path, file, load_contracts()[feed], block_rows=64)
        last = 0
        for block in reader:
            verdict = rules.judged(block)
            rows += block.rows
            accepted += verdict.good.height
            assert verdict.good.height + verdict.rejected_rows + len(block.ragged) == block.rows
            numbers = sorted([*verdict.row_no, *verdict.bad_rows, *(reject.row_no for reject in block.ragged)])
            assert len(set(numbers)) == len(numbers)
            assert numbers[0] > last
            last = numbers[-1]
            assert {reject.code for reject in block.ragged} | set(verdict.rejects["code"]) <= set(CATALOGUE)
            json.dumps([int(total) for total in verdict.totals.values()])
        told = [(note.code, note.arguments) for note in reader.notes]
    except FileError as error:
        told = [(error.code, error.arguments)]
    assert time.process_time() - began < SECONDS
    for code, arguments in told:
        assert code in CATALOGUE
        json.dumps(arguments)
        assert message(code, "vi", **arguments)
        assert message(code, "en", **arguments)
    target(float(accepted), label="rows that are still accepted")


@pytest.fixture
def _frugal() -> Any:
    """The test may not need much more memory than the process has had."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024


_FEED = st.sampled_from(sorted(FEEDS))
_UNIT = st.sampled_from(["dong", "million"])
_ENCODING = st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-16", "cp1258"])
_DELIMITER = st.sampled_from([",", ",", ",", ";", "\t", "|"])


@SHORT_AND_LONG
@pytest.mark.usefixtures("_frugal")
def test_bytes_that_once_were_a_csv(times: int, tmp_path: Path) -> None:
    def claim(content: bytes, feed: str, unit: str, encoding: str, delimiter: str) -> None:
        is_judged_or_refused(tmp_path, content, "f.csv", feed, unit=unit, encoding=encoding, delimiter=delimiter)

    said = {"unit": _UNIT, "encoding": _ENCODING, "delimiter": _DELIMITER}
    holds(claim, examples=150, times=times, content=mutated(CSVS), feed=_FEED, **said)


@SHORT_AND_LONG
@pytest.mark.usefixtures("_frugal")
def test_a_csv_that_goes_wrong_behind_its_heading(times: int, tmp_path: Path) -> None:
    def claim(feed: str, rest: bytes, unit: str) -> None:
        heading = ",".join(FEEDS[feed][0]).encode()
        is_judged_or_refused(tmp_path, heading + b"\n" + rest, "f.csv", feed, unit=unit)

    bodies = [content.split(b"\n", 1)[1] for content in CSVS]
    holds(claim, examples=150, times=times, feed=_FEED, rest=mutated(bodies) | st.binary(max_size=300), unit=_UNIT)


@SHORT_AND_LONG
@pytest.mark.usefixtures("_frugal")
@pytest.mark.parametrize(("name", "seeds"), [("f.csv.gz", GZIPS), ("f.csv.zip", ZIPS)], ids=["gz", "zip"])
def test_bytes_that_once_were_a_packed_csv(times: int, name: str, seeds: list[bytes], tmp_path: Path) -> None:
    def claim(content: bytes, feed: str) -> None:
        is_judged_or_refused(tmp_path, content, name, feed)

    holds(claim, examples=80, times=times, content=mutated(seeds, most=3), feed=_FEED)


@SHORT_AND_LONG
@pytest.mark.usefixtures("_frugal")
def test_a_gzip_of_bytes_that_once_were_a_csv(times: int, tmp_path: Path) -> None:
    def claim(content: bytes, feed: str) -> None:
        is_judged_or_refused(tmp_path, gzip.compress(content, mtime=0), "f.csv.gz", feed)

    holds(claim, examples=30, times=times, content=mutated(CSVS), feed=_FEED)


@SHORT_AND_LONG
@pytest.mark.usefixtures("_frugal")
@pytest.mark.parametrize(("name", "seeds"), [("f.xlsx", WORKBOOKS), ("f.parquet", PARQUETS)], ids=["xlsx", "parquet"])
def test_bytes_that_once_were_a_workbook_or_parquet_file(
    times: int, name: str, seeds: list[bytes], tmp_path: Path
) -> None:
    def claim(content: bytes, feed: str) -> None:
        is_judged_or_refused(tmp_path, content, name, feed)

    holds(claim, examples=6, times=times, content=mutated(seeds, most=3), feed=_FEED)


@SHORT_AND_LONG
@pytest.mark.usefixtures("_frugal")
def test_a_workbook_with_one_part_that_goes_wrong(times: int, tmp_path: Path) -> None:
    sheets = [_parts(workbook) for workbook in WORKBOOKS]

    def claim(which: int, part: int, other: bytes, feed_too: bool) -> None:
        parts = dict(sheets[which])
        parts[sorted(parts)[part % len(parts)]] = other
        feed = list(FEEDS)[which] if feed_too else "arrears"
        is_judged_or_refused(tmp_path, _zip(parts), "f.xlsx", feed)

    every_part = [content for parts in sheets for content in parts.values()]
    holds(
        claim, examples=6, times=times, which=st.integers(0, len(sheets) - 1), part=st.integers(0, 20),
        other=mutated(every_part, most=3), feed_too=st.booleans(),
    )  # fmt: skip


@SHORT_AND_LONG
@pytest.mark.usefixtures("_frugal")
@pytest.mark.parametrize("name", ["f.csv", "f.csv.gz", "f.csv.zip"])
def test_any_bytes_as_a_file(times: int, name: str, tmp_path: Path) -> None:
    def claim(content: bytes, feed: str) -> None:
        is_judged_or_refused(tmp_path, content, name, feed)

    everything = st.sampled_from([*CSVS, *WORKBOOKS, *PARQUETS, *ZIPS, *GZIPS]) | st.binary(max_size=100)
    holds(claim, examples=30, times=times, content=everything, feed=_FEED)
