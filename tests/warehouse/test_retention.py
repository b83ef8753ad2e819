"""Retention: which publications are kept, that the others are refused in a sentence, and what goes with them."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import psycopg
import pytest
from builders import migrated, stop_and_remove

from benchmarks.publish import flip_to
from benchmarks.published_world import FIGURES, SHAPES, Size, correct_again, publish_two_states, stand_by
from warehouse import builds, publication, retention, roles
from warehouse.connection import connect, role_url
from warehouse.errors import BuildOpenError, UsageError
from warehouse.publication import resolve, roll_back
from warehouse.retention import LOCAL, keep_days, prune
from warehouse.settings import PROJECT, Settings

SIZE = Size(months=2, provinces=3, rows=4, corrected=1)
Rows = list[tuple[object, ...]]
NOW = dt.datetime(2025, 4, 10, 9, tzinfo=LOCAL)
# number, shown since (local), kept on 10 April 2025 with 35 days: those shown on 6 March or later
DAYS = (
    (1, "2025-01-05T08:00", False),
    (2, "2025-01-20T08:00", False),
    (3, "2025-01-31T23:30", True),  # the last of January here, a day of January in UTC too
    (4, "2025-02-01T00:30", False),  # a day of February here, of January in UTC
    (5, "2025-02-20T08:00", False),  # goes back to 2
    (6, "2025-02-28T23:59", True),  # goes back to 2 and is the last of February
    (7, "2025-03-01T08:00", False),  # replaced on 5 March, a day too early
    (8, "2025-03-05T08:00", True),  # still shown on 6 March
    (9, "2025-03-20T08:00", True),
    (10, "2025-04-01T08:00", True),  # what is shown now
)
GONE = [number for number, _, is_kept in DAYS if not is_kept]
KEPT = [number for number, _, is_kept in DAYS if is_kept]


@dataclass(frozen=True)
class Kept:
    """Ten publications over three months, and what each showed before anything was pruned."""

    settings: Settings
    figures: Mapping[int, Rows]

    def rows(self, query: str, role: str = roles.TRANSFORMER) -> Rows:
        with connect(self.settings, role) as connection:
            return connection.execute(query.encode()).fetchall()

    def slices_in_marts(self) -> dict[str, set[object]]:
        return {
            name: {row[0] for row in self.rows(f"select distinct slice_id from marts.{name}__rows")} for name in SHAPES
        }

    def slices_of(self, *numbers: int) -> dict[str, set[object]]:
        """The slices some publications show, read from the pointer one publication at a time."""
        found: dict[str, set[object]] = {name: set() for name in SHAPES}
        for number in numbers:
            for relation, slice_id in self.rows(
                "select relation, slice_id from ops.publication_slice"
                f" where from_publication <= {number} and {number} < to_publication"
            ):
                found[str(relation)].add(slice_id)
        return found


def figures(settings: Settings, number: int, role: str = roles.READER) -> Rows:
    with connect(settings, role) as connection:
        connection.execute("select set_config('vss.publication', %s, false)", [str(number)])
        return [row for question in FIGURES for row in connection.execute(question.encode()).fetchall()]


def show_next(settings: Settings) -> None:
    waiting = correct_again(settings, SIZE)
    with connect(settings, roles.PUBLISHER, autocommit=True) as publisher:
        publication.flip(publisher, waiting, completeness="", freshness="", changes="")


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    settings = migrated("vss-kept-")
    try:
        publish_two_states(settings, SIZE)
        for number, _, _ in DAYS[2:]:
            if number in (5, 6):
                roll_back(settings, 2, "as of January")
            else:
                show_next(settings)
        with connect(settings, roles.MIGRATOR) as connection:
            for number, since, _ in DAYS:
                connection.execute(
                    "update ops.publication set published_at = %s where publication_id = %s",
                    [dt.datetime.fromisoformat(since).replace(tzinfo=LOCAL), number],
                )
        yield Kept(settings, {number: figures(settings, number) for number, _, _ in DAYS})
    finally:
        stop_and_remove(settings)


def vss(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "VSS_HOME": str(settings.home)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_number_of_days_is_that_of_the_rule_in_force() -> None:
    assert keep_days(dt.date(2026, 11, 22)) == 35
    assert keep_days(dt.date(2020, 1, 1)) == 35


# the tests of this file are steps of one history, in their order


def test_a_dry_run_names_what_would_go_and_writes_nothing(kept: Kept) -> None:
    before = kept.slices_in_marts()
    planned = prune(kept.settings, dry_run=True, now=NOW)
    assert planned.publications == tuple(GONE)
    unshown = {name: before[name] - shown for name, shown in kept.slices_of(*KEPT).items()}
    assert {each.relation: each.slices for each in planned.cleared} == {
        name: len(slices) for name, slices in unshown.items() if slices
    }
    assert all(each.size > 0 for each in planned.cleared)
    assert kept.slices_in_marts() == before
    assert kept.rows("select from ops.publication where status = 'pruned'") == []
    assert list(retention.in_words(planned))[:2] == [
        "Kept: what was shown in the last 35 days, and the last publication of each month.",
        "Publications would be pruned: 1, 2, 4, 5, 7",
    ]


def test_nothing_is_pruned_while_a_build_is_at_work(kept: Kept) -> None:
    with builds.lease(kept.settings), pytest.raises(BuildOpenError):
        prune(kept.settings, now=NOW)
    assert kept.rows("select from ops.publication where status = 'pruned'") == []


@pytest.mark.timeout(120)
def test_a_run_that_is_killed_between_two_batches_is_finished_by_the_next(kept: Kept) -> None:
    before = kept.slices_in_marts()
    expected = kept.slices_of(*KEPT)
    ledger = "select (select count(*) from ops.submission), (select count(*) from ops.load), (select count(*) from ops.publication)"  # noqa: E501
    counted = kept.rows(ledger)
    script = (
        "import datetime as dt; from warehouse.retention import LOCAL, prune; from warehouse.settings import settings;"
        f"prune(settings(), now=dt.datetime.fromisoformat({NOW.isoformat()!r}))"
    )
    with connect(kept.settings, roles.TRANSFORMER) as standing:
        # the second relation by name: the first one's slices are gone when the run comes here
        standing.execute("lock table marts.fct_participation__rows in share mode")
        victim = subprocess.Popen(
            [sys.executable, "-c", script],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "VSS_HOME": str(kept.settings.home)},
        )
        waits = "select from pg_locks where not granted and relation = 'marts.fct_participation__rows'::regclass"
        while not kept.rows(waits):
            assert victim.poll() is None
        victim.kill()
        victim.wait()
    halfway = kept.slices_in_marts()
    assert halfway["dim_province"] == expected["dim_province"] != before["dim_province"]
    assert halfway["rpt_participants"] == before["rpt_participants"]
    # whoever reads now is refused already, and what is kept is whole
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        figures(kept.settings, 1)
    assert {number: figures(kept.settings, number) for number in KEPT} == {
        number: kept.figures[number] for number in KEPT
    }
    while kept.rows("select from pg_locks where locktype = 'advisory' and objid = hashtext('vss build')::oid"):
        pass

    done = prune(kept.settings, now=NOW)

    assert done.publications == ()
    assert kept.slices_in_marts() == expected
    assert {row[0] for row in kept.rows("select slice_id from ops.slice")} == set().union(*expected.values())
    assert {row[0] for row in kept.rows("select slice_id from ops.publication_slice")} == set().union(
        *expected.values()
    )
    assert kept.rows(ledger) == counted


def test_what_is_kept_shows_what_it_showed_and_a_second_run_finds_nothing(kept: Kept) -> None:
    assert {number: figures(kept.settings, number) for number in KEPT} == {
        number: kept.figures[number] for number in KEPT
    }
    assert prune(kept.settings, now=NOW) == retention.Pruned(False, 35, (), ())


@pytest.mark.parametrize("role", [roles.READER, roles.provincial_reader("01"), roles.PUBLISHER])
def test_a_pin_on_a_pruned_publication_is_refused_in_one_sentence(kept: Kept, role: str) -> None:
    for number in GONE:
        with pytest.raises(psycopg.errors.InvalidParameterValue) as raised:
            figures(kept.settings, number, role)
        assert raised.value.diag.message_primary == (
            f"publication {number} was pruned: bi.publication lists those that can be read"
        )


def test_the_list_of_publications_still_has_them_all(kept: Kept) -> None:
    listed = kept.rows("select publication_id, status from bi.publication order by 1", roles.READER)
    assert listed == [(number, "published" if is_kept else "pruned") for number, _, is_kept in DAYS]


def test_as_of_and_rollback_name_the_next_one_that_is_kept(kept: Kept) -> None:
    today = f"{dt.datetime.now(tz=LOCAL):%Y-%m-%d}"
    sentence = (
        f"Publication 4 of 2025-02-01 was pruned on {today} and cannot be read or shown again:"
        " the next one kept is 6 of 2025-02-28; see bi.publication."
    )
    for wanted in ("4", "2025-02-10"):
        with pytest.raises(UsageError) as raised:
            resolve(kept.settings, wanted)
        assert str(raised.value) == sentence
    assert [resolve(kept.settings, day) for day in ("2025-01-31", "2025-02-28", "2025-03-06")] == [3, 6, 8]
    with pytest.raises(UsageError) as raised:
        roll_back(kept.settings, 4, "tried")
    assert str(raised.value) == sentence
    with connect(kept.settings, roles.PUBLISHER) as publisher, pytest.raises(psycopg.errors.InvalidParameterValue):
        publisher.execute("select ops.roll_back(4, 'past the command')")


def test_the_commands_end_in_two_and_say_it_in_one_sentence(kept: Kept) -> None:
    done = vss(kept.settings, "rollback", "4")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("vss: Publication 4 of 2025-02-01 was pruned on ")
    assert done.stderr.count("\n") == 1
    dry = vss(kept.settings, "prune", "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "")
    # today all but the last of each month and what is shown would go
    assert dry.stdout.splitlines()[1] == "Publications would be pruned: 8"


def test_a_candidate_that_waits_keeps_its_slices_and_can_be_shown(kept: Kept) -> None:
    waiting = correct_again(kept.settings, SIZE)
    before = figures(kept.settings, waiting.candidate_id, roles.PUBLISHER)
    done = prune(kept.settings, now=NOW + dt.timedelta(days=90))
    assert done.publications == (8,)
    assert figures(kept.settings, waiting.candidate_id, roles.PUBLISHER) == before
    with connect(kept.settings, roles.PUBLISHER, autocommit=True) as publisher:
        publication.flip(publisher, waiting, completeness="", freshness="", changes="")
    assert figures(kept.settings, waiting.candidate_id) == before
    with connect(kept.settings, roles.MIGRATOR) as connection:
        connection.execute("update ops.publication set published_at = '2025-07-10 08:00+07' where publication_id = 11")


def give_up_all_but_the_shown(kept: Kept) -> None:
    with connect(kept.settings, roles.MIGRATOR) as connection:
        connection.execute(
            "update ops.publication p set status = 'pruned', pruned_at = now() from ops.current_publication c"
            " where p.status = 'published' and p.publication_id <> c.publication_id"
        )


def show_without_november(kept: Kept) -> None:
    """What a void of the first month leaves: a publication in which no slice of it is shown."""
    current = publication.current(kept.settings)
    assert current is not None
    build = stand_by(kept.settings, current.publication_id)
    with connect(kept.settings, roles.MIGRATOR) as connection:
        connection.execute("delete from ops.candidate_slice where month = '2024-11-01'")
    with connect(kept.settings, roles.PUBLISHER, autocommit=True) as publisher:
        publication.stage(publisher, build)
        publication.flip(publisher, build, completeness="", freshness="", changes="")


def partition_bytes(kept: Kept) -> object:
    return kept.rows("select pg_relation_size('marts.fct_participation__rows_202411')")[0][0]


@pytest.mark.timeout(120)
def test_a_transaction_that_began_before_keeps_its_rows_and_holds_nothing_up(kept: Kept) -> None:
    november = "select count(*), sum(wage_base_vnd) from bi.fct_participation where month = '2024-11-01'"
    show_without_november(kept)
    with psycopg.connect(role_url(kept.settings, roles.READER)) as reading:
        reading.execute("set transaction isolation level repeatable read")
        reading.execute("select set_config('vss.publication', '9', true)")
        before = reading.execute(november.encode()).fetchone()
        give_up_all_but_the_shown(kept)
        done = prune(kept.settings, now=NOW + dt.timedelta(days=365))
        assert reading.execute(november.encode()).fetchone() == before
    assert before is not None and before[0] == SIZE.provinces * SIZE.rows
    assert [each.emptied for each in done.cleared if each.relation == "fct_participation"] == [()]
    assert kept.rows("select from marts.fct_participation__rows where month = '2024-11-01'") == []


@pytest.mark.timeout(120)
def test_a_month_that_nobody_shows_gives_its_files_back_and_still_refuses_a_wrong_pin(kept: Kept) -> None:
    build = stand_by(kept.settings, resolve(kept.settings, f"{dt.datetime.now(tz=LOCAL):%Y-%m-%d}"))
    with connect(kept.settings, roles.TRANSFORMER) as connection:
        # a month of rows that no publication has shown for long
        connection.execute(
            "insert into ops.slice (relation, territory_key, month, build_id, row_count)"
            " values ('fct_participation', 'void', '2024-11-01', 1, 1000)"
        )
        connection.execute(
            "insert into marts.fct_participation__rows (slice_id, month, territory_key)"
            " select s.slice_id, s.month, s.territory_key from ops.slice s cross join generate_series(1, 1000)"
            " where s.territory_key = 'void'"
        )
    with connect(kept.settings, roles.PUBLISHER, autocommit=True) as publisher:
        publication.stage(publisher, build)
        publication.flip(publisher, build, completeness="", freshness="", changes="")
    assert partition_bytes(kept) != 0

    done = prune(kept.settings, now=NOW + dt.timedelta(days=365))

    assert [(each.slices, each.emptied) for each in done.cleared if each.relation == "fct_participation"] == [
        (1, ("fct_participation__rows_202411",))
    ]
    assert partition_bytes(kept) == 0
    with connect(kept.settings, roles.READER) as reader, pytest.raises(psycopg.errors.InvalidParameterValue):
        reader.execute("set vss.publication = '9'")
        reader.execute("select * from bi.fct_participation where month = '2024-11-01'")
    # the month can be filled again
    flip_to(kept.settings, resolve(kept.settings, f"{dt.datetime.now(tz=LOCAL):%Y-%m-%d}"))
