"""The morning report: one page that needs no network, no script and no other file."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import jinja2
from markupsafe import Markup

from reporting import charts, labels, ledger, sentences
from reporting.figures import ArrearsBand, Figure, Headline, Night, Territory
from reporting.headline import headline as read_headline
from reporting.labels import Words
from reporting.numbers import NOTHING, amount, fixed, hide_few, million
from reporting.terminal import attainment, growth
from warehouse.settings import Settings

_LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
_TEMPLATES = Path(__file__).parent / "templates"
Cell = str | Words


@dataclass(frozen=True)
class Column:
    """A column's heading; numbers stand on the right."""

    name: Words
    is_number: bool = True


@dataclass(frozen=True)
class Table:
    """A table of the page; the first cell of a row names it."""

    caption: Words
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    total: Sequence[Cell] | None = None


@dataclass(frozen=True)
class Chart:
    """A chart, what its colours mean, and the table behind it."""

    title: Words
    svg: Markup | None
    colours: Sequence[tuple[str, Words]]
    table: Table


@dataclass(frozen=True)
class Section:
    """A territory in full."""

    title: Words
    origin: Words
    is_reported: bool
    table: Table
    sentences: Sequence[Words]


def write_report(settings: Settings, *, out: Path | None = None, now: dt.datetime | None = None) -> Path:
    """Write index.html into `out` (default VSS_HOME/report) and return its path; a reader never sees half a page."""
    folder = out or settings.home / "report"
    folder.mkdir(parents=True, exist_ok=True)
    text = page(
        read_headline(settings),
        ledger.last_night(settings),
        written_at=now or dt.datetime.now(tz=_LOCAL),
        data_docs=_data_docs(settings, out),
    )
    target = folder / "index.html"
    draft = folder / f".index.{os.getpid()}.html"
    draft.write_text(text, encoding="utf-8")
    draft.replace(target)
    return target


def _data_docs(settings: Settings, out: Path | None) -> str | None:
    """Link to the gates' pages, if they are written: beside the report's folder, or inside a folder of one's own."""
    folder, link = (settings.home, "../data_docs/index.html") if out is None else (out, "data_docs/index.html")
    return link if (folder / "data_docs" / "index.html").exists() else None


