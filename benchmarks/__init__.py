"""Benchmarks: each runs its floor and its peers beside it, because only ratios of one run count (docs/performance.md).

`vss bench NAME` starts this package as a process of its own, so that the command's imports are in no measurement.
May import every room but `dags` and `cli`. Works in a warehouse of its own under VSS_HOME/bench, never in the user's.
"""
