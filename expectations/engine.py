"""Great Expectations as one function: checks go in, outcomes come out, no value of a row leaves this module.

One ephemeral context a process, without telemetry, progress bars and log noise. A check is judged twice: by Great
Expectations, and by our own count of what it judged. "Nothing was evaluated" is a failure, and so is a count that
differs, a missing result and an exception inside a result.

A batch is validated directly. A Checkpoint adds its bookkeeping to every suite (freshness, stores, results kept in
memory) and doubles the time of a small submission; the same suites as a Checkpoint: `expectations/checkpoints.py`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd
import sqlalchemy
from psycopg import sql

from expectations.fused import fuse, is_fusable
from expectations.library import (
    Batch,
    BatchDefinition,
    EphemeralDataContext,
    Expectation,
    PostgresDatasource,
    TestConnectionError,
    gx,
)
from warehouse.connection import Connection
from warehouse.errors import UnreachableError

__all__ = [
    "SCHEMA",
    "Check",
    "Expectation",
    "Measured",
    "Outcome",
    "Part",
    "as_checkpoint",
    "gx",
    "judge_frame",
    "judge_table",
    "judge_tables",
    "measure",
]

SCHEMA = "gate"
_NO_VALUES = {"result_format": "BASIC", "partial_unexpected_count": 0}
_NOT_DECIDED = (
    "OperationalError",
    "InterfaceError",
    "AdminShutdown",
    "CrashShutdown",
    "CannotConnectNow",
    "QueryCanceled",
)
_SESSION = f"-csearch_path={SCHEMA} -cstatement_timeout=15min"
_ASSET_NUMBERS = itertools.count(1)
_TOGETHER = -1
_CHECKPOINT: ContextVar[str | None] = ContextVar("checkpoint", default=None)


@dataclass(frozen=True)
class Check:
    """One expectation, the SQL that counts what it judges, and how many that must be at least.

    `column` is the column or columns it is about; `severity` what a failure does (`reject`, `hold`, `block`, `warn`);
    `total`, if set, is a SQL aggregate with the whole number it must equal exactly (the library compares sums as
    floats).
    """

    expectation: Expectation
    column: str | None
    counted: sql.Composable
    at_least: int
    severity: str
    total: tuple[sql.Composable, int] | None = None

    @property
    def name(self) -> str:
        """The expectation's public name, such as expect_column_values_to_not_be_null."""
        return str(self.expectation.configuration.type)


@dataclass(frozen=True)
class Measured:
    """What our own SQL found: how many rows the check judges, and whether its total is exact (if it has one)."""

    rows: int
    is_exact: bool = True


@dataclass(frozen=True)
class Outcome:
    """The verdict on one check: counts only. `reason` says why one that Great Expectations did not fail has failed."""

    check: Check
    success: bool
    evaluated: int
    unexpected: int | None
    reason: str | None = None


@dataclass(frozen=True)
class Part:
    """A table with its suite: what is to be checked, and what our own SQL measured of each check."""

    table: str
    suite: str
    checks: Sequence[Check]
    measured: Sequence[Measured]


class _Counted(NamedTuple):
    judged: int
    unexpected: int | None
    is_met: bool


def measure(connection: Connection, table: str, checks: Sequence[Check]) -> list[Measured]:
    """Count, in one scan of gate.<table>, what each check judges, and compare the exact totals."""
    expressions: list[sql.Composable] = []
    for check in checks:
        expressions.append(check.counted)
        if check.total is not None:
            expressions.append(sql.SQL("{} = {}").format(check.total[0], sql.Literal(check.total[1])))
    row = connection.execute(
        sql.SQL("select {} from {}").format(sql.SQL(", ").join(expressions), sql.Identifier(SCHEMA, table))
    ).fetchone()
    assert row is not None
    found = iter(row)
    return [Measured(int(str(next(found))), True if check.total is None else next(found) is True) for check in checks]


def judge_table(
    url: str, table: str, *, suite: str, checks: Sequence[Check], measured: Sequence[Measured]
) -> list[Outcome]:
    """Validate gate.<table> through a table asset; `url` is a SQLAlchemy URL whose role may read it.

    Raises UnreachableError when the database went away: then nothing is decided.
    """
    return judge_tables(url, [Part(table, suite, checks, measured)])[0]


