-- one row per province (or national), month and indicator: figure, plan and bases side by side,
-- nothing divided yet
with provincial as (
    select * from {{ ref('int_attainment__province') }}
),

national as (
    select * from {{ ref('int_attainment__national') }}
),

final as (
    select
        month,
        'province' as geo_level,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        indicator,
        unit,
        measure,
        is_ratio,
        value as actual,
        plan,
        plan_first,
        target_kind,
        plan_document,
        revision,
        plan_baseline,
        last_year_value as value_same_period_last_year,
        december_value as value_last_december,
        previous_value as value_previous_month,
        null::bigint as duplicates_between_provinces,
        is_reported,
        is_computed,
        as_of_date,
        qualifier,
        null::integer as provinces_included,
        null::integer as provinces_expected,
        null::text[] as provinces_missing
    from provincial
    where value is not null or plan is not null
    union all
    select
        month,
        'national' as geo_level,
        'national' as province_key,
        'national' as territory_key,
        'national' as province_code,
        'national' as current_province_code,
        indicator,
        unit,
        measure,
        is_ratio,
        value as actual,
        plan,
        plan_first,
        target_kind,
        plan_document,
        revision,
        plan_baseline,
        {% for base in ['last_year', 'december', 'previous'] %}
            case origin
                when 'some provinces' then summed_{{ base }}
                when 'all provinces' then coalesce(summed_{{ base }}, whole_{{ base }})
                when 'headquarters' then whole_{{ base }}
            end as value_{{ {'last_year': 'same_period_last_year', 'december': 'last_december',
                         'previous': 'previous_month'}[base] }},
        {% endfor %}
        duplicates_between_provinces,
        is_reported,
        is_computed,
        as_of_date,
        qualifier,
        provinces_included,
        provinces_expected,
        provinces_missing
    from national
)

select * from final
