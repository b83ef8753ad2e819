"""From a figure of the small world to its cells: sums add up, cells are where they are said to be, scopes hold."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from shown import World

from warehouse import roles
from warehouse.connection import admin_url, connect, role_url
from warehouse.errors import UsageError
from warehouse.settings import PROJECT
from warehouse.trace import Cell, Figure, Origin, Source, trace, walk

FACTS = [
    "fct_participation", "fct_contribution", "fct_arrears", "fct_inspection", "fct_plan_target", "fct_benefit",
    "fct_reported_indicator", "fct_policy_relief", "fct_outreach", "fct_weekly_report",
]  # fmt: skip
PHU_THO = roles.provincial_reader("25")  # the province of today that Vĩnh Phúc went into
SUMS = [
    ("rpt_participants", "wage_base_vnd", "month = '2021-10-01' and province_code = '26' and insurance_type = 'SI_C'"),
    ("rpt_participants", "participants", "month = '2025-08-01' and insurance_type = 'HI' and unit_type = 'none'"),
    ("rpt_collection", "collected_ytd_vnd", "month = '2021-12-01' and insurance_group in ('hi', 'total')"),
    ("rpt_collection", "collected_month_vnd", "month in ('2021-10-01', '2025-08-01') and insurance_group = 'ui'"),
    ("rpt_collection", "due_gap_ytd_vnd", "month = '2021-12-01' and insurance_group = 'total'"),
    ("rpt_arrears_ageing", "principal_vnd", "month = '2021-10-01' and ageing_band in ('<1', '>=12')"),
    ("rpt_arrears_ageing", "units", "month = '2021-10-01' and ageing_band = '1-<3'"),
    ("rpt_inspection_results", "recovered_vnd", "month = '2021-12-01' and kind = 'total'"),
    ("rpt_inspection_results", "units_recovered", "month = '2021-12-01' and kind = 'total'"),
    ("rpt_coverage", "hi", "month = '2021-10-01'"),
    ("rpt_coverage", "population", "month = '2021-10-01' and geo_level = 'province'"),
    ("rpt_relief", "paid_amount_vnd", "paid_amount_vnd is not null and month = '2021-10-01'"),
    ("rpt_inspection_yield", "recovered_vnd", "month >= '2021-10-01' and month < '2022-01-01'"),
    ("rpt_participant_potential", "employees_tax", "geo_level = 'national'"),
    ("rpt_inspection_candidates", "overdue_vnd", "overdue_vnd > 0"),
    ("fct_participation_movement", "participants", "month = '2021-11-01'"),
    ("fct_tax_match", "employees_si_december", "employees_si_december > 0 and unit_count > 1"),
    ("fct_tax_match", "wage_base_vnd", "unit_count > 1 and tax_year = 2021 and province_code = '24'"),
]


def follow(world: World, relation: str, where: str, column: str | None = None, **options: object) -> list[Figure]:
    traced = trace(world.settings, relation, where, column=column, **options)  # type: ignore[arg-type]
    return list(traced.figures)


def the_source(figures: list[Figure]) -> Source:
    (figure,) = figures
    (source,) = figure.sources
    return source


def leaves(figures: list[Figure]) -> Iterator[tuple[Source, Origin]]:
    for figure in walk(figures):
        for source in figure.sources:
            yield from ((source, origin) for origin in source.origins)


def row_of(world: World, cell: Cell) -> dict[str, str]:
    """The row of a CSV that a cell names, from the inbox; the heading is row 1."""
    (folder,) = world.settings.home.joinpath("inbox").glob(f"*/{cell.submission_id}")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (file,) = [each for each in manifest["files"] if each["feed"] == "contributions"]
    with (folder / file["path"]).open(encoding=file["encoding"], newline="") as stream:
        rows = list(csv.reader(stream, delimiter=file["delimiter"]))
    assert cell.row_no is not None
    return dict(zip(rows[0], rows[cell.row_no - 1], strict=True))


@pytest.mark.parametrize(("relation", "column", "where"), SUMS)
def test_figures_are_the_sums_of_what_they_rest_on(world: World, relation: str, column: str, where: str) -> None:
    figures = follow(world, relation, where, column, limit=1)
    outcomes = [source.adds_up for figure in walk(figures) for source in figure.sources]

    assert False not in outcomes
    assert True in outcomes
    assert any(source.kind == "rows" for figure in walk(figures) for source in figure.sources)
    for _, origin in leaves(figures):
        assert origin.ledger["submission_id"] == origin.submission_id
        assert len(origin.ledger["sha256"]) == len(origin.ledger["manifest_sha256"]) == 64


@pytest.mark.parametrize(
    "indicators",
    [
        "'si_compulsory', 'si_voluntary', 'ui', 'hi', 'si_participants', 'people_managed', 'hi_household',"
        " 'hi_students'",
        "'collection', 'collection_hi', 'collection_ui', 'collection_si_compulsory', 'collection_si_voluntary'",
        "'arrears', 'arrears_hard_to_collect', 'arrears_interest_bearing', 'units_managed', 'pension_persons',"
        " 'one_time_persons', 'short_term_persons', 'ui_allowance_persons', 'hi_treatment_cost', 'spending'",
        "'inspections', 'recovered_amount', 'recovered_units', 'inspections_specialised', 'conferences',"
        " 'small_groups', 'population', 'vssid_registrations', 'hi_coverage_pct'",
    ],
)
def test_every_kind_of_indicator_is_followed_to_its_files(world: World, indicators: str) -> None:
    figures = follow(
        world, "rpt_plan_attainment",
        f"indicator in ({indicators}) and actual is not null and (month, province_code) in"
        " (('2021-12-01', '26'), ('2025-08-01', '01'))", "actual", limit=1,
    )  # fmt: skip
    wrong = [
        (figure.key, figure.value, source.total)
        for figure in walk(figures) for source in figure.sources if source.adds_up is False
    ]  # fmt: skip

    assert wrong == []
    assert len({figure.key["indicator"] for figure in figures}) >= 5
    assert [figure.key for figure in figures if not list(leaves([figure]))] == []


def test_a_figure_of_the_country_is_that_of_its_provinces_and_of_their_files(world: World) -> None:
    where = "month = '2021-12-01' and geo_level = 'national' and indicator = 'si_compulsory'"
    figures = follow(world, "rpt_plan_attainment", where, "actual", limit=1)
    provinces = the_source(figures)

    assert provinces.adds_up is True
    assert {figure.key["province_code"] for figure in provinces.figures} == {
        str(row[0])
        for row in world.query(
            "select province_code from rpt_plan_attainment where month = '2021-12-01' and geo_level = 'province'"
            " and indicator = 'si_compulsory' and actual is not null"
        )
    }
    assert all(source.adds_up for figure in walk(figures) for source in figure.sources)


def test_the_file_of_a_whole_months_figure_meets_its_control_total(world: World) -> None:
    figures = follow(
        world, "rpt_collection",
        "month = '2021-10-01' and province_code = '26' and insurance_group = 'total'", "collected_month_vnd",
    )  # fmt: skip
    (origin,) = the_source(figures).origins

    assert origin.is_met is True
    assert origin.control is not None
    assert origin.amount == origin.control["declared"] == origin.control["loaded"] == figures[0].value


def test_a_row_of_a_year_to_date_file_is_its_cell_less_the_months_before(world: World) -> None:
    figures = follow(
        world, "rpt_collection",
        "month = '2021-12-01' and province_code = '24' and insurance_group = 'hi'", "collected_month_vnd", limit=None,
    )  # fmt: skip
    cells = [cell for cell in the_source(figures).cells if cell.row_no is not None and cell.earlier]

    assert cells
    for cell in cells[:20]:
        assert cell.columns == ("paid_vnd",)
        assert cell.held == Decimal(row_of(world, cell)["paid_vnd"])
        assert cell.amount == cell.held - sum(part.amount for part in cell.earlier if part.amount is not None)


def test_a_declaration_that_leads_elsewhere_does_not_add_up(world: World) -> None:
    where = "month = '2021-10-01' and province_code = '26' and insurance_group = 'total'"
    swap = "update ops.trace_route set route = replace(route::text, %s, %s)::json where relation = 'rpt_collection'"
    with connect(world.settings, roles.PUBLISHER, autocommit=True) as publisher:
        publisher.execute(swap, ['"f.paid_vnd"', '"f.due_vnd + 1"'])
        try:
            source = the_source(follow(world, "rpt_collection", where, "collected_month_vnd"))
        finally:
            publisher.execute(swap, ['"f.due_vnd + 1"', '"f.paid_vnd"'])

    assert source.adds_up is False
    assert source.difference == follow(world, "rpt_collection", where, "collected_month_vnd")[0].value - source.total


LATE = "month = '2021-11-01' and province_code = '24' and insurance_group = 'total'"


@pytest.mark.parametrize(("publication", "submission_id"), [("1", "p24-2021-11-v1"), ("2", "p24-2021-11-v2")])
def test_a_publication_is_traced_to_what_it_rested_on(world: World, publication: str, submission_id: str) -> None:
    source = the_source(follow(world, "rpt_collection", LATE, "collected_month_vnd", publication=publication))

    assert source.adds_up is True
    assert [origin.submission_id for origin in source.origins] == [submission_id]


@pytest.mark.parametrize(
    ("relation", "where", "column", "words"),
    [
        ("rpt_collection", "foo = 1", None, 'column "foo" does not exist'),
        ("rpt_collection", "month = '", None, "unterminated quoted string"),
        ("rpt_collection", "true; select 1", None, "syntax error"),
        ("rpt_collection", "true) ; drop view bi.rpt_collection; --", None, "syntax error"),
        ("rpt_collection", "(select count(*) from ops.submission) > 0", None, "permission denied"),
        ("rpt_collection", "set_config('transaction_read_only', 'off', false) = 'off'", None, "transaction"),
        ("rpt_collection", "month = '1999-01-01'", None, "No row of rpt_collection"),
        ("rpt_collection", "true", "foo", "has no column foo"),
        ("dim_fund", "true", None, "no figure to trace"),
        ("pg_class", "true", None, "no figure to trace"),
    ],
)
def test_a_wrong_request_is_one_sentence(
    world: World, relation: str, where: str, column: str | None, words: str
) -> None:
    with pytest.raises(UsageError, match=words.replace("(", r"\(")) as raised:
        follow(world, relation, where, column)

    assert "\n" not in str(raised.value)


def test_a_comment_in_the_condition_ends_with_it(world: World) -> None:
    where = "month = '2021-10-01' and province_code = '26' and insurance_group = 'total' -- all of it"

    assert len(follow(world, "rpt_collection", where, "collected_ytd_vnd")) == 1


def test_a_condition_cannot_change_what_publication_is_traced(world: World) -> None:
    where = LATE + " and set_config('vss.publication', '1', false) = '1'"
    source = the_source(follow(world, "rpt_collection", where, "collected_month_vnd", publication="2"))

    assert [origin.submission_id for origin in source.origins] == ["p24-2021-11-v2"]


# ------------------------------------------------------------------------------------------------ the functions of bi


@pytest.mark.parametrize("role", [roles.READER, PHU_THO])
@pytest.mark.parametrize("fact", FACTS)
def test_every_row_of_a_fact_finds_its_file_and_one_alone(world: World, fact: str, role: str) -> None:
    ((rows, files),) = world.query(
        f"select count(*), count(l.sha256) from {fact} f left join lineage('{fact}') l using (submission_id)", role=role
    )
    ((there,),) = world.query(f"select count(*) from {fact}", role=role)

    assert rows == files == there


def test_a_province_finds_files_of_its_own_ground_alone(world: World) -> None:
    seen = world.query("select distinct sender, current_province_code from lineage('contributions')", role=PHU_THO)
    country = world.query("select distinct current_province_code from lineage('contributions')")

    # Vĩnh Phúc until the merger, Phú Thọ since
    assert sorted(seen) == [("province-25", "25"), ("province-26", "25")]
    assert len(country) > 1


def test_who_is_in_no_scope_finds_nothing(world: World) -> None:
    with psycopg.connect(admin_url(world.settings)) as admin:
        admin.execute("create role vss_reader_tried")
        admin.execute("grant vss_reader_base to vss_reader_tried")
        admin.execute("set local role vss_reader_tried")
        found = admin.execute("select count(*) from bi.lineage('contributions')").fetchone()
        admin.rollback()

    assert found == (0,)


def test_a_row_leads_to_its_file(world: World) -> None:
    ((submission_id, row_no),) = world.query(
        "select submission_id, row_no from fct_contribution where province_code = '26' and month = '2021-10-01'"
        " order by row_no limit 1"
    )
    call = f"trace_row('fct_contribution', '{submission_id}', {row_no})"
    ((sender, period, file, place, sha256, signed_by),) = world.query(
        f"select sender, period, file, file_row_no, sha256, signed_by from {call}", role=PHU_THO
    )
    (path,) = world.settings.home.joinpath("inbox").glob(f"*/{submission_id}/{file}")

    assert (sender, period, place, signed_by) == ("province-26", "2021-10", row_no, None)
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("fact", ["fct_contribution", "fct_reported_indicator", "fct_participation"])
def test_a_row_of_another_province_is_not_there(world: World, fact: str) -> None:
    ((submission_id, row_no),) = world.query(
        f"select submission_id, row_no from {fact} where province_code = '24' order by 1, 2 limit 1"
    )
    call = f"select count(*) from trace_row('{fact}', '{submission_id}', {row_no})"

    assert world.query(call) == [(1,)]
    assert world.query(call, role=PHU_THO) == [(0,)]
    # no other than what was never sent
    assert world.query(f"select count(*) from trace_row('{fact}', 'never-sent', 2)", role=PHU_THO) == [(0,)]


def test_a_row_of_headquarters_or_the_tax_authority_is_found_by_whom_it_is_about(world: World) -> None:
    rows = world.query(
        "select submission_id, row_no, current_province_code from fct_tax_match where submission_id is not null"
        " and current_province_code is not null"
    )
    own = next(row for row in rows if row[2] == "25")
    other = next(row for row in rows if row[2] != "25")

    for row, count in ((own, 1), (other, 0)):
        call = f"select count(*) from trace_row('fct_tax_match', '{row[0]}', {row[1]})"
        assert world.query(call, role=PHU_THO) == [(count,)]


def test_a_row_that_was_not_published_then_is_not_there(world: World) -> None:
    ((row_no,),) = world.query(
        "select min(row_no) from fct_contribution where submission_id = 'p24-2021-11-v2'", publication=2
    )
    call = f"select count(*) from trace_row('fct_contribution', 'p24-2021-11-v2', {row_no})"

    assert world.query(call, publication=2) == [(1,)]
    assert world.query(call, publication=1) == [(0,)]
    for refused in ("lineage('contributions')", call.partition("from ")[2]):
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="999 was never published"):
            world.query(f"select * from {refused}", publication=999)


@pytest.mark.parametrize("feed", ["plan_targets", "tax_employers"])
def test_how_much_is_in_a_file_about_every_province_is_not_told_to_one(world: World, feed: str) -> None:
    query = f"select row_count, rows_accepted, totals from lineage('{feed}') where sha256 is not null"

    assert {tuple(row) for row in world.query(query, role=PHU_THO)} == {(None, None, None)}
    assert all(None not in row for row in world.query(query))


@pytest.mark.parametrize("name", ["rpt_collection", "dim_fund", "pg_class", "x' or true --"])
def test_what_comes_from_no_file_is_said_in_one_sentence(world: World, name: str) -> None:
    with psycopg.connect(role_url(world.settings, PHU_THO)) as connection:
        for call in ("select * from lineage(%s)", "select * from trace_row(%s, 'a', 1)"):
            with pytest.raises(psycopg.errors.InvalidParameterValue) as raised:
                connection.execute(call, [name])
            connection.rollback()
            assert raised.value.diag.message_primary is not None
            assert raised.value.diag.message_primary.startswith(f"rows of {name} come from no file of their own")


def test_the_key_that_signed_and_the_verdicts_stand_beside_a_file(world: World) -> None:
    with psycopg.connect(admin_url(world.settings)) as admin:
        admin.execute("update ops.submission set signed_by = 'ab12' where submission_id = 'p24-2021-11-v2'")
        admin.execute(
            "insert into ops.gate_result (gate, load_id, suite, expectation, success, severity)"
            " select 'submission', l.load_id, 'business', 'one', x.success, x.severity from ops.load l"
            " join ops.submission s on s.sub_no = l.sub_no"
            " cross join (values (true, 'reject'), (false, 'reject'), (false, 'warn'), (false, 'warn'))"
            " x (success, severity)"
            " where s.submission_id = 'p24-2021-11-v2' and l.feed = 'contributions'"
        )
        # within the role that was set: who asks is not the owner of the function
        admin.execute("set local role vss_reader_24")
        found = admin.execute(
            "select signed_by, verdicts from bi.lineage('fct_contribution', 'p24-2021-11-v2')"
        ).fetchall()
        admin.rollback()

    assert found == [("ab12", [{"suite": "business", "passed": 1, "failed": 1, "warned": 2}])]


def test_the_functions_are_the_publishers_described_and_not_open_to_everybody(world: World) -> None:
    with psycopg.connect(admin_url(world.settings)) as admin:
        found = admin.execute(
            "select p.proname, p.proowner::regrole::text, obj_description(p.oid) is not null,"
            " has_function_privilege('public', p.oid, 'execute'), p.proconfig from pg_proc p"
            " where p.pronamespace = 'bi'::regnamespace order by 1"
        ).fetchall()

    assert found == [
        (name, "vss_publisher", True, False, ["search_path=pg_catalog, pg_temp"]) for name in ("lineage", "trace_row")
    ]


# ------------------------------------------------------------------------------------------------ the verb


def vss_trace(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()", "trace", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "VSS_HOME": str(world.settings.home)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


WHERE = "month='2021-10-01' and province_code='26' and indicator='si_participants'"


def test_the_verb_prints_the_way_from_figure_to_row(world: World) -> None:
    done = vss_trace(world, "rpt_plan_attainment", "--where", WHERE, "--limit", "2")

    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "actual = ", ": adds up", "p26-2021-10-v2: province-26 for 2021-10, version 2, participants.csv",
        "no registered key signed it", "in the archive as ", "row 2, columns insurance_type, hi_group",
        "--limit 0 names all",
    ):  # fmt: skip
        assert words in done.stdout


def test_the_verb_prints_json_and_csv_for_tools(world: World) -> None:
    asked = ("rpt_plan_attainment", "--where", WHERE, "--limit", "0")
    answer = json.loads(vss_trace(world, *asked, "--json").stdout)
    lines = list(csv.DictReader(vss_trace(world, *asked, "--csv").stdout.splitlines()))
    (figure,) = answer["figures"]
    (source,) = figure["sources"]
    (submission,) = source["submissions"]

    assert answer["adds_up"] is True
    assert figure["value"] == source["total"] == source["rows"] == len(source["cells"]) == len(lines)
    assert submission["rows"] == figure["value"]
    assert Path(submission["archive"].removeprefix("file://")).is_file()
    assert dt.datetime.fromisoformat(submission["received_at"]).date() == dt.date(2021, 11, 4)
    assert {line["sha256"] for line in lines} == {submission["sha256"]}
    assert [int(line["row"]) for line in lines] == [cell["row"] for cell in source["cells"]]


def test_the_verb_says_what_is_wrong_in_one_sentence(world: World) -> None:
    done = vss_trace(world, "rpt_collection", "--where", "foo = 1")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith('vss: The condition fails: column "foo" does not exist.')
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("publication", ["999", "yesterday", "2020-01-01"])
def test_what_was_never_published_is_not_traced(world: World, publication: str) -> None:
    with pytest.raises(UsageError, match=r"bi\.publication"):
        follow(world, "rpt_collection", LATE, publication=publication)
