"""How many tasks run side by side under a scheduler, and for whom: Airflow's pools, made by `vss up`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pool:
    """A pool of Airflow: at most `slots` of its tasks run at a time."""

    name: str
    slots: int
    description: str


NIGHT = Pool("night", 3, "Loading and building by night and day; the night goes first.")
BACKFILL = Pool("backfill", 1, "Loading again what was sent long ago; leaves room for the night.")
POOLS = (NIGHT, BACKFILL)
PARALLELISM = sum(pool.slots for pool in POOLS)
"""Tasks that run side by side in all: a backfill can never hold the slots of a night."""
