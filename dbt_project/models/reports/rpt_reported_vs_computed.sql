-- one row per province (or national), month, indicator, measure, comparison and unit that was
-- reported
{{ config(slice_by=[], pre_hook="{{ no_nested_loops() }}") }}
with reported_indicator as (
    select * from {{ ref('fct_reported_indicator') }}
    where is_latest_in_month and value is not null
),

indicator as (
    select * from {{ ref('indicator') }}
),

computed_figure as (
    select * from {{ ref('int_figure__computed') }}
),

shown as (
    select * from {{ ref('int_figure__shown') }}
),

national as (
    select * from {{ ref('int_attainment__national') }}
),

attainment as (
    select * from {{ ref('rpt_plan_attainment') }}
),

-- what the warehouse computes itself: from detail, ratios also from reported sums; the country
-- once all are in
computed as (
    select
        month,
        territory_key,
        indicator,
        measure,
        numerator as value
    from computed_figure
    where denominator is null
    union all
    select
        month,
        territory_key,
        indicator,
        measure,
        100.0 * numerator / nullif(denominator, 0) as value
    from shown
    where is_ratio and denominator is not null
    union all
    select
        month,
        'national' as territory_key,
        indicator,
        measure,
        value
    from national
    where origin = 'all provinces' and (is_computed or is_ratio)
),

-- the column of rpt_plan_attainment that a printed comparison names
compared as (
    select
        reported_indicator.*,
        case
            when reported_indicator.comparison = 'none' then computed.value
            when reported_indicator.measure <> indicator.measure then null
            when reported_indicator.comparison = 'plan' and reported_indicator.unit = 'percent'
                then attainment.attainment_pct
            when reported_indicator.comparison = 'plan' then attainment.gap_to_plan
            when
                reported_indicator.comparison = 'same_period'
                and reported_indicator.unit = 'percent'
                then attainment.growth_yoy_pct
            when reported_indicator.comparison = 'same_period' then attainment.change_yoy
            when
                reported_indicator.comparison = 'last_december'
                and reported_indicator.unit = 'percent'
                then attainment.growth_vs_december_pct
            when reported_indicator.comparison = 'last_december' then attainment.change_vs_december
            when
                reported_indicator.comparison = 'previous_month'
                and reported_indicator.unit = 'percent'
                and indicator.unit <> 'percent'
                then
                    100.0 * attainment.change_previous_month
                    / nullif(attainment.value_previous_month, 0)
            when reported_indicator.comparison = 'previous_month'
                then attainment.change_previous_month
        end as computed
    from reported_indicator
    inner join indicator on reported_indicator.indicator = indicator.indicator
    left join computed
        on
            reported_indicator.territory_key = computed.territory_key
            and reported_indicator.month = computed.month
            and reported_indicator.indicator = computed.indicator
            and reported_indicator.measure = computed.measure
    left join attainment
        on
            reported_indicator.territory_key = attainment.territory_key
            and reported_indicator.month = attainment.month
            and reported_indicator.indicator = attainment.indicator
),

-- R30: how far off still says the same: half a unit of the last digit as sent, or of the last
-- that is not zero
tolerated as (
    select
        *,
        computed - value as difference,
        case
            when qualifier = 'exact' and unit in ('persons', 'units', 'dong', 'events') then 0
            when qualifier = 'exact' or value = 0 then 0.5 * power(10.0, -scale(value))
            when scale(trim_scale(value)) > 0 then 0.5 * power(10.0, -scale(trim_scale(value)))
            else 0.5 * power(
                10.0, length(trim_scale(value)::text) - length(rtrim(trim_scale(value)::text, '0'))
            )
        end as tolerance
    from compared
),

final as (
    select
        month,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        case when territory_key = 'national' then 'national' else 'province' end as geo_level,
        indicator,
        measure,
        comparison,
        unit,
        value as reported,
        computed,
        difference,
        case
            when computed is null then null
            when qualifier = 'at_least' then computed >= value
            when qualifier = 'at_most' then computed <= value
            else abs(difference) <= tolerance
        end as within_tolerance,
        as_of_date,
        qualifier,
        note,
        submission_id,
        row_no
    from tolerated
)

select * from final
