-- one row per tax year and tax code with a unit, persons paid or a closure, and per tax year and
-- unit active in it with which no tax code is matched
{{ config(slice_by=[], pre_hook="{{ no_nested_loops() }}") }}

with tax_employer as (
    select * from {{ ref('int_tax_employer__latest') }}
),

matched_unit as (
    select * from {{ ref('fct_tax_match_unit') }}
),

queued_pair as (
    select * from {{ ref('int_tax_match__similar') }}
),

employer_year as (
    select * from {{ ref('int_employer__tax_year') }}
),

person as (
    select * from {{ ref('int_employer__si_person_year') }}
),

unit_month as (
    select * from {{ ref('int_employer__si_month') }}
),

arrears as (
    select * from {{ ref('fct_arrears') }}
),

calendar as (
    select * from {{ ref('int_calendar__tax_year') }}
),

threshold as (
    select * from {{ ref('tax_match_threshold') }}
),

threshold_year as (
    select
        extract(year from closing.year_end)::integer as tax_year,
        max(threshold.value) filter (
            where threshold.threshold = 'employee_gap_minimum'
        ) as employee_gap_minimum,
        max(threshold.value) filter (
            where threshold.threshold = 'employee_gap_share_minimum'
        ) as employee_gap_share_minimum
    from (
        select make_date(tax_year, 12, 31) as year_end
        from tax_employer
        group by tax_year
    ) as closing
    inner join threshold
        on closing.year_end >= threshold.valid_from and closing.year_end < threshold.valid_to
    group by closing.year_end
),

-- whom a row is about: a tax code, or a unit without one. `subject` is unique within a tax year
subject_unit as (
    select
        tax_year,
        tax_code as subject,
        tax_code,
        match_rule,
        employer_id,
        employer_key,
        si_unit_code,
        territory_key,
        province_key,
        province_code,
        current_province_code,
        status,
        industry_code,
        null as name,
        months,
        tax_code_count
    from matched_unit
    union all
    select
        employer_year.tax_year,
        employer_year.employer_id::text as subject,
        employer_year.tax_code,
        null as match_rule,
        employer_year.employer_id,
        employer_year.employer_key,
        employer_year.si_unit_code,
        employer_year.territory_key,
        calendar.province_key,
        employer_year.province_code,
        employer_year.current_province_code,
        employer_year.status,
        employer_year.industry_code,
        employer_year.name,
        {{ whole_year() }} as months,
        0 as tax_code_count
    from employer_year
    inner join calendar
        on
            employer_year.tax_year = calendar.tax_year
            and employer_year.territory_key = calendar.territory_key
    left join matched_unit
        on
            employer_year.tax_year = matched_unit.tax_year
            and employer_year.employer_id = matched_unit.employer_id
    where employer_year.is_active_in_year and matched_unit.employer_id is null
),

-- months in which every territory of today's province that was in force has sent its participants
province_year as (
    select
        tax_year,
        current_province_code,
        bit_or(months_in_force)
        & bit_and(months_published | ({{ whole_year() }} - months_in_force)) as months,
        bit_or(months_in_force)
        & bit_and(months_of_arrears | ({{ whole_year() }} - months_in_force)) as months_of_arrears
    from calendar
    group by tax_year, current_province_code
),

-- of several provinces each must have sent the month: those whose units are matched, and where none
-- of them was in force yet or any more, all that cover the ground
subject_province as (
    select
        subject_unit.tax_year,
        subject_unit.subject,
        subject_unit.current_province_code,
        bit_and(
            calendar.months_published | ({{ whole_year() }} - calendar.months_in_force)
        ) & (bit_or(calendar.months_in_force) | max(province_year.months)) as months,
        bit_and(
            calendar.months_of_arrears | ({{ whole_year() }} - calendar.months_in_force)
        ) & (bit_or(calendar.months_in_force) | max(province_year.months_of_arrears))
            as months_of_arrears
    from subject_unit
    inner join calendar
        on
            subject_unit.tax_year = calendar.tax_year
            and subject_unit.territory_key = calendar.territory_key
    inner join province_year
        on
            subject_unit.tax_year = province_year.tax_year
            and subject_unit.current_province_code = province_year.current_province_code
    group by
        subject_unit.tax_year, subject_unit.subject, subject_unit.current_province_code
),

used as (
    select
        tax_year,
        subject,
        bit_and(months) as months
    from subject_province
    group by tax_year, subject
),

-- a person in two units of one code counts once a month
subject_person as (
    select
        subject_unit.tax_year,
        subject_unit.subject,
        person.participant_key,
        bit_or(person.months & subject_unit.months & used.months) as months
    from subject_unit
    inner join used
        on
            subject_unit.tax_year = used.tax_year
            and subject_unit.subject = used.subject
    inner join person
        on
            subject_unit.employer_id = person.employer_id
            and make_date(subject_unit.tax_year, 1, 1) = person.month
    group by subject_unit.tax_year, subject_unit.subject, person.participant_key
),

