"""Publication: a pointer that is moved in one row; every publication stays readable and reversible (M3)."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO, cast
from zoneinfo import ZoneInfo

import psycopg
from psycopg import postgres, sql
from psycopg.types.json import Jsonb

from warehouse import builds, roles
from warehouse.builds import Build
from warehouse.connection import Connection, connect
from warehouse.errors import UsageError
from warehouse.settings import Settings
from warehouse.spreadsheets import plain_record

LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
DUPLICATE_ELSEWHERE = "N-DUPLICATE-ELSEWHERE"
_NUMBERS = frozenset(
    builtin.oid for name in ("int2", "int4", "int8", "numeric", "float4", "float8") if (builtin := postgres.types[name])
)


@dataclass(frozen=True)
class Shared:
    """Of one load: how many persons stand with the same insurance type in other provinces too, and in which."""

    load_id: int
    persons: int
    provinces: tuple[str, ...]


@dataclass(frozen=True)
class Publication:
    """What readers see now."""

    publication_id: int
    published_at: dt.datetime
    completeness: str
    freshness: str
    changes: str


def stage(connection: Connection, build: Build) -> int:
    """Write the candidate's pointer rows; they stay invisible until the flip. Returns how many slices are new."""
    row = connection.execute("select ops.stage_candidate(%s)", [build.candidate_id]).fetchone()
    assert row is not None
    return int(str(row[0]))


def pass_audit(connection: Connection, build: Build) -> None:
    """Note that gate 2 passed: only then may the candidate be shown."""
    connection.execute("select ops.pass_audit(%s)", [build.build_id])


def flip(connection: Connection, build: Build, *, completeness: str, freshness: str, changes: str) -> int:
    """Show the candidate to everybody, at once; returns the publication's number."""
    row = connection.execute(
        "select ops.flip(%s, %s, %s, %s)", [build.build_id, completeness, freshness, changes]
    ).fetchone()
    assert row is not None
    return int(str(row[0]))


def shared_persons(connection: Connection, build: Build) -> tuple[list[dt.date], list[Shared]]:
    """The months whose persons this build made anew, and its loads of them that share persons with other provinces.

    Read from the candidate, before the flip. A month in which nobody stands twice costs a look at the count that the
    build has made (R28); in the others the month's rows are grouped once more.
    """
    made = connection.execute(
        "select distinct month from ops.slice where build_id = %s and relation = 'fct_participation'"
        " and month is not null order by 1",
        [build.build_id],
    )
    return _shared_of(connection, [cast("dt.date", row[0]) for row in made])


def _shared_of(connection: Connection, wanted: Sequence[dt.date]) -> tuple[list[dt.date], list[Shared]]:
    if not wanted:
        return [], []
    found = connection.execute(
        """
        select w.month, coalesce((
            select sum(d.duplicates) from marts.int_participation__duplicate d where d.month = w.month
        ), 0)::bigint
        from unnest(%s::date[]) as w (month) order by w.month
        """,
        [list(wanted)],
    ).fetchall()
    months = {cast("dt.date", month): int(str(duplicates)) for month, duplicates in found}
    shared: list[Shared] = []
    for month in (month for month, duplicates in months.items() if duplicates):
        # the month as one value on either side of the join: only its partition is read
        rows = connection.execute(
            """
            with twice as (
                select p.insurance_type, p.participant_key from marts.fct_participation p
                where p.month = %(month)s group by 1, 2 having count(*) > 1
            ),
            standing as materialized (
                select p.insurance_type, p.participant_key, p.territory_key, p.province_code
                from marts.fct_participation p
                join twice t on t.participant_key = p.participant_key and t.insurance_type = p.insurance_type
                where p.month = %(month)s
            )
            select
                i.load_id, count(distinct mine.participant_key),
                array_agg(distinct other.province_code order by other.province_code)
            from standing mine
            join standing other
                on other.participant_key = mine.participant_key and other.insurance_type = mine.insurance_type
                and other.territory_key <> mine.territory_key
            join ops.input i
                on i.feed = 'participants' and i.territory_key = mine.territory_key and i.month = %(month)s
            group by i.load_id order by i.load_id
            """,
            {"month": month},
        ).fetchall()
        shared += [Shared(int(str(row[0])), int(str(row[1])), tuple(cast("list[str]", row[2]))) for row in rows]
    return list(months), shared


