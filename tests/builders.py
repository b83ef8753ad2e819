"""Builders of submissions in inbox layout, and what a test asks the ledger afterwards."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import hashlib
import os
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from psycopg import sql

from ingestion import manifest as manifests
from ingestion.contracts import load_contracts
from ingestion.decision import settle
from ingestion.inbox import read_folder
from ingestion.load import Loaded, load_submission
from ingestion.manifest import Manifest, ManifestFile
from ingestion.receipts import receipt
from night import publishing
from night.readiness import migrate
from warehouse import roles, server
from warehouse.connection import connect
from warehouse.settings import Settings

Row = Mapping[str, str]
LOCAL = dt.timezone(dt.timedelta(hours=7))


def participants(count: int, **changes: str) -> list[Row]:
    """Good rows: one person each, in compulsory insurance with 5,000,000 đồng."""
    good = {
        "full_name": "Nguyễn Thị A", "birth_date": "1985-03-02", "sex": "F", "insurance_type": "SI_C",
        "si_unit_code": "TA0001A", "wage_base_vnd": "5000000",
    }  # fmt: skip
    return [{"si_number": f"{110_000_000 + number:010d}", **good, **changes} for number in range(count)]


def employers(count: int) -> list[Row]:
    """Good rows: one active private unit each, with 10 employees."""
    good = {"name": "Công ty An Phú", "unit_type": "private", "status": "active", "employees": "10"}
    return [{"si_unit_code": f"TA{number:04d}A", **good} for number in range(count)]


def arrears(count: int) -> list[Row]:
    """Good rows: one unit each, owing 1,000 đồng to the health fund."""
    good = {"fund": "HI", "principal_vnd": "1000", "overdue_vnd": "500", "employees_affected": "3"}
    return [{"si_unit_code": f"TA{number:04d}A", **good} for number in range(count)]


def indicators(*, period: str = "2021-10", **values: int) -> list[Row]:
    """Reported head counts at the end of a month."""
    day = (dt.date.fromisoformat(f"{period}-01") + dt.timedelta(days=32)).replace(day=1) - dt.timedelta(days=1)
    return [
        {"indicator": name, "as_of_date": day.isoformat(), "value": str(value), "unit": "persons", "measure": "stock"}
        for name, value in values.items()
    ]


class Inbox:
    """An inbox folder and the warehouse that reads it."""

    def __init__(self, settings: Settings, root: Path) -> None:
        self.settings = settings
        self.root = root

    def send(
        self,
        feeds: Mapping[str, Sequence[Row] | None],
        *,
        sender: str = "province-26",
        period: str = "2021-10",
        version: int = 1,
        submission_id: str | None = None,
        under: str | None = None,
        declared: Mapping[str, Mapping[str, Any]] | None = None,
        received_at: dt.datetime | None = None,
        **manifest: Any,
    ) -> Path:
        """Put a submission into the inbox; returns its folder. None for a feed means nil.

        `declared` overrides what the manifest says of a feed's file, `manifest` what it says of the whole; `under` is
        another sender's folder to put it into.
        """
        name = submission_id or f"{sender}-{period}-v{version}"
        folder = self.root / (under or sender) / name
        folder.mkdir(parents=True, exist_ok=True)
        files = [
            ManifestFile(feed=feed, nil=True)
            if rows is None
            else describe(write_csv(folder / f"{feed}.csv", rows), feed, rows, **(declared or {}).get(feed, {}))
            for feed, rows in feeds.items()
        ]
        content: dict[str, Any] = {
            "manifest_version": 1, "submission_id": name, "sender": sender, "period": period,
            "as_of_date": dt.date(2021, 10, 31), "version": version,
            "created_at": dt.datetime(2021, 11, 2, 8, tzinfo=LOCAL), "files": tuple(files),
        }  # fmt: skip
        target = manifests.write(folder, Manifest(**{**content, **manifest}))
        arrived = (received_at or dt.datetime(2021, 11, 3, 8, tzinfo=LOCAL)).timestamp()
        os.utime(target, (arrived, arrived))
        return folder

    def load(self, folder: Path) -> Loaded:
        """Verify and load a folder."""
        return load_submission(self.settings, read_folder(folder))

    def accept(self, folder: Path) -> str:
        """Load a folder and let the gate's verdict be `passed`."""
        loaded = self.load(folder)
        assert loaded.state == "loaded", self.errors(folder.name)
        return settle(self.settings, loaded.sub_no, "passed", ())

    def receipt(self, folder: Path) -> dict[str, Any]:
        """What the sender of a folder is told."""
        return receipt(self.settings, folder.name)

    def errors(self, submission_id: str) -> list[str]:
        """The codes on the receipt."""
        return [error["code"] for error in receipt(self.settings, submission_id)["errors"]]

    def feed(self, folder: Path, feed: str = "participants") -> dict[str, Any]:
        """What the receipt says of one feed."""
        found: dict[str, Any] = next(each for each in self.receipt(folder)["feeds"] if each["feed"] == feed)
        return found

    def query(self, text: str, role: str = roles.LOADER) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with connect(self.settings, role) as connection:
            return connection.execute(text.encode()).fetchall()


