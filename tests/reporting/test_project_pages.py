"""dbt's page is made without a database and shows itself without a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reporting import project_pages


def test_dbt_s_page_is_one_file_that_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    said = project_pages.write(tmp_path, has_warehouse=False)

    page = (tmp_path / "dbt.html").read_text(encoding="utf-8")
    assert re.findall(r"""<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=["']?(?:https?:)?//[^"' >]+""", page) == []
    assert "rpt_plan_attainment" in page
    assert [sentence for sentence in said if "No column lineage" in sentence]
    assert not (tmp_path / "lineage").exists()


def test_no_tool_phones_home_and_one_that_fails_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = tmp_path / "colibri"
    tool.write_text('#!/bin/sh\nenv | grep -E "^(DO_NOT_TRACK|DBT_)" | sort\nexit 3\n', encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    for name in ("DO_NOT_TRACK", "DBT_SEND_ANONYMOUS_USAGE_STATS", "DBT_COLIBRI_NO_VERSION_CHECK"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(subprocess.CalledProcessError):
        project_pages._run("colibri")

    assert capsys.readouterr().err.split() == [
        "DBT_COLIBRI_NO_VERSION_CHECK=1", "DBT_SEND_ANONYMOUS_USAGE_STATS=false", "DO_NOT_TRACK=1",
    ]  # fmt: skip
    assert "DO_NOT_TRACK" not in os.environ