def judge_tables(url: str, parts: Sequence[Part]) -> list[list[Outcome]]:
    """Validate several tables of the schema `gate`, each by its suite; see `judge_table`."""
    name = _CHECKPOINT.get()
    if name is not None:
        definitions = [_own_definition(url, part.table) for part in parts]
        try:
            return _by_checkpoint(name, list(zip(definitions, parts, strict=True)))
        finally:
            for definition in definitions:
                _source(os.getpid(), url).delete_asset(definition.data_asset.name)
    outcomes = []
    for part in parts:
        if not any(map(_is_judged, part.checks, part.measured)):
            outcomes.append(_interpreted(part, {}))
            continue
        definition = _table_definition(os.getpid(), url)
        # one asset for all tables of a process: to add and to delete one costs more than to judge a small table
        definition.data_asset.table_name = part.table
        outcomes.append(_judged_together(definition.get_batch(), part))
    return outcomes


def judge_frame(
    frame: pd.DataFrame, *, suite: str, checks: Sequence[Check], measured: Sequence[Measured]
) -> list[Outcome]:
    """Validate a small frame of control rows."""
    asset_name = f"frame-{next(_ASSET_NUMBERS)}"
    context = _context(os.getpid())
    source = context.data_sources.add_pandas(asset_name)
    part = Part(asset_name, suite, checks, measured)
    try:
        definition = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
        name = _CHECKPOINT.get()
        if name is not None:
            return _by_checkpoint(name, [(definition, part)], {"dataframe": frame})[0]
        return _interpreted(part, _validated(definition.get_batch({"dataframe": frame}), part))
    finally:
        context.data_sources.delete(asset_name)


@contextlib.contextmanager
def as_checkpoint(name: str) -> Iterator[None]:
    """Let what is judged inside run as a Checkpoint of that name, every expectation by itself."""
    token = _CHECKPOINT.set(name)
    try:
        yield
    finally:
        _CHECKPOINT.reset(token)


def _validated(batch: Batch, part: Part) -> dict[int, Any]:
    """Results by the number of the check, each expectation judged by itself."""
    suite = gx.ExpectationSuite(part.suite, expectations=_expectations(part))
    return _by_number(batch.validate(suite, result_format=_NO_VALUES))


def _judged_together(batch: Batch, part: Part) -> list[Outcome]:
    """As `_validated`, but what can be counted in one scan is."""
    numbers = [number for number in _judged_numbers(part) if is_fusable(part.checks[number].expectation)]
    if not numbers:
        return _interpreted(part, _validated(batch, part))
    whole = fuse([part.checks[number].expectation for number in numbers])
    expectations = [_numbered(whole, _TOGETHER), *_expectations(part, without=numbers)]
    results = _by_number(
        batch.validate(gx.ExpectationSuite(part.suite, expectations=expectations), result_format=_NO_VALUES)
    )
    together = results.pop(_TOGETHER, None)
    if together is None or _exception(together.exception_info or {}) is not None:
        # one by one, so that the one that raised is named and the others are judged
        return _interpreted(part, _validated(batch, part))
    found = together.result["observed_value"]
    return _interpreted(part, results | dict(zip(numbers, map(_Counted._make, found), strict=True)))


def _by_checkpoint(
    name: str, parts: Sequence[tuple[BatchDefinition[Any], Part]], parameters: dict[str, Any] | None = None
) -> list[list[Outcome]]:
    """One ValidationDefinition a suite, one run; nothing stays in the context but what the next run needs."""
    context = _context(os.getpid())
    by_suite: dict[str, dict[int, Any]] = {}
    definitions = []
    try:
        for data, part in parts:
            if _judged_numbers(part):
                suite = context.suites.add(gx.ExpectationSuite(part.suite, expectations=_expectations(part)))
                definition = gx.ValidationDefinition(name=part.suite, data=data, suite=suite)
                definitions.append(context.validation_definitions.add(definition))
        if definitions:
            checkpoint = gx.Checkpoint(name=name, validation_definitions=definitions, result_format=_NO_VALUES)
            for validated in context.checkpoints.add(checkpoint).run(parameters).run_results.values():
                by_suite[str(validated.suite_name)] = _by_number(validated)
            context.checkpoints.delete(name)
    finally:
        for definition in definitions:
            context.validation_definitions.delete(definition.name)
            context.suites.delete(definition.suite.name)
        for key in context.validation_results_store.list_keys():
            context.validation_results_store.remove_key(key)
    return [_interpreted(part, by_suite.get(part.suite, {})) for _, part in parts]


def _judged_numbers(part: Part) -> list[int]:
    return [number for number in range(len(part.checks)) if _is_judged(part.checks[number], part.measured[number])]


def _expectations(part: Part, without: Sequence[int] = ()) -> list[Expectation]:
    return [
        _numbered(part.checks[number].expectation, number) for number in _judged_numbers(part) if number not in without
    ]


def _numbered(expectation: Expectation, number: int) -> Expectation:
    expectation.meta = {**(expectation.meta or {}), "check": number}
    return expectation


