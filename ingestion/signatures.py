"""Ed25519 signatures: what proves that a manifest comes from its sender, and a receipt from the warehouse.

A signature is made over the exact bytes of a file and kept beside it as base64. Keys are read here in whatever form a
sender may hold them; which keys a sender has is `ingestion.sender_keys`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ingestion.own_keys import receipt_signing_key
from warehouse.errors import UsageError
from warehouse.settings import Settings

SIGNATURE_NAME = "manifest.sig"
SIGNATURE_LIMIT = 4096  # bytes of manifest.sig; 64 bytes in base64 need 88
_KEY_FILE_LIMIT = 64 * 1024


def sign(content: bytes, private_key: Path) -> str:
    """The signature of these bytes in base64, by the private key in that file (PEM or OpenSSH, without a password).

    Raises UsageError when there is no such key, naming the file and never what is in it.
    """
    return base64.b64encode(_read_private_key(private_key).sign(content)).decode("ascii")


def decode_signature(text: bytes) -> bytes | None:
    """The 64 bytes of a signature written in base64; None when it is none. White space around and between is fine."""
    try:
        signature = base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error:
        return None
    return signature if len(signature) == 64 else None


def is_signed_by(public_key: bytes, signature: bytes, content: bytes) -> bool:
    """Whether the signature (64 bytes) over the content was made with the key whose public half (32 bytes) this is."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, content)
    except InvalidSignature:
        return False
    return True


def new_private_key() -> tuple[bytes, bytes]:
    """A new key: (private PEM, public PEM)."""
    key = Ed25519PrivateKey.generate()
    return (
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        _public_pem(key),
    )


def read_public_key(given: str) -> bytes:
    """The 32 bytes of an Ed25519 public key: the name of a file, or the text itself.

    PEM (SubjectPublicKeyInfo), OpenSSH (`ssh-ed25519 …`) and the bare 32 bytes in base64 are understood. Raises
    UsageError for anything else, and for a private key, which nobody must hand out.
    """
    text = _text_or_file(given).strip()
    if "PRIVATE KEY" in text or "AGE-SECRET-KEY" in text:
        raise UsageError(
            "That is a private key: it never leaves its owner. Give the public one (the file ending in .pub) instead."
        )
    wrong = UsageError(
        "That is no Ed25519 public key: give PEM, a line `ssh-ed25519 …`, or 32 bytes in base64, or a file with one"
        " (`vss keys new` makes one)."
    )
    try:
        if text.startswith("-----BEGIN"):
            key: object = serialization.load_pem_public_key(text.encode())
        elif text.startswith("ssh-"):
            key = serialization.load_ssh_public_key(text.encode())
        else:
            key = Ed25519PublicKey.from_public_bytes(base64.b64decode("".join(text.split()), validate=True))
    except (ValueError, UnsupportedAlgorithm):
        raise wrong from None
    if not isinstance(key, Ed25519PublicKey):
        raise wrong
    return key.public_bytes_raw()


def fingerprint(public_key: bytes) -> str:
    """What a key is called: the first 16 bytes of the SHA-256 of its 32 bytes, in hex."""
    return hashlib.sha256(public_key).hexdigest()[:32]


def sign_receipt(settings: Settings, content: bytes) -> str:
    """The warehouse's own signature over a receipt, in base64; its key is made on first use."""
    return base64.b64encode(receipt_signing_key(settings).sign(content)).decode("ascii")


def receipt_public_key(settings: Settings) -> str:
    """The public key (PEM) with which a sender verifies receipts."""
    return _public_pem(receipt_signing_key(settings)).decode("ascii")


def is_receipt_signed(content: bytes, signature: str, public_key: str) -> bool:
    """Whether a receipt is the warehouse's: its bytes, the base64 beside it, and the key of `vss keys recipient`."""
    decoded = decode_signature(signature.encode())
    return decoded is not None and is_signed_by(read_public_key(public_key), decoded, content)


def _public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _read_private_key(path: Path) -> Ed25519PrivateKey:
    try:
        with path.open("rb") as stream:
            content = stream.read(_KEY_FILE_LIMIT)
    except OSError:
        raise UsageError(f"The key {path} cannot be read: name the file that `vss keys new --out` made.") from None
    key: object
    try:
        if b"BEGIN OPENSSH PRIVATE KEY" in content:
            key = serialization.load_ssh_private_key(content, password=None)
        else:
            key = serialization.load_pem_private_key(content, password=None)
    except TypeError:
        raise UsageError(
            f"The key {path} is protected by a password: keep it without one, or make one with `vss keys new`."
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path} holds no private Ed25519 key (PEM): make one with `vss keys new --out FILE`.")
    return key


def _text_or_file(given: str) -> str:
    # a key's text is never taken for a path: it would have to name a file that exists
    path = Path(given)
    try:
        if not path.is_file():
            return given
        with path.open("rb") as stream:
            return stream.read(_KEY_FILE_LIMIT).decode("utf-8", errors="replace").removeprefix("\ufeff")
    except (OSError, ValueError):
        return given
