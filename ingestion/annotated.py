"""Workbooks for the sender of a workbook: his own back with the faulty cells marked, or what comes nearest to it (M11).

The bytes come from the archive by their digest; the marking is done by a child process under limits
(`ingestion.marking`), because what it opens was made by somebody else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ingestion.archive import fetch
from warehouse.settings import PROJECT, Settings

Kind = Literal["annotated", "rows", "places", "none"]
"""`annotated`: the sender's own workbook; `rows`: a new one with the rejected rows at their numbers; `places`: a new
one with nothing but places and reasons; `none`: no workbook."""

OWN_WORKBOOK_BYTES = 20 << 20
"""Up to this size (and a million cells) a sender gets his own workbook back; above it, the rejected rows."""

SOURCE_BYTES = 128 << 20
"""Above this size the source is not opened again."""

RESULT_BYTES = 64 << 20
"""A workbook above this size is not handed out: the next kind is smaller."""

SECONDS = 180.0


@dataclass(frozen=True)
class Place:
    """A faulty cell, or a row where `column` is None: the row's number in the sheet, and what is said of it."""

    row: int
    column: str | None
    text: str


@dataclass(frozen=True)
class Workbook:
    """What came out: the kind, and the workbook's bytes unless the kind is `none`."""

    kind: Kind
    content: bytes | None = None


def annotate(
    settings: Settings,
    *,
    feed: str,
    file: str,
    sha256: str,
    is_encrypted: bool,
    places: Sequence[Place],
    seconds: float = SECONDS,
) -> Workbook:
    """The best workbook there is for these places of a file that the archive holds under `sha256`.

    Of an encrypted file nothing is opened: its contents must not lie in the outbox in plain. `seconds` is what each
    attempt may take. Never raises over what is in the source; OSError when there is no room to work in.
    """
    kinds: list[Kind] = ["places"] if is_encrypted else ["annotated", "rows", "places"]
    # a folder of its own for the child, closed to others, which takes openpyxl's temporary files with it
    with tempfile.TemporaryDirectory(prefix="vss-workbook-") as name:
        folder = Path(name)
        if not is_encrypted:
            size = fetch(settings, sha256, folder / "source", limit=SOURCE_BYTES)
            if size is None:
                return Workbook("none")
            if size > OWN_WORKBOOK_BYTES:
                kinds.remove("annotated")
            if size > SOURCE_BYTES:
                kinds.remove("rows")
        listed = [[place.row, place.column, place.text] for place in places]
        for kind in kinds:
            job = {"kind": kind, "feed": feed, "file": file, "places": listed}
            (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
            result = folder / "workbook.xlsx"
            if _run_child(folder, seconds) and result.is_file() and result.stat().st_size <= RESULT_BYTES:
                return Workbook(kind, result.read_bytes())
            result.unlink(missing_ok=True)
    return Workbook("none")


def _run_child(folder: Path, seconds: float) -> bool:
    """Whether the child did its job. Its words are not kept: an error's text could hold a cell."""
    # one thread, few heaps: the memory limit counts reserved addresses too
    environment = {
        "TMPDIR": str(folder), "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1",
        "POLARS_MAX_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2",
    }  # fmt: skip
    if "LD_LIBRARY_PATH" in os.environ:
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ingestion.marking", str(folder)],
            cwd=PROJECT, env=environment, timeout=seconds, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
