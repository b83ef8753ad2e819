-- one row per territory, month and indicator; a merged province also for months before it began
-- (R6)
with shown as (
    select * from {{ ref('int_figure__shown') }}
),

territory as (
    select * from {{ ref('int_calendar__territory') }}
),

own as (
    select
        territory_key,
        month,
        indicator,
        numerator,
        denominator,
        value
    from shown
),

-- the sum of all predecessors, none if one is missing; a ratio only from its sums
inherited as (
    select
        heir.territory_key,
        shown.month,
        shown.indicator,
        sum(shown.numerator) as numerator,
        sum(shown.denominator) as denominator,
        case
            when heir.predecessors = 1 then max(shown.value)
            when bool_or(shown.is_ratio)
                then 100.0 * sum(shown.numerator) / nullif(sum(shown.denominator), 0)
            else sum(shown.numerator)
        end as value
    from shown
    inner join territory as predecessor on shown.territory_key = predecessor.territory_key
    inner join territory as heir
        on
            predecessor.current_province_code = heir.current_province_code
            and predecessor.valid_from < heir.valid_from
            and shown.month < heir.valid_from
    group by heir.territory_key, shown.month, shown.indicator, heir.predecessors
    having
        count(*) = heir.predecessors
        and (heir.predecessors = 1 or count(shown.numerator) = heir.predecessors)
),

final as (
    select * from own
    union all
    select inherited.*
    from inherited
    left join own
        on
            inherited.territory_key = own.territory_key
            and inherited.month = own.month
            and inherited.indicator = own.indicator
    where own.territory_key is null
)

select * from final
