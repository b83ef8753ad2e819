"""Builders of files nobody should send, and the trial every submission of these tests goes through."""

from __future__ import annotations

import base64
import csv
import datetime as dt
import gzip
import hashlib
import io
import json
import os
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
from builders import LOCAL, Inbox, Row, describe
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from openpyxl.worksheet.worksheet import Worksheet
from psycopg import sql

from ingestion import manifest as manifests
from ingestion.codes import CATALOGUE
from ingestion.contracts import load_contracts
from ingestion.decision import settle
from ingestion.ledger import FINAL
from ingestion.manifest import MANIFEST_NAME, Manifest
from ingestion.receipts import write_outbox
from night.arrivals import load_and_gate
from warehouse import roles
from warehouse.connection import connect
from warehouse.settings import PROJECT, Settings

PERSON = ["Mã số BHXH", "Họ và tên", "Ngày sinh", "Giới tính", "Loại bảo hiểm", "Mã đơn vị", "Tiền lương đóng"]
"""Headings of a participants workbook, in the order of `person`."""
MADE_BY_A_LOAD = {"archive", "outbox", "secrets"}
"""What a load may make in the home of the warehouse."""
_WATCHED_BYTES = 1 << 20


# ------------------------------------------------------------------------------------------------------------- trial


@dataclass(frozen=True)
class Outcome:
    """What became of a submission: its state and its receipt; notes by their codes, with their arguments."""

    state: str
    told: Mapping[str, Any]
    noted: Mapping[str, Mapping[str, Any]]

    @property
    def errors(self) -> list[str]:
        """The codes of the errors."""
        return [error["code"] for error in self.told["errors"]]

    @property
    def rejects(self) -> list[tuple[int, str | None, str]]:
        """What was set aside: row, column, code."""
        return [(reject["row"], reject["column"], reject["code"]) for reject in self.told["rejects"]]

    def said(self, code: str) -> str:
        """The English message of the one error or reject with that code."""
        entries = [*self.told["errors"], *self.told["rejects"]]
        (message,) = {entry["message_en"] for entry in entries if entry["code"] == code}
        return str(message)


