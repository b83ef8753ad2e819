"""Findings in plain words, in both languages."""

from __future__ import annotations

from reporting import labels
from reporting.figures import Difference, Territory
from reporting.labels import Words
from reporting.numbers import NOTHING, as_printed, fixed, million


def difference(found: Difference, *, is_withheld: bool = False) -> Words:
    """What a report prints, and what the warehouse computes instead; neither number of a figure that is withheld."""
    name = labels.indicator(found.indicator)
    printed, computed = as_printed(found.reported, found.computed, found.unit, is_withheld=is_withheld)
    vi, en = _inline(name.vi), _inline(name.en)
    if found.comparison != "none":
        against = labels.comparison(found.comparison)
        vi, en = f"{vi} {against.vi}", f"{en} {against.en}"
    basis = _basis(found)
    return Words(
        f"{found.name_vi}, {found.month:%m/%Y}, {vi}: báo cáo ghi {printed}, {basis.vi}: {computed}.",
        f"{found.name_en}, {found.month:%Y-%m}, {en}: the report prints {_english(printed)}, "
        f"computed from {basis.en}: {_english(computed)}.",
    )


def arrears(territory: Territory) -> Words | None:
    """Arrears and their ratio to the plan, with and without what is hard to collect; None where no list was sent."""
    if not territory.arrears:
        return None
    principal = sum(band.principal_vnd for band in territory.arrears)
    hard = sum(band.hard_to_collect_vnd for band in territory.arrears)
    debt = sum(band.debt_vnd for band in territory.arrears)
    ratio, without = territory.ratio_to_plan_pct, territory.ratio_excluding_hard_to_collect_pct
    if ratio is None:
        share_vi, share_en = "chưa có kế hoạch thu", "no collection plan known"
    else:
        share_vi = f"{fixed(ratio)} % kế hoạch thu cả năm; không tính nợ khó thu: {fixed(without)} %"
        share_en = f"{fixed(ratio)} % of the year's collection plan; without hard-to-collect: {fixed(without)} %"
    return Words(
        f"Nợ gốc {million(principal)} triệu đồng ({share_vi}); nợ khó thu {million(hard)}, "
        f"cả lãi {million(debt)} triệu đồng.",
        f"Arrears {million(principal)} million đồng ({share_en}); hard to collect {million(hard)}, "
        f"debt with interest {million(debt)} million đồng.",
    )


def coverage(territory: Territory) -> Words | None:
    """Coverage with the dates of the denominators; None where it is not known, or would tell a hidden count."""
    known = territory.coverage
    if known is None or any(figure.is_hidden for figure in territory.figures):
        return None
    vi, en = [], []
    if known.si_of_labour_force_pct is not None:
        parts = [fixed(known.si_compulsory_of_labour_force_pct), fixed(known.si_voluntary_of_labour_force_pct)]
        dated = _dated(known.labour_force_date)
        vi.append(
            f"BHXH {fixed(known.si_of_labour_force_pct)} % lực lượng lao động{dated.vi}"
            f" (bắt buộc {parts[0]} %, tự nguyện {parts[1]} %)"
        )
        en.append(
            f"SI {fixed(known.si_of_labour_force_pct)} % of the labour force{dated.en}"
            f" (compulsory {parts[0]} %, voluntary {parts[1]} %)"
        )
    if known.hi_of_population_pct is not None:
        dated = _dated(known.population_date)
        vi.append(f"BHYT {fixed(known.hi_of_population_pct)} % dân số{dated.vi}")
        en.append(f"HI {fixed(known.hi_of_population_pct)} % of the population{dated.en}")
    if not vi:
        return None
    return Words(f"Bao phủ: {'; '.join(vi)}.", f"Coverage: {'; '.join(en)}.")


def origin(territory: Territory) -> Words:
    """Whether the figures are computed or reported."""
    if not territory.figures:
        return Words(NOTHING, NOTHING)
    if not territory.is_computed:
        return Words("theo báo cáo, KHÔNG tính từ dữ liệu chi tiết", "as REPORTED, not computed: no detail was sent")
    if any(figure.is_reported for figure in territory.figures):
        return Words(
            "tính từ dữ liệu chi tiết, trừ chỗ ghi “theo báo cáo”", "computed from detail except where marked reported"
        )
    return Words("tính từ dữ liệu chi tiết", "computed from detail")


def _basis(found: Difference) -> Words:
    if found.comparison == "plan":
        return Words("tính theo kế hoạch đang hiệu lực", "the plan in force")
    if found.comparison != "none":
        return Words("tính từ chính các số gốc", "its own bases")
    if found.unit == "percent":
        return Words("tính từ tử số và mẫu số", "its numerator and denominator")
    return Words("tính từ dữ liệu chi tiết", "the detail")


def _dated(date: object) -> Words:
    return Words("", "") if date is None else Words(f" (số liệu {date:%d/%m/%Y})", f" (of {date:%Y-%m-%d})")


def _english(text: str) -> str:
    return text.replace("triệu đồng", "million đồng")


def _inline(name: str) -> str:
    """A name inside a sentence: a small initial, unless its first word is an abbreviation."""
    first = name.split(maxsplit=1)[0]
    return name[0].lower() + name[1:] if first[1:].islower() else name
