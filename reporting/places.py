"""What a province, or a sender, was called in a month."""

from __future__ import annotations

import datetime as dt
import re

from reporting.figures import NATIONAL
from reporting.labels import Words, sender
from warehouse import geography

_PREFIX = "province-"


def territory(code: str, month: dt.date) -> Words:
    """A province's name in a month, or the country's; the code itself where it stood for no province."""
    if code == NATIONAL:
        return Words("Toàn quốc", "National")
    province = geography.in_force(code, month)
    return Words(province.name_vi, province.name_en) if province else Words(code, code)


def sent_by(code: str, period: str | None) -> Words:
    """A sender's name in the month of a period (YYYY-MM or YYYY-Www); a code that is nobody's stays as it is."""
    month = first_day(period)
    if not code.startswith(_PREFIX) or month is None:
        return sender(code, code, code)
    named = territory(code.removeprefix(_PREFIX), month)
    return Words(code, code) if named.vi == code.removeprefix(_PREFIX) else named


def first_day(period: str | None) -> dt.date | None:
    """The first day of the month a period is of, for a week that of its Monday; None for anything else."""
    week = re.fullmatch(r"(\d{4})-W(\d\d)", period or "")
    try:
        if week:
            return dt.date.fromisocalendar(int(week[1]), int(week[2]), 1).replace(day=1)
        return dt.date.fromisoformat(f"{period}-01")
    except ValueError:
        return None
