"""What ops.run_stage holds of a run: rows, rejected rows and bytes by submission and sender, and a build's nodes."""

from __future__ import annotations

from typing import Any

import pytest
from builders import Inbox, participants

from ingestion import ledger
from night import arrivals, journal, publishing, tasks
from night.dbt_runs import NodeResult
from night.journal import Node, Stage
from warehouse import roles
from warehouse.connection import connect
from warehouse.errors import BuildOpenError

RUN = "metrics"


def stages(inbox: Inbox, *, subject: str) -> dict[str, tuple[Any, ...]]:
    """By stage: sender, rows, rejected, bytes."""
    return {
        name: tuple(measured)
        for name, *measured in inbox.query(
            f"select stage, sender, rows, rejected, bytes from ops.run_stage where subject = '{subject}'"
        )
    }


def test_a_submission_is_measured_at_each_stage(inbox: Inbox) -> None:
    rows = [*participants(3), {**participants(4)[3], "wage_base_vnd": "much"}]
    folder = inbox.send({"participants": rows}, declared={"participants": {"rows": 4, "totals": {}}})
    size = (folder / "participants.csv").stat().st_size

    arrivals.load_and_gate(inbox.settings, RUN, folder)

    found = stages(inbox, subject=folder.name)
    assert set(found) == {"load", "gate", "load and gate"}
    assert set(found.values()) == {("province-26", 4, 1, size)}


def test_one_that_was_decided_before_is_not_counted_a_second_time(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(3)})
    for attempt in ("first", "again"):
        assert arrivals.load_and_gate(inbox.settings, attempt, folder) in ledger.FINAL

    assert inbox.query("select run_id, rows, rejected from ops.run_stage where stage = 'load and gate' order by 1") == [
        ("again", None, None), ("first", 3, 0),
    ]  # fmt: skip


def test_one_whose_files_are_not_read_has_a_sender_and_no_sizes(inbox: Inbox) -> None:
    folder = inbox.send({"participants": participants(2)}, declared={"participants": {"sha256": "0" * 64}})

    assert arrivals.load_and_gate(inbox.settings, RUN, folder) == "rejected"

    assert stages(inbox, subject=folder.name) == {"load and gate": ("province-26", None, None, None)}


