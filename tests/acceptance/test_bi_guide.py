"""The analyst's guide: every query runs as a reader and answers what the guide prints.

A refreshed table would agree with any answer, so each question is also held to what its answer does not come from:
figures the agency printed, a count over the facts, or both. `PRINTED` and `COUNTED` say which; a question in neither
fails.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import guide_answers
import psycopg
import pytest
from demo_warehouse import Demo
from guide_answers import GUIDE, Question, Table

from warehouse.connection import role_url
from warehouse.settings import Settings

PUBLISHED = Path(__file__).parent.parent / "reference" / "published_figures.csv"

_TEXT = GUIDE.read_text(encoding="utf-8")
_QUESTIONS = {question.number: question for question in guide_answers.questions(_TEXT)}
_BILLION, _MILLION = 10**9, 10**6


@dataclass(frozen=True)
class Printed:
    """A cell of an answer and the row of the published figures it must come to, rounded as printed."""

    question: int
    column: str
    where: dict[str, str]
    figure: tuple[str, str, str]  # report, indicator, value as it stands in the list
    divisor: int = 1


@dataclass(frozen=True)
class Counted:
    """A cell of an answer and a query over the facts for the same value."""

    question: int
    column: str
    where: dict[str, str]
    query: str


@dataclass(frozen=True)
class Naive:
    """The figure a trap warns of, as the guide writes it, and the query in a hurry that gives it."""

    question: int
    figure: str
    query: str = field(repr=False)


_VINH_PHUC, _HUE = {"province_code": "26"}, {"province_code": "46"}


def _vinh_phuc(question: int, column: str, figure: str, value: str, divisor: int = 1, /, **where: str) -> Printed:
    return Printed(question, column, where or _VINH_PHUC, ("001", figure, value), divisor)


def _hue(question: int, column: str, figure: str, value: str) -> Printed:
    return Printed(question, column, _HUE, ("003", figure, value))


PRINTED = [
    _vinh_phuc(1, "si_compulsory", "si_compulsory_participants", "220596"),
    _vinh_phuc(1, "si_voluntary", "si_voluntary_participants", "15153"),
    _vinh_phuc(1, "ui", "ui_participants", "212790"),
    _vinh_phuc(1, "hi", "hi_participants", "1099580"),
    _vinh_phuc(1, "people_managed", "participants_managed_total", "1114733"),
    _vinh_phuc(2, "attainment_pct", "si_compulsory_plan_completion", "97.7", indicator="si_compulsory"),
    _vinh_phuc(2, "attainment_pct", "si_voluntary_plan_completion", "75", indicator="si_voluntary"),
    _vinh_phuc(2, "attainment_pct", "ui_plan_completion", "97.5", indicator="ui"),
    _vinh_phuc(2, "attainment_pct", "hi_plan_completion", "98.44", indicator="hi"),
    _vinh_phuc(2, "attainment_pct", "collection_plan_completion", "78.7", indicator="collection"),
    _vinh_phuc(2, "attainment_pct", "customer_conferences_plan_completion", "52", indicator="customer_conferences"),
    _hue(2, "plan", "hi_coverage_target", "99.2"),
    _vinh_phuc(3, "collected_ytd_vnd", "collection_total", "4313058", _MILLION, insurance_group="total"),
    _vinh_phuc(
        3, "collected_ytd_vnd", "collection_si_compulsory", "2922555", _MILLION, insurance_group="si_compulsory"
    ),
    _vinh_phuc(3, "collected_ytd_vnd", "collection_si_voluntary", "66009", _MILLION, insurance_group="si_voluntary"),
    _vinh_phuc(3, "collected_ytd_vnd", "collection_ui", "230005", _MILLION, insurance_group="ui"),
    _vinh_phuc(3, "collected_ytd_vnd", "collection_hi", "1094489", _MILLION, insurance_group="hi"),
    _vinh_phuc(3, "attainment_pct", "collection_plan_completion", "78.7", insurance_group="total"),
    _vinh_phuc(4, "arrears_vnd", "arrears_total", "210118", _MILLION),
    _vinh_phuc(4, "collectable_of_plan_pct", "arrears_ratio_to_collection_plan", "3.65"),
    _vinh_phuc(6, "change_yoy", "participants_managed_change_yoy", "22029", indicator="people_managed"),
    _vinh_phuc(6, "growth_yoy_pct", "participants_managed_growth_yoy", "2", indicator="people_managed"),
    _vinh_phuc(6, "change_vs_december", "participants_managed_change_vs_december", "30314", indicator="people_managed"),
    _vinh_phuc(6, "change_yoy", "collection_total_change_yoy", "284.5", _BILLION, indicator="collection"),
    _vinh_phuc(7, "hi_pct", "hi_coverage_rate", "92.7"),
    _hue(7, "si_pct", "si_coverage_of_labour_force", "28.89"),
    _hue(7, "si_compulsory_pct", "si_compulsory_coverage_of_labour_force", "25.24"),
    _hue(7, "si_voluntary_pct", "si_voluntary_coverage_of_labour_force", "3.65"),
    _hue(7, "hi_pct", "hi_coverage_rate", "99.2"),
    _hue(12, "persons_ytd", "one_time_allowance_persons", "5600"),
    _vinh_phuc(
        19, "approved_persons", "r116_support_persons", "118992", 1, province_code="26", cut_off_date="2021-10-31"
    ),
    _vinh_phuc(
        19,
        "approved_persons",
        "r116_support_persons_approved",
        "133774",
        1,
        province_code="26",
        cut_off_date="2021-11-03",
    ),
    _vinh_phuc(
        19,
        "settled_persons",
        "r116_support_persons_settled",
        "119727",
        1,
        province_code="26",
        cut_off_date="2021-11-03",
    ),
    _vinh_phuc(
        19,
        "settled_amount_vnd",
        "r68_occ_accident_reduction_amount",
        "20.6",
        _BILLION,
        policy="R68_OAD",
        scenario="actual",
    ),
    _hue(19, "approved_persons", "r116_support_persons_approved", "105407"),
    _hue(19, "paid_persons", "r116_support_persons_paid", "96700"),
    _hue(22, "printed_growth_pct", "hi_treatment_payment_growth", "-3.2"),
    _vinh_phuc(25, "events", "communication_conferences", "363", 1, kind="conference"),
    _vinh_phuc(25, "events", "customer_conferences_under_plan_2800", "234", 1, kind="customer_conference"),
    _vinh_phuc(25, "attainment_pct", "customer_conferences_plan_completion", "52", 1, indicator="customer_conferences"),
    _hue(26, "registrations", "vssid_registrations_cumulative", "280847"),
]

_OCTOBER = "month = '2021-10-01'"
_SINCE_JANUARY = "month between '2021-01-01' and '2021-10-01'"
_OWING = f"fct_arrears where province_code = '26' and {_OCTOBER} and principal_vnd + interest_vnd > 0"
_LONG_OWING = f"(select *, max(months_owed) over (partition by employer_id) as owed from {_OWING})"
_CASES = f"fct_inspection where {_SINCE_JANUARY}"
_HEADS = f"fct_participation where province_code = '26' and {_OCTOBER} and insurance_type = 'HI'"

COUNTED = [
    Counted(8, "tax_codes", {"match_class": "not_registered"},
            "select count(*) from fct_tax_match as m where tax_year = 2021 and employees_paid > 0"
            " and tax_status = 'operating' and match_class <> 'review' and not exists (select from fct_tax_match_unit"
            " as u where u.tax_year = m.tax_year and u.tax_code = m.tax_code)"),
    Counted(9, "with_arrears", _VINH_PHUC,
            f"select count(distinct u.tax_code) from fct_tax_match_unit as u inner join fct_tax_match as m"
            f" using (tax_year, tax_code) inner join fct_arrears as a on a.employer_id = u.employer_id and a.{_OCTOBER}"
            f" where u.tax_year = 2021 and m.is_cit_finalised and m.province_code = '26' and a.overdue_vnd > 0"
            f" and a.months_owed >= 1"),
    Counted(23, "comparable", _VINH_PHUC,
            "select count(distinct u.tax_code) from fct_tax_match_unit as u inner join fct_tax_match as m"
            " using (tax_year, tax_code) where tax_year = 2021 and m.province_code = '26' and u.province_code = '26'"),
    Counted(4, "hard_to_collect_vnd", _VINH_PHUC,
            f"select sum(principal_vnd) from {_OWING} and employer_id in (select employer_id from {_OWING}"
            " and hard_to_collect <> 'none')"),
    Counted(4, "debt_vnd", _VINH_PHUC, f"select sum(principal_vnd + interest_vnd) from {_OWING}"),
    Counted(5, "units", _VINH_PHUC, f"select count(distinct employer_id) from {_LONG_OWING} where owed >= 3"),
    Counted(5, "principal_vnd", _VINH_PHUC, f"select sum(principal_vnd) from {_LONG_OWING} where owed >= 3"),
    Counted(5, "employees_affected", _VINH_PHUC,
            "select sum(most) from (select max(employees_affected) as most"
            f" from {_LONG_OWING} where owed >= 3 group by employer_id)"),
    Counted(5, "principal_vnd", {"si_unit_code": "FDZ187X"},
            f"select max(owing) from (select sum(principal_vnd) as owing from {_LONG_OWING} where owed >= 3"
            " group by employer_id)"),
    Counted(10, "cases_ytd", {"kind": "total"}, f"select count(*) from {_CASES} and province_code = '26'"),
    Counted(10, "cases_ytd", {"kind": "examination"},
            f"select count(*) from {_CASES} and province_code = '26' and kind = 'examination'"),
    Counted(10, "cases_ytd", {"kind": "specialised_inspection"},
            f"select count(*) from {_CASES} and province_code = '26' and kind = 'specialised_inspection'"),
    Counted(11, "recovery_rate_pct", _VINH_PHUC,
            "select round(100.0 * sum(recovered_at_visit_vnd + recovered_after_vnd) / sum(arrears_before_vnd), 2)"
            f" from {_CASES} and province_code = '26' and arrears_before_vnd > 0"),
    Counted(11, "recovered_vnd", {"province_code": "national"},
            f"select sum(recovered_at_visit_vnd + recovered_after_vnd) from {_CASES}"),
    Counted(15, "hi_household", _VINH_PHUC, f"select count(*) from {_HEADS} and hi_group = 'GD'"),
    Counted(15, "hi_students", _VINH_PHUC, f"select count(*) from {_HEADS} and hi_group in ('HS', 'SV')"),
    Counted(15, "participants", {"hi_group": "SV"}, f"select count(*) from {_HEADS} and hi_group = 'SV'"),
    Counted(16, "voluntary_ytd_vnd", {"agent": "DL260057"},
            "select sum(paid_vnd) from fct_contribution where payer_code = 'DL260057' and fund = 'VOLUNTARY'"),
    Counted(13, "participants", _VINH_PHUC,
            f"select count(*) from fct_participation where province_code = '26' and {_OCTOBER} and hi_group in"
            f" ('DT', 'DK')"),
    Counted(14, "starters", _VINH_PHUC,
            f"select count(distinct participant_key) from fct_participation where province_code = '26' and"
            f" {_OCTOBER} and insurance_type = 'SI_V'"),
    Counted(17, "units", {"ageing_band": ">=12"},
            f"select count(*) from (select from {_OWING} group by employer_id having max(months_owed) >= 12)"),
    Counted(17, "retirement_vnd", {"ageing_band": ">=12"},
            f"select sum(principal_vnd) from {_OWING} and fund = 'RETIREMENT' and employer_id in (select"
            f" employer_id from {_OWING} group by employer_id having max(months_owed) >= 12)"),
    Counted(18, "principal_vnd", {"reason": "absconded"},
            f"select sum(a.principal_vnd) from fct_arrears as a inner join dim_employer as e using"
            f" (employer_key) where a.province_code = '26' and a.{_OCTOBER} and e.status = 'absconded'"),
    Counted(18, "units", {"reason": "absconded"},
            f"select sum(units) from rpt_employers where province_code = '26' and {_OCTOBER} and status ="
            f" 'absconded'"),
    Counted(20, "computed_oad_cut_vnd", {"province_code": "01"},
            "select sum(round(wage_fund_vnd * 0.005)) from fct_contribution inner join dim_employer using"
            " (employer_key) inner join dim_unit_type using (unit_type) where fct_contribution.province_code ="
            " '01' and fund = 'OAD' and not is_budget_financed and liability_month between '2021-07-01' and"
            " '2021-10-01'"),
    Counted(20, "overdue_vnd", _VINH_PHUC, f"select sum(overdue_vnd) from {_OWING}"),
    Counted(21, "actual", {"province_code": "26", "indicator": "pension_persons"},
            f"select sum(persons) from fct_benefit where province_code = '26' and {_OCTOBER} and benefit_type"
            f" in ('pension', 'monthly_allowance')"),
    Counted(24, "participants", _VINH_PHUC,
            f"select count(*) from fct_participation where province_code = '26' and {_OCTOBER} and"
            f" insurance_type = 'SI_C'"),
    Counted(27, "on_time", {"period": "2021-W43"},
            "select count(distinct province_code) from fct_weekly_report where iso_week = '2021-W43' and"
            " received_at < '2021-10-29 15:00+07'"),
    Counted(28, "hi_participants", {"current_province_code": "15"},
            f"select count(*) from fct_participation where province_code in ('10', '15') and {_OCTOBER} and"
            f" insurance_type = 'HI'"),
    Counted(29, "interest_vnd", _VINH_PHUC,
            f"select sum(interest_vnd) from rpt_arrears_ageing where province_code = '26' and {_OCTOBER}"),
    Counted(30, "active_units", {"unit_type": "private"},
            "select count(*) from dim_employer where province_code = '26' and unit_type = 'private' and"
            " status = 'active' and '2021-10-01' >= valid_from and '2021-10-01' < valid_to"),
    Counted(30, "employees", {"unit_type": "fdi"},
            f"select count(*) from fct_participation as p inner join dim_employer as e using (employer_key)"
            f" where p.province_code = '26' and p.{_OCTOBER} and insurance_type = 'SI_C' and unit_type = 'fdi'"),
]  # fmt: skip

_ATTAINED = f"rpt_plan_attainment where province_code = '26' and {_OCTOBER}"
_COVERED = f"rpt_coverage where geo_level = 'province' and {_OCTOBER}"

_NEXT = (
    "select from fct_participation as n where n.month = '2021-11-01' and n.participant_key ="
    " p.participant_key and n.insurance_type = p.insurance_type"
)
_GONE = (
    f"select count(*) from fct_participation as p where province_code = '26' and {_OCTOBER} and not exists ({_NEXT})"
)
NAIVE = [
    Naive(1, "1,548,119", f"select count(*) from fct_participation where province_code = '26' and {_OCTOBER}"),
    Naive(2, "83.22", f"select round(avg(attainment_pct), 2) from {_ATTAINED}"),
    Naive(3, "23,767,750,770,150",
          "select sum(collected_ytd_vnd) from rpt_collection where province_code = '26' and insurance_group = 'total'"
          f" and {_SINCE_JANUARY}"),
    Naive(4, "4.87", "select round(100 * max(actual) filter (where indicator = 'arrears')"
          f" / max(actual) filter (where indicator = 'collection'), 2) from {_ATTAINED}"),
    Naive(5, "2,175", f"select count(*) from {_OWING} and is_three_months_or_more"),
    Naive(5, "45,968", f"select sum(employees_affected) from {_OWING} and is_three_months_or_more"),
    Naive(6, "2.77", "select round(100 * change_vs_december / value_same_period_last_year, 2)"
          f" from {_ATTAINED} and indicator = 'people_managed'"),
    Naive(7, "36.70", f"select round(avg(si_of_labour_force_pct), 2) from {_COVERED}"),
    Naive(7, "925", f"select round(100 * sum(si_participants) / sum(labour_force)) from {_COVERED}"),
    Naive(10, "86", f"select sum(cases_ytd) from rpt_inspection_results where province_code = '26' and {_OCTOBER}"),
    Naive(11, "61.86", "select round(avg(recovery_rate_pct), 2) from rpt_inspection_results"
          f" where geo_level = 'province' and kind = 'total' and {_OCTOBER}"),
    Naive(11, "1.38", "select round(100 * max(actual) filter (where indicator = 'recovered_amount')"
          f" / max(actual) filter (where indicator = 'arrears'), 2) from {_ATTAINED}"),
    Naive(12, "796", "select sum(persons) from fct_benefit where province_code = '26' and benefit_type = 'one_time'"),
    Naive(16, "55,943", "select sum(headcount) from fct_contribution where payer_code = 'DL260057'"
          f" and {_SINCE_JANUARY}"),
    Naive(13, "41,571", f"{_GONE} and hi_group in ('DT', 'DK')"),
    Naive(14, "15,153", f"{_GONE} and insurance_type = 'SI_V'"),
    Naive(17, "5,556", f"select count(*) from {_OWING}"),
    Naive(17, "123,028", f"select sum(employees_affected) from {_OWING}"),
    Naive(18, "64 units with 0",
            f"select sum(units) || ' units with ' || sum(employees) from rpt_employers where province_code ="
            f" '26' and {_OCTOBER} and status <> 'active'"),
    Naive(19, "252,766",
            "select sum(approved_persons) from rpt_relief where province_code = '26' and policy = 'R116_CASH'"),
    Naive(20, "217,380",
            "select round(sum(settled_amount_vnd) / 1000000) from rpt_relief inner join dim_policy using"
            " (policy) where province_code = '26' and policy_kind = 'rate_cut'"),
    Naive(20, "5,151",
            "select round(sum(rate_cut_vnd) / 1000000) from fct_contribution where province_code = '26' and"
            " month between '2021-07-01' and '2021-10-01' and fund = 'OAD'"),
    Naive(21, "200,419", f"select sum(persons) from fct_benefit where province_code = '26' and {_OCTOBER}"),
    Naive(22, "1,033",
            "select round(a.actual / (1 + p.reported / 100) / 1000000000) from rpt_plan_attainment as a inner"
            " join rpt_reported_vs_computed as p using (province_code, month, indicator) where indicator ="
            " 'hi_treatment_cost' and p.comparison = 'same_period'"),
    Naive(24, "220,596", f"{_GONE} and insurance_type = 'SI_C'"),
    Naive(25, "132.67",
            f"select round(100 * sum(actual) / sum(plan), 2) from rpt_plan_attainment where province_code ="
            f" '26' and {_OCTOBER} and indicator in ('conferences', 'customer_conferences')"),
    Naive(26, "1.01",
            f"select round(100 * v.actual / h.actual, 2) from rpt_plan_attainment as v inner join"
            f" rpt_plan_attainment as h using (month, province_code) where v.indicator = 'vssid_registrations'"
            f" and h.indicator = 'hi' and province_code = 'national' and {_OCTOBER}"),
    Naive(27, "66.67",
            "select round(100.0 * count(*) filter (where not is_late) / count(*), 2) from rpt_completeness"
            " where period = '2021-W43' and submission_id is not null"),
    Naive(28, "1,552",
            f"select sum(actual) from rpt_plan_attainment as a inner join dim_province as p on p.province_code"
            f" = a.province_code and p.is_current where p.name_en = 'Lao Cai Province' and a.indicator = 'hi'"
            f" and a.{_OCTOBER}"),
    Naive(29, "1,954", f"select round(sum(overdue_vnd) * 0.0003 * 31 / 1000000) from {_OWING}"),
    Naive(30, "63,694", "select count(*) from dim_employer where province_code = '26'"),
]  # fmt: skip


@pytest.fixture(scope="module")
def session(demo: Demo) -> Iterator[psycopg.Connection[Any]]:
    """A reader on the demo's own publication, set up as the guide says."""
    with guide_answers.reader(role_url(Settings(home=demo.home), "vss_reader")) as connection:
        yield connection


