{#-
    R1: the plan of a month. One row per assignee, month of the plan's year and indicator that has a
    target for the year. `targets` is a CTE with the columns of fct_plan_target and only the rows that
    count; `assignee` are the columns that name who is to reach the target; a CTE `indicator` stands
    beside it. plan, plan_document, revision and issued_date are null before the first issue.
-#}
{% macro issued_plan(targets, assignee) -%}
    {%- set who = assignee | join(', ') -%}
    with target as (
        select
            t.*,
            i.unit = 'percent' as is_ratio,
            make_date(t.year, number.month_no, 1) as plan_month,
            case
                when t.target_kind in ('level', 'ratio') then 1
                when t.target_kind = 'not_below' then 2
                when t.target_kind = 'not_above' then 3
                else 4
            end as kind_rank
        from {{ targets }} as t
        inner join indicator as i on t.indicator = i.indicator
        cross join generate_series(1, 12) as number (month_no)
    ),

    ranked as (
        select
            *,
            issued_date <= {{ month_end('plan_month') }} as is_issued,
            row_number() over (
                partition by
                    {{ who }}, plan_month, indicator, issued_date <= {{ month_end('plan_month') }}
                order by
                    kind_rank asc,
                    (issuer = 'vss') desc,
                    issued_date desc,
                    revision desc,
                    plan_document desc
            ) as in_force_rank,
            row_number() over (
                partition by {{ who }}, plan_month, indicator, kind_rank
                order by (issuer = 'vss') desc, issued_date asc, revision asc, plan_document asc
            ) as first_rank
        from target
    ),

    -- the newest target issued by the month's end; of several kinds level or ratio first
    newest as (
        select * from ranked
        where is_issued and in_force_rank = 1
    ),

    -- the year's first target, whenever it was issued
    earliest as (
        select
            *,
            row_number() over (partition by {{ who }}, plan_month, indicator order by kind_rank)
                as shown_rank
        from ranked
        where first_rank = 1
    )

    -- the first target of the kind that is in force; before any is, of the kind that goes before
    -- the others
    select
        {%- for column in assignee %}
            e.{{ column }},
        {%- endfor %}
        e.plan_month as month,
        e.indicator,
        e.is_ratio,
        n.target_value as plan,
        coalesce(n.target_kind, e.target_kind) as target_kind,
        n.plan_document,
        n.revision,
        n.issued_date,
        coalesce(n.baseline_date, e.baseline_date) as baseline_date,
        e.target_value as plan_first
    from earliest as e
    left join newest as n
        on
            {%- for column in assignee %}
                e.{{ column }} = n.{{ column }} and
            {%- endfor %}
            e.plan_month = n.plan_month
            and e.indicator = n.indicator
    where coalesce(e.kind_rank = n.kind_rank, e.shown_rank = 1)
{%- endmacro %}


{# R2: the month whose figure an increase counts from; the annual target has no from_month #}
{% macro increase_baseline_month(baseline_date, month) -%}
    coalesce(
        date_trunc('month', {{ baseline_date }})::date,
        ({{ year_start(month) }} - interval '1 month')::date
    )
{%- endmacro %}


{# R2: the figure at that month; without a baseline date a year to date counts from nothing #}
{% macro increase_baseline(value, baseline_date, measure) -%}
    case
        when {{ measure }} = 'ytd' and {{ baseline_date }} is null then 0
        else {{ value }}
    end
{%- endmacro %}


{# R2: attainment of a target; a ceiling has none #}
{% macro attainment_pct(actual_against_plan, plan, target_kind) -%}
    case
        when {{ target_kind }} <> 'not_above'
            then 100.0 * {{ actual_against_plan }} / nullif({{ plan }}, 0)
    end
{%- endmacro %}


{# R2: whether a floor or a ceiling is kept; null for other kinds #}
{% macro target_met(actual, plan, target_kind) -%}
    case
        when {{ target_kind }} = 'not_below' then {{ actual }} >= {{ plan }}
        when {{ target_kind }} = 'not_above' then {{ actual }} <= {{ plan }}
    end
{%- endmacro %}
