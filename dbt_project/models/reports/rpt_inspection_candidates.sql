-- one row per unit, or tax code without one, that there is a reason to inspect
{{ config(slice_by=[], pre_hook="{{ no_nested_loops() }}") }}
{%- set reasons = [
    'cit_finalised_si_unpaid', 'not_registered', 'three_months_or_more', 'under_declared'
] %}
with territory as (
    select * from {{ ref('int_calendar__inspection') }}
),

arrears as (
    select * from {{ ref('int_arrears__by_unit') }}
),

tax_reason_row as (
    select * from {{ ref('int_tax_match__reason') }}
),

tax_match as (
    select * from {{ ref('fct_tax_match') }}
),

matched_unit as (
    select * from {{ ref('fct_tax_match_unit') }}
),

owing as (
    select * from {{ ref('int_tax_match__owing') }}
),

employer as (
    select * from {{ ref('dim_employer') }}
),

successor as (
    select * from {{ ref('int_employer__successor') }}
),

inspection as (
    select * from {{ ref('fct_inspection') }}
    where entity_kind = 'employer'
),

inspection_reason as (
    select * from {{ ref('inspection_reason') }}
),

country as (
    select
        country_month as month,
        {{ year_start('country_month') }} as begins_on
    from territory
    group by country_month
),

-- a year after the list's own is a slip of the pen, and would take the place of the real one
latest_tax_year as (
    select max(tax_year) as tax_year
    from tax_match
    where
        match_class is distinct from 'not_in_tax_list'
        and (tax_year > extract(year from as_of_date)) is not true
),

weight as (
    select
        inspection_reason.reason,
        inspection_reason.weight
    from inspection_reason
    inner join country
        on
            {{ month_end('country.month') }} >= inspection_reason.valid_from
            and {{ month_end('country.month') }} < inspection_reason.valid_to
),

-- one row a unit: each territory has one latest list
unit_arrears as (
    select arrears.*
    from arrears
    inner join territory
        on
            arrears.territory_key = territory.territory_key
            and arrears.month = territory.arrears_month
),

latest_reason_row as (
    select tax_reason_row.*
    from tax_reason_row
    inner join latest_tax_year on tax_reason_row.tax_year = latest_tax_year.tax_year
),

last_version as (
    select distinct on (employer_id) *
    from employer
    order by employer_id asc, is_inferred asc, valid_from desc
),

-- nobody is left to inspect where a unit is closed or hard to collect from
gone as (
    select employer_id
    from last_version
    where status in ('absconded', 'dissolved', 'bankrupt')
    union
    select employer_id
    from unit_arrears
    where is_hard_to_collect
),

-- each unit of a code with what it is on today's map
unit_today as (
    select
        matched_unit.tax_code,
        matched_unit.employer_id,
        matched_unit.si_unit_code,
        coalesce(successor.successor_id, matched_unit.employer_id) as today_id
    from matched_unit
    inner join latest_tax_year on matched_unit.tax_year = latest_tax_year.tax_year
    left join successor on matched_unit.employer_id = successor.employer_id
),

-- what is the code's, and not a unit's, stands with another unit of it when the main one is gone
stand_in as (
    select distinct on (latest_reason_row.tax_code)
        latest_reason_row.tax_code,
        unit_today.employer_id
    from latest_reason_row
    left join successor on latest_reason_row.employer_id = successor.employer_id
    inner join gone
        on coalesce(successor.successor_id, latest_reason_row.employer_id) = gone.employer_id
    inner join unit_today on latest_reason_row.tax_code = unit_today.tax_code
    left join gone as gone_as_well on unit_today.today_id = gone_as_well.employer_id
    where gone_as_well.employer_id is null
    order by latest_reason_row.tax_code asc, unit_today.si_unit_code asc
),

-- whom a tax code is about: the unit that stands for it, and each unit of it that owed when the
-- code finalised
code_unit as (
    select
        latest_reason_row.tax_code,
        coalesce(stand_in.employer_id, latest_reason_row.employer_id) as employer_id,
        latest_reason_row.is_not_registered,
        latest_reason_row.is_cit_finalised_si_unpaid
        and (
            stand_in.employer_id is null
            or latest_reason_row.is_under_declared
            or latest_reason_row.is_not_registered
        ) as is_cit_finalised_si_unpaid,
        latest_reason_row.is_under_declared,
        null::bigint as tax_year_overdue_vnd,
        null::numeric as tax_year_months_owed,
        null::date as tax_year_arrears_month
    from latest_reason_row
    left join stand_in on latest_reason_row.tax_code = stand_in.tax_code
    union all
    select
        latest_reason_row.tax_code,
        owing.employer_id,
        false as is_not_registered,
        true as is_cit_finalised_si_unpaid,
        false as is_under_declared,
        owing.overdue_vnd as tax_year_overdue_vnd,
        owing.months_owed as tax_year_months_owed,
        owing.arrears_month as tax_year_arrears_month
    from latest_reason_row
    inner join owing
        on
            latest_reason_row.tax_year = owing.tax_year
            and latest_reason_row.tax_code = owing.tax_code
    where latest_reason_row.is_cit_finalised
),