def note_shared_persons(connection: Connection, months: Sequence[dt.date], shared: Sequence[Shared]) -> None:
    """Tell the senders of both sides (R28): the notices of those months become these and no others.

    Belongs into the transaction of the flip, so that a publication and its notices come together or not at all.
    """
    connection.execute(
        """
        delete from ops.load_notice n using ops.load l, ops.submission s
        where l.load_id = n.load_id and s.sub_no = l.sub_no and n.code = %s and s.month = any(%s)
          and l.load_id <> all(%s)
        """,
        [DUPLICATE_ELSEWHERE, list(months), [each.load_id for each in shared]],
    )
    for each in shared:
        # one that says the same as before keeps its time
        connection.execute(
            """
            insert into ops.load_notice as n (load_id, code, args) values (%s, %s, %s)
            on conflict (load_id, code) do update set args = excluded.args, noticed_at = now()
            where n.args <> excluded.args
            """,
            [each.load_id, DUPLICATE_ELSEWHERE, Jsonb({"count": each.persons, "provinces": each.provinces})],
        )


def fill_published_totals(connection: Connection, facts: Sequence[tuple[str, str]]) -> None:
    """Write the fourth point of the control totals: what readers see of each load, summed over the views they use.

    `facts` names (relation, feed). A month's file is summed by its submission; the amounts of a year-to-date file are
    differenced on the way, so their counterpart is the sum over the year to that month. What a fact works out itself
    (months owed) or never differences (heads) has no counterpart and stays empty. A load is summed once, when it is
    first shown: a publication costs what is new in it, not the history.
    """
    for relation, feed in facts:
        there = connection.execute(
            "select a.attname from pg_attribute a"
            " where a.attrelid = format('bi.%%I', %s::text)::regclass and a.attnum > 0",
            [relation],
        )
        names = {str(row[0]) for row in there} - {"months_owed"}
        for basis in ("month", "ytd"):
            loads = connection.execute(
                """
                select l.load_id, s.submission_id, l.totals from ops.input i
                join ops.load l on l.load_id = i.load_id join ops.submission s on s.sub_no = l.sub_no
                where l.feed = %s and l.basis = %s and not exists (
                    select from jsonb_each(l.totals) t where t.value ->> 'published' is not null)
                """,
                [feed, basis],
            ).fetchall()
            sent = {name for load in loads for name in cast("dict[str, Any]", load[2])}
            columns = sorted(name for name in names & sent if basis == "month" or name.endswith("_vnd"))
            if columns:
                _note_sums(connection, relation, columns, [(row[0], row[1]) for row in loads], basis)


def _note_sums(
    connection: Connection, relation: str, columns: Sequence[str], loads: Sequence[tuple[object, object]], basis: str
) -> None:
    sums = sql.SQL(", ").join(
        sql.SQL("{}, coalesce(sum(r.{}), 0)").format(sql.Literal(name), sql.Identifier(name)) for name in columns
    )
    by_submission = (
        "select r.submission_id, jsonb_build_object({}) from {} r where r.submission_id = any(%s) group by 1"
    )
    # a province that was not merged goes on under another territory key; a merged one begins its year with the merger
    to_date = """
        select i.submission_id, jsonb_build_object({})
        from {} r
        join (
            select distinct
                i.submission_id, i.month, b.territory_key,
                greatest(
                    date_trunc('year', i.month)::date, case when p.predecessors > 1 then p.valid_from end
                ) as since
            from ops.input i
            join ops.province p
                on p.territory_key = i.territory_key and i.month >= p.valid_from and i.month < p.valid_to
            join ops.province b
                on b.territory_key = p.territory_key
                or (p.predecessors = 1 and b.current_province_code = p.province_code and b.vintage <> p.vintage)
            where i.submission_id = any(%s)
        ) i
            on r.territory_key = i.territory_key and r.month <= i.month and r.month >= i.since
        group by i.submission_id
    """
    query = sql.SQL(by_submission if basis == "month" else to_date).format(sums, sql.Identifier("bi", relation))
    seen: dict[Any, Any] = dict(cast("Any", connection.execute(query, [[name for _, name in loads]]).fetchall()))
    for load_id, submission_id in loads:
        shown = seen.get(submission_id, dict.fromkeys(columns, 0))
        connection.execute("select ops.note_published(%s, %s)", [load_id, Jsonb(shown)])


