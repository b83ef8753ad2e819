-- one row per territory, month, kind of assignee, assignee and indicator of money that came in
{{ config(
    slice_by=['territory_key', 'month'],
    meta={'is_published': false},
    not_touched_by=['int_employer__version'],
) }}

with contribution as (
    select * from {{ ref('fct_contribution') }}
),

employer as (
    select * from {{ ref('int_employer__version') }}
),

fund as (
    select * from {{ ref('fund') }}
),

-- R9: interest paid is not collection
paid as (
    select
        month,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        payer_kind,
        employer_key,
        case when payer_kind = 'agent' then payer_code end as agent_code,
        fund,
        sum(paid_vnd) as paid_vnd,
        max(as_of_date) as as_of_date
    from contribution
    where payer_kind in ('employer', 'agent')
    group by
        month, province_key, territory_key, province_code, current_province_code,
        payer_kind, employer_key, payer_code, fund
),

final as (
    select
        paid.month,
        paid.province_key,
        paid.territory_key,
        paid.province_code,
        paid.current_province_code,
        assignee.assignee_kind,
        coalesce(assignee.assignee_code, 'not_stated') as assignee_code,
        counted.indicator,
        sum(paid.paid_vnd)::numeric as value,
        max(paid.as_of_date) as as_of_date
    from paid
    -- a fund belongs to one group: cannot fan out
    inner join fund on paid.fund = fund.fund
    -- the version of the posting month, one a key: cannot fan out
    left join employer on paid.employer_key = employer.employer_key
    -- money of units by the unit's office and commune, money of agents by agent
    cross join
        lateral (
            values
            ('employer', 'office', employer.office_code),
            ('employer', 'commune', employer.commune_code),
            ('agent', 'agent', paid.agent_code)
        ) as assignee (payer_kind, assignee_kind, assignee_code)
    -- R9: the total is the four groups
    cross join
        lateral (
            values ('collection'), ('collection_' || fund.insurance_group)
        ) as counted (indicator)
    where assignee.payer_kind = paid.payer_kind
    group by
        paid.month, paid.province_key, paid.territory_key, paid.province_code,
        paid.current_province_code, assignee.assignee_kind, assignee.assignee_code,
        counted.indicator
)

select * from final