def _value(session: psycopg.Connection[Any], query: str) -> str:
    ((value,),) = guide_answers.run(session, query).rows
    return value


def _cell(question: int, column: str, where: dict[str, str]) -> Decimal:
    """The one cell of a question's printed answers in that column, in the row where other columns are as told."""
    ((value,),) = [
        (dict(zip(printed.columns, row, strict=True))[column],)
        for printed in _printed(_QUESTIONS[question])
        if {column, *where} <= set(printed.columns)
        for row in printed.rows
        if where.items() <= dict(zip(printed.columns, row, strict=True)).items()
    ]
    return Decimal(value)


def _printed(question: Question) -> list[Table]:
    return [answer.printed for answer in question.answers if answer.printed is not None]


@pytest.mark.parametrize("number", sorted(_QUESTIONS))
def test_a_query_of_the_guide_gives_the_answer_it_prints(session: psycopg.Connection[Any], number: int) -> None:
    question = _QUESTIONS[number]

    found = [
        guide_answers.differences(answer.printed, guide_answers.run(session, answer.sql)) for answer in question.answers
    ]

    assert found == [[] for _ in question.answers]
    assert question.answers, "a question without a query"


@pytest.mark.parametrize("held", PRINTED, ids=lambda held: f"{held.question}-{held.figure[1]}")
def test_an_answer_of_the_guide_is_what_the_agency_printed(held: Printed) -> None:
    with PUBLISHED.open(encoding="utf-8", newline="") as stream:
        listed = {(row["seed_file"][:3], row["indicator"], row["value"]) for row in csv.DictReader(stream)}
    printed = Decimal(held.figure[2])

    value = _cell(held.question, held.column, held.where) / held.divisor

    assert held.figure in listed
    assert value.quantize(Decimal(1).scaleb(int(printed.as_tuple().exponent)), ROUND_HALF_UP) == printed


