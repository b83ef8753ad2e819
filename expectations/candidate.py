"""Gate 2: may this candidate be shown? Looks at the very views readers will see, pinned on the candidate.

The publisher may not create relations for Great Expectations to read, and pins belong to a session, so the control
figures are read by SQL into a small frame (one row a touched slice and measure) that a suite validates.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from psycopg import sql

from expectations.engine import Check, Measured, Outcome, gx, judge_frame
from expectations.results import Finding, Result, write_results
from warehouse import roles
from warehouse.connection import Connection, connect
from warehouse.settings import Settings

_COLUMN = gx.expectations.row_conditions.Column
_MOST_FINDINGS = 20
_HEAD_COUNTS = ("si_participants", "si_compulsory", "si_voluntary", "ui", "hi")
_REASONS = {
    "ledger": "every input of the build is an accepted load",
    "evaluated": "a touched slice with accepted rows is not empty in bi",
    "total": "published = loaded, to the dong and to the row",
    "shown": "what was shown does not vanish without a void",
    "national": "a national head count is the sum over its provinces",
}


@dataclass(frozen=True)
class CandidateVerdict:
    """Whether the candidate may be published, and what speaks against it (the first twenty slices of each kind)."""

    passed: bool
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class _Fact:
    relation: str
    feed: str
    amounts: tuple[str, ...]


@dataclass(frozen=True)
class _Row:
    """A control row: two whole numbers that must be equal. `place` names province, month or relation for people."""

    control: str
    relation: str
    place: str
    measure: str
    expected: int
    actual: int


_FACTS = (
    _Fact("fct_participation", "participants", ("wage_base_vnd",)),
    _Fact("fct_arrears", "arrears", ("principal_vnd",)),
    _Fact("fct_contribution", "contributions", ("paid_vnd", "due_vnd")),
)


def gate_candidate(settings: Settings, build_id: int) -> CandidateVerdict:
    """Judge the candidate of a build whose pointer rows are staged. Raises LookupError for an unknown build."""
    with connect(settings, roles.PUBLISHER, autocommit=True) as connection:
        found = connection.execute("select candidate_id from ops.build where build_id = %s", [build_id]).fetchone()
        if found is None:
            raise LookupError(f"there is no build {build_id}")
        connection.execute("select set_config('vss.publication', %s, false)", [str(found[0])])
        rows, expected, vanished = _control_rows(connection, build_id)
        outcomes = _judge(rows, expected)
        results = [Result(outcome, "candidate") for outcome in outcomes]
        write_results(connection, results, gate="candidate", build_id=build_id)
    failed = [outcome for outcome in outcomes if not outcome.success]
    findings = [finding for outcome in failed for finding in _findings(outcome, rows, vanished)]
    return CandidateVerdict(not failed, tuple(findings))


def _control_rows(connection: Connection, build_id: int) -> tuple[list[_Row], dict[str, int], list[str]]:
    """All control rows, how many of each kind there must be at least, and the places that vanished."""
    rows = _ledger_rows(connection, build_id)
    expected = {"ledger": 0, "evaluated": 0, "total": 0, "shown": 0}
    months: set[dt.date] = set()
    for fact in _FACTS:
        touched = _touched(connection, build_id, fact)
        expected["evaluated"] += sum(one.accepted > 0 for one in touched)
        expected["total"] += sum(one.basis != "ytd" for one in touched)
        if fact.feed == "participants":
            months = {one.month for one in touched if one.accepted > 0}
        rows += _slice_rows(connection, fact, touched)
    shown, vanished = _shown_rows(connection)
    rows += shown
    rows += _national_rows(connection, sorted(months))
    return rows, {**expected, "national": len(months)}, vanished


def _ledger_rows(connection: Connection, build_id: int) -> list[_Row]:
    row: Any = connection.execute(
        """
        select count(*), count(*) filter (where s.state in ('accepted', 'accepted_with_rejects'))
        from ops.build_input i join ops.load l on l.load_id = i.load_id join ops.submission s on s.sub_no = l.sub_no
        where i.build_id = %s
        """,
        [build_id],
    ).fetchone()
    return [_Row("ledger", "ops.build_input", "all", "inputs", row[0], row[1])] if row[0] else []


@dataclass(frozen=True)
class _Touched:
    submission_id: str
    place: str
    month: dt.date
    basis: str
    accepted: int
    totals: dict[str, dict[str, Any]]


def _touched(connection: Connection, build_id: int, fact: _Fact) -> list[_Touched]:
    """Inputs of the feed whose slice was made in this build, or should have been."""
    rows = connection.execute(
        """
        select s.submission_id, p.name_vi || ' (' || p.province_code || ')', s.month, l.basis, l.accepted, l.totals
        from ops.build_input i
        join ops.load l on l.load_id = i.load_id
        join ops.submission s on s.sub_no = l.sub_no
        join ops.province p
            on s.sender = 'province-' || p.province_code and s.month >= p.valid_from and s.month < p.valid_to
        where i.build_id = %(build)s and i.feed = %(feed)s
          and (
              exists (
                  select from ops.slice c
                  where c.build_id = i.build_id and c.relation = %(relation)s
                    and c.territory_key = p.territory_key and c.month = s.month
              )
              or exists (
                  select from ops.build_touch t
                  where t.build_id = i.build_id and t.source = i.feed
                    and t.territory_key = p.territory_key and t.month = s.month
              )
          )
        order by s.month, p.province_code
        """,
        {"build": build_id, "feed": fact.feed, "relation": fact.relation},
    ).fetchall()
    values: list[Any] = list(rows)
    return [_Touched(*value) for value in values]


def _slice_rows(connection: Connection, fact: _Fact, touched: Sequence[_Touched]) -> list[_Row]:
    if not touched:
        return []
    sums = sql.SQL("").join(sql.SQL(", coalesce(sum({}), 0)").format(sql.Identifier(name)) for name in fact.amounts)
    found = connection.execute(
        sql.SQL(
            "select submission_id, month, count(*){} from bi.{} where month = any(%s) and submission_id = any(%s)"
            " group by submission_id, month"
        ).format(sums, sql.Identifier(fact.relation)),
        [sorted({one.month for one in touched}), [one.submission_id for one in touched]],
    ).fetchall()
    published = {(row[0], row[1]): [int(str(value)) for value in row[2:]] for row in found}
    rows = []
    for one in touched:
        count, *amounts = published.get((one.submission_id, one.month), [0] * (1 + len(fact.amounts)))
        place = f"{one.place}, {one.month:%Y-%m}"
        if one.accepted > 0:
            rows.append(_Row("evaluated", fact.relation, place, "is not empty", 1, min(count, 1)))
        if one.basis == "ytd":
            # differenced key by key: rows and sums of the month are the model's, not the file's
            continue
        rows.append(_Row("total", fact.relation, place, "rows", one.accepted, count))
        for name, amount in zip(fact.amounts, amounts, strict=True):
            loaded = one.totals.get(name, {}).get("loaded")
            if loaded is not None:
                rows.append(_Row("total", fact.relation, place, name, int(loaded), amount))
    return rows


def _shown_rows(connection: Connection) -> tuple[list[_Row], list[str]]:
    """For each fact: how many slices are shown, and how many of them the candidate keeps or a void took back."""
    rows: Any = connection.execute(
        """
        with shown as (
            select c.relation, c.territory_key, c.month, c.submission_id, c.row_count
            from ops.current_publication now
            join ops.publication_slice p
                on p.from_publication <= now.publication_id and p.to_publication > now.publication_id
            join ops.slice c on c.slice_id = p.slice_id
            where c.relation like 'fct\\_%' and c.submission_id is not null and c.row_count > 0
              and c.territory_key is not null and c.month is not null
        ),
        kept as (
            select
                shown.*,
                exists (
                    select from ops.candidate_slice k join ops.slice c on c.slice_id = k.slice_id
                    where k.relation = shown.relation and k.territory_key = shown.territory_key
                      and k.month = shown.month
                      and (c.row_count > 0 or exists (
                          -- a correction may say that there is nothing to report
                          select from ops.submission n join ops.load l on l.sub_no = n.sub_no
                          where n.submission_id = c.submission_id and l.is_nil
                            and n.state in ('accepted', 'accepted_with_rejects')
                      ))
                )
                or exists (
                    select from ops.submission s join ops.submission v
                        on v.sender = s.sender and v.period = s.period and v.version > s.version
                    where s.submission_id = shown.submission_id and s.state in ('accepted', 'accepted_with_rejects')
                      and v.action = 'void' and v.state = 'accepted'
                ) as is_kept
            from shown
        )
        select
            kept.relation, count(*), count(*) filter (where is_kept),
            coalesce(array_agg(distinct p.name_vi || ' (' || p.province_code || '), ' || to_char(kept.month, 'YYYY-MM'))
                filter (where not is_kept), '{}')
        from kept
        left join ops.province p
            on p.territory_key = kept.territory_key and kept.month >= p.valid_from and kept.month < p.valid_to
        group by kept.relation
        order by kept.relation
        """
    ).fetchall()
    controls = [_Row("shown", relation, "all", "slices", shown, kept) for relation, shown, kept, _ in rows]
    return controls, [f"{relation}: {place}" for relation, _, _, places in rows for place in places]


def _national_rows(connection: Connection, months: Sequence[dt.date]) -> list[_Row]:
    """National head counts of the touched months against the sum over provinces; what headquarters sent is no sum."""
    if not months:
        return []
    rows: Any = connection.execute(
        """
        select
            n.month, n.indicator, n.actual, coalesce(n.is_computed, false),
            (select sum(p.actual) from bi.rpt_plan_attainment p
             -- a merged province may send its predecessors' months; they are not on that month's map
             join bi.dim_province d on d.province_key = p.province_key
                 and p.month >= d.valid_from and p.month < d.valid_to
             where p.geo_level = 'province' and p.month = n.month and p.indicator = n.indicator)
        from bi.rpt_plan_attainment n
        where n.geo_level = 'national' and n.month = any(%s) and n.indicator = any(%s) and n.actual is not null
        order by n.month, n.indicator
        """,
        [list(months), list(_HEAD_COUNTS)],
    ).fetchall()
    there = {row[0] for row in rows}
    found = [
        _Row("national", "rpt_plan_attainment", f"{month:%Y-%m}", "has head counts", 1, int(month in there))
        for month in months
    ]
    return found + [
        _Row("national", "rpt_plan_attainment", f"{month:%Y-%m}", indicator, int(provinces or 0), int(national))
        for month, indicator, national, is_sum, provinces in rows
        if is_sum
    ]


def _judge(rows: Sequence[_Row], expected: dict[str, int]) -> list[Outcome]:
    frame = pd.DataFrame([vars(row) for row in rows], columns=list(_Row.__annotations__), dtype=object)
    nothing = sql.SQL("")
    checks, measured = [], []
    floor = gx.expectations.ExpectTableRowCountToBeBetween(min_value=1)
    checks.append(Check(floor, None, nothing, 1, "block"))
    measured.append(Measured(len(rows)))
    for control, reason in _REASONS.items():
        equal = gx.expectations.ExpectColumnPairValuesToBeEqual(
            column_A="expected",
            column_B="actual",
            row_condition=_COLUMN("control") == control,
            meta={"severity": "block", "control": control, "reason": reason},
        )
        checks.append(Check(equal, control, nothing, expected[control], "block"))
        measured.append(Measured(sum(row.control == control for row in rows)))
    return judge_frame(frame, suite="candidate", checks=checks, measured=measured)


def _findings(outcome: Outcome, rows: Sequence[_Row], vanished: Sequence[str]) -> list[Finding]:
    control = outcome.check.column
    name = outcome.check.name
    if outcome.reason is not None or control is None:
        args = {"gate": control or name, "detail": outcome.reason or "nothing was evaluated"}
        return [Finding("E-GATE", args, None, name)]
    if control == "shown":
        details = [f"{place} was shown and would vanish without a void" for place in vanished]
    else:
        details = [
            f"{row.relation}, {row.place}: {row.measure} should be {row.expected} and is {row.actual}"
            for row in rows
            if row.control == control and row.expected != row.actual
        ]
    left_out = len(details) - _MOST_FINDINGS
    if left_out > 0:
        details = [*details[:_MOST_FINDINGS], f"and {left_out} more"]
    return [Finding("E-GATE", {"gate": control, "detail": detail}, None, name) for detail in details]
