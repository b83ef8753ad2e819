"""The verbs `vss keys` as a shell sees them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest
from builders import Inbox, participants
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingestion import signatures
from warehouse import roles
from warehouse.connection import connect
from warehouse.settings import PROJECT, Settings

Done = subprocess.CompletedProcess[str]


def keys(home: Path, *arguments: str, cwd: Path | None = None) -> Done:
    """Run `vss keys …` with nothing in its environment but the home."""
    return subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()", "keys", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "VSS_HOME": str(home)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False, cwd=cwd,
    )  # fmt: skip


def assert_one_sentence(done: Done, *words: str) -> None:
    """Wrong usage: exit code 2, one sentence on stderr that holds these words, nothing on stdout."""
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith("vss: ") and done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


def public_text() -> str:
    """A new public key in base64."""
    return base64.b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()


@pytest.fixture
def register(inbox: Inbox) -> Iterator[Settings]:
    """A warehouse whose register of keys is emptied afterwards."""
    yield inbox.settings
    with connect(inbox.settings, roles.MIGRATOR) as connection:
        connection.execute("delete from ops.sender_key")
        connection.execute("delete from ops.security_event")


def test_a_key_that_is_made_and_registered_signs_what_its_sender_sends(
    register: Settings, inbox: Inbox, tmp_path: Path
) -> None:
    made = keys(register.home, "new", "--out", "office.key", cwd=tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    assert "vss keys add" in made.stdout and "vss pack" in made.stdout
    added = keys(register.home, "add", "province-26", str(tmp_path / "office.key.pub"), "--note", "letter 12")
    assert (added.returncode, added.stderr) == (0, "")
    (known,) = json.loads(keys(register.home, "list", "--json").stdout)
    assert known["fingerprint"] in made.stdout and known["fingerprint"] in added.stdout
    assert (known["sender"], known["state"], known["note"]) == ("province-26", "valid", "letter 12")
    unsigned = inbox.send({"participants": participants(1)})
    assert inbox.load(unsigned).state == "rejected"
    signed = inbox.send({"participants": participants(1)}, version=2)
    (signed / "manifest.sig").write_text(
        signatures.sign((signed / "manifest.json").read_bytes(), tmp_path / "office.key")
    )
    assert inbox.load(signed).state == "loaded"


def test_a_new_private_key_is_its_owners_only_and_overwrites_nothing(tmp_path: Path) -> None:
    place = tmp_path / "keys"
    place.mkdir()
    assert keys(tmp_path / "nowhere", "new", "--out", str(place / "a")).returncode == 0
    assert (place / "a").stat().st_mode & 0o777 == 0o600
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    assert_one_sentence(keys(tmp_path / "nowhere", "new", "--out", str(place / "a")), "not overwritten", "--out")
    (place / "a").rename(place / "b")
    assert_one_sentence(keys(tmp_path / "nowhere", "new", "--out", str(place / "a")), "a.pub")
    assert {path.read_bytes() for path in place.iterdir()} == set(before.values())
    assert_one_sentence(keys(tmp_path / "nowhere", "new", "--out", str(place / "gone" / "a")), "--out")
    assert not (tmp_path / "nowhere").exists()


def test_options_may_stand_for_the_words_and_days_begin_at_local_midnight(register: Settings) -> None:
    given = ["--sender", "tax", "--key", public_text(), "--valid-from", "2099-01-01", "--valid-to", "2099-02-01"]
    assert keys(register.home, "add", *given).returncode == 0
    (known,) = json.loads(keys(register.home, "list", "--json").stdout)
    with connect(register, roles.LOADER) as connection:
        span = connection.execute(
            "select valid_from = timestamptz '2099-01-01 00:00+07', valid_to = timestamptz '2099-02-01 00:00+07'"
            " from ops.sender_key"
        ).fetchone()
    assert (span, known["state"]) == ((True, True), "early")


def test_what_cannot_be_registered_is_wrong_usage(register: Settings, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(signatures.new_private_key()[0])
    key = public_text()
    assert keys(register.home, "add", "province-26", key).returncode == 0
    assert_one_sentence(keys(register.home, "add", "province-46", key), "province-26", "key of its own")
    assert_one_sentence(keys(register.home, "add", "province-46", str(tmp_path / "key")), "private key", ".pub")
    assert_one_sentence(keys(register.home, "add", "province-99", public_text()), "no sender", "province-")
    assert_one_sentence(keys(register.home, "add", "province-46", "nonsense"), "Ed25519", "vss keys new")
    assert_one_sentence(keys(register.home, "add", "province-46"), "public key is missing", "SENDER PUBLIC_KEY")
    assert_one_sentence(keys(register.home, "add", "tax", key, "--sender", "hq"), "sender", "once")
    assert_one_sentence(keys(register.home, "add", "tax", public_text(), "--valid-to", "soon"), "--valid-to", "YYYY")
    assert_one_sentence(keys(register.home, "add", "tax", public_text(), "--valid-from", "0001-01-01"), "--valid-from")


def test_a_key_is_revoked_by_the_beginning_of_its_fingerprint_and_again_without_harm(register: Settings) -> None:
    keys(register.home, "add", "province-26", public_text())
    (known,) = json.loads(keys(register.home, "list", "--json").stdout)
    first = keys(register.home, "revoke", known["fingerprint"][:10], "--reason", "laptop lost")
    again = keys(register.home, "revoke", known["fingerprint"], "--reason", "other")
    assert (first.returncode, again.returncode) == (0, 0)
    assert "is revoked" in first.stdout and "was revoked already" in again.stdout
    (revoked,) = json.loads(keys(register.home, "list", "--json").stdout)
    assert (revoked["state"], revoked["revoked_reason"]) == ("revoked", "laptop lost")
    listed = keys(register.home, "list").stdout
    assert "province-26" in listed and "revoked" in listed and "laptop lost" in listed
    assert_one_sentence(keys(register.home, "revoke", "ffffffffffff", "--reason", "x"), "vss keys list")


def test_what_is_handed_to_senders_encrypts_and_verifies(tmp_path: Path) -> None:
    home = tmp_path / "home"
    told = keys(home, "recipient")
    assert (told.returncode, told.stderr) == (0, "")
    recipient = next(line for line in told.stdout.splitlines() if line.startswith("age1"))
    assert pyrage.encrypt(b"rows", [pyrage.x25519.Recipient.from_str(recipient)])
    public = told.stdout[told.stdout.index("-----BEGIN PUBLIC KEY") :]
    assert signatures.is_receipt_signed(b"receipt", signatures.sign_receipt(Settings(home=home), b"receipt"), public)
    assert keys(home, "recipient").stdout == told.stdout
    assert "AGE-SECRET-KEY" not in told.stdout and "PRIVATE" not in told.stdout
