"""A verdict on every row: the contract's rules on cells and rows, compiled once to polars expressions.

A block is first judged as it came, which almost every row passes. Only the rows that do not pass are normalised (NFC,
spaces, Đ) and judged again with every rule apart, so that cleaning and explaining cost nothing on clean data. Both
passes are built from the same rules.
"""

from __future__ import annotations

import datetime as dt
import difflib
import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal
from typing import Literal

import polars as pl

from ingestion.blocks import NO_CODE, Lines, TextBlock
from ingestion.contracts import Column, Contract, Indicator, load_indicators
from ingestion.manifest import UNIT_FACTOR, period_month
from warehouse import geography

MONEY_LIMIT = 10**15
"""No amount reaches this many đồng."""

REJECT_SCHEMA = pl.Schema({"row_no": pl.Int32, "column": pl.String, "code": pl.String, "args": pl.String})

Unit = Literal["dong", "thousand", "million", "billion"]
Basis = Literal["month", "ytd"]

_INVISIBLE = r"\p{Cf}"
_LETTERS = "ÀÁÂÃÈÉÊÌÍÒÓÔÕÙÚÝàáâãèéêìíòóôõùúýĂăĐđĨĩŨũƠơƯưẠ-ỹ"
_DOUBTFUL_TEXT = rf"^\s|\s$|[^ -~{_LETTERS}]"
_SURE_TEXT = rf"[!-~{_LETTERS}](?:[ -~{_LETTERS}]*[!-~{_LETTERS}])?"
"""Text of composed Vietnamese letters and ASCII needs no cleaning and is in no old encoding; anything else may be."""
_ANY_DIGIT = "\\d"
_SURE_CODE = r"(?:[A-Za-z][!-~]*|[0-9]*(?:[!-+\-/:-DF-df-~][!-~]*)?)"
_PLAIN_CODE = f"^{_SURE_CODE}$"
"""Printable ASCII that cannot be in scientific notation: what follows the leading digits is no e, comma or point."""
_SCIENTIFIC = r"^[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+$|^[0-9]+[.,]0+$"
_DIGITS = r"^-?[0-9]+$"
_SURE_COUNT = "[0-9]{1,15}"
_SURE_AMOUNT = "-?[0-9]{1,15}"
_DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"
_CENTURY = "(?:1[89]|2[01])"
_ISO_DATE = rf"^{_CENTURY}[0-9]{{2}}-[0-9]{{2}}-[0-9]{{2}}$"
_LOCAL_DATE = rf"^[0-9]{{2}}/[0-9]{{2}}/{_CENTURY}[0-9]{{2}}$"
_SURE_DATE_OR_YEAR = (
    rf"{_CENTURY}[0-9]{{2}}(?:-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)"
    r"|(?:0[13578]|1[02])-31))?"
    r"|(?:(?:0[1-9]|1[0-9]|2[0-8])/(?:0[1-9]|1[0-2])|(?:29|30)/(?:0[13-9]|1[0-2])|31/(?:0[13578]|1[02]))"
    rf"/{_CENTURY}[0-9]{{2}}"
)
_MONTH = rf"{_CENTURY}[0-9]{{2}}-(?:0[1-9]|1[0-2])"
_YEAR = rf"^{_CENTURY}[0-9]{{2}}$"
_TAX_CODE = r"^[0-9]{10}(-[0-9]{3})?$|^[0-9]{12}$"
_BRANCH_WITHOUT_HYPHEN = "^[0-9]{13}$"
_BRANCH_SHAPE = "NNNNNNNNNN-NNN, 0100047516-001"
"""Thirteen digits may be a branch, or a personal id with a digit too many: they are not guessed at."""
_PROVINCE = r"^[0-9]{2}$"
_TAX_WEIGHTS = (31, 29, 23, 19, 17, 13, 7, 5, 3)
_NUMERIC_WHOLE_DIGITS = 16
_LONGEST_NUMBER = 30
"""Characters of a cell that still reads as a number in a control total: no total that is declared has more digits."""
EXACT = Context(prec=80)
"""The default rounds to 28 digits without a word; this holds any sum of such numbers in đồng."""
_UNICODE_ONLY = r"[ĂăĐđĨĩŨũƠơƯưẠ-ỹ]"
_TCVN3 = r"[µ¶¸¹»¼½¾¨©ª«¬®¡¢£¤¥¦§·ÆÇþßÞ×]\p{L}|[a-z][µ¶¸¹»¼½¾¨«¬ÆÇþßÞ×]"
_VNI_PAIR = "[aeouiyAEOUIY][øûïåäëüõãâêéèùúáàØÛÏÅÄËÜÕÃÂÊÉÈÙÚÁÀ]"
_VNI_ONLY = "[aeouiyAEOUIY][øûïåäëüØÛÏÅÄËÜ]"
_VNI_IMPOSSIBLE = "[aAeE][àáâãèéêìíòóôõùúýÀÁÂÃÈÉÊÌÍÒÓÔÕÙÚÝ]|[oO][âêôõùÂÊÔÕÙ]"
"""Pairs that no Vietnamese syllable has and that are single letters in VNI."""
_VNI = f"{_VNI_IMPOSSIBLE}|{_VNI_PAIR}.*{_VNI_ONLY}|{_VNI_ONLY}.*{_VNI_PAIR}"

