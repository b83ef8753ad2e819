"""The metrics of docs/metrics.md, asked as that page says, against the reports they must equal."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from demo_warehouse import Demo

from night import dbt_runs
from warehouse import roles
from warehouse.connection import role_url
from warehouse.settings import PROJECT, Settings

with (PROJECT / "tests" / "reference" / "indicators.csv").open(encoding="utf-8", newline="") as _stream:
    HEADLINE = sorted(row["indicator"] for row in csv.DictReader(_stream) if row["headline"] == "yes")

_ATTAINMENT = (
    "select month, province_key, actual as value from bi.rpt_plan_attainment where indicator = '{indicator}'"
    " and actual is not null"
)
# the report of a metric; every other is a row of rpt_plan_attainment
REPORTS = {
    "collection": "select month, province_key, collected_ytd_vnd as value from bi.rpt_collection"
    " where insurance_group = 'total' and collected_ytd_vnd is not null",
    "arrears": "select month, province_key, sum(principal_vnd) as value from bi.rpt_arrears_ageing"
    " group by month, province_key",
    "inspections": "select month, province_key, cases_ytd as value from bi.rpt_inspection_results"
    " where kind = 'total' and cases_ytd is not null",
    "hi_coverage_pct": "select month, province_key, hi_of_population_pct as value from bi.rpt_coverage"
    " where hi_of_population_pct is not null",
}
_DEV_SCHEMA = "dev_metrics"
# any address but this machine's is written down; libpq's own sockets are not Python's
_WITNESS = """
import os, sys
def witness(event, arguments):
    if event == "socket.getaddrinfo":
        place = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        place = arguments[1][0]
    else:
        return
    with open(os.environ["SOCKET_LOG"], "a") as log:
        print(place, file=log)
