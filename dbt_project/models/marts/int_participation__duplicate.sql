-- one row per month and indicator of heads: how many of its rows are a person's second and further
-- ones (R28)
{{ config(slice_by=['month'], meta={'is_published': false}) }}

with participation as (
    select * from {{ ref('fct_participation') }}
),

-- who stands in one province only is no duplicate of any kind
person as (
    select
        month,
        {% for indicator, rule in head_rules().items() -%}
            count(*) filter (where {{ rule }}) as {{ indicator }},
        {% endfor -%}
        count(*) as provinces
    from participation
    group by month, insurance_type, participant_key
    having count(*) > 1
),

-- every month with a file, whether anybody stands twice or not
month as (
    select month
    from {{ source('ops', 'input') }}
    where feed = 'participants' and month is not null
    group by month
),

final as (
    select
        month.month,
        head.indicator,
        coalesce(sum(greatest(head.provinces - 1, 0)), 0)::bigint as duplicates
    from month
    left join person on month.month = person.month
    cross join
        lateral (
            values
            {%- for indicator in head_rules() %}
                ('{{ indicator }}', person.{{ indicator }}){{ ',' if not loop.last }}
            {%- endfor %}
        ) as head (indicator, provinces)
    group by month.month, head.indicator
)

select * from final
