-- one row per indicator
with indicator as (
    select * from {{ ref('indicator') }}
),

final as (
    select
        indicator,
        name_vi,
        name_en,
        unit,
        measure,
        additivity,
        coalesce(headline, '') = 'yes' as is_headline,
        measure = 'stock' as is_stock,
        unit = 'percent' as is_ratio,
        coalesce(note, '') like '%measure month%' as is_month_allowed
    from indicator
)

select * from final
