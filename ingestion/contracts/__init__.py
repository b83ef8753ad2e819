"""The feeds' contracts: what each column of each feed must be. Their home is the YAML beside this file (ODCS v3).

A contract is read through the Open Data Contract Standard's own model, then through strict models of our custom
properties, so that a malformed contract or a misspelt rule stops the program instead of switching a check off.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import yaml
from open_data_contract_standard.model import CustomProperty, OpenDataContractStandard, SchemaObject, SchemaProperty
from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["code", "text", "enum", "money", "integer", "decimal", "date", "month", "date_or_year"]

_FOLDER = Path(__file__).parent
_INDICATORS = _FOLDER / "reference" / "indicators.csv"
_PG_TYPE: Mapping[Kind, str] = {
    "code": "text",
    "text": "text",
    "enum": "text",
    "money": "bigint",
    "integer": "bigint",
    "decimal": "numeric",
    "date": "date",
    "month": "date",
    "date_or_year": "text",
}
_LIMIT_BYTES = 1 << 30
_LIMIT_CELLS = 2_000_000
_SNAKE_NAME = re.compile(r"^[a-z][a-z0-9_]{0,62}$")


class ContractError(ValueError):
    """A contract under `ingestion/contracts/` is malformed."""


@dataclass(frozen=True)
class RequiredIf:
    """The column must be filled in rows whose `column` holds one of `values`."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class CheckIf:
    """The column's check holds in rows whose `column` holds one of `values`, and in no other."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class LaterPattern:
    """The pattern that holds from `period` (YYYY-MM) on."""

    period: str
    pattern: str
    shape: str


@dataclass(frozen=True)
class Column:
    """One column of a feed. `pattern` must match the whole cell; `shape` says it in words.

    The check `province_code` reads the code on the map of the day in the column `map_of`, else of the file's period.
    """

    name: str
    kind: Kind
    required: bool
    description: str
    in_key: bool
    pg_type: str
    headings_vi: tuple[str, ...] = ()
    required_if: RequiredIf | None = None
    values: tuple[str, ...] = ()
    value_aliases: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    pattern: str | None = None
    shape: str | None = None
    later_pattern: LaterPattern | None = None
    minimum: int | None = None
    maximum: int | None = None
    scale: int | None = None
    default: str | int | None = None
    check: Literal["tax_code", "indicator", "province_code"] | None = None
    check_if: CheckIf | None = None
    map_of: str | None = None
    example: str | None = None
    multiline: bool = False

    @property
    def headings(self) -> tuple[str, ...]:
        """Every heading the column is found by: its name first, then the Vietnamese ones."""
        return (self.name, *self.headings_vi)

    def pattern_in(self, period: str) -> tuple[str | None, str | None]:
        """Pattern and its wording in a period (`YYYY-MM`; an ISO week counts by its year)."""
        later = self.later_pattern
        if later is not None and period >= later.period:
            return later.pattern, later.shape
        return self.pattern, self.shape


@dataclass(frozen=True)
class Contract:
    """One feed: who may send it, its columns in the order of the table, its key and its rules over several columns.

    `max_bytes` is the limit of a file both as sent and unpacked, `max_cells` that of a workbook's sheet (rows times
    columns, empty ones included); larger files are sent as CSV.
    """

    feed: str
    version: str
    description: str
    senders: frozenset[str]
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    tolerance_rows: int
    tolerance_share: Decimal
    partition_by_month: bool
    profile_column: str | None = None
    at_least_one_of: tuple[str, ...] = ()
    not_above: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    unit_and_measure_of_indicator: bool = False
    max_bytes: int = _LIMIT_BYTES
    max_cells: int = _LIMIT_CELLS

    def column(self, name: str) -> Column:
        """The column of that name; KeyError if the feed has none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names in contract order."""
        return tuple(column.name for column in self.columns)

    @property
    def amount_columns(self) -> tuple[str, ...]:
        """Columns of whole đồng."""
        return tuple(column.name for column in self.columns if column.kind == "money")

    @property
    def count_columns(self) -> tuple[str, ...]:
        """Columns of whole numbers that are not money."""
        return tuple(column.name for column in self.columns if column.kind == "integer")

    @property
    def decimal_columns(self) -> tuple[str, ...]:
        """Columns of decimal numbers, kept with the digits as sent."""
        return tuple(column.name for column in self.columns if column.kind == "decimal")

    def tolerated(self, rows: int) -> int:
        """How many rows of a file of `rows` data rows may be set aside."""
        return max(self.tolerance_rows, int(self.tolerance_share * rows))


@dataclass(frozen=True)
class Indicator:
    """An indicator with the unit and measure it is sent in; `month_allowed`: a single month may be sent too."""

    code: str
    unit: str
    measure: str
    additivity: str
    headline: bool
    month_allowed: bool


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _RequiredIf(_Strict):
    column: str
    values: tuple[str, ...] = Field(min_length=1)


class _LaterPattern(_Strict):
    period: str = Field(pattern=r"^\d{4}-\d{2}$")
    pattern: str
    shape: str


class _Tolerance(_Strict):
    rows: int = Field(ge=0)
    share: Decimal = Field(ge=0, lt=1)


class _ColumnRules(_Strict):
    kind: Kind
    headings_vi: tuple[str, ...] = ()
    required_if: _RequiredIf | None = None
    values: tuple[str, ...] = ()
    value_aliases: dict[str, str] = Field(default_factory=dict)
    pattern: str | None = None
    shape: str | None = None
    pattern_from: _LaterPattern | None = None
    min: int | None = None
    max: int | None = None
    scale: int | None = None
    default: str | int | None = None
    check: Literal["tax_code", "indicator", "province_code"] | None = None
    check_if: _RequiredIf | None = None
    map_of: str | None = None
    multiline: bool = False


class _FeedRules(_Strict):
    senders: tuple[Literal["province", "hq", "tax"], ...] = Field(min_length=1)
    tolerance: _Tolerance
    partition_by_month: bool
    profile_column: str | None = None
    at_least_one_of: tuple[str, ...] = ()
    not_above: dict[str, str] = Field(default_factory=dict)
    unit_and_measure_of_indicator: bool = False
    max_bytes: int = Field(default=_LIMIT_BYTES, ge=1 << 20)
    max_cells: int = Field(default=_LIMIT_CELLS, ge=1_000)


@functools.cache
def load_contracts() -> Mapping[str, Contract]:
    """Every contract by feed. Raises ContractError or pydantic.ValidationError on a malformed one."""
    contracts = {path.stem: read_contract(path) for path in sorted(_FOLDER.glob("*.yaml"))}
    for feed, contract in contracts.items():
        if contract.feed != feed:
            raise ContractError(f"{feed}.yaml describes the feed {contract.feed}")
    return MappingProxyType(contracts)


@functools.cache
def load_indicators() -> Mapping[str, Indicator]:
    """The indicators that may be reported or planned, by code."""
    with _INDICATORS.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return MappingProxyType(
        {
            row["indicator"]: Indicator(
                code=row["indicator"],
                unit=row["unit"],
                measure=row["measure"],
                additivity=row["additivity"],
                headline=row["headline"] == "yes",
                month_allowed="measure month" in row["note"],
            )
            for row in rows
        }
    )


def read_contract(path: Path) -> Contract:
    """Read one contract file. Raises ContractError or pydantic.ValidationError."""
    document = OpenDataContractStandard.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    if document.kind != "DataContract" or not (document.apiVersion or "").startswith("v3."):
        raise ContractError(f"{path.name} is not an ODCS v3 data contract")
    if document.schema_ is None or len(document.schema_) != 1:
        raise ContractError(f"{path.name} must describe exactly one table")
    return _contract(document.schema_[0], version=document.version or "", file=path.name)


def _contract(table: SchemaObject, *, version: str, file: str) -> Contract:
    rules = _FeedRules.model_validate(_custom(table.customProperties))
    columns = tuple(_column(item, file=file) for item in table.properties or ())
    names = [column.name for column in columns]
    positions = {item.name: item.primaryKeyPosition or 0 for item in table.properties or () if item.primaryKey}
    key = tuple(sorted((column.name for column in columns if column.in_key), key=lambda name: positions[name]))
    mentioned = {*rules.at_least_one_of, *rules.not_above, *rules.not_above.values()}
    mentioned |= {column.required_if.column for column in columns if column.required_if}
    mentioned |= {column.check_if.column for column in columns if column.check_if}
    mentioned |= {column.map_of for column in columns if column.map_of}
    mentioned |= {rules.profile_column} if rules.profile_column else set()
    if not table.name or not table.description or not key or len(set(names)) < len(names):
        raise ContractError(f"{file}: name, description and key are needed, and each column may stand once")
    if not mentioned <= set(names):
        raise ContractError(f"{file}: unknown columns {sorted(mentioned - set(names))}")
    return Contract(
        feed=table.name,
        version=version,
        description=table.description,
        senders=frozenset(rules.senders),
        columns=columns,
        key=key,
        tolerance_rows=rules.tolerance.rows,
        tolerance_share=rules.tolerance.share,
        partition_by_month=rules.partition_by_month,
        profile_column=rules.profile_column,
        at_least_one_of=rules.at_least_one_of,
        not_above=MappingProxyType(rules.not_above),
        unit_and_measure_of_indicator=rules.unit_and_measure_of_indicator,
        max_bytes=rules.max_bytes,
        max_cells=rules.max_cells,
    )


def _column(item: SchemaProperty, *, file: str) -> Column:
    rules = _ColumnRules.model_validate(_custom(item.customProperties))
    if not item.name or not _SNAKE_NAME.match(item.name) or not item.description or item.required is None:
        raise ContractError(f"{file}: a column needs a snake-case name, a description and `required` ({item.name})")
    if item.physicalType != _PG_TYPE[rules.kind]:
        raise ContractError(f"{file}: {item.name} of kind {rules.kind} must be {_PG_TYPE[rules.kind]}")
    if (rules.kind == "enum") != bool(rules.values):
        raise ContractError(f"{file}: {item.name}: an enum, and only an enum, lists its values")
    if (rules.check_if or rules.map_of) and rules.check != "province_code":
        raise ContractError(f"{file}: {item.name}: check_if and map_of belong to the check province_code")
    return Column(
        name=item.name,
        kind=rules.kind,
        required=item.required,
        description=item.description,
        in_key=bool(item.primaryKey),
        pg_type=_PG_TYPE[rules.kind],
        headings_vi=rules.headings_vi,
        required_if=RequiredIf(**rules.required_if.model_dump()) if rules.required_if else None,
        values=rules.values,
        value_aliases=MappingProxyType(rules.value_aliases),
        pattern=rules.pattern,
        shape=rules.shape,
        later_pattern=LaterPattern(**rules.pattern_from.model_dump()) if rules.pattern_from else None,
        minimum=rules.min,
        maximum=rules.max,
        scale=rules.scale,
        default=rules.default,
        check=rules.check,
        check_if=CheckIf(**rules.check_if.model_dump()) if rules.check_if else None,
        map_of=rules.map_of,
        example=str(item.examples[0]) if item.examples else None,
        multiline=rules.multiline,
    )


def _custom(properties: list[CustomProperty] | None) -> dict[str, Any]:
    return {item.property: item.value for item in properties or () if item.property}
