"""Which errors pass by themselves, so that trying again helps; whatever is not here needs a person."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import psycopg

from ingestion.workers import LockedError
from warehouse.connection import is_transient
from warehouse.errors import BuildOpenError, StorageError, UnreachableError, VssError
from warehouse.locks import RelationLockedError


class LoadsLostError(VssError):
    """The database went away under some submissions of a batch: they are not loaded, the next attempt takes them."""


_WAITED_FOR = (LoadsLostError, UnreachableError, BuildOpenError, LockedError, RelationLockedError, StorageError)
"""What somebody else will end: a server's start, another build, a reader's transaction, a file that fills a disk."""

_LACKING = "53"
"""The server lacks connections, memory or space for the moment; a class of states."""

_LOCKED = "55P03"


def passes_by_itself(error: BaseException) -> bool:
    """Whether the same step may succeed later with nothing mended, whatever library the error came through.

    A file against its contract, a gate that failed, a wrong setting and a mistake in the program do not.
    """
    return any(_passes(each) for each in _causes(error))


def _passes(error: BaseException) -> bool:
    if isinstance(error, _WAITED_FOR) or is_transient(error):
        return True
    if isinstance(error, psycopg.Error):
        state = error.sqlstate or ""
        return state.startswith(_LACKING) or state == _LOCKED
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT} or isinstance(error, ConnectionError)
    return False


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was made of: SQLAlchemy keeps the driver's error in `orig`."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            left += [getattr(each, "orig", None), each.__cause__]
