"""What differs between two publications, and which corrections it goes back to.

Two publications share every slice that nothing touched, so only the slices that one of them shows and the other does
not are read (ops.publication_slice): the price is that of the change, not of the history. Counts only, except for the
figures of three reports that hold no person.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, LiteralString, cast

from psycopg import IsolationLevel, sql
from psycopg.rows import dict_row

from warehouse import roles
from warehouse.connection import Connection, connect
from warehouse.errors import UsageError
from warehouse.publication import resolve
from warehouse.settings import Settings

NATIONAL = "national"
RULES = "changed rules"
"""Named beside submissions where the dbt project of the two publications differs."""

# Keys of relations that have none in the database, which would cost more than the insert of the row; each is unique
# in its slice by the feed's contract or by a dbt test.
_KEYS: dict[str, tuple[LiteralString, ...]] = {
    "dim_participant": ("r.participant_key",),
    "fct_arrears": ("r.si_unit_code", "r.fund"),
    "fct_contribution": ("r.payer_kind", "r.payer_code", "r.fund", "r.liability_month"),
    "fct_participation": ("r.insurance_type", "r.participant_key"),
    "fct_reported_indicator": (
        "r.sender", "r.period", "r.indicator", "r.as_of_date", "r.unit", "r.measure", "r.comparison",
    ),
    "fct_tax_match": (
        "r.tax_year",
        "case when r.match_class <> 'not_in_tax_list' then r.tax_code else '' end",
        "case when r.match_class = 'not_in_tax_list' then r.employer_id::text else '' end",
    ),
    "rpt_participants": ("r.insurance_type", "coalesce(r.hi_group, '')", "r.unit_type"),
}  # fmt: skip
# a row that says the same and only comes from another submission or row counts apart
_ORIGIN = ("submission_id", "version", "row_no")
_ABOUT_SUBMISSIONS = frozenset({"rpt_completeness"})

# what tells the rows of a province and month apart, in the relations whose figures are printed
_FIGURES = {
    "rpt_plan_attainment": "indicator", "rpt_collection": "insurance_group", "rpt_arrears_ageing": "ageing_band",
}  # fmt: skip
_NO_FIGURE = frozenset({"revision", "provinces_included", "provinces_expected"})
_SUMS = frozenset({"actual", "plan", "units", "employees_affected"})
_BOTH = sql.SQL("a.cut is not null and b.cut is not null")
_NUMBERS = frozenset({"smallint", "integer", "bigint", "numeric", "double precision"})

# Reports that are a slice a build and whose rows of a province rest on its own files, its predecessors', and those
# of headquarters and the tax office; of what is sliced by territory dbt's lineage tells as much.
_OF_THEIR_PROVINCE = frozenset({*_FIGURES, "rpt_completeness"})
# has rows of every province and of every month that anything is about, with a plan and nothing else if need be
_ON_THE_MAP = frozenset({"rpt_plan_attainment"})
# feeds whose files say nothing about an earlier month
_LOOK_BACK = frozenset({"participants", "contributions", "arrears"})

Kind = Literal["came in", "superseded", "voided", "taken back", "restored"]


@dataclass(frozen=True)
class Edge:
    """One of the two publications compared."""

    publication_id: int
    published_at: dt.datetime
    kind: str
    build_id: int
    project: str


@dataclass(frozen=True)
class Correction:
    """A submission that is in force in one of the two publications and not in the other.

    `kind`: came in (nothing stood there before), superseded (a higher version took its place), voided, taken back
    (the later argument is the earlier state: not in force there), restored (in force again: the other way round).
    `submission_id` is what did it, the void included; `replaced` what had stood there. Versions are those in force.
    """

    kind: Kind
    submission_id: str
    replaced: str | None
    sender: str
    period: str
    month: dt.date | None
    current_province_code: str | None
    feeds: tuple[str, ...]
    version_before: int | None
    version_after: int | None
    received_at: dt.datetime | None
    is_late: bool | None
    release_reason: str | None
    released_by: str | None
    released_at: dt.datetime | None


@dataclass(frozen=True)
class Rebuild:
    """A publication after the earlier of the two, up to the later one, in which everything was made anew."""

    publication_id: int
    published_at: dt.datetime
    project_before: str | None
    project: str

    @property
    def has_new_rules(self) -> bool:
        """Whether the dbt project changed; else it was asked for."""
        return self.project_before != self.project


@dataclass(frozen=True)
class Decision:
    """A decision on a similar pair of tax code and unit that only one of the two publications rests on."""

    decision_id: int
    is_in_force: bool
    tax_code: str
    si_unit_code: str
    province_code: str
    verdict: str
    reason: str
    decided_by: str
    decided_at: dt.datetime
    revoked_by: str | None
    revoke_reason: str | None


@dataclass(frozen=True)
class Count:
    """What differs of a relation in a month and province; both None where the relation has none.

    `rows_new` and `rows_gone` are rows of a key that the other publication has not; `rows_changed` those that say
    something else, in `cells` by column; `rows_moved` those that say the same and name another submission or row.
    `goes_back_to` holds every submission, decision or RULES the difference may come from: where it is one, it is that.
    """

    relation: str
    month: dt.date | None
    province_code: str | None
    current_province_code: str | None
    rows_new: int
    rows_gone: int
    rows_changed: int
    rows_moved: int
    cells: dict[str, int]
    goes_back_to: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figure:
    """A number of a report before and after; `difference` is None where one of them is not there. Exact."""

    relation: str
    month: dt.date
    province_code: str
    current_province_code: str
    key: str
    column: str
    before: Decimal | None
    after: Decimal | None
    difference: Decimal | None
    goes_back_to: tuple[str, ...] = ()

    @property
    def is_sum(self) -> bool:
        """Whether the national figure is the sum of the provinces' of its month, and compared with no other."""
        return self.column in _SUMS or self.column.endswith("_vnd")


