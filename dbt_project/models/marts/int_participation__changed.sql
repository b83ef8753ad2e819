-- one row per territory, month, insurance type and person that entered, left, came back from
-- voluntary insurance or stood in several predecessors (R32)
-- depends_on: {{ ref('stg_province__participant') }}
-- Touched by the feed and not by the fact: who is there hangs on the file alone, and a unit that
-- changes makes a territory's facts of those months anew.
{{ config(
    slice_by=['territory_key', 'month'],
    partition_by_month=true,
    next_month=true,
    not_touched_by=['fct_participation'],
    meta={'is_published': false},
) }}

-- not materialized: read twice, each time a month or two of it
with participation as not materialized (
    select * from {{ ref('fct_participation') }}
),

compared as (
    select * from {{ ref('int_calendar__compared') }}
    where feed = 'participants' and is_comparable
),

-- who stood as SI_V is also looked for as SI_C
insurance_type as (
    select
        insurance_type,
        insurance_type as compared_type,
        false as was_voluntary
    from {{ ref('insurance_type') }}
    union all
    select
        'SI_V' as insurance_type,
        'SI_C' as compared_type,
        true as was_voluntary
),

month_before as (
    select
        month,
        part_month
    from compared
    where not is_own
    group by month, part_month
),

-- the rows of either month under the later one, each side with columns of its own tables, so that
-- the months and territories asked for reach them
standing as (
    select
        participation.territory_key,
        participation.month,
        participation.current_province_code,
        participation.insurance_type,
        participation.participant_key,
        true as is_now,
        0 as rows_before,
        false as was_voluntary
    from participation
    -- a territory stands once as its own part: cannot fan out
    inner join compared
        on
            participation.territory_key = compared.territory_key
            and participation.month = compared.month
            and compared.is_own
    union all
    select
        before.territory_key,
        month_before.month,
        before.current_province_code,
        before.insurance_type,
        before.participant_key,
        false as is_now,
        before.rows_before,
        before.was_voluntary
    from month_before
    -- a month at a time (offset 0 keeps the planner from undoing it): only its partition is read,
    -- and once, however many territories are asked for
    cross join lateral (
        select
            compared.territory_key,
            participation.current_province_code,
            insurance_type.compared_type as insurance_type,
            participation.participant_key,
            insurance_type.was_voluntary,
            case when insurance_type.was_voluntary then 0 else 1 end as rows_before
        from participation
        -- a territory is part of one in the month after: cannot fan out
        inner join compared
            on
                month_before.month = compared.month
                and participation.territory_key = compared.part_territory_key
                and not compared.is_own
        -- SI_V stands twice here on purpose
        inner join insurance_type
            on participation.insurance_type = insurance_type.insurance_type
        where participation.month = month_before.part_month
        offset 0  -- noqa: AM09
    ) as before
),

person as (
    select
        territory_key,
        month,
        -- the same on either map
        current_province_code,
        insurance_type,
        participant_key,
        bool_or(is_now) as is_now,
        sum(rows_before)::integer as rows_before,
        bool_or(was_voluntary) as was_voluntary
    from standing
    -- the key first: sorting by it costs a fraction of sorting by words
    group by participant_key, insurance_type, territory_key, month, current_province_code
),

final as (
    select
        territory_key,
        month,
        current_province_code,
        insurance_type,
        participant_key,
        is_now and rows_before = 0 as has_entered,
        not is_now and rows_before > 0 as has_left,
        is_now and was_voluntary as is_back_from_voluntary,
        rows_before
    from person
    where
        is_now <> (rows_before > 0)
        or (is_now and was_voluntary)
        or rows_before > 1
)

select * from final
