"""The committed guide is the generated one, and tells a clerk of everything that can happen."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import pytest

from ingestion import guide
from ingestion.codes import CATALOGUE
from ingestion.contracts import load_contracts
from ingestion.wording import allowed_values, value_name
from warehouse.settings import PROJECT

DOCS = PROJECT / "docs"
PAGES = guide.pages()


def entries(workbook: bytes) -> dict[str, bytes]:
    """What is in a workbook, whatever the zlib that packed it."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("name", PAGES)
def test_what_is_committed_is_what_is_generated(name: str) -> None:
    content, committed = PAGES[name], DOCS / name

    assert committed.is_file(), "run `make docs`"
    if isinstance(content, str):
        assert committed.read_text(encoding="utf-8") == content, "run `make docs`"
    else:
        assert entries(committed.read_bytes()) == entries(content), "run `make docs`"


def test_no_page_is_left_of_a_feed_that_is_gone() -> None:
    left = {str(path.relative_to(DOCS)) for place in ("guide", "templates") for path in (DOCS / place).iterdir()}

    assert left == {name for name in PAGES if "/" in name}


def test_the_guide_lists_every_code_with_both_messages() -> None:
    text = str(PAGES["submission-guide.md"])

    listed = re.findall(r"^\| `([EN]-[A-Z-]+)` \| (.+) \| (.+) \|$", text, flags=re.MULTILINE)

    assert [code for code, _, _ in listed] == list(CATALOGUE)
    assert "{" not in text


@pytest.mark.parametrize("feed", load_contracts())
def test_a_feed_s_page_names_every_column_heading_value_and_the_template(feed: str) -> None:
    text = str(PAGES[f"guide/{feed}.md"])

    for column in load_contracts()[feed].columns:
        assert f"| `{column.name}` |" in text
        assert column.description in text
        assert [each for each in (*column.headings_vi, *allowed_values(column)) if each not in text] == []
    assert f"templates/{feed}.xlsx" in text


def test_every_value_of_a_list_says_what_it_means_in_both_languages() -> None:
    unnamed = [
        (feed, column.name, value)
        for feed, contract in load_contracts().items()
        for column in contract.columns
        for value in column.values
        if value_name(feed, column.name, value) is None
    ]

    assert unnamed == []


def test_every_link_of_the_guide_leads_to_a_file(tmp_path: Path) -> None:
    guide.write(tmp_path)
    broken = [
        (page.name, link)
        for page in tmp_path.rglob("*.md")
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
        if not (page.parent / link).is_file()
    ]

    assert broken == []
