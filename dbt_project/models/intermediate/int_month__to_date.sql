-- one row per feed of flows, province, month and file (province and month) whose sum is the year
-- to date
with input as (
    select * from {{ source('ops', 'input') }}
    where feed in ('contributions', 'benefits', 'outreach') and territory_key is not null
),

collection as (
    select * from {{ ref('int_collection__by_group') }}
),

territory as (
    select * from {{ ref('int_calendar__territory') }}
),

posting as (
    select
        territory_key,
        month,
        min(posting_from) as posting_from
    from collection
    group by territory_key, month
),

-- own_from: January, or the month in which a territory began
sent_file as (
    select
        input.feed,
        input.territory_key,
        input.month,
        -- nothing to report is nothing in this month
        case when input.is_nil then 'month' else input.basis end as basis,
        territory.current_province_code,
        territory.predecessors,
        {{ year_start('input.month') }} as january,
        greatest({{ year_start('input.month') }}, territory.valid_from) as own_from
    from input
    inner join territory on input.territory_key = territory.territory_key
),

-- the months a file's amounts cover: contributions arrive here as months already (R8), the others
-- as sent
covering as (
    select
        sent_file.*,
        case
            when sent_file.feed = 'contributions'
                then coalesce(posting.posting_from, sent_file.month)
            when sent_file.basis = 'ytd' and sent_file.predecessors > 1 then sent_file.own_from
            when sent_file.basis = 'ytd' then sent_file.january
            else sent_file.month
        end as first_month
    from sent_file
    left join posting
        on sent_file.territory_key = posting.territory_key and sent_file.month = posting.month
),

-- the files of the year up to the month
file_of_year as (
    select
        covering.feed,
        covering.territory_key,
        covering.month,
        covering.current_province_code,
        covering.predecessors,
        covering.january,
        covering.own_from,
        part.month as part_month,
        part.first_month,
        max(part.month) filter (where part.basis = 'ytd' and part.feed <> 'contributions') over (
            partition by covering.feed, covering.territory_key, covering.month
        ) as last_ytd_month
    from covering
    inner join covering as part
        on
            covering.feed = part.feed
            and covering.territory_key = part.territory_key
            and covering.january = part.january
            and covering.month >= part.month
),

-- what was sent as a year to date stands for all files before it
own_part as (
    select * from file_of_year
    where part_month >= coalesce(last_ytd_month, part_month)
),

-- only where no month since the first one is without a file that covers it
unbroken as (
    select
        own_part.feed,
        own_part.territory_key,
        own_part.month,
        own_part.current_province_code,
        own_part.predecessors,
        own_part.january,
        own_part.own_from,
        min(own_part.first_month) as from_month
    from own_part
    cross join
        generate_series(
            own_part.first_month, own_part.part_month, interval '1 month'
        ) as covered (month)
    group by
        own_part.feed,
        own_part.territory_key,
        own_part.month,
        own_part.current_province_code,
        own_part.predecessors,
        own_part.january,
        own_part.own_from
    having
        count(distinct covered.month)
        = extract(month from own_part.month) - extract(month from min(own_part.first_month)) + 1
),

since_january as (
    select * from unbroken
    where from_month = january
),

since_the_merger as (
    select * from unbroken
    where from_month = own_from and own_from > january
),

-- the predecessors' January to the month before the merger, when it is known of all of them
inherited as (
    select
        since_the_merger.feed,
        since_the_merger.territory_key,
        since_the_merger.month,
        (since_the_merger.own_from - interval '1 month')::date as last_month,
        array_agg(predecessor.territory_key) as predecessor_keys
    from since_the_merger
    inner join territory as predecessor
        on
            since_the_merger.current_province_code = predecessor.current_province_code
            and since_the_merger.own_from > predecessor.valid_from
    inner join since_january
        on
            since_the_merger.feed = since_january.feed
            and predecessor.territory_key = since_january.territory_key
            and since_january.month = (since_the_merger.own_from - interval '1 month')::date
    group by
        since_the_merger.feed,
        since_the_merger.territory_key,
        since_the_merger.month,
        since_the_merger.own_from,
        since_the_merger.predecessors
    having count(*) = since_the_merger.predecessors
),

-- a merged province whose predecessors are not all known counts since the merger: at least that
-- much
known as (
    select
        since_january.feed,
        since_january.territory_key,
        since_january.month,
        true as is_since_january
    from since_january
    union all
    select
        since_the_merger.feed,
        since_the_merger.territory_key,
        since_the_merger.month,
        inherited.territory_key is not null as is_since_january
    from since_the_merger
    left join inherited
        on
            since_the_merger.feed = inherited.feed
            and since_the_merger.territory_key = inherited.territory_key
            and since_the_merger.month = inherited.month
    where inherited.territory_key is not null or since_the_merger.predecessors > 1
),

final as (
    select
        known.feed,
        known.territory_key,
        known.month,
        known.is_since_january,
        own_part.territory_key as part_territory_key,
        own_part.part_month
    from known
    inner join own_part
        on
            known.feed = own_part.feed
            and known.territory_key = own_part.territory_key
            and known.month = own_part.month
    union all
    select
        inherited.feed,
        inherited.territory_key,
        inherited.month,
        true as is_since_january,
        own_part.territory_key as part_territory_key,
        own_part.part_month
    from inherited
    inner join own_part
        on
            inherited.feed = own_part.feed
            and own_part.territory_key = any(inherited.predecessor_keys)
            and inherited.last_month = own_part.month
)

select * from final
