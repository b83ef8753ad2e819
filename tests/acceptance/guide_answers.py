"""The questions of docs/bi-guide.md: what they ask `bi`, and the answers the guide prints.

A question is a section `### 1. Title`. Each block of SQL in it is followed by nothing but its answer, a table. Answers
are text as PostgreSQL prints it: NULL an empty cell, dates ISO, numbers plain digits, booleans t and f.

After a wanted change of the figures the tables are written anew, from a warehouse that holds the demo:

    .venv/bin/python tests/acceptance/guide_answers.py "$(.venv/bin/vss url)"
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

GUIDE = Path(__file__).parents[2] / "docs" / "bi-guide.md"
PUBLICATION = 1
UNANSWERED = "## What cannot be answered yet"

_QUESTION = re.compile(r"### (\d+)\. (.+)")
_CELL_BORDER = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r"\|(?:\s*:?-+:?\s*\|)+")


class GuideError(ValueError):
    """The guide is not in the form it should have; names the line."""


@dataclass(frozen=True)
class Table:
    """A table of text: names of columns and rows of as many cells, None nowhere ('' is NULL)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def lines(self) -> list[str]:
        """As Markdown, a line a row."""
        head = [_line(self.columns), "|" + "---|" * len(self.columns)]
        return head + [_line(row) for row in self.rows]


@dataclass(frozen=True)
class Answer:
    """A query and its printed answer. `begin` and `end` are the lines of the table (0-based, end exclusive)."""

    sql: str
    printed: Table | None
    begin: int
    end: int


@dataclass(frozen=True)
class Question:
    """A section of the guide."""

    number: int
    title: str
    answers: tuple[Answer, ...]


def questions(text: str) -> list[Question]:
    """The questions of a guide, in the order they stand. Raises GuideError when one is not in the fixed form."""
    lines = text.splitlines()
    heads = [(at, found) for at, line in enumerate(lines) if (found := _QUESTION.fullmatch(line))]
    return [
        Question(int(found[1]), found[2], tuple(_answers(lines, at + 1, _section_end(lines, at + 1))))
        for at, found in heads
    ]


def unanswered(text: str) -> list[int]:
    """The numbers in the first column of the table of what cannot be answered, in whole or in part."""
    lines = text.splitlines()
    if UNANSWERED not in lines:
        raise GuideError(f"the guide has no heading {UNANSWERED!r}")
    first = next((at for at in range(lines.index(UNANSWERED), len(lines)) if lines[at].startswith("|")), len(lines))
    return [int(row[0]) for row in _table(lines[first : _table_end(lines, first)], first).rows]


def trap(text: str, number: int) -> str:
    """The paragraph of a question that begins with **Trap.**, on one line; empty when it has none."""
    lines = text.splitlines()
    head = next((at for at, line in enumerate(lines) if line.startswith(f"### {number}. ")), len(lines))
    section = lines[head + 1 : _section_end(lines, head + 1)]
    first = next((at for at, line in enumerate(section) if line.startswith("**Trap.**")), len(section))
    return " ".join(itertools.takewhile(str.strip, section[first:]))


def refreshed(text: str, ask: Callable[[str], Table]) -> str:
    """The guide with every answer written anew; `ask` gives the answer to a query. All else stays as it is."""
    lines = text.splitlines()
    for answer in reversed([answer for question in questions(text) for answer in question.answers]):
        new = ask(answer.sql).lines()
        lines[answer.begin : answer.end] = new if answer.printed else [*new, ""]
    return "\n".join(lines) + "\n"


def run(connection: psycopg.Connection[Any], sql: str) -> Table:
    """What a query answers, as the guide prints it."""
    result = connection.execute(sql.encode()).pgresult
    if result is None or result.nfields == 0:
        raise GuideError(f"a query without an answer: {sql}")
    return Table(
        tuple((result.fname(column) or b"").decode() for column in range(result.nfields)),
        tuple(
            tuple(_cell(result.get_value(row, column)) for column in range(result.nfields))
            for row in range(result.ntuples)
        ),
    )


@contextmanager
def reader(url: str, *, publication: int = PUBLICATION) -> Iterator[psycopg.Connection[Any]]:
    """A session as the guide's head describes it: `bi` found by name, one publication, one state for all queries."""
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("set datestyle = 'ISO'")
        connection.execute("select set_config('vss.publication', %s, false)", [str(publication)])
        yield connection


def differences(printed: Table | None, shown: Table) -> list[str]:
    """Where a printed answer is not what `bi` shows, a line each; empty when they agree."""
    if printed is None:
        return ["no table follows the query"]
    if printed.columns != shown.columns:
        return [f"columns: printed {printed.columns}, shown {shown.columns}"]
    found = (
        [] if len(printed.rows) == len(shown.rows) else [f"{len(printed.rows)} rows printed, {len(shown.rows)} shown"]
    )
    for number, (ours, theirs) in enumerate(zip(printed.rows, shown.rows, strict=False), start=1):
        found += [
            f"row {number}, {column}: printed {left!r}, shown {right!r}"
            for column, left, right in zip(shown.columns, ours, theirs, strict=True)
            if left != right
        ]
    return found


def _answers(lines: Sequence[str], begin: int, end: int) -> Iterator[Answer]:
    at = begin
    while at < end:
        if lines[at] != "```sql":
            at += 1
            continue
        closing = next((row for row in range(at + 1, end) if lines[row] == "```"), None)
        if closing is None:
            raise GuideError(f"line {at + 1}: this block of SQL has no end")
        table = next((row for row in range(closing + 1, end) if lines[row].strip()), end)
        sql = "\n".join(lines[at + 1 : closing])
        if table < end and lines[table].startswith("|"):
            at = _table_end(lines, table)
            yield Answer(sql, _table(lines[table:at], table), table, at)
        else:
            at = closing + 1
            yield Answer(sql, None, min(closing + 2, len(lines)), min(closing + 2, len(lines)))


def _section_end(lines: Sequence[str], begin: int) -> int:
    in_block = False
    for at in range(begin, len(lines)):
        if lines[at].startswith("```"):
            in_block = not in_block
        elif not in_block and re.match(r"#{1,3} ", lines[at]):
            return at
    return len(lines)


def _table_end(lines: Sequence[str], begin: int) -> int:
    return begin + len(list(itertools.takewhile(lambda line: line.startswith("|"), lines[begin:])))


def _table(lines: Sequence[str], begin: int) -> Table:
    """Of the lines of a table; `begin` is where it stands, for messages."""
    if len(lines) < 2 or not _RULE.fullmatch(lines[1]):
        raise GuideError(f"line {begin + 1}: a table needs a head and a rule")
    columns, *rows = (
        tuple(cell.strip().replace(r"\|", "|") for cell in _CELL_BORDER.split(line)[1:-1])
        for line in (lines[0], *lines[2:])
    )
    for number, row in enumerate(rows, start=begin + 3):
        if len(row) != len(columns):
            raise GuideError(f"line {number}: {len(row)} cells under {len(columns)} columns")
    return Table(columns, tuple(rows))


def _cell(value: Any) -> str:
    return "" if value is None else " ".join(bytes(value).decode().split())


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def main(url: str) -> None:
    """Write the answers of the guide anew, from the demo's publication in the warehouse at `url`."""
    text = GUIDE.read_text(encoding="utf-8")
    with reader(url) as connection:
        GUIDE.write_text(refreshed(text, lambda sql: run(connection, sql)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
