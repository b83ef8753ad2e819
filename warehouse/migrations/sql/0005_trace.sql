-- From a figure to its cell: how each relation of bi is traced, who signed a submission, and where its rows come from.
-- Runs as vss_migrator.

alter table ops.submission add column signed_by text;
comment on column ops.submission.signed_by is
    'Fingerprint of the sender''s registered key that made manifest.sig, verified when the submission was read; null where none did.';

create table ops.trace_route (
    relation text primary key,
    feed text,
    route json not null
);
comment on table ops.trace_route is
    'One row per fact and report of bi: what its figures rest on, as its model declares it (meta.trace); written with the views.';
comment on column ops.trace_route.relation is 'The relation of bi.';
comment on column ops.trace_route.feed is 'The feed whose rows the relation''s rows are; null where they are made of others.';
comment on column ops.trace_route.route is 'The declaration: columns of the file, routes to other relations, or why there is none.';

grant select, insert, update, delete on ops.trace_route to vss_publisher;
grant select on ops.trace_route to vss_transformer, vss_engineer, vss_loader;

-- what gates said of a submission as a whole stands without a load
create index on ops.gate_result (sub_no) where load_id is null;

set local role vss_publisher;

-- Inside a function with its owner's rights current_user is the owner: who asks is the role set, else the login.
create function bi.lineage(relation text, submission text default null)
returns table (
    submission_id text, sender text, period text, version integer, feed text, file text, month date,
    territory_key text, province_code text, current_province_code text, basis text, unit text,
    row_count bigint, rows_accepted bigint, totals jsonb, sha256 text, manifest_sha256 text, received_at timestamptz,
    is_late boolean, signed_by text, verdicts jsonb
)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    feed_of text;
    scope ops.scope;
begin
    select t.feed into feed_of from ops.trace_route t where t.relation = lineage.relation;
    if not found and exists (select from ops.load l where l.feed = lineage.relation) then
        feed_of := lineage.relation;
    end if;
    if feed_of is null then
        raise exception 'rows of % come from no file of their own: name a feed, or a relation whose rows do', lineage.relation
            using errcode = '22023';
    end if;
    select s.* into scope from ops.scope s
    where s.role_name = case current_setting('role') when 'none' then session_user else current_setting('role') end;
    return query
        select
            s.submission_id, s.sender, s.period, s.version, l.feed, l.file, s.month,
            p.territory_key, p.province_code, p.current_province_code, l.basis, l.unit,
            -- of a file about every province, how much is in it is no province's to know
            case when is_theirs then l.row_count end, case when is_theirs then l.accepted end,
            case when is_theirs then l.totals end, l.sha256, s.manifest_sha256, s.received_at, s.is_late, s.signed_by,
            coalesce(v.verdicts, '[]'::jsonb)
        from ops.publication b
        join ops.build_input i on i.build_id = b.build_id and i.feed = feed_of
        join ops.load l on l.load_id = i.load_id
        join ops.submission s on s.sub_no = l.sub_no
        left join ops.province p
            on s.sender = 'province-' || p.province_code and s.month >= p.valid_from and s.month < p.valid_to
        cross join lateral (
            select jsonb_agg(jsonb_build_object(
                'suite', g.suite, 'passed', g.passed, 'failed', g.failed, 'warned', g.warned) order by g.suite) as verdicts
            from (
                select
                    r.suite,
                    count(*) filter (where r.success) as passed,
                    count(*) filter (where not r.success and r.severity <> 'warn') as failed,
                    count(*) filter (where not r.success and r.severity = 'warn') as warned
                from (
                    select suite, success, severity from ops.gate_result where load_id = l.load_id
                    union all
                    select suite, success, severity from ops.gate_result where sub_no = s.sub_no and load_id is null
                ) r
                group by r.suite
            ) g
        ) v
        cross join lateral (select coalesce(scope.is_national, false) or s.sender like 'province-%' as is_theirs) t
        where b.publication_id = ops.shown_publication(false)
          and (lineage.submission is null or s.submission_id = lineage.submission)
          -- what headquarters and the tax authority send is about every province
          and (scope.is_national
               or (scope.role_name is not null and s.sender not like 'province-%')
               or p.current_province_code = any (scope.provinces));
end $$;
comment on function bi.lineage(text, text) is
    'From the rows of a relation (or of a feed) to the files they came from: one row per submission that the publication '
    'read by the session rests on and that the role may see. Join a fact on submission_id; row_no of the fact is the row '
    'of the file as a spreadsheet shows it. sha256 is the file''s, manifest_sha256 the manifest''s; signed_by the '
    'fingerprint of the key that signed, null where nobody did; verdicts counts by suite what passed, failed and warned.';

create function bi.trace_row(relation text, submission text, row_no integer)
returns table (
    submission_id text, sender text, period text, version integer, feed text, file text, file_row_no integer, month date,
    province_code text, sha256 text, manifest_sha256 text, received_at timestamptz, signed_by text, verdicts jsonb
)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    scope ops.scope;
    has_own boolean;
    is_seen boolean;
begin
    -- this function is the publisher's, who may read a candidate; who calls it may not
    perform ops.shown_publication(false);
    if not exists (select from ops.trace_route t where t.relation = trace_row.relation and t.feed is not null) then
        raise exception 'rows of % come from no file of their own', trace_row.relation using errcode = '22023';
    end if;
    select s.* into scope from ops.scope s
    where s.role_name = case current_setting('role') when 'none' then session_user else current_setting('role') end;
    -- which rows of a file stand in the publication, and for whom, its relation alone knows
    has_own := exists (
        select from pg_attribute a where a.attrelid = to_regclass(format('marts.%I', trace_row.relation || '__rows'))
        and a.attname = 'submission_id'
    );
    execute format(
        'select exists (select from marts.%1$I r join ops.shown_slice p on p.relation = %2$L and p.slice_id = r.slice_id'
        ' %3$s where r.row_no = $2 and %4$s = $1 and ($3 or r.current_province_code = any ($4)))',
        trace_row.relation || '__rows', trace_row.relation,
        case when has_own then '' else 'join ops.slice c on c.slice_id = r.slice_id' end,
        case when has_own then 'r.submission_id' else 'c.submission_id' end
    ) into is_seen
    using trace_row.submission, trace_row.row_no, coalesce(scope.is_national, false), scope.provinces;
    if is_seen then
        return query
            select l.submission_id, l.sender, l.period, l.version, l.feed, l.file, trace_row.row_no, l.month,
                   l.province_code, l.sha256, l.manifest_sha256, l.received_at, l.signed_by, l.verdicts
            from bi.lineage(trace_row.relation, trace_row.submission) l;
    end if;
end $$;
comment on function bi.trace_row(text, text, integer) is
    'From one row of a relation (its submission_id and row_no) to its file: sender, period, version, file, row of the file as a '
    'spreadsheet shows it, digests, signature and verdicts. No row where the publication read by the session has none '
    'such, or the role may not see it. For many rows join bi.lineage instead.';
revoke all on function bi.lineage(text, text), bi.trace_row(text, text, integer) from public;
grant execute on function bi.lineage(text, text), bi.trace_row(text, text, integer) to vss_reader_base;
reset role;
