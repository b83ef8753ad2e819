"""Make a submission folder of plain files: digests, rows, control totals and signature, as the manifest wants them.

Rows and totals are counted by the reader the warehouse uses, so that what is declared here is what is parsed there.
No database and no settings: a province's clerk runs this on a machine of their own.
"""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import io
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyrage
from pydantic import ValidationError

from ingestion import manifest as manifests
from ingestion import signatures
from ingestion.blocks import FileError
from ingestion.checking import examine
from ingestion.codes import message
from ingestion.containers import ByteStream, open_content
from ingestion.contracts import Contract, load_contracts
from ingestion.deadlines import LOCAL
from ingestion.headings import fold
from ingestion.inbox import Fault, Folder, first_error, manifest_faults
from ingestion.manifest import UNIT_FACTOR, Manifest, ManifestFile, period_month
from ingestion.reading import Terms
from warehouse.errors import UsageError

Format = Literal["csv", "xlsx", "parquet"]
Encoding = Literal["utf-8", "utf-16", "cp1258"]
Delimiter = Literal[",", ";", "\t", "|"]
PackNote = tuple[str, str, Mapping[str, object]]
"""A file's name, a code of the catalogue, and its arguments."""

_BLOCK = 1 << 20
_HEAD = 1 << 16
_HEADING_LINES = 10
_FORMAT_OF_SUFFIX: Mapping[str, Format] = {
    ".csv": "csv", ".txt": "csv", ".tsv": "csv", ".xlsx": "xlsx", ".parquet": "parquet",
}  # fmt: skip
_FORMAT_OF_KIND: Mapping[str, Format] = {"zip or xlsx": "xlsx", "parquet": "parquet"}


@dataclass(frozen=True)
class Source:
    """A file to pack: its feed, and the unit and basis its amounts are in."""

    feed: str
    path: Path
    unit: str = "dong"
    basis: str = "month"


@dataclass(frozen=True)
class Layout:
    """How a file is to be read, as the manifest declares it."""

    format: Format
    encoding: Encoding = "utf-8"
    delimiter: Delimiter = ","


@dataclass(frozen=True)
class Packed:
    """A submission folder that was made, and what was noticed on the way."""

    folder: Path
    manifest: Manifest
    notes: tuple[PackNote, ...]


def pack(
    sources: Sequence[Source],
    *,
    sender: str,
    period: str,
    out: Path,
    created_at: dt.datetime,
    nil: Sequence[str] = (),
    version: int = 1,
    submission_id: str | None = None,
    action: str | None = None,
    as_of: dt.date | None = None,
    key: Path | None = None,
    recipient: str | None = None,
) -> Packed:
    """Make `out`/<sender>/<submission_id>/ with copies of the files, the signature, and manifest.json written last.

    `out` is laid out like an inbox. Without `submission_id` it is like p26-2021-10-v1; without `action` a version
    above 1 is a `correct`; without `as_of` the last day of the month, or the Friday of the week. `key` is the private
    key to sign with, `recipient` the warehouse's age recipient (age1…). Raises UsageError, and then leaves no folder.
    """
    name = submission_id or f"{sender.replace('province-', 'p')}-{period}-v{version}"
    target = out / sender / name
    content: dict[str, Any] = {
        "manifest_version": 1, "submission_id": name, "sender": sender, "period": period,
        "as_of_date": as_of or _last_day(period), "version": version,
        "action": action or ("submit" if version == 1 else "correct"), "created_at": created_at,
        "encryption": "none" if recipient is None else "age",
    }  # fmt: skip
    nils = [{"feed": feed, "nil": True} for feed in nil]
    # the cheap rules first: nobody waits for a long file to hear that the sender is misspelt
    for source in sources:
        _refuse_missing(source.path)
    drafts = [_draft(source, recipient) for source in sources]
    _refuse(manifest_faults(_manifest({**content, "files": [*drafts, *nils]}), _folder(target)))
    described: list[ManifestFile] = []
    notes: list[PackNote] = []
    for source in sources:
        file, noticed = describe(source, period=period, received_on=created_at.astimezone(LOCAL).date())
        described.append(file)
        notes += noticed
    try:
        target.mkdir(parents=True)
    except FileExistsError:
        raise UsageError(
            f"{target} exists already, and what was sent is never changed: choose a higher --version, or another --id."
        ) from None
    try:
        files = [
            _copied(source, file, target, recipient).model_dump()
            for source, file in zip(sources, described, strict=True)
        ]
        manifest = _manifest({**content, "files": [*files, *nils]})
        _write(target, manifest, key)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return Packed(target, manifest, tuple(notes))