def test_one_that_cannot_be_loaded_still_names_its_sender(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = inbox.send({"participants": participants(2)})

    def load(*_: object) -> None:
        raise KeyError("a mistake")

    monkeypatch.setattr(arrivals, "load_submission", load)
    with pytest.raises(KeyError):
        arrivals.load_and_gate(inbox.settings, RUN, folder)

    assert inbox.query("select sender, outcome, message from ops.run_stage") == [("province-26", "error", "KeyError")]


def test_a_run_whose_stage_failed_fails_with_its_last_task(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "settings", lambda: inbox.settings)
    journal.write(inbox.settings, RUN, "load and gate", "rejected", 1.0, Stage(outcome="rejected"))
    tasks.require_success(run_id=RUN)
    journal.write(inbox.settings, RUN, "load and gate", "broken", 1.0, Stage(outcome="error"))
    with pytest.raises(tasks.RunFailedError, match=RUN):
        tasks.require_success(run_id=RUN)
    journal.write(inbox.settings, RUN, "load and gate", "broken", 1.0, Stage(outcome="accepted"))
    tasks.require_success(run_id=RUN)


@pytest.mark.parametrize(("steps_back", "outcome"), [(True, "skipped"), (False, "error")])
def test_that_another_build_is_open_is_an_error_of_a_stage_that_does_not_step_back(
    inbox: Inbox, steps_back: bool, outcome: str
) -> None:
    with (
        pytest.raises(BuildOpenError),
        journal.stage(inbox.settings, RUN, "build", steps_back=steps_back),
    ):
        raise BuildOpenError("Build 3 is open")

    assert inbox.query("select outcome from ops.run_stage") == [(outcome,)]


def result(name: str, status: str = "pass", seconds: float = 1.0, **of: Any) -> NodeResult:
    return NodeResult(name, status, seconds, "Nguyễn Thị A", **of)


def build_of(inbox: Inbox, nodes: list[NodeResult], built: list[tuple[str, int, int]]) -> None:
    """What the night writes of a build."""
    journal.write(inbox.settings, RUN, "build", None, 60.0, Stage(outcome="done"))
    publishing.note_nodes(inbox.settings, RUN, nodes, built)


def test_every_model_is_kept_with_its_rows_and_only_the_slowest_of_the_tests_that_say_nothing(inbox: Inbox) -> None:
    models = [result(f"model_{n:02}", "success", 0.1, kind="model") for n in range(30)]
    tests = [result(f"test_{n:02}", "pass", 1 + n, kind="test", model="model_00") for n in range(20)]
    failed = result("sums_agree", "fail", 0.01, kind="test", model="model_07", failures=3)
    left = [result(f"skipped_{n:02}", "skipped", 0.0, kind="test", model="model_09") for n in range(40)]

    build_of(inbox, [*models, *tests, *left, failed], [("model_03", 2, 500)])

    nodes = {node.name: node for node in journal.nodes(inbox.settings, RUN)}
    assert [name for name in nodes if name.startswith("model")] == [f"model_{n:02}" for n in range(30)]
    assert sorted(name for name in nodes if name.startswith("test")) == [f"test_{n:02}" for n in range(5, 20)]
    assert not [name for name in nodes if name.startswith("skipped")]
    assert (nodes["model_03"].rows, nodes["model_04"].rows) == (500, None)
    assert nodes["sums_agree"] == Node("sums_agree", "fail", 0.01, 3, "test of model_07")


def test_what_failed_comes_first_and_then_the_slowest(inbox: Inbox) -> None:
    build_of(
        inbox,
        [
            result("slow", "success", 9.0, kind="model"),
            result("quick", "success", 1.0, kind="model"),
            result("broken", "error", 0.5, kind="model"),
        ],
        [],
    )

    assert [node.name for node in journal.nodes(inbox.settings, RUN)] == ["broken", "slow", "quick"]


def test_only_the_last_build_of_a_run_is_told(inbox: Inbox) -> None:
    build_of(inbox, [result("first", "error", kind="model")], [])
    with connect(inbox.settings, roles.LOADER) as connection:
        connection.execute("update ops.run_stage set started_at = started_at - interval '1 hour'")
    build_of(inbox, [result("second", "success", kind="model")], [])

    assert [node.name for node in journal.nodes(inbox.settings, RUN)] == ["second"]


def test_a_run_without_a_build_has_no_nodes(inbox: Inbox) -> None:
    journal.write(inbox.settings, RUN, "discover", None, 1.0, Stage())

    assert journal.nodes(inbox.settings, RUN) == []


def test_airflow_is_told_names_and_numbers_and_never_what_a_node_said(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [result(f"model_{n:02}", "success", 2.0 + n, kind="model") for n in range(30)]
    failed = result("sums_agree", "fail", 0.25, kind="test", model="model_07", failures=1234)
    build_of(inbox, [*models, failed], [("model_29", 1, 5_000_000)])
    monkeypatch.setattr(tasks, "settings", lambda: inbox.settings)

    told = tasks.nodes_told(run_id=RUN, inbox=None, date=None)

    assert told[0] == {"node": "sums_agree (test of model_07)", "outcome": "fail", "seconds": 0.25, "rows": 1234}
    assert [each["node"] for each in told[1:]] == [f"model_{n:02}" for n in range(29, 10, -1)]
    table = capsys.readouterr().out.splitlines()
    assert table[1].split() == ["sums_agree", "(test", "of", "model_07)", "fail", "0.25", "1,234"]
    assert table[2].split() == ["model_29", "success", "31.00", "5,000,000"]
    assert table[-1] == "and 11 that were quicker; all of them stand in ops.run_stage"
    assert "Nguyễn" not in "".join(table)


def test_every_failed_node_is_told_however_many_there_are(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    build_of(inbox, [result(f"broken_{n:02}", "error", kind="model") for n in range(33)], [])
    monkeypatch.setattr(tasks, "settings", lambda: inbox.settings)

    assert len(tasks.nodes_told(run_id=RUN, inbox=None, date=None)) == 33


def test_an_index_leads_to_the_stages_of_a_run(inbox: Inbox) -> None:
    columns = inbox.query("select indexdef from pg_indexes where schemaname = 'ops' and tablename = 'run_stage'")

    assert any(text.endswith("(run_id)") for (text,) in columns)
