"""What other programs see of bi: the guide's figures, a province's own rows, types, comments, and no way to write.

psql, pandas and Polars are there after `make setup` and are asked in every run. The long test asks what has to be
installed first (`tests/acceptance/clients/requirements.txt`, ODBC, JDBC, LibreOffice) and is skipped where it is not.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import guide_answers
import openpyxl
import pandas
import polars
import pytest
import sqlalchemy
from demo_warehouse import Demo
from proofs import proves

from warehouse import roles
from warehouse.connection import role_url
from warehouse.server import installed_binaries
from warehouse.settings import PROJECT, Settings

# three figures of the guide (questions 1, 2 and 3) with a column of each kind there is in bi
QUERY = """
select h.month, h.actual as hi, s.attainment_pct, c.collected_ytd_vnd, c.is_reported, k.received_at, n.provinces_missing
from rpt_plan_attainment h
join rpt_plan_attainment s on s.month = h.month and s.province_key = h.province_key and s.indicator = 'si_compulsory'
join rpt_collection c on c.month = h.month and c.province_key = h.province_key and c.insurance_group = 'total'
join rpt_completeness k on k.sender = 'province-26' and k.period = '2021-10' and k.feed = 'participants'
left join rpt_plan_attainment n on n.month = h.month and n.geo_level = 'national' and n.indicator = 'hi'
where h.month = '2021-10-01' and h.province_code = '26' and h.indicator = 'hi'
"""
PHU_THO, CAO_BANG = roles.provincial_reader("25"), roles.provincial_reader("04")
PSQL = installed_binaries() / "psql"
CLIENTS = Path(__file__).parent / "clients"
PYTHON = Path(os.environ.get("CLIENTS_PYTHON") or PROJECT / ".venv-clients" / "bin" / "python")
MODULES = {"duckdb": "duckdb_extension_postgres_scanner", "adbc": "adbc_driver_postgresql", "odbc": "pyodbc",
           "jdbc": "jaydebeapi"}  # fmt: skip
JDBC_DRIVER = Path("/usr/share/java/postgresql.jar")
# what each driver makes of a date, a count, a percentage, đồng, yes or no, an instant, a list
TYPES = {
    "duckdb": ("date", "float", "float", "int", "bool", "datetime", "list"),
    "adbc": ("date", "str", "str", "int", "bool", "datetime", "list"),
    "odbc": ("date", "Decimal", "Decimal", "int", "bool", "datetime", "str"),
    "jdbc": ("java.sql.Date", "java.math.BigDecimal", "java.math.BigDecimal", "java.lang.Long", "java.lang.Boolean",
             "java.sql.Timestamp", "org.postgresql.jdbc.PgArray"),
}  # fmt: skip
UNSAFE = "select text '=1+1' as \"=head\", text '+84' as plus, -5 as number, text '-5' as told, text '@x' as at"


def url(demo: Demo, role: str = roles.READER, *, driver: str = "postgresql") -> str:
    """The URL of a reader who sees the demo's own publication, whatever was published since."""
    return role_url(Settings(home=demo.home), role, driver=driver) + "?options=-c%20vss.publication%3D1"


@pytest.fixture(scope="module")
def printed() -> dict[str, Decimal]:
    """The three figures as the guide prints them."""
    asked = {
        "hi": (1, "hi", {"province_code": "26"}),
        "attainment_pct": (2, "attainment_pct", {"province_code": "26", "indicator": "si_compulsory"}),
        "collected_ytd_vnd": (3, "collected_ytd_vnd", {"insurance_group": "total"}),
    }
    known = {each.number: each for each in guide_answers.questions(guide_answers.GUIDE.read_text(encoding="utf-8"))}
    found = {}
    for name, (number, column, where) in asked.items():
        rows = [
            dict(zip(answer.printed.columns, row, strict=True))
            for answer in known[number].answers
            if answer.printed is not None
            for row in answer.printed.rows
        ]
        (value,) = [row[column] for row in rows if where.items() <= row.items()]
        found[name] = Decimal(value)
    return found


