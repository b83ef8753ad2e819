"""What a director reads first: the main figures as cards, and what went well or needs somebody."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

from reporting import labels
from reporting.figures import Figure, Morning, Night, Territory
from reporting.labels import Words
from reporting.numbers import NOTHING, fixed
from reporting.tables import Cell, attained, grown, moment

_LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
_CARDS = ("people_managed", "collection", "si_compulsory", "si_voluntary", "ui", "hi", "arrears")

Kind = Literal["good", "check", "fault"]
KINDS = {
    "good": Words("Tốt", "Good"),
    "check": Words("Cần xem", "Look"),
    "fault": Words("Lỗi", "Fault"),
}


@dataclass(frozen=True)
class Card:
    """One main figure; `filled` is the attainment in percent of a full bar, None without a plan."""

    name: Words
    actual: str
    unit: Words
    attained: Cell
    plan: str
    filled: str | None
    on_the_year: Cell
    on_december: Cell
    is_reported: bool


@dataclass(frozen=True)
class Status:
    """One thing that is well or is not, and the section that says more."""

    kind: Kind
    name: Words
    said: Words
    section: str


def cards(territory: Territory) -> list[Card]:
    """The main figures of a territory."""
    found = (territory.figure(name) for name in _CARDS)
    return [_card(figure) for figure in found if figure is not None]


def _card(figure: Figure) -> Card:
    has_plan = figure.attainment_pct is not None and not figure.is_hidden
    return Card(
        name=labels.indicator(figure.indicator),
        actual=figure.shown,
        unit=labels.unit(figure.unit, of=figure.indicator),
        attained=attained(figure),
        plan=figure.shown_plan,
        filled=f"{max(min(float(figure.attainment_pct or 0), 100.0), 0.0):.1f}" if has_plan else None,
        on_the_year=grown(figure, "growth_yoy_pct"),
        on_december=grown(figure, "growth_vs_december_pct"),
        is_reported=figure.is_reported,
    )


def statuses(morning: Morning, *, written_at: dt.datetime) -> list[Status]:
    """The state of things at the moment of writing, the night first."""
    found = [_night(morning.night), _publication(morning, written_at)]
    return [*found, _senders(morning), _submissions(morning), _changes(morning), _compared(morning)]


def _night(night: Night | None) -> Status:
    name = Words("Đêm vừa qua", "The last night")
    if night is None:
        return Status("check", name, Words("chưa có đêm nào chạy", "none has run yet"), "night")
    when = moment(night.started_at)
    if night.problems:
        stages = list(dict.fromkeys(stage for stage, _, _ in night.problems))
        return Status(
            "fault",
            name,
            Words(
                f"bắt đầu {when}, hỏng ở: {', '.join(labels.stage(each).vi for each in stages)}",
                f"began {when}, failed in: {', '.join(labels.stage(each).en for each in stages)}",
            ),
            "night",
        )
    return Status(
        "good",
        name,
        Words(
            f"bắt đầu {when}, xong sau {fixed(night.seconds, 0)} giây",
            f"began {when}, done in {fixed(night.seconds, 0)} seconds",
        ),
        "night",
    )


def _publication(morning: Morning, written_at: dt.datetime) -> Status:
    name = Words("Bản công bố", "Publication")
    published = morning.headline.publication
    if published is None:
        return Status("check", name, Words("chưa có", "none yet"), "published")
    when = moment(published.published_at)
    days = (written_at.astimezone(_LOCAL).date() - published.published_at.astimezone(_LOCAL).date()).days
    if days > 0:
        said = Words(
            f"số {published.publication_id}, {when}: {days} ngày trước, không có bản mới hơn",
            f"number {published.publication_id}, {when}: {days} days old, none since",
        )
        return Status("check", name, said, "published")
    number = published.publication_id
    return Status("good", name, Words(f"số {number}, {when}", f"number {number}, {when}"), "published")


def _senders(morning: Morning) -> Status:
    name = Words("Ai đã gửi", "Who is in")
    senders = morning.headline.senders
    states = Counter(each.state for each in senders)
    if not senders:
        return Status("check", name, Words("chưa nhận được số liệu nào", "no feed is in yet"), "complete")
    counts = states["complete"], states["partial"], states["absent"]
    said = Words(
        f"{morning.headline.period}: {counts[0]} tỉnh gửi đủ, {counts[1]} gửi một phần, {counts[2]} chưa gửi",
        f"{morning.headline.period}: {counts[0]} provinces complete, {counts[1]} in part, {counts[2]} missing",
    )
    return Status("good" if states["complete"] == len(senders) else "check", name, said, "complete")


def _submissions(morning: Morning) -> Status:
    name = Words("Bản gửi cần xử lý", "Submissions to deal with")
    states = Counter(each.state for each in morning.headline.open_submissions)
    if not states:
        return Status("good", name, Words("không có", "none"), "complete")
    order = [each for each in ("rejected", "held", "waiting") if states[each]]
    said = Words(
        ", ".join(f"{states[each]} {labels.state(each).vi}" for each in order),
        ", ".join(f"{states[each]} {labels.state(each).en}" for each in order),
    )
    return Status("check", name, said, "complete")


def _changes(morning: Morning) -> Status:
    name = Words("Khác ngày trước", "Against the day before")
    changes = morning.changes
    if changes.before is None:
        return Status(
            "good",
            name,
            Words("ngày trước chưa công bố gì", "nothing had been published the day before"),
            "changed",
        )
    if changes.is_nothing:
        return Status("good", name, Words("không có gì khác", "nothing differs"), "changed")
    said = Words(
        f"{len(changes.submissions)} bản gửi, {changes.revised} số đã công bố nay khác đi",
        f"{len(changes.submissions)} submissions, {changes.revised} figures that were shown differ now",
    )
    return Status("check" if changes.revised or changes.gone else "good", name, said, "changed")


def _compared(morning: Morning) -> Status:
    name = Words("Báo cáo so với số tính", "Reported against computed")
    compared = morning.headline.comparisons
    total = compared.agree + compared.differ
    if not total:
        return Status("good", name, Words(f"{NOTHING} chưa có gì để so", f"{NOTHING} nothing to compare"), "compared")
    said = Words(f"{compared.differ} trên {total} số không khớp", f"{compared.differ} of {total} differ")
    return Status("check" if compared.differ else "good", name, said, "compared")
