-- one row per unit and month end of an arrears list
{{ config(slice_by=['territory_key', 'month'], meta={'is_published': false}) }}

with arrears as (
    select * from {{ ref('fct_arrears') }}
),

-- what belongs to the unit stands on all its rows: R12
final as (
    select
        month,
        territory_key,
        current_province_code,
        employer_id,
        si_unit_code,
        max(employer_key::text)::uuid as employer_key,
        sum(principal_vnd)::bigint as principal_vnd,
        sum(overdue_vnd)::bigint as overdue_vnd,
        max(months_owed) as months_owed,
        max(employees_affected)::bigint as employees_affected,
        bool_or(is_hard_to_collect) as is_hard_to_collect,
        bool_or(is_three_months_or_more) and sum(overdue_vnd) > 0 as is_three_months_overdue,
        max(as_of_date) as as_of_date
    from arrears
    group by month, territory_key, current_province_code, employer_id, si_unit_code
)

select * from final