@pytest.mark.parametrize("held", COUNTED, ids=lambda held: f"{held.question}-{held.column}")
def test_an_answer_of_the_guide_is_what_the_facts_add_up_to(session: psycopg.Connection[Any], held: Counted) -> None:
    assert _cell(held.question, held.column, held.where) == Decimal(_value(session, held.query))


@pytest.mark.parametrize("trap", NAIVE, ids=lambda trap: f"{trap.question}-{trap.figure}")
def test_a_trap_of_the_guide_names_the_figure_of_the_query_in_a_hurry(
    session: psycopg.Connection[Any], trap: Naive
) -> None:
    assert _value(session, trap.query) == trap.figure.replace(",", "")
    assert trap.figure in guide_answers.trap(_TEXT, trap.question)


def test_every_question_of_the_guide_is_held_to_something_that_its_table_does_not_come_from() -> None:
    held = {printed.question for printed in PRINTED} | {counted.question for counted in COUNTED}

    assert sorted(_QUESTIONS.keys() - held) == []


def test_the_guide_has_the_thirty_questions_in_order_but_those_it_says_cannot_be_answered() -> None:
    numbers = [question.number for question in guide_answers.questions(_TEXT)]

    assert numbers == sorted(set(numbers))
    assert set(numbers) | set(guide_answers.unanswered(_TEXT)) == set(range(1, 31))


