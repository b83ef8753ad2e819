-- one row per benefit type, territory and month, as sent
with input as (
    select * from {{ source('ops', 'input') }}
),

sent_row as (
    select * from {{ source('raw', 'benefits') }}
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
        sent_row.benefit_type,
        sent_row.persons,
        sent_row.cases,
        sent_row.amount_vnd,
        coalesce(sent_row.qualifier, 'exact') as qualifier
    from sent_row
    inner join input
        on sent_row.load_id = input.load_id and input.feed = 'benefits'
)

select * from final
