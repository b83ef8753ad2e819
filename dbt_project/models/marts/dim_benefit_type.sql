-- one row per benefit type
with benefit_type as (
    select * from {{ ref('benefit_type') }}
),

final as (
    select
        benefit_type,
        name_vi,
        name_en,
        insurance_type,
        is_stock,
        benefit_group,
        indicator
    from benefit_type
)

select * from final
