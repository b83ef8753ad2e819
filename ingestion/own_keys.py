"""The warehouse's own secrets, one file each under VSS_HOME/secrets (0600), made on first use and then kept.

Whoever loses them loses what was encrypted or signed with them: back them up with the database. Several machines that
share one database must share them too (docs/decisions, signatures and keys).
"""

from __future__ import annotations

import os
import secrets
import uuid
from collections.abc import Callable
from pathlib import Path

import pyrage
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from warehouse.errors import UsageError
from warehouse.settings import Settings


def age_identity(settings: Settings) -> str:
    """The age X25519 identity (`AGE-SECRET-KEY-1…`) with which files of senders are decrypted."""
    return _kept(settings, "age_identity", lambda: str(pyrage.x25519.Identity.generate()))


def age_recipient(settings: Settings) -> str:
    """The recipient (`age1…`) to which senders encrypt. Raises UsageError when the kept identity is none."""
    try:
        return str(pyrage.x25519.Identity.from_str(age_identity(settings)).to_public())
    except pyrage.IdentityError:
        raise _spoilt(settings, "age_identity") from None


def receipt_signing_key(settings: Settings) -> Ed25519PrivateKey:
    """The key with which receipts are signed. Raises UsageError when what is kept is no such key."""
    text = _kept(settings, "receipt_signing_key", _new_signing_key)
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError):
        raise _spoilt(settings, "receipt_signing_key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _spoilt(settings, "receipt_signing_key")
    return key


def row_token_key(settings: Settings) -> bytes:
    """32 bytes with which the keys of set-aside rows are hashed (ops.reject.row_token)."""
    text = _kept(settings, "row_token_key", lambda: secrets.token_hex(32))
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise _spoilt(settings, "row_token_key") from None


def _new_signing_key() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")


def _kept(settings: Settings, name: str, make: Callable[[], str]) -> str:
    """The secret of that name. Of two processes that make it at once one wins, and both read the same."""
    path = settings.home / "secrets" / name
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        _create(path, make())
    return path.read_text(encoding="utf-8").strip()


def _create(path: Path, text: str) -> None:
    # a link is made whole or not at all, and never over a file that is there: a rename would replace the winner's
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            path.hardlink_to(part)
        except FileExistsError:
            return
    finally:
        part.unlink()


def _spoilt(settings: Settings, name: str) -> UsageError:
    path = settings.home / "secrets" / name
    return UsageError(f"{path} is damaged: restore it from the backup, or remove it to have a new one made.")
