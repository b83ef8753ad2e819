"""The workbook a sender gets back, opened as a clerk would open it."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from builders import Inbox, describe, participants
from openpyxl.formatting.rule import FormulaRule
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet
from proofs import proves

from ingestion import annotated, manifest, marking
from ingestion.annotated import Place, annotate
from ingestion.contracts import load_contracts
from ingestion.manifest import Manifest
from ingestion.receipts import receipt, write_outbox
from warehouse.settings import Settings

COLUMNS = ("si_number", "full_name", "birth_date", "sex", "insurance_type", "si_unit_code", "wage_base_vnd")
HEADINGS = ("Mã số BHXH", "Họ và tên", "Ngày sinh", "Giới tính", "Loại bảo hiểm", "Mã đơn vị", "wage_base_vnd")
COLOUR = "FFFFC7CE"
NAME_CELL = r'<c r="B2" t="inlineStr"><is><t>[^<]*</t></is></c>'
DDE = "=cmd|'/c calc'!A0"


def test_a_faulty_cell_of_the_senders_own_workbook_is_coloured_and_says_why(inbox: Inbox) -> None:
    rows = table(4)
    rows[2][COLUMNS.index("sex")] = "Canary"
    told, outbox = deliver(inbox, saved(rows, title_rows=2))
    (entry,) = told["annotated"]
    assert (entry["file"], entry["kind"]) == ("participants.xlsx", "annotated")
    sheet = opened(outbox / entry["workbook"])
    # two title rows, the heading, two good rows
    faulty = sheet["D6"]
    assert (faulty.value, faulty.fill.fgColor.rgb) == ("Canary", COLOUR)
    assert faulty.comment is not None
    (reject,) = told["rejects"]
    assert (reject["row"], reject["column"]) == (6, "sex")
    for text in ("E-ENUM", reject["message_vi"], reject["message_en"]):
        assert text in faulty.comment.text
    marked = [cell.coordinate for row in sheet.iter_rows() for cell in row if cell.comment or is_coloured(cell)]
    assert marked == ["D6"]


def test_what_was_right_stands_in_the_workbook_as_the_sender_wrote_it(inbox: Inbox) -> None:
    rows = table(3)
    rows[1][COLUMNS.index("sex")] = "?"
    _, outbox = deliver(inbox, saved(rows))
    sheet = opened(outbox / "participants-annotated.xlsx")
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [list(HEADINGS), *rows]


def test_a_faulty_value_stands_in_the_workbook_only(inbox: Inbox) -> None:
    rows = table(4)
    rows[2][COLUMNS.index("sex")] = "Canary"
    _, outbox = deliver(inbox, saved(rows))
    written = {path.name: path.read_bytes() for path in outbox.iterdir()}
    assert b"Canary" in unzipped(written.pop("participants-annotated.xlsx"))
    assert set(written) == {"receipt.json", "receipt.json.sig", "rejects.csv"}
    assert [name for name, content in written.items() if b"Canary" in content] == []


def test_all_faults_of_one_cell_and_of_one_row_are_told(inbox: Inbox) -> None:
    rows = table(4)
    rows[1][COLUMNS.index("sex")] = "?"
    rows[1][COLUMNS.index("birth_date")] = "31/02/2021"
    rows[3][0] = rows[0][0]
    told, outbox = deliver(inbox, saved(rows))
    sheet = opened(outbox / "participants-annotated.xlsx")
    assert {reject["code"] for reject in told["rejects"]} == {"E-ENUM", "E-DATE", "E-DUPLICATE"}
    for place, code in (("D3", "E-ENUM"), ("C3", "E-DATE"), ("A5", "E-DUPLICATE")):
        assert sheet[place].comment.text.startswith(code)
        assert is_coloured(sheet[place])


@proves("cells.formula-text")
def test_no_formula_of_a_workbook_is_live_when_it_comes_back(inbox: Inbox) -> None:
    rows = table(4)
    rows[0][COLUMNS.index("full_name")] = DDE
    rows[1][COLUMNS.index("full_name")] = "=1+1"
    rows[2][COLUMNS.index("sex")] = "?"
    content = saved(rows, more=add_what_computes)
    # openpyxl stores no values for formulas; a spreadsheet does
    content = edited(
        content, "xl/worksheets/sheet1.xml", lambda xml: xml.replace("<f>1+1</f><v />", "<f>1+1</f><v>2</v>")
    )
    made = annotate_directly(inbox.settings, content, [Place(4, "sex", "E-ENUM")])
    assert made.kind == "annotated"
    assert made.content is not None
    parts = parts_of(made.content)
    assert not [name for name, text in parts.items() if re.search(r"<f[ >]|formula|externalLink|<definedName ", text)]
    sheet = opened(io.BytesIO(made.content))
    assert (sheet["B2"].value, sheet["B2"].data_type, sheet["B2"].quotePrefix) == (None, "n", False)
    assert sheet["B3"].value == 2


@proves("cells.formula-text")
def test_text_that_looks_like_a_formula_stays_text(inbox: Inbox) -> None:
    rows = table(4)
    rows[2][COLUMNS.index("sex")] = "?"
    content = saved(rows, more=lambda sheet: as_text(sheet, {"B2": DDE, "B3": "@SUM(1)", "B4": "+84 12"}))
    made = annotate_directly(inbox.settings, content, [Place(4, "sex", "E-ENUM")])
    assert made.content is not None
    sheet = opened(io.BytesIO(made.content))
    cells = [sheet[place] for place in ("B2", "B3", "B4")]
    assert [cell.value for cell in cells] == [DDE, "@SUM(1)", "+84 12"]
    assert {(cell.data_type, cell.quotePrefix) for cell in cells} == {("s", True)}


def test_a_cell_whose_type_claims_to_be_a_formula_comes_back_as_text(inbox: Inbox) -> None:
    content = saved(table(3))
    hostile = edited(
        content,
        "xl/worksheets/sheet1.xml",
        lambda xml: re.sub(NAME_CELL, f'<c r="B2" t="f"><v>{DDE}</v></c>', xml),
    )
    made = annotate_directly(inbox.settings, hostile, [Place(3, "sex", "E-ENUM")])
    assert made.content is not None
    assert "<f" not in parts_of(made.content)["xl/worksheets/sheet1.xml"].replace("<formatPr", "")
    assert opened(io.BytesIO(made.content))["B2"].data_type == "s"


def test_an_entity_of_a_workbook_reads_no_file_of_ours(inbox: Inbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the warehouse's own", encoding="utf-8")
    content = saved(table(3))

    def with_entity(xml: str) -> str:
        head = f'<!DOCTYPE worksheet [<!ENTITY own SYSTEM "{secret.as_uri()}">]>'
        assert re.search(NAME_CELL, xml)
        return head + re.sub(NAME_CELL, '<c r="B2" t="str"><v>a&own;</v></c>', xml)

    made = annotate_directly(
        inbox.settings, edited(content, "xl/worksheets/sheet1.xml", with_entity), [Place(3, "sex", "E-ENUM")]
    )
    assert made.content is not None
    assert b"own" not in unzipped(made.content)


def test_a_fault_under_merged_cells_and_in_a_hidden_row_can_be_seen(inbox: Inbox) -> None:
    def hide_and_merge(sheet: Worksheet) -> None:
        sheet.merge_cells("D3:D4")
        sheet.row_dimensions[5].hidden = True

    content = saved(table(5), more=hide_and_merge)
    places = [Place(4, "sex", "E-REQUIRED"), Place(5, "full_name", "E-REQUIRED"), Place(6, None, "E-RAGGED")]
    made = annotate_directly(inbox.settings, content, places)
    assert made.content is not None
    sheet = opened(io.BytesIO(made.content))
    assert sheet["D3"].comment.text == "E-REQUIRED"
    assert not sheet.row_dimensions[5].hidden
    # of a whole row every cell is coloured, the first one says why
    assert all(is_coloured(sheet.cell(6, column)) for column in range(1, len(COLUMNS) + 1))
    assert sheet["A6"].comment.text == "E-RAGGED"


def test_the_sheet_with_the_data_is_found_behind_hidden_and_other_ones(inbox: Inbox) -> None:
    def between_others(sheet: Worksheet) -> None:
        book = sheet.parent
        assert isinstance(book, openpyxl.Workbook)
        notes = book.create_sheet("notes", 0)
        notes.append(["Hướng dẫn"])
        hidden = book.create_sheet("old", 0)
        hidden.append(list(HEADINGS))
        hidden.sheet_state = "hidden"

    made = annotate_directly(inbox.settings, saved(table(3), more=between_others), [Place(3, "sex", "E-ENUM")])
    assert made.content is not None
    book = openpyxl.load_workbook(io.BytesIO(made.content))
    assert [(sheet.title, sheet["D3"].comment is not None) for sheet in book.worksheets] == [
        ("old", False),
        ("notes", False),
        ("data", True),
    ]
    assert book.active is book["data"]


def test_a_workbook_above_the_limit_comes_back_as_its_rejected_rows_at_their_numbers(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotated, "OWN_WORKBOOK_BYTES", 100)
    rows = table(5)
    rows[2][COLUMNS.index("sex")] = "Canary"
    rows[2][COLUMNS.index("full_name")] = "-5"
    told, outbox = deliver(inbox, saved(rows, title_rows=2))
    (entry,) = told["annotated"]
    assert (entry["workbook"], entry["kind"]) == ("participants-rejects.xlsx", "rows")
    sheet = opened(outbox / entry["workbook"])
    filled = {row[0].row: [cell.value for cell in row[:-1]] for row in sheet.iter_rows() if any(c.value for c in row)}
    assert filled == {3: list(HEADINGS), 6: rows[2]}
    assert (sheet["D6"].fill.fgColor.rgb, sheet["D6"].comment.text[:6]) == (COLOUR, "E-ENUM")
    assert told["rejects"][0]["message_vi"] in sheet["H6"].value
    assert (sheet["B6"].data_type, sheet["B6"].quotePrefix) == ("s", True)


def test_more_cells_than_openpyxl_should_be_given_are_refused_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marking, "CELLS", 5 * len(HEADINGS))
    contract = load_contracts()["participants"]
    assert marking.annotated(io.BytesIO(saved(table(4))), contract, []).sheetnames == ["data"]
    with pytest.raises(marking.TooLargeError):
        marking.annotated(io.BytesIO(saved(table(5))), contract, [])


def test_a_workbook_that_unpacks_to_more_than_anybody_should_parse_is_told_by_its_places(inbox: Inbox) -> None:
    piece = b"a" * (1 << 20)
    source = io.BytesIO(saved(table(3)))
    with zipfile.ZipFile(source, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/more.xml", "w") as part:
        for _ in range(513):
            part.write(piece)
    content = source.getvalue()
    assert len(content) < 1 << 20
    made = annotate_directly(inbox.settings, content, [Place(3, "sex", "E-ENUM")])
    assert made.kind == "places"


def test_a_child_that_fails_leaves_the_places_and_nothing_of_the_senders(inbox: Inbox) -> None:
    made = annotate_directly(inbox.settings, b"PK\x03\x04 and then nothing", [Place(7, "sex", "E-ENUM Giới tính")])
    assert made.kind == "places"
    assert made.content is not None
    sheet = opened(io.BytesIO(made.content))
    at = next(cell.column for cell in sheet[1] if cell.value == "sex")
    assert is_coloured(sheet.cell(7, at))
    assert [cell.value for cell in sheet[7] if cell.value] == ["E-ENUM Giới tính"]


def test_a_child_that_takes_too_long_is_ended(inbox: Inbox) -> None:
    content = saved(table(3))
    made = annotate_directly(inbox.settings, content, [Place(3, "sex", "E-ENUM")], seconds=0.01)
    assert (made.kind, made.content) == ("none", None)


def test_an_encrypted_file_is_not_opened_for_the_outbox(inbox: Inbox) -> None:
    content = saved(table(3))
    made = annotate_directly(inbox.settings, content, [Place(3, "sex", "E-ENUM")], is_encrypted=True)
    assert made.kind == "places"
    assert made.content is not None
    assert b"Nguy" not in unzipped(made.content)


def test_a_workbook_in_a_gzip_comes_back_as_the_workbook_it_is(inbox: Inbox) -> None:
    made = annotate_directly(
        inbox.settings, gzip.compress(saved(table(3))), [Place(3, "sex", "E-ENUM")], file="participants.xlsx.gz"
    )
    assert made.kind == "annotated"
    assert made.content is not None
    assert opened(io.BytesIO(made.content))["D3"].comment.text == "E-ENUM"


def test_what_the_archive_has_not_got_leaves_the_csv_and_the_receipt_says_so(inbox: Inbox) -> None:
    rows = table(3)
    rows[1][COLUMNS.index("sex")] = "?"
    folder = send_workbook(inbox, saved(rows))
    inbox.load(folder)
    for path in Path(str(inbox.settings.archive).removeprefix("file://")).rglob("*"):
        if path.is_file():
            path.unlink()
    outbox = write_outbox(inbox.settings, folder.name)
    (entry,) = inbox_receipt(outbox)["annotated"]
    assert (entry["kind"], entry["workbook"]) == ("none", None)
    assert "rejects.csv" in entry["note"]
    assert sorted(path.name for path in outbox.iterdir()) == ["receipt.json", "receipt.json.sig", "rejects.csv"]


def test_bytes_that_changed_in_the_archive_are_not_taken_for_the_senders(inbox: Inbox) -> None:
    rows = table(3)
    rows[1][COLUMNS.index("sex")] = "?"
    folder = send_workbook(inbox, saved(rows))
    inbox.load(folder)
    (sha256,) = inbox.query("select sha256 from ops.load")[0]
    stored = Path(str(inbox.settings.archive).removeprefix("file://")) / sha256[:2] / sha256
    stored.chmod(0o600)
    stored.write_bytes(saved(table(3)))
    outbox = write_outbox(inbox.settings, folder.name)
    stored.unlink()
    assert [entry["kind"] for entry in inbox_receipt(outbox)["annotated"]] == ["none"]


def test_a_csv_and_a_workbook_without_faults_get_no_workbook(inbox: Inbox) -> None:
    _, outbox = deliver(inbox, saved(table(3)))
    assert inbox_receipt(outbox)["annotated"] == []
    folder = inbox.send({"participants": [*participants(3), *participants(1, sex="?")]}, version=2)
    inbox.accept(folder)
    assert inbox_receipt(write_outbox(inbox.settings, folder.name))["annotated"] == []


def test_the_csv_of_rejects_opens_as_it_is_beside_the_workbook(inbox: Inbox) -> None:
    rows = table(4)
    rows[2][COLUMNS.index("sex")] = "?"
    _, outbox = deliver(inbox, saved(rows))
    with (outbox / "rejects.csv").open(encoding="utf-8-sig", newline="") as stream:
        (line,) = list(csv.DictReader(stream))
    assert (line["row"], line["column"], line["code"]) == ("4", "sex", "E-ENUM")


# ----------------------------------------------------------------------------------------------------------- builders


def table(count: int) -> list[list[str]]:
    """Rows of a participants workbook, in the order of HEADINGS."""
    return [[row[name] for name in COLUMNS] for row in participants(count)]


def saved(
    rows: Sequence[Sequence[object]], *, title_rows: int = 0, more: Callable[[Worksheet], None] | None = None
) -> bytes:
    """The bytes of a workbook with one sheet."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "data"
    for number in range(title_rows):
        sheet.append([f"Báo cáo {number}"])
    sheet.append(list(HEADINGS))
    for row in rows:
        sheet.append(list(row))
    if more is not None:
        more(sheet)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def add_what_computes(sheet: Worksheet) -> None:
    """Everything of a workbook that computes or calls, beside its cells."""
    book = sheet.parent
    assert isinstance(book, openpyxl.Workbook)
    book.defined_names["call"] = DefinedName("call", attr_text="cmd|'/c calc'!A0")
    sheet.conditional_formatting.add("A1:A9", FormulaRule(formula=["cmd|'/c calc'!A0"]))
    rule = DataValidation(type="custom", formula1="cmd|'/c calc'!A0")
    rule.add("A1:A9")
    sheet.add_data_validation(rule)
    sheet["A2"].hyperlink = "file:///etc/hosts"


