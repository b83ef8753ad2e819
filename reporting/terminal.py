"""The headline for a terminal: plain text, at most 110 columns."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from zoneinfo import ZoneInfo

from reporting import labels, sentences
from reporting.figures import Figure, Headline, Territory
from reporting.numbers import NOTHING, fixed

WIDTH = 110
_LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
_DIFFERENCES_AT_MOST = 12
_FULL = (38, 14, 14, 9, 9, 9, 9)
_FULL_HEADING = ("", "actual", "plan", "of plan %", "on year %", "on Dec. %", "source")
_BRIEF = (27, 8, 14, 9, 9, 9, 9, 9)
_BRIEF_HEADING = ("", "month", "people managed", "SI comp.", "SI vol.", "UI", "HI", "collect.")
_BRIEF_ATTAINMENTS = ("si_compulsory", "si_voluntary", "ui", "hi", "collection")


def as_text(headline: Headline) -> str:
    """The headline as lines of text, ending in a line break."""
    return "\n".join(_lines(headline)) + "\n"


def _lines(headline: Headline) -> Iterator[str]:
    published = headline.publication
    if published is None:
        yield "Nothing is published yet: run `vss nightly`, or `vss ingest`, `vss build` and `vss publish`."
        yield from _submissions(headline)
        return
    when = published.published_at.astimezone(_LOCAL)
    yield f"Publication {published.publication_id} of {when:%Y-%m-%d %H:%M} (Asia/Ho_Chi_Minh)"
    yield from _wrapped(published.completeness)
    yield from _wrapped(published.freshness)
    if not headline.main and not headline.others:
        yield ""
        yield "No province has a headline figure in it yet."
    for territory in headline.main:
        yield ""
        yield from _in_full(territory)
    if headline.others:
        yield ""
        yield "Other provinces: people managed, and percent of the plan where one is known"
        yield _row(_BRIEF_HEADING, _BRIEF)
        for territory in headline.others:
            yield from _in_brief(territory)
    yield ""
    yield from _differences(headline)
    yield from _submissions(headline)


def _in_full(territory: Territory) -> Iterator[str]:
    title = f"{territory.name_vi}, {territory.month:%Y-%m}: {sentences.origin(territory).en}"
    if territory.provinces_included is not None:
        title += f" ({territory.included} of {territory.provinces_expected} provinces)"
    yield from _wrapped(title)
    yield _row(_FULL_HEADING, _FULL)
    for figure in territory.figures:
        yield _row(_full_cells(figure), _FULL)
    for words in (sentences.arrears(territory), sentences.coverage(territory)):
        if words:
            yield from _wrapped(words.en, "  ")


def _full_cells(figure: Figure) -> Sequence[str]:
    name = f"  {labels.indicator(figure.indicator).en}, {labels.unit(figure.unit, of=figure.indicator).en}"
    return [
        name,
        figure.shown,
        figure.shown_plan,
        attainment(figure),
        growth(figure, figure.growth_yoy_pct),
        growth(figure, figure.growth_vs_december_pct),
        figure.source.upper() if figure.is_reported else figure.source,
    ]


def attainment(figure: Figure | None) -> str:
    """Percent of the plan; for a ceiling or a floor without one, whether it is met."""
    if figure is None or figure.is_hidden:
        return NOTHING
    if figure.attainment_pct is None and figure.target_met is not None:
        return "met" if figure.target_met else "not met"
    return fixed(figure.attainment_pct)


def growth(figure: Figure, value: Decimal | None) -> str:
    """Percent with its sign; of a ratio percentage points."""
    if figure.is_hidden or value is None:
        return NOTHING
    return fixed(value, signed=True) + ("pp" if figure.unit == "percent" else "")


def _in_brief(territory: Territory) -> Iterator[str]:
    people = territory.figure("people_managed")
    cells = [
        f"  {territory.name_vi}",
        f"{territory.month:%Y-%m}",
        people.shown if people else NOTHING,
        *(attainment(territory.figure(name)) for name in _BRIEF_ATTAINMENTS),
    ]
    line = _row(cells, _BRIEF)
    yield line if territory.is_computed else f"{line} REPORTED"


def _differences(headline: Headline) -> Iterator[str]:
    compared = headline.comparisons
    if not compared.agree and not compared.differ:
        yield "No reported figure could be compared with a computed one."
        return
    yield (
        f"Of {compared.agree + compared.differ} reported figures that can be compared, "
        f"{compared.differ} differ from the computed."
    )
    for found in compared.differences[:_DIFFERENCES_AT_MOST]:
        yield from _wrapped(
            sentences.difference(replace(found, name_en=found.name_vi), is_withheld=headline.is_withheld(found)).en,
            "  ",
        )
    if compared.differ > _DIFFERENCES_AT_MOST:
        yield f"  … and {compared.differ - _DIFFERENCES_AT_MOST} more in bi.rpt_reported_vs_computed."


def _submissions(headline: Headline) -> Iterator[str]:
    if headline.submissions:
        counts = ", ".join(f"{count} {labels.state(state).en}" for state, count in headline.submissions)
        yield from _wrapped(f"Submissions: {counts}.")
    for one in headline.open_submissions:
        codes = f" ({', '.join(one.codes)})" if one.codes else ""
        yield from _wrapped(f"{one.submission_id} of {one.sender} is {labels.state(one.state).en}{codes}.", "  ")


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (unicodedata.normalize("NFC", cell) for cell in cells)
    line = first[: widths[0]].ljust(widths[0])
    return line + "".join(f" {cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True))


def _wrapped(text: str, indent: str = "") -> list[str]:
    whole = unicodedata.normalize("NFC", text)
    return textwrap.wrap(whole, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False)
