"""An inbox whose writers are nobody's friends: links, pipes, names, sizes, times, and files that change meanwhile."""

from __future__ import annotations

import datetime as dt
import errno
import hashlib
import io
import json
import os
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import Inbox, employers, participants
from pydantic import ValidationError

from ingestion import archive, contracts
from ingestion import inbox as inboxes
from ingestion import manifest as manifests
from ingestion.archive import OtherSizeError, keep
from ingestion.inbox import examine, folders, open_plain, read_folder, verify
from ingestion.manifest import MANIFEST_LIMIT, MANIFEST_NAME
from ingestion.receipts import write_outbox
from warehouse.settings import Settings


def send(inbox: Inbox, **rest: Any) -> Path:
    """A submission nothing else is wrong with."""
    return inbox.send({"participants": participants(2)}, **rest)


def rewrite(folder: Path, change: Callable[[str], str]) -> Path:
    """Change the text of a manifest."""
    target = folder / MANIFEST_NAME
    target.write_text(change(target.read_text(encoding="utf-8")), encoding="utf-8")
    return folder


def fault(folder: Path) -> tuple[str, dict[str, object]]:
    """The one fault a folder is refused for."""
    (found,) = examine(read_folder(folder)).faults
    return found.code, found.args


def tree(folder: Path) -> list[str]:
    """Every file below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# ------------------------------------------------------------------------------------------------- links, pipes, names


def test_links_and_hidden_folders_are_no_submissions(inbox: Inbox, tmp_path: Path) -> None:
    real = send(inbox)
    elsewhere = tmp_path / "elsewhere"
    send(Inbox(inbox.settings, elsewhere), sender="tax", submission_id="x")
    (inbox.root / "tax").symlink_to(elsewhere / "tax")
    (real.parent / "linked").symlink_to(elsewhere / "tax" / "x")
    for hidden in (inbox.root / ".tmp" / "a", real.parent / ".p26.Xy12"):
        hidden.mkdir(parents=True)
        (hidden / MANIFEST_NAME).write_text("{}")
    (inbox.root / "readme.txt").write_text("no folder")
    assert [folder.path for folder in folders(inbox.root)] == [real]


def test_a_folder_that_becomes_a_link_is_not_followed(inbox: Inbox, tmp_path: Path) -> None:
    folder = send(inbox)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert read_folder(folder).content is None
    assert open_plain(folder, MANIFEST_NAME) is None


@pytest.mark.parametrize("what", ["link", "pipe", "folder", "link to a device"])
def test_a_file_that_is_not_plain_is_awaited_and_never_opened(inbox: Inbox, tmp_path: Path, what: str) -> None:
    folder = send(inbox)
    for name in (MANIFEST_NAME, "participants.csv"):
        target = folder / name
        kept = target.rename(tmp_path / name)
        if what == "link":
            target.symlink_to(kept)
        elif what == "pipe":
            os.mkfifo(target)
        elif what == "folder":
            target.mkdir()
        else:
            target.symlink_to("/dev/zero")
        assert examine(read_folder(folder)).waiting_for == (name,)
        if what == "folder":
            target.rmdir()
        else:
            target.unlink()
        kept.rename(target)
    assert examine(read_folder(folder)).waiting_for == ()


@pytest.mark.parametrize("name", ["b c", "a\tb\n", "p26;drop table", "x" * 200, "Tháng mười", "%41", "\x1b[31m", "-"])
def test_a_folder_whose_name_is_no_id_is_rejected_and_told(inbox: Inbox, name: str) -> None:
    folder = send(inbox, submission_id="honest")
    odd = folder.rename(folder.with_name(name))
    loaded = inbox.load(odd)
    assert loaded.state == "rejected"
    assert inbox.errors(loaded.submission_id) == ["E-ID-FOLDER"]
    assert len(loaded.submission_id) <= 64
    assert loaded.submission_id.isascii() and loaded.submission_id.isprintable()
    assert write_outbox(inbox.settings, loaded.submission_id).is_dir()


def test_names_that_are_no_text_stop_nobody(inbox: Inbox) -> None:
    good = send(inbox)
    for odd in (b"/\xff/a", b"/province-26/\xff"):
        path = Path(os.fsdecode(os.fsencode(inbox.root) + odd))
        path.mkdir(parents=True)
        (path / MANIFEST_NAME).write_text("{}")
    assert [folder.path for folder in folders(inbox.root)] == [good]


def test_names_that_are_no_id_are_kept_apart(inbox: Inbox) -> None:
    names = ["a b", "a%20b", "a+b", "x" * 65, "x" * 66, "ạ" * 60, "ạ" * 61]
    assert len({read_folder(inbox.root / "tax" / name).submission_id for name in names}) == len(names)


@pytest.mark.parametrize("name", ["Province-26", "province-26 ", "province_26", "lost+found", "tài liệu", "\x07"])
def test_a_folder_of_nobody_is_rejected_and_its_right_place_is_told(inbox: Inbox, name: str) -> None:
    folder = send(inbox)
    odd = folder.parent.rename(inbox.root / name) / folder.name
    assert inbox.load(odd).state == "rejected"
    (error,) = inbox.receipt(odd)["errors"]
    assert error["code"] == "E-SENDER-FOLDER"
    assert "province-26" in error["message_en"] and "province-26" in error["message_vi"]


def test_where_everybody_must_sign_a_folder_of_nobody_is_refused_before_it_is_understood(inbox: Inbox) -> None:
    strict = inbox.settings.model_copy(update={"require_signatures": True})
    folder = rewrite(send(inbox), lambda _: "no JSON")
    odd = folder.parent.rename(inbox.root / "province_26") / folder.name
    (found,) = verify(strict, read_folder(odd)).faults
    assert (found.code, found.args["folder"]) == ("E-SENDER-FOLDER", "province_26")


def test_a_sender_folder_that_cannot_be_read_does_not_stop_the_others(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, closed = send(inbox), send(inbox, sender="tax")
    scandir = os.scandir

    def refused(place: Path) -> Any:
        # to root no folder is closed
        if place == closed.parent:
            raise PermissionError(errno.EACCES, "closed")
        return scandir(place)

    monkeypatch.setattr(inboxes.os, "scandir", refused)
    assert [folder.path for folder in folders(inbox.root)] == [good]


@pytest.mark.parametrize("seconds", [-(2**40), 2**55])
def test_a_time_that_no_calendar_has_is_taken_for_now(
    tmp_path: Path, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / MANIFEST_NAME).write_text("{}")
    fstat = os.fstat

    def odd(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        return os.stat_result([*found[:7], seconds, seconds, seconds])

    before = dt.datetime.now(tz=dt.UTC)
    monkeypatch.setattr(inboxes.os, "fstat", odd)
    received_at = read_folder(tmp_path).received_at
    assert received_at is not None
    assert before <= received_at <= dt.datetime.now(tz=dt.UTC)


# --------------------------------------------------------------------------------------------------------- the manifest


def test_a_manifest_above_its_limit_is_refused_and_not_read_whole(inbox: Inbox) -> None:
    folder = rewrite(send(inbox), lambda text: text + " " * (MANIFEST_LIMIT - len(text.encode())))
    assert examine(read_folder(folder)).faults == ()
    rewrite(folder, lambda text: text + " ")
    assert fault(folder) == ("E-MANIFEST", {"detail": "larger than 1 MiB"})
    with (folder / MANIFEST_NAME).open("r+b") as stream:
        stream.truncate(1 << 40)
    content = read_folder(folder).content
    assert content is not None and len(content) == MANIFEST_LIMIT + 1
    assert inbox.load(folder).state == "rejected"


@pytest.mark.parametrize(
    ("found", "put", "words"),
    [
        ('"version": 1,', '"version": 1, "version": 2,', "stands twice"),
        ('"rows": 2,', '"rows": 2, "rows": 3,', "stands twice"),
        ('"wage_base_vnd": 10000000', '"wage_base_vnd": 1, "wage_base_vnd": 2', "stands twice"),
        ('"wage_base_vnd": 10000000', '"wage_base_vnd": NaN', "number"),
        ('"wage_base_vnd": 10000000', '"wage_base_vnd": -Infinity', "number"),
        ('"wage_base_vnd": 10000000', '"wage_base_vnd": "NaN"', "finite"),
        ('"wage_base_vnd": 10000000', '"wage_base_vnd": 1e999999', "too long"),
        ('"wage_base_vnd": 10000000', '"wage_base_vnd": "1e999999"', "30 digits"),
        ('"wage_base_vnd": 10000000', '"wage_base_vnd": 1e-999999', "too long"),
        ('"wage_base_vnd": 10000000', '"wage_base_vnd": 1e99999999999999999999', "number"),
        ('"wage_base_vnd": 10000000', f'"wage_base_vnd": {"9" * 500_000}', "number"),
        ('"wage_base_vnd": 10000000', '"wage\\u0000base": 1', "pattern"),
        ('"wage_base_vnd": 10000000', '"\\u202egnp": 1', "pattern"),
        ('"feed": "participants"', '"feed": "par\\u0000ticipants"', "pattern"),
        ('"rows": 2', '"rows": 1e40', "too long"),
        ('"rows": 2', f'"rows": {1 << 63}', "less than"),
        ('"version": 1,', f'"version": {1 << 31},', "less than"),
        ('"2021-10"', '"2021-10\\n"', "period"),
        ('"2021-10"', '"٢٠٢١-10"', "period"),
        ('"province-26"', '"province-٢٦"', "pattern"),
        ('"2021-10-31"', '"0000-10-31"', "date"),
        ('"participants.csv"', '"\\ud800.csv"', "path"),
        ('"participants.csv"', '"../participants.csv"', "path"),
        ('"participants.csv"', '"manifest.sig"', "path"),
        ('"participants.csv"', f'"{"ạ" * 100}.csv"', "path"),
        ('"files": [', f'"files": [{"[" * 5000}', "deep"),
        ('"manifest_version": 1,', "", "required"),
        ("}", "", "no JSON"),
    ],
)
def test_a_manifest_that_is_not_as_it_must_be_is_refused(inbox: Inbox, found: str, put: str, words: str) -> None:
    folder = rewrite(send(inbox), lambda text: text.replace(found, put, 1))
    started = time.monotonic()
    tracemalloc.start()
    code, args = fault(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (code, str(args["detail"]).count(words) > 0) == ("E-MANIFEST", True), args
    assert peak < 32 * MANIFEST_LIMIT
    assert time.monotonic() - started < 5
    assert inbox.load(folder).state == "rejected"


@pytest.mark.parametrize("content", [b"\xff\xfe{}", b"", b"null", b"[]", b"1", b'{"a": "\xe1\xba"}', b"\xef\xbb\xbf{}"])
def test_bytes_that_are_no_manifest_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST_NAME).write_bytes(content)
    assert fault(tmp_path)[0] == "E-MANIFEST"


def test_what_a_sender_made_up_is_told_short_and_without_control_characters(inbox: Inbox) -> None:
    folder = rewrite(
        send(inbox), lambda text: text.replace('"files"', f'"\\u001b[31m\\u202e\\u0000{"x" * 100_000}": 1, "files"')
    )
    detail = str(fault(folder)[1]["detail"])
    assert len(detail) < 450
    assert detail.isprintable()
    assert inbox.load(folder).state == "rejected"


def test_a_value_is_never_told(inbox: Inbox) -> None:
    for field in ('"2021-10-31"', '"participants.csv"', '"submit"', "1,"):
        folder = rewrite(send(inbox), lambda text, field=field: text.replace(field, '"Nguyễn/Văn/A",', 1))
        assert "Nguyễn" not in json.dumps(fault(folder), ensure_ascii=False)


def test_a_total_is_taken_exactly_as_written(inbox: Inbox) -> None:
    number = "12345678901234567890.123456"
    folder = rewrite(send(inbox), lambda text: text.replace("10000000", number, 1))
    (file,) = manifests.parse((folder / MANIFEST_NAME).read_bytes()).files
    assert str(file.totals["wage_base_vnd"]) == number


@pytest.mark.parametrize("times", [65, 20_000])
def test_a_manifest_of_countless_files_or_totals_is_refused(inbox: Inbox, times: int) -> None:
    folder = send(inbox)
    original = json.loads((folder / MANIFEST_NAME).read_text())
    many_files = [{"feed": f"feed {number}", "nil": True} for number in range(times)]
    many_totals = [{**original["files"][0], "totals": {f"column {number}": 1 for number in range(times)}}]
    for files in (many_files, many_totals):
        with pytest.raises(ValidationError, match="at most 64"):
            manifests.parse(json.dumps({**original, "files": files}).encode())


# ------------------------------------------------------------------------------------------------------ files and sizes


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A contract of participants that takes 100 bytes."""
    loaded = dict(contracts.load_contracts())
    loaded["participants"] = replace(loaded["participants"], max_bytes=100)
    monkeypatch.setattr(inboxes, "load_contracts", lambda: loaded)
    yield 100