-- the unit on today's map; without one the code itself
code_candidate as (
    select
        code_unit.*,
        coalesce(
            successor.successor_id::text, code_unit.employer_id::text, code_unit.tax_code
        ) as candidate_key
    from code_unit
    left join successor on code_unit.employer_id = successor.employer_id
),

-- what a unit was before and after the map changed is one
tax_row as (
    select
        candidate_key,
        tax_code,
        bool_or(is_not_registered) as is_not_registered,
        bool_or(is_cit_finalised_si_unpaid) as is_cit_finalised_si_unpaid,
        bool_or(is_under_declared) as is_under_declared
    from code_candidate
    group by candidate_key, tax_code
),

tax_reason as (
    select
        tax_row.candidate_key,
        tax_row.tax_code,
        weight.reason,
        weight.weight
    from tax_row
    cross join
        lateral (
            values
            ('not_registered', tax_row.is_not_registered),
            ('cit_finalised_si_unpaid', tax_row.is_cit_finalised_si_unpaid),
            ('under_declared', tax_row.is_under_declared)
        ) as held (reason, is_held)
    inner join weight on held.reason = weight.reason
    where held.is_held
),

tax_code_score as (
    select
        candidate_key,
        tax_code,
        sum(weight) as score
    from tax_reason
    group by candidate_key, tax_code
),

tax_codes as (
    select
        candidate_key,
        string_agg(tax_code, ', ' order by tax_code) as tax_codes
    from tax_code_score
    group by candidate_key
),

-- of several tax codes of a unit the one that says most
tax_figure as (
    select distinct on (tax_row.candidate_key)
        tax_row.candidate_key,
        latest_reason_row.*
    from tax_row
    inner join latest_reason_row on tax_row.tax_code = latest_reason_row.tax_code
    left join tax_code_score
        on
            tax_row.candidate_key = tax_code_score.candidate_key
            and tax_row.tax_code = tax_code_score.tax_code
    order by
        tax_row.candidate_key asc,
        tax_code_score.score desc nulls last,
        latest_reason_row.employee_gap desc nulls last,
        tax_row.tax_code asc
),

-- what the unit owed at the end of the tax year, once, though several codes of it finalised
tax_year_arrears as (
    select distinct on (candidate_key)
        candidate_key,
        tax_year_overdue_vnd,
        tax_year_months_owed,
        tax_year_arrears_month
    from code_candidate
    where tax_year_arrears_month is not null
    order by candidate_key asc, tax_year_arrears_month desc, tax_year_overdue_vnd desc
),

-- a reason counts once, however many tax codes of the unit give it
found as (
    select
        candidate_key,
        reason,
        weight
    from tax_reason
    union
    select
        unit_arrears.employer_id::text as candidate_key,
        weight.reason,
        weight.weight
    from unit_arrears
    inner join weight on weight.reason = 'three_months_or_more'
    where unit_arrears.is_three_months_overdue
),

scored as (
    select
        candidate_key,
        {% for reason in reasons %}
            bool_or(reason = '{{ reason }}') as is_{{ reason }},
        {% endfor %}
        sum(weight)::integer as score,
        string_agg(reason, ', ' order by weight desc, reason asc) as reasons
    from found
    group by candidate_key
),

-- closed for the tax authority under every code it has: a closed branch does not close its parent
closed_for_tax as (
    select coalesce(successor.successor_id, matched_unit.employer_id) as employer_id
    from matched_unit
    inner join latest_tax_year on matched_unit.tax_year = latest_tax_year.tax_year
    inner join tax_match
        on
            matched_unit.tax_year = tax_match.tax_year
            and matched_unit.tax_code = tax_match.tax_code
            and tax_match.match_class <> 'not_in_tax_list'
    left join successor on matched_unit.employer_id = successor.employer_id
    group by coalesce(successor.successor_id, matched_unit.employer_id)
    having bool_and(tax_match.match_class = 'closed_or_absconded')
),

-- a case of before the map changed is one of the unit that goes on
inspected as (
    select
        coalesce(successor.successor_id, inspection.employer_id) as employer_id,
        max(inspection.decision_date) as inspected_on,
        bool_or(not inspection.is_unscheduled) as has_scheduled_inspection
    from inspection
    inner join country
        on
            inspection.decision_date >= country.begins_on
            and inspection.decision_date < country.begins_on + interval '1 year'
    left join successor on inspection.employer_id = successor.employer_id
    group by coalesce(successor.successor_id, inspection.employer_id)
),

