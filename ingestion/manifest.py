"""The manifest of a submission: its shape, and the rules that need nothing but the manifest itself."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

MANIFEST_NAME = "manifest.json"
MANIFEST_LIMIT = 1 << 20
"""Bytes of a manifest; an honest one has a few thousand."""
SENDER = r"^(province-[0-9]{2}|tax|hq)$"
SUBMISSION_ID = r"^[A-Za-z0-9._-]{1,64}$"
UNIT_FACTOR = {"dong": 1, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}

_PERIOD = re.compile(r"(?P<year>[0-9]{4})-(?:(?P<month>0[1-9]|1[0-2])|W(?P<week>0[1-9]|[1-4][0-9]|5[0-3]))")
_MOST = (1 << 62) - 1  # bytes and rows: what a bigint holds, with room to add


def _countable(value: Decimal) -> Decimal:
    # a total is written out in digits later: 1e999999 would take a million of them
    if not value.is_finite() or value.adjusted() > 30 or int(value.as_tuple().exponent) < -30:
        raise ValueError("a total has at most 30 digits on either side of the point")
    return value


SubmissionId = Annotated[str, StringConstraints(pattern=SUBMISSION_ID)]
# letters of any script, so that a wrong name can be told with the nearest right one; nothing that a terminal, a
# spreadsheet or the database could stumble over
_Name = Annotated[str, StringConstraints(pattern=r"^[\p{L}\p{M}\p{N}_.() -]{1,64}$")]
_Total = Annotated[Decimal, AfterValidator(_countable)]


class ManifestFile(BaseModel):
    """One feed of a submission: a file, or the statement that there is nothing to report (`nil`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    feed: _Name
    nil: bool = False
    path: str | None = None
    format: Literal["csv", "xlsx", "parquet"] = "csv"
    encoding: Literal["utf-8", "utf-16", "cp1258"] = "utf-8"
    delimiter: Literal[",", ";", "\t", "|"] = ","
    basis: Literal["month", "ytd"] = "month"
    unit: Literal["dong", "thousand", "million", "billion"] = "dong"
    bytes: int | None = Field(default=None, ge=0, le=_MOST)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    rows: int | None = Field(default=None, ge=0, le=_MOST)
    totals: dict[_Name, _Total] = Field(default_factory=dict, max_length=64)

    @field_validator("path")
    @classmethod
    def _plain_name(cls, value: str | None) -> str | None:
        unsafe = value is not None and (
            value in {"", ".", "..", MANIFEST_NAME, "manifest.sig"}
            or not re.fullmatch(r"[^/\\\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff:]{1,255}", value)
            or len(value.encode()) > 255
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
    sender: str = Field(pattern=SENDER)
    period: str
    as_of_date: dt.date
    version: int = Field(ge=1, lt=1 << 31, strict=True)
    action: Literal["submit", "correct", "void"] = "submit"
    created_at: AwareDatetime
    encryption: Literal["none", "age"] = "none"
    files: tuple[ManifestFile, ...] = Field(default=(), max_length=64)

    @field_validator("as_of_date", "created_at", mode="before")
    @classmethod
    def _no_number(cls, value: object) -> object:
        # pydantic would take a number for seconds since 1970
        if isinstance(value, (int, float, Decimal)):
            raise ValueError("must be written as text, YYYY-MM-DD or with time and offset")
        return value

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
    match = _PERIOD.fullmatch(period)
    if match is None:
        raise ValueError("period must be YYYY-MM or an ISO week YYYY-Www")
    if match["month"]:
        return dt.date(int(match["year"]), int(match["month"]), 1)
    return dt.date.fromisocalendar(int(match["year"]), int(match["week"]), 5).replace(day=1)


def parse(content: bytes) -> Manifest:
    """Read `manifest.json`: strict UTF-8 and JSON, every name once, numbers exactly as written.

    Raises pydantic.ValidationError, whose messages hold nothing of the content.
    """
    try:
        payload = json.loads(
            content.decode("utf-8"), object_pairs_hook=_each_once, parse_float=_exact, parse_constant=_not_json
        )
    except UnicodeDecodeError:
        _refuse("not UTF-8")
    except json.JSONDecodeError as error:
        _refuse(f"no JSON: {error.msg} in line {error.lineno}, column {error.colno}")
    except RecursionError:
        _refuse("nested too deeply")
    except (_TwiceError, ValueError) as error:
        _refuse("a name stands twice" if isinstance(error, _TwiceError) else "a number is none, or too long")
    return Manifest.model_validate(payload)


class _TwiceError(Exception):
    """A JSON object holds a name twice: two readers could take two different values for it."""


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError
    return found


def _exact(text: str) -> Decimal:
    # bounded here and not by its field: an integer field would write out all digits of 1e999999999 first
    try:
        return _countable(Decimal(text))
    except InvalidOperation:
        raise ValueError("an exponent beyond every number") from None


def _not_json(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _refuse(reason: str) -> NoReturn:
    error = PydanticCustomError("manifest", "{reason}", {"reason": reason})
    raise ValidationError.from_exception_data("Manifest", [InitErrorDetails(type=error, loc=(), input=None)]) from None


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


def _number(text: str) -> int | float | str:
    value = Decimal(text)
    if value == value.to_integral_value():
        return int(value)
    # JSON's numbers are doubles to many a reader: a total that one would round is written as text
    return float(value) if Decimal(repr(float(value))) == value else text
