"""What a file is wrapped in: gzip, a zip of one entry, age; unwrapped as a stream and never onto disk.

Which layers there are is said by the file's name in the manifest and verified by the bytes. Nothing a container says
of itself is believed: sizes and ratio are counted while unpacking, and a stream ends normally only once its last
checksum (for age, its last authenticated chunk) has been verified. Entry names are judged and then never used.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import struct
import threading
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import pyrage

from ingestion.blocks import FileError
from ingestion.contracts import Contract
from warehouse.errors import UsageError

IN_MEMORY_BYTES = 256 << 20
"""What must be unpacked whole because it is read out of order (a workbook, parquet, a zip inside age) is held in
memory, up to this size or the contract's limit if that is lower."""

MOST_TIMES = 200
"""A container may unpack to this many times its size; real CSV stays below 50."""

_RATIO_FROM = 10 << 20
_PIECE = 256 << 10
_START = 512
_ZIP_END = b"PK\x05\x06"
_AGE_MAGIC = b"age-encryption.org/"
_GZIP_MAGIC = b"\x1f\x8b"
_ZIP_MAGIC = b"PK\x03\x04"
_KINDS = (
    (_ZIP_MAGIC, "zip or xlsx"),
    (_ZIP_END, "empty zip"),
    (_GZIP_MAGIC, "gzip"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!", "rar"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (_AGE_MAGIC, "age-encrypted file"),
    (b"-----BEGIN AGE", "age-encrypted file"),
    (b"\xd0\xcf\x11\xe0", "encrypted or old Excel workbook"),
    (b"%PDF", "PDF"),
    (b"PAR1", "parquet"),
    (b"SQLite format 3", "database"),
    (b"\x89PNG", "picture"),
    (b"\xff\xd8\xff", "picture"),
    (b"\x7fELF", "program"),
    (b"MZ\x90", "program"),
)
_ARCHIVES = frozenset({"zip or xlsx", "empty zip", "gzip", "bzip2", "xz", "7z", "rar", "zstd", "tar"})
_DIRECTORY_BYTES = 128 << 10  # of a zip with one entry: its name, extra fields and comment are below 64 KiB each
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others need memory that the sender chooses


class ByteStream(Protocol):
    """Bytes in order. `read` gives `size` bytes or what is left; nothing means the end, verified."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes. Raises FileError."""

    def close(self) -> None:
        """Stop; safe to repeat."""


@dataclass(frozen=True)
class Content:
    """What a file holds once unwrapped: its first bytes, the stream behind them, and the layers that were around."""

    start: bytes
    rest: ByteStream
    layers: tuple[str, ...]

    @property
    def kind(self) -> str:
        """What the first bytes are, in words; `text` if nothing better is known."""
        return kind_of(self.start)

    def close(self) -> None:
        """Let go of file, thread and memory."""
        self.rest.close()


def kind_of(start: bytes) -> str:
    """The kind of file that begins like this, in words; `text` if nothing better is known."""
    if start[257:262] == b"ustar":
        return "tar"
    if start.startswith(b"BZh") and start[4:10] == b"1AY&SY":
        return "bzip2"
    return next((name for magic, name in _KINDS if start.startswith(magic)), "text")


def layers_of(name: str) -> tuple[str, ...]:
    """The layers a file's name announces, outermost first: none, `age`, `gz`, `zip`, or `age` around one of them.

    Raises FileError E-ARCHIVE when it announces more.
    """
    layers = []
    stem = name.lower()
    for allowed in (("age",), ("gz", "zip")):
        found = next((suffix for suffix in allowed if stem.endswith(f".{suffix}")), None)
        if found is not None:
            layers.append(found)
            stem = stem.removesuffix(f".{found}")
    if stem.endswith((".gz", ".zip", ".age", ".tar", ".7z", ".rar", ".bz2", ".xz", ".zst")):
        raise FileError("E-ARCHIVE", {"found": "an archive inside an archive"})
    return tuple(layers)


def open_content(path: Path, *, name: str, contract: Contract, identity: str | None) -> Content:
    """Open the file at `path`, which the manifest calls `name`, and unwrap it.

    Raises FileError: E-EMPTY, E-FORMAT (another layer than the name says), E-ENCRYPTION, E-ARCHIVE, E-TOO-LARGE.
    """
    layers = layers_of(name)
    raw = path.open("rb")
    stream: ByteStream = raw
    try:
        start = raw.read(_START)
        raw.seek(0)
        if not start:
            raise FileError("E-EMPTY")
        if "age" in layers:
            stream = _Age(raw, identity)
        elif kind_of(start) == "age-encrypted file":
            raise FileError("E-FORMAT", {"expected": "file as its name says", "found": "age-encrypted file"})
        if "gz" in layers:
            stream = _Gzip(stream, contract)
        elif "zip" in layers:
            seekable = raw if stream is raw else in_memory(stream, contract)
            # if it is refused, this is what has to be closed
            stream = seekable
            stream = _ZipEntry(seekable, contract)
        start = stream.read(_START)
        if not start:
            raise FileError("E-EMPTY")
        if {"gz", "zip"} & {*layers} and kind_of(start) in _ARCHIVES - {"zip or xlsx"}:
            raise FileError("E-ARCHIVE", {"found": "an archive inside an archive"})
    except BaseException:
        stream.close()
        raw.close()
        raise
    return Content(start, stream, layers)


def in_memory(stream: ByteStream, contract: Contract, *, start: bytes = b"") -> BinaryIO:
    """What is left of the stream, behind `start`, as a file in memory that has no name; the stream is closed.

    Raises FileError E-TOO-LARGE above what may be held in memory, and what the stream raises.
    """
    limit = min(IN_MEMORY_BYTES, contract.max_bytes)
    memory = os.fdopen(os.memfd_create("content", os.MFD_CLOEXEC), "w+b")
    try:
        size = len(start)
        memory.write(start)
        while piece := stream.read(_PIECE):
            size += len(piece)
            if size > limit:
                raise too_large(contract, limit)
            memory.write(piece)
        memory.seek(0)
    except BaseException:
        memory.close()
        raise
    finally:
        stream.close()
    return memory


def too_large(contract: Contract, limit: int) -> FileError:
    """The refusal of a file above a limit of bytes."""
    return FileError("E-TOO-LARGE", {"limit": in_words(limit), "feed": contract.feed})


def in_words(size: int) -> str:
    """A number of bytes for people: `8 GiB`."""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >= 1 << power:
            return f"{size / (1 << power):.3g} {unit}"
    return f"{size} bytes"


class _Meter:
    """Holds what comes out of a container against the limits."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self.unpacked = 0

    def add(self, size: int, *, packed: int) -> None:
        """Count `size` more bytes that came out of `packed` bytes altogether."""
        self.unpacked += size
        if self.unpacked > self._contract.max_bytes:
            raise too_large(self._contract, self._contract.max_bytes)
        if self.unpacked > _RATIO_FROM and self.unpacked > MOST_TIMES * packed:
            raise FileError("E-ARCHIVE", {"found": f"contents of more than {MOST_TIMES} times its size"})


class _Gzip:
    """One or several gzip members, one behind the other, with nothing between or behind them."""

    def __init__(self, source: ByteStream, contract: Contract) -> None:
        self._source = source
        self._meter = _Meter(contract)
        self._packed = 0
        self._engine = zlib.decompressobj(wbits=31)
        self._pending = b""
        self._fill(_START)
        if not self._pending.startswith(_GZIP_MAGIC):
            found = kind_of(self._pending)
            source.close()
            raise FileError("E-FORMAT", {"expected": "gzip", "found": found})

    def read(self, size: int, /) -> bytes:
        """Up to `size` unpacked bytes. Raises FileError E-ARCHIVE, E-TOO-LARGE, and what the source raises."""
        pieces = []
        while size > 0:
            piece = self._piece(size)
            if not piece:
                break
            size -= len(piece)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        self._source.close()

    def _piece(self, size: int) -> bytes:
        while True:
            more = self._fill(_PIECE) if len(self._pending) < 2 else True
            if self._engine.eof:
                if not more and not self._pending:
                    return b""
                if not self._pending.startswith(_GZIP_MAGIC):
                    raise FileError("E-ARCHIVE", {"found": "bytes behind the end of the gzip"})
                self._engine = zlib.decompressobj(wbits=31)
            try:
                piece = self._engine.decompress(self._pending, size)
            except zlib.error:
                raise FileError("E-ARCHIVE", {"found": "a damaged gzip"}) from None
            self._pending = self._engine.unused_data if self._engine.eof else self._engine.unconsumed_tail
            if piece:
                self._meter.add(len(piece), packed=self._packed)
                return piece
            if not more and not self._engine.eof:
                raise FileError("E-ARCHIVE", {"found": "a gzip that is cut off"})

    def _fill(self, size: int) -> bool:
        piece = self._source.read(size)
        self._packed += len(piece)
        self._pending += piece
        return bool(piece)


class _ZipEntry:
    """The one entry of a zip file."""

    def __init__(self, file: BinaryIO, contract: Contract) -> None:
        self._file = file
        self._meter = _Meter(contract)
        self._size = file.seek(0, os.SEEK_END)
        with _damage():
            _check_directory(file, self._size)
            self._archive = zipfile.ZipFile(file)
            entries = self._archive.infolist()
            if len(entries) != 1:
                raise FileError("E-ARCHIVE", {"found": f"{len(entries)} entries instead of one"})
            self._entry = entries[0]
            _check_entry(self._entry)
            self._stream = self._archive.open(self._entry)
        # a size in a header may lie, but it cannot be more than the file has
        self._packed = min(self._entry.compress_size, self._size)

    def read(self, size: int, /) -> bytes:
        """Up to `size` unpacked bytes. Raises FileError E-ARCHIVE, E-TOO-LARGE."""
        with _damage():
            piece = self._stream.read(size)
        self._meter.add(len(piece), packed=self._packed)
        if not piece and size and self._meter.unpacked != self._entry.file_size:
            raise FileError("E-ARCHIVE", {"found": "a zip that is cut off"})
        return piece

    def close(self) -> None:
        self._stream.close()
        self._archive.close()
        self._file.close()


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    """Whatever zipfile makes of a broken archive is one refusal."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, NotImplementedError):
        raise FileError("E-ARCHIVE", {"found": "a damaged zip, or one that is cut off"}) from None


def _check_directory(file: BinaryIO, size: int) -> None:
    """Look at the end record before zipfile reads the directory into memory. Raises FileError, struct.error."""
    file.seek(0)
    start = file.read(len(_ZIP_MAGIC))
    if kind_of(start) not in {"zip or xlsx", "empty zip"}:
        raise FileError("E-FORMAT", {"expected": "zip", "found": kind_of(start)})
    file.seek(max(0, size - (22 + 0xFFFF + 20 + 56)))
    tail = file.read()
    at = len(tail) - 22 if tail[-22:-18] == _ZIP_END and tail.endswith(b"\0\0") else tail.rfind(_ZIP_END)
    if at < 0:
        raise FileError("E-ARCHIVE", {"found": "a zip that is cut off"})
    entries, directory, comment = struct.unpack_from("<10xHL4xH", tail, at)
    if at + 22 + comment != len(tail):
        raise FileError("E-ARCHIVE", {"found": "bytes behind the end of the zip"})
    if at >= 76 and tail[at - 20 : at - 16] == b"PK\x06\x07":
        # zipfile lets this record overrule the other one
        entries, directory = struct.unpack_from("<32xQQ", tail, at - 76)
    if entries != 1:
        raise FileError("E-ARCHIVE", {"found": f"{entries} entries instead of one"})
    if directory > _DIRECTORY_BYTES + len(_ZIP_MAGIC):
        raise FileError("E-ARCHIVE", {"found": "a damaged zip, or one that is cut off"})


def _check_entry(entry: zipfile.ZipInfo) -> None:
    """Refuse an entry that is no plain file, or whose name another program could be led astray by."""
    name = entry.orig_filename
    with contextlib.suppress(UnicodeError):
        # without the flag for UTF-8 zipfile reads a name as cp437, which would hide a direction mark
        name += name.encode("cp437").decode("utf-8")
    found: str | None = None
    if not entry.filename:
        found = "an entry without a name"
    elif "\0" in name:
        found = "an entry name with NUL"
    elif any(unicodedata.category(char) in {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"} for char in name):
        found = "an entry name with control or direction marks"
    elif "\\" in name or ":" in name or name.startswith("/"):
        found = "an entry with an absolute name, a drive or backslashes"
    elif ".." in name.split("/") or any(part == ".." for part in entry.orig_filename.split("/")):
        found = "an entry name that leads out of its folder"
    elif entry.is_dir() or stat.S_IFMT(entry.external_attr >> 16) not in {0, stat.S_IFREG}:
        found = "a link, folder or device instead of a file"
    elif entry.flag_bits & 0x41:
        found = "an encrypted entry"
    elif entry.compress_type not in _ZIP_METHODS:
        found = "a compression method other than deflate"
    elif entry.header_offset != 0:
        found = "bytes before the zip"
    if found is not None:
        raise FileError("E-ARCHIVE", {"found": found})


@dataclass
class _Outcome:
    verified: bool = False


class _Age:
    """An age file as a stream: a thread decrypts into a pipe, so that the plaintext is only ever in memory (M10)."""

    def __init__(self, source: BinaryIO, identity: str | None) -> None:
        self._source = source
        start = source.read(_START)
        source.seek(0)
        if kind_of(start) != "age-encrypted file":
            raise FileError("E-FORMAT", {"expected": "age-encrypted file", "found": kind_of(start)})
        identities = _identities(identity)
        if not identities:
            raise FileError("E-ENCRYPTION")
        reading, writing = os.pipe()
        with contextlib.suppress(OSError):
            fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, 4 * _PIECE)
        self._pipe = os.fdopen(reading, "rb", buffering=_PIECE)
        self._outcome = _Outcome()
        self._thread = threading.Thread(
            target=_decrypt, args=(source, writing, identities, self._outcome), name="age", daemon=True
        )
        self._thread.start()

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes of plaintext. Raises FileError E-ENCRYPTION at the end unless the last chunk verified."""
        piece = self._pipe.read(size)
        if len(piece) < size:
            self._thread.join()
            if not self._outcome.verified:
                raise FileError("E-ENCRYPTION")
        return piece

    def close(self) -> None:
        """Stop decrypting: the thread finds its pipe closed."""
        if hasattr(self, "_pipe"):
            self._pipe.close()
            if threading.current_thread() is not self._thread:
                self._thread.join(timeout=60)
        self._source.close()

    def __del__(self) -> None:
        """For who dropped the stream without closing it."""
        self.close()


def _identities(text: str | None) -> list[pyrage.x25519.Identity]:
    """The identities of an age identity file's text, one a line (several while keys are being changed)."""
    keys = [line.strip() for line in (text or "").splitlines()]
    try:
        return [pyrage.x25519.Identity.from_str(key) for key in keys if key and not key.startswith("#")]
    except pyrage.IdentityError:
        raise UsageError("The warehouse's age identity cannot be read: it begins with AGE-SECRET-KEY-.") from None


def _decrypt(source: BinaryIO, writing: int, identities: list[pyrage.x25519.Identity], outcome: _Outcome) -> None:
    # a thread has nobody to raise to, and an exception's text must not reach a log: not verified is all there is to say
    with contextlib.suppress(BaseException), os.fdopen(writing, "wb", buffering=_PIECE) as target:
        pyrage.decrypt_io(source, target, identities)
        target.flush()
        outcome.verified = True
