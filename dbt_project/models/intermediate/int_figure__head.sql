-- one row per province, month and indicator of heads or units
with input as (
    select * from {{ source('ops', 'input') }}
    where feed in ('participants', 'employers') and territory_key is not null
),

participants as (
    select * from {{ ref('rpt_participants') }}
),

employers as (
    select * from {{ ref('rpt_employers') }}
),

head as (
    select
        territory_key,
        month,
        sum(participants) filter (where insurance_type = 'SI_C') as si_compulsory,
        sum(participants) filter (where insurance_type = 'SI_V') as si_voluntary,
        sum(participants) filter (where insurance_type = 'UI') as ui,
        sum(participants) filter (where insurance_type = 'HI') as hi,
        sum(participants) filter (where insurance_type in ('SI_C', 'SI_V')) as si_participants,
        sum(participants) filter (where insurance_type in ('HI', 'SI_V')) as people_managed,
        sum(participants) filter (where insurance_type = 'HI' and hi_group = 'GD') as hi_household,
        sum(participants) filter (where insurance_type = 'HI' and hi_group in ('HS', 'SV'))
            as hi_students
    from participants
    group by territory_key, month
),

unit as (
    select
        territory_key,
        month,
        sum(units) filter (where status = 'active') as units_managed
    from employers
    group by territory_key, month
),

final as (
    select
        input.month,
        input.territory_key,
        figure.indicator,
        coalesce(figure.value, 0)::numeric as value,
        input.as_of_date
    from input
    left join head
        on input.territory_key = head.territory_key and input.month = head.month
    cross join
        lateral (
            values
            ('si_compulsory', head.si_compulsory),
            ('si_voluntary', head.si_voluntary),
            ('ui', head.ui),
            ('hi', head.hi),
            ('si_participants', head.si_participants),
            ('people_managed', head.people_managed),
            ('hi_household', head.hi_household),
            ('hi_students', head.hi_students)
        ) as figure (indicator, value)
    where input.feed = 'participants'
    union all
    select
        input.month,
        input.territory_key,
        'units_managed' as indicator,
        coalesce(unit.units_managed, 0)::numeric as value,
        input.as_of_date
    from input
    left join unit
        on input.territory_key = unit.territory_key and input.month = unit.month
    where input.feed = 'employers'
)

select * from final
