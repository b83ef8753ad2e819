"""Which slices a build would make anew, asked of the very macros that make them (docs/decisions/0024-backfill.md).

dbt's manifest holds the project's macros as text. `slice_open` and `slice_exchange` of the `slice` materialisation are
rendered here for every model in order, in one transaction that opens a build and is rolled back: the rules which slices
follow which stand in `slice.sql` and nowhere else, no model is run, and nothing is left but gaps in two sequences.
"""

from __future__ import annotations

import datetime as dt
import functools
import graphlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import jinja2
import psycopg

from night import dbt_runs
from warehouse import builds, roles
from warehouse.connection import Connection, connect
from warehouse.errors import BuildOpenError
from warehouse.settings import Settings

_MACROS = ("slice_open", "slice_exchange", "slice_touched", "slice_parents")


@dataclass(frozen=True)
class Slice:
    """A slice that would be made anew: its cut (None where the relation has none), and its rows as they are shown."""

    relation: str
    territory_key: str | None
    month: dt.date | None
    rows: int


@dataclass(frozen=True)
class Touch:
    """What a submission that is not loaded yet would touch: the month of one feed, of a sender."""

    sender: str
    feed: str
    month: dt.date


@dataclass(frozen=True)
class SlicePlan:
    """What a build would do. `is_full`: the rules changed, or nothing is shown yet, so it makes everything anew.

    `looked_at`: relations without a cut; each is computed, and written only where its content differs.
    """

    is_full: bool
    slices: tuple[Slice, ...]
    looked_at: tuple[str, ...]


def plan_slices(settings: Settings, wanted: builds.Range | None, arriving: Iterable[Touch]) -> SlicePlan:
    """What a build would make anew if a range were made anew and submissions had arrived; also what waits for a build.

    Names no slice before the first build, for want of dbt's manifest. Raises BuildOpenError while a build is open.
    """
    manifest = _manifest(settings)
    if manifest is None:
        return SlicePlan(is_full=True, slices=(), looked_at=())
    # not the lease: a night may begin meanwhile, and waits for the rollback at most
    with connect(settings, roles.TRANSFORMER) as connection:
        connection.execute("set local lock_timeout = '5s'")
        try:
            row = connection.execute("select ops.open_build(%s, false)", [dbt_runs.project_hash()]).fetchone()
        except (psycopg.errors.UniqueViolation, psycopg.errors.LockNotAvailable):
            connection.rollback()
            raise BuildOpenError(
                "A build is open or waits for publication, and what would follow it is not known: try again when it"
                " has ended (`vss status --night` shows it)."
            ) from None
        assert row is not None
        build_id = int(str(row[0]))
        if wanted is not None:
            builds.touch_range(connection, build_id, wanted)
        _touch(connection, build_id, arriving)
        found = _planned(connection, build_id, manifest)
        connection.rollback()
        return found


