-- one row per tax year with a list and territory: its province as last called by the end of the
-- year (as first called, if it came later), its months on the map, and those whose participants and
-- arrears are published
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
        bit_or({{ month_bit('month') }}) filter (where feed = 'arrears') as of_arrears
    from input
    where feed in ('participants', 'arrears') and territory_key is not null
    group by territory_key, extract(year from month)
),

final as (
    select
        called.tax_year,
        called.territory_key,
        called.province_key,
        called.province_code,
        called.current_province_code,
        in_force.months as months_in_force,
        coalesce(sent.of_participants, 0) & in_force.months as months_published,
        coalesce(sent.of_arrears, 0) & in_force.months as months_of_arrears
    from called
    inner join in_force
        on
            called.tax_year = in_force.tax_year
            and called.territory_key = in_force.territory_key
    left join sent
        on
            called.tax_year = sent.tax_year
            and called.territory_key = sent.territory_key
)

select * from final