def describe(source: Source, *, period: str, received_on: dt.date) -> tuple[ManifestFile, list[PackNote]]:
    """What an honest manifest says of a file: layout, size, digest, rows, and the total of every number column.

    Money totals are in the file's unit. Raises UsageError when the warehouse would refuse the file unread.
    """
    contract = load_contracts()[source.feed]
    name = source.path.name
    layout = detect(source.path, contract)
    draft = ManifestFile.model_validate(
        {
            **_draft(source, None), "format": layout.format, "encoding": layout.encoding,
            "delimiter": layout.delimiter, "bytes": source.path.stat().st_size,
            "sha256": manifests.sha256_of(source.path),
        }
    )  # fmt: skip
    tally = examine(source.path, draft, Terms(contract, period, received_on))
    _refuse(tally.faults)
    totals = {}
    for column in (*contract.amount_columns, *contract.count_columns):
        factor = UNIT_FACTOR[source.unit] if column in contract.amount_columns else 1
        totals[column] = tally.parsed[column] / factor
    notes: list[PackNote] = []
    if layout.encoding == "cp1258":
        notes.append((name, "N-OLD-ENCODING", {"encoding": "Windows-1258"}))
    if tally.rejected:
        notes.append((name, "N-WOULD-SET-ASIDE", {"count": tally.rejected, "rows": tally.rows}))
    return draft.model_copy(update={"rows": tally.rows, "totals": totals}), notes


def feed_of(path: Path) -> str:
    """The feed a file's name begins with: participants_2021-10.csv is participants. Raises UsageError."""
    stem = re.sub(r"[\s-]+", "_", path.name.casefold())
    fitting = [feed for feed in load_contracts() if re.match(rf"{feed}(?![a-z0-9])", stem)]
    if not fitting:
        raise UsageError(
            f"The name of {path.name} does not say its feed: write FEED={path.name}, with FEED one of "
            f"{', '.join(load_contracts())}."
        )
    return max(fitting, key=len)


def detect(path: Path, contract: Contract) -> Layout:
    """Format by name and content, encoding by trying, delimiter by the heading; inside a .gz or .zip too.

    What is neither workbook nor parquet is taken for CSV: the reader says what it is. Raises UsageError.
    """
    _refuse_missing(path)
    inner = Path(path.stem) if path.suffix.lower() in {".gz", ".zip"} else path
    named = _FORMAT_OF_SUFFIX.get(inner.suffix.lower())
    if named is None and (inner is path or inner.suffix):
        raise UsageError(f"{path.name} is of no kind that can be sent: save it as .csv, .xlsx or .parquet.")
    try:
        with closing(open_content(path, name=path.name, contract=contract, identity=None)) as content:
            found = _FORMAT_OF_KIND.get(content.kind, "csv")
            if named == "csv" and found != "csv":
                raise UsageError(f"{path.name} holds {found}, not text: name it .{found}.")
            if (named or found) != "csv":
                return Layout(named or found)
            head = content.start + content.rest.read(_HEAD)
            encoding = _encoding(head, content.rest)
    except FileError as error:
        _refuse([Fault(error.code, {"file": path.name, **error.arguments}, file=path.name, where=error.where)])
        raise
    if encoding is None:
        raise UsageError(f"{path.name} is neither UTF-8 nor UTF-16 nor Windows-1258: save it as CSV UTF-8.")
    return Layout("csv", encoding, _delimiter(head.decode(encoding, errors="ignore"), contract))


def _refuse_missing(path: Path) -> None:
    if not path.is_file():
        raise UsageError(f"{path} is no file: check the name.")
    if path.suffix.lower() == ".age":
        raise UsageError(f"{path.name} is encrypted already: name the plain file, and encrypt it with --encrypt.")


