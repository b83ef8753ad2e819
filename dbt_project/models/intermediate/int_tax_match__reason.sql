-- one row per tax year and tax code that may give a reason to inspect, with the reasons it gives
with tax_match as (
    select * from {{ ref('fct_tax_match') }}
),

-- who is closed cannot be visited; a similar name that nobody has confirmed proves nothing; a unit
-- on no list is not said to have paid anybody
judged as (
    select * from tax_match
    where match_class not in ('closed_or_absconded', 'review', 'not_in_tax_list')
),

final as (
    select
        judged.tax_year,
        judged.tax_code,
        judged.match_class,
        judged.employer_id,
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
        judged.is_not_registered,
        -- R18: did not pay or did not fully pay, but still finalised
        judged.is_cit_finalised
        and (
            coalesce(judged.has_arrears, false)
            or coalesce(judged.is_under_declared, false)
            or judged.is_not_registered
        ) as is_cit_finalised_si_unpaid,
        -- of who is not registered at all nobody says that too few are declared
        coalesce(judged.is_under_declared, false) and not judged.is_not_registered
            as is_under_declared
    from judged
)

select * from final
