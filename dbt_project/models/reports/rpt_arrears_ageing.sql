-- one row per province (or national), month whose arrears were sent and ageing band; a unit
-- counts in one band
{{ config(slice_by=[], pre_hook="{{ no_nested_loops() }}") }}
with input as (
    select * from {{ source('ops', 'input') }}
    where feed = 'arrears' and territory_key is not null
),

arrears as (
    select * from {{ ref('int_arrears__by_band') }}
),

arrears_band as (
    select * from {{ ref('arrears_band') }}
),

plan as (
    select * from {{ ref('int_plan__in_force') }}
    where indicator = 'collection' and target_kind = 'level' and plan is not null
),

receivable as (
    select * from {{ ref('int_figure__shown') }}
    where indicator = 'receivable'
),

national_receivable as (
    select * from {{ ref('rpt_plan_attainment') }}
    where indicator = 'receivable' and geo_level = 'national' and provinces_missing = '{}'
),

country as (
    select * from {{ ref('int_calendar__country') }}
),

banded as (
    select
        territory_key,
        month,
        ageing_band,
        sum(units) as units,
        sum(employees_affected) as employees_affected,
        sum(principal_vnd) as principal_vnd,
        sum(overdue_vnd) as overdue_vnd,
        sum(interest_vnd) as interest_vnd,
        sum(interest_bearing_vnd) as interest_bearing_vnd,
        coalesce(sum(principal_vnd) filter (where is_hard_to_collect), 0) as hard_to_collect_vnd
    from arrears
    group by territory_key, month, ageing_band
),

-- every band of a list that was sent, so that one in which nobody stands is 0 (R26)
provincial as (
    select
        input.month,
        'province' as geo_level,
        input.province_key,
        input.territory_key,
        input.province_code,
        input.current_province_code,
        arrears_band.ageing_band,
        coalesce(banded.units, 0) as units,
        coalesce(banded.employees_affected, 0) as employees_affected,
        coalesce(banded.principal_vnd, 0) as principal_vnd,
        coalesce(banded.overdue_vnd, 0) as overdue_vnd,
        coalesce(banded.interest_vnd, 0) as interest_vnd,
        coalesce(banded.interest_bearing_vnd, 0) as interest_bearing_vnd,
        coalesce(banded.hard_to_collect_vnd, 0) as hard_to_collect_vnd,
        plan.plan,
        receivable.value as receivable,
        input.as_of_date,
        coalesce(receivable.qualifier, 'exact') as qualifier,
        null::integer as provinces_included,
        null::integer as provinces_expected,
        null::text[] as provinces_missing
    from input
    cross join arrears_band
    left join banded
        on
            input.territory_key = banded.territory_key
            and input.month = banded.month
            and arrears_band.ageing_band = banded.ageing_band
    left join plan
        on input.territory_key = plan.territory_key and input.month = plan.month
    left join receivable
        on input.territory_key = receivable.territory_key and input.month = receivable.month
),

summed as (
    select
        month,
        ageing_band,
        sum(units) as units,
        sum(employees_affected) as employees_affected,
        sum(principal_vnd) as principal_vnd,
        sum(overdue_vnd) as overdue_vnd,
        sum(interest_vnd) as interest_vnd,
        sum(interest_bearing_vnd) as interest_bearing_vnd,
        sum(hard_to_collect_vnd) as hard_to_collect_vnd,
        {{ sum_of_all('plan') }} as plan,
        {{ sum_of_all('receivable') }} as receivable,
        min(as_of_date) as as_of_date,
        {{ weakest_qualifier('qualifier') }} as qualifier,
        count(*)::integer as provinces_included,
        array_agg(province_code) as included_codes
    from provincial
    group by month, ageing_band
),

-- R27: while provinces are missing, plan and receivable are those of the provinces that are in
national as (
    select
        summed.month,
        'national' as geo_level,
        'national' as province_key,
        'national' as territory_key,
        'national' as province_code,
        'national' as current_province_code,
        summed.ageing_band,
        summed.units,
        summed.employees_affected,
        summed.principal_vnd,
        summed.overdue_vnd,
        summed.interest_vnd,
        summed.interest_bearing_vnd,
        summed.hard_to_collect_vnd,
        case
            when summed.provinces_included = country.provinces_expected
                then coalesce(plan.plan, summed.plan)
            else summed.plan
        end as plan,
        case
            when summed.provinces_included = country.provinces_expected
                then coalesce(summed.receivable, national_receivable.actual)
            else summed.receivable
        end as receivable,
        summed.as_of_date,
        summed.qualifier,
        summed.provinces_included,
        country.provinces_expected,
        array(
            select code.province_code
            from unnest(country.province_codes) as code (province_code)
            where code.province_code <> all(summed.included_codes)
            order by code.province_code
        ) as provinces_missing
    from summed
    inner join country on summed.month = country.month
    left join plan on summed.month = plan.month and plan.territory_key = 'national'
    left join national_receivable on summed.month = national_receivable.month
),

any_level as (
    select * from provincial
    union all
    select * from national
),

final as (
    select
        month,
        geo_level,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        ageing_band,
        {{ legal_regime('month') }} as legal_regime,
        units::bigint as units,
        employees_affected::bigint as employees_affected,
        principal_vnd::bigint as principal_vnd,
        overdue_vnd::bigint as overdue_vnd,
        interest_vnd::bigint as interest_vnd,
        (principal_vnd + interest_vnd)::bigint as debt_vnd,
        interest_bearing_vnd::bigint as interest_bearing_vnd,
        hard_to_collect_vnd::bigint as hard_to_collect_vnd,
        plan::bigint as plan_vnd,
        100.0 * principal_vnd / nullif(plan, 0) as ratio_to_plan_pct,
        100.0 * (principal_vnd - hard_to_collect_vnd) / nullif(plan, 0)
            as ratio_excluding_hard_to_collect_pct,
        100.0 * interest_bearing_vnd / nullif(receivable, 0) as ratio_to_receivable_pct,
        as_of_date,
        qualifier,
        provinces_included,
        provinces_expected,
        provinces_missing
    from any_level
)

select * from final
