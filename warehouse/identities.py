"""Who a pseudonym is, and erasure: for a case, on record in `vault.access_log` before anything is seen or changed.

The wish is put on record and committed first, also when it is refused; only then does the database carry it out
(vault.ask, vault.identify, vault.erase). The login is vss_officer; nobody else may call these functions.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from warehouse import roles
from warehouse.connection import Connection, connect
from warehouse.errors import UsageError, VssError
from warehouse.settings import Settings

Action = Literal["identify", "erase"]

_REFUSALS = {
    "no person": "Name a person: a participant_key, a token that begins with P-, or a number on standard input.",
    "no case": "A case number has the form 152/2026/HS-TTKT (number, year, whose register): give it with --case.",
    "no reason": "Say why with --reason; it stays on record.",
    "no name": "Say who asks with --by; it stays on record.",
    "too many": (
        "A hundred persons were asked for within a day: go on tomorrow, or ask the data protection officer for a list."
    ),
}


class RefusedError(VssError):
    """The wish was refused, and stays on record as refused."""

    exit_code = 2


@dataclass(frozen=True)
class Wish:
    """One person, wanted for a case: by key, else by number (which is hashed in the database and kept nowhere)."""

    case_no: str
    reason: str
    asked_by: str
    key: UUID | None = None
    number: str | None = None


@dataclass(frozen=True)
class Person:
    """What the latest list with a person says; `erased_at` alone is set of one who was erased."""

    key: UUID
    feed: str | None
    month: dt.date | None
    number: str | None
    personal_id: str | None
    full_name: str | None
    birth_date: str | None
    address: str | None
    erased_at: dt.datetime | None


@dataclass(frozen=True)
class Erased:
    """What an erasure overwrote: rows by feed, and the files that still hold the person, as received, in the archive.

    `numbers` are the person's, for whoever looks through what lies outside the database; to be kept nowhere.
    """

    rows: dict[str, int]
    files: Sequence[tuple[str, str, str]]
    numbers: Sequence[str]


@dataclass(frozen=True)
class Access:
    """One row of the record."""

    access_no: int
    accessed_at: dt.datetime
    role_name: str
    asked_by: str
    action: str
    outcome: str
    person_key: UUID | None
    case_no: str
    reason: str
    row_count: int | None


def key_of(text: str) -> UUID:
    """The key in what a reader sees of a person: a participant_key, or a token `P-…`. Raises UsageError."""
    try:
        return UUID(text.strip().removeprefix("P-"))
    except ValueError:
        raise UsageError(
            "That is no key of a person: give a participant_key or a token as `bi` shows it, or - for a number"
            " on standard input."
        ) from None


def identify(settings: Settings, wish: Wish) -> Person | None:
    """Who a person is; None when no row has the key. Raises RefusedError."""
    with connect(settings, roles.OFFICER, autocommit=True) as connection:
        key = _ask(connection, "identify", wish)
        row = connection.execute("select * from vault.identify(%s, %s)", [key, wish.case_no]).fetchone()
    return None if row is None else Person(key, *row)  # type: ignore[arg-type]


def erase(settings: Settings, wish: Wish) -> Erased:
    """Overwrite what names a person in raw; the pseudonymous rows stay as they are. Raises RefusedError."""
    with connect(settings, roles.OFFICER, autocommit=True) as connection:
        key = _ask(connection, "erase", wish)
        rows = connection.execute("select * from vault.erase(%s, %s)", [key, wish.case_no]).fetchall()
        done = _erased(connection, rows)
    typed = [wish.number.strip()] if wish.number else []
    return Erased(done.rows, done.files, sorted({*done.numbers, *typed}))


def repeat_erasures(settings: Settings, *, asked_by: str) -> Erased:
    """Erase again who was erased before and came back, with a restored backup or a file that was loaded again."""
    with connect(settings, roles.OFFICER, autocommit=True) as connection:
        rows = connection.execute("select * from vault.repeat_erasures(%s)", [asked_by]).fetchall()
        return _erased(connection, rows)


def withhold_workbook(settings: Settings, *, sender: str, submission_id: str, feed: str) -> None:
    """Let no workbook of a submission's file be written from now on: a person in it was erased."""
    with connect(settings, roles.OFFICER, autocommit=True) as connection:
        connection.execute("select ops.withhold_workbook(%s, %s, %s)", [submission_id, sender, feed])


def record(settings: Settings, *, limit: int) -> list[Access]:
    """The last rows of the record, the latest first."""
    query = (
        "select access_no, accessed_at, role_name::text, asked_by, action, outcome, person_key, case_no, reason,"
        " row_count from vault.access_log order by access_no desc limit %s"
    )
    with (
        connect(settings, roles.OFFICER) as connection,
        connection.cursor(row_factory=class_row(Access)) as cursor,
    ):
        return cursor.execute(query, [limit]).fetchall()


def _ask(connection: Connection, action: Action, wish: Wish) -> UUID:
    """Put a wish on record; in autocommit it is committed when this returns, as the functions that follow demand."""
    row = connection.execute(
        "select person_key, outcome from vault.ask(%s, %s, %s, %s, %s, %s)",
        [action, wish.key, wish.number, wish.case_no, wish.reason, wish.asked_by],
    ).fetchone()
    assert row is not None
    key, outcome = row
    if outcome != "granted":
        raise RefusedError(_REFUSALS[str(outcome)])
    assert isinstance(key, UUID)
    return key


def _erased(connection: psycopg.Connection[tuple[object, ...]], rows: Sequence[tuple[object, ...]]) -> Erased:
    counts: dict[str, int] = {}
    numbers: set[str] = set()
    loads: set[int] = set()
    for feed, count, load_ids, of_person in rows:
        counts[str(feed)] = int(str(count))
        loads.update(cast("list[int]", load_ids))
        numbers.update(cast("list[str]", of_person))
    files = connection.execute("select * from vault.files_of(%s)", [sorted(loads)]).fetchall()
    return Erased(counts, [(str(one), str(two), str(three)) for one, two, three in files], sorted(numbers))
