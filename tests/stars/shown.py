"""What `bi` shows of the small world, as polars frames, and how a frame is compared with the oracle's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import psycopg
from sent_files import Sent, in_force, read_inbox
from world import Stage

from warehouse.connection import role_url
from warehouse.settings import Settings

_KINDS: dict[str, pl.DataType | type[pl.DataType]] = {
    "bigint": pl.Int64, "integer": pl.Int64, "smallint": pl.Int64,
    "numeric": pl.Float64, "double precision": pl.Float64,
    "boolean": pl.Boolean, "date": pl.Date, "ARRAY": pl.List(pl.String),
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """The warehouse after both stages: publication 1 is the first stage, publication 2 the second."""

    settings: Settings
    stages: tuple[Stage, ...]

    def sent(self, publication: int) -> dict[tuple[str, str, str], Sent]:
        """By sender, feed and period what was in force when a publication was made."""
        return in_force(read_inbox(folder for stage in self.stages[:publication] for folder in stage.folders))

    def shown(self, relation: str, publication: int = 2, *, role: str = "vss_reader") -> pl.DataFrame:
        """All rows of bi.<relation> in a publication: whole numbers Int64, numeric Float64, other things text.

        A date `infinity` becomes null.
        """
        with psycopg.connect(role_url(self.settings, role)) as connection:
            connection.execute("select set_config('vss.publication', %s, false)", [str(publication)])
            listed = connection.execute(
                "select column_name, data_type from information_schema.columns"
                " where table_schema = 'bi' and table_name = %s order by ordinal_position",
                [relation],
            ).fetchall()
            names = ", ".join(_selected(name, kind) for name, kind in listed)
            rows = connection.execute(f"select {names} from bi.{relation}".encode()).fetchall()
        schema = {name: _KINDS.get(kind, pl.String) for name, kind in listed}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def query(self, text: str, publication: int = 2, *, role: str = "vss_reader") -> list[tuple[object, ...]]:
        """Rows of a query of an analyst."""
        with psycopg.connect(role_url(self.settings, role)) as connection:
            connection.execute("select set_config('vss.publication', %s, false)", [str(publication)])
            return connection.execute(text.encode()).fetchall()


def differences(shown: pl.DataFrame, expected: pl.DataFrame, *, on: Sequence[str]) -> list[str]:
    """Where two frames differ, a line each (at most 20): rows only one of them has, and cells that are not equal.

    The columns compared are those of `expected`; floats are equal within 1e-9 of their size. Neither may have two rows
    of a key.
    """
    names = [name for name in expected.columns if name not in on]
    found = []
    for title, frame in (("shown", shown), ("expected", expected)):
        if frame.select(on).is_duplicated().any():
            found.append(f"{title} has two rows of a key: {frame.filter(frame.select(on).is_duplicated()).head(2)}")
    left = shown.select([*on, *names]).with_columns(is_shown=True)
    right = expected.with_columns(is_expected=True)
    both = left.join(right, on=list(on), how="full", coalesce=True, nulls_equal=True, suffix="__expected")
    for row in both.iter_rows(named=True):
        key = {name: row[name] for name in on}
        if not row["is_shown"]:
            found.append(f"not shown: {key} with { ({name: row[f'{name}__expected'] for name in names}) }")
        elif not row["is_expected"]:
            found.append(f"not expected: {key} with { ({name: row[name] for name in names}) }")
        else:
            found += [
                f"{key}: {name} is {row[name]!r}, expected {row[f'{name}__expected']!r}"
                for name in names
                if not _same(row[name], row[f"{name}__expected"])
            ]
    return found[:20]


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        if one is None or other is None:
            return one is other
        return abs(float(str(one)) - float(str(other))) <= 1e-9 * max(1.0, abs(float(str(other))))
    return one == other


def _selected(name: str, kind: str) -> str:
    if kind == "date":
        return f'case when isfinite("{name}") then "{name}" end'
    return f'"{name}"' if kind in _KINDS else f'"{name}"::text'
