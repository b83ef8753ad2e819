-- one row per province, code vintage and name
with province as (
    select * from {{ source('ops', 'province') }}
),

final as (
    select
        province_key,
        territory_key,
        province_code,
        vintage,
        name_vi,
        name_en,
        valid_from,
        valid_to,
        current_province_code,
        is_code_reused,
        predecessors,
        valid_to = 'infinity' as is_current
    from province
)

select * from final
