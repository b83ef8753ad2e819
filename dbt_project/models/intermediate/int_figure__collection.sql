-- one row per province, month and insurance group, and group 'total'
with input as (
    select * from {{ source('ops', 'input') }}
    where feed = 'contributions' and territory_key is not null
),

collection as (
    select * from {{ ref('int_collection__by_group') }}
),

to_date as (
    select * from {{ ref('int_month__to_date') }}
    where feed = 'contributions'
),

insurance_group as (
    select insurance_group
    from (
        values ('si_compulsory'), ('si_voluntary'), ('ui'), ('hi'), ('total')
    ) as listed (insurance_group)
),

posted as (
    select
        territory_key,
        month,
        coalesce(insurance_group, 'total') as insurance_group,
        sum(collected_vnd) as collected_vnd,
        sum(due_vnd) as due_vnd,
        sum(expected_due_vnd) as expected_due_vnd,
        sum(due_gap_vnd) as due_gap_vnd,
        sum(rate_cut_vnd) as rate_cut_vnd,
        sum(interest_collected_vnd) as interest_collected_vnd
    from collection
    group by grouping sets ((territory_key, month, insurance_group), (territory_key, month))
),

-- an amount that covers several months is not a month's (R8)
span as (
    select
        territory_key,
        month,
        bool_or(is_span) as is_span
    from collection
    group by territory_key, month
),

-- a group nobody paid for in a file that was sent is 0, not unknown
of_month as (
    select
        input.territory_key,
        input.month,
        input.province_key,
        input.province_code,
        input.current_province_code,
        input.as_of_date,
        insurance_group.insurance_group,
        coalesce(span.is_span, false) as is_span,
        coalesce(posted.collected_vnd, 0) as collected_vnd,
        coalesce(posted.due_vnd, 0) as due_vnd,
        posted.expected_due_vnd,
        posted.due_gap_vnd,
        posted.rate_cut_vnd,
        coalesce(posted.interest_collected_vnd, 0) as interest_collected_vnd
    from input
    cross join insurance_group
    left join span
        on input.territory_key = span.territory_key and input.month = span.month
    left join posted
        on
            input.territory_key = posted.territory_key
            and input.month = posted.month
            and insurance_group.insurance_group = posted.insurance_group
),

year_to_date as (
    select
        to_date.territory_key,
        to_date.month,
        of_month.insurance_group,
        bool_and(to_date.is_since_january) as is_since_january,
        sum(of_month.collected_vnd) as collected_vnd,
        sum(of_month.due_vnd) as due_vnd,
        sum(of_month.expected_due_vnd) as expected_due_vnd,
        sum(of_month.due_gap_vnd) as due_gap_vnd,
        sum(of_month.rate_cut_vnd) as rate_cut_vnd,
        sum(of_month.interest_collected_vnd) as interest_collected_vnd
    from to_date
    inner join of_month
        on
            to_date.part_territory_key = of_month.territory_key
            and to_date.part_month = of_month.month
    group by to_date.territory_key, to_date.month, of_month.insurance_group
),

final as (
    select
        of_month.month,
        of_month.province_key,
        of_month.territory_key,
        of_month.province_code,
        of_month.current_province_code,
        of_month.insurance_group,
        case
            when of_month.insurance_group = 'total' then 'collection'
            else 'collection_' || of_month.insurance_group
        end as indicator,
        case when not of_month.is_span then of_month.collected_vnd end as collected_month_vnd,
        case when not of_month.is_span then of_month.due_vnd end as due_month_vnd,
        year_to_date.collected_vnd as collected_ytd_vnd,
        year_to_date.due_vnd as due_ytd_vnd,
        year_to_date.expected_due_vnd as expected_due_ytd_vnd,
        year_to_date.due_gap_vnd as due_gap_ytd_vnd,
        year_to_date.rate_cut_vnd as rate_cut_ytd_vnd,
        year_to_date.interest_collected_vnd as interest_collected_ytd_vnd,
        of_month.as_of_date,
        case when not year_to_date.is_since_january then 'at_least' else 'exact' end as qualifier
    from of_month
    left join year_to_date
        on
            of_month.territory_key = year_to_date.territory_key
            and of_month.month = year_to_date.month
            and of_month.insurance_group = year_to_date.insurance_group
)

select * from final
