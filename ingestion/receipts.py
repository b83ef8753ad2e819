"""What a sender is told: the receipt of one submission, and the list of all, as interfaces.md fixes them.

Read from the ledger alone. Places and codes, never a cell's value; the one exception is the workbook a sender gets
back, which holds what he sent.
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import fcntl
import io
import json
import os
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row

from ingestion.annotated import Place, annotate
from ingestion.codes import message
from ingestion.deadlines import LOCAL, due_at
from ingestion.sender_keys import is_authentic
from ingestion.signatures import sign_receipt
from warehouse import roles
from warehouse.connection import connect
from warehouse.errors import UsageError
from warehouse.settings import Settings
from warehouse.spreadsheets import plain

RECEIPT_NAME = "receipt.json"
RECEIPT_SIGNATURE_NAME = "receipt.json.sig"
REJECTS_NAME = "rejects.csv"

_SEEN_WHOLE = frozenset({"E-TOTAL", "E-TOTAL-COLUMN", "E-TOLERANCE"})
"""Faults of a file all of whose rows were judged; under any other one nobody knows what is mended."""

_NOT_TO_OPEN = frozenset({"E-ARCHIVE", "E-FORMAT", "E-TOO-LARGE", "E-ENCRYPTION", "E-DIGEST", "E-SIZE"})
_WORKBOOK_NOTE = {
    "annotated": "N-WORKBOOK", "rows": "N-WORKBOOK-ROWS", "places": "N-WORKBOOK-PLACES", "none": "N-WORKBOOK-NONE",
}  # fmt: skip


@dataclass(frozen=True)
class _Earlier:
    """The submission before this one in which rows of the same feed were set aside."""

    submission_id: str
    rejects: Sequence[dict[str, Any]]


@dataclass(frozen=True)
class _Entry:
    """One submission of the ledger: its row, its loads, the rejects and the earlier rejects by load."""

    row: dict[str, Any]
    loads: Sequence[dict[str, Any]]
    rejects: Mapping[int, Sequence[dict[str, Any]]]
    earlier: Mapping[int, _Earlier]

    @property
    def is_foreign(self) -> bool:
        codes = [error["code"] for error in self.row["errors"]]
        return self.row["state"] == "rejected" and not is_authentic(codes)


def receipt(
    settings: Settings, submission_id: str, *, sender: str | None = None, now: dt.datetime | None = None
) -> dict[str, Any]:
    """The receipt of one submission. Raises UsageError for an id that never arrived.

    Where several folders bore the id, the one that is proven to come from its sender; `sender` names whose is meant.
    `now` decides whether what still waits is overdue.
    """
    first, others = _chosen(_entries(settings, submission_id), submission_id, sender)
    return _told(first, others, now=now)


def status(settings: Settings, *, period: str | None = None, now: dt.datetime | None = None) -> list[dict[str, Any]]:
    """Every submission seen, newest period last, without its rejects."""
    found = _read(settings, "s.period = %s", [period]) if period is not None else _read(settings, "true", [])
    return [_head(entry, now=now) for entry in found]


def write_outbox(settings: Settings, submission_id: str, *, now: dt.datetime | None = None) -> Path:
    """Write what the sender is told to OUTBOX/<sender>/<submission_id>/; returns the folder.

    - `receipt.json`: what `receipt` says, and `annotated`: which workbook there is for which file
    - `receipt.json.sig`: the warehouse's Ed25519 signature over the exact bytes of receipt.json, base64; a sender
      checks it against the key that `vss keys recipient` prints (`ingestion.signatures.is_receipt_signed`)
    - `rejects.csv`: a line a faulty cell, safe to open in a spreadsheet
    - a workbook for each xlsx file with rejects

    Each file appears whole or not at all, and receipt.json last. Safe to repeat; what an earlier state left is removed.
    Where several senders used the id, each finds his own in his folder; the one returned is that of `receipt`.
    """
    entries = _entries(settings, submission_id)
    first, _ = _chosen(entries, submission_id, None)
    senders = dict.fromkeys([first.row["sender"], *(entry.row["sender"] for entry in entries)])
    folders = [_write_for(settings, *_chosen(entries, submission_id, sender), now=now) for sender in senders]
    return folders[0]


# ------------------------------------------------------------------------------------------------------------- ledger


def _entries(settings: Settings, submission_id: str) -> list[_Entry]:
    return _read(settings, "s.submission_id = %s", [submission_id], with_rejects=True)


def _read(settings: Settings, where: str, values: Sequence[object], *, with_rejects: bool = False) -> list[_Entry]:
    with connect(settings, roles.LOADER) as connection, connection.cursor(row_factory=dict_row) as cursor:
        submissions = cursor.execute(
            "select s.*, coalesce((select jsonb_agg(jsonb_build_object('decision', d.decision,"
            " 'decided_at', d.decided_at, 'decided_by', d.decided_by, 'reason', d.reason) order by d.decided_at)"
            " from (select sub_no, decision, decided_at, decided_by, reason from ops.decision"
            " union all select sub_no, 'replay', replayed_at, replayed_by, reason from ops.replay) d"
            " where d.sub_no = s.sub_no), '[]') as decisions"
            f" from ops.submission s where {where} order by s.period nulls first, s.sender, s.submission_id,"
            " s.state in ('waiting', 'verified'), s.sub_no",
            values,
        ).fetchall()
        numbers = [row["sub_no"] for row in submissions]
        loads = cursor.execute(
            "select l.*, coalesce((select jsonb_agg(jsonb_build_object('code', n.code, 'args', n.args) order by n.code)"
            " from ops.load_notice n where n.load_id = l.load_id), '[]') as notices"
            " from ops.load l where l.sub_no = any(%s) order by l.load_id",
            [numbers],
        ).fetchall()
        earlier = cursor.execute(
            """
            select distinct on (l.load_id) l.load_id, e.load_id as earlier_load_id, t.submission_id
            from ops.load l
            join ops.submission s on s.sub_no = l.sub_no
            join ops.submission t on t.sender = s.sender and t.period = s.period and t.sub_no < s.sub_no
            join ops.load e on e.sub_no = t.sub_no and e.feed = l.feed and e.rejected > 0
            where l.sub_no = any(%s)
            order by l.load_id, t.sub_no desc
            """,
            [numbers],
        ).fetchall()
        wanted = {row[name] for row in earlier for name in ("load_id", "earlier_load_id")}
        if with_rejects:
            wanted |= {load["load_id"] for load in loads}
        rejects: dict[int, list[dict[str, Any]]] = {}
        for reject in cursor.execute(
            "select load_id, row_no, column_name, code, args, row_token from ops.reject where load_id = any(%s)"
            " order by load_id, row_no, column_name",
            [list(wanted)],
        ):
            rejects.setdefault(reject["load_id"], []).append(reject)
    before = {
        row["load_id"]: _Earlier(row["submission_id"], rejects.get(row["earlier_load_id"], [])) for row in earlier
    }
    by_submission: dict[int, list[dict[str, Any]]] = {}
    for load in loads:
        by_submission.setdefault(load["sub_no"], []).append(load)
    return [_Entry(row, by_submission.get(row["sub_no"], []), rejects, before) for row in submissions]


_LAST = {"rejected": 1, "verified": 2, "waiting": 3}
"""Of several submissions under one id those in these states are told last."""


def _chosen(entries: Sequence[_Entry], submission_id: str, sender: str | None) -> tuple[_Entry, list[_Entry]]:
    """The entry a receipt is about, and those of the same sender whose refusal is told on it.

    What was let in comes first, then the first that arrived. Other content under a used id is refused: its sender is
    told so on the receipt of the first. What is not proven to
    be his says nothing there.
    """
    found = sorted(
        (entry for entry in entries if sender is None or entry.row["sender"] == sender),
        key=lambda entry: (entry.is_foreign, _LAST.get(entry.row["state"], 0), entry.row["sub_no"]),
    )
    if not found:
        raise UsageError(f"No submission {submission_id} has been seen: `vss status` lists those that have.")
    first, *others = found
    return first, [
        entry
        for entry in others
        if entry.row["state"] == "rejected"
        and entry.row["sender"] == first.row["sender"]
        and (first.is_foreign or not entry.is_foreign)
    ]


# ------------------------------------------------------------------------------------------------------------ receipt


def _told(entry: _Entry, others: Sequence[_Entry], *, now: dt.datetime | None) -> dict[str, Any]:
    content = _head(entry, now=now)
    content["errors"] += [_error(error) for other in others for error in other.row["errors"]]
    content["rejects"] = [
        _reject(load, reject) for load in entry.loads for reject in entry.rejects.get(load["load_id"], [])
    ]
    return content


def _head(entry: _Entry, *, now: dt.datetime | None) -> dict[str, Any]:
    row = entry.row
    due = _overdue_since(row, now or dt.datetime.now(LOCAL))
    errors = [_error(error) for error in row["errors"]]
    if due is not None:
        args = {"due": f"{due.astimezone(LOCAL):%Y-%m-%d %H:%M}"}
        errors.append(_error({"code": "E-OVERDUE", "args": args, "file": None, "where": None}))
    return {
        "submission_id": row["submission_id"],
        "sender": row["sender"],
        "period": row["period"],
        "version": row["version"],
        "state": row["state"],
        "received_at": None if row["received_at"] is None else row["received_at"].isoformat(),
        "is_late": row["is_late"] if due is None else True,
        "errors": errors,
        "decisions": row["decisions"],
        "feeds": [_feed(load, _mended(entry, load)) for load in entry.loads],
    }


def _overdue_since(row: Mapping[str, Any], now: dt.datetime) -> dt.datetime | None:
    """The deadline that has passed over a submission that still waits for a file; None if there is none."""
    if row["state"] != "waiting" or row["manifest"] is None:
        return None
    dues = [due_at(file["feed"], row["sender"], row["period"]) for file in row["manifest"]["files"]]
    first = min((due for due in dues if due is not None), default=None)
    return first if first is not None and now >= first else None


def _mended(entry: _Entry, load: Mapping[str, Any]) -> dict[str, Any] | None:
    """How many of the former rejects do not come back; None when there were none, or the file could not be read.

    A former reject is still open when column and code are set aside again for the same key (by its token), or for the
    same row number where the key is not known. Of a column that has more faults than were listed nothing is called
    mended.
    """
    before = entry.earlier.get(load["load_id"])
    codes = {error["code"] for error in entry.row["errors"] if error["file"] == load["file"]}
    if before is None or not before.rejects or load["is_nil"] or not codes <= _SEEN_WHOLE or not load["row_count"]:
        return None
    open_by_token: Counter[tuple[object, ...]] = Counter()
    open_by_row: Counter[tuple[object, ...]] = Counter()
    for reject in entry.rejects.get(load["load_id"], []):
        fault = (reject["column_name"], reject["code"])
        open_by_token[(*fault, reject["row_token"])] += 1
        open_by_row[(*fault, reject["row_no"])] += 1
    unlisted = {
        (note["args"].get("column"), note["args"].get("reason"))
        for note in load["notes"]
        if note["code"] == "N-NOT-LISTED"
    }
    still = 0
    for reject in before.rejects:
        fault = (reject["column_name"], reject["code"])
        has_token = reject["row_token"] is not None
        pool = open_by_token if has_token else open_by_row
        key = (*fault, reject["row_token"] if has_token else reject["row_no"])
        if pool[key] > 0:
            pool[key] -= 1
            still += 1
        elif fault in unlisted:
            still += 1
    count = len(before.rejects)
    return {"previous": before.submission_id, "rejects": count, "mended": count - still, "still": still}


def _error(error: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "code": error["code"],
        "message_vi": message(error["code"], "vi", **error["args"]),
        "message_en": message(error["code"], "en", **error["args"]),
        "file": error["file"],
        "where": error["where"],
    }


def _feed(load: Mapping[str, Any], mended: dict[str, Any] | None) -> dict[str, Any]:
    notes = [_in_both(note["code"], note["args"]) for note in [*load["notes"], *load["notices"]]]
    return {
        "feed": load["feed"],
        "file": load["file"],
        "state": load["state"],
        "rows": load["row_count"],
        "accepted": load["accepted"],
        "rejected": load["rejected"],
        "totals": {
            name: {point: value for point, value in points.items() if point != "set_aside"}
            for name, points in load["totals"].items()
        },
        "set_aside": {name: points.get("set_aside", 0) for name, points in load["totals"].items()},
        "mended": mended,
        "notes": notes if mended is None else [*notes, _in_both("N-MENDED", mended)],
    }


def _reject(load: Mapping[str, Any], reject: Mapping[str, Any]) -> dict[str, Any]:
    args = {"column": reject["column_name"], **(reject["args"] or {})}
    return {
        "feed": load["feed"],
        "file": load["file"],
        "row": reject["row_no"],
        "column": reject["column_name"],
        "code": reject["code"],
        "message_vi": message(reject["code"], "vi", **args),
        "message_en": message(reject["code"], "en", **args),
    }


def _in_both(code: str, args: Mapping[str, Any]) -> str:
    return f"{message(code, 'vi', **args)} / {message(code, 'en', **args)}"


# ------------------------------------------------------------------------------------------------------------- outbox


def _write_for(settings: Settings, entry: _Entry, others: Sequence[_Entry], *, now: dt.datetime | None) -> Path:
    content = _told(entry, others, now=now)
    assert settings.outbox is not None
    folder: Path = settings.outbox / content["sender"] / content["submission_id"]
    folder.mkdir(parents=True, exist_ok=True)
    for each in (folder.parent, folder):
        each.chmod(0o750)
    with _alone_in(folder):
        content["annotated"] = []
        written = {RECEIPT_NAME, RECEIPT_SIGNATURE_NAME, REJECTS_NAME}
        for load in entry.loads:
            rejects = [reject for reject in content["rejects"] if reject["file"] == load["file"]]
            if not rejects or not _may_be_opened(entry, load):
                continue
            kind, workbook = _write_workbook(settings, folder, entry, load, rejects)
            told = _in_both(_WORKBOOK_NOTE[kind], {"workbook": workbook})
            content["annotated"].append({"file": load["file"], "workbook": workbook, "kind": kind, "note": told})
            written.add(workbook or REJECTS_NAME)
        _put(folder / REJECTS_NAME, _rejects_csv(content["rejects"]))
        told_bytes = (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode("utf-8")
        _put(folder / RECEIPT_SIGNATURE_NAME, (sign_receipt(settings, told_bytes) + "\n").encode("ascii"))
        _put(folder / RECEIPT_NAME, told_bytes)
        for path in folder.iterdir():
            if path.name not in written and (path.is_symlink() or not path.is_dir()):
                path.unlink()
    return folder


def _may_be_opened(entry: _Entry, load: Mapping[str, Any]) -> bool:
    """Whether a file is a workbook that was read, and names nobody who was erased.

    One that was refused as such is not opened a second time.
    """
    files = (entry.row["manifest"] or {}).get("files", ())
    is_workbook = any(file["feed"] == load["feed"] and file.get("format") == "xlsx" for file in files)
    codes = {error["code"] for error in entry.row["errors"] if error["file"] == load["file"]}
    is_withheld = load["withheld_at"] is not None
    return is_workbook and load["sha256"] is not None and not is_withheld and not codes & _NOT_TO_OPEN


def _write_workbook(
    settings: Settings,
    folder: Path,
    entry: _Entry,
    load: Mapping[str, Any],
    rejects: Sequence[Mapping[str, Any]],
) -> tuple[str, str | None]:
    """Put the workbook for one file into the outbox; returns its kind and its name (None for the kind `none`)."""
    made = annotate(
        settings,
        feed=load["feed"],
        file=load["file"],
        sha256=load["sha256"],
        is_encrypted=entry.row["manifest"]["encryption"] != "none",
        places=[
            Place(
                reject["row"],
                reject["column"],
                f"{reject['code']} {reject['column'] or ''}\n{reject['message_vi']}\n{reject['message_en']}",
            )
            for reject in rejects
        ],
    )
    if made.content is None:
        return made.kind, None
    # by the feed, which stands once in a submission: a name the sender chose might be another file of the outbox
    name = f"{load['feed']}-{'annotated' if made.kind == 'annotated' else 'rejects'}.xlsx"
    _put(folder / name, made.content)
    return made.kind, name


def _rejects_csv(rejects: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(["feed", "file", "row", "column", "code", "message_vi", "message_en"])
    for reject in rejects:
        writer.writerow([plain(value) for value in reject.values()])
    # a byte order mark, so that a spreadsheet reads the Vietnamese as it is
    return text.getvalue().encode("utf-8-sig")


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder against another process that writes the same receipt."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _put(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        part.write_bytes(content)
        part.chmod(0o640)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
