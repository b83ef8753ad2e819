"""A province's reader through every door of bi: its own rows and its predecessors', whatever is asked and however."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
import pytest
from access import access_of, changed
from proofs import proves
from psycopg import sql
from shown import World

from night import dbt_runs
from warehouse import bi, roles
from warehouse.connection import admin_url, connect, role_url

# Phú Thọ took over Vĩnh Phúc (26) and Hòa Bình (17); Bắc Ninh is old Bắc Giang (24) and old Bắc Ninh (27)
PROVINCES = ["25", "24", "46", "01", "12"]
SUCCESSORS = pytest.mark.parametrize("province", ["25", "24"], indirect=True)
# what says nothing about one province; whoever adds a relation here has looked at what is in it
EVERYBODYS = {
    "dim_month", "dim_insurance_type", "dim_fund", "dim_hi_group", "dim_inspection_kind", "dim_indicator",
    "dim_benefit_type", "dim_arrears_band", "dim_unit_type", "dim_policy", "dim_legal_parameter", "publication",
}  # fmt: skip
# of a person's rows in several provinces one is shown: which, is the reader's to see
ONE_OF_SEVERAL = {"dim_participant": "participant_key"}
# number of rows and a digest over them, whatever their order
PRINT = "count(*)::integer, coalesce(sum(hash_record_extended(r, 0)), 0)"


@pytest.fixture(scope="module")
def relations(world: World) -> dict[str, list[str]]:
    """Every relation of bi with its columns."""
    found: dict[str, list[str]] = {}
    for name, column in world.query(
        "select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0"
        " where c.relnamespace = 'bi'::regnamespace and c.relkind <> 'S' and not a.attisdropped order by 1, a.attnum"
    ):
        found.setdefault(str(name), []).append(str(column))
    assert len(found) > 40
    return found


@pytest.fixture(params=PROVINCES)
def province(request: pytest.FixtureRequest) -> str:
    """One of today's provinces."""
    return str(request.param)


