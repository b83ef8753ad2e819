-- one row per parameter, wage region and period of validity
with legal_parameter as (
    select * from {{ ref('legal_parameter') }}
),

contribution_rate as (
    select * from {{ ref('contribution_rate') }}
),

printed as (
    select
        parameter,
        wage_region,
        valid_from,
        valid_to,
        value,
        unit,
        basis,
        is_verified,
        is_applicable,
        note,
        false as is_computed
    from legal_parameter
),

-- the rates that fct_contribution applies; a rate of one financing only says so in its code
rate as (
    select
        'rate_' || lower(contribution_rate.fund) || '_' || party.name || '_pct'
        || case
            when contribution_rate.applies_to = 'all' then ''
            else '_' || contribution_rate.applies_to
        end as parameter,
        'all' as wage_region,
        contribution_rate.valid_from,
        contribution_rate.valid_to,
        case party.name
            when 'employer' then contribution_rate.employer_pct
            else contribution_rate.employee_pct
        end as value,
        'percent_of_wage_base' as unit,
        contribution_rate.basis,
        contribution_rate.is_verified,
        true as is_applicable,
        null as note,
        false as is_computed
    from contribution_rate
    -- two rows a rate, on purpose
    cross join (values ('employer'), ('employee')) as party (name)
),

-- caps, floors and premiums in đồng follow from two parameters while both hold: base, reference
-- level or minimum wage times a multiple or a percentage
measured as (
    select
        multiple.parameter as of_parameter,
        case
            when multiple.unit = 'percent_of_base_salary'
                then replace(multiple.parameter, '_pct', '_premium')
            else replace(multiple.parameter, '_multiple', '')
        end as parameter,
        base.wage_region,
        greatest(multiple.valid_from, base.valid_from) as valid_from,
        least(multiple.valid_to, base.valid_to) as valid_to,
        base.value
        * case
            when multiple.unit = 'percent_of_base_salary' then multiple.value / 100
            else multiple.value
        end as value,
        base.parameter as base_parameter,
        base.basis || '; ' || multiple.basis as basis,
        base.is_verified and multiple.is_verified as is_verified,
        multiple.is_applicable,
        multiple.note
    from legal_parameter as multiple
    -- periods that share a day; those of one parameter do not overlap
    inner join legal_parameter as base
        on
            base.parameter = case multiple.unit
                when 'times_base_salary' then 'base_salary'
                when 'percent_of_base_salary' then 'base_salary'
                when 'times_regional_minimum_wage' then 'regional_minimum_wage'
            end
            and multiple.valid_from < base.valid_to
            and multiple.valid_to > base.valid_from
),

voluntary_premium as (
    select
        'voluntary_rate_pct' as of_parameter,
        'voluntary_minimum_premium' as parameter,
        base.wage_region,
        greatest(voluntary_rate.valid_from, base.valid_from) as valid_from,
        least(voluntary_rate.valid_to, base.valid_to) as valid_to,
        base.value * voluntary_rate.value / 100 as value,
        base.parameter as base_parameter,
        base.basis || '; ' || voluntary_rate.basis as basis,
        base.is_verified and voluntary_rate.is_verified as is_verified,
        voluntary_rate.is_applicable,
        voluntary_rate.note
    from legal_parameter as voluntary_rate
    inner join legal_parameter as base
        on
            base.parameter = 'voluntary_minimum_base'
            and voluntary_rate.valid_from < base.valid_to
            and voluntary_rate.valid_to > base.valid_from
    where voluntary_rate.parameter = 'voluntary_rate_pct'
),

-- the state pays its part of the minimum premium, whatever the income chosen
voluntary_support as (
    select
        support.parameter as of_parameter,
        replace(support.parameter, '_pct', '') as parameter,
        support.wage_region,
        greatest(support.valid_from, voluntary_premium.valid_from) as valid_from,
        least(support.valid_to, voluntary_premium.valid_to) as valid_to,
        voluntary_premium.value * support.value / 100 as value,
        voluntary_premium.parameter as base_parameter,
        voluntary_premium.basis || '; ' || support.basis as basis,
        voluntary_premium.is_verified and support.is_verified as is_verified,
        support.is_applicable,
        support.note
    from legal_parameter as support
    inner join voluntary_premium
        on
            support.valid_from < voluntary_premium.valid_to
            and support.valid_to > voluntary_premium.valid_from
    where support.parameter like 'voluntary_support_%_pct'
),

computed as (
    select * from measured
    union all
    select * from voluntary_premium
    union all
    select * from voluntary_support
),

final as (
    select * from printed
    union all
    select * from rate
    union all
    select
        parameter,
        wage_region,
        valid_from,
        valid_to,
        trim_scale(value) as value,
        'dong_per_month' as unit,
        of_parameter || ' of ' || base_parameter || ': ' || basis as basis,
        is_verified,
        is_applicable,
        note,
        true as is_computed
    from computed
)

select * from final
