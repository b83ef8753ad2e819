-- one row per territory, month and insurance group, for every contributions file sent
{{ config(slice_by=['territory_key', 'month'], meta={'is_published': false}) }}

with contribution as (
    select * from {{ ref('fct_contribution') }}
),

fund as (
    select * from {{ ref('fund') }}
),

file as (
    select * from {{ ref('int_submission__file_part') }}
    where feed = 'contributions' and is_own
),

province as (
    select * from {{ source('ops', 'province') }}
),

insurance_group as (
    select insurance_group
    from fund
    group by insurance_group
),

-- every group of every file, whether money came in or not; a union and not a join, so that only
-- the months asked for are read
posted as (
    select
        file.territory_key,
        file.month,
        insurance_group.insurance_group,
        file.posting_from,
        file.basis,
        file.as_of_date,
        0 as paid_vnd,
        0 as due_vnd,
        0 as adjustment_vnd,
        null::bigint as expected_due_vnd,
        null::bigint as due_gap_vnd,
        null::bigint as rate_cut_vnd,
        0 as interest_paid_vnd
    from file
    cross join insurance_group
    union all
    select
        contribution.territory_key,
        contribution.month,
        fund.insurance_group,
        contribution.posting_from,
        contribution.basis,
        contribution.as_of_date,
        contribution.paid_vnd,
        contribution.due_vnd,
        contribution.adjustment_vnd,
        contribution.expected_due_vnd,
        contribution.due_gap_vnd,
        contribution.rate_cut_vnd,
        contribution.interest_paid_vnd
    from contribution
    -- a fund belongs to one group: cannot fan out
    inner join fund on contribution.fund = fund.fund
),

summed as (
    select
        territory_key,
        month,
        insurance_group,
        max(posting_from) as posting_from,
        max(basis) as basis,
        max(as_of_date) as as_of_date,
        sum(paid_vnd)::bigint as collected_vnd,
        sum(due_vnd)::bigint as due_vnd,
        sum(adjustment_vnd)::bigint as adjustment_vnd,
        sum(expected_due_vnd)::bigint as expected_due_vnd,
        sum(due_gap_vnd)::bigint as due_gap_vnd,
        sum(rate_cut_vnd)::bigint as rate_cut_vnd,
        sum(interest_paid_vnd)::bigint as interest_collected_vnd
    from posted
    group by territory_key, month, insurance_group
),

final as (
    select
        summed.month,
        province.province_key,
        summed.territory_key,
        province.province_code,
        province.current_province_code,
        summed.insurance_group,
        summed.posting_from,
        summed.posting_from < summed.month as is_span,
        summed.basis,
        summed.collected_vnd,
        summed.due_vnd,
        summed.adjustment_vnd,
        summed.expected_due_vnd,
        summed.due_gap_vnd,
        summed.rate_cut_vnd,
        summed.interest_collected_vnd,
        summed.as_of_date
    from summed
    -- one name of a territory a month: cannot fan out
    inner join province
        on
            summed.territory_key = province.territory_key
            and summed.month >= province.valid_from
            and summed.month < province.valid_to
)

select * from final
