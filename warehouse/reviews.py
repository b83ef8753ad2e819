"""The review of similar pairs of tax code and unit: what waits, and what persons decide.

A pair that is only similar is never published as a match. A decision takes effect with the next build; it is never
changed or deleted, only revoked, once. What a build reads is kept with the build (`ops.build_review`).
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from psycopg.rows import class_row

from warehouse import roles
from warehouse.connection import Connection, connect
from warehouse.errors import UsageError
from warehouse.geography import current_codes, provinces
from warehouse.settings import Settings

Verdict = Literal["confirmed", "refused"]
_VERB = {"confirmed": "confirm", "refused": "refuse"}
_BUSY = "Somebody else decides on this pair at this moment: look at `vss review log` and try again."


@dataclass(frozen=True)
class Pair:
    """A pair that waits: both sides as sent, and how alike they are (0 to 1; addresses only if both sides sent one)."""

    tax_year: int
    tax_code: str
    tax_name: str | None
    tax_address: str | None
    employer_id: uuid.UUID
    si_unit_code: str
    unit_name: str | None
    unit_address: str | None
    province_code: str
    current_province_code: str
    name_similarity: Decimal
    address_similarity: Decimal | None


@dataclass(frozen=True)
class Decision:
    """A person's decision on a pair, in force while `revoked_at` is None."""

    decision_id: int
    tax_code: str
    employer_id: uuid.UUID
    si_unit_code: str
    province_code: str
    verdict: Verdict
    reason: str
    decided_by: str
    decided_at: dt.datetime
    revoked_by: str | None
    revoked_at: dt.datetime | None
    revoke_reason: str | None


@dataclass(frozen=True)
class _Unit:
    """A unit beside a tax code, in the queue or in a decision; a decision does not know today's code."""

    employer_id: uuid.UUID
    si_unit_code: str
    province_code: str
    current_province_code: str | None


def queue(
    settings: Settings, *, province: str | None = None, year: int | None = None, limit: int = 20
) -> tuple[list[Pair], int]:
    """The pairs of the last build without a decision, best first, each at its latest tax year; and how many there are.

    `province` is a code of today's map, or one of the map until 2025-06-30 that is not on it any more. Raises
    UsageError for a code of neither map, and when no build has made a queue.
    """
    if province is not None and province not in {known.province_code for known in provinces()}:
        raise UsageError(f"There is no province {province}: write one of {', '.join(current_codes())}.")
    is_current = province in current_codes()
    with connect(settings, roles.ENGINEER) as connection:
        if not _has_queue(connection):
            raise UsageError("There is no queue yet: `vss build` makes it.")
        found = connection.cursor(row_factory=class_row(Pair)).execute(
            """
            select distinct on (q.tax_code, q.employer_id)
                q.tax_year, q.tax_code, q.tax_name, q.tax_address, q.employer_id, q.si_unit_code, q.unit_name,
                q.unit_address, q.province_code, q.current_province_code, q.name_similarity, q.address_similarity
            from marts.int_tax_match__similar q
            where (%(year)s::integer is null or q.tax_year = %(year)s)
              and (%(today)s::text is null or q.current_province_code = %(today)s)
              and (%(former)s::text is null or q.province_code = %(former)s)
              and not exists (
                  select from ops.tax_review d
                  where d.tax_code = q.tax_code and d.employer_id = q.employer_id and d.revoked_at is null
              )
            order by q.tax_code, q.employer_id, q.tax_year desc
            """,
            {"year": year, "today": province if is_current else None, "former": None if is_current else province},
        )
        pairs = sorted(found, key=_rank)
    return pairs[:limit], len(pairs)


def decide(
    settings: Settings, tax_code: str, unit: str, verdict: Verdict, *, reason: str, by: str, province: str | None = None
) -> tuple[Decision, bool]:
    """Keep a person's decision on a pair of the queue; returns the one in force, and whether it is new.

    `unit` is a social insurance code, or the unit's employer_id where the code does not tell. Raises UsageError for a
    pair that neither waits nor was decided before, one that is decided the other way, and an empty reason.
    """
    said, who = _filled(reason, "--reason"), _filled(by, "--by")
    with connect(settings, roles.ENGINEER, autocommit=True) as reader:
        pair = _pick(_beside(reader, tax_code, unit), tax_code, unit, province)
        with connect(settings, roles.LOADER) as writer:
            row = writer.execute(
                "select ops.decide_tax_match(%s, %s, %s, %s, %s, %s, %s)",
                [tax_code, pair.employer_id, pair.si_unit_code, pair.province_code, verdict, said, who],
            ).fetchone()
        standing = [
            each for each in _decisions(reader, tax_code, in_force=True) if each.employer_id == pair.employer_id
        ]
    if not standing:
        raise UsageError(_BUSY)
    decision = standing[0]
    if decision.verdict != verdict:
        raise UsageError(
            f"Tax code {tax_code} and unit {decision.si_unit_code} were {decision.verdict} by {decision.decided_by}: "
            f"`vss review undo` that first, then {_VERB[verdict]} them."
        )
    return decision, row is not None and row[0] == decision.decision_id


