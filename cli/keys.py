"""Verbs around keys: who may sign for a sender, and what the warehouse hands out."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path
from typing import Annotated

import typer

from ingestion import own_keys, sender_keys, signatures
from ingestion.deadlines import LOCAL
from ingestion.sender_keys import SenderKey
from night.readiness import ensure_ready
from warehouse import roles
from warehouse.connection import connect
from warehouse.errors import UsageError
from warehouse.settings import Settings, settings

keys = typer.Typer(
    help="Keys: who may sign for a sender, and what the warehouse hands out.", no_args_is_help=True,
    rich_markup_mode=None,
)  # fmt: skip


@keys.command()
def add(
    sender: Annotated[str | None, typer.Argument(help="province-<code>, tax or hq.")] = None,
    public_key: Annotated[
        str | None, typer.Argument(help="A file, or the key itself: PEM, ssh-ed25519, or 32 bytes in base64.")
    ] = None,
    sender_option: Annotated[str | None, typer.Option("--sender", help="Instead of the first word.")] = None,
    key_option: Annotated[str | None, typer.Option("--key", help="Instead of the second word.")] = None,
    valid_from: Annotated[str | None, typer.Option(help="First day it is valid, YYYY-MM-DD; now unless given.")] = None,
    valid_to: Annotated[str | None, typer.Option(help="First day it is no longer valid, YYYY-MM-DD.")] = None,
    note: Annotated[str, typer.Option(help="Where it came from: a letter's number, say; no person's name.")] = "",
) -> None:
    """Register a sender's public key; from then on the sender must sign."""
    name, given = _one(sender, sender_option, "sender"), _one(public_key, key_option, "public key")
    key, is_new = sender_keys.add_key(
        _ready(), name, signatures.read_public_key(given), valid_from=_midnight(valid_from, "--valid-from"),
        valid_to=_midnight(valid_to, "--valid-to"), note=note,
    )  # fmt: skip
    print(f"{key.fingerprint} {'registered' if is_new else 'was registered already'}: {_span(key)}")
    print(f"From now on {key.sender} must sign; what comes unsigned is refused.")


@keys.command()
def new(
    out: Annotated[Path, typer.Option(help="The file for the private key; beside it FILE.pub.")],
) -> None:
    """Make a private key of one's own; needs no warehouse."""
    private, public = signatures.new_private_key()
    beside = out.with_name(f"{out.name}.pub")
    for path in (out, beside):
        if os.path.lexists(path):
            raise UsageError(f"{path} exists already and is not overwritten: choose another name for --out.")
    _write_new(out, private, 0o600)
    _write_new(beside, public, 0o644)
    print(f"Private key: {out} (keep it, show it to nobody, back it up)")
    print(f"Public key:  {beside}, fingerprint {signatures.fingerprint(signatures.read_public_key(str(beside)))}")
    print(f"Hand {beside} to the warehouse (`vss keys add`), and tell the fingerprint on another way.")
    print(f"Then sign what you send: vss pack … --key {out}")


@keys.command(name="list")
def show(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """The registered keys with their validity and state."""
    with connect(_ready(), roles.LOADER) as connection:
        known = sender_keys.known_keys(connection)
    now = dt.datetime.now(tz=dt.UTC)
    if as_json:
        print(json.dumps([_as_json(key, now) for key in known], ensure_ascii=False, indent=1))
        return
    for key in known:
        words = f"{key.sender:<13}{key.fingerprint}  {key.state_at(now):<9}{_span(key)}"
        print("  ".join(part for part in (words, key.revoked_reason, key.note) if part))
    if not known:
        print("No key is registered: what comes is taken unsigned.")


@keys.command()
def revoke(
    fingerprint: Annotated[str, typer.Argument(help="The fingerprint, or as much of its beginning as is unique.")],
    reason: Annotated[str, typer.Option(help="Why; it stays on record.")],
) -> None:
    """Revoke a key at once and for ever; what was accepted before stays."""
    key, is_changed = sender_keys.revoke_key(_ready(), fingerprint, reason=reason)
    print(f"{key.fingerprint} of {key.sender} {'is revoked' if is_changed else 'was revoked already'}.")


@keys.command()
def recipient() -> None:
    """What to hand to senders: the recipient to encrypt to, and the key that verifies receipts."""
    configured = settings()
    print("Encrypt files to this age recipient (`vss pack --encrypt`):")
    print(own_keys.age_recipient(configured))
    print("Verify receipt.json.sig with this Ed25519 key:")
    print(signatures.receipt_public_key(configured).strip())


def _one(word: str | None, option: str | None, what: str) -> str:
    if word is not None and option is not None and word != option:
        raise UsageError(f"Two different values are given for the {what}: give it once.")
    found = word if word is not None else option
    if not found:
        raise UsageError(f"The {what} is missing: vss keys add SENDER PUBLIC_KEY.")
    return found


def _midnight(text: str | None, option: str) -> dt.datetime | None:
    if text is None:
        return None
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} needs a day: write YYYY-MM-DD.") from None
    if not 2000 <= day.year < 2200:
        raise UsageError(f"{option} lies far away: write a day of this century or the next.")
    return dt.datetime.combine(day, dt.time(), tzinfo=LOCAL)


def _span(key: SenderKey) -> str:
    since = f"from {key.valid_from.astimezone(LOCAL):%Y-%m-%d %H:%M}"
    return since if key.valid_to is None else f"{since} until {key.valid_to.astimezone(LOCAL):%Y-%m-%d %H:%M}"


def _as_json(key: SenderKey, now: dt.datetime) -> dict[str, str | None]:
    return {
        "sender": key.sender,
        "fingerprint": key.fingerprint,
        "state": key.state_at(now),
        "valid_from": key.valid_from.isoformat(),
        "valid_to": None if key.valid_to is None else key.valid_to.isoformat(),
        "revoked_at": None if key.revoked_at is None else key.revoked_at.isoformat(),
        "revoked_reason": key.revoked_reason,
        "note": key.note,
    }


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError:
        raise UsageError(f"{path} cannot be written: choose a folder that exists and is yours for --out.") from None
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)


def _ready() -> Settings:
    configured = settings()
    ensure_ready(configured)
    return configured


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.add_typer(keys, name="keys")
