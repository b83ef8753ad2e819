"""Backup and restore of a warehouse: database, archive, outbox, secrets (docs/decisions/0025-backup.md).

A backup is a folder that stands by itself: `database/` (pg_dump's directory format), `secrets/`, `archive/`, `outbox/`,
`lineage/`, `dbt/`, and `manifest.json` with versions, rows and a digest of every relation, bytes and sha256 of every
file. All rows are of one snapshot; files are copied after it was taken, so whatever the ledger names is there. It is
written beside and renamed when it is whole. What the backup before it has already is linked and takes no space again.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import fsspec
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from warehouse import geography, roles, server
from warehouse.connection import Connection, admin_url, open_connection
from warehouse.errors import StorageError, UnreachableError, UsageError, VssError
from warehouse.settings import PROJECT, Settings

MANIFEST = "manifest.json"
DIGEST = "manifest.json.sha256"
INCOMPLETE = "restore.incomplete"
"""Stands in a home from the beginning of a restore to its end."""
PATIENCE_SECONDS = 10.0
"""How long somebody may wait for a lock of the backup's until it gives way; in short tries, three times that."""
_FORMAT = 1
_BLOCK = 1 << 20
_SCHEMAS = ("ops", "raw", "reference", "marts", "vault")
# whoever owns something in the database; an administrator who is no superuser acts for them
_OWNERS = (roles.MIGRATOR, roles.LOADER, roles.VAULT, roles.TRANSFORMER, roles.PUBLISHER)
# schemas of engineers are theirs to make again
_LEFT_OUT = ("--exclude-schema=dev", "--exclude-schema=dev_*")
_FOLDERS = ("outbox", "lineage", "dbt/projects")
_SINGLE = ("dbt/target/manifest.json",)
_MEMBERS = r"""
    select m.roleid::regrole::text, m.member::regrole::text from pg_auth_members m
    where m.roleid::regrole::text in ('vss_reader_base', 'vss_reader_detail') and m.member::regrole::text like 'vss\_%'
    order by 1, 2
"""
# rows as text, the same on every machine
_PLAIN = ("timezone = 'UTC'", "datestyle = 'ISO, YMD'", "intervalstyle = 'postgres'", "extra_float_digits = 1",
          "bytea_output = 'hex'", "statement_timeout = 0", "search_path = ''")  # fmt: skip


class DamagedBackupError(VssError):
    """A file of a backup is missing or is not what it was when the backup was made."""


class GaveWayError(VssError):
    """Somebody needed for himself what the backup was reading."""


