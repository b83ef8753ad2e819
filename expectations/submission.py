"""Gate 1: may this submission enter? Runs on committed rows, decides nothing in the ledger, stores what it found."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from psycopg import sql

from expectations.business import Rule, business_rules, write_facts
from expectations.engine import SCHEMA, Check, Outcome, gx, judge_table, measure
from expectations.facts import Fact, Load, Subject, read_facts, read_subject
from expectations.results import Finding, Result, failure, write_results
from expectations.suites import contract_suite
from ingestion.contracts import load_contracts
from warehouse import roles
from warehouse.connection import Connection, connect, role_url
from warehouse.settings import Settings


@dataclass(frozen=True)
class Verdict:
    """`passed`; `held`: a person decides; `failed`: the submission is to be rejected."""

    outcome: Literal["passed", "held", "failed"]
    findings: tuple[Finding, ...] = ()


def gate_submission(settings: Settings, sub_no: int) -> Verdict:
    """Judge one submission whose rows are committed (state `loaded`).

    Raises LookupError for an unknown submission, UsageError when a seed is missing, UnreachableError when the database
    goes away: nothing is decided then, and the gate can run again.
    """
    url = role_url(settings, roles.LOADER, driver="postgresql+psycopg")
    with connect(settings, roles.LOADER, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(hashtext('vss gate'), %s::int)", [sub_no])
        subject = read_subject(connection, sub_no)
        if not subject.loads:
            return _of_nothing(subject)
        with _gate_relations(connection, subject):
            results, failures = _judge_contracts(connection, url, subject)
            business, failed_rules, holds = _judge_business(connection, url, subject)
        write_results(connection, results + business, gate="submission", sub_no=sub_no)
    failures += failed_rules
    if failures:
        return Verdict("failed", (*failures, *holds))
    return Verdict("held" if holds else "passed", tuple(holds))


def _of_nothing(subject: Subject) -> Verdict:
    """A void names no files; anything else without a feed was not evaluated, and that is a failure."""
    if subject.action == "void":
        return Verdict("passed")
    args = {"gate": "submission", "detail": "nothing was evaluated"}
    return Verdict("failed", (Finding("E-GATE", args, None, "submission"),))


@contextlib.contextmanager
def _gate_relations(connection: Connection, subject: Subject) -> Iterator[None]:
    """A view of each slice under a name of its own; what a killed run left is replaced, ours is dropped in any case."""
    _drop(connection, subject)
    try:
        for load in _sent(subject):
            connection.execute(_view(load, subject))
        yield
    finally:
        if not connection.closed and not connection.broken:
            _drop(connection, subject)


def _view(load: Load, subject: Subject) -> sql.Composed:
    contract = load_contracts()[load.feed]
    columns = map(sql.Identifier, ("load_id", "row_no", *contract.column_names))
    condition = sql.SQL("load_id = {}").format(sql.Literal(load.load_id))
    if contract.partition_by_month:
        # the partition key: without it every month of history is looked at
        condition += sql.SQL(" and month = {}").format(sql.Literal(subject.month))
    return sql.SQL("create view {} as select {} from {} where {}").format(
        sql.Identifier(SCHEMA, f"s_{load.load_id}"),
        sql.SQL(", ").join(columns),
        sql.Identifier("raw", load.feed),
        condition,
    )


def _drop(connection: Connection, subject: Subject) -> None:
    for load in subject.loads:
        connection.execute(sql.SQL("drop view if exists {}").format(sql.Identifier(SCHEMA, f"s_{load.load_id}")))
    connection.execute(sql.SQL("drop table if exists {}").format(sql.Identifier(SCHEMA, f"f_{subject.sub_no}")))


def _sent(subject: Subject) -> list[Load]:
    return [load for load in subject.loads if not load.is_nil]


def _judge_contracts(connection: Connection, url: str, subject: Subject) -> tuple[list[Result], list[Finding]]:
    results, findings = [], []
    for load in _sent(subject):
        view, suite = f"s_{load.load_id}", f"contract {load.feed}"
        checks = contract_suite(load_contracts()[load.feed], load.accepted, load.loaded)
        measured = measure(connection, view, checks)
        for outcome in judge_table(url, view, suite=suite, checks=checks, measured=measured):
            results.append(Result(outcome, suite, load.load_id))
            if not outcome.success:
                findings.append(failure(outcome, load.feed))
    return results, findings


def _judge_business(
    connection: Connection, url: str, subject: Subject
) -> tuple[list[Result], list[Finding], list[Finding]]:
    table = f"f_{subject.sub_no}"
    facts = read_facts(connection, subject)
    with connection.transaction():
        write_facts(connection, table, facts)
    rules = business_rules(facts, subject.month)
    floor = Check(
        gx.expectations.ExpectTableRowCountToEqual(value=len(subject.loads)), None, sql.SQL("count(*)"), 1, "reject"
    )
    checks = [floor, *(rule.check for rule in rules)]
    outcomes = judge_table(url, table, suite="business", checks=checks, measured=measure(connection, table, checks))
    results = [Result(outcomes[0], "business")]
    failures = [] if outcomes[0].success else [failure(outcomes[0], None)]
    holds: list[Finding] = []
    for rule, outcome in zip(rules, outcomes[1:], strict=True):
        if rule.code is None:
            results.append(Result(outcome, "business", details=_warned(rule, facts, outcome)))
            continue
        found = [] if outcome.success or outcome.reason else _explained(rule, rule.code, facts)
        if not outcome.success and not found:
            # no feed breaks the rule: it could not be evaluated
            failures.append(failure(outcome, None))
        holds += found
        results.append(Result(outcome, "business", details=_feeds(found)))
    return results, failures, holds


def _warned(rule: Rule, facts: list[Fact], outcome: Outcome) -> dict[str, object]:
    """A warning decides nothing: its figures, which are counts, are kept with its result."""
    if outcome.success or outcome.reason:
        return {}
    found = [{"feed": fact.load.feed, **arguments} for fact in facts for arguments in rule.explain(fact)]
    return {"figures": found}


def _explained(rule: Rule, code: str, facts: list[Fact]) -> list[Finding]:
    return [
        Finding(code, arguments, fact.load.feed, rule.check.name) for fact in facts for arguments in rule.explain(fact)
    ]


def _feeds(findings: list[Finding]) -> dict[str, object]:
    return {"code": findings[0].code, "feeds": sorted({str(one.feed) for one in findings})} if findings else {}
