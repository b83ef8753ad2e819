-- one row per tax year with a list and territory: its province as last called by the end of the
-- year (as first called, if it came later), its months on the map, those whose participants and
-- arrears are published, and whether a list of its units is
with tax_employer as (
    select * from {{ ref('int_tax_employer__latest') }}
),

province as (
    select * from {{ source('ops', 'province') }}
),

input as (
    select * from {{ source('ops', 'input') }}
),

tax_year as (
    select tax_year
    from tax_employer
    group by tax_year
),

called as (
    select distinct on (tax_year.tax_year, province.territory_key)
        tax_year.tax_year,
        province.territory_key,
        province.province_key,
        province.province_code,
        province.current_province_code
    from tax_year
    cross join province
    order by
        tax_year.tax_year asc,
        province.territory_key asc,
        (province.valid_from < make_date(tax_year.tax_year + 1, 1, 1)) desc,
        case
            when province.valid_from < make_date(tax_year.tax_year + 1, 1, 1)
                then -extract(epoch from province.valid_from)
            else extract(epoch from province.valid_from)
        end asc
),

in_force as (
    select
        tax_year.tax_year,
        province.territory_key,
        bit_or({{ month_bits(
            'province.valid_from', 'province.valid_to', 'tax_year.tax_year'
        ) }}) as months
    from tax_year
    cross join province
    group by tax_year.tax_year, province.territory_key
),

sent as (
    select
        territory_key,
        extract(year from month)::integer as tax_year,
        bit_or({{ month_bit('month') }}) filter (where feed = 'participants') as of_participants,
        bit_or({{ month_bit('month') }}) filter (where feed = 'arrears') as of_arrears,
        bool_or(feed = 'employers') as has_units
    from input
    where feed in ('participants', 'arrears', 'employers') and territory_key is not null
    group by territory_key, extract(year from month)
),

placed as (
    select
        called.tax_year,
        called.territory_key,
        called.province_key,
        called.province_code,
        called.current_province_code,
        in_force.months as months_in_force,
        coalesce(sent.of_participants, 0) & in_force.months as months_published,
        coalesce(sent.of_arrears, 0) & in_force.months as months_of_arrears,
        coalesce(sent.has_units, false) as has_units
    from called
    inner join in_force
        on
            called.tax_year = in_force.tax_year
            and called.territory_key = in_force.territory_key
    left join sent
        on
            called.tax_year = sent.tax_year
            and called.territory_key = sent.territory_key
),

-- those that had the ground of today's province in the year
ground as (
    select
        tax_year,
        current_province_code,
        bool_and(has_units) as has_units
    from placed
    where months_in_force > 0
    group by tax_year, current_province_code
),

final as (
    select
        placed.tax_year,
        placed.territory_key,
        placed.province_key,
        placed.province_code,
        placed.current_province_code,
        placed.months_in_force,
        placed.months_published,
        placed.months_of_arrears,
        case when placed.months_in_force > 0 then placed.has_units else ground.has_units end
            as is_listed
    from placed
    inner join ground
        on
            placed.tax_year = ground.tax_year
            and placed.current_province_code = ground.current_province_code
)

select * from final