@dataclass(frozen=True)
class Differences:
    """What differs between two publications; `slices` counts by relation the slices that were exchanged."""

    before: Edge
    after: Edge
    corrections: tuple[Correction, ...] = ()
    rebuilds: tuple[Rebuild, ...] = ()
    decisions: tuple[Decision, ...] = ()
    slices: dict[str, int] = field(default_factory=dict)
    counts: tuple[Count, ...] = ()
    figures: tuple[Figure, ...] = ()

    @property
    def has_new_rules(self) -> bool:
        """Whether the two publications were made by different dbt projects."""
        return self.before.project != self.after.project

    @property
    def is_same(self) -> bool:
        """Whether a reader finds no difference and nothing else was in force."""
        return not (self.counts or self.corrections or self.decisions or self.has_new_rules)


def compare(
    settings: Settings, before: str, after: str, *, relation: str | None = None, manifest: Path | None = None
) -> Differences:
    """What differs from one publication to another; each is a number or a local date, as in `as_of`.

    `relation` narrows to one relation of bi. `manifest` is dbt's: without it a difference may name more submissions
    than it can come from. Raises UsageError for a publication that cannot be read and a relation that is not there.
    """
    first, second = resolve(settings, before), resolve(settings, after)
    with connect(settings, roles.ENGINEER) as connection:
        # one picture of the pointer, whatever is published or pruned meanwhile
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute("set local work_mem = '128MB'")
        published = _published(connection)
        if relation is not None:
            name = relation.removeprefix("bi.")
            if name not in published:
                raise UsageError(f"There is no relation {relation} to compare: docs/bi-relations.md lists them.")
            published = [name]
        edges = _edge(connection, first), _edge(connection, second)
        if first == second:
            return Differences(*edges)
        corrections = corrections_between(connection, edges[0].build_id, edges[1].build_id)
        rebuilds = _rebuilds(connection, *edges)
        decisions = _decisions(connection, *edges)
        exchanged = _exchanged(connection, first, second, published)
        counts: list[Count] = []
        figures: list[Figure] = []
        for name, pairs in exchanged.items():
            table = _table(connection, name)
            # most of what was made anew says what it said before
            for month, cut in _by_month(_unequal(connection, table, pairs) if rebuilds else pairs):
                counts += _counts(connection, table, cut, month)
                if name in _FIGURES:
                    figures += _figures(connection, table, cut, month)
        opened = _opened(connection, *edges) if edges[0].build_id != edges[1].build_id else frozenset()
    causes = _Causes(
        corrections,
        [f"decision {decision.decision_id}" for decision in decisions],
        [RULES] if edges[0].project != edges[1].project else [],
        opened,
        _Lineage.read(manifest),
    )
    return Differences(
        *edges, tuple(corrections), tuple(rebuilds), tuple(decisions),
        {name: len(pairs) for name, pairs in exchanged.items()}, causes.of_counts(counts), causes.of_figures(figures),
    )  # fmt: skip


