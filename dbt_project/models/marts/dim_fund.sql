-- one row per fund
with fund as (
    select * from {{ ref('fund') }}
),

final as (
    select
        fund,
        name_vi,
        name_en,
        insurance_type,
        insurance_group
    from fund
)

select * from final