@pytest.fixture
def reader(world: World, province: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A session of the province's reader."""
    with psycopg.connect(role_url(world.settings, roles.provincial_reader(province)), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module", params=[1, 2])
def national(
    request: pytest.FixtureRequest, world: World, relations: dict[str, list[str]]
) -> tuple[int, dict[tuple[str, object], object]]:
    """Of a publication, by relation and province, the print of what headquarters sees."""
    number = int(request.param)
    found: dict[tuple[str, object], object] = {}
    for name, columns in relations.items():
        by = "current_province_code" if "current_province_code" in columns else "null"
        for code, *said in world.query(f"select {by}, {PRINT} from bi.{name} r group by 1", number):
            found[name, code] = tuple(said)
    return number, found


@proves("access.roles")
@pytest.mark.parametrize("province", PROVINCES)
def test_a_province_sees_of_every_relation_what_headquarters_sees_of_that_province(
    world: World,
    relations: dict[str, list[str]],
    national: tuple[int, dict[tuple[str, object], object]],
    province: str,
) -> None:
    number, whole = national
    with psycopg.connect(role_url(world.settings, roles.provincial_reader(province))) as connection:
        connection.execute("select set_config('vss.publication', %s, false)", [str(number)])
        for name, columns in relations.items():
            if name in ONE_OF_SEVERAL or name == "publication":
                continue
            own = connection.execute(f"select {PRINT} from bi.{name} r".encode()).fetchone()
            code = province if "current_province_code" in columns else None
            assert own == whole.get((name, code), (0, 0)), name
    # a province of which nothing was sent has nothing of its own in the facts
    assert (("fct_participation", province) in whole) == (province != "12")


def test_persons_of_a_province_are_those_who_took_part_there(world: World, province: str) -> None:
    # as the publisher, who sees the slices that are shown
    with connect(world.settings, roles.PUBLISHER) as connection:
        connection.execute("select set_config('vss.publication', '2', false)")
        took_part = connection.execute(
            "select distinct r.participant_key from marts.dim_participant__rows r join ops.shown_slice s"
            " on s.relation = 'dim_participant' and s.slice_id = r.slice_id where r.current_province_code = %s",
            [province],
        ).fetchall()
    shown = world.query(
        "select participant_key, current_province_code from bi.dim_participant",
        role=roles.provincial_reader(province),
    )

    assert {code for _, code in shown} <= {province}
    assert sorted(str(key) for key, _ in shown) == sorted(str(key) for (key,) in took_part)


def test_what_has_no_province_is_on_the_list_of_what_is_everybodys(relations: dict[str, list[str]]) -> None:
    assert {name for name, columns in relations.items() if "current_province_code" not in columns} == EVERYBODYS


@proves("access.roles")
@pytest.mark.parametrize(
    "probe",
    [
        # each fails on a row of another province, if it ever meets one
        "select count(*) from bi.{} where 1 / (current_province_code = '{}')::integer = 1",
        "select count(*) from bi.{} where case when current_province_code = '{}' then '1' else 'no' end::integer = 1",
        "select count(*) from bi.{} where 'a' ~ case when current_province_code <> '{}' then '(' else 'a' end",
        "select sum(1 / (current_province_code = '{}')::integer) over () from bi.{} limit 1",
    ],
)
def test_no_condition_of_a_reader_meets_a_row_of_another_province(
    world: World,
    relations: dict[str, list[str]],
    reader: psycopg.Connection[tuple[object, ...]],
    province: str,
    probe: str,
) -> None:
    for name, columns in relations.items():
        if "current_province_code" not in columns:
            continue
        order = (province, name) if probe.startswith("select sum") else (name, province)
        reader.execute(probe.format(*order).encode())
    if province == "25":
        # the probe bites where there is such a row
        order = (province, "fct_arrears") if probe.startswith("select sum") else ("fct_arrears", province)
        with pytest.raises(psycopg.DataError):
            world.query(probe.format(*order))


@SUCCESSORS
def test_a_condition_meets_no_other_row_whatever_the_planner_may_do(
    reader: psycopg.Connection[tuple[object, ...]], province: str
) -> None:
    probe = (
        "select count(*) from bi.fct_arrears a join bi.dim_province p using (province_key)"
        f" where 1 / (a.current_province_code = '{province}')::integer = 1"
    )
    for switches in (
        "set enable_seqscan = off", "set enable_hashjoin = off", "set enable_mergejoin = off",
        "set from_collapse_limit = 1; set join_collapse_limit = 1", "set enable_partition_pruning = off",
        "set debug_parallel_query = on", "set plan_cache_mode = force_generic_plan", "set enable_material = off",
    ):  # fmt: skip
        reader.execute(switches.encode())
        reader.execute(probe.encode())
    # who switches row security off is refused, and not shown everything
    reader.execute("set row_security = off")
    for asked in (probe, "select * from bi.dim_employer", "select count(*) from bi.dim_month"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="would be affected by row-level security"):
            reader.execute(asked.encode())


# fails on any row that it meets
ANY_ROW = "select count(*) from bi.{} r where 1 / (length(r::text) * 0) = 1"


@contextlib.contextmanager
def tried(world: World, role: str, *changes: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A session that acts as a reader after changes that nobody else sees and that are taken back."""
    with psycopg.connect(admin_url(world.settings)) as admin:
        for change in changes:
            admin.execute(change.encode())
        admin.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        yield admin
        admin.rollback()


@pytest.mark.parametrize("role", [roles.READER, roles.provincial_reader("25")])
def test_no_condition_of_a_reader_meets_a_row_that_was_never_shown(
    world: World, relations: dict[str, list[str]], role: str
) -> None:
    # as before the first publication, with all rows there: those of a candidate
    with tried(
        world, role, "update ops.current_publication set last_slice_id = 0",
        "update ops.publication_slice set from_publication = 9, to_publication = 10",
    ) as reader:  # fmt: skip
        for name in relations:
            if name != "publication":
                assert reader.execute(ANY_ROW.format(name).encode()).fetchone() == (0,), name
    for name in ("fct_arrears", "dim_employer", "dim_month"):
        # the probe bites where there is a row
        with tried(world, role) as reader, pytest.raises(psycopg.errors.DivisionByZero):
            reader.execute(ANY_ROW.format(name).encode())


def test_no_condition_on_a_single_column_meets_a_value_of_another_province(
    world: World, relations: dict[str, list[str]]
) -> None:
    # of which nothing was sent: whatever fails here is somebody else's, wherever the column comes from
    asked = set()
    with psycopg.connect(role_url(world.settings, roles.provincial_reader("12")), autocommit=True) as reader:
        for name, columns in relations.items():
            if reader.execute(f"select count(*) from bi.{name}".encode()).fetchone() != (0,):
                continue
            for column in columns:
                probe = f"select count(*) from bi.{name} as r where 1 / (length(r.{column}::text) * 0) = 1"
                assert reader.execute(probe.encode()).fetchone() == (0,), f"{name}.{column}"
                asked.add((name, column))
    assert {("fct_participation", "submission_id"), ("fct_arrears", "submission_id"), ("dim_employer", "name")} <= asked
    # the probe bites
    with pytest.raises(psycopg.errors.DivisionByZero):
        world.query("select count(*) from bi.fct_arrears as r where 1 / (length(r.submission_id::text) * 0) = 1")


def test_rows_without_a_policy_are_shown_to_nobody(world: World) -> None:
    for name, policy in (("fct_arrears", "by_slice"), ("dim_employer", "by_province"), ("dim_month", "in_scope")):
        with tried(world, roles.READER, f"drop policy {policy} on marts.{name}__rows") as reader:
            assert reader.execute(f"select count(*) from bi.{name}".encode()).fetchone() == (0,), name


def test_a_table_that_lost_its_guard_has_it_again_before_anything_is_published(world: World) -> None:
    before = access_of(world.settings)
    manifest = dbt_runs.manifest_path(world.settings)
    with connect(world.settings, roles.TRANSFORMER, autocommit=True) as connection:
        connection.execute("alter table marts.fct_inspection__rows disable row level security")
        connection.execute("drop policy by_province on marts.fct_outreach__rows")
        connection.execute("drop policy engineers on marts.fct_outreach__rows")
    try:
        assert access_of(world.settings) != before
    finally:
        made = bi.sync(world.settings, manifest)
    assert changed(before, access_of(world.settings)) == []
    # the views stand as they stood
    assert made == []


@pytest.mark.parametrize("number", [1, 2])
def test_every_relation_shows_the_slices_of_the_publication_and_no_other(
    world: World, relations: dict[str, list[str]], number: int
) -> None:
    with connect(world.settings, roles.ENGINEER) as engineer:
        for name in relations:
            if name in ONE_OF_SEVERAL or name == "publication":
                continue
            wanted = engineer.execute(
                f"select count(*)::integer from marts.{name}__rows r join ops.publication_slice p"
                f" on p.relation = '{name}' and p.slice_id = r.slice_id"
                f" where p.from_publication <= {number} and p.to_publication > {number}".encode()
            ).fetchone()
            assert world.query(f"select count(*)::integer from bi.{name}", number) == [wanted], name


def test_a_wrong_pin_is_refused_where_no_row_would_be_read(world: World, relations: dict[str, list[str]]) -> None:
    with psycopg.connect(role_url(world.settings, roles.READER), autocommit=True) as reader:
        reader.execute("set vss.publication = 999")
        for name, columns in relations.items():
            nothing = "r.month = '1900-01-01'" if "month" in columns else "r is null"
            with pytest.raises(psycopg.errors.InvalidParameterValue, match="999 was never published"):
                reader.execute(f"select * from bi.{name} r where {nothing} limit 1".encode())


@pytest.mark.parametrize("hidden", [slice(1), slice(7, 9), slice(-1, None), slice(None, None, 2), slice(None)])
@pytest.mark.parametrize("is_shown_again", [False, True])
def test_a_fact_shows_its_slices_whichever_of_them_are_hidden(
    world: World, hidden: slice, is_shown_again: bool
) -> None:
    slices = [int(str(number)) for (number,) in world.query(
        "select slice_id from ops.publication_slice where relation = 'fct_contribution'"
        " and from_publication <= 2 and to_publication > 2 order by 1", role=roles.ENGINEER,
    )]  # fmt: skip
    counts = {number: int(str(count)) for number, count in world.query(
        "select slice_id, count(*) from marts.fct_contribution__rows group by 1", role=roles.ENGINEER
    )}  # fmt: skip
    gone = slices[hidden]
    changes = [
        "update ops.publication_slice set from_publication = 1, to_publication = 2"
        f" where relation = 'fct_contribution' and to_publication > 2 and slice_id = any('{{{str(gone)[1:-1]}}}')"
    ]
    if is_shown_again:
        # as a roll back leaves it
        changes.append(
            "insert into ops.publication_slice (relation, slice_id, from_publication)"
            f" select 'fct_contribution', g, 2 from unnest('{{{str(gone)[1:-1]}}}'::integer[]) as g"
        )
    wanted = sum(counts.get(number, 0) for number in slices if is_shown_again or number not in gone)
    with tried(world, roles.READER, *changes) as reader:
        assert reader.execute("select count(*)::integer from bi.fct_contribution").fetchone() == (wanted,)
    assert len(slices) > 20
    assert sum(counts.get(number, 0) for number in gone) > 0


@SUCCESSORS
def test_a_reader_becomes_nobody_else(reader: psycopg.Connection[tuple[object, ...]], province: str) -> None:
    other = "24" if province != "24" else "25"
    for role in (roles.READER, roles.provincial_reader(other), roles.PUBLISHER, roles.VAULT, roles.OFFICER):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(sql.SQL("set session authorization {}").format(sql.Identifier(role)))
    # the group it may become has no scope of its own, and so no rows
    reader.execute("set role vss_reader_base")
    assert reader.execute("select count(*) from bi.fct_arrears").fetchone() == (0,)


@SUCCESSORS
def test_lineage_tells_a_province_of_its_own_files_and_of_others_no_size(
    world: World, relations: dict[str, list[str]], province: str
) -> None:
    role = roles.provincial_reader(province)
    for name in ("participants", "arrears", "fct_contribution", "fct_inspection", "tax_employers", "plan_targets"):
        query = f"select submission_id, sender, current_province_code, row_count, totals from bi.lineage('{name}')"
        own, whole = world.query(query, role=role), world.query(query)
        assert {row[0] for row in own} == {
            row[0] for row in whole if row[2] == province or not str(row[1]).startswith("province-")
        }
        assert all(row[3] is None and row[4] is None for row in own if not str(row[1]).startswith("province-"))


@SUCCESSORS
def test_no_row_of_another_province_can_be_traced(world: World, province: str) -> None:
    role = roles.provincial_reader(province)
    for name in ("fct_participation", "fct_arrears", "fct_inspection"):
        rows = world.query(
            f"select distinct on (current_province_code) current_province_code, submission_id, row_no from bi.{name}"
            " order by 1, 2, 3"
        )
        assert len(rows) >= 4
        for code, submission, row_no in rows:
            asked = f"select count(*) from bi.trace_row('{name}', '{submission}', {row_no})"
            assert world.query(asked, role=role) == [(1 if code == province else 0,)], (name, code)


@SUCCESSORS
def test_the_list_of_publications_does_not_say_who_sent_how_much(world: World, province: str) -> None:
    said = world.query(
        "select changes, coalesce(freshness, '') || coalesce(completeness, '') from bi.publication",
        role=roles.provincial_reader(province),
    )
    assert len(said) == 2
    assert all(changes is None and "rows" not in str(text) for changes, text in said)
    assert all("rows" in str(text) for (text,) in world.query("select changes from bi.publication"))


@SUCCESSORS
def test_nothing_but_bi_is_in_what_a_reader_can_list_with_its_size(
    reader: psycopg.Connection[tuple[object, ...]],
) -> None:
    spaces = "('pg_catalog', 'information_schema')"
    assert reader.execute(
        f"select distinct table_schema from information_schema.tables where table_schema not in {spaces}".encode()
    ).fetchall() == [("bi",)]
    for listed in ("pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"):
        found = reader.execute(f"select count(*) from {listed} where schemaname not in {spaces}".encode()).fetchone()
        assert found == (0,), listed
    assert reader.execute("select count(*) from pg_sequences where last_value is not null").fetchone() == (0,)
    # of others' sessions it learns that they are there
    assert reader.execute(
        "select count(*) from pg_stat_activity where usename <> current_user"
        " and query not in ('', '<insufficient privilege>')"
    ).fetchone() == (0,)


@proves("access.roles")
@pytest.mark.parametrize("space", ["raw", "marts", "staging", "reference", "ops", "vault", "gate"])
def test_a_reader_has_no_right_to_anything_behind_bi(world: World, space: str) -> None:
    with connect(world.settings, roles.MIGRATOR) as connection:
        assert not connection.execute(
            "select rolname from pg_roles"
            " where rolname like 'vss\\_reader%%' and has_schema_privilege(oid, %s, 'usage')",
            [space],
        ).fetchall()
        reachable = connection.execute(
            "select r.rolname, c.relname from pg_class c cross join pg_roles r where c.relnamespace = %s::regnamespace"
            " and c.relkind in ('r', 'p', 'v', 'm') and r.rolname like 'vss\\_reader%%'"
            " and (has_table_privilege(r.oid, c.oid, 'select') or has_any_column_privilege(r.oid, c.oid, 'select'))",
            [space],
        ).fetchall()
    assert reachable == []


@proves("access.full-rebuild")
def test_views_that_are_made_anew_have_the_rights_and_words_they_had(world: World) -> None:
    before = access_of(world.settings)
    with connect(world.settings, roles.PUBLISHER, autocommit=True) as connection:
        # as when columns go, move or change their type
        connection.execute("drop view bi.fct_arrears, bi.dim_participant, bi.publication")
    try:
        made = bi.sync(world.settings, dbt_runs.manifest_path(world.settings))
    finally:
        after = access_of(world.settings)
    assert {"fct_arrears", "dim_participant", "publication"} <= set(made)
    assert changed(before, after) == []
    assert "vss_reader_detail=r" in after["v bi.dim_participant"]
    assert "vss_reader_base=" not in after["v bi.dim_participant"]