Fault = tuple[str, pl.Expr, dict[str, object]]
"""A code, the expression that is true where the rule is broken, and the arguments of its message."""


@dataclass(frozen=True)
class Judged:
    """The verdict on one block.

    `good` holds the typed columns in contract order, in file order, and `row_no` their rows. `rejects` has one entry
    a bad cell (row_no, column, code, args as JSON or null); a row may stand there several times. Cells that were not
    asked to be explained are counted in `unlisted` by code. `bad_rows` are the rows that were set aside and `bad_keys`
    their key columns as text. `totals` sums every number column over all rows whose cell reads as a number, money in
    đồng; `set_aside` is the part of it in rows that were set aside. `profile` counts the values of the contract's
    profile column as sent. `normalised` counts the cells that were cleaned.
    """

    good: pl.DataFrame
    row_no: pl.Series
    rejects: pl.DataFrame
    bad_rows: pl.Series
    bad_keys: pl.DataFrame
    totals: dict[str, Decimal]
    set_aside: dict[str, Decimal]
    profile: dict[str, int]
    normalised: int
    unlisted: dict[tuple[str | None, str], int] = field(default_factory=dict)

    @property
    def rejected_rows(self) -> int:
        """Rows that were set aside; each counts once."""
        return len(self.bad_rows)


@dataclass(frozen=True)
class _ColumnPlan:
    """One column's rules. `doubt` is the cheap test of the first pass: true wherever a fault may be or cleaning needed.

    Without it the faults themselves are tested. `sure` is a pattern that a cell without fault and in need of no
    cleaning matches, and no other; where there is one, it stands for that test. `typed_if_sure` is what such a cell
    becomes, where that is less work than `typed`; `beside` is a test that `sure` leaves open.
    """

    column: Column
    typed: pl.Expr
    faults: tuple[Fault, ...]
    doubt: pl.Expr | None = None
    reads_as_number: pl.Expr | None = None
    sure: str | None = None
    typed_if_sure: pl.Expr | None = None
    beside: pl.Expr | None = None


