"""A small published warehouse without dbt: a ledger, slices and views of `bi`, in two states.

The states differ in every relation: the second corrects some provinces in the last month. Everything but the rows goes
the way of a night: builds are opened, staged, audited and shown by the functions that `vss build` and `vss publish`
call, and the views come from the generator.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from warehouse import bi, builds, publication, roles
from warehouse.builds import Build
from warehouse.connection import Connection, connect
from warehouse.settings import Settings

FEEDS = ("participants", "employers", "contributions", "arrears", "benefits", "outreach")
_PLACE = {"month": "date", "territory_key": "text", "province_code": "text", "current_province_code": "text"}
# relation: its columns, what its slices are cut by
SHAPES: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "dim_province": ({**_PLACE, "name_vi": "text"}, ("territory_key",)),
    "fct_participation": (
        {**_PLACE, "participant_key": "uuid", "insurance_type": "text", "wage_base_vnd": "bigint"},
        ("territory_key", "month"),
    ),
    "rpt_participants": (
        {**_PLACE, "participants": "bigint", "wage_base_vnd": "bigint"},
        ("territory_key", "month"),
    ),
    "rpt_plan_attainment": ({**_PLACE, "actual": "bigint"}, ()),
}
_MAIN_FEED = {"fct_participation": "participants"}
_PROJECT = "no project: rows by SQL"


@dataclass(frozen=True)
class Size:
    """Months up to December 2024, provinces, rows of the fact in a slice, and how many provinces are corrected."""

    months: int
    provinces: int
    rows: int
    corrected: int


@dataclass(frozen=True)
class Figures:
    """What a reader of the last month must find in one state, in whatever relation he looks."""

    wage_of_facts: int
    wage_of_reports: int
    national: int
    names: int


FIGURES = (
    "select sum(wage_base_vnd)::bigint from bi.fct_participation where month = '2024-12-01'",
    "select sum(wage_base_vnd)::bigint from bi.rpt_participants where month = '2024-12-01'",
    "select actual from bi.rpt_plan_attainment where month = '2024-12-01'",
    "select count(*) from bi.dim_province where name_vi like '%, corrected'",
)
"""A question for each of `Figures`, in their order; one relation each."""


def publish_two_states(settings: Settings, size: Size) -> tuple[Figures, Figures]:
    """Make the relations, publish the first state as 1 and the second as 2; returns what each must show."""
    _make_relations(settings, size)
    manifest = write_manifest(settings)
    first = _publish(settings, manifest, size, corrected=0)
    second = _publish(settings, manifest, size, corrected=size.corrected)
    return first, second


def correct_again(settings: Settings, size: Size) -> Build:
    """One more correction of the last month of the first provinces, as a candidate that was audited and waits."""
    with connect(settings, roles.LOADER) as connection:
        row = connection.execute("select max(version) + 1 from ops.submission").fetchone()
    assert row is not None
    return _candidate(settings, manifest_path(settings), size, corrected=size.corrected, version=int(str(row[0])))


def stand_by(settings: Settings, target: int) -> Build:
    """The build of publication `target` once more, audited: what a build with the same outcome would leave."""
    with connect(settings, roles.MIGRATOR) as connection:
        row = connection.execute(
            """
            update ops.build b set
                state = 'audited', base_id = c.publication_id,
                candidate_id = (select max(p.publication_id) + 1 from ops.publication p)
            from ops.publication t, ops.current_publication c
            where t.publication_id = %s and b.build_id = t.build_id returning b.build_id, b.candidate_id
            """,
            [target],
        ).fetchone()
        assert row is not None
        build = Build(int(str(row[0])), int(str(row[1])), False)
        connection.execute("delete from ops.candidate_slice")
        connection.execute(
            """
            insert into ops.candidate_slice (relation, slice_id, territory_key, month, content_hash)
            select s.relation, s.slice_id, s.territory_key, s.month, s.content_hash
            from ops.publication_slice p join ops.slice s on s.slice_id = p.slice_id
            where p.from_publication <= %(target)s and p.to_publication > %(target)s
            """,
            {"target": target},
        )
    return build


def manifest_path(settings: Settings) -> Path:
    """Where this world keeps what dbt's manifest would say."""
    return settings.home / "world_manifest.json"


