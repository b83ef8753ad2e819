-- one row per month and insurance type
{{ config(slice_by=['month'], meta={'is_published': false}) }}

with participation as (
    select * from {{ ref('fct_participation') }}
),

person as (
    select
        month,
        insurance_type,
        participant_key,
        count(*) as provinces
    from participation
    group by month, insurance_type, participant_key
),

final as (
    select
        month,
        insurance_type,
        sum(provinces - 1)::bigint as duplicates
    from person
    group by month, insurance_type
)

select * from final
