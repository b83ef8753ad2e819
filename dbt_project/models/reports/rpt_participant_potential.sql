-- one row per province (or national), tax year and industry division
{{ config(slice_by=[], pre_hook="{{ no_nested_loops() }}") }}
{%- set measures %}
    count(*) as tax_codes,
    sum(employees_tax) as employees_tax,
    count(*) filter (where is_not_registered) as unregistered_codes,
    coalesce(sum(employees_tax) filter (where is_not_registered), 0)
        as unregistered_employees_tax,
    coalesce(sum(income_paid_vnd) filter (where is_not_registered), 0)
        as unregistered_income_vnd,
    count(*) filter (where is_under_declared) as under_declared_codes,
    coalesce(sum(employee_gap) filter (where is_under_declared), 0)
        as under_declared_gap,
    coalesce(sum(wage_gap_vnd) filter (where is_under_declared), 0)
        as under_declared_wage_gap_vnd,
    min(as_of_date) as as_of_date
{% endset %}
with tax_row as (
    select * from {{ ref('int_tax_match__reason') }}
),

province as (
    select * from {{ source('ops', 'province') }}
),

calendar as (
    select * from {{ ref('int_calendar__tax_year') }}
),

divided as (
    select
        *,
        coalesce(left(industry_code, 2), 'not_stated') as industry_division
    from tax_row
),

provincial as (
    select
        tax_year,
        province_key,
        province_code,
        current_province_code,
        industry_division,
        {{ measures }}
    from divided
    where province_key is not null
    group by tax_year, province_key, province_code, current_province_code, industry_division
),

-- a code counts for the country where whoever had its ground at the year's end has sent
-- participants of the year: its own territory, or those that it came from or went into
included as (
    select
        calendar.tax_year,
        province.province_key,
        bool_and(at_year_end.months_published > 0) as is_included
    from calendar
    -- a territory under each of its names
    inner join province on calendar.territory_key = province.territory_key
    inner join calendar as at_year_end
        on
            calendar.tax_year = at_year_end.tax_year
            and calendar.current_province_code = at_year_end.current_province_code
            and at_year_end.months_in_force
            & {{ month_bit('make_date(at_year_end.tax_year, 12, 1)') }} > 0
            and (
                calendar.territory_key = at_year_end.territory_key
                or calendar.months_in_force
                & {{ month_bit('make_date(calendar.tax_year, 12, 1)') }} = 0
            )
    group by calendar.tax_year, province.province_key
),

-- a code of no known province is nobody's to send
national as (
    select
        divided.tax_year,
        divided.industry_division,
        {{ measures }}
    from divided
    -- one row a tax year and province: cannot fan out
    left join included
        on
            divided.tax_year = included.tax_year
            and divided.province_key = included.province_key
    where divided.province_key is null or included.is_included
    group by divided.tax_year, divided.industry_division
),

-- the map of the year's end; where no participants of the year are published nobody can be told to
-- be missing among them
expected as (
    select
        tax_year,
        count(*)::integer as provinces_expected,
        count(*) filter (where months_published > 0)::integer as provinces_included,
        coalesce(
            array_agg(province_code order by province_code) filter (where months_published = 0),
            '{}'::text[]
        ) as provinces_missing
    from calendar
    where months_in_force & {{ month_bit('make_date(tax_year, 12, 1)') }} > 0
    group by tax_year
),

any_level as (
    select
        provincial.tax_year,
        'province' as geo_level,
        provincial.province_key,
        province.territory_key,
        provincial.province_code,
        provincial.current_province_code,
        provincial.industry_division,
        provincial.tax_codes,
        provincial.employees_tax,
        provincial.unregistered_codes,
        provincial.unregistered_employees_tax,
        provincial.unregistered_income_vnd,
        provincial.under_declared_codes,
        provincial.under_declared_gap,
        provincial.under_declared_wage_gap_vnd,
        provincial.as_of_date,
        null::integer as provinces_included,
        null::integer as provinces_expected,
        null::text[] as provinces_missing
    from provincial
    -- province_key is unique: cannot fan out
    inner join province on provincial.province_key = province.province_key
    union all
    select
        national.tax_year,
        'national' as geo_level,
        'national' as province_key,
        'national' as territory_key,
        'national' as province_code,
        'national' as current_province_code,
        national.industry_division,
        national.tax_codes,
        national.employees_tax,
        national.unregistered_codes,
        national.unregistered_employees_tax,
        national.unregistered_income_vnd,
        national.under_declared_codes,
        national.under_declared_gap,
        national.under_declared_wage_gap_vnd,
        national.as_of_date,
        expected.provinces_included,
        expected.provinces_expected,
        expected.provinces_missing
    from national
    left join expected on national.tax_year = expected.tax_year
),

final as (
    select
        make_date(tax_year, 12, 1) as month,
        tax_year,
        geo_level,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        industry_division,
        tax_codes,
        employees_tax::bigint as employees_tax,
        unregistered_codes,
        unregistered_employees_tax::bigint as unregistered_employees_tax,
        unregistered_income_vnd::bigint as unregistered_income_vnd,
        under_declared_codes,
        under_declared_gap::bigint as under_declared_gap,
        under_declared_wage_gap_vnd::bigint as under_declared_wage_gap_vnd,
        (unregistered_employees_tax + under_declared_gap)::bigint as potential_participants,
        as_of_date,
        'exact' as qualifier,
        provinces_included,
        provinces_expected,
        provinces_missing
    from any_level
)

select * from final
