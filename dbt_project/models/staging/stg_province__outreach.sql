-- one row per event, territory and month of the list
with input as (
    select * from {{ source('ops', 'input') }}
),

sent_row as (
    select * from {{ source('raw', 'outreach') }}
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
        sent_row.event_no,
        sent_row.kind,
        sent_row.held_on,
        sent_row.level,
        sent_row.partner,
        sent_row.attendees,
        sent_row.sign_ups
    from sent_row
    inner join input
        on sent_row.load_id = input.load_id and input.feed = 'outreach'
)

select * from final
