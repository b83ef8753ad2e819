-- one row per office, commune or agent, month of the plan's year and indicator that has a target
-- for the year
{#- CTEs carry no statistics, the planner would loop over them -#}
{{ config(slice_by=[], meta={'is_published': false}, pre_hook="{{ no_nested_loops() }}") }}
with plan_target as (
    select * from {{ ref('fct_plan_target') }}
    where
        counts_for_attainment
        and target_value is not null
        and assignee_kind in ('office', 'commune', 'agent')
),

indicator as (
    select * from {{ ref('indicator') }}
),

province as (
    select * from {{ source('ops', 'province') }}
),

-- headquarters names an assignee without its province
unplaced as (
    select
        assignee_kind,
        assignee_code,
        issued_date
    from plan_target
    where territory_key = 'national'
    group by assignee_kind, assignee_code, issued_date
),

named as (
    {% for slice in ['int_assignee__head', 'int_assignee__unit', 'int_assignee__collection'] %}
        select
            assignee.territory_key,
            assignee.assignee_kind,
            assignee.assignee_code
        from {{ ref(slice) }} as assignee
        inner join unplaced
            on
                assignee.assignee_kind = unplaced.assignee_kind
                and assignee.assignee_code = unplaced.assignee_code
        {% if not loop.last %}union{% endif %}
    {% endfor %}
),

-- its province is the only one on the map of the day of issue whose files name the code; a code
-- that several name, or none, belongs nowhere
place as (
    select
        unplaced.assignee_kind,
        unplaced.assignee_code,
        unplaced.issued_date,
        min(named.territory_key) as territory_key
    from unplaced
    inner join named
        on
            unplaced.assignee_kind = named.assignee_kind
            and unplaced.assignee_code = named.assignee_code
    -- one name of a territory a day: cannot fan out
    inner join province
        on
            named.territory_key = province.territory_key
            and unplaced.issued_date >= province.valid_from
            and unplaced.issued_date < province.valid_to
    group by unplaced.assignee_kind, unplaced.assignee_code, unplaced.issued_date
    having count(*) = 1
),

placed as (
    select
        coalesce(place.territory_key, plan_target.territory_key) as territory_key,
        plan_target.assignee_kind,
        plan_target.assignee_code,
        plan_target.indicator,
        plan_target.target_kind,
        plan_target.target_value,
        plan_target.plan_document,
        plan_target.revision,
        plan_target.issued_date,
        plan_target.issuer,
        plan_target.baseline_date,
        plan_target.year
    from plan_target
    -- one place per assignee and day: cannot fan out
    left join place
        on
            plan_target.territory_key = 'national'
            and plan_target.assignee_kind = place.assignee_kind
            and plan_target.assignee_code = place.assignee_code
            and plan_target.issued_date = place.issued_date
    where plan_target.territory_key <> 'national' or place.territory_key is not null
),

issued as (
    {{ issued_plan('placed', ['territory_key', 'assignee_kind', 'assignee_code']) }}
),

final as (
    select
        month,
        territory_key,
        assignee_kind,
        assignee_code,
        indicator,
        plan,
        plan_first,
        target_kind,
        plan_document,
        revision,
        issued_date,
        baseline_date,
        case
            when target_kind = 'increase'
                then {{ increase_baseline_month('baseline_date', 'month') }}
        end as baseline_month
    from issued
)

select * from final
