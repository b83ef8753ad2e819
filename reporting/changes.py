"""What the page shows otherwise than the day before, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any, LiteralString, cast

from reporting import places
from reporting.figures import Change, Changes, Revision
from reporting.labels import HEADLINE_INDICATORS
from warehouse import differences, roles
from warehouse.connection import connect
from warehouse.differences import Differences, Figure
from warehouse.settings import Settings

REVISIONS_AT_MOST = 40
_RELATION = "rpt_plan_attainment"

# the publication that was shown when the day of the present one began
_DAY_BEFORE: LiteralString = """
select b.publication_id
from ops.publication as b
where b.publication_id > 0 and b.status = 'published'
    and b.published_at < (
        select date_trunc('day', p.published_at at time zone 'Asia/Ho_Chi_Minh') at time zone 'Asia/Ho_Chi_Minh'
        from ops.publication as p
        where p.publication_id = %s
    )
order by b.published_at desc
limit 1
"""

_PERSONS: LiteralString = "select distinct indicator from bi.rpt_plan_attainment where unit = 'persons'"
_UNITS: LiteralString = "select distinct indicator, unit from bi.rpt_plan_attainment where indicator = any(%s)"


def since_the_day_before(settings: Settings, publication_id: int, *, manifest: Path | None = None) -> Changes:
    """What differs between a publication and the one shown when its day began, local time."""
    before = day_before(settings, publication_id)
    return Changes() if before is None else between(settings, before, publication_id, manifest=manifest)


def day_before(settings: Settings, publication_id: int) -> int | None:
    """The publication shown when the day of another began, local time; None when nothing was, or it was pruned."""
    with connect(settings, roles.PUBLISHER) as connection:
        connection.read_only = True
        found = connection.execute(_DAY_BEFORE, [publication_id]).fetchone()
    return None if found is None else int(str(found[0]))


def between(settings: Settings, before: int, after: int, *, manifest: Path | None = None) -> Changes:
    """What differs between two publications in the headline indicators; dbt's `manifest` narrows the causes."""
    found = differences.compare(settings, str(before), str(after), relation=_RELATION, manifest=manifest)
    with connect(settings, roles.READER) as connection:
        connection.read_only = True
        units = dict(cast("Any", connection.execute(_UNITS, [list(HEADLINE_INDICATORS)]).fetchall()))
    return _told(found, units)


def persons(settings: Settings) -> frozenset[str]:
    """The indicators that count persons."""
    with connect(settings, roles.READER) as connection:
        return frozenset(str(row[0]) for row in connection.execute(_PERSONS))


def _told(found: Differences, units: dict[str, str]) -> Changes:
    figures = [each for each in found.figures if each.column == "actual" and each.key in units]
    revised = sorted((each for each in figures if each.before is not None and each.after is not None), key=_order)
    return Changes(
        before=found.before.publication_id,
        before_at=found.before.published_at,
        submissions=_changes(found),
        rules=tuple(each.has_new_rules for each in found.rebuilds) or ((True,) if found.has_new_rules else ()),
        decisions=tuple((each.decision_id, each.is_in_force, each.verdict) for each in found.decisions),
        revisions=tuple(_revision(each, units[each.key]) for each in revised[:REVISIONS_AT_MOST]),
        revised=len(revised),
        appeared=sum(each.before is None for each in figures),
        gone=sum(each.after is None for each in figures),
    )


def _changes(found: Differences) -> tuple[Change, ...]:
    return tuple(
        Change(
            kind=each.kind,
            submission_id=each.submission_id,
            replaced=each.replaced,
            sender=each.sender,
            period=each.period,
            feeds=each.feeds,
            is_late=bool(each.is_late),
            reason=each.release_reason,
        )
        for each in found.corrections
    )


def _order(figure: Figure) -> tuple[bool, int, str, int]:
    """The country first, then the latest months, then by indicator as the page has them."""
    is_province = figure.province_code != differences.NATIONAL
    return is_province, -figure.month.toordinal(), figure.province_code, HEADLINE_INDICATORS.index(figure.key)


def _revision(figure: Figure, unit: str) -> Revision:
    name = places.territory(figure.province_code, figure.month)
    assert figure.before is not None and figure.after is not None
    return Revision(name.vi, name.en, figure.month, figure.key, unit, figure.before, figure.after, figure.goes_back_to)
