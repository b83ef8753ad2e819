"""Bytes that were right once: seeds, and what a line, a disk or a hostile sender makes of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import strategies as st

HUGE = (
    b"99999999999999999999999999", b"1e999999999", b"-1e-999999999", b"9" * 5_000, b"NaN", b"-Infinity", b"0x7f", b"-0",
)  # fmt: skip
NASTY = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b'""', b"\r", b"\n", b"\r\n", b",", b";", b"\t", b"|", b"PK\x03\x04",
    b"\x1f\x8b\x08", b"PAR1", b"%PDF", b"\xd0\xcf\x11\xe0", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf",
    b"\xe2\x80\xae", b"\xcc\x81" * 50, b"{", b"[" * 5_000, b'{"a":' * 3_000, b"}", b"]", b"\\u0000", b"\\ud800",
    b"null", b"true", b"&#0;", b"<!DOCTYPE x [<!ENTITY a 'b'>]>&a;", b"../../x", b"=cmd|' /C calc'!A0", b"x" * 70_000,
)  # fmt: skip

_PLACE = st.integers(0, 1 << 30)
_STEP = st.tuples(
    st.sampled_from(["flip", "set", "cut", "drop", "double", "insert", "splice", "number", "swap"]),
    _PLACE,
    _PLACE,
    st.sampled_from((*NASTY, *HUGE)),
)


def mutated(seeds: Sequence[bytes], *, most: int = 6) -> st.SearchStrategy[bytes]:
    """A seed after up to `most` flipped bits, cuts, doublings, insertions and splices with other seeds."""
    steps = st.lists(_STEP, min_size=1, max_size=most)
    return st.tuples(st.sampled_from(seeds), st.sampled_from(seeds), steps).map(lambda drawn: _after(*drawn))


def _after(content: bytes, other: bytes, steps: Sequence[tuple[str, int, int, bytes]]) -> bytes:
    for kind, first, second, piece in steps:
        content = _step(content, other, kind, first, second, piece)
    return content


def _step(content: bytes, other: bytes, kind: str, first: int, second: int, piece: bytes) -> bytes:
    if not content:
        return piece
    at = first % len(content)
    end = at + 1 + second % max(1, len(content) - at)
    if kind == "flip":
        return content[:at] + bytes([content[at] ^ (1 << second % 8)]) + content[at + 1 :]
    if kind == "set":
        return content[:at] + bytes([second % 256]) + content[at + 1 :]
    if kind == "cut":
        return content[:at]
    if kind == "drop":
        return content[:at] + content[end:]
    if kind == "double":
        return content[:end] + content[at:end] * (1 + second % 3) + content[end:]
    if kind == "insert":
        return content[:at] + piece + content[at:]
    if kind == "splice":
        return content[:at] + other[second % max(1, len(other)) :]
    if kind == "swap":
        middle = (at + end) // 2
        return content[:at] + content[middle:end] + content[at:middle] + content[end:]
    numbers = list(re.finditer(rb"-?[0-9]+(?:\.[0-9]+)?", content))
    if not numbers:
        return content
    found = numbers[first % len(numbers)]
    return content[: found.start()] + HUGE[second % len(HUGE)] + content[found.end() :]
