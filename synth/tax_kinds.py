"""The kinds of cases that are planted in a tax list, what the match must say of each, and how names are written there.

Rules: semantics R17 to R19.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from synth import names

WORD_STEMS = 24
"""Names without digits that differ in every word; there are no more."""


@dataclass(frozen=True)
class Kind:
    """What the match must say of a kind of case, and why. No class: the code has no row. No rule: no unit by a rung."""

    expected_class: str | None
    rule: str | None
    reason: str


def _matched(reason: str, rule: str = "exact_code") -> Kind:
    return Kind("matched", rule, reason)


KINDS: Mapping[str, Kind] = {
    "plain": _matched("as many heads as the tax list has"),
    "refiled": _matched("a supplement in a later period's file says the same again"),
    "unregistered": Kind("not_registered", None, "pays persons and no unit carries the code"),
    "unregistered_household": Kind("not_registered", None, "a household business pays persons and is no unit"),
    "unregistered_unknown_province": Kind("not_registered", None, "the list does not know the province"),
    "nobody_paid": Kind(None, None, "no unit and nobody paid: no row"),
    "nobody_paid_closed": Kind("closed_or_absconded", None, "no unit, nobody paid, but closed in tax"),
    "nobody_paid_by_a_unit": _matched("the unit insures persons although nobody was paid"),
    "under_declared": Kind("under_declared", "exact_code", "the smallest gap of 2 heads and a tenth"),
    "gap_of_one": _matched("one head is less than the smallest gap, though more than a tenth"),
    "gap_below_a_tenth": _matched("the largest gap below a tenth of the tax heads"),
    "finalised_unpaid": Kind("cit_finalised_si_unpaid", "exact_code", "finalised, and a month overdue at the last end"),
    "finalised_unpaid_under_declared": Kind("cit_finalised_si_unpaid", "exact_code", "stands before under_declared"),
    "unpaid_not_finalised": _matched("overdue, but the tax was not finalised"),
    "finalised_not_overdue": _matched("owes principal that is not overdue"),
    "finalised_below_a_month": _matched("overdue for less than a month"),
    "finalised_paid_since": _matched("overdue in earlier months, nothing at the last month end"),
    "closed": Kind("closed_or_absconded", "exact_code", "closed in tax, still insuring"),
    "closed_unpaid": Kind("closed_or_absconded", "exact_code", "closed in tax stands before everything else"),
    "suspended": _matched("suspended in tax is not closed"),
    "absconded": Kind("closed_or_absconded", "exact_code", "the unit's last status is absconded"),
    "absconded_and_back": _matched("absconded in an earlier month, active at the last"),
    "dissolved": _matched("a dissolved unit has not absconded"),
    "one_of_two_absconded": _matched("not every unit of the code has absconded"),
    "branch_of_parent_units": _matched("a branch insured under its parent's code", "parent_code"),
    "branch_beside_parent": _matched("a branch insured under its parent's code, which is listed too", "parent_code"),
    "parent_of_that_branch": _matched("the parent itself, matched by its own code"),
    "parent_by_branch": _matched("all units carry a branch's code that is not listed", "branch_code"),
    "parent_of_listed_branch": Kind("not_registered", None, "the branch's units belong to the branch's own row"),
    "listed_branch": _matched("a branch's unit carries the branch's own code"),
    "household": _matched("a household business by its owner's 12 digits", "personal_id"),
    "renamed": _matched("the same code under another name: the code wins"),
    "two_units": _matched("two units of one code in one province"),
    "two_provinces": _matched("two units of one code in two provinces"),
    "person_twice": Kind("under_declared", "exact_code", "persons in both provinces count once"),
    "turnover": Kind("under_declared", "exact_code", "the list counts everybody of the year, the mean half of them"),
    "turnover_mean": _matched("as many heads as the mean, fewer than the distinct persons"),
    "supplement_closes": Kind("closed_or_absconded", "exact_code", "the supplement of the same file closes it"),
    "supplement_adds_heads": Kind("under_declared", "exact_code", "the supplement of the same file adds heads"),
    "supplement_takes_heads": _matched("the supplement of the same file takes the surplus heads back"),
    "later_supplement_closes": Kind("closed_or_absconded", "exact_code", "a later period's supplement closes it"),
    "later_supplement_adds_heads": Kind("under_declared", "exact_code", "a later period's supplement adds heads"),
    "later_supplement_takes_heads": _matched("a later period's supplement takes the surplus heads back"),
    "same_supplement_later": _matched("the same supplement in two periods: the later period counts"),
    "lower_supplement_later": _matched("a lower supplement in a later period does not count"),
    "review_tone": Kind("review", None, "tone marks placed the other way, hòa and hoà; the unit has no code"),
    "review_decomposed": Kind("review", None, "decomposed letters; the unit has no code"),
    "review_share_company": Kind("review", None, "CP for Cổ phần; the unit has no code"),
    "review_one_member": Kind("review", None, "TNHH written out, with MTV; the unit has no code"),
    "review_upper_case": Kind("review", None, "upper case; the unit has another valid code"),
    "review_plain_d": Kind("review", None, "d for đ; the unit has another valid code"),
    "review_typo": Kind("review", None, "a letter is missing; the unit has another valid code"),
    "review_words": Kind("review", None, "a name without digits, written without tone marks; the unit has no code"),
    "review_unknown_province": Kind("review", None, "equal core names where the list does not know the province"),
    "swapped_digits": Kind("review", None, "two digits swapped in a way the check digit cannot find; the same name"),
    "other_digits": Kind("not_registered", None, "names with different digits are never similar"),
    "missing_digits": Kind("not_registered", None, "a name with digits is not similar to one without"),
    "other_province": Kind("not_registered", None, "the same name in another province is somebody else"),
    "typo_unknown_province": Kind("not_registered", None, "not equal, and the province is unknown"),
    "not_in_list": Kind("not_in_tax_list", None, "an active unit that no row of the year matches"),
}
UNITLESS = (
    "unregistered", "unregistered_household", "unregistered_unknown_province", "nobody_paid", "nobody_paid_closed",
)  # fmt: skip
REVIEWED = (
    "review_tone", "review_decomposed", "review_share_company", "review_one_member", "review_upper_case",
    "review_plain_d", "review_typo", "review_words", "review_unknown_province", "swapped_digits", "other_digits",
    "missing_digits", "other_province", "typo_unknown_province",
)  # fmt: skip
WITH_ANOTHER_CODE = ("review_upper_case", "review_plain_d", "review_typo", "other_digits", "swapped_digits")
PAIRS = ("two_units", "two_provinces", "person_twice", "one_of_two_absconded")
IN_TWO_PROVINCES = ("two_provinces", "person_twice")
UNPAID = ("finalised_unpaid", "finalised_unpaid_under_declared", "unpaid_not_finalised", "closed_unpaid")
OWING = (*UNPAID, "finalised_not_overdue", "finalised_below_a_month", "finalised_paid_since")
FINALISED = tuple(kind for kind in OWING if kind != "unpaid_not_finalised")
ADDED_HEADS = (
    "under_declared", "finalised_unpaid_under_declared", "supplement_adds_heads", "later_supplement_adds_heads",
)  # fmt: skip

_TONE = {"òa": "oà", "óa": "oá", "ỏe": "oẻ", "ủy": "uỷ", "ùy": "uỳ", "úy": "uý"}
STEMS: Mapping[str, tuple[str, ...]] = {
    "review_tone": ("Công ty TNHH Hòa Phú", "Công ty TNHH Khỏe Đẹp Hòa Bình", "Công ty TNHH Thủy Sản Hòa An"),
    "review_share_company": ("Công ty Cổ phần Gia Hưng", "Công ty Cổ phần Xây dựng Nam Sơn"),
    "review_one_member": ("Công ty TNHH MTV Lộc Xuân", "Công ty TNHH MTV Sao Mai Trường Sinh"),
    "review_plain_d": ("Công ty TNHH Đại Thành Đông Á", "Công ty Cổ phần Điện Đức Trí"),
    "review_words": tuple(names.unit_names("private")[:WORD_STEMS]),
    "missing_digits": ("Công ty TNHH Vạn Lợi Tường",),
    "review_typo": ("Công ty TNHH Thiên Ân Khánh Trường", "Công ty Cổ phần Hưng Thịnh Quang Vinh"),
}


def _without_marks(name: pl.Series) -> pl.Series:
    bare = name.str.normalize("NFD").str.replace_all(r"\p{Mn}", "")
    return bare.str.replace_many(["đ", "Đ"], ["d", "D"])


_WRITERS: Mapping[str, Callable[[pl.Series], pl.Series]] = {
    "review_tone": lambda name: name.str.replace_many(list(_TONE), list(_TONE.values())),
    "review_decomposed": lambda name: name.str.normalize("NFD"),
    "review_share_company": lambda name: name.str.replace("Cổ phần", "CP"),
    "review_one_member": lambda name: name.str.replace("TNHH MTV", "Trách nhiệm hữu hạn Một thành viên"),
    "review_upper_case": lambda name: name.str.to_uppercase(),
    "review_plain_d": lambda name: name.str.replace_many(["đ", "Đ"], ["d", "D"]),
    "review_typo": lambda name: name.str.replace(r"\p{L} (\d+)$", " ${1}"),
    "typo_unknown_province": lambda name: name.str.replace(r"\p{L} (\d+)$", " ${1}"),
    "review_words": _without_marks,
}


def written(kind: str, name: pl.Series) -> pl.Series:
    """Names as the tax list writes them."""
    return _WRITERS[kind](name) if kind in _WRITERS else name
