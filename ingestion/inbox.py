"""What lies in the inbox, and what can be said of a submission before one of its rows is read.

The inbox is only ever read, and whoever writes into it may be nobody's friend: names, sizes and times are theirs to
choose, a file may be a link or a pipe and may grow or go while it is read. Links are not followed. A folder whose id is
final in the ledger under the same manifest digest is not opened.
"""

from __future__ import annotations

import datetime as dt
import errno
import hashlib
import io
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from ingestion import manifest as manifests
from ingestion import sender_keys
from ingestion.archive import OtherSizeError, keep
from ingestion.contracts import load_contracts
from ingestion.manifest import MANIFEST_LIMIT, MANIFEST_NAME, Manifest, ManifestFile
from ingestion.sender_keys import Judgement
from ingestion.signatures import SIGNATURE_LIMIT, SIGNATURE_NAME
from warehouse import geography, roles
from warehouse.connection import connect
from warehouse.errors import UsageError
from warehouse.settings import Settings

_NOT_THERE = {
    errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EMLINK, errno.ENAMETOOLONG, errno.EISDIR, errno.EACCES, errno.EPERM,
    errno.ENXIO, errno.ENODEV, errno.ESTALE,
}  # fmt: skip
_SENDERS = "province-NN, tax, hq"
Identity = tuple[str, str, str | None]


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
    """A submission folder as it lies in the inbox.

    Names that nobody may use are written with `%XX` for what is wrong in them, so that they can be told. `content` is
    the manifest, cut off one byte behind the most it may have; None while there is none. `signed_by` is set for what
    comes back from the archive: the key whose signature over this very manifest was verified when it arrived.
    """

    sender: str
    submission_id: str
    path: Path
    content: bytes | None
    received_at: dt.datetime | None
    signed_by: str | None = None

    @property
    def manifest_sha256(self) -> str | None:
        return None if self.content is None else hashlib.sha256(self.content).hexdigest()

    @property
    def identity(self) -> Identity:
        """What makes it this submission and no other: whose folder, under which id, with which manifest."""
        return (self.sender, self.submission_id, self.manifest_sha256)


@dataclass(frozen=True)
class Verified:
    """The verdict before reading: waiting, or faults, or files that may be parsed (feed to archived copy).

    `completed_at` is when the last of manifest and files arrived, by their times; None while it waits. `signed_by`
    is the fingerprint of the key whose signature was verified; None for what came unsigned.
    """

    manifest: Manifest | None
    waiting_for: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    files: tuple[tuple[ManifestFile, Path | None], ...] = ()
    completed_at: dt.datetime | None = None
    signed_by: str | None = None


def folders(inbox: Path, *, sender: str | None = None, submission: str | None = None) -> Iterator[Folder]:
    """The submission folders of the inbox, sorted. Raises UsageError when the inbox is missing.

    Hidden folders (`.tmp`, what rsync has not finished), links, and names that are no text are none.
    """
    if not inbox.is_dir():
        raise UsageError(
            f"The inbox {inbox} does not exist: create it, or set VSS_INBOX (or --inbox) to the right folder."
        )
    for sender_folder in _subfolders(inbox):
        if sender is not None and sender_folder.name != sender:
            continue
        if submission in (None, sender_folder.name) and (sender_folder / MANIFEST_NAME).exists():
            # a submission that was put where its sender's folder should be: refused, with the place named
            yield read_folder(sender_folder)
        for folder in _subfolders(sender_folder):
            if submission is None or folder.name == submission:
                yield read_folder(folder)


def read_folder(path: Path) -> Folder:
    """Look at one folder; its manifest is read whole, once."""
    content: bytes | None = None
    received_at: dt.datetime | None = None
    stream = open_plain(path, MANIFEST_NAME)
    if stream is not None:
        with stream:
            content = stream.read(MANIFEST_LIMIT + 1)
            received_at = _modified_at(stream)
    return Folder(printable(path.parent.name), printable(path.name), path, content, received_at)


