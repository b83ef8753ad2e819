-- one row per inspection case and territory, from the latest list of the year that names it
{{ config(slice_by=[], main_feed='inspections') }}

with reported as (
    select * from {{ ref('int_inspection__as_reported') }}
),

employer as (
    select * from {{ ref('int_employer__version') }}
),

province as (
    select * from {{ source('ops', 'province') }}
),

-- a list with nothing in it counts: it takes back what the list before it named
latest_list as (
    select
        territory_key,
        max(month) as month
    from {{ source('ops', 'input') }}
    where feed = 'inspections' and territory_key is not null
    group by territory_key, date_trunc('year', month)
),

inspection_case as (
    select distinct on (  -- noqa: LT09
        reported.territory_key, reported.case_no, date_trunc('year', reported.decision_date)
    )
        reported.*
    from reported
    inner join latest_list
        on
            reported.territory_key = latest_list.territory_key
            and reported.month = latest_list.month
    order by
        reported.territory_key asc,
        reported.case_no asc,
        date_trunc('year', reported.decision_date) asc,
        reported.month desc
),

-- since the merger a province also lists what its predecessors decided: their list gives way to
-- its own, case by case
succeeded as (
    select
        old.territory_key,
        old.case_no,
        old.decision_date
    from inspection_case as old
    inner join inspection_case as new
        on
            old.current_province_code = new.current_province_code
            and old.case_no = new.case_no
            and old.decision_date = new.decision_date
            and old.territory_key <> new.territory_key
            and old.month < new.month
    group by old.territory_key, old.case_no, old.decision_date
),

final as (
    select
        inspection_case.decision_month as month,
        coalesce(province.province_key, inspection_case.province_key) as province_key,
        inspection_case.territory_key,
        inspection_case.province_code,
        inspection_case.current_province_code,
        inspection_case.case_no,
        inspection_case.kind,
        inspection_case.indicator,
        inspection_case.is_unscheduled,
        inspection_case.entity_kind,
        inspection_case.entity_code,
        {{ employer_key_or_unlisted(
            'employer.employer_key', 'inspection_case.employer_id', 'inspection_case.decision_month'
        ) }} as employer_key,
        inspection_case.employer_id,
        inspection_case.decision_date,
        inspection_case.conclusion_date,
        inspection_case.arrears_before_vnd,
        inspection_case.persons_found,
        inspection_case.recovered_at_visit_vnd,
        inspection_case.recovered_after_vnd,
        inspection_case.recovered_vnd,
        inspection_case.fine_vnd,
        inspection_case.month as list_month,
        inspection_case.as_of_date,
        inspection_case.submission_id,
        inspection_case.row_no
    from inspection_case
    -- one name of a territory a month and versions that do not overlap: neither join fans out
    left join province
        on
            inspection_case.territory_key = province.territory_key
            and inspection_case.decision_month >= province.valid_from
            and inspection_case.decision_month < province.valid_to
    left join employer
        on
            inspection_case.employer_id = employer.employer_id
            and inspection_case.decision_month >= employer.valid_from
            and inspection_case.decision_month < employer.valid_to
    left join succeeded
        on
            inspection_case.territory_key = succeeded.territory_key
            and inspection_case.case_no = succeeded.case_no
            and inspection_case.decision_date = succeeded.decision_date
    where succeeded.case_no is null
)

select * from final
