-- one row per province (or national), month and indicator with an actual or a plan in force
{{ config(slice_by=[], pre_hook="{{ no_nested_loops() }}") }}
with base as (
    select * from {{ ref('int_attainment__base') }}
),

-- R2: an increase is what came on top of the stock (or year to date) at the baseline
measured as (
    select
        *,
        case
            when target_kind = 'increase'
                then actual - plan_baseline
            else actual
        end as actual_against_plan
    from base
),

final as (
    select
        month,
        geo_level,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        indicator,
        unit,
        measure,
        actual,
        plan,
        {{ attainment_pct('actual_against_plan', 'plan', 'target_kind') }} as attainment_pct,
        target_kind,
        plan_document,
        revision,
        plan_first,
        {{ attainment_pct('actual_against_plan', 'plan_first', 'target_kind') }}
            as attainment_first_pct,
        actual_against_plan - plan as gap_to_plan,
        {{ target_met('actual', 'plan', 'target_kind') }} as target_met,
        value_same_period_last_year,
        {{ growth_pct('actual', 'value_same_period_last_year', 'is_ratio') }} as growth_yoy_pct,
        actual - value_same_period_last_year as change_yoy,
        value_last_december,
        {{ growth_pct('actual', 'value_last_december', 'is_ratio') }} as growth_vs_december_pct,
        actual - value_last_december as change_vs_december,
        value_previous_month,
        actual - value_previous_month as change_previous_month,
        duplicates_between_provinces,
        is_reported,
        is_computed,
        -- where there is only a plan: the day up to which it was in force
        coalesce(as_of_date, {{ month_end('month') }}) as as_of_date,
        qualifier,
        provinces_included,
        provinces_expected,
        provinces_missing
    from measured
)

select * from final