def write_manifest(settings: Settings, added: dict[str, dict[str, str]] | None = None) -> Path:
    """Write the manifest of the relations; `added` are columns to add with their descriptions, by relation."""
    nodes: dict[str, Any] = {}
    for name, (columns, _) in SHAPES.items():
        described = {column: f"The {column} of the row." for column in columns} | (added or {}).get(name, {})
        nodes[f"model.vss.{name}"] = {
            "name": name, "resource_type": "model", "description": f"The relation {name}.",
            "config": {
                "meta": {"is_published": True}, "main_feed": _MAIN_FEED.get(name),
                "partition_by_month": name == "fct_participation",
            },
            "columns": {column: {"description": words} for column, words in described.items()},
        }  # fmt: skip
    path = manifest_path(settings)
    path.write_text(json.dumps({"nodes": nodes}), encoding="utf-8")
    return path


def months_of(size: Size) -> list[dt.date]:
    """The months of the history, the last one December 2024."""
    numbers = range(12 * 2024 + 12 - size.months, 12 * 2024 + 12)
    return [dt.date(number // 12, number % 12 + 1, 1) for number in numbers]


def _make_relations(settings: Settings, size: Size) -> None:
    with connect(settings, roles.TRANSFORMER) as connection:
        for name, (columns, _) in SHAPES.items():
            rows = sql.Identifier("marts", f"{name}__rows")
            kinds = sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind)) for column, kind in columns.items()
            )
            by_month = sql.SQL(" partition by range (month)" if name == "fct_participation" else "")
            connection.execute(
                sql.SQL("create table {} (slice_id integer not null, {}){}").format(rows, kinds, by_month)
            )
            connection.execute(sql.SQL("create index on {} using brin (slice_id)").format(rows))
            connection.execute(
                sql.SQL(
                    "create view {} as select {} from {} where slice_id in"
                    " (select slice_id from ops.candidate_slice where relation = {})"
                ).format(
                    sql.Identifier("marts", name), sql.SQL(", ").join(map(sql.Identifier, columns)), rows,
                    sql.Literal(name),
                )
            )  # fmt: skip
        # nobody of this world stands in two provinces
        connection.execute("create table marts.int_participation__duplicate (month date, duplicates bigint)")
        for month in months_of(size):
            connection.execute("select ops.ensure_partition('marts.fct_participation__rows', %s)", [month])


def _publish(settings: Settings, manifest: Path, size: Size, *, corrected: int) -> Figures:
    build = _candidate(settings, manifest, size, corrected=corrected, version=2 if corrected else 1)
    with connect(settings, roles.PUBLISHER, autocommit=True) as publisher:
        publication.flip(publisher, build, completeness="", freshness="", changes="by SQL")
    with connect(settings, roles.READER) as reader:
        found = [reader.execute(question.encode()).fetchone() for question in FIGURES]
    return Figures(*(int(str(row[0])) for row in found if row is not None))


def _candidate(settings: Settings, manifest: Path, size: Size, *, corrected: int, version: int) -> Build:
    _accept(settings, size, corrected=corrected, version=version)
    with builds.lease(settings) as connection:
        build = builds.open_build(connection, _PROJECT)
        assert build is not None
        for relation in SHAPES:
            _slices(connection, build, relation, size, corrected=corrected)
        connection.execute("select ops.analyze_candidate()")
        _rows(connection, build, size, corrected=corrected, version=version)
        builds.finish(connection, build.build_id)
        bi.sync(settings, manifest)
        with connect(settings, roles.PUBLISHER, autocommit=True) as publisher:
            publication.stage(publisher, build)
            publication.pass_audit(publisher, build)
    return build


_PROVINCES = """
    select p.territory_key, p.province_code, p.current_province_code from ops.province p
    where date '2024-12-01' >= p.valid_from and date '2024-12-01' < p.valid_to order by p.province_code limit {}
"""


def _accept(settings: Settings, size: Size, *, corrected: int, version: int) -> None:
    """Accepted submissions: of all months and provinces, or of the last month of those that are corrected."""
    months = months_of(size)[-1:] if corrected else months_of(size)
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute(
            sql.SQL(
                """
                with sent as (
                    insert into ops.submission (
                        submission_id, manifest_sha256, sender, period, month, version, action, received_at, is_late,
                        state, folder, decided_at
                    )
                    select
                        format('p%s-%s-v%s', p.province_code, to_char(m.month, 'YYYY-MM'), {version}), '',
                        'province-' || p.province_code,
                        to_char(m.month, 'YYYY-MM'), m.month, {version}, 'submit', now(), false, 'accepted', '', now()
                    from ({provinces}) p cross join unnest({months}::date[]) as m (month)
                    returning sub_no
                )
                insert into ops.load (sub_no, feed, file, state, row_count, accepted)
                select s.sub_no, f.feed, f.feed || '.csv', 'accepted', 1, 1 from sent s
                cross join unnest({feeds}::text[]) as f (feed)
                """
            ).format(
                provinces=sql.SQL(_PROVINCES).format(sql.Literal(corrected or size.provinces)),
                months=sql.Literal(months), version=sql.Literal(version), feeds=sql.Literal(list(FEEDS)),
            )
        )  # fmt: skip
        connection.execute("analyze ops.load")
        connection.execute("analyze ops.submission")


