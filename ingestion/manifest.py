"""The manifest of a submission: its shape, and the rules that need nothing but the manifest itself."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

MANIFEST_NAME = "manifest.json"
UNIT_FACTOR = {"dong": 1, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}

SubmissionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
_PERIOD = re.compile(r"^(?P<year>\d{4})-(?:(?P<month>0[1-9]|1[0-2])|W(?P<week>0[1-9]|[1-4]\d|5[0-3]))$")


class ManifestFile(BaseModel):
    """One feed of a submission: a file, or the statement that there is nothing to report (`nil`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    feed: str
    nil: bool = False
    path: str | None = None
    format: Literal["csv", "xlsx", "parquet"] = "csv"
    encoding: Literal["utf-8", "utf-16", "cp1258"] = "utf-8"
    delimiter: Literal[",", ";", "\t", "|"] = ","
    basis: Literal["month", "ytd"] = "month"
    unit: Literal["dong", "thousand", "million", "billion"] = "dong"
    bytes: int | None = Field(default=None, ge=0)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    rows: int | None = Field(default=None, ge=0)
    totals: dict[str, Decimal] = Field(default_factory=dict)

    @field_validator("path")
    @classmethod
    def _plain_name(cls, value: str | None) -> str | None:
        unsafe = value is not None and (
            value in {"", ".", "..", MANIFEST_NAME}
            or not re.fullmatch(r"[^/\\\x00-\x1f\u202a-\u202e\u2066-\u2069:]{1,255}", value)
        )
        if unsafe:
            raise ValueError("path must be a plain file name inside the folder")
        return value

    @model_validator(mode="after")
    def _file_or_nil(self) -> ManifestFile:
        if self.nil and self.path is not None:
            raise ValueError("a nil feed names no file")
        if not self.nil and (self.path is None or self.bytes is None or self.sha256 is None or self.rows is None):
            raise ValueError("a file needs path, bytes, sha256 and rows")
        return self


class Manifest(BaseModel):
    """`manifest.json`, version 1 (docs/submission-guide.md)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    manifest_version: Literal[1]
    submission_id: SubmissionId
    sender: str = Field(pattern=r"^(province-\d{2}|tax|hq)$")
    period: str
    as_of_date: dt.date
    version: int = Field(ge=1)
    action: Literal["submit", "correct", "void"] = "submit"
    created_at: AwareDatetime
    encryption: Literal["none", "age"] = "none"
    files: tuple[ManifestFile, ...] = ()

    @field_validator("period")
    @classmethod
    def _known_period(cls, value: str) -> str:
        period_month(value)
        return value

    @model_validator(mode="after")
    def _files_fit_the_action(self) -> Manifest:
        if self.action == "void" and self.files:
            raise ValueError("a void names no files")
        if self.action != "void" and not self.files:
            raise ValueError("files is empty")
        feeds = [file.feed for file in self.files]
        paths = [file.path for file in self.files if file.path is not None]
        if len(set(feeds)) < len(feeds) or len(set(paths)) < len(paths):
            raise ValueError("each feed and each file may stand once")
        return self


def period_month(period: str) -> dt.date:
    """First day of the month a period belongs to; an ISO week belongs to the month of its Friday."""
    match = _PERIOD.match(period)
    if match is None:
        raise ValueError("period must be YYYY-MM or an ISO week YYYY-Www")
    if match["month"]:
        return dt.date(int(match["year"]), int(match["month"]), 1)
    return dt.date.fromisocalendar(int(match["year"]), int(match["week"]), 5).replace(day=1)


def parse(content: bytes) -> Manifest:
    """Read `manifest.json`. Raises pydantic.ValidationError."""
    return Manifest.model_validate_json(content)


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write(folder: Path, manifest: Manifest) -> Path:
    """Write `manifest.json` into `folder`; callers write it last: no manifest, no submission."""
    target = folder / MANIFEST_NAME
    part = target.with_suffix(".part")
    payload: dict[str, Any] = manifest.model_dump(mode="json", exclude_none=True)
    for file in payload["files"]:
        file["totals"] = {name: _number(value) for name, value in file["totals"].items()}
        if file["nil"]:
            for name in [name for name in file if name not in {"feed", "nil"}]:
                del file[name]
        else:
            del file["nil"]
    part.write_text(json.dumps(payload, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    part.rename(target)
    return target


def _number(text: str) -> int | float:
    value = Decimal(text)
    return int(value) if value == value.to_integral_value() else float(value)
