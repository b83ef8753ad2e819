-- one row per province, month, indicator of events and measure (ytd, month)
with input as (
    select * from {{ source('ops', 'input') }}
    where feed = 'outreach' and territory_key is not null
),

outreach as (
    select * from {{ ref('stg_province__outreach') }}
),

to_date as (
    select * from {{ ref('int_month__to_date') }}
    where feed = 'outreach'
),

event_kind as (
    select
        kind,
        indicator
    from (
        values
        ('conference', 'conferences'),
        ('customer_conference', 'customer_conferences'),
        ('small_group', 'small_groups'),
        ('subgroup', 'subgroups'),
        ('livestream', 'livestreams')
    ) as listed (kind, indicator)
),

-- a list of the year to date also names earlier months' events: those are not the month's
counted as (
    select
        territory_key,
        month,
        kind,
        count(*) as events,
        count(*) filter (where basis = 'month' or held_on >= month) as events_of_month
    from outreach
    group by territory_key, month, kind
),

of_month as (
    select
        input.territory_key,
        input.month,
        input.as_of_date,
        event_kind.indicator,
        coalesce(counted.events, 0) as events,
        coalesce(counted.events_of_month, 0) as events_of_month
    from input
    cross join event_kind
    left join counted
        on
            input.territory_key = counted.territory_key
            and input.month = counted.month
            and event_kind.kind = counted.kind
),

events_to_date as (
    select
        to_date.territory_key,
        to_date.month,
        of_month.indicator,
        bool_and(to_date.is_since_january) as is_since_january,
        sum(of_month.events) as events
    from to_date
    inner join of_month
        on
            to_date.part_territory_key = of_month.territory_key
            and to_date.part_month = of_month.month
    group by to_date.territory_key, to_date.month, of_month.indicator
),

final as (
    select
        of_month.month,
        of_month.territory_key,
        of_month.indicator,
        'month' as measure,
        of_month.events_of_month::numeric as value,
        of_month.as_of_date,
        'exact' as qualifier
    from of_month
    union all
    select
        of_month.month,
        of_month.territory_key,
        of_month.indicator,
        'ytd' as measure,
        events_to_date.events::numeric as value,
        of_month.as_of_date,
        case when events_to_date.is_since_january then 'exact' else 'at_least' end as qualifier
    from of_month
    inner join events_to_date
        on
            of_month.territory_key = events_to_date.territory_key
            and of_month.month = events_to_date.month
            and of_month.indicator = events_to_date.indicator
)

select * from final
