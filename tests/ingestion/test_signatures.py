"""Who may speak for a sender: signatures over manifests, the register of keys, and the warehouse's own keys."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pyrage
import pytest
from builders import Inbox, participants
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ingestion import own_keys, sender_keys, signatures
from ingestion.codes import CATALOGUE
from ingestion.inbox import read_folder, verify
from ingestion.load import load_submission
from ingestion.manifest import MANIFEST_NAME
from ingestion.sender_keys import NOT_AUTHENTIC, SenderKey, judge
from warehouse import roles
from warehouse.connection import connect
from warehouse.errors import UsageError
from warehouse.settings import Settings

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
# RFC 8032, section 7.1, TEST 2
RFC_SECRET = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
RFC_PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
RFC_SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def private_key(number: int) -> Ed25519PrivateKey:
    """A key of its own for every number, the same in every run."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"a key of a test {number}".encode()).digest())


def public_bytes(number: int) -> bytes:
    """Its public half."""
    return private_key(number).public_key().public_bytes_raw()


def pem(key: object) -> bytes:
    """A private key as a file holds it."""
    assert isinstance(key, (Ed25519PrivateKey, rsa.RSAPrivateKey))
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def registered(number: int, sender: str = "province-26") -> SenderKey:
    """A key as the register holds it, valid for ever."""
    public = public_bytes(number)
    return SenderKey(sender, public, signatures.fingerprint(public), "", NOW - DAY, None, None, None)


def signed(content: bytes, number: int) -> bytes:
    """What stands in manifest.sig."""
    return base64.b64encode(private_key(number).sign(content))


def put_signature(folder: Path, number: int) -> Path:
    """Sign the manifest of a folder as it stands."""
    (folder / "manifest.sig").write_bytes(signed((folder / MANIFEST_NAME).read_bytes(), number))
    return folder


def send(inbox: Inbox, **rest: object) -> Path:
    """A submission nothing else is wrong with."""
    return inbox.send({"participants": participants(2)}, **rest)  # type: ignore[arg-type]


@pytest.fixture
def register(inbox: Inbox) -> Iterator[Inbox]:
    """An empty inbox and ledger, and a register of keys that is emptied afterwards."""
    _forget(inbox.settings)
    yield inbox
    _forget(inbox.settings)


def _forget(settings: Settings) -> None:
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute("delete from ops.sender_key")
        connection.execute("delete from ops.security_event")


# ------------------------------------------------------------------------------------------------ signing and verifying


def test_a_signature_is_the_one_of_the_standard(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(RFC_SECRET))
    (tmp_path / "key").write_bytes(pem(key))
    made = signatures.sign(bytes.fromhex("72"), tmp_path / "key")
    assert base64.b64decode(made).hex() == RFC_SIGNATURE
    assert signatures.is_signed_by(bytes.fromhex(RFC_PUBLIC), bytes.fromhex(RFC_SIGNATURE), bytes.fromhex("72"))
    assert not signatures.is_signed_by(bytes.fromhex(RFC_PUBLIC), bytes.fromhex(RFC_SIGNATURE), bytes.fromhex("73"))


def test_a_new_key_signs_what_its_public_half_verifies(tmp_path: Path) -> None:
    private, public = signatures.new_private_key()
    (tmp_path / "key").write_bytes(private)
    (tmp_path / "key.pub").write_bytes(public)
    decoded = signatures.decode_signature(signatures.sign(b"content", tmp_path / "key").encode())
    assert decoded is not None
    assert signatures.is_signed_by(signatures.read_public_key(str(tmp_path / "key.pub")), decoded, b"content")
    assert private != signatures.new_private_key()[0]


