"""Transport: who sent it, whether it arrived whole, what it is wrapped in, and whether it is what it says."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pyrage
import pytest
from builders import LOCAL, Inbox, participants
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hostile import (
    PERSON,
    Trial,
    amend,
    as_gzip,
    as_zip,
    deflated,
    encrypted_workbook,
    gzipped,
    holds,
    loaded_by_a_child,
    person,
    register,
    sign,
    table,
    with_part,
    workbook,
    zipped,
    zipped_link,
)
from openpyxl.worksheet.worksheet import Worksheet
from proofs import proves

from ingestion.contracts import load_contracts
from ingestion.inbox import read_folder, verify
from ingestion.manifest import MANIFEST_NAME
from ingestion.own_keys import age_recipient
from ingestion.receipts import receipt
from warehouse.settings import Settings

ROWS = participants(3)
TOTALS = {"wage_base_vnd": 15_000_000}
PLAIN = table(ROWS)
BOOK = workbook([PERSON, *(person(number) for number in range(3))])
YESTERDAY = dt.datetime(2020, 6, 1, tzinfo=LOCAL)
LONG_AHEAD = dt.datetime(2100, 1, 1, tzinfo=LOCAL)


# --------------------------------------------------------------------------------------------------------- signatures


def signed(trial: Trial, key: Ed25519PrivateKey | None, **rest: object) -> Path:
    """A submission signed with a key, or with none."""
    folder = trial.send("participants.csv", PLAIN, ROWS, **rest)
    if key is not None:
        sign(folder, key)
    return folder


@proves("transport.signature")
def test_a_submission_signed_with_a_key_of_its_sender_is_taken(trial: Trial) -> None:
    key = Ed25519PrivateKey.generate()
    register(trial.settings, key)
    assert trial.take(signed(trial, key)).state == "accepted"
    assert trial.security_events() == []


def _unsigned(trial: Trial) -> Path:
    register(trial.settings, Ed25519PrivateKey.generate())
    return signed(trial, None)


def _revoked(trial: Trial) -> Path:
    key = Ed25519PrivateKey.generate()
    register(trial.settings, key, revoked_at=YESTERDAY, revoked_reason="lost")
    return signed(trial, key)


def _expired(trial: Trial) -> Path:
    key = Ed25519PrivateKey.generate()
    register(trial.settings, key, valid_to=YESTERDAY)
    return signed(trial, key)


def _early(trial: Trial) -> Path:
    key = Ed25519PrivateKey.generate()
    register(trial.settings, key, valid_from=LONG_AHEAD)
    return signed(trial, key)


def _of_another(trial: Trial) -> Path:
    key = Ed25519PrivateKey.generate()
    register(trial.settings, Ed25519PrivateKey.generate())
    register(trial.settings, key, sender="province-46")
    return signed(trial, key)


def _of_another_while_none_is_asked_for(trial: Trial) -> Path:
    key = Ed25519PrivateKey.generate()
    register(trial.settings, key, sender="province-46")
    return signed(trial, key)


def _of_nobody(trial: Trial) -> Path:
    register(trial.settings, Ed25519PrivateKey.generate())
    return signed(trial, Ed25519PrivateKey.generate())


def _no_signature_at_all(trial: Trial) -> Path:
    register(trial.settings, Ed25519PrivateKey.generate())
    folder = signed(trial, None)
    (folder / "manifest.sig").write_bytes(b"not base64 \xff")
    return folder


def _of_other_bytes(trial: Trial) -> Path:
    key = Ed25519PrivateKey.generate()
    register(trial.settings, key)
    folder = signed(trial, None)
    (folder / "manifest.sig").write_bytes(base64.b64encode(key.sign(b"{}")))
    return folder


@proves("transport.signature")
@pytest.mark.parametrize(
    ("send", "code"),
    [
        (_unsigned, "E-SIG-MISSING"),
        (_revoked, "E-SIG-REVOKED"),
        (_expired, "E-SIG-EXPIRED"),
        (_early, "E-SIG-EARLY"),
        (_of_another, "E-SIG-OTHER"),
        (_of_another_while_none_is_asked_for, "E-SIG-OTHER"),
        (_of_nobody, "E-SIG-INVALID"),
        (_no_signature_at_all, "E-SIG-INVALID"),
        (_of_other_bytes, "E-SIG-INVALID"),
    ],
)
def test_a_folder_not_proven_to_come_from_its_sender_is_refused_unparsed_with_a_security_event(
    trial: Trial, send: Callable[[Trial], Path], code: str
) -> None:
    folder = send(trial)
    outcome = trial.take(folder)
    assert (outcome.state, outcome.errors) == ("rejected", [code])
    assert trial.security_events() == [code]
    assert outcome.told["feeds"] == []
    assert not holds(trial.settings.home / "archive", PLAIN)


@proves("transport.signature")
def test_not_a_byte_is_parsed_before_the_signature_is_good(trial: Trial) -> None:
    register(trial.settings, Ed25519PrivateKey.generate())
    folder = signed(trial, Ed25519PrivateKey.generate())
    (folder / MANIFEST_NAME).write_bytes(b"[" * 100_000)
    assert trial.take(folder).errors == ["E-SIG-INVALID"]


@proves("transport.signature")
def test_a_sender_whose_keys_have_all_run_out_may_not_go_on_unsigned(trial: Trial) -> None:
    register(trial.settings, Ed25519PrivateKey.generate(), revoked_at=YESTERDAY)
    register(trial.settings, Ed25519PrivateKey.generate(), valid_to=YESTERDAY)
    assert trial.take(signed(trial, None)).errors == ["E-SIG-MISSING"]


@proves("transport.signature")
def test_where_everybody_must_sign_a_sender_without_a_key_is_refused(trial: Trial) -> None:
    strict = trial.settings.model_copy(update={"require_signatures": True})
    folder = signed(trial, None)
    seen = verify(strict, read_folder(folder))
    assert [fault.code for fault in seen.faults] == ["E-SIG-MISSING"]


@proves("transport.signature")
def test_a_refused_folder_is_looked_at_once_and_leaves_one_security_event(trial: Trial) -> None:
    folder = _unsigned(trial)
    first = trial.take(folder)
    assert trial.take(folder) == first
    assert trial.security_events() == ["E-SIG-MISSING"]


@proves("transport.signature")
def test_a_folder_under_a_stolen_id_does_not_burn_it_for_its_owner(trial: Trial) -> None:
    key = Ed25519PrivateKey.generate()
    register(trial.settings, key)
    folder = signed(trial, Ed25519PrivateKey.generate())
    assert trial.take(folder).state == "rejected"
    amend(folder, lambda manifest: manifest.update(created_at="2021-11-02T09:00:00+07:00"))
    sign(folder, key)
    assert trial.take(folder).state == "accepted"


@proves("transport.changed-after-signing")
@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest["files"][0].update(rows=2),
        lambda manifest: manifest["files"][0]["totals"].update(wage_base_vnd=14_999_999),
        lambda manifest: manifest.update(version=2),
        lambda _: None,  # the same content in other bytes
    ],
    ids=["rows", "total", "version", "white space"],
)
def test_a_manifest_that_was_changed_after_signing_is_refused(
    trial: Trial, change: Callable[[dict[str, object]], object]
) -> None:
    key = Ed25519PrivateKey.generate()
    register(trial.settings, key)
    folder = signed(trial, key)
    amend(folder, change)
    assert trial.take(folder).errors == ["E-SIG-INVALID"]
    assert trial.security_events() == ["E-SIG-INVALID"]


@proves("transport.changed-after-signing")
def test_a_file_that_was_exchanged_after_signing_is_refused_by_its_digest(trial: Trial) -> None:
    key = Ed25519PrivateKey.generate()
    register(trial.settings, key)
    folder = signed(trial, key)
    (folder / "participants.csv").write_bytes(PLAIN.replace(b"5000000", b"9000000"))
    assert trial.take(folder).errors == ["E-DIGEST"]


@proves("transport.replayed-folder")
def test_last_months_signed_folder_under_this_months_name_is_refused_as_what_it_says_it_is(trial: Trial) -> None:
    key = Ed25519PrivateKey.generate()
    register(trial.settings, key)
    september = signed(trial, key, period="2021-09")
    assert trial.take(september).state == "accepted"
    renamed = september.parent / "province-26-2021-10-v1"
    shutil.copytree(september, renamed)
    outcome = trial.take(renamed)
    assert (outcome.state, outcome.errors[0]) == ("rejected", "E-ID-FOLDER")
    assert trial.security_events() == ["E-ID-FOLDER"]
    assert trial.inbox.query("select distinct month::text from raw.participants") == [("2021-09-01",)]


@proves("transport.replayed-folder")
def test_a_signed_folder_in_the_place_of_another_sender_is_refused(trial: Trial) -> None:
    key = Ed25519PrivateKey.generate()
    register(trial.settings, key)
    folder = signed(trial, key)
    moved = trial.inbox.root / "province-46" / folder.name
    moved.parent.mkdir()
    folder.rename(moved)
    outcome = trial.take(moved)
    assert outcome.state == "rejected"
    assert set(outcome.errors) <= {"E-SIG-OTHER", "E-SENDER-FOLDER"}
    assert outcome.errors
    assert trial.security_events() == outcome.errors


@proves("transport.replayed-folder")
def test_last_months_folder_with_this_months_period_written_in_is_refused(trial: Trial) -> None:
    key = Ed25519PrivateKey.generate()
    register(trial.settings, key)
    september = signed(trial, key, period="2021-09")
    folder = september.rename(september.parent / "province-26-2021-10-v1")
    amend(folder, lambda manifest: manifest.update(submission_id=folder.name, period="2021-10"))
    assert trial.take(folder).errors == ["E-SIG-INVALID"]


# ---------------------------------------------------------------------------------------------------------------- age


def encrypted(trial: Trial, content: bytes) -> bytes:
    """Encrypted to the warehouse."""
    return bytes(pyrage.encrypt(content, [pyrage.x25519.Recipient.from_str(age_recipient(trial.settings))]))


def send_age(trial: Trial, content: bytes, name: str = "participants.csv.age") -> Path:
    """A submission of one age file."""
    return trial.send(name, content, ROWS, encryption="age", rows=len(ROWS), totals=TOTALS)


@proves("transport.flipped-bit")
@pytest.mark.parametrize("name", ["participants.csv.age", "participants.csv.gz.age", "participants.xlsx.age"])
def test_an_age_file_loads_and_leaves_no_plaintext_on_disk(trial: Trial, name: str) -> None:
    content = BOOK if "xlsx" in name else gzipped(PLAIN) if "gz" in name else PLAIN
    assert trial.take(send_age(trial, encrypted(trial, content), name)).state == "accepted"
    assert trial.rows_in_raw()["participants"] == 3
    assert not holds(trial.elsewhere, b"0110000001")
    for place in ("archive", "outbox"):
        assert not holds(trial.settings.home / place, content)
        assert not holds(trial.settings.home / place, b"0110000001")


@proves("transport.flipped-bit")
@pytest.mark.parametrize("where", ["header", "first chunk", "last byte"])
@pytest.mark.parametrize("size", [3, 4_000], ids=["one chunk", "many chunks"])
def test_one_flipped_bit_in_an_age_file_refuses_it_and_leaves_no_plaintext(trial: Trial, where: str, size: int) -> None:
    rows = participants(size)
    sealed = bytearray(encrypted(trial, table(rows)))
    sealed[{"header": 60, "first chunk": len(sealed) - len(table(rows)) + 100, "last byte": -1}[where]] ^= 1
    folder = trial.send(
        "participants.csv.age", bytes(sealed), rows, encryption="age", rows=size,
        totals={"wage_base_vnd": 5_000_000 * size},
    )  # fmt: skip
    outcome = trial.take(folder)
    assert (outcome.state, outcome.errors) == ("rejected", ["E-ENCRYPTION"])
    assert not holds(trial.settings.home / "archive", b"0110000001")
    assert not holds(trial.elsewhere, b"0110000001")


@proves("transport.flipped-bit")
def test_an_age_file_that_is_cut_off_or_meant_for_another_is_refused(trial: Trial) -> None:
    stranger = pyrage.x25519.Identity.generate().to_public()
    contents = [encrypted(trial, PLAIN)[:-1], encrypted(trial, PLAIN)[:150], bytes(pyrage.encrypt(PLAIN, [stranger]))]
    for at, content in enumerate(contents):
        folder = trial.send(
            "participants.csv.age", content, ROWS, encryption="age", rows=3, totals=TOTALS, submission_id=f"age-{at}"
        )
        assert trial.take(folder).errors == ["E-ENCRYPTION"]


@proves("transport.flipped-bit")
def test_a_file_that_should_be_encrypted_and_is_not_is_refused_and_so_is_the_reverse(trial: Trial) -> None:
    plain = trial.send("participants.csv", PLAIN, ROWS, encryption="age", submission_id="plain")
    assert trial.take(plain).errors == ["E-ENCRYPTION"]
    only_named = trial.send(
        "participants.csv.age", PLAIN, ROWS, encryption="age", rows=3, totals=TOTALS, submission_id="named"
    )
    assert trial.take(only_named).errors == ["E-FORMAT"]
    sealed = trial.send(
        "participants.csv.age", encrypted(trial, PLAIN), ROWS, rows=3, totals=TOTALS, submission_id="sealed"
    )
    assert trial.take(sealed).errors == ["E-ENCRYPTION"]


# ------------------------------------------------------------------------------------------------------- completeness


@proves("transport.incomplete-folder")
def test_a_folder_that_still_waits_after_its_deadline_is_overdue(trial: Trial) -> None:
    folder = trial.send("participants.csv", PLAIN, ROWS)
    (folder / "participants.csv").rename(trial.inbox.root.parent / "kept")
    assert trial.take(folder).state == "waiting"
    before, after = (dt.datetime(2021, 11, day, 12, tzinfo=LOCAL) for day in (5, 6))
    codes = {at: [e["code"] for e in receipt(trial.settings, folder.name, now=at)["errors"]] for at in (before, after)}
    assert codes[before] == ["E-WAITING"]
    assert sorted(codes[after]) == ["E-OVERDUE", "E-WAITING"]


@proves("transport.incomplete-folder")
def test_what_waited_loads_once_when_it_is_complete(trial: Trial) -> None:
    folder = trial.send("participants.csv", PLAIN, ROWS)
    path = folder / "participants.csv"
    path.write_bytes(PLAIN[:-20])
    assert trial.take(folder).state == "waiting"
    assert trial.take(folder).state == "waiting"
    path.write_bytes(PLAIN)
    assert trial.take(folder).state == "accepted"
    assert trial.take(folder).state == "accepted"
    assert trial.rows_in_raw()["participants"] == 3
    assert trial.inbox.query("select count(*) from ops.submission") == [(1,)]


# --------------------------------------------------------------------------------------------------------- containers


def spoilt(content: bytes, at: int) -> bytes:
    """The content with one byte turned over."""
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


LONG_ENOUGH = table(participants(500))
SQUEEZED, PACKED = gzipped(LONG_ENOUGH), zipped({"participants.csv": LONG_ENOUGH})
CONTAINERS: dict[str, tuple[str, bytes]] = {
    "gzip cut off": (".gz", SQUEEZED[:-100]),
    "gzip without its last byte": (".gz", SQUEEZED[:-1]),
    "gzip with a wrong checksum": (".gz", spoilt(SQUEEZED, len(SQUEEZED) - 8)),
    "gzip with a damaged middle": (".gz", spoilt(SQUEEZED, len(SQUEEZED) // 2)),
    "gzip with bytes behind": (".gz", SQUEEZED + b"more"),
    "gzip in gzip": (".gz", gzipped(gzipped(PLAIN))),
    "zip in gzip": (".gz", gzipped(PACKED)),
    "zip cut off": (".zip", PACKED[:-100]),
    "zip with a damaged middle": (".zip", spoilt(PACKED, len(PACKED) // 2)),
    "zip with bytes behind": (".zip", PACKED + b"more"),
    "zip in zip": (".zip", zipped({"inner.zip": PACKED})),
    "gzip in zip": (".zip", zipped({"participants.csv": SQUEEZED})),
    "two entries": (".zip", zipped({"participants.csv": PLAIN, "other.csv": PLAIN})),
    "no entry": (".zip", zipped({})),
    "upwards": (".zip", zipped({"../escaped.csv": PLAIN})),
    "upwards in the middle": (".zip", zipped({"a/../../escaped.csv": PLAIN})),
    "absolute": (".zip", zipped({"/escaped.csv": PLAIN})),
    "a drive": (".zip", zipped({"x": PLAIN}, rename={"x": "C" + ":\\escaped.csv"})),
    "backslashes": (".zip", zipped({"x": PLAIN}, rename={"x": "..\\escaped.csv"})),
    "a link": (".zip", zipped_link("participants.csv", "/etc/passwd")),
    "NUL": (".zip", zipped({"x": PLAIN}, rename={"x": "escaped.csv\x00.txt"})),
    "right-to-left": (".zip", zipped({"escaped\u202evsc.exe": PLAIN})),
}


@proves("transport.hostile-container")
@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_container_that_is_damaged_nested_or_has_a_hostile_name_is_refused_and_nothing_is_written(
    trial: Trial, kind: str
) -> None:
    suffix, content = CONTAINERS[kind]
    # that nothing is written outside archive and outbox is looked at by the trial itself
    outcome = trial.take_file(f"participants.csv{suffix}", content, ROWS, rows=3, totals=TOTALS)
    assert (outcome.state, outcome.errors) == ("rejected", ["E-ARCHIVE"])
    assert not [path for path in trial.inbox.root.parent.rglob("*escaped*") if path.is_file()]
    assert not list(trial.settings.home.glob("*/**/*escaped*"))


@proves("transport.hostile-container")
@pytest.mark.parametrize("suffix", [".gz", ".zip"])
@pytest.mark.parametrize("name", ["participants.csv", "participants.xlsx", "participants.parquet"])
def test_a_sound_container_is_read_whatever_is_in_it(trial: Trial, name: str, suffix: str) -> None:
    content = {"csv": PLAIN, "xlsx": BOOK, "parquet": as_parquet()}[name.split(".")[1]]
    packed = gzipped(content) if suffix == ".gz" else zipped({name: content})
    outcome = trial.take_file(name + suffix, packed, ROWS, rows=3, totals=TOTALS)
    assert (outcome.state, outcome.errors) == ("accepted", [])
    assert trial.rows_in_raw()["participants"] == 3


MIB = 1 << 20


def bombs() -> dict[str, tuple[str, bytes]]:
    """Small files that would unpack to far more than anybody sends: of plausible rows, of one endless row, of a zip
    that owns up to it and one that lies, of a workbook whose sheet goes on and on."""
    heading, row = PLAIN.split(b"\n")[:2]
    heading += b"\n"
    zeros = deflated(heading, b"0" * MIB, 512)
    with zipfile.ZipFile(io.BytesIO(BOOK)) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    start, end = parts.pop(sheet).split(b"</sheetData>")
    blown = {name: deflated(content) for name, content in parts.items()}
    blown[sheet] = deflated(start, b" " * MIB, 1_100, b"</sheetData>" + end)
    return {
        "gzip of rows": ("participants.csv.gz", as_gzip(deflated(heading, (row + b"\n") * (MIB // len(row)), 512))),
        "gzip of zeros": ("participants.csv.gz", as_gzip(zeros)),
        "zip": ("participants.csv.zip", as_zip({"participants.csv": zeros})),
        "zip that lies": ("participants.csv.zip", as_zip({"participants.csv": zeros}, claimed=1_000)),
        "workbook": ("participants.xlsx", as_zip(blown)),
        "workbook that lies": ("participants.xlsx", as_zip(blown, claimed=1_000)),
    }


@pytest.fixture(scope="module")
def made_bombs() -> dict[str, tuple[str, bytes]]:
    """The bombs, made once."""
    return bombs()


@pytest.fixture(scope="module")
def usual_peak(configured: Settings, tmp_path_factory: pytest.TempPathFactory) -> int:
    """The most memory, in MiB, that a process takes to load an honest file of 100,000 rows."""
    inbox = Inbox(configured, tmp_path_factory.mktemp("honest"))
    state, peak = loaded_by_a_child(configured, inbox.send({"participants": participants(100_000)}, period="2021-09"))
    assert state == "loaded"
    return peak


@proves("transport.hostile-container")
@pytest.mark.parametrize(
    "kind", ["gzip of rows", "gzip of zeros", "zip", "zip that lies", "workbook", "workbook that lies"]
)
def test_a_bomb_is_refused_and_memory_stays_where_an_honest_file_of_ten_megabytes_takes_it(
    trial: Trial, made_bombs: dict[str, tuple[str, bytes]], usual_peak: int, kind: str
) -> None:
    name, content = made_bombs[kind]
    folder = trial.send(name, content, ROWS, rows=3, totals=TOTALS)
    state, peak = loaded_by_a_child(trial.settings, folder)
    assert state == "rejected"
    assert peak < usual_peak + 100
    outcome = trial.take(folder)
    assert len(outcome.errors) == 1
    assert outcome.errors[0] in ("E-ARCHIVE", "E-TOO-LARGE", "E-FORMAT")


# ------------------------------------------------------------------------------------------------ what it says it is


def as_parquet(rows: int = 3) -> bytes:
    """The three persons as parquet."""
    buffer = io.BytesIO()
    columns = {name: [row[name] for row in participants(rows)] for name in ROWS[0]}
    pa.parquet.write_table(pa.table(columns, schema=pa.schema([(name, pa.string()) for name in columns])), buffer)
    return buffer.getvalue()


def linked_book() -> bytes:
    """A workbook with a DDE link."""
    link = b'<externalLink xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><ddeLink/></externalLink>'
    return with_part(BOOK, "xl/externalLinks/externalLink1.xml", link)


DISGUISED: dict[str, tuple[str, bytes, str]] = {
    "PDF as CSV": ("participants.csv", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + PLAIN, "PDF"),
    "program as CSV": ("participants.csv", b"\x7fELF\x02\x01\x01" + b"\x00" * 64, "program"),
    "workbook as CSV": ("participants.csv", BOOK, "xlsx"),
    "parquet as CSV": ("participants.csv", as_parquet(), "parquet"),
    "gzip as CSV": ("participants.csv", SQUEEZED, "gzip"),
    "CSV as workbook": ("participants.xlsx", PLAIN, "text"),
    "web page as workbook": ("participants.xlsx", b"<html><table><tr><td>1</td></tr></table></html>", "text"),
    "other zip as workbook": ("participants.xlsx", zipped({"word/document.xml": b"<w/>"}), "zip"),
    "CSV as parquet": ("participants.parquet", PLAIN, "text"),
    "damaged parquet": ("participants.parquet", as_parquet()[:-20] + b"\x00" * 20, "damaged"),
    "zip as gzip": ("participants.csv.gz", PACKED, "zip"),
    "gzip as zip": ("participants.csv.zip", SQUEEZED, "gzip"),
    "encrypted workbook": ("participants.xlsx", encrypted_workbook(), "encrypted"),
    "macros": ("participants.xlsx", with_part(BOOK, "xl/vbaProject.bin"), "macros"),
    "external link": ("participants.xlsx", with_part(BOOK, "xl/externalLinks/externalLink1.xml"), "external links"),
    "DDE link": ("participants.xlsx", linked_book(), "external links"),
    "embedded object": ("participants.xlsx", with_part(BOOK, "xl/embeddings/oleObject1.bin"), "embedded objects"),
    "ActiveX": ("participants.xlsx", with_part(BOOK, "xl/activeX/activeX1.bin"), "embedded objects"),
}


@proves("transport.not-what-it-says")
@pytest.mark.parametrize("kind", DISGUISED)
def test_a_file_that_is_not_what_its_name_says_is_refused_with_the_kind_that_was_found(trial: Trial, kind: str) -> None:
    name, content, found = DISGUISED[kind]
    outcome = trial.take_file(name, content, ROWS, rows=3, totals=TOTALS)
    assert (outcome.state, outcome.errors) == ("rejected", ["E-FORMAT"])
    message = outcome.said("E-FORMAT")
    assert found in message.replace(name, "")
    assert "Save it in the declared format and send it again" in message


@proves("transport.empty")
@pytest.mark.parametrize("name", ["participants.csv", "participants.xlsx", "participants.parquet"])
def test_a_file_of_zero_bytes_is_refused_as_empty(trial: Trial, name: str) -> None:
    outcome = trial.take_file(name, b"")
    assert (outcome.state, outcome.errors) == ("rejected", ["E-EMPTY"])


@proves("transport.empty")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("participants.csv", PLAIN.split(b"\n")[0]),
        ("participants.csv", PLAIN.split(b"\n")[0] + b"\r\n\r\n"),
        ("participants.csv.gz", gzipped(PLAIN.split(b"\n")[0] + b"\n")),
        ("participants.csv.gz", gzipped(b"")),
        ("participants.xlsx", workbook([PERSON])),
        ("participants.xlsx", workbook([])),
        ("participants.parquet", as_parquet(0)),
    ],
    ids=["CSV", "blank lines", "gzip", "gzip of nothing", "workbook", "blank workbook", "parquet"],
)
def test_a_heading_without_rows_is_refused_as_empty_and_told_to_say_nil(
    trial: Trial, name: str, content: bytes
) -> None:
    outcome = trial.take_file(name, content)
    assert (outcome.state, outcome.errors) == ("rejected", ["E-EMPTY"])
    assert "nil" in outcome.said("E-EMPTY")


@proves("transport.too-large")
def test_a_file_above_the_limit_of_its_contract_is_refused_before_it_is_read(trial: Trial) -> None:
    limit = load_contracts()["benefits"].max_bytes
    folder = trial.send("benefits.csv", b"", feed="benefits")
    os.truncate(folder / "benefits.csv", limit + 1)
    amend(folder, lambda manifest: manifest["files"][0].update(bytes=limit + 1, sha256="0" * 64, rows=1))
    # a file of zeros with a wrong digest: nobody who read it would complain of its size alone
    outcome = trial.take(folder)
    assert (outcome.state, outcome.errors) == ("rejected", ["E-TOO-LARGE"])
    assert "GiB" in outcome.said("E-TOO-LARGE")
    archive = trial.settings.home / "archive"
    assert not [path for path in archive.rglob("*") if path.is_file() and path.stat().st_size > limit]


@proves("transport.too-large")
def test_a_workbook_of_more_cells_than_its_contract_allows_is_refused(trial: Trial) -> None:
    cells = load_contracts()["participants"].max_cells

    def far(sheet: Worksheet) -> None:
        sheet.cell(1 + cells // 7, 20, "x")

    outcome = trial.take_file("participants.xlsx", workbook([PERSON, person(0)], far), rows=1)
    assert (outcome.state, outcome.errors) == ("rejected", ["E-TOO-LARGE"])
    assert "CSV" in outcome.said("E-TOO-LARGE")


@proves("transport.not-what-it-says", "transport.hostile-container")
def test_no_message_of_a_refused_container_holds_a_name_or_a_value_from_inside(trial: Trial) -> None:
    content = zipped({"../Canary Person.csv": PLAIN})
    outcome = trial.take_file("participants.csv.zip", content, ROWS, rows=3, totals=TOTALS)
    assert "Canary" not in json.dumps(outcome.told)