class Trial:
    """A warehouse that takes submissions, and is looked over each time for what must hold whatever came in.

    Rows sent are rows accepted and rows set aside; money too; a submission that is refused or waits leaves no row in
    raw; nothing is written outside archive, outbox and home, nothing is left behind; every code has its messages.
    """

    def __init__(self, inbox: Inbox, elsewhere: Path) -> None:
        self.inbox = inbox
        self.settings = inbox.settings
        self.elsewhere = elsewhere

    def send(
        self,
        name: str,
        content: bytes,
        sent: Sequence[Row] = (),
        *,
        feed: str = "participants",
        sender: str = "province-26",
        period: str = "2021-10",
        version: int = 1,
        submission_id: str | None = None,
        encryption: str = "none",
        **declared: Any,
    ) -> Path:
        """Put a submission of one file of exactly these bytes into the inbox; `sent` are the rows an honest sender
        counts, `declared` overrides what the manifest says of the file."""
        folder = self.inbox.root / sender / (submission_id or f"{sender}-{period}-v{version}")
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content)
        kind = {"format": "xlsx"} if ".xlsx" in name else {"format": "parquet"} if ".parquet" in name else {}
        file = describe(folder / name, feed, sent, **{**kind, **declared})
        target = manifests.write(
            folder,
            Manifest(
                manifest_version=1, submission_id=folder.name, sender=sender, period=period,
                as_of_date=dt.date(2021, 10, 31), version=version, encryption=encryption,
                created_at=dt.datetime(2021, 11, 2, 8, tzinfo=LOCAL), files=(file,),
            ),
        )  # fmt: skip
        arrived = dt.datetime(2021, 11, 3, 8, tzinfo=LOCAL).timestamp()
        os.utime(target, (arrived, arrived))
        return folder

    def take(self, folder: Path) -> Outcome:
        """Load a submission, with a gate that lets everything pass."""

        def taken() -> str:
            loaded = self.inbox.load(folder)
            state = loaded.state
            if state == "loaded":
                state = settle(self.settings, loaded.sub_no, "passed", ())
            if state in FINAL:
                write_outbox(self.settings, folder.name)
            return state

        return self._watched(folder, taken)

    def gate(self, folder: Path) -> Outcome:
        """Load a submission and gate it, as the night does."""
        return self._watched(folder, lambda: load_and_gate(self.settings, "trial", folder))

    def take_file(self, name: str, content: bytes, sent: Sequence[Row] = (), **rest: Any) -> Outcome:
        """`send` and `take`."""
        return self.take(self.send(name, content, sent, **rest))

    def raw(self, *columns: str, feed: str = "participants") -> list[tuple[Any, ...]]:
        """Rows of raw, by row number."""
        return self.inbox.query(f"select {', '.join(columns)} from raw.{feed} order by load_id, row_no")

    def rows_in_raw(self) -> dict[str, int]:
        """How many rows each feed has in raw."""
        counts = sql.SQL(" union all ").join(
            sql.SQL("select {}, count(*) from {}").format(sql.Literal(feed), sql.Identifier("raw", feed))
            for feed in load_contracts()
        )
        with connect(self.settings, roles.LOADER) as connection:
            return {str(feed): int(str(count)) for feed, count in connection.execute(counts).fetchall()}

    def security_events(self) -> list[str]:
        """The codes of the security events, in order."""
        return [str(row[0]) for row in self.inbox.query("select code from ops.security_event order by event_no")]

    def _watched(self, folder: Path, act: Callable[[], str]) -> Outcome:
        before = self.rows_in_raw()
        inbox, elsewhere, home = tree(self.inbox.root), tree(self.elsewhere), self._home()
        state = act()
        assert tree(self.inbox.root) == inbox, "the inbox is only ever read"
        assert tree(self.elsewhere) == elsewhere, "something was written, or left, where nothing belongs"
        assert self._home() - home <= MADE_BY_A_LOAD
        told = self.inbox.receipt(folder)
        assert told["state"] == state
        if state in ("rejected", "waiting"):
            assert self.rows_in_raw() == before
        self._counts_agree(folder, state)
        messages_are_whole(told)
        notes = self.inbox.query(
            "select note ->> 'code', note -> 'args' from ops.submission s join ops.load l using (sub_no)"
            f" cross join jsonb_array_elements(l.notes) note where s.submission_id = '{folder.name}'"
        )
        return Outcome(state, told, {str(code): dict(args) for code, args in notes})

    def _home(self) -> set[str]:
        return {path.name for path in self.settings.home.iterdir()}

    def _counts_agree(self, folder: Path, state: str) -> None:
        loads = self.inbox.query(
            "select l.load_id, l.feed, l.row_count, l.accepted, l.rejected, l.totals, l.notes::text,"
            " (select count(distinct row_no) from ops.reject r where r.load_id = l.load_id)"
            " from ops.load l join ops.submission s using (sub_no)"
            f" where s.submission_id = '{folder.name}' and l.row_count is not null"
        )
        for load_id, feed, rows, accepted, rejected, totals, notes, listed in loads:
            assert rows == accepted + rejected
            assert listed == rejected or "N-NOT-LISTED" in notes
            for points in totals.values():
                parsed, loaded, aside = (Decimal(str(points[name])) for name in ("parsed", "loaded", "set_aside"))
                assert parsed == loaded + aside
            sums = ["count(*)", *(f"coalesce(sum({name}), 0)" for name in totals)]
            (found,) = self.inbox.query(f"select {', '.join(sums)} from raw.{feed} where load_id = {load_id}")
            kept = state != "rejected"
            assert found[0] == (accepted if kept else 0)
            if kept:
                assert [Decimal(str(total)) for total in found[1:]] == [
                    Decimal(str(points["loaded"])) for points in totals.values()
                ]


def messages_are_whole(told: Mapping[str, Any]) -> None:
    """Every code of a receipt is in the catalogue and has two messages without a gap."""
    for entry in [*told["errors"], *told["rejects"]]:
        assert entry["code"] in CATALOGUE
        vietnamese, english = entry["message_vi"], entry["message_en"]
        assert vietnamese != english
        for message in (vietnamese, english):
            assert len(message) > 20
            assert not re.search(r"…|\{|None", message), message


