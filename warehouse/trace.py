"""From a published figure to the cells it rests on (M12).

Each fact and report declares in its model's `meta.trace` what its figures are made of; `remember` keeps the
declarations beside the views of `bi`, and `trace` follows them as vss_reader, who reads nothing but `bi`:

- `feed`: the relation's rows are rows of this feed's files, found by submission_id and row_no. `cells` names the
  columns of the file behind a column where the name differs. `year_to_date` names the key by which a row of a
  year-to-date file is its cell less the months before.
- `routes`: the first one whose `when` holds and that finds anything explains its `figures`: as the sum of an amount
  over the rows of another relation (`from`, `join`, `where`; `{aggregate: …}` where it is no sum over rows), as made
  of other columns of the row (`made_of`), or as counted over a whole file (`file`). In these texts `r.x` is a column
  of the figure's row and `f` the other relation. `counted_by` names the columns that say which rows are counted.
- `why`: what there is to say where nothing leads further.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import psycopg
from psycopg import sql
from psycopg.types.json import Json

from warehouse import roles
from warehouse.connection import Connection, connect
from warehouse.errors import UsageError
from warehouse.publication import current, resolve
from warehouse.settings import Settings

FIGURES = 20
"""How many rows of the relation asked for are traced at most."""
_TIMEOUT = "5min"
_PARTS = 200
_DEPTH = 5
_OF_ROW = re.compile(r"\br\.(\w+)\b")
_OF_PART = re.compile(r"\bf\.(\w+)\b")
# what every relation repeats, and nobody needs to tell rows apart
_NO_KEY = {"territory_key", "current_province_code", "geo_level", "as_of_date", "qualifier", "submission_id", "basis",
           "unit", "measure", "note", "plan_document", "revision"}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One row of a file: the columns of the file a figure takes there, and what the row adds to the figure.

    `held` is what the cell of a year-to-date file holds, in đồng; `earlier` are the rows of the months before, whose
    amounts were taken off. Where `row_no` is None the row stood in the file before and no more in this one.
    """

    submission_id: str
    row_no: int | None
    columns: tuple[str, ...]
    amount: Decimal | None
    held: Decimal | None = None
    earlier: tuple[Cell, ...] = ()


@dataclass(frozen=True)
class Origin:
    """A submission's file under a figure: how many of its rows, what they come to, and what the ledger knows of it.

    `control` are the four points of the control total of the column, where the figure takes one column;
    `is_met` whether they agree with the amount, known only where all rows of a month's file were taken.
    """

    submission_id: str
    rows: int
    amount: Decimal | None
    ledger: Mapping[str, Any]
    control: Mapping[str, Any] | None = None
    is_met: bool | None = None


@dataclass(frozen=True)
class Source:
    """What a figure is made of: rows of a relation that come from files, other figures, or whole files.

    `adds_up` is None where nothing is summed; `difference` is the figure less the sum.
    """

    kind: str
    relation: str
    rows: int = 0
    total: Decimal | None = None
    adds_up: bool | None = None
    difference: Decimal | None = None
    origins: tuple[Origin, ...] = ()
    cells: tuple[Cell, ...] = ()
    figures: tuple[Figure, ...] = ()
    why: str | None = None


@dataclass(frozen=True)
class Figure:
    """One column of one row of a relation, and what it is made of."""

    relation: str
    key: Mapping[str, Any]
    column: str
    value: Any
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Trace:
    """The answer: figures of one relation in one publication; `is_cut` when more rows matched than were traced."""

    relation: str
    publication: int
    figures: tuple[Figure, ...]
    rows: int
    is_cut: bool = field(default=False)

    @property
    def adds_up(self) -> bool:
        """Whether every sum on the way is what its figure says."""
        return all(source.adds_up is not False for figure in walk(self.figures) for source in figure.sources)


def walk(figures: Sequence[Figure]) -> Iterator[Figure]:
    """All figures of a trace, each before those it is made of."""
    for figure in figures:
        yield figure
        for source in figure.sources:
            yield from walk(source.figures)


def declarations(manifest: Path) -> dict[str, dict[str, Any]]:
    """What the published facts and reports of a dbt manifest declare under `meta.trace`."""
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    metas = {node["name"]: node["config"].get("meta") or {} for node in nodes if node["resource_type"] == "model"}
    return {
        name: dict(meta["trace"])
        for name, meta in sorted(metas.items())
        if meta.get("is_published") and meta.get("trace")
    }


