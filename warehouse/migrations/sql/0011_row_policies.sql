-- Which rows a role may ever see, as a policy of the table; the view of bi says which of them are shown (decision 0004).
-- Runs as vss_migrator.

-- ------------------------------------------------------------------------------------------------ never shown yet

alter table ops.current_publication add column last_slice_id integer not null default 0;
comment on column ops.current_publication.last_slice_id is
    'The last slice that was made when it was published: rows of later ones are a candidate''s, and nobody''s to see.';
update ops.current_publication set last_slice_id = coalesce((
    select max(s.slice_id) from ops.slice s join ops.build b on b.build_id = s.build_id where b.state = 'published'
), 0);
analyze ops.current_publication;

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
    -- one build is open at a time, and what an abandoned one had made is gone: every slice there is has been shown
    update ops.current_publication
    set publication_id = candidate, last_slice_id = coalesce((select max(s.slice_id) from ops.slice s), 0)
    where publication_id = base;
    if not found then
        raise exception 'another publication came first' using errcode = '55000';
    end if;
    update ops.build set state = 'published', closed_at = now() where build_id = wanted;
    update ops.load l set state = n.state
    from ops.staged_load n where n.candidate_id = candidate and n.load_id = l.load_id;
    return candidate;
end $$;

-- ------------------------------------------------------------------------------------------------ the pin

-- Whether the session may read what it is pinned on; raises where it may not. Declared immutable so that the planner
-- asks it while it plans, and leaves nothing of it in the plan: a wrong pin is refused also where nothing is scanned,
-- and no row pays for it.
create function ops.pin_is_readable() returns boolean
language plpgsql immutable parallel safe security definer set search_path = pg_catalog, pg_temp as $$
begin
    return ops.shown_publication(
        case current_setting('role') when 'none' then session_user::text else current_setting('role') end
        = 'vss_publisher'
    ) is not null;
end $$;
revoke all on function ops.pin_is_readable() from public;
grant execute on function ops.pin_is_readable() to vss_reader_base, vss_publisher, vss_engineer;

create or replace view ops.shown_slice as
select p.relation, p.slice_id
from ops.publication_slice p
where p.from_publication <= ops.shown_publication(current_user = 'vss_publisher')
  and p.to_publication > ops.shown_publication(current_user = 'vss_publisher');

-- ------------------------------------------------------------------------------------------------ the policy

-- Puts marts.x__rows under row-level security for the owner of the views of bi. Inside a view current_user is who asks,
-- and the policy that of the view's owner. Repeating it changes nothing; it needs the table for itself for a moment.
--   in_scope     every row that was ever shown, to every role in ops.scope: what has no province is everybody's
--   by_province  of those the role's own provinces
--   by_slice     of those the ones in the publication that the session reads: for facts cut by month, whose view has no
--                pointer to join. A shown slice and the number after it, without those that occur twice, are where runs
--                of shown slices begin and end: a slice is shown when the last of them at or below it is a beginning.
--                What is filled up is never reached: an array under 127 bytes is kept packed and unpacked for each row.
-- "case ... is not null" tells the planner that a row is most likely seen, as it is by most readers: of the plain
-- condition it believes that few are, and loops where it has to hash.
set local role vss_transformer;
create function marts.guard_rows(relation text, policy text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    guarded regclass := format('marts.%I', relation || '__rows')::regclass;
    who constant text := case policy
        when 'in_scope' then 'exists (select from ops.scope as sc where sc.role_name = current_user)'
        else '((select sc.is_national from ops.scope as sc where sc.role_name = current_user) or current_province_code = '
            'any ((select sc.provinces from ops.scope as sc where sc.role_name = current_user)::text[]))'
    end;
    which constant text := case policy
        when 'by_slice' then format(
            'width_bucket(slice_id::double precision, (select array_agg(b.at::double precision order by b.at) '
            '|| array_fill(double precision ''infinity'', array[16]) from ('
            'select p.slice_id + n.step as at from ops.shown_slice as p cross join (values (0), (1)) as n (step) '
            'where p.relation = %L group by 1 having count(*) = 1) as b)) %% 2 = 1', relation)
        else 'slice_id <= (select case when current_user = ''vss_publisher'' then 2147483647 else c.last_slice_id end'
            ' from ops.current_publication as c)'
    end;
    old name;
begin
    if policy not in ('in_scope', 'by_province', 'by_slice') then
        raise exception 'no policy is called %', policy using errcode = '22023';
    end if;
    for old in select l.polname from pg_policy l where l.polrelid = guarded loop
        execute format('drop policy %I on %s', old, guarded);
    end loop;
    execute format('create policy %I on %s for select to vss_publisher using (case when %s and %s then true end is not null)',
                   policy, guarded, who, which);
    execute format('create policy engineers on %s for select to vss_engineer using (true)', guarded);
    execute format('alter table %s enable row level security', guarded);
end $$;
revoke all on function marts.guard_rows(text, text) from public;
grant execute on function marts.guard_rows(text, text) to vss_publisher;
reset role;

-- A view takes the submission of a row from its slice, so a reader's condition on it may meet slices before rows.
create policy by_province on ops.slice for select to vss_publisher using (case when
    (select sc.is_national from ops.scope as sc where sc.role_name = current_user)
    or territory_key = any ((
        select array_agg(p.territory_key) from ops.province as p
        where p.current_province_code
            = any ((select sc.provinces from ops.scope as sc where sc.role_name = current_user)::text[])
    )::text[])
    then true end is not null);
create policy builders on ops.slice to vss_loader, vss_transformer, vss_engineer using (true);
alter table ops.slice enable row level security;
