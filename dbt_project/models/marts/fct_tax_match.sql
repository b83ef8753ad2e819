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

province_year as (
    {{ months_sent_by_provinces() }}
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

-- whom a row is about, in one number for the many joins: a tax code of a year from 1 upwards, a
-- unit without one from -1 downwards
numbered_code as (
    select
        row_number() over () as subject_no,
        tax_employer.*
    from tax_employer
),

subject_unit as (
    select
        numbered_code.subject_no,
        matched_unit.tax_year,
        matched_unit.tax_code,
        matched_unit.match_rule,
        matched_unit.employer_id,
        matched_unit.employer_key,
        matched_unit.si_unit_code,
        matched_unit.territory_key,
        matched_unit.province_key,
        matched_unit.province_code,
        matched_unit.current_province_code,
        matched_unit.status,
        matched_unit.industry_code,
        null as name,
        matched_unit.is_in_year,
        matched_unit.months,
        matched_unit.tax_code_count
    from matched_unit
    inner join numbered_code
        on
            matched_unit.tax_year = numbered_code.tax_year
            and matched_unit.tax_code = numbered_code.tax_code
    union all
    select
        -row_number() over () as subject_no,
        employer_year.tax_year,
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
        true as is_in_year,
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

-- of several provinces each must have sent the month: those whose units are matched, and where none
-- of them was in force yet or any more, all that cover the ground
subject_province as (
    select
        subject_unit.subject_no,
        subject_unit.tax_year,
        subject_unit.current_province_code,
        {{ months_sent('months_published') }} as months,
        {{ months_sent('months_of_arrears') }} as months_of_arrears
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
        subject_unit.subject_no, subject_unit.tax_year, subject_unit.current_province_code
),

used as (
    select
        subject_no,
        bit_and(months) as months
    from subject_province
    group by subject_no
),

-- nothing is read of units of which no month counts
used_unit as (
    select
        subject_unit.subject_no,
        subject_unit.tax_year,
        subject_unit.employer_id,
        subject_unit.months & used.months as months
    from subject_unit
    inner join used on subject_unit.subject_no = used.subject_no
    where subject_unit.months & used.months > 0
),

-- a person in two units of one code counts once a month
subject_person as (
    select
        used_unit.subject_no,
        person.participant_key,
        bit_or(person.months & used_unit.months) as months
    from used_unit
    inner join person
        on
            used_unit.employer_id = person.employer_id
            and make_date(used_unit.tax_year, 1, 1) = person.month
    group by used_unit.subject_no, person.participant_key
),

head as (
    select
        subject_no,
        sum({{ months_in('months') }}) as person_months,
        count(*) filter (where months & 2048 > 0) as persons_december,
        count(*) filter (where months > 0) as persons_distinct
    from subject_person
    group by subject_no
),

-- heads and wages of each unit in the months that count
unit_sum as (
    select
        used_unit.subject_no,
        used_unit.employer_id,
        sum(unit_month.persons) as person_months,
        sum(unit_month.wage_base_vnd) as wage_base_vnd
    from used_unit
    inner join unit_month
        on
            used_unit.employer_id = unit_month.employer_id
            and used_unit.tax_year = extract(year from unit_month.month)
            and used_unit.months & {{ month_bit('unit_month.month') }} > 0
    group by used_unit.subject_no, used_unit.employer_id
),

wage as (
    select
        subject_no,
        sum(wage_base_vnd) as wage_base_vnd
    from unit_sum
    group by subject_no
),

-- the last month end of the year for which a province's arrears are published
arrears_month as (
    select
        subject_no,
        current_province_code,
        {{ last_month('months_of_arrears', 'tax_year') }} as month
    from subject_province
),

owed as (
    select
        subject_unit.subject_no,
        coalesce(sum(arrears.principal_vnd), 0)::bigint as arrears_vnd,
        coalesce(sum(arrears.overdue_vnd), 0)::bigint as overdue_vnd,
        coalesce(
            bool_or(arrears.overdue_vnd > 0 and arrears.months_owed >= 1), false
        ) as has_arrears,
        max(arrears_month.month) as arrears_month,
        -- every province of the code has sent that month
        count(*) = count(arrears_month.month)
        and min(arrears_month.month) = max(arrears_month.month) as is_whole
    from subject_unit
    inner join arrears_month
        on
            subject_unit.subject_no = arrears_month.subject_no
            and subject_unit.current_province_code = arrears_month.current_province_code
    left join arrears
        on
            subject_unit.employer_id = arrears.employer_id
            and arrears_month.month = arrears.month
    group by subject_unit.subject_no
),

-- R19. A unit of a map that ended in the year is what the list of the map that followed says of the
-- code's units there
absconded_in_province as (
    select
        subject_unit.subject_no,
        case
            when bool_or(subject_unit.is_in_year and calendar.months_in_force & 2048 > 0)
                then
                    bool_and(subject_unit.status = 'absconded') filter (
                        where calendar.months_in_force & 2048 > 0
                    )
            else bool_and(subject_unit.status = 'absconded')
        end as is_absconded
    from subject_unit
    inner join calendar
        on
            subject_unit.tax_year = calendar.tax_year
            and subject_unit.territory_key = calendar.territory_key
    group by subject_unit.subject_no, subject_unit.current_province_code
),

absconded as (
    select subject_no
    from absconded_in_province
    group by subject_no
    having bool_and(is_absconded)
),

-- the unit that stands for all that are matched: the one with most persons
main_unit as (
    select distinct on (subject_unit.subject_no)
        subject_unit.*,
        count(*) over subject as unit_count,
        max(subject_unit.tax_code_count) over subject as most_tax_codes
    from subject_unit
    left join unit_sum
        on
            subject_unit.subject_no = unit_sum.subject_no
            and subject_unit.employer_id = unit_sum.employer_id
    window subject as (partition by subject_unit.subject_no)
    order by
        subject_unit.subject_no asc,
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
        | (province_year.months_published & ({{ whole_year() }} - calendar.months_in_force))
            as months
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
        coalesce(numbered_code.tax_year, main_unit.tax_year) as tax_year,
        coalesce(numbered_code.tax_code, main_unit.tax_code) as tax_code,
        numbered_code.tax_code is not null as is_in_tax_list,
        main_unit.employer_id is not null as has_unit,
        in_review.tax_code is not null as is_in_review,
        main_unit.match_rule,
        main_unit.employer_key,
        main_unit.employer_id,
        coalesce(main_unit.unit_count, 0)::integer as unit_count,
        coalesce(main_unit.most_tax_codes, 0)::integer as tax_code_count,
        absconded.subject_no is not null as is_absconded,
        case
            when main_unit.employer_id is null then numbered_code.province_key
            else main_unit.province_key
        end as province_key,
        case
            when main_unit.employer_id is null then numbered_code.province_code
            else main_unit.province_code
        end as province_code,
        case
            when main_unit.employer_id is null then numbered_code.current_province_code
            else main_unit.current_province_code
        end as current_province_code,
        coalesce(numbered_code.name, main_unit.name) as tax_name,
        numbered_code.status as tax_status,
        numbered_code.status_date as tax_status_date,
        numbered_code.supplement_no,
        coalesce(numbered_code.industry_code, main_unit.industry_code) as industry_code,
        numbered_code.employees_paid,
        numbered_code.employees_with_contract as employees_tax,
        numbered_code.income_paid_vnd,
        numbered_code.is_cit_finalised,
        numbered_code.cit_filing_date,
        numbered_code.as_of_date,
        numbered_code.submission_id,
        numbered_code.row_no,
        case
            when main_unit.employer_id is null then coalesce(listed_province.months, 0)
            else coalesce(used.months, 0)
        end as months,
        coalesce(head.person_months, 0) as person_months,
        coalesce(head.persons_december, 0) as persons_december,
        coalesce(head.persons_distinct, 0) as persons_distinct,
        coalesce(wage.wage_base_vnd, 0) as wage_base_vnd,
        case when owed.is_whole then owed.arrears_vnd end as arrears_vnd,
        case when owed.is_whole then owed.overdue_vnd end as overdue_vnd,
        case when owed.has_arrears or owed.is_whole then owed.has_arrears end as has_arrears,
        owed.arrears_month
    from numbered_code
    full join main_unit on numbered_code.subject_no = main_unit.subject_no
    left join in_review
        on
            numbered_code.tax_year = in_review.tax_year
            and numbered_code.tax_code = in_review.tax_code
    -- one row a subject each: cannot fan out
    left join used on main_unit.subject_no = used.subject_no
    left join head on main_unit.subject_no = head.subject_no
    left join wage on main_unit.subject_no = wage.subject_no
    left join owed on main_unit.subject_no = owed.subject_no
    left join absconded on main_unit.subject_no = absconded.subject_no
    left join listed_province
        on
            numbered_code.tax_year = listed_province.tax_year
            and numbered_code.territory_key = listed_province.territory_key
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
        {{ is_under_declared(
            'gap.employee_gap',
            'gap.employees_tax',
            'threshold_year.employee_gap_minimum',
            'threshold_year.employee_gap_share_minimum'
        ) }} as is_under_declared,
        {{ is_closed_for_tax('gap.tax_status') }} or gap.is_absconded as is_closed
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
