"""Tax codes: the shapes the feed takes, what the check digit finds, and a second opinion on it."""

from __future__ import annotations

import itertools
import json
import random

import pytest
from feed_builders import arguments, faults, judge
from stdnum.vn import mst

from ingestion.codes import message
from ingestion.verdicts import Judged

_WEIGHTS = (31, 29, 23, 19, 17, 13, 7, 5, 3)
# of N1 to N9 and the check digit, which stands for itself: N1*31 + ... + N9*3 + C leaves 10 when divided by 11
_WEIGHTS_AND_ONE = (*_WEIGHTS, 1)
_UNDETECTED_SWAPS = {(1, 6), (2, 9)}
CODES = 20_000


def issued(chance: random.Random) -> str:
    """A code as the tax authority issues them; Circular 105/2020, annex: no code where the sum leaves nothing."""
    while True:
        digits = [chance.randrange(10) for _ in _WEIGHTS]
        rest = sum(weight * digit for weight, digit in zip(_WEIGHTS, digits, strict=True)) % 11
        if rest and any(digits[2:]):
            return "".join(map(str, digits)) + str(10 - rest)


def swapped(code: str, one: int, other: int) -> str:
    digits = list(code)
    digits[one], digits[other] = digits[other], digits[one]
    return "".join(digits)


def judged(codes: list[str]) -> Judged:
    return judge("tax_employers", *({"tax_code": code} for code in codes))


def valid(codes: list[str]) -> list[bool]:
    bad = {row for row, _, _ in faults(judged(codes))}
    return [row not in bad for row in range(2, 2 + len(codes))]


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("0100047516", None),
        ("0100047516-001", None),
        ("0100047516-999", None),
        ("001085012345", None),
        ("0100047516001", "E-CODE"),
        ("0100047516 001", "E-CODE"),
        ("0100047516.001", "E-CODE"),
        ("0100047516-01", "E-CODE"),
        ("001085012345-001", "E-CODE"),
        ("100047516", "E-CODE"),
        ("1085012345", "E-TAX-CODE"),
        ("1.00047516E+9", "E-CODE"),
        ("0100047516-000", "E-TAX-CODE"),
        ("0100047561-001", "E-TAX-CODE"),
    ],
)
def test_the_list_takes_ten_digits_ten_and_three_with_a_hyphen_and_twelve(code: str, fault: str | None) -> None:
    assert faults(judged([code])) == ([(2, "tax_code", fault)] if fault else [])


@pytest.mark.parametrize("sent", ["0100047516\u2010001", "0100047516\u2011001", "0100047516\u2013001"])
def test_a_hyphen_that_is_another_character_is_set_aside(sent: str) -> None:
    assert faults(judged([sent])) == [(2, "tax_code", "E-CODE")]


@pytest.mark.parametrize("feed", ["tax_employers", "employers"])
def test_a_branch_without_its_hyphen_is_told_how_to_write_it(feed: str) -> None:
    found = judge(feed, {"tax_code": "0100047516001"})
    assert faults(found) == [(2, "tax_code", "E-CODE")]
    for language in ("vi", "en"):
        assert "NNNNNNNNNN-NNN" in message("E-CODE", language, **arguments(found))
    assert "0100047516001" not in json.dumps(arguments(found))


def test_spaces_around_a_code_are_cleaned_and_counted() -> None:
    found = judged([" 0100047516-001\u00a0", "0100047516"])
    assert (found.good["tax_code"].to_list(), found.normalised) == (["0100047516-001", "0100047516"], 1)


def test_every_wrong_digit_is_found() -> None:
    code = "0100047516"
    wrong = [
        code[:place] + str(digit) + code[place + 1 :]
        for place in range(10)
        for digit in range(10)
        if digit != int(code[place])
    ]
    assert not any(valid(wrong))


def test_swapped_digits_are_found_unless_their_weights_leave_the_same_when_divided_by_eleven() -> None:
    pairs = set(itertools.combinations(range(10), 2))
    same = {(a, b) for a, b in pairs if _WEIGHTS_AND_ONE[a] % 11 == _WEIGHTS_AND_ONE[b] % 11}
    assert same == _UNDETECTED_SWAPS, "N2 with N7 (29 and 7), N3 with the check digit (23 and 1); no two neighbours"
    chance = random.Random(105)  # noqa: S311 - a repeatable sample
    codes = [issued(chance) for _ in range(200)]
    tried = [(pair, swapped(code, *pair)) for code in codes for pair in sorted(pairs) if code[pair[0]] != code[pair[1]]]
    undetected = {
        pair for (pair, _), is_valid in zip(tried, valid([code for _, code in tried]), strict=True) if is_valid
    }
    always = [is_valid for (pair, _), is_valid in zip(tried, valid([c for _, c in tried]), strict=True) if pair in same]
    assert undetected == same
    assert all(always)


def test_a_second_library_agrees_on_valid_and_spoiled_codes() -> None:
    chance = random.Random(2020)  # noqa: S311 - a repeatable sample
    codes = []
    for number in range(CODES):
        code = issued(chance)
        if number % 3 == 1:
            code += f"-{chance.randrange(1000):03d}"
        if number % 4 == 1:
            place = chance.randrange(10)
            code = code[:place] + str((int(code[place]) + chance.randrange(1, 10)) % 10) + code[place + 1 :]
        elif number % 4 == 3:
            code = swapped(code, *sorted(chance.sample(range(10), 2)))
        codes.append(code)
    ours, theirs = valid(codes), [mst.is_valid(code) for code in codes]
    differ = [code for code, one, other in zip(codes, ours, theirs, strict=True) if one != other]
    assert CODES * 0.45 < sum(ours) < CODES * 0.75
    # theirs alone wants a serial number, N3 to N9, above zero
    assert [code for code in differ if code[2:9] != "0000000"] == []


@pytest.mark.parametrize(
    ("code", "ours", "theirs", "why"),
    [
        ("001085012345", True, False, "12 digits are a person's id, a tax code since Circular 86/2024; not an MST"),
        ("0100047516001", False, True, "theirs strips every hyphen first; the feed asks for it"),
        ("01.00.04.75.16", False, True, "theirs strips points as well"),
        ("0100047516-000", False, False, "dependent units begin with 001"),
        ("0100000003", True, False, "theirs alone wants a serial number above zero"),
    ],
)
def test_where_the_second_library_differs(code: str, ours: bool, theirs: bool, why: str) -> None:
    assert (valid([code]), mst.is_valid(code)) == ([ours], theirs), why


def test_no_code_is_issued_where_the_weighted_sum_leaves_nothing() -> None:
    """Its check digit would be 10: whatever stands in its place is wrong."""
    prefix = next(
        f"{number:09d}"
        for number in range(100, 200)
        if sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, f"{number:09d}", strict=True)) % 11 == 0
    )
    codes = [f"{prefix}{digit}" for digit in range(10)]
    assert not any(valid(codes))
    assert not any(mst.is_valid(code) for code in codes)
