"""Order and time, as readers see it: whatever the order in which files came, the same figures in the end.

Two warehouses read the same final versions. To `messy` they came as they come in life, in three nights: March before
February, the third version of January before the second, its correction in July, a void and what brings the figures
back, a late file of a year to date. To `clean` they came once, in order, in one night.
"""

from __future__ import annotations

import datetime as dt
import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from builders import LOCAL, Inbox, Row, arrears, employers, participants, stop_and_remove
from demo_warehouse import Demo
from proofs import proves

from night.dbt_runs import manifest_path
from night.freshness import completeness
from night.readiness import migrate
from warehouse import roles
from warehouse.connection import connect
from warehouse.differences import compare
from warehouse.publication import DUPLICATE_ELSEWHERE, as_of, resolve
from warehouse.settings import PROJECT, Settings

PUBLISHED = sorted(
    path.stem
    for path in (PROJECT / "dbt_project" / "models").rglob("*.sql")
    if path.stem[:4] in {"fct_", "rpt_", "dim_"}
)
# the country, a province that is corrected late, one that is voided, one with nothing new
READERS = (roles.READER, *(roles.provincial_reader(code) for code in ("01", "42", "37")))
Seen = dict[str, list[str]]


def at(text: str) -> dt.datetime:
    """A local instant."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=LOCAL)


def people(*numbers: int, **changes: str) -> list[Row]:
    """Persons by their numbers, so that two provinces may list the same one."""
    everybody = participants(max(numbers) + 1, **changes)
    return [everybody[number] for number in numbers]


def paid(month: str, amount: str) -> list[Row]:
    """One employer's payment to the health fund for a month, as large as what it owed."""
    return [
        {
            "payer_kind": "employer", "payer_code": "TA0000A", "fund": "HI", "liability_month": month,
            "headcount": "10", "wage_fund_vnd": "0", "due_vnd": amount, "paid_vnd": amount,
        }
    ]  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """A submission and what its manifest says beyond the usual."""

    sender: str
    period: str
    feeds: Mapping[str, Sequence[Row]]
    version: int = 1
    received_at: dt.datetime = field(default_factory=lambda: at("2025-05-02T08:00:00"))
    declared: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    action: str = "submit"

    def accept(self, inbox: Inbox) -> None:
        folder = inbox.send(
            self.feeds, sender=self.sender, period=self.period, version=self.version, received_at=self.received_at,
            declared=self.declared, action=self.action, as_of_date=dt.date(2025, 4, 30),
        )  # fmt: skip
        if self.action == "void":
            assert inbox.load(folder).state == "accepted"
        else:
            assert inbox.accept(folder) == "accepted"


def in_unit(code: str, unit: str, amount: str) -> Sent:
    totals = {"due_vnd": amount, "paid_vnd": amount, "wage_fund_vnd": "0"}
    declared = {"contributions": {"unit": unit, "totals": totals}}
    return Sent(f"province-{code}", "2025-03", {"contributions": paid("2025-03", amount)}, declared=declared)


def to_date(period: str, month: str, amount: str) -> Sent:
    declared = {"contributions": {"basis": "ytd"}}
    return Sent("province-04", period, {"contributions": paid(month, amount)}, declared=declared)


def whole(count: int, first: int, month: str) -> dict[str, Sequence[Row]]:
    return {
        "participants": people(*range(first, first + count)), "employers": employers(2), "arrears": arrears(1),
        "contributions": paid(month, "7000"),
    }  # fmt: skip


