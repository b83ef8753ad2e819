-- one row per unit, territory and month
with input as (
    select * from {{ source('ops', 'input') }}
),

sent_row as (
    select * from {{ source('raw', 'employer_pseudonym') }}
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
        sent_row.si_unit_code,
        sent_row.tax_code,
        sent_row.name,
        sent_row.unit_type,
        sent_row.industry_code,
        sent_row.commune_code,
        sent_row.status,
        sent_row.status_date,
        sent_row.pay_method,
        sent_row.wage_region,
        sent_row.employees,
        sent_row.office_code,
        sent_row.address
    from sent_row
    inner join input
        on sent_row.load_id = input.load_id and input.feed = 'employers'
)

select * from final
