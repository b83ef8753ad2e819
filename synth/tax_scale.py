"""Units and a tax list at the size of the country, for a benchmark of the match alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from synth import identifiers, names
from synth.chance import Ints, below, salt, share
from synth.provinces import Cell, cell, succession
from synth.tax_kinds import STEMS, written
from synth.tax_truth import FREE_NUMBERS, TAX_SCHEMA

_SHARES = (
    ("exact_code", 0.80), ("personal_id", 0.85), ("parent_code", 0.88), ("branch_code", 0.90), ("review", 0.92),
    ("unregistered", 1.0),
)  # fmt: skip
_STYLES = (
    "review_tone",
    "review_decomposed",
    "review_share_company",
    "review_upper_case",
    "review_plain_d",
    "review_typo",
)


@dataclass(frozen=True)
class MatchFrames:
    """Units, tax list, and for each code its rung and the unit it belongs to, by its row in `employers`."""

    employers: pl.DataFrame
    tax_list: pl.DataFrame
    truth: pl.DataFrame


def match_frames(*, codes: int, units: int, tax_year: int = 2021, seed: int = 1) -> MatchFrames:
    """Units and one tax year's list at any size, such as 550,000 codes against 700,000 units; in seconds.

    Four in five codes are a unit's own, others match by the further rungs, two in a hundred by name only (class
    review), the rest has no unit. Units beyond the codes are not on the list. Raises ValueError for fewer units than
    codes.
    """
    if units < codes:
        raise ValueError("there must be at least as many units as codes")
    number = np.arange(units, dtype=np.int64)
    cells = [cell(code, scale=1) for code in succession()]
    ends = np.cumsum([one.sizes.units for one in cells])
    at_cell = np.searchsorted(ends / ends[-1], (number + 0.5) / units, side="right")
    # units of a province lie together; the codes are a sample of all of them
    order = np.argsort(share(number, salt(seed, "listed")), kind="stable")
    place = np.empty(units, dtype=np.int64)
    place[order] = number
    kinds = [name for name, _ in _SHARES]
    kind_no = np.searchsorted([bound for _, bound in _SHARES], share(number, salt(seed, "rung")), side="right")
    kind = pl.Series("kind", kinds).gather(np.minimum(kind_no, len(kinds) - 1))
    own, free = (_codes_of(cells, at_cell, number, first) for first in (0, 1_500_000))
    personal = _persons_of(cells, at_cell, number)
    called = _names_of(number, kind, seed)
    no_code = pl.Series([None], dtype=pl.String).new_from_index(0, units)
    carried = _by_kind(
        kind,
        {"personal_id": personal, "branch_code": own + "-001", "review": no_code, "unregistered": free},
        own,
    )
    listed_code = _by_kind(kind, {"personal_id": personal, "parent_code": own + "-002", "review": free}, own)
    style = below(number, salt(seed, "style"), len(_STYLES))
    listed_name = called
    for at_style, name in enumerate(_STYLES):
        chosen = pl.Series(style == at_style) & (kind == "review")
        listed_name = written(name, called).zip_with(chosen, listed_name)
    listed_name = ("Công ty TNHH Dịch vụ " + pl.Series(number + FREE_NUMBERS).cast(pl.String)).zip_with(
        kind == "unregistered", listed_name
    )
    province = pl.Series([one.code for one in cells]).gather(at_cell)
    employers = pl.DataFrame(
        {
            "province_code": province,
            "si_unit_code": identifiers.unit_codes(pl.Series(["TN"]).new_from_index(0, units), _within(at_cell), 0),
            "tax_code": carried,
            "name": called,
            "unit_type": _by_kind(kind, {"personal_id": _constant("household", units)}, _constant("private", units)),
            "status": _constant("active", units),
            "employees": 1 + below(number, salt(seed, "heads"), 60),
            "address": pl.Series(names.STREETS).gather(below(number, salt(seed, "street"), len(names.STREETS))),
        }
    )
    heads = employers["employees"]
    listed = pl.DataFrame(
        {
            "tax_year": pl.Series([tax_year], dtype=pl.Int64).new_from_index(0, units),
            "tax_code": listed_code,
            "supplement_no": pl.Series([0], dtype=pl.Int64).new_from_index(0, units),
            "name": listed_name,
            "province_code": province,
            "status": _constant("operating", units),
            "status_date": pl.Series([None], dtype=pl.Date).new_from_index(0, units),
            "employees_paid": heads,
            "employees_with_contract": heads,
            "income_paid_vnd": heads * 90_000_000,
            "cit_finalised": pl.Series(["N", "Y"]).gather(number % 2),
            "cit_filing_date": pl.Series([None], dtype=pl.Date).new_from_index(0, units),
            "wage_cost_vnd": heads * 91_500_000,
            "industry_code": _constant("5610", units),
            "address": employers["address"],
        },
        schema=TAX_SCHEMA,
    )
    rule = kind.replace({"review": None, "unregistered": None})
    truth = pl.DataFrame(
        {
            "tax_code": listed_code,
            "expected_class": kind.replace_strict(
                {"review": "review", "unregistered": "not_registered"}, default="matched", return_dtype=pl.String
            ),
            "expected_rule": rule,
            "unit_row": pl.Series(number).zip_with(kind != "unregistered", pl.Series([None] * units, dtype=pl.Int64)),
        }
    )
    is_listed = pl.Series(place < codes)
    return MatchFrames(employers, listed.filter(is_listed), truth.filter(is_listed))


def _constant(text: str, count: int) -> pl.Series:
    return pl.Series([text]).new_from_index(0, count)


def _by_kind(kind: pl.Series, values: Mapping[str, pl.Series], default: pl.Series) -> pl.Series:
    for name, value in values.items():
        default = value.zip_with(kind == name, default)
    return default


def _within(at_cell: Ints) -> Ints:
    """The number of each unit among those of its cell."""
    starts = np.searchsorted(at_cell, np.arange(at_cell[-1] + 1))
    return np.arange(len(at_cell), dtype=np.int64) - starts[at_cell]


def _codes_of(cells: Sequence[Cell], at_cell: Ints, number: Ints, first: int) -> pl.Series:
    parts = [
        identifiers.organisation_tax_codes(one.position + 1, first + number[at_cell == place])
        for place, one in enumerate(cells)
    ]
    return pl.concat(parts)


def _persons_of(cells: Sequence[Cell], at_cell: Ints, number: Ints) -> pl.Series:
    parts = []
    for place, one in enumerate(cells):
        own = number[at_cell == place]
        parts.append(identifiers.personal_ids(one.code, 1950 + own % 40, own % 2, own))
    return pl.concat(parts)


def _names_of(number: Ints, kind: pl.Series, seed: int) -> pl.Series:
    stems = pl.concat([names.unit_names("private"), pl.Series([one for stems in STEMS.values() for one in stems])])
    stem = stems.gather(below(number, salt(seed, "stem"), len(stems)))
    household = names.unit_names("household").gather(below(number, salt(seed, "stem"), 24))
    return household.zip_with(kind == "personal_id", stem) + " " + pl.Series(number + 1).cast(pl.String)
