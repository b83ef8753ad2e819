"""The blank templates: filled in as they ask, they are accepted to the last row."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from ingestion.checking import examine
from ingestion.contracts import Column, load_contracts
from ingestion.manifest import ManifestFile
from ingestion.reading import Terms
from ingestion.templates import template, write_template
from ingestion.wording import allowed_values, heading
from warehouse.errors import UsageError

FEEDS = sorted(load_contracts())


def opened(feed: str) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(template(feed)))


def data_sheet(book: openpyxl.Workbook) -> Worksheet:
    sheet = book.worksheets[0]
    assert isinstance(sheet, Worksheet)
    return sheet


def typed(column: Column) -> object:
    """What Excel makes of a clerk's typing the contract's example."""
    assert column.example is not None
    if column.kind in {"money", "integer"}:
        return int(column.example)
    if column.kind == "decimal":
        return Decimal(column.example)
    return dt.date.fromisoformat(column.example) if column.kind == "date" else column.example


@pytest.mark.parametrize("feed", FEEDS)
def test_a_template_filled_with_the_contract_s_examples_loads_without_a_reject(feed: str, tmp_path: Path) -> None:
    contract = load_contracts()[feed]
    book = opened(feed)
    data_sheet(book).append([typed(column) if column.example else None for column in contract.columns])
    path = tmp_path / f"{feed}.xlsx"
    book.save(path)
    file = ManifestFile(feed=feed, path=path.name, format="xlsx", bytes=1, sha256="0" * 64, rows=1)
    period = "2021-W44" if feed == "weekly_report" else "2021-10"

    tally = examine(path, file, Terms(contract, period, dt.date(2021, 11, 3)))

    assert (tally.rows, tally.accepted, tally.rejects, tally.faults) == (1, 1, [], [])


@pytest.mark.parametrize("feed", FEEDS)
def test_an_unfilled_template_is_empty_and_not_faulty(feed: str, tmp_path: Path) -> None:
    path = tmp_path / f"{feed}.xlsx"
    path.write_bytes(template(feed))
    file = ManifestFile(feed=feed, path=path.name, format="xlsx", bytes=1, sha256="0" * 64, rows=0)

    tally = examine(path, file, Terms(load_contracts()[feed], "2021-10"))

    assert [fault.code for fault in tally.faults] == ["E-EMPTY"]


@pytest.mark.parametrize("feed", FEEDS)
def test_headings_stand_in_contract_order_and_say_what_is_required(feed: str) -> None:
    contract = load_contracts()[feed]
    sheet = data_sheet(opened(feed))

    heads = [cell.value for cell in sheet[1]]

    assert heads == [heading(column) + (" *" if column.required else "") for column in contract.columns]
    assert all(cell.comment is not None and column.description in cell.comment.text
               for cell, column in zip(sheet[1], contract.columns, strict=True))  # fmt: skip
    assert sheet.freeze_panes == "A2"


@pytest.mark.parametrize("feed", FEEDS)
def test_codes_months_and_lists_are_text_columns_so_that_zeros_stay(feed: str) -> None:
    contract = load_contracts()[feed]
    sheet = data_sheet(opened(feed))

    formats = {
        column.name: sheet.column_dimensions[cell.column_letter].number_format
        for column, cell in zip(contract.columns, sheet[1], strict=True)
    }

    as_text = {column.name for column in contract.columns if column.kind in {"code", "text", "enum", "month"}}
    assert as_text
    assert {name for name, kind in formats.items() if kind == "@"} >= as_text


@pytest.mark.parametrize("feed", FEEDS)
def test_every_list_offers_exactly_the_values_of_the_contract(feed: str) -> None:
    contract = load_contracts()[feed]
    book = opened(feed)
    sheet = data_sheet(book)
    rules = {str(rule.sqref).split(":", maxsplit=1)[0]: rule for rule in sheet.data_validations.dataValidation}

    for at, column in enumerate(contract.columns, start=1):
        values = allowed_values(column)
        rule = rules.get(sheet.cell(2, at).coordinate)
        if not values:
            assert rule is None or rule.type != "list"
            continue
        assert rule is not None
        assert rule.type == "list"
        if rule.formula1.startswith('"'):
            offered = tuple(rule.formula1.strip('"').split(","))
            assert len(rule.formula1) <= 257
        else:
            name, cells = rule.formula1.split("!")
            assert book[name].sheet_state == "hidden"
            offered = tuple(cell.value for (cell,) in book[name][cells.replace("$", "")])
        assert offered == values


def test_the_instructions_stand_behind_the_sheet_to_fill_in() -> None:
    book = opened("indicators")

    assert [(sheet.title, sheet.sheet_state) for sheet in book.worksheets] == [
        ("indicators", "visible"), ("Hướng dẫn", "visible"), ("lists", "hidden"),
    ]  # fmt: skip


def test_the_same_template_has_the_same_bytes() -> None:
    assert template("participants") == template("participants")


def test_a_template_never_overwrites_one_that_may_be_filled_in(tmp_path: Path) -> None:
    target = write_template("arrears", tmp_path)
    target.write_bytes(b"filled")

    with pytest.raises(UsageError, match="exists already"):
        write_template("arrears", tmp_path)

    assert target.read_bytes() == b"filled"