def are_printed(figures: dict[str, Any], printed: dict[str, Decimal]) -> bool:
    """Whether a client's figures are those of the guide, percentages to the digits it prints."""
    return all(round(Decimal(str(figures[name])), 2) == value for name, value in printed.items())


def psql(demo: Demo, *arguments: str, role: str = roles.READER, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(PSQL), "--no-psqlrc", "--set", "ON_ERROR_STOP=1", url(demo, role), *arguments],
        capture_output=True, text=True, check=False, env={**os.environ, "PGCLIENTENCODING": "UTF8"},
    )  # fmt: skip
    assert done.returncode == expect, done.stderr
    return done


@pytest.fixture(scope="module")
def engine(demo: Demo) -> Iterator[sqlalchemy.Engine]:
    made = sqlalchemy.create_engine(url(demo, driver="postgresql+psycopg"))
    yield made
    made.dispose()


def test_psql_prints_the_guides_figures_and_a_province_its_own(demo: Demo, printed: dict[str, Decimal]) -> None:
    (all_of_them,) = csv.DictReader(io.StringIO(psql(demo, "--csv", "--command", QUERY).stdout))
    (its_own,) = csv.DictReader(io.StringIO(psql(demo, "--csv", "--command", QUERY, role=PHU_THO).stdout))

    assert are_printed(all_of_them, printed) and are_printed(its_own, printed)
    assert all_of_them["provinces_missing"].startswith("{02,04,") and its_own["provinces_missing"] == ""
    assert len(psql(demo, "--csv", "--command", QUERY, role=CAO_BANG).stdout.splitlines()) == 1


def test_psql_lists_the_relations_of_bi_and_describes_one(demo: Demo) -> None:
    listed = psql(demo, "--tuples-only", "--no-align", "--command", r"\dv").stdout.splitlines()
    described = psql(demo, "--tuples-only", "--no-align", "--command", r"\d+ rpt_collection").stdout

    assert {line.split("|")[0] for line in listed} == {"bi"}
    assert "rpt_collection" in {line.split("|")[1] for line in listed}
    assert "collected_ytd_vnd|bigint||||plain|Paid from January to the month without interest" in described


@pytest.mark.parametrize(
    "query",
    ["delete from rpt_collection", "create temporary table mine (n integer)", "create table bi.mine (n integer)"],
)
def test_psql_cannot_write(demo: Demo, query: str) -> None:
    assert "ERROR:" in psql(demo, "--command", query, expect=1).stderr


def test_psql_is_stopped_when_its_time_is_over(demo: Demo) -> None:
    assert (
        psql(demo, "--tuples-only", "--no-align", "--command", "show statement_timeout", role=PHU_THO).stdout
        == "10min\n"
    )
    endless = "set statement_timeout = '100ms'; select count(*) from generate_series(1, 1000000000000)"
    assert "canceling statement due to statement timeout" in psql(demo, "--command", endless, expect=1).stderr


def test_pandas_reads_the_guides_figures_with_money_as_whole_numbers(
    engine: sqlalchemy.Engine, printed: dict[str, Decimal]
) -> None:
    read = pandas.read_sql(QUERY, engine, dtype_backend="pyarrow", parse_dates=["month"])
    (row,) = read.to_dict("records")

    assert are_printed(row, printed)
    assert {name: str(kind).partition(",")[0] for name, kind in read.dtypes.items()} == {
        "month": "datetime64[us]", "hi": "double[pyarrow]", "attainment_pct": "double[pyarrow]",
        "collected_ytd_vnd": "int64[pyarrow]", "is_reported": "bool[pyarrow]", "received_at": "timestamp[us",
        "provinces_missing": "string[pyarrow]",
    }  # fmt: skip
    assert row["month"] == pandas.Timestamp(2021, 10, 1)


