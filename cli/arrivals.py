"""Verbs around submissions: ingest, status, receipt, release, reject."""

from __future__ import annotations

import datetime as dt
import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.decider import who_decides
from ingestion import decision, receipts
from ingestion.deadlines import LOCAL
from night import arrivals
from night.alerts import tell_run
from night.journal import exit_code, outcomes
from night.readiness import ensure_ready
from warehouse.settings import Settings, settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def ingest(
    inbox: Annotated[Path | None, typer.Option(help="Another inbox than VSS_INBOX.")] = None,
    sender: Annotated[str | None, typer.Option(help="Only this sender.")] = None,
    submission: Annotated[str | None, typer.Option(help="Only this submission.")] = None,
) -> None:
    """Verify, load and gate whatever waits; no Airflow needed."""
    configured = _ready()
    run_id = f"ingest-{uuid.uuid4().hex[:12]}"
    place = inbox or configured.inbox
    assert place is not None
    failed = 0
    try:
        for folder, state in arrivals.load_all(
            configured, run_id, arrivals.discover(configured, place, sender=sender, submission=submission)
        ):
            print(f"{folder.parent.name}/{folder.name}: {state}")
            failed += state == "error"
    finally:
        tell_run(configured, run_id)
    raise typer.Exit(exit_code(configured, run_id) or int(failed > 0))


def status(
    period: Annotated[str | None, typer.Option(help="Only this period, YYYY-MM or YYYY-Www.")] = None,
    night: Annotated[bool, typer.Option("--night", help="What the last night did instead.")] = False,
    as_json: Json = False,
) -> None:
    """Who has sent what, with state, rows, rejects and lateness."""
    configured = _ready()
    if night:
        _print_night(configured, as_json=as_json)
        return
    entries = receipts.status(configured, period=period)
    if as_json:
        print(json.dumps(entries, ensure_ascii=False, indent=1))
        return
    print(f"{'sender':<13}{'submission':<26}{'period':<10}{'feed':<15}{'state':<23}{'rows':>9}{'rejected':>9}  late")
    for entry in entries:
        late = {True: "late", False: "", None: ""}[entry["is_late"]]
        decided = "".join(f"  {one['decision']} by {one['decided_by']}" for one in entry["decisions"])
        for feed in entry["feeds"] or [{"feed": "", "state": entry["state"], "rows": "", "rejected": ""}]:
            print(
                f"{entry['sender']:<13}{entry['submission_id']:<26}{entry['period'] or '':<10}{feed['feed']:<15}"
                f"{feed['state']:<23}{feed['rows']:>9}{feed['rejected']:>9}  {late}{decided}"
            )


def receipt(submission_id: Annotated[str, typer.Argument(metavar="ID")], as_json: Json = False) -> None:
    """What the sender is told; also written to OUTBOX/<sender>/<submission_id>/."""
    configured = _ready()
    folder = receipts.write_outbox(configured, submission_id)
    # what the sender finds, to the letter
    content = json.loads((folder / receipts.RECEIPT_NAME).read_bytes())
    if as_json:
        print(json.dumps(content, ensure_ascii=False, indent=1))
        return
    print("\n".join(_receipt_lines(content)))
    print(f"Files for the sender: {folder}")


