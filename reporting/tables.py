"""The tables of the page, as plain values in the order in which they are read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from reporting import labels, places, small_cells
from reporting.figures import (
    REASONS,
    ArrearsBand,
    Changes,
    Figure,
    Headline,
    Inspections,
    Night,
    NightRun,
    Quality,
    Revision,
    Territory,
)
from reporting.labels import Words
from reporting.numbers import FEW, NOTHING, WITHHELD, amount, fixed, is_few, million
from reporting.terminal import attainment, growth

_LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
ATTAINED = ("collection", "si_compulsory", "si_voluntary", "ui", "hi")
_CAUSES_NAMED = 3
_CODES_NAMED = 2


@dataclass(frozen=True)
class Noted:
    """A cell with a second, smaller line."""

    main: str
    note: str


Cell = str | Words | Noted


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


def _text(vi: str, en: str) -> Column:
    return Column(Words(vi, en), is_number=False)


def _number(vi: str, en: str) -> Column:
    return Column(Words(vi, en))


BEHIND = Words("Số liệu của biểu đồ", "The figures behind the chart")


# ------------------------------------------------------------------------------------------------------------ figures


def indicators(territory: Territory) -> Table:
    """All headline indicators of a territory against plan, the same period last year and last December."""
    columns = [
        _text("Chỉ tiêu", "Indicator"),
        _text("Đơn vị tính", "Unit"),
        _number("Thực hiện", "Actual"),
        _number("Kế hoạch năm", "Plan of the year"),
        _number("Đạt %", "Of plan %"),
        _number("So cùng kỳ năm trước %", "On the same period last year %"),
        _number("So tháng 12 năm trước %", "On last December %"),
        _text("Nguồn", "Source"),
    ]
    return Table(
        Words("Chỉ tiêu chính", "Headline indicators"), columns, [_indicator(each) for each in territory.figures]
    )


def _indicator(figure: Figure) -> list[Cell]:
    return [
        labels.indicator(figure.indicator),
        labels.unit(figure.unit, of=figure.indicator),
        figure.shown,
        figure.shown_plan,
        attained(figure),
        grown(figure, "growth_yoy_pct"),
        grown(figure, "growth_vs_december_pct"),
        labels.SOURCES[figure.source],
    ]


def grown(figure: Figure, base: str) -> Cell:
    """Growth on one of its two bases, with the value of the base under it."""
    told, value = {
        "growth_yoy_pct": (figure.growth_yoy_pct, figure.value_same_period_last_year),
        "growth_vs_december_pct": (figure.growth_vs_december_pct, figure.value_last_december),
    }[base]
    if told is None or figure.is_hidden or is_few(value, figure.unit):
        return NOTHING
    return Noted(growth(figure, told), amount(value, figure.unit)) if value is not None else growth(figure, told)


def attained(figure: Figure | None) -> Cell:
    """Percent of the plan, or whether a ceiling or a floor is kept."""
    shown = attainment(figure)
    return {"met": Words("đạt", "met"), "not met": Words("chưa đạt", "not met")}.get(shown, shown)


def provinces(territories: Sequence[Territory]) -> Table:
    """Every province in its latest month: people managed and attainment of the plans."""
    columns = [
        _text("Tỉnh, thành phố", "Province"),
        _number("Mã", "Code"),
        _number("Tháng", "Month"),
        _number("Số người quản lý", "People managed"),
        *(
            _number(f"{labels.indicator(name).vi}, đạt %", f"{labels.indicator(name).en}, of plan %")
            for name in ATTAINED
        ),
        _text("Nguồn", "Source"),
    ]
    rows: list[list[Cell]] = []
    for territory in territories:
        people = territory.figure("people_managed")
        rows.append(
            [
                Words(territory.name_vi, territory.name_en),
                territory.province_code or NOTHING,
                f"{territory.month:%m/%Y}",
                people.shown if people else NOTHING,
                *(attained(territory.figure(name)) for name in ATTAINED),
                labels.SOURCES["computed" if territory.is_computed else "reported"],
            ]
        )
    return Table(Words("Từng tỉnh, tháng mới nhất", "Each province, its latest month"), columns, rows)


def behind_attainment(figures: Sequence[Figure]) -> Table:
    """The numbers behind the chart of attainment."""
    columns = [
        _text("Chỉ tiêu", "Indicator"),
        _number("Thực hiện", "Actual"),
        _number("Kế hoạch", "Plan"),
        _number("Đạt %", "Of plan %"),
    ]
    rows: list[list[Cell]] = [
        [labels.indicator(each.indicator), each.shown, each.shown_plan, fixed(each.attainment_pct)] for each in figures
    ]
    return Table(BEHIND, columns, rows)


# ------------------------------------------------------------------------------------------------------------ arrears


def arrears(territory: Territory) -> Table:
    """Arrears by ageing band, with their total."""
    bands = territory.arrears
    employees, all_employees = small_cells.with_total([band.employees_affected for band in bands])
    columns = [
        _text("Thời gian nợ", "Ageing band"),
        _number("Đơn vị", "Units"),
        _number("Lao động", "Employees"),
        _number("Nợ gốc", "Principal"),
        _number("Trong đó khó thu", "Hard to collect"),
        _number("Trên kế hoạch thu %", "Of the plan %"),
    ]
    total: list[Cell] = [
        Words("Cộng", "Total"),
        fixed(sum(band.units for band in bands), 0),
        all_employees,
        million(sum(band.principal_vnd for band in bands)),
        million(sum(band.hard_to_collect_vnd for band in bands)),
        fixed(territory.ratio_to_plan_pct),
    ]
    return Table(
        BEHIND, columns, [_band(band, persons) for band, persons in zip(bands, employees, strict=True)],
        total if bands else None,
    )  # fmt: skip


def _band(band: ArrearsBand, persons: str) -> list[Cell]:
    return [
        Words(band.name_vi, band.name_en),
        fixed(band.units, 0),
        persons,
        million(band.principal_vnd),
        million(band.hard_to_collect_vnd),
        fixed(band.ratio_to_plan_pct),
    ]


# -------------------------------------------------------------------------------------------------------- inspections


def candidates(found: Inspections) -> Table:
    """Candidates for inspection of each province by reason."""
    columns = [
        _text("Tỉnh, thành phố", "Province"),
        _number("Đề xuất", "Candidates"),
        _number(f"Trong {found.first_of} đầu", f"Of the first {found.first_of}"),
        *(_number(labels.REASONS[reason].vi, labels.REASONS[reason].en) for reason in REASONS),
        _number("Đã kiểm tra trong năm", "Inspected this year"),
        _number("Nợ quá hạn, triệu đồng", "Overdue, million đồng"),
    ]
    numbers = [
        [each.candidates, each.first, *each.by_reason, each.inspected, each.overdue_vnd] for each in found.provinces
    ]
    names = [Words(each.name_vi, each.name_en) for each in found.provinces]
    sums = [sum(column) for column in zip(*numbers, strict=True)]
    return Table(
        Words("Đề xuất thanh tra theo tỉnh và lý do", "Candidates by province and reason"),
        columns,
        [[name, *_counted(row)] for name, row in zip(names, numbers, strict=True)],
        [Words("Cộng", "Total"), *_counted(sums)],
    )


def _counted(numbers: Sequence[int]) -> list[str]:
    *counts, overdue_vnd = numbers
    return [*(fixed(count, 0) for count in counts), million(overdue_vnd)]


# ------------------------------------------------------------------------------------------------------- what changed


def changed(found: Changes) -> Table:
    """Submissions that came into force or went out of it."""
    columns = [
        _text("Bản gửi", "Submission"),
        _text("Việc gì", "What"),
        _text("Đơn vị gửi", "Sender"),
        _text("Kỳ", "Period"),
        _text("Số liệu", "Feeds"),
        _text("Lý do cho qua", "Why released"),
    ]
    rows: list[list[Cell]] = []
    for each in found.submissions:
        late = Words("muộn", "late") if each.is_late else None
        what = labels.change(each.kind)
        rows.append(
            [
                Noted(each.submission_id, f"← {each.replaced}") if each.replaced else each.submission_id,
                Words(f"{what.vi}, {late.vi}", f"{what.en}, {late.en}") if late else what,
                places.sent_by(each.sender, each.period),
                each.period,
                Words(
                    ", ".join(labels.feed(feed).vi for feed in each.feeds),
                    ", ".join(labels.feed(feed).en for feed in each.feeds),
                ),
                each.reason or NOTHING,
            ]
        )
    return Table(Words("Bản gửi làm thay đổi số liệu", "Submissions that changed the figures"), columns, rows)


def revisions(found: Changes, headline: Headline) -> Table:
    """Figures that were shown before and say something else now; no number of one that the headline hides."""
    columns = [
        _text("Chỉ tiêu", "Indicator"),
        _text("Nơi", "Territory"),
        _text("Tháng", "Month"),
        _text("Đơn vị tính", "Unit"),
        _number("Trước", "Before"),
        _number("Nay", "Now"),
        _number("Chênh lệch", "Difference"),
        _text("Do", "Goes back to"),
    ]
    rows: list[list[Cell]] = [
        [
            labels.indicator(each.indicator),
            Words(each.name_vi, each.name_en),
            f"{each.month:%m/%Y}",
            labels.unit(each.unit, of=each.indicator),
            *_revised(each, is_withheld=headline.is_withheld(each)),
            _causes(each.causes),
        ]
        for each in found.revisions
    ]
    return Table(Words("Số đã công bố nay khác đi", "Figures that were shown and differ now"), columns, rows)


def _revised(found: Revision, *, is_withheld: bool) -> list[Cell]:
    """Before, now and the difference; of a difference of fewer than five persons only now."""
    difference = found.after - found.before
    if is_withheld or any(is_few(value, found.unit) for value in (found.before, found.after)):
        return [WITHHELD, WITHHELD, WITHHELD]
    if is_few(difference, found.unit):
        return [WITHHELD, amount(found.after, found.unit), FEW]
    if found.unit == "dong" and million(found.before) == million(found.after):
        return [*(million(value) for value in (found.before, found.after)), Words("dưới 1", "under 1")]
    sign = "+" if difference > 0 else ""
    return [amount(found.before, found.unit), amount(found.after, found.unit), sign + amount(difference, found.unit)]


def _causes(causes: Sequence[str]) -> Cell:
    if not causes:
        return NOTHING
    named = ["quy tắc mới" if each == "changed rules" else each for each in causes[:_CAUSES_NAMED]]
    more = len(causes) - _CAUSES_NAMED
    text = ", ".join(named)
    if more > 0:
        return Words(f"{text} và {more} nguồn khác", f"and {more} more")
    return Words(text, ", ".join(causes)) if "quy tắc mới" in named else text


# ------------------------------------------------------------------------------------------- completeness and quality


def feeds(headline: Headline) -> Table:
    """Who is in with the latest period of each feed."""
    columns = [
        _text("Loại số liệu", "Feed"),
        _number("Kỳ", "Period"),
        _number("Đã gửi", "In"),
        _number("Gửi muộn", "Late"),
        _number("Chưa gửi", "Missing"),
        _number("Số dòng", "Rows"),
        _number("Dòng bị loại", "Rows set aside"),
    ]
    rows: list[list[Cell]] = [
        [
            labels.feed(each.feed),
            each.period,
            *(fixed(count, 0) for count in (each.is_in, each.late, each.missing, each.rows, each.rows_rejected)),
        ]
        for each in headline.feeds
    ]
    return Table(Words("Kỳ mới nhất của từng loại", "The latest period of each feed"), columns, rows)


def open_submissions(headline: Headline) -> Table:
    """Submissions that are not in the figures."""
    columns = [
        _text("Bản gửi", "Submission"),
        _text("Đơn vị gửi", "Sender"),
        _text("Kỳ", "Period"),
        _text("Trạng thái", "State"),
        _text("Mã lỗi", "Codes"),
    ]
    rows: list[list[Cell]] = [
        [
            one.submission_id,
            places.sent_by(one.sender, one.period),
            one.period or NOTHING,
            labels.state(one.state),
            ", ".join(one.codes) or NOTHING,
        ]
        for one in headline.open_submissions
    ]
    return Table(Words("Bản gửi chưa có trong số liệu", "Submissions that are not in the figures"), columns, rows)


def quality(found: Quality) -> Table:
    """What each sender's submissions were like, those with something to tell."""
    columns = [
        _text("Đơn vị gửi", "Sender"),
        _number("Bản gửi", "Submissions"),
        _number("Bị từ chối", "Rejected"),
        _number("Tạm giữ", "Held"),
        _number("Chờ", "Waiting"),
        _number("Muộn", "Late"),
        _number("Số dòng", "Rows"),
        _number("Dòng bị loại %", "Rows set aside %"),
        _text("Lỗi nặng nhất", "Worst codes"),
    ]
    rows: list[list[Cell]] = []
    for each in found.senders:
        if each.is_faultless:
            continue
        codes = [f"{code} × {fixed(times, 0)}" for code, times in each.codes[:_CODES_NAMED]]
        counts = (each.submissions, each.rejected, each.held, each.waiting, each.late, each.rows)
        rows.append(
            [
                labels.sender(each.sender, each.name_vi, each.name_en),
                *(fixed(count, 0) for count in counts),
                _share(each.rejected_pct),
                ", ".join(codes) or NOTHING,
            ]
        )
    return Table(Words("Đơn vị có bản gửi chưa tốt", "Senders with something to mend"), columns, rows)


