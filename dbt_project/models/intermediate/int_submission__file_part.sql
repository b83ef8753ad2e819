-- one row per file of contributions or benefits and file whose rows make up its month
-- A file of basis month is its own and only part. From a file of basis ytd the position before it
-- is taken off: the latest earlier ytd file of that year and every month file since.
with input as (
    select * from {{ source('ops', 'input') }}
),

province as (
    select * from {{ source('ops', 'province') }}
),

-- a province that was not merged goes on under its new vintage; a merged one begins anew
territory as (
    select
        old.territory_key,
        coalesce(max(heir.territory_key), old.territory_key) as body_key,
        case
            when max(old.predecessors) = 1 then '1900-01-01'::date else min(old.valid_from)
        end as began_on
    from province as old
    left join province as heir
        on
            old.vintage = '63'
            and heir.vintage = '34'
            and old.current_province_code = heir.province_code
            and heir.predecessors = 1
    group by old.territory_key
),

file as (
    select
        input.feed,
        input.territory_key,
        territory.body_key,
        input.month,
        input.load_id,
        input.as_of_date,
        -- nothing to report is nothing in this month
        case when input.is_nil then 'month' else input.basis end as basis,
        greatest(date_trunc('year', input.month)::date, territory.began_on) as year_from
    from input
    inner join territory on input.territory_key = territory.territory_key
    where input.feed in ('contributions', 'benefits')
),

-- everything posted until ytd_month is inside an earlier ytd file
opening as (
    select
        *,
        case
            when basis = 'ytd'
                then
                    max(case when basis = 'ytd' then month end) over (
                        partition by feed, body_key, year_from
                        order by month
                        rows between unbounded preceding and 1 preceding
                    )
        end as ytd_month
    from file
),

earlier_part as (
    select
        opening.feed,
        opening.territory_key,
        opening.month,
        file.territory_key as part_territory_key,
        file.month as part_month,
        file.load_id as part_load_id,
        coalesce(opening.ytd_month, opening.year_from) as position_from,
        row_number() over (
            partition by opening.feed, opening.territory_key, opening.month order by file.month
        ) as place
    from opening
    inner join file
        on
            opening.basis = 'ytd'
            and opening.feed = file.feed
            and opening.body_key = file.body_key
            and coalesce(opening.ytd_month, opening.year_from) <= file.month
            and opening.month > file.month
),

-- parts without a gap between them cover this many months from the position on
covered as (
    select
        feed,
        territory_key,
        month,
        count(*) as months
    from earlier_part
    where part_month = (position_from + (place - 1) * interval '1 month')::date
    group by feed, territory_key, month
),

part as (
    select
        feed,
        territory_key,
        month,
        territory_key as part_territory_key,
        month as part_month,
        load_id as part_load_id,
        true as is_own
    from opening
    union all
    select
        feed,
        territory_key,
        month,
        part_territory_key,
        part_month,
        part_load_id,
        false as is_own
    from earlier_part
),

final as (
    select
        part.feed,
        part.territory_key,
        part.month,
        opening.load_id,
        opening.as_of_date,
        opening.basis,
        case
            when opening.basis = 'month' then opening.month
            else (
                coalesce(opening.ytd_month, opening.year_from)
                + coalesce(covered.months, 0) * interval '1 month'
            )::date
        end as posting_from,
        part.part_territory_key,
        part.part_month,
        part.part_load_id,
        part.is_own
    from part
    -- one file per feed, territory and month: neither join fans out
    inner join opening
        on
            part.feed = opening.feed
            and part.territory_key = opening.territory_key
            and part.month = opening.month
    left join covered
        on
            part.feed = covered.feed
            and part.territory_key = covered.territory_key
            and part.month = covered.month
)

select * from final
