-- one row per payer, fund, liability month, posting month and territory
{{ config(
    slice_by=['territory_key', 'month'],
    partition_by_month=true,
    main_feed='contributions',
    later_ytd=true,
    not_touched_by=['dim_employer'],
) }}

with contribution as (
    select * from {{ ref('int_contribution__monthly') }}
),

employer as (
    select * from {{ ref('dim_employer') }}
),

unit_type as (
    select * from {{ ref('unit_type') }}
),

contribution_rate as (
    select * from {{ ref('contribution_rate') }}
),

explained as (
    select
        contribution.*,
        case
            when contribution.payer_kind = 'employer'
                then {{ employer_id('contribution.territory_key', 'contribution.payer_code') }}
        end as employer_id,
        employer.employer_key,
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

final as (
    select
        explained.month,
        explained.province_key,
        explained.territory_key,
        explained.province_code,
        explained.current_province_code,
        explained.payer_kind,
        explained.payer_code,
        explained.employer_key,
        explained.employer_id,
        explained.fund,
        explained.liability_month,
        explained.headcount,
        explained.wage_fund_vnd,
        explained.due_vnd,
        explained.adjustment_vnd,
        case
            when explained.payer_kind = 'employer' and explained.fund <> 'VOLUNTARY'
                then round(
                    explained.wage_fund_vnd
                    * (contribution_rate.employer_pct + contribution_rate.employee_pct) / 100
                )::bigint
        end as expected_due_vnd,
        explained.interest_due_vnd,
        explained.paid_vnd,
        explained.interest_paid_vnd,
        explained.posting_from,
        explained.basis,
        explained.as_of_date,
        explained.row_no
    from explained
    -- rates of a fund and financing do not overlap: cannot fan out
    left join contribution_rate
        on
            explained.fund = contribution_rate.fund
            and contribution_rate.applies_to in ('all', explained.financing)
            and explained.liability_month >= contribution_rate.valid_from
            and explained.liability_month < contribution_rate.valid_to
)

select * from final
