-- one row per unit, calendar year and person in compulsory social insurance, with the months
{{ config(
    slice_by=['territory_key', 'month'],
    by_year=true,
    meta={'is_published': false},
) }}

with participation as (
    select * from {{ ref('fct_participation') }}
),

final as (
    select
        date_trunc('year', month)::date as month,
        territory_key,
        employer_id,
        participant_key,
        bit_or({{ month_bit('month') }})::integer as months
    from participation
    where insurance_type = 'SI_C' and employer_id is not null
    group by date_trunc('year', month), territory_key, employer_id, participant_key
)

select * from final
