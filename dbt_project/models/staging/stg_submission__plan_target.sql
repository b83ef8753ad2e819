-- one row per document, revision, year, assignee, indicator, target kind and submission
with input as (
    select * from {{ source('ops', 'input') }}
),

sent_row as (
    select * from {{ source('raw', 'plan_targets') }}
),

final as (
    select
        input.load_id,
        input.submission_id,
        input.sender,
        input.period,
        input.month,
        coalesce(input.province_key, 'national') as province_key,
        coalesce(input.territory_key, 'national') as territory_key,
        coalesce(input.province_code, 'national') as province_code,
        coalesce(input.current_province_code, 'national') as current_province_code,
        input.as_of_date,
        input.basis,
        input.version,
        sent_row.row_no,
        sent_row.plan_document,
        sent_row.revision,
        sent_row.issued_date,
        sent_row.year::integer as year,
        sent_row.assignee_kind,
        sent_row.assignee_code,
        sent_row.indicator,
        sent_row.target_kind,
        sent_row.target_value,
        sent_row.from_month,
        sent_row.to_month,
        sent_row.baseline_date,
        coalesce(sent_row.issuer, 'vss') as issuer
    from sent_row
    inner join input
        on sent_row.load_id = input.load_id and input.feed = 'plan_targets'
)

select * from final
