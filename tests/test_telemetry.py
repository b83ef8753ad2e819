"""No tool phones home: switched off in committed configuration and in every environment we make."""

from __future__ import annotations

import subprocess
import sys

import yaml

from cli.airflow_process import environment as airflow_environment
from night.dbt_runs import environment as dbt_environment
from warehouse import roles
from warehouse.settings import PROJECT, Settings


def test_dbt_sends_no_usage_statistics_by_its_project_file() -> None:
    project = yaml.safe_load((PROJECT / "dbt_project" / "dbt_project.yml").read_text(encoding="utf-8"))
    assert project["flags"]["send_anonymous_usage_stats"] is False


def test_dbt_sends_no_usage_statistics_in_the_environment_of_a_night_or_an_engineer(configured: Settings) -> None:
    for role, target in ((roles.TRANSFORMER, "prod"), (roles.ENGINEER, "dev")):
        variables = dbt_environment(configured, role, target)
        assert variables["DBT_SEND_ANONYMOUS_USAGE_STATS"] == "false"
        assert variables["DO_NOT_TRACK"] == "1"


def test_airflow_sends_no_usage_data(configured: Settings) -> None:
    variables = airflow_environment(configured)
    assert variables["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] == "False"
    assert variables["SCARF_ANALYTICS"] == "false"


def test_great_expectations_sends_nothing_and_has_its_analytics_off() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os; from expectations import engine; context = engine._context(os.getpid());"
            "print(os.environ['GX_ANALYTICS_ENABLED'], context.variables.analytics_enabled)",
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.split() == ["false", "False"]
