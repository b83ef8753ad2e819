-- one row per office, commune or agent, month and indicator that has a target for the year
{{ config(slice_by=[], pre_hook="{{ no_nested_loops() }}") }}
with target as (
    select * from {{ ref('int_target__in_force') }}
),

figure as (
    select * from {{ ref('int_assignee__figure') }}
),

indicator as (
    select * from {{ ref('indicator') }}
),

map as (
    select * from {{ ref('int_calendar__map') }}
),

input as (
    select * from {{ source('ops', 'input') }}
    where
        feed in ('participants', 'employers', 'contributions', 'arrears')
        and territory_key is not null
),

file_month as (
    select
        territory_key,
        month
    from input
    group by territory_key, month
),

latest as (
    select max(month) as month
    from file_month
),

-- plans of later months wait for their month; so does one that is not yet issued, without a file
shown as (
    select
        target.*,
        map.province_key,
        map.province_code,
        map.current_province_code
    from target
    -- one name of a territory a month: cannot fan out
    inner join map on target.territory_key = map.territory_key and target.month = map.month
    left join file_month
        on target.territory_key = file_month.territory_key and target.month = file_month.month
    cross join latest
    where
        file_month.month is not null
        or (target.plan is not null and target.month <= latest.month)
),

compared as (
    select
        shown.*,
        indicator.unit,
        indicator.measure,
        figure.value as actual,
        figure.as_of_date,
        case
            when shown.target_kind = 'increase'
                then
                    figure.value
                    - {{ increase_baseline(
                        'baseline.value', 'shown.baseline_date', 'indicator.measure'
                    ) }}
            else figure.value
        end as actual_against_plan,
        coalesce(figure.qualifier, 'exact') as qualifier
    from shown
    inner join indicator on shown.indicator = indicator.indicator
    -- one figure per assignee, month and indicator: neither join fans out
    left join figure
        on
            shown.territory_key = figure.territory_key
            and shown.month = figure.month
            and shown.assignee_kind = figure.assignee_kind
            and shown.assignee_code = figure.assignee_code
            and shown.indicator = figure.indicator
    left join figure as baseline
        on
            shown.territory_key = baseline.territory_key
            and shown.baseline_month = baseline.month
            and shown.assignee_kind = baseline.assignee_kind
            and shown.assignee_code = baseline.assignee_code
            and shown.indicator = baseline.indicator
),

final as (
    select
        month,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        assignee_kind,
        assignee_code,
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
        -- where there is only a plan: the day up to which it was in force
        coalesce(as_of_date, {{ month_end('month') }}) as as_of_date,
        qualifier
    from compared
)

select * from final
