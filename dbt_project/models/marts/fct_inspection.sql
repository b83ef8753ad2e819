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

territory as (
    select * from {{ ref('int_calendar__territory') }}
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

listed_case as (
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

-- the year's latest list on a territory: since the merger a province's own takes the place of its
-- predecessors' of that year
succeeded_list as (
    select
        old.territory_key,
        date_trunc('year', old.month) as year
    from latest_list as old
    inner join territory as predecessor on old.territory_key = predecessor.territory_key
    inner join territory as heir
        on
            predecessor.current_province_code = heir.current_province_code
            and predecessor.valid_from < heir.valid_from
    inner join latest_list as own
        on
            heir.territory_key = own.territory_key
            and date_trunc('year', old.month) = date_trunc('year', own.month)
    group by old.territory_key, date_trunc('year', old.month)
),

-- a case is its predecessor's that lists it, and one of a time before the map changed belongs to
-- the map of that time
predecessor_case as (
    select
        old.current_province_code,
        old.case_no,
        old.decision_date,
        min(old.territory_key) as territory_key
    from listed_case as old
    inner join territory
        on
            old.territory_key = territory.territory_key
            and territory.vintage = '63'
    group by old.current_province_code, old.case_no, old.decision_date
    having count(distinct old.territory_key) = 1
),

sole_predecessor as (
    select
        heir.territory_key,
        max(old.territory_key) as predecessor_key
    from territory as heir
    inner join territory as old
        on
            heir.current_province_code = old.current_province_code
            and heir.valid_from > old.valid_from
    where heir.predecessors = 1
    group by heir.territory_key
),

placed as (
    select
        listed_case.*,
        case
            when listed_case.decision_month < territory.valid_from
                then coalesce(
                    predecessor_case.territory_key,
                    sole_predecessor.predecessor_key,
                    listed_case.territory_key
                )
            else listed_case.territory_key
        end as home_key
    from listed_case
    inner join territory on listed_case.territory_key = territory.territory_key
    left join predecessor_case
        on
            listed_case.current_province_code = predecessor_case.current_province_code
            and listed_case.case_no = predecessor_case.case_no
            and listed_case.decision_date = predecessor_case.decision_date
            and listed_case.territory_key <> predecessor_case.territory_key
    left join sole_predecessor on listed_case.territory_key = sole_predecessor.territory_key
    left join succeeded_list
        on
            listed_case.territory_key = succeeded_list.territory_key
            and date_trunc('year', listed_case.month) = succeeded_list.year
    where succeeded_list.territory_key is null
),

-- of an older case whose amounts changed the later list has the say
inspection_case as (
    select distinct on (home_key, case_no, decision_date) *
    from placed
    order by home_key asc, case_no asc, decision_date asc, month desc
),

identified as (
    select
        inspection_case.*,
        case
            when inspection_case.entity_kind = 'employer'
                then {{ employer_id('inspection_case.home_key', 'inspection_case.entity_code') }}
        end as home_employer_id
    from inspection_case
),

final as (
    select
        identified.decision_month as month,
        coalesce(province.province_key, identified.province_key) as province_key,
        identified.home_key as territory_key,
        identified.province_code,
        identified.current_province_code,
        identified.case_no,
        identified.kind,
        identified.indicator,
        identified.is_unscheduled,
        identified.entity_kind,
        identified.entity_code,
        -- on no list of the time it is the unit of the list that names it, as in dim_employer
        {{ employer_key_or_unlisted(
            'employer.employer_key', 'identified.employer_id', 'identified.decision_month'
        ) }} as employer_key,
        coalesce(employer.employer_id, identified.employer_id) as employer_id,
        identified.decision_date,
        identified.conclusion_date,
        identified.arrears_before_vnd,
        identified.persons_found,
        identified.recovered_at_visit_vnd,
        identified.recovered_after_vnd,
        identified.recovered_vnd,
        identified.fine_vnd,
        identified.month as list_month,
        identified.as_of_date,
        identified.submission_id,
        identified.row_no
    from identified
    -- one name of a territory a month and versions that do not overlap: neither join fans out
    left join province
        on
            identified.home_key = province.territory_key
            and identified.decision_month >= province.valid_from
            and identified.decision_month < province.valid_to
    left join employer
        on
            identified.home_employer_id = employer.employer_id
            and identified.decision_month >= employer.valid_from
            and identified.decision_month < employer.valid_to
)

select * from final
