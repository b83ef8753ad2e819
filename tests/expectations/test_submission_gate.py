"""Gate 1: what enters, what is held for a person, what is rejected."""

from __future__ import annotations

import json
import socket

import gate_rows as rows
import pytest
from gate_builders import Warehouse
from psycopg import sql

from expectations import submission
from expectations.engine import Outcome, gx
from expectations.submission import Verdict, gate_submission
from expectations.thresholds import LEGAL_PARAMETERS, lowest_minimum_wage
from warehouse import roles
from warehouse.connection import connect
from warehouse.errors import UnreachableError, UsageError
from warehouse.settings import Settings


def codes(verdict: Verdict) -> list[str]:
    return sorted({finding.code for finding in verdict.findings})


def broken(verdict: Verdict) -> set[tuple[str, str | None]]:
    return {(finding.expectation, finding.feed) for finding in verdict.findings}


def test_a_submission_as_it_should_be_passes_and_leaves_one_result_an_expectation(warehouse: Warehouse) -> None:
    verdict = warehouse.gate(
        {
            "participants": rows.participants(), "arrears": rows.arrears(), "contributions": rows.contributions(),
            "indicators": rows.indicators(ui=8, si_compulsory=9, si_voluntary=1, si_participants=10, hi=20),
            "outreach": None,
        }
    )  # fmt: skip
    assert verdict == Verdict("passed")
    stored = warehouse.query("select suite, count(*), bool_and(success) from ops.gate_result group by 1 order by 1")
    assert [(suite, success) for suite, _, success in stored] == [
        ("business", True),
        ("contract arrears", True),
        ("contract contributions", True),
        ("contract indicators", True),
        ("contract participants", True),
    ]
    assert {suite: count for suite, count, _ in stored}["contract participants"] > 10


def test_gate_relations_are_gone_after_the_gate(warehouse: Warehouse) -> None:
    warehouse.gate({"arrears": rows.arrears()})
    assert warehouse.query("select relname from pg_class where relnamespace = 'gate'::regnamespace") == []


def test_what_a_killed_gate_left_is_replaced(warehouse: Warehouse) -> None:
    number = warehouse.submission({"arrears": rows.arrears()})
    with connect(warehouse.settings, roles.LOADER) as connection:
        found = connection.execute("select load_id from ops.load").fetchone()
        assert found is not None
        connection.execute(sql.SQL("create view gate.{} as select 1 as x").format(sql.Identifier(f"s_{found[0]}")))
        connection.execute(sql.SQL("create table gate.{} (x int)").format(sql.Identifier(f"f_{number}")))
    assert gate_submission(warehouse.settings, number).outcome == "passed"


