"""What each client is asked, and how it tells what it saw: one line of JSON on standard output."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

WRITES = (
    "delete from bi.rpt_collection",
    "create temporary table mine (n integer)",
    "create table bi.mine (n integer)",
)
ENDLESS = "select count(*) from generate_series(1, 1000000000000)"


def refusal(ask: Callable[[], Any]) -> str:
    """The first line of what a client says when it is refused; empty when it was not."""
    try:
        ask()
    except Exception as error:  # noqa: BLE001 - each driver has a class of its own
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return ""


def tell(
    names: Sequence[str], rows: Sequence[Sequence[Any]], *, relations: int, comment: str, refused: list[str], ended: str
) -> None:
    """Print the answer's first row with Python's name of each type, and what else was seen."""
    row = {name: [type(value).__name__, str(value)] for name, value in zip(names, rows[0], strict=True)} if rows else {}
    seen = {"row": row, "relations": relations, "comment": comment, "refused": refused, "ended": ended}
    print(json.dumps(seen, ensure_ascii=False))