sys.addaudithook(witness)
"""


@dataclass
class Metrics:
    """`mf` as docs/metrics.md sets it up, over a copy of the project."""

    folder: Path
    environment: dict[str, str]

    def run(self, program: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).with_name(program)), *arguments],
            cwd=self.folder, env={**self.environment, **more}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def query(self, *arguments: str, metrics: list[str] = HEADLINE, **more: str) -> list[dict[str, str]]:
        """What `mf query` answers, as rows of text; fails the test when it ends with an error."""
        answer = self.folder / "answer.csv"
        answer.unlink(missing_ok=True)
        done = self.run(
            "mf", "query", "--metrics", ",".join(metrics), *arguments, "--csv", str(answer), "--quiet", **more
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        with answer.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))


def _metrics(demo: Demo, folder: Path, role: str, schema: str) -> Metrics:
    """The environment of docs/metrics.md, over a copy of the project whose target `bi` reads `schema`."""
    project = folder / "dbt_project"
    shutil.copytree(dbt_runs.DBT_PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    profiles = project / "profiles.yml"
    profiles.write_text(profiles.read_text(encoding="utf-8").replace("schema: bi", f"schema: {schema}"), "utf-8")
    witness = folder / "witness"
    witness.mkdir()
    (witness / "sitecustomize.py").write_text(_WITNESS, encoding="utf-8")
    metrics = Metrics(
        folder,
        {
            **os.environ,
            **dbt_runs.environment(Settings(home=demo.home), role, "bi"),
            "DBT_PROJECT_DIR": str(project),
            "DBT_PROFILES_DIR": str(project),
            "DBT_TARGET_PATH": str(project / "target"),
            "DBT_LOG_PATH": str(folder),
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "https_proxy": "http://127.0.0.1:9",
            "no_proxy": "",
            "NO_PROXY": "",
            "TMPDIR": str(folder),
            "PGOPTIONS": "-c vss.publication=1" if schema == "bi" else "",
            "PYTHONPATH": str(witness),
            "SOCKET_LOG": str(folder / "sockets.txt"),
        },
    )
    parsed = metrics.run("dbt", "parse", "--quiet", "--no-use-colors")
    assert parsed.returncode == 0, parsed.stdout[-2000:]
    return metrics


@pytest.fixture(scope="module")
def metrics(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Metrics:
    return _metrics(demo, tmp_path_factory.mktemp("metrics"), roles.READER, "bi")


@pytest.fixture(scope="module")
def by_province(metrics: Metrics) -> list[dict[str, str]]:
    return metrics.query("--group-by", "metric_time,province")


@pytest.fixture(scope="module")
def by_month(metrics: Metrics) -> list[dict[str, str]]:
    return metrics.query("--group-by", "metric_time")


@pytest.fixture(scope="module")
def by_year(metrics: Metrics) -> list[dict[str, str]]:
    return metrics.query("--group-by", "metric_time__year,province")


def _report(demo: Demo, indicator: str) -> dict[tuple[str, str], Decimal]:
    query = REPORTS.get(indicator, _ATTAINMENT).format(indicator=indicator)
    return {(str(row["month"]), row["province_key"]): Decimal(row["value"]) for row in demo.rows(query)}


def _answers(
    rows: list[dict[str, str]], metric: str, *, period: str = "metric_time__month"
) -> dict[tuple[str, str], Decimal]:
    return {
        (row[period][:10], row.get("province", "national")): Decimal(row[metric]) for row in rows if row[metric] != ""
    }


def _approximately(figures: dict[tuple[str, str], Decimal]) -> dict[tuple[str, str], float]:
    """`mf` answers in floating point: whole numbers up to 2^53 are exact, a percentage to fifteen digits."""
    return {key: float(value) for key, value in figures.items()}


@pytest.mark.parametrize("indicator", HEADLINE)
def test_a_metric_by_province_and_month_is_its_report(
    demo: Demo, by_province: list[dict[str, str]], indicator: str
) -> None:
    report = _report(demo, indicator)

    assert {place for _, place in report} > {"national"}
    assert _approximately(_answers(by_province, indicator)) == pytest.approx(_approximately(report), rel=1e-14)


@pytest.mark.parametrize("indicator", HEADLINE)
def test_a_metric_by_month_alone_is_the_national_row_of_its_report(
    demo: Demo, by_month: list[dict[str, str]], indicator: str
) -> None:
    national = {key: value for key, value in _report(demo, indicator).items() if key[1] == "national"}

    assert national
    assert _approximately(_answers(by_month, indicator)) == pytest.approx(_approximately(national), rel=1e-14)


@pytest.mark.parametrize("indicator", HEADLINE)
def test_a_metric_of_a_year_is_that_of_the_last_month_anybody_has_and_no_sum(
    demo: Demo, by_year: list[dict[str, str]], indicator: str
) -> None:
    report = _report(demo, indicator)
    last = {year: max(month for month, _ in report if month[:4] == year) for year in {month[:4] for month, _ in report}}
    expected = {
        (f"{month[:4]}-01-01", place): value for (month, place), value in report.items() if month == last[month[:4]]
    }

    answers = _answers(by_year, indicator, period="metric_time__year")

    assert _approximately(answers) == pytest.approx(_approximately(expected), rel=1e-14)


def test_a_metric_reads_bi_and_the_publication_the_session_names(metrics: Metrics) -> None:
    arguments = ("query", "--metrics", "hi", "--group-by", "metric_time", "--quiet")

    explained = metrics.run("mf", *arguments, "--explain")
    refused = metrics.run("mf", *arguments, PGOPTIONS="-c vss.publication=999999")

    assert '"bi"."rpt_plan_attainment"' in explained.stdout
    assert "marts" not in explained.stdout
    assert refused.returncode != 0
    assert "999999" in refused.stdout + refused.stderr


def test_asking_a_metric_reaches_for_no_other_machine(metrics: Metrics, by_month: list[dict[str, str]]) -> None:
    reached = set((metrics.folder / "sockets.txt").read_text(encoding="utf-8").split())

    assert by_month
    assert reached <= {"127.0.0.1", "localhost"}


def test_a_reader_cannot_build_into_what_readers_see(metrics: Metrics) -> None:
    done = metrics.run("dbt", "run", "--select", "dim_month", "--quiet", "--no-use-colors")

    assert done.returncode != 0
    assert "bi is made by publishing and only read by target bi" in done.stdout


def test_the_night_does_not_know_the_metrics(demo: Demo) -> None:
    manifest = json.loads(dbt_runs.manifest_path(Settings(home=demo.home)).read_text(encoding="utf-8"))

    assert (manifest["semantic_models"], manifest["metrics"]) == ({}, {})
    assert "model.vss.calendar_day" not in manifest["nodes"]


@pytest.fixture(scope="module")
def by_hand(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Metrics]:
    """Three provinces and their country with figures the demo does not have, in an engineer's schema."""
    with psycopg.connect(role_url(Settings(home=demo.home), roles.ENGINEER), autocommit=True) as connection:
        connection.execute(f"drop schema if exists {_DEV_SCHEMA} cascade")
        connection.execute(f"create schema {_DEV_SCHEMA}")
        connection.execute(f"set search_path to {_DEV_SCHEMA}")
        connection.execute(
            "create table dim_province (province_key, province_code, current_province_code) as values"
            " ('63-26', '26', '25'), ('63-27', '27', '24'), ('63-24', '24', '24')"
        )
        connection.execute(
            "create table rpt_plan_attainment as"
            " select indicator, month::date, province_key, geo_level, actual::numeric from (values"
            " ('hi', '2021-01-01', '63-26', 'province', 10), ('hi', '2021-01-01', '63-27', 'province', 20),"
            # headquarters has a figure of its own, and in March only a plan is known
            " ('hi', '2021-01-01', 'national', 'national', 900), ('hi', '2021-02-01', '63-26', 'province', 11),"
            " ('hi', '2021-02-01', 'national', 'national', 11), ('hi', '2021-03-01', '63-26', 'province', null)"
            ") as row (indicator, month, province_key, geo_level, actual)"
        )
        connection.execute(
            "create table rpt_coverage as select month::date, province_key, geo_level, hi::bigint, population::bigint,"
            " hi_of_population_pct::numeric from (values"
            " ('2021-01-01', '63-26', 'province', 50, 100, 50), ('2021-01-01', '63-27', 'province', 90, 300, 30),"
            " ('2021-01-01', '63-24', 'province', null, null, 99.2),"
            " ('2021-01-01', 'national', 'national', 140, 400, 35)"
            ") as row (month, province_key, geo_level, hi, population, hi_of_population_pct)"
        )
        yield _metrics(demo, tmp_path_factory.mktemp("by_hand"), roles.ENGINEER, _DEV_SCHEMA)
        connection.execute(f"drop schema {_DEV_SCHEMA} cascade")


