"""Verbs that go over months again: replay, backfill."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.decider import who_decides
from ingestion.replay import one_refused
from night import backfill as backfills
from night.journal import exit_code
from night.readiness import ensure_ready
from warehouse import roles
from warehouse.connection import connect
from warehouse.errors import UsageError
from warehouse.settings import Settings, settings

Reason = Annotated[str, typer.Option(help="Why; it stays on record.")]
By = Annotated[str | None, typer.Option(help="Who wants it; the system user unless given.")]


def replay(
    submission_id: Annotated[str, typer.Argument(metavar="ID")],
    reason: Reason = backfills.REASON,
    by: By = None,
    sender: Annotated[str | None, typer.Option(help="Whose, where several senders used the id.")] = None,
) -> None:
    """Load a rejected submission again as it was received, after a rule or reference changed; ends in 3 when it is
    rejected again. The next build shows what was accepted."""
    configured = _ready()
    why, who = _filled(reason), who_decides(by)
    run_id = f"replay-{uuid.uuid4().hex[:12]}"
    with connect(configured, roles.LOADER) as connection:
        wanted = one_refused(connection, backfills.rules(configured), submission_id, sender=sender)
    state = backfills.replay(configured, run_id, wanted, reason=why, by=who)
    print(f"{wanted.sender}/{submission_id}: {state}")
    raise typer.Exit(exit_code(configured, run_id))


def backfill(
    first: Annotated[str, typer.Option("--from", metavar="YYYY-MM", help="First month.")],
    last: Annotated[str, typer.Option("--to", metavar="YYYY-MM", help="Last month.")],
    sender: Annotated[list[str] | None, typer.Option(help="Only this sender; may be repeated.")] = None,
    feed: Annotated[list[str] | None, typer.Option(help="Only this feed; may be repeated.")] = None,
    inbox: Annotated[Path | None, typer.Option(help="Another inbox than VSS_INBOX.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be touched, and touch nothing.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also what an earlier backfill did and nothing has changed since.")
    ] = False,
    reason: Reason = backfills.REASON,
    by: By = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --dry-run: print JSON.")] = False,
) -> None:
    """Go over months again: load rejected submissions again, load what waits, make their slices anew, publish once."""
    configured = _ready()
    wanted = backfills.asked_range(first, last, sender or (), feed or ())
    why, who = _filled(reason), who_decides(by)
    found = backfills.plan(configured, wanted, inbox=inbox, again=again, with_slices=dry_run)
    if dry_run:
        print(json.dumps(_as_json(found), ensure_ascii=False, indent=1) if as_json else "\n".join(_lines(found)))
        return
    run_id = f"backfill-{uuid.uuid4().hex[:12]}"
    failed = 0
    for batch in found.batches:
        for name, state in backfills.take_batch(configured, run_id, batch["items"], reason=why, by=who, again=again):
            print(f"{name}: {state}")
            failed += state == "error"
    for left in found.left:
        print(f"{left.sender}/{left.submission_id} is left alone: {left.why}")
    number = backfills.publish(configured, run_id, wanted, reason=why, by=who, again=again)
    print("Nothing is left to make anew or to publish." if number is None else f"Publication {number}")
    raise typer.Exit(exit_code(configured, run_id) or int(failed > 0))


def _lines(found: backfills.Plan) -> list[str]:
    return [*backfills.in_words(found), "Nothing was touched."]


def _as_json(found: backfills.Plan) -> dict[str, Any]:
    planned = found.slices
    return {
        "from": f"{found.range.first:%Y-%m}",
        "to": f"{found.range.last:%Y-%m}",
        "senders": list(found.range.senders),
        "feeds": list(found.range.feeds),
        "replays": [
            {"sender": each.sender, "submission_id": each.submission_id, "codes": list(each.codes)}
            for each in found.replays
        ],
        "folders": [{"sender": each.manifest.sender, "submission_id": each.path.name} for each in found.folders],
        "left": [
            {"sender": each.sender, "submission_id": each.submission_id, "why": each.why} for each in found.left
        ],
        "superseded": list(found.idle),
        "made_anew_in": found.made_in,
        "is_full": planned is None or planned.is_full,
        "slices": [
            {"relation": each.relation, "territory_key": each.territory_key,
             "month": None if each.month is None else f"{each.month:%Y-%m}", "rows": each.rows}
            for each in (() if planned is None else planned.slices)
        ],
        "computed": [] if planned is None else list(planned.looked_at),
    }  # fmt: skip


def _filled(reason: str) -> str:
    words = " ".join(reason.split())
    if not words:
        raise UsageError("--reason is empty: say it in words, it stays on record.")
    return words


def _ready() -> Settings:
    configured = settings()
    ensure_ready(configured)
    return configured


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    for verb in (replay, backfill):
        app.command()(verb)
