-- one row per sender, feed and period that is expected or was sent
{{ config(slice_by=[], pre_hook="{{ no_nested_loops() }}") }}
with input as (
    select * from {{ source('ops', 'input') }}
),

submission as (
    select * from {{ source('ops', 'submission') }}
),

load as (
    select * from {{ source('ops', 'load') }}
),

province as (
    select * from {{ source('ops', 'province') }}
),

deadline as (
    select * from {{ ref('reporting_deadline') }}
),

-- R25: what every province of the month's map owes, from the first to the last month anybody sent
-- it for
monthly_span as (
    select
        min(month) as first_month,
        max(month) as last_month
    from input
    where
        feed in ('participants', 'employers', 'contributions', 'arrears', 'inspections', 'benefits')
        and territory_key is not null
),

expected_month as (
    select
        'province-' || province.province_code as sender,
        feed.feed,
        to_char(month.month, 'YYYY-MM') as period,
        month.month::date as month,
        province.province_key,
        province.territory_key,
        province.province_code,
        province.current_province_code
    from monthly_span
    cross join
        generate_series(
            monthly_span.first_month, monthly_span.last_month, interval '1 month'
        ) as month (month)
    inner join province on month.month >= province.valid_from and month.month < province.valid_to
    cross join (
        values
        ('participants'),
        ('employers'),
        ('contributions'),
        ('arrears'),
        ('inspections'),
        ('benefits')
    ) as feed (feed)
),

-- the Friday of an ISO week is the day its report is due; it decides month and map
weekly_span as (
    select
        min(to_date(period, 'IYYY"-W"IW')) as first_monday,
        max(to_date(period, 'IYYY"-W"IW')) as last_monday
    from input
    where feed = 'weekly_report'
),

expected_week as (
    select
        'province-' || province.province_code as sender,
        'weekly_report' as feed,
        to_char(week.monday, 'IYYY"-W"IW') as period,
        date_trunc('month', week.monday + interval '4 days')::date as month,
        province.province_key,
        province.territory_key,
        province.province_code,
        province.current_province_code
    from weekly_span
    cross join
        generate_series(
            weekly_span.first_monday, weekly_span.last_monday, interval '7 days'
        ) as week (monday)
    inner join province
        on
            date_trunc('month', week.monday + interval '4 days') >= province.valid_from
            and date_trunc('month', week.monday + interval '4 days') < province.valid_to
),

expected as (
    select * from expected_month
    union all
    select * from expected_week
),

-- R24: a correction does not make an on-time first version late
punctual as (
    select
        submission.sender,
        load.feed,
        submission.period,
        bool_and(submission.is_late) as is_late
    from submission
    inner join load on submission.sub_no = load.sub_no
    where submission.state in ('accepted', 'accepted_with_rejects')
    group by submission.sender, load.feed, submission.period
),

sent as (
    select
        input.*,
        case
            when input.rejected > 0 then 'accepted_with_rejects'
            else 'accepted'
        end as state,
        punctual.is_late as is_first_late
    from input
    left join punctual
        on
            input.sender = punctual.sender
            and input.feed = punctual.feed
            and input.period = punctual.period
),

-- what is there and not decided: a held one waits for a person, a waiting one for its files
undecided as (
    select
        submission.sender,
        file.value ->> 'feed' as feed,
        submission.period,
        case when bool_or(submission.state = 'held') then 'held' else 'waiting' end as state
    from submission
    cross join lateral jsonb_array_elements(submission.manifest -> 'files') as file (value)
    where submission.state in ('waiting', 'verified', 'loaded', 'held')
    group by submission.sender, file.value ->> 'feed', submission.period
),

owed_or_sent as (
    select
        coalesce(expected.sender, sent.sender) as sender,
        coalesce(expected.feed, sent.feed) as feed,
        coalesce(expected.period, sent.period) as period,
        coalesce(expected.month, sent.month) as month,
        coalesce(expected.province_key, sent.province_key) as province_key,
        coalesce(expected.territory_key, sent.territory_key) as territory_key,
        coalesce(expected.province_code, sent.province_code) as province_code,
        coalesce(expected.current_province_code, sent.current_province_code)
            as current_province_code,
        expected.sender is not null as is_expected,
        coalesce(sent.state, undecided.state, 'missing') as state,
        coalesce(sent.is_nil, false) as is_nil,
        sent.as_of_date,
        sent.submission_id,
        sent.version,
        sent.received_at,
        sent.is_first_late as is_late,
        sent.row_count,
        sent.rejected
    from expected
    full join sent
        on
            expected.sender = sent.sender
            and expected.feed = sent.feed
            and expected.period = sent.period
    left join undecided
        on
            expected.sender = undecided.sender
            and expected.feed = undecided.feed
            and expected.period = undecided.period
),

final as (
    select
        owed_or_sent.sender,
        owed_or_sent.feed,
        owed_or_sent.period,
        owed_or_sent.month,
        owed_or_sent.province_key,
        owed_or_sent.territory_key,
        owed_or_sent.province_code,
        owed_or_sent.current_province_code,
        owed_or_sent.is_expected,
        owed_or_sent.state,
        owed_or_sent.is_nil,
        owed_or_sent.submission_id,
        owed_or_sent.version,
        owed_or_sent.received_at,
        case
            when deadline.rule = 'day_of_next_month'
                then
                    (
                        owed_or_sent.month
                        + interval '1 month'
                        + make_interval(days => deadline.day - 1)
                        + deadline.time::interval
                    )
                    at time zone 'Asia/Ho_Chi_Minh'
            when deadline.rule = 'friday_of_week' then
                (
                    to_date(owed_or_sent.period, 'IYYY"-W"IW')
                    + interval '4 days'
                    + deadline.time::interval
                )
                at time zone 'Asia/Ho_Chi_Minh'
        end as due_at,
        case when deadline.feed is not null then owed_or_sent.is_late end as is_late,
        owed_or_sent.row_count as rows,
        owed_or_sent.rejected as rows_rejected,
        coalesce(owed_or_sent.as_of_date, {{ month_end('owed_or_sent.month') }}) as as_of_date,
        'exact' as qualifier
    from owed_or_sent
    left join deadline
        on
            owed_or_sent.feed = deadline.feed
            and owed_or_sent.month >= deadline.valid_from
            and owed_or_sent.month < coalesce(deadline.valid_to, 'infinity'::date)
)

select * from final
