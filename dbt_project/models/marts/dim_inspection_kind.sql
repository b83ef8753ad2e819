-- one row per kind of inspection
with inspection_kind as (
    select * from {{ ref('inspection_kind') }}
),

final as (
    select
        kind,
        name_vi,
        name_en,
        indicator,
        entity_kind,
        sort_order
    from inspection_kind
)

select * from final
