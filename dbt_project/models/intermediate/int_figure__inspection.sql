-- one row per province, month and indicator of inspections
with inspection as (
    select * from {{ ref('int_figure__inspection_kind') }}
),

final as (
    select
        month,
        territory_key,
        indicator,
        cases_ytd::numeric as numerator,
        null::numeric as denominator,
        as_of_date
    from inspection
    union all
    select
        inspection.month,
        inspection.territory_key,
        figure.indicator,
        figure.numerator::numeric as numerator,
        figure.denominator::numeric as denominator,
        inspection.as_of_date
    from inspection
    cross join
        lateral (
            values
            ('inspected_arrears_before', inspection.arrears_before_vnd, null),
            ('recovered_amount', inspection.recovered_vnd, null),
            ('inspected_units_in_arrears', inspection.units_in_arrears, null),
            ('recovered_units', inspection.units_recovered, null),
            (
                'recovery_rate_pct',
                inspection.recovered_of_arrears_vnd,
                inspection.arrears_before_vnd
            )
        ) as figure (indicator, numerator, denominator)
    where inspection.kind = 'total'
)

select * from final
