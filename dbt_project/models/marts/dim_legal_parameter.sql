-- one row per parameter, wage region and period of validity
with legal_parameter as (
    select * from {{ ref('legal_parameter') }}
),

final as (
    select
        parameter,
        wage_region,
        valid_from,
        valid_to,
        value,
        unit,
        basis,
        is_verified
    from legal_parameter
)

select * from final