def tree(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Everything below a folder: size, time of change, and the digest of what is not large."""
    found = {}
    for path in sorted(folder.rglob("*")):
        seen = path.lstat()
        small = path.is_file() and seen.st_size <= _WATCHED_BYTES
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if small else ""
        found[str(path.relative_to(folder))] = (seen.st_size, 0 if path.is_dir() else seen.st_mtime_ns, digest)
    return found


def holds(folder: Path, text: bytes) -> list[str]:
    """The files below a folder that hold these bytes."""
    return [str(path) for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


def loaded_by_a_child(settings: Settings, folder: Path) -> tuple[str, int]:
    """Load a submission in a process of its own: the state, and the most memory it or its own children had, in MiB."""
    program = (
        "import re, resource, sys\n"
        "from pathlib import Path\n"
        "from ingestion.inbox import read_folder\n"
        "from ingestion.load import load_submission\n"
        "from warehouse.settings import Settings\n"
        "state = load_submission(Settings(home=Path(sys.argv[1])), read_folder(Path(sys.argv[2]))).state\n"
        "peak = int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
        "print(state, max(peak, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) // 1024)\n"
    )
    done = subprocess.run(  # noqa: PLW1510 - the outcome is looked at
        [sys.executable, "-c", program, str(settings.home), str(folder)],
        capture_output=True, text=True, timeout=120, cwd=PROJECT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    state, peak = done.stdout.split()
    return state, int(peak)


# --------------------------------------------------------------------------------------------------------------- rows


def table(rows: Sequence[Row], *, delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    """Rows as a CSV, with quotes only where a cell needs them."""
    text = io.StringIO(newline="")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, columns, delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def with_lines(content: bytes, *lines: bytes) -> bytes:
    """A CSV with more lines, exactly these bytes."""
    return content + b"".join(line + b"\n" for line in lines)


# --------------------------------------------------------------------------------------------------------- containers


def zipped(entries: Mapping[str, bytes], *, rename: Mapping[str, str] | None = None) -> bytes:
    """A zip archive; `rename` gives an entry a name that Python itself would not write."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name, (2021, 11, 2, 8, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.filename = (rename or {}).get(name, name)
            archive.writestr(entry, content)
    return buffer.getvalue()


def zipped_link(name: str, target: str) -> bytes:
    """A zip archive whose one entry is a symbolic link."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo(name, (2021, 11, 2, 8, 0, 0))
        entry.create_system = 3
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, target)
    return buffer.getvalue()


@dataclass(frozen=True)
class Deflated:
    """What stands compressed in a container: the bits, the checksum and the size of what they unpack to."""

    bits: bytes
    check: int
    size: int


def deflated(start: bytes, block: bytes = b"", times: int = 0, end: bytes = b"") -> Deflated:
    """`start`, then `times` times the same block, then `end`, without ever holding it all."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = squeeze.compress(start) + squeeze.flush(zlib.Z_FULL_FLUSH)
    # a full flush forgets what came before, so the block's bits may stand any number of times
    body = squeeze.compress(block) + squeeze.flush(zlib.Z_FULL_FLUSH)
    tail = squeeze.compress(end) + squeeze.flush()
    check = zlib.crc32(start)
    for _ in range(times):
        check = zlib.crc32(block, check)
    return Deflated(head + body * times + tail, zlib.crc32(end, check), len(start) + len(block) * times + len(end))


def as_gzip(content: Deflated) -> bytes:
    """A sound gzip file around it."""
    ending = struct.pack("<II", content.check, content.size & 0xFFFFFFFF)
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff" + content.bits + ending


def as_zip(entries: Mapping[str, Deflated], *, claimed: int | None = None) -> bytes:
    """A zip archive of what is compressed already; `claimed` is what its headers say of every size."""
    body, directory = b"", b""
    for name, entry in entries.items():
        told = entry.size if claimed is None else claimed
        facts = struct.pack(
            "<HHHHHIIIHH", 20, 0x800, 8, 0, 0x5362, entry.check, len(entry.bits), told, len(name.encode()), 0
        )
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + facts + struct.pack("<HHHII", 0, 0, 0, 0, len(body))
        directory += name.encode()
        body += b"PK\x03\x04" + facts + name.encode() + entry.bits
    end = struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    return body + directory + b"PK\x05\x06" + end


def gzipped(content: bytes) -> bytes:
    """A gzip file."""
    return gzip.compress(content, mtime=0)


# ----------------------------------------------------------------------------------------------------------- workbooks


def person(number: int, name: str = "Nguyễn Thị A", **changes: object) -> list[object]:
    """A row of a participants workbook under the headings `PERSON`."""
    good: dict[str, object] = {
        "si_number": f"{110_000_000 + number:010d}", "full_name": name, "birth_date": "1985-03-02", "sex": "F",
        "insurance_type": "SI_C", "si_unit_code": "TA0001A", "wage_base_vnd": 5_000_000,
    }  # fmt: skip
    return list({**good, **changes}.values())


def workbook(
    rows: Sequence[Sequence[object]], dress: Callable[[Worksheet], None] | None = None, title: str = "Data"
) -> bytes:
    """A workbook of one sheet; `dress` does to it what rows cannot say. A text is text, also if it begins with `=`,
    unless it is a `Formula`."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.title = title
    for at, row in enumerate(rows, start=1):
        for column, value in enumerate(row, start=1):
            cell = sheet.cell(at, column, value.text if isinstance(value, Formula) else value)  # type: ignore[arg-type]
            if isinstance(value, str):
                cell.data_type = "s"
    if dress is not None:
        dress(sheet)
    buffer = io.BytesIO()
    book.save(buffer)
    return with_stored_values(
        buffer.getvalue(), {f.text: f.stored for row in rows for f in row if isinstance(f, Formula)}
    )


@dataclass(frozen=True)
class Formula:
    """A formula with the value Excel stored for it, or with none, as a program writes it that cannot calculate."""

    text: str
    stored: str | None = None


def with_stored_values(book: bytes, stored: Mapping[str, str | None]) -> bytes:
    """A workbook whose formulas carry these results; openpyxl writes none."""
    if not any(stored.values()):
        return book

    def filled(match: re.Match[str]) -> str:
        value = stored.get(f"={match[1]}")
        return f"<f>{match[1]}</f>" + ("<v />" if value is None else f"<v>{value}</v>")

    return rewritten(
        book, "xl/worksheets/sheet1.xml", lambda text: re.sub(r"<f>(.*?)</f><v ?/?>(?:</v>)?", filled, text)
    )


def rewritten(archive: bytes, name: str, change: Callable[[str], str]) -> bytes:
    """An archive with the text of one entry changed."""
    with zipfile.ZipFile(io.BytesIO(archive)) as before:
        parts = {part: before.read(part) for part in before.namelist()}
    changed = change(parts[name].decode())
    assert changed != parts[name].decode(), "nothing was changed"
    return zipped({**parts, name: changed.encode()})


def with_part(archive: bytes, name: str, content: bytes = b"content") -> bytes:
    """An archive with one more entry."""
    with zipfile.ZipFile(io.BytesIO(archive)) as before:
        parts = {part: before.read(part) for part in before.namelist()}
    return zipped({**parts, name: content})


def encrypted_workbook() -> bytes:
    """The beginning of what Excel writes when a workbook has a password: an OLE file with the stream that holds it."""
    header = bytearray(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(512, b"\x00"))
    header[24:32] = bytes.fromhex("3e000300feff0900")
    return bytes(header) + "Root Entry\x00EncryptedPackage\x00EncryptionInfo".encode("utf-16-le").ljust(4096, b"\x00")


# ---------------------------------------------------------------------------------------------------------- signatures


def register(settings: Settings, key: Ed25519PrivateKey, sender: str = "province-26", **columns: object) -> None:
    """Register a key of a sender; `columns` of ops.sender_key besides, such as `valid_to` or `revoked_at`."""
    public = key.public_key().public_bytes_raw()
    row = {"sender": sender, "public_key": public, "fingerprint": hashlib.sha256(public).hexdigest(), **columns}
    row.setdefault("valid_from", dt.datetime(2020, 1, 1, tzinfo=LOCAL))
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute(
            sql.SQL("insert into ops.sender_key ({}) values ({})").format(
                sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(sql.Placeholder() * len(row))
            ),
            list(row.values()),
        )


def sign(folder: Path, key: Ed25519PrivateKey) -> None:
    """Sign the manifest of a folder as it stands."""
    signature = base64.b64encode(key.sign((folder / MANIFEST_NAME).read_bytes()))
    (folder / "manifest.sig").write_bytes(signature + b"\n")


def amend(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest of a folder in place, and leave its time of arrival."""
    target = folder / MANIFEST_NAME
    arrived = target.stat().st_mtime
    content = json.loads(target.read_bytes())
    change(content)
    target.write_text(json.dumps(content), encoding="utf-8")
    os.utime(target, (arrived, arrived))


def forget_keys(settings: Settings) -> None:
    """No sender has a key, and nothing suspicious has happened."""
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute("delete from ops.security_event")
        connection.execute("delete from ops.sender_key")
