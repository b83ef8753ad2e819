-- one row per unit and month: its persons in compulsory social insurance and their wage bases
{{ config(
    slice_by=['territory_key', 'month'],
    meta={'is_published': false},
) }}

with participation as (
    select * from {{ ref('fct_participation') }}
),

final as (
    select
        month,
        territory_key,
        employer_id,
        count(*)::integer as persons,
        coalesce(sum(wage_base_vnd), 0)::bigint as wage_base_vnd
    from participation
    where insurance_type = 'SI_C' and employer_id is not null
    group by month, territory_key, employer_id
)

select * from final
