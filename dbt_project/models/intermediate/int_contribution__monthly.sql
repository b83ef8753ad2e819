-- one row per payer, fund, liability month, territory and posting month
-- not materialized: read twice, each time a few partitions of it
with contribution as not materialized (
    select * from {{ ref('stg_province__contribution') }}
),

file_part as (
    select * from {{ ref('int_submission__file_part') }}
),

province as (
    select * from {{ source('ops', 'province') }}
),

posted_in_month as (
    select
        contribution.month,
        contribution.province_key,
        contribution.territory_key,
        contribution.province_code,
        contribution.current_province_code,
        contribution.payer_kind,
        contribution.payer_code,
        contribution.fund,
        contribution.liability_month,
        contribution.headcount,
        contribution.wage_fund_vnd,
        contribution.due_vnd,
        contribution.adjustment_vnd,
        contribution.interest_due_vnd,
        contribution.paid_vnd,
        contribution.interest_paid_vnd,
        contribution.month as posting_from,
        contribution.basis,
        contribution.as_of_date,
        contribution.row_no
    from contribution
    where contribution.basis = 'month'
),

-- the lateral reads one file after the other, each from its own partition
position_row as (
    select
        file_part.month,
        file_part.territory_key,
        file_part.posting_from,
        file_part.is_own,
        sent.payer_kind,
        sent.payer_code,
        sent.fund,
        sent.liability_month,
        sent.headcount,
        sent.wage_fund_vnd,
        sent.due_vnd,
        sent.adjustment_vnd,
        sent.interest_due_vnd,
        sent.paid_vnd,
        sent.interest_paid_vnd,
        file_part.as_of_date,
        sent.row_no
    from file_part
    cross join
        lateral (
            select *
            from contribution
            where
                contribution.month = file_part.part_month  -- noqa: RF03
                and contribution.load_id = file_part.part_load_id
            offset 0  -- noqa: AM09
        ) as sent
    where file_part.basis = 'ytd' and file_part.feed = 'contributions'
),

difference as (
    select
        territory_key,
        month,
        payer_kind,
        payer_code,
        fund,
        liability_month,
        max(posting_from) as posting_from,
        max(as_of_date) as as_of_date,
        max(row_no) filter (where is_own) as row_no,
        max(headcount) filter (where is_own) as headcount,
        case
            when bool_or(is_own) and max(wage_fund_vnd) filter (where is_own) is null then null
            else sum(case when is_own then wage_fund_vnd else -wage_fund_vnd end)
        end as wage_fund_vnd,
        sum(case when is_own then due_vnd else -due_vnd end) as due_vnd,
        sum(case when is_own then adjustment_vnd else -adjustment_vnd end) as adjustment_vnd,
        sum(case when is_own then interest_due_vnd else -interest_due_vnd end) as interest_due_vnd,
        sum(case when is_own then paid_vnd else -paid_vnd end) as paid_vnd,
        sum(case when is_own then interest_paid_vnd else -interest_paid_vnd end)
            as interest_paid_vnd
    from position_row
    group by territory_key, month, payer_kind, payer_code, fund, liability_month
),

posted_since_position as (
    select
        difference.month,
        province.province_key,
        difference.territory_key,
        province.province_code,
        province.current_province_code,
        difference.payer_kind,
        difference.payer_code,
        difference.fund,
        difference.liability_month,
        difference.headcount,
        difference.wage_fund_vnd::bigint as wage_fund_vnd,
        difference.due_vnd::bigint as due_vnd,
        difference.adjustment_vnd::bigint as adjustment_vnd,
        difference.interest_due_vnd::bigint as interest_due_vnd,
        difference.paid_vnd::bigint as paid_vnd,
        difference.interest_paid_vnd::bigint as interest_paid_vnd,
        difference.posting_from,
        'ytd' as basis,
        difference.as_of_date,
        difference.row_no
    from difference
    -- one name of a territory a month: cannot fan out
    inner join province
        on
            difference.territory_key = province.territory_key
            and difference.month >= province.valid_from
            and difference.month < province.valid_to
),

final as (
    select * from posted_in_month
    union all
    select * from posted_since_position
)

select * from final