@dataclass(frozen=True)
class Verdicts:
    """The compiled rules of a feed for one unit and period."""

    contract: Contract
    factor: int
    plans: tuple[_ColumnPlan, ...]
    row_faults: tuple[tuple[str, Fault], ...]
    _first_pass: tuple[pl.Expr, ...] = field(repr=False)
    _second_pass: tuple[pl.Expr, ...] = field(repr=False)
    _every_fault: tuple[pl.Expr, ...] = field(repr=False)
    _numbers_as_text: tuple[pl.Expr, ...] = field(repr=False)
    _first_pass_of_lines: tuple[pl.Expr, ...] = field(repr=False)

    def judged(self, block: TextBlock, *, explain: bool = True) -> Judged:
        """Judge one block; `block.ragged` is left to the caller. `explain`: list each bad cell instead of counting."""
        first, passed = self._first_look(block)
        names = list(self.contract.column_names)
        good, good_rows = first.select(names), block.row_no
        bad, bad_rows = block.frame.clear(), block.row_no.clear()
        normalised = 0
        if not passed.all():
            good, good_rows = good.filter(passed), block.row_no.filter(passed)
            doubtful = block.frame.filter(~passed)
            doubtful_rows = block.row_no.filter(~passed)
            cleaned = _cleaned(doubtful)
            normalised = _changed_cells(doubtful, cleaned)
            second = cleaned.lazy().select(self._second_pass).collect()
            rescued = second["_ok"]
            if rescued.any():
                good = pl.concat([good, second.select(names).filter(rescued)])
                good_rows = pl.concat([good_rows, doubtful_rows.filter(rescued)])
                order = good_rows.arg_sort()
                good, good_rows = good[order], good_rows.gather(order)
            bad, bad_rows = cleaned.filter(~rescued), doubtful_rows.filter(~rescued)
        listed = bad if explain else bad.clear()
        set_aside = self._totals_of_text(bad)
        profile = dict.fromkeys(self._profile_values(), 0)
        self._count_profile(bad, profile)
        self._count_profile(good, profile)
        return Judged(
            good=good,
            row_no=good_rows.alias("row_no"),
            rejects=self._explained(listed, bad_rows) if listed.height else pl.DataFrame(schema=REJECT_SCHEMA),
            bad_rows=bad_rows,
            bad_keys=bad.select(self.contract.key),
            totals=self._with_totals_of_good(set_aside, good),
            set_aside=set_aside,
            profile=profile,
            normalised=normalised,
            unlisted={} if explain else self._counted(bad),
        )

    def _first_look(self, block: TextBlock) -> tuple[pl.DataFrame, pl.Series]:
        """The typed columns, and which rows are right beyond doubt.

        Where the block's lines are at hand, one pattern over the whole line stands for the tests of its cells: a third
        of the time.
        """
        if block.lines is None:
            first = block.frame.lazy().select(self._first_pass).collect()
            return first, first["_ok"]
        first = block.frame.lazy().select(self._first_pass_of_lines).collect()
        return first, first["_ok"] & block.lines.text.str.contains(self._line(block.lines))

    def _line(self, lines: Lines) -> str:
        """The pattern of a line whose cells are all sure. A cell without a pattern may be anything: it is tested."""
        sure = {plan.column.name: plan.sure for plan in self.plans}
        cells = [f"[^{re.escape(lines.delimiter)}]*"] * lines.width
        for name, at in lines.position.items():
            pattern = sure[name]
            if pattern is not None:
                cells[at] = f"(?:{pattern})?"
        # a line has as many delimiters as the pattern: no cell of it can match one
        return f"^{re.escape(lines.delimiter).join(cells)}$"

    def _counted(self, bad: pl.DataFrame) -> dict[tuple[str | None, str], int]:
        """Rows by (column, code), one a cell: what is said of bad cells beyond those that are listed."""
        if bad.is_empty():
            return {}
        listed = self._explained(bad, pl.int_range(bad.height, dtype=pl.Int32, eager=True))
        counted = listed.group_by("column", "code").len()
        return {(column, code): count for column, code, count in counted.iter_rows()}

    def _profile_values(self) -> tuple[str, ...]:
        name = self.contract.profile_column
        return self.contract.column(name).values if name else ()

    def _count_profile(self, frame: pl.DataFrame, profile: dict[str, int]) -> None:
        name = self.contract.profile_column
        if name and frame.height:
            for value, count in frame[name].value_counts().iter_rows():
                if value in profile:
                    profile[value] += count

    def _explained(self, bad: pl.DataFrame, row_no: pl.Series) -> pl.DataFrame:
        """One entry a bad cell: the first rule it breaks; rules over several cells where each cell alone is right."""
        # every rule in one pass: a pass each, over a handful of rows, costs more than judging the whole block
        broken = bad.select(self._every_fault)
        counts = broken.sum().row(0)
        entries: list[tuple[int, str, str, str | None]] = []
        at = 0
        for plan in self.plans:
            pending: pl.Series | None = None
            for code, _, arguments in plan.faults:
                if counts[at]:
                    hit = broken.to_series(at) if pending is None else broken.to_series(at) & pending
                    entries += self._entries(plan.column.name, code, arguments, bad.filter(hit), row_no.filter(hit))
                    pending = ~hit if pending is None else pending & ~hit
                at += 1
        bad_cells = {(row, column) for row, column, _, _ in entries}
        for column, (code, _, arguments) in self.row_faults:
            if counts[at]:
                hit = broken.to_series(at)
                found = self._entries(column, code, arguments, bad.filter(hit), row_no.filter(hit))
                entries += [entry for entry in found if (entry[0], column) not in bad_cells]
            at += 1
        position = {name: at for at, name in enumerate(self.contract.column_names)}
        entries.sort(key=lambda entry: (entry[0], position[entry[1]]))
        return pl.DataFrame(entries, schema=REJECT_SCHEMA, orient="row")

    def _entries(
        self, column: str, code: str, arguments: dict[str, object], rows: pl.DataFrame, row_no: pl.Series
    ) -> list[tuple[int, str, str, str | None]]:
        if code in {"E-INDICATOR", "E-INDICATOR-UNIT"}:
            indicators = rows["indicator"].to_list()
            texts = [_json(_indicator_arguments(code, column, indicator)) for indicator in indicators]
        elif code == "E-PROVINCE":
            texts = [_json(found) for found in _province_arguments(self.contract.column(column), arguments, rows)]
        else:
            texts = [_json({"column": column, **arguments})] * rows.height
        return [(row, column, code, text) for row, text in zip(row_no.to_list(), texts, strict=True)]

    def _totals_of_text(self, rows: pl.DataFrame) -> dict[str, Decimal]:
        """Sums over the few rows that were set aside, exact."""
        numbers = [plan for plan in self.plans if plan.reads_as_number is not None]
        if rows.is_empty():
            return {plan.column.name: Decimal(0) for plan in numbers}
        sent = rows.select(self._numbers_as_text)
        factors = {plan.column.name: Decimal(self.factor if plan.column.kind == "money" else 1) for plan in numbers}
        return {
            name: _sum(Decimal(0), (EXACT.multiply(Decimal(cell), factor) for cell in sent[name].drop_nulls()))
            for name, factor in factors.items()
        }

    def _with_totals_of_good(self, set_aside: dict[str, Decimal], good: pl.DataFrame) -> dict[str, Decimal]:
        result: dict[str, Decimal] = {}
        for name, before in set_aside.items():
            cells = good[name]
            if cells.dtype == pl.String:
                result[name] = _sum(before, map(Decimal, cells.drop_nulls().to_list()))
            else:
                result[name] = EXACT.add(before, Decimal(int(cells.cast(pl.Int128).sum())))
        return result


