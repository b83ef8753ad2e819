-- one row per province, month and indicator with a figure or a plan in force, beside its bases (R6)
with shown as (
    select * from {{ ref('int_figure__shown') }}
),

plan as (
    select * from {{ ref('int_plan__in_force') }}
    where territory_key <> 'national'
),

comparable as (
    select * from {{ ref('int_figure__comparable') }}
),

indicator as (
    select * from {{ ref('indicator') }}
),

figure as (
    select
        coalesce(shown.month, plan.month) as month,
        coalesce(shown.province_key, plan.province_key) as province_key,
        coalesce(shown.territory_key, plan.territory_key) as territory_key,
        coalesce(shown.province_code, plan.province_code) as province_code,
        coalesce(shown.current_province_code, plan.current_province_code) as current_province_code,
        coalesce(shown.indicator, plan.indicator) as indicator,
        shown.numerator,
        shown.denominator,
        shown.value,
        coalesce(shown.is_computed, false) as is_computed,
        coalesce(shown.is_reported, false) as is_reported,
        coalesce(shown.is_on_map, true) as is_on_map,
        shown.as_of_date,
        coalesce(shown.qualifier, 'exact') as qualifier,
        plan.plan,
        plan.plan_first,
        plan.target_kind,
        plan.plan_document,
        plan.revision,
        plan.baseline_date,
        case
            when plan.target_kind = 'increase'
                then {{ increase_baseline_month('plan.baseline_date', 'plan.month') }}
        end as baseline_month
    from shown
    full join plan
        on
            shown.territory_key = plan.territory_key
            and shown.month = plan.month
            and shown.indicator = plan.indicator
    -- a ratio of nothing to nothing has no value; its province is in all the same
    where shown.value is not null or shown.denominator = 0 or plan.plan is not null
),

-- which months a figure is compared with; a flow starts anew in January
compared as (
    select
        figure.*,
        indicator.unit,
        indicator.measure,
        indicator.unit = 'percent' as is_ratio,
        (figure.month - interval '1 year')::date as year_before,
        case
            when indicator.measure = 'stock'
                then ({{ year_start('figure.month') }} - interval '1 month')::date
        end as december,
        case
            when indicator.measure = 'stock' or extract(month from figure.month) > 1
                then (figure.month - interval '1 month')::date
        end as month_before
    from figure
    inner join indicator on figure.indicator = indicator.indicator
),

final as (
    select
        compared.month,
        compared.province_key,
        compared.territory_key,
        compared.province_code,
        compared.current_province_code,
        compared.indicator,
        compared.unit,
        compared.measure,
        compared.is_ratio,
        compared.numerator,
        compared.denominator,
        compared.value,
        compared.is_computed,
        compared.is_reported,
        compared.is_on_map,
        compared.as_of_date,
        compared.qualifier,
        compared.plan,
        compared.plan_first,
        compared.target_kind,
        compared.plan_document,
        compared.revision,
        case
            when compared.target_kind = 'increase'
                then {{ increase_baseline(
                    'baseline.value', 'compared.baseline_date', 'compared.measure'
                ) }}
        end as plan_baseline,
        last_year.numerator as last_year_numerator,
        last_year.denominator as last_year_denominator,
        last_year.value as last_year_value,
        december.numerator as december_numerator,
        december.denominator as december_denominator,
        december.value as december_value,
        previous.numerator as previous_numerator,
        previous.denominator as previous_denominator,
        previous.value as previous_value
    from compared
    left join comparable as baseline
        on
            compared.territory_key = baseline.territory_key
            and compared.indicator = baseline.indicator
            and compared.baseline_month = baseline.month
    left join comparable as last_year
        on
            compared.territory_key = last_year.territory_key
            and compared.indicator = last_year.indicator
            and compared.year_before = last_year.month
    left join comparable as december
        on
            compared.territory_key = december.territory_key
            and compared.indicator = december.indicator
            and compared.december = december.month
    left join comparable as previous
        on
            compared.territory_key = previous.territory_key
            and compared.indicator = previous.indicator
            and compared.month_before = previous.month
)

select * from final