def as_text(sheet: Worksheet, cells: dict[str, str]) -> None:
    """Text cells, whatever they look like."""
    for place, text in cells.items():
        sheet[place].value = text
        sheet[place].data_type = "s"


def send_workbook(inbox: Inbox, content: bytes, *, name: str = "participants.xlsx") -> Path:
    """A submission of one participants workbook; returns its folder."""
    folder = inbox.send({"participants": participants(1)})
    (folder / "participants.csv").unlink()
    (folder / name).write_bytes(content)
    sent = manifest.parse((folder / "manifest.json").read_bytes())
    file = describe(folder / name, "participants", [], format="xlsx", rows=rows_in(content), totals={})
    manifest.write(folder, Manifest(**{**sent.model_dump(), "files": (file,)}))
    return folder


def rows_in(content: bytes) -> int:
    """Rows below the heading."""
    rows = list(opened(io.BytesIO(content)).values)
    return len(rows) - 1 - next(at for at, row in enumerate(rows) if row[0] == HEADINGS[0])


def deliver(inbox: Inbox, content: bytes) -> tuple[dict[str, Any], Path]:
    """Load a workbook as a submission and write its outbox: the receipt as the sender finds it, and the folder."""
    folder = send_workbook(inbox, content)
    inbox.load(folder)
    outbox = write_outbox(inbox.settings, folder.name)
    told = inbox_receipt(outbox)
    assert receipt(inbox.settings, folder.name) == {name: told[name] for name in told if name != "annotated"}
    return told, outbox


