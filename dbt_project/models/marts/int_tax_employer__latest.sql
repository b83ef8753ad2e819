-- one row per tax year and tax code: the last that the tax authority said about it
{{ config(slice_by=[], meta={'is_published': false}) }}

with tax_employer as (
    select * from {{ ref('stg_tax__employer') }}
),

province as (
    select * from {{ source('ops', 'province') }}
),

-- a supplement takes the place of the whole row; the same one again in a later list restates it
latest as (
    select distinct on (tax_year, tax_code) *
    from tax_employer
    order by tax_year asc, tax_code asc, supplement_no desc, month desc, row_no desc
),

final as (
    select
        latest.tax_year,
        latest.tax_code,
        case
            when latest.tax_code like 'P-%' then 'personal'
            when latest.tax_code like '%-%' then 'branch'
            else 'organisation'
        end as code_kind,
        case
            when latest.tax_code not like 'P-%' and latest.tax_code like '%-%'
                then split_part(latest.tax_code, '-', 1)
        end as parent_code,
        latest.supplement_no,
        latest.name,
        latest.address,
        province.province_key,
        province.territory_key,
        -- a code that is on no map of that month is unknown
        province.province_code,
        province.current_province_code,
        latest.industry_code,
        latest.status,
        latest.status_date,
        latest.employees_paid,
        latest.employees_with_contract,
        latest.income_paid_vnd,
        latest.is_cit_finalised,
        latest.cit_filing_date,
        latest.wage_cost_vnd,
        latest.as_of_date,
        latest.submission_id,
        latest.row_no
    from latest
    -- read on the map of the list's month; one province a code and month: cannot fan out
    left join province
        on
            latest.province_code = province.province_code
            and latest.month >= province.valid_from
            and latest.month < province.valid_to
)

select * from final
