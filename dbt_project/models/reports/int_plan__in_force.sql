-- one row per province (or national), month of the plan's year and indicator that has a target
-- for the year
{#- CTEs carry no statistics, the planner would loop over them -#}
{{ config(slice_by=[], meta={'is_published': false}, pre_hook="{{ no_nested_loops() }}") }}
with plan_target as (
    select * from {{ ref('fct_plan_target') }}
    where
        counts_for_attainment
        and target_value is not null
        and assignee_kind in ('national', 'province')
),

indicator as (
    select * from {{ ref('indicator') }}
),

map as (
    select * from {{ ref('int_calendar__map') }}
),

territory as (
    select * from {{ ref('int_calendar__territory') }}
),

issued as (
    {{ issued_plan('plan_target', ['territory_key']) }}
),

-- R7: after the merger the sum of all predecessors' level plans; a ratio waits until it is issued
-- anew
predecessor_plan as (
    select
        map.territory_key,
        map.month,
        issued.indicator,
        min(issued.target_kind) as target_kind,
        string_agg(distinct issued.plan_document, '; ' order by issued.plan_document)
            as plan_document,
        case when map.predecessors = 1 then max(issued.revision) end as revision,
        max(issued.issued_date) as issued_date,
        min(issued.baseline_date) as baseline_date,
        case when count(issued.plan) = map.predecessors then sum(issued.plan) end as plan,
        case
            when count(issued.plan_first) = map.predecessors
                then sum(issued.plan_first)
        end as plan_first
    from map
    inner join territory as heir on map.territory_key = heir.territory_key
    inner join territory as predecessor
        on
            heir.current_province_code = predecessor.current_province_code
            and heir.valid_from > predecessor.valid_from
    inner join issued
        on predecessor.territory_key = issued.territory_key and map.month = issued.month
    where
        map.predecessors = 1
        or (issued.target_kind = 'level' and not issued.is_ratio)
    group by map.territory_key, map.month, issued.indicator, map.predecessors
),

provincial as (
    select
        map.month,
        map.province_key,
        map.territory_key,
        map.province_code,
        map.current_province_code,
        coalesce(issued.indicator, predecessor_plan.indicator) as indicator,
        coalesce(issued.plan, predecessor_plan.plan) as plan,
        coalesce(predecessor_plan.plan_first, issued.plan_first) as plan_first,
        case
            when issued.plan is not null or predecessor_plan.plan is null
                then coalesce(issued.target_kind, predecessor_plan.target_kind)
            else predecessor_plan.target_kind
        end as target_kind,
        case
            when issued.plan is not null then issued.plan_document
            when predecessor_plan.plan is not null then predecessor_plan.plan_document
        end as plan_document,
        case when issued.plan is not null then issued.revision else predecessor_plan.revision end
            as revision,
        coalesce(issued.issued_date, predecessor_plan.issued_date) as issued_date,
        coalesce(issued.baseline_date, predecessor_plan.baseline_date) as baseline_date
    from (
        select
            territory_key,
            month,
            indicator
        from issued
        union
        select
            territory_key,
            month,
            indicator
        from predecessor_plan
    ) as planned
    inner join map on planned.territory_key = map.territory_key and planned.month = map.month
    left join issued
        on
            planned.territory_key = issued.territory_key
            and planned.month = issued.month
            and planned.indicator = issued.indicator
    left join predecessor_plan
        on
            planned.territory_key = predecessor_plan.territory_key
            and planned.month = predecessor_plan.month
            and planned.indicator = predecessor_plan.indicator
),

final as (
    select * from provincial
    union all
    select
        month,
        'national' as province_key,
        'national' as territory_key,
        'national' as province_code,
        'national' as current_province_code,
        indicator,
        plan,
        plan_first,
        target_kind,
        plan_document,
        revision,
        issued_date,
        baseline_date
    from issued
    where territory_key = 'national'
)

select * from final
