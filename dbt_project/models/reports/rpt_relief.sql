-- one row per province, policy, scenario and cut-off date
{{ config(slice_by=[]) }}
with relief as (
    select * from {{ ref('fct_policy_relief') }}
    where is_latest_for_cut_off
),

-- R22: parts are summed only where no unsplit figure was given; statuses are never summed
by_status as (
    select
        territory_key,
        province_key,
        province_code,
        current_province_code,
        policy,
        scenario,
        cut_off_date,
        status,
        {% for measure in ['persons', 'units', 'amount_vnd'] %}
            coalesce(
                sum({{ measure }}) filter (where beneficiary = 'unsplit'),
                sum({{ measure }}) filter (where beneficiary <> 'unsplit')
            ) as {{ measure }},
        {% endfor %}
        max(submission_id) as submission_id,
        {{ weakest_qualifier('qualifier') }} as qualifier
    from relief
    group by
        territory_key, province_key, province_code, current_province_code, policy, scenario,
        cut_off_date, status
),

pivoted as (
    select
        territory_key,
        province_key,
        province_code,
        current_province_code,
        policy,
        scenario,
        cut_off_date,
        {% for status in ['requested', 'approved', 'settled', 'paid'] %}
            {% for measure in ['persons', 'units', 'amount_vnd'] %}
                max({{ measure }}) filter (where status = '{{ status }}')::bigint
                    as {{ status }}_{{ measure }},
            {% endfor %}
        {% endfor %}
        max(submission_id) as submission_id,
        {{ weakest_qualifier('qualifier') }} as qualifier
    from by_status
    group by
        territory_key, province_key, province_code, current_province_code, policy, scenario,
        cut_off_date
),

final as (
    select
        date_trunc('month', cut_off_date)::date as month,
        'province' as geo_level,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        policy,
        scenario,
        cut_off_date,
        cut_off_date = max(cut_off_date) over (
            partition by territory_key, policy, scenario, date_trunc('month', cut_off_date)
        ) as is_latest_in_month,
        {% for status in ['requested', 'approved', 'settled', 'paid'] %}
            {{ status }}_persons,
            {{ status }}_units,
            {{ status }}_amount_vnd,
        {% endfor %}
        100.0 * paid_persons / nullif(approved_persons, 0) as paid_of_approved_persons_pct,
        100.0 * paid_units / nullif(approved_units, 0) as paid_of_approved_units_pct,
        100.0 * paid_amount_vnd / nullif(approved_amount_vnd, 0) as paid_of_approved_amount_pct,
        cut_off_date as as_of_date,
        qualifier,
        submission_id
    from pivoted
)

select * from final
