-- one row per month and indicator of heads: how many of its rows are a person's second and further
-- ones (R28)
{{ config(slice_by=['month'], meta={'is_published': false}) }}

with participation as (
    select * from {{ ref('fct_participation') }}
),

-- who stands in one province only is no duplicate of any kind
person as (
    select
        month,
        insurance_type,
        participant_key,
        count(*) as provinces,
        count(*) filter (where hi_group = 'GD') as provinces_as_household,
        count(*) filter (where hi_group in ('HS', 'SV')) as provinces_as_student
    from participation
    group by month, insurance_type, participant_key
    having count(*) > 1
),

month as (
    select month
    from {{ source('ops', 'input') }}
    where feed = 'participants' and month is not null
    group by month
),

final as (
    select
        month.month,
        indicator.indicator,
        coalesce(sum(case indicator.indicator
            when 'hi_household' then greatest(person.provinces_as_household - 1, 0)
            when 'hi_students' then greatest(person.provinces_as_student - 1, 0)
            else person.provinces - 1
        end), 0)::bigint as duplicates
    from month
    cross join (
        values
        ('si_compulsory', '{SI_C}'::text[]),
        ('si_voluntary', '{SI_V}'),
        ('si_participants', '{SI_C,SI_V}'),
        ('people_managed', '{HI,SI_V}'),
        ('ui', '{UI}'),
        ('hi', '{HI}'),
        ('hi_household', '{HI}'),
        ('hi_students', '{HI}')
    ) as indicator (indicator, insurance_types)
    left join person
        on
            month.month = person.month
            and person.insurance_type = any(indicator.insurance_types)
    group by month.month, indicator.indicator
)

select * from final
