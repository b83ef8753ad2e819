-- one row per sender, document, revision, year, assignee, indicator and target kind
{{ config(slice_by=[], main_feed='plan_targets') }}

with plan_target as (
    select * from {{ ref('stg_submission__plan_target') }}
),

province as (
    select * from {{ source('ops', 'province') }}
),

-- the same target sent again in a later period restates it
latest as (
    select distinct on (  -- noqa: LT09
        territory_key, sender, plan_document, revision, year, assignee_kind, assignee_code,
        indicator, target_kind
    )
        *
    from plan_target
    order by
        territory_key asc,
        sender asc,
        plan_document asc,
        revision asc,
        year asc,
        assignee_kind asc,
        assignee_code asc,
        indicator asc,
        target_kind asc,
        month desc
),

-- an assignee's code is read on the map of the day the target was issued
assigned as (
    select
        latest.*,
        case
            when latest.assignee_kind = 'national' then 'national'
            when latest.assignee_kind = 'province' then coalesce(province.province_key, 'unknown')
            else latest.province_key
        end as assigned_province_key,
        case
            when latest.assignee_kind = 'national' then 'national'
            when latest.assignee_kind = 'province' then coalesce(province.territory_key, 'unknown')
            else latest.territory_key
        end as assigned_territory_key,
        case
            when latest.assignee_kind = 'national' then 'national'
            when latest.assignee_kind = 'province' then latest.assignee_code
            else latest.province_code
        end as assigned_province_code,
        case
            when latest.assignee_kind = 'national' then 'national'
            when latest.assignee_kind = 'province'
                then coalesce(province.current_province_code, 'unknown')
            else latest.current_province_code
        end as assigned_current_province_code
    from latest
    -- one province bears a code on a day: cannot fan out
    left join province
        on
            latest.assignee_kind = 'province'
            and latest.assignee_code = province.province_code
            and latest.issued_date >= province.valid_from
            and latest.issued_date < province.valid_to
),

final as (
    select
        make_date(year, 1, 1) as month,
        assigned_province_key as province_key,
        assigned_territory_key as territory_key,
        assigned_province_code as province_code,
        assigned_current_province_code as current_province_code,
        md5(concat_ws(
            '|', sender, plan_document, revision, year, assigned_current_province_code
        ))::uuid as plan_key,
        year,
        assignee_kind,
        assignee_code,
        indicator,
        target_kind,
        target_value,
        plan_document,
        revision,
        issued_date,
        from_month,
        to_month,
        baseline_date,
        issuer,
        sender,
        as_of_date,
        submission_id,
        row_no,
        from_month is null
        and (assignee_kind not in ('national', 'province') or sender = 'hq')
            as counts_for_attainment
    from assigned
)

select * from final
