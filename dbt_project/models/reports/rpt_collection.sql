-- one row per province (or national), month and insurance group, and group 'total'
{#- CTEs carry no statistics, the planner would loop over them -#}
{{ config(slice_by=[], pre_hook="set local enable_nestloop = off") }}
with attainment as (
    select
        *,
        case
            when indicator = 'collection'
                then 'total'
            else substr(indicator, 12)
        end as insurance_group
    from {{ ref('rpt_plan_attainment') }}
    where
        indicator in (
            'collection', 'collection_si_compulsory', 'collection_si_voluntary', 'collection_ui',
            'collection_hi'
        )
),

collection as (
    select * from {{ ref('int_figure__collection') }}
),

-- what the provinces of a national sum collected; null when it is not known of one that is in the
-- sum
national_collection as (
    select
        collection.month,
        collection.insurance_group,
        count(*) as provinces,
        {{ sum_of_all('collection.collected_month_vnd') }} as collected_month_vnd,
        {{ sum_of_all('collection.due_month_vnd') }} as due_month_vnd,
        sum(collection.due_ytd_vnd) as due_ytd_vnd,
        sum(collection.expected_due_ytd_vnd) as expected_due_ytd_vnd,
        sum(collection.due_gap_ytd_vnd) as due_gap_ytd_vnd,
        sum(collection.rate_cut_ytd_vnd) as rate_cut_ytd_vnd,
        sum(collection.interest_collected_ytd_vnd) as interest_collected_ytd_vnd
    from collection
    where collection.collected_ytd_vnd is not null
    group by collection.month, collection.insurance_group
),

any_collection as (
    select
        month,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        insurance_group,
        null::bigint as provinces,
        collected_month_vnd,
        due_month_vnd,
        due_ytd_vnd,
        expected_due_ytd_vnd,
        due_gap_ytd_vnd,
        rate_cut_ytd_vnd,
        interest_collected_ytd_vnd,
        as_of_date,
        qualifier
    from collection
    union all
    select
        month,
        'national' as province_key,
        'national' as territory_key,
        'national' as province_code,
        'national' as current_province_code,
        insurance_group,
        provinces,
        collected_month_vnd,
        due_month_vnd,
        due_ytd_vnd,
        expected_due_ytd_vnd,
        due_gap_ytd_vnd,
        rate_cut_ytd_vnd,
        interest_collected_ytd_vnd,
        null::date as as_of_date,
        null::text as qualifier
    from national_collection
),

final as (
    select
        coalesce(attainment.month, any_collection.month) as month,
        coalesce(attainment.geo_level, 'province') as geo_level,
        coalesce(attainment.province_key, any_collection.province_key) as province_key,
        coalesce(attainment.territory_key, any_collection.territory_key) as territory_key,
        coalesce(attainment.province_code, any_collection.province_code) as province_code,
        coalesce(attainment.current_province_code, any_collection.current_province_code)
            as current_province_code,
        coalesce(attainment.insurance_group, any_collection.insurance_group) as insurance_group,
        any_collection.collected_month_vnd::bigint as collected_month_vnd,
        attainment.actual::bigint as collected_ytd_vnd,
        attainment.plan::bigint as plan_vnd,
        attainment.attainment_pct,
        attainment.value_same_period_last_year::bigint as value_same_period_last_year,
        attainment.growth_yoy_pct,
        any_collection.due_month_vnd::bigint as due_month_vnd,
        any_collection.due_ytd_vnd::bigint as due_ytd_vnd,
        any_collection.expected_due_ytd_vnd::bigint as expected_due_ytd_vnd,
        any_collection.due_gap_ytd_vnd::bigint as due_gap_ytd_vnd,
        any_collection.rate_cut_ytd_vnd::bigint as rate_cut_ytd_vnd,
        any_collection.interest_collected_ytd_vnd::bigint as interest_collected_vnd,
        coalesce(attainment.is_reported, false) as is_reported,
        coalesce(attainment.as_of_date, any_collection.as_of_date) as as_of_date,
        coalesce(attainment.qualifier, any_collection.qualifier) as qualifier,
        attainment.provinces_included,
        attainment.provinces_expected,
        attainment.provinces_missing
    from attainment
    full join any_collection
        on
            attainment.territory_key = any_collection.territory_key
            and attainment.month = any_collection.month
            and attainment.insurance_group = any_collection.insurance_group
            and (
                attainment.geo_level = 'province'
                or attainment.provinces_included = any_collection.provinces
            )
    where
        (attainment.actual is not null or any_collection.month is not null)
        and (attainment.month is not null or any_collection.territory_key <> 'national')
)

select * from final
