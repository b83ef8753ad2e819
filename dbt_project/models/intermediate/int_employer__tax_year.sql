-- one row per tax year with a list and unit: its last version in force in the year, of a unit
-- without any in the year the one nearest to it
with tax_employer as (
    select * from {{ ref('int_tax_employer__latest') }}
),

employer as (
    select * from {{ ref('int_employer__version') }}
),

tax_year as (
    select
        tax_year,
        make_date(tax_year, 1, 1) as begins_on,
        make_date(tax_year + 1, 1, 1) as ends_on
    from tax_employer
    group by tax_year
),

placed as (
    select
        tax_year.tax_year,
        tax_year.begins_on,
        tax_year.ends_on,
        employer.*,
        employer.valid_from < tax_year.ends_on and employer.valid_to > tax_year.begins_on
            as is_in_year
    from tax_year
    cross join employer
),

final as (
    select distinct on (tax_year, employer_id)
        tax_year,
        employer_id,
        employer_key,
        si_unit_code,
        tax_code,
        name,
        address,
        unit_type,
        industry_code,
        status,
        territory_key,
        province_code,
        current_province_code,
        is_in_year,
        bool_or(is_in_year and status = 'active') over unit as is_active_in_year
    from placed
    window unit as (partition by tax_year, employer_id)
    -- the last in the year; else the last before it; else the first after it
    order by
        tax_year asc,
        employer_id asc,
        is_in_year desc,
        (valid_from < ends_on) desc,
        case
            when valid_from < ends_on then begins_on - valid_from else valid_from - begins_on
        end asc
)

select * from final
