"""Who sees what through `bi`."""

from __future__ import annotations

import psycopg
import pytest
from demo_warehouse import Demo

from warehouse import bi, roles
from warehouse.connection import role_url
from warehouse.settings import Settings

RELATIONS = [
    "dim_month",
    "dim_province",
    "dim_employer",
    "dim_participant",
    "dim_insurance_type",
    "dim_fund",
    "dim_hi_group",
    "dim_inspection_kind",
    "dim_indicator",
    "dim_benefit_type",
    "dim_arrears_band",
    "dim_plan",
    "dim_policy",
    "dim_legal_parameter",
    "dim_locality",
    "fct_participation",
    "fct_participation_movement",
    "fct_contribution",
    "fct_arrears",
    "fct_inspection",
    "fct_plan_target",
    "fct_reported_indicator",
    "fct_benefit",
    "fct_policy_relief",
    "fct_outreach",
    "fct_weekly_report",
    "fct_tax_match",
    "fct_tax_match_unit",
    "rpt_plan_attainment",
    "rpt_participants",
    "rpt_employers",
    "rpt_collection",
    "rpt_arrears_ageing",
    "rpt_inspection_results",
    "rpt_inspection_candidates",
    "rpt_inspection_yield",
    "rpt_participant_potential",
    "rpt_coverage",
    "rpt_relief",
    "rpt_reported_vs_computed",
    "rpt_completeness",
    "publication",
    "rpt_target_attainment",
    "rpt_ui_without_si",
]


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_published_relation_answers_and_every_column_is_described(demo: Demo, relation: str) -> None:
    count = demo.one(f"select count(*) as n from bi.{relation}")["n"]
    undescribed = demo.rows(
        "select a.attname from pg_attribute a where a.attrelid = 'bi." + relation + "'::regclass and a.attnum > 0"
        " and col_description(a.attrelid, a.attnum) is null"
    )

    # on the demo nobody has a target below the province, nor unemployment without compulsory insurance
    assert count > 0 or relation in {"rpt_target_attainment", "rpt_ui_without_si"}
    assert undescribed == []


def test_no_view_of_bi_is_owned_by_a_role_that_sees_everything(demo: Demo) -> None:
    owners = demo.rows(
        "select c.relname, r.rolname from pg_class c join pg_roles r on r.oid = c.relowner"
        " where c.relnamespace = 'bi'::regnamespace"
        " and (r.rolsuper or r.rolbypassrls or r.rolname <> 'vss_publisher')"
    )

    assert owners == []


def test_every_view_of_bi_reads_rows_that_a_policy_guards(demo: Demo) -> None:
    guarded = demo.rows(
        "select v.relname, array_agg(distinct t.relname order by t.relname) as tables,"
        " bool_and(t.relrowsecurity and t.relowner <> v.relowner) as is_guarded,"
        " array_agg(distinct l.polname || ' ' || l.polcmd::text || ' ' || l.polpermissive || ' ' || array("
        "   select m.role::regrole::text from unnest(l.polroles) as m (role) order by 1)::text) as policies"
        " from pg_class v join pg_rewrite w on w.ev_class = v.oid"
        " join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid"
        "   and d.refclassid = 'pg_class'::regclass"
        " join pg_class t on t.oid = d.refobjid and t.relnamespace = 'marts'::regnamespace"
        " left join pg_policy l on l.polrelid = t.oid"
        " where v.relnamespace = 'bi'::regnamespace group by v.relname"
    )

    views = demo.rows("select relname from pg_class where relnamespace = 'bi'::regnamespace and relkind = 'v'")
    assert {row["relname"] for row in guarded} == {row["relname"] for row in views} - {"publication"}
    for row in guarded:
        assert row["tables"] == [f"{row['relname']}__rows"]
        assert row["is_guarded"], row["relname"]
        columns = {each["attname"] for each in demo.rows(
            f"select attname from pg_attribute where attrelid = 'bi.{row['relname']}'::regclass"
        )}  # fmt: skip
        is_by_month = row["relname"] in {"fct_participation", "fct_contribution", "fct_arrears"}
        kind = "by_slice" if is_by_month else "by_province" if "current_province_code" in columns else "in_scope"
        assert row["policies"] == sorted([f"{kind} r true {{vss_publisher}}", "engineers r true {vss_engineer}"])
    # beside its rows a view reads the pointer, of which it shows nothing, and the slice with the row's submission
    beside = demo.rows(
        "select distinct t.relname, t.relkind = 'v' or t.relrowsecurity as is_guarded"
        " from pg_class v join pg_rewrite w on w.ev_class = v.oid"
        " join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid"
        "   and d.refclassid = 'pg_class'::regclass and d.refobjid <> v.oid"
        " join pg_class t on t.oid = d.refobjid and t.relnamespace <> 'marts'::regnamespace"
        " where v.relnamespace = 'bi'::regnamespace and v.relname <> 'publication' order by 1"
    )
    assert beside == [{"relname": "shown_slice", "is_guarded": True}, {"relname": "slice", "is_guarded": True}]
    # what is not dbt's: its condition stands inside
    assert demo.one("select reloptions from pg_class where oid = 'bi.publication'::regclass")["reloptions"] == [
        "security_barrier=true"
    ]


def test_a_province_sees_its_own_rows_and_its_predecessors_and_nobody_elses(demo: Demo) -> None:
    role = roles.provincial_reader("25")  # Phú Thọ took over Vĩnh Phúc
    national = demo.one("select count(*) as n from bi.fct_arrears where current_province_code = '25'")["n"]

    own = demo.one("select count(*) as n from bi.fct_arrears", role=role)["n"]

    assert own == national > 0
    for relation in RELATIONS:
        with psycopg.connect(role_url(Settings(home=demo.home), role)) as connection:
            cursor = connection.execute(f"select * from bi.{relation} limit 0")  # type: ignore[arg-type]
            names = [column.name for column in cursor.description or []]
        if "current_province_code" in names and relation != "dim_province":
            foreign = demo.one(
                f"select count(*) as n from bi.{relation} where current_province_code is distinct from '25'", role=role
            )["n"]
            assert foreign == 0, relation


def test_a_province_without_submissions_sees_nothing_of_the_others(demo: Demo) -> None:
    role = roles.provincial_reader("12")

    assert demo.one("select count(*) as n from bi.fct_participation", role=role)["n"] == 0
    assert demo.one("select count(*) as n from bi.dim_participant", role=role)["n"] == 0


@pytest.mark.parametrize(
    "relation", ["marts.fct_participation__rows", "raw.participants", "ops.submission", "vault.secret"]
)
@pytest.mark.parametrize("role", [roles.READER, "vss_reader_25"])
def test_a_reader_reaches_nothing_behind_bi(demo: Demo, relation: str, role: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        demo.rows(f"select * from {relation} limit 1", role=role)


def test_dbt_may_not_read_persons(demo: Demo) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        demo.rows("select si_number from raw.participants limit 1", role=roles.TRANSFORMER, pin=None)


def test_a_reader_pinned_on_what_was_never_published_is_told_so(demo: Demo) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="999 was never published"):
        demo.rows("select * from bi.dim_month", pin=999)


def test_the_views_are_those_of_the_manifest(demo: Demo) -> None:
    wanted = {relation.name for relation in bi.relations(demo.home / "dbt" / "target" / "manifest.json")}
    there = {
        row["relname"] for row in demo.rows("select relname from pg_class where relnamespace = 'bi'::regnamespace")
    }

    assert there == wanted | {"publication"}