def test_gate_relations_are_gone_when_the_gate_breaks(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(submission, "write_facts", fail)
    with pytest.raises(RuntimeError):
        warehouse.gate({"arrears": rows.arrears()})
    assert warehouse.query("select relname from pg_class where relnamespace = 'gate'::regnamespace") == []


def test_an_empty_slice_fails(warehouse: Warehouse) -> None:
    verdict = warehouse.gate({"arrears": []})
    assert verdict.outcome == "failed"
    assert ("expect_table_row_count_to_be_between", "arrears") in broken(verdict)
    assert codes(verdict) == ["E-GATE"]


def test_a_row_that_the_ledger_counts_and_raw_lacks_fails(warehouse: Warehouse) -> None:
    verdict = warehouse.gate({"arrears": rows.arrears(3)}, accepted=4, row_count=4)
    assert broken(verdict) == {("expect_table_row_count_to_be_between", "arrears")}


def test_an_all_null_required_column_fails(warehouse: Warehouse) -> None:
    sent = [{**row, "fund": None} for row in rows.arrears()]
    verdict = warehouse.gate({"arrears": sent})
    assert verdict.outcome == "failed"
    assert {
        ("expect_column_values_to_not_be_null", "arrears"),
        ("expect_column_values_to_be_in_set", "arrears"),
    } <= broken(verdict)


def test_a_column_required_in_some_rows_fails_where_it_is_empty_there(warehouse: Warehouse) -> None:
    sent = [{**row, "hi_group": None} for row in rows.participants()]
    verdict = warehouse.gate({"participants": sent})
    assert broken(verdict) == {("expect_column_values_to_not_be_null", "participants")}
    assert verdict.findings[0].args["detail"] == "participants: hi_group, 10 / 10"


def test_an_optional_column_nobody_filled_in_passes(warehouse: Warehouse) -> None:
    sent = [{**row, "interest_vnd": None, "hard_to_collect": None} for row in rows.arrears()]
    assert warehouse.gate({"arrears": sent}).outcome == "passed"
    evaluated = warehouse.query("select evaluated from ops.gate_result where column_name = 'hard_to_collect'")
    assert evaluated == [(0,)]


@pytest.mark.parametrize(
    ("change", "expectation"),
    [
        ({"fund": "GOLD"}, "expect_column_values_to_be_in_set"),
        ({"employees_affected": -1}, "expect_column_values_to_be_between"),
        ({"overdue_vnd": 100_000_001}, "expect_column_pair_values_a_to_be_greater_than_b"),
    ],
)
def test_a_value_against_the_contract_fails(warehouse: Warehouse, change: rows.Row, expectation: str) -> None:
    sent = rows.arrears(3)
    sent[0].update(change)
    assert broken(warehouse.gate({"arrears": sent})) == {(expectation, "arrears")}


def test_a_row_without_any_of_the_figures_of_which_one_is_needed_fails(warehouse: Warehouse) -> None:
    sent: list[rows.Row] = [
        {"benefit_type": "pension", "persons": 3, "qualifier": "exact"},
        {"benefit_type": "maternity"},
    ]
    assert broken(warehouse.gate({"benefits": sent})) == {("expect_column_values_to_not_be_null", "benefits")}


def test_a_total_that_is_one_dong_off_fails_however_large_it_is(warehouse: Warehouse) -> None:
    sent = rows.arrears(40, principal=999_999_999_999_999)
    total = sum(row["principal_vnd"] for row in sent)
    off = {"principal_vnd": {"loaded": total + 1}}
    assert float(total) == float(total + 1)
    assert broken(warehouse.gate({"arrears": sent}, totals=off)) == {("expect_column_sum_to_be_between", "arrears")}


def test_a_submission_without_feeds_fails_and_a_void_passes(warehouse: Warehouse) -> None:
    assert warehouse.gate({}).outcome == "failed"
    assert warehouse.gate({}, action="void", version=2).outcome == "passed"


def test_more_unemployment_insured_than_compulsorily_insured_is_held(warehouse: Warehouse) -> None:
    verdict = warehouse.gate({"participants": rows.participants(10, ui=11)})
    assert verdict.outcome == "held"
    assert [dict(finding.args) for finding in verdict.findings] == [
        {"smaller": "UI", "smaller_count": 11, "larger": "SI_C", "larger_count": 10}
    ]


def test_more_compulsorily_insured_than_health_insured_is_held(warehouse: Warehouse) -> None:
    sent = [row for row in rows.participants(10) if row["insurance_type"] != "HI"]
    assert codes(warehouse.gate({"participants": sent})) == ["E-HELD-SUBSET"]


def test_counts_are_those_sent_and_not_those_loaded(warehouse: Warehouse) -> None:
    profile = {"SI_C": 10, "UI": 11, "HI": 12, "SI_V": 0}
    assert codes(warehouse.gate({"participants": rows.participants(10)}, profile=profile)) == ["E-HELD-SUBSET"]


def test_participants_without_counts_as_sent_fail(warehouse: Warehouse) -> None:
    verdict = warehouse.gate({"participants": rows.participants(10)}, profile={})
    assert verdict.outcome == "failed"


@pytest.mark.parametrize(
    ("values", "held"),
    [
        ({"ui": 10, "si_compulsory": 9}, True),
        ({"si_compulsory": 21, "hi": 20}, True),
        ({"si_compulsory": 9, "si_voluntary": 1, "si_participants": 11}, True),
        ({"si_compulsory": 9, "si_voluntary": 3, "si_participants": 11}, True),
        ({"si_compulsory": 9, "si_participants": 12}, False),
        ({"ui": 10}, False),
    ],
)
def test_exact_head_counts_that_contradict_each_other_are_held(
    warehouse: Warehouse, values: dict[str, int], held: bool
) -> None:
    verdict = warehouse.gate({"indicators": rows.indicators(**values)})
    assert codes(verdict) == (["E-HELD-SUBSET"] if held else [])


@pytest.mark.parametrize("change", [{"qualifier": "approx"}, {"comparison": "plan"}, {"as_of_date": "2021-09-30"}])
def test_figures_that_are_not_comparable_are_not_held(warehouse: Warehouse, change: rows.Row) -> None:
    sent = rows.indicators(ui=10, si_compulsory=9)
    sent[0].update(change)
    assert warehouse.gate({"indicators": sent}).outcome == "passed"


@pytest.mark.parametrize(
    ("wage", "held"), [(306_999, True), (307_000, False), (307_000_000, False), (307_000_001, True)]
)
def test_a_median_wage_base_far_from_the_minimum_wage_is_held(warehouse: Warehouse, wage: int, held: bool) -> None:
    verdict = warehouse.gate({"participants": rows.participants(wage=wage)})
    assert codes(verdict) == (["E-HELD-WAGE"] if held else [])
    assert all(finding.args["actual"] == wage for finding in verdict.findings)


def test_a_median_of_few_persons_is_not_told(warehouse: Warehouse) -> None:
    verdict = warehouse.gate({"participants": rows.participants(4, wage=1)})
    assert codes(verdict) == ["E-HELD-WAGE"]
    assert "actual" not in verdict.findings[0].args


def test_a_wage_fund_by_head_far_from_the_minimum_wage_is_held(warehouse: Warehouse) -> None:
    assert codes(warehouse.gate({"contributions": rows.contributions(wage_fund=60_000)})) == ["E-HELD-WAGE"]


def test_wages_without_heads_or_before_the_first_minimum_wage_hold_nothing(warehouse: Warehouse) -> None:
    assert warehouse.gate({"contributions": rows.contributions(wage_fund=1, headcount=0)}).outcome == "passed"
    assert warehouse.gate({"participants": rows.participants(wage=1)}, period="2017-12").outcome == "passed"


@pytest.mark.parametrize(
    ("now", "held"), [(1_000_000, False), (999_999, True), (10_000_000_000, False), (10_000_000_001, True)]
)
def test_a_total_outside_a_hundredth_and_a_hundred_times_the_last_is_held(
    warehouse: Warehouse, now: int, held: bool
) -> None:
    warehouse.accept({"arrears": rows.arrears(1)}, period="2021-09")
    verdict = warehouse.gate({"arrears": rows.arrears(1, principal=now, overdue=now // 2)})
    assert codes(verdict) == (["E-HELD-TOTAL"] if held else [])
    if held:
        assert ("principal_vnd", now, 100_000_000) in {
            (one.args["column"], one.args["actual"], one.args["expected"]) for one in verdict.findings
        }


@pytest.mark.parametrize(
    "history",
    [
        {"period": "2021-11"},
        {"period": "2021-10", "version": 3},
        {"period": "2021-09", "state": "held"},
        {"period": "2021-09", "sender": "province-27"},
    ],
    ids=["a later month", "a higher version", "not accepted", "another sender"],
)
def test_a_total_is_compared_with_nothing_else(warehouse: Warehouse, history: dict[str, object]) -> None:
    warehouse.accept({"arrears": rows.arrears(1)}, **history)
    sent = {"arrears": rows.arrears(1, principal=1, overdue=1)}
    assert warehouse.gate(sent, version=2).outcome == "passed"


def test_a_total_is_compared_with_the_nearest_version_that_is_in_force(warehouse: Warehouse) -> None:
    warehouse.accept({"arrears": rows.arrears(1, principal=1_000, overdue=500)}, period="2021-08")
    warehouse.accept({"arrears": rows.arrears(1)}, period="2021-09")
    warehouse.accept({"arrears": rows.arrears(1)}, period="2021-10")
    sent = {"arrears": rows.arrears(1, principal=1_000, overdue=500)}
    assert codes(warehouse.gate(sent, version=3)) == ["E-HELD-TOTAL"]
    warehouse.accept({}, period="2021-09", action="void", version=2)
    warehouse.accept({}, period="2021-10", action="void", version=2)
    assert warehouse.gate(sent, version=4).outcome == "passed"


def test_an_optional_amount_that_is_zero_is_not_compared_and_a_required_one_is(warehouse: Warehouse) -> None:
    earlier = [{**row, "interest_vnd": 7} for row in rows.arrears(2)]
    warehouse.accept({"arrears": earlier}, period="2021-09")
    assert warehouse.gate({"arrears": rows.arrears(2)}).outcome == "passed"
    verdict = warehouse.gate({"arrears": rows.arrears(2, overdue=0)}, version=2)
    assert [one.args["column"] for one in verdict.findings] == ["overdue_vnd"]


@pytest.mark.parametrize(
    ("before", "now", "held"),
    [
        (1001, 500, True),
        (1001, 501, False),
        (1000, 1501, True),
        (1000, 1500, False),
        (400, 1000, False),
        (400, 1001, True),
    ],
)
def test_a_large_slice_that_moved_by_more_than_half_is_held(
    warehouse: Warehouse, before: int, now: int, held: bool
) -> None:
    warehouse.accept({"outreach": rows.outreach(1)}, period="2021-09", row_count=before)
    verdict = warehouse.gate({"outreach": rows.outreach(1)}, row_count=now)
    assert codes(verdict) == (["E-HELD-VOLUME"] if held else [])


@pytest.mark.parametrize("bases", [("ytd", "ytd"), ("month", "ytd"), ("ytd", "month")])
def test_a_year_to_date_file_is_neither_compared_nor_compared_with(
    warehouse: Warehouse, bases: tuple[str, str]
) -> None:
    warehouse.accept({"outreach": rows.outreach(1)}, period="2021-09", row_count=1001, basis=bases[0])
    assert warehouse.gate({"outreach": rows.outreach(1)}, row_count=5000, basis=bases[1]).outcome == "passed"


def test_volume_is_compared_with_the_month_before_only(warehouse: Warehouse) -> None:
    warehouse.accept({"outreach": rows.outreach(1)}, period="2021-08", row_count=5000)
    assert warehouse.gate({"outreach": rows.outreach(1)}).outcome == "passed"


def test_a_merged_province_is_compared_with_all_its_predecessors(warehouse: Warehouse) -> None:
    merged = (
        "select current_province_code from ops.province where vintage = '63' group by 1 having count(*) = 3 limit 1"
    )
    code = str(warehouse.query(merged)[0][0])
    old = warehouse.query(
        f"select distinct province_code from ops.province where vintage = '63' and current_province_code = '{code}'"
    )
    first, *others = [f"province-{row[0]}" for row in old]
    warehouse.accept({"outreach": rows.outreach(1)}, sender=first, period="2025-06", row_count=1000)
    now = {"sender": f"province-{code}", "period": "2025-07", "row_count": 3000}
    assert warehouse.gate({"outreach": rows.outreach(1)}, **now).outcome == "passed", "two of three have not sent"
    for other in others:
        warehouse.accept({"outreach": rows.outreach(1)}, sender=other, period="2025-06", row_count=1000)
    assert warehouse.gate({"outreach": rows.outreach(1)}, **{**now, "version": 2}).outcome == "passed"
    thousand = {**now, "version": 3, "row_count": 1000}
    assert codes(warehouse.gate({"outreach": rows.outreach(1)}, **thousand)) == ["E-HELD-VOLUME"]


@pytest.mark.parametrize("feed", ["participants", "employers", "contributions"])
def test_a_nil_of_what_a_province_always_has_is_held(warehouse: Warehouse, feed: str) -> None:
    verdict = warehouse.gate({feed: None, "outreach": None})
    assert verdict.outcome == "held"
    assert [(one.code, one.args["feed"]) for one in verdict.findings] == [("E-HELD-NIL", feed)]


def test_other_nil_feeds_pass(warehouse: Warehouse) -> None:
    assert warehouse.gate({"arrears": None, "benefits": None}).outcome == "passed"


def test_a_failure_beats_a_hold_and_both_are_told(warehouse: Warehouse) -> None:
    sent = [{**row, "sex": "X"} for row in rows.participants(10, ui=11)]
    verdict = warehouse.gate({"participants": sent})
    assert verdict.outcome == "failed"
    assert codes(verdict) == ["E-GATE", "E-HELD-SUBSET"]


def test_each_hold_rule_says_what_it_does_and_why(warehouse: Warehouse) -> None:
    warehouse.gate({"arrears": rows.arrears()})
    stored = warehouse.query("select details from ops.gate_result where severity = 'hold'")
    assert len(stored) == 9
    assert {details["basis"] for (details,) in stored} == {"law", "form", "identity"}
    assert all(details["reason"] for (details,) in stored)


def test_no_value_of_a_row_stands_in_any_result(warehouse: Warehouse, caplog: pytest.LogCaptureFixture) -> None:
    canary = "Canary Trần Thị Chim"
    sent = rows.participants(5, wage=87_654_321_012, name=canary, ui=6)
    sent[0].update({"sex": canary, "insurance_type": "SI_C", "hi_group": canary})
    verdict = warehouse.gate({"participants": sent})
    assert verdict.outcome == "failed"
    everything = json.dumps(warehouse.query("select g::text from ops.gate_result g"), ensure_ascii=False)
    everything += json.dumps([dict(finding.args) for finding in verdict.findings if finding.code == "E-GATE"])
    assert canary not in everything + caplog.text
    assert "87654321012" not in everything + caplog.text
    assert "0100000001" not in everything + caplog.text


def test_an_exception_inside_a_result_is_a_failure_named_by_its_class(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from expectations import suites

    def odd(column: str, loaded: int) -> object:
        return suites._check(
            gx.expectations.ExpectColumnValuesToNotBeNull(column="nowhere"), column, sql.SQL("count(*)"), 1
        )

    monkeypatch.setattr(suites, "_sum", odd)
    verdict = warehouse.gate({"arrears": rows.arrears()})
    assert verdict.outcome == "failed"
    assert "exception MetricResolutionError" in str(verdict.findings[0].args["detail"])


def test_a_result_that_judged_fewer_rows_than_we_count_is_a_failure(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from expectations import fused

    real = fused._RowRule.measured
    monkeypatch.setattr(fused._RowRule, "measured", lambda *args: [one - 1 for one in real(*args)])
    outcome = warehouse.gate({"arrears": rows.arrears()})
    assert outcome.outcome == "failed"
    assert "not all of it was evaluated" in str(outcome.findings[0].args["detail"])


def test_a_lost_database_decides_nothing(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setattr(submission, "role_url", lambda *_, **__: f"postgresql+psycopg://u:p@127.0.0.1:{port}/vss")
    with pytest.raises(UnreachableError):
        warehouse.gate({"arrears": rows.arrears()})
    assert warehouse.query("select count(*) from ops.gate_result") == [(0,)]


def test_a_missing_seed_of_the_law_stops_the_gate_with_what_to_do(settings: Settings) -> None:
    import datetime as dt

    with pytest.raises(UsageError, match="restore it"):
        lowest_minimum_wage(dt.date(2021, 10, 1), LEGAL_PARAMETERS.with_name("no_such_seed.csv"))


def test_outcomes_hold_no_value_by_construction() -> None:
    assert {name: kind for name, kind in Outcome.__annotations__.items() if name != "check"} == {
        "success": "bool", "evaluated": "int", "unexpected": "int | None", "reason": "str | None",
    }  # fmt: skip