def test_pandas_keeps_money_whole_where_some_of_it_is_unknown(engine: sqlalchemy.Engine) -> None:
    query = "select plan_vnd from rpt_collection where month = '2021-10-01' and province_code = '26'"

    plain, kept = (pandas.read_sql(query, engine, **options) for options in ({}, {"dtype_backend": "pyarrow"}))

    assert str(plain.dtypes["plan_vnd"]) == "float64"  # what the guide warns of; exact below 2^53
    assert str(kept.dtypes["plan_vnd"]) == "int64[pyarrow]"
    assert kept["plan_vnd"].isna().any() and kept["plan_vnd"].max() == 5_480_379_000_000 == plain["plan_vnd"].max()


def test_polars_reads_the_guides_figures_with_every_type(
    engine: sqlalchemy.Engine, printed: dict[str, Decimal]
) -> None:
    read = polars.read_database(QUERY, engine, infer_schema_length=None)
    (row,) = read.to_dicts()

    assert are_printed(row, printed)
    kinds = {name: kind.base_type() for name, kind in read.schema.items()}
    assert kinds == {
        "month": polars.Date, "hi": polars.Decimal, "attainment_pct": polars.Decimal, "collected_ytd_vnd": polars.Int64,
        "is_reported": polars.Boolean, "received_at": polars.Datetime, "provinces_missing": polars.List,
    }  # fmt: skip
    assert row["provinces_missing"][:2] == ["02", "04"]
    assert row["month"] == dt.date(2021, 10, 1)


def test_a_date_that_never_ends_is_read_as_the_guide_says(engine: sqlalchemy.Engine) -> None:
    query = "select least(valid_to, date '9999-12-31') as valid_to from dim_province where province_key = '34-25'"

    assert pandas.read_sql(query, engine)["valid_to"].tolist() == [dt.date(9999, 12, 31)]
    assert polars.read_database(query, engine)["valid_to"].to_list() == [dt.date(9999, 12, 31)]


def test_sqlalchemy_finds_the_relations_of_bi_with_comments_and_types(engine: sqlalchemy.Engine) -> None:
    seen = sqlalchemy.inspect(engine)
    columns = {column["name"]: column for column in seen.get_columns("rpt_collection", schema="bi")}

    assert "rpt_collection" in seen.get_view_names(schema="bi")
    assert str(seen.get_table_comment("rpt_collection", schema="bi")["text"]).startswith("Money collected")
    assert isinstance(columns["collected_ytd_vnd"]["type"], sqlalchemy.BigInteger)
    assert all(column["comment"] for column in columns.values())


@proves("access.small-cells", "cells.formula-text")
def test_an_export_has_no_formula_in_any_reader_and_its_numbers_are_numbers(demo: Demo, tmp_path: Path) -> None:
    file = tmp_path / "answer.csv"
    file.write_text(demo.vss("as-of", "1", UNSAFE).stdout, encoding="utf-8")
    harmless = {"'=head": "'=1+1", "plus": "'+84", "number": -5, "told": "'-5", "at": "'@x"}

    assert polars.read_csv(file).to_dicts() == [harmless]
    assert pandas.read_csv(file).to_dict("records") == [harmless]
    # told so, since it would guess that the apostrophe escapes
    read = duckdb.sql(f"select * from read_csv('{file}', header = true, quote = '\"', escape = '\"')")
    assert dict(zip(read.columns, read.fetchall()[0], strict=True)) == harmless
    assert demo.vss("as-of", "1", "--raw", UNSAFE).stdout == "=head,plus,number,told,at\n=1+1,+84,-5,-5,@x\n"


@proves("access.small-cells")
def test_the_headline_of_all_provinces_is_exported_with_the_figures_of_the_guide_and_none_that_is_small(
    demo: Demo, printed: dict[str, Decimal]
) -> None:
    rows = list(csv.DictReader(io.StringIO(demo.vss("headline", "--csv").stdout)))

    (hi,) = [
        row for row in rows if (row["province_code"], row["indicator"], row["month"]) == ("26", "hi", "2021-10-01")
    ]
    assert Decimal(hi["actual"]) == printed["hi"] and hi["hidden"] == ""
    assert len({row["province_code"] for row in rows}) > 5
    assert not [row for row in rows if row["unit"] == "persons" and row["actual"] and 0 < Decimal(row["actual"]) < 5]