JANUARY = {
    number: Sent(
        "province-01", "2025-01", whole(number, 100, "2025-01"), version=number, action="correct",
        received_at=at("2025-07-15T08:00:00") if number == 4 else at(f"2025-04-0{number}T08:00:00"),
    )
    for number in (2, 3, 4)
}  # fmt: skip
FEBRUARY = Sent("province-01", "2025-02", whole(5, 100, "2025-02"), received_at=at("2025-03-05T23:59:59"))
MARCH = Sent("province-01", "2025-03", whole(6, 100, "2025-03"), received_at=at("2025-04-06T00:00:00"))
TAKEN_BACK = {
    version: Sent(
        "province-42", "2025-03",
        {} if version == 2 else {"participants": people(*range(200, 200 + version)), "arrears": arrears(1)},
        version=version, action={1: "submit", 2: "void", 3: "correct"}[version],
    )
    for version in (1, 2, 3)
}  # fmt: skip
YEAR_TO_DATE = {
    "2024-12": to_date("2024-12", "2024-12", "1200"), "2025-01": to_date("2025-01", "2025-01", "100"),
    "2025-02": to_date("2025-02", "2025-01", "250"), "2025-03": to_date("2025-03", "2025-01", "240"),
}  # fmt: skip
UNITS = [
    in_unit("11", "dong", "1234567000"), in_unit("12", "thousand", "1234567"),
    in_unit("14", "million", "1234.567"), in_unit("20", "billion", "1.234567"),
]  # fmt: skip
SHARED = {
    "38": Sent("province-38", "2025-03", {"participants": people(0, 1, 2, 3, 4)}),
    "37": Sent("province-37", "2025-03", {"participants": people(4, 7)}),
}
NEIGHBOUR = {
    # one insured elsewhere in another way does not stand twice
    1: [*people(2, 3, 4, 5, 6), *people(0, insurance_type="HI", hi_group="DN")],
    2: people(4, 5, 6, 7, 8),
    3: people(10, 11, 12, 13, 14),
}
NEIGHBOURS = {
    version: Sent("province-40", "2025-03", {"participants": rows}, version=version)
    for version, rows in NEIGHBOUR.items()
}
BOTH_MAPS = [
    Sent("province-10", "2025-06", {"participants": people(301)}),
    Sent("province-15", "2025-06", {"participants": people(302, 303)}),
    # 00:30 of the 6th in Vietnam, the 5th in UTC: late by the one, on time by the other
    Sent("province-15", "2025-07", {"participants": people(301, 302, 303)}, received_at=at("2025-08-06T00:30:00")),
]
WEEKLY = [
    Sent(
        f"province-{code}", "2025-W14", {"weekly_report": [{"item_no": "1", "area": "it", "difficulty": "mạng chậm"}]},
        received_at=received_at,
    )
    for code, received_at in {"01": at("2025-04-04T14:59:59"), "04": at("2025-04-04T15:00:00")}.items()
]  # fmt: skip

NIGHTS: tuple[tuple[Sent, ...], ...] = (
    (
        MARCH, JANUARY[3], TAKEN_BACK[1], YEAR_TO_DATE["2025-03"], YEAR_TO_DATE["2024-12"], YEAR_TO_DATE["2025-01"],
        *BOTH_MAPS, *SHARED.values(), NEIGHBOURS[1], *reversed(UNITS),
    ),
    (FEBRUARY, JANUARY[2], TAKEN_BACK[2], YEAR_TO_DATE["2025-02"], NEIGHBOURS[2], *WEEKLY),
    (NEIGHBOURS[3], JANUARY[4], TAKEN_BACK[3]),
)  # fmt: skip
IN_ORDER = (
    YEAR_TO_DATE["2024-12"], JANUARY[4], YEAR_TO_DATE["2025-01"], FEBRUARY, YEAR_TO_DATE["2025-02"], MARCH,
    TAKEN_BACK[3], YEAR_TO_DATE["2025-03"], *UNITS, *SHARED.values(), NEIGHBOURS[3], *WEEKLY, *BOTH_MAPS,
)  # fmt: skip


