-- The ledger (ops), the identified zone (raw, vault) and the empty schemas that dbt and the publisher fill.
-- Runs as vss_migrator, which may become the owners of the other schemas (set role) and nothing more.

create schema ops;
create schema raw;
create schema gate;
set local role vss_vault;
create schema vault;
set local role vss_transformer;
create schema reference;
create schema staging;
create schema marts;
set local role vss_publisher;
create schema bi;
reset role;

-- ------------------------------------------------------------------------------------------------ geography

-- one row per province name and code vintage; filled from warehouse/reference/province_succession.csv
create table ops.province (
    province_key text primary key,
    territory_key text not null,
    province_code text not null,
    vintage text not null check (vintage in ('63', '34')),
    name_vi text not null,
    name_en text not null,
    valid_from date not null,
    valid_to date not null,
    current_province_code text not null,
    is_code_reused boolean not null,
    predecessors integer not null,
    exclude using gist (territory_key with =, daterange(valid_from, valid_to) with &&)
);
comment on table ops.province is
    'Provinces on both maps: 63 until 2025-06-30, 34 since. territory_key names a territory whatever it is called; '
    'province_key is the row in force at a date. Source: Resolution 202/2025/QH15, warehouse/reference.';

-- ------------------------------------------------------------------------------------------------ the ledger

create table ops.submission (
    sub_no bigint generated always as identity primary key,
    submission_id text not null,
    manifest_sha256 text,
    sender text not null,
    period text,
    month date,
    version integer,
    action text check (action in ('submit', 'correct', 'void')),
    as_of_date date,
    created_at timestamptz,
    received_at timestamptz,
    is_late boolean,
    state text not null check (
        state in ('waiting', 'verified', 'loaded', 'accepted', 'accepted_with_rejects', 'held', 'rejected')
    ),
    errors jsonb not null default '[]',
    manifest jsonb,
    folder text not null,
    fence bigint not null default 0,
    worker_pid integer,
    first_seen_at timestamptz not null default now(),
    decided_at timestamptz,
    unique nulls not distinct (submission_id, manifest_sha256)
);
comment on table ops.submission is 'One row per submission folder and manifest seen: the truth about what was sent and what became of it.';

create table ops.load (
    load_id bigint generated always as identity primary key,
    sub_no bigint not null references ops.submission,
    feed text not null,
    file text,
    is_nil boolean not null default false,
    basis text not null default 'month',
    unit text not null default 'dong',
    state text not null default 'verified',
    row_count bigint not null default 0,
    accepted bigint not null default 0,
    rejected bigint not null default 0,
    totals jsonb not null default '{}',
    profile jsonb not null default '{}',
    notes jsonb not null default '[]',
    bytes bigint,
    sha256 text,
    loaded_at timestamptz,
    unique (sub_no, feed)
);
comment on table ops.load is 'One row per feed of a submission: rows, rejects and control totals at the four points.';

create table ops.reject (
    load_id bigint not null references ops.load,
    row_no integer not null,
    column_name text,
    code text not null,
    args jsonb
);
create index on ops.reject (load_id);
comment on table ops.reject is 'One row per faulty cell of a row that was set aside; no values, only the place and the code.';

create table ops.decision (
    sub_no bigint not null references ops.submission,
    decided_at timestamptz not null default now(),
    decision text not null check (decision in ('release', 'reject')),
    reason text not null,
    decided_by text not null default session_user
);
comment on table ops.decision is 'Decisions of persons on held submissions, with their reasons.';

create table ops.gate_result (
    gate_result_id bigint generated always as identity primary key,
    gate text not null check (gate in ('submission', 'candidate')),
    sub_no bigint references ops.submission,
    load_id bigint references ops.load,
    build_id integer,
    suite text not null,
    expectation text not null,
    column_name text,
    success boolean not null,
    severity text not null,
    evaluated bigint,
    unexpected bigint,
    details jsonb not null default '{}',
    run_at timestamptz not null default now()
);
create index on ops.gate_result (load_id);
comment on table ops.gate_result is 'One row per expectation evaluated: verdict and counts, never values.';

