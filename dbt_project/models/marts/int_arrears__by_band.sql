-- one row per territory, month, ageing band and hard to collect or not, for every arrears file sent
{{ config(slice_by=['territory_key', 'month'], meta={'is_published': false}) }}

with arrears as (
    select * from {{ ref('fct_arrears') }}
),

arrears_band as (
    select * from {{ ref('arrears_band') }}
),

file as (
    select * from {{ source('ops', 'input') }}
    where feed = 'arrears' and territory_key is not null
),

province as (
    select * from {{ source('ops', 'province') }}
),

-- a unit stands once, in its own band
unit as (
    select
        territory_key,
        month,
        employer_id,
        ageing_band,
        is_hard_to_collect,
        max(as_of_date) as as_of_date,
        max(employees_affected) as employees_affected,
        sum(principal_vnd) as principal_vnd,
        sum(overdue_vnd) as overdue_vnd,
        sum(interest_vnd) as interest_vnd,
        sum(interest_bearing_vnd) as interest_bearing_vnd
    from arrears
    group by territory_key, month, employer_id, ageing_band, is_hard_to_collect
),

-- every band of every file, so that a month without arrears shows zero; a union and not a join,
-- so that only the months asked for are read
banded as (
    select
        territory_key,
        month,
        ageing_band,
        is_hard_to_collect,
        as_of_date,
        1 as units,
        employees_affected,
        principal_vnd,
        overdue_vnd,
        interest_vnd,
        interest_bearing_vnd
    from unit
    -- who owes nothing is not a debtor
    where principal_vnd + interest_vnd > 0
    union all
    select
        file.territory_key,
        file.month,
        arrears_band.ageing_band,
        hard.is_hard_to_collect,
        file.as_of_date,
        0 as units,
        0 as employees_affected,
        0 as principal_vnd,
        0 as overdue_vnd,
        0 as interest_vnd,
        0 as interest_bearing_vnd
    from file
    cross join arrears_band
    cross join (values (false), (true)) as hard (is_hard_to_collect)
),

summed as (
    select
        territory_key,
        month,
        ageing_band,
        is_hard_to_collect,
        max(as_of_date) as as_of_date,
        sum(units)::bigint as units,
        sum(employees_affected)::bigint as employees_affected,
        sum(principal_vnd)::bigint as principal_vnd,
        sum(overdue_vnd)::bigint as overdue_vnd,
        sum(interest_vnd)::bigint as interest_vnd,
        sum(interest_bearing_vnd)::bigint as interest_bearing_vnd
    from banded
    group by territory_key, month, ageing_band, is_hard_to_collect
),

final as (
    select
        summed.month,
        province.province_key,
        summed.territory_key,
        province.province_code,
        province.current_province_code,
        summed.ageing_band,
        summed.is_hard_to_collect,
        {{ legal_regime('summed.month') }} as legal_regime,
        summed.units,
        summed.employees_affected,
        summed.principal_vnd,
        summed.overdue_vnd,
        summed.interest_vnd,
        summed.interest_bearing_vnd,
        summed.as_of_date
    from summed
    -- one name of a territory a month: cannot fan out
    inner join province
        on
            summed.territory_key = province.territory_key
            and summed.month >= province.valid_from
            and summed.month < province.valid_to
)

select * from final
