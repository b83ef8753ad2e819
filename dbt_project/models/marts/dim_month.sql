-- one row per month from 2015 to 2035
with day as (
    select day::date as day
    from
        generate_series(
            '{{ var("calendar_from", "2015-01-01") }}'::date,
            '{{ var("calendar_to", "2035-12-31") }}'::date,
            interval '1 day'
        ) as day
),

holiday as (
    select * from {{ ref('holiday') }}
),

reporting_deadline as (
    select * from {{ ref('reporting_deadline') }}
),

-- a year is listed whole or not at all
holiday_span as (
    select
        date_trunc('year', min(date))::date as from_date,
        (date_trunc('year', max(date)) + interval '1 year')::date as to_date
    from holiday
),

month as (
    select
        date_trunc('month', day.day)::date as month,
        max(day.day) as month_end,
        count(*) as days,
        array_agg(day.day order by day.day) filter (
            where extract(isodow from day.day) = 5
        ) as friday_deadline_dates,
        count(holiday.date) as holidays,
        string_agg(holiday.name_vi, '; ' order by day.day) as holiday_names,
        string_agg(holiday.name_en, '; ' order by day.day) as holiday_names_en,
        count(*) filter (
            where extract(isodow from day.day) <= 5 and holiday.date is null
        ) as working_days
    from day
    -- a day stands once: cannot fan out
    left join holiday on day.day = holiday.date
    group by date_trunc('month', day.day)::date
),

-- should the feeds ever have different days, the first one is the month's
monthly_deadline as (
    select
        month.month,
        min((month.month + interval '1 month')::date + reporting_deadline.day - 1)
            as report_deadline
    from month
    inner join reporting_deadline
        on
            reporting_deadline.rule = 'day_of_next_month'
            and month.month >= reporting_deadline.valid_from
            and month.month < reporting_deadline.valid_to
    group by month.month
),

final as (
    select
        month.month,
        to_char(month.month, 'YYYYMM')::integer as month_no,
        to_char(month.month, 'YYYY-MM') as month_name,
        month.month_end,
        extract(year from month.month)::integer as year,
        case when extract(month from month.month) <= 6 then 1 else 2 end as half,
        extract(quarter from month.month)::integer as quarter,
        extract(month from month.month)::integer as month_of_year,
        month.days::integer as days,
        case when holiday_span.from_date is not null then month.working_days::integer end
            as working_days,
        case when holiday_span.from_date is not null then month.holidays::integer end as holidays,
        case when holiday_span.from_date is not null then month.holiday_names end as holiday_names,
        case when holiday_span.from_date is not null then month.holiday_names_en end
            as holiday_names_en,
        cardinality(month.friday_deadline_dates)::integer as friday_deadlines,
        month.friday_deadline_dates,
        monthly_deadline.report_deadline,
        case when month.month < '2025-07-01' then '63' else '34' end as vintage
    from month
    -- one row, or none
    left join holiday_span
        on month.month >= holiday_span.from_date and month.month < holiday_span.to_date
    -- one row a month
    left join monthly_deadline on month.month = monthly_deadline.month
)

select * from final
