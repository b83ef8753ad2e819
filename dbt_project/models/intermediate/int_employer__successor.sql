-- one row per unit of a territory that is off the map whose province of today has a unit that goes
-- on from it
with employer as (
    select * from {{ ref('dim_employer') }}
),

territory as (
    select * from {{ ref('int_calendar__inspection') }}
),

-- a unit as it was last listed; on no list ever, as a file names it
last_version as (
    select distinct on (employer_id)
        employer_id,
        si_unit_code,
        tax_code,
        name,
        territory_key,
        current_province_code
    from employer
    order by employer_id asc, is_inferred asc, valid_from desc
),

placed as (
    select
        last_version.*,
        territory.territory_key is not null as is_on_map
    from last_version
    left join territory on last_version.territory_key = territory.territory_key
),

former as (
    select * from placed
    where not is_on_map
),

living as (
    select * from placed
    where is_on_map
),

-- the same taxpayer; or the same code, unless the tax codes say that it is somebody else: two
-- predecessors may have given one code to two units
possible as (
    select
        former.employer_id,
        living.employer_id as successor_id,
        living.si_unit_code,
        1 as rung,
        former.si_unit_code = living.si_unit_code as is_same_code,
        (former.name = living.name) is true as is_same_name
    from former
    inner join living
        on
            former.current_province_code = living.current_province_code
            and former.tax_code = living.tax_code
    union all
    select
        former.employer_id,
        living.employer_id as successor_id,
        living.si_unit_code,
        2 as rung,
        true as is_same_code,
        (former.name = living.name) is true as is_same_name
    from former
    inner join living
        on
            former.current_province_code = living.current_province_code
            and former.si_unit_code = living.si_unit_code
    where former.tax_code is null or living.tax_code is null
),

final as (
    select distinct on (employer_id)
        employer_id,
        successor_id
    from possible
    order by employer_id asc, rung asc, is_same_code desc, is_same_name desc, si_unit_code asc
)

select * from final
