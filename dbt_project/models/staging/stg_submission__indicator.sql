-- one row per indicator, cut-off date, unit, measure, comparison and submission
with input as (
    select * from {{ source('ops', 'input') }}
),

sent_row as (
    select * from {{ source('raw', 'indicators') }}
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
        input.basis,
        input.version,
        sent_row.row_no,
        sent_row.indicator,
        sent_row.as_of_date,
        sent_row.value,
        sent_row.unit,
        coalesce(sent_row.qualifier, 'exact') as qualifier,
        sent_row.measure,
        coalesce(sent_row.comparison, 'none') as comparison,
        sent_row.note
    from sent_row
    inner join input
        on sent_row.load_id = input.load_id and input.feed = 'indicators'
)

select * from final