create table ops.run_stage (
    run_stage_id bigint generated always as identity primary key,
    run_id text not null,
    stage text not null,
    subject text,
    started_at timestamptz not null default now(),
    seconds numeric(12, 3),
    rows bigint,
    outcome text not null default 'running',
    message text
);
comment on table ops.run_stage is 'One row per stage of a run: how long it took and how it ended.';

-- ------------------------------------------------------------------------------------------------ builds (M2)

create table ops.build (
    build_id integer generated always as identity primary key,
    candidate_id integer not null,
    base_id integer not null,
    state text not null check (state in ('open', 'built', 'audited', 'published', 'failed', 'abandoned')),
    project_hash text not null,
    is_full boolean not null default false,
    opened_at timestamptz not null default now(),
    closed_at timestamptz,
    message text
);
create unique index build_lease on ops.build ((true)) where state in ('open', 'built', 'audited');
comment on table ops.build is 'One row per build of a candidate; at most one is open or waits for publication.';

create table ops.build_input (
    build_id integer not null references ops.build,
    sender text not null,
    feed text not null,
    period text not null,
    load_id bigint not null references ops.load,
    primary key (build_id, feed, sender, period)
);
comment on table ops.build_input is 'The load of each (sender, feed, period) a build reads: the highest accepted version when it opened.';

create table ops.build_touch (
    build_id integer not null references ops.build,
    source text not null,
    territory_key text,
    month date
);
comment on table ops.build_touch is 'What a build must make anew: feeds (or dimensions) whose slice changed since the shown publication.';

create table ops.slice (
    slice_id integer generated always as identity primary key,
    relation text not null,
    territory_key text,
    month date,
    build_id integer not null references ops.build,
    content_hash text,
    submission_id text,
    row_count bigint,
    unique nulls not distinct (relation, territory_key, month, build_id)
);
comment on table ops.slice is 'One row per slice ever built: a relation''s rows of one territory and month, from one build.';

create table ops.candidate_slice (
    relation text not null,
    slice_id integer primary key,
    territory_key text,
    month date,
    content_hash text
);
create index on ops.candidate_slice (relation, month);
comment on table ops.candidate_slice is 'The slices of the candidate: those shown when the build opened, with the touched ones exchanged.';

-- ------------------------------------------------------------------------------------------------ publication (M3)

create table ops.publication (
    publication_id integer primary key,
    build_id integer references ops.build,
    published_at timestamptz not null default now(),
    kind text not null check (kind in ('none', 'build', 'rollback')),
    status text not null default 'published',
    completeness text not null default '',
    freshness text not null default '',
    changes text not null default ''
);
comment on table ops.publication is 'One row per publication; each stays readable.';

create table ops.publication_slice (
    relation text not null,
    slice_id integer not null,
    from_publication integer not null,
    to_publication integer not null default 2147483647
) partition by list (relation);
comment on table ops.publication_slice is 'The pointer: in which publications a slice is shown (from inclusive, to exclusive).';

create table ops.current_publication (
    is_only boolean primary key default true check (is_only),
    publication_id integer not null references ops.publication
);
insert into ops.publication (publication_id, kind, status, freshness)
values (0, 'none', 'empty', 'Nothing has been published yet.');
insert into ops.current_publication (publication_id) values (0);

create table ops.scope (
    role_name name primary key,
    is_national boolean not null,
    provinces text[] not null default '{}'
);
comment on table ops.scope is 'What each reading role may see; a role that does not stand here sees nothing.';

-- the publication a session reads: its own pin, else the current one
create function ops.shown_publication(may_read_candidate boolean) returns integer
language plpgsql stable parallel safe security definer set search_path = pg_catalog, pg_temp as $$
declare
    pin text := nullif(current_setting('vss.publication', true), '');
    wanted integer;
begin
    if pin is null then
        return (select c.publication_id from ops.current_publication c);
    end if;
    if pin ~ '^\d{1,9}$' then
        wanted := pin::integer;
    end if;
    if wanted is null
       or not (may_read_candidate
               or exists (select from ops.publication p where p.publication_id = wanted and p.publication_id > 0))
    then
        raise exception 'publication % was never published: see bi.publication', pin using errcode = '22023';
    end if;
    return wanted;
end $$;
revoke all on function ops.shown_publication(boolean) from public;

