-- one row per province (or national), month and inspection kind, and kind 'total'
{{ config(slice_by=[], pre_hook="{{ no_nested_loops() }}") }}
with listed as (
    select * from {{ ref('int_figure__inspection_kind') }}
),

reported as (
    select * from {{ ref('int_figure__reported') }}
    where is_own_measure
),

inspection_kind as (
    select
        kind,
        indicator
    from {{ ref('inspection_kind') }}
    union all
    select
        'total' as kind,
        'inspections' as indicator
),

plan as (
    select * from {{ ref('int_plan__in_force') }}
    where plan is not null
),

country as (
    select * from {{ ref('int_calendar__country') }}
),

map as (
    select * from {{ ref('int_calendar__map') }}
),

reported_kind as (
    select
        reported.month,
        reported.province_key,
        reported.territory_key,
        reported.province_code,
        reported.current_province_code,
        inspection_kind.kind,
        inspection_kind.indicator,
        reported.value,
        reported.as_of_date,
        reported.qualifier
    from reported
    inner join inspection_kind on reported.indicator = inspection_kind.indicator
),

-- amounts and units are reported for all kinds together
reported_total as (
    select
        month,
        territory_key,
        max(value) filter (where indicator = 'inspected_units_in_arrears') as units_in_arrears,
        max(value) filter (where indicator = 'inspected_arrears_before') as arrears_before_vnd,
        max(value) filter (where indicator = 'recovered_units') as units_recovered,
        max(value) filter (where indicator = 'recovered_amount') as recovered_vnd,
        {{ weakest_qualifier('qualifier') }} as qualifier
    from reported
    where
        indicator in (
            'inspected_units_in_arrears', 'inspected_arrears_before', 'recovered_units',
            'recovered_amount'
        )
    group by month, territory_key
),

listed_kind as (
    select * from listed
    where kind <> 'total'
),

reported_province_kind as (
    select * from reported_kind
    where kind <> 'total' and territory_key <> 'national'
),

-- what the kinds come to: from the list where one was sent, else as reported
kind_row as (
    select
        coalesce(listed.month, reported_kind.month) as month,
        coalesce(listed.province_key, reported_kind.province_key) as province_key,
        coalesce(listed.territory_key, reported_kind.territory_key) as territory_key,
        coalesce(listed.province_code, reported_kind.province_code) as province_code,
        coalesce(listed.current_province_code, reported_kind.current_province_code)
            as current_province_code,
        coalesce(listed.kind, reported_kind.kind) as kind,
        coalesce(listed.indicator, reported_kind.indicator) as indicator,
        listed.month is not null as is_listed,
        listed.cases,
        coalesce(listed.cases_ytd, reported_kind.value) as cases_ytd,
        listed.units_in_arrears,
        listed.arrears_before_vnd,
        listed.units_recovered,
        listed.recovered_vnd,
        listed.recovered_of_arrears_vnd,
        coalesce(listed.as_of_date, reported_kind.as_of_date) as as_of_date,
        coalesce(case when listed.month is null then reported_kind.qualifier end, 'exact')
            as qualifier
    from listed_kind as listed
    full join reported_province_kind as reported_kind
        on
            listed.territory_key = reported_kind.territory_key
            and listed.month = reported_kind.month
            and listed.kind = reported_kind.kind
),

kind_sum as (
    select
        month,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        sum(cases_ytd) as cases_ytd,
        min(as_of_date) as as_of_date,
        {{ weakest_qualifier('qualifier') }} as qualifier
    from kind_row
    group by month, province_key, territory_key, province_code, current_province_code
),

