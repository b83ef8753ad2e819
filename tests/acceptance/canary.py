"""Persons and secrets that can be told from everything else, and the search for them in what a night left behind."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from warehouse.airflow_metadata import metadata_url
from warehouse.connection import admin_url
from warehouse.settings import Settings

SENDER, REJECTED_SENDER = "province-01", "province-27"
_FOLDERS = {SENDER: "p01-2021-10-v1", REJECTED_SENDER: "p27-2021-10-v1"}
# slices of other provinces hold none of these persons
_PROVINCES = ["01", "24"]
_WORD = "Zwyxkanari"
ACCEPTED = ("0109080706", "001077909091", f"{_WORD} Thanh Hoa")
# nine digits: the row is set aside
SET_ASIDE = ("010908071", "001077909092", f"{_WORD} Bích Ngọc")
# of a submission that is refused as a whole
REFUSED = ("0279080703", "027064909093", f"{_WORD} Đình Kiên")
HOUSEHOLD = ("001188909094", f"Hộ kinh doanh {_WORD}", f"Ngõ {_WORD}")
TEXTS = sorted({text for each in (ACCEPTED, SET_ASIDE, REFUSED, HOUSEHOLD[:1]) for text in each[:2]} | {_WORD})


@dataclass(frozen=True)
class Leak:
    """Where a text was found: a file, or a table."""

    place: str
    what: str


def plant(inbox: Path) -> None:
    """Put the canaries into the demo's inbox, each in the place of a person of whom nothing hangs."""
    people = inbox / SENDER / _FOLDERS[SENDER] / "participants.csv"
    rows = _read(people)
    _become(rows, rows[0], ACCEPTED)
    (short,) = (row for row in rows if len(row["si_number"]) == 9)
    _become(rows, short, SET_ASIDE)
    _write(people, rows)
    units = inbox / SENDER / _FOLDERS[SENDER] / "employers.csv"
    rows = _read(units)
    household = next(row for row in reversed(rows) if row["unit_type"] == "household" and len(row["tax_code"]) == 12)
    number = household["tax_code"]
    household |= dict(zip(("tax_code", "name", "address"), HOUSEHOLD, strict=True))
    _write(units, rows)
    # the tax authority knows the same household: the figures of the demo stay what they are
    for path in sorted(inbox.glob("tax/*/tax_employers.csv")):
        rows = _read(path)
        for row in rows:
            if row["tax_code"] == number:
                row |= dict(zip(("tax_code", "name"), HOUSEHOLD, strict=False))
        _write(path, rows)
    refused = inbox / REJECTED_SENDER / _FOLDERS[REJECTED_SENDER] / "participants.csv"
    rows = _read(refused)
    _become(rows, rows[0], REFUSED)
    _write(refused, rows)


def secrets(settings: Settings) -> dict[str, str]:
    """By name what only its owner may read: the words of the logins, keys, and the secret of the pseudonyms."""
    found = {
        path.name: line
        for path in sorted((settings.home / "secrets").iterdir())
        for line in path.read_text(encoding="utf-8").split("\n")
        if len(line) >= 16 and not line.startswith("-----")
    }
    with psycopg.connect(admin_url(settings)) as admin:
        row = admin.execute(
            "select encode(value, 'hex'), encode(value, 'base64') from vault.secret where name = 'pseudonym'"
        ).fetchone()
    assert row is not None
    return found | {"pseudonym in hex": row[0], "pseudonym in base64": row[1].strip()}


def may_hold(settings: Settings, path: Path, *, is_secret: bool) -> bool:
    """Whether a file is one of those that are there to hold persons, or secrets."""
    parts = path.relative_to(settings.home).parts
    if parts[0] == "secrets":
        return is_secret
    if parts[0] == "postgres":
        # its data: tables are looked through as tables
        return parts[1] in ("data", "install")
    own = parts[0] == "outbox" and parts[1] in (SENDER, REJECTED_SENDER) and path.suffix == ".xlsx"
    return not is_secret and (parts[0] in ("archive", "demo_inbox") or own)


