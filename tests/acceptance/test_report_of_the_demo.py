"""The morning report of the demo: the agency's figures, and nothing that it must not hold."""

from __future__ import annotations

import datetime as dt
import re
from html import unescape

import pytest
from demo_warehouse import Demo

from reporting import inspections
from reporting.figures import Morning
from reporting.headline import read
from reporting.morning import page
from warehouse import roles
from warehouse.connection import connect
from warehouse.settings import Settings


@pytest.fixture(scope="module")
def written(demo: Demo) -> str:
    """The page of the demo's own publication, whatever was published since."""
    settings = Settings(home=demo.home)
    with connect(settings, roles.READER) as connection:
        connection.execute("select set_config('vss.publication', '1', false)")
        morning = Morning(read(connection), inspections=inspections.read(connection), nights=())
    return page(morning, written_at=dt.datetime(2026, 11, 22, tzinfo=dt.UTC))


@pytest.fixture(scope="module")
def text(written: str) -> str:
    """What stands on the page, without its tags."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", written[written.index("<body>") :])))


def test_the_agencys_figures_of_vinh_phuc_stand_on_it_with_both_growths(text: str) -> None:
    for printed in ("1,114,733", "220,596", "15,153", "212,790", "1,099,580", "4,313,058", "97.70", "78.70", "210,118"):
        assert printed in text
    assert "+2.02 1,092,704" in text and "+2.80 1,084,419" in text


def test_the_figures_hue_reported_stand_on_it_as_reported(text: str) -> None:
    assert "as REPORTED, not computed" in text
    assert "127,749" in text and "1,144,762" in text


def test_it_is_small(written: str) -> None:
    assert len(written.encode()) < 1_000_000


def test_no_unit_and_no_tax_code_of_a_candidate_is_named(demo: Demo, text: str) -> None:
    named = demo.rows("select distinct name, tax_code, si_unit_code from bi.rpt_inspection_candidates")
    assert len(named) > 1000
    words = set(re.findall(r"[\w.-]+", text))
    assert not [code for row in named for code in (row["tax_code"], row["si_unit_code"]) if code in words]
    assert not [row["name"] for row in named if row["name"] and row["name"] in text]


def test_candidates_of_the_country_are_all_counted(demo: Demo, text: str) -> None:
    row = demo.one("select count(*) as candidates, count(*) filter (where is_not_registered) as unknown"
                        " from bi.rpt_inspection_candidates")  # fmt: skip
    assert re.search(rf"Cộng Total Đề xuất Candidates {int(row['candidates']):,} ", text)
    assert f"{int(row['unknown']):,}" in text
