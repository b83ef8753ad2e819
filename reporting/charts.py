"""The two charts, as SVG that stands in the page: no script, no font file, no address."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

import altair as alt
import vl_convert

from reporting import labels
from reporting.figures import ArrearsBand, Figure
from reporting.numbers import fixed, million

SOURCES = {"computed": "#1d4f91", "reported": "#8a5a00", "partly": "#5d4a86"}
COLLECTABLE, HARD = "#1d4f91", "#a3341f"
_INK, _GRID = "#1b1f24", "#c9ced6"
_WIDTH, _STEP, _BAR = 400, 46, 15
# the numbers stand in the last fifth, beside the longest bar
_ROOM = 1.25


def attainment(figures: Sequence[Figure]) -> str | None:
    """Bars of attainment in percent of the year's plan, with a line at 100; None when no plan is known."""
    rows = [
        {
            "order": order,
            "label": _label(labels.indicator(figure.indicator)),
            "shown": f"{fixed(figure.attainment_pct)} %",
            "value": float(figure.attainment_pct),
            "part": figure.source,
        }
        for order, figure in enumerate(attained(figures))
        if figure.attainment_pct is not None
    ]
    if not rows:
        return None
    full = alt.Chart(alt.Data(values=[{"value": 100}])).mark_rule(color=_INK, strokeDash=[5, 3], strokeWidth=1.5)
    return _svg(
        rows,
        largest=max(100.0, *(float(figure.attainment_pct or 0) for figure in attained(figures))),
        colours=SOURCES,
        axis=alt.Axis(values=[0, 25, 50, 75, 100], title=None, format="d"),
        over=[full.encode(x="value:Q")],
    )


def arrears(bands: Sequence[ArrearsBand]) -> str | None:
    """Bars of principal in million đồng by ageing band, the hard-to-collect part apart; None when nothing is owed."""
    rows = []
    for order, band in enumerate(bands):
        parts = {"collectable": band.principal_vnd - band.hard_to_collect_vnd, "hard": band.hard_to_collect_vnd}
        rows += [
            {
                "order": order,
                "label": f"{band.name_vi} · {band.name_en}",
                "shown": million(band.principal_vnd),
                "value": float(Decimal(vnd) / 1_000_000),
                "part": part,
            }
            for part, vnd in parts.items()
        ]
    largest = max((band.principal_vnd for band in bands), default=0)
    if not largest:
        return None
    return _svg(
        rows,
        largest=largest / 1_000_000,
        colours={"collectable": COLLECTABLE, "hard": HARD},
        axis=alt.Axis(tickCount=4, title=None, format=",d", grid=False),
        over=[],
    )


def attained(figures: Sequence[Figure]) -> list[Figure]:
    """The figures that have an attainment to show."""
    return [figure for figure in figures if figure.attainment_pct is not None and not figure.is_hidden]


def _label(words: labels.Words) -> str:
    return f"{words.vi} · {words.en}"


def _svg(
    rows: Sequence[Mapping[str, object]], *, largest: float, colours: dict[str, str], axis: object, over: list[object]
) -> str:
    base = alt.Chart(alt.Data(values=list(rows))).encode(y=alt.Y("order:O", axis=None, scale=alt.Scale(padding=0)))
    x = alt.X("value:Q", stack=True, axis=axis, scale=alt.Scale(domain=[0, largest * _ROOM], nice=False))
    colour = alt.Color("part:N", legend=None, scale=alt.Scale(domain=list(colours), range=list(colours.values())))
    bars = base.mark_bar(size=_BAR, yOffset=9).encode(x=x, color=colour, order=alt.Order("part:N"))
    first = alt.datum.part == rows[0]["part"] if len({row["part"] for row in rows if row["order"] == 0}) > 1 else "true"
    words = base.transform_filter(first)
    names = words.mark_text(align="left", baseline="middle", dy=-9, color=_INK).encode(x=alt.value(0), text="label:N")
    values = words.mark_text(align="right", baseline="middle", dy=9, color=_INK, fontWeight="bold").encode(
        x=alt.value(_WIDTH), text="shown:N"
    )
    chart = (
        alt.layer(bars, *over, names, values)
        .properties(width=_WIDTH, height=alt.Step(_STEP))
        .configure(font="sans-serif", background="transparent", padding={"left": 4, "right": 14, "top": 4, "bottom": 4})
        .configure_view(stroke=None)
        .configure_text(fontSize=13)
        .configure_axis(gridColor=_GRID, labelColor=_INK, labelFontSize=12, domain=False, ticks=False)
    )
    return _for_the_page(vl_convert.vegalite_to_svg(chart.to_json()))


def _for_the_page(svg: str) -> str:
    """Without namespaces, which HTML knows, and as wide as its place; screen readers have the table."""
    svg = re.sub(r'\s(xmlns(:\w+)?|version)="[^"]*"', "", svg)
    svg = re.sub(r'\s(role|aria-[a-z]+)="[^"]*"', "", svg)
    return re.sub(r'^<svg([^>]*?) width="[^"]*" height="[^"]*"', r'<svg\1 aria-hidden="true" focusable="false"', svg)
