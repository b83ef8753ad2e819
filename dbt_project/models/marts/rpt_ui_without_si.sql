-- one row per person, month and territory with unemployment but no compulsory social insurance
{{ config(slice_by=['territory_key', 'month'], main_feed='participants') }}

with participation as (
    select * from {{ ref('fct_participation') }}
    where insurance_type in ('UI', 'SI_C')
),

-- a window and not a join, so that only the months and territories asked for are read
marked as (
    select
        *,
        bool_or(insurance_type = 'SI_C') over (
            partition by participant_key, month, territory_key
        ) as has_si_compulsory
    from participation
),

final as (
    select
        month,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        participant_key,
        employer_key,
        employer_id,
        office_code,
        as_of_date,
        'exact' as qualifier,
        row_no
    from marked
    where insurance_type = 'UI' and not has_si_compulsory
)

select * from final
