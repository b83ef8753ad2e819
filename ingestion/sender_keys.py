"""The register of senders' keys: who may sign for whom and when, and what became of folders that are not proven.

Keys are registered, and revoked, by the owner of the database; a loader reads them and can change none. Nothing is ever
deleted: a sender that once had a key must sign, also when every key has run out.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from ingestion import signatures
from ingestion.manifest import SENDER
from warehouse import geography, roles
from warehouse.connection import Connection, connect
from warehouse.errors import UsageError
from warehouse.settings import Settings

State = Literal["valid", "early", "expired", "revoked"]
NOT_AUTHENTIC = frozenset(
    {
        "E-SIG-MISSING",
        "E-SIG-INVALID",
        "E-SIG-REVOKED",
        "E-SIG-EXPIRED",
        "E-SIG-EARLY",
        "E-SIG-OTHER",
        "E-SENDER-FOLDER",
        "E-ID-FOLDER",
    }
)
"""Codes of a folder that is not proven to come from its sender: it takes no id and speaks for nobody."""
_UNPROVEN: dict[State, str] = {"revoked": "E-SIG-REVOKED", "early": "E-SIG-EARLY", "expired": "E-SIG-EXPIRED"}
_COLUMNS = "sender, public_key, fingerprint, note, valid_from, valid_to, revoked_at, revoked_reason"
_LOCK = "select pg_advisory_xact_lock(hashtext('ops.sender_key'))"


@dataclass(frozen=True)
class SenderKey:
    """A registered public key; valid in [valid_from, valid_to), and never again once it is revoked."""

    sender: str
    public_key: bytes
    fingerprint: str
    note: str
    valid_from: dt.datetime
    valid_to: dt.datetime | None
    revoked_at: dt.datetime | None
    revoked_reason: str | None

    def state_at(self, now: dt.datetime) -> State:
        """What the key is good for at that instant."""
        if self.revoked_at is not None:
            return "revoked"
        if now < self.valid_from:
            return "early"
        return "valid" if self.valid_to is None or now < self.valid_to else "expired"


@dataclass(frozen=True)
class Judgement:
    """What a signature proves: nothing against it (`code` None), or why not; and the key that made it, if known."""

    code: str | None = None
    key: SenderKey | None = None


def judge(
    content: bytes,
    signature: bytes | None,
    keys: Sequence[SenderKey],
    *,
    sender: str,
    is_required_of_all: bool,
    now: dt.datetime,
) -> Judgement:
    """Whether these bytes come from `sender`, by the bytes of manifest.sig (None: there is none) and all known keys.

    Asked before a byte of the content is understood. `now` is the instant of judging: the times of files, and those
    in a manifest, are the sender's to choose. Where no signature is asked for, one that no known key made is let be.
    """
    is_required = is_required_of_all or any(key.sender == sender for key in keys)
    if signature is None:
        return Judgement("E-SIG-MISSING" if is_required else None)
    decoded = signatures.decode_signature(signature)
    if decoded is not None:
        for key in sorted(keys, key=lambda key: key.sender != sender):
            if signatures.is_signed_by(key.public_key, decoded, content):
                if key.sender != sender:
                    return Judgement("E-SIG-OTHER", key)
                return Judgement(_UNPROVEN.get(key.state_at(now)), key)
    return Judgement("E-SIG-INVALID" if is_required else None)


def judge_again(fingerprint: str, keys: Sequence[SenderKey], *, now: dt.datetime) -> Judgement:
    """What a signature proves that was verified before: it goes on doing so unless its key was revoked since."""
    key = next((each for each in keys if each.fingerprint == fingerprint), None)
    if key is None:
        return Judgement("E-SIG-INVALID")
    return Judgement("E-SIG-REVOKED" if key.state_at(now) == "revoked" else None, key)


def is_authentic(codes: Iterable[str]) -> bool:
    """Whether a submission with these error codes was at least proven to come from its sender."""
    return NOT_AUTHENTIC.isdisjoint(codes)


def known_keys(connection: Connection) -> list[SenderKey]:
    """Every key there is, by sender and age."""
    with connection.cursor(row_factory=class_row(SenderKey)) as cursor:
        return cursor.execute(
            f"select {_COLUMNS} from ops.sender_key order by sender, valid_from, key_no"  # noqa: S608 - fixed names
        ).fetchall()


def add_key(
    settings: Settings,
    sender: str,
    public_key: bytes,
    *,
    valid_from: dt.datetime | None = None,
    valid_to: dt.datetime | None = None,
    note: str = "",
) -> tuple[SenderKey, bool]:
    """Register a key (32 bytes); returns it and whether it is new. From then on the sender must sign.

    The same key for the same sender again changes nothing. Raises UsageError for an unknown sender, an impossible
    validity, a key that was revoked, and one that belongs to another sender.
    """
    if not is_sender(sender):
        raise UsageError(
            f"There is no sender {ascii(sender)[1:-1]}: write province- and the two digits of a province, tax, or hq."
        )
    if valid_to is not None and valid_to <= (valid_from or dt.datetime.now(tz=dt.UTC)):
        raise UsageError("The key would end before it begins: give a --valid-to after --valid-from and after today.")
    called = signatures.fingerprint(public_key)
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute(_LOCK)
        known = next((key for key in known_keys(connection) if key.public_key == public_key), None)
        if known is None:
            connection.execute(
                "insert into ops.sender_key (sender, public_key, fingerprint, note, valid_from, valid_to)"
                " values (%s, %s, %s, %s, coalesce(%s, now()), %s)",
                [sender, public_key, called, note, valid_from, valid_to],
            )
            return next(key for key in known_keys(connection) if key.public_key == public_key), True
    if known.sender != sender:
        raise UsageError(
            f"The key {called} is registered to {known.sender} already: every sender needs a key of its own"
            " (`vss keys new`)."
        )
    if known.revoked_at is not None:
        raise UsageError(f"The key {called} was revoked and stays so: make a new one (`vss keys new`).")
    asked = (valid_from or known.valid_from, valid_to or known.valid_to)
    if asked != (known.valid_from, known.valid_to):
        raise UsageError(
            f"The key {called} is registered with other dates already: leave the dates out, or revoke it and register"
            " a new one."
        )
    return known, False


def revoke_key(settings: Settings, prefix: str, *, reason: str) -> tuple[SenderKey, bool]:
    """Revoke the key whose fingerprint begins so; returns it and whether it was valid until now.

    What was accepted before stays accepted. A key that is revoked keeps its date and reason. Raises UsageError when
    no key, or more than one, begins so.
    """
    if not reason.strip():
        raise UsageError("Give a --reason: it stays on record beside the key.")
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute(_LOCK)
        found = [key for key in known_keys(connection) if prefix and key.fingerprint.startswith(prefix.lower())]
        if len(found) != 1:
            many = f"{len(found)} keys begin" if found else "No key begins"
            raise UsageError(f"{many} with that fingerprint: `vss keys list` shows them all; give enough of it.")
        key = found[0]
        if key.revoked_at is None:
            connection.execute(
                "update ops.sender_key set revoked_at = now(), revoked_reason = %s where fingerprint = %s",
                [reason.strip(), key.fingerprint],
            )
        return next(each for each in known_keys(connection) if each.fingerprint == key.fingerprint), (
            key.revoked_at is None
        )


def note_refusal(
    connection: Connection,
    codes: Sequence[str],
    *,
    sender: str,
    submission_id: str,
    manifest_sha256: str | None,
    key: SenderKey | None,
) -> None:
    """Write a security event, once for the same manifest in the same place, however often it is looked at."""
    details: dict[str, object] = {"codes": list(codes)}
    if key is not None:
        details |= {"fingerprint": key.fingerprint, "key_of": key.sender}
    connection.execute(
        "insert into ops.security_event (code, sender, submission_id, manifest_sha256, details)"
        " select %(code)s, %(sender)s, %(id)s, %(digest)s, %(details)s where not exists ("
        " select from ops.security_event where sender = %(sender)s and submission_id = %(id)s"
        " and manifest_sha256 is not distinct from %(digest)s)",
        {"code": codes[0], "sender": sender, "id": submission_id, "digest": manifest_sha256,
         "details": Jsonb(details)},
    )  # fmt: skip


def is_sender(name: str) -> bool:
    """Whether somebody may send under that name: hq, tax, or a province of either map."""
    if re.fullmatch(SENDER, name) is None:
        return False
    code = name.removeprefix("province-")
    return code == name or any(province.province_code == code for province in geography.provinces())
