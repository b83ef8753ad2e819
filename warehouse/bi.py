"""The schema `bi`: one view per published model, with comments and grants, over rows that a policy guards (M3, M4).

Generated from dbt's manifest and nothing else. A view joins a model's rows to the slices of the publication the
session reads; it is owned by vss_publisher, which is no superuser and to which row-level security applies, so that a
reader needs no grant on marts and cannot reach what is another's or was never shown (docs/decisions/0004). A table is
guarded before a view of it is made. A view is only replaced when its text changes, and each in a transaction of its
own, so that no reader waits for more than one of them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from warehouse import locks, roles, trace
from warehouse.connection import Connection, connect
from warehouse.settings import Settings

_PUBLICATION_VIEW = "4"
"""Raised with every change of the view bi.publication."""
_ANY_SCOPE = "exists (select from ops.scope as sc where sc.role_name = current_user)"


@dataclass(frozen=True)
class Relation:
    """One published model: its columns with their comments, and how it is cut and protected."""

    name: str
    description: str
    columns: dict[str, str]
    is_person_level: bool
    is_by_month: bool
    main_feed: str | None
    distinct_on: str | None

    @property
    def policy(self) -> str:
        """The policy that its rows are under, as marts.guard_rows calls it."""
        if "current_province_code" not in self.columns:
            return "in_scope"
        return "by_slice" if self.is_by_month else "by_province"

    def view_sql(self) -> str:
        names = ", ".join(f"r.{name}" for name in self.columns)
        extra = ", sl.submission_id" if self.main_feed and "submission_id" not in self.columns else ""
        pointer = f" join ops.shown_slice as s on s.relation = '{self.name}' and s.slice_id = r.slice_id"
        if self.policy == "by_slice":
            pointer = ""
        # every row has its slice: as a left join it is left out where nobody asks for the submission
        sent = " left join ops.slice as sl on sl.slice_id = r.slice_id" if extra else ""
        distinct = f"distinct on (r.{self.distinct_on}) " if self.distinct_on else ""
        order = f" order by r.{self.distinct_on}" if self.distinct_on else ""
        if self.distinct_on and "last_month" in self.columns:
            # of two territories in one month always the same one: a figure must not hang on the order of arrival
            order += ", r.last_month desc nulls last, r.territory_key"
        return (
            f"select {distinct}{names}{extra} from marts.{self.name}__rows as r{pointer}{sent}"
            f" where ops.pin_is_readable(){order}"
        )


def relations(manifest: Path) -> list[Relation]:
    """The published models of a dbt manifest."""
    nodes: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))["nodes"]
    found = []
    for node in nodes.values():
        meta = node["config"].get("meta") or {}
        if node["resource_type"] != "model" or not meta.get("is_published"):
            continue
        columns = {name: column["description"] for name, column in node["columns"].items()}
        found.append(
            Relation(
                name=node["name"],
                description=node["description"],
                columns=columns,
                is_person_level="participant_key" in columns,
                is_by_month=bool(node["config"].get("partition_by_month")),
                main_feed=node["config"].get("main_feed"),
                distinct_on=meta.get("distinct_on"),
            )
        )
    return sorted(found, key=lambda relation: relation.name)


def sync(settings: Settings, manifest: Path, *, patience: float | None = None) -> list[str]:
    """Bring `bi` in line with the manifest; returns the views that were made, replaced or described anew.

    A reader's open transaction stands in the way of a view whose columns change, and of nothing else. Raises
    RelationLockedError when one stands longer than `patience` seconds (a minute); what was replaced by then stays, and
    the candidate waits for its audit.
    """
    published = relations(manifest)
    patience = locks.PATIENCE_SECONDS if patience is None else patience
    changed = []
    with connect(settings, roles.PUBLISHER, autocommit=True) as connection:
        # let go when the connection closes; what else is waited for here is no reader's: another run, an analyze
        connection.execute("set lock_timeout = '20s'")
        connection.execute("select pg_advisory_lock(hashtext('vss bi'))")
        with connection.transaction():
            trace.remember(connection, trace.declarations(manifest))
        there = _fingerprints(connection)
        guarded = _guarded(connection)
        for relation in published:
            connection.execute("select ops.ensure_pointer(%s)", [relation.name])
            if guarded.get(relation.name) != relation.policy:
                _guard(connection, settings, relation, patience)
            if there.get(relation.name) != _fingerprint(relation):
                with connection.transaction():
                    if there.get(relation.name, "").partition(" ")[0] != _digest(relation.view_sql()):
                        _replace(connection, settings, relation, patience)
                    _describe(connection, relation)
                changed.append(relation.name)
        if there.get("publication") != _PUBLICATION_VIEW:
            with connection.transaction():
                _publication_view(connection, settings, patience)
                _remember(connection, sql.Identifier("bi", "publication"), _PUBLICATION_VIEW)
            changed.append("publication")
    return changed


_THEN = "run `vss publish`: the candidate is kept, is audited then and shown."


def _guard(connection: Connection, settings: Settings, relation: Relation, patience: float) -> None:
    command = sql.SQL("select marts.guard_rows({}, {})").format(
        sql.Literal(relation.name), sql.Literal(relation.policy)
    )
    table = sql.Identifier("marts", f"{relation.name}__rows")
    locks.patiently(connection, settings, command, table, patience=patience, then=_THEN)


def _guarded(connection: Connection) -> dict[str, str]:
    """By relation the policy that its rows are under, where row-level security is on."""
    rows = connection.execute(
        "select regexp_replace(c.relname, '__rows$', ''), p.polname from pg_class c"
        " join pg_policy p on p.polrelid = c.oid and p.polname <> 'engineers'"
        " where c.relnamespace = 'marts'::regnamespace and c.relrowsecurity"
    )
    return {str(row[0]): str(row[1]) for row in rows}


def _replace(connection: Connection, settings: Settings, relation: Relation, patience: float) -> None:
    view = sql.Identifier("bi", relation.name)
    select = sql.SQL(relation.view_sql())
    create = sql.SQL("create or replace view {} as {}").format(view, select)
    exists = connection.execute("select to_regclass(%s) is not null", [f"bi.{relation.name}"]).fetchone() == (True,)
    if not exists:
        connection.execute(create)
    else:
        try:
            with connection.transaction():
                locks.patiently(connection, settings, create, view, patience=patience, then=_THEN)
        except psycopg.errors.InvalidTableDefinition:
            # columns went, moved or changed their type
            drop = sql.SQL("drop view {}").format(view)
            locks.patiently(connection, settings, drop, view, patience=patience, then=_THEN)
            connection.execute(create)
    groups = sql.SQL(", ").join(map(sql.Identifier, (roles.READER_BASE, roles.READER_DETAIL)))
    connection.execute(sql.SQL("revoke all on {} from {}").format(view, groups))
    reader = roles.READER_DETAIL if relation.is_person_level else roles.READER_BASE
    connection.execute(sql.SQL("grant select on {} to {}").format(view, sql.Identifier(reader)))


def _describe(connection: Connection, relation: Relation) -> None:
    """Comments take no lock that a reader minds."""
    view = sql.Identifier("bi", relation.name)
    connection.execute(sql.SQL("comment on view {} is {}").format(view, sql.Literal(relation.description.strip())))
    _remember(connection, view, _fingerprint(relation))
    descriptions = {**relation.columns}
    if relation.main_feed:
        descriptions.setdefault("submission_id", "The submission the row came from.")
    for name, text in descriptions.items():
        connection.execute(
            sql.SQL("comment on column {} is {}").format(
                sql.Identifier("bi", relation.name, name), sql.Literal(text.strip())
            )
        )


def _publication_view(connection: Connection, settings: Settings, patience: float) -> None:
    view = sql.Identifier("bi", "publication")
    create = sql.SQL(
        "create or replace view {} with (security_barrier) as"
        " select p.publication_id, p.published_at, p.status, p.kind, p.completeness, p.freshness,"
        # it names what others sent, and counts the rows
        " case when (select sc.is_national from ops.scope as sc where sc.role_name = current_user) then p.changes end"
        " as changes,"
        " p.publication_id = ops.shown_publication(false) as is_shown"
        " from ops.publication as p"
        " where p.publication_id between 1 and (select ops.shown_publication(current_user = 'vss_publisher'))"
        " and " + _ANY_SCOPE
    ).format(view)
    if connection.execute("select to_regclass('bi.publication') is null").fetchone() == (True,):
        connection.execute(create)
    else:
        locks.patiently(connection, settings, create, view, patience=patience, then=_THEN)
    comments = {
        None: "One row per publication: what was shown when. A session that sets vss.publication to one of these ids "
        "sees all of bi as it was then, unless it was pruned.",
        "publication_id": "Number of the publication; later ones have higher numbers.",
        "published_at": "When readers began to see it.",
        "status": "published, or pruned: it stands in this list and can no longer be read.",
        "kind": "build, or rollback to an earlier publication.",
        "completeness": "How many of the senders expected are in, and who is missing.",
        "freshness": "One plain sentence on how fresh the figures are.",
        "changes": "Which slices changed against the publication before."
        " For headquarters; a province's reader sees null.",
        "is_shown": "Whether this is what the session reads now.",
    }
    for column, text in comments.items():
        target = sql.SQL("view bi.publication" if column is None else f"column bi.publication.{column}")
        connection.execute(sql.SQL("comment on {} is {}").format(target, sql.Literal(text)))
    connection.execute(sql.SQL("grant select on bi.publication to {}").format(sql.Identifier(roles.READER_BASE)))


def _remember(connection: Connection, view: sql.Identifier, fingerprint: str) -> None:
    """Beside the view's rule, where no reader of comments meets it: what the view was made from."""
    connection.execute(sql.SQL('comment on rule "_RETURN" on {} is {}').format(view, sql.Literal(fingerprint)))


def _fingerprints(connection: Connection) -> dict[str, str]:
    rows = connection.execute(
        "select c.relname, obj_description(r.oid, 'pg_rewrite') from pg_class c"
        " join pg_rewrite r on r.ev_class = c.oid and r.rulename = '_RETURN'"
        " where c.relnamespace = 'bi'::regnamespace and c.relkind = 'v'"
    )
    return {str(row[0]): str(row[1]) for row in rows}


def _fingerprint(relation: Relation) -> str:
    """What the view is made from, then what is said of it: new words alone replace nothing."""
    words = json.dumps([relation.description, relation.columns], ensure_ascii=False)
    return f"{_digest(relation.view_sql())} {_digest(words)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