current_province as (
    select
        current_province_code,
        latest_month
    from territory
    group by current_province_code, latest_month
),

described as (
    select
        scored.candidate_key,
        scored.score,
        scored.reasons,
        {% for reason in reasons %}
            scored.is_{{ reason }},
        {% endfor %}
        coalesce(unit_arrears.employer_key, last_version.employer_key) as employer_key,
        last_version.employer_id,
        last_version.si_unit_code,
        coalesce(last_version.si_unit_code, tax_figure.tax_code) as code,
        coalesce(last_version.name, tax_figure.tax_name) as name,
        last_version.address,
        coalesce(territory.province_key, tax_figure.province_key) as province_key,
        last_version.territory_key,
        coalesce(last_version.province_code, tax_figure.province_code) as province_code,
        coalesce(last_version.current_province_code, tax_figure.current_province_code)
            as current_province_code,
        coalesce(last_version.industry_code, tax_figure.industry_code) as industry_code,
        territory.arrears_month,
        case
            when last_version.employer_id is null then 0
            when territory.arrears_month is not null then coalesce(unit_arrears.overdue_vnd, 0)
        end as overdue_vnd,
        case
            when last_version.employer_id is null then 0
            when territory.arrears_month is not null then coalesce(unit_arrears.principal_vnd, 0)
        end as principal_vnd,
        unit_arrears.months_owed,
        case
            when last_version.employer_id is null then tax_figure.employee_gap
            when territory.arrears_month is not null
                then coalesce(unit_arrears.employees_affected, 0)
        end as employees_affected,
        tax_figure.tax_year,
        tax_year_arrears.tax_year_arrears_month,
        tax_year_arrears.tax_year_overdue_vnd,
        tax_year_arrears.tax_year_months_owed,
        tax_figure.tax_code,
        tax_codes.tax_codes,
        tax_figure.employees_tax,
        tax_figure.employees_si,
        tax_figure.employee_gap,
        tax_figure.wage_gap_vnd,
        tax_figure.is_cit_finalised,
        tax_figure.cit_filing_date,
        inspected.inspected_on,
        inspected.inspected_on is not null as is_inspected_this_year,
        coalesce(inspected.has_scheduled_inspection, false) as has_scheduled_inspection,
        coalesce(territory.latest_month, current_province.latest_month, country.month) as month,
        least(territory.arrears_as_of_date, tax_figure.as_of_date) as as_of_date
    from scored
    cross join country
    -- one row a candidate, unit, territory or province of today each: none of these fans out
    left join tax_figure on scored.candidate_key = tax_figure.candidate_key
    left join tax_codes on scored.candidate_key = tax_codes.candidate_key
    left join tax_year_arrears on scored.candidate_key = tax_year_arrears.candidate_key
    left join last_version on scored.candidate_key = last_version.employer_id::text
    left join unit_arrears on scored.candidate_key = unit_arrears.employer_id::text
    left join territory on last_version.territory_key = territory.territory_key
    left join current_province
        on tax_figure.current_province_code = current_province.current_province_code
    left join closed_for_tax on last_version.employer_id = closed_for_tax.employer_id
    left join inspected on last_version.employer_id = inspected.employer_id
    left join gone on last_version.employer_id = gone.employer_id
    where gone.employer_id is null and closed_for_tax.employer_id is null
),

-- one order for the country and within a province
placed as (
    select
        *,
        row_number() over (
            order by
                is_inspected_this_year asc,
                score desc,
                coalesce(overdue_vnd, 0) desc,
                coalesce(employees_affected, 0) desc,
                code asc,
                candidate_key asc
        ) as place
    from described
),

final as (
    select
        candidate_key,
        place::integer as rank_no,
        case
            when current_province_code is not null
                then row_number() over (partition by current_province_code order by place)
        end::integer as rank_in_province_no,
        score,
        reasons,
        {% for reason in reasons %}
            is_{{ reason }},
        {% endfor %}
        month,
        province_key,
        territory_key,
        province_code,
        current_province_code,
        employer_key,
        employer_id,
        si_unit_code,
        name,
        address,
        industry_code,
        arrears_month,
        overdue_vnd::bigint as overdue_vnd,
        principal_vnd::bigint as principal_vnd,
        months_owed,
        employees_affected::bigint as employees_affected,
        tax_year,
        tax_year_arrears_month,
        tax_year_overdue_vnd,
        tax_year_months_owed,
        tax_code,
        tax_codes,
        employees_tax,
        employees_si,
        employee_gap,
        wage_gap_vnd,
        is_cit_finalised,
        cit_filing_date,
        inspected_on,
        is_inspected_this_year,
        has_scheduled_inspection,
        as_of_date,
        'exact' as qualifier
    from placed
)

select * from final
