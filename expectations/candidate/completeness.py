"""Completeness: every input is accepted, what was shown stays unless it was voided, and the report says what is in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from psycopg import sql

from expectations.candidate.control import Compared, Control, Row, row
from expectations.candidate.scope import Scope
from warehouse.connection import Connection

CONTROLS = (
    Control("ledger", "completeness", "every input of the build is an accepted load"),
    Control("shown", "completeness", "what was shown does not vanish without a void"),
    Control("reported", "completeness", "rpt_completeness says what the ledger says (R25)"),
)
# R25: what every province of the month's map owes; one weekly report an ISO week comes on top
_OWED = ("participants", "employers", "contributions", "arrears", "inspections", "benefits")
# relations that are one slice: of them the provinces are compared, of the others the slices
_WHOLE = (
    "fct_inspection", "fct_reported_indicator", "fct_plan_target", "rpt_plan_attainment", "rpt_collection",
    "rpt_arrears_ageing", "rpt_inspection_results", "rpt_coverage",
)  # fmt: skip
# what the publication before was built of and a void has taken back since
_VOIDED = sql.SQL("""
    voided as (
        select s.submission_id, p.territory_key
        from ops.publication base
        join ops.build_input o on o.build_id = base.build_id
        join ops.load l on l.load_id = o.load_id
        join ops.submission s on s.sub_no = l.sub_no
        left join ops.province p
            on s.sender = 'province-' || p.province_code and s.month >= p.valid_from and s.month < p.valid_to
        where base.publication_id = %(base)s and exists (
            select from ops.submission v
            where v.sender = s.sender and v.period = s.period and v.version > s.version
              and v.action = 'void' and v.state = 'accepted'
        )
    )
