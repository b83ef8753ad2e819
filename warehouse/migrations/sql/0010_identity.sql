-- The way back from a pseudonym to a person, for a case and on record before anything is seen; and erasure.
-- Runs as vss_migrator, which owns `raw` and `ops`; `vault` and its functions are vss_vault's.

-- a file of which no workbook may be made again: a person in it was erased
alter table ops.load add column withheld_at timestamptz;
comment on column ops.load.withheld_at is
    'When a person in the file was erased: no workbook of its rows is written from then on; null where nobody was.';

create function ops.withhold_workbook(submission text, sent_by text, wanted_feed text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    update ops.load l set withheld_at = coalesce(l.withheld_at, now())
    from ops.submission s
    where s.sub_no = l.sub_no and s.submission_id = submission and s.sender = sent_by and l.feed = wanted_feed;
    return found;
end $$;
revoke all on function ops.withhold_workbook(text, text, text) from public;

grant usage on schema ops to vss_vault, vss_officer;
grant select on ops.submission, ops.load to vss_vault;
grant execute on function ops.withhold_workbook(text, text, text) to vss_officer;

-- ------------------------------------------------------------------------------------------------ on record first

set local role vss_vault;
alter table vault.access_log rename column participant_key to person_key;
alter table vault.access_log
    alter column person_key drop not null,
    add column access_no bigint generated always as identity primary key,
    add column action text not null default 'identify' check (action in ('identify', 'erase', 'repeat')),
    add column asked_by text not null default '',
    add column reason text not null default '',
    add column outcome text not null default 'granted',
    add column row_count bigint,
    add column transaction xid8 not null default pg_current_xact_id();
create index on vault.access_log (role_name, accessed_at);
comment on table vault.access_log is
    'One row per wish to know who a person is, or to erase one: granted, refused, or carried out. Rows are never changed.';
comment on column vault.access_log.accessed_at is 'When it was asked or done.';
comment on column vault.access_log.role_name is 'The login that asked.';
comment on column vault.access_log.person_key is
    'Key of the person: participant_key, or what stands after P- in a token. Never a number.';
comment on column vault.access_log.case_no is 'Number of the case, as given.';
comment on column vault.access_log.access_no is 'Number of the row.';
comment on column vault.access_log.action is 'identify, erase, or repeat (erasures carried out again after a restore).';
comment on column vault.access_log.asked_by is 'Name of the officer, as given.';
comment on column vault.access_log.reason is 'Why, as given.';
comment on column vault.access_log.outcome is
    'granted; shown or erased, once it was carried out; or why it was refused: no case, no reason, no name, too many.';
comment on column vault.access_log.row_count is 'Rows shown, or rows of raw overwritten; null where nothing was carried out.';
comment on column vault.access_log.transaction is 'The transaction that wrote the row: a wish counts once that is committed.';

create table vault.erased (
    person_key uuid not null,
    is_tax_code boolean not null,
    erased_at timestamptz not null default now(),
    case_no text not null,
    primary key (person_key, is_tax_code)
);
comment on table vault.erased is
    'One row per key under which a person was erased; the keyed hash is all that is left of the number.';
comment on column vault.erased.person_key is 'The key, as it stands in the models.';
comment on column vault.erased.is_tax_code is
    'Whether it is the key of a tax code; else of a person''s number. Both have ten digits, and are not the same thing.';
comment on column vault.erased.erased_at is 'When the person was erased first.';
comment on column vault.erased.case_no is 'The case in which that was decided.';

-- Puts a wish on record, granted or refused, and never raises, so that a refusal stays too. The caller has to commit
-- before the wish can be carried out: what is seen can then not be unseen by a roll back. A number is not kept.
create function vault.ask(action text, wanted uuid, number text, case_no text, reason text, asked_by text)
returns table (access_no bigint, person_key uuid, outcome text)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    person_key := coalesce(
        ask.wanted,
        vault.pseudonym((select s.value from vault.secret s where s.name = 'pseudonym'), nullif(btrim(ask.number), ''))
    );
    -- one at a time for each login, so that the limit holds
    perform pg_advisory_xact_lock(hashtext('vault.ask'), hashtext(session_user));
    outcome := case
        when coalesce(ask.action in ('identify', 'erase'), false) is false then 'no such action'
        when person_key is null then 'no person'
        -- number of the register, year, and who keeps it: 152/2026/HS-TTKT
        when coalesce(ask.case_no, '') !~ '^[0-9]{1,6}/20[0-9]{2}/[[:upper:]]{2,10}(-[[:upper:]0-9]{1,10}){0,3}$'
            then 'no case'
        when btrim(coalesce(ask.reason, '')) = '' then 'no reason'
        when btrim(coalesce(ask.asked_by, '')) = '' then 'no name'
        -- who needs more than these in a day wants a list, which is another decision
        when (
            select count(*) from vault.access_log l
            where l.role_name = session_user and l.outcome = 'granted' and l.accessed_at > now() - interval '1 day'
        ) >= 100 then 'too many'
        else 'granted'
    end;
    insert into vault.access_log (action, person_key, case_no, reason, asked_by, outcome)
    values (
        case when ask.action in ('identify', 'erase') then ask.action else 'identify' end, person_key,
        left(coalesce(ask.case_no, ''), 200), left(coalesce(ask.reason, ''), 2000),
        left(coalesce(ask.asked_by, ''), 200), outcome
    )
    returning access_log.access_no into access_no;
    if outcome <> 'granted' then
        person_key := null;
    end if;
    return next;
end $$;
revoke all on function vault.ask(text, uuid, text, text, text, text) from public;

-- raises unless this login's wish for the person and the case was granted and committed within the last quarter of an hour
create function vault.require_wish(action text, wanted uuid, case_no text) returns vault.access_log
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    wish vault.access_log;
begin
    select l.* into wish from vault.access_log l
    where l.action = require_wish.action and l.person_key = require_wish.wanted
      and l.case_no = require_wish.case_no and l.role_name = session_user and l.outcome = 'granted'
      and l.accessed_at > clock_timestamp() - interval '15 minutes'
      and pg_xact_status(l.transaction) = 'committed'
    order by l.access_no desc
    limit 1;
    if not found then
        raise exception 'nobody has put on record to % this person for case %: call vault.ask, commit, then ask again',
            require_wish.action, coalesce(quote_literal(left(require_wish.case_no, 40)), 'none')
            using errcode = '42501';
    end if;
    return wish;
end $$;
revoke all on function vault.require_wish(text, uuid, text) from public;

-- ------------------------------------------------------------------------------------------------ identity (M9)

-- the number behind a key as it stands in raw, from the latest list back; null where no row has it
create function vault.number_of(wanted uuid) returns table (feed text, number text, load_id bigint, row_no integer, month date)
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    secret bytea := (select s.value from vault.secret s where s.name = 'pseudonym');
    each record;
begin
    -- a list is read at a time, the latest first: a person of today is found without reading all of history
    for each in
        select l.load_id, s.month from ops.load l join ops.submission s on s.sub_no = l.sub_no
        where l.feed = 'participants' and l.row_count > 0
        order by s.month desc, s.version desc, l.load_id desc
    loop
        return query
            select 'participants', r.si_number, r.load_id, r.row_no, r.month from raw.participants r
            where r.month = each.month and r.load_id = each.load_id and vault.pseudonym(secret, r.si_number) = wanted
            limit 1;
        if found then
            return;
        end if;
    end loop;
    return query
        select b.feed, b.tax_code, b.load_id, b.row_no, s.month
        from (
            select 'employers' as feed, r.tax_code, r.load_id, r.row_no from raw.employers r
            where (r.unit_type = 'household' or length(r.tax_code) = 12) and vault.pseudonym(secret, r.tax_code) = wanted
            union all
            select 'tax_employers', r.tax_code, r.load_id, r.row_no from raw.tax_employers r
            where vault.is_household_listed(r.tax_code, r.name) and vault.pseudonym(secret, r.tax_code) = wanted
        ) b
        join ops.load l on l.load_id = b.load_id
        join ops.submission s on s.sub_no = l.sub_no
        order by s.month desc, l.load_id desc
        limit 1;
    if found then
        return;
    end if;
    return query
        select 'contributions', r.payer_code, r.load_id, r.row_no, r.month from raw.contributions r
        where r.payer_kind = 'person' and vault.pseudonym(secret, r.payer_code) = wanted
        limit 1;
end $$;
revoke all on function vault.number_of(uuid) from public;

-- whether a line of a tax list is a household's, whose name is its owner's: as the view of raw says it
create function vault.is_household_listed(tax_code text, name text) returns boolean
language sql stable parallel safe as $$
    select coalesce(length(tax_code) = 12 or name ~* '^[[:space:]]*(hộ kinh doanh|hộ kd|hkd)', false)
$$;

-- what a household business is called where its owner must not be: in the views of raw and after an erasure
create function vault.household_name(token uuid) returns text
language sql immutable parallel safe as $$
    select 'Hộ kinh doanh ' || left(token::text, 8)
$$;

drop function vault.identify(uuid, text);

-- the one way back from a key to a person: for a wish that is on record (vault.ask), and it leaves a row of its own
create function vault.identify(wanted uuid, case_no text)
returns table (
    feed text, month date, number text, personal_id text, full_name text, birth_date text, address text,
    erased_at timestamptz
)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    wish vault.access_log := vault.require_wish('identify', identify.wanted, identify.case_no);
    place record;
begin
    select * into place from vault.number_of(identify.wanted);
    if place.feed = 'participants' then
        return query
            select place.feed, r.month, r.si_number, r.personal_id, r.full_name, r.birth_date, null::text, null::timestamptz
            from raw.participants r
            where r.month = place.month and r.load_id = place.load_id and r.row_no = place.row_no;
    elsif place.feed = 'employers' then
        return query
            select place.feed, place.month, r.tax_code, null::text, r.name, null::text, r.address, null::timestamptz
            from raw.employers r where r.load_id = place.load_id and r.row_no = place.row_no;
    elsif place.feed = 'tax_employers' then
        return query
            select place.feed, place.month, r.tax_code, null::text, r.name, null::text, r.address, null::timestamptz
            from raw.tax_employers r where r.load_id = place.load_id and r.row_no = place.row_no;
    elsif place.feed = 'contributions' then
        return query
            select place.feed, place.month, place.number, null::text, null::text, null::text, null::text,
                   null::timestamptz;
    else
        return query
            select null::text, null::date, null::text, null::text, null::text, null::text, null::text, e.erased_at
            from vault.erased e where e.person_key = identify.wanted order by e.erased_at limit 1;
    end if;
    insert into vault.access_log (action, person_key, case_no, reason, asked_by, outcome, row_count)
    values ('identify', identify.wanted, wish.case_no, wish.reason, wish.asked_by, 'shown',
            case when place.feed is null then 0 else 1 end);
end $$;
revoke all on function vault.identify(uuid, text) from public;

-- ------------------------------------------------------------------------------------------------ erasure (M9)

-- Overwrites what names a person in every row of raw with one of these numbers: a number by P- and its key, the name of a
-- household by its token, a date of birth by its year. The views of raw show the same rows before and after.
create function vault.overwrite(numbers text[], tax_codes text[])
returns table (feed text, row_count bigint, load_ids bigint[])
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    secret bytea := (select s.value from vault.secret s where s.name = 'pseudonym');
begin
    return query
        with done as (
            update raw.participants r set
                si_number = 'P-' || vault.pseudonym(secret, r.si_number), personal_id = null, full_name = null,
                birth_date = left(r.birth_date, 4)
            where r.si_number = any (numbers)
            returning r.load_id
        )
        select 'participants', count(*), array_agg(distinct d.load_id) from done d having count(*) > 0;
    return query
        with done as (
            update raw.contributions r set payer_code = 'P-' || vault.pseudonym(secret, r.payer_code)
            where r.payer_kind = 'person' and r.payer_code = any (numbers)
            returning r.load_id
        )
        select 'contributions', count(*), array_agg(distinct d.load_id) from done d having count(*) > 0;
    return query
        with done as (
            update raw.employers r set
                name = vault.household_name(vault.pseudonym(secret, r.tax_code)), address = null,
                tax_code = case when length(r.tax_code) = 12 then 'P-' || vault.pseudonym(secret, r.tax_code)
                           else r.tax_code end
            where r.tax_code = any (tax_codes) and (r.unit_type = 'household' or length(r.tax_code) = 12)
              and r.name is distinct from vault.household_name(vault.pseudonym(secret, r.tax_code))
            returning r.load_id
        )
        select 'employers', count(*), array_agg(distinct d.load_id) from done d having count(*) > 0;
    return query
        with done as (
            update raw.tax_employers r set
                name = vault.household_name(vault.pseudonym(secret, r.tax_code)), address = null,
                tax_code = case when length(r.tax_code) = 12 then 'P-' || vault.pseudonym(secret, r.tax_code)
                           else r.tax_code end
            where r.tax_code = any (tax_codes) and vault.is_household_listed(r.tax_code, r.name)
              and r.name is distinct from vault.household_name(vault.pseudonym(secret, r.tax_code))
            returning r.load_id
        )
        select 'tax_employers', count(*), array_agg(distinct d.load_id) from done d having count(*) > 0;
end $$;
revoke all on function vault.overwrite(text[], text[]) from public;

-- Erases a person from raw, for a wish that is on record: under the person's number, and under the identity numbers that
-- stand beside it in lists of participants. Returns the loads that held the person; `numbers` is what the caller needs to
-- look for the person elsewhere, and is kept nowhere.
create function vault.erase(wanted uuid, case_no text)
returns table (feed text, row_count bigint, load_ids bigint[], numbers text[])
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    wish vault.access_log := vault.require_wish('erase', erase.wanted, erase.case_no);
    secret bytea := (select s.value from vault.secret s where s.name = 'pseudonym');
    found_in text;
    found_number text;
    the_numbers text[] := '{}';
    the_tax_codes text[] := '{}';
    total bigint := 0;
    each record;
begin
    select n.feed, n.number into found_in, found_number from vault.number_of(erase.wanted) n;
    if found_in in ('employers', 'tax_employers') then
        the_tax_codes := array[found_number];
    elsif found_number is not null then
        the_numbers := found_number || array(
            select distinct r.personal_id from raw.participants r
            where r.si_number = found_number and r.personal_id not in ('', found_number)
        );
    end if;
    -- since July 2025 a person's identity number is the tax code of the household's business too
    the_tax_codes := the_tax_codes || array(select n.number from unnest(the_numbers) n (number) where length(n.number) = 12);
    insert into vault.erased (person_key, is_tax_code, case_no)
    select vault.pseudonym(secret, n.number), false, wish.case_no from unnest(the_numbers) n (number)
    union
    select vault.pseudonym(secret, n.number), true, wish.case_no from unnest(the_tax_codes) n (number)
    union
    select erase.wanted, false, wish.case_no where found_number is null
    on conflict do nothing;
    for each in select o.* from vault.overwrite(the_numbers, the_tax_codes) o loop
        total := total + each.row_count;
        feed := each.feed;
        row_count := each.row_count;
        load_ids := each.load_ids;
        numbers := the_numbers || the_tax_codes;
        return next;
    end loop;
    insert into vault.access_log (action, person_key, case_no, reason, asked_by, outcome, row_count)
    values ('erase', erase.wanted, wish.case_no, wish.reason, wish.asked_by, 'erased', total);
end $$;
revoke all on function vault.erase(uuid, text) from public;

-- Carries out again what was decided before: after a restore, or after old files were loaded once more.
create function vault.repeat_erasures(asked_by text)
returns table (feed text, row_count bigint, load_ids bigint[], numbers text[])
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    secret bytea := (select s.value from vault.secret s where s.name = 'pseudonym');
    persons uuid[] := array(select e.person_key from vault.erased e where not e.is_tax_code);
    tax_keys uuid[] := array(select e.person_key from vault.erased e where e.is_tax_code);
    the_numbers text[];
    the_tax_codes text[];
    total bigint := 0;
    each record;
begin
    the_numbers := array(
        select r.si_number from raw.participants r where vault.pseudonym(secret, r.si_number) = any (persons)
        union
        select r.payer_code from raw.contributions r
        where r.payer_kind = 'person' and vault.pseudonym(secret, r.payer_code) = any (persons)
    );
    the_tax_codes := array(
        select r.tax_code from raw.employers r where vault.pseudonym(secret, r.tax_code) = any (tax_keys)
        union
        select r.tax_code from raw.tax_employers r where vault.pseudonym(secret, r.tax_code) = any (tax_keys)
    );
    for each in select o.* from vault.overwrite(the_numbers, the_tax_codes) o loop
        total := total + each.row_count;
        feed := each.feed;
        row_count := each.row_count;
        load_ids := each.load_ids;
        numbers := the_numbers || the_tax_codes;
        return next;
    end loop;
    insert into vault.access_log (action, case_no, reason, asked_by, outcome, row_count)
    values ('repeat', '', 'erasures of ' || cardinality(persons) || ' persons and ' || cardinality(tax_keys) || ' tax codes', left(repeat_erasures.asked_by, 200), 'erased',
            total);
end $$;
revoke all on function vault.repeat_erasures(text) from public;

-- which files the archive keeps of these loads
create function vault.files_of(wanted bigint[]) returns table (submission_id text, feed text, sha256 text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select s.submission_id, l.feed, coalesce(l.sha256, '') from ops.load l join ops.submission s on s.sub_no = l.sub_no
    where l.load_id = any (wanted) order by s.submission_id, l.feed
$$;
revoke all on function vault.files_of(bigint[]) from public;

grant usage on schema vault to vss_officer;
grant select on vault.access_log, vault.erased to vss_officer;
grant execute on function vault.ask(text, uuid, text, text, text, text), vault.identify(uuid, text),
    vault.erase(uuid, text), vault.repeat_erasures(text), vault.files_of(bigint[]) to vss_officer;
reset role;
