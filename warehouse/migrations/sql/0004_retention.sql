-- Publications that are no longer kept, what a flip makes of each load, and DDL without a queue behind it.
-- Runs as vss_migrator.

-- ------------------------------------------------------------------------------------------------ the pin

alter table ops.publication add column pruned_at timestamptz;
alter table ops.publication add check (status in ('empty', 'published', 'pruned'));
alter table ops.publication add check ((status = 'pruned') = (pruned_at is not null));
comment on column ops.publication.pruned_at is 'When it was given up (vss prune); null while it can be read.';

-- the publication a session reads: its own pin, else the current one; a pruned one has holes, so nobody reads it
create or replace function ops.shown_publication(may_read_candidate boolean) returns integer
language plpgsql stable parallel safe security definer set search_path = pg_catalog, pg_temp as $$
declare
    pin text := nullif(current_setting('vss.publication', true), '');
    wanted integer;
    found_status text;
begin
    if pin is null then
        return (select c.publication_id from ops.current_publication c);
    end if;
    if pin ~ '^\d{1,9}$' then
        wanted := pin::integer;
        select p.status into found_status from ops.publication p where p.publication_id = wanted;
    end if;
    if found_status = 'pruned' then
        raise exception 'publication % was pruned: bi.publication lists those that can be read', wanted
            using errcode = '22023';
    end if;
    if wanted is null or not (may_read_candidate or coalesce(found_status = 'published', false)) then
        raise exception 'publication % was never published: see bi.publication', pin using errcode = '22023';
    end if;
    return wanted;
end $$;

-- the last condition has no column: it stands above every plan, so a wrong pin is refused also where nothing is scanned
create or replace view ops.shown_slice as
select p.relation, p.slice_id
from ops.publication_slice p
where p.from_publication <= (select ops.shown_publication(current_user = 'vss_publisher'))
  and p.to_publication > (select ops.shown_publication(current_user = 'vss_publisher'))
  and (select ops.shown_publication(current_user = 'vss_publisher')) is not null;

-- ------------------------------------------------------------------------------------------------ the flip

create table ops.staged_load (
    load_id bigint primary key references ops.load,
    candidate_id integer not null,
    state text not null
);
comment on table ops.staged_load is
    'One row per load that the ledger will call something else once the candidate is shown; written before the flip.';
comment on column ops.staged_load.load_id is 'The load.';
comment on column ops.staged_load.candidate_id is 'The publication that the candidate will be.';
comment on column ops.staged_load.state is 'What the load will be called.';

