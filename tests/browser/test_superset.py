"""The dashboards as people see them: Superset from its lock file, over the demo, in a browser.

Needs `.venv-superset` (`make superset-venv`) and Chromium; three to six minutes, most of them Superset's own.
"""

from __future__ import annotations

import csv
import json
import re
import sqlite3
import tempfile
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from builders import stop_and_remove
from bundle import DASHBOARDS
from chromium import Page, page
from demo_warehouse import Demo

from cli import dashboards
from warehouse.settings import PROJECT, Settings

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]
PRINTED = {
    "participants_managed_total": "people managed", "si_compulsory_participants": "compulsory",
    "si_voluntary_participants": "voluntary", "ui_participants": "unemployment", "hi_participants": "health",
}  # fmt: skip
ATTAINMENT = tuple(f"{of}_plan_completion" for of in ("si_compulsory", "si_voluntary", "ui", "hi"))
# the login form's own way, without its buttons
LOG_IN = """(async () => {{
    const form = await (await fetch('/login/')).text();
    const token = (form.match(/csrf_token[^>]*value="([^"]+)"/) || [])[1];
    const body = new URLSearchParams({{username: {name}, password: {word}, csrf_token: token || ''}});
    await fetch('/login/', {{method: 'POST', body}});
    return (await fetch('/api/v1/me/')).status;
}})()"""
IS_DRAWN = """(() => {{
    const charts = document.querySelectorAll('.dashboard-component-chart-holder .slice_container').length;
    const loading = document.querySelectorAll('[data-test=loading-indicator], img.loading, .loading').length;
    return charts >= {charts} && loading === 0;
}})()"""


@dataclass(frozen=True)
class Served:
    """Superset over a warehouse."""

    demo: Demo
    url: str
    pictures: Path

    def open(self, seen: Page, slug: str, *, width: int = 1280, **chosen: str) -> str:
        """A dashboard with its filters set, drawn to the end; its text, and a picture of it."""
        (dashboard,) = (each for each in DASHBOARDS.values() if each["slug"] == slug)
        charts = sum(isinstance(part, dict) and part["type"] == "CHART" for part in dashboard["position"].values())
        rows = sum(isinstance(part, dict) and part["type"] == "ROW" for part in dashboard["position"].values())
        seen.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=500 + 420 * rows,
            deviceScaleFactor=1,
            mobile=False,
        )
        seen.open(f"{self.url}/superset/dashboard/{slug}/?native_filters={urllib.parse.quote(_mask(chosen))}")
        seen.wait(IS_DRAWN.format(charts=charts), seconds=240)
        seen.picture(self.pictures / f"{slug}-{'-'.join(chosen.values()) or 'all'}.png".replace(" ", "-"))
        assert seen.evaluate("document.querySelectorAll('.ant-alert-error, [data-test=error-message]').length") == 0
        return seen.text()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The demo, published, with Superset beside it."""
    if not (PROJECT / ".venv-superset" / "bin" / "superset").exists():
        pytest.fail("Superset is not installed: run `make superset-venv`.")
    home = Path(tempfile.mkdtemp(prefix="vss-dashboards-"))
    home.chmod(0o755)
    demo = Demo(home)
    try:
        demo.vss("migrate")
        demo.vss("synth", "--demo", "--out", str(demo.inbox))
        demo.vss("ingest", "--inbox", str(demo.inbox), expect=3)
        demo.vss("build")
        demo.vss("publish")
        demo.vss("dashboards", "prepare")
        said = demo.vss("dashboards", "up").stdout
        url = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert url is not None, said
        yield Served(demo, url[0], tmp_path_factory.mktemp("pictures"))
    finally:
        dashboards.stop_running(Settings(home=home))
        stop_and_remove(Settings(home=home))


def test_the_dashboards_show_the_printed_figures_of_vinh_phuc(served: Served, tmp_path: Path) -> None:
    with page(tmp_path) as seen:
        log_in(served, seen, "admin", "superset_admin")
        overview = served.open(seen, "vss-overview", month="2021-10", province="25 Phú Thọ")
        heads = served.open(seen, "vss-participants", month="2021-10", province="25 Phú Thọ")
        money = served.open(seen, "vss-collection", month="2021-10", province="25 Phú Thọ")

        assert seen.hosts_that_answered() == {served.url.removeprefix("http://")}

    printed = printed_figures()
    for name in PRINTED:
        assert f"{int(printed[name]):,}" in overview, name
    for name in ATTAINMENT:
        assert f"{float(printed[name]):.2f}%" in overview, name
        assert f"{float(printed[name]):.2f}%" in heads, name
    assert f"{int(printed['si_compulsory_participants']):,}" in heads
    (row,) = served.demo.rows(
        "select collected_ytd_vnd, attainment_pct from rpt_collection"
        " where month = '2021-10-01' and province_code = '26' and insurance_group = 'total'"
    )
    assert f"{round(row['collected_ytd_vnd'] / 1_000_000):,}" in money
    assert f"{row['attainment_pct']:.2f}%" in money


def test_inspections_and_data_quality_are_drawn_with_the_warehouses_figures(served: Served, tmp_path: Path) -> None:
    with page(tmp_path) as seen:
        log_in(served, seen, "admin", "superset_admin")
        inspections = served.open(seen, "vss-inspections", **{"month": "2021-10", "tax-year": "2021"})
        quality = served.open(seen, "vss-quality")

    row = served.demo.one(
        "select cases_ytd, round(recovered_vnd / 1000000.0) as million, round(recovery_rate_pct, 2) as rate"
        " from rpt_inspection_results where month = '2021-10-01' and geo_level = 'national' and kind = 'total'"
    )
    candidates = served.demo.one("select count(*) as n from rpt_inspection_candidates where not is_inspected_this_year")
    for figure in (f"{row['cases_ytd']:,}", f"{row['million']:,}", f"{row['rate']}%", f"{candidates['n']:,}"):
        assert figure in inspections, figure
    missing = served.demo.one("select count(*) as n from rpt_completeness where is_expected and state = 'missing'")
    assert f"{missing['n']:,}" in quality


def test_somebody_of_a_province_sees_its_figures_and_no_others(served: Served, tmp_path: Path) -> None:
    served.demo.vss("dashboards", "user", "bac-ninh", "--reader", "vss_reader_24")

    with page(tmp_path) as seen:
        log_in(served, seen, "bac-ninh", "superset_user_bac-ninh")
        heads = served.open(seen, "vss-participants", month="2021-10")

    assert "24 Bắc Giang" in heads
    for foreign in ("26 Vĩnh Phúc", "01 Hà Nội", "220,596", "1,099,580"):
        assert foreign not in heads, foreign


def test_importing_again_changes_nothing_and_makes_nothing_twice(served: Served) -> None:
    before = kept(served.demo.home)

    served.demo.vss("dashboards", "prepare")

    assert kept(served.demo.home) == before
    assert {table: len(rows) for table, rows in before.items()}["dashboards"] == len(DASHBOARDS)


def test_what_superset_keeps_and_logs_holds_no_password_of_the_warehouse(served: Served) -> None:
    words = [file.read_bytes().strip() for file in (served.demo.home / "secrets").glob("vss_reader*")]
    files = [file for file in (served.demo.home / "superset").rglob("*") if file.is_file()]

    assert words and files
    for file in files:
        held = file.read_bytes()
        assert not [word for word in words if word in held], file


def log_in(served: Served, seen: Page, name: str, secret: str) -> None:
    """Log in on a page of Superset's."""
    word = (served.demo.home / "secrets" / secret).read_text(encoding="utf-8").strip()
    seen.open(f"{served.url}/login/")
    seen.wait("document.readyState === 'complete' && location.pathname.startsWith('/login')")
    assert seen.evaluate(LOG_IN.format(name=json.dumps(name), word=json.dumps(word))) == 200


