"""How complete and how fresh a publication is, in words a director reads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import cast

from psycopg import sql

from ingestion.deadlines import LOCAL, due_at
from warehouse.connection import Connection
from warehouse.differences import Correction, corrections_between

_INPUT = sql.SQL("ops.input")


def completeness(connection: Connection, *, now: dt.datetime | None = None) -> str:
    """The last month: complete, provisional before its deadline, else incomplete; n of m, and who is missing."""
    last = connection.execute("select max(month) from ops.input where feed = 'participants'").fetchone()
    if last is None or last[0] is None:
        return "no participants yet"
    month = last[0]
    assert isinstance(month, dt.date)
    rows = senders(connection, month)
    missing = [code for code, is_in in rows.items() if not is_in]
    label = f"{month:%Y-%m}"
    if not missing:
        return f"{label} complete, {len(rows)} of {len(rows)}"
    due = due_at("participants", "province-01", label)
    is_due = due is None or (now or dt.datetime.now(tz=LOCAL)) >= due
    kind = "incomplete" if is_due else "provisional"
    return f"{label} {kind}, {len(rows) - len(missing)} of {len(rows)}, missing {', '.join(missing)}"


def senders(connection: Connection, month: dt.date, *, loads: sql.SQL = _INPUT) -> dict[str, bool]:
    """Every province on the map of a month, by code, and whether its participants are in.

    `loads` is a relation, or a subquery in brackets, with the columns sender, feed and month.
    """
    query = sql.SQL(
        """
        select p.province_code, exists (
            select from {} i
            where i.feed = 'participants' and i.month = %s and i.sender = 'province-' || p.province_code
        )
        from ops.province p where %s >= p.valid_from and %s < p.valid_to order by 1
        """
    ).format(loads)
    rows = connection.execute(query, [month, month, month]).fetchall()
    return {str(code): bool(is_in) for code, is_in in rows}


def freshness(connection: Connection) -> str:
    """One plain sentence: what the figures rest on."""
    row = connection.execute("select count(distinct sub_no), max(received_at), max(month) from ops.input").fetchone()
    if row is None or not row[0]:
        return "No submission has been accepted yet."
    received, month = row[1], row[2]
    assert isinstance(received, dt.datetime) and isinstance(month, dt.date)
    return (
        f"Figures rest on {row[0]} accepted submissions up to {month:%Y-%m}; "
        f"the last one came in on {received.astimezone(LOCAL):%Y-%m-%d %H:%M} (Asia/Ho_Chi_Minh)."
    )


def brought(connection: Connection, build_id: int, *, with_senders: bool = False) -> str:
    """The submissions that are new in a build, by what they do and at most ten by name; by sender if wanted."""
    row = connection.execute(
        "select base.build_id from ops.build b left join ops.publication base on base.publication_id = b.base_id"
        " where b.build_id = %s",
        [build_id],
    ).fetchone()
    assert row is not None
    corrections = corrections_between(connection, cast("int | None", row[0]), build_id)
    return "; ".join(_named(corrections, with_senders=with_senders)) or "No new submission"


def changes(connection: Connection, build_id: int) -> str:
    """What a build brings: submissions, decisions and rules that are new in it, and how much it made anew.

    Against the publication that was shown when the build opened; of many submissions the first ten.
    """
    row = connection.execute(
        """
        select base.build_id, b.is_full, made.project_hash is distinct from b.project_hash,
            count(s.slice_id), coalesce(sum(s.row_count), 0)
        from ops.build b
        left join ops.publication base on base.publication_id = b.base_id
        left join ops.build made on made.build_id = base.build_id
        left join ops.slice s on s.build_id = b.build_id
        where b.build_id = %s group by 1, 2, 3
        """,
        [build_id],
    ).fetchone()
    assert row is not None
    base, is_full, has_new_rules, slices, rows = row
    told = _named(corrections_between(connection, cast("int | None", base), build_id))
    told += _decided(connection, base, build_id)
    if base is None:
        told.append("the first publication")
    elif is_full:
        told.append(f"everything was made anew, {'for the rules changed' if has_new_rules else 'as was asked for'}")
    else:
        told += _asked_for(connection, build_id)
    sentence = "; ".join(told or ["no new submission"])
    return f"{sentence[0].upper()}{sentence[1:]}: {slices} slices, {rows} rows."


def rolled_back(connection: Connection, target: int, reason: str) -> str:
    """What a rollback brings: the state of an earlier publication, and what is left behind with it."""
    row = connection.execute(
        "select t.published_at, t.build_id, shown.build_id from ops.publication t, ops.current_publication c"
        " join ops.publication shown on shown.publication_id = c.publication_id where t.publication_id = %s",
        [target],
    ).fetchone()
    assert row is not None
    published_at, build_id, shown = cast("tuple[dt.datetime, int, int]", row)
    back = f"Rolled back to publication {target} of {published_at.astimezone(LOCAL):%Y-%m-%d %H:%M} (Asia/Ho_Chi_Minh)"
    left_behind = _named(corrections_between(connection, shown, build_id))
    return "; ".join([f"{back}: {reason}", *left_behind]) + "."


_WORDS = {
    "came in": ("new submission", "new submissions"),
    "superseded": ("correction", "corrections"),
    "voided": ("void", "voids"),
    "taken back": ("submission is taken back", "submissions are taken back"),
    "restored": ("submission is in force again", "submissions are in force again"),
}


def _named(corrections: Sequence[Correction], *, with_senders: bool = False) -> list[str]:
    """By kind how many submissions, and which; what a correction or void put aside beside it."""
    told = []
    for kind, (one, many) in _WORDS.items():
        named: dict[str, list[str]] = {}
        for each in corrections:
            if each.kind == kind:
                name = f"{each.submission_id} of {each.sender}" if with_senders else each.submission_id
                replaced = named.setdefault(name, [])
                replaced += [each.replaced] if each.replaced and each.replaced not in replaced else []
        names = [f"{name} for {', '.join(replaced)}" if replaced else name for name, replaced in named.items()]
        if names:
            told.append(f"{len(names)} {one if len(names) == 1 else many} ({_listed(names)})")
    released = list(dict.fromkeys(each.submission_id for each in corrections if each.release_reason is not None))
    if released:
        told.append(f"{len(released)} of them released by a person ({_listed(released)})")
    return told


def _decided(connection: Connection, base: object, build_id: int) -> list[str]:
    """How many decisions on similar names are new, and how many no longer in force."""
    row = connection.execute(
        """
        select count(*) filter (where before.decision_id is null), count(*) filter (where mine.decision_id is null)
        from (select decision_id from ops.build_review where build_id = %s) mine
        full join (select decision_id from ops.build_review where build_id = %s) before using (decision_id)
        """,
        [build_id, base],
    ).fetchone()
    assert row is not None
    made, revoked = cast("tuple[int, int]", row)
    told = [f"{made} decision{'s' if made > 1 else ''} on similar names"] if made else []
    return told + ([f"{revoked} decision{'s' if revoked > 1 else ''} on similar names revoked"] if revoked else [])


def _asked_for(connection: Connection, build_id: int) -> list[str]:
    """The range that a build made anew because somebody asked for it."""
    row = connection.execute("select from_month, to_month from ops.backfill where build_id = %s", [build_id]).fetchone()
    if row is None:
        return []
    first, last = cast("tuple[dt.date, dt.date]", row)
    months = f"{first:%Y-%m}" if first == last else f"{first:%Y-%m} to {last:%Y-%m}"
    return [f"{months} was made anew as was asked for"]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
