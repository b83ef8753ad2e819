-- one row per month that anything is about and province on the map of that month
with input as (
    select * from {{ source('ops', 'input') }}
),

province as (
    select * from {{ source('ops', 'province') }}
),

reported_indicator as (
    select * from {{ ref('fct_reported_indicator') }}
),

plan_target as (
    select * from {{ ref('fct_plan_target') }}
),

month_in_use as (
    select month from input
    where month is not null
    union
    select month from reported_indicator
    union
    select make_date(plan_target.year, number.month_no, 1)
    from plan_target
    cross join generate_series(1, 12) as number (month_no)
),

final as (
    select
        month_in_use.month,
        province.province_key,
        province.territory_key,
        province.province_code,
        province.current_province_code,
        province.vintage,
        province.predecessors
    from month_in_use
    -- validities of one territory do not overlap (ops.province excludes it)
    inner join province
        on month_in_use.month >= province.valid_from and month_in_use.month < province.valid_to
)

select * from final
