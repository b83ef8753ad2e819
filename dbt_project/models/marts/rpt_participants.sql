-- one row per territory, month, insurance type, health insurance group and type of unit
{{ config(
    slice_by=['territory_key', 'month'],
    main_feed='participants',
    not_touched_by=['int_employer__version'],
) }}

with participation as (
    select * from {{ ref('fct_participation') }}
),

employer as (
    select * from {{ ref('int_employer__version') }}
),

final as (
    select
        participation.month,
        participation.province_key,
        participation.territory_key,
        participation.province_code,
        participation.current_province_code,
        participation.insurance_type,
        participation.hi_group,
        coalesce(
            employer.unit_type,
            case when participation.employer_id is null then 'none' else 'unknown' end
        ) as unit_type,
        count(*) as participants,
        sum(participation.wage_base_vnd)::bigint as wage_base_vnd,
        max(participation.as_of_date) as as_of_date,
        'exact' as qualifier
    from participation
    left join employer on participation.employer_key = employer.employer_key
    group by
        participation.month,
        participation.province_key,
        participation.territory_key,
        participation.province_code,
        participation.current_province_code,
        participation.insurance_type,
        participation.hi_group,
        coalesce(
            employer.unit_type,
            case when participation.employer_id is null then 'none' else 'unknown' end
        )
)

select * from final