@dataclass
class Warehouse:
    """A warehouse, its inbox, and what readers saw of each publication on the day."""

    settings: Settings
    inbox: Inbox
    demo: Demo
    printed: dict[int, Seen] = field(default_factory=dict)
    printed_to: dict[tuple[int, str], Seen] = field(default_factory=dict)
    notices: dict[int, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def night(self, arrivals: Sequence[Sent]) -> None:
        """Load, build, audit and publish."""
        for sent in arrivals:
            sent.accept(self.inbox)
        self.demo.vss("build")
        self.demo.vss("publish")
        number = self.demo.publication()
        # without a pin: what stood there while it was the current one
        self.printed_to |= {(number, role): self.seen(None, role) for role in READERS}
        self.printed[number] = self.printed_to[number, roles.READER]
        self.notices[number] = {
            str(name): args
            for name, args in self.inbox.query(
                "select s.submission_id, n.args from ops.load_notice n join ops.load l using (load_id)"
                f" join ops.submission s using (sub_no) where n.code = '{DUPLICATE_ELSEWHERE}' order by 1"
            )
        }

    def seen(self, publication: int | None, role: str = roles.READER) -> Seen:
        """Every row of every published relation, as text and in order; of what is current unless one is named."""
        with connect(self.settings, role) as connection:
            if publication is not None:
                connection.execute(f"set vss.publication = '{publication}'".encode())
            return {
                name: sorted(str(row[0]) for row in connection.execute(f"select t::text from bi.{name} t".encode()))
                for name in PUBLISHED
            }

    def rows(self, query: str, publication: int) -> list[dict[str, Any]]:
        return self.demo.rows(query, pin=publication)

    def one(self, query: str, publication: int) -> Any:
        """The only value of an answer."""
        (value,) = self.demo.one(query, pin=publication).values()
        return value


@pytest.fixture(scope="module")
def warehouses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Warehouse, Warehouse]]:
    homes = [Path(tempfile.mkdtemp(prefix="vss-order-")) for _ in range(2)]
    made = []
    try:
        for home in homes:
            home.chmod(0o755)
            settings = Settings(home=home)
            migrate(settings)
            made.append(Warehouse(settings, Inbox(settings, tmp_path_factory.mktemp("inbox")), Demo(home)))
        messy, clean = made
        # one secret: the same person has the same key in both, and every column can be compared
        with connect(messy.settings, roles.MIGRATOR) as connection:
            connection.execute("set role vss_vault")
            secret = connection.execute("select value from vault.secret where name = 'pseudonym'").fetchone()
        assert secret is not None
        with connect(clean.settings, roles.MIGRATOR) as connection:
            connection.execute("set role vss_vault")
            connection.execute("update vault.secret set value = %s where name = 'pseudonym'", [secret[0]])
        with ThreadPoolExecutor(1) as beside:
            at_once = beside.submit(clean.night, IN_ORDER)
            for night in NIGHTS:
                messy.night(night)
            at_once.result()
        yield messy, clean
    finally:
        for home in homes:
            stop_and_remove(Settings(home=home))
            shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def messy(warehouses: tuple[Warehouse, Warehouse]) -> Warehouse:
    return warehouses[0]


@pytest.fixture(scope="module")
def clean(warehouses: tuple[Warehouse, Warehouse]) -> Warehouse:
    return warehouses[1]


# ------------------------------------------------------------------------------------------------------------- order


@proves("order.out-of-order")
@pytest.mark.parametrize("relation", PUBLISHED)
def test_whatever_the_order_of_arrival_readers_see_in_the_end_what_one_load_in_order_gives(
    messy: Warehouse, clean: Warehouse, relation: str
) -> None:
    assert messy.printed[3][relation] == clean.printed[1][relation]


def test_the_relations_the_files_are_about_are_not_compared_empty(clean: Warehouse) -> None:
    filled = {name for name, rows in clean.printed[1].items() if rows}

    assert filled >= {
        "fct_participation", "fct_contribution", "fct_arrears", "fct_weekly_report", "dim_employer", "dim_participant",
        "rpt_participants", "rpt_employers", "rpt_collection", "rpt_arrears_ageing", "rpt_completeness",
        "rpt_plan_attainment",
    }  # fmt: skip


@proves("order.out-of-order")
@pytest.mark.parametrize("publication", [1, 2])
def test_an_earlier_publication_prints_the_same_after_all_that_came_later(messy: Warehouse, publication: int) -> None:
    assert messy.seen(publication) == messy.printed[publication]
    assert messy.printed[publication] != messy.printed[3]