head as (
    select
        tax_year,
        subject,
        sum({{ months_in('months') }}) as person_months,
        count(*) filter (where months & 2048 > 0) as persons_december,
        count(*) filter (where months > 0) as persons_distinct
    from subject_person
    group by tax_year, subject
),

-- heads and wages of each unit in the months that count
unit_sum as (
    select
        subject_unit.tax_year,
        subject_unit.subject,
        subject_unit.employer_id,
        sum(unit_month.persons) as person_months,
        sum(unit_month.wage_base_vnd) as wage_base_vnd
    from subject_unit
    inner join used
        on
            subject_unit.tax_year = used.tax_year
            and subject_unit.subject = used.subject
    inner join unit_month
        on
            subject_unit.employer_id = unit_month.employer_id
            and subject_unit.tax_year = extract(year from unit_month.month)
            and subject_unit.months & used.months & {{ month_bit('unit_month.month') }} > 0
    group by subject_unit.tax_year, subject_unit.subject, subject_unit.employer_id
),

wage as (
    select
        tax_year,
        subject,
        sum(wage_base_vnd) as wage_base_vnd
    from unit_sum
    group by tax_year, subject
),

-- the last month end of the year for which a province's arrears are published: the highest bit
arrears_month as (
    select
        tax_year,
        subject,
        current_province_code,
        make_date(
            tax_year, length(ltrim(months_of_arrears::bit(12)::text, '0')), 1
        ) as month
    from subject_province
    where months_of_arrears > 0
),

owed as (
    select
        subject_unit.tax_year,
        subject_unit.subject,
        coalesce(sum(arrears.principal_vnd), 0)::bigint as arrears_vnd,
        coalesce(sum(arrears.overdue_vnd), 0)::bigint as overdue_vnd,
        coalesce(
            bool_or(arrears.overdue_vnd > 0 and arrears.months_owed >= 1), false
        ) as has_arrears,
        max(arrears_month.month) as arrears_month
    from subject_unit
    inner join arrears_month
        on
            subject_unit.tax_year = arrears_month.tax_year
            and subject_unit.subject = arrears_month.subject
            and subject_unit.current_province_code = arrears_month.current_province_code
    left join arrears
        on
            subject_unit.employer_id = arrears.employer_id
            and arrears_month.month = arrears.month
    group by subject_unit.tax_year, subject_unit.subject
),

-- the unit that stands for all that are matched: the one with most persons
main_unit as (
    select distinct on (subject_unit.tax_year, subject_unit.subject)
        subject_unit.*,
        count(*) over subject as unit_count,
        bool_and(subject_unit.status = 'absconded') over subject as is_absconded,
        max(subject_unit.tax_code_count) over subject as most_tax_codes
    from subject_unit
    left join unit_sum
        on
            subject_unit.tax_year = unit_sum.tax_year
            and subject_unit.subject = unit_sum.subject
            and subject_unit.employer_id = unit_sum.employer_id
    window subject as (partition by subject_unit.tax_year, subject_unit.subject)
    order by
        subject_unit.tax_year asc,
        subject_unit.subject asc,
        unit_sum.person_months desc nulls last,
        subject_unit.si_unit_code asc,
        subject_unit.territory_key asc
),

-- a code without a unit is compared over the months of the province that the list names
listed_province as (
    select
        calendar.tax_year,
        calendar.territory_key,
        calendar.months_published
        | (province_year.months & ({{ whole_year() }} - calendar.months_in_force)) as months
    from calendar
    inner join province_year
        on
            calendar.tax_year = province_year.tax_year
            and calendar.current_province_code = province_year.current_province_code
),

in_review as (
    select
        tax_year,
        tax_code
    from queued_pair
    group by tax_year, tax_code
),

