-- one row per person and territory, as in the latest month
{{ config(
    slice_by=['territory_key'],
    meta={'distinct_on': 'participant_key'},
) }}

with participant as (
    select * from {{ ref('stg_province__participant') }}
),

latest as (
    select distinct on (territory_key, participant_key)
        territory_key,
        participant_key,
        sex,
        birth_year,
        current_province_code,
        month as last_month
    from participant
    order by territory_key asc, participant_key asc, month desc, row_no asc
),

final as (
    select
        participant_key,
        sex,
        birth_year,
        territory_key,
        current_province_code,
        last_month
    from latest
)

select * from final
