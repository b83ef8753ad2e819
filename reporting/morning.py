"""The morning report: one page that needs no network, no script and no other file."""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import jinja2
import psycopg
from markupsafe import Markup

from reporting import changes, charts, glance, inspections, labels, ledger, places, sentences, tables, tiles
from reporting.figures import REASONS, Changes, Headline, Inspections, Morning, Night, NightRun, Quality, Territory
from reporting.headline import read as read_headline
from reporting.labels import Words
from reporting.numbers import fixed
from reporting.tables import Table, moment
from reporting.tiles import Map, Mapped
from warehouse import geography, roles
from warehouse.connection import connect
from warehouse.settings import Settings

_LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
_TEMPLATES = Path(__file__).parent / "templates"
_MAPS_AT_MOST = 2
_STATES = {
    "complete": ("state-complete", "●", Words("gửi đủ", "complete")),
    "partial": ("state-partial", "◐", Words("một phần", "in part")),
    "absent": ("state-absent", "○", Words("chưa gửi", "missing")),
}


@dataclass(frozen=True)
class Chart:
    """A chart, what its parts are called, and the table behind it."""

    id: str
    title: Words
    svg: Markup | None
    parts: Sequence[tuple[Markup, Words]]
    table: Table


@dataclass(frozen=True)
class Section:
    """A territory in full."""

    title: Words
    origin: Words
    is_reported: bool
    table: Table
    sentences: Sequence[Words]


def write_report(
    settings: Settings, *, out: Path | None = None, now: dt.datetime | None = None, manifest: Path | None = None
) -> Path:
    """Write index.html into `out` (default VSS_HOME/report) and return its path; a reader never sees half a page.

    `manifest` is dbt's of the published project: with it a revised figure names only the submissions it can come from.
    """
    folder = out or settings.home / "report"
    folder.mkdir(parents=True, exist_ok=True)
    written_at = now or dt.datetime.now(tz=_LOCAL)
    text = page(
        gather(settings, written_at=written_at, manifest=manifest),
        written_at=written_at,
        data_docs=_data_docs(settings, out),
    )
    target = folder / "index.html"
    draft = folder / f".index.{os.getpid()}.html"
    draft.write_text(text, encoding="utf-8")
    draft.replace(target)
    return target


def gather(settings: Settings, *, written_at: dt.datetime, manifest: Path | None = None) -> Morning:
    """Everything the page says at an instant: the figures from one snapshot as vss_reader, the rest from the ledger."""
    states, waiting = ledger.submissions(settings)
    with connect(settings, roles.READER) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        headline = read_headline(connection, submissions=states, open_submissions=waiting)
        published = headline.publication
        found = inspections.read(connection) if published else None
    return Morning(
        headline=headline,
        night=ledger.last_night(settings),
        nights=ledger.nights(settings, until=written_at),
        changes=(
            changes.since_the_day_before(settings, published.publication_id, manifest=manifest)
            if published
            else Changes()
        ),
        inspections=found,
        quality=ledger.quality(settings, until=written_at.astimezone(_LOCAL).date()),
    )


def _data_docs(settings: Settings, out: Path | None) -> str | None:
    """Link to the gates' pages, if they are written: beside the report's folder, or inside a folder of one's own."""
    folder, link = (settings.home, "../data_docs/index.html") if out is None else (out, "data_docs/index.html")
    return link if (folder / "data_docs" / "index.html").exists() else None


