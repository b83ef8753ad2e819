"""What a file is wrapped in: gzip, zip and age, whole ones and hostile ones."""

from __future__ import annotations

import gzip
import io
import os
import struct
import sys
import threading
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet
import pyrage
import pytest
from feed_builders import csv_file, manifest_file, read, rows_of

from ingestion import containers
from ingestion.contracts import load_contracts
from ingestion.readers import FileError, Reader, open_rows

HEADING = "item_no,area,difficulty,proposal\n"
CONTENT = (HEADING + "".join(f"{number},it,x{number},\n" for number in range(1, 3_000))).encode()
IDENTITY = pyrage.x25519.Identity.generate()


def zipped(content: bytes, name: str = "weekly.csv", **changes: Any) -> bytes:
    """A zip file with one entry."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    for attribute, value in changes.items():
        setattr(entry, attribute, value)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(entry, content, compress_type=entry.compress_type)
    return target.getvalue()


def encrypted(content: bytes) -> bytes:
    return pyrage.encrypt(content, [IDENTITY.to_public()])


def weekly(folder: Path, name: str, content: bytes, **changes: Any) -> Reader:
    """A weekly report under the name of an archived copy; the manifest calls it `name`."""
    path = csv_file(folder, content, name="0" * 64)
    file = manifest_file(path, "weekly_report", **changes).model_copy(update={"path": name})
    return open_rows(path, file, load_contracts()["weekly_report"], identity=str(IDENTITY), block_rows=32)


def item_numbers(reader: Reader) -> list[str]:
    return [row[1] for row in rows_of(reader, ["item_no"])]


def refusal(folder: Path, name: str, content: bytes, **changes: Any) -> tuple[str, object]:
    """Code and what was found of the refusal of a file, whether it comes at once or after its rows."""
    with pytest.raises(FileError) as error:
        item_numbers(weekly(folder, name, content, **changes))
    return error.value.code, error.value.arguments.get("found")


@pytest.mark.parametrize(
    ("name", "wrap"),
    [
        ("w.csv", bytes),
        ("w.csv.gz", gzip.compress),
        ("w.CSV.GZ", gzip.compress),
        ("w.csv.zip", zipped),
        ("w.zip", lambda content: zipped(content, "một thư mục/w.csv")),
        ("w.csv.age", encrypted),
        ("w.csv.gz.age", lambda content: encrypted(gzip.compress(content))),
        ("w.csv.zip.age", lambda content: encrypted(zipped(content))),
        ("w.csv.gz", lambda content: gzip.compress(content[:5_000]) + gzip.compress(content[5_000:])),
        ("w.csv.zip", lambda content: zipped(content, compress_type=zipfile.ZIP_STORED)),
    ],
)
def test_the_same_rows_come_out_of_every_container(tmp_path: Path, name: str, wrap: Callable[[bytes], bytes]) -> None:
    assert item_numbers(weekly(tmp_path, name, wrap(CONTENT))) == [str(number) for number in range(1, 3_000)]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zip", ".age", ".gz.age", ".zip.age"])
@pytest.mark.parametrize("kind", ["xlsx", "parquet"])
def test_workbooks_and_parquet_are_read_out_of_every_container(tmp_path: Path, kind: str, suffix: str) -> None:
    target = io.BytesIO()
    if kind == "xlsx":
        book = openpyxl.Workbook()
        assert book.active is not None
        book.active.append(["item_no", "area", "difficulty"])
        book.active.append([1, "it", "a"])
        book.save(target)
    else:
        pa.parquet.write_table(pa.table({"item_no": [1], "area": ["it"], "difficulty": ["a"]}), target)
    content = target.getvalue()
    if ".gz" in suffix:
        content = gzip.compress(content)
    if ".zip" in suffix:
        content = zipped(content)
    if ".age" in suffix:
        content = encrypted(content)
    assert item_numbers(weekly(tmp_path, f"w.{kind}{suffix}", content, format=kind)) == ["1"]


@pytest.mark.parametrize("keep", [12, 200, -9, -8, -1])
def test_a_gzip_that_is_cut_off_is_refused(tmp_path: Path, keep: int) -> None:
    assert refusal(tmp_path, "w.csv.gz", gzip.compress(CONTENT)[:keep]) == ("E-ARCHIVE", "a gzip that is cut off")


def test_a_damaged_gzip_is_refused_even_if_all_rows_came_out(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(CONTENT))
    content[-6] ^= 1
    assert refusal(tmp_path, "w.csv.gz", bytes(content)) == ("E-ARCHIVE", "a damaged gzip")


@pytest.mark.parametrize("behind", [b"\0", b"\0" * 512, b"garbage", b"\x1f"])
def test_bytes_behind_a_gzip_are_refused(tmp_path: Path, behind: bytes) -> None:
    found = refusal(tmp_path, "w.csv.gz", gzip.compress(CONTENT) + behind)
    assert found == ("E-ARCHIVE", "bytes behind the end of the gzip")


@pytest.mark.parametrize("keep", [30, 500, -30, -1])
def test_a_zip_that_is_cut_off_is_refused(tmp_path: Path, keep: int) -> None:
    assert refusal(tmp_path, "w.csv.zip", zipped(CONTENT)[:keep])[0] == "E-ARCHIVE"


@pytest.mark.parametrize("position", [14, 60, 2_000])
def test_a_damaged_zip_is_refused(tmp_path: Path, position: int) -> None:
    content = bytearray(zipped(CONTENT))
    content[position] ^= 0xFF
    if position == 14:
        # the checksum beside the data and the one in the directory
        content[content.rfind(b"PK\x01\x02") + 16] ^= 0xFF
    assert refusal(tmp_path, "w.csv.zip", bytes(content))[0] == "E-ARCHIVE"


def test_bytes_around_a_zip_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, "w.csv.zip", zipped(CONTENT) + b"x")[1] == "bytes behind the end of the zip"
    assert refusal(tmp_path, "w.csv.zip", b"#!/bin/sh\n" + zipped(CONTENT)) == ("E-FORMAT", "text")
    assert refusal(tmp_path, "w.csv.zip", b"PK\x03\x04" + zipped(CONTENT))[1] == "bytes before the zip"


def test_a_zip_that_declares_another_size_than_it_has_is_refused(tmp_path: Path) -> None:
    content = zipped(CONTENT)
    directory = content.rfind(b"PK\x01\x02")
    for size in (len(CONTENT) - 10, len(CONTENT) + 10):
        changed = content[: directory + 24] + struct.pack("<I", size) + content[directory + 28 :]
        assert refusal(tmp_path, "w.csv.zip", changed)[0] == "E-ARCHIVE"


@pytest.mark.parametrize("entries", [0, 2, 3])
def test_a_zip_must_hold_exactly_one_entry(tmp_path: Path, entries: int) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for number in range(entries):
            archive.writestr(f"{number}.csv", CONTENT)
    found = refusal(tmp_path, "w.csv.zip", target.getvalue())
    assert found == ("E-ARCHIVE", f"{entries} entries instead of one")


def test_a_directory_that_hides_its_entries_from_the_end_record_is_refused(tmp_path: Path) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("1.csv", CONTENT)
        archive.writestr("2.csv", CONTENT)
    content = bytearray(target.getvalue())
    struct.pack_into("<HH", content, len(content) - 14, 1, 1)
    assert refusal(tmp_path, "w.csv.zip", bytes(content)) == ("E-ARCHIVE", "2 entries instead of one")


@pytest.mark.parametrize(
    "name",
    [
        "../w.csv",
        "a/../../w.csv",
        "/etc/w.csv",
        "C:w.csv",
        "..\\w.csv",
        "a\\w.csv",
        "w\u202evsc.csv",
        "w\u2066.csv",
        "w\u200f.csv",
        "w\n.csv",
        "folder/",
    ],
)
def test_an_entry_with_a_hostile_name_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    before = sorted(os.walk(tmp_path))
    with pytest.raises(FileError) as error:
        item_numbers(weekly(inbox, "w.csv.zip", zipped(CONTENT, name)))
    assert error.value.code == "E-ARCHIVE"
    assert "w" not in str(error.value.arguments["found"]).split()
    (inbox / ("0" * 64)).unlink()
    assert sorted(os.walk(tmp_path)) == before


def test_a_name_with_nul_is_refused(tmp_path: Path) -> None:
    content = zipped(CONTENT, "wXcsv").replace(b"wXcsv", b"w\0csv")
    assert refusal(tmp_path, "w.csv.zip", content) == ("E-ARCHIVE", "an entry name with NUL")


def test_a_direction_mark_in_a_name_that_is_not_flagged_as_utf8_is_found(tmp_path: Path) -> None:
    content = zipped(CONTENT, "wXXXcsv").replace(b"wXXXcsv", "w\u202ecsv".encode())
    assert refusal(tmp_path, "w.csv.zip", content)[1] == "an entry name with control or direction marks"


@pytest.mark.parametrize("mode", [0o120777, 0o040755, 0o020666])
def test_a_link_folder_or_device_is_refused(tmp_path: Path, mode: int) -> None:
    content = zipped(b"/etc/passwd", external_attr=mode << 16)
    assert refusal(tmp_path, "w.csv.zip", content) == ("E-ARCHIVE", "a link, folder or device instead of a file")


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped(CONTENT))
    content[6] |= 1
    content[content.rfind(b"PK\x01\x02") + 8] |= 1
    assert refusal(tmp_path, "w.csv.zip", bytes(content)) == ("E-ARCHIVE", "an encrypted entry")


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_compression_whose_memory_the_sender_chooses_is_refused(tmp_path: Path, method: int) -> None:
    content = zipped(CONTENT, compress_type=method)
    assert refusal(tmp_path, "w.csv.zip", content) == ("E-ARCHIVE", "a compression method other than deflate")


@pytest.mark.parametrize("inner", [gzip.compress(CONTENT), zipped(CONTENT), b"7z\xbc\xaf\x27\x1c" + b"x" * 9])
@pytest.mark.parametrize(("name", "wrap"), [("w.csv.gz", gzip.compress), ("w.csv.zip", zipped)])
def test_an_archive_inside_an_archive_is_refused(
    tmp_path: Path, name: str, wrap: Callable[[bytes], bytes], inner: bytes
) -> None:
    assert refusal(tmp_path, name, wrap(inner)) == ("E-ARCHIVE", "an archive inside an archive")


@pytest.mark.parametrize("name", ["w.csv.gz.gz", "w.zip.gz", "w.csv.age.zip", "w.tar.gz"])
def test_a_name_that_announces_several_archives_is_refused(tmp_path: Path, name: str) -> None:
    assert refusal(tmp_path, name, gzip.compress(CONTENT)) == ("E-ARCHIVE", "an archive inside an archive")


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("w.csv.gz", CONTENT, "text"),
        ("w.csv.gz", zipped(CONTENT), "zip or xlsx"),
        ("w.csv.zip", gzip.compress(CONTENT), "gzip"),
        ("w.csv.age", CONTENT, "text"),
        ("w.csv", encrypted(CONTENT), "age-encrypted file"),
        ("w.csv", gzip.compress(CONTENT), "gzip"),
        ("w.csv.gz", gzip.compress(b"%PDF-1.7 x"), "PDF"),
        ("w.csv", b"x" * 257 + b"ustar\x00", "tar"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused_with_its_kind(
    tmp_path: Path, name: str, content: bytes, found: str
) -> None:
    assert refusal(tmp_path, name, content) == ("E-FORMAT", found)


@pytest.mark.parametrize("name", ["w.csv.gz", "w.csv.zip", "w.csv.age"])
def test_nothing_inside_a_container_is_empty(tmp_path: Path, name: str) -> None:
    wrap = {"w.csv.gz": gzip.compress, "w.csv.zip": zipped, "w.csv.age": encrypted}[name]
    assert refusal(tmp_path, name, wrap(b""))[0] == "E-EMPTY"


ROW = b"1,it,a,\n"


def bomb(size: int, name: str) -> bytes:
    """A CSV of one row over and over, as small as deflate makes it."""
    rows = HEADING.encode() + ROW * (size // len(ROW))
    return gzip.compress(rows, 9) if name.endswith(".gz") else zipped(rows)


@pytest.mark.parametrize("name", ["w.csv.gz", "w.csv.zip"])
def test_a_bomb_is_refused_by_its_ratio_and_held_in_no_memory(tmp_path: Path, name: str) -> None:
    path = csv_file(tmp_path, bomb(128 << 20, name), name)
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(FileError) as error:
            for _ in read(path, "weekly_report"):
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    found = f"contents of more than {containers.MOST_TIMES} times its size"
    assert (error.value.code, error.value.arguments) == ("E-ARCHIVE", {"found": found})
    assert peak < 64 << 20


def test_a_bomb_of_many_members_is_refused(tmp_path: Path) -> None:
    member = gzip.compress(ROW * (1 << 17), 9)
    path = csv_file(tmp_path, gzip.compress(HEADING.encode()) + member * 40, "w.csv.gz")
    with pytest.raises(FileError, match="E-ARCHIVE"):
        list(read(path, "weekly_report"))


def test_what_unpacks_to_more_than_the_contract_allows_is_refused(tmp_path: Path) -> None:
    contract = replace(load_contracts()["weekly_report"], max_bytes=20_000)
    path = csv_file(tmp_path, gzip.compress(CONTENT), name="w.csv.gz")
    with pytest.raises(FileError) as error:
        list(open_rows(path, manifest_file(path, "weekly_report"), contract, block_rows=16))
    assert (error.value.code, error.value.arguments) == ("E-TOO-LARGE", {"limit": "19.5 KiB", "feed": "weekly_report"})


def test_a_workbook_too_large_for_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "IN_MEMORY_BYTES", 4_096)
    content = b"PK\x03\x04" + os.urandom(10_000)
    assert refusal(tmp_path, "w.xlsx.age", encrypted(content), format="xlsx")[0] == "E-TOO-LARGE"
    assert refusal(tmp_path, "w.csv.zip.age", encrypted(content))[0] == "E-TOO-LARGE"


@pytest.mark.parametrize("place", [3, 150, 250, 40_000, -1_000, -1])
def test_one_flipped_bit_in_an_age_file_refuses_it(tmp_path: Path, place: int) -> None:
    content = bytearray(encrypted(CONTENT * 3))
    content[place] ^= 1
    code, found = refusal(tmp_path, "w.csv.age", bytes(content))
    assert (code, found) in {("E-ENCRYPTION", None), ("E-FORMAT", "text")}
    assert code == "E-ENCRYPTION" or place == 3


@pytest.mark.parametrize("cut", [1, 16, 5_000, 90_000])
def test_an_age_file_that_is_cut_off_or_goes_on_is_refused(tmp_path: Path, cut: int) -> None:
    content = encrypted(CONTENT * 3)
    assert refusal(tmp_path, "w.csv.age", content[:-cut])[0] == "E-ENCRYPTION"
    assert refusal(tmp_path, "w.csv.age", content + b"x" * cut)[0] == "E-ENCRYPTION"


def test_an_age_file_cut_between_two_chunks_is_refused_although_every_chunk_verifies(tmp_path: Path) -> None:
    rows = HEADING.encode() + b"1,it,a,\n" * 20_000
    content = encrypted(rows)
    head = len(content) - len(rows) - 16 * (len(rows) // 65_536 + 1)
    assert refusal(tmp_path, "w.csv.age", content[: head + 65_552])[0] == "E-ENCRYPTION"


def test_a_file_encrypted_to_somebody_else_or_without_identity_is_refused(tmp_path: Path) -> None:
    other = pyrage.encrypt(CONTENT, [pyrage.x25519.Identity.generate().to_public()])
    assert refusal(tmp_path, "w.csv.age", other)[0] == "E-ENCRYPTION"
    path = csv_file(tmp_path, encrypted(CONTENT), "w.csv.age")
    with pytest.raises(FileError, match="E-ENCRYPTION"):
        read(path, "weekly_report")


def test_an_identity_file_may_hold_comments_and_an_older_key(tmp_path: Path) -> None:
    path = csv_file(tmp_path, encrypted(CONTENT), "w.csv.age")
    identity = f"# created in a test\n{pyrage.x25519.Identity.generate()}\n{IDENTITY}\n"
    reader = open_rows(path, manifest_file(path, "weekly_report"), load_contracts()["weekly_report"], identity=identity)
    assert len(item_numbers(reader)) == 2_999


def _age_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "age"]


@pytest.mark.parametrize("how", ["close", "drop", "refuse", "stop in the middle"])
def test_no_thread_is_left_when_reading_stops_early(tmp_path: Path, how: str) -> None:
    rows = b"1,it,a,\n" * 400_000
    heading = b"other\n" if how == "refuse" else HEADING.encode()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if how == "refuse":
            assert refusal(tmp_path, "w.csv.age", encrypted(heading + rows))[0] == "E-HEADING-MISSING"
        else:
            reader = weekly(tmp_path, "w.csv.age", encrypted(heading + rows))
            if how == "stop in the middle":
                blocks = iter(reader)
                next(blocks)
                blocks.close()  # type: ignore[attr-defined]
            elif how == "close":
                reader.close()
            del reader
    assert _age_threads() == []


def test_no_plaintext_of_an_age_file_reaches_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    opened: list[str] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event == "open" and isinstance(arguments[0], str):
            flags = arguments[2] or 0
            if flags & (os.O_WRONLY | os.O_RDWR):
                opened.append(arguments[0])

    content = encrypted(zipped(CONTENT))
    path = csv_file(tmp_path, content, "w.csv.zip.age")
    file = manifest_file(path, "weekly_report")
    watching = True
    # an audit hook cannot be taken away again, only told to be quiet
    sys.addaudithook(watch)
    try:
        reader = open_rows(path, file, load_contracts()["weekly_report"], identity=str(IDENTITY))
        assert len(item_numbers(reader)) == 2_999
    finally:
        watching = False
    assert opened == []
    assert list(temporary.iterdir()) == []