def _sum(before: Decimal, more: Iterable[Decimal]) -> Decimal:
    return functools.reduce(EXACT.add, more, before)


def compile_verdicts(
    contract: Contract, *, unit: Unit, period: str, basis: Basis = "month", received_on: dt.date | None = None
) -> Verdicts:
    """Compile a feed's rules once for a file.

    `unit` is what its `*_vnd` columns are sent in, `period` the manifest's (a rule may begin with a period). `basis`
    changes no rule on rows today; it is part of what a file declares and keeps callers from dropping it. `received_on`
    is the local day of receipt: an indicator may be about any day up to it (semantics.md R3).
    """
    if basis not in {"month", "ytd"}:
        raise ValueError(f"unknown basis {basis}")
    factor = UNIT_FACTOR[unit]
    plans = tuple(_plan(column, period=period, factor=factor) for column in contract.columns)
    row_faults = _row_faults(contract, plans, received_on)
    typed = [plan.typed.alias(plan.column.name) for plan in plans]
    typed_lines = [
        plan.typed.alias(plan.column.name)
        if plan.typed_if_sure is None
        else _with_default(plan.typed_if_sure, plan.column).alias(plan.column.name)
        for plan in plans
    ]
    across = [broken for _, (_, broken, _) in row_faults]
    doubts = [expression for plan in plans for expression in _first_tests(plan)]
    beside = [
        test
        for plan in plans
        for test in (
            _first_tests(plan)
            if plan.sure is None
            else [*_presence_tests(plan), *([] if plan.beside is None else [plan.beside])]
        )
    ]
    faults = [broken for plan in plans for _, broken, _ in plan.faults]
    return Verdicts(
        contract=contract,
        factor=factor,
        plans=plans,
        row_faults=row_faults,
        _first_pass=(*typed, _none_of(doubts + across)),
        _second_pass=(*typed, _none_of(faults + across)),
        _every_fault=tuple(broken.fill_null(False).alias(str(at)) for at, broken in enumerate([*faults, *across])),
        _numbers_as_text=tuple(_number_as_text(plan) for plan in plans if plan.reads_as_number is not None),
        _first_pass_of_lines=(*typed_lines, _none_of(beside + across)),
    )


def _number_as_text(plan: _ColumnPlan) -> pl.Expr:
    """The cells of a column that read as a number, as sent; the others null."""
    assert plan.reads_as_number is not None
    cell = pl.col(plan.column.name)
    return pl.when(plan.reads_as_number & (cell.str.len_bytes() <= _LONGEST_NUMBER)).then(cell).alias(plan.column.name)


def _first_tests(plan: _ColumnPlan) -> list[pl.Expr]:
    every = [broken for _, broken, _ in plan.faults]
    return every if plan.doubt is None else [*_presence_tests(plan), plan.doubt]


def _presence_tests(plan: _ColumnPlan) -> list[pl.Expr]:
    return [broken for code, broken, _ in plan.faults if code == "E-REQUIRED"]


def _none_of(faults: Sequence[pl.Expr]) -> pl.Expr:
    if not faults:
        return pl.lit(True).alias("_ok")
    return (~pl.any_horizontal([broken.fill_null(False) for broken in faults])).alias("_ok")


# ----------------------------------------------------------------------------------------------------- rules on cells


def _plan(column: Column, *, period: str, factor: int) -> _ColumnPlan:
    build: Callable[[Column, str, int], _ColumnPlan] = {
        "code": _code_plan,
        "text": _text_plan,
        "enum": _enum_plan,
        "money": _money_plan,
        "integer": _integer_plan,
        "decimal": _decimal_plan,
        "date": _date_plan,
        "month": _month_plan,
        "date_or_year": _date_or_year_plan,
    }[column.kind]
    plan = build(column, period, factor)
    return replace(
        plan,
        typed=_with_default(plan.typed, column),
        faults=_presence(column) + plan.faults,
    )


