-- one row per province (or national), month and insurance group, and group 'total'
{{ config(slice_by=[], pre_hook="{{ no_nested_loops() }}") }}
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

country as (
    select * from {{ ref('int_calendar__country') }}
),

-- where no province's year to date is known, the country's month stands by itself
known as (
    select
        *,
        count(collected_ytd_vnd) over (partition by month, insurance_group) = 0 as is_month_only
    from collection
),

-- what the provinces of a national sum collected; null when it is not known of one that is in the
-- sum
national_collection as (
    select
        month,
        insurance_group,
        is_month_only,
        count(*) as provinces,
        array_agg(province_code) as included_codes,
        {{ sum_of_all('collected_month_vnd') }} as collected_month_vnd,
        {{ sum_of_all('due_month_vnd') }} as due_month_vnd,
        sum(due_ytd_vnd) as due_ytd_vnd,
        sum(expected_due_ytd_vnd) as expected_due_ytd_vnd,
        sum(due_gap_ytd_vnd) as due_gap_ytd_vnd,
        sum(rate_cut_ytd_vnd) as rate_cut_ytd_vnd,
        sum(interest_collected_ytd_vnd) as interest_collected_ytd_vnd,
        min(as_of_date) as as_of_date,
        {{ weakest_qualifier('qualifier') }} as qualifier
    from known
    where collected_ytd_vnd is not null or (is_month_only and collected_month_vnd is not null)
    group by month, insurance_group, is_month_only
),

any_collection as (
    select
        month,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        insurance_group,
        false as is_month_only,
        null::bigint as provinces,
        null::text[] as included_codes,
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
        is_month_only,
        provinces,
        included_codes,
        collected_month_vnd,
        due_month_vnd,
        due_ytd_vnd,
        expected_due_ytd_vnd,
        due_gap_ytd_vnd,
        rate_cut_ytd_vnd,
        interest_collected_ytd_vnd,
        as_of_date,
        qualifier
    from national_collection
),

final as (
    select
        coalesce(attainment.month, any_collection.month) as month,
        coalesce(
            attainment.geo_level,
            case any_collection.territory_key when 'national' then 'national' else 'province' end
        ) as geo_level,
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
        coalesce(attainment.provinces_included, any_collection.provinces::integer)
            as provinces_included,
        coalesce(
            attainment.provinces_expected,
            case when any_collection.is_month_only then country.provinces_expected end
        ) as provinces_expected,
        coalesce(
            attainment.provinces_missing,
            case when any_collection.is_month_only then array(
                select code.province_code
                from unnest(country.province_codes) as code (province_code)
                where code.province_code <> all(any_collection.included_codes)
                order by code.province_code
            ) end
        ) as provinces_missing
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
    left join country on any_collection.month = country.month
    where
        (attainment.actual is not null or any_collection.month is not null)
        and (
            attainment.month is not null
            or any_collection.territory_key <> 'national'
            or any_collection.is_month_only
        )
)

select * from final
