"""The verb that leads from a figure to its cell: trace."""

from __future__ import annotations

import csv
import datetime as dt
import json
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any

import typer

from night.readiness import ensure_ready
from warehouse.errors import UsageError
from warehouse.publication import LOCAL
from warehouse.settings import Settings, settings
from warehouse.spreadsheets import plain
from warehouse.trace import Cell, Figure, Origin, Source, Trace, walk
from warehouse.trace import trace as follow

_HEADING = (
    "relation", "key", "column", "value", "source", "submission_id", "sender", "period", "version", "feed", "file",
    "row", "file_columns", "amount", "held", "rows_of_file", "sha256", "manifest_sha256", "signed_by", "received_at",
    "archive",
)  # fmt: skip


def trace(
    relation: Annotated[str, typer.Argument(help="A fact or report of bi, as rpt_collection.")],
    where: Annotated[str, typer.Option(help="Which rows of it: what follows where in SQL.")],
    publication: Annotated[
        str | None, typer.Option(metavar="PUB_OR_DATE", help="As it was then; what is shown unless given.")
    ] = None,
    column: Annotated[str | None, typer.Option(help="The figure; the relation's first unless given.")] = None,
    limit: Annotated[int, typer.Option(help="How many rows of each file are named; 0: all of them.", min=0)] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, a line for each row of a file.")] = False,
) -> None:
    """From a published figure to submission, sender, file, row and column, with digests, signature and verdicts."""
    if as_json and as_csv:
        raise UsageError("Take either --json or --csv.")
    configured = settings()
    ensure_ready(configured)
    traced = follow(
        configured, relation, where, publication=publication, column=column, limit=None if limit == 0 else limit
    )
    if as_json:
        print(json.dumps(_as_json(configured, traced), ensure_ascii=False, indent=1))
    elif as_csv:
        _write_csv(configured, traced)
    else:
        for line in _lines(configured, traced):
            print(line)


def _lines(configured: Settings, traced: Trace) -> Iterator[str]:
    yield f"{traced.relation} in publication {traced.publication}"
    for figure in traced.figures:
        yield from _figure_lines(configured, figure, "")
    if traced.is_cut:
        yield f"{traced.rows} rows meet the condition; the first of them are traced: narrow --where for the others."


def _figure_lines(configured: Settings, figure: Figure, indent: str) -> Iterator[str]:
    named = ", ".join(f"{name} {_said(value)}" for name, value in figure.key.items())
    yield f"{indent}{figure.relation} ({named}): {figure.column} = {_said(figure.value)}"
    for source in figure.sources:
        yield from _source_lines(configured, source, indent + "  ")


def _source_lines(configured: Settings, source: Source, indent: str) -> Iterator[str]:
    if source.kind == "made of":
        yield f"{indent}is made of"
    elif source.kind == "end":
        yield f"{indent}{source.why}"
    elif source.kind == "files":
        yield f"{indent}is counted over {_count(source.rows, 'row')} of {_count(len(source.origins), 'file')}"
    else:
        total = "" if source.total is None else f" = {_said(source.total)}"
        outcome = {None: "", True: ": adds up", False: f": differs by {_said(source.difference)}"}[source.adds_up]
        yield f"{indent}{_count(source.rows, 'row')} of {source.relation}{total}{outcome}"
    if source.why and source.kind != "end":
        yield f"{indent}{source.why}"
    for origin in source.origins:
        yield from _origin_lines(configured, origin, indent + "  ")
        cells = [cell for cell in source.cells if cell.submission_id == origin.submission_id]
        for cell in cells:
            yield f"{indent}    {_cell_line(cell)}"
        if source.kind == "rows" and len(cells) < origin.rows:
            more = _count(origin.rows - len(cells), "row")
            yield f"{indent}    and {more} more: --limit 0 names all, --csv is for tools"
    for figure in source.figures:
        yield from _figure_lines(configured, figure, indent + "  ")


def _origin_lines(configured: Settings, origin: Origin, indent: str) -> Iterator[str]:
    known = origin.ledger
    if not known:
        yield f"{indent}{origin.submission_id}"
        return
    amount = "" if origin.amount is None else f" = {_said(origin.amount)}"
    yield (
        f"{indent}{origin.submission_id}: {known['sender']} for {known['period']}, version {known['version']}, "
        f"{known['file'] or 'nothing to report'}: {origin.rows:,} of {_count(known['rows_accepted'], 'row')}{amount}"
    )
    if origin.control:
        points = ", ".join(f"{point} {_said(origin.control.get(point))}" for point in _POINTS)
        met = {None: "", True: ": met", False: ": NOT met"}[origin.is_met]
        yield f"{indent}  control total {points}{met}"
    signed = f"signed with key {known['signed_by']}, verified" if known["signed_by"] else "no registered key signed it"
    yield f"{indent}  received {known['received_at'].astimezone(LOCAL):%Y-%m-%d %H:%M}, {signed}; {_verdict(known)}"
    if known["sha256"]:
        yield f"{indent}  sha256 {known['sha256']}, in the archive as {_place(configured, known['sha256'])}"
    yield f"{indent}  manifest sha256 {known['manifest_sha256']}"


_POINTS = ("declared", "parsed", "loaded", "published")


