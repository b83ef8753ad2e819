"""The submission guide, followed word for word by a clerk with a filled template, ends in a published figure."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import openpyxl
from demo_warehouse import Demo

from warehouse.settings import PROJECT

GUIDE = PROJECT / "docs" / "submission-guide.md"
DEBTS = [
    {
        "Mã đơn vị": "TA0001A", "Quỹ": "HI", "Nợ gốc": 120_000_000, "Nợ quá hạn": 80_000_000,
        "Lãi chậm đóng": 1_250_000, "Số tháng nợ": 3.5, "Tháng nợ cũ nhất": "2021-07",
        "Số lao động bị ảnh hưởng": 35, "Nợ khó thu": "none", "Ngày đôn đốc": dt.date(2021, 10, 12),
    },
    {
        "Mã đơn vị": "0000012", "Quỹ": "UI", "Nợ gốc": 500_000, "Nợ quá hạn": 0, "Số tháng nợ": 0.5,
        "Số lao động bị ảnh hưởng": 3,
    },
]  # fmt: skip


def commands() -> list[str]:
    """The commands of the guide's first fenced block."""
    block = re.search(r"^```sh\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert block is not None
    return block[1].splitlines()


def fill_in(path: Path) -> None:
    """What a clerk does with the template: rows from the second on, under the headings as they stand."""
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    headings = [str(cell.value).removesuffix(" *") for cell in sheet[1]]
    for debt in DEBTS:
        assert set(debt) <= set(headings)
        sheet.append([debt.get(heading) for heading in headings])
    book.save(path)


def test_from_the_blank_template_to_the_published_figure(home: Path, tmp_path: Path) -> None:
    warehouse = Demo(home)
    inbox = home / "inbox"
    inbox.mkdir()
    command = tmp_path / "bin" / "vss"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nfrom cli.main import main\nmain()\n", encoding="utf-8")
    command.chmod(0o755)
    environment = {
        "PATH": f"{command.parent}:{os.environ['PATH']}", "PYTHONPATH": str(PROJECT), "VSS_INBOX": str(inbox),
    }  # fmt: skip
    steps = commands()

    for step in steps:
        done = subprocess.run(
            ["bash", "-c", step], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{step}\n{done.stdout}\n{done.stderr}"
        if step.startswith("vss template"):
            (blank,) = tmp_path.rglob("arrears.xlsx")
            fill_in(blank)
    warehouse.vss("nightly")
    receipt = json.loads(warehouse.vss("receipt", "p26-2021-10-v1", "--json").stdout)

    assert [step.split()[1] for step in steps if step.startswith("vss")] == ["template", "pack", "check"]
    assert receipt["errors"] == []
    assert [(feed["feed"], feed["state"], feed["accepted"]) for feed in receipt["feeds"]] == [
        ("arrears", "published", 2)
    ]
    facts = warehouse.rows(
        "select si_unit_code, fund, principal_vnd, overdue_vnd, interest_vnd, months_owed, employees_affected"
        " from bi.fct_arrears order by principal_vnd desc"
    )
    assert [tuple(row.values()) for row in facts] == [
        ("TA0001A", "HI", 120_000_000, 80_000_000, 1_250_000, 3.5, 35),
        ("0000012", "UI", 500_000, 0, 0, 0.5, 3),
    ]
    bands = warehouse.rows(
        "select ageing_band, units, principal_vnd, overdue_vnd, interest_vnd from bi.rpt_arrears_ageing"
        " where province_code = '26' and month = '2021-10-01' and units > 0 order by principal_vnd"
    )
    assert [tuple(row.values()) for row in bands] == [
        ("<1", 1, 500_000, 0, 0), ("3-<6", 1, 120_000_000, 80_000_000, 1_250_000),
    ]  # fmt: skip
