"""Repeatable chance: every attribute is a pure function of a salt and the number of the thing it belongs to.

The same person therefore looks the same in every month, whatever range of months is asked for, and no state is kept.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

GOLDEN = 0.6180339887498949


def salt(*parts: object) -> int:
    """A 64-bit number for a purpose, e.g. ``salt(seed, cell, "wage")``."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def share(index: Ints, key: int) -> Floats:
    """Uniform numbers in [0, 1), one for each index (splitmix64)."""
    bits = index.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key)
    bits ^= bits >> np.uint64(30)
    bits *= np.uint64(0xBF58476D1CE4E5B9)
    bits ^= bits >> np.uint64(27)
    bits *= np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(31)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def below(index: Ints, key: int, bound: int) -> Ints:
    """Whole numbers in [0, bound), one for each index."""
    return (share(index, key) * bound).astype(np.int64)


def spread(index: Ints, key: int) -> Floats:
    """Numbers in [0, 1) that lie evenly over any run of neighbouring indexes (golden-ratio sequence)."""
    offset = (key % 1_000_003) / 1_000_003
    return np.asarray((index * GOLDEN + offset) % 1.0, dtype=np.float64)


def normal(index: Ints, key: int) -> Floats:
    """Standard normal numbers, one for each index (Box-Muller)."""
    radius = np.sqrt(-2.0 * np.log1p(-share(index, key)))
    return np.asarray(radius * np.cos(2 * np.pi * share(index, key ^ 0x5DEECE66D)), dtype=np.float64)


def smallest(values: Floats, count: int) -> Bools:
    """True for the `count` smallest values."""
    chosen = np.zeros(len(values), dtype=np.bool_)
    if count >= len(values):
        chosen[:] = True
    elif count > 0:
        chosen[np.argpartition(values, count)[:count]] = True
    return chosen


def apportion(weights: Ints, total: int) -> Ints:
    """Whole numbers in proportion to `weights` that add up to `total` exactly (largest remainders, first on ties)."""
    weight_sum = int(weights.sum())
    if weight_sum <= 0:
        raise ValueError("nothing to apportion to")
    exact = weights.astype(np.float64) * (total / weight_sum)
    parts = np.floor(exact).astype(np.int64)
    rest = total - int(parts.sum())
    order = np.argsort(-(exact - parts), kind="stable")
    while rest > 0:
        step = order[:rest]
        parts[step] += 1
        rest -= len(step)
    while rest < 0:
        step = np.flatnonzero(parts > 0)[:-rest]
        parts[step] -= 1
        rest += len(step)
    return parts
