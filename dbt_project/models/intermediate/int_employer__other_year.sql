-- one row per tax year and unit that no list of the year names, and that stands as its nearest list
-- shows it
with employer_year as (
    select * from {{ ref('int_employer__tax_year') }}
),

calendar as (
    select * from {{ ref('int_calendar__tax_year') }}
),

employer as (
    select * from {{ ref('dim_employer') }}
),

successor as (
    select * from {{ ref('int_employer__successor') }}
),

-- before or after the map changed these are other units, which speak for them
linked as (
    select employer_id
    from successor
    union
    select successor_id as employer_id
    from successor
),

-- units that a file of the year names, though no list does
named as (
    select
        extract(year from valid_from)::integer as tax_year,
        employer_id
    from employer
    where is_inferred
    group by extract(year from valid_from), employer_id
),

-- where a list of the year was sent, who is not on it was no unit in the year
final as (
    select
        employer_year.tax_year,
        employer_year.employer_id,
        employer_year.tax_code
    from employer_year
    inner join calendar
        on
            employer_year.tax_year = calendar.tax_year
            and employer_year.territory_key = calendar.territory_key
    -- one row a unit, and a unit and year: neither fans out
    left join linked
        on employer_year.employer_id = linked.employer_id and calendar.months_in_force = 0
    left join named
        on
            employer_year.employer_id = named.employer_id
            and employer_year.tax_year = named.tax_year
    where
        not employer_year.is_in_year
        and linked.employer_id is null
        and (not calendar.is_listed or named.employer_id is not null)
)

select * from final
