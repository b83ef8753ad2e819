-- one row per tax year, tax code and social insurance unit that it was matched with
{{ config(slice_by=[], pre_hook="{{ no_nested_loops() }}") }}

with tax_employer as (
    select * from {{ ref('int_tax_employer__latest') }}
),

unit_code as (
    select * from {{ ref('int_employer__tax_code') }}
),

employer_year as (
    select * from {{ ref('int_employer__tax_year') }}
),

other_year as (
    select * from {{ ref('int_employer__other_year') }}
),

decision as (
    select * from {{ ref('int_tax_match__decision') }}
),

province as (
    select * from {{ ref('int_calendar__tax_year') }}
),

-- the ladder (D.4): each tax code with every unit a rung would give it
by_own_code as (
    select
        tax_employer.tax_year,
        tax_employer.tax_code,
        unit_code.employer_id,
        unit_code.is_in_year,
        unit_code.months,
        1 as rung
    from tax_employer
    inner join unit_code
        on
            tax_employer.tax_year = unit_code.tax_year
            and tax_employer.tax_code = unit_code.tax_code
),

by_parent_code as (
    select
        tax_employer.tax_year,
        tax_employer.tax_code,
        unit_code.employer_id,
        unit_code.is_in_year,
        unit_code.months,
        2 as rung
    from tax_employer
    inner join unit_code
        on
            tax_employer.tax_year = unit_code.tax_year
            and tax_employer.parent_code = unit_code.tax_code
),

-- a branch with a row of its own speaks for itself
by_branch_code as (
    select
        tax_employer.tax_year,
        tax_employer.tax_code,
        unit_code.employer_id,
        unit_code.is_in_year,
        bit_or(unit_code.months) as months,
        3 as rung
    from tax_employer
    inner join unit_code
        on
            tax_employer.tax_year = unit_code.tax_year
            and tax_employer.tax_code = unit_code.parent_code
    left join tax_employer as branch
        on
            unit_code.tax_year = branch.tax_year
            and unit_code.tax_code = branch.tax_code
    where branch.tax_code is null
    group by
        tax_employer.tax_year, tax_employer.tax_code, unit_code.employer_id, unit_code.is_in_year
),

by_review as (
    select
        tax_employer.tax_year,
        tax_employer.tax_code,
        employer_year.employer_id,
        employer_year.is_in_year,
        {{ whole_year() }} as months,
        4 as rung
    from tax_employer
    inner join decision
        on tax_employer.tax_code = decision.tax_code and decision.verdict = 'confirmed'
    inner join employer_year
        on
            tax_employer.tax_year = employer_year.tax_year
            and decision.employer_id = employer_year.employer_id
    left join other_year
        on
            employer_year.tax_year = other_year.tax_year
            and employer_year.employer_id = other_year.employer_id
    where employer_year.is_in_year or other_year.employer_id is not null
),

possible as (
    select * from by_own_code
    union all
    select * from by_parent_code
    union all
    select * from by_branch_code
    union all
    select * from by_review
),

ranked as (
    select
        *,
        min(rung) over (partition by tax_year, tax_code) as first_rung
    from possible
),

-- the first rung that finds units; a parent has its unlisted branches beside units of its own, and
-- whoever a person confirmed belongs to the code whatever else does. A unit found twice stands once
chosen as (
    select
        tax_year,
        tax_code,
        employer_id,
        is_in_year,
        min(rung) as rung,
        bit_or(months) as months
    from ranked
    where rung = first_rung or (rung = 3 and first_rung = 1) or rung = 4
    group by tax_year, tax_code, employer_id, is_in_year
),

final as (
    select
        chosen.tax_year,
        chosen.tax_code,
        case
            when chosen.rung = 1 and chosen.tax_code like 'P-%' then 'personal_id'
            when chosen.rung = 1 then 'exact_code'
            when chosen.rung = 2 then 'parent_code'
            when chosen.rung = 3 then 'branch_code'
            else 'confirmed'
        end as match_rule,
        employer_year.employer_key,
        chosen.employer_id,
        employer_year.si_unit_code,
        province.province_key,
        employer_year.territory_key,
        employer_year.province_code,
        employer_year.current_province_code,
        chosen.is_in_year,
        employer_year.status,
        employer_year.industry_code,
        chosen.months,
        {{ months_in('chosen.months') }}::integer as month_count,
        count(*) over (
            partition by chosen.tax_year, chosen.employer_id
        )::integer as tax_code_count
    from chosen
    inner join employer_year
        on
            chosen.tax_year = employer_year.tax_year
            and chosen.employer_id = employer_year.employer_id
    -- one row of the province a tax year: cannot fan out
    left join province
        on
            chosen.tax_year = province.tax_year
            and employer_year.territory_key = province.territory_key
)

select * from final
