"""The dashboards as files, without Superset: every name leads somewhere, and no number gives a person away."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest
from bundle import BY_UUID, CHARTS, DASHBOARDS, DATABASE, DATASETS, answer, empty_bi, metric, put
from proofs import proves

from cli import dashboards
from ingestion.contracts import load_contracts
from reporting import labels
from warehouse.connection import Connection, admin_url, open_connection
from warehouse.errors import UsageError
from warehouse.settings import PROJECT, Settings

OCTOBER = dt.date(2021, 10, 1)
NEXT_OCTOBER = dt.date(2022, 10, 1)
NAMES_SOMEBODY = {
    "participant_key", "employer_key", "employer_id", "si_unit_code", "name", "address", "tax_code",
    "candidate_key", "case_no", "submission_id",
}  # fmt: skip


@pytest.fixture
def bi(configured: Settings) -> Iterator[Connection]:
    """A reader's session in which `bi` is empty tables; provinces 01, 26 and 46 and the names of codes are there."""
    # readers may not make tables, not even for themselves
    with open_connection(admin_url(configured), is_admin=True) as connection:
        connection.execute("set local search_path = bi, public")
        empty_bi(connection)
        for code, name in (("01", "Thành phố Hà Nội"), ("26", "Tỉnh Vĩnh Phúc"), ("46", "Tỉnh Thừa Thiên Huế")):
            place = {"province_code": code, "name_vi": name, "territory_key": f"63-{code}", "vintage": "63"}
            put(connection, "dim_province", {"province_key": f"63-{code}", "is_current": True, **place})
        for indicator in ("si_compulsory", "si_voluntary", "si_participants", "hi", "people_managed", "collection"):
            names = {"indicator": indicator, "name_vi": indicator, "name_en": indicator, "is_headline": True}
            put(connection, "dim_indicator", names)
        for kind in ("SI_C", "HI"):
            put(connection, "dim_insurance_type", {"insurance_type": kind, "name_vi": kind, "name_en": kind})
        yield connection
        connection.rollback()


def figure(province: str, indicator: str, actual: float | None, **more: Any) -> dict[str, Any]:
    """A row of rpt_plan_attainment."""
    national = province == "national"
    key = "national" if national else f"63-{province}"
    row = {
        "month": OCTOBER, "geo_level": "national" if national else "province", "province_key": key,
        "territory_key": key, "province_code": province, "current_province_code": province, "indicator": indicator,
        "unit": "persons", "measure": "stock", "actual": actual,
    }  # fmt: skip
    return {**row, **more}


def shown(connection: Connection, *columns: str, where: str = "true") -> dict[tuple[str, str], Any]:
    """What the dataset headline shows, by province and indicator."""
    rows = answer(connection, "headline", ["province_code", "indicator", *(columns or ("actual",))], where)
    return {(row[0], row[1]): row[2] if len(row) == 3 else row[2:] for row in rows}


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_answers_with_the_columns_and_types_it_declares(bi: Connection, name: str) -> None:
    found = bi.execute(f"select * from (\n{DATASETS[name]['sql']}\n) as dataset limit 0".encode()).description or []

    types_found = {
        column.name: bi.execute("select upper(format_type(%s, -1))", [column.type_code]).fetchone() for column in found
    }

    assert {column["column_name"]: (column["type"],) for column in DATASETS[name]["columns"]} == types_found
    assert not NAMES_SOMEBODY & set(types_found)


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_and_everything_in_it_is_described_and_its_metrics_can_be_computed(bi: Connection, name: str) -> None:
    dataset = DATASETS[name]

    for each in [*dataset["columns"], *dataset["metrics"]]:
        assert each["description"] and " – " in each["verbose_name"], each
    for each in dataset["metrics"]:
        metric(bi, name, each["metric_name"])
    assert "Grain: " in dataset["description"]
    temporal = {column["column_name"] for column in dataset["columns"] if column["is_dttm"]}
    assert dataset["main_dttm_col"] is None or dataset["main_dttm_col"] in temporal


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_names_only_columns_and_metrics_of_its_dataset(name: str) -> None:
    chart = CHARTS[name]
    dataset = BY_UUID[chart["dataset_uuid"]]
    columns = {column["column_name"] for column in dataset["columns"]}
    metrics = {each["metric_name"] for each in dataset["metrics"]}
    asked = chart["params"]

    used_columns = {
        *asked.get("all_columns", []), *asked.get("groupbyRows", []), *asked.get("groupbyColumns", []),
        *([asked["x_axis"]] if "x_axis" in asked else []),
        *([asked["groupby"]] if isinstance(asked.get("groupby"), str) else asked.get("groupby", [])),
        *(each["subject"] for each in asked["adhoc_filters"]),
    }  # fmt: skip
    sort = {asked[key] for key in ("timeseries_limit_metric", "x_axis_sort") if key in asked}
    used_metrics = {*asked.get("metrics", []), *([asked["metric"]] if "metric" in asked else [])}

    assert used_columns <= columns
    assert used_metrics <= metrics
    assert sort <= columns | metrics
    assert set(asked.get("column_config", {})) <= columns | metrics
    assert asked["viz_type"] == chart["viz_type"]
    assert used_metrics or asked["all_columns"]


