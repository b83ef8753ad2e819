-- one row per unit and version, and per unit and month in which a fact names it but no list does
{{ config(slice_by=['territory_key'], rows_indexes=[['employer_key']]) }}

with listed as (
    select * from {{ ref('int_employer__version') }}
),

unlisted as (
    select * from {{ ref('int_employer__unlisted') }}
),

territory as (
    select
        territory_key,
        province_code,
        current_province_code
    from {{ source('ops', 'province') }}
    group by territory_key, province_code, current_province_code
),

-- several files may name the unit in the same month
unlisted_month as (
    select
        territory_key,
        si_unit_code,
        unit_month,
        {{ employer_id('territory_key', 'si_unit_code') }} as employer_id
    from unlisted
    group by territory_key, si_unit_code, unit_month
),

-- what a unit is called and taxed under does not hang on a list: the nearest one says it, the one
-- before rather than the one after
named_by_a_list as (
    select distinct on (unlisted_month.employer_id, unlisted_month.unit_month)
        unlisted_month.employer_id,
        unlisted_month.unit_month,
        listed.name,
        listed.tax_code
    from unlisted_month
    inner join listed on unlisted_month.employer_id = listed.employer_id
    order by
        unlisted_month.employer_id asc,
        unlisted_month.unit_month asc,
        (listed.valid_from <= unlisted_month.unit_month) desc,
        abs(listed.valid_from - unlisted_month.unit_month) asc
),

final as (
    select
        employer_key,
        employer_id,
        si_unit_code,
        tax_code,
        name,
        unit_type,
        industry_code,
        commune_code,
        status,
        status_date,
        pay_method,
        wage_region,
        office_code,
        address,
        territory_key,
        province_code,
        current_province_code,
        valid_from,
        valid_to,
        valid_to = 'infinity' as is_current,
        false as is_inferred
    from listed
    union all
    select
        {{ employer_key_of('unlisted_month.employer_id', 'unlisted_month.unit_month') }}
            as employer_key,
        unlisted_month.employer_id,
        unlisted_month.si_unit_code,
        named_by_a_list.tax_code,
        named_by_a_list.name,
        'unknown' as unit_type,
        null as industry_code,
        null as commune_code,
        'not_listed' as status,
        null as status_date,
        null as pay_method,
        null as wage_region,
        null as office_code,
        null as address,
        unlisted_month.territory_key,
        territory.province_code,
        territory.current_province_code,
        unlisted_month.unit_month as valid_from,
        (unlisted_month.unit_month + interval '1 month')::date as valid_to,
        false as is_current,
        true as is_inferred
    from unlisted_month
    -- a territory has one code, whatever it was called: cannot fan out
    inner join territory on unlisted_month.territory_key = territory.territory_key
    left join named_by_a_list
        on
            unlisted_month.employer_id = named_by_a_list.employer_id
            and unlisted_month.unit_month = named_by_a_list.unit_month
)

select * from final
