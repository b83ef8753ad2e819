-- The review of similar pairs of tax code and unit: what persons decided, and which decisions each build reads.
-- Runs as vss_migrator.

-- similarity of names for the models; beside btree_gist in public, which is on the search path of every role
create extension if not exists pg_trgm schema public;

create table ops.tax_review (
    decision_id bigint generated always as identity primary key,
    tax_code text not null check (tax_code <> ''),
    employer_id uuid not null,
    si_unit_code text not null check (si_unit_code <> ''),
    province_code text not null check (province_code <> ''),
    verdict text not null check (verdict in ('confirmed', 'refused')),
    reason text not null check (btrim(reason) <> ''),
    decided_by text not null check (btrim(decided_by) <> ''),
    decided_at timestamptz not null default now(),
    revoked_by text check (btrim(revoked_by) <> ''),
    revoked_at timestamptz,
    revoke_reason text check (btrim(revoke_reason) <> ''),
    check (num_nulls(revoked_by, revoked_at, revoke_reason) in (0, 3))
);
create unique index tax_review_in_force on ops.tax_review (tax_code, employer_id) where revoked_at is null;
comment on table ops.tax_review is
    'One row per decision of a person on a pair of tax code and unit; in force until it is revoked, and one at most of each pair. '
    'Rows are never deleted and change once, when they are revoked.';
comment on column ops.tax_review.decision_id is 'Number of the decision; later ones have higher numbers.';
comment on column ops.tax_review.tax_code is 'Tax code as in the models; a token where it is a person''s number.';
comment on column ops.tax_review.employer_id is 'The unit, for ever, as in dim_employer.';
comment on column ops.tax_review.si_unit_code is 'Social insurance code of the unit, as the queue showed it.';
comment on column ops.tax_review.province_code is 'Province code of the unit, as the queue showed it.';
comment on column ops.tax_review.verdict is 'confirmed: the tax code is this unit; refused: it is not.';
comment on column ops.tax_review.reason is 'Why it was decided so.';
comment on column ops.tax_review.decided_by is 'Who decided: the name given, else the system user.';
comment on column ops.tax_review.decided_at is 'When it was decided; builds opened from then on read it.';
comment on column ops.tax_review.revoked_by is 'Who revoked it; null while it is in force.';
comment on column ops.tax_review.revoked_at is 'When it was revoked; builds opened from then on do not read it.';
comment on column ops.tax_review.revoke_reason is 'Why it was revoked; null while it is in force.';

create table ops.build_review (
    build_id integer not null references ops.build,
    decision_id bigint not null references ops.tax_review,
    primary key (build_id, decision_id)
);
comment on table ops.build_review is 'The decisions a build reads: those in force when it opened.';
comment on column ops.build_review.build_id is 'The build.';
comment on column ops.build_review.decision_id is 'The decision in ops.tax_review.';

-- no word on revocation: what a build reads stays as it was when the build opened
create view ops.tax_review_input as
select r.build_id, d.decision_id, d.tax_code, d.employer_id, d.verdict, d.decided_at, d.decided_by
from ops.build_review r
join ops.tax_review d on d.decision_id = r.decision_id
where r.build_id = coalesce(
    (select b.build_id from ops.build b where b.state in ('open', 'built', 'audited')),
    (select p.build_id from ops.publication p join ops.current_publication c on c.publication_id = p.publication_id)
);
comment on view ops.tax_review_input is
    'One row per decision that the open build reads, else that the build of the shown publication read.';
comment on column ops.tax_review_input.build_id is 'The build.';
comment on column ops.tax_review_input.decision_id is 'The decision in ops.tax_review.';
comment on column ops.tax_review_input.tax_code is 'Tax code as in the models; a token where it is a person''s number.';
comment on column ops.tax_review_input.employer_id is 'The unit, for ever, as in dim_employer.';
comment on column ops.tax_review_input.verdict is 'confirmed: the tax code is this unit; refused: it is not.';
comment on column ops.tax_review_input.decided_at is 'When it was decided.';
comment on column ops.tax_review_input.decided_by is 'Who decided: the name given, else the system user.';

-- the number of the new decision, or null when one on this pair is in force
create function ops.decide_tax_match(
    tax_code text, employer_id uuid, si_unit_code text, province_code text, verdict text, reason text, decided_by text
) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    insert into ops.tax_review (tax_code, employer_id, si_unit_code, province_code, verdict, reason, decided_by)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict (tax_code, employer_id) where revoked_at is null do nothing
    returning decision_id;
$$;
revoke all on function ops.decide_tax_match(text, uuid, text, text, text, text, text) from public;

-- whether it was in force until now
create function ops.revoke_tax_match(wanted bigint, why text, who text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    update ops.tax_review set revoked_by = who, revoked_at = now(), revoke_reason = why
    where decision_id = wanted and revoked_at is null;
    return found;
end $$;
revoke all on function ops.revoke_tax_match(bigint, text, text) from public;

create or replace function ops.open_build(project_hash text, force_full boolean) returns integer
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
    -- a decision that was made or revoked since the shown publication: the pairs belong to no province and no month
    insert into ops.build_review (build_id, decision_id)
    select new_build, d.decision_id from ops.tax_review d where d.revoked_at is null;
    insert into ops.build_touch (build_id, source, territory_key, month)
    select new_build, 'tax_review', null, null
    where exists (
        select from (select * from ops.build_review where build_id = new_build) n
        full join (select * from ops.build_review where build_id = base_build) o using (decision_id)
        where n.build_id is null or o.build_id is null
    );
    delete from ops.candidate_slice;
    insert into ops.candidate_slice (relation, slice_id, territory_key, month, content_hash)
    select s.relation, s.slice_id, s.territory_key, s.month, s.content_hash
    from ops.publication_slice p join ops.slice s on s.slice_id = p.slice_id
    where p.from_publication <= base and p.to_publication > base;
    analyze ops.candidate_slice;
    analyze ops.build_input;
    return new_build;
end $$;

grant select on ops.tax_review, ops.build_review, ops.tax_review_input to vss_transformer, vss_engineer;
grant select on ops.build_review to vss_publisher;
grant execute on function ops.decide_tax_match(text, uuid, text, text, text, text, text),
    ops.revoke_tax_match(bigint, text, text) to vss_loader;