-- what the ledger calls the loads while a build's state is shown: those only that it calls something else now. What was
-- accepted after the build opened is left for the next one; what is no longer shown and not replaced waits for it again.
create function ops.load_states(wanted integer) returns table (load_id bigint, state text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    with shown as (
        select i.sender, i.feed, i.period, i.load_id, s.version
        from ops.build_input i
        join ops.load l on l.load_id = i.load_id
        join ops.submission s on s.sub_no = l.sub_no
        where i.build_id = wanted
    ),
    void as (
        select v.sender, v.period, max(v.version) as version from ops.submission v
        where v.action = 'void' and v.state = 'accepted' group by 1, 2
    ),
    named as (
        select
            l.load_id, l.state as now_state,
            case
                when h.load_id = l.load_id then 'published'
                when h.version > s.version then 'superseded'
                when v.version > s.version then case l.state when 'superseded' then 'superseded' else 'voided' end
                when l.state in ('accepted', 'accepted_with_rejects') then l.state
                when a.version > s.version then 'superseded'
                when l.rejected > 0 then 'accepted_with_rejects'
                else 'accepted'
            end as new_state
        from ops.load l
        join ops.submission s on s.sub_no = l.sub_no
        left join shown h on h.sender = s.sender and h.feed = l.feed and h.period = s.period
        left join void v on v.sender = s.sender and v.period = s.period
        left join ops.accepted_load a on a.sender = s.sender and a.feed = l.feed and a.period = s.period
        where l.state in ('accepted', 'accepted_with_rejects', 'published', 'superseded', 'voided')
    )
    select n.load_id, n.new_state from named n where n.new_state <> n.now_state
$$;
revoke all on function ops.load_states(integer) from public;

-- the candidate's pointer rows, and what the flip will make of each load: the difference to what is shown; idempotent
create or replace function ops.stage_candidate(candidate integer) returns integer
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
    delete from ops.staged_load;
    insert into ops.staged_load (load_id, candidate_id, state)
    select n.load_id, candidate, n.state
    from ops.build b cross join lateral ops.load_states(b.build_id) n
    where b.candidate_id = candidate and b.state in ('open', 'built', 'audited');
    analyze ops.publication_slice;
    -- a few rows by key at the flip, and not the whole ledger
    analyze ops.staged_load;
    return changed;
end $$;

-- the flip: one row of the pointer, no DDL, no lock that a reader minds, and work for what changes only
create or replace function ops.flip(wanted integer, completeness text, freshness text, changes text) returns integer
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
    update ops.load l set state = n.state
    from ops.staged_load n where n.candidate_id = candidate and n.load_id = l.load_id;
    return candidate;
end $$;

create or replace function ops.roll_back(target integer, reason text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    candidate integer := (select max(publication_id) + 1 from ops.publication);
    target_build integer;
    target_status text;
begin
    if exists (select from ops.build where state in ('open', 'built', 'audited')) then
        raise exception 'a build is open' using errcode = '55000';
    end if;
    select p.build_id, p.status into target_build, target_status
    from ops.publication p where p.publication_id = target and p.publication_id > 0;
    if target_status is null then
        raise exception 'publication % was never published', target using errcode = '22023';
    elsif target_status = 'pruned' then
        raise exception 'publication % was pruned', target using errcode = '22023';
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
    insert into ops.staged_load (load_id, candidate_id, state)
    select n.load_id, candidate, n.state from ops.load_states(target_build) n;
    update ops.load l set state = n.state
    from ops.staged_load n where n.candidate_id = candidate and n.load_id = l.load_id;
    return candidate;
end $$;

-- ------------------------------------------------------------------------------------------------ locks (M7)

-- Carries out a statement that needs a relation for itself. It queues for half a second at most, since every reader who
-- comes later queues behind it, then lets them pass and tries again. Raises lock_not_available, naming who holds it.
create function ops.patiently(command text, wanted regclass, patience_seconds double precision) returns void
language plpgsql set lock_timeout = '500ms' as $$
declare
    begun timestamptz := clock_timestamp();
    holders text;
begin
    loop
        begin
            execute command;
            return;
        exception when lock_not_available then
            if clock_timestamp() - begun >= patience_seconds * interval '1 second' then
                select string_agg(distinct format('session %s (%s)', l.pid, a.usename), ', ') into holders
                from pg_locks l left join pg_stat_activity a on a.pid = l.pid
                where l.database = (select d.oid from pg_database d where d.datname = current_database())
                  and l.relation = wanted and l.granted and l.pid <> pg_backend_pid();
                raise exception '% is held by %', wanted, coalesce(holders, 'a session that has just gone')
                    using errcode = '55P03';
            end if;
        end;
        perform pg_sleep(0.5);
    end loop;
end $$;
revoke all on function ops.patiently(text, regclass, double precision) from public;

-- ------------------------------------------------------------------------------------------------ retention (M14)

-- publications that are not kept: shown on none of the last days, and not the last of their month (local time). The day
-- counts on which a publication was what a query as of that day reads, so it is the next one's day that is looked at.
create function ops.expired_publication(keep_days integer, at timestamptz) returns setof integer
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    with local as (
        select
            p.publication_id, p.status, p.published_at at time zone 'Asia/Ho_Chi_Minh' as shown_at,
            lead(p.published_at at time zone 'Asia/Ho_Chi_Minh') over (order by p.publication_id) as replaced_at
        from ops.publication p where p.publication_id > 0
    )
    select l.publication_id from local l
    where l.status = 'published'
      and l.replaced_at::date < (at at time zone 'Asia/Ho_Chi_Minh')::date - keep_days
      and date_trunc('month', l.replaced_at) = date_trunc('month', l.shown_at)
      and l.publication_id <> (select c.publication_id from ops.current_publication c)
    order by 1
$$;
revoke all on function ops.expired_publication(integer, timestamptz) from public;

-- from now on nobody can pin it, go back to it, or ask for the figures as of it
create function ops.mark_pruned(expired integer[]) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update ops.publication p set status = 'pruned', pruned_at = now()
    where p.publication_id = any (expired) and p.status = 'published'
      and p.publication_id <> (select c.publication_id from ops.current_publication c)
$$;
revoke all on function ops.mark_pruned(integer[]) from public;

-- slices (all, or of those wanted) that neither a kept publication nor the candidate shows, when those in `expired` are
-- no longer kept either
create function ops.prunable_slice(expired integer[], wanted integer[] default null)
returns table (relation text, slice_id integer, month date, row_count bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select s.relation, s.slice_id, s.month, coalesce(s.row_count, 0)
    from ops.slice s
    join ops.build b on b.build_id = s.build_id
    where b.state = 'published'
      and (wanted is null or s.slice_id = any (wanted))
      and not exists (select from ops.candidate_slice c where c.slice_id = s.slice_id)
      and not exists (
          select from ops.publication_slice p
          join ops.publication k on k.publication_id >= p.from_publication and k.publication_id < p.to_publication
          where p.relation = s.relation and p.slice_id = s.slice_id
            and k.status = 'published' and k.publication_id <> all (expired)
      )
$$;
revoke all on function ops.prunable_slice(integer[], integer[]) from public;

-- belongs into the transaction that deletes their rows; what is shown after all is left, so the numbers differ
create function ops.forget_slices(wanted_relation text, wanted integer[]) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    gone integer[] := array(
        select p.slice_id from ops.prunable_slice('{}', wanted) p where p.relation = wanted_relation
    );
begin
    delete from ops.publication_slice p where p.relation = wanted_relation and p.slice_id = any (gone);
    delete from ops.slice s where s.slice_id = any (gone);
    return cardinality(gone);
end $$;
revoke all on function ops.forget_slices(text, integer[]) from public;

grant select on ops.staged_load to vss_loader, vss_transformer, vss_publisher, vss_engineer;
grant execute on function ops.patiently(text, regclass, double precision) to vss_publisher, vss_transformer;
grant execute on function ops.expired_publication(integer, timestamptz), ops.mark_pruned(integer[]),
    ops.prunable_slice(integer[], integer[]), ops.forget_slices(text, integer[]) to vss_transformer;
