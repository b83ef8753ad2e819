"""The ledger of loads: every statement that writes `ops.submission`, `ops.load` and `ops.reject`."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql
from psycopg.types.json import Jsonb

from ingestion.contracts import load_contracts
from ingestion.deadlines import is_late
from ingestion.inbox import Fault, Folder, Identity
from ingestion.manifest import Manifest, ManifestFile, period_month
from ingestion.reading import Reject
from ingestion.sender_keys import NOT_AUTHENTIC
from warehouse.connection import Connection

FINAL = ("accepted", "accepted_with_rejects", "held", "rejected")


@dataclass(frozen=True)
class Entry:
    """A submission in the ledger: its number, its state, and the fence its worker holds."""

    sub_no: int
    state: str
    fence: int

    @property
    def is_final(self) -> bool:
        return self.state in FINAL


def known_states(connection: Connection, identities: Sequence[Identity]) -> dict[Identity, str]:
    """State by (sender whose folder it is, submission id, manifest digest) of those that stand in the ledger."""
    rows = connection.execute(
        "select sender, submission_id, manifest_sha256, state from ops.submission where submission_id = any(%s)",
        [[submission_id for _, submission_id, _ in identities]],
    )
    return {(str(row[0]), str(row[1]), None if row[2] is None else str(row[2])): str(row[3]) for row in rows}


def enter(connection: Connection, folder: Folder, manifest: Manifest | None, state: str) -> Entry:
    """Note a submission as seen, or find it; one that is final or loaded keeps its state."""
    # a folder that was seen without a manifest is the same submission once it has one
    connection.execute(
        "update ops.submission w set manifest_sha256 = %(digest)s, state = 'waiting' where w.submission_id = %(id)s"
        " and w.sender = %(sender)s and w.manifest_sha256 is null and %(digest)s::text is not null and not exists ("
        " select from ops.submission o where o.submission_id = %(id)s and o.sender = %(sender)s"
        " and o.manifest_sha256 = %(digest)s)",
        {"digest": folder.manifest_sha256, "id": folder.submission_id, "sender": folder.sender},
    )
    late = None if manifest is None or folder.received_at is None else _late(connection, manifest, folder.received_at)
    row = connection.execute(
        """
        insert into ops.submission as s (
            submission_id, manifest_sha256, sender, period, month, version, action, as_of_date, created_at,
            received_at, is_late, state, manifest, folder, worker_pid, fence
        )
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 1)
        on conflict (submission_id, manifest_sha256, sender) do update set
            period = coalesce(s.period, excluded.period), month = coalesce(s.month, excluded.month),
            version = coalesce(s.version, excluded.version), action = coalesce(s.action, excluded.action),
            as_of_date = coalesce(s.as_of_date, excluded.as_of_date),
            created_at = coalesce(s.created_at, excluded.created_at),
            received_at = case when s.state = 'waiting' and excluded.state <> 'waiting' then excluded.received_at
                else coalesce(s.received_at, excluded.received_at) end,
            is_late = case when s.state = 'waiting' and excluded.state <> 'waiting' then excluded.is_late
                else coalesce(s.is_late, excluded.is_late) end,
            manifest = coalesce(s.manifest, excluded.manifest),
            errors = case when s.state in ('waiting', 'verified') then '[]' else s.errors end,
            state = case when s.state in ('waiting', 'verified') then excluded.state else s.state end,
            fence = s.fence + 1, worker_pid = excluded.worker_pid
        returning sub_no, state, fence
        """,
        [
            folder.submission_id,
            folder.manifest_sha256,
            folder.sender,
            None if manifest is None else manifest.period,
            None if manifest is None else period_month(manifest.period),
            None if manifest is None else manifest.version,
            None if manifest is None else manifest.action,
            None if manifest is None else manifest.as_of_date,
            None if manifest is None else manifest.created_at,
            folder.received_at,
            late,
            state,
            None if manifest is None else Jsonb(manifest.model_dump(mode="json", exclude_none=True)),
            str(folder.path),
            os.getpid(),
        ],
    ).fetchone()
    assert row is not None
    return Entry(int(str(row[0])), str(row[1]), int(str(row[2])))


def waited_for_files(connection: Connection, folder: Folder) -> bool:
    """Whether the submission was seen before with its manifest, but without all of its files."""
    row = connection.execute(
        "select 1 from ops.submission where submission_id = %s and manifest_sha256 = %s and sender = %s"
        " and state = 'waiting' and errors <> '[]'",
        [folder.submission_id, folder.manifest_sha256, folder.sender],
    ).fetchone()
    return row is not None


def note_signature(connection: Connection, entry: Entry, fingerprint: str) -> None:
    """Keep whose key made the signature, as it was verified when the submission was read."""
    connection.execute("update ops.submission set signed_by = %s where sub_no = %s", [fingerprint, entry.sub_no])


def note_waiting(connection: Connection, entry: Entry, files: Sequence[str]) -> None:
    """Say on the receipt what a submission waits for; forgotten as soon as it is complete."""
    faults = [Fault("E-WAITING", {"file": name}, file=name).as_json() for name in files]
    connection.execute(
        "update ops.submission set errors = %s where sub_no = %s and state = 'waiting'", [Jsonb(faults), entry.sub_no]
    )


def current(connection: Connection, sub_no: int) -> Entry:
    """The entry as it is now, its row locked."""
    row = connection.execute(
        "select sub_no, state, fence from ops.submission where sub_no = %s for update", [sub_no]
    ).fetchone()
    assert row is not None
    return Entry(int(str(row[0])), str(row[1]), int(str(row[2])))


def conflicts(connection: Connection, sub_no: int, folder: Folder, manifest: Manifest) -> list[Fault]:
    """Faults that only the ledger knows: an id used for other content, a version that was accepted before.

    A folder that was refused because it is not proven to be its sender's has used no id: anybody could have put it
    there, and its true owner would be locked out. Nor has one whose manifest nobody could read, nor one that was itself
    refused for the id it bore: the first of that id may be loaded again.
    """
    faults = []
    reused = connection.execute(
        "select 1 from ops.submission where submission_id = %s and sub_no <> %s and manifest_sha256 is not null"
        " and manifest is not null and state not in ('waiting', 'verified') and not (state = 'rejected' and exists ("
        " select from jsonb_array_elements(errors) error where error ->> 'code' = any(%s)))",
        [folder.submission_id, sub_no, [*sorted(NOT_AUTHENTIC), "E-ID-REUSED"]],
    ).fetchone()
    if reused is not None:
        faults.append(Fault("E-ID-REUSED", {"submission_id": folder.submission_id}))
    return faults + version_taken(connection, sub_no, [file.feed for file in manifest.files])


def version_taken(connection: Connection, sub_no: int, feeds: Sequence[str]) -> list[Fault]:
    """E-VERSION when one of the feeds was accepted, or is held, in this version; a void has every feed."""
    taken = connection.execute(
        """
        select s.version, s.period, l.feed from ops.submission mine
        join ops.submission s on s.sender = mine.sender and s.period = mine.period and s.version = mine.version
        left join ops.load l on l.sub_no = s.sub_no
        where mine.sub_no = %s and s.sub_no <> mine.sub_no and s.state in ('accepted', 'accepted_with_rejects', 'held')
          and (l.feed = any(%s) or s.action = 'void' or mine.action = 'void')
        limit 1
        """,
        [sub_no, list(feeds)],
    ).fetchone()
    if taken is None:
        return []
    version, period, feed = taken
    return [Fault("E-VERSION", {"version": version, "period": period}, where=None if feed is None else str(feed))]


def open_load(connection: Connection, sub_no: int, file: ManifestFile) -> int:
    """The number of one feed's load; what a former attempt left under it is forgotten by the caller's transaction."""
    row = connection.execute(
        """
        insert into ops.load (sub_no, feed, file, is_nil, basis, unit, bytes, sha256)
        values (%s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (sub_no, feed) do update set state = 'verified'
        returning load_id
        """,
        [sub_no, file.feed, file.path, file.nil, file.basis, file.unit, file.bytes, file.sha256],
    ).fetchone()
    assert row is not None
    return int(str(row[0]))


def close_load(
    connection: Connection,
    load_id: int,
    *,
    state: str,
    rows: int,
    accepted: int,
    rejected: int,
    totals: Mapping[str, Mapping[str, object]],
    profile: Mapping[str, int],
    notes: Sequence[Mapping[str, object]],
) -> None:
    """Write what became of one feed."""
    connection.execute(
        "update ops.load set state = %s, row_count = %s, accepted = %s, rejected = %s, totals = %s, profile = %s,"
        " notes = %s, loaded_at = now() where load_id = %s",
        [state, rows, accepted, rejected, Jsonb(totals), Jsonb(profile), Jsonb(notes), load_id],
    )


def write_rejects(connection: Connection, load_id: int, rejects: Iterable[Reject]) -> None:
    """Replace the rejects of a load."""
    connection.execute("delete from ops.reject where load_id = %s", [load_id])
    with connection.cursor().copy(
        "copy ops.reject (load_id, row_no, column_name, code, args, row_token) from stdin"
    ) as copy:
        for reject in rejects:
            copy.write_row((load_id, reject.row_no, reject.column, reject.code, reject.arguments, reject.token))


def reopen(connection: Connection, sub_no: int, *, reason: str, by: str, rules: str) -> bool:
    """Put a rejected submission's verdict aside, so that it can be loaded again; False when it is not rejected (now).

    Belongs into one transaction. The verdict is kept in `ops.replay` with who, when and why; rows that a gate refused
    leave `raw`. What is reopened and not loaded is `verified`, as if it had just arrived.
    """
    row = connection.execute(
        "select month from ops.submission where sub_no = %s and state = 'rejected' for update", [sub_no]
    ).fetchone()
    if row is None:
        return False
    connection.execute(
        """
        insert into ops.replay (sub_no, reason, replayed_by, rules, former_decided_at, former_errors, former_loads)
        select s.sub_no, %(reason)s, %(by)s, %(rules)s, s.decided_at, s.errors, (
            select coalesce(jsonb_agg(jsonb_build_object(
                'feed', l.feed, 'rows', l.row_count, 'accepted', l.accepted, 'rejected', l.rejected, 'cells', (
                    select coalesce(jsonb_object_agg(c.code, c.cells), '{}')
                    from (select r.code, count(*) as cells from ops.reject r where r.load_id = l.load_id group by 1) c
                )) order by l.feed), '[]')
            from ops.load l where l.sub_no = s.sub_no
        )
        from ops.submission s where s.sub_no = %(sub_no)s
        """,
        {"sub_no": sub_no, "reason": reason, "by": by, "rules": rules},
    )
    loads = connection.execute("select load_id, feed from ops.load where sub_no = %s", [sub_no]).fetchall()
    for load_id, feed in loads:
        contract = load_contracts().get(str(feed))
        if contract is not None:
            # the partition key: without it every month of history is looked at
            of_month = sql.SQL(" and month = {}").format(row[0]) if contract.partition_by_month else sql.SQL("")
            connection.execute(
                sql.SQL("delete from {} where load_id = {}{}").format(
                    sql.Identifier("raw", contract.feed), load_id, of_month
                )
            )
    numbers = [load_id for load_id, _ in loads]
    connection.execute("delete from ops.reject where load_id = any(%s)", [numbers])
    connection.execute(
        "update ops.load set state = 'verified', row_count = 0, accepted = 0, rejected = 0, totals = '{}',"
        " profile = '{}', notes = '[]', loaded_at = null where sub_no = %s",
        [sub_no],
    )
    connection.execute(
        "update ops.submission set state = 'verified', errors = '[]', decided_at = null, fence = fence + 1"
        " where sub_no = %s",
        [sub_no],
    )
    return True


def told_by_build(connection: Connection, build_id: int) -> list[str]:
    """Submissions whose receipts say more once a build is published: first shown by it, or noticed in its light.

    After a rollback what is shown again, or is superseded for good, is told too: the flip has noted what each became.
    """
    rows = connection.execute(
        """
        with mine as (
            select load_id from ops.build_input where build_id = %(build)s
        ), told as (
            select e.load_id from ops.build_input e
            join ops.build p on p.build_id = e.build_id
            where e.build_id < %(build)s and p.state = 'published'
        ), noticed as (
            select n.load_id from ops.load_notice n
            join ops.build b on b.build_id = %(build)s and n.noticed_at >= b.opened_at
        )
        select distinct s.submission_id
        from mine m
        join ops.load l on l.load_id = m.load_id
        join ops.submission s on s.sub_no = l.sub_no
        where m.load_id not in (select load_id from told) or m.load_id in (select load_id from noticed)
        union
        select s.submission_id
        from ops.staged_load n
        join ops.build b on b.candidate_id = n.candidate_id and b.build_id = %(build)s
        join ops.load l on l.load_id = n.load_id
        join ops.submission s on s.sub_no = l.sub_no
        order by 1
        """,
        {"build": build_id},
    )
    return [str(row[0]) for row in rows]


def decide(connection: Connection, entry: Entry, state: str, faults: Sequence[Fault] = ()) -> bool:
    """Set a submission's state if this worker still holds the fence; False when another one took over."""
    changed = connection.execute(
        """
        update ops.submission set state = %s, errors = errors || %s::jsonb,
            decided_at = case when %s = any(%s) then now() end, worker_pid = null
        where sub_no = %s and fence = %s
        """,
        [state, json.dumps([fault.as_json() for fault in faults], ensure_ascii=False), state, list(FINAL),
         entry.sub_no, entry.fence],
    )  # fmt: skip
    if changed.rowcount == 1 and state in FINAL:
        connection.execute(
            "update ops.load set state = case when %s = 'accepted_with_rejects' and rejected = 0 then 'accepted'"
            " else %s end where sub_no = %s",
            [state, state, entry.sub_no],
        )
    return changed.rowcount == 1


def _late(connection: Connection, manifest: Manifest, received_at: dt.datetime) -> bool | None:
    """Whether a feed of the submission is late; a correction does not make an on-time first version late (R24)."""
    verdicts = {file.feed: is_late(file.feed, manifest.sender, manifest.period, received_at) for file in manifest.files}
    if any(verdicts.values()):
        earlier = connection.execute(
            "select l.feed, s.received_at from ops.submission s join ops.load l on l.sub_no = s.sub_no"
            " where s.sender = %s and s.period = %s and s.version < %s"
            " and s.state in ('accepted', 'accepted_with_rejects')",
            [manifest.sender, manifest.period, manifest.version],
        ).fetchall()
        for feed, before in earlier:
            if isinstance(before, dt.datetime) and not is_late(str(feed), manifest.sender, manifest.period, before):
                verdicts |= {str(feed): False} if feed in verdicts else {}
    known = [verdict for verdict in verdicts.values() if verdict is not None]
    return any(known) if known else None