def test_there_are_five_dashboards_and_every_chart_stands_on_one() -> None:
    stand = [
        child["meta"]["uuid"]
        for dashboard in DASHBOARDS.values()
        for child in parts(dashboard)
        if child["type"] == "CHART"
    ]

    assert {dashboard["slug"] for dashboard in DASHBOARDS.values()} == {
        "vss-overview", "vss-participants", "vss-collection", "vss-inspections", "vss-quality",
    }  # fmt: skip
    assert sorted(stand) == sorted(chart["uuid"] for chart in CHARTS.values())


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboards_rows_hold_together_and_its_filters_lead_to_columns(name: str) -> None:
    dashboard = DASHBOARDS[name]
    position = dashboard["position"]
    titles = {chart["uuid"]: chart["slice_name"] for chart in CHARTS.values()}
    charts = {child["meta"]["chartId"] for child in parts(dashboard) if child["type"] == "CHART"}

    for part in parts(dashboard):
        assert all(child in position for child in part.get("children", []))
        if part["type"] == "CHART":
            assert part["meta"]["sliceName"] == titles[part["meta"]["uuid"]]
        if part["type"] == "ROW":
            assert sum(position[child]["meta"]["width"] for child in part["children"]) <= 12
    filters = dashboard["metadata"]["native_filter_configuration"]
    for each in filters:
        for target in each["targets"]:
            columns = {column["column_name"] for column in BY_UUID[target["datasetUuid"]]["columns"]}
            assert target["column"]["name"] in columns
        assert set(each["scope"]["excluded"]) <= charts
    assert {each["targets"][0]["column"]["name"] for each in filters} >= {"month_name", "current_province"}
    assert " – " in dashboard["dashboard_title"]


def test_a_chart_of_one_month_at_a_time_is_under_the_filter_of_the_month() -> None:
    for dashboard in DASHBOARDS.values():
        filters = dashboard["metadata"]["native_filter_configuration"]
        (month,) = (each for each in filters if each["targets"][0]["column"]["name"] == "month_name")
        for child in parts(dashboard):
            if child["type"] != "CHART":
                continue
            chart = next(chart for chart in CHARTS.values() if chart["uuid"] == child["meta"]["uuid"])
            columns = {column["column_name"] for column in BY_UUID[chart["dataset_uuid"]]["columns"]}
            is_filtered = child["meta"]["chartId"] not in month["scope"]["excluded"]
            assert is_filtered <= ("month_name" in columns), chart["slice_name"]
            assert is_filtered or chart["params"].get("x_axis") == "month" or "month_name" not in columns


def test_the_connection_names_no_server_and_no_secret_and_lets_nobody_write() -> None:
    url = urlsplit(DATABASE["sqlalchemy_uri"])

    assert (url.username, url.password, url.hostname, url.port) == ("vss_reader", None, "warehouse", None)
    for name in ("allow_dml", "allow_ctas", "allow_cvas", "allow_csv_upload", "allow_file_upload", "expose_in_sqllab"):
        assert not DATABASE.get(name, False), name
    assert {dataset["schema"] for dataset in DATASETS.values()} == {"bi"}
    assert {dataset["database_uuid"] for dataset in DATASETS.values()} == {DATABASE["uuid"]}


def test_every_part_has_a_uuid_of_its_own() -> None:
    everything = [DATABASE, *DATASETS.values(), *CHARTS.values(), *DASHBOARDS.values()]

    assert len({part["uuid"] for part in everything}) == len(everything) == len(dashboards.bundle_uuids())


