-- one row per case, territory and month of the list
with input as (
    select * from {{ source('ops', 'input') }}
),

sent_row as (
    select * from {{ source('raw', 'inspections') }}
),

final as (
    select
        input.load_id,
        input.submission_id,
        input.sender,
        input.period,
        input.month,
        input.province_key,
        input.territory_key,
        input.province_code,
        input.current_province_code,
        input.as_of_date,
        input.basis,
        input.version,
        sent_row.row_no,
        sent_row.case_no,
        sent_row.kind,
        sent_row.unscheduled = 'Y' as is_unscheduled,
        sent_row.decision_date,
        sent_row.conclusion_date,
        sent_row.entity_kind,
        sent_row.entity_code,
        sent_row.arrears_before_vnd,
        sent_row.persons_found,
        sent_row.recovered_at_visit_vnd,
        sent_row.recovered_after_vnd,
        sent_row.fine_vnd
    from sent_row
    inner join input
        on sent_row.load_id = input.load_id and input.feed = 'inspections'
)

select * from final
