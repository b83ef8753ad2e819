"""A warehouse after the demo, as acceptance tests reach it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from warehouse.connection import role_url
from warehouse.settings import PROJECT, Settings


@dataclass
class Demo:
    """A warehouse after `make demo`, reached as its users reach it."""

    home: Path
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def inbox(self) -> Path:
        return self.home / "demo_inbox"

    def vss(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a verb; fails the test when it ends otherwise than expected."""
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", "from cli.main import main; main()", *arguments],
            cwd=PROJECT, env={**os.environ, "VSS_HOME": str(self.home)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.seconds[" ".join(arguments[:1])] = time.monotonic() - begun
        if expect is not None:
            assert done.returncode == expect, (
                f"{arguments}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            )
        return done

    def rows(self, query: str, *, role: str = "vss_reader", pin: int | None = 1) -> list[dict[str, Any]]:
        """What a reader sees; of the demo's own publication unless told otherwise."""
        with psycopg.connect(role_url(Settings(home=self.home), role)) as connection:
            if pin is not None:
                connection.execute("select set_config('vss.publication', %s, false)", [str(pin)])
            cursor = connection.execute(query)  # type: ignore[arg-type]
            names = [column.name for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def one(self, query: str, **options: Any) -> dict[str, Any]:
        """The only row of an answer."""
        (row,) = self.rows(query, **options)
        return row

    def receipt(self, submission_id: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.vss("receipt", submission_id, "--json").stdout)
        return content

    def status(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = json.loads(self.vss("status", "--json").stdout)
        return entries

    def as_of(self, publication: int, query: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.vss("as-of", str(publication), query).stdout)))

    def publication(self) -> int:
        return int(self.one("select max(publication_id) as n from bi.publication", pin=None)["n"])