def _by_number(validated: Any) -> dict[int, Any]:
    results = {}
    for result in validated.results:
        meta = result.expectation_config.meta if result.expectation_config is not None else None
        results[int((meta or {})["check"])] = result
    return results


def _interpreted(part: Part, results: Mapping[int, Any]) -> list[Outcome]:
    outcomes = []
    for number, (check, known) in enumerate(zip(part.checks, part.measured, strict=True)):
        result = results.get(number)
        if not _is_judged(check, known):
            outcomes.append(_outcome_of_nothing(check, known))
        elif isinstance(result, _Counted):
            outcomes.append(_verdict(check, known, result.judged, result.unexpected, is_met=result.is_met))
        else:
            outcomes.append(_outcome(check, known, result))
    return outcomes


def _is_judged(check: Check, known: Measured) -> bool:
    """Whether there is anything to judge: the library takes 10 ms a check, for nothing as for a million rows."""
    return known.rows > 0 or check.at_least > 0


def _outcome_of_nothing(check: Check, known: Measured) -> Outcome:
    """Legitimately empty: an optional column nobody filled in, a comparison without history."""
    return Outcome(check, known.is_exact, 0, 0, None if known.is_exact else "total differs")


def _outcome(check: Check, known: Measured, result: Any) -> Outcome:
    if result is None:
        return Outcome(check, False, 0, None, "no result")
    raised = _exception(result.exception_info or {})
    if raised is not None:
        return Outcome(check, False, 0, None, f"exception {raised}")
    found: Mapping[str, Any] = result.result or {}
    return _verdict(check, known, _judged(found), found.get("unexpected_count"), is_met=bool(result.success))


def _verdict(check: Check, known: Measured, judged: int | None, unexpected: int | None, *, is_met: bool) -> Outcome:
    if known.rows < check.at_least:
        return Outcome(check, False, known.rows, unexpected, "too little was evaluated")
    if judged is None or (judged >= 0 and judged != known.rows):
        return Outcome(check, False, 0 if judged is None else judged, unexpected, "not all of it was evaluated")
    if not known.is_exact:
        return Outcome(check, False, known.rows, unexpected, "total differs")
    return Outcome(check, is_met, known.rows, unexpected)


def _judged(found: Mapping[str, Any]) -> int | None:
    """How many rows the library says it judged; None if it judged nothing, -1 where it gives no number of rows."""
    if "element_count" in found:
        return int(found["element_count"] or 0) - int(found.get("missing_count") or 0) or None
    return -1 if found.get("observed_value") is not None else None


def _exception(info: Mapping[str, Any]) -> str | None:
    """The class of the exception inside a result, never its text; raises UnreachableError for a lost connection."""
    inner = [info] if "raised_exception" in info else list(info.values())
    for one in inner:
        if one.get("raised_exception"):
            trace = str(one.get("exception_traceback") or "")
            if any(name in trace for name in _NOT_DECIDED):
                raise _gone()
            last = trace.strip().rpartition("\n")[2] if trace.strip() else ""
            return last.partition(":")[0].rpartition(".")[2].strip() or "unknown"
    return None


def _gone() -> UnreachableError:
    return UnreachableError(
        "The database did not answer a gate, so nothing was decided: check that it runs and run the step again."
    )


@functools.cache
def _context(_pid: int) -> EphemeralDataContext:
    """The context of this process; a forked child makes its own, as connections must not be shared."""
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    return context


@functools.cache
def _source(pid: int, url: str) -> PostgresDatasource:
    """The data source of one database; the schema goes in with the session, as assets no longer name one."""
    place = sqlalchemy.make_url(url)
    options = " ".join(filter(None, [str(place.query.get("options", "")), _SESSION]))
    place = place.update_query_dict({"options": options})
    try:
        return _context(pid).data_sources.add_postgres(
            f"warehouse-{next(_ASSET_NUMBERS)}",
            connection_string=place.render_as_string(hide_password=False),
            kwargs={"pool_pre_ping": True, "pool_size": 1},
        )
    except TestConnectionError:
        raise _gone() from None


@functools.cache
def _table_definition(pid: int, url: str) -> BatchDefinition[Any]:
    """All rows of the one table asset of a database; which table it is, is set before each run."""
    return _definition(_source(pid, url), "table", "pg_class")


def _own_definition(url: str, table: str) -> BatchDefinition[Any]:
    return _definition(_source(os.getpid(), url), f"{table}-{next(_ASSET_NUMBERS)}", table)


def _definition(source: PostgresDatasource, name: str, table: str) -> BatchDefinition[Any]:
    try:
        return source.add_table_asset(name, table_name=table).add_batch_definition_whole_table("all")
    except TestConnectionError:
        raise _gone() from None
