-- one row per province, month and denominator (population, labour_force) that is not older than
-- 24 months (R21)
with reported as (
    select * from {{ ref('int_figure__reported') }}
    where indicator in ('population', 'labour_force') and territory_key <> 'national'
),

map as (
    select * from {{ ref('int_calendar__map') }}
),

territory as (
    select * from {{ ref('int_calendar__territory') }}
),

candidate as (
    select
        map.month,
        reported.territory_key,
        reported.indicator,
        reported.value,
        reported.as_of_date,
        reported.qualifier,
        row_number() over (
            partition by map.month, reported.territory_key, reported.indicator
            order by reported.as_of_date desc
        ) as age_rank
    from (select distinct month from map) as map
    inner join reported
        on
            reported.as_of_date <= {{ month_end('map.month') }}
            and reported.as_of_date >= ({{ month_end('map.month') }} - interval '24 months')::date
),

latest as (
    select * from candidate
    where age_rank = 1
),

-- a merged province that has not reported its own yet: the sum of all predecessors, with the
-- oldest date
predecessor_sum as (
    select
        latest.month,
        heir.territory_key,
        latest.indicator,
        sum(latest.value) as value,
        min(latest.as_of_date) as as_of_date,
        {{ weakest_qualifier('latest.qualifier') }} as qualifier
    from latest
    inner join territory as predecessor on latest.territory_key = predecessor.territory_key
    inner join territory as heir
        on
            predecessor.current_province_code = heir.current_province_code
            and predecessor.valid_from < heir.valid_from
    group by latest.month, heir.territory_key, latest.indicator, heir.predecessors
    having count(*) = heir.predecessors
),

known as (
    select
        month,
        territory_key,
        indicator,
        value,
        as_of_date,
        qualifier
    from latest
    union all
    select predecessor_sum.*
    from predecessor_sum
    left join latest
        on
            predecessor_sum.month = latest.month
            and predecessor_sum.territory_key = latest.territory_key
            and predecessor_sum.indicator = latest.indicator
    where latest.territory_key is null
),

final as (
    select known.*
    from known
    inner join map on known.month = map.month and known.territory_key = map.territory_key
)

select * from final