def page(headline: Headline, night: Night | None, *, written_at: dt.datetime, data_docs: str | None = None) -> str:
    """The page as text. Everything that is not ours is escaped; only the charts stand as they are."""
    charted = _charted(headline)
    return (
        _environment()
        .get_template("morning.html")
        .render(
            headline=headline,
            publication=headline.publication,
            published_at=_moment(headline.publication.published_at) if headline.publication else "",
            written_at=_moment(written_at),
            data_docs=data_docs,
            sections=[_section(territory) for territory in headline.main],
            others=_others(headline.others) if headline.others else None,
            charts=[_attainment_chart(charted), _arrears_chart(charted)] if charted else [],
            differences=[sentences.difference(found) for found in headline.comparisons.differences],
            feeds=_feeds(headline) if headline.feeds else None,
            complete=[sender for sender in headline.senders if sender.feeds_in == sender.feeds_expected],
            partial=[sender for sender in headline.senders if 0 < sender.feeds_in < sender.feeds_expected],
            absent=[sender for sender in headline.senders if sender.feeds_in == 0],
            states=[(labels.state(state), count) for state, count in headline.submissions],
            open_submissions=_open(headline) if headline.open_submissions else None,
            night=night,
            night_started=_moment(night.started_at) if night else "",
            night_seconds=fixed(night.seconds, 1) if night else "",
            stages=_stages(night) if night else None,
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
    columns = [
        Column(Words("Chỉ tiêu", "Indicator"), is_number=False),
        Column(Words("Đơn vị tính", "Unit"), is_number=False),
        Column(Words("Thực hiện", "Actual")),
        Column(Words("Kế hoạch năm", "Plan of the year")),
        Column(Words("Đạt %", "Of plan %")),
        Column(Words("So cùng kỳ %", "On the year %")),
        Column(Words("So tháng 12 %", "On December %")),
        Column(Words("Nguồn", "Source"), is_number=False),
    ]
    found = (sentences.arrears(territory), sentences.coverage(territory))
    title = _dated(territory)
    if territory.provinces_included is not None:
        included, expected = territory.provinces_included, territory.provinces_expected
        title = Words(f"{title.vi} ({included}/{expected} tỉnh)", f"{title.en} ({included} of {expected} provinces)")
    return Section(
        title=title,
        origin=sentences.origin(territory),
        is_reported=not territory.is_computed,
        table=Table(
            Words("Chỉ tiêu chính", "Headline indicators"), columns, [_figure_row(each) for each in territory.figures]
        ),
        sentences=[words for words in found if words],
    )


def _figure_row(figure: Figure) -> list[Cell]:
    return [
        labels.indicator(figure.indicator),
        labels.unit(figure.unit, of=figure.indicator),
        amount(figure.actual, figure.unit, qualifier=figure.qualifier),
        NOTHING if figure.is_hidden else amount(figure.plan, figure.unit),
        _attained(figure),
        growth(figure, figure.growth_yoy_pct),
        growth(figure, figure.growth_vs_december_pct),
        labels.SOURCES[figure.source],
    ]


def _attained(figure: Figure | None) -> Cell:
    shown = attainment(figure)
    return {"met": Words("đạt", "met"), "not met": Words("chưa đạt", "not met")}.get(shown, shown)


def _others(territories: Sequence[Territory]) -> Table:
    attained = ("si_compulsory", "si_voluntary", "ui", "hi", "collection")
    columns = [
        Column(Words("Tỉnh, thành phố", "Province"), is_number=False),
        Column(Words("Tháng", "Month")),
        Column(Words("Số người quản lý", "People managed")),
        *(
            Column(Words(f"{labels.indicator(name).vi}, đạt %", f"{labels.indicator(name).en}, of plan %"))
            for name in attained
        ),
        Column(Words("Nguồn", "Source"), is_number=False),
    ]
    rows: list[list[Cell]] = []
    for territory in territories:
        people = territory.figure("people_managed")
        rows.append(
            [
                Words(territory.name_vi, territory.name_en),
                f"{territory.month:%m/%Y}",
                amount(people.actual, people.unit, qualifier=people.qualifier) if people else NOTHING,
                *(_attained(territory.figure(name)) for name in attained),
                labels.SOURCES["computed" if territory.is_computed else "reported"],
            ]
        )
    return Table(Words("Các tỉnh khác", "Other provinces"), columns, rows)


def _attainment_chart(territory: Territory) -> Chart:
    shown = charts.attained(territory.figures)
    svg = charts.attainment(shown)
    dated = _dated(territory)
    kinds = sorted({figure.source for figure in shown})
    return Chart(
        title=Words(f"Mức đạt kế hoạch năm (%): {dated.vi}", f"Attainment of the year's plan (%): {dated.en}"),
        svg=Markup(svg) if svg else None,  # noqa: S704 - made by vl_convert, which escapes its text
        colours=[(charts.SOURCES[kind], labels.SOURCES[kind]) for kind in kinds],
        table=Table(
            Words("Số liệu của biểu đồ", "The figures behind the chart"),
            [
                Column(Words("Chỉ tiêu", "Indicator"), is_number=False),
                Column(Words("Thực hiện", "Actual")),
                Column(Words("Kế hoạch", "Plan")),
                Column(Words("Đạt %", "Of plan %")),
            ],
            [
                [
                    labels.indicator(figure.indicator),
                    amount(figure.actual, figure.unit, qualifier=figure.qualifier),
                    amount(figure.plan, figure.unit),
                    fixed(figure.attainment_pct),
                ]
                for figure in shown
            ],
        ),
    )


def _arrears_chart(territory: Territory) -> Chart:
    bands = territory.arrears
    svg = charts.arrears(bands)
    dated = _dated(territory)
    return Chart(
        title=Words(
            f"Nợ gốc theo thời gian nợ (triệu đồng): {dated.vi}", f"Arrears by ageing band (million đồng): {dated.en}"
        ),
        svg=Markup(svg) if svg else None,  # noqa: S704 - made by vl_convert, which escapes its text
        colours=[
            (charts.COLLECTABLE, Words("còn khả năng thu", "collectable")),
            (charts.HARD, Words("khó thu", "hard to collect")),
        ],
        table=Table(
            Words("Số liệu của biểu đồ", "The figures behind the chart"),
            [
                Column(Words("Thời gian nợ", "Ageing band"), is_number=False),
                Column(Words("Đơn vị", "Units")),
                Column(Words("Lao động", "Employees")),
                Column(Words("Nợ gốc", "Principal")),
                Column(Words("Trong đó khó thu", "Hard to collect")),
                Column(Words("Trên kế hoạch thu %", "Of the plan %")),
            ],
            _band_rows(bands),
            total=_band_total(territory) if bands else None,
        ),
    )


def _band_rows(bands: Sequence[ArrearsBand]) -> list[list[Cell]]:
    employees = hide_few([band.employees_affected for band in bands])
    return [
        [
            Words(band.name_vi, band.name_en),
            fixed(band.units, 0),
            persons,
            million(band.principal_vnd),
            million(band.hard_to_collect_vnd),
            fixed(band.ratio_to_plan_pct),
        ]
        for band, persons in zip(bands, employees, strict=True)
    ]


def _band_total(territory: Territory) -> list[Cell]:
    bands = territory.arrears
    return [
        Words("Cộng", "Total"),
        fixed(sum(band.units for band in bands), 0),
        amount(sum(band.employees_affected for band in bands), "persons"),
        million(sum(band.principal_vnd for band in bands)),
        million(sum(band.hard_to_collect_vnd for band in bands)),
        fixed(territory.ratio_to_plan_pct),
    ]


def _feeds(headline: Headline) -> Table:
    columns = [
        Column(Words("Loại số liệu", "Feed"), is_number=False),
        Column(Words("Kỳ", "Period")),
        Column(Words("Đã gửi", "In")),
        Column(Words("Gửi muộn", "Late")),
        Column(Words("Chưa gửi", "Missing")),
        Column(Words("Số dòng", "Rows")),
        Column(Words("Dòng bị loại", "Rows set aside")),
    ]
    rows: list[list[Cell]] = [
        [labels.feed(each.feed), each.period, *(fixed(count, 0) for count in (each.is_in, each.late, each.missing)),
         fixed(each.rows, 0), fixed(each.rows_rejected, 0)]
        for each in headline.feeds
    ]  # fmt: skip
    return Table(Words("Kỳ mới nhất của từng loại", "The latest period of each feed"), columns, rows)


def _open(headline: Headline) -> Table:
    columns = [
        Column(Words("Bản gửi", "Submission"), is_number=False),
        Column(Words("Đơn vị gửi", "Sender"), is_number=False),
        Column(Words("Kỳ", "Period"), is_number=False),
        Column(Words("Trạng thái", "State"), is_number=False),
        Column(Words("Mã lỗi", "Codes"), is_number=False),
    ]
    rows: list[list[Cell]] = [
        [one.submission_id, one.sender, one.period or NOTHING, labels.state(one.state), ", ".join(one.codes) or NOTHING]
        for one in headline.open_submissions
    ]
    return Table(Words("Bản gửi chưa có trong số liệu", "Submissions that are not in the figures"), columns, rows)


def _stages(night: Night) -> Table:
    columns = [
        Column(Words("Công đoạn", "Stage"), is_number=False),
        Column(Words("Số lần", "Times")),
        Column(Words("Giây", "Seconds")),
        Column(Words("Số dòng", "Rows")),
        Column(Words("Kết quả", "Outcome"), is_number=False),
    ]
    rows: list[list[Cell]] = [
        [
            labels.stage(each.name),
            fixed(each.times, 0),
            fixed(each.seconds, 1),
            NOTHING if each.rows is None else fixed(each.rows, 0),
            ", ".join(f"{outcome.replace('_', ' ')} {times}" for outcome, times in each.outcomes),
        ]
        for each in night.stages
    ]
    return Table(Words("Thời gian từng công đoạn", "Time of each stage"), columns, rows)


def _dated(territory: Territory) -> Words:
    return Words(f"{territory.name_vi}, tháng {territory.month:%m/%Y}", f"{territory.name_en}, {territory.month:%Y-%m}")


def _moment(instant: dt.datetime) -> str:
    return f"{instant.astimezone(_LOCAL):%Y-%m-%d %H:%M}"