-- everything that is known of a tax code or of a unit on no list, before it is judged
compared as (
    select
        coalesce(tax_employer.tax_year, main_unit.tax_year) as tax_year,
        coalesce(tax_employer.tax_code, main_unit.tax_code) as tax_code,
        tax_employer.tax_code is not null as is_in_tax_list,
        main_unit.employer_id is not null as has_unit,
        in_review.tax_code is not null as is_in_review,
        main_unit.match_rule,
        main_unit.employer_key,
        main_unit.employer_id,
        coalesce(main_unit.unit_count, 0)::integer as unit_count,
        coalesce(main_unit.most_tax_codes, 0)::integer as tax_code_count,
        coalesce(main_unit.is_absconded, false) as is_absconded,
        case
            when main_unit.employer_id is null then tax_employer.province_key
            else main_unit.province_key
        end as province_key,
        case
            when main_unit.employer_id is null then tax_employer.province_code
            else main_unit.province_code
        end as province_code,
        case
            when main_unit.employer_id is null then tax_employer.current_province_code
            else main_unit.current_province_code
        end as current_province_code,
        coalesce(tax_employer.name, main_unit.name) as tax_name,
        tax_employer.status as tax_status,
        tax_employer.status_date as tax_status_date,
        tax_employer.supplement_no,
        coalesce(tax_employer.industry_code, main_unit.industry_code) as industry_code,
        tax_employer.employees_paid,
        tax_employer.employees_with_contract as employees_tax,
        tax_employer.income_paid_vnd,
        tax_employer.is_cit_finalised,
        tax_employer.cit_filing_date,
        tax_employer.as_of_date,
        tax_employer.submission_id,
        tax_employer.row_no,
        case
            when main_unit.employer_id is null then coalesce(listed_province.months, 0)
            else coalesce(used.months, 0)
        end as months,
        coalesce(head.person_months, 0) as person_months,
        coalesce(head.persons_december, 0) as persons_december,
        coalesce(head.persons_distinct, 0) as persons_distinct,
        coalesce(wage.wage_base_vnd, 0) as wage_base_vnd,
        owed.arrears_vnd,
        owed.overdue_vnd,
        owed.has_arrears,
        owed.arrears_month
    from tax_employer
    full join main_unit
        on
            tax_employer.tax_year = main_unit.tax_year
            and tax_employer.tax_code = main_unit.subject
    left join in_review
        on
            tax_employer.tax_year = in_review.tax_year
            and tax_employer.tax_code = in_review.tax_code
    -- one row a tax year and subject each: cannot fan out
    left join used
        on main_unit.tax_year = used.tax_year and main_unit.subject = used.subject
    left join head
        on main_unit.tax_year = head.tax_year and main_unit.subject = head.subject
    left join wage
        on main_unit.tax_year = wage.tax_year and main_unit.subject = wage.subject
    left join owed
        on main_unit.tax_year = owed.tax_year and main_unit.subject = owed.subject
    left join listed_province
        on
            tax_employer.tax_year = listed_province.tax_year
            and tax_employer.territory_key = listed_province.territory_key
),

counted as (
    select
        compared.*,
        {{ months_in('compared.months') }}::integer as months_used,
        case
            when not compared.has_unit then 0
            when compared.months > 0
                then
                    trim_scale(
                        compared.person_months / {{ months_in('compared.months') }}::numeric
                    )
        end as employees_si
    from compared
),

gap as (
    select
        counted.*,
        (counted.employees_tax - round(counted.employees_si))::bigint as employee_gap,
        case
            when counted.months_used > 0
                then
                    (
                        round(counted.income_paid_vnd * counted.months_used / 12.0)
                        - counted.wage_base_vnd
                    )::bigint
        end as wage_gap_vnd
    from counted
),

flagged as (
    select
        gap.*,
        gap.is_in_tax_list and not gap.has_unit and gap.employees_paid > 0 as is_not_registered,
        case when gap.has_unit then gap.has_arrears else false end as has_arrears_known,
        gap.employee_gap >= threshold_year.employee_gap_minimum
        and gap.employee_gap
        >= gap.employees_tax * threshold_year.employee_gap_share_minimum as is_under_declared,
        gap.tax_status in ('closed', 'closed_unfinalised', 'not_at_address')
        or gap.is_absconded as is_closed
    from gap
    inner join threshold_year on gap.tax_year = threshold_year.tax_year
),

final as (
    select
        tax_year,
        tax_code,
        case
            when not is_in_tax_list then 'not_in_tax_list'
            when is_closed then 'closed_or_absconded'
            when is_in_review then 'review'
            when is_not_registered then 'not_registered'
            when is_cit_finalised and has_arrears_known then 'cit_finalised_si_unpaid'
            when is_under_declared then 'under_declared'
            else 'matched'
        end as match_class,
        match_rule,
        employer_key,
        employer_id,
        unit_count,
        tax_code_count,
        province_key,
        province_code,
        current_province_code,
        tax_name,
        tax_status,
        tax_status_date,
        supplement_no,
        industry_code,
        employees_paid,
        employees_tax,
        employees_si,
        case
            when not has_unit then 0
            when months & 2048 > 0 then persons_december
        end::integer as employees_si_december,
        case
            when not has_unit then 0
            when months > 0 then persons_distinct
        end::integer as employees_si_distinct,
        months_used,
        employee_gap,
        income_paid_vnd,
        case when months > 0 or not has_unit then wage_base_vnd end::bigint as wage_base_vnd,
        wage_gap_vnd,
        case when has_unit then arrears_vnd else 0 end::bigint as arrears_vnd,
        case when has_unit then overdue_vnd else 0 end::bigint as overdue_vnd,
        arrears_month,
        has_arrears_known as has_arrears,
        is_under_declared,
        is_cit_finalised,
        cit_filing_date,
        is_not_registered,
        as_of_date,
        submission_id,
        row_no
    from flagged
    where
        not is_in_tax_list
        or has_unit
        or employees_paid > 0
        or is_closed
)

select * from final