# -------------------------------------------------------------------------------------------- what came between the two


def _edge(connection: Connection, number: int) -> Edge:
    row = connection.execute(
        "select p.publication_id, p.published_at, p.kind, p.build_id, b.project_hash"
        " from ops.publication p join ops.build b on b.build_id = p.build_id where p.publication_id = %s",
        [number],
    ).fetchone()
    assert row is not None
    return Edge(*cast("Any", row))


def corrections_between(connection: Connection, before: int | None, after: int) -> list[Correction]:
    """What one build reads otherwise than another; feeds of one submission that share their fate stand together.

    `before` is None for a build before which nothing was published. By month, sender, period and version.
    """
    found = connection.cursor(row_factory=dict_row).execute(
        """
        with changed as (
            select sender, feed, period, gone.load_id as old_load, there.load_id as new_load
            from (select * from ops.build_input where build_id = %(before)s) gone
            full join (select * from ops.build_input where build_id = %(after)s) there using (sender, feed, period)
            where gone.load_id is distinct from there.load_id
        )
        select
            c.sender, c.period, array_agg(c.feed order by c.feed) as feeds,
            old.submission_id as old_id, old.version as old_version, new.submission_id as new_id,
            new.version as new_version, coalesce(new.sub_no, old.sub_no) as sub_no,
            case when new.sub_no is null then old.received_at else new.received_at end as received_at,
            case when new.sub_no is null then old.is_late else new.is_late end as is_late,
            coalesce(new.month, old.month) as month,
            (
                select p.current_province_code from ops.province p
                where c.sender = 'province-' || p.province_code and coalesce(new.month, old.month) >= p.valid_from
                  and coalesce(new.month, old.month) < p.valid_to
            ) as current_province_code
        from changed c
        left join ops.load g on g.load_id = c.old_load left join ops.submission old on old.sub_no = g.sub_no
        left join ops.load t on t.load_id = c.new_load left join ops.submission new on new.sub_no = t.sub_no
        group by c.sender, c.period, old.sub_no, new.sub_no
        order by month, c.sender, c.period, new.version, old.version
        """,
        {"before": before, "after": after},
    )
    return [_correction(connection, row, is_forward=before is None or after > before) for row in found.fetchall()]


def _correction(connection: Connection, row: Mapping[str, Any], *, is_forward: bool) -> Correction:
    kind: Kind
    acting = dict(row)
    if row["new_id"] is None:
        kind = "voided" if is_forward else "taken back"
        acting |= (_void(connection, row) if is_forward else None) or {"new_id": row["old_id"]}
    elif row["old_id"] is None:
        kind = "came in" if is_forward else "restored"
    else:
        kind = "superseded" if row["new_version"] > row["old_version"] else "restored"
    release = connection.execute(
        "select reason, decided_by, decided_at from ops.decision where sub_no = %s and decision = 'release'"
        " order by decided_at desc limit 1",
        [acting["sub_no"]],
    ).fetchone() or (None, None, None)
    return Correction(
        kind=kind, submission_id=acting["new_id"],
        replaced=None if row["old_id"] == acting["new_id"] else row["old_id"],
        sender=row["sender"], period=row["period"], month=row["month"],
        current_province_code=row["current_province_code"], feeds=tuple(row["feeds"]),
        version_before=row["old_version"], version_after=acting["new_version"],
        received_at=acting["received_at"], is_late=acting["is_late"],
        release_reason=cast("Any", release[0]), released_by=cast("Any", release[1]),
        released_at=cast("Any", release[2]),
    )  # fmt: skip


