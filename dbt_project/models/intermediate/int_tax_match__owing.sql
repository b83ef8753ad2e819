-- one row per tax year, tax code and unit matched with it that owed by R18, at the last month end
-- of the year of which the province of the unit has sent arrears
with matched_unit as (
    select * from {{ ref('fct_tax_match_unit') }}
),

arrears as (
    select * from {{ ref('fct_arrears') }}
),

calendar as (
    select * from {{ ref('int_calendar__tax_year') }}
),

province_year as (
    {{ months_sent_by_provinces() }}
),

code_province as (
    select
        matched_unit.tax_year,
        matched_unit.tax_code,
        matched_unit.current_province_code,
        {{ months_sent('months_of_arrears') }} as months_of_arrears
    from matched_unit
    inner join calendar
        on
            matched_unit.tax_year = calendar.tax_year
            and matched_unit.territory_key = calendar.territory_key
    inner join province_year
        on
            matched_unit.tax_year = province_year.tax_year
            and matched_unit.current_province_code = province_year.current_province_code
    group by
        matched_unit.tax_year, matched_unit.tax_code, matched_unit.current_province_code
),

dated as (
    select
        matched_unit.tax_year,
        matched_unit.tax_code,
        matched_unit.employer_id,
        {{ last_month('code_province.months_of_arrears', 'matched_unit.tax_year') }}
            as arrears_month
    from matched_unit
    inner join code_province
        on
            matched_unit.tax_year = code_province.tax_year
            and matched_unit.tax_code = code_province.tax_code
            and matched_unit.current_province_code = code_province.current_province_code
),

final as (
    select
        dated.tax_year,
        dated.tax_code,
        dated.employer_id,
        dated.arrears_month,
        sum(arrears.overdue_vnd)::bigint as overdue_vnd,
        max(arrears.months_owed) as months_owed
    from dated
    inner join arrears
        on dated.employer_id = arrears.employer_id and dated.arrears_month = arrears.month
    group by dated.tax_year, dated.tax_code, dated.employer_id, dated.arrears_month
    having bool_or(arrears.overdue_vnd > 0 and arrears.months_owed >= 1)
)

select * from final
