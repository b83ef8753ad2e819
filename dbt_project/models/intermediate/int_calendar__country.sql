-- one row per month: the provinces of its map
with map as (
    select * from {{ ref('int_calendar__map') }}
),

final as (
    select
        month,
        count(*)::integer as provinces_expected,
        array_agg(province_code order by province_code) as province_codes
    from map
    group by month
)

select * from final
