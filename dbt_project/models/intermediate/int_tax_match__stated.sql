-- one row per row of a tax list and unit that it is about, with the reasons to inspect that it gave
-- for the unit: the one that stands for the code, and each other one that owes
with tax_employer as (
    select * from {{ ref('stg_tax__employer') }}
),

tax_match as (
    select * from {{ ref('fct_tax_match') }}
    where match_class <> 'not_in_tax_list'
),

registered as (
    select * from {{ ref('int_tax_match__registered') }}
),

owing as (
    select * from {{ ref('int_tax_match__owing') }}
),

threshold as (
    select * from {{ ref('tax_match_threshold') }}
),

-- what the row says is its own; units, heads and arrears are those of the match
compared as (
    select
        tax_employer.tax_year,
        tax_employer.tax_code,
        tax_employer.as_of_date,
        tax_employer.supplement_no,
        tax_employer.month,
        tax_employer.row_no,
        coalesce(tax_match.employer_id, registered.employer_id) as employer_id,
        registered.registered_month,
        tax_employer.is_cit_finalised,
        tax_employer.employees_with_contract as employees_tax,
        tax_employer.employees_with_contract - round(tax_match.employees_si) as employee_gap,
        tax_match.employer_id is null and tax_employer.employees_paid > 0 as is_not_registered,
        -- nobody is there by this row, or by what became of the units; a similar name is no proof
        {{ is_closed_for_tax('tax_employer.status') }}
        or (
            tax_match.match_class = 'review'
            or tax_match.match_class = 'closed_or_absconded'
            and not {{ is_closed_for_tax('tax_match.tax_status') }}
        ) is true as is_no_reason
    from tax_employer
    -- one row a tax year and code each: cannot fan out
    left join tax_match
        on
            tax_employer.tax_year = tax_match.tax_year
            and tax_employer.tax_code = tax_match.tax_code
    left join registered
        on
            tax_employer.tax_year = registered.tax_year
            and tax_employer.tax_code = registered.tax_code
),

judged as (
    select
        compared.*,
        coalesce(
            {{ is_under_declared(
                'compared.employee_gap',
                'compared.employees_tax',
                'gap_minimum.value',
                'share_minimum.value'
            ) }},
            false
        ) and not compared.is_not_registered as is_under_declared
    from compared
    -- one value a day each: cannot fan out
    inner join threshold as gap_minimum
        on
            gap_minimum.threshold = 'employee_gap_minimum'
            and make_date(compared.tax_year, 12, 31) >= gap_minimum.valid_from
            and make_date(compared.tax_year, 12, 31) < gap_minimum.valid_to
    inner join threshold as share_minimum
        on
            share_minimum.threshold = 'employee_gap_share_minimum'
            and make_date(compared.tax_year, 12, 31) >= share_minimum.valid_from
            and make_date(compared.tax_year, 12, 31) < share_minimum.valid_to
),

final as (
    select
        judged.tax_year,
        judged.tax_code,
        judged.as_of_date,
        judged.supplement_no,
        judged.month,
        judged.row_no,
        judged.employer_id,
        judged.registered_month,
        judged.is_not_registered and not judged.is_no_reason as is_not_registered,
        judged.is_under_declared and not judged.is_no_reason as is_under_declared,
        judged.is_cit_finalised
        and not judged.is_no_reason
        and (
            owing.employer_id is not null
            or judged.is_under_declared
            or judged.is_not_registered
        ) as is_cit_finalised_si_unpaid
    from judged
    -- one row a tax year, code and unit: cannot fan out
    left join owing
        on
            judged.tax_year = owing.tax_year
            and judged.tax_code = owing.tax_code
            and judged.employer_id = owing.employer_id
    union all
    select
        judged.tax_year,
        judged.tax_code,
        judged.as_of_date,
        judged.supplement_no,
        judged.month,
        judged.row_no,
        owing.employer_id,
        judged.registered_month,
        false as is_not_registered,
        false as is_under_declared,
        judged.is_cit_finalised and not judged.is_no_reason as is_cit_finalised_si_unpaid
    from judged
    inner join owing
        on judged.tax_year = owing.tax_year and judged.tax_code = owing.tax_code
    where owing.employer_id is distinct from judged.employer_id
)

select * from final