def _share(value: object) -> str:
    """A share in percent; one that is not nothing is never written as nothing."""
    written = fixed(value)  # type: ignore[arg-type]
    return "<0.01" if value and written == "0.00" else written


# ----------------------------------------------------------------------------------------------------------- the night


def stages(night: Night) -> Table:
    """How long each stage of the last night took."""
    columns = [
        _text("Công đoạn", "Stage"),
        _number("Số lần", "Times"),
        _number("Giây", "Seconds"),
        _number("Số dòng", "Rows"),
        _text("Kết quả", "Outcome"),
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


def nights(runs: Sequence[NightRun]) -> Table:
    """The last nights, the latest first."""
    columns = [
        _text("Đêm", "Night"),
        _text("Kết quả", "Outcome"),
        _number("Bản gửi", "Submissions"),
        _number("Bị từ chối", "Rejected"),
        _number("Số dòng", "Rows"),
        _number("Dòng bị loại", "Rows set aside"),
        _number("MB", "MB"),
        _number("Nạp, giây", "Loading, s"),
        _number("Dựng, giây", "Building, s"),
        _number("Khác, giây", "Other, s"),
        _number("Cả đêm, giây", "Whole night, s"),
    ]
    rows: list[list[Cell]] = [
        [
            moment(run.started_at),
            labels.outcome(run.outcome),
            *(fixed(count, 0) for count in (run.submissions, run.rejected, run.rows, run.rows_rejected)),
            fixed(run.megabytes, 1),
            *(fixed(span, 1) for span in (run.load_seconds, run.build_seconds, run.other_seconds, run.seconds)),
        ]
        for run in reversed(runs)
    ]
    return Table(BEHIND, columns, rows)


def moment(instant: dt.datetime) -> str:
    """An instant, local time, to the minute."""
    return f"{instant.astimezone(_LOCAL):%Y-%m-%d %H:%M}"
