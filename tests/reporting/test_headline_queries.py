"""The queries of the headline and of the ledger, on a real PostgreSQL, as the roles that run them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from reporting import changes, inspections, ledger
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
        + _figure("national", "2021-10-01", "ui", "900", level="national", included="30")
        + _figure("national", "2021-11-01", "hi", "10", level="national", included="9"),
    )
    (country,) = headline(relations).main
    assert (country.name_en, country.month, country.provinces_included) == ("National", dt.date(2021, 10, 1), 30)
    assert country.included == "30–32"


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
            ('province-26', 'participants', '2021-10', '26', 'accepted', false, 100, 0, true),
            ('province-26', 'employers', '2021-10', '26', 'accepted_with_rejects', true, 50, 2, true),
            ('province-10', 'outreach', '2021-10', '10', 'accepted', false, 3, 0, false),
            ('province-10', 'participants', '2021-10', '10', 'missing', null, null, null, true),
            ('province-10', 'employers', '2021-10', '10', 'missing', null, null, null, true),
            ('province-10', 'participants', '2021-09', '10', 'accepted', false, 9, 0, true),
            ('hq', 'plan_targets', '2022-06', null, 'accepted', null, 7, 0, false);
        """,
    )
    found = headline(relations)
    assert {each.feed: (each.period, each.is_in, each.late, each.missing, each.rows) for each in found.feeds} == {
        "participants": ("2021-10", 1, 0, 1, 100),
        "employers": ("2021-10", 1, 1, 1, 50),
        "plan_targets": ("2022-06", 1, 0, 0, 7),
        "outreach": ("2021-10", 1, 0, 0, 3),
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


def test_candidates_are_counted_by_province_and_reason_with_the_first_hundred_apart(relations: Settings) -> None:
    _publish(
        relations,
        """
        insert into bi.rpt_inspection_candidates values
            ('a', 1, '26', true, false, true, false, false, 5000000, '2021-10-01', 2021),
            ('b', 100, '10', false, true, false, false, false, 0, null, 2021),
            ('c', 101, '26', false, false, true, false, true, 1000000, '2021-09-01', null),
            ('d', 102, null, false, true, false, false, false, 0, null, 2020);
        """,
    )
    with connect(relations, roles.READER) as connection:
        found = inspections.read(connection)
    assert found is not None
    assert (found.first_of, found.arrears_month, found.tax_year) == (100, dt.date(2021, 10, 1), 2021)
    assert [
        (each.name_en, each.candidates, each.first, each.by_reason, each.inspected, each.overdue_vnd)
        for each in found.provinces
    ] == [
        ("Vinh Phuc", 2, 1, (1, 0, 2, 0), 1, 6_000_000),
        ("Lao Cai", 1, 1, (0, 1, 0, 0), 0, 0),
        ("Province not known", 1, 0, (0, 1, 0, 0), 0, 0),
    ]


def test_without_candidates_there_is_nothing_to_inspect(relations: Settings) -> None:
    _publish(relations)
    with connect(relations, roles.READER) as connection:
        assert inspections.read(connection) is None


def test_a_growth_on_a_base_of_fewer_than_five_persons_is_not_told(relations: Settings) -> None:
    _publish(
        relations,
        _figure("26", "2021-10-01", "hi", "1000")
        + "update bi.rpt_plan_attainment set growth_yoy_pct = 24900, value_same_period_last_year = 4,"
        " growth_vs_december_pct = 25, value_last_december = 800;",
    )
    (province,) = headline(relations).main
    (found,) = province.figures
    assert (found.growth_yoy_pct, found.growth_vs_december_pct) == (None, Decimal(25))


def test_only_what_is_expected_counts_for_whether_a_sender_is_complete(relations: Settings) -> None:
    _publish(
        relations,
        """
        insert into bi.rpt_completeness values
            ('province-26', 'participants', '2021-10', '26', 'accepted', false, 100, 0, true),
            ('province-26', 'employers', '2021-10', '26', 'missing', null, null, null, true),
            ('province-26', 'outreach', '2021-10', '26', 'accepted', null, 3, 0, false);
        """,
    )
    (sender,) = headline(relations).senders
    assert (sender.feeds_in, sender.feeds_expected, sender.state) == (1, 2, "partial")
    assert (sender.province_code, sender.vintage) == ("26", "63")


def _run_stages(settings: Settings) -> None:
    with connect(settings, roles.MIGRATOR) as connection:
        connection.execute("truncate ops.run_stage, ops.submission cascade")
        connection.execute(
            """
            insert into ops.submission (submission_id, sender, state, errors, folder, first_seen_at, decided_at, month,
                is_late)
            values
                ('p26-v1', 'province-26', 'accepted_with_rejects', '[]', 'a', '2026-11-21 18:01Z', '2026-11-21 18:02Z',
                    '2021-10-01', true),
                ('p24-v1', 'province-24', 'rejected', '[{"code": "E-TOLERANCE"}]', 'b', '2026-11-21 18:01Z',
                    '2026-11-21 18:03Z', '2021-10-01', false),
                ('p24-v0', 'province-24', 'accepted', '[]', 'b', '2026-10-01 18:01Z', '2026-10-01 18:03Z', '2021-09-01',
                    false),
                ('hq-v1', 'hq', 'held', '[{"code": "H-WAGE"}]', 'c', '2026-11-21 18:01Z', null, '2021-10-01', false);
            insert into ops.load (sub_no, feed, state, row_count, accepted, rejected, bytes)
            select sub_no, 'participants', 'loaded', 1000, 990, 10, 2500000 from ops.submission
            where submission_id in ('p26-v1', 'p24-v1', 'p24-v0');
            insert into ops.reject (load_id, row_no, code)
            select l.load_id, n, case when n < 8 then 'E-NUMBER' else 'E-DATE' end
            from ops.load as l join ops.submission as s using (sub_no), generate_series(1, 10) as n
            where s.submission_id in ('p26-v1', 'p24-v1');
            insert into ops.run_stage (run_id, stage, subject, started_at, seconds, outcome, message) values
                ('one', 'discover', null, '2026-11-20 18:00Z', 1, 'done', null),
                ('one', 'build', null, '2026-11-20 18:05Z', 60, 'failed', 'GateFailedError: a test of dbt failed'),
                ('two', 'discover', null, '2026-11-21 18:00Z', 1, 'done', null),
                ('two', 'load and gate', 'p26-v1', '2026-11-21 18:01Z', 30, 'accepted_with_rejects', null),
                ('two', 'load and gate', 'p24-v1', '2026-11-21 18:02:10Z', 80, 'rejected', null),
                ('two', 'build', null, '2026-11-21 18:04Z', 10, 'error', 'OperationalError'),
                ('two', 'build', null, '2026-11-21 18:05Z', 100, 'done', null),
                ('two', 'build node', 'rpt_x', '2026-11-21 18:05Z', 90, 'error', null),
                ('later', 'discover', null, '2026-11-23 18:00Z', 1, 'done', null);
            """
        )


def test_the_last_nights_have_their_outcome_seconds_and_what_they_decided(warehouse: Settings) -> None:
    _run_stages(warehouse)
    one, two = ledger.nights(warehouse, until=dt.datetime(2026, 11, 22, tzinfo=dt.UTC))
    assert (one.run_id, one.outcome, one.seconds, one.build_seconds, one.submissions) == (
        "one", "failed", Decimal(360), Decimal(60), 0,
    )  # fmt: skip
    assert (two.run_id, two.outcome) == ("two", "done")
    assert (two.seconds, two.load_seconds, two.build_seconds, two.other_seconds) == (400, 150, 110, 140)
    assert (two.submissions, two.rejected, two.rows, two.rows_rejected, two.megabytes) == (2, 1, 2000, 20, 5)


def test_what_failed_in_the_last_night_is_named_with_its_last_outcome(warehouse: Settings) -> None:
    _run_stages(warehouse)
    with connect(warehouse, roles.MIGRATOR) as connection:
        connection.execute("delete from ops.run_stage where run_id = 'later'")
    night = ledger.last_night(warehouse)
    assert night is not None and night.problems == ()
    with connect(warehouse, roles.MIGRATOR) as connection:
        connection.execute("delete from ops.run_stage where run_id = 'two'")
    night = ledger.last_night(warehouse)
    assert night is not None
    assert night.problems == (("build", None, "GateFailedError: a test of dbt failed"),)


def test_the_quality_of_senders_is_of_one_month_the_worst_first_with_what_cost_most(warehouse: Settings) -> None:
    _run_stages(warehouse)
    found = ledger.quality(warehouse, until=dt.date(2026, 11, 22))
    assert (found.since, found.until) == (dt.date(2026, 10, 23), dt.date(2026, 11, 22))
    assert [(each.sender, each.name_vi, each.submissions) for each in found.senders] == [
        ("province-24", "Tỉnh Bắc Giang", 1),
        ("hq", "hq", 1),
        ("province-26", "Tỉnh Vĩnh Phúc", 1),
    ]
    bac_giang, headquarters, vinh_phuc = found.senders
    assert bac_giang.codes == (("E-TOLERANCE", 1), ("E-NUMBER", 7), ("E-DATE", 3))
    assert (bac_giang.rejected, bac_giang.rejected_pct) == (1, Decimal(1))
    assert (headquarters.held, headquarters.codes, headquarters.rejected_pct) == (1, (("H-WAGE", 1),), None)
    assert (vinh_phuc.late, vinh_phuc.rows, vinh_phuc.rows_rejected) == (1, 1000, 10)


@pytest.mark.parametrize(("publication", "before"), [(12, None), (13, None), (14, 13), (15, 13), (16, 15)])
def test_the_day_before_is_what_was_shown_when_the_day_began_local_time(
    warehouse: Settings, publication: int, before: int | None
) -> None:
    with connect(warehouse, roles.MIGRATOR) as connection:
        connection.execute("delete from ops.publication where publication_id > 10")
        connection.execute(
            """
            insert into ops.publication (publication_id, kind, status, published_at, pruned_at) values
                (11, 'build', 'pruned', '2026-11-18 18:00Z', now()),
                (12, 'build', 'published', '2026-11-19 18:00Z', null),
                (13, 'build', 'published', '2026-11-20 16:59Z', null),
                (14, 'build', 'published', '2026-11-20 17:00Z', null),
                (15, 'rollback', 'published', '2026-11-21 16:00Z', null),
                (16, 'build', 'published', '2026-11-22 18:00Z', null)
            """
        )
    try:
        assert changes.day_before(warehouse, publication) == before
    finally:
        with connect(warehouse, roles.MIGRATOR) as connection:
            connection.execute("delete from ops.publication where publication_id > 10")