def test_a_receipt_is_verified_with_the_key_that_is_handed_out(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    key = serialization.load_pem_public_key(signatures.receipt_public_key(settings).encode())
    assert isinstance(key, Ed25519PublicKey)
    # raises unless it fits
    key.verify(base64.b64decode(signatures.sign_receipt(settings, b"receipt")), b"receipt")


def test_a_receipt_that_was_changed_or_signed_by_another_is_not_the_warehouses(tmp_path: Path) -> None:
    settings, other = Settings(home=tmp_path / "one"), Settings(home=tmp_path / "two")
    signature, public = signatures.sign_receipt(settings, b"receipt"), signatures.receipt_public_key(settings)
    assert signatures.is_receipt_signed(b"receipt", signature, public)
    assert not signatures.is_receipt_signed(b"Receipt", signature, public)
    assert not signatures.is_receipt_signed(b"receipt", signatures.sign_receipt(other, b"receipt"), public)
    assert not signatures.is_receipt_signed(b"receipt", "no signature", public)


@pytest.mark.parametrize("text", [b"", b"\xff", b"AAAA", b"A" * 88, b"====", b"A" * 87 + "ạ".encode()])
def test_what_is_no_signature_is_none(text: bytes) -> None:
    assert signatures.decode_signature(text) is None


def test_a_signature_may_be_broken_into_lines() -> None:
    text = signed(b"content", 1)
    assert signatures.decode_signature(text[:40] + b"\r\n" + text[40:] + b"\n") == base64.b64decode(text)


@pytest.mark.parametrize("what", ["missing", "a folder", "nonsense", "public", "rsa", "with a password"])
def test_a_key_that_cannot_sign_is_wrong_usage_and_its_text_is_not_told(tmp_path: Path, what: str) -> None:
    path = tmp_path / "key"
    if what == "a folder":
        path.mkdir()
    elif what == "with a password":
        locked = serialization.BestAvailableEncryption(b"secret")
        path.write_bytes(
            private_key(1).private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
        )
    elif what != "missing":
        public = private_key(1).public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )  # fmt: skip
        texts = {"nonsense": b"nonsense", "public": public, "rsa": pem(rsa.generate_private_key(65537, 2048))}
        path.write_bytes(texts[what])
    with pytest.raises(UsageError, match="vss keys new") as raised:
        signatures.sign(b"content", path)
    assert "nonsense" not in str(raised.value)


