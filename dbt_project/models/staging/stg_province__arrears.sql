-- one row per unit, fund, territory and month
with input as (
    select * from {{ source('ops', 'input') }}
),

sent_row as (
    select * from {{ source('raw', 'arrears') }}
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
        sent_row.si_unit_code,
        sent_row.fund,
        sent_row.principal_vnd,
        sent_row.overdue_vnd,
        sent_row.interest_vnd,
        sent_row.months_owed,
        sent_row.oldest_month,
        sent_row.employees_affected,
        sent_row.hard_to_collect,
        sent_row.urged_on
    from sent_row
    inner join input
        on sent_row.load_id = input.load_id and input.feed = 'arrears'
)

select * from final
