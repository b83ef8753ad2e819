"""The pointer at work: readers during flips, locks of BI tools, going back, pins; over two states made by SQL."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from builders import migrated, stop_and_remove

from benchmarks.publish import flip_to, readers
from benchmarks.published_world import (
    FIGURES,
    SHAPES,
    Figures,
    Size,
    correct_again,
    manifest_path,
    publish_two_states,
    write_manifest,
)
from expectations.candidate import verdict
from night import dbt_runs, publishing
from warehouse import bi, builds, locks, publication, roles
from warehouse.connection import connect, role_url
from warehouse.errors import BuildOpenError, UsageError
from warehouse.publication import as_of, current, resolve, roll_back
from warehouse.settings import Settings

SIZE = Size(months=2, provinces=3, rows=4, corrected=1)
Rows = list[tuple[object, ...]]


@dataclass(frozen=True)
class Shown:
    """A warehouse whose publication 1 is the first state and 2 the second, and what each must show."""

    settings: Settings
    first: Figures
    second: Figures

    def rows(self, query: str, role: str = roles.TRANSFORMER, *, pin: int | str | None = None) -> Rows:
        with connect(self.settings, role) as connection:
            if pin is not None:
                connection.execute("select set_config('vss.publication', %s, false)", [str(pin)])
            return connection.execute(query.encode()).fetchall()

    def figures(self, pin: int | None = None, role: str = roles.READER) -> Figures:
        return Figures(*(int(str(self.rows(question, role, pin=pin)[0][0])) for question in FIGURES))

    def number(self) -> int:
        found = current(self.settings)
        assert found is not None
        return found.publication_id

    def states(self) -> dict[str, set[object]]:
        """What the ledger calls the loads of the corrected province's last month, by submission."""
        found = self.rows(
            "select s.submission_id, l.state from ops.load l join ops.submission s on s.sub_no = l.sub_no"
            " where s.submission_id ~ '^p01-2024-12-'"
        )
        return {str(name): {state for other, state in found if other == name} for name, _ in found}

    def columns(self, relation: str) -> list[object]:
        """The columns of a view of `bi`, by name."""
        query = f"select attname from pg_attribute where attrelid = 'bi.{relation}'::regclass and attnum > 0 order by 1"
        return [row[0] for row in self.rows(query, roles.PUBLISHER)]

    def build_state(self, build_id: int) -> object:
        return self.rows(f"select state from ops.build where build_id = {build_id}")[0][0]


@pytest.fixture(scope="module")
def two_states() -> Iterator[Shown]:
    settings = migrated("vss-life-")
    try:
        yield Shown(settings, *publish_two_states(settings, SIZE))
    finally:
        stop_and_remove(settings)


@pytest.fixture
def shown(two_states: Shown) -> Iterator[Shown]:
    """The warehouse with its second state shown and nothing waiting."""
    if two_states.figures() != two_states.second or two_states.rows(
        "select from ops.build where state in ('built', 'audited')"
    ):
        roll_back(two_states.settings, 2, "for the next test")
    yield two_states