def _with_default(typed: pl.Expr, column: Column) -> pl.Expr:
    if column.default is not None:
        return typed.fill_null(pl.lit(column.default))
    return typed


def _presence(column: Column) -> tuple[Fault, ...]:
    blank = pl.col(column.name).is_null()
    if column.required:
        return (("E-REQUIRED", blank, {}),)
    if column.required_if is not None:
        asked = pl.col(column.required_if.column).is_in(list(column.required_if.values))
        return (("E-REQUIRED", blank & asked, {}),)
    return ()


def _code_plan(column: Column, period: str, factor: int) -> _ColumnPlan:
    del factor
    cell = pl.col(column.name)
    pattern, shape = column.pattern_in(period)
    arguments: dict[str, object] = {"shape": column.shape if pattern is None else shape}
    if column.check == "tax_code":
        faults: tuple[Fault, ...] = (
            ("E-CODE", cell.str.contains(_BRANCH_WITHOUT_HYPHEN), {"shape": _BRANCH_SHAPE}),
            ("E-CODE", ~cell.str.contains(_TAX_CODE), arguments),
            ("E-TAX-CODE", _wrong_check_digit(cell), {}),
        )
        return _ColumnPlan(column, cell, faults)
    if column.check == "indicator":
        known = list(load_indicators())
        return _ColumnPlan(column, cell, (("E-INDICATOR", ~cell.is_in(known), {}),))
    if column.check == "province_code":
        return _province_plan(column, period)
    if pattern is not None:
        broken = ~cell.str.contains(f"^(?:{pattern.replace(_ANY_DIGIT, '[0-9]')})$")
        sure = pattern.replace(_ANY_DIGIT, "[0-9]")
        return _ColumnPlan(column, cell, (("E-CODE", broken, arguments),), sure=sure)
    scientific = cell.str.contains(_SCIENTIFIC)
    doubt = ~cell.str.contains(_PLAIN_CODE)
    spoilt = scientific | cell.str.contains(NO_CODE, literal=True)
    faults = (*_old_text(cell), *_line_break(column), ("E-CODE", spoilt, arguments))
    return _ColumnPlan(column, cell, faults, doubt=doubt, sure=_SURE_CODE)


def _province_plan(column: Column, period: str) -> _ColumnPlan:
    """The code stands on the map of the row's own day where the contract names one, else on that of the period."""
    cell = pl.col(column.name)
    asked = pl.lit(True)
    if column.check_if is not None:
        asked = pl.col(column.check_if.column).is_in(list(column.check_if.values))
    month = period_month(period)
    on_map = cell.is_in(sorted(geography.codes_on(month)))
    if column.map_of is not None:
        before = cell.is_in(sorted(geography.codes_on(geography.MERGER - dt.timedelta(days=1))))
        since = cell.is_in(sorted(geography.codes_on(geography.MERGER)))
        day = _day(pl.col(column.map_of))
        # without a day there is no map: the missing day is a fault of its own
        on_map = pl.when(day < geography.MERGER).then(before).when(day.is_not_null()).then(since)
    scientific = cell.str.contains(_SCIENTIFIC)
    faults: tuple[Fault, ...] = (
        ("E-CODE", scientific | (asked & ~cell.str.contains(_PROVINCE)), {"shape": column.shape or "2 digits"}),
        ("E-PROVINCE", asked & ~on_map, {"period": f"{month:%Y-%m}"}),
    )
    return _ColumnPlan(column, cell, faults, doubt=scientific | ~cell.str.contains(_PLAIN_CODE) | (asked & ~on_map))


def _province_arguments(column: Column, arguments: dict[str, object], rows: pl.DataFrame) -> list[dict[str, object]]:
    """Names the right code. The one sent is named when it is a province's on some map: else it may be anything."""
    days = [period_month(str(arguments["period"]))] * rows.height
    if column.map_of is not None:
        days = rows.select(_day(pl.col(column.map_of))).to_series().to_list()
    known = {province.province_code for province in geography.provinces()}
    return [
        {
            "column": column.name,
            **({"province": sent} if sent in known else {}),
            "period": f"{day:%Y-%m}",
            "successor": geography.instead_of(sent, day),
        }
        for sent, day in zip(rows[column.name].to_list(), days, strict=True)
    ]


