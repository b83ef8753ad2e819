-- one row per province, month and additive indicator: computed where detail exists, else reported
with computed as (
    select computed.*
    from {{ ref('int_figure__computed') }} as computed
    inner join {{ ref('indicator') }} as indicator
        on computed.indicator = indicator.indicator and computed.measure = indicator.measure
    where computed.denominator is null
),

reported as (
    select * from {{ ref('int_figure__reported') }}
    where is_own_measure and territory_key <> 'national'
),

indicator as (
    select * from {{ ref('indicator') }}
    where unit <> 'percent'
),

shown as (
    select
        coalesce(computed.month, reported.month) as month,
        coalesce(computed.province_key, reported.province_key) as province_key,
        coalesce(computed.territory_key, reported.territory_key) as territory_key,
        coalesce(computed.province_code, reported.province_code) as province_code,
        coalesce(computed.current_province_code, reported.current_province_code)
            as current_province_code,
        coalesce(computed.indicator, reported.indicator) as indicator,
        coalesce(computed.numerator, reported.value) as value,
        computed.numerator is not null as is_computed,
        coalesce(computed.as_of_date, reported.as_of_date) as as_of_date,
        coalesce(computed.qualifier, reported.qualifier) as qualifier
    from computed
    full join reported
        on
            computed.territory_key = reported.territory_key
            and computed.month = reported.month
            and computed.indicator = reported.indicator
),

final as (
    select
        shown.*,
        indicator.unit,
        indicator.measure
    from shown
    inner join indicator on shown.indicator = indicator.indicator
)

select * from final
