"""Great Expectations as one function: checks go in, outcomes come out, no value of a row leaves this module.

One ephemeral context a process, without telemetry, progress bars and log noise. A check is judged twice: by Great
Expectations, and by our own count of what it judged. "Nothing was evaluated" is a failure, and so is a count that
differs, a missing result and an exception inside a result.
"""

from __future__ import annotations

import functools
import itertools
import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import sqlalchemy
from psycopg import sql

from warehouse.connection import Connection
from warehouse.errors import UnreachableError

os.environ["GX_ANALYTICS_ENABLED"] = "false"
with warnings.catch_warnings():
    # the library imports a module of the standard library that is deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    import great_expectations as gx
    from great_expectations.data_context import EphemeralDataContext
    from great_expectations.datasource.fluent import PostgresDatasource
    from great_expectations.datasource.fluent.interfaces import Batch, TestConnectionError
    from great_expectations.expectations.expectation import Expectation

__all__ = ["SCHEMA", "Check", "Expectation", "Measured", "Outcome", "gx", "judge_frame", "judge_table", "measure"]

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
    if not any(map(_is_judged, checks, measured)):
        return [_outcome_of_nothing(check, known) for check, known in zip(checks, measured, strict=True)]
    source = _source(os.getpid(), url)
    name = f"{table}-{next(_ASSET_NUMBERS)}"
    try:
        asset = source.add_table_asset(name, table_name=table)
    except TestConnectionError:
        raise _gone() from None
    try:
        batch = asset.add_batch_definition_whole_table("all").get_batch()
        return _outcomes(batch, suite=suite, checks=checks, measured=measured)
    finally:
        source.delete_asset(name)


def judge_frame(
    frame: pd.DataFrame, *, suite: str, checks: Sequence[Check], measured: Sequence[Measured]
) -> list[Outcome]:
    """Validate a small frame of control rows."""
    name = f"frame-{next(_ASSET_NUMBERS)}"
    context = _context(os.getpid())
    source = context.data_sources.add_pandas(name)
    try:
        definition = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
        batch = definition.get_batch({"dataframe": frame})
        return _outcomes(batch, suite=suite, checks=checks, measured=measured)
    finally:
        context.data_sources.delete(name)


def _outcomes(batch: Batch, *, suite: str, checks: Sequence[Check], measured: Sequence[Measured]) -> list[Outcome]:
    expectations = []
    for number, (check, known) in enumerate(zip(checks, measured, strict=True)):
        if _is_judged(check, known):
            check.expectation.meta = {**(check.expectation.meta or {}), "check": number}
            expectations.append(check.expectation)
    validated = batch.validate(gx.ExpectationSuite(suite, expectations=expectations), result_format=_NO_VALUES)
    results: dict[int, Any] = {}
    for result in validated.results:
        meta = result.expectation_config.meta if result.expectation_config is not None else None
        results[int((meta or {})["check"])] = result
    return [
        _outcome(check, known, results.get(number)) if _is_judged(check, known) else _outcome_of_nothing(check, known)
        for number, (check, known) in enumerate(zip(checks, measured, strict=True))
    ]


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
    unexpected = found.get("unexpected_count")
    if known.rows < check.at_least:
        return Outcome(check, False, known.rows, unexpected, "too little was evaluated")
    judged = _judged(found)
    if judged is None or (judged >= 0 and judged != known.rows):
        return Outcome(check, False, 0 if judged is None else judged, unexpected, "not all of it was evaluated")
    if not known.is_exact:
        return Outcome(check, False, known.rows, unexpected, "total differs")
    return Outcome(check, bool(result.success), known.rows, unexpected)


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
