-- one row per territory and commune code that its participants or employers files name
{{ config(slice_by=['territory_key']) }}

with head as (
    select * from {{ ref('int_assignee__head') }}
),

unit as (
    select * from {{ ref('int_assignee__unit') }}
),

province as (
    select * from {{ source('ops', 'province') }}
),

named as (
    select
        territory_key,
        month,
        assignee_code as commune_code,
        null as lowest_wage_region,
        null as highest_wage_region
    from head
    where assignee_kind = 'commune' and assignee_code <> 'not_stated'
    union all
    select
        territory_key,
        month,
        assignee_code as commune_code,
        lowest_wage_region,
        highest_wage_region
    from unit
    where assignee_kind = 'commune' and assignee_code <> 'not_stated'
),

-- a decree can move a commune to another wage region: what the newest month says counts
locality as (
    select
        territory_key,
        commune_code,
        min(month) as first_month,
        max(month) as last_month,
        array_agg(lowest_wage_region order by month desc)
        filter (where lowest_wage_region is not null) as lowest_wage_regions,
        array_agg(highest_wage_region order by month desc)
        filter (where highest_wage_region is not null) as highest_wage_regions
    from named
    group by territory_key, commune_code
),

final as (
    select
        {{ locality_key('locality.territory_key', 'locality.commune_code') }} as locality_key,
        locality.commune_code,
        province.vintage,
        province.province_key,
        locality.territory_key,
        province.province_code,
        province.current_province_code,
        case
            when locality.lowest_wage_regions[1] = locality.highest_wage_regions[1]
                then locality.lowest_wage_regions[1]
        end as wage_region,
        locality.first_month,
        locality.last_month
    from locality
    -- one name of a territory a month: cannot fan out
    inner join province
        on
            locality.territory_key = province.territory_key
            and locality.last_month >= province.valid_from
            and locality.last_month < province.valid_to
)

select * from final
