-- one row per policy, beneficiary, status, scenario, cut-off, territory and month
with input as (
    select * from {{ source('ops', 'input') }}
),

sent_row as (
    select * from {{ source('raw', 'policy_relief') }}
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
        sent_row.policy,
        sent_row.beneficiary,
        sent_row.status,
        sent_row.scenario,
        sent_row.cut_off_date,
        sent_row.persons,
        sent_row.units,
        sent_row.amount_vnd,
        sent_row.from_month,
        sent_row.to_month,
        coalesce(sent_row.qualifier, 'exact') as qualifier
    from sent_row
    inner join input
        on sent_row.load_id = input.load_id and input.feed = 'policy_relief'
)

select * from final
