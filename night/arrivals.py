"""Discover what arrived; load and gate it, one submission after the other."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ingestion import inbox as inboxes
from ingestion import ledger
from ingestion.decision import settle
from ingestion.inbox import Fault, Folder
from ingestion.load import load_submission
from ingestion.receipts import write_outbox
from night.journal import Stage, stage, write
from night.passing import passes_by_itself
from warehouse import roles
from warehouse.connection import connect
from warehouse.errors import StorageError, UnreachableError, UsageError
from warehouse.settings import Settings


def discover(
    settings: Settings, inbox: Path, *, sender: str | None = None, submission: str | None = None
) -> list[Path]:
    """Folders of the inbox that are not final in the ledger. Raises UsageError when the inbox is missing."""
    # not the folders themselves: each holds its manifest, and there may be any number
    found = [(folder.path, folder.identity) for folder in inboxes.folders(inbox, sender=sender, submission=submission)]
    with connect(settings, roles.LOADER) as connection:
        known = ledger.known_states(connection, [identity for _, identity in found])
    return [path for path, identity in found if known.get(identity) not in ledger.FINAL]


def load_all(
    settings: Settings, run_id: str, folders: Iterable[Path], *, lost: list[Path] | None = None
) -> Iterator[tuple[Path, str]]:
    """Take folders as far as each goes; one that fails unexpectedly ends in `error` and never stops the others.

    Folders that failed of something that passes by itself are added to `lost`: they may be taken again.
    Raises UnreachableError, UsageError and StorageError: without the database, the archive or space no other folder
    fares better.
    """
    for folder in folders:
        try:
            state = load_and_gate(settings, run_id, folder)
        except (UnreachableError, UsageError, StorageError):
            raise
        except Exception as error:
            # whatever it is, the other senders go on; its kind stands in the journal, its text might name a person
            if "VSS_DEBUG" in os.environ:
                raise
            state = "error"
            if lost is not None and passes_by_itself(error):
                lost.append(folder)
        yield folder, state


def load_and_gate(settings: Settings, run_id: str, folder: Path) -> str:
    """Take one submission as far as it goes: waiting, rejected, held or accepted; returns the state."""
    return take(settings, run_id, inboxes.read_folder(folder))


def take(settings: Settings, run_id: str, folder: Folder) -> str:
    """The same of a folder that was looked at before, or that came back from the archive."""
    name = folder.path.name
    with stage(settings, run_id, "load and gate", name) as mark:
        begun = time.monotonic()
        mark.sender = folder.sender
        was_final = _is_final(settings, folder)
        loaded = load_submission(settings, folder)
        state = loaded.state
        if not was_final:
            _measure(settings, loaded.sub_no, mark)
        if state == "loaded":
            # Great Expectations takes seconds to import: only those who gate pay for it
            from expectations.submission import gate_submission

            write(settings, run_id, "load", name, time.monotonic() - begun, replace(mark, outcome=state))
            begun = time.monotonic()
            verdict = gate_submission(settings, loaded.sub_no)
            faults = [Fault(finding.code, dict(finding.args), where=finding.feed) for finding in verdict.findings]
            state = settle(settings, loaded.sub_no, verdict.outcome, faults)
            write(settings, run_id, "gate", name, time.monotonic() - begun, replace(mark, outcome=state))
        if state in (*ledger.FINAL, "waiting"):
            write_outbox(settings, loaded.submission_id)
        mark.outcome = state
    return state


def _is_final(settings: Settings, folder: Folder) -> bool:
    """Whether a submission was decided before: taken again, it brings nothing."""
    with connect(settings, roles.LOADER) as connection:
        return ledger.known_states(connection, [folder.identity]).get(folder.identity) in ledger.FINAL


def _measure(settings: Settings, sub_no: int, mark: Stage) -> None:
    """How much a submission brought, from the ledger; nothing is noted of one whose files were never read."""
    with connect(settings, roles.LOADER) as connection:
        row = connection.execute(
            "select sum(row_count)::bigint, sum(rejected)::bigint, sum(bytes)::bigint from ops.load where sub_no = %s",
            [sub_no],
        ).fetchone()
    assert row is not None
    mark.rows, mark.rejected, mark.bytes = (None if each is None else int(str(each)) for each in row)
