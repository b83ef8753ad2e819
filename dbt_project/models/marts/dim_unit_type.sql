-- one row per type of unit
with unit_type as (
    select * from {{ ref('unit_type') }}
),

final as (
    select
        unit_type,
        name_vi,
        name_en,
        is_budget_financed,
        basis
    from unit_type
)

select * from final
