-- What an inbox that cannot be trusted needs: keys of senders, security events, heartbeats, notices.
-- Runs as vss_migrator.

create table ops.sender_key (
    key_no bigint generated always as identity primary key,
    sender text not null check (sender ~ '^(province-[0-9]{2}|tax|hq)$'),
    public_key bytea not null unique check (octet_length(public_key) = 32),
    fingerprint text not null unique,
    note text not null default '',
    valid_from timestamptz not null default now(),
    valid_to timestamptz,
    revoked_at timestamptz,
    revoked_reason text,
    added_at timestamptz not null default now(),
    added_by text not null default session_user,
    check (valid_to > valid_from)
);
create index on ops.sender_key (sender);
comment on table ops.sender_key is
    'One row per Ed25519 public key of a sender; valid from valid_from to valid_to (open while null), never after revoked_at.';

create table ops.security_event (
    event_no bigint generated always as identity primary key,
    happened_at timestamptz not null default now(),
    code text not null,
    sender text not null,
    submission_id text not null,
    manifest_sha256 text,
    details jsonb not null default '{}'
);
comment on table ops.security_event is
    'One row per folder that was refused because it is not proven to come from its sender: codes and fingerprints, never contents.';

create table ops.worker (
    backend_pid integer not null,
    backend_start timestamptz not null,
    heartbeat_at timestamptz not null default clock_timestamp(),
    primary key (backend_pid, backend_start)
);
comment on table ops.worker is
    'One row per loader at work, by its database session; one whose heartbeat stopped may be ended by the next.';

-- what lies in another sender's folder is another submission, also under the same id and with the same words: else a
-- copy would decide, or take over, what its true owner sends
alter table ops.submission drop constraint submission_submission_id_manifest_sha256_key;
alter table ops.submission add unique nulls not distinct (submission_id, manifest_sha256, sender);

alter table ops.reject add column row_token text;
comment on column ops.reject.row_token is
    'Keyed hash of the row''s key as sent: tells whether a row that was set aside came back mended, and nothing else.';

create table ops.load_notice (
    load_id bigint not null references ops.load,
    code text not null,
    args jsonb not null default '{}',
    noticed_at timestamptz not null default now(),
    primary key (load_id, code)
);
comment on table ops.load_notice is 'What was found about an accepted load later, in the light of other senders; shown on its receipt.';

grant select on ops.sender_key, ops.security_event, ops.worker, ops.load_notice to vss_loader, vss_engineer;
grant insert on ops.security_event to vss_loader;
grant insert, update, delete on ops.worker to vss_loader;
grant select, insert, update, delete on ops.load_notice to vss_publisher;

-- a rough picture is enough for plans over one load, and a tenth of the time
alter function ops.analyze_raw(text, date) set default_statistics_target = 20;

-- a load goes straight into its month's partition: to route every row through the parent costs the server half as much again
create function ops.raw_partition(feed text, month date) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    name text := feed || '_' || to_char(month, 'YYYYMM');
begin
    perform ops.ensure_raw_partition(feed, month);
    if not has_table_privilege('vss_loader', format('raw.%I', name), 'insert') then
        execute format('grant select, insert, delete on raw.%I to vss_loader', name);
    end if;
    return name;
end $$;
revoke all on function ops.raw_partition(text, date) from public;
grant execute on function ops.raw_partition(text, date) to vss_loader;
