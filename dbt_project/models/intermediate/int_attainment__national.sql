-- one row per month and indicator: the national figure by R27, beside its bases
with provincial as (
    select * from {{ ref('int_attainment__province') }}
    where is_on_map and (value is not null or denominator = 0)
),

headquarters as (
    select * from {{ ref('int_figure__reported') }}
    where is_own_measure and territory_key = 'national'
),

plan as (
    select * from {{ ref('int_plan__in_force') }}
    where territory_key = 'national'
),

country as (
    select * from {{ ref('int_calendar__country') }}
),

indicator as (
    select * from {{ ref('indicator') }}
),

duplicate as (
    select * from {{ ref('int_participation__duplicate') }}
),

-- a ratio joins the sums only with both of its parts: numerators over denominators of the same
-- provinces
summed as (
    select
        month,
        indicator,
        is_ratio,
        count(*)::integer as provinces_included,
        array_agg(province_code order by province_code) as included_codes,
        sum(numerator) as numerator,
        sum(denominator) as denominator,
        bool_or(is_computed) as is_computed,
        bool_or(is_reported) as is_reported,
        min(as_of_date) as as_of_date,
        {{ weakest_qualifier('qualifier') }} as qualifier,
        case
            when not is_ratio and count(distinct target_kind) = 1
                then {{ sum_of_all('plan') }}
        end as plan,
        case
            when not is_ratio and count(distinct target_kind) = 1
                then {{ sum_of_all('plan_first') }}
        end as plan_first,
        min(target_kind) as target_kind,
        {{ sum_of_all('plan_baseline') }} as plan_baseline,
        {{ sum_of_all('last_year_numerator') }} as last_year_numerator,
        {{ sum_of_all('last_year_denominator') }} as last_year_denominator,
        {{ sum_of_all('december_numerator') }} as december_numerator,
        {{ sum_of_all('december_denominator') }} as december_denominator,
        {{ sum_of_all('previous_numerator') }} as previous_numerator,
        {{ sum_of_all('previous_denominator') }} as previous_denominator
    from provincial
    where not is_ratio or denominator is not null
    group by month, indicator, is_ratio
),

figure as (
    select
        keyed.month,
        keyed.indicator,
        indicator.unit,
        indicator.measure,
        indicator.unit = 'percent' as is_ratio,
        country.provinces_expected,
        coalesce(summed.provinces_included, 0) as provinces_included,
        array(
            select code.province_code
            from unnest(country.province_codes) as code (province_code)
            where code.province_code <> all(coalesce(summed.included_codes, '{}'))
            order by code.province_code
        ) as provinces_missing,
        case
            when summed.provinces_included = country.provinces_expected then 'all provinces'
            when headquarters.value is not null then 'headquarters'
            when summed.provinces_included > 0 then 'some provinces'
            else 'plan only'
        end as origin,
        summed.numerator,
        summed.denominator,
        case
            when summed.is_ratio then 100.0 * summed.numerator / nullif(summed.denominator, 0)
            else summed.numerator
        end as summed_value,
        headquarters.value as headquarters_value,
        headquarters.as_of_date as headquarters_as_of_date,
        headquarters.qualifier as headquarters_qualifier,
        summed.is_computed,
        summed.is_reported,
        summed.as_of_date,
        summed.qualifier,
        summed.plan as summed_plan,
        summed.plan_first as summed_plan_first,
        summed.target_kind as summed_target_kind,
        summed.plan_baseline as summed_plan_baseline,
        summed.last_year_numerator,
        summed.last_year_denominator,
        summed.december_numerator,
        summed.december_denominator,
        summed.previous_numerator,
        summed.previous_denominator,
        plan.plan,
        plan.plan_first,
        plan.target_kind,
        plan.plan_document,
        plan.revision,
        plan.baseline_date
    from (
        select
            month,
            indicator
        from summed
        union
        select
            month,
            indicator
        from headquarters
        union
        select
            month,
            indicator
        from plan
        where plan is not null
    ) as keyed
    inner join indicator on keyed.indicator = indicator.indicator
    inner join country on keyed.month = country.month
    left join summed on keyed.month = summed.month and keyed.indicator = summed.indicator
    left join headquarters
        on keyed.month = headquarters.month and keyed.indicator = headquarters.indicator
    left join plan on keyed.month = plan.month and keyed.indicator = plan.indicator
),

