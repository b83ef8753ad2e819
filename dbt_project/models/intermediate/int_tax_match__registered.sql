-- one row per tax year and tax code that no unit had in it and a unit has carried on a later list
with tax_employer as (
    select * from {{ ref('int_tax_employer__latest') }}
),

matched_unit as (
    select * from {{ ref('fct_tax_match_unit') }}
),

employer as (
    select * from {{ ref('int_employer__version') }}
),

without_unit as (
    select
        tax_employer.tax_year,
        tax_employer.tax_code
    from tax_employer
    left join matched_unit
        on
            tax_employer.tax_year = matched_unit.tax_year
            and tax_employer.tax_code = matched_unit.tax_code
    where matched_unit.tax_code is null
),

-- of several units the one that carries it last
final as (
    select distinct on (without_unit.tax_year, without_unit.tax_code)
        without_unit.tax_year,
        without_unit.tax_code,
        employer.employer_id,
        min(employer.valid_from) over (
            partition by without_unit.tax_year, without_unit.tax_code
        ) as registered_month
    from without_unit
    inner join employer
        on
            without_unit.tax_code = employer.tax_code
            and employer.valid_from >= make_date(without_unit.tax_year + 1, 1, 1)
    order by
        without_unit.tax_year asc,
        without_unit.tax_code asc,
        employer.valid_to desc,
        employer.valid_from desc,
        employer.si_unit_code asc,
        employer.territory_key asc
)

select * from final
