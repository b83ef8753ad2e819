"""The schema `bi`: one view per published model, with comments, grants and each reader's row predicate (M3, M4).

Generated from dbt's manifest and nothing else. A view joins a model's rows to the slices of the publication the
session reads; it is owned by vss_publisher, which is no superuser, and holds its predicate inside, so that a reader
needs no grant on marts and cannot reach what is not shown. Views are only replaced when their text changes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from warehouse import roles, trace
from warehouse.connection import Connection, connect
from warehouse.settings import Settings

_PREDICATE = (
    "((select sc.is_national from ops.scope as sc where sc.role_name = current_user)"
    " or {column} = any ((select sc.provinces from ops.scope as sc where sc.role_name = current_user)::text[]))"
)
_PUBLICATION_VIEW = "2"
"""Raised with every change of the view bi.publication."""
# a relation without a province is everybody's, as long as the role stands in ops.scope
_ANY_SCOPE = "exists (select from ops.scope as sc where sc.role_name = current_user)"


@dataclass(frozen=True)
class Relation:
    """One published model: its columns with their comments, and how it is cut and protected."""

    name: str
    description: str
    columns: dict[str, str]
    is_person_level: bool
    main_feed: str | None
    distinct_on: str | None

    def view_sql(self) -> str:
        names = ", ".join(f"r.{name}" for name in self.columns)
        extra = ", sl.submission_id" if self.main_feed and "submission_id" not in self.columns else ""
        join = " join ops.slice as sl on sl.slice_id = r.slice_id" if extra else ""
        distinct = f"distinct on (r.{self.distinct_on}) " if self.distinct_on else ""
        order = f" order by r.{self.distinct_on}" if self.distinct_on else ""
        if self.distinct_on and "last_month" in self.columns:
            # of two territories in one month always the same one: a figure must not hang on the order of arrival
            order += ", r.last_month desc nulls last, r.territory_key"
        predicate = (
            _PREDICATE.format(column="r.current_province_code")
            if "current_province_code" in self.columns
            else _ANY_SCOPE
        )
        return (
            f"select {distinct}{names}{extra} from marts.{self.name}__rows as r"
            f" join ops.shown_slice as s on s.relation = '{self.name}' and s.slice_id = r.slice_id{join}"
            f" where {predicate}{order}"
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
                main_feed=node["config"].get("main_feed"),
                distinct_on=meta.get("distinct_on"),
            )
        )
    return sorted(found, key=lambda relation: relation.name)


def sync(settings: Settings, manifest: Path) -> list[str]:
    """Bring `bi` in line with the manifest; returns the views that were made or replaced."""
    published = relations(manifest)
    changed = []
    with connect(settings, roles.PUBLISHER) as connection:
        connection.execute("set local lock_timeout = '20s'")
        connection.execute("select pg_advisory_xact_lock(hashtext('vss bi'))")
        trace.remember(connection, trace.declarations(manifest))
        there = _fingerprints(connection)
        for relation in published:
            connection.execute("select ops.ensure_pointer(%s)", [relation.name])
            if there.get(relation.name) != _fingerprint(relation):
                _replace(connection, relation, exists=relation.name in there)
                changed.append(relation.name)
        if there.get("publication") != _PUBLICATION_VIEW:
            _publication_view(connection)
            _remember(connection, sql.Identifier("bi", "publication"), _PUBLICATION_VIEW)
            changed.append("publication")
    return changed


def _replace(connection: Connection, relation: Relation, *, exists: bool) -> None:
    view = sql.Identifier("bi", relation.name)
    if exists:
        connection.execute(sql.SQL("drop view {}").format(view))
    connection.execute(
        sql.SQL("create view {} with (security_barrier) as {}").format(view, sql.SQL(relation.view_sql()))
    )
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
    reader = roles.READER_DETAIL if relation.is_person_level else roles.READER_BASE
    connection.execute(sql.SQL("grant select on {} to {}").format(view, sql.Identifier(reader)))


def _publication_view(connection: Connection) -> None:
    connection.execute(
        "create or replace view bi.publication with (security_barrier) as"
        " select p.publication_id, p.published_at, p.status, p.kind, p.completeness, p.freshness, p.changes,"
        " p.publication_id = ops.shown_publication(false) as is_shown"
        " from ops.publication as p where p.publication_id > 0 and " + _ANY_SCOPE
    )
    comments = {
        None: "One row per publication: what was shown when. A session that sets vss.publication to one of these ids "
        "sees all of bi as it was then.",
        "publication_id": "Number of the publication; later ones have higher numbers.",
        "published_at": "When readers began to see it.",
        "status": "published.",
        "kind": "build, or rollback to an earlier publication.",
        "completeness": "How many of the senders expected are in, and who is missing.",
        "freshness": "One plain sentence on how fresh the figures are.",
        "changes": "Which slices changed against the publication before.",
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
    text = json.dumps([relation.view_sql(), relation.description, relation.columns], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
