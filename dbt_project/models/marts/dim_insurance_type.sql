-- one row per insurance type
with insurance_type as (
    select * from {{ ref('insurance_type') }}
),

final as (
    select
        insurance_type,
        name_vi,
        name_en,
        insurance_group,
        subset_of
    from insurance_type
)

select * from final
