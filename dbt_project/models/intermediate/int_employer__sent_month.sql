-- one row per territory and month of an employers file
with input as (
    select * from {{ source('ops', 'input') }}
),

-- a unit of the 63-province map ends with it: its code goes on as another unit of another territory
territory as (
    select
        territory_key,
        max(valid_to) as valid_to
    from {{ source('ops', 'province') }}
    group by territory_key
),

final as (
    select
        input.territory_key,
        input.month,
        input.province_key,
        input.province_code,
        input.current_province_code,
        input.as_of_date,
        row_number() over (
            partition by input.territory_key order by input.month
        ) as sent_no,
        coalesce(
            lead(input.month) over (partition by input.territory_key order by input.month),
            territory.valid_to
        ) as next_month
    from input
    inner join territory on input.territory_key = territory.territory_key
    where input.feed = 'employers' and input.territory_key is not null
)

select * from final