def test_every_question_names_its_trap() -> None:
    assert [number for number in _QUESTIONS if not guide_answers.trap(_TEXT, number)] == []


def test_an_answer_has_at_most_twelve_rows_and_rounded_percentages() -> None:
    tables = [(question.number, table) for question in _QUESTIONS.values() for table in _printed(question)]

    too_long = [number for number, table in tables if len(table.rows) > 12]
    unrounded = [
        (number, column, row[at])
        for number, table in tables
        for at, column in enumerate(table.columns)
        for row in table.rows
        if column.endswith("_pct") and len(row[at].partition(".")[2]) > 2
    ]

    assert (too_long, unrounded) == ([], [])


def test_a_table_written_anew_reads_as_it_was_written() -> None:
    table = Table(("a", "b"), (("1", ""), ("x | y", "2021-10-01")))
    text = "### 1. A question?\n\n```sql\nselect 1\n```\n\n| old |\n|---|\n| 0 |\n\n**Trap.** None.\n"

    once = guide_answers.refreshed(text, lambda _: table)

    ((answer,),) = [question.answers for question in guide_answers.questions(once)]
    assert (answer.sql, answer.printed) == ("select 1", table)
    assert guide_answers.refreshed(once, lambda _: table) == once
    assert once.endswith("\n\n**Trap.** None.\n")