""")


def compare(connection: Connection, scope: Scope) -> Compared:
    """The ledger, what vanishes, and the report of completeness; leaves the pin on the candidate."""
    accepted = sum(one.state in ("accepted", "accepted_with_rejects") for one in scope.inputs)
    rows = [row("ledger", "ops.build_input", "all", "accepted inputs", len(scope.inputs), accepted)]
    rows += _inputs(connection, scope)
    rows += _slices(connection, scope)
    rows += _provinces(connection, scope)
    rows += _report(connection, scope)
    return Compared(
        tuple(rows), {"ledger": 1, "shown": 0, "reported": len([one for one in scope.inputs if one.is_touched])}
    )


def pin(connection: Connection, publication: int) -> None:
    """Read a publication, or the candidate, from here on."""
    connection.execute("select set_config('vss.publication', %s, false)", [str(publication)])


def _inputs(connection: Connection, scope: Scope) -> Iterable[Row]:
    """Every (sender, feed, period) that what is shown rests on is in the candidate too, unless it was voided."""
    found: Any = connection.execute(
        """
        select o.sender, o.feed, o.period
        from ops.publication base
        join ops.build_input o on o.build_id = base.build_id
        join ops.load l on l.load_id = o.load_id
        join ops.submission s on s.sub_no = l.sub_no
        where base.publication_id = %s
          and not exists (
              select from ops.build_input n
              where n.build_id = %s and n.sender = o.sender and n.feed = o.feed and n.period = o.period
          )
          and not exists (
              select from ops.submission v
              where v.sender = s.sender and v.period = s.period and v.version > s.version
                and v.action = 'void' and v.state = 'accepted'
          )
        order by 1, 3, 2
        """,
        [scope.base_id, scope.build_id],
    ).fetchall()
    for sender, feed, period in found:
        yield row("shown", feed, f"{sender}, {period}", "input", "kept or voided", "gone without a void")


def _slices(connection: Connection, scope: Scope) -> Iterable[Row]:
    """How many slices of each relation are shown, and how many the candidate keeps or a void took back."""
    found: Any = connection.execute(
        sql.SQL("with {voided}, ").format(voided=_VOIDED)
        + sql.SQL("""
        shown as (
            select c.relation, c.territory_key, c.month, c.submission_id
            from ops.publication_slice p
            join ops.slice c on c.slice_id = p.slice_id
            where p.from_publication <= %(base)s and p.to_publication > %(base)s
              and c.relation like 'fct\\_%%' and c.row_count > 0 and c.territory_key is not null
        ),
        kept as (
            select
                shown.*,
                exists (
                    select from ops.candidate_slice k join ops.slice c on c.slice_id = k.slice_id
                    where k.relation = shown.relation and k.territory_key = shown.territory_key
                      and k.month is not distinct from shown.month
                      and (c.row_count > 0 or exists (
                          -- a correction may say that there is nothing to report
                          select from ops.submission n join ops.load l on l.sub_no = n.sub_no
                          where n.submission_id = c.submission_id and l.is_nil
                            and n.state in ('accepted', 'accepted_with_rejects')
                      ))
                )
                or exists (
                    select from voided v
                    where v.submission_id = shown.submission_id
                       -- a relation cut by province alone holds all of its months
                       or (shown.month is null and v.territory_key = shown.territory_key)
                ) as is_kept
            from shown
        )
        select
            kept.relation, count(*), count(*) filter (where is_kept),
            array_agg(
                distinct p.name_vi || ' (' || p.province_code || ')'
                || coalesce(', ' || to_char(kept.month, 'YYYY-MM'), '')
            ) filter (where not is_kept)
        from kept
        left join ops.province p
            on p.territory_key = kept.territory_key
            and coalesce(kept.month, p.valid_from) >= p.valid_from and coalesce(kept.month, p.valid_from) < p.valid_to
        group by kept.relation
        order by kept.relation
        """),
        {"base": scope.base_id},
    ).fetchall()
    for relation, shown, kept, places in found:
        if shown == kept:
            yield row("shown", relation, "all", "slices", shown, kept)
        for place in places or ():
            yield row("shown", relation, place, "rows", "kept or voided", "gone without a void")


def _provinces(connection: Connection, scope: Scope) -> Iterable[Row]:
    """Provinces of a relation in one slice, before and in the candidate."""
    made = [name for name in _WHOLE if name in scope.made]
    if not made or not scope.base_id:
        return
    query = sql.SQL(" union all ").join(
        sql.SQL("select distinct {}, territory_key from {} where territory_key not in ('national', 'unknown')").format(
            sql.Literal(name), sql.Identifier("bi", name)
        )
        for name in made
    )
    pin(connection, scope.base_id)
    before: Any = connection.execute(query).fetchall()
    pin(connection, scope.candidate_id)
    there = set(connection.execute(query).fetchall())
    territories: Any = connection.execute(
        sql.SQL("""
        with {voided}
        select
            p.territory_key, max(p.name_vi || ' (' || p.province_code || ')'),
            bool_or(exists (select from voided v where v.territory_key = p.territory_key))
        from ops.province p group by 1
        """).format(voided=_VOIDED),
        {"base": scope.base_id},
    ).fetchall()
    names = {territory: name for territory, name, _ in territories}
    voided = {territory for territory, _, is_voided in territories if is_voided}
    for name in made:
        provinces = [territory for relation, territory in before if relation == name]
        gone = [territory for territory in provinces if (name, territory) not in there and territory not in voided]
        if not gone:
            yield row("shown", name, "all", "provinces", len(provinces), len(provinces))
        for territory in sorted(gone):
            yield row("shown", name, names.get(territory, territory), "rows", "kept or voided", "gone without a void")


def _report(connection: Connection, scope: Scope) -> Iterable[Row]:
    relation = "rpt_completeness"
    touched = [one for one in scope.inputs if one.is_touched]
    months = sorted({one.month for one in touched})
    found: Any = connection.execute(
        """
        select r.sender, r.feed, r.period, r.submission_id, r.version, r.state, r.is_nil, r.rows, r.rows_rejected
        from bi.rpt_completeness r where r.submission_id = any(%s)
        """,
        [[one.submission_id for one in touched]],
    ).fetchall()
    said = {(sender, feed, period): values for sender, feed, period, *values in found}
    for one in touched:
        state = "accepted_with_rejects" if one.rejected else "accepted"
        expected = [one.submission_id, one.version, state, one.is_nil, one.sent, one.rejected]
        actual = said.get((one.sender, one.feed, one.period))
        yield row("reported", relation, one.place, one.feed, expected, actual)
    counted: Any = connection.execute(
        """
        select m.month, (select count(*) from ops.province p where p.valid_from <= m.month and p.valid_to > m.month)
        from unnest(%s::date[]) m (month) order by 1
        """,
        [months],
    ).fetchall()
    for month, provinces in counted:
        owed: Any = connection.execute(
            """
            select
                count(*) filter (where is_expected and feed = any(%(owed)s)),
                count(*) filter (where submission_id is not null and feed <> 'weekly_report'),
                count(*) filter (where submission_id is null and state in ('accepted', 'accepted_with_rejects'))
            from bi.rpt_completeness where month = %(month)s
            """,
            {"owed": list(_OWED), "month": month},
        ).fetchone()
        # a week belongs to the month of its Friday, which its submission need not
        sent = sum(one.month == month and one.feed != "weekly_report" for one in scope.inputs)
        place = f"{month:%Y-%m}"
        is_monthly = any(one.month == month and one.feed in _OWED for one in touched)
        if is_monthly:
            yield row("reported", relation, place, "files owed", provinces * len(_OWED), owed[0])
        yield row("reported", relation, place, "files in", sent, owed[1])
        yield row("reported", relation, place, "accepted and not named", 0, owed[2])
