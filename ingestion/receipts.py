"""What a sender is told: the receipt of one submission, and the list of all, as interfaces.md fixes them.

Read from the ledger alone. Places and codes, never a cell's value.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row

from ingestion.codes import message
from warehouse import roles
from warehouse.connection import connect
from warehouse.errors import UsageError
from warehouse.settings import Settings

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def receipt(settings: Settings, submission_id: str) -> dict[str, Any]:
    """The receipt of one submission. Raises UsageError for an id that never arrived."""
    found = _entries(settings, "s.submission_id = %s", [submission_id], with_rejects=True)
    if not found:
        raise UsageError(f"No submission {submission_id} has been seen: `vss status` lists those that have.")
    # other content under a used id is refused: its sender is told so on the receipt of the first
    first, *others = found
    first["errors"] += [error for other in others if other["state"] == "rejected" for error in other["errors"]]
    return first


def status(settings: Settings, *, period: str | None = None) -> list[dict[str, Any]]:
    """Every submission seen, newest period last, without its rejects."""
    where, values = ("s.period = %s", [period]) if period is not None else ("true", [])
    return _entries(settings, where, values, with_rejects=False)


def write_outbox(settings: Settings, submission_id: str) -> Path:
    """Write receipt.json and rejects.csv to OUTBOX/<sender>/<submission_id>/; returns the folder."""
    content = receipt(settings, submission_id)
    assert settings.outbox is not None
    folder: Path = settings.outbox / content["sender"] / submission_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "receipt.json").write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    # a byte order mark, so that a spreadsheet reads the Vietnamese as it is
    with (folder / "rejects.csv").open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["feed", "file", "row", "column", "code", "message_vi", "message_en"])
        for reject in content["rejects"]:
            writer.writerow([_plain(reject[name]) for name in reject])
    return folder


def _entries(settings: Settings, where: str, values: Sequence[object], *, with_rejects: bool) -> list[dict[str, Any]]:
    with connect(settings, roles.LOADER) as connection, connection.cursor(row_factory=dict_row) as cursor:
        submissions = cursor.execute(
            "select s.sub_no, s.submission_id, s.sender, s.period, s.version, s.state, s.received_at,"
            " s.is_late, s.errors"
            f" from ops.submission s where {where} order by s.period nulls first, s.sender, s.submission_id,"
            " s.state in ('waiting', 'verified'), s.sub_no",
            values,
        ).fetchall()
        numbers = [row["sub_no"] for row in submissions]
        loads = cursor.execute("select * from ops.load where sub_no = any(%s) order by load_id", [numbers]).fetchall()
        rejects = cursor.execute(
            "select l.sub_no, l.feed, l.file, r.row_no, r.column_name, r.code, r.args from ops.reject r"
            " join ops.load l on l.load_id = r.load_id where l.sub_no = any(%s)"
            " order by l.load_id, r.row_no, r.column_name",
            [numbers if with_rejects else []],
        ).fetchall()
    return [
        {
            "submission_id": row["submission_id"],
            "sender": row["sender"],
            "period": row["period"],
            "version": row["version"],
            "state": row["state"],
            "received_at": None if row["received_at"] is None else row["received_at"].isoformat(),
            "is_late": row["is_late"],
            "errors": [_error(error) for error in row["errors"]],
            "feeds": [_feed(load) for load in loads if load["sub_no"] == row["sub_no"]],
            **(
                {"rejects": [_reject(reject) for reject in rejects if reject["sub_no"] == row["sub_no"]]}
                if with_rejects
                else {}
            ),
        }
        for row in submissions
    ]


def _error(error: dict[str, Any]) -> dict[str, Any]:
    return {
        "code": error["code"],
        "message_vi": message(error["code"], "vi", **error["args"]),
        "message_en": message(error["code"], "en", **error["args"]),
        "file": error["file"],
        "where": error["where"],
    }


def _feed(load: dict[str, Any]) -> dict[str, Any]:
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
        "notes": [message(note["code"], "en", **note["args"]) for note in load["notes"]],
    }


def _reject(reject: dict[str, Any]) -> dict[str, Any]:
    args = {"column": reject["column_name"], **(reject["args"] or {})}
    return {
        "feed": reject["feed"],
        "file": reject["file"],
        "row": reject["row_no"],
        "column": reject["column_name"],
        "code": reject["code"],
        "message_vi": message(reject["code"], "vi", **args),
        "message_en": message(reject["code"], "en", **args),
    }


def _plain(value: object) -> object:
    """A cell that a spreadsheet will not take for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
