-- one row per territory, month, kind of assignee (office, commune) and assignee whose units the
-- employers file lists
{{ config(slice_by=['territory_key', 'month'], meta={'is_published': false}) }}

with employer as (
    select * from {{ ref('stg_province__employer') }}
),

final as (
    select
        employer.month,
        employer.province_key,
        employer.territory_key,
        employer.province_code,
        employer.current_province_code,
        assignee.assignee_kind,
        coalesce(assignee.assignee_code, 'not_stated') as assignee_code,
        'units_managed' as indicator,
        -- R5
        (count(*) filter (where employer.status = 'active'))::numeric as value,
        min(employer.wage_region) as lowest_wage_region,
        max(employer.wage_region) as highest_wage_region,
        max(employer.as_of_date) as as_of_date
    from employer
    cross join
        lateral (
            values
            ('office', employer.office_code),
            ('commune', employer.commune_code)
        ) as assignee (assignee_kind, assignee_code)
    group by
        employer.month, employer.province_key, employer.territory_key, employer.province_code,
        employer.current_province_code, assignee.assignee_kind, assignee.assignee_code
)

select * from final
