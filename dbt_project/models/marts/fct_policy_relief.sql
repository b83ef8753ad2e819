-- one row per policy, beneficiary, status, scenario, cut-off, month of the submission and territory
{{ config(slice_by=['territory_key'], main_feed='policy_relief') }}

with policy_relief as (
    select * from {{ ref('stg_province__policy_relief') }}
),

final as (
    select
        month,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        policy,
        beneficiary,
        status,
        scenario,
        cut_off_date,
        persons,
        units,
        amount_vnd,
        from_month,
        to_month,
        qualifier,
        -- the same cut-off sent again in a later period is a restatement; both stay
        row_number() over (
            partition by territory_key, policy, beneficiary, status, scenario, cut_off_date
            order by month desc
        ) = 1 as is_latest_for_cut_off,
        as_of_date,
        submission_id,
        row_no
    from policy_relief
)

select * from final
