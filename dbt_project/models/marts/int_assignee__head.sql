-- one row per territory, month, kind of assignee, assignee and indicator of heads
{{ config(
    slice_by=['territory_key', 'month'],
    meta={'is_published': false},
    not_touched_by=['int_employer__version'],
) }}

with participation as (
    select * from {{ ref('fct_participation') }}
),

-- first as few rows as possible: a person's office, commune and agent are three groupings of one
-- scan
counted as (
    select
        month,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        insurance_type,
        hi_group,
        office_code,
        commune_code,
        collector_code,
        count(*) as participants,
        max(as_of_date) as as_of_date
    from participation
    group by
        month, province_key, territory_key, province_code, current_province_code,
        insurance_type, hi_group, office_code, commune_code, collector_code
),

final as (
    select
        counted.month,
        counted.province_key,
        counted.territory_key,
        counted.province_code,
        counted.current_province_code,
        assignee.assignee_kind,
        coalesce(assignee.assignee_code, 'not_stated') as assignee_code,
        head.indicator,
        sum(counted.participants)::numeric as value,
        max(counted.as_of_date) as as_of_date
    from counted
    cross join
        lateral (
            values
            ('office', counted.office_code),
            ('commune', counted.commune_code),
            ('agent', counted.collector_code)
        ) as assignee (assignee_kind, assignee_code)
    cross join
        lateral (
            values
            {%- for indicator, rule in head_rules().items() %}
                ('{{ indicator }}', {{ rule }}){{ ',' if not loop.last }}
            {%- endfor %}
        ) as head (indicator, is_counted)
    where head.is_counted
    group by
        counted.month, counted.province_key, counted.territory_key, counted.province_code,
        counted.current_province_code, assignee.assignee_kind, assignee.assignee_code,
        head.indicator
)

select * from final