create view ops.shown_slice as
select p.relation, p.slice_id
from ops.publication_slice p
where p.from_publication <= (select ops.shown_publication(current_user = 'vss_publisher'))
  and p.to_publication > (select ops.shown_publication(current_user = 'vss_publisher'));

-- ------------------------------------------------------------------------------------------------ partitions (M7)

-- creates the month's partition beside the parent and attaches it: a plain "partition of" would block every reader
create function ops.ensure_partition(parent regclass, month date) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    space text;
    name text;
begin
    select n.nspname, c.relname || '_' || to_char(month, 'YYYYMM') into space, name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = parent;
    if to_regclass(format('%I.%I', space, name)) is not null then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtext('ops.ensure_partition'), hashtext(space || '.' || name));
    if to_regclass(format('%I.%I', space, name)) is not null then
        return;
    end if;
    execute format('create table %I.%I (like %s including all)', space, name, parent);
    execute format('alter table %s attach partition %I.%I for values from (%L) to (%L)',
                   parent, space, name, month, month + interval '1 month');
end $$;

create function ops.ensure_raw_partition(feed text, month date) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform ops.ensure_partition(format('raw.%I', feed)::regclass, date_trunc('month', month)::date);
end $$;
revoke all on function ops.ensure_raw_partition(text, date) from public;

-- fresh statistics for what was just written: plans over unanalysed rows took minutes instead of seconds
create function ops.analyze_raw(feed text, month date) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if to_regclass(format('raw.%I', feed || '_' || to_char(month, 'YYYYMM'))) is not null then
        execute format('analyze raw.%I', feed || '_' || to_char(month, 'YYYYMM'));
    elsif to_regclass(format('raw.%I', feed)) is not null then
        execute format('analyze raw.%I', feed);
    end if;
end $$;
revoke all on function ops.analyze_raw(text, date) from public;

create function ops.analyze_candidate() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    analyze ops.candidate_slice;
    analyze ops.slice;
end $$;
revoke all on function ops.analyze_candidate() from public;