@dataclass(frozen=True)
class Backup:
    """A backup that was made: how many files and bytes it holds, and how many of those are new on its disk.

    `damaged` are objects of the archive whose bytes are not those of their name; they are not in the backup.
    """

    folder: Path
    publication: int
    relations: int
    files: int
    size: int
    new_size: int
    secrets: tuple[str, ...]
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself: versions; of each relation rows and digest, of each file bytes and sha256.

    `members` are pairs of the warehouse's roles: who was named, by hand too, as a reader of which relations.
    """

    made_at: str
    alembic: str
    postgresql: str
    project: str
    publication: int
    members: tuple[tuple[str, str], ...]
    relations: Mapping[str, tuple[int, str]]
    files: Mapping[str, tuple[int, str]]


@dataclass
class _Part:
    """A backup while it is made. `before` is the one whose files are not written again, `known` its list of them."""

    folder: Path
    before: Path | None
    known: Mapping[str, tuple[int, str]]
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    new_size: int = 0
    damaged: list[str] = field(default_factory=list)


def back_up(settings: Settings, out: Path, *, now: dt.datetime) -> Backup:
    """Make a backup in a new folder below `out`, named after `now`; whole, or nothing of it is left.

    Works while a night runs, and never stops one: a full build that waits for PATIENCE_SECONDS ends the backup. Raises
    UsageError (nothing to back up, a place inside VSS_HOME, no pg_dump), StorageError, GaveWayError, UnreachableError.
    """
    out = out.expanduser().absolute()
    if out == settings.home or settings.home in out.parents:
        raise UsageError(f"{out} lies in VSS_HOME and would be lost with it: choose a folder on another disk.")
    if settings.is_embedded and not (settings.home / "postgres").exists():
        raise UsageError(f"There is no warehouse in {settings.home}: set VSS_HOME to the one that is to be backed up.")
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _beside(out, f"{now:%Y-%m-%dT%H%M%S}") as part:
            said = _filled(settings, part, now)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise _no_space(out) from None
        raise UsageError(f"{out} cannot be written ({error.strerror}): choose another folder.") from None
    return said


def newest(folder: Path) -> Path:
    """The backup a folder is, or the last complete one that lies in it. Raises UsageError when there is none."""
    if (folder / DIGEST).exists():
        return folder
    found = sorted(path.parent for path in folder.glob(f"[0-9]*/{DIGEST}"))
    if not found:
        raise UsageError(f"There is no complete backup in {folder}: name the folder that `vss backup` wrote.")
    return found[-1]


def verified(folder: Path) -> Manifest:
    """The manifest of a backup each of whose files is what it was. Raises DamagedBackupError, which names the file."""
    manifest = read_manifest(folder)
    for name, (size, sha256) in manifest.files.items():
        try:
            with (folder / name).open("rb") as stream:
                found, length = _read(stream)
        except OSError as error:
            raise DamagedBackupError(
                f"{folder / name} cannot be read ({error.strerror}): nothing was restored. Take another backup."
            ) from None
        if (length, found) != (size, sha256):
            raise _damaged(folder / name)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """What a backup says of itself. Raises DamagedBackupError, and UsageError for one that this version cannot read."""
    try:
        content = (folder / MANIFEST).read_bytes()
        digest = (folder / DIGEST).read_text(encoding="ascii").split()
    except (OSError, ValueError):
        raise _damaged(folder / MANIFEST) from None
    if digest[:1] != [hashlib.sha256(content).hexdigest()]:
        raise _damaged(folder / MANIFEST)
    said = json.loads(content)
    if said.pop("format") != _FORMAT or not _is_known(str(said["alembic"])):
        raise UsageError(f"{folder} was made by a newer version of this project: restore it with that one.")
    said["members"] = tuple((str(group), str(member)) for group, member in said["members"])
    for name in ("relations", "files"):
        said[name] = {each: (int(first), str(second)) for each, (first, second) in said[name].items()}
    return Manifest(**said)


def leaves_outbox(target: Settings) -> bool:
    """Whether a restore leaves the outbox alone: it lies outside the home, and holds receipts."""
    outbox = cast("Path", target.outbox)
    return target.home not in outbox.parents and outbox.is_dir() and any(outbox.iterdir())


def restore(folder: Path, target: Settings) -> Manifest:
    """Put a backup into a home, or an empty database, that holds nothing yet; every row is compared at the end.

    All files are verified before anything is written. The schema is that of the backup: bring it up to date afterwards.
    Raises UsageError (the home is not empty), DamagedBackupError, StorageError, UnreachableError.
    """
    _require_empty_home(target)
    manifest = verified(folder)
    marker = target.home / INCOMPLETE
    try:
        target.home.mkdir(parents=True, exist_ok=True)
        marker.touch()
        _put_files(folder, target, manifest)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise _no_space(target.home) from None
        raise UsageError(f"{target.home} cannot be written ({error.strerror}): choose another folder.") from None
    _put_rows(folder, target, manifest)
    with _administrator(target) as admin, admin.transaction():
        found = _fingerprints(admin)
    wrong = sorted(name for name in {*found, *manifest.relations} if found.get(name) != manifest.relations.get(name))
    if wrong:
        raise VssError(
            f"The restored database differs from the backup in {', '.join(wrong[:5])}: do not use {target.home};"
            " remove it and restore another backup."
        )
    marker.unlink()
    return manifest


# ------------------------------------------------------------------------------------------------------------- making


@contextlib.contextmanager
def _beside(out: Path, name: str) -> Iterator[_Part]:
    """A folder that gets its name when it is whole; what killed backups left is removed, and so is this one's."""
    final, folder = out / name, out / f".{name}.{os.getpid()}.part"
    if final.exists():
        raise UsageError(f"{final} exists: a backup of this second has been made.")
    for left in out.glob(".*.part"):
        with contextlib.suppress(OSError), _locked(left):
            shutil.rmtree(left)
    before = max((path.parent for path in out.glob(f"[0-9]*/{DIGEST}")), default=None)
    known: Mapping[str, tuple[int, str]] = {}
    if before is not None:
        # one that is damaged is no reason not to make another, in full
        with contextlib.suppress(VssError):
            known = read_manifest(before).files
    folder.mkdir(mode=0o700)
    try:
        with _locked(folder):
            yield _Part(folder, before, known)
            os.sync()
            folder.rename(final)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path, how: int = fcntl.LOCK_EX | fcntl.LOCK_NB) -> Iterator[None]:
    """Hold a folder; the lock ends with the process. Raises OSError when somebody else has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _filled(settings: Settings, part: _Part, now: dt.datetime) -> Backup:
    name = f"vss backup {os.getpid()}"
    with _administrator(settings, name) as admin:
        _require_warehouse(admin)
        _act_for_owners(admin)
        with admin.transaction(), _giving_way(settings, name) as given_way:
            admin.execute("set transaction isolation level repeatable read, read only")
            snapshot = str(_one(admin, "select pg_export_snapshot()"))
            try:
                members = admin.execute(_MEMBERS).fetchall()
                versions = {
                    "alembic": str(_one(admin, "select version_num from public.alembic_version")),
                    "postgresql": str(_one(admin, "select current_setting('server_version')")),
                    "publication": int(str(_one(admin, "select publication_id from ops.current_publication"))),
                }
                with _dumping(settings, part.folder / "database", snapshot, name):
                    relations = _fingerprints(admin)
            except (psycopg.Error, VssError) as error:
                if given_way.is_set():
                    raise GaveWayError(
                        "A build needs for itself what the backup was reading, so the backup has ended and nothing of"
                        " it is left: run it again when the build has ended."
                    ) from None
                if isinstance(error, VssError):
                    raise
                raise UnreachableError("The database went away during the backup: run it again.") from None
    _listed(part, "database")
    secrets = _secrets(settings, part)
    _archive(settings, part)
    for folder in _FOLDERS:
        source = cast("Path", settings.outbox) if folder == "outbox" else settings.home / folder
        for path in sorted(source.rglob("*")) if source.is_dir() else ():
            _kept(part, path, f"{folder}/{path.relative_to(source)}")
    for single in _SINGLE:
        _kept(part, settings.home / single, single)
    for path in part.folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o700)
    said = {
        "format": _FORMAT, "made_at": now.isoformat(), "project": _project(), **versions,
        "members": members, "relations": relations, "files": dict(sorted(part.files.items())),
    }  # fmt: skip
    content = (json.dumps(said, indent=1, ensure_ascii=False) + "\n").encode()
    _write(part.folder / MANIFEST, content)
    _write(part.folder / DIGEST, f"{hashlib.sha256(content).hexdigest()}  {MANIFEST}\n".encode())
    final = part.folder.with_name(part.folder.name[1:].partition(".")[0])
    return Backup(
        final, int(str(versions["publication"])), len(relations), len(part.files),
        sum(size for size, _ in part.files.values()), part.new_size, secrets, tuple(part.damaged),
    )  # fmt: skip


@contextlib.contextmanager
def _dumping(settings: Settings, folder: Path, snapshot: str, name: str) -> Iterator[None]:
    """pg_dump at work beside what is done meanwhile. Raises VssError, or StorageError, with its last line."""
    command = [
        _program(settings, "pg_dump"), "--format=directory", "--jobs=2", "--compress=gzip:1", f"--snapshot={snapshot}",
        f"--file={folder}", *_LEFT_OUT,
    ]  # fmt: skip
    running = _begun(settings, command, name)
    try:
        yield
        _, told = running.communicate()
    except BaseException:
        running.kill()
        running.communicate()
        raise
    if running.returncode != 0:
        raise _failed("pg_dump", told, folder)


@contextlib.contextmanager
def _giving_way(settings: Settings, name: str) -> Iterator[threading.Event]:
    """Ends the sessions of that name when somebody has waited for a lock of theirs; the event says that it did."""
    given_way, over = threading.Event(), threading.Event()

    def watch() -> None:
        waited = 0.0
        # who ends them is not one of them
        with contextlib.suppress(psycopg.Error, VssError), _administrator(settings) as watcher:
            while not over.wait(1):
                is_waited_for = _one(
                    watcher,
                    "select exists (select from pg_locks l where not l.granted and pg_blocking_pids(l.pid) && array("
                    " select a.pid from pg_stat_activity a where a.application_name = %s))",
                    name,
                )
                # ops.patiently queues every other half second
                waited = waited + 1 if is_waited_for else max(waited - 0.25, 0.0)
                if waited >= PATIENCE_SECONDS:
                    given_way.set()
                    watcher.execute(
                        "select pg_terminate_backend(a.pid) from pg_stat_activity a where a.application_name = %s",
                        [name],
                    )
                    return

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield given_way
    finally:
        over.set()
        watching.join()


def _fingerprints(admin: Connection) -> dict[str, tuple[int, str]]:
    """Rows and a digest of every table of the warehouse, and of what vss_reader sees now, in one transaction.

    The digest is a sum over the rows, so their order does not matter.
    """
    for setting in _PLAIN:
        admin.execute(sql.SQL("set local " + setting))
    tables = admin.execute(
        "select c.oid::regclass::text from pg_class c where c.relnamespace = any(%s::regnamespace[])"
        " and c.relkind in ('r', 'p') and not c.relispartition order by 1",
        [list(_SCHEMAS)],
    ).fetchall()
    found = {str(name): _fingerprint(admin, str(name)) for (name,) in tables}
    # what a reader sees is the reader's to say: views, grants and predicates are part of it
    admin.execute(sql.SQL("set local role {}").format(sql.Identifier(roles.READER)))
    views = admin.execute(
        "select c.oid::regclass::text from pg_class c where c.relnamespace = 'bi'::regnamespace and c.relkind = 'v'"
        " and has_table_privilege(c.oid, 'select') order by 1"
    ).fetchall()
    found |= {str(name): _fingerprint(admin, str(name)) for (name,) in views}
    admin.execute("reset role")
    return found


def _fingerprint(admin: Connection, relation: str) -> tuple[int, str]:
    # the name is regclass's own text: qualified, and quoted where it must be
    query = "select count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text from {} t"
    row = admin.execute(query.format(relation).encode()).fetchone()
    assert row is not None
    return int(str(row[0])), str(row[1])


# -------------------------------------------------------------------------------------------------------------- files


def _listed(part: _Part, folder: str) -> None:
    """Put down what somebody else wrote into the backup."""
    for path in sorted((part.folder / folder).rglob("*")):
        if path.is_file():
            path.chmod(0o600)
            with path.open("rb") as stream:
                sha256, size = _read(stream)
            part.files[str(path.relative_to(part.folder))] = (size, sha256)
            part.new_size += size


def _secrets(settings: Settings, part: _Part) -> tuple[str, ...]:
    found = [path for path in sorted((settings.home / "secrets").iterdir()) if path.name[0] != "." and path.is_file()]
    for path in found:
        _kept(part, path, f"secrets/{path.name}")
    return tuple(path.name for path in found)


def _archive(settings: Settings, part: _Part) -> None:
    filesystem, root = fsspec.core.url_to_fs(settings.archive)
    if not filesystem.exists(root):
        return
    for path, known in sorted(filesystem.find(root, detail=True).items()):
        name = path.rpartition("/")[2]
        if len(name) != 64:
            continue
        kept, size = f"archive/{name[:2]}/{name}", int(known["size"])
        # its name is its digest: what the last backup verified need not be read again
        if part.known.get(kept) == (size, name) and _linked(part, kept):
            part.files[kept] = (size, name)
            continue
        with cast("IO[bytes]", filesystem.open(path, "rb")) as stream:
            sha256, length = _copied(stream, part.folder / kept)
        if sha256 != name:
            (part.folder / kept).unlink()
            part.damaged.append(name)
            continue
        part.files[kept] = (length, sha256)
        part.new_size += length


def _kept(part: _Part, source: Path, name: str) -> None:
    """Take a file into the backup; one that is half written, no file, or gone meanwhile is not taken."""
    if source.is_symlink() or not source.is_file() or source.name.startswith("."):
        return
    # a receipt and its signature are written under this lock
    with contextlib.suppress(FileNotFoundError), _locked(source.parent, fcntl.LOCK_SH):
        with source.open("rb") as stream:
            sha256, size = _read(stream)
        if part.known.get(name) != (size, sha256) or not _linked(part, name):
            with source.open("rb") as stream:
                sha256, size = _copied(stream, part.folder / name)
            part.new_size += size
        part.files[name] = (size, sha256)


def _linked(part: _Part, name: str) -> bool:
    """Whether the file of the backup before could be linked; its size is looked at, its bytes are not."""
    if part.before is None:
        return False
    source, target = part.before / name, part.folder / name
    try:
        if source.stat().st_size != part.known[name][0]:
            return False
        _ensure_parents(target)
        target.hardlink_to(source)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise
        return False
    return True


def _put_files(folder: Path, target: Settings, manifest: Manifest) -> None:
    filesystem, root = fsspec.core.url_to_fs(target.archive)
    outbox, keeps_outbox = cast("Path", target.outbox), leaves_outbox(target)
    for name, (_, sha256) in manifest.files.items():
        kind, _, rest = name.partition("/")
        if kind == "database" or (kind == "outbox" and keeps_outbox):
            continue
        with (folder / name).open("rb") as stream:
            if kind == "archive":
                filesystem.makedirs(f"{root}/{rest.partition('/')[0]}", exist_ok=True)
                if not _is_whole(filesystem, f"{root}/{rest}", sha256):
                    with cast("IO[bytes]", filesystem.open(f"{root}/{rest}", "wb")) as copy:
                        shutil.copyfileobj(stream, copy, _BLOCK)
            elif kind == "outbox":
                _copied(stream, outbox / rest)
                # as receipts are written: whoever fetches them is of the group
                (outbox / rest).chmod(0o640)
                for folder_of in (outbox / rest).parents[:2]:
                    folder_of.chmod(0o750)
            else:
                _copied(stream, target.home / name)
    if (target.home / "archive").is_dir():
        (target.home / "archive").chmod(0o700)


def _is_whole(filesystem: fsspec.AbstractFileSystem, path: str, sha256: str) -> bool:
    """Whether an object lies in an archive with the bytes of its digest: one may be spoilt, or half written."""
    try:
        with cast("IO[bytes]", filesystem.open(path, "rb")) as stream:
            return _read(stream)[0] == sha256
    except FileNotFoundError:
        return False


def _copied(source: IO[bytes], target: Path) -> tuple[str, int]:
    """Copy to a file that only its owner may read; returns sha256 and bytes."""
    _ensure_parents(target)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as copy:
        return _read(source, copy)


def _read(source: IO[bytes], copy: IO[bytes] | None = None) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while block := source.read(_BLOCK):
        digest.update(block)
        size += len(block)
        if copy is not None:
            copy.write(block)
    return digest.hexdigest(), size


def _write(target: Path, content: bytes) -> None:
    target.write_bytes(content)
    target.chmod(0o600)


def _ensure_parents(target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


# ------------------------------------------------------------------------------------------------------------ restoring


def _require_empty_home(target: Settings) -> None:
    if target.home.is_dir() and any(target.home.iterdir()):
        is_half = (target.home / INCOMPLETE).exists()
        why = "holds what a restore that did not end has left: remove it" if is_half else "is not empty"
        raise UsageError(f"{target.home} {why}. A backup is restored into a home that holds nothing.")
    if not target.is_embedded:
        with _administrator(target) as admin:
            if _one(admin, "select to_regnamespace('ops') is not null"):
                raise UsageError("The database of VSS_DATABASE_URL is not empty: restore into one that holds nothing.")


def _put_rows(folder: Path, target: Settings, manifest: Manifest) -> None:
    """Roles and schemas, then everything in them in one transaction."""
    if target.is_embedded:
        with open_connection(server.ensure_running(target), autocommit=True) as first:
            first.execute(
                sql.SQL("create database {} encoding 'UTF8' template template0").format(sql.Identifier(server.DATABASE))
            )
    with _administrator(target) as admin:
        roles.ensure_roles(admin, target, geography.current_codes())
        _act_for_owners(admin)
        for group, member in manifest.members:
            admin.execute(sql.SQL("grant {} to {}").format(sql.Identifier(group), sql.Identifier(member)))
        # the dump makes the schemas of the other owners for them
        database = sql.Identifier(admin.info.dbname)
        admin.execute(sql.SQL("alter database {} owner to {}").format(database, sql.Identifier(roles.MIGRATOR)))
        for owner in (roles.VAULT, roles.TRANSFORMER, roles.PUBLISHER):
            admin.execute(sql.SQL("grant create on database {} to {}").format(database, sql.Identifier(owner)))
        # who is no superuser gives a view to its owner only where that owner may make one: grants on schemas come first
        for entries in _in_two(target, folder / "database"):
            with tempfile.NamedTemporaryFile("w", suffix=".list") as listed:
                listed.write(entries)
                listed.flush()
                command = [
                    _program(target, "pg_restore"), "--single-transaction", "--exit-on-error",
                    f"--use-list={listed.name}", str(folder / "database"),
                ]  # fmt: skip
                running = _begun(target, command, "vss restore")
                _, told = running.communicate()
            if running.returncode != 0:
                raise _failed("pg_restore", told, target.home)
        # a dump has no statistics, and plans without them take minutes
        admin.execute("analyze")


def _in_two(target: Settings, dump: Path) -> tuple[str, str]:
    """The dump's table of contents: schemas with their grants, and everything else."""
    done = subprocess.run(
        [_program(target, "pg_restore"), "--list", str(dump)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise _failed("pg_restore", done.stderr, dump)
    lines = done.stdout.splitlines(keepends=True)
    first = [line for line in lines if re.match(r"\d+; \d+ \d+ (SCHEMA - |ACL - SCHEMA )", line)]
    return "".join(first), "".join(line for line in lines if line not in first)


# ------------------------------------------------------------------------------------------------------------- the rest


@contextlib.contextmanager
def _administrator(settings: Settings, name: str = "vss keeper") -> Iterator[Connection]:
    with open_connection(admin_url(settings), autocommit=True, is_admin=True) as connection:
        connection.execute("select set_config('application_name', %s, false)", [name])
        yield connection


def _act_for_owners(admin: Connection) -> None:
    """Who made the roles may act for them; a superuser may anyway."""
    if admin.info.parameter_status("is_superuser") != "on":
        for role in (*_OWNERS, roles.READER):
            admin.execute(sql.SQL("grant {} to current_user with inherit true, set true").format(sql.Identifier(role)))


def _require_warehouse(admin: Connection) -> None:
    if not _one(admin, "select to_regclass('ops.submission') is not null"):
        raise UsageError("There is no warehouse in this database: run `vss migrate`, or set VSS_HOME to the right one.")


def _begun(settings: Settings, command: list[str], name: str) -> subprocess.Popen[str]:
    """A program of PostgreSQL as the administrator; the password stands in its environment, not in its arguments."""
    place: dict[str, Any] = conninfo_to_dict(admin_url(settings))
    word = place.pop("password", None)
    return subprocess.Popen(
        [*command, "--no-password", "--dbname", make_conninfo(**place, application_name=name)],
        env={**os.environ, "LC_ALL": "C", **({} if word is None else {"PGPASSWORD": str(word)})},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _program(settings: Settings, name: str) -> str:
    if settings.is_embedded:
        return str(server.installed_binaries() / name)
    found = shutil.which(name)
    if found is None:
        raise UsageError(
            f"{name} is not on PATH: install PostgreSQL's client programs, of the server's version or newer."
        )
    return found


def _failed(program: str, told: str, place: Path) -> VssError:
    """What a program of PostgreSQL said last; it names relations and places, and no value of a row."""
    if "No space left on device" in told:
        return _no_space(place)
    if "server version mismatch" in told or "unsupported version" in told:
        return UsageError(
            f"{program} on PATH is older than the server or the backup: put one of the server's version first on PATH."
        )
    lines = [line for line in told.splitlines() if line.startswith(f"{program}: ")]
    return VssError(f"{program} failed: {lines[0].partition(': ')[2] if lines else 'it was ended'}")


def _no_space(place: Path) -> StorageError:
    return StorageError(
        f"The disk of {place} is full: free some space, or choose another one, and run again;"
        " nothing is left that looks complete."
    )


def _damaged(path: Path) -> DamagedBackupError:
    return DamagedBackupError(
        f"{path} is not what it was when the backup was made: nothing was restored. Take another backup."
    )


def _is_known(revision: str) -> bool:
    versions = Path(__file__).resolve().parent / "migrations" / "versions"
    return any(path.name.startswith(f"{revision}_") for path in versions.glob("*.py"))


def _project() -> str:
    with (PROJECT / "pyproject.toml").open("rb") as stream:
        return str(tomllib.load(stream)["project"]["version"])


def _one(connection: Connection, query: str, *values: object) -> object:
    row = connection.execute(query.encode(), values).fetchone()
    assert row is not None
    return row[0]
