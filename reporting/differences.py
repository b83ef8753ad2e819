"""What differs between two publications: for a terminal, as CSV and as JSON."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import TextIO
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from reporting.numbers import NOTHING, WITHHELD, fixed
from reporting.terminal import WIDTH
from warehouse.differences import Correction, Count, Decision, Differences, Edge, Figure, Rebuild
from warehouse.spreadsheets import plain

_LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
_LINES = 40
_KINDS = ("rows_new", "rows_gone", "rows_changed", "rows_moved")
_HEADING = (
    "relation", "month", "province_code", "what", "key", "column", "before", "after", "difference", "number",
    "goes_back_to",
)  # fmt: skip
# what a terminal shows of a report unless it is asked for in full; the rest follows from these
_MAIN = {
    "rpt_plan_attainment": {"actual", "plan"},
    "rpt_collection": {"collected_month_vnd", "collected_ytd_vnd", "due_month_vnd", "plan_vnd"},
    "rpt_arrears_ageing": {"units", "principal_vnd", "interest_vnd", "hard_to_collect_vnd"},
}


# ---------------------------------------------------------------------------------------------------------- for tools


def write_csv(found: Differences, out: TextIO) -> None:
    """A line per kind of row and per column of cells that differ (`number` counts them), then one per figure.

    A figure without a number before and after is kept back (reporting/small_cells.py).
    """
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_HEADING)
    for count in found.counts:
        place = [count.relation, count.month or "", plain(count.province_code or "")]
        causes = plain(" ".join(count.goes_back_to))
        for kind in _KINDS:
            if getattr(count, kind):
                writer.writerow([*place, kind, "", "", "", "", "", getattr(count, kind), causes])
        for column, number in count.cells.items():
            writer.writerow([*place, "cells", "", column, "", "", "", number, causes])
    for figure in found.figures:
        values = ["" if value is None else f"{value:f}" for value in (figure.before, figure.after, figure.difference)]
        writer.writerow(
            [figure.relation, figure.month, plain(figure.province_code), "figure", plain(figure.key), figure.column,
             *values, "", plain(" ".join(figure.goes_back_to))]
        )  # fmt: skip


def write_json(found: Differences, out: TextIO) -> None:
    """Everything: whole numbers exact, dates and instants in ISO form."""
    content = {"is_same": found.is_same, "has_new_rules": found.has_new_rules, **dataclasses.asdict(found)}
    for told, rebuild in zip(content["rebuilds"], found.rebuilds, strict=True):
        told["has_new_rules"] = rebuild.has_new_rules
    json.dump(content, out, ensure_ascii=False, indent=1, default=_plain)
    out.write("\n")


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    assert isinstance(value, dt.date)
    return value.isoformat()


# ----------------------------------------------------------------------------------------------------- for a terminal


def write_text(found: Differences, out: TextIO, *, in_full: bool = False) -> None:
    """Submissions, rules and decisions, then what differs; `in_full` by month and province, with every column."""
    console = Console(
        file=out, width=None if out.isatty() else WIDTH, highlight=False, markup=False, emoji=False, soft_wrap=False
    )
    console.print(f"From {_edge(found.before)} to {_edge(found.after)} (Asia/Ho_Chi_Minh)")
    if found.is_same:
        console.print("Nothing differs: every relation of bi holds the same rows in both.")
        for rebuild in found.rebuilds:
            console.print(_rebuild(rebuild))
        return
    _print_between(console, found)
    _say(console, "Rows")
    if not found.counts:
        console.print("No row differs.")
        return
    counts = list(found.counts) if in_full or len(found.counts) <= _LINES else _by_relation(found.counts)
    console.print(_counts(counts[:_LINES]))
    _more(console, len(counts) - _LINES)
    # in brief without the zeros of what came or went
    figures = [
        each
        for each in found.figures
        if in_full or (each.column in _MAIN[each.relation] and (each.before or each.after or _is_kept_back(each)))
    ]
    if figures:
        _say(console, "Figures")
        for title, table in _figures(figures[:_LINES]):
            console.print(title)
            console.print(table)
        _more(console, len(figures) - _LINES)
    if any(map(_is_kept_back, found.figures)):
        _say(console, f"{WITHHELD}: fewer than five persons, or what would tell such a count.")
    beside = len(found.figures) - len(figures)
    if beside:
        _say(console, f"{beside} more numbers stand beside these (growth, attainment): --relation, --csv or --json.")
    if any(
        len(causes) > 1 for causes in [each.goes_back_to for each in counts] + [each.goes_back_to for each in figures]
    ):
        console.print("Where several submissions are named, the difference may come from any of them.")


def _print_between(console: Console, found: Differences) -> None:
    """Submissions, rules and decisions that came between."""
    if found.corrections:
        _say(console, "Submissions")
        console.print(_corrections(found.corrections))
        for each in found.corrections:
            if each.release_reason is not None:
                console.print(
                    f"{each.submission_id} was held and released by {each.released_by} on"
                    f" {_instant(each.released_at)}: {each.release_reason}"
                )
    if found.rebuilds or found.has_new_rules:
        _say(console, "Rules")
        for rebuild in found.rebuilds:
            console.print(_rebuild(rebuild))
        if not found.rebuilds:
            console.print(f"The dbt projects are {found.before.project} and {found.after.project}.")
    if found.decisions:
        _say(console, "Decisions on similar names")
        for decision in found.decisions:
            console.print(_decision(decision))


def _say(console: Console, text: str) -> None:
    console.print(f"\n{text}")


def _more(console: Console, number: int) -> None:
    if number > 0:
        console.print(f"… and {number} more: --csv or --json has all.")


def _edge(edge: Edge) -> str:
    return f"publication {edge.publication_id} of {_instant(edge.published_at)}"


def _instant(value: dt.datetime | None) -> str:
    return NOTHING if value is None else f"{value.astimezone(_LOCAL):%Y-%m-%d %H:%M}"


def _table(*columns: str, right: Iterable[str] = (), folding: Iterable[str] = ()) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="")
    for name in columns:
        table.add_column(
            name, justify="right" if name in {*right} else "left", no_wrap=name not in {*folding}, overflow="fold",
            min_width=20 if name == "submission" else None,
        )  # fmt: skip
    return table


def _corrections(corrections: Sequence[Correction]) -> Table:
    table = _table(
        "what", "submission", "sender", "period", "version", "received", "feeds", folding=("submission", "feeds")
    )
    for each in corrections:
        version = f"{each.version_before or NOTHING} → {each.version_after or NOTHING}"
        late = " late" if each.is_late else ""
        table.add_row(
            each.kind, each.submission_id, each.sender, each.period, version,
            f"{_instant(each.received_at)}{late}", ", ".join(each.feeds),
        )  # fmt: skip
    return table


def _rebuild(rebuild: Rebuild) -> str:
    why = (
        f"the rules changed (dbt project {rebuild.project_before or 'none'} → {rebuild.project})"
        if rebuild.has_new_rules
        else "it was asked for"
    )
    return f"Publication {rebuild.publication_id} of {_instant(rebuild.published_at)} made everything anew: {why}."


def _decision(decision: Decision) -> str:
    state = "" if decision.is_in_force else ", no longer in force"
    if decision.revoked_by is not None:
        state += f", revoked by {decision.revoked_by}: {decision.revoke_reason}"
    return (
        f"decision {decision.decision_id}: tax code {decision.tax_code} and unit {decision.si_unit_code} of province"
        f" {decision.province_code} {decision.verdict} by {decision.decided_by}: {decision.reason}{state}"
    )


def _by_relation(counts: Sequence[Count]) -> list[Count]:
    """One count a relation; its month and province only where they are the same throughout."""
    together: dict[str, list[Count]] = defaultdict(list)
    for count in counts:
        together[count.relation].append(count)
    summed = []
    for relation, each in together.items():
        cells: dict[str, int] = defaultdict(int)
        for count in each:
            for column, number in count.cells.items():
                cells[column] += number
        causes = dict.fromkeys(cause for count in each for cause in count.goes_back_to)
        new, gone, changed, moved = (sum(getattr(count, kind) for count in each) for kind in _KINDS)
        summed.append(Count(relation, None, None, None, new, gone, changed, moved, dict(cells), tuple(causes)))
    return summed


def _counts(counts: Sequence[Count]) -> Table:
    is_placed = any(count.month or count.province_code for count in counts)
    place = ("month", "province") if is_placed else ()
    numbers = ("new", "gone", "changed", "moved", "cells")
    table = _table("relation", *place, *numbers, "goes back to", right=numbers, folding=("goes back to",))
    for count in counts:
        cells = [f"{getattr(count, kind):,}" for kind in _KINDS] + [f"{sum(count.cells.values()):,}"]
        where = (_month(count.month), count.province_code or NOTHING) if is_placed else ()
        table.add_row(count.relation, *where, *cells, _causes(count.goes_back_to, 2))
    return table


def _figures(figures: Sequence[Figure]) -> Iterator[tuple[str, Table]]:
    """A table for each relation and month, with its title."""
    numbers = ("before", "after", "difference")
    for (relation, month), each in groupby(figures, lambda figure: (figure.relation, figure.month)):
        table = _table("province", "", *numbers, "goes back to", right=numbers, folding=("goes back to",))
        for figure in each:
            table.add_row(
                figure.province_code,
                f"{figure.key} {figure.column}",
                *_numbers(figure),
                _causes(figure.goes_back_to, 1),
            )
        yield f"{relation}, {_month(month)}", table


def _month(month: dt.date | None) -> str:
    return NOTHING if month is None else f"{month:%Y-%m}"


def _is_kept_back(figure: Figure) -> bool:
    return figure.before is None and figure.after is None


def _numbers(figure: Figure) -> tuple[str, str, str]:
    if _is_kept_back(figure):
        return WITHHELD, WITHHELD, WITHHELD
    return _number(figure.before), _number(figure.after), _number(figure.difference, signed=True)


def _number(value: Decimal | None, *, signed: bool = False) -> str:
    whole = value is None or value == value.to_integral_value()
    return fixed(value, 0 if whole else 4, signed=signed)


def _causes(causes: Sequence[str], named: int) -> str:
    if not causes:
        return NOTHING
    more = f" and {len(causes) - named} more" if len(causes) > named else ""
    return ", ".join(causes[:named]) + more
