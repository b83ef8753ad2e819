-- one row per province, month and indicator: the figure the warehouse shows
{#- CTEs carry no statistics, the planner would loop over them -#}
{{ config(slice_by=[], meta={'is_published': false}, pre_hook="{{ no_nested_loops() }}") }}
with additive as (
    select * from {{ ref('int_figure__additive') }}
),

ratio as (
    select * from {{ ref('int_figure__ratio') }}
),

reported_ratio as (
    select reported.*
    from {{ ref('int_figure__reported') }} as reported
    inner join {{ ref('indicator') }} as indicator
        on reported.indicator = indicator.indicator and indicator.unit = 'percent'
    where reported.is_own_measure and reported.territory_key <> 'national'
),

map as (
    select * from {{ ref('int_calendar__map') }}
),

indicator as (
    select * from {{ ref('indicator') }}
),

-- a ratio is made anew from its sums; one whose sums are not known stays as reported
ratio_shown as (
    select
        coalesce(ratio.month, reported_ratio.month) as month,
        coalesce(ratio.province_key, reported_ratio.province_key) as province_key,
        coalesce(ratio.territory_key, reported_ratio.territory_key) as territory_key,
        coalesce(ratio.province_code, reported_ratio.province_code) as province_code,
        coalesce(ratio.current_province_code, reported_ratio.current_province_code)
            as current_province_code,
        coalesce(ratio.indicator, reported_ratio.indicator) as indicator,
        ratio.numerator,
        ratio.denominator,
        coalesce(100.0 * ratio.numerator / nullif(ratio.denominator, 0), reported_ratio.value)
            as value,
        coalesce(ratio.is_computed, false) as is_computed,
        coalesce(ratio.as_of_date, reported_ratio.as_of_date) as as_of_date,
        coalesce(ratio.qualifier, reported_ratio.qualifier) as qualifier
    from ratio
    full join reported_ratio
        on
            ratio.territory_key = reported_ratio.territory_key
            and ratio.month = reported_ratio.month
            and ratio.indicator = reported_ratio.indicator
),

figure as (
    select
        month,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        indicator,
        value as numerator,
        null::numeric as denominator,
        value,
        is_computed,
        as_of_date,
        qualifier
    from additive
    union all
    select * from ratio_shown
),

final as (
    select
        figure.month,
        figure.province_key,
        figure.territory_key,
        figure.province_code,
        figure.current_province_code,
        figure.indicator,
        indicator.unit,
        indicator.measure,
        indicator.unit = 'percent' as is_ratio,
        figure.numerator,
        figure.denominator,
        figure.value,
        figure.is_computed,
        not figure.is_computed as is_reported,
        map.territory_key is not null as is_on_map,
        figure.as_of_date,
        figure.qualifier
    from figure
    inner join indicator on figure.indicator = indicator.indicator
    left join map on figure.territory_key = map.territory_key and figure.month = map.month
)

select * from final