def test_feeds_and_comparisons_are_called_as_in_the_morning_report() -> None:
    for name in load_contracts():
        words = labels.feed(name)
        assert f"when '{name}' then '{words.vi} – {words.en}'" in DATASETS["completeness"]["sql"], name
    for code in ("plan", "same_period", "last_december", "previous_month"):
        called = re.search(rf"when '{code}' then '(.+) – (.+)'", DATASETS["differences"]["sql"])
        assert called is not None, code
        assert called[1] in labels.comparison(code).vi and called[2] in labels.comparison(code).en, code


@proves("access.small-cells")
def test_a_count_below_five_is_empty_with_the_sums_it_is_part_of_and_the_country(bi: Connection) -> None:
    for code, compulsory, voluntary in (("26", 220, 3), ("01", 100, 40), ("national", 320, 43)):
        put(
            bi, "rpt_plan_attainment", figure(code, "si_compulsory", compulsory, plan=400, attainment_pct=50),
            figure(code, "si_voluntary", voluntary, plan=40, attainment_pct=7.5, gap_to_plan=-37),
            figure(code, "si_participants", compulsory + voluntary),
        )  # fmt: skip

    found = shown(bi)

    assert [key for key, value in found.items() if value is None] == [
        ("26", "si_participants"), ("26", "si_voluntary"),
        ("national", "si_participants"), ("national", "si_voluntary"),
    ]  # fmt: skip
    assert shown(bi, "attainment_pct", "gap_to_plan", "plan")["26", "si_voluntary"] == (None, None, 40)
    assert found["01", "si_voluntary"] == 40


def test_two_counts_below_five_that_are_five_together_leave_the_country_standing(bi: Connection) -> None:
    for code, voluntary in (("26", 3), ("46", 4), ("01", 40), ("national", 47)):
        put(bi, "rpt_plan_attainment", figure(code, "si_voluntary", voluntary))

    assert shown(bi) == {
        ("26", "si_voluntary"): None, ("46", "si_voluntary"): None, ("01", "si_voluntary"): 40,
        ("national", "si_voluntary"): 47,
    }  # fmt: skip


def test_two_counts_that_are_not_five_together_take_the_country_with_them(bi: Connection) -> None:
    for code, voluntary in (("26", 3), ("46", 1), ("01", 40), ("national", 44)):
        put(bi, "rpt_plan_attainment", figure(code, "si_voluntary", voluntary))

    assert shown(bi)["national", "si_voluntary"] is None


def test_growth_on_a_hidden_figure_is_empty_a_year_later(bi: Connection) -> None:
    later = {"month": NEXT_OCTOBER, "growth_yoy_pct": 200, "growth_vs_december_pct": 50}
    put(
        bi, "rpt_plan_attainment", figure("26", "si_voluntary", 3), figure("01", "si_voluntary", 30),
        figure("26", "si_voluntary", 9, **later), figure("01", "si_voluntary", 90, **later),
        figure("26", "si_voluntary", 6, month=dt.date(2021, 12, 1)),
    )  # fmt: skip

    found = shown(bi, "actual", "growth_yoy_pct", "growth_vs_december_pct", where="year = 2022")

    assert found == {("26", "si_voluntary"): (9, None, 50), ("01", "si_voluntary"): (90, 200, 50)}


def test_money_and_empty_counts_are_nobodys(bi: Connection) -> None:
    put(
        bi, "rpt_plan_attainment", figure("26", "collection", 3, unit="dong", measure="ytd"),
        figure("26", "si_voluntary", 0), figure("26", "si_compulsory", 10), figure("26", "si_participants", 10),
    )  # fmt: skip

    assert None not in shown(bi).values()


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({"fdi": 3, "private": 7, "state_body": 50}, {"pooled": 10, "state_body": 50}),
        ({"fdi": 3, "private": 4, "state_body": 50}, {"pooled": 7, "state_body": 50}),
        ({"fdi": 1, "private": 2, "state_body": 9, "none": 50}, {"pooled": 12, "none": 50}),
        ({"fdi": 3}, {"pooled": None}),
        ({"fdi": 5, "private": 6}, {"fdi": 5, "private": 6}),
    ],
)
def test_small_groups_are_put_together_so_that_totals_hold(
    bi: Connection, groups: dict[str, int], expected: dict[str, int | None]
) -> None:
    for unit_type, persons in groups.items():
        put(bi, "rpt_participants", heads("26", "SI_C", persons, unit_type=unit_type))

    assert dict(answer(bi, "participants", ["unit_type", "participants"])) == expected


