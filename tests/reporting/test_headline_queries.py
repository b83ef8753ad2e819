"""The queries of the headline and of the ledger, on a real PostgreSQL, as the roles that run them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

from reporting import ledger
from reporting.headline import headline
from reporting.morning import write_report
from warehouse import roles
from warehouse.connection import connect
from warehouse.settings import Settings

_PROVINCES = """
insert into bi.dim_province values
    ('26', '26', '63', 'Tỉnh Vĩnh Phúc', 'Vinh Phuc', '1997-01-01', '2025-07-01', '25'),
    ('25', '25', '63', 'Tỉnh Phú Thọ', 'Phu Tho', '1997-01-01', '2025-07-01', '25'),
    ('25-34', '25', '34', 'Tỉnh Phú Thọ', 'Phu Tho', '2025-07-01', 'infinity', '25'),
    ('10', '10', '63', 'Tỉnh Lào Cai', 'Lao Cai', '1997-01-01', '2025-07-01', '15');
insert into bi.dim_arrears_band values ('<1', 'Dưới 1 tháng', 'Less than 1 month', 1), ('1-<3', 'Từ 1', 'From 1', 2);
"""


def _publish(settings: Settings, statements: str = "") -> None:
    with connect(settings, roles.PUBLISHER) as connection:
        connection.execute(
            "insert into bi.publication values"
            " (6, now(), 'published', '', '', '', false),"
            " (7, '2026-11-21 18:00Z', 'published', 'complete', 'fresh', 'all', true)"
        )
        connection.execute(_PROVINCES.encode())
        connection.execute(statements.encode())


def _figure(
    province: str, month: str, indicator: str, actual: str, *, level: str = "province", computed: bool = True,
    included: str = "null",
) -> str:  # fmt: skip
    return (
        "insert into bi.rpt_plan_attainment (month, geo_level, province_key, indicator, unit, actual, is_reported,"
        " is_computed, as_of_date, qualifier, provinces_included, provinces_expected) values"
        f" ('{month}', '{level}', '{province}', '{indicator}', 'persons', {actual}, {not computed},"
        f" {computed}, '{month}', 'exact',"
        f" {included}, {'63' if included != 'null' else 'null'});"
    )


def test_before_the_first_publication_the_headline_has_no_figures(warehouse: Settings) -> None:
    assert headline(warehouse).publication is None


def test_the_page_is_written_before_the_first_publication(warehouse: Settings, tmp_path: Path) -> None:
    written = write_report(warehouse, out=tmp_path / "page")
    assert written == tmp_path / "page" / "index.html"
    assert [path.name for path in written.parent.iterdir()] == ["index.html"]
    assert "Nothing is published yet" in written.read_text(encoding="utf-8")


def test_the_report_goes_to_the_home_unless_told_otherwise(warehouse: Settings) -> None:
    assert write_report(warehouse) == warehouse.home / "report" / "index.html"


def test_a_publication_of_empty_relations_has_a_headline_and_a_page(relations: Settings, tmp_path: Path) -> None:
    _publish(relations)
    found = headline(relations)
    assert found.publication is not None and found.publication.publication_id == 7
    assert (found.main, found.others, found.feeds, found.senders) == ((), (), (), ())
    assert write_report(relations, out=tmp_path).exists()


def test_the_latest_month_with_heads_is_shown_not_a_later_plan_or_a_later_flow(relations: Settings) -> None:
    _publish(
        relations,
        _figure("26", "2021-09-01", "hi", "1000")
        + _figure("26", "2021-10-01", "hi", "1001")
        + _figure("26", "2021-11-01", "inspections", "5")
        + _figure("26", "2021-12-01", "hi", "null"),
    )
    (province,) = headline(relations).main
    assert (province.name_vi, province.month) == ("Tỉnh Vĩnh Phúc", dt.date(2021, 10, 1))
    assert [(figure.indicator, figure.actual) for figure in province.figures] == [("hi", Decimal(1001))]


def test_a_merged_province_gives_way_to_its_heir_and_the_others_stay(relations: Settings) -> None:
    _publish(
        relations,
        _figure("26", "2025-06-01", "hi", "1000")
        + _figure("25", "2025-06-01", "hi", "1000")
        + _figure("25-34", "2025-07-01", "hi", "2000")
        + _figure("10", "2021-10-01", "hi", "900", computed=False),
    )
    shown = headline(relations).main
    assert [(each.name_vi, each.is_computed) for each in shown] == [("Tỉnh Phú Thọ", True), ("Tỉnh Lào Cai", False)]


def test_the_country_is_shown_once_half_of_its_provinces_are_in(relations: Settings) -> None:
    _publish(
        relations,
        _figure("national", "2021-10-01", "hi", "1000", level="national", included="32")
        + _figure("national", "2021-11-01", "hi", "10", level="national", included="9"),
    )
    (country,) = headline(relations).main
    assert (country.name_en, country.month, country.provinces_included) == ("National", dt.date(2021, 10, 1), 32)


def test_arrears_and_coverage_are_those_of_the_month_shown(relations: Settings) -> None:
    _publish(
        relations,
        _figure("26", "2021-10-01", "hi", "1000")
        + """
        insert into bi.rpt_arrears_ageing values
            ('2021-10-01', '26', '1-<3', 1, 10, 2000000, 2100000, 1000000, 2.0, 1.0),
            ('2021-10-01', '26', '<1', 2, 20, 1000000, 1000000, 0, 1.0, 1.0),
            ('2021-09-01', '26', '<1', 9, 90, 9000000, 9000000, 0, 9.0, 9.0);
        insert into bi.rpt_coverage values
            ('2021-10-01', '26', null, null, null, 92.7, null, '2021-10-31'),
            ('2021-09-01', '26', 1, 1, 1, 1, null, null);
        """,
    )
    (province,) = headline(relations).main
    assert [band.ageing_band for band in province.arrears] == ["<1", "1-<3"]
    assert province.ratio_to_plan_pct == Decimal("3.0")
    assert province.ratio_excluding_hard_to_collect_pct == Decimal("2.0")
    assert province.coverage is not None and province.coverage.hi_of_population_pct == Decimal("92.7")


def test_reported_figures_are_counted_and_the_differing_ones_listed(relations: Settings) -> None:
    _publish(
        relations,
        """
        insert into bi.rpt_reported_vs_computed values
            ('2021-10-01', '26', 'hi', 'none', 'persons', 1, 1, true),
            ('2021-10-01', '26', 'ui', 'none', 'persons', 1, null, null),
            ('2021-10-01', '26', 'people_managed', 'last_december', 'percent', 2.77, 2.795, false),
            ('2021-10-01', 'national', 'hi', 'none', 'persons', 7, 8, false);
        """,
    )
    compared = headline(relations).comparisons
    assert (compared.agree, compared.differ, compared.nothing_to_compare) == (1, 2, 1)
    assert [found.name_vi for found in compared.differences] == ["Tỉnh Vĩnh Phúc", "Toàn quốc"]
    assert str(compared.differences[0].reported) == "2.77"


def test_completeness_counts_senders_of_each_feeds_latest_period(relations: Settings) -> None:
    _publish(
        relations,
        """
        insert into bi.rpt_completeness values
            ('province-26', 'participants', '2021-10', '26', 'accepted', false, 100, 0),
            ('province-26', 'employers', '2021-10', '26', 'accepted_with_rejects', true, 50, 2),
            ('province-10', 'participants', '2021-10', '10', 'missing', null, null, null),
            ('province-10', 'employers', '2021-10', '10', 'missing', null, null, null),
            ('province-10', 'participants', '2021-09', '10', 'accepted', false, 9, 0),
            ('hq', 'plan_targets', '2022-06', null, 'accepted', null, 7, 0);
        """,
    )
    found = headline(relations)
    assert {each.feed: (each.period, each.is_in, each.late, each.missing, each.rows) for each in found.feeds} == {
        "participants": ("2021-10", 1, 0, 1, 100),
        "employers": ("2021-10", 1, 1, 1, 50),
        "plan_targets": ("2022-06", 1, 0, 0, 7),
    }
    assert [(each.name_en, each.feeds_in, each.feeds_expected, each.is_late) for each in found.senders] == [
        ("Lao Cai", 0, 2, False),
        ("Vinh Phuc", 2, 2, True),
    ]


def test_a_rejected_submission_is_open_until_a_better_one_is_accepted(warehouse: Settings) -> None:
    with connect(warehouse, roles.LOADER) as connection:
        connection.execute(
            """
            insert into ops.submission (submission_id, sender, period, state, errors, folder, decided_at) values
                ('a-v1', 'province-10', '2021-10', 'rejected', '[{"code": "E-B"}, {"code": "E-A"}, {"code": "E-A"}]',
                    'a', '2021-11-01'),
                ('b-v1', 'province-15', '2021-10', 'rejected', '[]', 'b', '2021-11-01'),
                ('b-v2', 'province-15', '2021-10', 'accepted', '[]', 'b', '2021-11-02'),
                ('c-v1', 'province-24', null, 'waiting', '[]', 'c', null)
            """
        )
    states, waiting = ledger.submissions(warehouse)
    assert dict(states) == {"accepted": 1, "rejected": 2, "waiting": 1}
    assert {each.submission_id: each.codes for each in waiting} == {"a-v1": ("E-A", "E-B"), "c-v1": ()}


def test_the_last_nights_stages_are_added_up(warehouse: Settings) -> None:
    assert ledger.last_night(warehouse) is None
    with connect(warehouse, roles.LOADER) as connection:
        connection.execute(
            """
            insert into ops.run_stage (run_id, stage, subject, started_at, seconds, rows, outcome) values
                ('old', 'discover', null, '2026-11-20 18:00Z', 1, 1, 'done'),
                ('new', 'discover', null, '2026-11-21 18:00Z', 0.5, 2, 'done'),
                ('new', 'load and gate', 'a', '2026-11-21 18:00:01Z', 10, 100, 'accepted'),
                ('new', 'load and gate', 'b', '2026-11-21 18:00:02Z', 20.25, null, 'rejected')
            """
        )
    night = ledger.last_night(warehouse)
    assert night is not None
    assert (night.run_id, night.seconds) == ("new", Decimal("22.25"))
    assert [(each.name, each.times, each.seconds, each.rows) for each in night.stages] == [
        ("discover", 1, Decimal("0.500"), 2),
        ("load and gate", 2, Decimal("30.250"), 100),
    ]
    assert night.stages[1].outcomes == (("accepted", 1), ("rejected", 1))