def current(settings: Settings) -> Publication | None:
    """The publication readers see; None before the first."""
    with connect(settings, roles.PUBLISHER) as connection:
        row = connection.execute(
            "select p.publication_id, p.published_at, p.completeness, p.freshness, p.changes"
            " from ops.publication p join ops.current_publication c on c.publication_id = p.publication_id"
        ).fetchone()
    if row is None or row[0] == 0:
        return None
    number, published_at, completeness, freshness, changes = row
    assert isinstance(number, int) and isinstance(published_at, dt.datetime)
    return Publication(number, published_at, str(completeness), str(freshness), str(changes))


@dataclass(frozen=True)
class RolledBack:
    """What going back did: its own number, the build it took back, and the submissions whose receipts change."""

    publication_id: int
    taken_back: int | None
    told: tuple[str, ...]


def roll_back(settings: Settings, target: int, reason: str) -> RolledBack:
    """Publish an earlier state again, as a new publication, in one transaction.

    The ledger calls each load what it is in that state, and notices between provinces are those of that state. A
    candidate that waits rests on what is left behind: it is taken back, and the next build makes it again. Raises
    UsageError for one that was never published or was pruned, BuildOpenError while a build or another one is at work.
    """
    with connect(settings, roles.PUBLISHER, autocommit=True) as connection:
        _require_readable(connection, target)
        with builds.lease(settings) as holding:
            waiting = holding.execute(
                "select build_id from ops.build where state in ('open', 'built', 'audited')"
            ).fetchone()
            taken_back = None if waiting is None else int(str(waiting[0]))
            if taken_back is not None:
                builds.abandon(holding, taken_back, f"taken back: publication {target} is shown again")
            with connection.transaction():
                row = connection.execute("select ops.roll_back(%s, %s)", [target, reason]).fetchone()
                assert row is not None
                number = int(str(row[0]))
                told = set(_noted(connection, number))
                told |= set(_told(connection, number))
    return RolledBack(number, taken_back, tuple(sorted(told)))


def last_roll_back(connection: Connection) -> int | None:
    """The publication readers see, if somebody went back to it."""
    row = connection.execute(
        "select p.publication_id from ops.publication p join ops.current_publication c"
        " on c.publication_id = p.publication_id where p.kind = 'rollback'"
    ).fetchone()
    return None if row is None else int(str(row[0]))


def told_by_roll_back(connection: Connection, number: int) -> list[str]:
    """Whose receipts going back may have changed: for a run that died before it had written them."""
    of_months = connection.execute(
        "select s.submission_id from ops.load l join ops.submission s on s.sub_no = l.sub_no"
        " where l.feed = 'participants' and s.month = any(%s)",
        [_differing_months(connection, number)],
    ).fetchall()
    return sorted({*_told(connection, number), *(str(row[0]) for row in of_months)})


def _differing_months(connection: Connection, number: int) -> list[dt.date]:
    """Months whose persons publication `number` shows otherwise than the one before it."""
    rows = connection.execute(
        """
        select distinct s.month from ops.publication_slice p join ops.slice s on s.slice_id = p.slice_id
        where p.relation = 'fct_participation' and %(number)s in (p.from_publication, p.to_publication)
          and s.month is not null
        order by 1
        """,
        {"number": number},
    )
    return [cast("dt.date", row[0]) for row in rows]


def _noted(connection: Connection, number: int) -> list[str]:
    """Write the notices between provinces for the months that differ from before; the submissions they are about."""
    months, shared = _shared_of(connection, _differing_months(connection, number))
    query = (
        "select distinct s.submission_id from ops.load_notice n join ops.load l on l.load_id = n.load_id"
        " join ops.submission s on s.sub_no = l.sub_no where n.code = %s and s.month = any(%s)"
    )
    before = connection.execute(query, [DUPLICATE_ELSEWHERE, months]).fetchall()
    note_shared_persons(connection, months, shared)
    after = connection.execute(query, [DUPLICATE_ELSEWHERE, months]).fetchall()
    return sorted({str(row[0]) for row in (*before, *after)})


