"""Text that somebody may open in a spreadsheet: none of it is taken for a formula."""

from __future__ import annotations

import re
from collections.abc import Sequence

_START = re.compile(r"^\s*[=+\-@\t\r＝＋－＠]")
# where the list separator of a spreadsheet is not the comma, a cell may begin in the middle of one of ours
_INSIDE = re.compile(r"([;|\t\r\n]\s*)(?=[=+\-@＝＋－＠])")
# a record in which nothing like this follows a separator needs no second look
_ANYWHERE = re.compile(r"""[,";|\t\r\n]\s*[=+\-@\t\r＝＋－＠]""")
# as PostgreSQL writes it: what holds a comma, a quote or a line break stands in quotes
_CELL = re.compile(r'("(?:[^"]|"")*"|[^,"\n]*)(,|\n|\Z)')


def plain(value: object) -> object:
    """A cell that no spreadsheet takes for a formula, whatever it takes for a separator; what is no text stays."""
    if not isinstance(value, str):
        return value
    text = _INSIDE.sub(r"\1'", value)
    return f"'{text}" if _START.match(value) else text


def plain_record(record: str, is_number: Sequence[bool]) -> str:
    """A record of PostgreSQL's CSV, line break included, with each cell as `plain` has it but those of numbers.

    `is_number` says it column by column. What needs no change stays as it was written: an empty text keeps its quotes
    and NULL has none.
    """
    if not _ANYWHERE.search("," + record):
        return record
    cells = []
    at = column = 0
    while at < len(record):
        cell = _CELL.match(record, at)
        assert cell is not None and cell.end() > at, "not a record as PostgreSQL writes it"
        cells.append(cell[1] if column < len(is_number) and is_number[column] else _rewritten(cell[1]))
        cells.append(cell[2])
        at, column = cell.end(), column + 1
    return "".join(cells)


def _rewritten(cell: str) -> str:
    text = cell[1:-1].replace('""', '"') if cell.startswith('"') else cell
    made = str(plain(text))
    return cell if made == text else '"' + made.replace('"', '""') + '"'
