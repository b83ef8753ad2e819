"""Make a share of rows bad, each in one cell, the ways files really arrive broken."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

Spoiler = Callable[[pl.Expr], pl.Expr]


def grouped(cell: pl.Expr) -> pl.Expr:
    """Thousands separated by dots: 1234567 becomes 1.234.567."""
    return (
        cell.fill_null("1234567").str.replace_all(r"(\d)(\d{3})$", "$1.$2").str.replace_all(r"(\d)(\d{3}\.)", "$1.$2")
    )


def constant(text: str) -> Spoiler:
    """Replace a cell by a text."""
    return lambda _: pl.lit(text)


def one_digit_short(cell: pl.Expr) -> pl.Expr:
    """A leading zero lost in a spreadsheet, or any first digit."""
    return cell.str.slice(1)


_SPOILERS: dict[str, list[tuple[str, Spoiler]]] = {
    "participants": [
        ("si_number", one_digit_short),
        ("birth_date", constant("31/02/1990")),
        ("sex", constant("X")),
        ("wage_base_vnd", grouped),
    ],
    "employers": [("tax_code", constant("0100047517")), ("status", constant("closed")), ("employees", constant("-1"))],
    "contributions": [("due_vnd", grouped), ("liability_month", constant("2021-13")), ("paid_vnd", constant("12,5"))],
    "arrears": [("principal_vnd", grouped), ("hard_to_collect", constant("gone"))],
    "inspections": [("decision_date", constant("31/02/2021")), ("kind", constant("visit"))],
    "plan_targets": [("indicator", constant("hii"))],
    "indicators": [("value", constant("230,0005"))],
    "benefits": [("amount_vnd", constant("117,59 tỷ"))],
    "policy_relief": [("cut_off_date", constant("31/11/2021"))],
    "outreach": [("held_on", constant("13/13/2021"))],
    "tax_employers": [("tax_code", constant("0100047517")), ("employees_paid", constant("x"))],
    "weekly_report": [("area", constant("weather"))],
}


def spoil(feed: str, frame: pl.DataFrame, share: float, *, key: int) -> pl.DataFrame:
    """The frame with `share` of its rows made bad; which ones follows from `key`."""
    count = round(frame.height * share)
    if count == 0:
        return frame
    places = np.random.default_rng(key).permutation(frame.height)[:count]
    spoilers = _SPOILERS[feed]
    for number, (column, spoiler) in enumerate(spoilers):
        frame = spoil_cells(frame, column, spoiler, places[number :: len(spoilers)].tolist())
    return frame


def spoil_cells(frame: pl.DataFrame, column: str, spoiler: Spoiler, places: list[int]) -> pl.DataFrame:
    """The frame with one column as text and its cells at `places` (row numbers from 0) replaced."""
    if not places:
        return frame
    chosen = np.zeros(frame.height, dtype=np.bool_)
    chosen[places] = True
    cell = pl.col(column).cast(pl.String)
    return frame.with_columns(pl.when(pl.Series(chosen)).then(spoiler(cell)).otherwise(cell).alias(column))