def _slices(connection: Connection, build: Build, relation: str, size: Size, *, corrected: int) -> None:
    cut = SHAPES[relation][1]
    connection.execute(
        sql.SQL(
            """
            insert into ops.slice (relation, territory_key, month, build_id, submission_id, row_count)
            select distinct {relation}, {territory}, {month}, {build}, null, 0
            from ({provinces}) p cross join unnest({months}::date[]) as m (month)
            """
        ).format(
            relation=sql.Literal(relation), build=sql.Literal(build.build_id),
            territory=sql.SQL("p.territory_key" if "territory_key" in cut else "null::text"),
            month=sql.SQL("m.month" if "month" in cut else "null::date"),
            provinces=sql.SQL(_PROVINCES).format(sql.Literal(corrected or size.provinces)),
            months=sql.Literal(months_of(size)[-1:] if corrected else months_of(size)),
        )
    )  # fmt: skip
    connection.execute(
        "delete from ops.candidate_slice c using ops.slice n where n.build_id = %(build)s and n.relation = %(relation)s"
        " and c.relation = n.relation and n.territory_key is not distinct from c.territory_key"
        " and n.month is not distinct from c.month",
        {"build": build.build_id, "relation": relation},
    )
    connection.execute(
        "insert into ops.candidate_slice (relation, slice_id, territory_key, month)"
        " select relation, slice_id, territory_key, month from ops.slice where build_id = %s and relation = %s",
        [build.build_id, relation],
    )


def _rows(connection: Connection, build: Build, size: Size, *, corrected: int, version: int) -> None:
    """Rows of the new slices; a correction has more rows and higher wages, so that no figure stays as it was."""
    values = {"build": build.build_id, "rows": size.rows + 3 * (version - 1), "wage": 1_000_000 * version}
    connection.execute(
        """
        insert into marts.fct_participation__rows
        select
            s.slice_id, s.month, s.territory_key, p.province_code, p.current_province_code, gen_random_uuid(),
            'SI_C', %(wage)s + n
        from ops.slice s
        join ops.province p on p.territory_key = s.territory_key and s.month >= p.valid_from and s.month < p.valid_to
        cross join generate_series(1, %(rows)s) as n
        where s.build_id = %(build)s and s.relation = 'fct_participation'
        """,
        values,
    )
    connection.execute("analyze marts.fct_participation__rows")
    connection.execute(
        """
        insert into marts.rpt_participants__rows
        select s.slice_id, f.month, f.territory_key, f.province_code, f.current_province_code, count(*),
            sum(f.wage_base_vnd)
        from ops.slice s
        join marts.fct_participation f on f.territory_key = s.territory_key and f.month = s.month
        where s.build_id = %(build)s and s.relation = 'rpt_participants'
        group by 1, 2, 3, 4, 5
        """,
        values,
    )
    connection.execute(
        """
        insert into marts.rpt_plan_attainment__rows
        select s.slice_id, f.month, null, 'national', 'national', sum(f.wage_base_vnd)
        from marts.rpt_participants f
        join ops.slice s on s.build_id = %(build)s and s.relation = 'rpt_plan_attainment' group by 1, 2
        """,
        values,
    )
    connection.execute(
        """
        insert into marts.dim_province__rows
        select s.slice_id, null, s.territory_key, p.province_code, p.current_province_code, p.name_vi || %(suffix)s
        from ops.slice s
        join ops.province p on p.territory_key = s.territory_key and daterange(p.valid_from, p.valid_to) @> %(last)s
        where s.build_id = %(build)s and s.relation = 'dim_province'
        """,
        {**values, "suffix": ", corrected" if corrected else "", "last": months_of(size)[-1]},
    )
    for relation in SHAPES:
        connection.execute(
            sql.SQL(
                "update ops.slice s set row_count = n.count from (select slice_id, count(*) from {} group by 1) n"
                " where n.slice_id = s.slice_id and s.build_id = %s"
            ).format(sql.Identifier("marts", f"{relation}__rows")),
            [build.build_id],
        )
        connection.execute(sql.SQL("analyze {}").format(sql.Identifier("marts", f"{relation}__rows")))
