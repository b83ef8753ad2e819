"""Write a submission folder: the files, then the manifest with digests, row counts and control totals."""

from __future__ import annotations

import datetime as dt
import io
import os
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import openpyxl
import polars as pl

from ingestion import manifest
from ingestion.manifest import Manifest, ManifestFile

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
_WHOLE_NUMBER = r"^-?\d+$"
_MAIN_AMOUNTS = (
    "wage_base_vnd", "wage_fund_vnd", "due_vnd", "paid_vnd", "principal_vnd", "overdue_vnd", "arrears_before_vnd",
    "amount_vnd", "income_paid_vnd",
)  # fmt: skip
_ZIP_DATE = (2021, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Submission:
    """What a sender sends at once. A feed whose frame is None is reported as nil.

    `headings` gives a feed other headings than the contract's column names and makes it a workbook of text cells.
    `received_at` dates the manifest file; None leaves the time of writing.
    """

    sender: str
    submission_id: str
    period: str
    as_of: dt.date
    created_at: dt.datetime
    feeds: Mapping[str, pl.DataFrame | None]
    version: int = 1
    action: Literal["submit", "correct", "void"] = "submit"
    basis: Mapping[str, Literal["month", "ytd"]] = field(default_factory=dict)
    headings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    received_at: dt.datetime | None = None


def write(out: Path, submission: Submission) -> Path:
    """Write the folder under `out` and return it; the manifest comes last, and an older one goes first."""
    folder = out / submission.sender / submission.submission_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / manifest.MANIFEST_NAME).unlink(missing_ok=True)
    files = tuple(_write_feed(folder, submission, feed, frame) for feed, frame in submission.feeds.items())
    target = manifest.write(
        folder,
        Manifest(
            manifest_version=1,
            submission_id=submission.submission_id,
            sender=submission.sender,
            period=submission.period,
            as_of_date=submission.as_of,
            version=submission.version,
            action=submission.action,
            created_at=submission.created_at,
            files=files,
        ),
    )
    if submission.received_at is not None:
        received = submission.received_at.timestamp()
        os.utime(target, (received, received))
    return folder


def at(day: dt.date, hour: int, minute: int = 0) -> dt.datetime:
    """A time of day in Vietnam."""
    return dt.datetime.combine(day, dt.time(hour, minute), tzinfo=VIETNAM)


def short_name(sender: str) -> str:
    """How a sender begins its submission ids: p26, hq, tax."""
    return sender.replace("province-", "p")


def totals(frame: pl.DataFrame) -> dict[str, Decimal]:
    """Sums of the main amount columns over the cells that read as a whole number."""
    found = {}
    for name in _MAIN_AMOUNTS:
        if name not in frame.columns:
            continue
        column = frame[name]
        if column.dtype == pl.String:
            column = column.filter(column.str.contains(_WHOLE_NUMBER)).cast(pl.Int64)
        if column.null_count() < len(column):
            found[name] = Decimal(int(column.sum()))
    return found


def _write_feed(folder: Path, submission: Submission, feed: str, frame: pl.DataFrame | None) -> ManifestFile:
    if frame is None or frame.is_empty():
        return ManifestFile(feed=feed, nil=True)
    headings = submission.headings.get(feed)
    path = folder / f"{feed}.{'csv' if headings is None else 'xlsx'}"
    if headings is None:
        frame.write_csv(path)
    else:
        _write_workbook(path, frame, headings, submission.created_at)
    return ManifestFile(
        feed=feed,
        path=path.name,
        format="csv" if headings is None else "xlsx",
        basis=submission.basis.get(feed, "month"),
        bytes=path.stat().st_size,
        sha256=manifest.sha256_of(path),
        rows=frame.height,
        totals=totals(frame),
    )


def _write_workbook(path: Path, frame: pl.DataFrame, headings: Mapping[str, str], created_at: dt.datetime) -> None:
    """A workbook of text cells whose bytes depend on its content only (openpyxl stamps the time into three places)."""
    workbook = openpyxl.Workbook()
    workbook.properties.creator = "vss synth"
    workbook.properties.created = created_at.astimezone(dt.UTC).replace(tzinfo=None)
    sheet = workbook.active
    if sheet is None:
        raise RuntimeError("a new workbook has no sheet")
    sheet.append([headings.get(name, name) for name in frame.columns])
    for row in frame.iter_rows():
        sheet.append([None if value is None else str(value) for value in row])
    for cells in sheet.iter_rows(min_row=2):
        for cell in cells:
            cell.number_format = "@"
    stamped = io.BytesIO()
    workbook.save(stamped)
    with zipfile.ZipFile(stamped) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"<dcterms:modified[^>]*>[^<]*</dcterms:modified>", b"", content)
            entry = zipfile.ZipInfo(name, _ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, content)
