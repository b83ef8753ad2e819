"""Data Docs: an offline site of the stored results."""

from __future__ import annotations

import datetime as dt
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag

import gate_rows as rows
import pytest
from gate_builders import Warehouse

from expectations.data_docs import render
from expectations.submission import gate_submission
from ingestion.decision import decide_held
from reporting import morning
from reporting.figures import Headline


class Page(HTMLParser):
    """What a page links to and holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.lang = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.lang = self.lang or dict(attrs).get("lang") or ""
        self.links += [value for name, value in attrs if name in ("href", "src") and value]


def pages(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.html"))}


def run_of(folder: Path, submission_id: str) -> str:
    """The only page of a run over the submission."""
    (found,) = [text for text in pages(folder).values() if f"<h1>{submission_id}<" in text]
    return found


@pytest.fixture
def site(warehouse: Warehouse, tmp_path: Path) -> Path:
    """The site after a submission that is held, one that failed and one that passed, with a canary in their rows."""
    canary = "Canary Trần Thị Chim"
    warehouse.gate({"participants": rows.participants(5, name=canary, ui=6)})
    warehouse.gate({"arrears": [{**row, "fund": canary} for row in rows.arrears()]}, period="2021-11")
    warehouse.gate({"outreach": rows.outreach(2)}, period="2021-12")
    return render(warehouse.settings, tmp_path / "docs").parent


def test_every_page_is_reached_and_every_link_leads_somewhere_without_network_or_script(site: Path) -> None:
    reached, waiting = set(), {"index.html"}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        page = Page((site / name).read_text(encoding="utf-8"))
        assert page.lang == "en"
        assert page.tags.count("table") == page.tags.count("caption")
        assert not {"script", "iframe", "img", "object"} & set(page.tags)
        for link in page.links:
            assert ":" not in link
            target = ((site / name).parent / (urldefrag(link).url or Path(name).name)).resolve()
            assert target.is_file(), f"{name} links to {link}"
            if target.suffix == ".html":
                waiting |= {str(target.relative_to(site.resolve()))} - reached
    assert reached == set(pages(site))
    style = (site / "style.css").read_text(encoding="utf-8")
    assert "url(" not in style
    assert "@import" not in style


def test_no_value_of_a_row_stands_in_any_page(site: Path) -> None:
    everything = "".join(pages(site).values())
    for value in ("Canary", "Chim", "0100000001", "1985-03-02", "6000000", "6,000,000"):
        assert value not in everything


def test_a_run_tells_every_expectation_with_counts_and_why(site: Path) -> None:
    held, failed = run_of(site, "province-26-2021-10-v1-submit"), run_of(site, "province-26-2021-11-v1-submit")
    assert '<dd><span class="verdict held">held</span></dd>' in held
    assert "unemployment insurance presupposes compulsory social insurance" in held
    assert all(figure in held for figure in ("smaller UI", "smaller count 6", "larger SI_C", "larger count 5"))
    assert '<dd><span class="verdict failed">failed</span></dd>' in failed
    assert "3 of 3; one of RETIREMENT, SICK_MATERNITY" in failed
    assert '<span class="vi" lang="vi">Nợ gốc</span>' in failed


def test_a_suite_tells_reason_effect_and_history(site: Path, warehouse: Warehouse) -> None:
    warehouse.gate({"arrears": rows.arrears()}, period="2022-01")
    render(warehouse.settings, site)
    suite = pages(site)["suites/contract-arrears.html"]
    (line,) = [row for row in re.findall("<tr>.*?</tr>", suite) if "one of RETIREMENT" in row]
    assert "rejects the submission" in line
    assert "met 1 of 2" in line
    # the newest first
    assert re.findall(r'<i class="(\w+)">', line) == ["met", "unmet"]
    assert "contract arrears" in pages(site)["suites.html"]


def test_history_stays_and_a_page_that_is_written_is_left_alone(site: Path, warehouse: Warehouse) -> None:
    before = {path: path.stat().st_mtime_ns for path in site.glob("runs/*")}
    warehouse.gate({"outreach": rows.outreach(2)}, period="2022-01")
    render(warehouse.settings, site)
    after = {path: path.stat().st_mtime_ns for path in site.glob("runs/*")}
    assert before.items() <= after.items()
    assert len(after) == len(before) + 1


def test_a_decision_stands_on_the_page_of_its_run_and_lets_the_submission_into_the_next_build(
    site: Path, warehouse: Warehouse
) -> None:
    warehouse.execute("update ops.submission set state = 'held' where period = '2021-10'")
    assert (
        decide_held(
            warehouse.settings, "province-26-2021-10-v1-submit", release=True, reason="confirmed <by> telephone"
        )
        == "accepted"
    )
    render(warehouse.settings, site)
    held = run_of(site, "province-26-2021-10-v1-submit")
    assert re.search(r"released on \d{4}-\d\d-\d\d \d\d:\d\d:\d\d by \S+: confirmed &lt;by&gt; telephone", held)
    assert "<td>released</td>" in pages(site)["index.html"]
    assert warehouse.query("select feed from ops.accepted_load where period = '2021-10'") == [("participants",)]


def test_runs_of_the_same_submission_name_each_other(site: Path, warehouse: Warehouse) -> None:
    ((number,),) = warehouse.query("select sub_no from ops.submission where period = '2021-12'")
    gate_submission(warehouse.settings, number)
    render(warehouse.settings, site)
    both = [text for name, text in pages(site).items() if "<h1>province-26-2021-12-v1-submit<" in text]
    assert len(both) == 2
    assert all("Other runs of the same" in text for text in both)


def test_a_warehouse_without_results_has_a_site_that_says_so(warehouse: Warehouse, tmp_path: Path) -> None:
    index = render(warehouse.settings, tmp_path)
    assert index == tmp_path / "index.html"
    assert "Nothing yet." in index.read_text(encoding="utf-8")


def test_the_morning_report_links_to_the_site_once_it_is_written(warehouse: Warehouse, tmp_path: Path) -> None:
    own = warehouse.settings.home / "data_docs"
    assert morning._data_docs(warehouse.settings, tmp_path) is None
    render(warehouse.settings, tmp_path / "data_docs")
    assert morning._data_docs(warehouse.settings, tmp_path) == "data_docs/index.html"
    assert render(warehouse.settings) == own / "index.html"
    link = morning._data_docs(warehouse.settings, None)
    assert link == "../data_docs/index.html"
    page = morning.page(
        morning.Morning(Headline(None)), written_at=dt.datetime(2021, 11, 8, tzinfo=dt.UTC), data_docs=link
    )
    assert f'<a href="{link}">' in page
