"""How complete and how fresh a publication is, in words a director reads."""

from __future__ import annotations

import datetime as dt

from ingestion.deadlines import LOCAL, due_at
from warehouse.connection import Connection


def completeness(connection: Connection, *, now: dt.datetime | None = None) -> str:
    """The last month: complete, provisional before its deadline, else incomplete; n of m, and who is missing."""
    last = connection.execute("select max(month) from ops.input where feed = 'participants'").fetchone()
    if last is None or last[0] is None:
        return "no participants yet"
    month = last[0]
    assert isinstance(month, dt.date)
    rows = connection.execute(
        """
        select p.province_code, exists (
            select from ops.input i where i.feed = 'participants' and i.month = %s and i.territory_key = p.territory_key
        )
        from ops.province p where %s >= p.valid_from and %s < p.valid_to order by 1
        """,
        [month, month, month],
    ).fetchall()
    missing = [str(code) for code, is_in in rows if not is_in]
    label = f"{month:%Y-%m}"
    if not missing:
        return f"{label} complete, {len(rows)} of {len(rows)}"
    due = due_at("participants", "province-01", label)
    is_due = due is None or (now or dt.datetime.now(tz=LOCAL)) >= due
    kind = "incomplete" if is_due else "provisional"
    return f"{label} {kind}, {len(rows) - len(missing)} of {len(rows)}, missing {', '.join(missing)}"


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


def changes(connection: Connection, build_id: int) -> str:
    """What a build brings: the submissions and decisions that are new in it, and how much it made anew."""
    new = connection.execute(
        """
        select distinct s.submission_id from ops.build_input i
        join ops.load l on l.load_id = i.load_id
        join ops.submission s on s.sub_no = l.sub_no
        join ops.build b on b.build_id = i.build_id
        left join ops.publication base on base.publication_id = b.base_id
        where i.build_id = %s and not exists (
            select from ops.build_input before where before.build_id = base.build_id and before.load_id = i.load_id
        )
        order by 1
        """,
        [build_id],
    ).fetchall()
    made = connection.execute(
        "select count(*), coalesce(sum(row_count), 0), bool_or(b.is_full) from ops.build b"
        " left join ops.slice s on s.build_id = b.build_id where b.build_id = %s",
        [build_id],
    ).fetchone()
    decided = connection.execute(
        """
        with mine as (select decision_id from ops.build_review where build_id = %(build)s),
        before as (
            select r.decision_id from ops.build b
            join ops.publication base on base.publication_id = b.base_id
            join ops.build_review r on r.build_id = base.build_id
            where b.build_id = %(build)s
        )
        select count(*) from mine full join before on before.decision_id = mine.decision_id
        where mine.decision_id is null or before.decision_id is null
        """,
        {"build": build_id},
    ).fetchone()
    assert made is not None and decided is not None
    names = [str(row[0]) for row in new]
    listed = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    brought = f"{len(names)} new submissions ({listed})" if names else "No new submission"
    if decided[0]:
        brought += f"; {decided[0]} decisions on similar names"
    reason = "; everything was made anew" if made[2] else ""
    return f"{brought}{reason}: {made[0]} slices, {made[1]} rows."