def _wrong_check_digit(cell: pl.Expr) -> pl.Expr:
    """Check digit of a 10-digit tax code or of the first ten of a 13-digit one (Circular 105/2020/TT-BTC, annex)."""
    digits = [cell.str.slice(place, 1).cast(pl.Int64, strict=False) for place in range(10)]
    rest = pl.sum_horizontal([digit * weight for digit, weight in zip(digits[:9], _TAX_WEIGHTS, strict=True)]) % 11
    enterprise = cell.str.contains(r"^[0-9]{10}(-[0-9]{3})?$")
    return enterprise & ((10 - rest != digits[9]) | cell.str.ends_with("-000"))


def _text_plan(column: Column, period: str, factor: int) -> _ColumnPlan:
    del period, factor
    cell = pl.col(column.name)
    # what the line's pattern cannot tell: a pair of letters that are both well known
    beside = cell.str.contains(_VNI_IMPOSSIBLE)
    doubt = cell.str.contains(_DOUBTFUL_TEXT) | beside
    faults = _old_text(cell) + _line_break(column)
    return _ColumnPlan(column, cell, faults, doubt=doubt, sure=_SURE_TEXT, beside=beside)


def _old_text(cell: pl.Expr) -> tuple[Fault, ...]:
    """Text in an encoding from before Unicode: no cell of it holds a letter that only Unicode has."""
    old = ~cell.str.contains(_UNICODE_ONLY)
    return (
        ("E-LEGACY-TEXT", cell.str.contains(_TCVN3) & old, {"legacy": "TCVN3"}),
        ("E-LEGACY-TEXT", cell.str.contains(_VNI) & old, {"legacy": "VNI"}),
    )


def _line_break(column: Column) -> tuple[Fault, ...]:
    """A line break in a cell, where the contract does not expect text of several lines."""
    return () if column.multiline else (("E-CONTROL", pl.col(column.name).str.contains("\n", literal=True), {}),)


def _enum_plan(column: Column, period: str, factor: int) -> _ColumnPlan:
    del period, factor
    cell = pl.col(column.name)
    fault: dict[str, object] = {"allowed": list(column.values)}
    sure = "|".join(map(re.escape, column.values))
    if not column.value_aliases:
        return _ColumnPlan(column, cell, (("E-ENUM", ~cell.is_in(list(column.values)), fault),), sure=sure)
    known = {value: value for value in column.values}
    for alias, value in column.value_aliases.items():
        known |= dict.fromkeys((alias, alias.lower(), alias.upper()), value)
    typed = cell.replace_strict(known, default=None, return_dtype=pl.String)
    return _ColumnPlan(column, typed, (("E-ENUM", ~cell.is_in(list(known)), fault),), sure=sure, typed_if_sure=cell)


