-- one row per province, month and indicator of heads or units
with input as (
    select * from {{ source('ops', 'input') }}
    where feed in ('participants', 'employers') and territory_key is not null
),

participants as (
    select * from {{ ref('rpt_participants') }}
),

employers as (
    select * from {{ ref('rpt_employers') }}
),

head as (
    select
        territory_key,
        month,
        {% for indicator, rule in head_rules().items() %}
            sum(participants) filter (where {{ rule }})
                as {{ indicator }}{% if not loop.last %},{% endif %}
        {% endfor %}
    from participants
    group by territory_key, month
),

unit as (
    select
        territory_key,
        month,
        sum(units) filter (where status = 'active') as units_managed
    from employers
    group by territory_key, month
),

final as (
    select
        input.month,
        input.territory_key,
        figure.indicator,
        coalesce(figure.value, 0)::numeric as value,
        input.as_of_date
    from input
    left join head
        on input.territory_key = head.territory_key and input.month = head.month
    cross join
        lateral (
            values
            {% for indicator in head_rules() %}
                ('{{ indicator }}', head.{{ indicator }}){% if not loop.last %},{% endif %}
            {% endfor %}
        ) as figure (indicator, value)
    where input.feed = 'participants'
    union all
    select
        input.month,
        input.territory_key,
        'units_managed' as indicator,
        coalesce(unit.units_managed, 0)::numeric as value,
        input.as_of_date
    from input
    left join unit
        on input.territory_key = unit.territory_key and input.month = unit.month
    where input.feed = 'employers'
)

select * from final