def remember(connection: Connection, declared: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep the declarations, as the publisher, in the transaction that brings the views up to date."""
    connection.execute("delete from ops.trace_route where relation <> all(%s)", [list(declared)])
    for relation, route in declared.items():
        connection.execute(
            "insert into ops.trace_route as t (relation, feed, route) values (%s, %s, %s)"
            " on conflict (relation) do update set feed = excluded.feed, route = excluded.route"
            " where (t.feed, t.route::text) is distinct from (excluded.feed, excluded.route::text)",
            [relation, route.get("feed"), Json(dict(route))],
        )


def trace(
    settings: Settings,
    relation: str,
    where: str,
    *,
    publication: str | None = None,
    column: str | None = None,
    limit: int | None = 10,
) -> Trace:
    """Follow the figures of the rows of `relation` that `where` chooses, down to rows of files.

    `column` is the figure to follow (default: the relation's first); `limit` the rows of each file that are named, None
    for all of them. Runs as vss_reader in a read-only transaction with a time-out: what `where` may do is the role's
    limit, not a parser's. Raises UsageError for whatever in the request is wrong.
    """
    number = _number(settings, publication)
    with connect(settings, roles.PUBLISHER) as publisher:
        rows = publisher.execute("select relation, route from ops.trace_route").fetchall()
        routes = {str(name): cast("dict[str, Any]", route) for name, route in rows}
    if not routes:
        raise UsageError("No relation says yet how it is traced: the next build brings it, `vss build`.")
    if relation not in routes:
        known = ", ".join(name for name in sorted(routes) if name.startswith("rpt_"))
        raise UsageError(f"{relation} has no figure to trace: take a fact (fct_…) or one of {known}.")
    with connect(settings, roles.READER) as connection:
        connection.read_only = True
        connection.execute("select set_config('statement_timeout', %s, true)", [_TIMEOUT])
        connection.execute("select set_config('vss.publication', %s, false)", [str(number)])
        connection.execute("set local search_path = bi, pg_temp")
        follower = _Follower(connection, routes, limit)
        chosen, count = follower.chosen(relation, where)
        # a condition may call functions: what it did to the pin ends here
        connection.execute("select set_config('vss.publication', %s, false)", [str(number)])
        columns = [column] if column is not None else follower.main_figures(relation, chosen)
        for name in columns:
            if chosen and name not in chosen[0]:
                raise UsageError(f"{relation} has no column {name}: its columns are {', '.join(chosen[0])}.")
        try:
            figures = tuple(follower.figure(relation, row, name, 0) for row in chosen for name in columns)
        except psycopg.errors.QueryCanceled:
            raise UsageError(f"The trace took longer than {_TIMEOUT}: narrow --where.") from None
    return Trace(relation, number, figures, count, count > len(chosen))


def _number(settings: Settings, wanted: str | None) -> int:
    if wanted is not None:
        return resolve(settings, wanted)
    shown = current(settings)
    if shown is None:
        raise UsageError("Nothing has been published yet: `vss build`, then `vss publish`.")
    return shown.publication_id


Row = dict[str, Any]


class _Follower:
    """Follows declared routes over one connection of the reader."""

    def __init__(self, connection: Connection, routes: Mapping[str, Mapping[str, Any]], limit: int | None) -> None:
        self._connection = connection
        self._routes = routes
        self._limit = limit
        self._ledger: dict[str, dict[str, Row]] = {}
        self._sent: dict[str, frozenset[str]] = {}

    def chosen(self, relation: str, where: str) -> tuple[list[Row], int]:
        """The first rows that a user's condition chooses, and how many it does."""
        # on lines of its own, so that a comment ends with it; prepared, so that it stays one statement
        condition = f"from bi.{relation} as r where (\n{where}\n)"
        try:
            count = self._connection.execute(_text(f"select count(*) {condition}"), prepare=True).fetchone()
            assert count is not None
            rows = self._rows(f"select r.* {condition} order by 1, 2, 3, 4, 5 limit {FIGURES}", prepare=True)
        except psycopg.Error as error:
            raise UsageError(
                f"The condition fails: {str(error).splitlines()[0]}. Write --where in SQL, over columns of {relation}."
            ) from None
        if not rows:
            raise UsageError(f"No row of {relation} meets the condition in this publication: change --where.")
        return rows, int(str(count[0]))

    def main_figures(self, relation: str, rows: Sequence[Row]) -> list[str]:
        """The figure that is followed when none is named: the first of the first route; of a fact its first amount."""
        declared = self._routes[relation]
        for route in declared.get("routes", []):
            return [next(iter(route["figures"]))]
        amounts = [name for name, value in rows[0].items() if isinstance(value, int | Decimal) and name != "row_no"
                   and not isinstance(value, bool) and name not in ("year", "version", "item_no")]  # fmt: skip
        return amounts[:1] or ["row_no" if "row_no" in rows[0] else next(iter(rows[0]))]

    def figure(self, relation: str, row: Row, column: str, depth: int) -> Figure:
        """One figure with what it is made of."""
        traced = Figure(relation, _key(row), column, row[column])
        declared = self._routes.get(relation, {})
        if depth > _DEPTH:
            return traced
        for route in declared.get("routes", []):
            if column in route["figures"] and self._holds(route.get("when"), row):
                source = self._source(relation, row, column, route, depth)
                if source is not None:
                    return replace(traced, sources=(source,))
        if declared.get("feed"):
            return replace(traced, sources=(self._own_row(relation, row, column),))
        return replace(traced, sources=(Source("end", relation, why=_why(declared, column)),))

    def _holds(self, when: str | None, row: Row) -> bool:
        if when is None:
            return True
        found = self._connection.execute(_text(f"select ({self._filled(when, row)})")).fetchone()
        return found is not None and found[0] is True

    def _source(self, relation: str, row: Row, column: str, route: Mapping[str, Any], depth: int) -> Source | None:
        if "made_of" in route:
            figures = tuple(self.figure(relation, row, name, depth + 1) for name in route["made_of"])
            return Source("made of", relation, figures=figures, why=route.get("why"))
        if "file" in route:
            return self._whole_file(row, route)
        target = str(route["from"])
        amount = self._amount(route["figures"][column], row)
        scope = f"from {target} as f {route.get('join', '')} where {route['where']}"
        scope = self._filled(scope, row).replace("traced_column", _literal(column))
        if self._routes.get(target, {}).get("feed"):
            return self._file_rows(target, scope, amount, row[column], route)
        return self._other_figures(target, scope, amount, row[column], route, depth)

    def _amount(self, declared: Any, row: Row) -> Any:
        if isinstance(declared, str):
            return self._filled(declared, row)
        return {name: self._filled(text, row) for name, text in declared.items()}

    def _file_rows(self, fact: str, scope: str, amount: Any, value: Any, route: Mapping[str, Any]) -> Source | None:
        """A figure over rows of a fact that are rows of files."""
        is_sum = isinstance(amount, str)
        each = amount if is_sum else amount.get("each", "1")
        by_submission = self._connection.execute(
            _text(
                f"select submission_id, count(*), sum(amount) from (select f.submission_id,"  # noqa: S608 - declared
                f" ({each})::numeric as amount {scope}) x where amount is not null group by 1 order by 1"
            )
        ).fetchall()
        if not by_submission:
            return None
        total = _sum(part[2] for part in by_submission)
        if not is_sum:
            found = self._connection.execute(_text(f"select ({amount['aggregate']})::numeric {scope}")).fetchone()
            total = None if found is None else _decimal(found[0])
        columns = self._columns_of(fact, amount if is_sum else each, route)
        ledger = self._ledger_of(fact)
        origins = []
        for submission_id, count, part in by_submission:
            known = ledger.get(str(submission_id), {})
            control = None
            if is_sum and len(columns) == 1 and _OF_PART.fullmatch(each.strip()):
                control = (known.get("totals") or {}).get(columns[0])
            is_whole = known.get("basis") == "month" and known.get("rows_accepted") == count
            is_met = _is_met(control, _decimal(part)) if control and is_whole else None
            origins.append(
                Origin(str(submission_id), int(str(count)), _decimal(part) if is_sum else None, known, control, is_met)
            )
        first = "" if self._limit is None else f" and traced_place <= {self._limit}"
        rows = self._rows(
            "select * from (select *, row_number() over (partition by submission_id"  # noqa: S608 - declared
            " order by row_no nulls last) as traced_place"
            f" from (select f.*, ({each})::numeric as traced_amount {scope}) y where traced_amount is not null) x"
            f" where true{first} order by submission_id, row_no nulls last"
        )
        cells = tuple(self._cell(fact, found, columns, each) for found in rows)
        count = sum(origin.rows for origin in origins)
        compared = (None, None) if route.get("is_part") else _compared(value, total)
        return Source("rows", fact, count, total, *compared, tuple(origins), cells, why=route.get("why"))

    def _other_figures(
        self, target: str, scope: str, amount: Any, value: Any, route: Mapping[str, Any], depth: int
    ) -> Source | None:
        """A figure over rows of a relation that is itself made of others."""
        each = amount if isinstance(amount, str) else amount.get("each", "null::numeric")
        rows = self._rows(
            f"select * from (select f.*, ({each})::numeric as traced_amount {scope}) x"  # noqa: S608 - declared
            f" where traced_amount is not null order by 1, 2, 3, 4, 5 limit {_PARTS}"
        )
        if not rows:
            return None
        found = self._connection.execute(
            _text(
                f"select count(amount), sum(amount) from (select ({each})::numeric as amount {scope}) x"  # noqa: S608 - declared
                if isinstance(amount, str)
                else f"select count(*), ({amount['aggregate']})::numeric {scope}"
            )
        ).fetchone()
        assert found is not None
        total = _decimal(found[1])
        columns = list(dict.fromkeys(_OF_PART.findall(each)))
        figures = tuple(
            self.figure(target, {name: part[name] for name in part if name != "traced_amount"}, name, depth + 1)
            for part in rows
            for name in columns
            if isinstance(part[name], int | Decimal)
        )
        compared = (None, None) if route.get("is_part") else _compared(value, total)
        return Source("figures", target, int(str(found[0])), total, *compared, figures=figures, why=route.get("why"))

    def _own_row(self, relation: str, row: Row, column: str) -> Source:
        """A row that is itself a row of a file."""
        columns = self._columns_of(relation, f"f.{column}", {})
        if not columns:
            why = _why(self._routes[relation], column)
            return Source("rows", relation, 1, origins=self._one_origin(relation, row), why=why, cells=(
                Cell(str(row["submission_id"]), row.get("row_no"), (), None),))  # fmt: skip
        cell = self._cell(relation, {**row, "traced_amount": row[column]}, columns, f"f.{column}")
        return Source("rows", relation, 1, origins=self._one_origin(relation, row), cells=(cell,))

    def _one_origin(self, relation: str, row: Row) -> tuple[Origin, ...]:
        submission_id = row.get("submission_id")
        if submission_id is None:
            return ()
        return (Origin(str(submission_id), 1, None, self._ledger_of(relation).get(str(submission_id), {})),)

    def _whole_file(self, row: Row, route: Mapping[str, Any]) -> Source | None:
        """A figure that is counted over a file whose rows stand in no relation row by row."""
        feed = str(row["feed"]) if route["file"] == "r.feed" else str(route["file"])
        condition = self._filled(route["where"], row)
        names = [
            str(found[0])
            for found in self._connection.execute(
                _text(
                    f"select f.submission_id from lineage({_literal(feed)}) as f where {condition} order by 1"  # noqa: S608
                )
            ).fetchall()
        ]
        if not names:
            return None
        ledger = self._ledger_of(feed)
        origins = tuple(Origin(name, int(ledger[name]["rows_accepted"]), None, ledger[name]) for name in names)
        return Source("files", feed, sum(origin.rows for origin in origins), origins=origins, why=route.get("why"))

    def _cell(self, fact: str, row: Row, columns: tuple[str, ...], amount: str) -> Cell:
        value = row.get("traced_amount")
        made = Cell(str(row["submission_id"]), row["row_no"], columns, _decimal(value) if _is_number(value) else None)
        key = self._routes[fact].get("year_to_date")
        if not key or row.get("basis") != "ytd" or not _OF_PART.fullmatch(amount.strip()):
            return made
        # the cell holds the year to date: the month's amount and those of the months before it, of the same key
        same = " and ".join(f"f.{name} is not distinct from r.{name}" for name in key)
        name = amount.strip()
        if not name.endswith("_vnd") and name != "f.cases":
            return made
        earlier = self._rows(
            self._filled(
                f"select f.submission_id, f.row_no, {name} as traced_amount from {fact} as f where {same}"  # noqa: S608
                " and f.current_province_code = r.current_province_code"
                " and (f.territory_key = r.territory_key or (select p.predecessors from dim_province as p"
                " where p.province_key = r.province_key) = 1)"
                " and f.month < r.month and f.month >= date_trunc('year', r.month::timestamp)::date"
                f" and {name} is not null order by f.month",
                row,
            )
        )
        parts = tuple(
            Cell(str(e["submission_id"]), e["row_no"], columns, _decimal(e["traced_amount"])) for e in earlier
        )
        held = _sum([value, *(part.amount for part in parts)])
        return replace(made, held=held, earlier=parts)

    def _columns_of(self, fact: str, amount: str, route: Mapping[str, Any]) -> tuple[str, ...]:
        """The columns of the file behind an amount; of a count those that say which rows are counted."""
        declared = self._routes[fact]
        used = list(dict.fromkeys(_OF_PART.findall(amount))) or list(route.get("counted_by", []))
        names: list[str] = []
        for name in used:
            renamed = declared.get("cells", {}).get(name)
            if renamed is not None:
                names += renamed
            elif name in self._sent_columns(str(declared["feed"])):
                names.append(name)
        return tuple(dict.fromkeys(names))

    def _sent_columns(self, feed: str) -> frozenset[str]:
        if feed not in self._sent:
            found = self._connection.execute(
                "select a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid"
                " join pg_namespace n on n.oid = c.relnamespace"
                " where n.nspname = 'raw' and c.relname = %s and a.attnum > 0 and not a.attisdropped",
                [feed],
            ).fetchall()
            self._sent[feed] = frozenset(str(row[0]) for row in found) - {"load_id", "row_no"}
        return self._sent[feed]

    def _ledger_of(self, relation: str) -> dict[str, Row]:
        if relation not in self._ledger:
            rows = self._rows(f"select * from lineage({_literal(relation)})")  # noqa: S608 - quoted
            self._ledger[relation] = {str(row["submission_id"]): row for row in rows}
        return self._ledger[relation]

    def _filled(self, text: str, row: Row) -> str:
        """A declared text with the figure's row in it, as constants: so that only the months asked for are read."""

        def value(match: re.Match[str]) -> str:
            if match[1] not in row:
                raise UsageError(f"The route names r.{match[1]}, which the relation has not: `vss build` renews it.")
            return _literal(row[match[1]])

        return _OF_ROW.sub(value, text)

    def _rows(self, query: str, *, prepare: bool = False) -> list[Row]:
        cursor = self._connection.execute(_text(query), prepare=prepare)
        names = [column.name for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _text(query: str) -> bytes:
    # texts of our own models and the user's condition: what they may do is the reader's role to limit
    return query.encode()


def _literal(value: object) -> str:
    if isinstance(value, str | list):
        return sql.Literal(value).as_string() + ("::text" if isinstance(value, str) else "::text[]")
    return sql.Literal(value).as_string()


def _key(row: Row) -> dict[str, Any]:
    """What tells the row from others: its leading months, codes and names."""
    found = {
        name: value
        for name, value in row.items()
        if value is not None and name not in _NO_KEY and not name.endswith(("_key", "_id", "_date", "_name"))
        and (isinstance(value, str | dt.date) or name in ("tax_year", "row_no"))
    }  # fmt: skip
    return dict(list(found.items())[:7])


def _why(declared: Mapping[str, Any], column: str) -> str:
    return str(declared.get("why") or f"{column} is worked out from other columns: name one of those.")


def _compared(value: Any, total: Decimal | None) -> tuple[bool | None, Decimal | None]:
    if not _is_number(value):
        return None, None
    difference = _decimal(value) - (total or Decimal(0))  # type: ignore[operator]
    return difference == 0, difference


def _is_met(control: Mapping[str, Any], amount: Decimal | None) -> bool:
    loaded = control.get("loaded")
    return loaded is not None and amount == Decimal(str(loaded))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _sum(values: Any) -> Decimal | None:
    known = [Decimal(str(value)) for value in values if value is not None]
    return sum(known, Decimal(0)) if known else None
