"""What is tried again: only what passes by itself, through whichever library it came."""

from __future__ import annotations

import errno

import psycopg
import pytest
import sqlalchemy.exc
from builders import Inbox, participants

from ingestion.inbox import Folder
from ingestion.load import Loaded, load_submission
from ingestion.workers import LockedError
from night import arrivals, tasks
from night.passing import LoadsLostError, passes_by_itself
from warehouse.errors import BuildOpenError, GateFailedError, StorageError, UnreachableError, UsageError
from warehouse.locks import RelationLockedError
from warehouse.settings import Settings

RUN = {"run_id": "lost", "inbox": None, "date": None}


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("server closed the connection unexpectedly"),
        psycopg.errors.AdminShutdown("restart"),
        psycopg.errors.CannotConnectNow("starting up"),
        psycopg.errors.DeadlockDetected("deadlock"),
        psycopg.errors.LockNotAvailable("lock timeout"),
        psycopg.errors.TooManyConnections("too many"),
        psycopg.errors.OutOfMemory("memory"),
        psycopg.errors.DiskFull("disk"),
        UnreachableError("away"),
        BuildOpenError("open"),
        LockedError("busy"),
        RelationLockedError("held"),
        StorageError("full"),
        LoadsLostError("lost"),
        ConnectionResetError("reset"),
        OSError(errno.ENOSPC, "no space"),
        sqlalchemy.exc.OperationalError("select 1", {}, psycopg.errors.AdminShutdown("restart")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_somebody_else_will_end_passes_by_itself(error: BaseException) -> None:
    assert passes_by_itself(error)


@pytest.mark.parametrize(
    "error",
    [
        GateFailedError("a gate"),
        UsageError("a setting"),
        RuntimeError("could not load x"),
        KeyError("a mistake"),
        FileNotFoundError(errno.ENOENT, "gone"),
        psycopg.errors.UniqueViolation("twice"),
        psycopg.errors.UndefinedTable("no table"),
        psycopg.errors.InsufficientPrivilege("no right"),
        psycopg.errors.QueryCanceled("too long"),
        sqlalchemy.exc.IntegrityError("insert", {}, psycopg.errors.UniqueViolation("twice")),
        SystemExit(1),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_needs_a_person_does_not(error: BaseException) -> None:
    assert not passes_by_itself(error)


def test_an_error_that_was_made_of_a_lost_connection_passes_and_one_that_hides_it_does_not() -> None:
    made = RuntimeError("while reading")
    made.__cause__ = psycopg.errors.AdminShutdown("restart")
    hidden = UsageError("wrong")
    hidden.__context__ = psycopg.errors.AdminShutdown("restart")

    assert passes_by_itself(made)
    assert not passes_by_itself(hidden)


@pytest.fixture
def two(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two submissions of which the first cannot be loaded for the reason in `fails`; a batch of both."""
    monkeypatch.setattr(tasks, "_ready", lambda: inbox.settings)
    return [
        str(inbox.send({"participants": participants(2)}, sender=sender, submission_id=f"{sender}-2021-10-v1"))
        for sender in ("province-01", "province-26")
    ]


def fail(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Loading what province-01 sent ends in an error; the other's is loaded, and stays ungated."""

    def load(settings: Settings, folder: Folder) -> Loaded:
        if folder.sender == "province-01":
            raise error
        return Loaded(load_submission(settings, folder).sub_no, folder.submission_id, "verified")

    monkeypatch.setattr(arrivals, "load_submission", load)


def test_a_batch_that_lost_its_database_is_tried_again_after_the_others_were_loaded(
    two: list[str], inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, psycopg.OperationalError("server closed the connection unexpectedly"))

    with pytest.raises(LoadsLostError, match=r"^not loaded yet: province-01-2021-10-v1$"):
        tasks.load_and_gate(two, **RUN)

    assert inbox.query("select submission_id, state from ops.submission") == [("province-26-2021-10-v1", "loaded")]


def test_a_batch_with_a_mistake_in_it_is_not(two: list[str], inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, KeyError("a mistake"))

    with pytest.raises(RuntimeError, match=r"^could not load province-01-2021-10-v1$") as raised:
        tasks.load_and_gate(two, **RUN)

    assert not passes_by_itself(raised.value)
    assert inbox.query("select submission_id, state from ops.submission") == [("province-26-2021-10-v1", "loaded")]