def test_the_country_is_headquarters_own_figure_and_provinces_of_today_add_up(by_hand: Metrics) -> None:
    country = by_hand.query("--group-by", "metric_time", "--order", "metric_time", metrics=["hi"])
    bac_ninh = by_hand.query(
        "--group-by", "metric_time,province__current_province_code", "--order", "metric_time", metrics=["hi"]
    )
    quarter = by_hand.query(
        "--group-by", "metric_time__quarter", "--where", "{{ Dimension('province__province_code') }} = '27'",
        metrics=["hi"],
    )  # fmt: skip

    assert [Decimal(row["hi"]) for row in country] == [900, 11]
    assert {(row["province__current_province_code"], Decimal(row["hi"])) for row in bac_ninh[:3]} == {
        ("25", Decimal(10)), ("24", Decimal(20)), ("", Decimal(900)),
    }  # fmt: skip
    # the last month province 27 itself has: a question about one province is not cut off by the others
    assert [Decimal(row["hi"]) for row in quarter] == [20]


def test_a_coverage_of_several_provinces_is_made_of_their_sums_and_one_alone_is_as_reported(by_hand: Metrics) -> None:
    of_all = by_hand.query(
        "--group-by", "metric_time", "--where", "{{ Dimension('coverage__geo_level') }} = 'province'",
        metrics=["hi_coverage_pct"],
    )  # fmt: skip
    of_each = by_hand.query("--group-by", "province", metrics=["hi_coverage_pct"])

    assert [Decimal(row["hi_coverage_pct"]) for row in of_all] == [35]
    assert {row["province"]: Decimal(row["hi_coverage_pct"]) for row in of_each} == {
        "63-26": 50, "63-27": 30, "63-24": Decimal("99.2"), "national": 35,
    }  # fmt: skip
