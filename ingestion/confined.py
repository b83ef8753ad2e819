"""A child process that parses one untrusted workbook or parquet file: what breaks a parser breaks only the child.

The child (`ingestion.confined_parser`) gets the file as an open descriptor, an empty environment and limits on memory,
processor time and written files; this side adds a limit on silence. It asks, the child answers in frames, and what
comes back is data: JSON or Arrow. A child that dies or hangs is a FileError and never an exception of the loader.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from ingestion.blocks import FileError

_PROJECT = Path(__file__).resolve().parent.parent
_PIECE = 1 << 20
_LONGEST_FRAME = 1 << 30
_KILLED_BY_A_LIMIT = frozenset({-signal.SIGKILL, -signal.SIGXCPU, -signal.SIGABRT, -signal.SIGXFSZ})


@dataclass(frozen=True)
class Limits:
    """What a child may use: bytes of address space, seconds of processor time, seconds of silence before an answer."""

    memory: int = 2 << 30
    cpu_seconds: int = 600
    silence_seconds: float = 300


LIMITS = Limits()


class Child:
    """One child with one file. `close` ends it; so does dropping it."""

    def __init__(self, kind: Literal["xlsx", "parquet"], file: BinaryIO, *, feed: str, limits: Limits = LIMITS) -> None:
        """Start the child; `file` is closed with it, and is read from its beginning."""
        self._kind = kind
        self._feed = feed
        self._limits = limits
        self._file = file
        self._buffer = bytearray()
        descriptor = file.fileno()
        # not file.seek: within its buffer that would leave the descriptor where it is
        os.lseek(descriptor, 0, os.SEEK_SET)
        command = [
            sys.executable, "-s", "-B", "-m", "ingestion.confined_parser",
            kind, str(descriptor), str(limits.memory), str(limits.cpu_seconds),
        ]  # fmt: skip
        # nothing of ours is inherited: no secret, no Python path; one thread each, as threads cost address space
        environment = {
            "LANG": "C.UTF-8",
            "ARROW_DEFAULT_MEMORY_POOL": "system",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "2",
        }
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
            cwd=_PROJECT, env=environment, pass_fds=(descriptor,), start_new_session=True,
        )  # fmt: skip

    def ask(self, request: dict[str, Any]) -> Generator[bytes]:
        """The answer's parts, JSON or Arrow streams as the request has it. Raises FileError."""
        line = json.dumps(request).encode() + b"\n"
        # a child that is gone says why when its answer is read
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(line)
        while True:
            kind, size = struct.unpack(">cI", self._take(5))
            if size > _LONGEST_FRAME:
                raise self._broken()
            content = self._take(size)
            if kind == b".":
                return
            if kind == b"E":
                raise self._refusal(content)
            yield content

    def close(self) -> None:
        """Kill the child, wait for it and close what was shared with it; safe to repeat."""
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()
        self._stdin.close()
        self._stdout.close()
        self._file.close()

    def __del__(self) -> None:
        """For who dropped the child without closing it."""
        if hasattr(self, "_process"):
            self.close()

    @property
    def _stdin(self) -> Any:
        return self._process.stdin

    @property
    def _stdout(self) -> Any:
        return self._process.stdout

    def _take(self, size: int) -> bytes:
        """Exactly `size` bytes of the answer. Raises FileError when the child is silent for too long, or gone."""
        deadline = time.monotonic() + self._limits.silence_seconds
        poll = select.poll()
        poll.register(self._stdout, select.POLLIN | select.POLLHUP)
        while len(self._buffer) < size:
            if not poll.poll(max(0, 1000 * (deadline - time.monotonic()))):
                self._process.kill()
                raise self._broken()
            piece = os.read(self._stdout.fileno(), _PIECE)
            if not piece:
                raise self._broken()
            self._buffer += piece
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _refusal(self, content: bytes) -> FileError:
        answer = json.loads(content)
        arguments = dict(answer["args"])
        if answer["code"] == "E-TOO-LARGE":
            arguments["feed"] = self._feed
        return FileError(answer["code"], arguments)

    def _broken(self) -> FileError:
        """Why there is no answer: a limit, or a parser that did not survive the file."""
        try:
            code = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if code in _KILLED_BY_A_LIMIT:
            limit = f"{self._limits.memory >> 20} MiB of memory and {self._limits.cpu_seconds} s"
            return FileError("E-TOO-LARGE", {"limit": limit, "feed": self._feed})
        expected = "xlsx workbook" if self._kind == "xlsx" else "parquet"
        return FileError("E-FORMAT", {"expected": expected, "found": "a damaged file: send CSV"})
