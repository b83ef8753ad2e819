"""Produce the next items of a stream in a second thread while the caller uses the one before.

Reading, checking and writing text release the interpreter's lock, and memory stays flat: every item ahead is a block.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


@contextlib.contextmanager
def ahead(items: Iterator[Item], *, depth: int = 1) -> Iterator[Iterator[Item]]:
    """An iterator over `items`, at most `depth` of which are produced ahead.

    What they raise is raised where the item would have come.

    At the end of the block no item is being produced any more, so that the source can be closed.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as pool:
        yield _fetched(items, pool, depth)


def _fetched(items: Iterator[Item], pool: ThreadPoolExecutor, depth: int) -> Iterator[Item]:
    end = object()
    coming = deque(pool.submit(next, items, end) for _ in range(depth))
    while (item := coming.popleft().result()) is not end:
        coming.append(pool.submit(next, items, end))
        yield item  # type: ignore[misc]  # `end` is the only object that is no Item
