"""Data Docs: one static page of what the gates found, from the stored results. No scripts, no network, no values."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from warehouse import roles
from warehouse.connection import Connection, connect
from warehouse.settings import Settings

_RUNS = 50
_FAILURES = 200
_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; } h3 { font-size: 1rem; margin-top: 1.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid #8884; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.passed { color: #1a7f4b; } .failed { color: #c0392b; font-weight: 600; }
p.note { color: #888; }
"""


def render(settings: Settings, out: Path) -> Path:
    """Write `index.html` into the folder `out` and return its path."""
    with connect(settings, roles.LOADER) as connection:
        page = "\n".join(
            [
                "<!doctype html>",
                '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
                f"<title>Gate results</title><style>{_STYLE}</style></head><body>",
                "<h1>Gate results</h1>",
                '<p class="note">Verdicts and counts of what was evaluated; no value of a row stands here.</p>',
                _latest_runs(connection),
                _latest_failures(connection),
                _suites(connection),
                "</body></html>",
            ]
        )
    out.mkdir(parents=True, exist_ok=True)
    target = out / "index.html"
    target.write_text(page, encoding="utf-8")
    return target


def _latest_runs(connection: Connection) -> str:
    rows = connection.execute(
        """
        select
            to_char(max(g.run_at), 'YYYY-MM-DD HH24:MI'), g.gate,
            coalesce(s.submission_id, 'build ' || g.build_id), count(*), count(*) filter (where not g.success),
            case
                when bool_and(g.success) then 'passed'
                when bool_or(not g.success and g.severity not in ('hold', 'warn')) then 'failed'
                when bool_or(not g.success and g.severity = 'hold' and g.details ->> 'code' is null) then 'failed'
                when bool_or(not g.success and g.severity = 'hold') then 'held'
                else 'warned'
            end
        from ops.gate_result g
        left join ops.submission s on s.sub_no = g.sub_no
        group by g.gate, g.sub_no, g.build_id, s.submission_id, g.run_at
        order by max(g.run_at) desc, max(g.gate_result_id) desc
        limit %s
        """,
        [_RUNS],
    ).fetchall()
    return _section("Latest runs", ["Run at", "Gate", "Subject", "Expectations", "Failed", "Verdict"], rows)


def _latest_failures(connection: Connection) -> str:
    rows = connection.execute(
        """
        select
            to_char(g.run_at, 'YYYY-MM-DD HH24:MI'), coalesce(s.submission_id, 'build ' || g.build_id), g.suite,
            g.expectation, g.column_name, g.severity, g.evaluated, g.unexpected,
            concat_ws(': ', coalesce(g.details ->> 'why', g.details ->> 'reason'), g.details ->> 'figures')
        from ops.gate_result g
        left join ops.submission s on s.sub_no = g.sub_no
        where not g.success
        order by g.gate_result_id desc
        limit %s
        """,
        [_FAILURES],
    ).fetchall()
    headings = [
        "Run at", "Subject", "Suite", "Expectation", "Column", "On failure", "Evaluated", "Unexpected", "Why"
    ]  # fmt: skip
    return _section("Latest failures", headings, rows)


def _suites(connection: Connection) -> str:
    rows = connection.execute(
        """
        select
            suite, expectation, column_name, severity, count(*) as runs, count(*) filter (where not success) as failed,
            (array_agg(evaluated order by gate_result_id desc))[1],
            (array_agg(unexpected order by gate_result_id desc))[1],
            case when (array_agg(success order by gate_result_id desc))[1] then 'passed' else 'failed' end,
            min(gate_result_id) as first_seen
        from ops.gate_result
        group by suite, expectation, column_name, severity
        order by suite, first_seen
        """
    ).fetchall()
    headings = [
        "Expectation", "Column", "On failure", "Runs", "Failed", "Evaluated last", "Unexpected last", "Verdict last"
    ]  # fmt: skip
    parts = ["<h2>Suites</h2>"]
    for suite in dict.fromkeys(row[0] for row in rows):
        parts.append(f"<h3>{escape(str(suite))}</h3>")
        parts.append(_table(headings, [row[1:-1] for row in rows if row[0] == suite]))
    return "\n".join(parts)


def _section(title: str, headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    body = _table(headings, rows) if rows else '<p class="note">Nothing yet.</p>'
    return f"<h2>{escape(title)}</h2>\n{body}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    numeric = [bool(rows) and all(isinstance(row[i], int | None) for row in rows) for i in range(len(headings))]
    head = "".join(f"<th{_class(number)}>{escape(title)}</th>" for title, number in zip(headings, numeric, strict=True))
    lines = ["".join(_cell(value, number) for value, number in zip(row, numeric, strict=True)) for row in rows]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _cell(value: object, is_number: bool) -> str:
    text = "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
    if text in ("passed", "failed", "held", "warned"):
        return f'<td class="{"passed" if text == "passed" else "failed"}">{text}</td>'
    return f"<td{_class(is_number)}>{escape(text)}</td>"


def _class(is_number: bool) -> str:
    return ' class="number"' if is_number else ""
