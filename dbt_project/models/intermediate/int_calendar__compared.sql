-- one row per feed (participants, employers), month of a file of it, territory of its map, and
-- territory that was the same in that month (itself) or in the month before it
-- (R32) The same territory is itself; across a change of the map it is all its predecessors.
with input as (
    select * from {{ source('ops', 'input') }}
    where feed in ('participants', 'employers') and territory_key is not null
),

province as (
    select * from {{ source('ops', 'province') }}
),

step as (
    select
        input.feed,
        input.month,
        (input.month - part.months_back * interval '1 month')::date as part_month
    from input
    cross join (values (0), (1)) as part (months_back)
    group by input.feed, input.month, part.months_back
),

standing as (
    select
        step.feed,
        step.month,
        step.part_month,
        province.province_key,
        province.territory_key,
        province.province_code,
        province.current_province_code,
        part.territory_key as part_territory_key
    from step
    -- one name of a territory a month: a territory stands once on the map of either month
    inner join province
        on step.month >= province.valid_from and step.month < province.valid_to
    -- fans out by the predecessors of a merged province, which is the grain
    inner join province as part
        on
            step.part_month >= part.valid_from
            and step.part_month < part.valid_to
            and case
                when province.vintage = part.vintage
                    then province.territory_key = part.territory_key
                else province.current_province_code = part.current_province_code
            end
),

final as (
    select
        standing.feed,
        standing.month,
        standing.province_key,
        standing.territory_key,
        standing.province_code,
        standing.current_province_code,
        standing.part_month,
        standing.part_territory_key,
        standing.part_month = standing.month as is_own,
        input.as_of_date,
        -- a file without rows is a file: what counts is that it was sent (R26)
        bool_and(input.load_id is not null) over (
            partition by standing.feed, standing.month, standing.territory_key
        ) as is_comparable
    from standing
    -- one file per territory and month: cannot fan out
    left join input
        on
            standing.feed = input.feed
            and standing.part_territory_key = input.territory_key
            and standing.part_month = input.month
)

select * from final
