"""The blank Excel template of a feed: what is typed into it is what the reader takes.

Codes and months are text columns, so that Excel keeps leading zeros and makes no date of `2021-10`; dates are date
columns shown as YYYY-MM-DD, because a typed 12/10/2021 means different days on differently set machines. Formats and
rules belong to whole columns, so that a template has no rows until somebody fills one in.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from pathlib import Path

import openpyxl
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from ingestion.contracts import Column, Contract, load_contracts
from ingestion.wording import Words, allowed_values, heading, limits, need_of, type_of, value_name
from warehouse.errors import UsageError

_LAST_ROW = 1_048_576
_LONGEST_LIST = 255
_LISTS = "lists"
_INSTRUCTIONS = "Hướng dẫn"
_TEXT, _DATE, _WHOLE = "@", "yyyy-mm-dd", "0"
_FORMAT = {
    "code": _TEXT, "text": _TEXT, "enum": _TEXT, "month": _TEXT, "date_or_year": _TEXT, "date": _DATE,
    "money": _WHOLE, "integer": _WHOLE,
}  # fmt: skip
_EPOCH = dt.datetime(2021, 1, 1)  # noqa: DTZ001 - a workbook's times have no zone; the content must not depend on now
_MADE_ON = (1980, 1, 1, 0, 0, 0)
_REQUIRED = PatternFill("solid", fgColor="FF1F4E79")
_OPTIONAL = PatternFill("solid", fgColor="FFDDEBF7")


def write_template(feed: str, out: Path) -> Path:
    """Write `out`/<feed>.xlsx. Raises UsageError when it is there already: it may hold somebody's figures."""
    target = out / f"{feed}.xlsx"
    out.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("xb") as stream:
            stream.write(template(feed))
    except FileExistsError:
        raise UsageError(f"{target} exists already: choose another folder, or move it away.") from None
    return target


def template(feed: str) -> bytes:
    """The blank workbook of a feed: the sheet to fill in, then the instructions. The same bytes every time."""
    contract = load_contracts()[feed]
    workbook = openpyxl.Workbook()
    workbook.properties.creator = "VSS Warehouse"
    workbook.properties.created = _EPOCH
    sheet = workbook.active
    assert isinstance(sheet, Worksheet)
    sheet.title = feed
    lists = _long_lists(contract)
    for at, column in enumerate(contract.columns, start=1):
        _add_column(sheet, at, column, contract, lists)
    sheet.freeze_panes = "A2"
    sheet.row_dimensions[1].height = 32
    _add_instructions(workbook.create_sheet(_INSTRUCTIONS), contract)
    if lists:
        # behind the data: the reader takes the first visible sheet whose headings fit, and leaves hidden ones alone
        hidden = workbook.create_sheet(_LISTS)
        hidden.sheet_state = "hidden"
        for at, name in enumerate(lists, start=1):
            for row, value in enumerate(allowed_values(contract.column(name)), start=1):
                hidden.cell(row, at, value).number_format = _TEXT
    saved = io.BytesIO()
    workbook.save(saved)
    return _without_times(saved.getvalue())


def _add_column(sheet: Worksheet, at: int, column: Column, contract: Contract, lists: dict[str, str]) -> None:
    letter = get_column_letter(at)
    head = sheet.cell(1, at, heading(column) + (" *" if column.required else ""))
    head.fill = _REQUIRED if column.required else _OPTIONAL
    head.font = Font(bold=True, color="FFFFFFFF" if column.required else "FF000000")
    head.alignment = Alignment(wrap_text=True, vertical="center")
    kind, need = type_of(column), need_of(column, contract)
    example = f"\nVí dụ / Example: {column.example}" if column.example else ""
    head.comment = Comment(
        f"{column.name}\n{need.vi}; {kind.vi}\n{column.description}\n{need.en}; {kind.en}{example}", "VSS"
    )
    head.comment.width, head.comment.height = 360, 180
    dimension = sheet.column_dimensions[letter]
    dimension.width = min(max(len(str(head.value)) + 4, len(column.example or "") + 2, 14), 40)
    dimension.number_format = _FORMAT.get(column.kind, "General")
    rule = _validation(column, f"{letter}2", lists)
    if rule is not None:
        rule.allow_blank = True
        rule.showErrorMessage = True
        rule.errorTitle = heading(column)[:31]
        rule.error = f"{kind.vi} / {kind.en}"[:250]
        rule.add(f"{letter}2:{letter}{_LAST_ROW}")
        sheet.add_data_validation(rule)