@proves("order.out-of-order")
@pytest.mark.parametrize("role", READERS[1:])
@pytest.mark.parametrize("publication", [1, 2])
def test_it_prints_the_same_to_a_province(messy: Warehouse, publication: int, role: str) -> None:
    assert messy.seen(publication, role) == messy.printed_to[publication, role]


def test_what_a_province_is_shown_is_neither_nothing_nor_the_country(messy: Warehouse) -> None:
    heads = {role: len(messy.printed_to[1, role]["fct_participation"]) for role in READERS}

    # 42 is shown its own person, whom the void then takes back
    assert heads[roles.provincial_reader("42")] == 1
    assert messy.printed_to[2, roles.provincial_reader("42")]["fct_participation"] == []
    assert 0 < heads[roles.provincial_reader("01")] < heads[roles.READER]


@pytest.mark.parametrize("publication", [1, 2])
def test_an_earlier_publication_lists_none_that_came_later(messy: Warehouse, publication: int) -> None:
    rows = messy.rows("select publication_id, is_shown from bi.publication order by 1", publication)

    assert rows == [
        {"publication_id": number, "is_shown": number == publication} for number in range(1, publication + 1)
    ]


@proves("order.out-of-order")
def test_a_query_as_of_each_publication_gives_the_january_of_that_day(messy: Warehouse) -> None:
    query = "select count(*) from fct_participation where province_code = '01' and month = '2025-01-01'"
    printed = []
    for number in (1, 2, 3):
        out = io.StringIO()
        as_of(messy.settings, str(number), query, out)
        printed.append(out.getvalue().split()[1])

    # version 3 came first, version 2 changed nothing, version 4 came in July
    assert printed == ["3", "3", "4"]


# ------------------------------------------------------------------------------------------------------- differences


def corrections(messy: Warehouse, before: int, after: int) -> set[tuple[str, str, str | None]]:
    found = compare(messy.settings, str(before), str(after), relation="rpt_completeness")
    return {(each.kind, each.submission_id, each.replaced) for each in found.corrections}


def identity(sent: Sent) -> str:
    return f"{sent.sender}-{sent.period}-v{sent.version}"


def test_the_difference_names_what_came_late_what_was_voided_and_not_what_was_overtaken(messy: Warehouse) -> None:
    came = [FEBRUARY, YEAR_TO_DATE["2025-02"], *WEEKLY]

    assert corrections(messy, 1, 2) == {
        *(("came in", identity(sent), None) for sent in came),
        ("voided", identity(TAKEN_BACK[2]), identity(TAKEN_BACK[1])),
        ("superseded", identity(NEIGHBOURS[2]), identity(NEIGHBOURS[1])),
    }
    assert corrections(messy, 2, 3) == {
        ("superseded", identity(JANUARY[4]), identity(JANUARY[3])),
        ("superseded", identity(NEIGHBOURS[3]), identity(NEIGHBOURS[2])),
        ("came in", identity(TAKEN_BACK[3]), None),
    }


def test_the_difference_of_a_void_is_the_rows_it_took_back_and_the_national_figure_less_them(messy: Warehouse) -> None:
    manifest = manifest_path(messy.settings)
    rows = compare(messy.settings, "1", "2", relation="fct_participation", manifest=manifest).counts
    figures = compare(messy.settings, "1", "2", relation="rpt_plan_attainment", manifest=manifest).figures
    (of_42,) = (count for count in rows if count.province_code == "42")
    (national,) = (
        figure
        for figure in figures
        if (figure.province_code, f"{figure.month:%Y-%m}") == ("national", "2025-03")
        and (figure.key, figure.column) == ("si_compulsory", "actual")
    )

    assert (of_42.rows_new, of_42.rows_gone, of_42.rows_changed) == (0, 1, 0)
    assert of_42.goes_back_to == national.goes_back_to == (identity(TAKEN_BACK[2]),)
    assert (national.before, national.after, national.difference) == (Decimal(19), Decimal(18), Decimal(-1))