def test_a_file_above_the_contracts_limit_is_refused_before_it_is_there(inbox: Inbox, small_limit: int) -> None:
    folder = send(inbox)
    (folder / "participants.csv").unlink()
    assert fault(folder) == (
        "E-TOO-LARGE", {"file": "participants.csv", "limit": "100 B", "feed": "participants"}
    )  # fmt: skip


def test_a_file_may_be_as_large_as_its_contract_says(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = send(inbox)
    size = (folder / "participants.csv").stat().st_size
    loaded = dict(contracts.load_contracts())
    for limit, expected in ((size, []), (size - 1, ["E-TOO-LARGE"])):
        loaded["participants"] = replace(loaded["participants"], max_bytes=limit)
        monkeypatch.setattr(inboxes, "load_contracts", lambda loaded=loaded: loaded)
        assert [found.code for found in examine(read_folder(folder)).faults] == expected


def test_a_longer_file_is_refused_with_both_sizes_and_a_shorter_one_is_awaited(inbox: Inbox) -> None:
    folder = send(inbox)
    data = folder / "participants.csv"
    content = data.read_bytes()
    data.write_bytes(content[:-1])
    assert examine(read_folder(folder)).waiting_for == ("participants.csv",)
    data.write_bytes(content + b"x")
    assert fault(folder) == (
        "E-SIZE", {"file": "participants.csv", "actual": len(content) + 1, "declared": len(content)}
    )  # fmt: skip


@pytest.mark.parametrize(("change", "codes", "waits"), [(b"more", ["E-SIZE"], ()), (None, [], ("participants.csv",))])
def test_a_file_that_changes_its_size_while_it_is_copied_is_not_kept(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, change: bytes | None, codes: list[str], waits: tuple[str, ...]
) -> None:
    folder = send(inbox)
    data = folder / "participants.csv"
    before = data.read_bytes()

    def changing(settings: Settings, source: Any, *, size: int) -> Any:
        if not isinstance(source, io.BytesIO):
            data.write_bytes(before[:-1] if change is None else before + change)
        return keep(settings, source, size=size)

    monkeypatch.setattr(inboxes, "keep", changing)
    seen = verify(inbox.settings, read_folder(folder))
    assert ([found.code for found in seen.faults], seen.waiting_for, seen.files) == (codes, waits, ())
    place = Path(str(inbox.settings.archive).removeprefix("file://"))
    assert not any(name.startswith(".") for name in tree(place))


def test_a_file_that_goes_while_it_is_verified_is_awaited(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = send(inbox)

    def going(settings: Settings, source: Any, *, size: int) -> Any:
        (folder / "participants.csv").unlink(missing_ok=True)
        return keep(settings, source, size=size)

    monkeypatch.setattr(inboxes, "keep", going)
    assert verify(inbox.settings, read_folder(folder)).waiting_for == ("participants.csv",)


def test_what_was_verified_is_archived_and_not_what_stands_there_by_then(inbox: Inbox) -> None:
    folder = send(inbox)
    seen = read_folder(folder)
    rewrite(folder, lambda text: text.replace("submit", "correct"))
    assert seen.content is not None
    assert verify(inbox.settings, seen).faults == ()
    digest = hashlib.sha256(seen.content).hexdigest()
    kept = Path(str(inbox.settings.archive).removeprefix("file://")) / digest[:2] / digest
    assert kept.read_bytes() == seen.content


def test_the_last_of_manifest_and_files_completes_a_submission(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(2), "employers": employers(2)})
    times = {MANIFEST_NAME: 2_000, "participants.csv": 1_000, "employers.csv": 3_000}
    for name, seconds in times.items():
        os.utime(folder / name, (seconds, seconds))
    assert verify(inbox.settings, read_folder(folder)).completed_at == dt.datetime.fromtimestamp(3_000, tz=dt.UTC)
    os.utime(folder / MANIFEST_NAME, (4_000, 4_000))
    assert verify(inbox.settings, read_folder(folder)).completed_at == dt.datetime.fromtimestamp(4_000, tz=dt.UTC)


@pytest.mark.parametrize(
    ("encryption", "name", "codes"),
    [
        ("age", "participants.csv.age", []),
        ("age", "participants.csv.gz.AGE", []),
        ("age", "participants.csv", ["E-ENCRYPTION"]),
        ("none", "participants.csv", []),
        ("none", "participants.csv.age", ["E-ENCRYPTION"]),
    ],
)
def test_encryption_shows_in_the_files_name(inbox: Inbox, encryption: str, name: str, codes: list[str]) -> None:
    folder = inbox.send(
        {"participants": participants(2)}, declared={"participants": {"path": name}}, encryption=encryption
    )
    (folder / "participants.csv").rename(folder / name)
    assert [found.code for found in examine(read_folder(folder)).faults] == codes


# ---------------------------------------------------------------------------------------------------------- the archive


class Full(io.RawIOBase):
    """A file on a disk that is full after ten bytes."""

    def __init__(self, path: str) -> None:
        self._below = Path(path).open("wb")  # noqa: SIM115 - closed with this one

    def write(self, block: Any, /) -> int:
        self._below.write(bytes(block)[:10])
        self._below.flush()
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        self._below.close()
        super().close()


def test_a_full_disk_leaves_neither_a_part_nor_half_an_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path)
    filesystem = archive.fsspec.core.url_to_fs(settings.archive)[0]
    with monkeypatch.context() as full:
        full.setattr(type(filesystem), "open", lambda _self, path, _mode: Full(path))
        with pytest.raises(OSError, match="No space left"):
            keep(settings, io.BytesIO(b"a" * 100), size=100)
    assert tree(tmp_path) == []
    assert keep(settings, io.BytesIO(b"a" * 100), size=100).path is not None