def _void(connection: Connection, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """The void that took a version back."""
    return (
        connection.cursor(row_factory=dict_row)
        .execute(
            "select submission_id as new_id, version as new_version, received_at, is_late, sub_no from ops.submission"
            " where sender = %s and period = %s and action = 'void' and state = 'accepted' and version > %s"
            " order by version limit 1",
            [row["sender"], row["period"], row["old_version"]],
        )
        .fetchone()
    )


def _rebuilds(connection: Connection, before: Edge, after: Edge) -> list[Rebuild]:
    rows = connection.execute(
        """
        select p.publication_id, p.published_at, base.project_hash, b.project_hash
        from ops.publication p
        join ops.build b on b.build_id = p.build_id
        left join ops.publication shown on shown.publication_id = b.base_id
        left join ops.build base on base.build_id = shown.build_id
        where p.kind = 'build' and b.is_full and p.publication_id > %s and p.publication_id <= %s
        order by p.publication_id
        """,
        sorted([before.publication_id, after.publication_id]),
    ).fetchall()
    return [Rebuild(*cast("Any", row)) for row in rows]


def _decisions(connection: Connection, before: Edge, after: Edge) -> list[Decision]:
    rows = connection.execute(
        """
        select d.decision_id, there.build_id is not null, d.tax_code, d.si_unit_code, d.province_code, d.verdict,
            d.reason, d.decided_by, d.decided_at, d.revoked_by, d.revoke_reason
        from (select * from ops.build_review where build_id = %s) gone
        full join (select * from ops.build_review where build_id = %s) there using (decision_id)
        join ops.tax_review d using (decision_id)
        where gone.build_id is null or there.build_id is null
        order by d.decision_id
        """,
        [before.build_id, after.build_id],
    ).fetchall()
    return [Decision(*cast("Any", row)) for row in rows]


# ------------------------------------------------------------------------------------------------- what a reader finds


@dataclass(frozen=True)
class _Pair:
    """The slices of one territory and month that only one of the two publications shows; None where there is none."""

    territory_key: str | None
    month: dt.date | None
    before: int | None
    after: int | None


@dataclass(frozen=True)
class _Table:
    """Where a relation's rows stand: its columns with their types, and the expressions that tell its rows apart."""

    name: str
    columns: dict[str, str]
    key: tuple[sql.Composable, ...]
    plain_key: frozenset[str]
    is_partitioned: bool

    @cached_property
    def rows(self) -> sql.Identifier:
        return sql.Identifier("marts", f"{self.name}__rows")

    @cached_property
    def origin(self) -> list[str]:
        """Columns that say where a row comes from and not what it says."""
        return [] if self.name in _ABOUT_SUBMISSIONS else [name for name in _ORIGIN if name in self.columns]

    @cached_property
    def content(self) -> list[str]:
        """Columns that two rows of a key may differ in."""
        return [name for name in self.columns if name not in self.plain_key and name not in self.origin]

    def column(self, *names: str) -> sql.Composable:
        """The first of these columns that the relation has, else null."""
        there = next((name for name in names if name in self.columns), None)
        return sql.SQL("null") if there is None else sql.Identifier("r", there)

    def side(self, ids: str) -> sql.Composed:
        """The rows of the slices of one side: key, content, month and province, and where they come from."""
        key = self.key or (sql.Literal(ids),)
        keys = sql.SQL(", ").join(
            sql.SQL("{} as {}").format(expression, sql.Identifier(f"key_{place}"))
            for place, expression in enumerate(key)
        )
        return sql.SQL(
            "select coalesce(s.territory_key, '') as cut, {month}::date as of_month, {province}::text as of_province,"
            " {current}::text as of_current, {submission} as from_submission, {keys}, r.* from {rows} r"
            " join ops.slice s on s.slice_id = r.slice_id where r.slice_id = any({ids}){pruned}"
        ).format(
            month=self.column("month"), province=self.column("province_code", "current_province_code"),
            current=self.column("current_province_code"), keys=keys, rows=self.rows,
            submission=sql.Identifier("r" if "submission_id" in self.origin else "s", "submission_id"),
            ids=sql.Placeholder(ids),
            # the month as one value: only its partition is read
            pruned=sql.SQL(" and r.month = %(month)s" if self.is_partitioned else ""),
        )  # fmt: skip

    def joined(self) -> sql.Composed:
        """Both sides, row by row; without a key no row is another's."""
        same: list[sql.Composable] = [sql.SQL("b.cut = a.cut")]
        same += [
            sql.SQL("b.{0} = a.{0}").format(sql.Identifier(f"key_{place}")) for place in range(max(len(self.key), 1))
        ]
        return sql.SQL("({before}) b full join ({after}) a on {same}").format(
            before=self.side("before"), after=self.side("after"), same=sql.SQL(" and ").join(same)
        )

    def differs(self, names: Iterable[str]) -> sql.Composable:
        """Whether any of these columns differs."""
        found = [sql.SQL("b.{0} is distinct from a.{0}").format(sql.Identifier(name)) for name in names]
        return sql.SQL("({})").format(sql.SQL(" or ").join(found)) if found else sql.SQL("false")


def _published(connection: Connection) -> list[str]:
    rows = connection.execute(
        "select c.relname from pg_class c where c.relnamespace = 'bi'::regnamespace and c.relkind = 'v'"
        " and to_regclass(format('marts.%I', c.relname || '__rows')) is not null order by 1"
    ).fetchall()
    return [str(row[0]) for row in rows]


def _exchanged(connection: Connection, before: int, after: int, relations: Sequence[str]) -> dict[str, list[_Pair]]:
    """By relation the slices that only one of the two publications shows, those of one cut side by side."""
    rows = connection.execute(
        """
        with pointer as (
            select p.relation, p.slice_id,
                bool_or(p.from_publication <= %(before)s and p.to_publication > %(before)s) as was_shown,
                bool_or(p.from_publication <= %(after)s and p.to_publication > %(after)s) as is_shown
            from ops.publication_slice p
            where p.relation = any(%(relations)s)
              and p.from_publication <= greatest(%(before)s, %(after)s)
              and p.to_publication > least(%(before)s, %(after)s)
              and (p.from_publication > least(%(before)s, %(after)s)
                   or p.to_publication <= greatest(%(before)s, %(after)s))
            group by p.relation, p.slice_id
        )
        select s.relation, s.territory_key, s.month,
            max(s.slice_id) filter (where p.was_shown), max(s.slice_id) filter (where p.is_shown)
        from pointer p join ops.slice s on s.slice_id = p.slice_id
        where p.was_shown <> p.is_shown
        group by 1, 2, 3 order by 1, 2, 3
        """,
        {"before": before, "after": after, "relations": list(relations)},
    ).fetchall()
    exchanged: dict[str, list[_Pair]] = defaultdict(list)
    for relation, *rest in rows:
        exchanged[str(relation)].append(_Pair(*cast("Any", rest)))
    return dict(exchanged)


def _table(connection: Connection, relation: str) -> _Table:
    columns = connection.execute(
        "select a.attname, format_type(a.atttypid, null) from pg_attribute a"
        " where a.attrelid = format('marts.%%I', %s::text)::regclass and a.attnum > 0 and not a.attisdropped"
        " and a.attname <> 'slice_id' order by a.attnum",
        [f"{relation}__rows"],
    ).fetchall()
    known = connection.execute(
        "select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)"
        " where i.indrelid = format('marts.%%I', %s::text)::regclass and i.indisprimary and a.attname <> 'slice_id'",
        [f"{relation}__rows"],
    ).fetchall()
    partitioned = connection.execute(
        "select c.relkind = 'p' from pg_class c where c.oid = format('marts.%%I', %s::text)::regclass",
        [f"{relation}__rows"],
    ).fetchone()
    plain = [str(row[0]) for row in known]
    expressions = _KEYS.get(relation, ())
    key: list[sql.Composable] = [sql.SQL(each) for each in expressions]
    key += [sql.Identifier("r", name) for name in plain if not expressions]
    named = {each.removeprefix("r.") for each in expressions if each.startswith("r.")} if expressions else {*plain}
    return _Table(
        name=relation, columns={str(name): str(kind) for name, kind in columns}, key=tuple(key),
        plain_key=frozenset(named), is_partitioned=partitioned == (True,),
    )  # fmt: skip


def _unequal(connection: Connection, table: _Table, pairs: Sequence[_Pair]) -> list[_Pair]:
    """The pairs whose slices do not hold the same rows, by a digest of each."""
    names = sql.SQL(", ").join(sql.Identifier("r", name) for name in table.columns)
    digest = sql.SQL(
        "select r.slice_id, count(*), sum(hashtextextended(row({names})::text, 0)) from {rows} r"
        " where r.slice_id = any(%(ids)s){pruned} group by 1"
    ).format(names=names, rows=table.rows, pruned=sql.SQL(" and r.month = %(month)s" if table.is_partitioned else ""))
    found = []
    for month, cut in _by_month(pairs):
        ids = [number for pair in cut for number in (pair.before, pair.after) if number is not None]
        said = {row[0]: row[1:] for row in connection.execute(digest, {"ids": ids, "month": month}).fetchall()}
        found += [pair for pair in cut if said.get(pair.before) != said.get(pair.after)]
    return found


def _by_month(pairs: Sequence[_Pair]) -> list[tuple[dt.date | None, list[_Pair]]]:
    months: dict[dt.date | None, list[_Pair]] = defaultdict(list)
    for pair in pairs:
        months[pair.month].append(pair)
    return sorted(months.items(), key=lambda each: each[0] or dt.date.min)


def _ids(pairs: Sequence[_Pair], month: dt.date | None) -> dict[str, object]:
    return {
        "before": [pair.before for pair in pairs if pair.before is not None],
        "after": [pair.after for pair in pairs if pair.after is not None],
        "month": month,
    }


def _counts(connection: Connection, table: _Table, pairs: Sequence[_Pair], month: dt.date | None) -> list[Count]:
    cells = [
        sql.SQL("count(*) filter (where {} and {})").format(_BOTH, table.differs([name])) for name in table.content
    ]
    query = sql.SQL(
        "select coalesce(a.of_month, b.of_month), coalesce(a.of_province, b.of_province),"
        " coalesce(a.of_current, b.of_current), count(*) filter (where b.cut is null),"
        " count(*) filter (where a.cut is null), count(*) filter (where {both} and {content}),"
        " count(*) filter (where {both} and not {content} and {origin}), array[{cells}]::bigint[]"
        " from {joined} group by 1, 2, 3 order by 1, 2, 3"
    ).format(
        both=_BOTH, content=table.differs(table.content), origin=table.differs([*table.origin, "from_submission"]),
        cells=sql.SQL(", ").join(cells), joined=table.joined(),
    )  # fmt: skip
    counts = []
    for *row, by_column in connection.execute(query, _ids(pairs, month)).fetchall():
        numbers = zip(table.content, cast("list[int]", by_column), strict=True)
        found = Count(table.name, *cast("Any", [*row, {name: number for name, number in numbers if number}]))
        if found.rows_new or found.rows_gone or found.rows_changed or found.rows_moved:
            counts.append(found)
    return counts


def _figures(connection: Connection, table: _Table, pairs: Sequence[_Pair], month: dt.date | None) -> list[Figure]:
    numbers = [
        sql.SQL("({place}, {name}, b.{column}::numeric, a.{column}::numeric)").format(
            place=sql.Literal(place), name=sql.Literal(name), column=sql.Identifier(name)
        )
        for place, name in enumerate(table.content)
        if table.columns[name] in _NUMBERS and name not in _NO_FIGURE
    ]
    query = sql.SQL(
        "select coalesce(a.of_month, b.of_month), coalesce(a.of_province, b.of_province),"
        " coalesce(a.of_current, b.of_current), coalesce(a.{key}, b.{key}), v.name, v.before, v.after,"
        " v.after - v.before"
        " from {joined} cross join lateral (values {numbers}) v (place, name, before, after)"
        " where v.before is distinct from v.after order by 1, 2, 4, v.place"
    ).format(key=sql.Identifier(_FIGURES[table.name]), joined=table.joined(), numbers=sql.SQL(", ").join(numbers))
    rows = connection.execute(query, _ids(pairs, month)).fetchall()
    return [Figure(table.name, *cast("Any", row)) for row in rows]


# ------------------------------------------------------------------------------------------------- what it goes back to


@dataclass(frozen=True)
class _Lineage:
    """What each relation is made from, out of dbt's manifest; knows nothing of a relation that is not in it."""

    feeds: Mapping[str, frozenset[str]] = field(default_factory=dict)
    of_their_province: frozenset[str] = frozenset()

    @classmethod
    def read(cls, manifest: Path | None) -> _Lineage:
        """The lineage of a manifest; an empty one when there is none."""
        if manifest is None or not manifest.exists():
            return cls()
        content: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
        nodes: dict[str, Any] = {**content["nodes"], **content["sources"]}
        above: dict[str, frozenset[str]] = {}

        def ancestors(name: str) -> frozenset[str]:
            if name not in above:
                parents = nodes[name].get("depends_on", {}).get("nodes", []) if name in nodes else []
                above[name] = frozenset(parents).union(*(ancestors(parent) for parent in parents))
            return above[name]

        feeds, local = {}, set()
        for name, node in nodes.items():
            if node["resource_type"] != "model" or node["config"]["materialized"] != "slice":
                continue
            over = [nodes[each] for each in ancestors(name) if each in nodes]
            feeds[node["name"]] = frozenset(
                meta["feed"] for each in over if (meta := each.get("config", {}).get("meta") or {}).get("feed")
            )
            slices = [each for each in over if each.get("config", {}).get("materialized") == "slice"]
            if all("territory_key" in (each["config"].get("slice_by") or ()) for each in [node, *slices]):
                local.add(node["name"])
        return cls(feeds, frozenset(local))


@dataclass(frozen=True)
class _Causes:
    """Which corrections and decisions a difference may come from: never one too few, as few as the lineage tells.

    `opened` are the months about which only one of the two publications knows anything: they put rows of every
    province on the map, whatever feed it was.
    """

    corrections: Sequence[Correction]
    decisions: Sequence[str]
    rules: Sequence[str]
    opened: frozenset[dt.date]
    lineage: _Lineage

    def of_counts(self, counts: Sequence[Count]) -> tuple[Count, ...]:
        """The same, each with what it goes back to."""
        differing = _differing((count.relation, count) for count in counts)
        return tuple(
            replace(
                count,
                goes_back_to=self._of(
                    count,
                    _until(differing[count.relation], count.month),
                    is_across="duplicates_between_provinces" in count.cells,
                ),
            )
            for count in counts
        )

    def of_figures(self, figures: Sequence[Figure]) -> tuple[Figure, ...]:
        """The same, each with what it goes back to."""
        differing = _differing(((figure.relation, figure.key), figure) for figure in figures)
        summed = _differing(((figure.relation, figure.key, figure.column), figure) for figure in figures)
        return tuple(
            replace(
                figure,
                goes_back_to=self._of(
                    figure,
                    {
                        code
                        for month, code in summed[figure.relation, figure.key, figure.column]
                        if month == figure.month
                    }
                    if figure.is_sum
                    else _until(differing[figure.relation, figure.key], figure.month),
                    is_across=figure.column == "duplicates_between_provinces",
                ),
            )
            for figure in figures
        )

    def _of(self, found: Count | Figure, beside: Set[str], *, is_across: bool) -> tuple[str, ...]:
        feeds = self.lineage.feeds.get(found.relation)
        related = [each for each in self.corrections if feeds is None or not feeds.isdisjoint(each.feeds)]
        if found.relation in _ABOUT_SUBMISSIONS:
            mine = self._of_states(found)
        elif is_across or not self._is_of_its_province(found):
            mine = related
        else:
            # headquarters and the tax office have no province
            provinces: set[str | None] = {None, found.current_province_code}
            if found.current_province_code == NATIONAL:
                # the sum of the provinces that differ beside it
                provinces |= beside or {each.current_province_code for each in related}
            mine = [
                each
                for each in related
                if each.current_province_code in provinces and not _is_later(each, found.month, feeds)
            ] or related
            if found.relation in _ON_THE_MAP:
                mine += [each for each in self.corrections if self._opens(each, found.month) and each not in mine]
        reviewed = self.decisions if feeds is None or "tax_review" in feeds else ()
        return (*dict.fromkeys(each.submission_id for each in mine), *reviewed, *self.rules)

    def _is_of_its_province(self, found: Count | Figure) -> bool:
        is_local = found.relation in _OF_THEIR_PROVINCE or found.relation in self.lineage.of_their_province
        return is_local and found.current_province_code is not None

    def _of_states(self, found: Count | Figure) -> list[Correction]:
        """Of the ledger's states: the sender's own; where periods begin or end to be owed, anybody's.

        A file that waits, is held or was refused is no correction: what it changes goes back to none.
        """
        if isinstance(found, Count) and (found.rows_new or found.rows_gone):
            return list(self.corrections)
        return [
            each
            for each in self.corrections
            if (each.current_province_code, each.month) == (found.current_province_code, found.month)
        ]

    def _opens(self, correction: Correction, month: dt.date | None) -> bool:
        return month is not None and correction.month == month and month in self.opened


_Place = tuple[dt.date | None, str]


def _differing(found: Iterable[tuple[object, Count | Figure]]) -> Mapping[object, list[_Place]]:
    """By group the months and provinces that differ in it."""
    places: dict[object, list[_Place]] = defaultdict(list)
    for group, each in found:
        if each.current_province_code not in (None, NATIONAL):
            places[group].append((each.month, str(each.current_province_code)))
    return places


def _until(places: Sequence[_Place], month: dt.date | None) -> Set[str]:
    """The provinces that differ in a month or in one before it, with which it may be compared."""
    return {code for each, code in places if _is_not_after(each, month)}


def _is_not_after(month: dt.date | None, other: dt.date | None) -> bool:
    return month is None or other is None or month <= other


def _is_later(correction: Correction, month: dt.date | None, feeds: frozenset[str] | None) -> bool:
    """Whether all that a submission brings to a relation is about later months than this."""
    mine = set(correction.feeds) if feeds is None else feeds & set(correction.feeds)
    return not _is_not_after(correction.month, month) and mine <= _LOOK_BACK


def _opened(connection: Connection, before: Edge, after: Edge) -> frozenset[dt.date]:
    rows = connection.execute(
        """
        select s.month from ops.build_input i
        join ops.load l on l.load_id = i.load_id join ops.submission s on s.sub_no = l.sub_no
        where i.build_id in (%(before)s, %(after)s) and s.month is not null
        group by s.month having count(distinct i.build_id) = 1
        """,
        {"before": before.build_id, "after": after.build_id},
    ).fetchall()
    return frozenset(cast("dt.date", row[0]) for row in rows)
