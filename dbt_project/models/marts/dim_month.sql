-- one row per month from 2015 to 2035
with day as (
    select day::date as day
    from generate_series('2015-01-01'::date, '2035-12-31'::date, interval '1 day') as day
),

month as (
    select
        date_trunc('month', day)::date as month,
        max(day) as month_end,
        count(*) as days,
        count(*) filter (where extract(isodow from day) = 5) as friday_deadlines
    from day
    group by date_trunc('month', day)::date
),

final as (
    select
        month,
        to_char(month, 'YYYYMM')::integer as month_no,
        to_char(month, 'YYYY-MM') as month_name,
        month_end,
        extract(year from month)::integer as year,
        case when extract(month from month) <= 6 then 1 else 2 end as half,
        extract(quarter from month)::integer as quarter,
        extract(month from month)::integer as month_of_year,
        days::integer as days,
        friday_deadlines::integer as friday_deadlines,
        case when month < '2025-07-01' then '63' else '34' end as vintage
    from month
)

select * from final