def page(morning: Morning, *, written_at: dt.datetime, data_docs: str | None = None) -> str:
    """The page as text. Everything that is not ours is escaped; only the charts stand as they are."""
    headline, changed = morning.headline, morning.changes
    first = headline.main[0] if headline.main else None
    charted = _charted(headline)
    everyone = [each for each in (*headline.main, *headline.others) if not each.is_national]
    return (
        _environment()
        .get_template("morning.html")
        .render(
            headline=headline,
            publication=headline.publication,
            published_at=moment(headline.publication.published_at) if headline.publication else "",
            written_at=moment(written_at),
            data_docs=data_docs,
            kinds=glance.KINDS,
            statuses=glance.statuses(morning, written_at=written_at),
            first=_dated(first) if first else None,
            cards=glance.cards(first) if first else [],
            sections=[_section(territory) for territory in headline.main],
            charts=[_attainment_chart(charted), _arrears_chart(charted)] if charted else [],
            maps=_attainment_maps(headline),
            provinces=tables.provinces(everyone) if everyone else None,
            changes=changed,
            changed_before=moment(changed.before_at) if changed.before_at else "",
            changed=tables.changed(changed) if changed.submissions else None,
            revisions=tables.revisions(changed, headline) if changed.revisions else None,
            verdicts=[(number, is_in_force, labels.verdict(each)) for number, is_in_force, each in changed.decisions],
            inspections=morning.inspections,
            candidates=_candidates_chart(morning.inspections) if morning.inspections else None,
            differences=[
                sentences.difference(found, is_withheld=headline.is_withheld(found))
                for found in headline.comparisons.differences
            ],
            sent=_sent_map(headline) if headline.senders else None,
            feeds=tables.feeds(headline) if headline.feeds else None,
            complete=[sender for sender in headline.senders if sender.state == "complete"],
            partial=[sender for sender in headline.senders if sender.state == "partial"],
            absent=[sender for sender in headline.senders if sender.state == "absent"],
            states=[(labels.state(state), count) for state, count in headline.submissions],
            open_submissions=tables.open_submissions(headline) if headline.open_submissions else None,
            quality=_quality(morning.quality) if morning.quality else None,
            faultless=_faultless(morning.quality) if morning.quality else None,
            night=morning.night,
            night_started=moment(morning.night.started_at) if morning.night else "",
            night_seconds=fixed(morning.night.seconds, 1) if morning.night else "",
            problems=_problems(morning.night) if morning.night else [],
            stages=tables.stages(morning.night) if morning.night else None,
            trend=_nights_chart(morning.nights) if morning.nights else None,
            patterns=[(part, Markup(charts.pattern(part))) for part in range(1, charts.PARTS)],  # noqa: S704 - ours
        )
    )


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _charted(headline: Headline) -> Territory | None:
    """The territory of the charts: the first in full that has plans, else the first."""
    with_plans = (territory for territory in headline.main if charts.attained(territory.figures))
    return next(with_plans, headline.main[0] if headline.main else None)


def _section(territory: Territory) -> Section:
    found = (sentences.arrears(territory), sentences.coverage(territory))
    title = _dated(territory)
    if territory.provinces_included is not None:
        included, expected = territory.included, territory.provinces_expected
        title = Words(f"{title.vi} ({included}/{expected} tỉnh)", f"{title.en} ({included} of {expected} provinces)")
    return Section(
        title=title,
        origin=sentences.origin(territory),
        is_reported=not territory.is_computed,
        table=tables.indicators(territory),
        sentences=[words for words in found if words],
    )


# ------------------------------------------------------------------------------------------------------------- charts


def _attainment_chart(territory: Territory) -> Chart:
    shown = charts.attained(territory.figures)
    dated = _dated(territory)
    kinds = [kind for kind in ("computed", "reported", "partly") if any(kind == figure.source for figure in shown)]
    return Chart(
        id="attainment",
        title=Words(f"Mức đạt kế hoạch năm (%): {dated.vi}", f"Attainment of the year's plan (%): {dated.en}"),
        svg=_drawn(charts.attainment(shown)),
        parts=_legend([(("computed", "reported", "partly").index(kind), labels.SOURCES[kind]) for kind in kinds]),
        table=tables.behind_attainment(shown),
    )


def _arrears_chart(territory: Territory) -> Chart:
    dated = _dated(territory)
    return Chart(
        id="arrears",
        title=Words(
            f"Nợ gốc theo thời gian nợ (triệu đồng): {dated.vi}", f"Arrears by ageing band (million đồng): {dated.en}"
        ),
        svg=_drawn(charts.arrears(territory.arrears)),
        parts=_legend([(0, Words("còn khả năng thu", "collectable")), (1, Words("khó thu", "hard to collect"))]),
        table=tables.arrears(territory),
    )


def _candidates_chart(found: Inspections) -> Chart:
    counts = [sum(each.by_reason[place] for each in found.provinces) for place in range(len(REASONS))]
    return Chart(
        id="inspections",
        title=Words("Đơn vị nên thanh tra, kiểm tra", "Whom to inspect"),
        svg=_drawn(
            charts.reasons([(labels.REASONS[name], count) for name, count in zip(REASONS, counts, strict=True)])
        ),
        parts=[],
        table=tables.candidates(found),
    )


def _nights_chart(runs: Sequence[NightRun]) -> Chart:
    return Chart(
        id="nights",
        title=Words("Các đêm gần đây", "The last nights"),
        svg=_drawn(charts.nights(runs, [moment(run.started_at) for run in runs])),
        parts=_legend(
            [
                (0, Words("nạp và kiểm soát", "loading and gate")),
                (1, Words("dựng số liệu", "building")),
                (2, Words("khác", "other")),
            ]
        ),
        table=tables.nights(runs),
    )


def _drawn(svg: str | None) -> Markup | None:
    return Markup(svg) if svg else None  # noqa: S704 - made by charts, which escapes its text


