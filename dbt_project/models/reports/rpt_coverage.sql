-- one row per province (or national) and month in which heads or coverage are known
{{ config(slice_by=[], pre_hook="{{ no_nested_loops() }}") }}
{%- set ratios = [
    'si_coverage_pct', 'si_compulsory_coverage_pct', 'si_voluntary_coverage_pct', 'hi_coverage_pct'
] -%}
{%- set heads = ['si_participants', 'si_compulsory', 'si_voluntary', 'hi'] %}
with attainment as (
    select * from {{ ref('rpt_plan_attainment') }}
    where
        actual is not null
        and indicator in (
            {{ "'" ~ (ratios + heads) | join("', '") ~ "'" }}
        )
),

shown as (
    select * from {{ ref('int_figure__shown') }}
    where
        indicator in (
            '{{ ratios | join("', '") }}'
        )
        and denominator is not null
        and is_on_map
),

denominator as (
    select * from {{ ref('int_coverage__denominator') }}
),

country as (
    select * from {{ ref('int_calendar__country') }}
),

-- R21: nationally a denominator counts only with its province's numerator
any_denominator as (
    select
        month,
        territory_key,
        indicator,
        value,
        as_of_date
    from denominator
    union all
    select
        shown.month,
        'national' as territory_key,
        denominator.indicator,
        sum(denominator.value) as value,
        min(denominator.as_of_date) as as_of_date
    from shown
    inner join denominator
        on
            shown.territory_key = denominator.territory_key
            and shown.month = denominator.month
            and case shown.indicator
                when 'hi_coverage_pct' then denominator.indicator = 'population'
                when 'si_coverage_pct' then denominator.indicator = 'labour_force'
                else false
            end
    group by shown.month, denominator.indicator
),

-- the country's heads are those of the provinces its ratios are made of, also where headquarters
-- has a figure of its own (R21, R27)
national_head as (
    select
        month,
        'national' as territory_key,
        (sum(numerator) filter (where indicator = 'si_coverage_pct'))::bigint
            as si_participants,
        (sum(numerator) filter (where indicator = 'si_compulsory_coverage_pct'))::bigint
            as si_compulsory,
        (sum(numerator) filter (where indicator = 'si_voluntary_coverage_pct'))::bigint
            as si_voluntary,
        (sum(numerator) filter (where indicator = 'hi_coverage_pct'))::bigint
            as hi
    from shown
    group by month
),

shown_province as (
    select
        month,
        province_code
    from shown
    group by month, province_code
),

included as (
    select
        country.month,
        country.provinces_expected,
        count(shown.month)::integer as provinces_included,
        array(
            select code.province_code
            from unnest(country.province_codes) as code (province_code)
            where code.province_code <> all(array_remove(array_agg(shown.province_code), null))
            order by code.province_code
        ) as provinces_missing
    from country
    left join shown_province as shown on country.month = shown.month
    group by country.month, country.provinces_expected, country.province_codes
),

pivoted as (
    select
        month,
        geo_level,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        {% for column in ratios + heads %}
            max(actual) filter (where indicator = '{{ column }}') as {{ column }},
        {% endfor %}
        bool_or(is_reported) as is_reported,
        min(as_of_date) as as_of_date,
        {{ weakest_qualifier('qualifier') }} as qualifier
    from attainment
    group by month, geo_level, province_key, territory_key, province_code, current_province_code
),

final as (
    select
        pivoted.month,
        pivoted.geo_level,
        pivoted.province_key,
        pivoted.territory_key,
        pivoted.province_code,
        pivoted.current_province_code,
        pivoted.si_coverage_pct as si_of_labour_force_pct,
        pivoted.si_compulsory_coverage_pct as si_compulsory_of_labour_force_pct,
        pivoted.si_voluntary_coverage_pct as si_voluntary_of_labour_force_pct,
        pivoted.hi_coverage_pct as hi_of_population_pct,
        coalesce(national_head.si_participants, pivoted.si_participants::bigint) as si_participants,
        coalesce(national_head.si_compulsory, pivoted.si_compulsory::bigint) as si_compulsory,
        coalesce(national_head.si_voluntary, pivoted.si_voluntary::bigint) as si_voluntary,
        coalesce(national_head.hi, pivoted.hi::bigint) as hi,
        labour_force.value::bigint as labour_force,
        labour_force.as_of_date as labour_force_date,
        population.value::bigint as population,
        population.as_of_date as population_date,
        pivoted.is_reported,
        pivoted.as_of_date,
        pivoted.qualifier,
        included.provinces_included,
        included.provinces_expected,
        included.provinces_missing
    from pivoted
    left join national_head
        on
            pivoted.month = national_head.month
            and pivoted.territory_key = national_head.territory_key
    left join any_denominator as labour_force
        on
            pivoted.month = labour_force.month
            and pivoted.territory_key = labour_force.territory_key
            and labour_force.indicator = 'labour_force'
    left join any_denominator as population
        on
            pivoted.month = population.month
            and pivoted.territory_key = population.territory_key
            and population.indicator = 'population'
    left join included on pivoted.month = included.month and pivoted.geo_level = 'national'
)

select * from final
