-- one row per territory, whatever it was called meanwhile
with province as (
    select * from {{ source('ops', 'province') }}
),

final as (
    select
        territory_key,
        vintage,
        current_province_code,
        max(predecessors) as predecessors,
        min(valid_from) as valid_from
    from province
    group by territory_key, vintage, current_province_code
)

select * from final
