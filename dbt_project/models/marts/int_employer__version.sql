-- one row per unit and version on the lists of units: a run of sent months in which nothing about
-- the unit changed
{{ config(
    slice_by=['territory_key'],
    meta={'is_published': false},
    post_hook=[
        "{{ touch_changed_units(['fct_participation', 'fct_arrears']) }}",
        "{{ touch_changed_units(['fct_contribution', 'int_employer__unlisted'], later_too=true) }}",
        "{{ touch_changed_units(
            ['int_assignee__collection', 'int_assignee__arrears'], ['office_code', 'commune_code']
        ) }}",
    ],
) }}

with employer as (
    select * from {{ ref('stg_province__employer') }}
),

sent_month as (
    select * from {{ ref('int_employer__sent_month') }}
),

-- change_no stays the same while the unit stands unchanged in consecutive sent months
observed as (
    select
        employer.*,
        sent_month.sent_no,
        sent_month.next_month,
        md5(row(
            employer.tax_code, employer.name, employer.unit_type, employer.industry_code,
            employer.commune_code, employer.status, employer.status_date, employer.pay_method,
            employer.wage_region, employer.office_code, employer.address
        )::text) as attributes
    from employer
    -- one row per territory and month: cannot fan out
    inner join sent_month
        on employer.territory_key = sent_month.territory_key and employer.month = sent_month.month
),

run as (
    select
        *,
        sent_no - row_number() over (
            partition by territory_key, si_unit_code, attributes order by month
        ) as run_no
    from observed
),

version as (
    select
        territory_key,
        si_unit_code,
        attributes,
        run_no,
        province_code,
        current_province_code,
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
        min(month) as valid_from,
        -- the next month the territory sent, whatever stands in it
        max(next_month) as valid_to
    from run
    group by
        territory_key, si_unit_code, attributes, run_no, province_code, current_province_code,
        tax_code, name, unit_type, industry_code, commune_code, status, status_date, pay_method,
        wage_region, office_code, address
),

keyed as (
    select
        *,
        {{ employer_id('territory_key', 'si_unit_code') }} as employer_id
    from version
),

final as (
    select
        {{ employer_key_of('employer_id', 'valid_from') }} as employer_key,
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
        valid_to
    from keyed
)

select * from final
