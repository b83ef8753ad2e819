-- one row per territory, month, type of unit and status
{{ config(
    slice_by=['territory_key', 'month'],
    main_feed='employers',
    next_month=true,
    not_touched_by=['int_employer__version'],
) }}

-- not materialized: read twice, each time a few files of it
with employer as not materialized (
    select * from {{ ref('stg_province__employer') }}
),

contribution as (
    select * from {{ ref('fct_contribution') }}
),

contribution_file as (
    select
        territory_key,
        month
    from {{ source('ops', 'input') }}
    where feed = 'contributions' and territory_key is not null
),

file as (
    select * from {{ ref('int_employer__sent_month') }}
),

-- the month before, on the same territory: of a merged province the units of all its predecessors
-- (R32)
before as (
    select
        territory_key,
        month,
        part_territory_key,
        part_month
    from {{ ref('int_calendar__compared') }}
    where feed = 'employers' and not is_own and is_comparable
),

comparable as (
    select
        territory_key,
        month
    from before
    group by territory_key, month
),

-- a unit active in the month before is carried into the month it may be missing from; wage funds
-- stand below and not in a join, so that only the months asked for are read
listed as (
    select
        territory_key,
        month,
        si_unit_code,
        unit_type,
        status,
        employees,
        null::bigint as wage_fund_vnd,
        true as is_now
    from employer
    union all
    select
        before.territory_key,
        before.month,
        employer.si_unit_code,
        employer.unit_type,
        employer.status,
        null as employees,
        null as wage_fund_vnd,
        false as is_now
    from before
    -- one month of each predecessor: a unit stands once in each
    inner join employer
        on
            before.part_territory_key = employer.territory_key
            and before.part_month = employer.month
    where employer.status = 'active'
    union all
    select
        territory_key,
        month,
        payer_code as si_unit_code,
        null as unit_type,
        null as status,
        null as employees,
        wage_fund_vnd,
        null as is_now
    from contribution
    where payer_kind = 'employer' and liability_month = month
),

-- the funds of a unit have one wage fund, or parts of it: the greatest is the unit's
unit as (
    select
        territory_key,
        month,
        si_unit_code,
        coalesce(max(unit_type) filter (where is_now), max(unit_type)) as unit_type,
        coalesce(max(status) filter (where is_now), 'not_listed') as status,
        bool_or(is_now) as is_now,
        bool_or(not is_now) as was_active,
        max(employees) as employees,
        max(wage_fund_vnd) as wage_fund_vnd
    from listed
    group by territory_key, month, si_unit_code
    having count(is_now) > 0
),

summed as (
    select
        territory_key,
        month,
        unit_type,
        status,
        count(*) filter (where is_now) as units,
        count(*) filter (where status = 'active' and not was_active) as entered,
        count(*) filter (where status <> 'active' and was_active) as went,
        coalesce(sum(employees), 0)::bigint as employees,
        sum(wage_fund_vnd)::bigint as wage_fund_vnd
    from unit
    group by territory_key, month, unit_type, status
),

final as (
    select
        summed.month,
        file.province_key,
        summed.territory_key,
        file.province_code,
        file.current_province_code,
        summed.unit_type,
        summed.status,
        summed.units,
        case when comparable.month is not null then summed.entered end as new,
        case when comparable.month is not null then summed.went end as closed,
        summed.employees,
        -- nothing paid for a group is nothing; not known is a file that was not sent (R25)
        case when contribution_file.month is not null then coalesce(summed.wage_fund_vnd, 0) end
            as wage_fund_vnd,
        file.as_of_date,
        'exact' as qualifier
    from summed
    -- one file per territory and month: cannot fan out
    inner join file
        on summed.territory_key = file.territory_key and summed.month = file.month
    left join comparable
        on
            summed.territory_key = comparable.territory_key and summed.month = comparable.month
    left join contribution_file
        on
            summed.territory_key = contribution_file.territory_key
            and summed.month = contribution_file.month
)

select * from final