def _cell_line(cell: Cell) -> str:
    place = "row of the months before only" if cell.row_no is None else f"row {cell.row_no}"
    columns = f", {_plural(len(cell.columns), 'column')} {', '.join(cell.columns)}" if cell.columns else ""
    amount = "" if cell.amount is None else f": {_said(cell.amount)}"
    if cell.held is None:
        return f"{place}{columns}{amount}"
    earlier = ", ".join(
        f"{_said(part.amount)} of {part.submission_id} row {part.row_no or '-'}" for part in cell.earlier
    )
    less = f" less {earlier}" if earlier else ", the first of the year"
    return f"{place}{columns}: {_said(cell.held)} since January{less}{amount}"


def _verdict(known: Mapping[str, Any]) -> str:
    suites = known["verdicts"]
    if not suites:
        return "no gate verdict on record"
    passed, failed, warned = (sum(suite[name] for suite in suites) for name in ("passed", "failed", "warned"))
    return f"gates: {passed} passed, {failed} failed, {warned} warned in {_count(len(suites), 'suite')}"


def _place(configured: Settings, sha256: str) -> str:
    return f"{configured.archive}/{sha256[:2]}/{sha256}"


def _said(value: object) -> str:
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else value.normalize()
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:,}" if isinstance(value, int | float | Decimal) else str(value)


def _plural(number: int, thing: str) -> str:
    return thing if number == 1 else f"{thing}s"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {_plural(number, thing)}"


def _plain(value: Any) -> Any:
    """A value as JSON has it: whole numbers as numbers, others as the text that loses nothing."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else format(value.normalize(), "f")
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)


def _as_json(configured: Settings, traced: Trace) -> dict[str, Any]:
    return {
        "relation": traced.relation,
        "publication": traced.publication,
        "rows": traced.rows,
        "adds_up": traced.adds_up,
        "figures": [_figure_json(configured, figure) for figure in traced.figures],
    }


def _figure_json(configured: Settings, figure: Figure) -> dict[str, Any]:
    return {
        "relation": figure.relation,
        "key": {name: _plain(value) for name, value in figure.key.items()},
        "column": figure.column,
        "value": _plain(figure.value),
        "sources": [_source_json(configured, source) for source in figure.sources],
    }


def _source_json(configured: Settings, source: Source) -> dict[str, Any]:
    return {
        "kind": source.kind,
        "relation": source.relation,
        "rows": source.rows,
        "total": _plain(source.total),
        "adds_up": source.adds_up,
        "difference": _plain(source.difference),
        "why": source.why,
        "submissions": [_origin_json(configured, origin) for origin in source.origins],
        "cells": [_cell_json(cell, source) for cell in source.cells],
        "figures": [_figure_json(configured, figure) for figure in source.figures],
    }


def _origin_json(configured: Settings, origin: Origin) -> dict[str, Any]:
    known = origin.ledger
    plain = ("sender", "period", "version", "feed", "file", "basis", "unit", "rows_accepted", "sha256",
             "manifest_sha256", "received_at", "is_late", "signed_by")  # fmt: skip
    return {
        "submission_id": origin.submission_id,
        "rows": origin.rows,
        "amount": _plain(origin.amount),
        "control_total": origin.control,
        "control_total_met": origin.is_met,
        **{name: _plain(known.get(name)) for name in plain},
        "archive": _place(configured, known["sha256"]) if known.get("sha256") else None,
        "verdicts": known.get("verdicts", []),
    }


def _cell_json(cell: Cell, source: Source) -> dict[str, Any]:
    files = {origin.submission_id: origin.ledger.get("file") for origin in source.origins}
    return {
        "submission_id": cell.submission_id,
        "file": files.get(cell.submission_id),
        "row": cell.row_no,
        "columns": list(cell.columns),
        "amount": _plain(cell.amount),
        "held": _plain(cell.held),
        "earlier": [_cell_json(part, source) for part in cell.earlier],
    }


def _write_csv(configured: Settings, traced: Trace) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_HEADING)
    for figure in walk(traced.figures):
        named = " ".join(f"{name}={_plain(value)}" for name, value in figure.key.items())
        for source in figure.sources:
            begun = [figure.relation, named, figure.column, figure.value, source.relation]
            known = {origin.submission_id: origin for origin in source.origins}
            cells = source.cells or [Cell(name, None, (), origin.amount) for name, origin in known.items()]
            for cell in cells:
                origin = known.get(cell.submission_id)
                ledger = {} if origin is None else origin.ledger
                line = [
                    *begun, cell.submission_id,
                    *(ledger.get(name) for name in ("sender", "period", "version", "feed", "file")),
                    cell.row_no, " ".join(cell.columns), cell.amount, cell.held,
                    None if origin is None else origin.rows,
                    *(ledger.get(name) for name in ("sha256", "manifest_sha256", "signed_by", "received_at")),
                    _place(configured, ledger["sha256"]) if ledger.get("sha256") else None,
                ]  # fmt: skip
                # the name of a file is its sender's; a number stays one
                writer.writerow([plain(value) if isinstance(value, str) else _plain(value) for value in line])


def register(app: typer.Typer) -> None:
    """Add the verb of this file."""
    app.command()(trace)