-- R16: the total is the reported one where there is one, whatever the kinds come to; the rest is
-- shown as a residual
total_row as (
    select
        keyed.month,
        coalesce(kind_sum.province_key, reported_kind.province_key, map.province_key)
            as province_key,
        keyed.territory_key,
        coalesce(kind_sum.province_code, reported_kind.province_code, map.province_code)
            as province_code,
        coalesce(
            kind_sum.current_province_code,
            reported_kind.current_province_code,
            map.current_province_code
        )
            as current_province_code,
        'total' as kind,
        'inspections' as indicator,
        listed.month is not null as is_listed,
        reported_kind.month is not null as is_total_reported,
        listed.cases,
        coalesce(reported_kind.value, kind_sum.cases_ytd) as cases_ytd,
        reported_kind.value - kind_sum.cases_ytd as unexplained_residual,
        case
            when listed.month is null
                then reported_total.units_in_arrears
            else listed.units_in_arrears
        end
            as units_in_arrears,
        case
            when listed.month is null
                then reported_total.arrears_before_vnd
            else listed.arrears_before_vnd
        end
            as arrears_before_vnd,
        case
            when listed.month is null
                then reported_total.units_recovered
            else listed.units_recovered
        end
            as units_recovered,
        case
            when listed.month is null
                then reported_total.recovered_vnd
            else listed.recovered_vnd
        end
            as recovered_vnd,
        case
            when listed.month is null
                then reported_total.recovered_vnd
            else listed.recovered_of_arrears_vnd
        end
            as recovered_of_arrears_vnd,
        coalesce(
            listed.as_of_date,
            reported_kind.as_of_date,
            kind_sum.as_of_date,
            {{ month_end('keyed.month') }}
        )
            as as_of_date,
        {% set of_total = "case when listed.month is null then reported_total.qualifier end" %}
        {{ weakest_qualifier_of(['reported_kind.qualifier', 'kind_sum.qualifier', of_total]) }}
            as qualifier
    from (
        select
            month,
            territory_key
        from kind_sum
        union
        select
            month,
            territory_key
        from reported_kind
        where kind = 'total' and territory_key <> 'national'
        union
        select
            month,
            territory_key
        from reported_total
        where territory_key <> 'national'
    ) as keyed
    left join kind_sum
        on keyed.month = kind_sum.month and keyed.territory_key = kind_sum.territory_key
    left join listed
        on
            keyed.month = listed.month
            and keyed.territory_key = listed.territory_key
            and listed.kind = 'total'
    left join reported_kind
        on
            keyed.month = reported_kind.month
            and keyed.territory_key = reported_kind.territory_key
            and reported_kind.kind = 'total'
    left join reported_total
        on keyed.month = reported_total.month and keyed.territory_key = reported_total.territory_key
    left join map on keyed.month = map.month and keyed.territory_key = map.territory_key
),

provincial as (
    select
        month,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        kind,
        indicator,
        cases,
        cases_ytd,
        units_in_arrears,
        arrears_before_vnd,
        units_recovered,
        recovered_vnd,
        recovered_of_arrears_vnd,
        null::numeric as unexplained_residual,
        not is_listed as is_reported,
        as_of_date,
        qualifier
    from kind_row
    union all
    select
        month,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        kind,
        indicator,
        cases,
        cases_ytd,
        units_in_arrears,
        arrears_before_vnd,
        units_recovered,
        recovered_vnd,
        recovered_of_arrears_vnd,
        unexplained_residual,
        is_total_reported or not is_listed as is_reported,
        as_of_date,
        qualifier
    from total_row
),

planned as (
    select
        provincial.*,
        plan.plan
    from provincial
    left join plan
        on
            provincial.territory_key = plan.territory_key
            and provincial.month = plan.month
            and provincial.indicator = plan.indicator
),

summed as (
    select
        month,
        kind,
        indicator,
        sum(cases) as cases,
        sum(cases_ytd) as cases_ytd,
        sum(units_in_arrears) as units_in_arrears,
        sum(arrears_before_vnd) as arrears_before_vnd,
        sum(units_recovered) as units_recovered,
        sum(recovered_vnd) as recovered_vnd,
        -- numerators and denominators of the same provinces
        sum(recovered_of_arrears_vnd) filter (where arrears_before_vnd is not null)
            as recovered_of_arrears_vnd,
        sum(arrears_before_vnd) filter (where recovered_of_arrears_vnd is not null)
            as arrears_of_recovered_vnd,
        sum(unexplained_residual) as unexplained_residual,
        bool_or(is_reported) as is_reported,
        {{ sum_of_all('plan') }} as plan,
        min(as_of_date) as as_of_date,
        {{ weakest_qualifier('qualifier') }} as qualifier,
        count(*)::integer as provinces_included,
        array_agg(province_code) as included_codes
    from planned
    where cases_ytd is not null
    group by month, kind, indicator
),

headquarters as (
    select * from reported_kind
    where territory_key = 'national'
),