def verify(settings: Settings, folder: Folder, *, now: dt.datetime | None = None) -> Verified:
    """Check signature, manifest, sender, feeds, sizes and digests, in this order; the files are archived on the way.

    Nothing of a manifest is understood before its signature is found good, where one is asked for. `now` is the
    instant at which keys must be valid. A folder that is not proven to be its sender's leaves a security event.
    """
    if folder.content is None or len(folder.content) > MANIFEST_LIMIT:
        return examine(folder)
    with connect(settings, roles.LOADER, autocommit=True) as connection:
        judged = _judged(settings, folder, sender_keys.known_keys(connection), now or dt.datetime.now(tz=dt.UTC))
        seen = examine(folder) if judged.code is None else Verified(None, faults=(_unproven(folder, judged),))
        unproven = [fault.code for fault in seen.faults if fault.code in sender_keys.NOT_AUTHENTIC]
        if unproven:
            sender_keys.note_refusal(
                connection, unproven, sender=folder.sender, submission_id=folder.submission_id,
                manifest_sha256=folder.manifest_sha256, key=judged.key,
            )  # fmt: skip
    if seen.manifest is None or seen.faults or seen.waiting_for:
        return seen
    verified = _archived(settings, folder, seen.manifest, seen.completed_at)
    return replace(verified, signed_by=None if judged.key is None else judged.key.fingerprint)


def examine(folder: Folder) -> Verified:
    """What the folder alone tells, without its signature: manifest, sender, feeds, names and sizes. Writes nothing.

    Digests are not looked at, and `files` stays empty: `verify` does both while it archives.
    """
    if folder.content is None:
        return Verified(None, waiting_for=(MANIFEST_NAME,))
    if len(folder.content) > MANIFEST_LIMIT:
        detail = f"larger than {_size(MANIFEST_LIMIT)}"
        return Verified(None, faults=(Fault("E-MANIFEST", {"detail": detail}, file=MANIFEST_NAME),))
    try:
        manifest = manifests.parse(folder.content)
    except ValidationError as error:
        return Verified(None, faults=(Fault("E-MANIFEST", {"detail": first_error(error)}, file=MANIFEST_NAME),))
    if faults := manifest_faults(manifest, folder):
        return Verified(manifest, faults=tuple(faults))
    missing: list[str] = []
    times = [] if folder.received_at is None else [folder.received_at]
    for file in manifest.files:
        if file.path is None or file.bytes is None:
            continue
        stream = open_plain(folder.path, file.path)
        if stream is None:
            missing.append(file.path)
            continue
        with stream:
            size = os.fstat(stream.fileno()).st_size
            times.append(_modified_at(stream))
        if size < file.bytes:
            missing.append(file.path)
        elif size > file.bytes:
            faults.append(_other_size(file, size))
    if faults:
        return Verified(manifest, faults=tuple(faults))
    if missing:
        return Verified(manifest, waiting_for=tuple(missing))
    return Verified(manifest, completed_at=max(times, default=None))


def manifest_faults(manifest: Manifest, folder: Folder) -> list[Fault]:
    """What a manifest is refused for by itself: its sender, its place, its period, its feeds and their files."""
    return [*_sender_faults(manifest, folder), *_file_faults(manifest)]


def first_error(error: ValidationError) -> str:
    """The first thing a model found wrong: the field and the rule, never the value."""
    first = error.errors(include_input=False, include_url=False)[0]
    # a place may be a name that the sender made up
    place = _shortened(".".join(str(part) for part in first["loc"]))
    return f"{place}: {_shortened(first['msg'])}" if place else _shortened(first["msg"])


def open_plain(folder: Path, name: str) -> BinaryIO | None:
    """A regular file of a folder, opened to be read; None for anything else, and for nothing.

    Neither the folder nor the file may be a link, not even one that is put there while we look; a pipe does not block.
    """
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            found = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place)
        finally:
            os.close(place)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        return None
    return os.fdopen(found, "rb")


def _judged(settings: Settings, folder: Folder, keys: list[sender_keys.SenderKey], now: dt.datetime) -> Judgement:
    assert folder.content is not None
    if not sender_keys.is_sender(folder.sender):
        # nobody can have a key: what lies here is in the wrong place, signed or not
        return Judgement("E-SENDER-FOLDER" if settings.require_signatures else None)
    if folder.signed_by is not None:
        return sender_keys.judge_again(folder.signed_by, keys, now=now)
    return sender_keys.judge(
        folder.content, _signature(folder), keys, sender=folder.sender,
        is_required_of_all=settings.require_signatures, now=now,
    )  # fmt: skip


def _signature(folder: Folder) -> bytes | None:
    """What stands in manifest.sig; None when there is nothing of that name, b"" for what cannot be a signature."""
    stream = open_plain(folder.path, SIGNATURE_NAME)
    if stream is None:
        return b"" if os.path.lexists(folder.path / SIGNATURE_NAME) else None
    with stream:
        text = stream.read(SIGNATURE_LIMIT + 1)
    return text if len(text) <= SIGNATURE_LIMIT else b""