def write_csv(path: Path, rows: Sequence[Row]) -> Path:
    """A CSV with a heading; the columns are those of the rows, in the order they first appear."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def describe(path: Path, feed: str, sent: Sequence[Row], /, **changes: Any) -> ManifestFile:
    """What an honest manifest says of a file: size, digest, rows, and the total of every amount it has."""
    contract = load_contracts()[feed]
    content = path.read_bytes()
    totals = {
        name: sum(int(row[name]) for row in sent if row.get(name, "").lstrip("-").isdigit())
        for name in contract.amount_columns
        if any(name in row for row in sent)
    }
    honest = {
        "feed": feed, "path": path.name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(),
        "rows": len(sent), "totals": totals,
    }  # fmt: skip
    return ManifestFile(**{**honest, **changes})


EMPTIED = (
    "staged_load", "run_stage", "gate_result", "decision", "reject", "load_notice", "build_input", "load", "submission",
    "sender_key", "security_event", "worker", "alert_delivery", "alert", "alert_message",
)  # fmt: skip


def empty_ledger(settings: Settings) -> None:
    """Forget every submission and its rows."""
    with connect(settings, roles.MIGRATOR) as connection:
        for table in EMPTIED:
            connection.execute(sql.SQL("delete from {}").format(sql.Identifier("ops", table)))
        for feed in load_contracts():
            connection.execute(sql.SQL("delete from {}").format(sql.Identifier("raw", feed)))


def new_home(prefix: str) -> Path:
    """An empty folder for a VSS_HOME; the caller ends it with `stop_and_remove`."""
    # not pytest's tmp_path: that is closed to others, and a server started by root runs as a user of its own
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    return folder


def migrated(prefix: str) -> Settings:
    """Settings of a migrated warehouse in a home of its own; the caller ends it with `stop_and_remove`."""
    settings = Settings(home=new_home(prefix), lineage=False)
    migrate(settings)
    return settings


def accept(settings: Settings, folder: Path) -> None:
    """Load a submission and let the gate of arrivals, which has tests of its own, say `passed`."""
    loaded = load_submission(settings, read_folder(folder))
    # a void has nothing to gate
    if loaded.state == "loaded":
        assert settle(settings, loaded.sub_no, "passed", ()) == "accepted"
    else:
        assert loaded.state == "accepted", (folder.name, loaded)


def build_and_publish(settings: Settings, run_id: str) -> None:
    """What the night does after its arrivals; fails the test when a gate does."""
    assert publishing.build(settings, run_id) is not None
    assert publishing.audit(settings, run_id)
    assert publishing.publish(settings, run_id) is not None


def end(pid: int, how: signal.Signals) -> None:
    """Send a process a signal and wait until it is gone."""
    with contextlib.suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, how)
            select.select([process], [], [], 30)
        os.close(process)


def keep(settings: Settings, folder: Path) -> None:
    """Copy a home, its database and all, to a folder that does not exist; its server is stopped and stays so."""
    server.stop(settings)
    _copy(settings.home, folder)


def put_back(settings: Settings, folder: Path) -> None:
    """Make a home what it was when it was kept; its server starts with the first connection.

    The home keeps its place and its port, so that nothing that was read before (dbt's manifest, settings) is stale.
    """
    stop_and_remove(settings)
    _copy(folder, settings.home)


def _copy(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    # with its owners: the data directory may belong to a system user of its own
    subprocess.run(["cp", "-a", "--reflink=auto", f"{source.resolve()}/.", f"{target}"], check=True)
    place = target / "postgres"
    if place.is_symlink():
        outside = place.resolve()
        place.unlink()
        subprocess.run(["cp", "-a", "--reflink=auto", f"{outside}", f"{place}"], check=True)


def stop_and_remove(settings: Settings) -> None:
    """Stop the server of a home without a word of farewell, and remove everything it left, outside the home too."""
    place = settings.home / "postgres"
    pid_file = place / "data" / "postmaster.pid"
    if pid_file.exists():
        end(int(pid_file.read_text().split("\n", 1)[0]), signal.SIGQUIT)
    if place.is_symlink():
        shutil.rmtree(place.resolve())
    shutil.rmtree(settings.home, ignore_errors=True)