def test_an_object_that_a_crash_left_short_is_put_right(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    kept = keep(settings, io.BytesIO(b"content"), size=7)
    assert kept.path is not None
    kept.path.write_bytes(b"con")
    assert keep(settings, io.BytesIO(b"content"), size=7) == kept
    assert kept.path.read_bytes() == b"content"
    assert len(tree(tmp_path)) == 1


class Endless(io.RawIOBase):
    """A file that grows as fast as it is read."""

    def __init__(self) -> None:
        self.given = 0

    def read(self, size: int = -1, /) -> bytes:
        assert size >= 0, "an endless file was read to its end"
        self.given += size
        return b"x" * size


def test_of_a_file_that_goes_on_growing_one_byte_more_than_declared_is_read(tmp_path: Path) -> None:
    source = Endless()
    with pytest.raises(OtherSizeError) as raised:
        keep(Settings(home=tmp_path), source, size=3_000_000)  # type: ignore[arg-type]
    assert (raised.value.is_longer, source.given) == (True, 3_000_001)
    assert tree(tmp_path) == []


def test_bytes_are_kept_under_their_digest_for_their_owner_only(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    kept = keep(settings, io.BytesIO(b"content"), size=7)
    digest = hashlib.sha256(b"content").hexdigest()
    assert (kept.sha256, kept.path) == (digest, tmp_path / "archive" / digest[:2] / digest)
    assert (tmp_path / "archive").stat().st_mode & 0o777 == 0o700
    assert keep(settings, io.BytesIO(b""), size=0).sha256 == hashlib.sha256(b"").hexdigest()
