-- one row per benefit type, month and territory
{{ config(slice_by=['territory_key', 'month'], main_feed='benefits', later_ytd=true) }}

with benefit as (
    select * from {{ ref('stg_province__benefit') }}
),

file_part as (
    select * from {{ ref('int_submission__file_part') }}
    where feed = 'benefits'
),

province as (
    select * from {{ source('ops', 'province') }}
),

position_row as (
    select
        file_part.territory_key,
        file_part.month,
        file_part.basis,
        file_part.posting_from,
        file_part.as_of_date,
        file_part.is_own,
        benefit.benefit_type,
        benefit.persons,
        benefit.cases,
        benefit.amount_vnd,
        benefit.qualifier,
        benefit.row_no
    from file_part
    -- a type stands once in a file: cannot fan out
    inner join benefit
        on file_part.part_load_id = benefit.load_id and file_part.part_month = benefit.month
),

-- persons are as sent: a person may stand in several months
summed as (
    select
        territory_key,
        month,
        benefit_type,
        max(basis) as basis,
        max(posting_from) as posting_from,
        max(as_of_date) as as_of_date,
        max(persons) filter (where is_own) as persons,
        case
            when bool_or(is_own) and max(cases) filter (where is_own) is null then null
            else sum(case when is_own then cases else -cases end)::bigint
        end as cases,
        case
            when bool_or(is_own) and max(amount_vnd) filter (where is_own) is null then null
            else sum(case when is_own then amount_vnd else -amount_vnd end)::bigint
        end as amount_vnd,
        case
            when count(*) filter (where not is_own and qualifier <> 'exact') > 0 then 'approx'
            else coalesce(max(qualifier) filter (where is_own), 'exact')
        end as qualifier,
        max(row_no) filter (where is_own) as row_no
    from position_row
    group by territory_key, month, benefit_type
),

final as (
    select
        summed.month,
        province.province_key,
        summed.territory_key,
        province.province_code,
        province.current_province_code,
        summed.benefit_type,
        summed.persons,
        summed.cases,
        summed.amount_vnd,
        summed.qualifier,
        summed.basis,
        summed.posting_from,
        summed.as_of_date,
        summed.row_no
    from summed
    -- one name of a territory a month: cannot fan out
    inner join province
        on
            summed.territory_key = province.territory_key
            and summed.month >= province.valid_from
            and summed.month < province.valid_to
)

select * from final