def printed_figures() -> dict[str, str]:
    """The figures of the press article on Vinh Phuc's October 2021, by name."""
    with (PROJECT / "tests" / "reference" / "published_figures.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["place"] == "Vinh Phuc" and row["period"] == "2021-10"]
    return {row["indicator"]: row["value"] for row in reversed(rows)}


def kept(home: Path) -> dict[str, list[tuple[object, ...]]]:
    """What Superset's metadata says of the bundle's parts."""
    columns = {
        "dbs": "id, uuid, sqlalchemy_uri", "tables": "id, uuid, sql", "slices": "id, uuid, params",
        "dashboards": "id, uuid, position_json", "dashboard_slices": "dashboard_id, slice_id",
        "sql_metrics": "uuid, expression", "table_columns": "uuid, column_name, type",
    }  # fmt: skip
    with sqlite3.connect(home / "superset" / "superset.db") as metadata:
        return {
            table: sorted(metadata.execute(f"select {names} from {table}"), key=repr)
            for table, names in columns.items()
        }


def _mask(chosen: dict[str, str]) -> str:
    """Superset's spelling (Rison) of filters that are set."""
    names = {"month": "month_name", "province": "current_province", "tax-year": "tax_year"}
    parts = []
    for key, value in chosen.items():
        said = value if key == "tax-year" else f"'{value}'"
        chose = f"(col:{names[key]},op:IN,val:!({said}))"
        state = f"filterState:(label:'{value}',value:!({said}))"
        one = f"extraFormData:(filters:!({chose})),{state},id:NATIVE_FILTER-{key},ownState:()"
        parts.append(f"NATIVE_FILTER-{key}:({one})")
    return f"({','.join(parts)})"
