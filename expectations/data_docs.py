"""Data Docs: what the gates found, as a static site that works from a folder. No scripts, no network, no values.

- `index.html`: the latest runs; `months/YYYY-MM.html`: all runs of a month
- `runs/<gate>-<number>.html`: a run of a gate over a submission or a build, every expectation with counts and why
- `suites.html`, `suites/<suite>.html`: what is expected and why, what a failure does, and the history of outcomes

Everything comes from `ops.gate_result`, which keeps every run. The page of a run is written once, and again only when a
person has decided on its submission since, or the pages themselves have changed.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, LiteralString
from zoneinfo import ZoneInfo

import jinja2
from psycopg.rows import dict_row

from ingestion.contracts import load_contracts
from warehouse import roles
from warehouse.connection import Connection, connect
from warehouse.settings import Settings

_LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
_TEMPLATES = Path(__file__).parent / "templates"
_RUNS = 100
_HISTORY = 20
_FAILURES = 50
_MADE_BY = ".made_by"
_WORDS = {
    "expect_column_values_to_not_be_null": "filled in",
    "expect_column_values_to_be_in_set": "one of the allowed values",
    "expect_column_values_to_be_between": "within its bounds",
    "expect_column_pair_values_a_to_be_greater_than_b": "not above the other column",
    "expect_column_pair_values_to_be_equal": "equal to what it must be",
    "expect_table_row_count_to_be_between": "the right number of rows",
    "expect_table_row_count_to_equal": "the right number of rows",
    "expect_column_sum_to_be_between": "the right control total",
}
_EFFECTS = {
    "reject": "rejects the submission",
    "hold": "holds it: a person decides",
    "warn": "warns, and decides nothing",
    "block": "stops the publication",
}

_RUN: LiteralString = """
select
    min(g.gate_result_id) as number, g.gate, g.run_at, g.sub_no, g.build_id, s.submission_id, s.sender, s.period,
    s.version, count(*) as expectations, count(*) filter (where not g.success) as not_met,
    case
        when bool_and(g.success) then 'passed'
        when bool_or(not g.success and g.severity not in ('hold', 'warn')) then 'failed'
        when bool_or(not g.success and g.severity = 'hold' and g.details ->> 'code' is null) then 'failed'
        when bool_or(not g.success and g.severity = 'hold') then 'held'
        else 'warned'
    end as verdict,
    (select d.decision from ops.decision d where d.sub_no = g.sub_no order by d.decided_at desc limit 1) as decision
from ops.gate_result g
left join ops.submission s on s.sub_no = g.sub_no
group by g.gate, g.run_at, g.sub_no, g.build_id, s.sub_no
order by g.run_at desc, number desc
"""

_RESULTS: LiteralString = """
select gate, run_at, sub_no, build_id, suite, expectation, column_name, success, severity, evaluated, unexpected,
    details
from ops.gate_result
where run_at = any(%s)
order by run_at desc, gate, sub_no, build_id, gate_result_id
"""

_SUITES: LiteralString = """
with numbered as (
    select
        g.*, row_number() over (
            partition by suite, expectation, column_name, severity order by gate_result_id desc
        ) as place
    from ops.gate_result g
)
select
    suite, expectation, column_name, severity, count(*) as runs, count(*) filter (where not success) as not_met,
    array_agg(success order by place) filter (where place <= %s) as history,
    (array_agg(details order by place) filter (where place = 1))[1] as details, max(gate_result_id) as latest
