"""Discover what arrived; load and gate it, one submission after the other."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from ingestion import inbox as inboxes
from ingestion import ledger
from ingestion.decision import settle
from ingestion.inbox import Fault, Folder
from ingestion.load import load_submission
from ingestion.receipts import write_outbox
from night.journal import Stage, stage, write
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


def load_all(settings: Settings, run_id: str, folders: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Take folders as far as each goes; one that fails unexpectedly ends in `error` and never stops the others.

    Raises UnreachableError, UsageError and StorageError: without the database, the archive or space no other folder
    fares better.
    """
    for folder in folders:
        try:
            state = load_and_gate(settings, run_id, folder)
        except (UnreachableError, UsageError, StorageError):
            raise
        except Exception:
            # whatever it is, the other senders go on; its kind stands in the journal, its text might name a person
            if "VSS_DEBUG" in os.environ:
                raise
            state = "error"
        yield folder, state


def load_and_gate(settings: Settings, run_id: str, folder: Path) -> str:
    """Take one submission as far as it goes: waiting, rejected, held or accepted; returns the state."""
    return take(settings, run_id, inboxes.read_folder(folder))


def take(settings: Settings, run_id: str, folder: Folder) -> str:
    """The same of a folder that was looked at before, or that came back from the archive."""
    name = folder.path.name
    with stage(settings, run_id, "load and gate", name) as mark:
        begun = time.monotonic()
        loaded = load_submission(settings, folder)
        state = loaded.state
        if state == "loaded":
            # Great Expectations takes seconds to import: only those who gate pay for it
            from expectations.submission import gate_submission

            write(settings, run_id, "load", name, time.monotonic() - begun, Stage(outcome=state))
            verdict = gate_submission(settings, loaded.sub_no)
            faults = [Fault(finding.code, dict(finding.args), where=finding.feed) for finding in verdict.findings]
            state = settle(settings, loaded.sub_no, verdict.outcome, faults)
        if state in (*ledger.FINAL, "waiting"):
            write_outbox(settings, loaded.submission_id)
        mark.outcome = state
    return state
