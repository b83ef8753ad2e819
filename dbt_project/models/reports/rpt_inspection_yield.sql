-- one row per inspection case of an employer and reason that held before its decision, or 'none'
{{ config(slice_by=[], pre_hook="{{ no_nested_loops() }}") }}

with inspection as (
    select * from {{ ref('fct_inspection') }}
    where entity_kind = 'employer'
),

input as (
    select * from {{ source('ops', 'input') }}
    where feed = 'arrears' and territory_key is not null
),

territory as (
    select * from {{ ref('int_calendar__territory') }}
),

arrears as (
    select * from {{ ref('int_arrears__by_unit') }}
),

stated as (
    select * from {{ ref('int_tax_match__stated') }}
),

successor as (
    select * from {{ ref('int_employer__successor') }}
),

inspection_reason as (
    select * from {{ ref('inspection_reason') }}
),

-- a unit before and after the map changed is one unit
inspection_case as (
    select
        inspection.*,
        coalesce(successor.successor_id, inspection.employer_id) as unit_id,
        (inspection.month - interval '1 month')::date as month_before
    from inspection
    left join successor on inspection.employer_id = successor.employer_id
),

-- was there a list of arrears for the month before: the territory's, or of its predecessors
arrears_list as (
    select
        inspection_case.territory_key,
        inspection_case.case_no,
        inspection_case.decision_date,
        inspection_case.month_before as arrears_month
    from inspection_case
    inner join territory on inspection_case.territory_key = territory.territory_key
    inner join input
        on
            inspection_case.current_province_code = input.current_province_code
            and inspection_case.month_before = input.month
    where
        input.territory_key = inspection_case.territory_key
        or inspection_case.month_before < territory.valid_from
    group by
        inspection_case.territory_key,
        inspection_case.case_no,
        inspection_case.decision_date,
        inspection_case.month_before
),

-- a year after the list's own is a slip of the pen
tax_list as (
    select
        tax_year,
        min(as_of_date) as as_of_date
    from stated
    where tax_year <= extract(year from as_of_date)
    group by tax_year
),

known_tax_year as (
    select
        inspection_case.territory_key,
        inspection_case.case_no,
        inspection_case.decision_date,
        max(tax_list.tax_year) as tax_year
    from inspection_case
    inner join tax_list on inspection_case.decision_date > tax_list.as_of_date
    group by
        inspection_case.territory_key, inspection_case.case_no, inspection_case.decision_date
),

dated as (
    select
        inspection_case.*,
        arrears_list.arrears_month,
        known_tax_year.tax_year
    from inspection_case
    -- one row a case each: cannot fan out
    left join arrears_list
        on
            inspection_case.territory_key = arrears_list.territory_key
            and inspection_case.case_no = arrears_list.case_no
            and inspection_case.decision_date = arrears_list.decision_date
    left join known_tax_year
        on
            inspection_case.territory_key = known_tax_year.territory_key
            and inspection_case.case_no = known_tax_year.case_no
            and inspection_case.decision_date = known_tax_year.decision_date
),

three_months_overdue as (
    select
        dated.territory_key,
        dated.case_no,
        dated.decision_date
    from arrears
    left join successor on arrears.employer_id = successor.employer_id
    -- several predecessors may stand for one unit: grouped again
    inner join dated
        on
            coalesce(successor.successor_id, arrears.employer_id) = dated.unit_id
            and arrears.month = dated.arrears_month
    where arrears.is_three_months_overdue
    group by dated.territory_key, dated.case_no, dated.decision_date
),

-- what was last said of each of the unit's codes before the decision: of supplements the highest,
-- whatever came later
known_code as (
    select
        dated.territory_key,
        dated.case_no,
        dated.decision_date,
        stated.is_cit_finalised_si_unpaid,
        stated.is_under_declared,
        -- on a list of a month before the decision the unit was registered when it was visited
        stated.is_not_registered and stated.registered_month >= dated.month as is_not_registered,
        rank() over (
            partition by
                dated.territory_key, dated.case_no, dated.decision_date, stated.tax_code
            order by stated.supplement_no desc, stated.month desc, stated.row_no desc
        ) as latest_first
    from stated
    left join successor on stated.employer_id = successor.employer_id
    inner join dated
        on
            coalesce(successor.successor_id, stated.employer_id) = dated.unit_id
            and stated.tax_year = dated.tax_year
            and stated.as_of_date < dated.decision_date
),

unit_tax as (
    select
        territory_key,
        case_no,
        decision_date,
        bool_or(is_cit_finalised_si_unpaid) as is_cit_finalised_si_unpaid,
        bool_or(is_under_declared) as is_under_declared,
        bool_or(is_not_registered) as is_not_registered
    from known_code
    -- a row of a list may be said of what the unit was before the map changed, and after
    where latest_first = 1
    group by territory_key, case_no, decision_date
),

held as (
    select
        dated.territory_key,
        dated.case_no,
        dated.decision_date,
        inspection_reason.reason
    from dated
    -- one row a case each: what fans out is the reasons that held
    left join three_months_overdue
        on
            dated.territory_key = three_months_overdue.territory_key
            and dated.case_no = three_months_overdue.case_no
            and dated.decision_date = three_months_overdue.decision_date
    left join unit_tax
        on
            dated.territory_key = unit_tax.territory_key
            and dated.case_no = unit_tax.case_no
            and dated.decision_date = unit_tax.decision_date
    inner join inspection_reason
        on
            dated.decision_date >= inspection_reason.valid_from
            and dated.decision_date < inspection_reason.valid_to
            and case inspection_reason.reason
                when 'three_months_or_more' then three_months_overdue.case_no is not null
                when 'cit_finalised_si_unpaid' then unit_tax.is_cit_finalised_si_unpaid
                when 'under_declared' then unit_tax.is_under_declared
                when 'not_registered' then unit_tax.is_not_registered
                else false
            end
),

final as (
    select
        dated.month,
        dated.province_key,
        dated.territory_key,
        dated.province_code,
        dated.current_province_code,
        dated.case_no,
        dated.decision_date,
        dated.kind,
        dated.is_unscheduled,
        dated.employer_key,
        dated.employer_id,
        coalesce(held.reason, 'none') as reason,
        count(held.reason) over (
            partition by dated.territory_key, dated.case_no, dated.decision_date
        )::integer as reason_count,
        dated.arrears_month,
        dated.tax_year,
        dated.arrears_before_vnd,
        dated.recovered_vnd,
        dated.persons_found,
        dated.fine_vnd,
        dated.as_of_date,
        'exact' as qualifier
    from dated
    left join held
        on
            dated.territory_key = held.territory_key
            and dated.case_no = held.case_no
            and dated.decision_date = held.decision_date
)

select * from final
