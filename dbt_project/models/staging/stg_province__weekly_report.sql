-- one row per item, territory and ISO week
with input as (
    select * from {{ source('ops', 'input') }}
),

sent_row as (
    select * from {{ source('raw', 'weekly_report') }}
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
        input.received_at,
        input.is_late,
        sent_row.row_no,
        sent_row.item_no,
        sent_row.area,
        sent_row.difficulty,
        sent_row.proposal
    from sent_row
    inner join input
        on sent_row.load_id = input.load_id and input.feed = 'weekly_report'
)

select * from final
