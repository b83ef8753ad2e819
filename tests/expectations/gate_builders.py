"""Builders of submissions: what the loader would have left behind."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from expectations.submission import Verdict, gate_submission
from ingestion.contracts import load_contracts
from warehouse import roles
from warehouse.connection import connect
from warehouse.settings import Settings

Row = dict[str, Any]


class Warehouse:
    """Builders over the ledger and raw: what the loader would have left behind."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def submission(
        self,
        feeds: Mapping[str, Sequence[Row] | None],
        *,
        sender: str = "province-26",
        period: str = "2021-10",
        version: int = 1,
        action: str = "submit",
        state: str = "loaded",
        **load: Any,
    ) -> int:
        """A submission with its rows; None for a feed means nil. `load` overrides columns of each ops.load row."""
        month = dt.date.fromisoformat(f"{period}-01")
        with connect(self.settings, roles.LOADER) as connection:
            row = connection.execute(
                "insert into ops.submission (submission_id, manifest_sha256, sender, period, month, version, action,"
                " state, folder) values (%s, 'x', %s, %s, %s, %s, %s, %s, '') returning sub_no",
                [f"{sender}-{period}-v{version}-{action}", sender, period, month, version, action, state],
            ).fetchone()
            assert row is not None
            sub_no = int(str(row[0]))
        for feed, rows in feeds.items():
            self._load(sub_no, feed, rows, month, **load)
        return sub_no

    def _load(self, sub_no: int, feed: str, rows: Sequence[Row] | None, month: dt.date, **override: Any) -> None:
        contract = load_contracts()[feed]
        sent = list(rows or ())
        names = [*contract.amount_columns, *contract.count_columns]
        sums = {name: sum(int(row.get(name) or 0) for row in sent) for name in names}
        profile: dict[str, int] = {}
        if contract.profile_column:
            profile = dict.fromkeys(contract.column(contract.profile_column).values, 0)
            for row in sent:
                profile[row[contract.profile_column]] += 1
        ledger = {
            "is_nil": rows is None, "row_count": len(sent), "accepted": len(sent), "basis": "month", "profile": profile,
            "totals": {name: {"declared": value, "parsed": value, "loaded": value} for name, value in sums.items()},
            **override,
        }  # fmt: skip
        with connect(self.settings, roles.LOADER) as connection:
            found = connection.execute(
                "insert into ops.load (sub_no, feed, is_nil, row_count, accepted, basis, profile, totals, state)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s, 'loaded') returning load_id",
                [
                    sub_no, feed, ledger["is_nil"], ledger["row_count"], ledger["accepted"], ledger["basis"],
                    Jsonb(ledger["profile"]), Jsonb(ledger["totals"]),
                ],
            ).fetchone()  # fmt: skip
            assert found is not None
            lead: Row = {"load_id": found[0]}
            if contract.partition_by_month:
                connection.execute("select ops.ensure_raw_partition(%s, %s)", [feed, month])
                lead["month"] = month
            for number, row in enumerate(sent, start=2):
                values = {**lead, "row_no": number, **row}
                connection.execute(
                    sql.SQL("insert into {} ({}) values ({})").format(
                        sql.Identifier("raw", feed),
                        sql.SQL(", ").join(map(sql.Identifier, values)),
                        sql.SQL(", ").join(sql.Placeholder() * len(values)),
                    ),
                    list(values.values()),
                )

    def gate(self, feeds: Mapping[str, Sequence[Row] | None], **submission: Any) -> Verdict:
        """Load a submission and gate it."""
        return gate_submission(self.settings, self.submission(feeds, **submission))

    def accept(self, feeds: Mapping[str, Sequence[Row] | None], **submission: Any) -> int:
        """A submission that was accepted."""
        return self.submission(feeds, **{"state": "accepted", **submission})

    def execute(self, text: str) -> None:
        """Change something behind the gate's back, as the owner of the tables."""
        with connect(self.settings, roles.MIGRATOR) as connection:
            connection.execute(text)

    def query(self, text: str, role: str = roles.LOADER) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with connect(self.settings, role) as connection:
            return connection.execute(text).fetchall()
