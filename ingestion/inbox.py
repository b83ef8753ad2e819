"""What lies in the inbox, and what can be said of a submission before one of its rows is read.

The inbox is only ever read. A folder whose id is final in the ledger under the same manifest digest is not opened.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ingestion import manifest as manifests
from ingestion.archive import keep
from ingestion.contracts import load_contracts
from ingestion.manifest import MANIFEST_NAME, Manifest, ManifestFile
from warehouse import geography
from warehouse.errors import UsageError
from warehouse.settings import Settings


@dataclass(frozen=True)
class Fault:
    """A reason to reject a submission or a file: a code of `ingestion.codes` with its arguments and its place."""

    code: str
    args: dict[str, object]
    file: str | None = None
    where: str | None = None

    def as_json(self) -> dict[str, object]:
        return {"code": self.code, "args": self.args, "file": self.file, "where": self.where}


@dataclass(frozen=True)
class Folder:
    """A submission folder as it lies in the inbox."""

    sender: str
    submission_id: str
    path: Path
    content: bytes | None
    received_at: dt.datetime | None

    @property
    def manifest_sha256(self) -> str | None:
        return None if self.content is None else hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Verified:
    """The verdict before reading: waiting, or faults, or files that may be parsed (feed to archived copy)."""

    manifest: Manifest | None
    waiting_for: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    files: tuple[tuple[ManifestFile, Path | None], ...] = ()


def folders(inbox: Path, *, sender: str | None = None, submission: str | None = None) -> Iterator[Folder]:
    """The submission folders of the inbox, sorted. Raises UsageError when the inbox is missing."""
    if not inbox.is_dir():
        raise UsageError(
            f"The inbox {inbox} does not exist: create it, or set VSS_INBOX (or --inbox) to the right folder."
        )
    for sender_folder in sorted(path for path in inbox.iterdir() if path.is_dir()):
        if sender is not None and sender_folder.name != sender:
            continue
        for folder in sorted(path for path in sender_folder.iterdir() if path.is_dir()):
            if submission is None or folder.name == submission:
                yield read_folder(folder)


def read_folder(path: Path) -> Folder:
    """Look at one folder; its manifest is read whole, once."""
    target = path / MANIFEST_NAME
    content: bytes | None = None
    received_at: dt.datetime | None = None
    if target.is_file() and not target.is_symlink():
        content = target.read_bytes()
        received_at = dt.datetime.fromtimestamp(target.stat().st_mtime, tz=dt.UTC)
    return Folder(path.parent.name, path.name, path, content, received_at)


def verify(settings: Settings, folder: Folder) -> Verified:
    """Check manifest, sender, feeds, sizes and digests; the files are archived on the way."""
    if folder.content is None:
        return Verified(None, waiting_for=(MANIFEST_NAME,))
    try:
        manifest = manifests.parse(folder.content)
    except ValidationError as error:
        return Verified(None, faults=(Fault("E-MANIFEST", {"detail": _first_error(error)}, file=MANIFEST_NAME),))
    faults = [*_sender_faults(manifest, folder), *_file_faults(manifest)]
    if settings.require_signatures and not (folder.path / "manifest.sig").is_file():
        faults.append(Fault("E-SIG-MISSING", {}, file="manifest.sig"))
    if faults:
        return Verified(manifest, faults=tuple(faults))
    missing: list[str] = []
    for file in manifest.files:
        if file.path is None or file.bytes is None:
            continue
        source = folder.path / file.path
        size = source.stat().st_size if source.is_file() and not source.is_symlink() else -1
        if size < file.bytes:
            missing.append(file.path)
        elif size > file.bytes:
            faults.append(Fault("E-SIZE", {"file": file.path, "actual": size, "declared": file.bytes}, file=file.path))
    if faults:
        return Verified(manifest, faults=tuple(faults))
    if missing:
        return Verified(manifest, waiting_for=tuple(missing))
    return _archived(settings, folder, manifest)


def _archived(settings: Settings, folder: Folder, manifest: Manifest) -> Verified:
    keep(settings, folder.path / MANIFEST_NAME)
    faults: list[Fault] = []
    files: list[tuple[ManifestFile, Path | None]] = []
    for file in manifest.files:
        if file.path is None:
            files.append((file, None))
            continue
        sha256, copy = keep(settings, folder.path / file.path)
        if sha256 != file.sha256:
            faults.append(Fault("E-DIGEST", {"file": file.path}, file=file.path))
        files.append((file, copy))
    return Verified(manifest, faults=tuple(faults), files=tuple(files))


def _sender_faults(manifest: Manifest, folder: Folder) -> list[Fault]:
    faults = []
    if manifest.sender != folder.sender:
        faults.append(
            Fault("E-SENDER-FOLDER", {"sender": manifest.sender, "folder": folder.sender}, file=MANIFEST_NAME)
        )
    if manifest.submission_id != folder.submission_id:
        faults.append(
            Fault(
                "E-ID-FOLDER",
                {"submission_id": manifest.submission_id, "folder": folder.submission_id},
                file=MANIFEST_NAME,
            )
        )
    code = manifest.sender.removeprefix("province-")
    if code != manifest.sender and geography.in_force(code, manifests.period_month(manifest.period)) is None:
        heir = geography.successor(code)
        named = f"{heir.province_code} ({heir.name_vi})" if heir is not None else "?"
        faults.append(
            Fault("E-SENDER", {"province": code, "period": manifest.period, "successor": named}, file=MANIFEST_NAME)
        )
    return faults


def _file_faults(manifest: Manifest) -> list[Fault]:
    faults = []
    contracts = load_contracts()
    kind = "province" if manifest.sender.startswith("province-") else manifest.sender
    allowed = sorted(name for name, contract in contracts.items() if kind in contract.senders)
    is_weekly = "-W" in manifest.period
    for file in manifest.files:
        if file.feed not in allowed:
            faults.append(
                Fault("E-FEED", {"sender": manifest.sender, "feed": file.feed, "allowed": allowed}, file=file.path)
            )
        elif is_weekly != (file.feed == "weekly_report"):
            detail = "weekly_report needs an ISO week, every other feed a month (YYYY-MM)"
            faults.append(Fault("E-PERIOD", {"period": manifest.period, "detail": detail}, file=file.path))
        if manifest.encryption != "none" and file.path is not None:
            faults.append(Fault("E-ENCRYPTION", {"file": file.path}, file=file.path))
    return faults


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return json.dumps(f"{place}: {first['msg']}" if place else first["msg"], ensure_ascii=False)[1:-1]