def _receipt_lines(content: dict[str, Any]) -> Iterator[str]:
    late = ", late" if content["is_late"] else ""
    yield f"{content['submission_id']} of {content['sender']} for {content['period']}: {content['state']}{late}"
    for error in content["errors"]:
        yield f"  {error['code']} {error['message_vi']}\n      {error['message_en']}"
    for one in content["decisions"]:
        day = one["decided_at"][:16].replace("T", " ")
        yield f"  {one['decision']} on {day} by {one['decided_by']}: {one['reason']}"
    for feed in content["feeds"]:
        yield (
            f"  {feed['feed']}: {_grouped(feed['accepted'])} of {_grouped(feed['rows'])} rows accepted,"
            f" {_grouped(feed['rejected'])} set aside, {feed['state']}"
        )
        yield from _totals_lines(feed)
        for note in feed["notes"]:
            yield f"    {note}"
    for reject in content["rejects"][:20]:
        column = "" if reject["column"] is None else f", {reject['column']}"
        yield f"  {reject['file']} row {reject['row']}{column}: {reject['code']} {reject['message_vi']}"
        yield f"      {reject['message_en']}"
    if len(content["rejects"]) > 20:
        yield f"  … {len(content['rejects']) - 20} more in {receipts.REJECTS_NAME}"
    for each in content["annotated"]:
        yield f"  {each['file']}: {each['note']}"


def _totals_lines(feed: dict[str, Any]) -> Iterator[str]:
    """The four points of each control total, and what was set aside; money in đồng."""
    if not feed["totals"]:
        return
    points = {"declared": "khai/declared", "parsed": "đọc/parsed", "loaded": "nhận/loaded"}
    last = {"set aside": "loại/set aside", "published": "công bố/published"}
    yield "    " + f"{'':<28}" + "".join(f"{name:>22}" for name in (*points.values(), *last.values()))
    for name, values in feed["totals"].items():
        cells = [*(values[point] for point in points), feed["set_aside"][name], values["published"]]
        unit = " đồng" if name.endswith("_vnd") else ""
        yield (
            "    "
            + f"{name:<28}"
            + "".join(f"{_grouped(value) + (unit if value is not None else ''):>22}" for value in cells)
        )


def _grouped(value: float | None) -> str:
    """A number as it is written in Vietnam: dots between the thousands, a comma before decimals."""
    return "-" if value is None else f"{value:,}".translate(str.maketrans(",.", ".,"))


def release(
    submission_id: Annotated[str, typer.Argument(metavar="ID")],
    reason: Annotated[str, typer.Option()],
    by: Annotated[str | None, typer.Option(help="Who decides; the system user unless given.")] = None,
) -> None:
    """Let a held submission in; who, when and why go on record, and the sender's receipt says so."""
    _decide(submission_id, release=True, reason=reason, by=by)


def reject(
    submission_id: Annotated[str, typer.Argument(metavar="ID")],
    reason: Annotated[str, typer.Option()],
    by: Annotated[str | None, typer.Option(help="Who decides; the system user unless given.")] = None,
) -> None:
    """Refuse a held submission; who, when and why go on record, and the sender's receipt says so."""
    _decide(submission_id, release=False, reason=reason, by=by)


def _decide(submission_id: str, *, release: bool, reason: str, by: str | None) -> None:
    configured = _ready()
    state = decision.decide_held(configured, submission_id, release=release, reason=reason, by=who_decides(by))
    receipts.write_outbox(configured, submission_id)
    print(f"{submission_id}: {state}")


def _print_night(configured: Settings, *, as_json: bool) -> None:
    from night import watch
    from night.journal import last_night

    for missed in watch.missed_nights(configured, now=dt.datetime.now(tz=LOCAL)):
        print(f"{missed.subject_en}.", file=sys.stderr if as_json else sys.stdout)
    run_id = last_night(configured)
    stages = [] if run_id is None else outcomes(configured, run_id)
    if as_json:
        names = ("stage", "subject", "outcome", "seconds", "rows", "message")
        print(json.dumps([dict(zip(names, entry, strict=True)) for entry in stages], ensure_ascii=False, indent=1))
        return
    for stage, subject, outcome, seconds, rows, message in stages:
        print(
            f"{stage:<15}{subject or '':<45}{outcome:<23}{seconds:>8.2f} s"
            f"{'' if rows is None else rows:>10}  {message or ''}"
        )


def _ready() -> Settings:
    configured = settings()
    ensure_ready(configured)
    return configured


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    for verb in (ingest, status, receipt, release, reject):
        app.command()(verb)
