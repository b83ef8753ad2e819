"""The morning report: one page, offline, escaped, without scripts."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from itertools import pairwise

from headline_builders import (
    NIGHT_AT,
    changes,
    figure,
    headline,
    hue,
    morning,
    night,
    quality,
    small,
    vinh_phuc,
)

from reporting.figures import Changes, Comparisons, Headline, Morning, OpenSubmission, Revision
from reporting.morning import page

PAGE = page(morning(), written_at=NIGHT_AT)
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
    told = changes()
    one, *_ = quality().senders
    text = page(
        morning(
            headline=headline(main=(spoiled,), open_submissions=(OpenSubmission(evil, evil, evil, evil, (evil,)),)),
            night=replace(night(), run_id=evil, problems=((evil, evil, evil),)),
            changes=replace(
                told,
                submissions=(
                    replace(told.submissions[0], submission_id=evil, replaced=evil, sender=evil, reason=evil),
                ),
                revisions=(replace(told.revisions[0], name_vi=evil, causes=(evil,)),),
            ),
            quality=replace(quality(), senders=(replace(one, name_vi=evil, codes=((evil, 1),)),)),
        ),
        written_at=NIGHT_AT,
    )
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    _tags(text)


def test_every_chart_and_every_map_is_a_figure_with_a_table_behind_it() -> None:
    sections = re.findall(r"<section.*?</section>", PAGE, re.DOTALL)
    drawn = [section for section in sections if "<figure>" in section]
    assert len(drawn) == 6
    assert PAGE.count('class="bars"') == 4
    assert PAGE.count('class="tiles"') == 3
    for section in drawn:
        assert "<table" in section
    for shown in ("BHXH bắt buộc · Compulsory SI", "97.70 %", "Từ 12 tháng trở lên · 12 months or more", "18,084"):
        assert shown in PAGE


def test_what_is_drawn_is_not_read_aloud_and_nothing_else_is_hidden() -> None:
    for tag, attributes in _tags(PAGE):
        if tag == "svg" or attributes.get("class") == "tiles":
            assert attributes["aria-hidden"] == "true"
    assert all(
        attributes.get("aria-hidden") != "true" for tag, attributes in _tags(PAGE) if tag in ("table", "p", "dl")
    )


def test_headings_go_down_one_level_at_a_time() -> None:
    levels = [int(tag[1]) for tag, _ in _tags(PAGE) if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_every_link_of_the_contents_leads_to_a_section() -> None:
    tags = _tags(PAGE)
    ids = {attributes["id"] for _, attributes in tags if "id" in attributes}
    links = [attributes["href"] or "" for tag, attributes in tags if tag == "a" and "href" in attributes]
    assert links
    assert {link[1:] for link in links} <= ids


def test_english_is_marked_as_english_wherever_it_stands() -> None:
    for tag, attributes in _tags(PAGE):
        if attributes.get("class") == "en":
            assert (tag, attributes["lang"]) == ("span", "en")


def test_headings_are_vietnamese_first_with_english_beside() -> None:
    assert '<html lang="vi">' in PAGE
    assert 'Bản tin sáng <span class="en" lang="en">Morning report</span>' in PAGE


def test_a_reported_province_is_marked_as_not_computed() -> None:
    assert 'class="origin reported">theo báo cáo, KHÔNG tính từ dữ liệu chi tiết' in PAGE


def test_a_wrong_printed_figure_is_told_in_both_languages() -> None:
    assert "báo cáo ghi 2.77 %, tính từ chính các số gốc: 2.80 %" in PAGE
    assert "the report prints 2.77 %, computed from its own bases: 2.80 %" in PAGE


def test_who_is_in_in_part_and_missing_is_counted_named_and_on_the_map() -> None:
    assert "2 provinces complete, 1 in part, 60 missing" in PAGE
    assert "Tỉnh Lào Cai (5/6)" in PAGE
    (sent,) = re.findall(r'<div class="tiles".*?</div>\n</div>', PAGE[PAGE.index('id="complete"') :], re.DOTALL)
    assert sent.count('class="tile ') == 63
    assert "<span>10 Lào Cai</span><b>◐ 5/6</b>" in sent
    assert "<span>96 Cà Mau</span><b>● 6/6</b><span>muộn</span>" in sent


def test_attainment_stands_in_its_tile_with_the_month_where_it_is_another() -> None:
    (shown, *_) = re.findall(r'<div class="tiles".*?</div>\n</div>', PAGE, re.DOTALL)
    assert '<div class="tile step-2" style="grid-area: 3 / 4"><span>26 Vĩnh Phúc</span><b>78.7</b></div>' in shown
    assert "<span>46 Thừa Thiên Huế</span><b>–</b><span>06/22</span>" in shown


def test_the_map_of_34_provinces_is_shown_once_they_send() -> None:
    later = replace(vinh_phuc(), province_code="25", vintage="34", name_vi="Tỉnh Phú Thọ")
    text = page(Morning(headline(main=(later,), others=(), senders=())), written_at=NIGHT_AT)
    (shown, *_) = re.findall(r'<div class="tiles".*?</div>\n</div>', text, re.DOTALL)
    assert shown.count('class="tile ') == 34
    assert "<span>25 Phú Thọ</span><b>78.7</b>" in shown


def test_a_growth_stands_over_the_value_it_is_taken_from() -> None:
    assert '+2.02<span class="note">1,092,704</span>' in PAGE
    assert '+2.80<span class="note">1,084,419</span>' in PAGE


def test_publication_freshness_and_run_times_are_shown() -> None:
    assert "Figures rest on 24 accepted submissions" in PAGE
    assert "2026-11-22 01:00 (Asia/Ho_Chi_Minh)" in PAGE
    assert "took 83.4 seconds" in PAGE


def test_the_last_nights_are_a_chart_and_a_table_that_say_which_one_failed() -> None:
    assert "2026-11-21 01:00, không qua cổng kiểm soát" in PAGE
    assert PAGE.count("93.0") == 1 and "94.0" in PAGE


def test_a_night_that_failed_is_said_first_with_where_and_why() -> None:
    broken = replace(night(), problems=(("audit", None, "GateFailedError: the totals do not agree"),))
    text = page(morning(night=broken), written_at=NIGHT_AT)
    (status, *_) = re.findall(r'<ul class="statuses">\s*<li class="(\w+)">', text)
    assert status == "fault"
    assert "failed in: Audit" in text
    assert '<span lang="en">GateFailedError: the totals do not agree</span>' in text


def test_a_publication_of_an_earlier_day_is_said_to_be_old() -> None:
    text = page(morning(), written_at=NIGHT_AT + dt.timedelta(days=2))
    assert "2 days old, none since" in text


def test_what_differs_from_the_day_before_is_told_with_what_it_goes_back_to() -> None:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", PAGE[PAGE.index('id="changed"') :]))
    assert "Against publication 1 of 2026-11-21 01:00" in text
    assert "4,300,000" in text and "+13,058" in text
    assert "p26-2021-10-v2 ← p26-2021-10-v1" in text and "A branch was paid for by its parent." in text
    assert "Bac Giang Province" in text
    assert "và 43 số khác" in text
    assert "vss diff 1 1" in text


def test_a_difference_of_fewer_than_five_persons_is_not_told() -> None:
    changed = PAGE[PAGE.index('id="changed"') : PAGE.index('id="territory-1"')]
    assert "1,099,577" not in changed
    assert "1,099,580" in changed and "&lt;5" in changed


def test_a_revision_of_a_figure_that_is_hidden_names_no_number() -> None:
    provinces = (vinh_phuc(figures=(figure("hi", 3), figure("si_voluntary", 900, is_withheld=True))), hue())
    revisions = tuple(
        Revision("Tỉnh Vĩnh Phúc", "Vinh Phuc", provinces[0].month, name, "persons", Decimal(800), Decimal(900), ("x",))
        for name in ("si_voluntary",)
    )
    text = page(
        Morning(headline(main=provinces), changes=changes(revisions=revisions, submissions=())), written_at=NIGHT_AT
    )
    changed = text[text.index('id="changed"') : text.index('id="territory-1"')]
    assert "800" not in changed and "900" not in changed


def test_a_reported_figure_that_is_withheld_is_not_told_by_its_difference() -> None:
    provinces = (vinh_phuc(figures=(figure("hi", 900, is_withheld=True), figure("people_managed", 1000))),)
    found = replace(headline().comparisons.differences[0], indicator="hi", comparison="none", unit="persons")
    found = replace(found, reported=Decimal(901), computed=Decimal(900))
    text = page(Morning(headline(main=provinces, comparisons=Comparisons(0, 1, 0, (found,)))), written_at=NIGHT_AT)
    compared = text[text.index('id="compared"') :]
    assert "báo cáo ghi *" in compared
    assert "901" not in compared and "900" not in compared


def test_nothing_changed_is_said_in_so_many_words() -> None:
    same = Changes(before=1, before_at=NIGHT_AT)
    assert "Nothing differs." in page(morning(changes=same), written_at=NIGHT_AT)
    first = page(morning(changes=Changes()), written_at=NIGHT_AT)
    assert "Nothing had been published the day before: every figure is new." in first


def test_candidates_are_counted_by_reason_and_province_and_none_is_named() -> None:
    section = PAGE[PAGE.index('id="inspections"') : PAGE.index('id="compared"')]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", section))
    assert "tax list of 2021" in text and "Of the first 100" in text
    for total in ("1,600", "100", "1,249", "548", "183,722"):
        assert f"<span>{total}</span>" in section[section.index('class="total"') :]


def test_the_quality_of_each_sender_is_told_the_worst_first() -> None:
    section = PAGE[PAGE.index('id="quality"') : PAGE.index('id="night"')]
    assert "3 senders, 1 without a fault" in section
    assert "E-TOLERANCE × 1, E-NUMBER × 416" in section
    assert "<span>7.97</span>" in section and "<span>&lt;0.01</span>" in section
    assert section.index("Tỉnh Bắc Ninh") < section.index("Tỉnh Vĩnh Phúc")
    assert "Headquarters" not in section


def test_employees_of_a_band_with_fewer_than_five_are_hidden() -> None:
    cells = re.findall(r"<span>([^<]*)</span></td>", PAGE)
    assert "&lt;5" in cells and "*" in cells


def test_before_anything_is_published_the_page_says_so() -> None:
    text = page(Morning(Headline(None)), written_at=NIGHT_AT)
    assert "Chưa có số liệu nào được công bố." in text
    assert "<figure>" not in text
    assert _links(text) <= _ids(text)


def test_a_publication_with_empty_relations_gives_a_page() -> None:
    text = page(Morning(Headline(headline().publication)), written_at=NIGHT_AT)
    assert "No province has a headline figure in this publication yet." in text
    assert _links(text) <= _ids(text)


def test_small_provinces_alone_are_listed_and_on_the_map() -> None:
    text = page(Morning(headline(main=(), others=(small("Tỉnh Lào Cai", "Lao Cai", 1512),))), written_at=NIGHT_AT)
    assert "1,512" in text
    assert _links(text) <= _ids(text)


def test_a_province_without_arrears_gives_no_empty_chart() -> None:
    text = page(Morning(headline(main=(hue(),), senders=())), written_at=NIGHT_AT)
    assert text.count('class="bars"') == 1
    assert "Chưa có số liệu." in text


def test_the_page_of_a_full_country_is_small() -> None:
    provinces = tuple(small(f"Tỉnh số {number}", f"Province {number}", 1000 + number) for number in range(63))
    text = page(morning(headline=headline(others=provinces)), written_at=NIGHT_AT)
    assert len(text.encode()) < 500_000


def _ids(text: str) -> set[str | None]:
    return {attributes["id"] for _, attributes in _tags(text) if "id" in attributes}


def _links(text: str) -> set[str]:
    return {(attributes["href"] or "")[1:] for tag, attributes in _tags(text) if tag == "a"}
