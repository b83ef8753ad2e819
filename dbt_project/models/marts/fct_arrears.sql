-- one row per unit, fund, month end and territory
{{ config(
    slice_by=['territory_key', 'month'],
    partition_by_month=true,
    main_feed='arrears',
    not_touched_by=['int_employer__version'],
    pre_hook="{{ no_nested_loops() }}",
) }}

with arrears as (
    select * from {{ ref('stg_province__arrears') }}
),

employer as (
    select * from {{ ref('int_employer__version') }}
),

legal_parameter as (
    select * from {{ ref('legal_parameter') }}
),

evasion as (
    select
        value as days_after_due,
        valid_from,
        valid_to
    from legal_parameter
    where parameter = 'evasion_days_after_due'
),

-- the due date moved from the month's last day to the next month's with Law 41/2024
dated as (
    select
        arrears.*,
        (arrears.month + interval '1 month - 1 day')::date as month_end,
        {{ legal_regime('arrears.month') }} as legal_regime,
        case
            when arrears.month < '2025-07-01' then arrears.month
            else (arrears.month - interval '1 month')::date
        end as last_due_month
    from arrears
),

aged as (
    select
        dated.*,
        case
            when dated.months_owed is not null then dated.months_owed
            -- greatest() leaves nulls out: an unknown oldest month must stay unknown
            when dated.oldest_month is not null
                then greatest(
                    0,
                    12 * extract(year from dated.last_due_month)
                    - 12 * extract(year from dated.oldest_month)
                    + extract(month from dated.last_due_month)
                    - extract(month from dated.oldest_month)
                    + 1
                )
        end as months_owed_known,
        -- the oldest month unpaid; from the months owed where it is not stated
        coalesce(
            dated.oldest_month,
            (
                dated.last_due_month
                - (ceil(dated.months_owed)::integer - 1) * interval '1 month'
            )::date
        ) as oldest_known_month
    from dated
),

-- what belongs to the unit is the same on all its rows
of_unit as (
    select
        aged.*,
        (
            aged.oldest_known_month
            + case
                when aged.oldest_known_month < '2025-07-01' then interval '1 month - 1 day'
                else interval '2 months - 1 day'
            end
        )::date as oldest_due_date,
        max(aged.months_owed_known) over unit as unit_months_owed,
        bool_or(aged.hard_to_collect <> 'none') over unit as is_hard_to_collect
    from aged
    window unit as (partition by aged.territory_key, aged.month, aged.si_unit_code)
),

final as (
    select
        of_unit.month,
        of_unit.province_key,
        of_unit.territory_key,
        of_unit.province_code,
        of_unit.current_province_code,
        of_unit.si_unit_code,
        {{ employer_key_or_unlisted(
            'employer.employer_key',
            employer_id('of_unit.territory_key', 'of_unit.si_unit_code'),
            'of_unit.month'
        ) }} as employer_key,
        {{ employer_id('of_unit.territory_key', 'of_unit.si_unit_code') }} as employer_id,
        of_unit.fund,
        of_unit.principal_vnd,
        of_unit.overdue_vnd,
        of_unit.interest_vnd,
        of_unit.principal_vnd + of_unit.interest_vnd as debt_vnd,
        case
            when of_unit.legal_regime = 'from_2025_07' or of_unit.unit_months_owed >= 1
                then of_unit.overdue_vnd
            else 0
        end as interest_bearing_vnd,
        of_unit.months_owed_known as months_owed,
        of_unit.oldest_month,
        {{ ageing_band('of_unit.unit_months_owed') }} as ageing_band,
        coalesce(of_unit.unit_months_owed >= 3, false) as is_three_months_or_more,
        of_unit.legal_regime,
        case
            when of_unit.legal_regime = 'until_2025_06' then null
            when of_unit.urged_on is null then 'unknown'
            when
                of_unit.urged_on <= of_unit.month_end
                and of_unit.month_end - of_unit.oldest_due_date > evasion.days_after_due
                then 'evasion'
            else 'late'
        end as arrears_class,
        of_unit.hard_to_collect,
        of_unit.is_hard_to_collect,
        of_unit.urged_on,
        of_unit.employees_affected,
        of_unit.as_of_date,
        of_unit.row_no
    from of_unit
    -- versions of a unit do not overlap: cannot fan out
    left join employer
        on
            of_unit.territory_key = employer.territory_key
            and of_unit.si_unit_code = employer.si_unit_code
            and of_unit.month >= employer.valid_from
            and of_unit.month < employer.valid_to
    -- one value a time
    left join evasion
        on of_unit.month >= evasion.valid_from and of_unit.month < evasion.valid_to
)

select * from final
