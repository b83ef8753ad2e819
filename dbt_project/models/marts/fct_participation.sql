-- one row per person, insurance type, month and territory
{{ config(
    slice_by=['territory_key', 'month'],
    partition_by_month=true,
    main_feed='participants',
    not_touched_by=['int_employer__version'],
    pre_hook="{{ no_nested_loops() }}",
) }}

with participant as (
    select * from {{ ref('stg_province__participant') }}
),

employer as (
    select * from {{ ref('int_employer__version') }}
),

final as (
    select
        participant.month,
        participant.province_key,
        participant.territory_key,
        participant.province_code,
        participant.current_province_code,
        participant.participant_key,
        {{ employer_key_or_unlisted(
            'employer.employer_key',
            employer_id('participant.territory_key', 'participant.si_unit_code'),
            'participant.month'
        ) }} as employer_key,
        {{ employer_id('participant.territory_key', 'participant.si_unit_code') }} as employer_id,
        participant.insurance_type,
        participant.hi_group,
        participant.wage_base_vnd,
        participant.from_month,
        participant.commune_code,
        participant.office_code,
        participant.collector_code,
        participant.as_of_date,
        participant.row_no
    from participant
    -- versions of a unit do not overlap: cannot fan out
    left join employer
        on
            participant.territory_key = employer.territory_key
            and participant.si_unit_code = employer.si_unit_code
            and participant.month >= employer.valid_from
            and participant.month < employer.valid_to
)

select * from final
