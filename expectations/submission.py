"""Gate 1: may this submission enter? Runs on committed rows, decides nothing in the ledger, stores what it found."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from psycopg import sql

from expectations.business import Rule, business_rules, write_facts
from expectations.engine import SCHEMA, Check, Outcome, Part, gx, judge_tables, measure
from expectations.facts import Fact, Load, Subject, read_facts, read_subject
from expectations.results import Finding, Result, failure, write_notes, write_results
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


@dataclass
class _Found:
    results: list[Result] = field(default_factory=list)
    failures: list[Finding] = field(default_factory=list)
    holds: list[Finding] = field(default_factory=list)
    notes: list[tuple[int, Finding]] = field(default_factory=list)


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
        found = _judged(connection, url, subject)
        write_results(connection, found.results, gate="submission", sub_no=sub_no)
        write_notes(connection, [load.load_id for load in subject.loads], found.notes)
    if found.failures:
        return Verdict("failed", (*found.failures, *found.holds))
    return Verdict("held" if found.holds else "passed", tuple(found.holds))


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


def _contract_part(connection: Connection, load: Load) -> Part:
    view = f"s_{load.load_id}"
    checks = contract_suite(load_contracts()[load.feed], load.accepted, load.loaded)
    return Part(view, f"contract {load.feed}", checks, measure(connection, view, checks))


def _business_part(connection: Connection, subject: Subject, facts: Sequence[Fact], rules: Sequence[Rule]) -> Part:
    table = f"f_{subject.sub_no}"
    with connection.transaction():
        write_facts(connection, table, facts)
    floor = gx.expectations.ExpectTableRowCountToEqual(
        value=len(subject.loads),
        meta={"severity": "reject", "basis": "identity", "reason": "the rules looked at every feed of the submission"},
    )
    checks = [Check(floor, None, sql.SQL("count(*)"), 1, "reject"), *(rule.check for rule in rules)]
    return Part(table, "business", checks, measure(connection, table, checks))


def _judged(connection: Connection, url: str, subject: Subject) -> _Found:
    with _gate_relations(connection, subject):
        sent = _sent(subject)
        parts = [_contract_part(connection, load) for load in sent]
        facts = read_facts(connection, subject)
        rules = business_rules(facts, subject.month)
        parts.append(_business_part(connection, subject, facts, rules))
        *by_load, of_business = judge_tables(url, parts)
    found = _Found()
    for load, part, outcomes in zip(sent, parts[:-1], by_load, strict=True):
        found.results += [Result(outcome, part.suite, load.load_id) for outcome in outcomes]
        found.failures += [failure(outcome, load.feed) for outcome in outcomes if not outcome.success]
    _add_business(found, facts, rules, of_business)
    return found


def _add_business(found: _Found, facts: list[Fact], rules: Sequence[Rule], outcomes: Sequence[Outcome]) -> None:
    floor, *others = outcomes
    found.results.append(Result(floor, "business"))
    if not floor.success:
        found.failures.append(failure(floor, None))
    for rule, outcome in zip(rules, others, strict=True):
        is_broken = not outcome.success and not outcome.reason
        if not rule.holds:
            found.results.append(Result(outcome, "business", details=_warned(rule, facts) if is_broken else {}))
            if is_broken and rule.code is not None:
                found.notes += [
                    (fact.load.load_id, Finding(rule.code, arguments, fact.load.feed, rule.check.name))
                    for fact in facts
                    for arguments in rule.explain(fact)
                ]
            continue
        told = _explained(rule, facts) if is_broken else []
        if not outcome.success and not told:
            # no feed breaks the rule: it could not be evaluated
            found.failures.append(failure(outcome, None))
        found.holds += told
        found.results.append(Result(outcome, "business", details=_feeds(told)))


def _warned(rule: Rule, facts: list[Fact]) -> dict[str, object]:
    """A warning decides nothing: its figures, which are counts and row numbers, are kept with its result."""
    return {"figures": [{"feed": fact.load.feed, **arguments} for fact in facts for arguments in rule.explain(fact)]}


def _explained(rule: Rule, facts: list[Fact]) -> list[Finding]:
    assert rule.code is not None
    return [
        Finding(rule.code, arguments, fact.load.feed, rule.check.name)
        for fact in facts
        for arguments in rule.explain(fact)
    ]


def _feeds(findings: list[Finding]) -> dict[str, object]:
    if not findings:
        return {}
    figures = [{"feed": one.feed, **_shown(one.args)} for one in findings]
    return {"code": findings[0].code, "feeds": sorted({str(one.feed) for one in findings}), "figures": figures}


def _shown(args: Mapping[str, object]) -> dict[str, object]:
    """What of a hold is kept with its result: a total and a median stay out, of few rows they are somebody's wage."""
    if "column" not in args:
        return dict(args)
    return {name: value for name, value in args.items() if name not in ("actual", "expected")}
