"""The views through which anything but the loader sees persons: no name, no number, a keyed hash instead.

`raw` and `vault` are the identified zone. The views are owned by vss_vault, which may read the identified tables and
the secret; dbt may read the views and not the tables. Columns are taken from the catalogue, so a column that a
contract gains appears by itself unless it is listed here as identifying.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from psycopg import sql

from warehouse import roles
from warehouse.connection import Connection, connect
from warehouse.settings import Settings

_KEY = "(select s.value from vault.secret as s where s.name = 'pseudonym')"
# before persons' numbers became tax codes (July 2025) a household had one of ten digits: its name gives it away
_IS_HOUSEHOLD_CODE = "vault.is_household_listed(r.tax_code, r.name)"
_IS_HOUSEHOLD = "(r.unit_type = 'household' or length(r.tax_code) = 12)"
_TAX_CODE = f"case when length(r.tax_code) = 12 then 'P-' || vault.pseudonym({_KEY}, r.tax_code) else r.tax_code end"
# of a household business the name is its owner's; the token lets two mentions of one be told apart from another
_HOUSEHOLD_NAME = (
    "case when r.name ~ '^Hộ kinh doanh [0-9a-f]{8}$' then r.name"
    f" else vault.household_name(vault.pseudonym({_KEY}, coalesce(r.tax_code, r.name))) end"
)


@dataclass(frozen=True)
class Masked:
    """How one identified table is shown: columns left out, columns replaced, columns added.

    `erasable` are the columns that an erasure overwrites (vault.overwrite): a number by P- and its key, which the view
    takes as it stands, so that an erased person's rows are shown as before.
    """

    view: str
    left_out: frozenset[str] = frozenset()
    replaced: dict[str, str] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)
    erasable: tuple[str, ...] = ()


MASKED = {
    "participants": Masked(
        view="participant_pseudonym",
        left_out=frozenset({"si_number", "personal_id", "full_name", "birth_date"}),
        added={
            "participant_key": (
                "case when r.si_number like 'P-%' then substr(r.si_number, 3)::uuid"
                f" else vault.pseudonym({_KEY}, r.si_number) end"
            ),
            "birth_year": "left(r.birth_date, 4)::integer",
        },
        erasable=("si_number", "personal_id", "full_name", "birth_date"),
    ),
    "employers": Masked(
        view="employer_pseudonym",
        replaced={
            "name": f"case when {_IS_HOUSEHOLD} then {_HOUSEHOLD_NAME} else r.name end",
            "tax_code": _TAX_CODE,
            "address": f"case when {_IS_HOUSEHOLD} then null else r.address end",
        },
        erasable=("name", "tax_code", "address"),
    ),
    "contributions": Masked(
        view="contribution_pseudonym",
        replaced={
            "payer_code": (
                "case when r.payer_kind = 'person' and r.payer_code !~ '^P-[0-9a-f]{8}-'"
                f" then 'P-' || vault.pseudonym({_KEY}, r.payer_code) else r.payer_code end"
            )
        },
        erasable=("payer_code",),
    ),
    "tax_employers": Masked(
        view="tax_employer_pseudonym",
        replaced={
            "name": f"case when {_IS_HOUSEHOLD_CODE} then {_HOUSEHOLD_NAME} else r.name end",
            "tax_code": _TAX_CODE,
            "address": f"case when {_IS_HOUSEHOLD_CODE} then null else r.address end",
        },
        erasable=("name", "tax_code", "address"),
    ),
}


def ensure_views(settings: Settings) -> None:
    """Create or extend the pseudonym views and grant what each role may read of `raw`; idempotent."""
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute("select pg_advisory_xact_lock(hashtext('vss migrate'))")
        for table in _tables(connection):
            name = sql.Identifier("raw", table)
            connection.execute(sql.SQL("grant select, insert, delete on {} to vss_loader").format(name))
            if table in MASKED:
                erasable = sql.SQL(", ").join(map(sql.Identifier, MASKED[table].erasable))
                connection.execute(sql.SQL("grant select, update ({}) on {} to vss_vault").format(erasable, name))
                _replace_view(connection, table, MASKED[table])
            else:
                connection.execute(sql.SQL("grant select on {} to vss_transformer, vss_engineer").format(name))


def _replace_view(connection: Connection, table: str, masked: Masked) -> None:
    columns = _columns(connection, table)
    shown = [
        f"{masked.replaced[name]} as {name}" if name in masked.replaced else f"r.{name}"
        for name in columns
        if name not in masked.left_out
    ]
    shown[2:2] = [f"{expression} as {name}" for name, expression in masked.added.items()]
    query = f"select {', '.join(shown)} from raw.{table} as r"
    connection.execute("set local role vss_vault")
    view = sql.Identifier("raw", masked.view)
    wanted = [name.rpartition(" as ")[2].removeprefix("r.") for name in shown]
    if _columns(connection, masked.view) not in ([], wanted):
        connection.execute(sql.SQL("drop view {} cascade").format(view))
    connection.execute(sql.SQL("create or replace view {} as {}").format(view, sql.SQL(query)))
    connection.execute(sql.SQL("grant select on {} to vss_transformer, vss_engineer").format(view))
    connection.execute("reset role")


def _tables(connection: Connection) -> list[str]:
    rows = connection.execute(
        "select c.relname from pg_class c where c.relnamespace = 'raw'::regnamespace and c.relkind in ('r', 'p')"
        " and not c.relispartition order by 1"
    )
    return [str(row[0]) for row in rows]


def _columns(connection: Connection, table: str) -> list[str]:
    rows = connection.execute(
        "select a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " where c.relnamespace = 'raw'::regnamespace and c.relname = %s and a.attnum > 0 and not a.attisdropped"
        " order by a.attnum",
        [table],
    )
    return [str(row[0]) for row in rows]
