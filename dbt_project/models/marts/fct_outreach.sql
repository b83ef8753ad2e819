-- one row per event and territory, and month of the list for lists of a month
{{ config(slice_by=['territory_key'], main_feed='outreach') }}

with outreach as (
    select * from {{ ref('stg_province__outreach') }}
),

province as (
    select * from {{ source('ops', 'province') }}
),

-- a list of the year to date stands for the year until its month
latest_ytd as (
    select
        territory_key,
        date_trunc('year', month) as year,
        max(month) as month
    from {{ source('ops', 'input') }}
    where feed = 'outreach' and basis = 'ytd' and not is_nil and territory_key is not null
    group by territory_key, date_trunc('year', month)
),

event as (
    select
        outreach.*,
        case
            when outreach.basis = 'ytd' then date_trunc('month', outreach.held_on)::date
            else outreach.month
        end as event_month
    from outreach
    -- one list per territory and year: cannot fan out
    left join latest_ytd
        on
            outreach.territory_key = latest_ytd.territory_key
            and date_trunc('year', outreach.month) = latest_ytd.year
    where
        latest_ytd.month is null
        or outreach.month > latest_ytd.month
        or (outreach.month = latest_ytd.month and outreach.basis = 'ytd')
),

final as (
    select
        event.event_month as month,
        coalesce(province.province_key, event.province_key) as province_key,
        event.territory_key,
        event.province_code,
        event.current_province_code,
        event.event_no,
        event.kind,
        event.held_on,
        event.level,
        event.partner,
        event.attendees,
        event.sign_ups,
        event.month as list_month,
        event.basis,
        event.as_of_date,
        event.submission_id,
        event.row_no
    from event
    -- one name of a territory a month: cannot fan out
    left join province
        on
            event.territory_key = province.territory_key
            and event.event_month >= province.valid_from
            and event.event_month < province.valid_to
)

select * from final
