"""Numbers and codes in the shape the law gives them. None belongs to a real person or unit.

Tax code: Circular 105/2020, check digit from the weighted sum modulo 11 (domain C.2). SI number: ten digits, the first
two the province of issue (C.1). Personal id: province of birth, century and sex, year, six digits (C.1).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from synth.chance import Ints

_TAX_WEIGHTS = (31, 29, 23, 19, 17, 13, 7, 5, 3)
_SERIALS = 100_000_000
UNIT_SERIALS = 26 * 1000 * 8
_LETTERS = [chr(ord("A") + number) for number in range(26)]


def tax_check_digit(prefix: str) -> int | None:
    """The tenth digit of a tax code for its first nine; None where no code was ever issued."""
    rest = sum(weight * int(digit) for weight, digit in zip(_TAX_WEIGHTS, prefix, strict=True)) % 11
    return None if rest == 0 else 10 - rest


def organisation_tax_codes(region: int, serials: Ints) -> pl.Series:
    """Ten-digit tax codes of one tax region (1 to 99), a different one for each serial below 5 million."""
    if len(serials) and int(serials.max()) >= 5_000_000:
        raise ValueError("a tax region holds 5 million serials")
    prefix = np.int64(region) * 10_000_000 + (serials * 1_234_567) % 5_000_000 * 2
    prefix = prefix + (_weighted(prefix) == 0)
    return _digits(prefix * 10 + 10 - _weighted(prefix), 10)


def si_numbers(cell_code: str, serials: Ints) -> pl.Series:
    """Ten-digit SI numbers issued in one province, a different one for each serial below 100 million."""
    return _digits(np.int64(int(cell_code)) * _SERIALS + (serials * 61_803_399 + 7) % _SERIALS, 10)


def personal_ids(cell_code: str, birth_years: Ints, is_female: Ints, serials: Ints) -> pl.Series:
    """Twelve-digit personal ids; unique where (sex, birth year, serial modulo a million) is."""
    century_sex = np.where(birth_years < 2000, 0, 2) + is_female
    number = np.int64(int(cell_code)) * 10 + century_sex
    return _digits((number * 100 + birth_years % 100) * 1_000_000 + (serials * 618_033) % 1_000_000, 12)


def unit_codes(prefixes: pl.Series, serials: Ints, group_position: int) -> pl.Series:
    """SI unit codes like `TNA123B`; unique among three neighbouring cells, because their last letters differ."""
    scrambled = (serials * 48_271) % UNIT_SERIALS
    third = pl.Series(_LETTERS).gather(scrambled // 8000)
    digits = _digits(scrambled // 8 % 1000, 3)
    last = pl.Series(_LETTERS).gather(scrambled % 8 + 8 * group_position)
    return prefixes + third + digits + last


def _digits(numbers: Ints, width: int) -> pl.Series:
    return pl.Series(numbers).cast(pl.String).str.zfill(width)


def _weighted(prefix: Ints) -> Ints:
    total = np.zeros_like(prefix)
    rest = prefix.copy()
    for weight in reversed(_TAX_WEIGHTS):
        total += weight * (rest % 10)
        rest //= 10
    return total % 11
