-- one row per province, month and indicator of arrears
with input as (
    select * from {{ source('ops', 'input') }}
    where feed = 'arrears' and territory_key is not null
),

arrears as (
    select * from {{ ref('int_arrears__by_band') }}
),

total as (
    select
        territory_key,
        month,
        sum(principal_vnd) as arrears,
        sum(principal_vnd) filter (where is_hard_to_collect) as arrears_hard_to_collect,
        sum(interest_bearing_vnd) as arrears_interest_bearing
    from arrears
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
    left join total
        on input.territory_key = total.territory_key and input.month = total.month
    cross join lateral (
        values
        ('arrears', total.arrears),
        ('arrears_hard_to_collect', total.arrears_hard_to_collect),
        ('arrears_interest_bearing', total.arrears_interest_bearing)
    ) as figure (indicator, value)
)

select * from final