def test_a_key_of_openssh_signs_and_is_read(tmp_path: Path) -> None:
    key = private_key(1)
    (tmp_path / "key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    )
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    assert signatures.sign(b"content", tmp_path / "key").encode() == signed(b"content", 1)
    assert signatures.read_public_key(line.decode() + " office@province") == public_bytes(1)


def test_a_public_key_is_read_from_pem_base64_and_files_with_a_byte_order_mark(tmp_path: Path) -> None:
    text = private_key(1).public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    (tmp_path / "key.pub").write_bytes(b"\xef\xbb\xbf" + text)
    for given in (text.decode(), base64.b64encode(public_bytes(1)).decode(), str(tmp_path / "key.pub")):
        assert signatures.read_public_key(given) == public_bytes(1)


@pytest.mark.parametrize("given", ["", "nonsense", "AAAA", "ssh-rsa AAAA", "/no/such/file", "-----BEGIN", "x" * 5000])
def test_what_is_no_public_key_is_wrong_usage(given: str) -> None:
    with pytest.raises(UsageError, match="no Ed25519 public key"):
        signatures.read_public_key(given)


def test_another_kind_of_public_key_is_wrong_usage() -> None:
    key = rsa.generate_private_key(65537, 2048).public_key()
    text = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(UsageError, match="no Ed25519 public key"):
        signatures.read_public_key(text)


def test_a_private_key_is_refused_with_one_sentence_that_does_not_hold_it(tmp_path: Path) -> None:
    text = pem(private_key(1)).decode()
    (tmp_path / "key").write_text(text)
    for given in (text, str(tmp_path / "key"), str(pyrage.x25519.Identity.generate())):
        with pytest.raises(UsageError, match="private key") as raised:
            signatures.read_public_key(given)
        assert text.splitlines()[1] not in str(raised.value)


# ------------------------------------------------------------------------------------------------------------- judging


@pytest.mark.parametrize(
    ("keys", "signature", "code"),
    [
        ([], None, None),
        ([registered(2, "province-27")], None, None),
        ([registered(1)], None, "E-SIG-MISSING"),
        ([registered(1)], signed(b"content", 1), None),
        ([registered(1)], signed(b"Content", 1), "E-SIG-INVALID"),
        ([registered(1)], signed(b"content", 3), "E-SIG-INVALID"),
        ([registered(1)], b"", "E-SIG-INVALID"),
        ([registered(1)], b"no base64 at all", "E-SIG-INVALID"),
        ([registered(1), registered(2, "province-27")], signed(b"content", 2), "E-SIG-OTHER"),
        ([registered(2, "province-27")], signed(b"content", 2), "E-SIG-OTHER"),
        ([], signed(b"content", 1), None),
        ([registered(2, "province-27")], signed(b"content", 1), None),
        ([registered(2, "province-27")], b"no base64 at all", None),
        ([replace(registered(1), revoked_at=NOW + DAY)], signed(b"content", 1), "E-SIG-REVOKED"),
        ([replace(registered(1), revoked_at=NOW - DAY)], None, "E-SIG-MISSING"),
        ([replace(registered(1), valid_to=NOW)], signed(b"content", 1), "E-SIG-EXPIRED"),
        ([replace(registered(1), valid_to=NOW + DAY)], signed(b"content", 1), None),
        ([replace(registered(1), valid_to=NOW)], None, "E-SIG-MISSING"),
        ([replace(registered(1), valid_from=NOW)], signed(b"content", 1), None),
        ([replace(registered(1), valid_from=NOW + DAY)], signed(b"content", 1), "E-SIG-EARLY"),
        ([replace(registered(1), valid_to=NOW), registered(3)], signed(b"content", 3), None),
        ([replace(registered(1), valid_to=NOW), registered(3)], signed(b"content", 1), "E-SIG-EXPIRED"),
    ],
)
def test_a_signature_counts_by_the_keys_of_its_sender_and_their_validity(
    keys: list[SenderKey], signature: bytes | None, code: str | None
) -> None:
    judged = judge(b"content", signature, keys, sender="province-26", is_required_of_all=False, now=NOW)
    assert judged.code == code


@pytest.mark.parametrize(
    ("signature", "code"), [(None, "E-SIG-MISSING"), (signed(b"content", 1), "E-SIG-INVALID"), (b"", "E-SIG-INVALID")]
)
def test_a_signature_can_be_asked_from_senders_without_a_key_too(signature: bytes | None, code: str) -> None:
    assert judge(b"content", signature, [], sender="tax", is_required_of_all=True, now=NOW).code == code


def test_every_outcome_of_judging_is_known_as_unproven_and_has_its_messages() -> None:
    assert {code for code in CATALOGUE if code.startswith("E-SIG-")} < NOT_AUTHENTIC
    assert set(CATALOGUE) >= NOT_AUTHENTIC
    assert sender_keys.is_authentic(["E-DIGEST"])
    assert not sender_keys.is_authentic(["E-DIGEST", "E-ID-FOLDER"])


# --------------------------------------------------------------------------------------------------------- in the inbox


def test_once_a_key_is_registered_an_unsigned_folder_is_refused_and_a_signed_one_loads(register: Inbox) -> None:
    assert register.load(send(register)).state == "loaded"
    sender_keys.add_key(register.settings, "province-26", public_bytes(1))
    unsigned = send(register, version=2)
    assert register.load(unsigned).state == "rejected"
    assert register.errors(unsigned.name) == ["E-SIG-MISSING"]
    assert register.load(put_signature(send(register, version=3), 1)).state == "loaded"
    # others are not asked
    assert register.load(send(register, sender="province-46")).state == "loaded"
    with connect(register.settings, roles.LOADER) as connection:
        kept = connection.execute("select sender, version, signed_by from ops.submission order by sub_no").fetchall()
    fingerprint = registered(1).fingerprint
    assert kept == [
        ("province-26", 1, None), ("province-26", None, None), ("province-26", 3, fingerprint),
        ("province-46", 1, None),
    ]  # fmt: skip


def test_a_sender_whose_keys_have_all_run_out_or_are_revoked_is_still_asked(register: Inbox) -> None:
    key, _ = sender_keys.add_key(register.settings, "province-26", public_bytes(1))
    sender_keys.revoke_key(register.settings, key.fingerprint, reason="lost")
    yesterday = dt.datetime.now(tz=dt.UTC) - DAY
    sender_keys.add_key(
        register.settings, "province-46", public_bytes(2), valid_from=yesterday - DAY, valid_to=yesterday
    )
    found = {}
    for sender, number in (("province-26", 1), ("province-46", 2)):
        for version, folder in enumerate([send(register, sender=sender), send(register, sender=sender, version=2)]):
            if version:
                put_signature(folder, number)
            register.load(folder)
            found[folder.name] = register.errors(folder.name)
    assert found == {
        "province-26-2021-10-v1": ["E-SIG-MISSING"],
        "province-26-2021-10-v2": ["E-SIG-REVOKED"],
        "province-46-2021-10-v1": ["E-SIG-MISSING"],
        "province-46-2021-10-v2": ["E-SIG-EXPIRED"],
    }


def test_the_setting_asks_everybody(register: Inbox) -> None:
    strict = register.settings.model_copy(update={"require_signatures": True})
    sender_keys.add_key(register.settings, "province-26", public_bytes(1))
    unsigned, good = send(register, sender="province-46"), put_signature(send(register), 1)
    assert load_submission(strict, read_folder(unsigned)).state == "rejected"
    assert register.errors(unsigned.name) == ["E-SIG-MISSING"]
    assert load_submission(strict, read_folder(good)).state == "loaded"


def test_a_manifest_that_is_changed_after_signing_is_refused_before_it_is_understood(register: Inbox) -> None:
    sender_keys.add_key(register.settings, "province-26", public_bytes(1))
    folder = put_signature(send(register), 1)
    # what stands there now is no JSON at all: that would be told, had anybody tried to read it
    (folder / MANIFEST_NAME).write_bytes((folder / MANIFEST_NAME).read_bytes() + b"}")
    seen = verify(register.settings, read_folder(folder))
    assert ([fault.code for fault in seen.faults], seen.manifest) == (["E-SIG-INVALID"], None)


def test_a_key_counts_at_the_hour_of_verification_whatever_the_times_of_the_files_say(register: Inbox) -> None:
    begin = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    sender_keys.add_key(register.settings, "province-26", public_bytes(1), valid_from=begin, valid_to=begin + 10 * DAY)
    folder = read_folder(put_signature(send(register, received_at=begin + DAY), 1))
    codes = {
        hours: [fault.code for fault in verify(register.settings, folder, now=begin + dt.timedelta(hours=hours)).faults]
        for hours in (-1, 0, 239, 240)
    }
    assert codes == {-1: ["E-SIG-EARLY"], 0: [], 239: [], 240: ["E-SIG-EXPIRED"]}


def test_a_folder_of_another_sender_and_last_months_under_a_new_name_are_refused(register: Inbox) -> None:
    for number, sender in ((1, "province-26"), (2, "province-46")):
        sender_keys.add_key(register.settings, sender, public_bytes(number))
    first = put_signature(send(register), 1)
    assert register.load(first).state == "loaded"
    renamed = first.rename(first.with_name("province-26-2021-11-v1"))
    moved = register.root / "province-46" / "province-26-2021-10-v9"
    moved.parent.mkdir()
    put_signature(send(register, version=9), 1).rename(moved)
    relabelled = put_signature(send(register, sender="province-46", under="province-26", submission_id="x"), 1)
    assert [register.load(folder).state for folder in (renamed, moved, relabelled)] == ["rejected"] * 3
    assert register.errors(renamed.name) == ["E-ID-FOLDER"]
    assert register.errors(moved.name) == ["E-SIG-OTHER"]
    assert register.errors(relabelled.name) == ["E-SENDER-FOLDER"]


@pytest.mark.parametrize("what", ["a link", "a folder", "too long", "not there"])
def test_a_signature_must_be_a_small_plain_file(register: Inbox, tmp_path: Path, what: str) -> None:
    sender_keys.add_key(register.settings, "province-26", public_bytes(1))
    folder = put_signature(send(register), 1)
    signature = folder / "manifest.sig"
    if what == "a link":
        signature.rename(tmp_path / "elsewhere")
        signature.symlink_to(tmp_path / "elsewhere")
    elif what == "too long":
        signature.write_bytes(signature.read_bytes() + b"\n" * 4096)
    else:
        signature.unlink()
        if what == "a folder":
            signature.mkdir()
    (fault,) = verify(register.settings, read_folder(folder)).faults
    assert fault.code == ("E-SIG-MISSING" if what == "not there" else "E-SIG-INVALID")


def test_each_refusal_leaves_one_security_event_however_often_it_is_looked_at(register: Inbox) -> None:
    key, _ = sender_keys.add_key(register.settings, "province-46", public_bytes(2))
    sender_keys.add_key(register.settings, "province-26", public_bytes(1))
    forged = put_signature(send(register), 2)
    renamed = send(register, sender="tax", submission_id="a").rename(register.root / "tax" / "b")
    honest = put_signature(send(register, version=2), 1)
    for _ in range(2):
        for folder in (forged, renamed, honest):
            verify(register.settings, read_folder(folder))
            register.load(folder)
    events = register.query(
        "select code, sender, submission_id, manifest_sha256, details from ops.security_event order by event_no"
    )
    assert events == [
        ("E-SIG-OTHER", "province-26", forged.name, read_folder(forged).manifest_sha256,
         {"codes": ["E-SIG-OTHER"], "fingerprint": key.fingerprint, "key_of": "province-46"}),
        ("E-ID-FOLDER", "tax", "b", read_folder(renamed).manifest_sha256, {"codes": ["E-ID-FOLDER"]}),
    ]  # fmt: skip


def test_a_folder_that_is_not_authentic_does_not_use_up_the_id_of_its_true_owner(register: Inbox) -> None:
    sender_keys.add_key(register.settings, "province-26", public_bytes(1))
    squatter = put_signature(send(register, under="province-46", submission_id="p26"), 1)
    unsigned = send(register, submission_id="p26", version=7)
    assert register.load(squatter).state == register.load(unsigned).state == "rejected"
    honest = put_signature(send(register, submission_id="p26", version=2), 1)
    assert register.load(honest).state == "loaded"


def test_an_authentic_submission_uses_up_its_id(register: Inbox) -> None:
    sender_keys.add_key(register.settings, "province-26", public_bytes(1))
    assert register.load(put_signature(send(register, submission_id="p26"), 1)).state == "loaded"
    again = put_signature(send(register, submission_id="p26", version=2), 1)
    assert register.load(again).state == "rejected"
    rows = register.query("select errors from ops.submission where submission_id = 'p26' and state = 'rejected'")
    assert [error["code"] for (errors,) in rows for error in errors] == ["E-ID-REUSED"]


# --------------------------------------------------------------------------------------------------------- the register


def test_a_key_belongs_to_one_sender_and_is_registered_once(register: Inbox) -> None:
    settings = register.settings
    first = sender_keys.add_key(settings, "province-26", public_bytes(1), note="letter 12")
    assert first[1] is True
    assert sender_keys.add_key(settings, "province-26", public_bytes(1)) == (first[0], False)
    with pytest.raises(UsageError, match="registered to province-26"):
        sender_keys.add_key(settings, "province-46", public_bytes(1))
    with pytest.raises(UsageError, match="other dates"):
        sender_keys.add_key(settings, "province-26", public_bytes(1), valid_to=dt.datetime(2099, 1, 1, tzinfo=dt.UTC))


@pytest.mark.parametrize("sender", ["province-98", "province-٢٦", "province-1", "tax\n", "bank", ""])
def test_an_unknown_sender_gets_no_key(configured: Settings, sender: str) -> None:
    with pytest.raises(UsageError, match="There is no sender"):
        sender_keys.add_key(configured, sender, public_bytes(9))


def test_a_key_cannot_end_before_it_begins(configured: Settings) -> None:
    with pytest.raises(UsageError, match="--valid-to"):
        sender_keys.add_key(configured, "tax", public_bytes(9), valid_from=NOW, valid_to=NOW)


def test_a_revoked_key_keeps_its_first_reason_and_cannot_come_back(register: Inbox) -> None:
    settings = register.settings
    key, _ = sender_keys.add_key(settings, "province-26", public_bytes(1))
    revoked, is_changed = sender_keys.revoke_key(settings, key.fingerprint[:8].upper(), reason=" lost ")
    assert (revoked.revoked_reason, is_changed) == ("lost", True)
    assert sender_keys.revoke_key(settings, key.fingerprint, reason="found") == (revoked, False)
    with pytest.raises(UsageError, match="revoked"):
        sender_keys.add_key(settings, "province-26", public_bytes(1))


def test_a_revocation_needs_one_key_and_a_reason(register: Inbox) -> None:
    called = [sender_keys.add_key(register.settings, "tax", public_bytes(n))[0].fingerprint for n in range(40)]
    twice = next(each[0] for each in called if sum(other.startswith(each[0]) for other in called) > 1)
    wrong = [("", "x", "No key"), ("zz", "x", "No key"), (twice, "x", "keys begin"), (called[0], " ", "--reason")]
    for prefix, reason, words in wrong:
        with pytest.raises(UsageError, match=words):
            sender_keys.revoke_key(register.settings, prefix, reason=reason)
    assert register.query("select count(*) from ops.sender_key where revoked_at is not null") == [(0,)]


def test_a_loader_can_neither_register_nor_revoke_a_key_nor_forget_an_event(register: Inbox) -> None:
    for statement in (
        "insert into ops.sender_key (sender, public_key, fingerprint) values ('tax', '', 'x')",
        "update ops.sender_key set revoked_at = null",
        "delete from ops.sender_key",
        "delete from ops.security_event",
        "update ops.security_event set code = ''",
    ):
        with connect(register.settings, roles.LOADER) as loader, pytest.raises(psycopg.errors.InsufficientPrivilege):
            loader.execute(statement.encode())


# ------------------------------------------------------------------------------------------------- the warehouse's keys


def test_the_warehouses_secrets_are_made_once_and_only_their_owner_may_read_them(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    made = (
        own_keys.age_identity(settings), own_keys.age_recipient(settings), own_keys.row_token_key(settings),
        signatures.receipt_public_key(settings),
    )  # fmt: skip
    again = (
        own_keys.age_identity(settings), own_keys.age_recipient(settings), own_keys.row_token_key(settings),
        signatures.receipt_public_key(settings),
    )  # fmt: skip
    assert made == again
    assert len(own_keys.row_token_key(settings)) == 32
    place = tmp_path / "home" / "secrets"
    assert place.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in place.iterdir()} == dict.fromkeys(
        ["age_identity", "receipt_signing_key", "row_token_key"], 0o600
    )


def test_what_is_encrypted_to_the_recipient_is_opened_by_the_identity(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    recipient = pyrage.x25519.Recipient.from_str(own_keys.age_recipient(settings))
    sealed, opened = io.BytesIO(pyrage.encrypt(b"rows", [recipient])), io.BytesIO()
    pyrage.decrypt_io(sealed, opened, [pyrage.x25519.Identity.from_str(own_keys.age_identity(settings))])
    assert opened.getvalue() == b"rows"


def test_of_two_that_make_a_secret_at_once_both_read_the_same_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path)
    made = iter(["11" * 32, "22" * 32])

    def overtaken(_bytes: int) -> str:
        mine = next(made)
        if mine.startswith("11"):
            # while the first is about to write its secret, the second makes one from beginning to end
            assert own_keys.row_token_key(settings).hex() == "22" * 32
        return mine

    monkeypatch.setattr(own_keys.secrets, "token_hex", overtaken)
    assert own_keys.row_token_key(settings).hex() == "22" * 32
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["row_token_key"]


@pytest.mark.parametrize("name", ["age_identity", "receipt_signing_key", "row_token_key"])
def test_a_damaged_secret_is_named_and_not_shown(tmp_path: Path, name: str) -> None:
    settings = Settings(home=tmp_path)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / name).write_text("spoilt words")
    ask = {
        "age_identity": own_keys.age_recipient,
        "receipt_signing_key": signatures.receipt_public_key,
        "row_token_key": own_keys.row_token_key,
    }[name]
    with pytest.raises(UsageError, match=name) as raised:
        ask(settings)
    assert "spoilt words" not in str(raised.value)
