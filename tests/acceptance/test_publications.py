"""What was published stays: corrections, the figure as it was, full rebuilds, readers during flips."""

from __future__ import annotations

import json
import threading

import psycopg
import pytest
from access import access_of, changed
from demo_warehouse import Demo

from warehouse import roles
from warehouse.connection import role_url
from warehouse.settings import Settings

HEADS = (
    "select province_code, indicator, actual::text, attainment_pct::text, as_of_date::text from bi.rpt_plan_attainment"
    " where month = '2021-10-01' order by 1, 2"
)


# the biggest relations are printed to the reader of the corrected province alone
BIG = {"fct_participation", "fct_contribution", "dim_participant"}
LAO_CAI = roles.provincial_reader("15")


def prints(demo: Demo, pin: int | None) -> dict[tuple[str, str], tuple[int, str]]:
    """By reader and relation the number of rows and a hash over them in order; without a pin of what is current."""
    printed = {}
    for role in (roles.READER, LAO_CAI):
        with psycopg.connect(role_url(Settings(home=demo.home), role)) as connection:
            if pin is not None:
                connection.execute(f"set vss.publication = '{pin}'".encode())
            listed = connection.execute(
                "select relname from pg_class where relnamespace = 'bi'::regnamespace and relkind = 'v'"
                " and relname <> 'publication' order by 1"
            ).fetchall()
            for (relation,) in listed:
                if role == LAO_CAI or relation not in BIG:
                    query = (
                        "select count(*), coalesce(md5(string_agg(r.line, '' order by r.line collate \"C\")), '')"
                        f" from (select md5(t::text) as line from bi.{relation} t) r"
                    )
                    row = connection.execute(query.encode()).fetchone()
                    assert row is not None
                    printed[role, relation] = row
    return printed


@pytest.fixture(scope="module")
def first_print(demo: Demo) -> tuple[int, dict[tuple[str, str], tuple[int, str]]]:
    """What the demo's publication says while it is the current one."""
    return demo.publication(), prints(demo, None)


@pytest.fixture(scope="module")
def second_print(demo: Demo, corrected: int) -> dict[tuple[str, str], tuple[int, str]]:
    """What the corrected publication says while it is the current one."""
    assert demo.publication() == corrected
    return prints(demo, None)


@pytest.fixture(scope="module")
def corrected(demo: Demo, first_print: object, tmp_path_factory: pytest.TempPathFactory) -> int:
    """The publication after a correction of one small province, landed after the demo."""
    access = access_of(Settings(home=demo.home))
    inbox = tmp_path_factory.mktemp("correction")
    demo.vss("synth", "--correction", "--out", str(inbox))
    demo.vss("ingest", "--inbox", str(inbox))
    demo.vss("build")
    demo.vss("publish")
    assert changed(access, access_of(Settings(home=demo.home))) == []
    return demo.publication()


def test_a_second_night_over_the_same_inbox_changes_nothing(demo: Demo) -> None:
    before = demo.publication()

    demo.vss("nightly", "--inbox", str(demo.inbox))

    assert demo.publication() == before


def test_a_correction_touches_only_the_slices_of_its_province(demo: Demo, corrected: int) -> None:
    with psycopg.connect(role_url(Settings(home=demo.home), roles.TRANSFORMER)) as connection:
        made = connection.execute(
            "select s.relation, s.territory_key, s.month::text, s.row_count from ops.slice s"
            " join ops.publication p on p.build_id = s.build_id where p.publication_id = %s order by 1",
            [corrected],
        ).fetchall()

    cut_by_territory = {row for row in made if row[1] is not None}
    assert ("fct_participation", "63-10", "2021-10-01", 1775) in cut_by_territory
    assert {row[1] for row in cut_by_territory} == {"63-10"}
    # who stood in which unit is kept by year
    by_year = {row[2] for row in made if row[0] == "int_employer__si_person_year"}
    assert by_year == {"2021-01-01"}
    assert {row[2] for row in made if row[2] is not None} == {"2021-10-01", *by_year}
    assert not [row for row in made if row[0] in {"fct_contribution", "fct_arrears", "int_employer__version"}]


def test_a_correction_shows_in_the_new_publication_and_not_in_the_old(demo: Demo, corrected: int) -> None:
    query = (
        "select actual from bi.rpt_plan_attainment where province_code = '10' and month = '2021-10-01'"
        " and indicator = 'si_voluntary'"
    )

    before = demo.one(query, pin=1)["actual"]
    after = demo.one(query, pin=corrected)["actual"]

    assert after == before + 30


def test_the_corrected_load_is_superseded_and_the_correction_published(demo: Demo, corrected: int) -> None:
    first = {feed["feed"]: feed["state"] for feed in demo.receipt("p10-2021-10-v1")["feeds"]}
    second = {feed["feed"]: feed["state"] for feed in demo.receipt("p10-2021-10-v2")["feeds"]}

    assert first["participants"] == "superseded"
    assert first["contributions"] == "published"
    assert second == {"participants": "published"}


