"""Invariant I as numbers: what ledger, raw, rejects, receipts and `bi` hold, and what a run that died may not leave."""

from __future__ import annotations

import hashlib
from pathlib import Path

from psycopg import sql

from ingestion.contracts import load_contracts
from warehouse import roles
from warehouse.connection import Connection, connect
from warehouse.settings import Settings

Hashes = dict[str, str]

# numbers and times that differ from run to run are left out, everything else is in
_LEDGER = {
    "submissions": "select submission_id, sender, period, version, action, state, errors, received_at, is_late"
    " from ops.submission",
    "loads": "select s.submission_id, l.feed, l.file, l.state, l.row_count, l.accepted, l.rejected, l.totals,"
    " l.profile, l.notes, l.sha256 from ops.load l join ops.submission s using (sub_no)",
    "rejects": "select s.submission_id, l.feed, r.row_no, r.column_name, r.code, r.args, r.row_token"
    " from ops.reject r join ops.load l using (load_id) join ops.submission s using (sub_no)",
    "notices": "select s.submission_id, l.feed, n.code, n.args"
    " from ops.load_notice n join ops.load l using (load_id) join ops.submission s using (sub_no)",
    "publications": "select publication_id, kind, status, completeness, freshness, changes from ops.publication",
    "inputs": "select p.publication_id, i.sender, i.feed, i.period, s.submission_id from ops.publication p"
    " join ops.build_input i using (build_id) join ops.load l using (load_id) join ops.submission s using (sub_no)",
    "slices": "select p.publication_id, c.relation, c.territory_key, c.month, c.submission_id, c.row_count"
    " from ops.publication p join ops.slice c using (build_id) where p.kind = 'build'",
    "shown": "select publication_id from ops.current_publication",
    # of two gates over one candidate the last one counts
    "gates": "select distinct p.publication_id, g.gate, g.suite, g.expectation, g.column_name, g.success"
    " from ops.publication p join ops.gate_result g using (build_id) where p.kind = 'build'",
}


def everything(settings: Settings) -> Hashes:
    """A digest of each part of what is on record, of the receipts in the outbox, and of every relation of `bi` in every
    publication."""
    found = {}
    with connect(settings, roles.LOADER) as connection:
        for name, query in _LEDGER.items():
            found[name] = _digest(connection, sql.SQL(query))  # type: ignore[arg-type]
        for feed in load_contracts():
            rows = sql.SQL(
                "select s.submission_id, to_jsonb(r) - 'load_id' from {} r join ops.load using (load_id)"
                " join ops.submission s using (sub_no)"
            ).format(sql.Identifier("raw", feed))
            found[f"raw.{feed}"] = _digest(connection, rows)
    found |= seen(settings)
    outbox = settings.outbox
    assert outbox is not None
    for path in sorted(outbox.rglob("*")):
        if path.is_file():
            found[f"outbox {path.relative_to(outbox)}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def seen(settings: Settings, *, now: bool = False) -> Hashes:
    """A digest of every relation of `bi` as readers see it, in each publication or only in the one that is shown."""
    found = {}
    with connect(settings, roles.READER) as connection:
        numbers = connection.execute(
            "select publication_id from bi.publication where is_shown or %s order by 1", [not now]
        ).fetchall()
        views = connection.execute(
            "select table_name::text from information_schema.views where table_schema = 'bi' order by 1"
        ).fetchall()
        for (number,) in numbers:
            connection.execute("select set_config('vss.publication', %s, false)", [str(number)])
            for (view,) in views:
                if view != "publication":
                    rows = sql.SQL("select * from {}").format(sql.Identifier("bi", str(view)))
                    found[f"bi.{view} in {number}"] = _digest(connection, rows)
    return found


def left_behind(settings: Settings) -> list[str]:
    """What no publication needs: builds that are still open, slices and rows of builds that were not published, pointer
    rows of a candidate, files half written."""
    found = []
    with connect(settings, roles.TRANSFORMER) as connection:
        for what, query in {
            "open builds": "select build_id from ops.build where state in ('open', 'built', 'audited')",
            "slices of no publication": "select c.relation from ops.slice c join ops.build b using (build_id)"
            " where b.state <> 'published'",
            "pointer rows of no publication": "select relation from ops.publication_slice p, ops.current_publication c"
            " where p.from_publication > c.publication_id"
            " or p.to_publication > c.publication_id and p.to_publication < 2147483647",
        }.items():
            found += [f"{what}: {row[0]}" for row in connection.execute(query.encode()).fetchall()]
        tables = connection.execute(
            "select relname::text from pg_class where relnamespace = 'marts'::regnamespace and relkind in ('r', 'p')"
            " and relname like '%\\_\\_rows' order by 1"
        ).fetchall()
        for (table,) in tables:
            orphans = sql.SQL(
                "select 1 from {} r where not exists (select from ops.slice c where c.slice_id = r.slice_id) limit 1"
            ).format(sql.Identifier("marts", str(table)))
            if connection.execute(orphans).fetchone():
                found.append(f"rows of no slice: {table}")
    for folder in (settings.outbox, Path(settings.home / "archive")):
        assert folder is not None
        found += [f"half a file: {path}" for path in folder.rglob(".*")]
    return found


def _digest(connection: Connection, query: sql.Composable) -> str:
    """A digest over the ordered rows of a query, with their number in front."""
    ordered = sql.SQL(
        "select count(*) || ' rows ' || coalesce(md5(string_agg(t::text, E'\\n' order by t::text collate \"C\")), '')"
        " from ({}) t"
    ).format(query)
    row = connection.execute(ordered).fetchone()
    assert row is not None
    return str(row[0])