@pytest.mark.long
@pytest.mark.parametrize("client", MODULES)
def test_another_client_reads_the_guides_figures_and_can_do_no_more(
    demo: Demo, printed: dict[str, Decimal], client: str
) -> None:
    reason = missing(client)
    if reason:
        pytest.skip(reason)

    seen = {role: asked(demo, client, role) for role in (roles.READER, PHU_THO, CAO_BANG)}

    row = seen[roles.READER]["row"]
    assert are_printed({name: value for name, (_, value) in row.items()}, printed)
    assert tuple(kind for kind, _ in row.values()) == TYPES[client]
    assert row["collected_ytd_vnd"][1] == "4313058000000" and row["month"][1].startswith("2021-10-01")
    assert row["is_reported"][1].lower() == "false"
    its_own = seen[PHU_THO]["row"]
    assert {**its_own, "provinces_missing": None} == {**row, "provinces_missing": None}
    assert its_own["provinces_missing"][1] == "None"
    assert seen[CAO_BANG]["row"] == {}
    views = demo.one("select count(*) as n from pg_views where schemaname = 'bi'")["n"]
    for told in seen.values():
        assert told["relations"] == views
        assert str(told["comment"]).startswith("Money collected, without interest")
        assert told["refused"] and all(told["refused"]), told
        assert "statement timeout" in told["ended"], told


@pytest.mark.long
@proves("cells.formula-text")
def test_a_spreadsheet_opens_an_export_without_a_formula(demo: Demo, tmp_path: Path) -> None:
    if shutil.which("soffice") is None:
        pytest.skip("LibreOffice is not installed (libreoffice-calc-nogui)")
    kinds = {}
    for name, options in (("safe", ()), ("raw", ("--raw",))):
        file = tmp_path / f"{name}.csv"
        file.write_text(demo.vss("as-of", "1", *options, UNSAFE).stdout, encoding="utf-8")
        subprocess.run(
            ["soffice", f"-env:UserInstallation=file://{tmp_path}/office", "--headless", "--convert-to", "xlsx",
             "--infilter=CSV:44,34,76,1", "--outdir", str(tmp_path), str(file)],
            check=True, capture_output=True, timeout=300,
        )  # fmt: skip
        sheet = openpyxl.load_workbook(tmp_path / f"{name}.xlsx").worksheets[0]
        kinds[name] = [[cell.data_type for cell in row] for row in sheet.iter_rows()]

    assert kinds["safe"] == [["s"] * 5, ["s", "s", "n", "s", "s"]]
    assert any("f" in row for row in kinds["raw"]), "a file with a formula in it would not have been noticed"


def missing(client: str) -> str:
    """Why a client cannot be asked here; empty when it can."""
    if not PYTHON.exists():
        return f"no {PYTHON}: see {CLIENTS.relative_to(PROJECT)}/requirements.txt"
    done = subprocess.run([str(PYTHON), "-c", f"import {MODULES[client]}"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"{MODULES[client]} is not in {PYTHON}"
    if client == "odbc":
        listed = [str(PYTHON), "-c", "import pyodbc; print(pyodbc.drivers())"]
        drivers = subprocess.run(listed, capture_output=True, text=True, check=True).stdout
        return "" if "'PostgreSQL Unicode'" in drivers else "no ODBC driver PostgreSQL Unicode (odbc-postgresql)"
    if client == "jdbc" and not (JDBC_DRIVER.exists() and shutil.which("java")):
        return f"no {JDBC_DRIVER} (libpostgresql-jdbc-java) or no java"
    return ""


def asked(demo: Demo, client: str, role: str) -> dict[str, Any]:
    """What a client saw as a reader, in a process and a Python of its own."""
    done = subprocess.run(
        [str(PYTHON), str(CLIENTS / f"ask_{client}.py"), url(demo, role), QUERY],
        capture_output=True, text=True, check=False, timeout=300,
        env={"PATH": os.environ["PATH"], "HOME": str(demo.home), "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told