@contextlib.contextmanager
def holding(shown: Shown, relation: str = "rpt_participants") -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A BI tool that has asked for a relation of `bi`, locked it, and sits in its transaction."""
    with psycopg.connect(role_url(shown.settings, roles.READER)) as tool:
        tool.execute(f"select count(*) from bi.{relation}".encode())
        tool.execute(f"lock table bi.{relation} in access share mode".encode())
        yield tool
        tool.rollback()


def with_a_new_column(shown: Shown, *names: str) -> None:
    """One more column in some relations, in the rows and in the manifest; `bi` does not have it yet."""
    with connect(shown.settings, roles.TRANSFORMER) as connection:
        for name in names:
            connection.execute(f"alter table marts.{name}__rows add column if not exists note text".encode())
    write_manifest(shown.settings, {name: {"note": "A remark on the row."} for name in names})


@pytest.fixture
def as_it_was(shown: Shown) -> Iterator[None]:
    """Puts the manifest and `bi` back."""
    yield
    bi.sync(shown.settings, write_manifest(shown.settings))


def flip_before_readers(shown: Shown, *, count: int, flips: int) -> None:
    figures = {1: shown.first, 2: shown.second, shown.number(): shown.second}
    with readers(shown.settings, count) as at_work:
        for turn in range(flips):
            wanted = at_work.answered() + 2
            number, _ = flip_to(shown.settings, 1 + turn % 2)
            figures[number] = (shown.first, shown.second)[turn % 2]
            while at_work.answered() < wanted:
                threading.Event().wait(0.005)
        seen = at_work.stop()

    assert seen.mixtures(figures) == []
    assert seen.kinds() == {
        (way, state) for way in ("one statement", "repeatable read") for state in (shown.first, shown.second)
    }


def test_the_two_states_differ_in_every_relation(shown: Shown) -> None:
    first, second = vars(shown.first), vars(shown.second)
    assert all(first[name] != second[name] for name in first)
    assert shown.first.wage_of_facts == shown.first.wage_of_reports == shown.first.national
    assert shown.second.wage_of_facts == shown.second.wage_of_reports == shown.second.national


def test_readers_in_one_statement_or_one_transaction_see_no_mixture_during_six_flips(shown: Shown) -> None:
    flip_before_readers(shown, count=4, flips=6)


@pytest.mark.long
def test_twenty_readers_see_no_mixture_during_fifty_flips(shown: Shown) -> None:
    flip_before_readers(shown, count=20, flips=50)


def test_a_reader_of_two_statements_without_transaction_or_pin_would_be_noticed(shown: Shown) -> None:
    with psycopg.connect(role_url(shown.settings, roles.READER), autocommit=True) as reader:
        before = reader.execute(FIGURES[0].encode()).fetchone()
        flip_to(shown.settings, 1)
        after = reader.execute(FIGURES[1].encode()).fetchone()
    assert (before, after) == ((shown.second.wage_of_facts,), (shown.first.wage_of_reports,))


@pytest.mark.timeout(120)
def test_flip_staging_and_sync_go_on_while_a_tool_sits_on_every_relation(shown: Shown) -> None:
    with contextlib.ExitStack() as tools:
        held = [tools.enter_context(holding(shown, relation)) for relation in (*SHAPES, "publication")]
        waiting = correct_again(shown.settings, SIZE)
        with connect(shown.settings, roles.PUBLISHER, autocommit=True) as publisher:
            publication.stage(publisher, waiting)
            number = publication.flip(publisher, waiting, completeness="", freshness="", changes="")
        assert bi.sync(shown.settings, manifest_path(shown.settings)) == []
        assert shown.number() == number
        assert shown.figures().wage_of_facts > shown.second.wage_of_facts
        for tool in held:
            assert tool.execute("select publication_id from bi.publication where is_shown").fetchone() == (number,)


@pytest.mark.timeout(120)
def test_new_words_for_a_relation_need_no_lock_that_a_reader_holds(shown: Shown, as_it_was: None) -> None:
    identity = "select oid, xmin::text from pg_class where oid = 'bi.rpt_participants'::regclass"
    write_manifest(shown.settings, {"rpt_participants": {"month": "The month, said otherwise."}})
    before = shown.rows(identity, roles.PUBLISHER)
    with holding(shown):
        assert bi.sync(shown.settings, manifest_path(shown.settings)) == ["rpt_participants"]
    described = shown.rows("select col_description('bi.rpt_participants'::regclass, 1)", roles.PUBLISHER)
    assert described == [("The month, said otherwise.",)]
    assert shown.rows(identity, roles.PUBLISHER) == before


@pytest.mark.timeout(120)
def test_a_view_whose_columns_change_is_not_forced_and_the_sentence_says_who_holds_it(
    shown: Shown, as_it_was: None
) -> None:
    with_a_new_column(shown, "dim_province", "rpt_participants", "rpt_plan_attainment")
    other_reader = f"{role_url(shown.settings, roles.READER)}?options=-c%20lock_timeout%3D1500"
    with holding(shown) as tool:
        pid = tool.info.backend_pid
        since = tool.execute(
            "select to_char(now() at time zone 'Asia/Ho_Chi_Minh', 'YYYY-MM-DD HH24:MI:SS')"
        ).fetchone()
        assert since is not None
        done = threading.Event()
        answers: list[object] = []
        failures: list[psycopg.Error] = []

        def read_on() -> None:
            # the server itself ends a wait for a lock of more than a second and a half
            with psycopg.connect(other_reader, autocommit=True) as reader:
                while not done.is_set():
                    try:
                        answers.append(reader.execute("select count(*) from bi.rpt_participants").fetchone())
                    except psycopg.Error as error:
                        failures.append(error)

        reading = threading.Thread(target=read_on)
        reading.start()
        try:
            with pytest.raises(locks.RelationLockedError) as raised:
                bi.sync(shown.settings, manifest_path(shown.settings), patience=3)
        finally:
            done.set()
            reading.join()

    assert str(raised.value) == (
        f"bi.rpt_participants is held by session {pid} (vss_reader, in a transaction since {since[0]}). Have that"
        f" transaction ended, or end it as administrator (select pg_terminate_backend({pid})); then run `vss publish`:"
        " the candidate is kept, is audited then and shown."
    )
    assert failures == []
    assert len(answers) > 2
    assert "note" in shown.columns("dim_province")
    assert "note" not in shown.columns("rpt_participants")
    # free again: only what is left is done
    assert bi.sync(shown.settings, manifest_path(shown.settings)) == ["rpt_participants", "rpt_plan_attainment"]
    assert shown.rows("select distinct note from bi.rpt_participants", roles.READER) == [(None,)]


def test_a_view_that_loses_a_column_is_made_anew_with_its_grants(shown: Shown, as_it_was: None) -> None:
    with_a_new_column(shown, "rpt_participants")
    assert bi.sync(shown.settings, manifest_path(shown.settings)) == ["rpt_participants"]
    assert bi.sync(shown.settings, write_manifest(shown.settings)) == ["rpt_participants"]
    with pytest.raises(psycopg.errors.UndefinedColumn):
        shown.rows("select note from bi.rpt_participants", roles.READER)
    assert shown.figures() == shown.second
    assert shown.rows("select count(*) from bi.rpt_participants", roles.provincial_reader("01")) == [(SIZE.months,)]


@pytest.mark.timeout(120)
def test_a_candidate_whose_view_is_held_keeps_and_is_audited_and_shown_later(
    shown: Shown, as_it_was: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = correct_again(shown.settings, SIZE)
    with connect(shown.settings, roles.MIGRATOR) as connection:
        connection.execute("update ops.build set state = 'built' where build_id = %s", [waiting.build_id])
    with_a_new_column(shown, "rpt_participants")
    monkeypatch.setattr(dbt_runs, "manifest_path", manifest_path)
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 0.1)
    # this world has none of the facts that gate 2 looks at
    monkeypatch.setattr(verdict, "gate_candidate", lambda *_: verdict.CandidateVerdict(True))
    before = shown.number()

    with holding(shown), pytest.raises(locks.RelationLockedError):
        publishing.audit(shown.settings, "held")
    assert shown.build_state(waiting.build_id) == "built"
    assert shown.number() == before
    assert publishing.audit(shown.settings, "free")
    with connect(shown.settings, roles.PUBLISHER, autocommit=True) as publisher:
        assert publication.flip(publisher, waiting, completeness="", freshness="", changes="") == before + 1
    assert "note" in shown.columns("rpt_participants")


def test_going_back_shows_the_old_figures_and_the_ledger_says_which_loads_they_rest_on(shown: Shown) -> None:
    before, states = shown.number(), shown.states()
    assert (states["p01-2024-12-v1"], states["p01-2024-12-v2"]) == ({"superseded"}, {"published"})

    done = roll_back(shown.settings, 1, "tried")

    assert (done.publication_id, done.taken_back) == (before + 1, None)
    assert {"p01-2024-12-v1", "p01-2024-12-v2"} <= set(done.told)
    assert shown.figures() == shown.first
    states = shown.states()
    assert states["p01-2024-12-v1"] == {"published"}
    # of what is no longer shown the highest version waits for the next build again
    highest = max(states, key=lambda name: int(name.rpartition("v")[2]))
    assert states["p01-2024-12-v2"] == ({"accepted"} if highest == "p01-2024-12-v2" else {"superseded"})
    assert states[highest] == {"accepted"}
    said = f"select kind, status, changes from bi.publication where publication_id = {before + 1}"
    assert shown.rows(said, roles.READER) == [("rollback", "published", "tried")]


def test_receipts_that_a_run_killed_after_going_back_did_not_write_are_written_by_the_next(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    written: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(publishing, "write_outbox", killed)
        with pytest.raises(KeyboardInterrupt):
            publishing.roll_back(shown.settings, "rollback-1", 1, "tried")
    assert shown.figures() == shown.first
    monkeypatch.setattr(publishing, "write_outbox", lambda _, name: written.append(name))

    assert publishing.publish(shown.settings, "next") == shown.number()
    assert {"p01-2024-12-v1", "p01-2024-12-v2"} <= set(written)
    written.clear()
    publishing.publish(shown.settings, "and the one after it")
    assert written == []


def test_as_of_answers_one_select_as_the_server_writes_it(shown: Shown, capsys: pytest.CaptureFixture[str]) -> None:
    query = "select array['a', null] as list, true as yes, 1e-7::numeric as tiny, date 'infinity' as day; -- the end"
    as_of(shown.settings, "1", query.replace("; --", " --"), sys.stdout)
    assert capsys.readouterr().out == 'list,yes,tiny,day\n"{a,NULL}",t,0.0000001,infinity\n'
    as_of(shown.settings, "1", "select 1 as one;", sys.stdout)
    assert capsys.readouterr().out == "one\n1\n"
    for refused in ("select 1; select 2", "delete from publication", "set role vss_publisher", "nothing"):
        with pytest.raises(UsageError, match="Write one select"):
            as_of(shown.settings, "1", refused, sys.stdout)
    assert capsys.readouterr().out == ""


def test_as_of_gives_no_spreadsheet_a_formula_and_programs_what_there_is(
    shown: Shown, capsys: pytest.CaptureFixture[str]
) -> None:
    query = (
        "select text '=1+1' as \"@head\", text '-5' as told, -5 as number, -0.5 as part, '' as none, null as null_one"
    )
    as_of(shown.settings, "1", query, sys.stdout)
    assert capsys.readouterr().out == """"'@head",told,number,part,none,null_one\n"'=1+1","'-5",-5,-0.5,"",\n"""
    as_of(shown.settings, "1", query, sys.stdout, is_raw=True)
    assert capsys.readouterr().out == '@head,told,number,part,none,null_one\n=1+1,-5,-5,-0.5,"",\n'


def test_going_back_from_going_back_restores_figures_and_ledger(shown: Shown) -> None:
    before, states = shown.figures(), shown.states()
    number = shown.number()
    roll_back(shown.settings, 1, "there")
    roll_back(shown.settings, number, "and back")
    assert shown.figures() == before == shown.second
    assert shown.states() == states
    assert shown.figures(pin=number + 1) == shown.first


def test_a_pinned_session_and_a_transaction_notice_nothing_of_going_back(shown: Shown) -> None:
    url = role_url(shown.settings, roles.READER)
    with psycopg.connect(url, autocommit=True) as pinned, psycopg.connect(url) as reading:
        pinned.execute("set vss.publication = '2'")
        reading.execute("set transaction isolation level repeatable read")
        before = [session.execute(FIGURES[0].encode()).fetchone() for session in (pinned, reading)]
        roll_back(shown.settings, 1, "tried")
        after = [session.execute(FIGURES[1].encode()).fetchone() for session in (pinned, reading)]
    assert before == [(shown.second.wage_of_facts,)] * 2
    assert after == [(shown.second.wage_of_reports,)] * 2


def test_going_back_takes_a_waiting_candidate_back_and_uses_its_number(shown: Shown) -> None:
    waiting = correct_again(shown.settings, SIZE)
    before = shown.number()

    done = roll_back(shown.settings, 1, "urgent")

    assert (done.publication_id, done.taken_back) == (before + 1, waiting.build_id)
    assert shown.build_state(waiting.build_id) == "abandoned"
    assert shown.figures() == shown.first
    assert shown.rows(f"select from ops.slice where build_id = {waiting.build_id}") == []
    # the next build makes it again, from what is shown now
    again = correct_again(shown.settings, SIZE)
    assert shown.figures(pin=again.candidate_id, role=roles.PUBLISHER).wage_of_facts > shown.second.wage_of_facts


def test_nobody_goes_back_while_a_build_is_at_work(shown: Shown) -> None:
    before = shown.number()
    with builds.lease(shown.settings), pytest.raises(BuildOpenError):
        roll_back(shown.settings, 1, "tried")
    assert shown.number() == before


@pytest.mark.parametrize("target", [0, 999, -1])
def test_nobody_goes_back_to_what_was_never_published(shown: Shown, target: int) -> None:
    with pytest.raises(UsageError, match=f"^Publication {target} was never published"):
        roll_back(shown.settings, target, "tried")
    with connect(shown.settings, roles.PUBLISHER) as publisher, pytest.raises(psycopg.errors.InvalidParameterValue):
        publisher.execute("select ops.roll_back(%s, 'past the command')", [target])


QUESTIONS = (
    "select count(*) from bi.fct_participation",
    "select * from bi.rpt_participants where month = '1999-01-01'",
    "select 1 from bi.rpt_plan_attainment where false or province_code = 'nowhere'",
    "select p.name_vi from bi.dim_province p join bi.rpt_participants r on r.territory_key = p.territory_key limit 1",
    "select * from bi.publication",
)


@pytest.mark.parametrize("role", [roles.READER, roles.provincial_reader("01"), roles.provincial_reader("96")])
def test_a_wrong_pin_is_refused_in_one_sentence_whatever_is_asked(shown: Shown, role: str) -> None:
    waiting = correct_again(shown.settings, SIZE)
    with psycopg.connect(role_url(shown.settings, role), autocommit=True) as session:
        for pin in (str(waiting.candidate_id), "0", "-3", "latest", "2; reset all"):
            session.execute("select set_config('vss.publication', %s, false)", [pin])
            for question in QUESTIONS:
                with pytest.raises(psycopg.errors.InvalidParameterValue) as raised:
                    session.execute(question.encode()).fetchall()
                assert raised.value.diag.message_primary == f"publication {pin} was never published: see bi.publication"
        session.execute("reset vss.publication")
        assert session.execute("select count(*) from bi.publication").fetchone() is not None
    roll_back(shown.settings, 2, "away with the candidate")


def test_only_the_publisher_reads_a_candidate_and_an_engineer_is_refused(shown: Shown) -> None:
    waiting = correct_again(shown.settings, SIZE)
    assert shown.figures(pin=waiting.candidate_id, role=roles.PUBLISHER) != shown.second
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        shown.rows("select ops.shown_publication(false)", roles.ENGINEER, pin=waiting.candidate_id)
    with pytest.raises(UsageError, match="was never published"):
        resolve(shown.settings, str(waiting.candidate_id))


def test_as_of_a_day_reads_the_last_publication_of_that_day(shown: Shown, capsys: pytest.CaptureFixture[str]) -> None:
    today = dt.datetime.now(tz=publication.LOCAL).date()
    as_of(shown.settings, today.isoformat(), FIGURES[0], sys.stdout)
    assert capsys.readouterr().out.splitlines()[1:] == [str(shown.second.wage_of_facts)]


def test_going_back_before_a_void_publishes_its_loads_again_and_forward_voids_them(shown: Shown) -> None:
    states = (
        "select distinct l.state from ops.load l join ops.submission s on s.sub_no = l.sub_no"
        " where s.submission_id = 'p04-2024-12-v1'"
    )
    assert shown.rows(states) == [("published",)]
    with connect(shown.settings, roles.MIGRATOR) as connection:
        connection.execute(
            "insert into ops.submission (submission_id, sender, period, month, version, action, state, folder)"
            " values ('p04-2024-12-void', 'province-04', '2024-12', '2024-12-01', 900, 'void', 'accepted', '')"
        )
    with builds.lease(shown.settings) as holding_the_lease:
        build = builds.open_build(holding_the_lease, "a void")
        assert build is not None
        holding_the_lease.execute(
            "delete from ops.candidate_slice where territory_key = '63-04' and month = '2024-12-01'"
        )
        builds.finish(holding_the_lease, build.build_id)
    with connect(shown.settings, roles.PUBLISHER, autocommit=True) as publisher:
        publication.stage(publisher, build)
        publication.pass_audit(publisher, build)
        voided = publication.flip(publisher, build, completeness="", freshness="", changes="")
    assert shown.rows(states) == [("voided",)]
    assert shown.figures().wage_of_facts < shown.second.wage_of_facts

    roll_back(shown.settings, 2, "before the void")
    assert shown.rows(states) == [("published",)]
    roll_back(shown.settings, voided, "after it")
    assert shown.rows(states) == [("voided",)]