def _money_plan(column: Column, period: str, factor: int) -> _ColumnPlan:
    del period
    cell = pl.col(column.name)
    scale = len(str(factor)) - 1
    if factor == 1:
        amount = cell.cast(pl.Int64, strict=False)
        # A leading plus is the one thing the cast takes and the contract does not.
        reads = amount.is_not_null() & ~cell.str.starts_with("+")
        long = cell.str.contains(_DIGITS) & (cell.str.len_bytes() > 18)
        faults: tuple[Fault, ...] = (
            ("E-FRACTION", cell.str.contains(r"^-?[0-9]+\.[0-9]+$"), {"scale": 0}),
            ("E-NUMBER", ~(reads | long), {}),
        )
        total_reads = cell.str.contains(_DIGITS)
    else:
        whole = cell.str.extract(r"^-?([0-9]{1,16})(?:\.[0-9]+)?$", 1)
        part = cell.str.extract(r"^-?[0-9]+\.([0-9]+)$", 1).fill_null("").str.strip_chars_end("0")
        sign = pl.when(cell.str.starts_with("-")).then(-1).otherwise(1)
        padded = part.str.pad_end(scale, "0").cast(pl.Int64, strict=False)
        limited = pl.when(whole.cast(pl.Int64) < MONEY_LIMIT // factor).then(whole.cast(pl.Int64))
        amount = sign * (limited * factor + padded)
        fits = part.str.len_bytes() <= scale
        reads = cell.str.contains(_DECIMAL)
        long = reads & limited.is_null()
        faults = (
            ("E-NUMBER", ~reads, {}),
            ("E-FRACTION", reads & ~fits, {"scale": scale}),
        )
        total_reads = reads & fits
    bound = {"minimum": -(MONEY_LIMIT - 1) if column.minimum is None else column.minimum, "maximum": MONEY_LIMIT - 1}
    negative = cell.str.starts_with("-") & (amount != 0)
    if column.minimum == 0:
        faults += (("E-NEGATIVE", negative | (long & cell.str.starts_with("-")), {}),)
    faults += (("E-RANGE", long | (amount >= MONEY_LIMIT) | (amount <= -MONEY_LIMIT), dict(bound)),)
    sure = (_SURE_COUNT if column.minimum == 0 else _SURE_AMOUNT) if factor == 1 else None
    doubt = None if sure is None else ~cell.str.contains(f"^{sure}$")
    return _ColumnPlan(column, amount, faults, doubt=doubt, reads_as_number=total_reads, sure=sure)


def _integer_plan(column: Column, period: str, factor: int) -> _ColumnPlan:
    del period, factor
    cell = pl.col(column.name)
    count = cell.cast(pl.Int64, strict=False)
    digits = cell.str.contains(_DIGITS)
    minimum = column.minimum if column.minimum is not None else 1 - MONEY_LIMIT
    maximum = column.maximum if column.maximum is not None else MONEY_LIMIT - 1
    faults: tuple[Fault, ...] = (
        ("E-FRACTION", cell.str.contains(r"^-?[0-9]+\.[0-9]+$"), {"scale": 0}),
        ("E-NUMBER", ~digits, {}),
    )
    if column.minimum == 0:
        faults += (("E-NEGATIVE", cell.str.starts_with("-") & (count != 0).fill_null(True), {}),)
    outside = digits & (count.is_null() | (count < minimum) | (count > maximum))
    faults += (("E-RANGE", outside, {"minimum": minimum, "maximum": maximum}),)
    sure = _SURE_COUNT if column.minimum == 0 and column.maximum is None else None
    doubt = None if sure is None else ~cell.str.contains(f"^{sure}$")
    return _ColumnPlan(column, count, faults, doubt=doubt, reads_as_number=digits, sure=sure)


def _decimal_plan(column: Column, period: str, factor: int) -> _ColumnPlan:
    """The digits as sent survive: 75 is not 75.0 (semantics.md R30); zeros beyond the scale do not matter."""
    del period, factor
    cell = pl.col(column.name)
    reads = cell.str.contains(_DECIMAL)
    faults: tuple[Fault, ...] = (("E-NUMBER", ~reads, {}),)
    if column.scale is not None:
        too_fine = reads & cell.str.contains(rf"\.[0-9]{{{column.scale}}}[0-9]*[1-9]")
        faults += (("E-FRACTION", too_fine, {"scale": column.scale}),)
    if column.minimum == 0:
        faults += (("E-NEGATIVE", reads & cell.str.contains(r"^-.*[1-9]"), {}),)
    if column.maximum is not None:
        limits: dict[str, object] = {"minimum": column.minimum, "maximum": column.maximum}
        faults += (("E-RANGE", reads & (cell.cast(pl.Float64, strict=False) > column.maximum), limits),)
    top = 10**_NUMERIC_WHOLE_DIGITS - 1
    too_long = reads & cell.str.contains(rf"^-?0*[1-9][0-9]{{{_NUMERIC_WHOLE_DIGITS},}}")
    faults += (("E-RANGE", too_long, {"minimum": -top, "maximum": top}),)
    return _ColumnPlan(column, cell, faults, reads_as_number=reads)


def _day(cell: pl.Expr) -> pl.Expr:
    iso = cell.str.to_date("%Y-%m-%d", strict=False)
    return pl.coalesce(iso, cell.str.to_date("%d/%m/%Y", strict=False))


def _date_plan(column: Column, period: str, factor: int) -> _ColumnPlan:
    del period, factor
    cell = pl.col(column.name)
    day = _day(cell)
    shaped = cell.str.contains(_ISO_DATE) | cell.str.contains(_LOCAL_DATE)
    return _ColumnPlan(column, day, (("E-DATE", cell.is_not_null() & (day.is_null() | ~shaped), {}),))


def _date_or_year_plan(column: Column, period: str, factor: int) -> _ColumnPlan:
    del period, factor
    cell = pl.col(column.name)
    day = _day(cell)
    local = cell.str.contains("/", literal=True)
    turned = pl.concat_str(cell.str.slice(6, 4), pl.lit("-"), cell.str.slice(3, 2), pl.lit("-"), cell.str.slice(0, 2))
    typed = pl.when(local).then(turned).otherwise(cell)
    shaped = cell.str.contains(_ISO_DATE) | cell.str.contains(_LOCAL_DATE)
    broken = ~cell.str.contains(_YEAR) & (day.is_null() | ~shaped)
    doubt = ~cell.str.contains(f"^(?:{_SURE_DATE_OR_YEAR})$")
    return _ColumnPlan(column, typed, (("E-DATE", broken, {}),), doubt=doubt, sure=_SURE_DATE_OR_YEAR)


def _month_plan(column: Column, period: str, factor: int) -> _ColumnPlan:
    del period, factor
    cell = pl.col(column.name)
    # the text of a date: to make a date and to write it out again would cost more than all the rules of the column
    first_day = cell + "-01"
    reads = cell.str.contains(f"^{_MONTH}$")
    fault: Fault = ("E-MONTH", ~reads, {})
    return _ColumnPlan(column, pl.when(reads).then(first_day), (fault,), sure=_MONTH, typed_if_sure=first_day)


# ------------------------------------------------------------------------------------------------------ rules on rows


def _row_faults(
    contract: Contract, plans: Sequence[_ColumnPlan], received_on: dt.date | None
) -> tuple[tuple[str, Fault], ...]:
    typed = {plan.column.name: plan.typed for plan in plans}
    faults: list[tuple[str, Fault]] = []
    for smaller, larger in contract.not_above.items():
        faults.append((smaller, ("E-PAIR", typed[smaller] > typed[larger], {"limit": larger})))
    if contract.at_least_one_of:
        names = list(contract.at_least_one_of)
        nothing = pl.all_horizontal([pl.col(name).is_null() for name in names])
        faults.append((names[0], ("E-ONE-OF", nothing, {"columns": names})))
    if contract.unit_and_measure_of_indicator:
        faults += _indicator_faults()
        if received_on is not None:
            future = typed["as_of_date"] > pl.lit(received_on)
            faults.append(("as_of_date", ("E-FUTURE", future, {"received": received_on.isoformat()})))
    return tuple(faults)


def _indicator_faults() -> list[tuple[str, Fault]]:
    """Unit and measure are the indicator's own; a comparison may be in percent, of a ratio in percentage points."""
    indicators = load_indicators()

    def of_indicator(values: Mapping[str, str]) -> pl.Expr:
        return pl.col("indicator").replace_strict(dict(values), default=None, return_dtype=pl.String)

    own_unit = of_indicator({code: indicator.unit for code, indicator in indicators.items()})
    own_measure = of_indicator({code: indicator.measure for code, indicator in indicators.items()})
    monthly = [code for code, indicator in indicators.items() if indicator.month_allowed]
    unit, measure = pl.col("unit"), pl.col("measure")
    compares = pl.col("comparison").fill_null("none") != "none"
    right_unit = (
        (unit == own_unit)
        | (compares & (unit == "percent"))
        | (compares & (unit == "percentage_point") & (own_unit == "percent"))
    )
    right_measure = (measure == own_measure) | ((measure == "month") & pl.col("indicator").is_in(monthly))
    return [("unit", ("E-INDICATOR-UNIT", ~right_unit, {})), ("measure", ("E-INDICATOR-UNIT", ~right_measure, {}))]


def _indicator_arguments(code: str, column: str, sent: str | None) -> dict[str, object]:
    if code == "E-INDICATOR":
        return {"column": column, "nearest": _nearest_indicator(sent or "")}
    indicator: Indicator | None = load_indicators().get(sent or "")
    if indicator is None:
        return {"column": column}
    return {"column": column, "indicator": indicator.code, "unit": indicator.unit, "measure": indicator.measure}


@functools.lru_cache(maxsize=4_096)
def _nearest_indicator(sent: str) -> str:
    return difflib.get_close_matches(sent.casefold(), list(load_indicators()), n=1, cutoff=0.0)[0]


# --------------------------------------------------------------------------------------------------------- normalising


def _cleaned(frame: pl.DataFrame) -> pl.DataFrame:
    """NFC, without invisible characters and outer spaces; no-break spaces become spaces, Ð becomes Đ, empty is null."""
    cell = (
        pl.all()
        .str.replace_all(_INVISIBLE, "")
        .str.replace_all(r"[\x{a0}\x{2000}-\x{200a}\x{202f}\x{3000}\x{00}-\x{09}\x{0b}-\x{1f}\x{7f}]", " ")
        .str.replace_all(r"[\x{d0}\x{189}]", "Đ")
        .str.replace_all("ð", "đ")
        .str.normalize("NFC")
        .str.strip_chars()
    )
    return frame.with_columns(cell).with_columns(pl.when(pl.all() != "").then(pl.all()))


def _changed_cells(before: pl.DataFrame, after: pl.DataFrame) -> int:
    sent = before.rename(lambda name: f"sent {name}").fill_null("")
    both = pl.concat([sent, after.fill_null("")], how="horizontal")
    changed = pl.sum_horizontal([pl.col(f"sent {name}").ne(pl.col(name)).sum() for name in before.columns])
    return int(both.select(changed).item())


def _json(arguments: Mapping[str, object]) -> str | None:
    return json.dumps(arguments, ensure_ascii=False) if arguments else None