def _touch(connection: Connection, build_id: int, arriving: Iterable[Touch]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into ops.build_touch (build_id, source, territory_key, month)
            select %s, %s, p.territory_key, s.month
            from (select %s::text as sender, %s::date as month) s
            left join ops.province p
                on s.sender = 'province-' || p.province_code and s.month >= p.valid_from and s.month < p.valid_to
            """,
            [(build_id, touch.feed, touch.sender, touch.month) for touch in arriving],
        )


def _planned(connection: Connection, build_id: int, manifest: Mapping[str, Any]) -> SlicePlan:
    def run_query(statement: str) -> _Table:
        if statement.startswith(("analyze ", "select ops.analyze_candidate")):
            # fresh statistics are for rows, of which there are none
            return _Table([])
        cursor = connection.execute(statement.encode())
        return _Table([] if cursor.description is None else cursor.fetchall())

    macros = _macros(manifest, run_query)
    looked_at = []
    for model in _in_order(manifest):
        config = model["config"]
        relation = _Relation(model["schema"], model["alias"])
        bound = {"config": config, "this": relation, "sql": ""}
        if config.get("slice_by"):
            opened = macros["slice_open"](bound, model)
            if opened["source"]:
                macros["slice_exchange"](bound, relation, opened)
        else:
            is_full = bool(run_query("select 1 from ops.build where state = 'open' and is_full").rows)
            touched = macros["slice_touched"](bound, model, model["alias"], build_id, is_full)
            if is_full or run_query(f"select 1 from ({touched}) t limit 1").rows:  # noqa: S608 - rendered by the macro
                looked_at.append(model["alias"])
                # what rests on it is looked at as well
                connection.execute(
                    "insert into ops.slice (relation, build_id, row_count) values (%s, %s, 0) on conflict do nothing",
                    [model["alias"], build_id],
                )
    row = connection.execute("select is_full from ops.build where build_id = %s", [build_id]).fetchone()
    assert row is not None
    return SlicePlan(bool(row[0]), _replaced(connection, build_id, looked_at), tuple(sorted(looked_at)))


def _replaced(connection: Connection, build_id: int, looked_at: list[str]) -> tuple[Slice, ...]:
    """The slices that were opened, with the rows of those they would replace."""
    rows = connection.execute(
        """
        select n.relation, n.territory_key, n.month, coalesce(max(o.row_count), 0)
        from ops.slice n
        join ops.build b on b.build_id = n.build_id
        left join (
            select s.relation, s.territory_key, s.month, s.row_count, p.from_publication, p.to_publication
            from ops.publication_slice p join ops.slice s on s.slice_id = p.slice_id
        ) o on o.relation = n.relation and o.territory_key is not distinct from n.territory_key
            and o.month is not distinct from n.month
            and o.from_publication <= b.base_id and o.to_publication > b.base_id
        where n.build_id = %s and n.relation <> all(%s)
        group by 1, 2, 3 order by 1, 3, 2
        """,
        [build_id, looked_at],
    )
    return tuple(
        Slice(str(row[0]), None if row[1] is None else str(row[1]), _month(row[2]), int(str(row[3]))) for row in rows
    )


def _month(value: object) -> dt.date | None:
    return value if isinstance(value, dt.date) else None


# ------------------------------------------------------------------------------------------- the macros, without dbt


@dataclass(frozen=True)
class _Table:
    """What `run_query` gives a macro."""

    rows: list[tuple[object, ...]]


@dataclass(frozen=True)
class _Relation:
    """What `this` is to a macro."""

    schema: str
    identifier: str


class _ReturnedError(Exception):
    """How `return` leaves a macro in dbt: with a value that is no text."""

    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value


def _return(value: object) -> NoReturn:
    raise _ReturnedError(value)


def _macros(manifest: Mapping[str, Any], run_query: Callable[[str], _Table]) -> dict[str, Callable[..., Any]]:
    """The macros by name; each is called with the names it may use as `dict`, then its own arguments."""
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)  # noqa: S701 - renders SQL
    found: dict[str, Callable[..., Any]] = {}
    shared = {
        "return": _return, "run_query": run_query, "graph": {name: manifest[name] for name in ("nodes", "sources")},
        "should_full_refresh": lambda: False,
    }  # fmt: skip

    def call(name: str, bound: Mapping[str, object], *arguments: object) -> Any:
        others = {each: functools.partial(macro, bound) for each, macro in found.items()}
        names = {**shared, **others, **bound, "model": arguments[0] if arguments else None}
        try:
            return getattr(templates[name].make_module(names), f"of_{name}")(*arguments)
        except _ReturnedError as returned:
            return returned.value

    templates = {
        # under another name, so that a macro that calls itself comes by here and its `return` is caught
        name: environment.from_string(
            manifest["macros"][f"macro.vss.{name}"]["macro_sql"].replace(f"macro {name}(", f"macro of_{name}(", 1)
        )
        for name in _MACROS
    }
    for name in templates:
        found[name] = functools.partial(call, name)
    found["slice_rows"] = lambda _, relation: _Relation(relation.schema, f"{relation.identifier}__rows")
    return found


def _in_order(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The models that are made as slices, each after those it reads."""
    nodes = manifest["nodes"]
    graph = {
        name: [each for each in node["depends_on"].get("nodes", []) if each in nodes] for name, node in nodes.items()
    }
    return [
        nodes[name]
        for name in graphlib.TopologicalSorter(graph).static_order()
        if nodes[name]["resource_type"] == "model" and nodes[name]["config"].get("materialized") == "slice"
    ]


def _manifest(settings: Settings) -> dict[str, Any] | None:
    """Of this project if it was built before, else of the last one; None before the first build."""
    for path in (dbt_runs.kept_manifest(settings, dbt_runs.project_hash()), dbt_runs.manifest_path(settings)):
        if path.exists():
            found: dict[str, Any] = json.loads(path.read_bytes())
            return found
    return None