def test_the_groups_of_health_insurance_are_put_together_with_a_headline_group_last(bi: Connection) -> None:
    for group, persons in {"HT": 3, "GD": 6, "TE": 8, "DN": 50}.items():
        put(bi, "rpt_participants", heads("26", "HI", persons, hi_group=group, unit_type="none"))

    assert dict(answer(bi, "hi_groups", ["hi_group", "participants"])) == {"pooled": 11, "GD": 6, "DN": 50}


@proves("access.small-cells")
@pytest.mark.parametrize("seed", range(5))
def test_no_group_below_five_is_seen_whatever_the_provinces_send(bi: Connection, seed: int) -> None:
    dice = Random(seed)  # noqa: S311 - no secret
    totals: dict[str, int] = {}
    for province in ("01", "26", "46"):
        for unit_type in ("fdi", "private", "state_body", "none", "household"):
            persons = dice.choice([1, 2, 3, 4, 5, 6, 30, 400])
            totals[province] = totals.get(province, 0) + persons
            put(bi, "rpt_participants", heads(province, "SI_C", persons, unit_type=unit_type))

    rows = answer(bi, "participants", ["province_code", "participants"])

    assert all(persons >= 5 for _, persons in rows)
    assert {code: sum(persons for place, persons in rows if place == code) for code in totals} == totals


@pytest.mark.parametrize(
    ("joined", "moved_in", "left", "moved_out", "expected"),
    [
        (3, 4, 10, 0, (7, 10)),
        (3, 0, 10, 0, (None, None)),
        (10, 0, 2, 1, (None, None)),
        (0, 0, 10, 0, (0, 10)),
        (None, None, None, None, (None, None)),
    ],
)
def test_who_came_and_who_went_are_empty_together(
    bi: Connection, joined: int, moved_in: int, left: int, moved_out: int, expected: tuple[int | None, int | None]
) -> None:
    row = {"joined": joined, "moved_in": moved_in, "left": left, "moved_out": moved_out, "insurance_type": "SI_C"}
    put(bi, "fct_participation_movement", {**place("26"), **row})

    assert answer(bi, "movement", ["came", "went"]) == [expected]


def test_employees_of_a_small_band_and_of_the_country_are_empty(bi: Connection) -> None:
    put(bi, "dim_arrears_band", {"ageing_band": "<1", "name_vi": "Dưới 1 tháng", "name_en": "x", "sort_order": 1})
    for code, level, employees in (("26", "province", 4), ("01", "province", 5), ("national", "national", 9)):
        put(
            bi,
            "rpt_arrears_ageing",
            {**place(code), "geo_level": level, "ageing_band": "<1", "employees_affected": employees, "units": 1},
        )

    assert dict(answer(bi, "arrears", ["province_code", "employees_affected"])) == {
        "26": None,
        "01": 5,
        "national": None,
    }


def test_a_small_industry_is_put_together_and_what_stays_small_is_empty(bi: Connection) -> None:
    for industry, employees, unregistered, gap in (("46", 60, 3, 0), ("47", 70, 20, 0), ("56", 500, 0, 90)):
        put(bi, "rpt_participant_potential", potential("26", industry, employees, unregistered, gap))
    put(bi, "rpt_participant_potential", potential("01", "46", 60, 3, 8))
    columns = ["province_code", "industry_division", "unregistered_employees_tax", "under_declared_gap"]

    found = answer(bi, "tax_gap", [*columns, "potential_participants"])

    assert found == [("01", "pooled", None, 8, None), ("26", "56", 0, 90, 90), ("26", "pooled", 23, 0, 23)]


def test_heads_are_known_where_the_country_counts_the_province(bi: Connection) -> None:
    put(bi, "rpt_participant_potential", potential("26", "46", 60, 30, 0), potential("01", "46", 60, 60, 0))
    country = {"geo_level": "national", "province_code": "national", "provinces_missing": ["01", "46"]}
    put(bi, "rpt_participant_potential", {**potential("national", "46", 60, 30, 0), **country})

    assert dict(answer(bi, "tax_gap", ["province_code", "heads_known"])) == {"26": True, "01": False}


def test_a_printed_count_below_five_and_the_sums_it_is_part_of_are_not_shown(bi: Connection) -> None:
    for indicator, reported, comparison in (
        ("si_voluntary", 3, "none"), ("si_participants", 103, "none"), ("si_compulsory", 100, "none"),
        ("hi", 1, "last_december"),
    ):  # fmt: skip
        printed = {"indicator": indicator, "comparison": comparison, "unit": "persons", "geo_level": "province"}
        put(bi, "rpt_reported_vs_computed", {**place("26"), **printed, "reported": reported, "computed": reported})

    found = answer(bi, "differences", ["indicator", "reported", "computed", "is_compared"])

    assert [row for row in found if row[1] is not None] == [("si_compulsory", 100, 100, True)]
    assert len(found) == 4


