-- one row per payer, fund, liability month, posting month and territory
{{ config(
    slice_by=['territory_key', 'month'],
    partition_by_month=true,
    main_feed='contributions',
    later_ytd=true,
    not_touched_by=['int_employer__version'],
    pre_hook="{{ no_nested_loops() }}",
) }}

with contribution as (
    select * from {{ ref('int_contribution__monthly') }}
),

employer as (
    select * from {{ ref('int_employer__version') }}
),

unit_type as (
    select * from {{ ref('unit_type') }}
),

contribution_rate as (
    select * from {{ ref('contribution_rate') }}
),

-- each rate beside that of an exempt unit in the same days: what Resolutions 68 and 116 took off
rate as (
    select
        contribution_rate.fund,
        contribution_rate.applies_to,
        greatest(contribution_rate.valid_from, exempt.valid_from) as valid_from,
        least(contribution_rate.valid_to, exempt.valid_to) as valid_to,
        contribution_rate.employer_pct + contribution_rate.employee_pct as rate_pct,
        exempt.employer_pct + exempt.employee_pct
        - contribution_rate.employer_pct - contribution_rate.employee_pct as cut_pct
    from contribution_rate
    -- periods that share a day; an exempt unit has one rate a day
    inner join contribution_rate as exempt
        on
            contribution_rate.fund = exempt.fund
            and exempt.applies_to in ('all', 'budget_financed')
            and contribution_rate.valid_from < exempt.valid_to
            and contribution_rate.valid_to > exempt.valid_from
),

explained as (
    select
        contribution.*,
        case
            when contribution.payer_kind = 'employer'
                then {{ employer_id('contribution.territory_key', 'contribution.payer_code') }}
        end as employer_id,
        case
            when contribution.payer_kind = 'employer'
                then {{ employer_key_or_unlisted(
                    'employer.employer_key',
                    employer_id('contribution.territory_key', 'contribution.payer_code'),
                    'contribution.month'
                ) }}
        end as employer_key,
        -- the type in the month owed for; before the unit's first file the type it has now
        case coalesce(owed_type.is_budget_financed, posted_type.is_budget_financed)
            when true then 'budget_financed'
            when false then 'not_budget_financed'
        end as financing
    from contribution
    -- versions of a unit do not overlap and a type stands once: none of these joins fans out
    left join employer
        on
            contribution.payer_kind = 'employer'
            and contribution.territory_key = employer.territory_key
            and contribution.payer_code = employer.si_unit_code
            and contribution.month >= employer.valid_from
            and contribution.month < employer.valid_to
    left join employer as owing_employer
        on
            contribution.payer_kind = 'employer'
            and contribution.territory_key = owing_employer.territory_key
            and contribution.payer_code = owing_employer.si_unit_code
            and contribution.liability_month >= owing_employer.valid_from
            and contribution.liability_month < owing_employer.valid_to
    left join unit_type as posted_type on employer.unit_type = posted_type.unit_type
    left join unit_type as owed_type on owing_employer.unit_type = owed_type.unit_type
),

rated as (
    select
        explained.*,
        -- null for whoever pays no share of a wage, and where wage or rate is not known (R10)
        case
            when explained.payer_kind = 'employer' and explained.fund <> 'VOLUNTARY'
                then round(explained.wage_fund_vnd * rate.rate_pct / 100)::bigint
        end as expected_due_vnd,
        case
            when explained.payer_kind = 'employer' and explained.fund <> 'VOLUNTARY'
                then round(explained.wage_fund_vnd * rate.cut_pct / 100)::bigint
        end as rate_cut_vnd
    from explained
    -- rates of a fund and financing do not overlap: cannot fan out
    left join rate
        on
            explained.fund = rate.fund
            and rate.applies_to in ('all', explained.financing)
            and explained.liability_month >= rate.valid_from
            and explained.liability_month < rate.valid_to
),

final as (
    select
        month,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        payer_kind,
        payer_code,
        employer_key,
        employer_id,
        fund,
        liability_month,
        headcount,
        wage_fund_vnd,
        due_vnd,
        adjustment_vnd,
        expected_due_vnd,
        due_vnd - expected_due_vnd as due_gap_vnd,
        rate_cut_vnd,
        interest_due_vnd,
        paid_vnd,
        interest_paid_vnd,
        posting_from,
        basis,
        as_of_date,
        row_no
    from rated
)

select * from final
