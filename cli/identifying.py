"""Verbs around persons: identify, erase."""

from __future__ import annotations

import dataclasses
import json
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from cli.decider import who_decides
from ingestion.receipts import write_outbox
from night.readiness import ensure_ready
from warehouse import identities
from warehouse.errors import UsageError
from warehouse.identities import Erased, Wish
from warehouse.publication import LOCAL
from warehouse.settings import Settings, settings

Key = Annotated[
    str | None,
    typer.Argument(
        help="participant_key, or a token P-…, as bi shows it; - reads a person's number from standard input."
    ),
]
Case = Annotated[str, typer.Option(help="Number of the case, as 152/2026/HS-TTKT; it stays on record.")]
Reason = Annotated[str, typer.Option(help="Why; it stays on record.")]
By = Annotated[str | None, typer.Option(help="Who asks; the system user unless given.")]


def identify(
    key: Key = None,
    case: Case = "",
    reason: Reason = "",
    by: By = None,
    log: Annotated[bool, typer.Option("--log", help="Print who asked for whom, the latest first.")] = False,
    limit: Annotated[int, typer.Option(help="How many rows of the record.", min=1)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Who a pseudonym is, for a case. The wish is on record before anything is shown, also when it is refused."""
    configured = _ready()
    if log:
        _print_record(configured, limit, as_json=as_json)
        return
    found = identities.identify(configured, _wish(key, case=case, reason=reason, by=by))
    if as_json:
        print(json.dumps(None if found is None else dataclasses.asdict(found), default=str, ensure_ascii=False))
    elif found is None:
        print("No list holds a person with this key. The wish is on record.")
    elif found.erased_at is not None:
        print(f"{found.key} was erased on {found.erased_at.astimezone(LOCAL):%Y-%m-%d}. The wish is on record.")
    else:
        for name, value in dataclasses.asdict(found).items():
            if value is not None:
                print(f"{name:<12} {value}")


def erase(
    key: Key = None,
    case: Case = "",
    reason: Reason = "",
    by: By = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="Repeat every erasure: after a restore, or when old files were loaded again."),
    ] = False,
) -> None:
    """Overwrite what names a person in raw, and take back workbooks in the outbox that do; pseudonymous rows stay."""
    configured = _ready()
    if again:
        done = identities.repeat_erasures(configured, asked_by=who_decides(by))
    else:
        done = identities.erase(configured, _wish(key, case=case, reason=reason, by=by))
    for feed, count in done.rows.items():
        print(f"{feed}: {count:,} rows overwritten.")
    if not done.rows:
        print("No row of raw names the person." if not again else "Nobody who was erased came back.")
    for sender, submission_id, feed in _workbooks_with(configured, done.numbers):
        identities.withhold_workbook(configured, sender=sender, submission_id=submission_id, feed=feed)
        write_outbox(configured, submission_id)
        print(f"{sender}/{submission_id}: the workbook of {feed} was taken out of the outbox.")
    _print_archive(done)


def _wish(key: str | None, *, case: str, reason: str, by: str | None) -> Wish:
    who = who_decides(by)
    if key == "-":
        # not as an argument: the list of processes and the shell's history are read by others
        return Wish(case, reason, who, number=sys.stdin.readline().strip())
    return Wish(case, reason, who, key=None if key is None else identities.key_of(key))


def _workbooks_with(configured: Settings, numbers: Iterable[str]) -> list[tuple[str, str, str]]:
    """Sender, submission and feed of the workbooks in the outbox that hold one of these numbers."""
    wanted = [number.encode() for number in numbers if number]
    assert configured.outbox is not None
    return [
        (path.parent.parent.name, path.parent.name, path.stem.rpartition("-")[0])
        for path in sorted(configured.outbox.glob("*/*/*.xlsx"))
        if wanted and _holds(path, wanted)
    ]


def _holds(path: Path, wanted: list[bytes]) -> bool:
    """Whether a part of a workbook of ours has one of these texts; a part is read whole, they are 64 MB at most."""
    try:
        with zipfile.ZipFile(path) as parts:
            return any(one in content for name in parts.namelist() for content in [parts.read(name)] for one in wanted)
    except (OSError, zipfile.BadZipFile):
        raise UsageError(
            f"{path} cannot be read: run `vss receipt {path.parent.name}`, which writes it anew, then this verb again."
        ) from None


def _print_archive(done: Erased) -> None:
    if done.files:
        print("The archive keeps the files as received, as evidence; these hold the person (docs/privacy.md):")
        for submission_id, feed, sha256 in done.files:
            print(f"  {submission_id} {feed} {sha256}")


def _print_record(configured: Settings, limit: int, *, as_json: bool) -> None:
    found = identities.record(configured, limit=limit)
    if as_json:
        print(json.dumps([dataclasses.asdict(each) for each in found], default=str, ensure_ascii=False, indent=1))
        return
    for each in found:
        print(
            f"{each.accessed_at.astimezone(LOCAL):%Y-%m-%d %H:%M}  {each.action:<8}  {each.outcome:<10}"
            f"  {each.person_key or ''}  case {each.case_no or '-'}  by {each.asked_by or '-'} ({each.role_name}):"
            f" {each.reason or '-'}"
        )
    if not found:
        print("Nobody was asked for.")


def _ready() -> Settings:
    configured = settings()
    ensure_ready(configured)
    return configured


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command()(identify)
    app.command()(erase)
