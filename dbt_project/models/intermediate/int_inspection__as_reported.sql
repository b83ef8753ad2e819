-- one row per case, territory and month of the list it stands in
with inspection as (
    select * from {{ ref('stg_province__inspection') }}
),

inspection_kind as (
    select * from {{ ref('inspection_kind') }}
),

final as (
    select
        inspection.month,
        inspection.province_key,
        inspection.territory_key,
        inspection.province_code,
        inspection.current_province_code,
        inspection.case_no,
        inspection.kind,
        inspection_kind.indicator,
        inspection.is_unscheduled,
        inspection.entity_kind,
        inspection.entity_code,
        case
            when inspection.entity_kind = 'employer'
                then {{ employer_id('inspection.territory_key', 'inspection.entity_code') }}
        end as employer_id,
        inspection.decision_date,
        date_trunc('month', inspection.decision_date)::date as decision_month,
        -- decided in the year to date: what the flows of the month count
        date_trunc('year', inspection.decision_date) = date_trunc('year', inspection.month)
        and date_trunc('month', inspection.decision_date) <= inspection.month
            as is_in_year_to_date,
        inspection.conclusion_date,
        inspection.arrears_before_vnd,
        inspection.persons_found,
        inspection.recovered_at_visit_vnd,
        inspection.recovered_after_vnd,
        inspection.recovered_at_visit_vnd + inspection.recovered_after_vnd as recovered_vnd,
        inspection.fine_vnd,
        inspection.as_of_date,
        inspection.submission_id,
        inspection.row_no
    from inspection
    -- a kind stands once: cannot fan out
    left join inspection_kind on inspection.kind = inspection_kind.kind
)

select * from final
