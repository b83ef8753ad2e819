"""A province's reader through every door of bi: its own rows and its predecessors', whatever is asked and however."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from access import access_of, changed
from proofs import proves
from psycopg import sql
from shown import World

from night import dbt_runs
from warehouse import bi, roles
from warehouse.connection import connect, role_url

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
    # row security is not what guards here: to switch it off opens nothing
    reader.execute("set row_security = off")
    reader.execute(probe.encode())


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
