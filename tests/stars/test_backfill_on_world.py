"""Twelve months of a copy of the small world gone over again: what the plan says is what happens, and happens once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from builders import Inbox, keep, new_home, stop_and_remove
from invariant import left_behind
from nights import CORRECTED, correct
from psycopg import sql
from shown import World

from ingestion.contracts import Contract
from night import backfill
from night.slice_plan import plan_slices
from warehouse import roles
from warehouse.builds import Range
from warehouse.connection import connect
from warehouse.settings import Settings

WANTED = backfill.asked_range("2021-02", "2022-01", ["province-24", "province-46"])
ASKED = {"reason": "the limit was too low", "by": "Lan"}
Cut = tuple[str, str | None, object]
Digests = dict[str, str]


@dataclass(frozen=True)
class GoneOver:
    """The warehouse after one backfill: what its plan said, and what was on record before the plan and after it."""

    settings: Settings
    inbox: Inbox
    plan: backfill.Plan
    before: tuple[Digests, Digests]
    states: dict[str, str]
    publication: int | None


def on_record(settings: Settings) -> Digests:
    """A digest of each table of the ledger: submissions, runs, builds, slices, and which publication shows which."""
    with connect(settings, roles.MIGRATOR) as connection:
        tables = connection.execute("select tablename::text from pg_tables where schemaname = 'ops'").fetchall()
        found = {}
        for (table,) in tables:
            rows = sql.SQL("select count(*) || md5(string_agg(t::text, '|' order by t::text)) from {} t")
            row = connection.execute(rows.format(sql.Identifier("ops", str(table)))).fetchone()
            found[str(table)] = str(row)
    return found


@pytest.fixture(scope="module")
def done(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoneOver]:
    """A correction with a bad row is refused, then the tolerance is raised, then the months are gone over again."""
    home = new_home("vss-backfill-")
    home.rmdir()
    keep(world.settings, home)
    (home / "server.lock").unlink(missing_ok=True)
    settings = Settings(home=home, lineage=False)
    inbox = Inbox(settings, tmp_path_factory.mktemp("inbox"))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Contract, "tolerated", lambda *_: 0)
            assert inbox.load(correct(world, inbox)).state == "rejected"
        before = on_record(settings)
        plan = backfill.plan(settings, WANTED, inbox=inbox.root, with_slices=True)
        after_plan = on_record(settings)
        states = {
            name: state
            for batch in plan.batches
            for name, state in backfill.take_batch(settings, "first", batch["items"], **ASKED)
        }
        publication = backfill.publish(settings, "first", WANTED, **ASKED)
        yield GoneOver(settings, inbox, plan, (before, after_plan), states, publication)
    finally:
        stop_and_remove(settings)


def test_the_plan_alone_touches_nothing(done: GoneOver) -> None:
    before, after_plan = done.before
    assert after_plan == before


def test_what_was_refused_is_accepted_now_and_all_is_published_once(done: GoneOver) -> None:
    assert done.states == {f"province-46/{CORRECTED}": "accepted_with_rejects"}
    assert done.publication == 3
    assert left_behind(done.settings) == []
    with connect(done.settings, roles.READER) as connection:
        (changes,) = connection.execute("select changes from bi.publication where is_shown").fetchall()[0]
    assert "2021-02 to 2022-01 was made anew as was asked for" in str(changes)
    assert CORRECTED in str(changes)


def test_the_slices_of_the_plan_are_those_that_were_made_anew(done: GoneOver) -> None:
    assert done.plan.slices is not None
    planned = {(each.relation, each.territory_key, each.month): each.rows for each in done.plan.slices.slices}
    made = _made_in(done, 3)
    whole = {cut for cut in made if cut[1:] == (None, None)}
    assert planned.keys() == made - whole
    assert {relation for relation, _, _ in whole} <= set(done.plan.slices.looked_at)
    # year to date and movement reach beyond the range, and nothing reaches before it
    months = {(relation, f"{month:%Y-%m}") for relation, _, month in planned if month is not None}
    assert ("rpt_employers", "2021-12") in months
    assert min(month for _, month in months) == "2021-01"
    assert {relation for relation, month in months if month == "2021-01"} == {"int_employer__si_person_year"}
    with connect(done.settings, roles.ENGINEER) as connection:
        shown = connection.execute(
            "select s.relation, s.territory_key, s.month, s.row_count from ops.publication_slice p"
            " join ops.slice s using (slice_id) where p.from_publication <= 2 and p.to_publication > 2"
        ).fetchall()
    rows = {(relation, territory, month): count for relation, territory, month, count in shown}
    assert planned == {cut: rows.get(cut, 0) for cut in planned}


def _made_in(done: GoneOver, publication: int) -> set[Cut]:
    with connect(done.settings, roles.ENGINEER) as connection:
        rows = connection.execute(
            "select s.relation, s.territory_key, s.month from ops.slice s join ops.publication p using (build_id)"
            " where p.publication_id = %s",
            [publication],
        ).fetchall()
    return {(str(row[0]), None if row[1] is None else str(row[1]), row[2]) for row in rows}


def test_what_did_not_change_is_made_anew_as_it_was(done: GoneOver) -> None:
    made = {(territory, month) for relation, territory, month in _made_in(done, 3) if relation == "fct_contribution"}
    assert len({month for _, month in made}) >= 4
    query = (
        "select count(*) || md5(string_agg(to_jsonb(f)::text, '|' order by to_jsonb(f)::text)) from fct_contribution f"
        " where province_code = '24' and month between '2021-02-01' and '2022-01-01'"
    )
    found = []
    for publication in ("2", "3"):
        with connect(done.settings, roles.READER) as connection:
            connection.execute("select set_config('vss.publication', %s, false)", [publication])
            found.append(connection.execute(query).fetchall())
    assert found[0] == found[1] and not str(found[0][0][0]).startswith("0")


def test_the_same_backfill_again_does_nothing_again(done: GoneOver) -> None:
    before = _done(done.settings)
    again = backfill.plan(done.settings, WANTED, inbox=done.inbox.root, with_slices=True)
    assert (again.batches, again.made_in) == ([], 3)
    assert again.slices is not None and (again.slices.slices, again.slices.looked_at) == ((), ())
    assert backfill.publish(done.settings, "second", WANTED, **ASKED) is None
    assert _done(done.settings) == before
    with connect(done.settings, roles.ENGINEER) as connection:
        last = connection.execute("select state, message from ops.build order by build_id desc limit 1").fetchall()
    assert last == [("abandoned", "nothing to do")]


def _done(settings: Settings) -> Digests:
    """What is on record but for the look itself, which opens a build and finds nothing for it."""
    attempt = {"run_stage", "build", "build_input"}
    return {table: digest for table, digest in on_record(settings).items() if table not in attempt}


def test_a_wider_range_or_another_sender_is_not_what_was_made_anew(done: GoneOver) -> None:
    for wider in (
        Range(WANTED.first, WANTED.last),
        Range(WANTED.first, WANTED.last, ("province-24", "province-01")),
        backfill.asked_range("2021-02", "2022-02", ["province-24"]),
    ):
        assert backfill.plan(done.settings, wider, inbox=done.inbox.root).made_in is None
    narrower = backfill.asked_range("2021-10", "2021-10", ["province-24"], ["arrears"])
    assert backfill.plan(done.settings, narrower, inbox=done.inbox.root).made_in == 3


def test_a_changed_rule_makes_the_plan_say_everything(done: GoneOver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill.dbt_runs, "project_hash", lambda: "another")
    planned = plan_slices(done.settings, None, [])
    with connect(done.settings, roles.ENGINEER) as connection:
        (count,) = connection.execute(
            "select count(*) from ops.publication_slice where to_publication > 3 and from_publication <= 3"
        ).fetchall()[0]
    assert planned.is_full
    assert len(planned.slices) + len(planned.looked_at) == count
    assert backfill.plan(done.settings, WANTED, inbox=done.inbox.root).made_in is None
