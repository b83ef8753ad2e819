-- one row per person, insurance type, territory and month
with input as (
    select * from {{ source('ops', 'input') }}
),

sent_row as (
    select * from {{ source('raw', 'participant_pseudonym') }}
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
        sent_row.participant_key,
        sent_row.birth_year,
        sent_row.sex,
        sent_row.insurance_type,
        sent_row.hi_group,
        sent_row.si_unit_code,
        sent_row.commune_code,
        sent_row.wage_base_vnd,
        sent_row.from_month,
        sent_row.office_code,
        sent_row.collector_code
    from sent_row
    inner join input
        on sent_row.load_id = input.load_id and input.feed = 'participants'
)

select * from final
