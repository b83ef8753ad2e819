"""template, pack and check as a shell sees them: without a database, without a VSS_HOME."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest
from builders import arrears, write_csv
from typer.main import get_command

from cli.main import app
from warehouse.settings import PROJECT

Done = subprocess.CompletedProcess[str]


def vss(place: Path, *arguments: str) -> Done:
    """Run a verb in a folder, with a home that cannot be made: whoever needs one fails."""
    return subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()", *arguments],
        cwd=place,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "VSS_HOME": "/dev/null/none"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def pack(place: Path, *arguments: str) -> Done:
    return vss(place, "pack", "--sender", "province-26", "--period", "2021-10", "--out", "outgoing", *arguments)


def test_a_template_is_written_and_named(tmp_path: Path) -> None:
    done = vss(tmp_path, "template", "arrears", "--out", "forms")

    assert (done.returncode, done.stdout) == (0, "forms/arrears.xlsx\n")
    assert openpyxl.load_workbook(tmp_path / "forms" / "arrears.xlsx").sheetnames[0] == "arrears"


def test_an_unknown_feed_is_wrong_usage_and_the_known_ones_are_named(tmp_path: Path) -> None:
    done = vss(tmp_path, "template", "arears", "--out", ".")

    assert done.returncode == 2
    assert "participants" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_packed_is_checked_and_would_be_accepted(tmp_path: Path) -> None:
    write_csv(tmp_path / "arrears_2021-10.csv", arrears(3))

    packed = pack(tmp_path, "arrears_2021-10.csv", "--nil", "outreach")
    checked = vss(tmp_path, "check", "outgoing/province-26/p26-2021-10-v1")

    assert packed.returncode == 0, packed.stderr
    assert packed.stdout.splitlines()[0].startswith("arrears: arrears_2021-10.csv, 3 rows, principal_vnd 3,000")
    assert packed.stdout.splitlines()[-1] == "outgoing/province-26/p26-2021-10-v1"
    assert checked.returncode == 0
    assert "accepted" in checked.stdout.splitlines()[0]
    assert "N-ONLY-THERE" in checked.stdout


def test_a_file_of_any_name_is_given_its_feed_unit_and_basis(tmp_path: Path) -> None:
    write_csv(tmp_path / "bieu=07.csv", arrears(1))

    done = pack(tmp_path, "arrears=bieu=07.csv", "--unit", "million", "--basis", "arrears=ytd")

    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "outgoing/province-26/p26-2021-10-v1/manifest.json").read_text(encoding="utf-8"))
    (file,) = content["files"]
    assert (file["feed"], file["path"], file["unit"], file["basis"]) == ("arrears", "bieu=07.csv", "million", "ytd")
    assert file["totals"]["principal_vnd"] == 1000


def test_a_verdict_of_rejected_ends_in_3_and_names_the_cells(tmp_path: Path) -> None:
    write_csv(tmp_path / "arrears.csv", [{**row, "principal_vnd": "1.234.567"} for row in arrears(2)])
    pack(tmp_path, "arrears.csv")

    said = vss(tmp_path, "check", "outgoing/province-26/p26-2021-10-v1")
    as_json = vss(tmp_path, "check", "outgoing/province-26/p26-2021-10-v1", "--json")

    assert (said.returncode, as_json.returncode) == (3, 3)
    assert "arrears.csv row 2, principal_vnd: E-NUMBER" in said.stdout
    content = json.loads(as_json.stdout)
    assert content["state"] == "rejected"
    assert [error["code"] for error in content["errors"]] == ["E-TOLERANCE"]
    assert [(reject["row"], reject["column"]) for reject in content["rejects"]] == [
        (2, "principal_vnd"), (3, "principal_vnd"),
    ]  # fmt: skip
    assert "1.234.567" not in as_json.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.csv",), "FEED=nowhere.csv"),
        (("arrears.csv",), "no file"),
        (("x=arrears.csv",), "no feed x"),
        (("--nil", "outreach", "--as-of", "31/10/2021"), "--as-of YYYY-MM-DD"),
        (("--nil", "outreach", "--unit", "arrears=million"), "there is no file"),
        (("--nil", "outreach", "--action", "destroy"), "destroy"),
        ((), "files is empty"),
    ],
)
def test_wrong_usage_of_pack_is_one_sentence_and_makes_no_folder(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = pack(tmp_path, *arguments)

    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_none_is_wrong_usage(tmp_path: Path) -> None:
    done = vss(tmp_path, "check", "nowhere")

    assert done.returncode == 2
    assert "manifest.json" in done.stderr


def test_every_command_the_guide_names_exists() -> None:
    text = (PROJECT / "docs" / "submission-guide.md").read_text(encoding="utf-8")
    named = {tuple(match) for match in re.findall(r"vss ([a-z-]+)(?: (?<=keys )([a-z]+))?", text)}
    verbs = get_command(app()).commands  # type: ignore[attr-defined]

    assert len(named) > 4
    assert [verb for verb, _ in named if verb not in verbs] == []
    assert [below for verb, below in named if below and below not in verbs[verb].commands] == []
