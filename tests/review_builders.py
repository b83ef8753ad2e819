"""Builders for the review of similar pairs: a queue as the model would make it, and builds without dbt."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from decimal import Decimal

from warehouse import builds, roles
from warehouse.connection import connect
from warehouse.publication import flip, pass_audit, stage
from warehouse.settings import Settings

UNIT = uuid.UUID("00000000-0000-4000-8000-000000000001")
TWIN = uuid.UUID("00000000-0000-4000-8000-000000000002")
_QUEUE = """
    create table marts.int_tax_match__similar (
        tax_year integer not null, tax_code text not null, tax_name text, tax_address text, employer_id uuid not null,
        si_unit_code text not null, unit_name text, unit_address text, province_code text not null,
        current_province_code text not null, name_similarity numeric not null, address_similarity numeric,
        primary key (tax_year, tax_code, employer_id)
    );
    create table marts.fct_tax_match (
        tax_year integer not null, tax_code text, match_class text not null, employer_key text
    );
    create table marts.dim_employer (
        employer_key text not null, employer_id uuid not null, si_unit_code text not null, province_code text not null,
        current_province_code text not null
    )
"""
_TABLES = ("int_tax_match__similar", "fct_tax_match", "dim_employer")


def pair(settings: Settings, tax_code: str = "0100000001", employer_id: uuid.UUID = UNIT, **changes: object) -> None:
    """A pair in the queue; the unit TA0001A of Vinh Phuc in the tax list of 2021 unless changed."""
    row = {
        "tax_year": 2021, "tax_code": tax_code, "tax_name": "Công ty Hoa Mai", "tax_address": None,
        "employer_id": employer_id, "si_unit_code": "TA0001A", "unit_name": "Cty Hoa Mai", "unit_address": None,
        "province_code": "26", "current_province_code": "25", "name_similarity": Decimal("0.8"),
        "address_similarity": None, **changes,
    }  # fmt: skip
    with connect(settings, roles.TRANSFORMER) as connection:
        connection.execute(
            f"insert into marts.int_tax_match__similar ({', '.join(row)}) values ({', '.join(['%s'] * len(row))})",
            list(row.values()),
        )


def judged(
    settings: Settings, tax_code: str | None, match_class: str, si_unit_code: str, employer_id: uuid.UUID
) -> None:
    """A row of fct_tax_match about a unit of Vinh Phuc in 2021."""
    with connect(settings, roles.TRANSFORMER) as connection:
        connection.execute(
            "insert into marts.fct_tax_match values (2021, %s, %s, %s)", [tax_code, match_class, str(employer_id)]
        )
        connection.execute(
            "insert into marts.dim_employer values (%s, %s, %s, '26', '25')",
            [str(employer_id), employer_id, si_unit_code],
        )


def touched(settings: Settings) -> list[tuple[object, ...]] | None:
    """What a build that is opened now would make anew; None when there is nothing to do. The build is abandoned."""
    with builds.lease(settings) as connection:
        build = builds.open_build(connection, "rules")
        if build is None:
            return None
        rows = connection.execute(
            "select source, territory_key, month from ops.build_touch where build_id = %s", [build.build_id]
        ).fetchall()
        builds.abandon(connection, build.build_id, "looked at")
    return rows


def published(settings: Settings, *, rules: str = "rules") -> int:
    """Build and publish what is accepted and decided now, without a model; returns the publication's number."""
    with builds.lease(settings) as connection:
        build = builds.open_build(connection, rules)
        assert build is not None
        builds.finish(connection, build.build_id)
    with connect(settings, roles.PUBLISHER) as connection:
        stage(connection, build)
        pass_audit(connection, build)
        return flip(connection, build, completeness="", freshness="", changes="")


def read(settings: Settings) -> list[tuple[object, ...]]:
    """The decisions the models read: tax code, unit, verdict."""
    with connect(settings, roles.TRANSFORMER) as connection:
        return connection.execute(
            "select tax_code, employer_id, verdict from ops.tax_review_input order by decision_id"
        ).fetchall()


@contextlib.contextmanager
def review_room(settings: Settings) -> Iterator[Settings]:
    """A warehouse with an empty queue; queue, decisions, builds and publications are forgotten afterwards."""
    with connect(settings, roles.TRANSFORMER) as connection:
        connection.execute(_QUEUE)
    try:
        yield settings
    finally:
        with connect(settings, roles.TRANSFORMER) as connection:
            for table in _TABLES:
                connection.execute(f"drop table if exists marts.{table}".encode())
        with connect(settings, roles.MIGRATOR) as connection:
            connection.execute("update ops.current_publication set publication_id = 0")
            connection.execute("delete from ops.publication where publication_id > 0")
            for table in ("staged_load", "build_review", "tax_review", "build_touch", "build_input", "slice", "build"):
                connection.execute(f"delete from ops.{table}".encode())