create function ops.ensure_pointer(relation_name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    name text := 'publication_slice_' || relation_name;
begin
    if to_regclass(format('ops.%I', name)) is not null then
        return;
    end if;
    execute format('create table ops.%I (like ops.publication_slice including all)', name);
    execute format('alter table ops.%I add primary key (slice_id, from_publication)', name);
    execute format('create index on ops.%I (to_publication) where to_publication < 2147483647', name);
    execute format('alter table ops.publication_slice attach partition ops.%I for values in (%L)', name, relation_name);
end $$;
revoke all on function ops.ensure_pointer(text) from public;

-- ------------------------------------------------------------------------------------------------ life of a build

-- the load each (sender, feed, period) stands for now: highest accepted version, unless a later void took it back
create view ops.accepted_load as
select distinct on (s.sender, l.feed, s.period)
    s.sender, l.feed, s.period, l.load_id, s.version, s.sub_no
from ops.load l
join ops.submission s on s.sub_no = l.sub_no
where s.state in ('accepted', 'accepted_with_rejects')
  and not exists (
      select from ops.submission v
      where v.sender = s.sender and v.period = s.period and v.action = 'void'
        and v.state = 'accepted' and v.version > s.version
  )
order by s.sender, l.feed, s.period, s.version desc;

-- inputs of the open build, or of the shown publication when none is open
create view ops.input as
select
    i.build_id, i.sender, i.feed, i.period, i.load_id, s.submission_id, s.sub_no, s.month, s.as_of_date, s.version,
    s.received_at, s.is_late, l.basis, l.is_nil, l.row_count, l.accepted, l.rejected,
    p.province_key, p.territory_key, p.province_code, p.current_province_code
from ops.build_input i
join ops.load l on l.load_id = i.load_id
join ops.submission s on s.sub_no = l.sub_no
left join ops.province p
    on s.sender = 'province-' || p.province_code and s.month >= p.valid_from and s.month < p.valid_to
where i.build_id = coalesce(
    (select b.build_id from ops.build b where b.state in ('open', 'built', 'audited')),
    (select p.build_id from ops.publication p join ops.current_publication c on c.publication_id = p.publication_id)
);
comment on view ops.input is 'One row per (sender, feed, period) that the open build reads, with its territory.';

create function ops.open_build(project_hash text, force_full boolean) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    new_build integer;
    base integer;
    base_build integer;
    full_build boolean;
begin
    -- a version that came after a higher one of its slice was published will never be shown
    update ops.load l set state = 'superseded'
    from ops.submission s
    where s.sub_no = l.sub_no and l.state in ('accepted', 'accepted_with_rejects') and exists (
        select from ops.load h join ops.submission t on t.sub_no = h.sub_no
        where h.state = 'published' and h.feed = l.feed and t.sender = s.sender and t.period = s.period
          and t.version > s.version
    );
    select c.publication_id, p.build_id into base, base_build
    from ops.current_publication c join ops.publication p on p.publication_id = c.publication_id;
    select force_full or base_build is null or b.project_hash is distinct from open_build.project_hash into full_build
    from (select) x left join ops.build b on b.build_id = base_build;
    insert into ops.build (candidate_id, base_id, state, project_hash, is_full)
    values (
        (select max(p.publication_id) + 1 from ops.publication p), base, 'open', open_build.project_hash, full_build
    )
    returning build_id into new_build;
    insert into ops.build_input (build_id, sender, feed, period, load_id)
    select new_build, a.sender, a.feed, a.period, a.load_id from ops.accepted_load a;
    insert into ops.build_touch (build_id, source, territory_key, month)
    select distinct new_build, coalesce(n.feed, o.feed), p.territory_key, s.month
    from (select * from ops.build_input where build_id = new_build) n
    full join (select * from ops.build_input where build_id = base_build) o using (sender, feed, period)
    join ops.load l on l.load_id = coalesce(n.load_id, o.load_id)
    join ops.submission s on s.sub_no = l.sub_no
    left join ops.province p
        on s.sender = 'province-' || p.province_code and s.month >= p.valid_from and s.month < p.valid_to
    where n.load_id is distinct from o.load_id;
    delete from ops.candidate_slice;
    insert into ops.candidate_slice (relation, slice_id, territory_key, month, content_hash)
    select s.relation, s.slice_id, s.territory_key, s.month, s.content_hash
    from ops.publication_slice p join ops.slice s on s.slice_id = p.slice_id
    where p.from_publication <= base and p.to_publication > base;
    analyze ops.candidate_slice;
    analyze ops.build_input;
    return new_build;
end $$;
revoke all on function ops.open_build(text, boolean) from public;

-- takes back what a build that will not be published has left: its rows, slices and pointer rows
create function ops.abandon_build(wanted integer, why text, new_state text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    r record;
begin
    for r in select distinct relation from ops.slice where build_id = wanted loop
        if to_regclass(format('marts.%I', r.relation || '__rows')) is not null then
            execute format(
                'delete from marts.%I where slice_id = any (array(select slice_id from ops.slice '
                'where build_id = %s and relation = %L))', r.relation || '__rows', wanted, r.relation);
        end if;
    end loop;
    perform ops.forget_candidate(wanted, why, new_state);
end $$;

create function ops.forget_candidate(wanted integer, why text, new_state text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    candidate integer;
begin
    select b.candidate_id into candidate from ops.build b where b.build_id = wanted
        and b.state in ('open', 'built', 'audited');
    if candidate is null then
        return;
    end if;
    delete from ops.publication_slice where from_publication = candidate;
    update ops.publication_slice set to_publication = 2147483647 where to_publication = candidate;
    delete from ops.candidate_slice;
    insert into ops.candidate_slice (relation, slice_id, territory_key, month, content_hash)
    select s.relation, s.slice_id, s.territory_key, s.month, s.content_hash
    from ops.publication_slice p
    join ops.slice s on s.slice_id = p.slice_id
    join ops.current_publication c
        on p.from_publication <= c.publication_id and p.to_publication > c.publication_id;
    delete from ops.slice where build_id = wanted;
    update ops.build set state = new_state, message = why, closed_at = now() where build_id = wanted;
end $$;
revoke all on function ops.forget_candidate(integer, text, text) from public;

create function ops.finish_build(wanted integer) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update ops.build set state = 'built' where build_id = wanted and state = 'open';
$$;
revoke all on function ops.finish_build(integer) from public;

create function ops.pass_audit(wanted integer) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update ops.build set state = 'audited' where build_id = wanted and state = 'built';
$$;
revoke all on function ops.pass_audit(integer) from public;

-- the candidate's pointer rows: the difference between the candidate and what is shown; idempotent
create function ops.stage_candidate(candidate integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    base integer;
    changed integer;
begin
    select c.publication_id into base from ops.current_publication c;
    perform ops.ensure_pointer(w.relation) from (select distinct relation from ops.candidate_slice) w;
    delete from ops.publication_slice where from_publication = candidate;
    update ops.publication_slice set to_publication = 2147483647 where to_publication = candidate;
    update ops.publication_slice p set to_publication = candidate
    where p.from_publication <= base and p.to_publication = 2147483647
      and not exists (select from ops.candidate_slice w where w.slice_id = p.slice_id);
    insert into ops.publication_slice (relation, slice_id, from_publication)
    select w.relation, w.slice_id, candidate from ops.candidate_slice w
    where not exists (
        select from ops.publication_slice p
        where p.relation = w.relation and p.slice_id = w.slice_id and p.to_publication = 2147483647
    );
    get diagnostics changed = row_count;
    analyze ops.publication_slice;
    return changed;
end $$;
revoke all on function ops.stage_candidate(integer) from public;

-- the flip: one row of the pointer, no DDL, no lock that a reader minds
create function ops.flip(wanted integer, completeness text, freshness text, changes text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    candidate integer;
    base integer;
begin
    select b.candidate_id, b.base_id into candidate, base from ops.build b where b.build_id = wanted and b.state = 'audited';
    if candidate is null then
        raise exception 'build % is not ready for publication', wanted using errcode = '55000';
    end if;
    insert into ops.publication (publication_id, build_id, kind, completeness, freshness, changes)
    values (candidate, wanted, 'build', flip.completeness, flip.freshness, flip.changes);
    update ops.current_publication set publication_id = candidate where publication_id = base;
    if not found then
        raise exception 'another publication came first' using errcode = '55000';
    end if;
    update ops.build set state = 'published', closed_at = now() where build_id = wanted;
    -- what the ledger calls each load from now on; what was accepted after the build opened is left for the next one
    update ops.load l set state = 'published'
    from ops.build_input i
    where i.build_id = wanted and i.load_id = l.load_id and l.state <> 'published';
    update ops.load l set state = 'superseded'
    from ops.submission s, ops.build_input i, ops.load shown, ops.submission winner
    where s.sub_no = l.sub_no and l.state in ('accepted', 'accepted_with_rejects', 'published')
      and i.build_id = wanted and i.sender = s.sender and i.feed = l.feed and i.period = s.period
      and shown.load_id = i.load_id and winner.sub_no = shown.sub_no and winner.version > s.version;
    update ops.load l set state = 'voided'
    from ops.submission s
    where s.sub_no = l.sub_no and l.state in ('accepted', 'accepted_with_rejects', 'published')
      and not exists (select from ops.build_input i where i.build_id = wanted and i.load_id = l.load_id)
      and exists (select from ops.submission v where v.sender = s.sender and v.period = s.period
                  and v.action = 'void' and v.state = 'accepted' and v.version > s.version);
    return candidate;
end $$;
revoke all on function ops.flip(integer, text, text, text) from public;

-- what readers see of a load's control totals, once it is shown: {"column": amount}
create function ops.note_published(wanted bigint, published jsonb) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update ops.load l set totals = (
        select coalesce(jsonb_object_agg(
            t.key, case when published ? t.key then t.value || jsonb_build_object('published', published -> t.key)
                        else t.value end), '{}')
        from jsonb_each(l.totals) t
    )
    where l.load_id = wanted;
$$;
revoke all on function ops.note_published(bigint, jsonb) from public;

create function ops.roll_back(target integer, reason text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    candidate integer := (select max(publication_id) + 1 from ops.publication);
begin
    if exists (select from ops.build where state in ('open', 'built', 'audited')) then
        raise exception 'a build is open' using errcode = '55000';
    end if;
    delete from ops.candidate_slice;
    insert into ops.candidate_slice (relation, slice_id, territory_key, month, content_hash)
    select s.relation, s.slice_id, s.territory_key, s.month, s.content_hash
    from ops.publication_slice p join ops.slice s on s.slice_id = p.slice_id
    where p.from_publication <= target and p.to_publication > target;
    perform ops.stage_candidate(candidate);
    insert into ops.publication (publication_id, build_id, kind, completeness, freshness, changes)
    select candidate, build_id, 'rollback', completeness, freshness, roll_back.reason
    from ops.publication where publication_id = target;
    update ops.current_publication set publication_id = candidate;
    return candidate;
end $$;
revoke all on function ops.roll_back(integer, text) from public;

-- ------------------------------------------------------------------------------------------------ identity (M9)

set local role vss_vault;
create table vault.secret (name text primary key, value bytea not null);
insert into vault.secret values
    ('pseudonym', sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text || clock_timestamp()::text, 'UTF8')));
create table vault.access_log (
    accessed_at timestamptz not null default now(),
    role_name text not null default session_user,
    participant_key uuid not null,
    case_no text not null
);

-- keyed hash of a person's number, cut to 128 bits: a cut digest cannot be extended, so one round is enough, and a
-- body this plain is inlined by the planner (stable, because convert_to is: an immutable one would not be). The key is read as the vault's owner and never leaves the views.
create function vault.pseudonym(key bytea, number text) returns uuid
language sql stable parallel safe as $$
    select encode(substring(sha256(key || convert_to(number, 'UTF8')) from 1 for 16), 'hex')::uuid
$$;

-- the one way back from a key to a person: needs the number of a case, and leaves a row behind
create function vault.identify(wanted uuid, case_no text)
returns table (si_number text, personal_id text, full_name text, birth_date text)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
    if coalesce(trim(case_no), '') = '' then
        raise exception 'a person is identified for a case: name its number' using errcode = '22023';
    end if;
    insert into vault.access_log (participant_key, case_no) values (wanted, identify.case_no);
    return query
        select r.si_number, r.personal_id, r.full_name, r.birth_date
        from raw.participants r
        where vault.pseudonym((select s.value from vault.secret s where s.name = 'pseudonym'), r.si_number) = wanted
        order by r.month desc, r.load_id desc
        limit 1;
end $$;
revoke all on function vault.identify(uuid, text) from public;
reset role;

-- ------------------------------------------------------------------------------------------------ grants

grant usage on schema ops to vss_loader, vss_transformer, vss_publisher, vss_engineer;
grant usage on schema raw to vss_loader, vss_transformer, vss_engineer, vss_vault;
grant usage, create on schema gate to vss_loader;
grant create on schema raw to vss_vault;
grant select on all tables in schema ops to vss_loader, vss_transformer, vss_publisher, vss_engineer;
grant insert, update on ops.submission, ops.load to vss_loader;
grant insert on ops.reject, ops.decision, ops.gate_result, ops.run_stage to vss_loader;
grant delete on ops.reject to vss_loader;
grant update on ops.run_stage to vss_loader;
grant insert on ops.gate_result, ops.run_stage to vss_transformer, vss_publisher;
grant update on ops.run_stage to vss_transformer, vss_publisher;
grant insert, update on ops.slice to vss_transformer;
grant insert, delete on ops.candidate_slice to vss_transformer;
grant insert on ops.build_touch to vss_transformer;
grant execute on function ops.ensure_raw_partition(text, date), ops.analyze_raw(text, date) to vss_loader;
grant execute on function ops.open_build(text, boolean), ops.finish_build(integer), ops.analyze_candidate(),
    ops.forget_candidate(integer, text, text) to vss_transformer;
grant execute on function ops.ensure_pointer(text), ops.stage_candidate(integer), ops.pass_audit(integer), ops.flip(integer, text, text, text),
    ops.roll_back(integer, text), ops.note_published(bigint, jsonb), ops.shown_publication(boolean) to vss_publisher;
grant execute on function ops.shown_publication(boolean) to vss_reader_base, vss_engineer;

set local role vss_transformer;
grant usage on schema staging, marts, reference to vss_engineer;
grant usage on schema marts to vss_publisher;
alter default privileges in schema staging grant select on tables to vss_engineer;
alter default privileges in schema reference grant select on tables to vss_engineer;
alter default privileges in schema marts grant select on tables to vss_engineer, vss_publisher;
set local role vss_publisher;
grant usage on schema bi to vss_reader_base, vss_engineer;
reset role;