def undo(
    settings: Settings, tax_code: str, unit: str, *, reason: str, by: str, province: str | None = None
) -> Decision:
    """Revoke the decision in force on a pair and return it. Raises UsageError when there is none."""
    said, who = _filled(reason, "--reason"), _filled(by, "--by")
    with connect(settings, roles.ENGINEER, autocommit=True) as reader:
        standing = {each.employer_id: each for each in _decisions(reader, tax_code, in_force=True)}
        units = [_decided(each) for each in standing.values()]
        if not any(unit in (each.si_unit_code, str(each.employer_id)) for each in units):
            raise UsageError(
                f"No decision on tax code {tax_code} and unit {unit} is in force: `vss review log` shows all decisions."
            )
        decision = standing[_pick(units, tax_code, unit, province).employer_id]
        with connect(settings, roles.LOADER) as writer:
            row = writer.execute(
                "select ops.revoke_tax_match(%s, %s, %s)", [decision.decision_id, said, who]
            ).fetchone()
    if row is None or not row[0]:
        raise UsageError(_BUSY)
    return decision


def decisions(settings: Settings, tax_code: str | None = None) -> list[Decision]:
    """All decisions, or those on one tax code, the latest first; revoked ones too."""
    with connect(settings, roles.ENGINEER) as connection:
        return _decisions(connection, tax_code, in_force=False)


def _decisions(connection: Connection, tax_code: str | None, *, in_force: bool) -> list[Decision]:
    found = connection.cursor(row_factory=class_row(Decision)).execute(
        """
        select d.decision_id, d.tax_code, d.employer_id, d.si_unit_code, d.province_code, d.verdict, d.reason,
            d.decided_by, d.decided_at, d.revoked_by, d.revoked_at, d.revoke_reason
        from ops.tax_review d
        where (%(tax_code)s::text is null or d.tax_code = %(tax_code)s) and (d.revoked_at is null or not %(in_force)s)
        order by d.decision_id desc
        """,
        {"tax_code": tax_code, "in_force": in_force},
    )
    return found.fetchall()


def _rank(pair: Pair) -> tuple[Decimal, Decimal, str, str, str]:
    address = Decimal(-1) if pair.address_similarity is None else pair.address_similarity
    return -pair.name_similarity, -address, pair.tax_code, pair.si_unit_code, str(pair.employer_id)


def _has_queue(connection: Connection) -> bool:
    row = connection.execute("select to_regclass('marts.int_tax_match__similar') is not null").fetchone()
    return row is not None and bool(row[0])


def _beside(connection: Connection, tax_code: str, unit: str | None = None) -> list[_Unit]:
    """The units of the pairs of a tax code that wait or were ever decided, one entry a unit.

    A further `unit` of a code is one that no tax code has (decision 0020): nothing proposes it, a person knows it.
    """
    found = {each.employer_id: _decided(each) for each in _decisions(connection, tax_code, in_force=False)}
    if _has_queue(connection):
        waiting = connection.cursor(row_factory=class_row(_Unit)).execute(
            "select q.employer_id, q.si_unit_code, q.province_code, q.current_province_code"
            " from marts.int_tax_match__similar q where q.tax_code = %s order by q.tax_year",
            [tax_code],
        )
        found.update({each.employer_id: each for each in waiting})
        further = connection.cursor(row_factory=class_row(_Unit)).execute(
            """
            select distinct on (e.employer_id)
                e.employer_id, e.si_unit_code, e.province_code, e.current_province_code
            from marts.fct_tax_match m join marts.dim_employer e using (employer_key)
            where m.match_class = 'not_in_tax_list' and %(unit)s in (e.si_unit_code, e.employer_id::text)
              and exists (
                  select from marts.fct_tax_match t
                  where t.tax_code = %(code)s and t.match_class <> 'not_in_tax_list'
              )
            order by e.employer_id, m.tax_year desc
            """,
            {"unit": unit, "code": tax_code},
        )
        for each in further:
            found.setdefault(each.employer_id, each)
    return list(found.values())


def _decided(decision: Decision) -> _Unit:
    return _Unit(decision.employer_id, decision.si_unit_code, decision.province_code, None)


def _pick(units: Sequence[_Unit], tax_code: str, unit: str, province: str | None) -> _Unit:
    """The unit that a code, a code and a province, or an employer_id names among those beside a tax code."""
    if not units:
        raise UsageError(f"Tax code {tax_code} does not wait for review: `vss review list` shows what does.")
    named = [each for each in units if unit in (each.si_unit_code, str(each.employer_id))]
    if not named:
        raise UsageError(
            f"Unit {unit} does not stand beside tax code {tax_code}: {_listed([each.si_unit_code for each in units])}."
        )
    if province is not None:
        # as sent before today's map: of two units that merged into one province the old code tells which
        as_sent = [each for each in named if each.province_code == province]
        left = as_sent or [each for each in named if each.current_province_code == province]
        if not left:
            raise UsageError(
                f"Unit {unit} does not stand beside tax code {tax_code} in province {province}: "
                f"{_listed([each.province_code for each in named])}."
            )
        named = left
    if len(named) > 1:
        codes = sorted({each.province_code for each in named})
        if len(codes) > 1:
            raise UsageError(
                f"Unit {unit} stands beside tax code {tax_code} in provinces {' and '.join(codes)}: "
                "say which with --province."
            )
        raise UsageError(
            f"Unit {unit} of province {codes[0]} is two units, before and after the merger: "
            f"write {' or '.join(sorted(str(each.employer_id) for each in named))} instead of its code."
        )
    return named[0]


def _listed(codes: Sequence[str]) -> str:
    return f"choose {' or '.join(sorted(set(codes)))}"


def _filled(text: str, option: str) -> str:
    """Words on one line. Raises UsageError when there are none."""
    words = " ".join(text.split())
    if not words:
        raise UsageError(f"{option} is empty: say it in words, it stays on record.")
    return words
