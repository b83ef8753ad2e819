"""Verbs of those who send: template, pack, check. They need no database and no settings."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from warehouse.errors import UsageError

_SHOWN = 20
_NOTES_SHOWN = 3


class _Action(StrEnum):
    SUBMIT = "submit"
    CORRECT = "correct"
    VOID = "void"


def template(
    feed: Annotated[str, typer.Argument(metavar="FEED", help="Which feed: arrears, participants, …")],
    out: Annotated[Path, typer.Option(help="The folder to write FEED.xlsx to.")],
) -> None:
    """The blank Excel template of a feed."""
    from ingestion.templates import write_template

    print(write_template(_known(feed), out))


def pack(
    sender: Annotated[str, typer.Option(help="province-26, tax or hq.")],
    period: Annotated[str, typer.Option(help="YYYY-MM; an ISO week YYYY-Www for weekly_report.")],
    out: Annotated[
        Path,
        typer.Option(
            help="A folder laid out like an inbox: the submission becomes OUT/SENDER/ID. Pack into a folder of your "
            "own, check, then drop OUT/SENDER into the inbox; or name the inbox itself."
        ),
    ],
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILES…",
            help="CSV, XLSX or Parquet, also in one .zip or .gz. The feed is what the name begins with "
            "(arrears_2021-10.csv); else write FEED=FILE.",
        ),
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Sign with this private key (Ed25519, PEM).")] = None,
    version: Annotated[int, typer.Option(help="Higher than what was sent before of this period.", min=1)] = 1,
    action: Annotated[
        _Action | None,
        typer.Option(help="submit for version 1 and correct above unless given; void takes the period back."),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Closing date, YYYY-MM-DD; the period's last day (a week's Friday) unless given.")
    ] = None,
    submission_id: Annotated[str | None, typer.Option("--id", help="Like p26-2021-10-v1 unless given.")] = None,
    unit: Annotated[
        list[str] | None,
        typer.Option(help="What money is in: dong, thousand, million or billion; for one feed FEED=UNIT."),
    ] = None,
    basis: Annotated[
        list[str] | None, typer.Option(help="month, or ytd for amounts of the year to date; for one feed FEED=BASIS.")
    ] = None,
    nil: Annotated[list[str] | None, typer.Option(help="A feed with nothing to report; may be repeated.")] = None,
    encrypt: Annotated[
        str | None, typer.Option(metavar="RECIPIENT", help="Encrypt the files to the warehouse's key (age1…).")
    ] = None,
) -> None:
    """Make a submission folder: manifest with digests, rows and totals counted from the files; signature."""
    from ingestion import packing
    from ingestion.codes import message

    units, bases = _by_feed(unit, "dong"), _by_feed(basis, "month")
    sources = [
        packing.Source(feed, path, units.get(feed, units[""]), bases.get(feed, bases[""]))
        for feed, path in map(_feed_and_path, files or [])
    ]
    sent = {source.feed for source in sources}
    strangers = [feed for given in (units, bases) for feed in given if feed and feed not in sent]
    if strangers:
        raise UsageError(
            f"--unit or --basis is given for {strangers[0]}, of which there is no file: name its file too."
        )
    packed = packing.pack(
        sources,
        sender=sender, period=period, out=out, created_at=dt.datetime.now(tz=dt.UTC).replace(microsecond=0),
        nil=nil or [], version=version, submission_id=submission_id, action=None if action is None else action.value,
        as_of=None if as_of is None else _date(as_of), key=key, recipient=encrypt,
    )  # fmt: skip
    for file in packed.manifest.files:
        if file.nil:
            print(f"{file.feed}: nil")
            continue
        totals = "".join(f", {name} {total:,f}" for name, total in file.totals.items())
        print(f"{file.feed}: {file.path}, {file.rows:,} rows{totals}")
    for name, code, arguments in packed.notes:
        print(f"  {name}: {code} {message(code, 'vi', **arguments)}\n      {message(code, 'en', **arguments)}")
    print(packed.folder)


def check(
    folder: Annotated[Path, typer.Argument(help="The submission's folder, the one that holds manifest.json.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, in the form of a receipt.")] = False,
) -> None:
    """The verdict without landing anything; ends in 3 when the submission would be rejected."""
    from ingestion.checking import check_folder

    content = check_folder(folder)
    if as_json:
        print(json.dumps(content, ensure_ascii=False, indent=1))
    else:
        _print_verdict(content)
    raise typer.Exit(3 if content["state"] == "rejected" else 0)


def _print_verdict(content: dict[str, Any]) -> None:
    print(f"{content['submission_id']} of {content['sender']} for {content['period']}: {content['state']}")
    for error in content["errors"]:
        place = " ".join(part for part in (error["file"], error["where"]) if part)
        _print_said(error, f"{place}: " if place else "")
    for feed in content["feeds"]:
        print(f"  {feed['feed']}: {feed['accepted']} of {feed['rows']} rows accepted, {feed['rejected']} set aside")
        for note in feed["notes"][:_NOTES_SHOWN]:
            print(f"      {note}")
        if len(feed["notes"]) > _NOTES_SHOWN:
            print(f"      … {len(feed['notes']) - _NOTES_SHOWN} more notes: `vss check --json` lists them all.")
    rejects: Sequence[dict[str, Any]] = content["rejects"]
    for reject in rejects[:_SHOWN]:
        column = f", {reject['column']}" if reject["column"] else ""
        _print_said(reject, f"{reject['file']} row {reject['row']}{column}: ")
    if len(rejects) > _SHOWN:
        print(f"  … {len(rejects) - _SHOWN} more: `vss check --json` lists them all.")
    for note in content["notes"]:
        _print_said(note, "")


def _print_said(entry: dict[str, Any], place: str) -> None:
    print(f"  {place}{entry['code']} {entry['message_vi']}\n      {entry['message_en']}")


def _feed_and_path(text: str) -> tuple[str, Path]:
    """FEED=FILE, or a file whose name begins with its feed."""
    from ingestion.contracts import load_contracts
    from ingestion.packing import feed_of

    feed, is_named, path = text.partition("=")
    if is_named and (feed in load_contracts() or not Path(text).exists()):
        return _known(feed), Path(path)
    return feed_of(Path(text)), Path(text)


def _known(feed: str) -> str:
    from ingestion.contracts import load_contracts

    if feed not in load_contracts():
        raise UsageError(f"There is no feed {feed}: it must be one of {', '.join(load_contracts())}.")
    return feed


def _by_feed(given: list[str] | None, default: str) -> dict[str, str]:
    """VALUE and FEED=VALUE; what holds for every other feed stands under the empty name."""
    values = {"": default}
    for text in given or []:
        feed, is_named, value = text.rpartition("=")
        values[_known(feed) if is_named else ""] = value
    return values


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text} is no date: write --as-of YYYY-MM-DD.") from None


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    for verb in (template, pack, check):
        app.command()(verb)
