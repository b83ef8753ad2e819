"""The archive: the bytes as received, kept under their digest; any fsspec URL."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import fsspec

from warehouse.errors import UsageError
from warehouse.settings import Settings

_BLOCK = 1 << 20


class OtherSizeError(Exception):
    """A file was longer or shorter than it should be when it was copied; nothing of it was kept."""

    def __init__(self, *, is_longer: bool) -> None:
        super().__init__()
        self.is_longer = is_longer


@dataclass(frozen=True)
class Kept:
    """What lies in the archive now; `path` is None where the archive is no local folder."""

    sha256: str
    path: Path | None


def keep(settings: Settings, source: IO[bytes], *, size: int) -> Kept:
    """Copy exactly `size` bytes into the archive while hashing them.

    The copy in a local folder is the file to parse: nobody can change it after it was verified. At most one byte more
    than `size` is read of a file that goes on growing. An object is whole or absent: it is moved to its digest when
    all of it is written, and what was begun is removed whatever goes wrong. Raises OtherSizeError, OSError.
    """
    try:
        filesystem, root = fsspec.core.url_to_fs(settings.archive)
    except (ValueError, ImportError):
        raise UsageError(
            "VSS_ARCHIVE is no URL that fsspec can open: use a folder, or install what its scheme needs."
        ) from None
    is_local = "file" in _protocols(filesystem)
    filesystem.makedirs(root, exist_ok=True)
    if is_local:
        # the bytes as received name persons
        Path(root).chmod(0o700)
    part = f"{root}/.{uuid.uuid4().hex}"
    try:
        with cast("IO[bytes]", filesystem.open(part, "wb")) as target:
            sha256 = _copy(source, target, size)
        final = f"{root}/{sha256[:2]}/{sha256}"
        # the size too: a machine that lost its power may have left an object short of its end
        if not filesystem.exists(final) or filesystem.size(final) != size:
            filesystem.makedirs(f"{root}/{sha256[:2]}", exist_ok=True)
            filesystem.mv(part, final)
    finally:
        # moved, or not wanted; an error of its own must not hide the one that brought us here
        with contextlib.suppress(OSError):
            if filesystem.exists(part):
                filesystem.rm(part)
    return Kept(sha256, Path(final) if is_local else None)


def holds(settings: Settings, sha256: str, *, size: int | None = None) -> bool:
    """Whether the archive has an object of this digest, and of this size; its bytes are not looked at."""
    filesystem, root = fsspec.core.url_to_fs(settings.archive)
    try:
        found = int(filesystem.size(f"{root}/{sha256[:2]}/{sha256}"))
    except FileNotFoundError:
        return False
    return size in (None, found)


def fetch(settings: Settings, sha256: str, target: Path, *, limit: int) -> int | None:
    """Copy an object of the archive to a file if it has at most `limit` bytes; returns its size.

    None if the archive has not these bytes. Raises OSError.
    """
    filesystem, root = fsspec.core.url_to_fs(settings.archive)
    path = f"{root}/{sha256[:2]}/{sha256}"
    try:
        size = int(filesystem.size(path))
        if size > limit:
            return size
        digest = hashlib.sha256()
        with cast("IO[bytes]", filesystem.open(path, "rb")) as source, target.open("wb") as copy:
            while block := source.read(_BLOCK):
                digest.update(block)
                copy.write(block)
    except FileNotFoundError:
        return None
    return size if digest.hexdigest() == sha256 else None


def _copy(source: IO[bytes], target: IO[bytes], size: int) -> str:
    digest = hashlib.sha256()
    left = size
    while left and (block := source.read(min(_BLOCK, left))):
        digest.update(block)
        target.write(block)
        left -= len(block)
    if left or source.read(1):
        raise OtherSizeError(is_longer=not left)
    return digest.hexdigest()


def _protocols(filesystem: fsspec.AbstractFileSystem) -> tuple[str, ...]:
    return filesystem.protocol if isinstance(filesystem.protocol, tuple) else (filesystem.protocol,)
