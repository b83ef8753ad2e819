"""What dbt's data tests said of a build, kept beside the gate's own results: both feed one verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from expectations.candidate.control import Compared, Control, row
from expectations.candidate.scope import Scope
from warehouse.connection import Connection

SUITE = "dbt"
CONTROLS = (Control("tests", SUITE, "every data test of the build ran, and passed or only warns"),)


@dataclass(frozen=True)
class DbtTest:
    """A data test of dbt, or a model that could not be made; `failures` is how many rows the test found."""

    name: str
    model: str | None
    status: str
    is_warning: bool
    failures: int | None

    @property
    def passed(self) -> bool:
        """Whether it ran and found nothing."""
        return self.status in ("pass", "success")


def record(connection: Connection, build_id: int, tests: Sequence[DbtTest]) -> None:
    """Store what dbt found, one row a test; messages of dbt may hold cells and stay in its log."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into ops.gate_result (
                gate, build_id, suite, expectation, column_name, success, severity, unexpected, details
            ) values ('candidate', %s, %s, %s, %s, %s, %s, %s, %s)
            """,
            [
                (
                    build_id, SUITE, test.name, test.model, test.passed, "warn" if test.is_warning else "block",
                    test.failures, Jsonb({"status": test.status}),
                )
                for test in tests
            ],
        )  # fmt: skip


def warned(connection: Connection, build_id: int) -> list[str]:
    """Tests that only warn and found something: name, model and how many rows."""
    found: Any = connection.execute(
        "select expectation, column_name, unexpected from ops.gate_result"
        " where gate = 'candidate' and build_id = %s and suite = %s and not success and severity = 'warn'"
        " order by expectation",
        [build_id, SUITE],
    ).fetchall()
    return [f"{name} of {model}: {'?' if rows is None else rows} rows" for name, model, rows in found]


def compare(connection: Connection, scope: Scope) -> Compared:
    """That tests ran at all, and that none of them failed."""
    found: Any = connection.execute(
        """
        select expectation, column_name, success or severity = 'warn' from ops.gate_result
        where gate = 'candidate' and build_id = %s and suite = %s and expectation <> all(%s)
        """,
        [scope.build_id, SUITE, [control.name for control in CONTROLS]],
    ).fetchall()
    rows = [row("tests", "dbt", "all", "ran", "yes", "yes" if found else "no")]
    rows += [
        row("tests", model or "dbt", "all", name, "passed", "failed") for name, model, is_good in found if not is_good
    ]
    return Compared(tuple(rows), {"tests": 1})