def _unproven(folder: Folder, judged: Judgement) -> Fault:
    assert judged.code is not None
    if judged.code == "E-SENDER-FOLDER":
        return Fault(judged.code, {"sender": _SENDERS, "folder": folder.sender}, file=MANIFEST_NAME)
    args: dict[str, object] = {"sender": folder.sender}
    if judged.key is not None:
        args |= {"key": judged.key.fingerprint}
    return Fault(judged.code, args, file=SIGNATURE_NAME)


def _archived(settings: Settings, folder: Folder, manifest: Manifest, completed_at: dt.datetime | None) -> Verified:
    assert folder.content is not None
    # what was verified, not what may stand there by now
    for content in (folder.content, _signature(folder)):
        if content:
            keep(settings, io.BytesIO(content), size=len(content))
    faults: list[Fault] = []
    missing: list[str] = []
    files: list[tuple[ManifestFile, Path | None]] = []
    for file in manifest.files:
        if file.path is None or file.bytes is None:
            files.append((file, None))
            continue
        stream = open_plain(folder.path, file.path)
        if stream is None:
            missing.append(file.path)
            continue
        with stream:
            try:
                kept = keep(settings, stream, size=file.bytes)
            except OtherSizeError as error:
                if error.is_longer:
                    faults.append(_other_size(file, os.fstat(stream.fileno()).st_size))
                else:
                    missing.append(file.path)
                continue
        if kept.sha256 != file.sha256:
            faults.append(Fault("E-DIGEST", {"file": file.path}, file=file.path))
        files.append((file, kept.path or folder.path / file.path))
    if faults:
        return Verified(manifest, faults=tuple(faults))
    if missing:
        return Verified(manifest, waiting_for=tuple(missing))
    return Verified(manifest, files=tuple(files), completed_at=completed_at)


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
        named = geography.instead_of(code, manifests.period_month(manifest.period))
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
        if file.path is None or file.bytes is None:
            continue
        if (manifest.encryption == "age") != file.path.lower().endswith(".age"):
            faults.append(Fault("E-ENCRYPTION", {"file": file.path}, file=file.path))
        contract = contracts.get(file.feed)
        if contract is not None and file.bytes > contract.max_bytes:
            limit = _size(contract.max_bytes)
            faults.append(Fault("E-TOO-LARGE", {"file": file.path, "limit": limit, "feed": file.feed}, file=file.path))
    return faults


def _other_size(file: ManifestFile, actual: int) -> Fault:
    return Fault("E-SIZE", {"file": file.path, "actual": actual, "declared": file.bytes}, file=file.path)


def _subfolders(place: Path) -> list[Path]:
    try:
        with os.scandir(place) as entries:
            found = [
                entry.name
                for entry in entries
                if not entry.name.startswith(".") and _is_text(entry.name) and entry.is_dir(follow_symlinks=False)
            ]
    except OSError as error:
        # a folder that one sender closed or took away must not stop the others
        if error.errno in _NOT_THERE:
            return []
        raise
    return [place / name for name in sorted(found)]


def _is_text(name: str) -> bool:
    # bytes that are no UTF-8 can be stored and shown nowhere
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def printable(name: str) -> str:
    """A folder's name as it can be stored and told: what no id may hold as %XX, a long one ends in its digest."""
    raw = os.fsencode(name)
    escaped = re.sub(rb"[^A-Za-z0-9._-]", lambda found: b"%%%02X" % found[0][0], raw).decode("ascii")
    return escaped if len(escaped) <= 64 else f"{escaped[:48]}%{hashlib.sha256(raw).hexdigest()[:15]}"


def _modified_at(stream: BinaryIO) -> dt.datetime:
    try:
        return dt.datetime.fromtimestamp(os.fstat(stream.fileno()).st_mtime, tz=dt.UTC)
    except (OverflowError, ValueError, OSError):
        # a time that no calendar has: the sender set it
        return dt.datetime.now(tz=dt.UTC)


def _size(count: int) -> str:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if count >= factor:
            return f"{count / factor:.4g} {unit}"
    return f"{count} B"


def _shortened(text: str) -> str:
    plain = "".join(letter if letter.isprintable() else "?" for letter in text[:200])
    return plain if len(text) <= 200 else f"{plain}..."
