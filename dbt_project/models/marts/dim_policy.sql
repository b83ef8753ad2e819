-- one row per relief policy
with relief_policy as (
    select * from {{ ref('relief_policy') }}
),

final as (
    select
        policy,
        name_vi,
        name_en,
        policy_kind,
        insurance_type,
        fund,
        valid_from,
        valid_to,
        basis,
        is_verified
    from relief_policy
)

select * from final