def _told(connection: Connection, number: int) -> list[str]:
    """Submissions of which a load is called something else since publication `number`."""
    rows = connection.execute(
        "select distinct s.submission_id from ops.staged_load n join ops.load l on l.load_id = n.load_id"
        " join ops.submission s on s.sub_no = l.sub_no where n.candidate_id = %s",
        [number],
    )
    return [str(row[0]) for row in rows]


def resolve(settings: Settings, wanted: str) -> int:
    """The publication a number or a local date (YYYY-MM-DD: the last one of that day or before) names."""
    with connect(settings, roles.PUBLISHER) as connection:
        if re.fullmatch(r"\d{1,9}", wanted):
            _require_readable(connection, int(wanted))
            return int(wanted)
        try:
            day = dt.date.fromisoformat(wanted)
        except ValueError:
            raise UsageError(
                f"{wanted} is neither a publication nor a date (YYYY-MM-DD): see bi.publication."
            ) from None
        end = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), tzinfo=LOCAL)
        row = connection.execute(
            "select max(publication_id) from ops.publication where publication_id > 0 and published_at < %s", [end]
        ).fetchone()
        if row is None or row[0] is None:
            raise UsageError(f"Nothing had been published by {wanted}: see bi.publication.")
        number = int(str(row[0]))
        _require_readable(connection, number)
        return number


def as_of(settings: Settings, wanted: str, query: str, out: TextIO, *, is_raw: bool = False) -> None:
    """Write a query's answer over what was published then, as CSV (RFC 4180, lines end in LF) with a heading.

    Text that a spreadsheet would take for a formula gets an apostrophe; numbers never do. `is_raw`: each cell as it is.
    Runs as vss_reader in a read-only transaction: what it may do is the role's limit, not a parser's.
    """
    number = resolve(settings, wanted)
    with connect(settings, roles.READER) as connection:
        connection.read_only = True
        connection.execute("select set_config('vss.publication', %s, false)", [str(number)])
        connection.execute("set search_path = bi")
        # the server writes the CSV: dates, arrays and numbers as it has them, nothing kept here, a record at a time.
        # The parenthesis on a line of its own: a query may end in a comment
        asked = sql.SQL(query.strip().removesuffix(";"))
        text = sql.SQL("copy ({}\n) to stdout with (format csv, header)").format(asked)
        try:
            is_number = [] if is_raw else _numbers(connection, asked)
            with connection.cursor() as cursor, cursor.copy(text) as rows:
                heading = True
                for block in rows:
                    record = bytes(block).decode()
                    out.write(record if is_raw else plain_record(record, [] if heading else is_number))
                    heading = False
        except psycopg.Error as error:
            raise UsageError(
                f"The query failed: {str(error).splitlines()[0]}. Write one select; nothing else is answered."
            ) from None


def _numbers(connection: Connection, asked: sql.SQL) -> list[bool]:
    """Which columns of a query are numbers, a minus of which is no formula; nothing is run."""
    described = connection.execute(sql.SQL("select * from ({}\n) as answer limit 0").format(asked)).description
    return [column.type_code in _NUMBERS for column in described or []]


def _require_readable(connection: Connection, number: int) -> None:
    """Raises UsageError for a number that was never published, and for one that was pruned, with the next one kept."""
    row = connection.execute(
        """
        select p.status, p.published_at, p.pruned_at, k.publication_id, k.published_at
        from ops.publication p
        left join lateral (
            select n.publication_id, n.published_at from ops.publication n
            where n.publication_id > p.publication_id and n.status = 'published' order by 1 limit 1
        ) k on true
        where p.publication_id = %s and p.publication_id > 0
        """,
        [number],
    ).fetchone()
    if row is None:
        raise UsageError(f"Publication {number} was never published: see bi.publication.")
    status, published_at, pruned_at, kept, kept_at = row
    if status == "pruned":
        raise UsageError(
            f"Publication {number} of {_day(published_at)} was pruned on {_day(pruned_at)} and cannot be read or shown"
            f" again: the next one kept is {kept} of {_day(kept_at)}; see bi.publication."
        )


def _day(instant: object) -> str:
    assert isinstance(instant, dt.datetime)
    return f"{instant.astimezone(LOCAL):%Y-%m-%d}"
