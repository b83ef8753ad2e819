-- one row per group of health insurance participants
with hi_group as (
    select * from {{ ref('hi_group') }}
),

final as (
    select
        hi_group,
        name_vi,
        name_en,
        payer_block,
        payer,
        valid_from,
        valid_to,
        basis,
        is_verified
    from hi_group
)

select * from final
