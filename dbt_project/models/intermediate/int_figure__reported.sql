-- one row per province (or national), month, indicator and measure that was reported: its latest
-- row
with reported_indicator as (
    select * from {{ ref('fct_reported_indicator') }}
),

indicator as (
    select * from {{ ref('indicator') }}
),

final as (
    select
        reported_indicator.month,
        reported_indicator.province_key,
        reported_indicator.territory_key,
        reported_indicator.province_code,
        reported_indicator.current_province_code,
        reported_indicator.indicator,
        reported_indicator.measure,
        reported_indicator.measure = indicator.measure as is_own_measure,
        reported_indicator.value,
        reported_indicator.as_of_date,
        reported_indicator.qualifier
    from reported_indicator
    inner join indicator on reported_indicator.indicator = indicator.indicator
    where
        reported_indicator.comparison = 'none'
        and reported_indicator.is_latest_in_month
        and reported_indicator.value is not null
)

select * from final
