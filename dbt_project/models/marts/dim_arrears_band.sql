-- one row per ageing band
with arrears_band as (
    select * from {{ ref('arrears_band') }}
),

final as (
    select
        ageing_band,
        name_vi,
        name_en,
        from_months,
        below_months,
        sort_order
    from arrears_band
)

select * from final
