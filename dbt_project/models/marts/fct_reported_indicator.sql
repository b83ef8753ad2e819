-- one row per sender, submission, indicator, cut-off date, unit, measure and comparison
{{ config(slice_by=[], main_feed='indicators') }}

with indicator as (
    select * from {{ ref('stg_submission__indicator') }}
),

province as (
    select * from {{ source('ops', 'province') }}
),

-- the month of a figure is the month of its own cut-off date, whatever period brought it
dated as (
    select
        indicator.*,
        indicator.month as period_month,
        date_trunc('month', indicator.as_of_date)::date as figure_month
    from indicator
),

ranked as (
    select
        *,
        row_number() over (
            partition by territory_key, figure_month, indicator, measure, comparison, unit
            order by as_of_date desc, period_month desc, version desc, row_no asc
        ) as place
    from dated
),

final as (
    select
        ranked.figure_month as month,
        case when ranked.territory_key = 'national' then 'national' else 'province' end
            as geo_level,
        coalesce(province.province_key, ranked.province_key) as province_key,
        ranked.territory_key,
        ranked.province_code,
        ranked.current_province_code,
        ranked.indicator,
        ranked.measure,
        ranked.comparison,
        ranked.unit,
        ranked.value,
        ranked.qualifier,
        ranked.note,
        ranked.as_of_date,
        ranked.sender,
        ranked.period,
        ranked.version,
        ranked.submission_id,
        ranked.row_no,
        ranked.place = 1 as is_latest_in_month
    from ranked
    -- one name of a territory a month: cannot fan out
    left join province
        on
            ranked.territory_key = province.territory_key
            and ranked.figure_month >= province.valid_from
            and ranked.figure_month < province.valid_to
)

select * from final
