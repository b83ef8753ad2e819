"""The dbt project as two pages that need no network: `python -m reporting.project_pages` writes them to VSS_HOME/docs.

`dbt.html` is dbt's own documentation in one file. `lineage/index.html` shows of every column where it comes from
(dbt-colibri); it needs the types of a built warehouse, so there is none without one. Connection by `vss env`; without
it dbt's page has no types of columns that no contract names. dbt works in a target folder of its own, so that the
night's manifest stays as it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from warehouse.settings import PROJECT, settings

_DBT_PROJECT = PROJECT / "dbt_project"
# neither tool may phone home: usage statistics, and colibri's look for a newer version of itself
_SILENT = {"DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_COLIBRI_NO_VERSION_CHECK": "1"}


def write(folder: Path, *, has_warehouse: bool) -> list[str]:
    """Write the pages below `folder`; returns a sentence for each page, the missing one included.

    Raises CalledProcessError if dbt or colibri fails; what went wrong is in the output of the process.
    """
    target = folder / "target"
    target.mkdir(parents=True, exist_ok=True)
    without = [] if has_warehouse else ["--empty-catalog", "--no-populate-cache"]
    _run(
        "dbt", "--quiet", "docs", "generate", "--static", *without, "--target", "prod",
        "--project-dir", str(_DBT_PROJECT), "--profiles-dir", str(_DBT_PROJECT),
        "--target-path", str(target), "--log-path", str(target),
    )  # fmt: skip
    page = (target / "static_index.html").replace(folder / "dbt.html")
    said = [f"{page}: models, tests, sources and what reads what."]
    if not has_warehouse:
        return [*said, "No column lineage: it needs a warehouse that was built."]
    told = _run(
        "colibri", "generate", "--disable-telemetry", "--output-dir", str(folder / "lineage"),
        "--manifest", str(target / "manifest.json"), "--catalog", str(target / "catalog.json"),
    )  # fmt: skip
    unread = [line for line in told.splitlines() if line.startswith("[ERROR]")]
    said.append(f"{folder / 'lineage' / 'index.html'}: where every column comes from.")
    return [*said, f"It is incomplete, {len(unread)} times: {unread[0]}"] if unread else said


def _run(tool: str, *arguments: str) -> str:
    """One tool of this environment; returns what it said."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name(tool)), *arguments],
        env={**os.environ, **_SILENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout)
        done.check_returncode()
    return done.stdout


if __name__ == "__main__":
    for sentence in write(settings().home / "docs", has_warehouse="VSS_DBT_PASSWORD" in os.environ):
        print(sentence)
