"""Verbs that keep a warehouse: backup, restore."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Annotated

import typer

from warehouse import backups
from warehouse.errors import UsageError, VssError
from warehouse.publication import LOCAL
from warehouse.settings import Settings, settings


def backup(
    out: Annotated[Path, typer.Option(help="Folder of backups, on another disk; each gets a folder of its own in it.")],
) -> None:
    """A consistent copy of database, archive, outbox and secrets, also while a night runs."""
    # the schema stays as it is: what is to be upgraded is backed up before
    done = backups.back_up(settings(), out, now=dt.datetime.now(LOCAL))
    print(f"Backup:    {done.folder}")
    print(f"It holds:  publication {done.publication}, {done.relations} relations, {done.files:,} files")
    print(f"On disk:   {_megabytes(done.size)}, of which {_megabytes(done.new_size)} are new")
    print(f"Try it:    vss restore {done.folder} --into NEW_VSS_HOME", flush=True)
    print(
        f"SECRETS: it holds {len(done.secrets)} secrets (passwords, {', '.join(_keys(done.secrets)) or 'no keys'}) and"
        " the pseudonym secret. Who can read this folder can read every person: keep it as you keep the keys.",
        file=sys.stderr,
    )
    if done.damaged:
        raise VssError(
            f"The backup is complete but for {len(done.damaged)} files of the archive whose bytes have changed, the"
            f" first is {done.damaged[0]}: take them from an earlier backup."
        )


def restore(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A backup, or a folder of backups: the last one.")],
    into: Annotated[Path | None, typer.Option(help="The home to restore into, instead of VSS_HOME.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only verify every file; restore nothing.")] = False,
) -> None:
    """Put a backup into a home that holds nothing; every file is verified before, every row compared after."""
    found = backups.newest(folder.expanduser().absolute())
    if check:
        if into is not None:
            raise UsageError("Choose one of --check and --into.")
        said = backups.verified(found)
        print(f"{found} is whole: publication {said.publication}, made at {said.made_at}, {len(said.files):,} files.")
        return
    from night.readiness import migrate

    target = settings() if into is None else Settings(home=into)
    has_other_outbox = backups.leaves_outbox(target)
    said = backups.restore(found, target)
    migrate(target)
    rows = sum(rows for rows, _ in said.relations.values())
    print(f"Restored:  {found}, made at {said.made_at}, into {target.home}")
    print(f"Compared:  {len(said.relations)} relations, {rows:,} rows, {len(said.files):,} files: all as they were")
    print(f"Shown:     publication {said.publication}")
    if has_other_outbox:
        print(f"Left:      the outbox {target.outbox} holds receipts and stays as it is")
    print(
        "Submissions that came later have to be loaded again: put back what is missing in the inbox, then vss nightly."
    )


def _keys(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name.endswith("_key") or name == "age_identity"]


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command()(backup)
    app.command()(restore)