from numbered
group by suite, expectation, column_name, severity
order by suite, min(gate_result_id)
"""

_FAILED: LiteralString = """
with numbered as (
    select g.*, row_number() over (partition by suite order by gate_result_id desc) as place
    from ops.gate_result g
    where not success
)
select gate, run_at, sub_no, build_id, suite, column_name, details, evaluated, unexpected
from numbered
where place <= %s
order by suite, place
"""

_DECISIONS: LiteralString = """
select sub_no, decision, reason, decided_by, decided_at from ops.decision order by decided_at
"""


@dataclass(frozen=True)
class _Run:
    """A run of a gate, as the lists show it."""

    key: tuple[Any, ...]
    gate: str
    run_at: dt.datetime
    page: str
    subject: str
    sender: str | None
    period: str | None
    version: int | None
    verdict: str
    expectations: int
    not_met: int
    decision: str | None

    @property
    def at(self) -> str:
        return _moment(self.run_at)


@dataclass(frozen=True)
class _Line:
    """An expectation in a table; what a table does not show stays empty."""

    expectation: str
    words: str
    columns: Sequence[tuple[str, str]]
    outcome: str = ""
    evaluated: int | None = None
    unexpected: int | None = None
    why: str = ""
    suite: str = ""
    suite_page: str = ""
    basis: str = ""
    reason: str = ""
    effect: str = ""
    runs: int = 0
    not_met: int = 0
    history: Sequence[bool] = ()

    @property
    def said(self) -> str:
        met = sum(self.history)
        return f"met {met} of {len(self.history)}"


@dataclass(frozen=True)
class _Suite:
    name: str
    rows: Sequence[_Line] = field(default_factory=list)

    @property
    def slug(self) -> str:
        return _slug(self.name)

    @property
    def page(self) -> str:
        return f"suites/{self.slug}.html"

    @property
    def not_met(self) -> int:
        return sum(row.outcome not in ("", "passed") or row.not_met for row in self.rows)

    @property
    def evaluations(self) -> int:
        return sum(row.runs for row in self.rows)


def render(settings: Settings, out: Path | None = None) -> Path:
    """Write the site into `out` (default VSS_HOME/data_docs); returns the path of its index."""
    folder = out or settings.home / "data_docs"
    site = _Site(folder, dt.datetime.now(tz=_LOCAL))
    with connect(settings, roles.LOADER) as connection:
        runs = _runs(connection)
        _write_lists(site, runs)
        _write_suites(site, connection, runs)
        _write_runs(site, connection, runs)
    site.put("style.css", _read_style())
    site.remember()
    return folder / "index.html"


class _Site:
    """A folder of pages; each appears whole or not at all."""

    def __init__(self, folder: Path, now: dt.datetime) -> None:
        self._folder, self._written = folder, f"Written at {_moment(now)} (Asia/Ho_Chi_Minh)."
        made_by = folder / _MADE_BY
        self.is_current = made_by.exists() and made_by.read_text(encoding="utf-8") == _maker()

    def has(self, page: str) -> bool:
        """Whether the page is there, written by this very renderer."""
        return self.is_current and (self._folder / page).exists()

    def page(self, name: str, template: str, **content: Any) -> None:
        """Write a page from a template."""
        root = "../" * name.count("/")
        self.put(name, _template(template).render(root=root, written=self._written, **content))

    def put(self, name: str, text: str) -> None:
        """Write a file."""
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)

    def remember(self) -> None:
        """Note which renderer wrote the pages."""
        self.put(_MADE_BY, _maker())


def _runs(connection: Connection) -> list[_Run]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return [
            _Run(
                key=_key(row), gate=row["gate"], run_at=row["run_at"],
                page=f"runs/{row['gate']}-{row['number']}.html",
                subject=row["submission_id"] or f"build {row['build_id']}", sender=row["sender"], period=row["period"],
                version=row["version"], verdict=row["verdict"], expectations=row["expectations"],
                not_met=row["not_met"], decision=_DECIDED.get(row["decision"]),
            )
            for row in cursor.execute(_RUN)
        ]  # fmt: skip


_DECIDED = {"release": "released", "reject": "refused"}


def _write_lists(site: _Site, runs: Sequence[_Run]) -> None:
    by_month = {month: list(group) for month, group in groupby(runs, key=lambda run: f"{_local(run.run_at):%Y-%m}")}
    words = ("passed", "warned", "held", "failed")
    site.page(
        "index.html",
        "index.html",
        here="index",
        title="Gate results",
        runs=runs[:_RUNS],
        caption=f"The latest {min(len(runs), _RUNS):,} of {len(runs):,} runs",
        totals=[(word, number) for word in words if (number := sum(run.verdict == word for run in runs))],
        months=[(month, len(found)) for month, found in by_month.items()],
    )
    for month, found in by_month.items():
        site.page(
            f"months/{month}.html", "index.html", title=f"Gate results, {month}", runs=found, totals=[], months=[],
            caption=f"All {len(found):,} runs of {month}",
        )  # fmt: skip


def _write_suites(site: _Site, connection: Connection, runs: Sequence[_Run]) -> None:
    by_key = {run.key: run for run in runs}
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(_SUITES, [_HISTORY]).fetchall()
        failed = cursor.execute(_FAILED, [_FAILURES]).fetchall()
    suites = [
        _Suite(str(name), [_described(row) for row in rows])
        for name, rows in groupby(found, key=lambda row: row["suite"])
    ]
    failures = {name: list(rows) for name, rows in groupby(failed, key=lambda row: row["suite"])}
    site.page("suites.html", "suites.html", here="suites", suites=suites)
    for suite in suites:
        told = [_failure(row, by_key[_key(row)]) for row in failures.get(suite.name, []) if _key(row) in by_key]
        site.page(suite.page, "suite.html", suite=suite, failures=told, shown=_HISTORY)


def _write_runs(site: _Site, connection: Connection, runs: Sequence[_Run]) -> None:
    decisions: dict[int, list[dict[str, str]]] = {}
    with connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(_DECISIONS):
            decisions.setdefault(row["sub_no"], []).append(
                {
                    "words": _DECIDED[row["decision"]], "at": _moment(row["decided_at"]), "by": row["decided_by"],
                    "reason": row["reason"],
                }
            )  # fmt: skip
        same: dict[str, list[_Run]] = {}
        for run in runs:
            same.setdefault(run.subject, []).append(run)
        # a page names the other runs of its submission: one that is new changes all of them
        changed = {run.subject for run in runs if run.decision is not None or not site.has(run.page)}
        wanted = {run.key: run for run in runs if run.subject in changed}
        cursor.execute(_RESULTS, [list({run.run_at for run in wanted.values()})])
        for key, rows in groupby(cursor, key=_key):
            if key in wanted:
                run = wanted[key]
                others = [other for other in same[run.subject] if other is not run]
                _write_run(site, run, rows, others, decisions.get(key[2], []))


def _write_run(
    site: _Site, run: _Run, rows: Iterable[Mapping[str, Any]], others: Sequence[_Run], decisions: Sequence[object]
) -> None:
    suites: dict[str, list[_Line]] = {}
    for row in rows:
        suites.setdefault(row["suite"], []).append(_judged(row))
    shown = [_Suite(name, lines) for name, lines in suites.items()]
    broken = [line for suite in shown for line in suite.rows if line.outcome != "passed"]
    site.page(run.page, "run.html", run=run, suites=shown, broken=broken, earlier=others, decisions=decisions)


def _judged(row: Mapping[str, Any]) -> _Line:
    return _Line(
        expectation=row["expectation"], words=_words(row["expectation"]),
        columns=_columns(row["suite"], row["column_name"]), outcome=_outcome(row), evaluated=row["evaluated"],
        unexpected=row["unexpected"], why=_why(row), suite=row["suite"],
        suite_page=f"suites/{_slug(row['suite'])}.html",
    )  # fmt: skip


def _described(row: Mapping[str, Any]) -> _Line:
    return _Line(
        expectation=row["expectation"], words=_words(row["expectation"]),
        columns=_columns(row["suite"], row["column_name"]), basis=row["details"].get("basis", ""),
        reason=row["details"].get("reason", ""), effect=_EFFECTS.get(row["severity"], row["severity"]),
        runs=row["runs"], not_met=row["not_met"], history=row["history"],
    )  # fmt: skip


def _failure(row: Mapping[str, Any], run: _Run) -> dict[str, object]:
    return {
        "at": run.at, "page": run.page, "subject": run.subject, "why": _why({**row, "success": False}),
        "columns": _columns(row["suite"], row["column_name"]),
    }  # fmt: skip


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["gate"], row["run_at"], row["sub_no"], row["build_id"]


def _outcome(row: Mapping[str, Any]) -> str:
    if row["success"]:
        return "passed"
    if row["severity"] == "hold":
        return "held" if row["details"].get("code") else "failed"
    return "warned" if row["severity"] == "warn" else "failed"


def _why(row: Mapping[str, Any]) -> str:
    """Reason, counts and figures of what was not met; of what was met, the reason."""
    details = row["details"]
    reason = str(details.get("reason", ""))
    if row["success"]:
        return "nothing to judge" if row["evaluated"] == 0 else reason
    # how many rows a test of dbt looked at is not known
    evaluated = "" if row["evaluated"] is None else f" of {row['evaluated']:,}"
    counts = [] if row["unexpected"] is None else [f"{row['unexpected']:,}{evaluated}"]
    told = details.get("figures", [])
    # gate 2 keeps its figures as a sentence, gate 1 as a list
    figures = [told] if isinstance(told, str) else ["; ".join(_figure(one)) for one in told]
    parts = [*counts, *filter(None, [str(details.get("why", "")), reason]), *figures]
    return "; ".join(parts)


def _figure(figures: Mapping[str, object]) -> Iterator[str]:
    for name, value in figures.items():
        text = (
            ", ".join(map(str, value)) if isinstance(value, list) else f"{value:,}" if isinstance(value, int) else value
        )
        yield f"{name.replace('_', ' ')} {text}"


def _columns(suite: str, names: str | None) -> list[tuple[str, str]]:
    headings = _headings(suite)
    return [(name, headings.get(name, "")) for name in (names.split(", ") if names else [])]


@functools.cache
def _headings(suite: str) -> Mapping[str, str]:
    """Vietnamese headings by column, as the submission guide has them; none for a suite that is of no feed."""
    contract = load_contracts().get(suite.removeprefix("contract "))
    columns = () if contract is None else contract.columns
    return {column.name: column.headings_vi[0] for column in columns if column.headings_vi}


def _words(expectation: str) -> str:
    return _WORDS.get(expectation, expectation.removeprefix("expect_").replace("_", " "))


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _local(instant: dt.datetime) -> dt.datetime:
    return instant.astimezone(_LOCAL)


def _moment(instant: dt.datetime) -> str:
    return f"{_local(instant):%Y-%m-%d %H:%M:%S}"


def _read_style() -> str:
    return (_TEMPLATES / "style.css").read_text(encoding="utf-8")


@functools.cache
def _maker() -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(_TEMPLATES.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@functools.cache
def _template(name: str) -> jinja2.Template:
    return _environment().get_template(name)


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