def leaks_in_files(settings: Settings, texts: Sequence[str], *, is_secret: bool) -> Iterator[Leak]:
    """Every file under VSS_HOME in which one of the texts stands and must not, whatever its case."""
    wanted = [(text, text.casefold().encode()) for text in texts]
    for path in _files(settings.home):
        if may_hold(settings, path, is_secret=is_secret):
            continue
        for content in _contents(path):
            lower = content.lower()
            yield from (Leak(str(path.relative_to(settings.home)), text) for text, word in wanted if word in lower)


def leaks_in_tables(
    connection: psycopg.Connection[tuple[object, ...]], texts: Sequence[str], *, spared: Sequence[str] = ()
) -> Iterator[Leak]:
    """Every table of a database, but for those of the spared schemas, with a row in which one of the texts stands."""
    patterns = [f"%{text.casefold()}%" for text in texts]
    tables = connection.execute(
        "select n.nspname, c.relname, exists (select from pg_attribute a where a.attrelid = c.oid"
        " and a.attname = 'current_province_code' and not a.attisdropped)"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'm')"
        # numbers and times alone hold no text
        " and exists (select from pg_attribute a join pg_type y on y.oid = a.atttypid where a.attrelid = c.oid"
        " and a.attnum > 0 and (y.typcategory in ('S', 'A') or y.typname in ('json', 'jsonb', 'bytea')))"
        " and n.nspname not in ('information_schema', 'pg_catalog', 'pg_toast') and n.nspname <> all (%s)",
        [list(spared)],
    ).fetchall()
    assert tables
    for schema, name, has_province in tables:
        where = sql.SQL("lower(t::text) like any ({})").format(patterns)
        if has_province:
            where += sql.SQL(" and t.current_province_code = any ({})").format(_PROVINCES)
        query = sql.SQL("select 1 from {} t where {} limit 1").format(sql.Identifier(str(schema), str(name)), where)
        if connection.execute(query).fetchone():
            yield Leak(f"{schema}.{name}", ", ".join(texts))


def databases(settings: Settings) -> Iterator[tuple[psycopg.Connection[tuple[object, ...]], tuple[str, ...]]]:
    """The warehouse and Airflow's metadata, as who may see everything, each with the schemas that hold persons."""
    metadata = metadata_url(settings).rpartition("/")[2]
    warehouse = admin_url(settings)
    for url, spared in ((warehouse, ("raw", "vault")), (f"{warehouse.rpartition('/')[0]}/{metadata}", ())):
        with psycopg.connect(url) as connection:
            yield connection, spared


def _files(folder: Path) -> Iterator[Path]:
    """Files under a folder, behind a link too: a database may lie elsewhere."""
    for place, inner, names in os.walk(folder, followlinks=True):
        if Path(place).name == "postgres":
            inner[:] = [name for name in inner if name not in ("data", "install")]
        yield from (Path(place) / name for name in names if (Path(place) / name).is_file())


def _contents(path: Path) -> Iterable[bytes]:
    """The bytes of a file; of a container those of its parts."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as parts:
            return [parts.read(name) for name in parts.namelist()]
    return [path.read_bytes()]


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _become(rows: list[dict[str, str]], person: dict[str, str], canary: tuple[str, str, str]) -> None:
    """Every row of one person becomes the canary's."""
    number = person["si_number"]
    for row in rows:
        if row["si_number"] == number:
            row |= dict(zip(("si_number", "personal_id", "full_name"), canary, strict=True))


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    """Write a file as it was laid out, and its size and digest into the manifest; when it came stays what it was."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    content = text.getvalue().encode()
    manifest = path.parent / "manifest.json"
    times = {each: (each.stat().st_atime_ns, each.stat().st_mtime_ns) for each in (path, manifest)}
    path.write_bytes(content)
    declared = json.loads(manifest.read_text(encoding="utf-8"))
    for file in declared["files"]:
        if file.get("path") == path.name:
            file |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest.write_text(json.dumps(declared, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    for each, (accessed, modified) in times.items():
        os.utime(each, ns=(accessed, modified))
