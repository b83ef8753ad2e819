"""What can go wrong in front of a user, with the exit code each kind ends in.

Exit codes (docs/decisions and `vss --help`): 0 done, 1 unexpected, 2 wrong usage, 3 a submission was rejected,
4 the warehouse cannot be reached, 5 a gate failed and nothing new was published.
"""

from __future__ import annotations


class VssError(Exception):
    """An error a user can act on: one sentence that says what is wrong and what to do next."""

    exit_code = 1


class UsageError(VssError):
    """The command, a setting or an argument is wrong."""

    exit_code = 2


class UnreachableError(VssError):
    """The database cannot be reached or started."""

    exit_code = 4


class GateFailedError(VssError):
    """A gate failed; what was published before stays published."""

    exit_code = 5


class StorageError(VssError):
    """A disk is full; everything that was not finished was taken back."""

    exit_code = 1


class BuildOpenError(VssError):
    """Another build holds the lease."""

    exit_code = 1
