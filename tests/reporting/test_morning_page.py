"""The morning report: one page, offline, escaped, without scripts."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

from headline_builders import NIGHT_AT, headline, hue, night, vinh_phuc

from reporting.figures import Headline, OpenSubmission
from reporting.morning import page

PAGE = page(headline(), night(), written_at=NIGHT_AT)
_VOID = {"meta", "br", "link", "img", "input", "hr"}


class _Tags(HTMLParser):
    """Collects tags and attributes, and fails on a tag closed out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _tags(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Tags()
    parser.feed(text)
    assert not parser.open
    return parser.seen


def test_the_page_refers_to_nothing_outside_itself() -> None:
    assert "http://" not in PAGE and "https://" not in PAGE
    assert not re.search(r"@import|url\((?!#)|//cdn", PAGE)
    for tag, attributes in _tags(PAGE):
        assert tag not in {"script", "iframe", "object", "embed", "link", "img", "base", "form"}
        assert not {"src", "srcset", "action", "data"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
        assert not [name for name in attributes if name.startswith("on")]


def test_every_identifier_stands_once_and_every_reference_finds_it() -> None:
    tags = _tags(PAGE)
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["aria-labelledby"] for _, attributes in tags if "aria-labelledby" in attributes} <= set(ids)


def test_values_from_submissions_and_reference_data_are_escaped() -> None:
    evil = "<script>alert('x')</script>\"&"
    spoiled = vinh_phuc(name_vi=evil, name_en=evil)
    spoiled = replace(spoiled, arrears=tuple(replace(band, name_vi=evil) for band in spoiled.arrears))
    text = page(
        headline(main=(spoiled,), open_submissions=(OpenSubmission(evil, evil, evil, evil, (evil,)),)),
        replace(night(), run_id=evil),
        written_at=NIGHT_AT,
    )
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    _tags(text)


def test_both_charts_are_in_the_page_with_the_table_behind_each() -> None:
    assert PAGE.count("<figure>") == 2
    assert len(re.findall(r'<svg class="marks"[^>]*viewBox', PAGE)) == 2
    for shown in ("BHXH bắt buộc · Compulsory SI", "97.70 %", "Từ 12 tháng trở lên · 12 months or more", "18,084"):
        assert shown in PAGE
    assert PAGE.count("The figures behind the chart") == 2


def test_headings_are_vietnamese_first_with_english_beside() -> None:
    assert '<html lang="vi">' in PAGE
    assert 'Bản tin sáng <span class="en" lang="en">Morning report</span>' in PAGE


def test_a_reported_province_is_marked_as_not_computed() -> None:
    assert 'class="origin reported">theo báo cáo, KHÔNG tính từ dữ liệu chi tiết' in PAGE


def test_a_wrong_printed_figure_is_told_in_both_languages() -> None:
    assert "báo cáo ghi 2.77 %, tính từ chính các số gốc: 2.80 %" in PAGE
    assert "the report prints 2.77 %, computed from its own bases: 2.80 %" in PAGE


def test_who_is_in_in_part_and_missing_is_counted_and_named() -> None:
    assert "2 provinces complete, 1 in part, 52 missing" in PAGE
    assert "Tỉnh Lào Cai (5/6)" in PAGE


def test_publication_freshness_and_run_times_are_shown() -> None:
    assert "Figures rest on 24 accepted submissions" in PAGE
    assert "2026-11-22 01:00 (Asia/Ho_Chi_Minh)" in PAGE
    assert "took 83.4 seconds" in PAGE


def test_employees_of_a_band_with_fewer_than_five_are_hidden() -> None:
    cells = re.findall(r"<span>([^<]*)</span></td>", PAGE)
    assert "&lt;5" in cells and "*" in cells


def test_before_anything_is_published_the_page_says_so() -> None:
    text = page(Headline(None), None, written_at=NIGHT_AT)
    assert "Chưa có số liệu nào được công bố." in text
    assert "<figure>" not in text
    _tags(text)


def test_a_publication_with_empty_relations_gives_a_page() -> None:
    text = page(Headline(headline().publication), None, written_at=NIGHT_AT)
    assert "No province has a headline figure in this publication yet." in text
    _tags(text)


def test_a_province_without_arrears_gives_no_empty_chart() -> None:
    text = page(headline(main=(hue(),)), None, written_at=NIGHT_AT)
    assert text.count("<figure>") == 1
    assert "Chưa có số liệu." in text
