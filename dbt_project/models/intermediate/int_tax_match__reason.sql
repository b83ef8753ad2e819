-- one row per tax year and tax code that may give a reason to inspect, with the reasons it gives
with tax_match as (
    select * from {{ ref('fct_tax_match') }}
),

registered as (
    select * from {{ ref('int_tax_match__registered') }}
),

owing as (
    select * from {{ ref('int_tax_match__owing') }}
),

input as (
    select * from {{ source('ops', 'input') }}
),

-- provinces of today of which some list of units is known
listing_province as (
    select current_province_code
    from input
    where feed = 'employers'
    group by current_province_code
),

-- who is closed cannot be visited; a similar name that nobody has confirmed proves nothing; a unit
-- on no list is not said to have paid anybody
judged as (
    select tax_match.*
    from tax_match
    left join listing_province
        on tax_match.current_province_code = listing_province.current_province_code
    where
        tax_match.match_class not in ('closed_or_absconded', 'review', 'not_in_tax_list')
        -- a province that sent no units leaves its codes without one
        and not (
            tax_match.is_not_registered
            and tax_match.current_province_code is not null
            and listing_province.current_province_code is null
        )
),

-- who has registered since is the unit that it registered as, and not called unregistered any more
final as (
    select
        judged.tax_year,
        judged.tax_code,
        judged.match_class,
        coalesce(judged.employer_id, registered.employer_id) as employer_id,
        judged.province_key,
        judged.province_code,
        judged.current_province_code,
        judged.tax_name,
        judged.industry_code,
        judged.employees_paid,
        judged.employees_tax,
        judged.employees_si,
        judged.employee_gap,
        judged.income_paid_vnd,
        judged.wage_gap_vnd,
        judged.is_cit_finalised,
        judged.cit_filing_date,
        judged.as_of_date,
        judged.is_not_registered and registered.tax_code is null as is_not_registered,
        -- R18: did not pay or did not fully pay, but still finalised. What the code's other units
        -- owe is no reason to visit the one that stands for them
        judged.is_cit_finalised
        and (
            owing.employer_id is not null
            or coalesce(judged.is_under_declared, false)
            or judged.is_not_registered
        ) as is_cit_finalised_si_unpaid,
        -- of who is not registered at all nobody says that too few are declared
        coalesce(judged.is_under_declared, false) and not judged.is_not_registered
            as is_under_declared
    from judged
    -- one row a tax year, code and unit: cannot fan out
    left join owing
        on
            judged.tax_year = owing.tax_year
            and judged.tax_code = owing.tax_code
            and judged.employer_id = owing.employer_id
    -- one row a tax year and code: cannot fan out
    left join registered
        on
            judged.tax_year = registered.tax_year
            and judged.tax_code = registered.tax_code
)

select * from final