def test_a_query_without_a_table_gets_one_and_is_a_difference_until_then() -> None:
    table = Table(("a",), (("1",),))
    text = "### 1. A question?\n\n```sql\nselect 1\n```\n\n**Trap.** None.\n"

    ((answer,),) = [question.answers for question in guide_answers.questions(text)]
    written = guide_answers.refreshed(text, lambda _: table)
    ((filled,),) = [question.answers for question in guide_answers.questions(written)]

    assert guide_answers.differences(answer.printed, table) == ["no table follows the query"]
    assert guide_answers.differences(filled.printed, table) == []


@pytest.mark.parametrize(
    ("shown", "difference"),
    [
        (Table(("a", "b"), (("1", "3"),)), "row 1, b: printed '2', shown '3'"),
        (Table(("a", "c"), (("1", "2"),)), "columns: printed ('a', 'b'), shown ('a', 'c')"),
        (Table(("a", "b"), (("1", "2"), ("1", "2"))), "1 rows printed, 2 shown"),
        (Table(("a", "b"), ()), "1 rows printed, 0 shown"),
    ],
)
def test_a_cell_a_column_or_a_row_that_differs_is_named(shown: Table, difference: str) -> None:
    assert guide_answers.differences(Table(("a", "b"), (("1", "2"),)), shown) == [difference]
