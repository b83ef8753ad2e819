"""How numbers are written: a comma between thousands, a dot before decimals, and no person recognisable."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

NOTHING = "–"
FEW = "<5"
WITHHELD = "*"
_SMALLEST_CELL = 5
_MILLION = 1_000_000
_QUALIFIERS = {"approx": "~", "at_least": "≥", "at_most": "≤"}


def fixed(value: Decimal | int | None, places: int = 2, *, signed: bool = False) -> str:
    """A number with so many decimals, halves away from zero; a dash for nothing."""
    if value is None:
        return NOTHING
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    if not rounded:
        rounded = abs(rounded)
    return f"{rounded:{'+' if signed else ''},f}"


def million(vnd: Decimal | int | None) -> str:
    """Đồng, written in whole million đồng."""
    return NOTHING if vnd is None else fixed(Decimal(vnd) / _MILLION, 0)


def is_few(value: Decimal | int | None, unit: str) -> bool:
    """Whether a count is of so few persons that it must not be shown."""
    return unit == "persons" and value is not None and 0 < abs(Decimal(value)) < _SMALLEST_CELL


def amount(value: Decimal | int | None, unit: str, *, qualifier: str = "exact") -> str:
    """A figure in its unit: money in million đồng, ratios with two decimals, counts whole; under 5 persons hidden."""
    if value is None:
        return NOTHING
    if is_few(value, unit):
        return FEW
    prefix = _QUALIFIERS.get(qualifier, "")
    if unit == "dong":
        return prefix + million(value)
    return prefix + fixed(value, 2 if unit in ("percent", "percentage_point") else 0)


def as_printed(reported: Decimal, computed: Decimal | None, unit: str, *, is_withheld: bool = False) -> tuple[str, str]:
    """A reported figure as it was printed, and the computed one as exactly as the comparison needs."""
    if unit == "dong":
        in_million = million(reported), million(computed)
        if in_million[0] != in_million[1]:
            return f"{in_million[0]} triệu đồng", f"{in_million[1]} triệu đồng"
        return f"{fixed(reported, 0)} đồng", f"{fixed(computed, 0)} đồng"
    if is_few(reported, unit) or is_few(computed, unit):
        return FEW, FEW
    if is_withheld and unit == "persons":
        return WITHHELD, WITHHELD
    if unit not in ("percent", "percentage_point"):
        return fixed(reported, 0), fixed(computed, 0)
    sent = -int(reported.as_tuple().exponent) if reported.as_tuple().exponent else 0
    return f"{fixed(reported, max(sent, 0))} %", f"{fixed(computed, max(sent, 2))} %"
