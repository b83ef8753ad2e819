-- one row per territory, month and insurance type, for every participants file sent
-- depends_on: {{ ref('stg_province__participant') }}
-- A slice a month: who stands in another province is looked up there, so a file of one province
-- changes the split of all, in its month and in the one after.
{{ config(
    slice_by=['month'],
    next_month=true,
    not_touched_by=['fct_participation', 'rpt_participants', 'int_participation__changed'],
) }}

with participation as (
    select * from {{ ref('fct_participation') }}
),

-- not materialized: read twice, a few months of it
changed as not materialized (
    select * from {{ ref('int_participation__changed') }}
),

participant as (
    select * from {{ ref('rpt_participants') }}
),

insurance_type as (
    select * from {{ ref('insurance_type') }}
),

compared as (
    select * from {{ ref('int_calendar__compared') }}
    where feed = 'participants'
),

file as (
    select * from compared
    where is_own and as_of_date is not null
),

month_before as (
    select
        month,
        part_month,
        bool_or(territory_key <> part_territory_key) as is_map_changed
    from compared
    where not is_own
    group by month, part_month
),

-- of those who entered or left, who stands in another province in either month; a month at a
-- time, so that only its partition and the one before are read
moved as (
    select
        month_before.month,
        elsewhere.territory_key,
        elsewhere.insurance_type,
        elsewhere.moved_in,
        elsewhere.moved_out
    from month_before
    cross join lateral (
        select
            changed.territory_key,
            changed.insurance_type,
            -- who stands elsewhere in both months, or in two provinces, moved once
            count(distinct changed.participant_key) filter (
                where changed.has_entered
            ) as moved_in,
            count(distinct changed.participant_key) filter (
                where changed.has_left
            ) as moved_out
        from changed
        inner join participation
            on
                changed.participant_key = participation.participant_key
                and changed.insurance_type = participation.insurance_type
        where
            changed.month = month_before.month
            and participation.month >= month_before.part_month
            and participation.month <= month_before.month
            -- a predecessor is no other province
            and case
                when month_before.is_map_changed
                    then changed.current_province_code <> participation.current_province_code
                else changed.territory_key <> participation.territory_key
            end
        group by changed.territory_key, changed.insurance_type
    ) as elsewhere
),

counted as (
    select
        territory_key,
        month,
        insurance_type,
        count(*) filter (where has_entered) as entered,
        count(*) filter (where has_left) as went,
        count(*) filter (where is_back_from_voluntary) as back_from_voluntary,
        -- a person of two predecessors is one person of the merged province
        sum(greatest(rows_before - 1, 0)) as rows_merged
    from changed
    group by territory_key, month, insurance_type
),

headcount as (
    select
        compared.territory_key,
        compared.month,
        participant.insurance_type,
        sum(participant.participants) filter (where compared.is_own) as participants,
        sum(participant.participants) filter (where not compared.is_own) as rows_before
    from participant
    -- a month counts for itself and for the month after
    inner join compared
        on
            participant.territory_key = compared.part_territory_key
            and participant.month = compared.part_month
    group by compared.territory_key, compared.month, participant.insurance_type
),

-- every type of every file, whether anything moved or not; a union and not a join, so that only
-- the months asked for are read
listed as (
    select
        file.territory_key,
        file.month,
        insurance_type.insurance_type,
        0 as entered,
        0 as went,
        0 as moved_in,
        0 as moved_out,
        0 as back_from_voluntary,
        0 as participants,
        0 as participants_before
    from file
    cross join insurance_type
    union all
    select
        territory_key,
        month,
        insurance_type,
        entered,
        went,
        0 as moved_in,
        0 as moved_out,
        back_from_voluntary,
        0 as participants,
        -rows_merged as participants_before
    from counted
    union all
    select
        territory_key,
        month,
        insurance_type,
        0 as entered,
        0 as went,
        moved_in,
        moved_out,
        0 as back_from_voluntary,
        0 as participants,
        0 as participants_before
    from moved
    union all
    select
        territory_key,
        month,
        insurance_type,
        0 as entered,
        0 as went,
        0 as moved_in,
        0 as moved_out,
        0 as back_from_voluntary,
        coalesce(participants, 0) as participants,
        coalesce(rows_before, 0) as participants_before
    from headcount
),

summed as (
    select
        territory_key,
        month,
        insurance_type,
        sum(entered)::bigint as entered,
        sum(went)::bigint as went,
        sum(moved_in)::bigint as moved_in,
        sum(moved_out)::bigint as moved_out,
        sum(back_from_voluntary)::bigint as back_from_voluntary,
        sum(participants)::bigint as participants,
        sum(participants_before)::bigint as participants_before
    from listed
    group by territory_key, month, insurance_type
),

final as (
    select
        summed.month,
        file.province_key,
        summed.territory_key,
        file.province_code,
        file.current_province_code,
        summed.insurance_type,
        case when file.is_comparable then summed.entered - summed.moved_in end as joined,
        case when file.is_comparable then summed.went - summed.moved_out end as "left",
        case when file.is_comparable then summed.moved_in end as moved_in,
        case when file.is_comparable then summed.moved_out end as moved_out,
        case
            when file.is_comparable then summed.back_from_voluntary
        end as back_from_voluntary,
        summed.participants,
        case
            when file.is_comparable then summed.participants_before
        end as participants_before,
        file.as_of_date,
        'exact' as qualifier
    from summed
    -- one file per territory and month: cannot fan out; a month without one has no row
    inner join file
        on summed.territory_key = file.territory_key and summed.month = file.month
)

select * from final
