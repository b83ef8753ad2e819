"""The morning report as a browser shows it: at three widths, printed, and every text against its ground."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from chromium import PROGRAM, Page
from chromium import page as browser_page
from contrast import contrast
from headline_builders import NIGHT_AT, headline, morning, senders, small, vinh_phuc

from reporting.morning import page
from warehouse import geography

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium here"),
]
WIDTHS = (420, 1024, 1280)
A4 = 695  # CSS pixels between the margins


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of 63 provinces on which everything stands that there is to say."""
    known = [each for each in geography.provinces() if each.vintage == "63"]
    provinces = tuple(
        replace(
            small(each.name_vi, each.name_en, 1000 + number),
            province_code=each.province_code,
            figures=vinh_phuc().figures,
        )
        for number, each in enumerate(known)
        if each.province_code not in ("26", "46")
    )
    sent = {each.province_code: (number % 7, number % 5 == 0) for number, each in enumerate(known)}
    text = page(morning(headline=headline(others=provinces, senders=senders(sent))), written_at=NIGHT_AT)
    target = tmp_path_factory.mktemp("page") / "index.html"
    target.write_text(text, encoding="utf-8")
    return target.as_uri()


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser_page(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def show(tab: Page, address: str, width: int) -> None:
    """The page at a width in CSS pixels, once it stands."""
    tab.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
    tab.open(address)
    tab.wait(f"document.readyState + location.href === 'complete{address}'")


OUTSIDE = """
    [...document.querySelectorAll('body *')].filter(e => {
        const box = e.getBoundingClientRect();
        return box.width && !e.closest('.skip, .patterns, thead, svg *')
            && (box.right > document.documentElement.clientWidth + 1 || box.left < -1);
    }).map(e => e.tagName + '.' + e.getAttribute('class') + ': ' + e.textContent.slice(0, 60))
"""


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_stands_beside_the_page(tab: Page, address: str, width: int) -> None:
    show(tab, address, width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate(OUTSIDE) == []


CLIPPED = """
    [...document.querySelectorAll('.tile, td, th, .cards li, .statuses li')]
        .filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth && !e.closest('thead'))
        .map(e => e.textContent.trim())
"""


@pytest.mark.parametrize("width", WIDTHS)
def test_no_text_is_wider_than_what_it_stands_in(tab: Page, address: str, width: int) -> None:
    show(tab, address, width)
    assert tab.evaluate(CLIPPED) == []


WRITTEN_OUTSIDE = """
    [...document.querySelectorAll('.bars text')].filter(e => {
        const box = e.getBoundingClientRect(), all = e.closest('svg').getBoundingClientRect();
        return box.right > all.right + 1 || box.left < all.left - 1;
    }).map(e => e.textContent)
"""


@pytest.mark.parametrize("width", WIDTHS)
def test_no_word_of_a_chart_is_cut_off(tab: Page, address: str, width: int) -> None:
    show(tab, address, width)
    assert tab.evaluate(WRITTEN_OUTSIDE) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_the_figures_stand_on_the_screen(tab: Page, address: str, width: int) -> None:
    show(tab, address, width)
    seen = tab.evaluate("document.body.innerText")
    for figure in (
        "1,114,733", "5,480,379", "78.70", "+2.02", "1,084,419", "Tỉnh Thừa Thiên Huế", "26 Vĩnh Phúc", "210,118",
        "+13,058", "1,600", "E-TOLERANCE", "3,120,551", "83.4",
    ):  # fmt: skip
        assert figure in seen


TEXTS = """
    (() => {
        const solid = colour => {
            const [r, g, b, a] = colour.match(/[\\d.]+/g).map(Number);
            return a === 0 ? null : [r, g, b];
        };
        const found = {};
        const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        for (let node; (node = walk.nextNode());) {
            const at = node.parentElement;
            if (!node.data.trim() || at.closest('style, .skip') || !at.getClientRects().length) continue;
            const style = getComputedStyle(at);
            let ground = null;
            for (let e = at; e && !ground; e = e.parentElement) ground = solid(getComputedStyle(e).backgroundColor);
            const ink = solid(at.closest('.bars') ? style.fill : style.color);
            found[JSON.stringify([ink, ground || [255, 255, 255]])] = node.data.trim().slice(0, 60);
        }
        return found;
    })()
"""


@pytest.mark.parametrize("width", WIDTHS)
def test_every_text_stands_out_from_its_ground(tab: Page, address: str, width: int) -> None:
    show(tab, address, width)
    found = tab.evaluate(TEXTS)
    assert len(found) >= 10
    assert {text for pair, text in found.items() if contrast(*pair_of(pair)) < 4.5} == set()


def pair_of(text: str) -> tuple[str, str]:
    """Both colours of a pair as #rrggbb."""
    numbers = [int(each) for each in text.replace("[", "").replace("]", "").split(",")]
    one, other = ("".join(f"{number:02x}" for number in part) for part in (numbers[:3], numbers[3:]))
    return f"#{one}", f"#{other}"


def test_the_keyboard_goes_from_link_to_link_and_each_is_seen(tab: Page, address: str) -> None:
    show(tab, address, 1280)
    links = tab.evaluate("document.querySelectorAll('a[href]').length")
    reached = []
    for _ in range(links):
        for kind in ("keyDown", "keyUp"):
            tab.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        reached.append(
            tab.evaluate(
                "document.activeElement.getAttribute('href') + ' '"
                " + getComputedStyle(document.activeElement).outlineStyle"
            )
        )
    assert reached[0].startswith("#main ")
    assert len(reached) == links and all(each.startswith("#") and each.endswith(" solid") for each in reached)


def test_printed_it_fits_on_a4_without_its_navigation(tab: Page, address: str) -> None:
    tab.call("Emulation.setEmulatedMedia", media="print")
    try:
        show(tab, address, A4)
        assert tab.evaluate("document.documentElement.scrollWidth") <= A4
        assert tab.evaluate(OUTSIDE) == []
        assert "Tóm tắt At a glance\n" not in tab.evaluate("document.querySelector('header').innerText")
    finally:
        tab.call("Emulation.setEmulatedMedia", media="")
    printed = base64.b64decode(tab.call("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert 1 < len(re.findall(rb"/Type\s*/Page[^s]", printed)) < 30


def test_it_asks_for_nothing_and_runs_nothing(tab: Page, address: str) -> None:
    show(tab, address, 1280)
    assert tab.evaluate("performance.getEntriesByType('resource').length") == 0
    assert tab.evaluate("document.scripts.length") == 0
