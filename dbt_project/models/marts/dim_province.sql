-- one row per province, code vintage and name
with province as (
    select * from {{ source('ops', 'province') }}
),

-- the province of today that the row belongs to
today as (
    select
        province_code,
        province_key
    from province
    where valid_to = 'infinity'
),

final as (
    select
        province.province_key,
        province.territory_key,
        province.province_code,
        province.vintage,
        province.name_vi,
        province.name_en,
        province.valid_from,
        province.valid_to,
        province.current_province_code,
        province.is_code_reused,
        province.predecessors,
        province.valid_to = 'infinity' as is_current,
        -- municipalities run by the centre; the others are provinces
        case when province.name_vi like 'Thành phố %' then 'municipality' else 'province' end
            as province_type,
        today.province_key as successor_key
    from province
    -- one name of a code today: cannot fan out
    left join today on province.current_province_code = today.province_code
)

select * from final
