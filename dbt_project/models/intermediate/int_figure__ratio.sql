-- one row per province, month and ratio indicator, from the sums it is made of
with additive as (
    select * from {{ ref('int_figure__additive') }}
),

computed as (
    select * from {{ ref('int_figure__computed') }}
    where indicator = 'recovery_rate_pct'
),

denominator as (
    select * from {{ ref('int_coverage__denominator') }}
),

plan as (
    select * from {{ ref('int_plan__in_force') }}
    where indicator = 'collection' and target_kind = 'level' and plan is not null
),

-- SI participants who were not reported as one figure are the sum of the two that were
social_insured as (
    select
        month,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        'si_participants' as indicator,
        case
            when bool_or(indicator = 'si_participants')
                then max(value) filter (where indicator = 'si_participants')
            else sum(value)
        end as value,
        bool_and(is_computed) as is_computed,
        max(as_of_date) as as_of_date,
        {{ weakest_qualifier('qualifier') }} as qualifier
    from additive
    where indicator in ('si_participants', 'si_compulsory', 'si_voluntary')
    group by month, province_key, territory_key, province_code, current_province_code
    having bool_or(indicator = 'si_participants') or count(*) = 2
),

numerator as (
    select
        month,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        indicator,
        value,
        is_computed,
        as_of_date,
        qualifier
    from additive
    where indicator in ('si_compulsory', 'si_voluntary', 'hi', 'arrears', 'recovered_amount')
    union all
    select * from social_insured
),

over_denominator as (
    select
        definition.indicator,
        numerator.month,
        numerator.province_key,
        numerator.territory_key,
        numerator.province_code,
        numerator.current_province_code,
        numerator.value as numerator,
        denominator.value as denominator,
        numerator.is_computed,
        numerator.as_of_date,
        {{ weakest_qualifier_of(['numerator.qualifier', 'denominator.qualifier']) }} as qualifier
    from numerator
    inner join (
        values
        ('si_participants', 'labour_force', 'si_coverage_pct'),
        ('si_compulsory', 'labour_force', 'si_compulsory_coverage_pct'),
        ('si_voluntary', 'labour_force', 'si_voluntary_coverage_pct'),
        ('hi', 'population', 'hi_coverage_pct')
    ) as definition (numerator, denominator, indicator)
        on numerator.indicator = definition.numerator
    inner join denominator
        on
            numerator.territory_key = denominator.territory_key
            and numerator.month = denominator.month
            and definition.denominator = denominator.indicator
),

over_plan as (
    select
        'arrears_of_plan_pct' as indicator,
        numerator.month,
        numerator.province_key,
        numerator.territory_key,
        numerator.province_code,
        numerator.current_province_code,
        numerator.value as numerator,
        plan.plan as denominator,
        numerator.is_computed,
        numerator.as_of_date,
        numerator.qualifier
    from numerator
    inner join plan
        on numerator.territory_key = plan.territory_key and numerator.month = plan.month
    where numerator.indicator = 'arrears'
),

recovery_computed as (
    select
        indicator,
        month,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        numerator,
        denominator,
        true as is_computed,
        as_of_date,
        qualifier
    from computed
),

-- R15: from reported figures, where no list of cases was sent
recovery_reported as (
    select
        'recovery_rate_pct' as indicator,
        numerator.month,
        numerator.province_key,
        numerator.territory_key,
        numerator.province_code,
        numerator.current_province_code,
        numerator.value as numerator,
        arrears_before.value as denominator,
        false as is_computed,
        numerator.as_of_date,
        {{ weakest_qualifier_of(['numerator.qualifier', 'arrears_before.qualifier']) }} as qualifier
    from numerator
    inner join additive as arrears_before
        on
            numerator.territory_key = arrears_before.territory_key
            and numerator.month = arrears_before.month
            and arrears_before.indicator = 'inspected_arrears_before'
    where
        numerator.indicator = 'recovered_amount'
        and not numerator.is_computed
        and not arrears_before.is_computed
),

final as (
    select * from over_denominator
    where denominator > 0
    union all
    select * from over_plan
    where denominator > 0
    union all
    select * from recovery_computed
    union all
    select * from recovery_reported
    where denominator > 0
)

select * from final
