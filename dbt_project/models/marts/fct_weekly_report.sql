-- one row per item of a weekly report and territory
{{ config(slice_by=['territory_key']) }}

with weekly_report as (
    select * from {{ ref('stg_province__weekly_report') }}
),

final as (
    select
        month,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        period as iso_week,
        item_no,
        area,
        difficulty,
        proposal,
        received_at,
        is_late,
        version,
        as_of_date,
        submission_id,
        row_no
    from weekly_report
)

select * from final
