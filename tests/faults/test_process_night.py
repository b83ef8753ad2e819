"""Whatever happens to dbt, a gate or the publisher, the next night ends as a clean one, and readers see what was shown.

Real processes get real signals. Each test puts one warehouse back to a stage of a night that nothing disturbed.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from builders import end
from dying_night import at
from invariant import left_behind, seen
from nights import CORRECTED, Nights, shown_in, take
from proofs import proves

from cli import airflow_process
from expectations.candidate import verdict
from expectations.results import Finding
from night import dbt_runs, tasks
from night.dbt_runs import NodeResult
from night.journal import exit_code, outcomes
from warehouse import publication, roles
from warehouse.connection import connect
from warehouse.errors import GateFailedError, StorageError, VssError

BUILD = (
    "before it is opened", "after it was opened", "node stg_arrears", "node fct_arrears", "node rpt_weekly_situation",
    "node not_null_fct_arrears_principal_vnd", "after dbt", "after it was finished",
)  # fmt: skip
AUDIT = (
    "before the views", "before staging", "between staging and the gate", "in the gate", "before the verdict",
    "after the verdict",
)  # fmt: skip
PUBLISH = (
    "before staging", "between staging and the gate", "before the flip", "in the transaction of the flip",
    "after the flip", "before the receipts", "between two receipts",
)  # fmt: skip
# what a night may meet at any time is tried in every run; the other steps differ only in when the signal comes
IN_EVERY_RUN = ("node fct_arrears", "in the gate", "after the flip")


def steps(names: tuple[str, ...]) -> list[object]:
    """Parameters, of which some are tried only when there is time."""
    return [name if name in IN_EVERY_RUN else pytest.param(name, marks=pytest.mark.long) for name in names]


def killed(nights: Nights, verb: str, step: str) -> None:
    """Take a step of the night in a process that is killed on the way."""
    process = nights.begin(verb, step, "SIGKILL")
    out, error = process.communicate(timeout=300)
    assert (process.returncode, out) == (-signal.SIGKILL, ""), error


@contextmanager
def stopped(nights: Nights, verb: str, step: str) -> Iterator[subprocess.Popen[str]]:
    """A step of the night in a process that stands still on the way."""
    process = nights.begin(verb, step, "SIGSTOP")
    try:
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert process.poll() is None, process.communicate()
        yield process
    finally:
        process.kill()
        process.communicate()


def postmaster(nights: Nights) -> int:
    """Process id of the server."""
    return int((nights.settings.home / "postgres" / "data" / "postmaster.pid").read_text().split("\n", 1)[0])


# -------------------------------------------------------------------------------------------------------------- killed


@proves("process.killed")
@pytest.mark.parametrize("step", steps(BUILD))
def test_a_build_that_is_killed_shows_nothing_and_the_next_night_ends_as_a_clean_one(nights: Nights, step: str) -> None:
    nights.back_to("loaded")
    killed(nights, "build", step)
    nights.assert_nothing_new_is_shown()
    take(["build", "audit", "publish"])
    nights.assert_as_clean()


@proves("process.killed", "process.failed-gate")
@pytest.mark.parametrize("step", steps(AUDIT))
def test_an_audit_that_is_killed_shows_nothing_and_is_taken_up_again(nights: Nights, step: str) -> None:
    nights.back_to("built")
    killed(nights, "audit", step)
    if step != "after the verdict":
        assert tasks.publish(run_id="unaudited", inbox=None, date=None) is None
    nights.assert_nothing_new_is_shown()
    take(["audit", "publish"])
    nights.assert_as_clean()


@pytest.mark.long
@proves("process.killed")
def test_after_an_audit_that_was_killed_a_whole_night_ends_as_a_clean_one(nights: Nights) -> None:
    nights.back_to("built")
    killed(nights, "audit", "in the gate")
    take(["build", "audit", "publish"])
    nights.assert_as_clean()


@proves("process.killed")
@pytest.mark.parametrize("step", steps(PUBLISH))
def test_a_publisher_that_is_killed_shows_all_or_nothing_and_is_taken_up_again(nights: Nights, step: str) -> None:
    nights.back_to("audited")
    killed(nights, "publish", step)
    if PUBLISH.index(step) < PUBLISH.index("after the flip"):
        nights.assert_nothing_new_is_shown()
    else:
        assert seen(nights.settings, now=True) == shown_in(nights.clean, 3)
    take(["publish"])
    nights.assert_as_clean()


# ----------------------------------------------------------------------------------------------------------- restarted


@proves("process.database-restart")
@pytest.mark.parametrize(
    ("verb", "module", "function"),
    [
        pytest.param("build", dbt_runs, "run", marks=pytest.mark.long),
        pytest.param("audit", publication, "pass_audit", marks=pytest.mark.long),
        ("publish", publication, "note_shared_persons"),
    ],
)
def test_a_server_that_restarts_in_immediate_mode_is_met_by_a_new_attempt(
    nights: Nights, monkeypatch: pytest.MonkeyPatch, verb: str, module: object, function: str
) -> None:
    stages = {"build": "loaded", "audit": "built", "publish": "audited"}
    nights.back_to(stages[verb])
    struck: list[bool] = []

    def strike() -> None:
        if not struck:
            struck.append(True)
            end(postmaster(nights), signal.SIGQUIT)

    monkeypatch.setattr(module, function, getattr(module, function))
    at(module, function, strike)
    take([verb])
    assert struck
    take(list(stages)[list(stages).index(verb) + 1 :])
    assert exit_code(nights.settings, "again") == 0
    nights.assert_as_clean()


# ---------------------------------------------------------------------------------------------------------- two at once


@proves("process.two-at-once")
@pytest.mark.parametrize(
    ("verb", "step", "stage"),
    [
        pytest.param("build", "node fct_arrears", "loaded", marks=pytest.mark.long),
        ("publish", "in the transaction of the flip", "audited"),
    ],
)
def test_who_comes_second_is_told_which_build_is_open_and_the_first_ends_as_a_clean_one(
    nights: Nights, verb: str, step: str, stage: str
) -> None:
    nights.back_to(stage)
    with stopped(nights, verb, step) as first:
        second = nights.vss(verb)
        _, error = second.communicate(timeout=120)
        assert second.returncode == 1
        with connect(nights.settings, roles.TRANSFORMER) as connection:
            row = connection.execute("select build_id from ops.build where state in ('open', 'audited')").fetchone()
        assert row is not None
        assert error.startswith(f"vss: Build {row[0]} of "), error
        assert "is open: try again when it has ended" in error
        os.kill(first.pid, signal.SIGCONT)
        out, error = first.communicate(timeout=300)
        assert (first.returncode, out) == (0, "done\n"), error
    take(["audit", "publish"])
    nights.assert_as_clean()


@proves("process.two-at-once")
def test_a_second_night_beside_one_that_runs_is_refused_and_says_since_when(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = nights.settings.home / "airflow"
    place.mkdir(parents=True, exist_ok=True)
    program = "import sys; print(sys.stdin.read())"
    with airflow_process._only_one(nights.settings) as lock:
        # what the night started outlives it when it is killed
        left = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, pass_fds=[lock])
    try:
        with pytest.raises(VssError, match=r"^The night that began at \d\d:\d\d has not ended: try again"):
            airflow_process.run_dag(nights.settings, "nightly_load", conf={})
    finally:
        left.kill()
        left.communicate()
    monkeypatch.setattr(airflow_process, "_airflow", lambda *_, **__: 0)
    assert airflow_process.run_dag(nights.settings, "nightly_load", conf={}) == 0


# ------------------------------------------------------------------------------------------------------------- failing


@pytest.mark.long
@proves("process.failed-gate")
def test_a_model_that_fails_shows_nothing_and_the_next_night_ends_as_a_clean_one(nights: Nights) -> None:
    nights.back_to("loaded")
    with connect(nights.settings, roles.TRANSFORMER) as connection:
        connection.execute(
            "create function marts.refuse() returns trigger language plpgsql as"
            " $$ begin raise exception 'no more arrears'; end $$"
        )
        connection.execute(
            "create trigger refuse before insert on marts.fct_arrears__rows execute function marts.refuse()"
        )
    with pytest.raises(GateFailedError, match=rf"fct_arrears.*nothing new was published.*{CORRECTED}"):
        take(["build"])
    nights.assert_nothing_new_is_shown()
    with connect(nights.settings, roles.TRANSFORMER) as connection:
        connection.execute("drop function marts.refuse() cascade")
    take(["build", "audit", "publish"])
    nights.assert_as_clean()


@proves("process.failed-gate")
def test_who_is_on_call_reads_which_model_failed_over_whose_submission(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights.back_to("loaded")
    told, written, code = a_failed_build(nights, monkeypatch, "no more arrears")
    assert isinstance(told, GateFailedError)
    assert "failed at fct_arrears; nothing new was published. Database Error in model fct_arrears" in str(told)
    assert f"1 correction ({CORRECTED} of province-46 for p46-2022-01-v1)" in str(told)
    assert "fct_arrears" in written
    assert f"{CORRECTED} of province-46" in written
    assert code == told.exit_code == 5
    nights.assert_nothing_new_is_shown()
    assert left_behind(nights.settings) == []


@proves("process.disk-full")
def test_who_is_on_call_reads_that_a_disk_is_full_and_not_that_a_model_is_wrong(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights.back_to("loaded")
    told, written, code = a_failed_build(nights, monkeypatch, "could not extend file: No space left on device")
    assert isinstance(told, StorageError)
    assert str(told).endswith("free some space and run again; what was published stays.")
    assert written == f"StorageError: {told}"
    assert code == told.exit_code == 1
    assert left_behind(nights.settings) == []


def a_failed_build(nights: Nights, monkeypatch: pytest.MonkeyPatch, said: str) -> tuple[VssError, str, int]:
    """A build whose dbt says that a model failed: what is raised, what the journal says, how the night ends."""
    message = f"Database Error in model fct_arrears (fct_arrears.sql)\n  {said}"
    monkeypatch.setattr(dbt_runs, "run", lambda *_, **__: (False, [NodeResult("fct_arrears", "error", 0.1, message)]))
    with pytest.raises(VssError) as told:
        take(["build"])
    (written,) = [text for stage, _, _, _, _, text in outcomes(nights.settings, "again") if stage == "build"]
    return told.value, str(written), exit_code(nights.settings, "again")


@proves("process.failed-gate")
def test_a_gate_that_fails_takes_the_candidate_back_and_ends_the_night_in_five(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights.back_to("built")
    finding = Finding("E-GATE", {"gate": "total", "detail": "fct_arrears, Hậu Giang (46)"}, None, "equal")
    monkeypatch.setattr(verdict, "gate_candidate", lambda *_: verdict.CandidateVerdict(False, (finding,)))
    with pytest.raises(GateFailedError, match=r"what was published stays.*fct_arrears, Hậu Giang \(46\)"):
        take(["audit"])
    assert exit_code(nights.settings, "again") == 5
    take(["publish"])
    nights.assert_nothing_new_is_shown()
    assert left_behind(nights.settings) == []


# ----------------------------------------------------------------------------------------------------------- any order


@proves("process.any-order")
def test_every_task_run_again_in_twenty_orders_after_a_night_changes_nothing(nights: Nights) -> None:
    nights.back_to("audited")
    take(["publish"])
    chosen = random.Random(46)  # noqa: S311 - an order, not a secret
    for number in range(20):
        # the report is only read from what there is, and takes as long as all others together
        names = chosen.sample(TASKS, k=len(TASKS))
        run_in_order(nights, [name for name in names if name != "report" or number % 5 == 0], f"again-{number}")
    nights.assert_as_clean()


@pytest.mark.long
@proves("process.any-order")
@pytest.mark.parametrize("seed", range(6))
def test_tasks_of_a_night_in_any_order_end_as_a_clean_one(nights: Nights, seed: int) -> None:
    nights.back_to("arrived")
    chosen = random.Random(seed)  # noqa: S311 - an order, not a secret
    run_in_order(nights, [*chosen.choices(TASKS, k=8), *TASKS], f"order-{seed}")
    nights.assert_as_clean()


TASKS = ("discover", "load_and_gate", "build", "audit", "publish", "report")


def run_in_order(nights: Nights, names: list[str], run_id: str) -> None:
    """The functions Airflow calls, as after `clear`; a batch is what discover would find in an empty ledger."""
    told = {"run_id": run_id, "inbox": str(nights.inbox.root), "date": None}
    batch = [str(nights.inbox.root / "province-46" / CORRECTED)]
    for name in names:
        getattr(tasks, name)(*([batch] if name == "load_and_gate" else []), **told)