def _legend(parts: Sequence[tuple[int, Words]]) -> list[tuple[Markup, Words]]:
    return [(Markup(charts.swatch(part)), words) for part, words in parts]  # noqa: S704 - ours


# --------------------------------------------------------------------------------------------------------------- maps


def _attainment_maps(headline: Headline) -> list[Map]:
    """A map of each of the two plans that most provinces have; a tile of another month than most names it."""
    provinces = [each for each in (*headline.main, *headline.others) if each.vintage]
    if not provinces:
        return []
    vintage = _vintage(headline, provinces)
    by_code = {each.province_code: each for each in provinces if each.vintage == vintage}
    usual = Counter(each.month for each in by_code.values() or provinces).most_common(1)[0][0]
    known = Counter(figure.indicator for each in by_code.values() for figure in charts.attained(each.figures))
    mapped = sorted(tables.ATTAINED, key=lambda name: -known[name])[:_MAPS_AT_MOST]

    def said(code: str, indicator: str) -> Mapped:
        territory = by_code.get(code)
        if territory is None:
            return Mapped()
        beside = "" if territory.month == usual else f"{territory.month:%m/%y}"
        figure = territory.figure(indicator)
        if figure is None or figure.attainment_pct is None or figure.is_hidden:
            return Mapped(beside=beside)
        return Mapped(fixed(figure.attainment_pct, 1), f"step-{tiles.step(figure.attainment_pct)}", beside)

    return [
        Map(
            Words(
                f"{labels.indicator(name).vi}: đạt % kế hoạch năm, {usual:%m/%Y}",
                f"{labels.indicator(name).en}: % of the year's plan, {usual:%Y-%m}",
            ),
            tiles.columns(vintage),
            tiles.tiles(vintage, _names(vintage, usual), lambda code, name=name: said(code, name)),  # type: ignore[misc]
            tiles.steps_legend(),
        )
        for name in mapped
        if known[name] or name == mapped[0]
    ]


def _sent_map(headline: Headline) -> Map:
    """Who has sent everything, a part or nothing for the latest month."""
    senders = {each.province_code: each for each in headline.senders}
    vintage = headline.senders[0].vintage
    month = places.first_day(headline.period) or dt.date.min

    def said(code: str) -> Mapped:
        sender = senders.get(code)
        if sender is None:
            return Mapped()
        kind, mark, _ = _STATES[sender.state]
        return Mapped(f"{mark} {sender.feeds_in}/{sender.feeds_expected}", kind, "muộn" if sender.is_late else "")

    return Map(
        Words(f"Số liệu tháng {month:%m/%Y} của từng tỉnh", f"What each province has sent for {month:%Y-%m}"),
        tiles.columns(vintage),
        tiles.tiles(vintage, _names(vintage, month), said),
        list(_STATES.values()),
    )


def _vintage(headline: Headline, provinces: Sequence[Territory]) -> str:
    """The map of the month that most is known of."""
    if headline.senders and headline.senders[0].vintage:
        return headline.senders[0].vintage
    latest = max(provinces, key=lambda each: each.month)
    return latest.vintage or "63"


def _names(vintage: str, month: dt.date) -> dict[str, str]:
    """What the provinces of a map were called in a month, else at any time."""
    known = [each for each in geography.provinces() if each.vintage == vintage]
    names = {each.province_code: each.name_vi for each in known}
    return names | {each.province_code: each.name_vi for each in known if each.valid_from <= month < each.valid_to}


# ---------------------------------------------------------------------------------------------- quality and the night


def _quality(found: Quality) -> Table | None:
    table = tables.quality(found)
    return table if table.rows else None


def _faultless(found: Quality) -> Words:
    """How many senders there is nothing to tell of, and of which days this speaks."""
    without = sum(each.is_faultless for each in found.senders)
    since, until = f"{found.since:%d/%m/%Y}", f"{found.until:%d/%m/%Y}"
    return Words(
        f"Bản gửi nhận từ {since} đến {until}: {len(found.senders)} đơn vị đã gửi, {without} đơn vị không có lỗi.",
        f"Submissions that came in from {found.since} to {found.until}: {len(found.senders)} senders, "
        f"{without} without a fault.",
    )


def _problems(night: Night) -> list[tuple[Words, str, str]]:
    """Stage, what it was about, and what was said of it."""
    return [(labels.stage(stage), subject or "", message) for stage, subject, message in night.problems]


def _dated(territory: Territory) -> Words:
    return Words(f"{territory.name_vi}, tháng {territory.month:%m/%Y}", f"{territory.name_en}, {territory.month:%Y-%m}")
