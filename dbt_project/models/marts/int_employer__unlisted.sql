-- one row per territory, month of a file, unit it names and month in which that unit is on no list
{{ config(
    slice_by=['territory_key', 'month'],
    not_touched_by=['int_employer__version'],
    meta={'is_published': false},
) }}

with participant as (
    select * from {{ ref('stg_province__participant') }}
),

contribution as (
    select * from {{ ref('fct_contribution') }}
),

arrears as (
    select * from {{ ref('fct_arrears') }}
),

inspection as (
    select * from {{ ref('int_inspection__as_reported') }}
),

employer as (
    select * from {{ ref('int_employer__version') }}
),

-- a union of single-month reads, so that only the months asked for are read; a case may have been
-- decided in a month before its list
named as (
    select
        territory_key,
        month,
        si_unit_code,
        month as unit_month
    from participant
    where si_unit_code is not null
    union
    select
        territory_key,
        month,
        payer_code as si_unit_code,
        month as unit_month
    from contribution
    where payer_kind = 'employer'
    union
    select
        territory_key,
        month,
        si_unit_code,
        month as unit_month
    from arrears
    union
    select
        territory_key,
        month,
        entity_code as si_unit_code,
        decision_month as unit_month
    from inspection
    where entity_kind = 'employer'
),

final as (
    select
        named.territory_key,
        named.month,
        named.si_unit_code,
        named.unit_month
    from named
    left join employer
        on
            named.territory_key = employer.territory_key
            and named.si_unit_code = employer.si_unit_code
            and named.unit_month >= employer.valid_from
            and named.unit_month < employer.valid_to
    where employer.employer_key is null
)

select * from final
