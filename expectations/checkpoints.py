"""The gates as Checkpoints of Great Expectations, by name: one ValidationDefinition a suite, no actions.

The same suites over the same rows as in a night, every expectation judged by the library by itself: what a user of
Great Expectations expects to find, and what the short way of a night is held against. It takes several times as long
(docs/performance.md). Results are stored like those of any run; nothing is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from expectations.candidate.verdict import gate_candidate
from expectations.engine import as_checkpoint
from expectations.results import Finding
from expectations.submission import gate_submission
from warehouse import roles
from warehouse.connection import connect
from warehouse.errors import UsageError
from warehouse.settings import Settings


def run(settings: Settings, name: str, subject: str) -> tuple[bool, Sequence[Finding]]:
    """Run a checkpoint over a submission (by its id) or a build (by its number): passed or not, and what was found.

    Raises UsageError for an unknown name or subject, UnreachableError when the database goes away.
    """
    if name not in CHECKPOINTS:
        raise UsageError(f"There is no checkpoint {name}: choose one of {', '.join(CHECKPOINTS)}.")
    with as_checkpoint(name):
        return CHECKPOINTS[name](settings, subject)


def _submission(settings: Settings, subject: str) -> tuple[bool, Sequence[Finding]]:
    with connect(settings, roles.LOADER) as connection:
        row = connection.execute(
            "select sub_no from ops.submission s where submission_id = %s"
            " and exists (select from ops.load l where l.sub_no = s.sub_no and l.state not in ('waiting', 'verified'))"
            " order by sub_no desc limit 1",
            [subject],
        ).fetchone()
    if row is None:
        raise UsageError(f"No submission {subject} is loaded: `vss status` lists what has been sent.")
    verdict = gate_submission(settings, int(str(row[0])))
    return verdict.outcome == "passed", verdict.findings


def _candidate(settings: Settings, subject: str) -> tuple[bool, Sequence[Finding]]:
    try:
        verdict = gate_candidate(settings, int(subject))
    except (ValueError, LookupError):
        raise UsageError(f"There is no build {subject}: give the number of the build that waits.") from None
    return verdict.passed, verdict.findings


CHECKPOINTS: Mapping[str, Callable[[Settings, str], tuple[bool, Sequence[Finding]]]] = {
    "submission": _submission,
    "candidate": _candidate,
}
