-- one row per province, month, indicator and measure that the warehouse computes from detail
{#- CTEs carry no statistics, the planner would loop over them -#}
{{ config(slice_by=[], meta={'is_published': false}, pre_hook="{{ no_nested_loops() }}") }}
with head as (
    select * from {{ ref('int_figure__head') }}
),

collection as (
    select * from {{ ref('int_figure__collection') }}
),

arrears as (
    select * from {{ ref('int_figure__arrears') }}
),

inspection as (
    select * from {{ ref('int_figure__inspection') }}
),

benefit as (
    select * from {{ ref('int_figure__benefit') }}
),

outreach as (
    select * from {{ ref('int_figure__outreach') }}
),

map as (
    select * from {{ ref('int_calendar__map') }}
),

figure as (
    select
        month,
        territory_key,
        indicator,
        'stock' as measure,
        value as numerator,
        null::numeric as denominator,
        as_of_date,
        'exact' as qualifier
    from head
    union all
    select
        month,
        territory_key,
        indicator,
        'ytd' as measure,
        collected_ytd_vnd as numerator,
        null as denominator,
        as_of_date,
        qualifier
    from collection
    where collected_ytd_vnd is not null
    union all
    select
        month,
        territory_key,
        indicator,
        'stock' as measure,
        value as numerator,
        null as denominator,
        as_of_date,
        'exact' as qualifier
    from arrears
    union all
    select
        month,
        territory_key,
        indicator,
        'ytd' as measure,
        numerator,
        denominator,
        as_of_date,
        'exact' as qualifier
    from inspection
    union all
    select
        month,
        territory_key,
        indicator,
        case when indicator = 'pension_persons' then 'stock' else 'ytd' end as measure,
        value as numerator,
        null as denominator,
        as_of_date,
        qualifier
    from benefit
    union all
    select
        month,
        territory_key,
        indicator,
        measure,
        value as numerator,
        null as denominator,
        as_of_date,
        qualifier
    from outreach
),

final as (
    select
        map.month,
        map.province_key,
        map.territory_key,
        map.province_code,
        map.current_province_code,
        figure.indicator,
        figure.measure,
        figure.numerator,
        figure.denominator,
        figure.as_of_date,
        figure.qualifier
    from figure
    inner join map on figure.territory_key = map.territory_key and figure.month = map.month
)

select * from final
