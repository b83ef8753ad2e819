-- one row per territory on the map of the last month in which its province of today sent arrears:
-- the last list of arrears it sent itself, and the country's latest month
with input as (
    select * from {{ source('ops', 'input') }}
    where month is not null
),

province as (
    select * from {{ source('ops', 'province') }}
),

-- before the first list of arrears the latest month of anything
country as (
    select coalesce(max(month) filter (where feed = 'arrears'), max(month)) as month
    from input
),

current_province as (
    select
        province.current_province_code,
        coalesce(max(input.month), max(country.month)) as month
    from province
    cross join country
    -- counted once a territory and month: max() does not mind the fan-out
    left join input
        on province.territory_key = input.territory_key and input.feed = 'arrears'
    group by province.current_province_code
),

-- one list a territory and month
sent as (
    select distinct on (territory_key)
        territory_key,
        month,
        as_of_date
    from input
    where feed = 'arrears' and territory_key is not null
    order by territory_key asc, month desc
),

final as (
    select
        province.province_key,
        province.territory_key,
        province.province_code,
        province.current_province_code,
        current_province.month as latest_month,
        sent.month as arrears_month,
        sent.as_of_date as arrears_as_of_date,
        country.month as country_month
    from province
    cross join country
    -- one row a province of today, one list a territory: neither join fans out
    inner join current_province
        on
            province.current_province_code = current_province.current_province_code
            and province.valid_from <= current_province.month
            and province.valid_to > current_province.month
    left join sent on province.territory_key = sent.territory_key
)

select * from final