def inbox_receipt(outbox: Path) -> dict[str, Any]:
    """receipt.json of an outbox folder."""
    told: dict[str, Any] = json.loads((outbox / "receipt.json").read_text(encoding="utf-8"))
    return told


def annotate_directly(
    settings: Settings,
    content: bytes,
    places: Sequence[Place],
    *,
    file: str = "participants.xlsx",
    is_encrypted: bool = False,
    seconds: float = 120,
) -> annotated.Workbook:
    """Put bytes into the archive and have them marked."""
    sha256 = hashlib.sha256(content).hexdigest()
    stored = Path(str(settings.archive).removeprefix("file://")) / sha256[:2] / sha256
    stored.parent.mkdir(parents=True, exist_ok=True)
    stored.write_bytes(content)
    return annotate(
        settings, feed="participants", file=file, sha256=sha256, is_encrypted=is_encrypted, places=places,
        seconds=seconds,
    )  # fmt: skip


def opened(source: Path | io.BytesIO) -> Any:
    """The sheet a clerk sees when he opens the workbook."""
    return openpyxl.load_workbook(source).active


def is_coloured(cell: Any) -> bool:
    return bool(cell.fill.fgColor.rgb == COLOUR)


def parts_of(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name).decode("utf-8", "replace") for name in archive.namelist()}


def unzipped(content: bytes) -> bytes:
    return "".join(parts_of(content).values()).encode()


def edited(content: bytes, part: str, change: Callable[[str], str]) -> bytes:
    """The workbook with one of its parts rewritten; the change must change something."""
    parts = parts_of(content)
    before = parts[part]
    parts[part] = change(before)
    assert parts[part] != before
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return target.getvalue()
