-- one row per payer, fund, liability month, territory and month of the file, as sent
with input as (
    select * from {{ source('ops', 'input') }}
),

sent_row as (
    select * from {{ source('raw', 'contribution_pseudonym') }}
),

final as (
    select
        input.load_id,
        input.submission_id,
        input.sender,
        input.period,
        sent_row.month,
        input.province_key,
        input.territory_key,
        input.province_code,
        input.current_province_code,
        input.as_of_date,
        input.basis,
        input.version,
        sent_row.row_no,
        sent_row.payer_kind,
        sent_row.payer_code,
        sent_row.fund,
        sent_row.liability_month,
        sent_row.headcount,
        sent_row.wage_fund_vnd,
        sent_row.due_vnd,
        sent_row.adjustment_vnd,
        sent_row.interest_due_vnd,
        sent_row.paid_vnd,
        sent_row.interest_paid_vnd
    from sent_row
    inner join input
        on sent_row.load_id = input.load_id and input.feed = 'contributions'
)

select * from final
