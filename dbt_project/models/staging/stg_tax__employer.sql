-- one row per tax year, tax code, supplement and submission
with input as (
    select * from {{ source('ops', 'input') }}
),

sent_row as (
    select * from {{ source('raw', 'tax_employer_pseudonym') }}
),

final as (
    select
        input.load_id,
        input.submission_id,
        input.sender,
        input.period,
        input.month,
        input.as_of_date,
        input.basis,
        input.version,
        sent_row.row_no,
        sent_row.tax_year::integer as tax_year,
        sent_row.tax_code,
        sent_row.supplement_no::integer as supplement_no,
        sent_row.name,
        sent_row.province_code,
        sent_row.status,
        sent_row.status_date,
        sent_row.employees_paid,
        coalesce(sent_row.employees_with_contract, sent_row.employees_paid)
            as employees_with_contract,
        sent_row.income_paid_vnd,
        coalesce(sent_row.cit_finalised, 'N') = 'Y' as is_cit_finalised,
        sent_row.cit_filing_date,
        sent_row.wage_cost_vnd,
        sent_row.industry_code,
        sent_row.address
    from sent_row
    inner join input
        on sent_row.load_id = input.load_id and input.feed = 'tax_employers'
)

select * from final
