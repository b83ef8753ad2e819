-- one row per province, month and indicator of benefits
with input as (
    select * from {{ source('ops', 'input') }}
    where feed = 'benefits' and territory_key is not null
),

benefit as (
    select * from {{ ref('stg_province__benefit') }}
),

benefit_type as (
    select * from {{ ref('benefit_type') }}
),

to_date as (
    select * from {{ ref('int_month__to_date') }}
    where feed = 'benefits'
),

-- R23: which column of which benefit type adds to which indicator
summand as (
    select
        benefit.territory_key,
        benefit.month,
        benefit_type.indicator,
        benefit.persons::numeric as value,
        benefit.qualifier
    from benefit
    inner join benefit_type on benefit.benefit_type = benefit_type.benefit_type
    where
        benefit_type.indicator in (
            'pension_persons', 'one_time_persons', 'short_term_persons', 'ui_allowance_persons'
        )
    union all
    select
        benefit.territory_key,
        benefit.month,
        'hi_treatment_cost' as indicator,
        benefit.amount_vnd::numeric as value,
        benefit.qualifier
    from benefit
    where benefit.benefit_type = 'hi_treatment'
    union all
    select
        benefit.territory_key,
        benefit.month,
        'spending' as indicator,
        benefit.amount_vnd::numeric as value,
        benefit.qualifier
    from benefit
    where benefit.amount_vnd is not null
),

summed as (
    select
        territory_key,
        month,
        indicator,
        sum(value) as value,
        {{ weakest_qualifier('qualifier') }} as qualifier
    from summand
    group by territory_key, month, indicator
),

pension as (
    select
        input.month,
        input.territory_key,
        summed.indicator,
        summed.value,
        input.as_of_date,
        summed.qualifier
    from input
    inner join summed
        on input.territory_key = summed.territory_key and input.month = summed.month
    where summed.indicator = 'pension_persons' and summed.value is not null
),

-- a flow that a file which was sent does not name is 0; one named without its number is unknown
flow_part as (
    select
        to_date.territory_key,
        to_date.month,
        to_date.is_since_january,
        flow.indicator,
        case when summed.indicator is null then 0 else summed.value end as value,
        summed.qualifier
    from to_date
    cross join (
        values ('one_time_persons'),
        ('short_term_persons'),
        ('ui_allowance_persons'),
        ('hi_treatment_cost'),
        ('spending')
    ) as flow (indicator)
    left join summed
        on
            to_date.part_territory_key = summed.territory_key
            and to_date.part_month = summed.month
            and flow.indicator = summed.indicator
),

flow_to_date as (
    select
        flow_part.month,
        flow_part.territory_key,
        flow_part.indicator,
        {{ sum_of_all('flow_part.value') }} as value,
        bool_and(flow_part.is_since_january) as is_since_january,
        {{ weakest_qualifier('flow_part.qualifier') }} as qualifier
    from flow_part
    group by flow_part.month, flow_part.territory_key, flow_part.indicator
),

final as (
    select * from pension
    union all
    select
        flow_to_date.month,
        flow_to_date.territory_key,
        flow_to_date.indicator,
        flow_to_date.value,
        input.as_of_date,
        {% set since = "case when not flow_to_date.is_since_january then 'at_least' end" %}
        {{ weakest_qualifier_of(['flow_to_date.qualifier', since]) }} as qualifier
    from flow_to_date
    inner join input
        on flow_to_date.territory_key = input.territory_key and flow_to_date.month = input.month
    where flow_to_date.value is not null
)

select * from final
