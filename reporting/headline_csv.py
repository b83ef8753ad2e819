"""The headline as CSV, to pass on: every territory with its figures, none of a count under five persons."""

from __future__ import annotations

import csv
from decimal import Decimal
from typing import TextIO

from reporting.figures import Figure, Headline, Territory
from warehouse.spreadsheets import plain

_HEADING = (
    "publication_id", "month", "province_code", "name_vi", "name_en", "indicator", "unit", "actual", "plan",
    "attainment_pct", "growth_yoy_pct", "growth_vs_december_pct", "source", "qualifier", "as_of_date", "hidden",
)  # fmt: skip


def write_csv(headline: Headline, out: TextIO) -> None:
    """A line a territory and indicator; numbers as `bi` has them (money in đồng, percentages not rounded).

    `hidden` is `few` for a count under five persons and `withheld` for one that would tell it: such a line has no
    numbers. Of the country `province_code` is `national`.
    """
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_HEADING)
    published = headline.publication
    for territory in (*headline.main, *headline.others):
        for figure in territory.figures:
            line = (None if published is None else published.publication_id, *_place(territory), *_cells(figure))
            writer.writerow([_number(cell) if isinstance(cell, Decimal) else plain(cell) for cell in line])


def _place(territory: Territory) -> tuple[object, ...]:
    code = territory.province_key if territory.is_national else territory.province_code
    return territory.month, code, territory.name_vi, territory.name_en


def _cells(figure: Figure) -> tuple[object, ...]:
    numbers: tuple[Decimal | None, ...] = (
        figure.actual, figure.plan, figure.attainment_pct, figure.growth_yoy_pct, figure.growth_vs_december_pct,
    )  # fmt: skip
    hidden = ""
    if figure.is_hidden:
        numbers, hidden = (None,) * len(numbers), "few" if figure.is_few else "withheld"
    return (figure.indicator, figure.unit, *numbers, figure.source, figure.qualifier, figure.as_of_date, hidden)


def _number(value: Decimal) -> str:
    return f"{value:f}"
