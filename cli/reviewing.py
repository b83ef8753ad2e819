"""Verbs around the review of similar pairs of tax code and unit: review list, confirm, refuse, undo, log."""

from __future__ import annotations

import dataclasses
import json
import shlex
from decimal import Decimal
from typing import Annotated

import typer

from cli.decider import who_decides
from night.readiness import ensure_ready
from warehouse import reviews
from warehouse.publication import LOCAL
from warehouse.reviews import Decision, Pair, Verdict
from warehouse.settings import Settings, settings

review = typer.Typer(
    help="Tax codes and units that are only alike: a person confirms or refuses each pair.", no_args_is_help=True,
    rich_markup_mode=None,
)  # fmt: skip

TaxCode = Annotated[str, typer.Argument(help="The tax code, as the queue shows it.")]
Unit = Annotated[
    str, typer.Argument(help="The unit's social insurance code; its employer_id where that does not tell.")
]
Reason = Annotated[str, typer.Option(help="Why; it stays on record.")]
By = Annotated[str | None, typer.Option(help="Who decides; the system user unless given.")]
Where = Annotated[
    str | None, typer.Option(metavar="CODE", help="The unit's province, where its code stands in several.")
]


@review.command(name="list")
def show(
    province: Annotated[str | None, typer.Option(metavar="CODE", help="Only units of this province.")] = None,
    year: Annotated[int | None, typer.Option(help="Only this tax year.")] = None,
    limit: Annotated[int, typer.Option(help="How many, the most alike first.", min=1)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The pairs that wait for a decision, as the last build found them, the most alike first."""
    pairs, waiting = reviews.queue(_ready(), province=province, year=year, limit=limit)
    if as_json:
        print(json.dumps([_as_json(pair) for pair in pairs], ensure_ascii=False, indent=1))
        return
    for pair in pairs:
        _print_pair(pair)
    if waiting > len(pairs):
        print(f"… {waiting - len(pairs)} more: `vss review list --limit {waiting}` shows all.")
    if not waiting:
        print("Nothing waits for review.")


@review.command()
def confirm(tax_code: TaxCode, unit: Unit, reason: Reason, by: By = None, province: Where = None) -> None:
    """The tax code is this unit: from the next build on they are matched."""
    _decide(tax_code, unit, "confirmed", reason=reason, by=by, province=province)


@review.command()
def refuse(tax_code: TaxCode, unit: Unit, reason: Reason, by: By = None, province: Where = None) -> None:
    """The tax code is not this unit: from the next build on the pair is not asked for again."""
    _decide(tax_code, unit, "refused", reason=reason, by=by, province=province)


@review.command()
def undo(tax_code: TaxCode, unit: Unit, reason: Reason, by: By = None, province: Where = None) -> None:
    """Revoke the decision on a pair; from the next build on it waits again. What was decided stays on record."""
    decision = reviews.undo(_ready(), tax_code, unit, reason=reason, by=who_decides(by), province=province)
    print(
        f"{_pair(decision)}: no longer {decision.verdict}. What is published stays as it is until the next build: "
        "`vss build`, then `vss publish`."
    )


@review.command()
def log(
    tax_code: Annotated[str | None, typer.Argument(help="Only decisions on this tax code.")] = None,
) -> None:
    """Who decided what, when and why, and what was revoked; the latest first."""
    found = reviews.decisions(_ready(), tax_code)
    for decision in found:
        print(
            f"{decision.decided_at.astimezone(LOCAL):%Y-%m-%d %H:%M}  {decision.verdict:<9}  {_pair(decision)}"
            f"  by {decision.decided_by}: {decision.reason}"
        )
        if decision.revoked_at is not None:
            print(
                f"{'':<18}revoked {decision.revoked_at.astimezone(LOCAL):%Y-%m-%d %H:%M}"
                f" by {decision.revoked_by}: {decision.revoke_reason}"
            )
    if not found:
        print("Nothing was decided." if tax_code is None else f"Nothing was decided on tax code {tax_code}.")


def _decide(tax_code: str, unit: str, verdict: Verdict, *, reason: str, by: str | None, province: str | None) -> None:
    who = who_decides(by)
    decision, is_new = reviews.decide(_ready(), tax_code, unit, verdict, reason=reason, by=who, province=province)
    if is_new:
        print(f"{_pair(decision)}: {verdict}. It takes effect with the next build: `vss build`, then `vss publish`.")
        return
    day = f"{decision.decided_at.astimezone(LOCAL):%Y-%m-%d %H:%M}"
    print(f"{_pair(decision)}: {verdict} already on {day} by {decision.decided_by}; nothing is changed.")


def _pair(decision: Decision) -> str:
    return f"tax code {decision.tax_code} and unit {decision.si_unit_code} of province {decision.province_code}"


def _print_pair(pair: Pair) -> None:
    address = "" if pair.address_similarity is None else f", addresses {_share(pair.address_similarity)}"
    print(f"names {_share(pair.name_similarity)} alike{address}; tax list of {pair.tax_year}")
    print(f"  tax code {pair.tax_code}  {_said(pair.tax_name, pair.tax_address)}")
    print(f"  unit {pair.si_unit_code} of province {pair.province_code}  {_said(pair.unit_name, pair.unit_address)}")
    print(f"  {_command(pair)}")


def _said(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)


def _share(similarity: Decimal) -> str:
    return f"{similarity:.2f}"


def _command(pair: Pair) -> str:
    named = shlex.join([pair.tax_code, pair.si_unit_code, "--province", pair.province_code])
    return f"vss review confirm {named} --reason '…'"


def _as_json(pair: Pair) -> dict[str, object]:
    return {
        **dataclasses.asdict(pair),
        "employer_id": str(pair.employer_id),
        "name_similarity": float(pair.name_similarity),
        "address_similarity": None if pair.address_similarity is None else float(pair.address_similarity),
        "confirm": _command(pair),
    }


def _ready() -> Settings:
    configured = settings()
    ensure_ready(configured)
    return configured


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.add_typer(review, name="review")
