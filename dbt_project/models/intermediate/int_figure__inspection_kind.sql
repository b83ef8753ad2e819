-- one row per province, month whose list was sent and inspection kind, and kind 'total'; as that
-- list says
with input as (
    select * from {{ source('ops', 'input') }}
    where feed = 'inspections' and territory_key is not null
),

listed_case as (
    select * from {{ ref('int_inspection__as_reported') }}
),

inspection_kind as (
    select
        kind,
        indicator
    from {{ ref('inspection_kind') }}
    union all
    select
        'total' as kind,
        'inspections' as indicator
),

-- R15: cases decided from January to the month; older ones of the list have no say in this year's
-- figures
decided as (
    select
        *,
        entity_kind || '|' || entity_code as entity
    from listed_case
    where is_in_year_to_date
),

counted as (
    select
        territory_key,
        month,
        coalesce(kind, 'total') as kind,
        count(*) as cases_ytd,
        count(*) filter (where decision_month = month) as cases,
        count(distinct entity) filter (where arrears_before_vnd > 0) as units_in_arrears,
        count(distinct entity) filter (where recovered_vnd > 0) as units_recovered,
        sum(arrears_before_vnd) as arrears_before_vnd,
        sum(recovered_vnd) as recovered_vnd,
        sum(recovered_vnd) filter (where arrears_before_vnd > 0) as recovered_of_arrears_vnd
    from decided
    group by grouping sets ((territory_key, month, kind), (territory_key, month))
),

final as (
    select
        input.month,
        input.province_key,
        input.territory_key,
        input.province_code,
        input.current_province_code,
        inspection_kind.kind,
        inspection_kind.indicator,
        coalesce(counted.cases, 0) as cases,
        coalesce(counted.cases_ytd, 0) as cases_ytd,
        coalesce(counted.units_in_arrears, 0) as units_in_arrears,
        coalesce(counted.arrears_before_vnd, 0) as arrears_before_vnd,
        coalesce(counted.units_recovered, 0) as units_recovered,
        coalesce(counted.recovered_vnd, 0) as recovered_vnd,
        coalesce(counted.recovered_of_arrears_vnd, 0) as recovered_of_arrears_vnd,
        input.as_of_date
    from input
    cross join inspection_kind
    left join counted
        on
            input.territory_key = counted.territory_key
            and input.month = counted.month
            and inspection_kind.kind = counted.kind
)

select * from final
