"""The second, tiny transaction: what the gate, or a person, decides about rows that are already loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

from ingestion import ledger
from ingestion.inbox import Fault
from warehouse import roles
from warehouse.connection import connect
from warehouse.errors import UsageError
from warehouse.settings import Settings

Outcome = Literal["passed", "held", "failed"]


def settle(settings: Settings, sub_no: int, outcome: Outcome, faults: Sequence[Fault]) -> str:
    """Set the state the gate's outcome means; a submission that is no longer `loaded` keeps the state it has."""
    with connect(settings, roles.LOADER) as connection:
        entry = ledger.current(connection, sub_no)
        if entry.state != "loaded":
            return entry.state
        # two that were loaded side by side: the first that is settled keeps the version
        connection.execute(
            "select pg_advisory_xact_lock(hashtext(sender), hashtext('settle ' || period))"
            " from ops.submission where sub_no = %s",
            [sub_no],
        )
        row = connection.execute(
            "select coalesce(sum(rejected), 0), array_agg(feed) from ops.load where sub_no = %s", [sub_no]
        ).fetchone()
        assert row is not None
        taken = ledger.version_taken(connection, sub_no, cast("list[str]", row[1] or []))
        if taken:
            outcome, faults = "failed", [*faults, *taken]
        passed = "accepted_with_rejects" if int(str(row[0])) else "accepted"
        state = {"passed": passed, "held": "held", "failed": "rejected"}[outcome]
        ledger.decide(connection, entry, state, faults)
        return state


def decide_held(settings: Settings, submission_id: str, *, release: bool, reason: str, by: str | None = None) -> str:
    """A person's decision on a held submission, on record with who, when and why.

    `by` is the person; the database login unless given. Raises UsageError without a reason, or if it is not held.
    """
    if not reason.strip():
        raise UsageError("A decision needs its reason: write --reason '…'.")
    with connect(settings, roles.LOADER) as connection:
        row = connection.execute(
            "select sub_no from ops.submission where submission_id = %s and state = 'held' for update", [submission_id]
        ).fetchone()
        if row is None:
            raise UsageError(f"Submission {submission_id} is not held: `vss status` shows which are.")
        entry = ledger.current(connection, int(str(row[0])))
        connection.execute(
            "insert into ops.decision (sub_no, decision, reason, decided_by)"
            " values (%s, %s, %s, coalesce(%s, session_user))",
            [entry.sub_no, "release" if release else "reject", reason, by],
        )
        rejected = connection.execute("select sum(rejected) from ops.load where sub_no = %s", [entry.sub_no]).fetchone()
        assert rejected is not None
        accepted = "accepted_with_rejects" if int(str(rejected[0] or 0)) else "accepted"
        state = accepted if release else "rejected"
        ledger.decide(connection, entry, state)
        return state
