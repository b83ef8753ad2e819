-- one row per tax year with a list, unit and tax code it carries in that year (of a unit that
-- stands as its nearest list shows it: the code on that list, for the whole year)
with employer_year as (
    select * from {{ ref('int_employer__tax_year') }}
),

other_year as (
    select * from {{ ref('int_employer__other_year') }}
),

employer as (
    select * from {{ ref('int_employer__version') }}
),

-- months of the year as a set of bits, January the lowest
carried as (
    select
        employer_year.tax_year,
        employer_year.employer_id,
        employer.tax_code,
        true as is_in_year,
        bit_or({{ month_bits(
            'employer.valid_from', 'employer.valid_to', 'employer_year.tax_year'
        ) }}) as months
    from employer_year
    -- a unit may carry a code in several versions: grouped again below
    inner join employer
        on
            employer_year.employer_id = employer.employer_id
            and employer.valid_from < make_date(employer_year.tax_year + 1, 1, 1)
            and employer.valid_to > make_date(employer_year.tax_year, 1, 1)
    where employer_year.is_in_year and employer.tax_code is not null
    group by employer_year.tax_year, employer_year.employer_id, employer.tax_code
    union all
    select
        tax_year,
        employer_id,
        tax_code,
        false as is_in_year,
        {{ whole_year() }} as months
    from other_year
    where tax_code is not null
),

final as (
    select
        tax_year,
        tax_code,
        case
            when tax_code not like 'P-%' and tax_code like '%-%' then split_part(tax_code, '-', 1)
        end as parent_code,
        employer_id,
        is_in_year,
        months
    from carried
)

select * from final