def test_a_full_refresh_leaves_every_publication_readable_as_it_was(
    demo: Demo,
    corrected: int,
    first_print: tuple[int, dict[tuple[str, str], tuple[int, str]]],
    second_print: dict[tuple[str, str], tuple[int, str]],
) -> None:
    first, second = demo.as_of(1, HEADS), demo.as_of(corrected, HEADS)
    with psycopg.connect(role_url(Settings(home=demo.home), roles.TRANSFORMER)) as connection:
        identities = connection.execute(
            "select relname, oid from pg_class"
            " where relnamespace in ('marts'::regnamespace, 'bi'::regnamespace) order by 1"
        ).fetchall()

    access = access_of(Settings(home=demo.home))

    demo.vss("build", "--full-refresh")
    demo.vss("publish")

    assert changed(access, access_of(Settings(home=demo.home))) == []
    with psycopg.connect(role_url(Settings(home=demo.home), roles.TRANSFORMER)) as connection:
        again = connection.execute(
            "select relname, oid from pg_class"
            " where relnamespace in ('marts'::regnamespace, 'bi'::regnamespace) order by 1"
        ).fetchall()
    assert demo.publication() == corrected + 1
    assert again == identities
    assert demo.as_of(1, HEADS) == first
    assert demo.as_of(corrected, HEADS) == second
    assert demo.as_of(corrected + 1, HEADS) == second
    assert first != second
    # every relation, bit for bit; and made anew from the same rows and rules everything says the same
    assert prints(demo, first_print[0]) == first_print[1]
    assert prints(demo, corrected) == second_print
    assert prints(demo, None) == second_print
    assert first_print[1] != second_print


def test_the_difference_a_correction_makes_goes_back_to_it(demo: Demo, corrected: int) -> None:
    found = json.loads(demo.vss("diff", str(corrected - 1), str(corrected), "--json").stdout)
    same = demo.vss("diff", str(corrected), str(corrected)).stdout
    (heads,) = (
        figure
        for figure in found["figures"]
        if figure["province_code"] == "10"
        and (figure["relation"], figure["key"], figure["column"]) == ("rpt_plan_attainment", "si_voluntary", "actual")
    )

    assert [(each["kind"], each["submission_id"]) for each in found["corrections"]] == [
        ("superseded", "p10-2021-10-v2")
    ]
    assert heads["difference"] == heads["after"] - heads["before"] == 30
    assert {tuple(each["goes_back_to"]) for each in found["counts"] + found["figures"]} == {("p10-2021-10-v2",)}
    assert "Nothing differs" in same


def test_a_difference_to_what_never_was_is_one_sentence(demo: Demo) -> None:
    refused = demo.vss("diff", "1", "999", expect=2)

    assert refused.stdout == ""
    assert "999 was never published" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_readers_of_two_relations_see_no_mixture_during_ten_flips(demo: Demo, corrected: int) -> None:
    settings = Settings(home=demo.home)
    query = (
        "select (select count(*) from bi.fct_participation where province_code = '10') as facts,"
        " (select sum(participants)::bigint from bi.rpt_participants where province_code = '10') as sums"
    )
    pure = {tuple(demo.one(query, pin=number).values()) for number in (1, corrected)}
    seen: list[set[tuple[object, ...]]] = [set() for _ in range(4)]
    reads = [0] * 4
    done = threading.Event()

    def read(number: int) -> None:
        with psycopg.connect(role_url(settings, roles.READER), autocommit=True) as connection:
            while not done.is_set():
                row = connection.execute(query).fetchone()
                assert row is not None
                seen[number].add(row)
                reads[number] += 1

    readers = [threading.Thread(target=read, args=[number]) for number in range(4)]
    for reader in readers:
        reader.start()
    try:
        with psycopg.connect(role_url(settings, roles.PUBLISHER), autocommit=True) as connection:
            for flip in range(10):
                connection.execute("select ops.roll_back(%s, 'ten flips')", [1 if flip % 2 == 0 else corrected])
                goal = [count + 2 for count in reads]
                while any(count < wanted for count, wanted in zip(reads, goal, strict=True)):
                    assert all(reader.is_alive() for reader in readers)
                    done.wait(0.01)
    finally:
        done.set()
        for reader in readers:
            reader.join()

    assert len(pure) == 2
    assert all(of_reader == pure for of_reader in seen)


def test_a_rolled_back_publication_shows_what_its_target_showed(demo: Demo, corrected: int) -> None:
    demo.vss("rollback", "1", "--reason", "test")

    assert demo.as_of(demo.publication(), HEADS) == demo.as_of(1, HEADS)


def test_as_of_prints_csv_and_nothing_else_and_refuses_what_never_was(demo: Demo) -> None:
    printed = demo.vss("as-of", "1", "select indicator, actual from bi.rpt_plan_attainment where false").stdout
    refused = demo.vss("as-of", "999", "select 1", expect=2)

    assert printed == "indicator,actual\n"
    assert refused.stdout == ""
    assert "999 was never published" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_as_of_prints_dates_that_never_end(demo: Demo) -> None:
    rows = demo.as_of(1, "select province_key, valid_to from dim_province where province_key = '34-25'")

    assert rows == [{"province_key": "34-25", "valid_to": "infinity"}]


def test_a_model_that_fails_leaves_what_was_published(demo: Demo, corrected: int) -> None:
    before, shown = demo.publication(), demo.as_of(1, HEADS)
    settings = Settings(home=demo.home)
    with psycopg.connect(role_url(settings, roles.TRANSFORMER), autocommit=True) as connection:
        connection.execute(
            "create function marts.refuse() returns trigger language plpgsql as"
            " $$ begin raise exception 'no more coverage'; end $$"
        )
        connection.execute(
            "create trigger refuse before insert on marts.rpt_coverage__rows execute function marts.refuse()"
        )
    try:
        failed = demo.vss("build", "--full-refresh", expect=5)
    finally:
        with psycopg.connect(role_url(settings, roles.TRANSFORMER), autocommit=True) as connection:
            connection.execute("drop function marts.refuse() cascade")

    assert "rpt_coverage" in failed.stderr
    assert demo.publication() == before
    assert demo.as_of(1, HEADS) == shown
    with psycopg.connect(role_url(settings, roles.TRANSFORMER)) as connection:
        left = connection.execute(
            "select count(*) from ops.slice s join ops.build b on b.build_id = s.build_id where b.state = 'failed'"
        ).fetchone()
    assert left == (0,)