def test_a_late_file_of_a_year_to_date_is_the_cause_of_the_month_after_it_too(messy: Warehouse) -> None:
    counts = compare(
        messy.settings, "1", "2", relation="fct_contribution", manifest=manifest_path(messy.settings)
    ).counts
    of_04 = {f"{count.month:%Y-%m}": count for count in counts if count.province_code == "04"}

    assert {month: (count.rows_new, count.rows_changed) for month, count in of_04.items()} == {
        "2025-02": (1, 0), "2025-03": (0, 1),
    }  # fmt: skip
    assert {"due_vnd", "paid_vnd", "posting_from"} <= set(of_04["2025-03"].cells)
    assert {count.goes_back_to for count in of_04.values()} == {(identity(YEAR_TO_DATE["2025-02"]),)}


@proves("order.void")
def test_the_publication_says_what_it_brought(messy: Warehouse) -> None:
    second, third = (
        messy.one(f"select changes from bi.publication where publication_id = {number}", 3) for number in (2, 3)
    )

    assert second.startswith("4 new submissions (")
    assert f"1 void ({identity(TAKEN_BACK[2])} for {identity(TAKEN_BACK[1])})" in second
    assert f"2 corrections ({identity(JANUARY[4])} for {identity(JANUARY[3])}, " in third


# -------------------------------------------------------------------------------------------------------------- void


@proves("order.void")
def test_a_void_takes_the_figures_out_of_every_relation_and_a_higher_version_brings_them_back(messy: Warehouse) -> None:
    heads = "select count(*) from bi.fct_participation where province_code = '42'"
    debts = "select count(*) from bi.fct_arrears where province_code = '42'"
    sums = "select coalesce(sum(participants), 0)::int from bi.rpt_participants where province_code = '42'"

    assert [messy.one(heads, number) for number in (1, 2, 3)] == [1, 0, 3]
    assert [messy.one(debts, number) for number in (1, 2, 3)] == [1, 0, 1]
    assert [messy.one(sums, number) for number in (1, 2, 3)] == [1, 0, 3]


@proves("order.void")
def test_completeness_shows_what_was_taken_back_as_missing(messy: Warehouse) -> None:
    query = (
        "select feed, state, version, rows from bi.rpt_completeness where sender = 'province-42'"
        " and period = '2025-03' and feed in ('participants', 'arrears') order by feed"
    )

    states = {number: [tuple(row.values()) for row in messy.rows(query, number)] for number in (1, 2, 3)}

    assert states == {
        1: [("arrears", "accepted", 1, 1), ("participants", "accepted", 1, 1)],
        2: [("arrears", "missing", None, None), ("participants", "missing", None, None)],
        3: [("arrears", "accepted", 3, 1), ("participants", "accepted", 3, 3)],
    }


@proves("order.void")
def test_the_national_figure_loses_what_was_taken_back_and_names_the_province(messy: Warehouse) -> None:
    query = (
        "select actual, provinces_missing from bi.rpt_plan_attainment where geo_level = 'national'"
        " and month = '2025-03-01' and indicator = 'si_compulsory'"
    )
    (first,), (second,), (third,) = (messy.rows(query, number) for number in (1, 2, 3))

    # 01: 6, 37: 2, 38: 5, 40: 5 in every version; 42: 1, none, 3
    assert [int(row["actual"]) for row in (first, second, third)] == [19, 18, 21]
    assert ["42" in row["provinces_missing"] for row in (first, second, third)] == [False, True, False]


# ------------------------------------------------------------------------------------------------------------- months


def posted(messy: Warehouse, publication: int) -> list[tuple[str, int, str]]:
    rows = messy.rows(
        "select month::text, paid_vnd, posting_from::text from bi.fct_contribution where province_code = '04'"
        " order by month, liability_month",
        publication,
    )
    return [(row["month"][:7], row["paid_vnd"], row["posting_from"][:7]) for row in rows]


@proves("order.out-of-order")
def test_without_the_file_of_february_march_posts_the_span_and_the_late_file_makes_it_a_month(messy: Warehouse) -> None:
    assert posted(messy, 1) == [("2024-12", 1200, "2024-01"), ("2025-01", 100, "2025-01"), ("2025-03", 140, "2025-02")]
    assert posted(messy, 2)[2:] == [("2025-02", 150, "2025-02"), ("2025-03", -10, "2025-03")]


