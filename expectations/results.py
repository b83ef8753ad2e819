"""What a gate leaves behind: one row an expectation in `ops.gate_result`, counts only, and findings with codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from psycopg.types.json import Jsonb

from expectations.engine import Outcome
from warehouse.connection import Connection

GATE_NOTES = ("N-UI-WITHOUT-SI",)
"""Codes of the notes that a gate writes and takes back."""


@dataclass(frozen=True)
class Finding:
    """Something a gate found: a code of the catalogue with its arguments, the feed and the expectation it is about."""

    code: str
    args: Mapping[str, object]
    feed: str | None
    expectation: str


@dataclass(frozen=True)
class Result:
    """An outcome, ready to be stored. `details` holds counts, names of columns and codes, never a value."""

    outcome: Outcome
    suite: str
    load_id: int | None = None
    details: Mapping[str, object] = field(default_factory=dict)


def write_results(
    connection: Connection,
    results: Sequence[Result],
    *,
    gate: str,
    sub_no: int | None = None,
    build_id: int | None = None,
) -> None:
    """Store the results of one run of a gate, all or none."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into ops.gate_result (
                gate, sub_no, load_id, build_id, suite, expectation, column_name, success, severity, evaluated,
                unexpected, details
            ) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            """,
            [
                (
                    gate, sub_no, result.load_id, build_id, result.suite, result.outcome.check.name,
                    result.outcome.check.column, result.outcome.success, result.outcome.check.severity,
                    result.outcome.evaluated, result.outcome.unexpected, Jsonb(_details(result)),
                )
                for result in results
            ],
        )  # fmt: skip


def write_notes(connection: Connection, load_ids: Sequence[int], notes: Sequence[tuple[int, Finding]]) -> None:
    """Tell the sender on the receipt: these notes take the place of those an earlier run of the gate left on the loads.

    A note has a code of the catalogue (`N-…`); its arguments are counts and row numbers.
    """
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(
            "update ops.load l set notes = (select coalesce(jsonb_agg(n order by place), '[]')"
            " from jsonb_array_elements(l.notes) with ordinality as e (n, place) where n ->> 'code' <> all(%(codes)s))"
            " where load_id = any(%(loads)s) and exists ("
            " select from jsonb_array_elements(l.notes) n where n ->> 'code' = any(%(codes)s))",
            {"codes": list(GATE_NOTES), "loads": list(load_ids)},
        )
        cursor.executemany(
            "update ops.load set notes = notes || %s where load_id = %s",
            [(Jsonb([{"code": one.code, "args": dict(one.args)}]), load_id) for load_id, one in notes],
        )


def failure(outcome: Outcome, feed: str | None) -> Finding:
    """The finding of a check that failed: which one, about what, and how many."""
    check = outcome.check
    counts = f"{'?' if outcome.unexpected is None else outcome.unexpected} / {outcome.evaluated}"
    about = f"{feed}: " if feed else ""
    detail = f"{about}{check.column or 'rows'}, {outcome.reason or counts}"
    return Finding("E-GATE", {"gate": check.name, "detail": detail}, feed, check.name)


def _details(result: Result) -> dict[str, object]:
    meta = result.outcome.check.expectation.meta or {}
    details: dict[str, object] = {key: meta[key] for key in ("basis", "reason", "control") if key in meta}
    if result.outcome.reason is not None:
        details["why"] = result.outcome.reason
    return {**details, **result.details}