-- R27: all in, else headquarters' own figure, else the sum of those that are in
national_keyed as (
    select
        keyed.month,
        keyed.kind,
        keyed.indicator,
        coalesce(summed.provinces_included, 0) < country.provinces_expected
        and headquarters.value is not null as is_headquarters,
        headquarters.value as headquarters_value,
        headquarters.as_of_date as headquarters_as_of_date,
        headquarters.qualifier as headquarters_qualifier,
        country.provinces_expected,
        coalesce(summed.provinces_included, 0) as provinces_included,
        array(
            select code.province_code
            from unnest(country.province_codes) as code (province_code)
            where code.province_code <> all(coalesce(summed.included_codes, '{}'))
            order by code.province_code
        ) as provinces_missing,
        plan.plan as national_plan,
        summed.cases,
        summed.cases_ytd,
        summed.units_in_arrears,
        summed.arrears_before_vnd,
        summed.units_recovered,
        summed.recovered_vnd,
        summed.recovered_of_arrears_vnd,
        summed.arrears_of_recovered_vnd,
        summed.unexplained_residual,
        summed.is_reported,
        summed.plan,
        summed.as_of_date,
        summed.qualifier
    from (
        select
            month,
            kind,
            indicator
        from summed
        union
        select
            month,
            kind,
            indicator
        from headquarters
    ) as keyed
    inner join country on keyed.month = country.month
    left join summed on keyed.month = summed.month and keyed.kind = summed.kind
    left join headquarters on keyed.month = headquarters.month and keyed.kind = headquarters.kind
    left join plan
        on
            keyed.month = plan.month
            and keyed.indicator = plan.indicator
            and plan.territory_key = 'national'
),

any_level as (
    select
        month,
        'province' as geo_level,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        kind,
        cases,
        cases_ytd,
        plan,
        units_in_arrears,
        arrears_before_vnd,
        units_recovered,
        recovered_vnd,
        recovered_of_arrears_vnd,
        arrears_before_vnd as arrears_of_recovered_vnd,
        unexplained_residual,
        is_reported,
        as_of_date,
        qualifier,
        null::integer as provinces_included,
        null::integer as provinces_expected,
        null::text[] as provinces_missing
    from planned
    union all
    select
        month,
        'national' as geo_level,
        'national' as province_key,
        'national' as territory_key,
        'national' as province_code,
        'national' as current_province_code,
        kind,
        case when not is_headquarters then cases end as cases,
        case when is_headquarters then headquarters_value else cases_ytd end as cases_ytd,
        case
            when is_headquarters then national_plan
            when provinces_included = provinces_expected then coalesce(national_plan, plan)
            else plan
        end as plan,
        case when not is_headquarters then units_in_arrears end as units_in_arrears,
        case when not is_headquarters then arrears_before_vnd end as arrears_before_vnd,
        case when not is_headquarters then units_recovered end as units_recovered,
        case when not is_headquarters then recovered_vnd end as recovered_vnd,
        case when not is_headquarters then recovered_of_arrears_vnd end as recovered_of_arrears_vnd,
        arrears_of_recovered_vnd,
        case when not is_headquarters then unexplained_residual end as unexplained_residual,
        is_headquarters or coalesce(is_reported, false) as is_reported,
        case when is_headquarters then headquarters_as_of_date else as_of_date end as as_of_date,
        case when is_headquarters then headquarters_qualifier else qualifier end as qualifier,
        provinces_included,
        provinces_expected,
        provinces_missing
    from national_keyed
),

final as (
    select
        month,
        geo_level,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        kind,
        cases::bigint as cases,
        cases_ytd::bigint as cases_ytd,
        plan,
        100.0 * cases_ytd / nullif(plan, 0) as attainment_pct,
        units_in_arrears::bigint as units_in_arrears,
        arrears_before_vnd::bigint as arrears_before_vnd,
        units_recovered::bigint as units_recovered,
        recovered_vnd::bigint as recovered_vnd,
        100.0 * recovered_of_arrears_vnd / nullif(arrears_of_recovered_vnd, 0) as recovery_rate_pct,
        unexplained_residual::bigint as unexplained_residual,
        is_reported,
        as_of_date,
        qualifier,
        provinces_included,
        provinces_expected,
        provinces_missing
    from any_level
)

select * from final