def _validation(column: Column, first: str, lists: dict[str, str]) -> DataValidation | None:
    if values := allowed_values(column):
        return DataValidation(type="list", formula1=lists.get(column.name) or f'"{",".join(values)}"')
    lowest, highest = map(str, limits(column))
    if column.kind == "date":
        return DataValidation(type="date", operator="between", formula1="DATE(1900,1,1)", formula2="DATE(2199,12,31)")
    if column.kind == "month":
        return DataValidation(type="custom", formula1=f'AND(LEN({first})=7,MID({first},5,1)="-")')
    if column.kind == "date_or_year":
        return DataValidation(type="custom", formula1=f"OR(LEN({first})=4,LEN({first})=10)")
    if column.kind == "integer":
        return DataValidation(type="whole", operator="between", formula1=lowest, formula2=highest)
    if column.kind == "money":
        # decimals are right in a file whose unit is not the đồng: a warning, which can be passed over
        return DataValidation(type="whole", operator="between", formula1=lowest, formula2=highest, errorStyle="warning")
    if column.kind == "decimal":
        return DataValidation(type="decimal", operator="between", formula1=lowest, formula2=highest)
    return None


def _long_lists(contract: Contract) -> dict[str, str]:
    """Column to the range that holds its values, for lists that are too long to stand in a rule."""
    found: dict[str, str] = {}
    for column in contract.columns:
        values = allowed_values(column)
        if len(",".join(values)) + 2 > _LONGEST_LIST:
            letter = get_column_letter(len(found) + 1)
            found[column.name] = f"{_LISTS}!${letter}$1:${letter}${len(values)}"
    return found


def _add_instructions(sheet: Worksheet, contract: Contract) -> None:
    lines = (
        Words(
            f"Biểu {contract.feed}: điền vào trang tính đầu tiên, mỗi dòng một bản ghi, từ dòng 2.",
            f"Feed {contract.feed}: fill in the first sheet, one record a row, from row 2 on.",
        ),
        Words(
            "Cột có dấu * là bắt buộc. Không sửa tiêu đề; không thêm dòng cộng, không dùng công thức.",
            "Columns marked * are required. Leave the headings as they are; no totals, no formulas.",
        ),
        Words(
            "Tiền là số đồng nguyên. Mã được giữ ở dạng văn bản, có số 0 ở đầu. Khi dán, chọn «Dán giá trị».",
            "Money is whole đồng. Codes are text with leading zeros. When pasting, paste values only.",
        ),
    )
    for words in lines:
        sheet.append([words.vi])
        sheet.append([words.en])
    sheet.append([])
    sheet.append(["Cột", "Tên trong tệp CSV", "Điền", "Kiểu", "Giá trị", "Ví dụ", "Column, type and need in English"])
    for cell in sheet[sheet.max_row]:
        cell.font = Font(bold=True)
    for column in contract.columns:
        kind, need = type_of(column), need_of(column, contract)
        values = allowed_values(column)
        sheet.append(
            [
                heading(column), column.name, need.vi, kind.vi,
                "\n".join(_value_line(contract.feed, column.name, value) for value in values), column.example,
                f"{column.description} {need.en}; {kind.en}",
            ]
        )  # fmt: skip
        for cell in sheet[sheet.max_row]:
            cell.number_format = _TEXT
            cell.alignment = Alignment(wrap_text=True, vertical="top")
    for at, width in enumerate((24, 24, 24, 40, 40, 20, 60), start=1):
        sheet.column_dimensions[get_column_letter(at)].width = width


def _value_line(feed: str, column: str, value: str) -> str:
    words = value_name(feed, column, value)
    return value if words is None else f"{value}: {words.vi}"


def _without_times(workbook: bytes) -> bytes:
    """openpyxl stamps the moment of saving into the properties and every entry of the zip."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>2021-01-01T00:00:00Z", content)
            entry = zipfile.ZipInfo(name, _MADE_ON)
            entry.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(entry, content)
    return target.getvalue()
