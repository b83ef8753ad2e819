-- Rejected submissions that are loaded again, and ranges that are made anew because somebody asked for it.
-- Runs as vss_migrator.

create table ops.replay (
    replay_no bigint generated always as identity primary key,
    sub_no bigint not null references ops.submission on delete cascade,
    replayed_at timestamptz not null default now(),
    reason text not null check (btrim(reason) <> ''),
    replayed_by text not null check (btrim(replayed_by) <> ''),
    rules text not null,
    former_decided_at timestamptz,
    former_errors jsonb not null,
    former_loads jsonb not null
);
create index on ops.replay (sub_no);
comment on table ops.replay is
    'One row per time a rejected submission was loaded again: who, when, why, and the verdict that stood until then. Rows are never changed.';
comment on column ops.replay.replay_no is 'Number of the replay; later ones have higher numbers.';
comment on column ops.replay.sub_no is 'The submission.';
comment on column ops.replay.replayed_at is 'When the former verdict was put aside.';
comment on column ops.replay.reason is 'Why it was loaded again.';
comment on column ops.replay.replayed_by is 'Who wanted it: the name given, else the system user.';
comment on column ops.replay.rules is 'Digest of the rules it was judged by this time.';
comment on column ops.replay.former_decided_at is 'When the former verdict was given.';
comment on column ops.replay.former_errors is 'The codes and arguments for which it was rejected, as they stood in ops.submission.';
comment on column ops.replay.former_loads is
    'A list of its feeds as they had been found: feed, rows, accepted, rejected, and how many faulty cells by code. No values.';

create table ops.backfill (
    backfill_no bigint generated always as identity primary key,
    build_id integer not null unique references ops.build on delete cascade,
    run_id text not null,
    from_month date not null,
    to_month date not null check (to_month >= from_month),
    senders text[] not null default '{}',
    feeds text[] not null default '{}',
    reason text not null check (btrim(reason) <> ''),
    asked_by text not null check (btrim(asked_by) <> ''),
    asked_at timestamptz not null default now()
);
comment on table ops.backfill is
    'One row per build that made a range of months anew because somebody asked for it; the build says whether it was published.';
comment on column ops.backfill.backfill_no is 'Number of the backfill; later ones have higher numbers.';
comment on column ops.backfill.build_id is 'The build, in which everything of the range counts as touched.';
comment on column ops.backfill.run_id is 'The run in ops.run_stage.';
comment on column ops.backfill.from_month is 'First month, its first day.';
comment on column ops.backfill.to_month is 'Last month, its first day.';
comment on column ops.backfill.senders is 'Only what these sent; everybody where it is empty.';
comment on column ops.backfill.feeds is 'Only these feeds; every feed where it is empty.';
comment on column ops.backfill.reason is 'Why it was asked for.';
comment on column ops.backfill.asked_by is 'Who asked: the name given, else the system user.';
comment on column ops.backfill.asked_at is 'When the build opened.';

grant select on ops.replay, ops.backfill to vss_loader, vss_transformer, vss_publisher, vss_engineer;
grant insert on ops.replay to vss_loader;
grant insert on ops.backfill to vss_transformer;