def test_january_begins_the_year_to_date_anew(messy: Warehouse) -> None:
    assert {month: amount for month, amount, _ in posted(messy, 3)}["2025-01"] == 100


def test_a_year_to_date_that_falls_shows_its_month_as_a_negative_correction(messy: Warehouse) -> None:
    query = (
        "select month::text, collected_month_vnd, collected_ytd_vnd from bi.rpt_collection where province_code = '04'"
        " and insurance_group = 'hi' and month >= '2025-01-01' order by month"
    )
    of_month = {
        number: [tuple(row.values()) for row in messy.rows(query, number) if row["collected_ytd_vnd"] is not None]
        for number in (1, 3)
    }

    # while a span covers two months, neither of them is known
    assert of_month[1] == [("2025-01-01", 100, 100), ("2025-03-01", None, 240)]
    assert of_month[3] == [("2025-01-01", 100, 100), ("2025-02-01", 150, 250), ("2025-03-01", -10, 240)]


def test_amounts_in_thousands_millions_and_billions_are_the_same_as_in_dong(messy: Warehouse) -> None:
    facts = messy.rows(
        "select province_code, due_vnd, paid_vnd from bi.fct_contribution"
        " where province_code in ('11', '12', '14', '20') order by 1",
        3,
    )
    sums = messy.rows(
        "select province_code, collected_month_vnd from bi.rpt_collection"
        " where province_code in ('11', '12', '14', '20') and month = '2025-03-01' and insurance_group = 'total'"
        " order by 1",
        3,
    )

    assert [tuple(row.values()) for row in facts] == [
        (code, 1_234_567_000, 1_234_567_000) for code in ("11", "12", "14", "20")
    ]
    assert [tuple(row.values()) for row in sums] == [(code, 1_234_567_000) for code in ("11", "12", "14", "20")]


# ---------------------------------------------------------------------------------------------------------- midnight


@proves("order.midnight", "order.weekly-deadline")
def test_lateness_goes_by_the_local_midnight_and_the_local_friday(messy: Warehouse) -> None:
    rows = messy.rows(
        "select sender, period, feed, is_late, due_at from bi.rpt_completeness"
        " where received_at is not null and (feed = 'participants' and sender in ('province-01', 'province-15')"
        " and period in ('2025-02', '2025-03', '2025-07') or feed = 'weekly_report') order by period, sender",
        3,
    )

    assert [(row["sender"][-2:], row["period"], row["is_late"]) for row in rows] == [
        ("01", "2025-02", False),
        ("01", "2025-03", True),
        ("15", "2025-07", True),
        ("01", "2025-W14", False),
        ("04", "2025-W14", True),
    ]
    assert [row["due_at"].astimezone(dt.UTC).isoformat() for row in rows] == [
        "2025-03-05T17:00:00+00:00",
        "2025-04-05T17:00:00+00:00",
        "2025-08-05T17:00:00+00:00",
        "2025-04-04T08:00:00+00:00",
        "2025-04-04T08:00:00+00:00",
    ]


@proves("order.midnight")
def test_a_month_is_provisional_to_the_last_local_instant_of_its_deadline(messy: Warehouse) -> None:
    due = dt.datetime(2025, 8, 5, 17, tzinfo=dt.UTC)
    with connect(messy.settings, roles.PUBLISHER) as connection:
        before = completeness(connection, now=due - dt.timedelta(microseconds=1))
        after = completeness(connection, now=due)

    assert before.startswith("2025-07 provisional, 1 of 34, missing 01, 04, ")
    assert after.startswith("2025-07 incomplete, 1 of 34, missing 01, 04, ")


@proves("order.midnight")
def test_a_publication_belongs_to_the_local_day_it_was_shown_on(messy: Warehouse) -> None:
    shown = {1: "2025-04-30T16:59:59.999999+00:00", 2: "2025-04-30T17:00:00+00:00", 3: "2025-05-01T16:59:59+00:00"}
    with connect(messy.settings, roles.MIGRATOR) as connection:
        for number, instant in shown.items():
            connection.execute(
                "update ops.publication set published_at = %s where publication_id = %s", [instant, number]
            )

    assert [resolve(messy.settings, day) for day in ("2025-04-30", "2025-05-01", "2025-05-02")] == [1, 3, 3]