def test_candidates_are_counted_once_for_each_reason_and_once_for_any(bi: Connection) -> None:
    flags = ("is_cit_finalised_si_unpaid", "is_not_registered", "is_three_months_or_more", "is_under_declared")
    for held in ({"is_not_registered", "is_cit_finalised_si_unpaid"}, {"is_not_registered"}):
        row = {"current_province_code": "26", "is_inspected_this_year": False, "overdue_vnd": 1_000_000}
        put(bi, "rpt_inspection_candidates", {**row, **{flag: flag in held for flag in flags}})

    found = dict(answer(bi, "inspection_candidates", ["reason", "candidates"]))

    assert found == {"any": 2, "not_registered": 2, "cit_finalised_si_unpaid": 1}
    assert metric(bi, "inspection_candidates", "count_candidates") is None
    assert metric(bi, "inspection_candidates", "overdue", "reason = 'any'") == 2


def test_a_stock_is_never_summed_over_months_and_the_country_is_not_added_to_its_parts(bi: Connection) -> None:
    for code, persons in (("26", 200), ("01", 100), ("national", 305)):
        put(bi, "rpt_plan_attainment", figure(code, "hi", persons), figure(code, "hi", persons, month=NEXT_OCTOBER))

    assert metric(bi, "headline", "persons") is None
    assert metric(bi, "headline", "persons", "month_name = '2021-10'") == 305
    assert metric(bi, "headline", "persons", "month_name = '2021-10' and geo_level = 'province'") == 300


def test_two_indicators_or_insurance_types_are_never_added(bi: Connection) -> None:
    put(bi, "rpt_plan_attainment", figure("26", "hi", 200), figure("26", "si_compulsory", 100))
    put(bi, "rpt_participants", heads("26", "SI_C", 90, unit_type="fdi"), heads("26", "HI", 90, unit_type="fdi"))

    assert metric(bi, "headline", "figure") is None
    assert metric(bi, "participants", "persons") is None
    assert metric(bi, "participants", "persons", "insurance_type = 'HI'") == 90


def test_attainment_of_several_provinces_is_made_from_their_sums_and_only_if_each_has_a_plan(bi: Connection) -> None:
    level = {"target_kind": "level"}
    put(
        bi, "rpt_plan_attainment", figure("26", "hi", 90, plan=100, attainment_pct=90, **level),
        figure("01", "hi", 10, plan=100, attainment_pct=10, **level),
    )  # fmt: skip
    assert metric(bi, "headline", "attainment") == pytest.approx(0.5)
    assert float(metric(bi, "headline", "attainment", "province_code = '26'")) == pytest.approx(0.9)

    put(bi, "rpt_plan_attainment", figure("46", "hi", 50))

    assert metric(bi, "headline", "attainment") is None


def test_the_total_of_collection_is_not_added_to_its_groups_and_a_flow_adds_up_over_months(bi: Connection) -> None:
    for month in (OCTOBER, NEXT_OCTOBER):
        for group, money in (("hi", 1_000_000), ("ui", 2_000_000), ("total", 3_000_000)):
            row = {"insurance_group": group, "collected_month_vnd": money, "collected_ytd_vnd": money}
            put(bi, "rpt_collection", {**place("26"), "geo_level": "province", **row, "month": month})

    assert metric(bi, "collection", "collected_in_month") is None
    assert metric(bi, "collection", "collected_in_month", "insurance_group = 'total'") == 6
    assert metric(bi, "collection", "collected_in_month", "insurance_group <> 'total'") == 6
    assert metric(bi, "collection", "collected", "insurance_group = 'total'") is None
    assert metric(bi, "collection", "collected", "insurance_group = 'total' and year = 2021") == 3


def test_superset_loads_nothing_from_elsewhere_and_has_a_cookie_of_its_own(config: ModuleType) -> None:
    policy = config.TALISMAN_CONFIG["content_security_policy"]

    assert "//" not in json.dumps(policy)
    assert config.THEME_FONT_URL_ALLOWED_DOMAINS == []
    assert config.SESSION_COOKIE_NAME == "vss_dashboards"
    assert config.TALISMAN_ENABLED and config.WTF_CSRF_ENABLED
    assert not config.FEATURE_FLAGS["ENABLE_TEMPLATE_PROCESSING"] and not config.FEATURE_FLAGS["ALERT_REPORTS"]
    assert config.FEATURE_FLAGS["CACHE_QUERY_BY_USER"]
    assert {"query_to_xml", "current_setting"} <= config.DISALLOWED_SQL_FUNCTIONS["postgresql"]