def _encoding(head: bytes, rest: ByteStream) -> Encoding | None:
    """The first encoding in which the whole file reads; None if there is none."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or head[1:200:2].count(0) > len(head[1:200:2]) // 2:
        return "utf-16"
    encodings: tuple[Encoding, ...] = ("utf-8", "cp1258")
    decoders = {encoding: codecs.getincrementaldecoder(encoding)("strict") for encoding in encodings}
    block = head
    while decoders:
        for encoding, decoder in list(decoders.items()):
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError:
                del decoders[encoding]
        if not block:
            break
        block = rest.read(_BLOCK)
    return next(iter(decoders), None)


def _delimiter(head: str, contract: Contract) -> Delimiter:
    """The delimiter under which the first lines hold most of the feed's headings."""
    known = {fold(heading) for column in contract.columns for heading in column.headings}
    lines = [line for line in head.removeprefix("\ufeff").splitlines() if line.strip()][:_HEADING_LINES]

    def headings(delimiter: str) -> int:
        rows = csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)
        try:
            return max((sum(fold(cell) in known for cell in row) for row in rows), default=0)
        except csv.Error:
            return 0

    delimiters: tuple[Delimiter, ...] = (",", ";", "\t", "|")
    return max(delimiters, key=headings)


def _copied(source: Source, file: ManifestFile, target: Path, recipient: str | None) -> ManifestFile:
    """Copy or encrypt a file into the folder; its entry with the size and digest of what lies there."""
    copy = target / _sent_name(source, recipient)
    if recipient is None:
        shutil.copyfile(source.path, copy)
    else:
        try:
            to = pyrage.x25519.Recipient.from_str(recipient)
        except pyrage.RecipientError:
            raise UsageError("--encrypt takes the warehouse's age recipient, which begins with age1.") from None
        with source.path.open("rb") as plain, copy.open("wb") as cipher:
            pyrage.encrypt_io(plain, cipher, [to])
    if manifests.sha256_of(source.path) != file.sha256:
        raise UsageError(f"{source.path.name} changed while it was packed: close it elsewhere and pack again.")
    return file.model_copy(
        update={"path": copy.name, "bytes": copy.stat().st_size, "sha256": manifests.sha256_of(copy)}
    )


def _write(target: Path, manifest: Manifest, key: Path | None) -> None:
    """The signature over the exact bytes of the manifest, then the manifest: it is what makes the folder complete."""
    if key is not None:
        with tempfile.TemporaryDirectory(prefix="vss-pack-") as place:
            content = manifests.write(Path(place), manifest).read_bytes()
        (target / signatures.SIGNATURE_NAME).write_text(signatures.sign(content, key), encoding="ascii")
    manifests.write(target, manifest)


def _draft(source: Source, recipient: str | None) -> dict[str, Any]:
    """A file's entry before it was read."""
    return {
        "feed": source.feed, "path": _sent_name(source, recipient), "unit": source.unit, "basis": source.basis,
        "bytes": 0, "sha256": "0" * 64, "rows": 0,
    }  # fmt: skip


def _sent_name(source: Source, recipient: str | None) -> str:
    return source.path.name + ("" if recipient is None else ".age")


def _manifest(content: Mapping[str, object]) -> Manifest:
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"This cannot be sent ({first_error(error)}): correct it and pack again.") from None


def _folder(target: Path) -> Folder:
    return Folder(target.parent.name, target.name, target, None, None)


def _refuse(faults: Iterable[Fault]) -> None:
    for fault in faults:
        where = " ".join(part for part in (fault.file, fault.where) if part) or "manifest"
        vi, en = message(fault.code, "vi", **fault.args), message(fault.code, "en", **fault.args)
        raise UsageError(f"{where}: {fault.code} {vi} / {en}")


def _last_day(period: str) -> dt.date:
    """The last day of a month; of a week its Friday, on which the weekly report is due."""
    try:
        month = period_month(period)
    except ValueError as error:
        raise UsageError(f"{period}: {error}, like 2021-10 or 2021-W44.") from None
    if "-W" in period:
        year, week = period.split("-W")
        return dt.date.fromisocalendar(int(year), int(week), 5)
    return (month + dt.timedelta(days=32)).replace(day=1) - dt.timedelta(days=1)
