"""What the morning report says of the second publication of the small world against the first."""

from __future__ import annotations

import datetime as dt

import pytest
from headline_builders import headline
from shown import World

from night import dbt_runs
from reporting import changes, tables
from reporting.figures import Changes


@pytest.fixture(scope="module")
def found(world: World) -> Changes:
    return changes.between(world.settings, 1, 2, manifest=dbt_runs.manifest_path(world.settings))


def test_the_submissions_that_came_between_are_named_with_what_they_did(found: Changes) -> None:
    assert {(each.kind, each.submission_id, each.replaced) for each in found.submissions} == {
        ("superseded", "p24-2021-11-v2", "p24-2021-11-v1"),
        ("came in", "p46-2021-11-units", None),
        ("came in", "tax-2022-06-v1", None),
        ("came in", "tax-2025-05-v1", None),
        ("came in", "tax-2025-08-v1", None),
    }
    assert found.rules == () and found.decisions == ()


def test_every_revised_figure_is_one_that_both_publications_show(world: World, found: Changes) -> None:
    assert found.revised == len(found.revisions) > 0
    for each in found.revisions:
        shown = [
            world.query(
                "select a.actual from bi.rpt_plan_attainment as a"
                " left join bi.dim_province as p on p.province_key = a.province_key"
                f" where a.month = '{each.month}' and a.indicator = '{each.indicator}'"
                f" and coalesce(p.name_vi, 'Toàn quốc') = '{each.name_vi}'",
                publication,
            )
            for publication in (1, 2)
        ]
        assert shown == [[(each.before,)], [(each.after,)]]


def test_a_revised_figure_goes_back_to_the_file_that_changed_it_and_to_no_other(found: Changes) -> None:
    causes = {(each.name_vi, each.month, each.indicator): each.causes for each in found.revisions}
    november = dt.date(2021, 11, 1)
    assert causes["Tỉnh Bắc Giang", november, "collection"] == ("p24-2021-11-v2",)
    assert causes["Tỉnh Thừa Thiên Huế", november, "units_managed"] == ("p46-2021-11-units",)


def test_the_country_stands_first_and_senders_are_called_what_they_were_called_then(found: Changes) -> None:
    assert found.revisions[0].name_vi == "Toàn quốc"
    names = {row[0] if isinstance(row[0], str) else row[0].main: row[2] for row in tables.changed(found).rows}  # type: ignore[union-attr]
    assert names["p24-2021-11-v2"].vi == "Tỉnh Bắc Giang"  # type: ignore[union-attr]
    assert len(tables.revisions(found, headline()).rows) == len(found.revisions)


def test_publications_of_one_day_have_no_day_before(world: World) -> None:
    assert changes.since_the_day_before(world.settings, 1) == Changes()