def test_a_login_is_exactly_one_reader_of_the_warehouse(config: ModuleType) -> None:
    known = {"vss_reader", "vss_reader_25"}

    assert config.reader_of({"Admin"}, known) == "vss_reader"
    assert config.reader_of({"vss_reader_25", "Public"}, known) == "vss_reader_25"
    assert config.reader_of({"Admin", "vss_reader_25"}, known) == "vss_reader_25"
    for roles_of_superset in ({"Gamma"}, {"Alpha"}, set(), {"vss_reader", "vss_reader_25"}):
        with pytest.raises(PermissionError):
            config.reader_of(roles_of_superset, known)


def test_nobody_reads_without_a_login(config: ModuleType) -> None:
    url = types.SimpleNamespace(host="warehouse")

    with pytest.raises(PermissionError, match="Nobody is logged in"):
        config.DB_CONNECTION_MUTATOR(url, {}, None, None, None)


def test_another_database_is_left_as_it_is(config: ModuleType) -> None:
    url = types.SimpleNamespace(host="elsewhere")

    assert config.DB_CONNECTION_MUTATOR(url, {"a": 1}, "lan", None, None) == (url, {"a": 1})


def test_dashboards_that_were_never_prepared_are_not_started(
    configured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboards, "settings", lambda: configured)

    with pytest.raises(UsageError, match="make superset"):
        dashboards.up(port=None)
    with pytest.raises(UsageError, match="There is no reader vss_reader_26"):
        dashboards.user("lan", reader="vss_reader_26")
    assert dashboards.running(configured) is None
    assert dashboards.stop_running(configured) is False


def test_superset_gets_no_password_and_nothing_of_the_projects_python(
    configured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTHONPATH", "VSS_DATABASE_URL", "VSS_ALERT_SMTP_URL"):
        monkeypatch.setenv(name, "x")

    found = dashboards._environment(configured)

    assert not {"PYTHONPATH", "VSS_DATABASE_URL", "VSS_ALERT_SMTP_URL"} & set(found)
    assert found["SCARF_ANALYTICS"] == "false"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Superset's configuration, read without Superset."""
    security = types.ModuleType("superset.security")
    security.SupersetSecurityManager = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "superset", types.ModuleType("superset"))
    monkeypatch.setitem(sys.modules, "superset.security", security)
    # of another version than Superset's
    engine = types.ModuleType("sqlalchemy.engine")
    engine.make_url = str  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sqlalchemy.engine", engine)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "superset_key").write_text("key")
    (tmp_path / "secrets" / "superset_readers.json").write_text('{"vss_reader": "postgresql://a"}')
    monkeypatch.setenv("VSS_HOME", str(tmp_path))
    file = PROJECT / "reporting" / "superset" / "superset_config.py"
    found = importlib.util.spec_from_file_location("superset_config", file)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def parts(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a dashboard's page."""
    return [part for part in dashboard["position"].values() if isinstance(part, dict)]


def place(province: str) -> dict[str, Any]:
    """Month and province of a row."""
    key = "national" if province == "national" else f"63-{province}"
    return {
        "month": OCTOBER, "province_key": key, "territory_key": key, "province_code": province,
        "current_province_code": province,
    }  # fmt: skip


def heads(province: str, insurance_type: str, persons: int, **more: str) -> dict[str, Any]:
    """A row of rpt_participants."""
    return {**place(province), "insurance_type": insurance_type, "participants": persons, **more}


def potential(province: str, industry: str, employees: int, unregistered: int, gap: int) -> dict[str, Any]:
    """A row of rpt_participant_potential."""
    counts = {"tax_codes": 5, "unregistered_codes": 2, "under_declared_codes": 1, "under_declared_wage_gap_vnd": 0}
    return {
        **place(province), "month": dt.date(2021, 12, 1), "geo_level": "province", "tax_year": 2021,
        "industry_division": industry, "employees_tax": employees, "unregistered_employees_tax": unregistered,
        "under_declared_gap": gap, "potential_participants": unregistered + gap, **counts,
    }  # fmt: skip
