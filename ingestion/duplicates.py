"""Duplicates of a key in a stream, in flat memory: hashes are spilled to disk in partitions and sorted at the end.

A 64-bit hash can meet by chance (about once in 10^5 files of 20 m rows), so pairs are candidates: the loader
confirms each against the rows themselves. Of equal keys the first row is kept.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl

_PARTITIONS = 16
_TOP_BITS = np.uint64(60)
_RECORD = np.dtype([("hash", np.uint64), ("row_no", np.int32)])


class KeySpill:
    """Collects the keys of a file's good rows; use it as a context manager, its temporary files go with it."""

    def __init__(self, key: Sequence[str], *, folder: Path | None = None) -> None:
        """`key`: the contract's key columns; `folder`: where the temporary files lie, the system's place by default."""
        self._key = list(key)
        # files without a name: whatever kills the process, nothing is left behind
        self._streams = [tempfile.TemporaryFile(dir=folder) for _ in range(_PARTITIONS)]  # noqa: SIM115 - see close

    def __enter__(self) -> Self:
        """The spill itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close and remove the temporary files."""
        self.close()

    def add(self, good: pl.DataFrame, row_no: pl.Series) -> None:
        """Add the good rows of a block; blocks must come in file order."""
        if good.is_empty():
            return
        hashes = good.select(pl.struct(self._key).hash(seed=0)).to_series().to_numpy()
        records = np.empty(len(hashes), dtype=_RECORD)
        records["hash"] = hashes
        records["row_no"] = row_no.to_numpy()
        parts = (hashes >> _TOP_BITS).astype(np.uint8)
        records = records[np.argsort(parts, kind="stable")]
        ends = np.cumsum(np.bincount(parts, minlength=_PARTITIONS))
        for part, stream in enumerate(self._streams):
            stream.write(records[ends[part - 1] if part else 0 : ends[part]].tobytes())

    def candidates(self) -> list[tuple[int, int]]:
        """Pairs (first row, later row) whose keys hash alike, by later row. A key that stands n times gives n - 1."""
        pairs: list[tuple[int, int]] = []
        for stream in self._streams:
            stream.seek(0)
            records = np.fromfile(stream, dtype=_RECORD)
            hashes = np.sort(records["hash"])
            # sorting the bare hashes takes a tenth of sorting the records: only those that repeat are sorted with rows
            repeated = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
            if not len(repeated):
                continue
            records = records[np.isin(records["hash"], repeated)]
            records = records[np.argsort(records["hash"], kind="stable")]
            again = np.flatnonzero(records["hash"][1:] == records["hash"][:-1]) + 1
            first = np.searchsorted(records["hash"], records["hash"][again], side="left")
            rows = records["row_no"]
            pairs += zip(rows[first].tolist(), rows[again].tolist(), strict=True)
        return sorted(pairs, key=lambda pair: pair[1])

    def close(self) -> None:
        """Close the temporary files, which removes them; safe to repeat."""
        for stream in self._streams:
            stream.close()
