"""The archive: the bytes as received, kept under their digest; any fsspec URL."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import IO, cast

import fsspec

from warehouse.errors import UsageError
from warehouse.settings import Settings

_BLOCK = 1 << 20


def keep(settings: Settings, source: Path) -> tuple[str, Path]:
    """Copy `source` into the archive while hashing it; returns (sha256, the file to parse).

    The file to parse is the archived copy where the archive is a local folder, so that nobody can change it after it
    was verified; otherwise it is `source`.
    """
    try:
        filesystem, root = fsspec.core.url_to_fs(settings.archive)
    except (ValueError, ImportError):
        raise UsageError(
            "VSS_ARCHIVE is no URL that fsspec can open: use a folder, or install what its scheme needs."
        ) from None
    filesystem.makedirs(root, exist_ok=True)
    if "file" in _protocols(filesystem):
        # the bytes as received name persons
        Path(root).chmod(0o700)
    part = f"{root}/.{uuid.uuid4().hex}"
    digest = hashlib.sha256()
    with source.open("rb") as stream, cast("IO[bytes]", filesystem.open(part, "wb")) as target:
        while block := stream.read(_BLOCK):
            digest.update(block)
            target.write(block)
    sha256 = digest.hexdigest()
    final = f"{root}/{sha256[:2]}/{sha256}"
    if filesystem.exists(final):
        filesystem.rm(part)
    else:
        filesystem.makedirs(f"{root}/{sha256[:2]}", exist_ok=True)
        filesystem.mv(part, final)
    return sha256, Path(final) if "file" in _protocols(filesystem) else source


def _protocols(filesystem: fsspec.AbstractFileSystem) -> tuple[str, ...]:
    return filesystem.protocol if isinstance(filesystem.protocol, tuple) else (filesystem.protocol,)
