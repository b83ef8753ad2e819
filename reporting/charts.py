"""Bars, as SVG that stands in the page: no script, no font file, no address. Colours are classes of the page's style.

A part of a bar is told by its pattern as well as by its colour; the numbers stand beside the bars, and in the table
behind each chart, which is what screen readers get.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape

from reporting import labels
from reporting.figures import ArrearsBand, Figure, NightRun
from reporting.labels import Words
from reporting.numbers import fixed, million

PARTS = 3
_WIDTH = 400
_BAR, _TEXT, _GAP = 16, 18, 10
_LINE = 54
# the numbers stand in the last fifth, beside the longest bar
_LONGEST = Decimal(_WIDTH) * 4 / 5


@dataclass(frozen=True)
class Bar:
    """One bar: its name, the number beside it, and the lengths of its parts with the class of each (from 0)."""

    name: Words
    shown: str
    parts: Sequence[tuple[Decimal, int]]


def attainment(figures: Sequence[Figure]) -> str | None:
    """Bars of attainment in percent of the year's plan, with a line at 100; None when no plan is known."""
    bars = [
        Bar(
            _named(figure),
            f"{fixed(figure.attainment_pct)} %",
            [(figure.attainment_pct, ("computed", "reported", "partly").index(figure.source))],
        )
        for figure in attained(figures)
        if figure.attainment_pct is not None
    ]
    return _svg(bars, at_least=Decimal(100), line=Decimal(100)) if bars else None


def arrears(bands: Sequence[ArrearsBand]) -> str | None:
    """Bars of principal in million đồng by ageing band, the hard-to-collect part apart; None when nothing is owed."""
    if not any(band.principal_vnd for band in bands):
        return None
    return _svg(
        [
            Bar(
                Words(band.name_vi, band.name_en),
                million(band.principal_vnd),
                [
                    (Decimal(band.principal_vnd - band.hard_to_collect_vnd), 0),
                    (Decimal(band.hard_to_collect_vnd), 1),
                ],
            )
            for band in bands
        ]
    )


def reasons(counts: Sequence[tuple[Words, int]]) -> str | None:
    """Bars of candidates by reason; None without any."""
    if not any(count for _, count in counts):
        return None
    return _svg([Bar(name, fixed(count, 0), [(Decimal(count), 0)]) for name, count in counts])


def nights(runs: Sequence[NightRun], names: Sequence[str]) -> str | None:
    """Bars of seconds by night: loading, building, the rest; None before the first."""
    if not any(run.seconds for run in runs):
        return None
    return _svg(
        [
            Bar(
                _ended(name, labels.outcome(run.outcome)) if run.outcome != "done" else Words(name, name),
                f"{fixed(run.seconds, 0)} s",
                [(run.load_seconds, 0), (run.build_seconds, 1), (run.other_seconds, 2)],
            )
            for run, name in zip(runs, names, strict=True)
        ]
    )


def attained(figures: Sequence[Figure]) -> list[Figure]:
    """The figures that have an attainment to show."""
    return [figure for figure in figures if figure.attainment_pct is not None and not figure.is_hidden]


def pattern(part: int) -> str:
    """What a part is drawn over with, so that it is known without its colour: nothing, stripes, dots."""
    return ("", '<path d="M-1 7 7 -1M3 11 11 3"/>', '<circle cx="4" cy="4" r="1.6"/>')[part]


def swatch(part: int) -> str:
    """A part's colour and pattern in a small square, for a legend."""
    over = f'<g class="over">{pattern(part)}</g>' if part else ""
    return (
        f'<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true" focusable="false">'
        f'<rect class="part-{part}" width="10" height="10"/>{over}</svg>'
    )


def _named(figure: Figure) -> Words:
    name = labels.indicator(figure.indicator)
    if figure.source == "computed":
        return name
    source = labels.SOURCES[figure.source]
    return Words(f"{name.vi} ({source.vi})", f"{name.en} ({source.en})")


def _ended(name: str, outcome: Words) -> Words:
    return Words(f"{name}, {outcome.vi}", outcome.en)


def _svg(bars: Sequence[Bar], *, at_least: Decimal = Decimal(0), line: Decimal | None = None) -> str:
    largest = max(at_least, *(sum((length for length, _ in bar.parts), Decimal(0)) for bar in bars), Decimal(0))
    drawn, top = [], 0
    for bar in bars:
        for said, kind in _lines(bar.name):
            top += _TEXT
            drawn.append(f'<text{kind} x="0" y="{top - 4}">{escape(said)}</text>')
        left = Decimal(0)
        for length, part in bar.parts:
            width = max(length, Decimal(0)) / largest * _LONGEST if largest else Decimal(0)
            place = f'x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_BAR}"'
            if width:
                drawn.append(f'<rect class="part-{part}" {place}/>')
                if part:
                    drawn.append(f'<rect fill="url(#pattern-{part})" {place}/>')
            left += width
        drawn.append(f'<text class="value" x="{_WIDTH}" y="{top + _BAR - 3}">{escape(bar.shown)}</text>')
        top += _BAR + _GAP
    if line is not None and largest:
        at = line / largest * _LONGEST
        drawn.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{_TEXT}" y2="{top}"/>')
    return f'<svg class="bars" viewBox="0 0 {_WIDTH} {top}" aria-hidden="true" focusable="false">{"".join(drawn)}</svg>'


def _lines(name: Words) -> list[tuple[str, str]]:
    """The name on one line where both languages fit, else English under it; each with its class."""
    if name.vi == name.en:
        return [(name.vi, "")]
    together = f"{name.vi} · {name.en}"
    if len(together) <= _LINE:
        return [(together, "")]
    return [(name.vi, ""), (name.en, ' class="second"')]
