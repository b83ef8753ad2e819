"""Gate 2: may this candidate be shown? Looks at the very views readers will see, pinned on the candidate.

The publisher may not create relations for Great Expectations to read, and pins belong to a session, so the control
figures are read by SQL into a small frame (a row a comparison) that a suite validates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
from psycopg import sql
from psycopg.types.json import Jsonb

from expectations.candidate import completeness, dbt_tests, drift, identities, national, totals
from expectations.candidate.control import Compared, Control, Row, merged
from expectations.candidate.scope import Scope, read_scope
from expectations.engine import Check, Measured, Outcome, gx, judge_frame
from expectations.results import Finding, Result, write_results
from warehouse import roles
from warehouse.connection import Connection, connect
from warehouse.settings import Settings

_MOST_FINDINGS = 20
_MOST_FIGURES = 5
_PARTS = (dbt_tests, completeness, totals, identities, national, drift)
CONTROLS: dict[str, Control] = {control.name: control for part in _PARTS for control in part.CONTROLS}
SUITES = tuple(dict.fromkeys(control.suite for control in CONTROLS.values()))


@dataclass(frozen=True)
class CandidateVerdict:
    """Whether the candidate may be published, what speaks against it, and what somebody should look at all the same.

    At most twenty findings and twenty warnings of each control.
    """

    passed: bool
    findings: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()


def gate_candidate(settings: Settings, build_id: int) -> CandidateVerdict:
    """Judge the candidate of a build whose pointer rows are staged. Raises LookupError for an unknown build.

    The results and the verdict on them are stored together or not at all.
    """
    with connect(settings, roles.PUBLISHER, autocommit=True) as connection:
        scope = read_scope(connection, build_id)
        compared = compare(connection, scope)
        outcomes = judge(compared)
        verdict = verdict_on(outcomes, compared.rows, dbt_tests.warned(connection, build_id))
        with connection.transaction():
            results = [_result(outcome, compared.rows) for outcome in outcomes]
            write_results(connection, results, gate="candidate", build_id=build_id)
            _write_verdict(connection, build_id, verdict)
    return verdict


def compare(connection: Connection, scope: Scope) -> Compared:
    """Every comparison of a build's candidate, by a connection of the publisher's, which it pins."""
    # what a step groups has no statistics, and the planner would loop over it
    connection.execute("set enable_nestloop = off")
    completeness.pin(connection, scope.candidate_id)
    return merged(part.compare(connection, scope) for part in _PARTS)


def judge(compared: Compared) -> list[Outcome]:
    """One outcome a control, and one for there being anything at all.

    Each control has two columns of its own, filled as far as it has comparisons: a condition on rows would cost more.
    """
    by_control: dict[str, list[Row]] = {name: [] for name in CONTROLS}
    for one in compared.rows:
        by_control[one.control].append(one)
    frame = pd.DataFrame(
        {
            f"{name} {side}": pd.Series([getattr(row, side) for row in rows], dtype=object)
            for name, rows in by_control.items()
            for side in ("expected", "actual")
        }
    )
    nothing = sql.SQL("")
    floor = gx.expectations.ExpectTableRowCountToBeBetween(min_value=1)
    checks, measured = [Check(floor, None, nothing, 1, "block")], [Measured(len(frame))]
    for control in CONTROLS.values():
        equal = gx.expectations.ExpectColumnPairValuesToBeEqual(
            column_A=f"{control.name} expected",
            column_B=f"{control.name} actual",
            ignore_row_if="both_values_are_missing",
            meta={"severity": control.severity, "control": control.name, "reason": control.reason},
        )
        at_least = compared.at_least.get(control.name, 0)
        checks.append(Check(equal, control.name, nothing, at_least, control.severity))
        measured.append(Measured(len(by_control[control.name])))
    return judge_frame(frame, suite="candidate", checks=checks, measured=measured)


def failing(rows: Iterable[Row]) -> set[str]:
    """The controls with a comparison that is not equal."""
    return {row.control for row in rows if not row.is_equal}


def verdict_on(outcomes: Sequence[Outcome], rows: Sequence[Row], of_dbt: Sequence[str]) -> CandidateVerdict:
    """The verdict on what was judged; `of_dbt` are sentences on tests of dbt that only warn."""
    failed = [outcome for outcome in outcomes if not outcome.success]
    blocking = [outcome for outcome in failed if outcome.check.severity == "block"]
    warning = [outcome for outcome in failed if outcome.check.severity == "warn"]
    warnings = [Finding("E-GATE", {"gate": dbt_tests.SUITE, "detail": detail}, None, "dbt test") for detail in of_dbt]
    return CandidateVerdict(
        not blocking,
        tuple(finding for outcome in blocking for finding in _findings(outcome, rows)),
        (*warnings, *(finding for outcome in warning for finding in _findings(outcome, rows))),
    )


def _result(outcome: Outcome, rows: Sequence[Row]) -> Result:
    name = outcome.check.column
    suite = CONTROLS[name].suite if name else "candidate"
    wrong = [str(row) for row in rows if row.control == name and not row.is_equal]
    return Result(outcome, suite, details={"figures": "; ".join(wrong[:_MOST_FIGURES])} if wrong else {})


def _write_verdict(connection: Connection, build_id: int, verdict: CandidateVerdict) -> None:
    """One row that says whether the build may be shown, over everything any suite found of it."""
    connection.execute(
        """
        with mine as (
            -- of a gate that ran again, what it found last
            select distinct on (suite, expectation, column_name) suite, success, severity from ops.gate_result
            where gate = 'candidate' and build_id = %(build)s and suite <> 'verdict'
            order by suite, expectation, column_name, gate_result_id desc
        ),
        by_suite as (
            select
                suite, count(*) as checks, count(*) filter (where not success and severity = 'block') as failed,
                count(*) filter (where not success and severity = 'warn') as warned
            from mine group by suite
        )
        insert into ops.gate_result (
            gate, build_id, suite, expectation, success, severity, evaluated, unexpected, details
        )
        select
            'candidate', %(build)s, 'verdict', 'verdict', %(passed)s, 'block', sum(checks), sum(failed),
            jsonb_build_object('warned', sum(warned), 'suites', jsonb_object_agg(
                suite, jsonb_build_object('checks', checks, 'failed', failed, 'warned', warned)
            ), 'said', %(said)s)
        from by_suite
        """,
        {
            "build": build_id, "passed": verdict.passed,
            "said": Jsonb([f"{one.args['gate']}: {one.args['detail']}" for one in
                           (*verdict.findings, *verdict.warnings)][:_MOST_FINDINGS]),
        },
    )  # fmt: skip


def _findings(outcome: Outcome, rows: Sequence[Row]) -> list[Finding]:
    control = outcome.check.column
    name = outcome.check.name
    if outcome.reason is not None or control is None:
        args = {"gate": control or name, "detail": outcome.reason or "nothing was evaluated"}
        return [Finding("E-GATE", args, None, name)]
    details = [str(row) for row in rows if row.control == control and not row.is_equal]
    left_out = len(details) - _MOST_FINDINGS
    if left_out > 0:
        details = [*details[:_MOST_FINDINGS], f"and {left_out} more"]
    return [Finding("E-GATE", {"gate": control, "detail": detail}, None, name) for detail in details]