@proves("order.midnight")
def test_the_hour_on_the_publication_is_the_local_one(messy: Warehouse) -> None:
    said = messy.one("select freshness from bi.publication where publication_id = 1", 1)

    assert "came in on 2025-08-06 00:30 (Asia/Ho_Chi_Minh)" in said


# --------------------------------------------------------------------------------------------------------------- maps


@proves("order.province-code")
def test_a_code_that_means_two_provinces_is_read_on_the_map_of_its_month(messy: Warehouse) -> None:
    rows = messy.rows(
        "select f.month::text, f.province_code, f.province_key, f.current_province_code, p.name_vi, count(*) as persons"
        " from bi.fct_participation f join bi.dim_province p on p.province_key = f.province_key"
        " where f.month >= '2025-06-01' group by 1, 2, 3, 4, 5 order by 1, 2",
        3,
    )

    assert [tuple(row.values()) for row in rows] == [
        ("2025-06-01", "10", "63-10", "15", "Tỉnh Lào Cai", 1),
        ("2025-06-01", "15", "63-15", "15", "Tỉnh Yên Bái", 2),
        ("2025-07-01", "15", "34-15", "15", "Tỉnh Lào Cai", 3),
    ]


@proves("order.out-of-order")
def test_a_person_whom_two_provinces_listed_is_shown_as_in_the_latest_month(messy: Warehouse, clean: Warehouse) -> None:
    query = (
        "select territory_key, count(*) from bi.dim_participant where participant_key in"
        " (select participant_key from bi.fct_participation where month = '2025-06-01' and province_code = '10')"
        " group by 1"
    )

    assert messy.rows(query, 3) == clean.rows(query, 1) == [{"territory_key": "34-15", "count": 1}]


# -------------------------------------------------------------------------------------------- two provinces, one person


@proves("cells.duplicate-between-provinces")
def test_both_senders_are_told_how_many_of_their_persons_stand_elsewhere_too(messy: Warehouse) -> None:
    assert messy.notices[1] == {
        "province-37-2025-03-v1": {"count": 1, "provinces": ["38", "40"]},
        "province-38-2025-03-v1": {"count": 3, "provinces": ["37", "40"]},
        "province-40-2025-03-v1": {"count": 3, "provinces": ["37", "38"]},
    }


@proves("cells.duplicate-between-provinces")
def test_a_correction_changes_what_the_neighbours_were_told_and_the_last_one_ends_it(messy: Warehouse) -> None:
    assert messy.notices[2] == {
        "province-37-2025-03-v1": {"count": 2, "provinces": ["38", "40"]},
        "province-38-2025-03-v1": {"count": 1, "provinces": ["37", "40"]},
        "province-40-2025-03-v2": {"count": 2, "provinces": ["37", "38"]},
    }
    assert messy.notices[3] == {
        "province-37-2025-03-v1": {"count": 1, "provinces": ["38"]},
        "province-38-2025-03-v1": {"count": 1, "provinces": ["37"]},
    }


@proves("cells.duplicate-between-provinces")
def test_the_national_figure_stays_the_sum_and_says_how_many_stand_twice(messy: Warehouse) -> None:
    query = (
        "select n.actual, n.duplicates_between_provinces as twice, (select sum(p.actual) from bi.rpt_plan_attainment p"
        " where p.geo_level = 'province' and p.month = n.month and p.indicator = n.indicator) as provinces"
        " from bi.rpt_plan_attainment n where n.geo_level = 'national' and n.month = '2025-03-01'"
        " and n.indicator = 'si_compulsory'"
    )
    figures = [messy.rows(query, number)[0] for number in (1, 2, 3)]

    assert all(Decimal(row["actual"]) == row["provinces"] for row in figures)
    # of three provinces that list one person two list one too many
    assert [row["twice"] for row in figures] == [4, 3, 1]