-- what is known of the whole country: the base of a figure of the whole country
whole as (
    select
        month,
        indicator,
        case origin when 'all provinces' then summed_value else headquarters_value end as value
    from figure
    where origin in ('all provinces', 'headquarters')
),

-- all in or headquarters' own figure: the national plan and the whole country then; else those
-- included
final as (
    select
        figure.month,
        figure.indicator,
        figure.unit,
        figure.measure,
        figure.is_ratio,
        figure.origin,
        figure.provinces_included,
        figure.provinces_expected,
        figure.provinces_missing,
        case figure.origin
            when 'headquarters' then figure.headquarters_value
            else figure.summed_value
        end as value,
        figure.numerator,
        figure.denominator,
        figure.origin in ('all provinces', 'some provinces') and figure.is_computed as is_computed,
        figure.origin = 'headquarters'
        or (figure.origin in ('all provinces', 'some provinces') and figure.is_reported)
            as is_reported,
        case figure.origin
            when 'headquarters' then figure.headquarters_as_of_date
            else figure.as_of_date
        end as as_of_date,
        coalesce(
            case figure.origin
                when 'headquarters' then figure.headquarters_qualifier else
                    figure.qualifier
            end,
            'exact'
        ) as qualifier,
        case figure.origin
            when 'some provinces' then figure.summed_plan
            when 'all provinces' then coalesce(figure.plan, figure.summed_plan)
            else figure.plan
        end as plan,
        case figure.origin
            when 'some provinces' then figure.summed_plan_first
            when 'all provinces' then coalesce(figure.plan_first, figure.summed_plan_first)
            else figure.plan_first
        end as plan_first,
        case
            when
                figure.origin = 'some provinces'
                or (figure.origin = 'all provinces' and figure.plan is null)
                then figure.summed_target_kind
            else figure.target_kind
        end as target_kind,
        case when figure.origin <> 'some provinces' then figure.plan_document end as plan_document,
        case when figure.origin <> 'some provinces' then figure.revision end as revision,
        case
            when
                figure.origin = 'some provinces'
                or (figure.origin = 'all provinces' and figure.plan is null)
                then figure.summed_plan_baseline
            when figure.target_kind <> 'increase' then null
            else
                {{ increase_baseline('baseline.value', 'figure.baseline_date', 'figure.measure') }}
        end as plan_baseline,
        {% for base in ['last_year', 'december', 'previous'] %}
            case
                when figure.is_ratio
                    then
                        100.0
                        * figure.{{ base }}_numerator
                        / nullif(figure.{{ base }}_denominator, 0)
                else figure.{{ base }}_numerator
            end as summed_{{ base }},
            {{ base }}.value as whole_{{ base }},
        {% endfor %}
        duplicate.duplicates as duplicates_between_provinces
    from figure
    left join whole as baseline
        on
            figure.indicator = baseline.indicator
            and baseline.month = date_trunc(
                'month', coalesce(figure.baseline_date, {{ year_start('figure.month') }} - 1)
            )::date
    left join whole as last_year
        on
            figure.indicator = last_year.indicator
            and last_year.month = (figure.month - interval '1 year')::date
    left join whole as december
        on
            figure.indicator = december.indicator
            and figure.measure = 'stock'
            and december.month = ({{ year_start('figure.month') }} - interval '1 month')::date
    left join whole as previous
        on
            figure.indicator = previous.indicator
            and previous.month = (figure.month - interval '1 month')::date
            and (figure.measure = 'stock' or extract(month from figure.month) > 1)
    -- R28: how many stand twice in the sum
    left join duplicate
        on
            figure.month = duplicate.month
            and figure.indicator = duplicate.indicator
            and figure.origin in ('all provinces', 'some provinces')
)

select * from final
