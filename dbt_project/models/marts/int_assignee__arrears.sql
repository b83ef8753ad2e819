-- one row per territory, month, kind of assignee (office, commune), assignee and indicator of
-- arrears
{{ config(
    slice_by=['territory_key', 'month'],
    meta={'is_published': false},
    not_touched_by=['int_employer__version'],
) }}

with arrears as (
    select * from {{ ref('fct_arrears') }}
),

employer as (
    select * from {{ ref('int_employer__version') }}
),

final as (
    select
        arrears.month,
        arrears.province_key,
        arrears.territory_key,
        arrears.province_code,
        arrears.current_province_code,
        assignee.assignee_kind,
        coalesce(assignee.assignee_code, 'not_stated') as assignee_code,
        owed.indicator,
        sum(owed.amount_vnd)::numeric as value,
        max(arrears.as_of_date) as as_of_date
    from arrears
    -- the version of the month, one a key: cannot fan out
    left join employer on arrears.employer_key = employer.employer_key
    cross join
        lateral (
            values
            ('office', employer.office_code),
            ('commune', employer.commune_code)
        ) as assignee (assignee_kind, assignee_code)
    cross join
        lateral (
            values
            ('arrears', arrears.principal_vnd),
            (
                'arrears_hard_to_collect',
                case when arrears.is_hard_to_collect then arrears.principal_vnd else 0 end
            ),
            ('arrears_interest_bearing', arrears.interest_bearing_vnd)
        ) as owed (indicator, amount_vnd)
    group by
        arrears.month, arrears.province_key, arrears.territory_key, arrears.province_code,
        arrears.current_province_code, assignee.assignee_kind, assignee.assignee_code,
        owed.indicator
)

select * from final
