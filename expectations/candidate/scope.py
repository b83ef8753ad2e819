"""What a build touched: the inputs that are new in it or whose slices were made anew. Gate 2 looks at no others."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from warehouse.connection import Connection

# the relation that holds a feed's rows of a province and month as slices
SLICED_BY_MONTH = {
    "participants": "fct_participation",
    "contributions": "fct_contribution",
    "arrears": "fct_arrears",
    "benefits": "fct_benefit",
    "employers": "rpt_employers",
}


@dataclass(frozen=True)
class Input:
    """One accepted load that the build reads. `territory_key` is None for the tax office and headquarters.

    `year_from` is the first month of a year-to-date file, `body` the territories whose months make it up (a province
    that was not merged goes on under another key). `totals` are those of touched inputs alone.
    """

    sender: str
    feed: str
    period: str
    month: dt.date
    submission_id: str
    version: int
    state: str
    basis: str
    is_nil: bool
    is_released: bool
    sent: int
    accepted: int
    rejected: int
    territory_key: str | None
    province_code: str | None
    current_province_code: str | None
    body: tuple[str, ...]
    year_from: dt.date
    name: str
    is_touched: bool
    totals: dict[str, str]

    @property
    def place(self) -> str:
        """Who and when, for people."""
        return f"{self.name}, {self.period}"

    @property
    def loaded(self) -> dict[str, Decimal]:
        """Sums of the accepted rows by column."""
        return {name: Decimal(value) for name, value in self.totals.items()}


@dataclass(frozen=True)
class Scope:
    """A build, the publication it would follow, and its inputs."""

    build_id: int
    candidate_id: int
    base_id: int
    is_same_project: bool
    inputs: tuple[Input, ...]
    made: frozenset[str]

    def touched(self, *feeds: str) -> list[Input]:
        """Touched inputs of the feeds."""
        return [one for feed in feeds for one in self.of(feed) if one.is_touched]

    def cells(self, *feeds: str) -> list[Input]:
        """Touched inputs of provinces: a province and month each."""
        return [one for one in self.touched(*feeds) if one.territory_key is not None]

    def of(self, feed: str) -> list[Input]:
        """All inputs of a feed."""
        return self._by_feed.get(feed, [])

    @functools.cached_property
    def _by_feed(self) -> dict[str, list[Input]]:
        found: dict[str, list[Input]] = {}
        for one in self.inputs:
            found.setdefault(one.feed, []).append(one)
        return found


def read_scope(connection: Connection, build_id: int) -> Scope:
    """The scope of a build. Raises LookupError when there is no such build."""
    found: Any = connection.execute(
        """
        select b.candidate_id, b.base_id, b.project_hash is not distinct from shown.project_hash
        from ops.build b
        left join ops.publication base on base.publication_id = b.base_id
        left join ops.build shown on shown.build_id = base.build_id
        where b.build_id = %s
        """,
        [build_id],
    ).fetchone()
    if found is None:
        raise LookupError(f"there is no build {build_id}")
    made: Any = connection.execute("select distinct relation from ops.slice where build_id = %s", [build_id]).fetchall()
    candidate_id, base_id, is_same_project = found
    inputs = tuple(_inputs(connection, build_id))
    return Scope(build_id, candidate_id, base_id, is_same_project, inputs, frozenset(name for (name,) in made))


def pairs(inputs: Iterable[Input]) -> dict[str, list[Any]]:
    """Territories and months of inputs, as two arrays of the same length, for `unnest`."""
    cells = sorted({(one.territory_key or "", one.month) for one in inputs})
    return {"territories": [territory for territory, _ in cells], "months": [month for _, month in cells]}


def later_in_year(scope: Scope, inputs: Sequence[Input]) -> list[Input]:
    """The inputs and those of the same body and feed in later months of the year: their year to date moved too."""
    begins: dict[tuple[str, str | None, int], dt.date] = {}
    for one in inputs:
        key = (one.feed, one.current_province_code, one.month.year)
        begins[key] = min(one.month, begins.get(key, one.month))
    return [
        one
        for one in scope.inputs
        if one.territory_key is not None
        and one.month >= begins.get((one.feed, one.current_province_code, one.month.year), dt.date.max)
    ]


def _inputs(connection: Connection, build_id: int) -> Iterable[Input]:
    rows: Any = connection.execute(
        """
        with build as (
            select build_id, is_full from ops.build where build_id = %(build)s
        ),
        made as (
            select c.relation, c.territory_key, c.month from ops.slice c
            where c.build_id = %(build)s and c.month is not null and c.territory_key is not null
        ),
        sliced as (
            select * from unnest(%(feeds)s::text[], %(relations)s::text[]) s (feed, relation)
        )
        select
            i.sender, i.feed, i.period, s.month, s.submission_id, s.version, s.state, l.basis, l.is_nil,
            exists (select from ops.decision d where d.sub_no = s.sub_no and d.decision = 'release') as is_released,
            l.row_count, l.accepted, l.rejected, p.territory_key, p.province_code, p.current_province_code,
            array(
                -- a province that was not merged goes on under its new vintage
                select p.territory_key where p.territory_key is not null
                union
                select old.territory_key from ops.province old
                where p.predecessors = 1 and old.current_province_code = p.province_code and old.vintage <> p.vintage
            ) as body,
            greatest(
                date_trunc('year', s.month)::date, case when p.predecessors > 1 then p.valid_from end
            ) as year_from,
            coalesce(p.name_vi || ' (' || p.province_code || ')', i.sender) as name,
            touched.is_touched,
            case when touched.is_touched then (
                select jsonb_object_agg(t.key, t.value ->> 'loaded') from jsonb_each(l.totals) t
                where t.value ->> 'loaded' is not null
            ) end as totals
        from ops.build_input i
        cross join build b
        join ops.load l on l.load_id = i.load_id
        join ops.submission s on s.sub_no = l.sub_no
        left join ops.province p
            on s.sender = 'province-' || p.province_code and s.month >= p.valid_from and s.month < p.valid_to
        left join sliced f on f.feed = i.feed
        cross join lateral (
            select b.is_full
                or exists (
                    select from made where made.relation = f.relation
                        and made.territory_key = p.territory_key and made.month = s.month
                )
                or exists (
                    select from ops.build_touch t
                    where t.build_id = i.build_id and t.source = i.feed
                        and t.territory_key is not distinct from p.territory_key
                        and t.month is not distinct from s.month
                ) as is_touched
        ) touched
        where i.build_id = %(build)s
        order by s.month, i.sender, i.feed
        """,
        {"build": build_id, "feeds": list(SLICED_BY_MONTH), "relations": list(SLICED_BY_MONTH.values())},
    ).fetchall()
    names = [each.name for each in fields(Input)]
    for values in rows:
        given = dict(zip(names, values, strict=True))
        yield Input(**{**given, "body": tuple(given["body"]), "totals": given["totals"] or {}})
